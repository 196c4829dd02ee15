//! Losses, computed from logits, finite for every finite logit. Stock candle
//! takes a sigmoid and then a logarithm, which gives NaN at a logit of 20.
//!
//! Each loss carries weights, so that an answer that was not labelled, or a
//! token that stands for nothing, counts for nothing.

use candle_core::{Result, Tensor, bail};

use super::ops;

/// `ln(1 + eˣ)` without overflow.
pub fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// Weighted mean binary cross entropy of `logits` against `targets` in
/// `[0, 1]`: `Σ w (softplus(x) − t x) / norm`.
///
/// `norm` is what the sum is divided by; the caller chooses it (the sum of
/// the weights, the number of texts), because a mean over whatever happened
/// to be labelled would let one rare label shout.
///
/// # Errors
///
/// When targets or weights do not fit the logits.
pub fn binary_cross_entropy(
    logits: &Tensor,
    targets: Vec<f32>,
    weights: Vec<f32>,
    norm: f64,
) -> Result<Tensor> {
    let n = logits.elem_count();
    if targets.len() != n || weights.len() != n {
        bail!("loss: {n} logits, {} targets, {} weights", targets.len(), weights.len());
    }
    let norm = norm.max(1e-12);
    ops::loss(logits, "binary-cross-entropy", move |x| {
        let mut total = 0.0;
        let mut grad = vec![0.0; x.len()];
        for (i, &x) in x.iter().enumerate() {
            let (x, t, w) = (f64::from(x), f64::from(targets[i]), f64::from(weights[i]));
            if w == 0.0 {
                continue;
            }
            total += w * (softplus(x) - t * x);
            let sigmoid = 1.0 / (1.0 + (-x).exp());
            grad[i] = (w * (sigmoid - t) / norm) as f32;
        }
        (total / norm, grad)
    })
}

/// Weighted cross entropy of rows of `logits` (n, c) against soft targets
/// (n, c) that sum to one: `Σ w (logΣeˣ − Σ t x) / norm`.
///
/// # Errors
///
/// When targets or weights do not fit the logits.
pub fn cross_entropy(logits: &Tensor, targets: Vec<f32>, weights: Vec<f32>, norm: f64) -> Result<Tensor> {
    let (n, c) = logits.dims2()?;
    if targets.len() != n * c || weights.len() != n {
        bail!("loss: logits ({n}, {c}), {} targets, {} weights", targets.len(), weights.len());
    }
    let norm = norm.max(1e-12);
    ops::loss(logits, "cross-entropy", move |x| {
        let mut total = 0.0;
        let mut grad = vec![0.0; x.len()];
        for (row, &w) in weights.iter().enumerate() {
            if w == 0.0 {
                continue;
            }
            let (x, t) = (&x[row * c..(row + 1) * c], &targets[row * c..(row + 1) * c]);
            let max = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f64 = x.iter().map(|&v| f64::from(v - max).exp()).sum();
            let log_sum = sum.ln() + f64::from(max);
            let dot: f64 = x.iter().zip(t).map(|(&x, &t)| f64::from(x) * f64::from(t)).sum();
            let w = f64::from(w);
            total += w * (log_sum - dot);
            for (j, (&x, &t)) in x.iter().zip(t).enumerate() {
                let p = (f64::from(x) - log_sum).exp();
                grad[row * c + j] = (w * (p - f64::from(t)) / norm) as f32;
            }
        }
        (total / norm, grad)
    })
}

/// Three-way cross entropy of found, denied and not mentioned, whose logits
/// are `found`, `denied` and 0. `states` holds 0 not mentioned, 1 found,
/// 2 denied, in the order of the flattened (b, i) logits; `weights` likewise.
///
/// # Errors
///
/// When states or weights do not fit the logits.
pub fn three_states(
    found: &Tensor,
    denied: &Tensor,
    states: &[u8],
    weights: Vec<f32>,
    norm: f64,
) -> Result<Tensor> {
    let n = found.elem_count();
    if states.len() != n || denied.elem_count() != n {
        bail!("loss: {n} logits, {} denied, {} states", denied.elem_count(), states.len());
    }
    let logits = three_state_logits(found, denied)?;
    let mut targets = vec![0.0; 3 * n];
    for (row, &state) in states.iter().enumerate() {
        targets[3 * row + usize::from(state.min(2))] = 1.0;
    }
    cross_entropy(&logits, targets, weights, norm)
}

/// The logits of not mentioned, found and denied as rows (b · i, 3), from those
/// of found and denied (b, i); that of not mentioned is 0.
///
/// # Errors
///
/// When the two do not fit each other.
pub fn three_state_logits(found: &Tensor, denied: &Tensor) -> Result<Tensor> {
    let n = found.elem_count();
    let zero = found.zeros_like()?.reshape((n, 1))?;
    Tensor::cat(&[&zero, &found.reshape((n, 1))?, &denied.reshape((n, 1))?], 1)
}

