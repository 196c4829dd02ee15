//! AdamW (Loshchilov and Hutter 2019) with a rate for each variable, and with
//! its moments open to a checkpoint. Rows of the word table that a batch does
//! not touch keep weights and moments as they are and cost nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, InplaceOp2, Layout, Result, Tensor, Var, bail};
use rayon::prelude::*;

use super::ops::with_values;
use super::params::{Array, Params, WORD_EMBEDDINGS};

/// Constants of AdamW.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWConfig {
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of squared gradients.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Decoupled weight decay; biases, norms and embeddings are free of it.
    pub weight_decay: f64,
}

/// First and second moment of one variable's gradient.
#[derive(Clone, Debug, PartialEq)]
struct Moments {
    m: Vec<f32>,
    v: Vec<f32>,
}

/// The optimiser's state.
#[derive(Clone, Debug)]
pub struct AdamW {
    config: AdamWConfig,
    step: u64,
    moments: BTreeMap<String, Moments>,
}

/// The gradient of the word table: rows by token id.
#[derive(Debug)]
pub struct WordGradient {
    /// Token id of each row.
    pub ids: Vec<u32>,
    /// Gradient (ids.len(), d).
    pub rows: Tensor,
}

/// The constants of one step, in `f32`.
struct Update {
    beta1: f32,
    beta2: f32,
    correct1: f32,
    correct2: f32,
    eps: f32,
}

impl Update {
    #[inline(always)]
    #[expect(clippy::too_many_arguments, reason = "four arrays and their three constants")]
    fn apply(
        &self,
        w: &mut [f32],
        g: &[f32],
        m: &mut [f32],
        v: &mut [f32],
        scale: f32,
        rate: f32,
        decay: f32,
    ) {
        for (((w, g), m), v) in w.iter_mut().zip(g).zip(m).zip(v) {
            let g = g * scale;
            *m = self.beta1 * *m + (1.0 - self.beta1) * g;
            *v = self.beta2 * *v + (1.0 - self.beta2) * g * g;
            let step = (*m * self.correct1) / ((*v * self.correct2).sqrt() + self.eps);
            *w -= rate * (step + decay * *w);
        }
    }
}

/// The update of one variable where it lies, without a copy of weights or
/// gradient.
struct InPlace<'a> {
    update: &'a Update,
    state: Mutex<&'a mut Moments>,
    scale: f32,
    rate: f32,
    decay: f32,
}

impl InplaceOp2 for InPlace<'_> {
    fn name(&self) -> &'static str {
        "adamw"
    }

    fn cpu_fwd(&self, w: &mut CpuStorage, l1: &Layout, g: &CpuStorage, l2: &Layout) -> Result<()> {
        let (Some((w0, w1)), Some((g0, g1))) = (l1.contiguous_offsets(), l2.contiguous_offsets()) else {
            bail!("adamw: weights and gradient must be contiguous")
        };
        let g = &g.as_slice::<f32>()?[g0..g1];
        let CpuStorage::F32(w) = w else { bail!("adamw: weights must be f32") };
        let w = &mut w[w0..w1];
        // Nobody panics while holding it, and a poisoned state is still whole.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Moments { m, v } = &mut **state;
        if w.len() != g.len() || w.len() != m.len() || w.len() != v.len() {
            bail!("adamw: {} weights, {} gradients, {} moments", w.len(), g.len(), m.len());
        }
        super::kernels::vectorised(|| {
            self.update.apply(w, g, m, v, self.scale, self.rate, self.decay);
        });
        Ok(())
    }
}

impl AdamW {
    /// An optimiser that has taken no step.
    pub fn new(config: AdamWConfig) -> Self {
        Self { config, step: 0, moments: BTreeMap::new() }
    }

    /// Steps taken.
    pub fn step_count(&self) -> u64 {
        self.step
    }

    /// The Euclidean norm of all gradients together, summed in order of the
    /// names so that it is the same in every run.
    ///
    /// # Errors
    ///
    /// When a variable has no gradient: then the graph was cut, and training
    /// would silently leave it as it is.
    pub fn gradient_norm(params: &Params, grads: &GradStore, words: &WordGradient) -> Result<f64> {
        let squares =
            |x: &Tensor| with_values(x, |x| x.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>());
        let mut total = squares(&words.rows)?;
        for (name, var) in params.vars() {
            let Some(grad) = grads.get(var) else {
                bail!("variable {name} got no gradient: the graph is cut before it")
            };
            total += squares(grad)?;
        }
        Ok(total.sqrt())
    }

