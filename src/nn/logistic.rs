//! Logistic regression over sparse rows.
//!
//! The loss is that of scikit-learn's `LogisticRegression`,
//! `½ |w|² + C Σ log(1 + exp(−y (w·x + b)))` with a free intercept, minimised
//! by L-BFGS (Nocedal and Wright 2006, algorithm 7.5) with backtracking.

use std::collections::VecDeque;

use super::loss::softplus;

/// Rows of features, each as `(column, value)`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sparse {
    /// Columns that there are.
    pub columns: usize,
    /// The rows.
    pub rows: Vec<Vec<(u32, f64)>>,
}

/// A logistic regression.
#[derive(Clone, Debug, PartialEq)]
pub struct Logistic {
    /// One weight for each column.
    pub weights: Vec<f64>,
    /// The intercept.
    pub intercept: f64,
}

fn dot(row: &[(u32, f64)], weights: &[f64]) -> f64 {
    row.iter().map(|&(c, v)| v * weights.get(c as usize).copied().unwrap_or(0.0)).sum()
}

fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

/// Loss and gradient at `w`, whose last entry is the intercept.
fn loss(data: &Sparse, rows: &[usize], y: &[bool], c: f64, w: &[f64]) -> (f64, Vec<f64>) {
    let (weights, intercept) = w.split_at(data.columns);
    let mut gradient = w.to_vec();
    gradient[data.columns] = 0.0;
    let mut loss = weights.iter().map(|x| x * x).sum::<f64>() / 2.0;
    for &r in rows {
        let z = dot(&data.rows[r], weights) + intercept[0];
        let sign = if y[r] { 1.0 } else { -1.0 };
        loss += c * softplus(-sign * z);
        let g = -c * sign * sigmoid(-sign * z);
        for &(column, v) in &data.rows[r] {
            gradient[column as usize] += g * v;
        }
        gradient[data.columns] += g;
    }
    (loss, gradient)
}

fn inner(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl Logistic {
    /// Fits to the rows listed, `y` being the truth of every row of `data`.
    /// `c` is the inverse strength of the penalty. Rows of one class give a
    /// constant near that class.
    pub fn fit(data: &Sparse, rows: &[usize], y: &[bool], c: f64) -> Self {
        const MEMORY: usize = 8;
        const STEPS: usize = 100;
        let n = data.columns + 1;
        let mut w = vec![0.0; n];
        let (mut value, mut gradient) = loss(data, rows, y, c, &w);
        // Relative to the start, so that the count of rows does not matter.
        let enough = 1e-4 * inner(&gradient, &gradient).sqrt().max(1e-9);
        let mut memory: VecDeque<(Vec<f64>, Vec<f64>, f64)> = VecDeque::new();
        for _ in 0..STEPS {
            if inner(&gradient, &gradient).sqrt() <= enough {
                break;
            }
            // Two loops: direction = −H · gradient.
            let mut direction: Vec<f64> = gradient.iter().map(|g| -g).collect();
            let mut alphas = Vec::with_capacity(memory.len());
            for (s, d, rho) in memory.iter().rev() {
                let alpha = rho * inner(s, &direction);
                for (q, d) in direction.iter_mut().zip(d) {
                    *q -= alpha * d;
                }
                alphas.push(alpha);
            }
            let scale = match memory.back() {
                Some((s, d, _)) => inner(s, d) / inner(d, d),
                None => 1.0 / inner(&gradient, &gradient).sqrt(),
            };
            direction.iter_mut().for_each(|q| *q *= scale);
            for ((s, d, rho), alpha) in memory.iter().zip(alphas.into_iter().rev()) {
                let beta = rho * inner(d, &direction);
                for (q, s) in direction.iter_mut().zip(s) {
                    *q += (alpha - beta) * s;
                }
            }
            let slope = inner(&gradient, &direction);
            // Halve the step until the loss falls enough (Armijo).
            let mut step = 1.0;
            let moved = loop {
                let next: Vec<f64> = w.iter().zip(&direction).map(|(w, d)| w + step * d).collect();
                let (next_value, next_gradient) = loss(data, rows, y, c, &next);
                if next_value <= value + 1e-4 * step * slope {
                    break Some((next, next_value, next_gradient));
                }
                step /= 2.0;
                if step < 1e-10 {
                    break None;
                }
            };
            let Some((next, next_value, next_gradient)) = moved else {
                break;
            };
            let s: Vec<f64> = next.iter().zip(&w).map(|(a, b)| a - b).collect();
            let d: Vec<f64> = next_gradient.iter().zip(&gradient).map(|(a, b)| a - b).collect();
            let curvature = inner(&s, &d);
            if curvature > 1e-12 {
                if memory.len() == MEMORY {
                    memory.pop_front();
                }
                memory.push_back((s, d, 1.0 / curvature));
            }
            (w, value, gradient) = (next, next_value, next_gradient);
        }
        let intercept = w.pop().unwrap_or(0.0);
        Self { weights: w, intercept }
    }

    /// The log odds of a row.
    pub fn log_odds(&self, row: &[(u32, f64)]) -> f64 {
        dot(row, &self.weights) + self.intercept
    }

    /// The probability of a row.
    pub fn p(&self, row: &[(u32, f64)]) -> f64 {
        sigmoid(self.log_odds(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64, tolerance: f64) -> bool {
        (a - b).abs() <= tolerance
    }

    #[test]
    fn the_fit_is_that_of_scikit_learn() {
        // LogisticRegression(C=2, tol=1e-10) of scikit-learn 1.9.1.
        let x = [
            [1.0, 0.0, 0.5],
            [0.0, 1.0, 0.2],
            [0.3, 0.3, 0.9],
            [0.8, 0.1, 0.4],
            [0.2, 0.9, 0.1],
            [0.5, 0.5, 0.5],
            [0.9, 0.4, 0.0],
            [0.1, 0.7, 0.8],
        ];
        let y = [true, false, true, true, false, false, true, false];
        let data = Sparse {
            columns: 3,
            rows: x.iter().map(|r| r.iter().enumerate().map(|(c, &v)| (c as u32, v)).collect()).collect(),
        };
        let rows: Vec<usize> = (0..8).collect();
        let got = Logistic::fit(&data, &rows, &y, 2.0);
        let want = [1.164_708_5, -1.307_979_1, 0.119_569_5];
        for (g, w) in got.weights.iter().zip(want) {
            // The fit stops at a ten-thousandth of the first gradient.
            assert!(close(*g, w, 2e-3), "{got:?}");
        }
        assert!(close(got.intercept, 0.032_081_9, 2e-3), "{got:?}");
        assert!(!close(got.intercept, 0.04, 2e-3));
    }

    #[test]
    fn one_class_and_no_row_give_finite_answers() {
        let data = Sparse { columns: 1, rows: vec![vec![(0, 1.0)]; 20] };
        let rows: Vec<usize> = (0..20).collect();
        let p = Logistic::fit(&data, &rows, &[true; 20], 10.0).p(&data.rows[0]);
        assert!(p > 0.9 && p < 1.0, "{p}");
        assert_eq!(Logistic::fit(&data, &[], &[], 1.0).p(&[]), 0.5);
    }
}