/// Supervised contrastive loss (Khosla et al. 2020) over vectors of length 1:
/// for each text with a partner of its `group`, the mean over partners of
/// `−ln(e^{s_partner/T} / Σ_{others} e^{s/T})`. `None` belongs to no group and
/// is a negative for all. Returns `None` when no text has a partner.
///
/// # Errors
///
/// When groups do not fit the vectors (b, width).
pub fn supervised_contrastive(
    vectors: &Tensor,
    groups: &[Option<u64>],
    temperature: f64,
) -> Result<Option<Tensor>> {
    let (b, _) = vectors.dims2()?;
    if groups.len() != b {
        bail!("loss: {b} vectors, {} groups", groups.len());
    }
    let mut targets = vec![0.0f32; b * b];
    let mut weights = vec![0.0f32; b];
    for i in 0..b {
        let partners: Vec<usize> =
            (0..b).filter(|&j| j != i && groups[i].is_some() && groups[i] == groups[j]).collect();
        for &j in &partners {
            targets[i * b + j] = 1.0 / partners.len() as f32;
        }
        weights[i] = if partners.is_empty() { 0.0 } else { 1.0 };
    }
    let anchors = weights.iter().filter(|&&w| w > 0.0).count();
    if anchors == 0 {
        return Ok(None);
    }
    let similarity = (vectors.matmul(&vectors.t()?.contiguous()?)? / temperature)?;
    // A text is no candidate for itself.
    let mut own = vec![0.0f32; b * b];
    for i in 0..b {
        own[i * b + i] = -1e4;
    }
    let own = Tensor::from_vec(own, (b, b), vectors.device())?;
    cross_entropy(&(similarity + own)?, targets, weights, anchors as f64).map(Some)
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};
    use proptest::prelude::*;

    use super::*;

    fn row(values: &[f32]) -> Var {
        let tensor = Tensor::from_slice(values, (1, values.len()), &Device::Cpu).unwrap();
        Var::from_tensor(&tensor).unwrap()
    }

    #[test]
    fn binary_cross_entropy_has_its_textbook_values() {
        let x = row(&[0.0, 20.0, -20.0]);
        let loss = binary_cross_entropy(&x, vec![1.0, 1.0, 1.0], vec![1.0, 1.0, 0.0], 1.0).unwrap();
        // ln 2 + ln(1 + e^-20); the last has no weight.
        assert!((loss.to_scalar::<f32>().unwrap() - std::f32::consts::LN_2).abs() < 1e-6);
        let grads = loss.backward().unwrap();
        let grad = grads.get(&x).unwrap().to_vec2::<f32>().unwrap();
        assert!((grad[0][0] + 0.5).abs() < 1e-6 && grad[0][2] == 0.0);
    }

    #[test]
    fn cross_entropy_has_its_textbook_values() {
        let x = row(&[1.0, 2.0, 3.0]);
        let loss = cross_entropy(&x, vec![0.0, 0.0, 1.0], vec![1.0], 1.0).unwrap();
        // −ln softmax(3 of 1, 2, 3) = 0.40760596
        assert!((loss.to_scalar::<f32>().unwrap() - 0.407_605_96).abs() < 1e-6);
    }

    #[test]
    fn contrastive_loss_falls_when_partners_are_close() {
        let vectors = |a: f32| {
            let v = [1.0, 0.0, a.cos(), a.sin(), -1.0, 0.0];
            Tensor::from_slice(&v, (3, 2), &Device::Cpu).unwrap()
        };
        let groups = [Some(1), Some(1), None];
        let at = |a: f32| {
            let loss = supervised_contrastive(&vectors(a), &groups, 0.1).unwrap().unwrap();
            loss.to_scalar::<f32>().unwrap()
        };
        assert!(at(0.1) < at(1.5));
        assert!(supervised_contrastive(&vectors(0.1), &[None; 3], 0.1).unwrap().is_none());
    }

    proptest! {
        #[test]
        fn losses_are_finite_for_every_finite_logit(x in proptest::collection::vec(-1e4f32..1e4, 6), t in 0usize..3) {
            let v = row(&x);
            let bce = binary_cross_entropy(&v, vec![(t % 2) as f32; 6], vec![1.0; 6], 6.0).unwrap();
            prop_assert!(bce.to_scalar::<f32>().unwrap().is_finite());
            let grads = bce.backward().unwrap();
            let grad = grads.get(&v).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            prop_assert!(grad.iter().all(|g| g.is_finite()));
            let logits = Tensor::from_slice(&x, (2, 3), &Device::Cpu).unwrap();
            let mut targets = vec![0.0; 6];
            targets[t] = 1.0;
            targets[3 + t] = 1.0;
            let ce = cross_entropy(&logits, targets, vec![1.0; 2], 2.0).unwrap();
            prop_assert!(ce.to_scalar::<f32>().unwrap() >= 0.0);
            let found = Tensor::from_slice(&x[..3], (1, 3), &Device::Cpu).unwrap();
            let denied = Tensor::from_slice(&x[3..], (1, 3), &Device::Cpu).unwrap();
            let three = three_states(&found, &denied, &[0, 1, 2], vec![1.0; 3], 3.0).unwrap();
            prop_assert!(three.to_scalar::<f32>().unwrap().is_finite());
        }
    }
}