    /// Takes one step: each variable moves by its `rate`, its gradient scaled
    /// by `scale` (gradient clipping).
    ///
    /// # Errors
    ///
    /// When a variable has no gradient or shapes do not fit.
    pub fn step(
        &mut self,
        params: &mut Params,
        grads: &GradStore,
        words: &WordGradient,
        scale: f64,
        rate: impl Fn(&str) -> f64,
    ) -> Result<()> {
        self.step += 1;
        let c = self.config;
        let power = self.step.min(i32::MAX as u64) as i32;
        let update = Update {
            beta1: c.beta1 as f32,
            beta2: c.beta2 as f32,
            correct1: (1.0 / (1.0 - c.beta1.powi(power))) as f32,
            correct2: (1.0 / (1.0 - c.beta2.powi(power))) as f32,
            eps: c.eps as f32,
        };
        for (name, var) in params.vars() {
            if !self.moments.contains_key(name) {
                let n = var.elem_count();
                self.moments.insert(name.to_owned(), Moments { m: vec![0.0; n], v: vec![0.0; n] });
            }
        }
        // Variables and moments are both in order of their names; the moments
        // hold those of the word table besides.
        let mut work: Vec<(&Var, Tensor, InPlace<'_>)> = Vec::new();
        let mut moments = self.moments.iter_mut();
        for (name, var) in params.vars() {
            let Some(grad) = grads.get(var) else {
                bail!("variable {name} got no gradient: the graph is cut before it")
            };
            let Some((_, state)) = moments.by_ref().find(|(other, _)| *other == name) else {
                bail!("variable {name} has no moments")
            };
            let decay = if decays(name) { c.weight_decay as f32 } else { 0.0 };
            let op = InPlace {
                update: &update,
                state: Mutex::new(state),
                scale: scale as f32,
                rate: rate(name) as f32,
                decay,
            };
            work.push((var, grad.contiguous()?, op));
        }
        work.par_iter().try_for_each(|(var, grad, op)| var.as_tensor().inplace_op2(grad, op))?;
        drop(work);
        self.step_words(params, words, scale, rate(WORD_EMBEDDINGS), &update)
    }

    fn step_words(
        &mut self,
        params: &mut Params,
        words: &WordGradient,
        scale: f64,
        rate: f64,
        update: &Update,
    ) -> Result<()> {
        let table = params.words_mut();
        let (n, d) = (table.data.len(), table.shape[1]);
        let state = self
            .moments
            .entry(WORD_EMBEDDINGS.to_owned())
            .or_insert_with(|| Moments { m: vec![0.0; n], v: vec![0.0; n] });
        if state.m.len() != n || words.rows.dims() != [words.ids.len(), d] {
            bail!("gradient of the word table {:?} does not fit", words.rows.shape());
        }
        with_values(&words.rows, |grad| {
            for (row, &id) in words.ids.iter().enumerate() {
                let at = id as usize * d..(id as usize + 1) * d;
                let g = &grad[row * d..(row + 1) * d];
                let (m, v) = (&mut state.m[at.clone()], &mut state.v[at.clone()]);
                update.apply(&mut table.data[at], g, m, v, scale as f32, rate as f32, 0.0);
            }
        })
    }

    /// The moments by name (`m.{name}`, `v.{name}`), for a checkpoint.
    pub fn to_arrays(&self) -> BTreeMap<String, Array> {
        let mut arrays = BTreeMap::new();
        for (name, state) in &self.moments {
            let array = |data: &Vec<f32>| Array { shape: vec![data.len()], data: data.clone() };
            arrays.insert(format!("m.{name}"), array(&state.m));
            arrays.insert(format!("v.{name}"), array(&state.v));
        }
        arrays
    }

    /// An optimiser as a checkpoint left it after `step` steps.
    ///
    /// # Errors
    ///
    /// When a first moment has no second, or the other way round.
    pub fn from_arrays(config: AdamWConfig, step: u64, mut arrays: BTreeMap<String, Array>) -> Result<Self> {
        let names: Vec<String> =
            arrays.keys().filter_map(|k| k.strip_prefix("m.")).map(str::to_owned).collect();
        let mut moments = BTreeMap::new();
        for name in names {
            let m = arrays.remove(&format!("m.{name}"));
            let v = arrays.remove(&format!("v.{name}"));
            match (m, v) {
                (Some(m), Some(v)) if m.data.len() == v.data.len() => {
                    moments.insert(name, Moments { m: m.data, v: v.data });
                }
                _ => bail!("checkpoint: the moments of {name} do not belong together"),
            }
        }
        Ok(Self { config, step, moments })
    }
}

/// Whether weight decay applies: to matrices of layers, not to biases, norms
/// and embeddings.
fn decays(name: &str) -> bool {
    name.ends_with(".weight") && !name.contains("LayerNorm") && !name.starts_with("embeddings.")
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::nn::params::Init;
    use crate::rng::Rng;

    const CONFIG: AdamWConfig = AdamWConfig { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.1 };

    fn params() -> Params {
        let words = Array { shape: vec![3, 2], data: vec![1.0; 6] };
        let mut params = Params::new(words).unwrap();
        let mut rng = Rng::new(1, "test");
        params.add("a.weight", &[2], &mut BTreeMap::new(), Init::Constant(1.0), &mut rng).unwrap();
        params
    }

    fn step(optimiser: &mut AdamW, params: &mut Params) {
        let rows = Var::from_tensor(&params.gather_words(&[1]).unwrap()).unwrap();
        let a = params.get("a.weight").unwrap();
        let loss = ((a * 3.0).unwrap().sum_all().unwrap()
            + (rows.as_tensor() * 2.0).unwrap().sum_all().unwrap())
        .unwrap();
        let grads = loss.backward().unwrap();
        let words = WordGradient { ids: vec![1], rows: grads.get(&rows).unwrap().clone() };
        optimiser.step(params, &grads, &words, 1.0, |_| 0.01).unwrap();
    }

    #[test]
    fn the_first_step_is_the_rate_in_the_direction_of_the_gradient() {
        let (mut optimiser, mut params) = (AdamW::new(CONFIG), params());
        step(&mut optimiser, &mut params);
        let a = params.get("a.weight").unwrap().to_vec1::<f32>().unwrap();
        // 1 − 0.01 · (1 + 0.1 · 1)
        assert!((a[0] - 0.989).abs() < 1e-6, "{a:?}");
        // Without decay, and only the row that was touched.
        let words = &params.words().data;
        assert_eq!(words[..2], [1.0, 1.0]);
        assert!((words[2] - 0.99).abs() < 1e-6, "{words:?}");
        assert_eq!(words[4..], [1.0, 1.0]);
    }

    #[test]
    fn a_resumed_optimiser_takes_the_same_steps() {
        let (mut optimiser, mut params_a) = (AdamW::new(CONFIG), params());
        step(&mut optimiser, &mut params_a);
        let arrays = optimiser.to_arrays();
        let mut resumed = AdamW::from_arrays(CONFIG, optimiser.step_count(), arrays).unwrap();
        let mut given = params_a.to_arrays().unwrap();
        let mut params_b = Params::new(given.remove(WORD_EMBEDDINGS).unwrap()).unwrap();
        let mut rng = Rng::new(1, "test");
        params_b.add("a.weight", &[2], &mut given, Init::Zeros, &mut rng).unwrap();
        step(&mut optimiser, &mut params_a);
        step(&mut resumed, &mut params_b);
        assert_eq!(params_a.to_arrays().unwrap(), params_b.to_arrays().unwrap());
        assert_eq!(optimiser.to_arrays(), resumed.to_arrays());
    }

    #[test]
    fn a_variable_without_gradient_is_an_error_that_names_it() {
        let params = params();
        let x = Tensor::new(1.0f32, &Device::Cpu).unwrap();
        let grads = x.backward().unwrap();
        let rows = Tensor::zeros((0, 2), candle_core::DType::F32, &Device::Cpu).unwrap();
        let words = WordGradient { ids: vec![], rows };
        let error = AdamW::gradient_norm(&params, &grads, &words).unwrap_err().to_string();
        assert!(error.contains("a.weight"), "{error}");
    }
}
