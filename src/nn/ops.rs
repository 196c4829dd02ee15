//! The kernels of [`super::kernels`] as operations of candle's graph, each
//! with its own backward pass. Stock candle cuts the gradient of its fused
//! layer norm and softmax without saying so, and takes many passes for GELU
//! and dropout; these neither cut nor repeat.
//!
//! Dimension key: `n` rows (tokens of all texts, end to end), `d` width,
//! `b` texts, `c` channels, `s` values per channel.

use std::sync::Arc;

use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, DType, Device, Layout, Result, Shape, Storage, Tensor, bail,
};

use super::kernels::{self, AttentionShape};

/// The values of a dense float tensor on the CPU.
fn values<'a>(storage: &'a CpuStorage, layout: &Layout, op: &str) -> Result<&'a [f32]> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("{op}: the input must be contiguous, its strides are {:?}", layout.stride())
    };
    Ok(&storage.as_slice::<f32>()?[start..end])
}

/// Calls `f` with the values of a tensor, made dense where it is not.
pub(crate) fn with_values<R>(x: &Tensor, f: impl FnOnce(&[f32]) -> R) -> Result<R> {
    let x = x.contiguous()?;
    let (storage, layout) = x.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => Ok(f(values(storage, layout, "reading a tensor")?)),
        _ => bail!("reading a tensor: it is not on the CPU"),
    }
}

fn tensor(data: Vec<f32>, shape: impl Into<Shape>) -> Result<Tensor> {
    Tensor::from_vec(data, shape.into(), &Device::Cpu)
}

fn stored(data: Vec<f32>, shape: impl Into<Shape>) -> Result<(CpuStorage, Shape)> {
    Ok((CpuStorage::F32(data), shape.into()))
}

/// `x wᵀ + b`.
struct Linear;

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (n, k) = l1.shape().dims2()?;
        let (o, k2) = l2.shape().dims2()?;
        if k != k2 || l3.shape().dims1()? != o {
            bail!("linear: x ({n}, {k}), w ({o}, {k2}), b {:?} do not fit", l3.shape());
        }
        let x = values(s1, l1, "linear")?;
        let (w, b) = (values(s2, l2, "linear")?, values(s3, l3, "linear")?);
        stored(kernels::linear(x, w, b, n, k, o), (n, o))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        b: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (n, k) = x.dims2()?;
        let o = b.dims1()?;
        let (dx, dw, db) = with_values(x, |x| {
            with_values(w, |w| with_values(grad, |dy| kernels::linear_backward(x, w, dy, (n, k, o))))
        })???;
        Ok((Some(tensor(dx, (n, k))?), Some(tensor(dw, (o, k))?), Some(tensor(db, o)?)))
    }
}

/// `x wᵀ + b` for `x` (n, k), `w` (o, k), `b` (o): (n, o).
///
/// # Errors
///
/// When the shapes do not fit.
pub fn linear(x: &Tensor, w: &Tensor, b: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op3(w, b, Linear)
}

struct LayerNorm {
    eps: f32,
}

impl CustomOp3 for LayerNorm {
    fn name(&self) -> &'static str {
        "layer-norm"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (n, d) = l1.shape().dims2()?;
        if l2.shape().dims1()? != d || l3.shape().dims1()? != d {
            bail!("layer norm: x ({n}, {d}), w {:?}, b {:?} do not fit", l2.shape(), l3.shape());
        }
        let x = values(s1, l1, "layer norm")?;
        let (w, b) = (values(s2, l2, "layer norm")?, values(s3, l3, "layer norm")?);
        stored(kernels::layer_norm(x, w, b, self.eps), (n, d))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _b: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (n, d) = x.dims2()?;
        let (dx, dw, db) = with_values(x, |x| {
            with_values(w, |w| with_values(grad, |dy| kernels::layer_norm_backward(x, w, dy, self.eps)))
        })???;
        Ok((Some(tensor(dx, (n, d))?), Some(tensor(dw, d)?), Some(tensor(db, d)?)))
    }
}

/// Layer norm of the rows of `x` (n, d) with weight and bias (d).
///
/// # Errors
///
/// When the shapes do not fit.
pub fn layer_norm(x: &Tensor, w: &Tensor, b: &Tensor, eps: f64) -> Result<Tensor> {
    x.contiguous()?.apply_op3(w, b, LayerNorm { eps: eps as f32 })
}

struct Gelu;

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn cpu_fwd(&self, s: &CpuStorage, l: &Layout) -> Result<(CpuStorage, Shape)> {
        stored(kernels::gelu(values(s, l, "gelu")?), l.shape().clone())
    }

    fn bwd(&self, x: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let dx = with_values(x, |x| with_values(grad, |dy| kernels::gelu_backward(x, dy)))??;
        Ok(Some(tensor(dx, x.shape().clone())?))
    }
}

/// Exact GELU, element by element.
///
/// # Errors
///
/// When `x` is not a float tensor on the CPU.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Gelu)
}

struct Dropout {
    p: f32,
    seed: u64,
}

impl CustomOp1 for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn cpu_fwd(&self, s: &CpuStorage, l: &Layout) -> Result<(CpuStorage, Shape)> {
        stored(kernels::dropout(values(s, l, "dropout")?, self.p, self.seed), l.shape().clone())
    }

    fn bwd(&self, x: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let dx = with_values(grad, |dy| kernels::dropout(dy, self.p, self.seed))?;
        Ok(Some(tensor(dx, x.shape().clone())?))
    }
}

/// Inverted dropout with probability `p` in `[0, 1)`; the mask is a function
/// of `seed`. With `p` 0 it is `x` itself.
///
/// # Errors
///
/// When `p` is outside `[0, 1)`.
pub fn dropout(x: &Tensor, p: f32, seed: u64) -> Result<Tensor> {
    if p == 0.0 {
        return Ok(x.clone());
    }
    if !(0.0..1.0).contains(&p) {
        bail!("dropout: the probability must lie in [0, 1), not {p}");
    }
    x.contiguous()?.apply_op1(Dropout { p, seed })
}

struct Attention {
    lengths: Arc<[usize]>,
    shape: AttentionShape,
}

impl CustomOp3 for Attention {
    fn name(&self) -> &'static str {
        "ragged-attention"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (n, d) = l1.shape().dims2()?;
        let rows: usize = self.lengths.iter().sum();
        if rows != n || l2.shape() != l1.shape() || l3.shape() != l1.shape() {
            bail!("attention: q, k, v {:?} do not fit segments of {rows} rows", l1.shape());
        }
        if self.shape.heads == 0 || d != self.shape.d || d % self.shape.heads != 0 {
            bail!("attention: width {d} does not split into {} heads", self.shape.heads);
        }
        let (q, k) = (values(s1, l1, "attention")?, values(s2, l2, "attention")?);
        let v = values(s3, l3, "attention")?;
        stored(kernels::attention(q, k, v, &self.lengths, self.shape), (n, d))
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let shape = q.dims2()?;
        let (dq, dk, dv) = with_values(q, |q| {
            with_values(k, |k| {
                with_values(v, |v| {
                    with_values(grad, |d| {
                        kernels::attention_backward((q, k, v), d, &self.lengths, self.shape)
                    })
                })
            })
        })????;
        Ok((Some(tensor(dq, shape)?), Some(tensor(dk, shape)?), Some(tensor(dv, shape)?)))
    }
}

/// Multi-head attention over ragged segments: `q`, `k`, `v` (n, d) and the
/// rows of each segment give (n, d). Rows see their own segment alone.
///
/// # Errors
///
/// When the lengths do not add up to n, or the heads do not divide d.
pub fn attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    lengths: &Arc<[usize]>,
    shape: AttentionShape,
) -> Result<Tensor> {
    let op = Attention { lengths: Arc::clone(lengths), shape };
    q.contiguous()?.apply_op3(&k.contiguous()?, &v.contiguous()?, op)
}

fn check_rows(op: &str, lengths: &[usize], n: usize) -> Result<()> {
    let rows: usize = lengths.iter().sum();
    if rows != n {
        bail!("{op}: the texts have {rows} rows, the input has {n}");
    }
    Ok(())
}

/// The rows of each text as `(text, row range)`.
fn segments(lengths: &[usize]) -> impl Iterator<Item = (usize, std::ops::Range<usize>)> + '_ {
    let mut next = 0;
    lengths.iter().enumerate().map(move |(text, &length)| {
        let rows = next..next + length;
        next = rows.end;
        (text, rows)
    })
}

struct SegmentMean {
    lengths: Arc<[usize]>,
}

impl CustomOp1 for SegmentMean {
    fn name(&self) -> &'static str {
        "segment-mean"
    }

    fn cpu_fwd(&self, s: &CpuStorage, l: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, d) = l.shape().dims2()?;
        check_rows("mean over texts", &self.lengths, n)?;
        let x = values(s, l, "mean over texts")?;
        let mut out = vec![0.0; self.lengths.len() * d];
        for (text, rows) in segments(&self.lengths) {
            let scale = 1.0 / rows.len().max(1) as f32;
            let out = &mut out[text * d..(text + 1) * d];
            for row in x[rows.start * d..rows.end * d].chunks_exact(d) {
                for (o, v) in out.iter_mut().zip(row) {
                    *o += v * scale;
                }
            }
        }
        stored(out, (self.lengths.len(), d))
    }

    fn bwd(&self, x: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (n, d) = x.dims2()?;
        let dx = with_values(grad, |dy| {
            let mut dx = Vec::with_capacity(n * d);
            for (text, rows) in segments(&self.lengths) {
                let scale = 1.0 / rows.len().max(1) as f32;
                for _ in rows {
                    dx.extend(dy[text * d..(text + 1) * d].iter().map(|g| g * scale));
                }
            }
            dx
        })?;
        Ok(Some(tensor(dx, (n, d))?))
    }
}

/// The mean of the rows of each text: `x` (n, d) gives (b, d). A text without
/// rows gives zeros.
///
/// # Errors
///
/// When the lengths do not add up to n.
pub fn segment_mean(x: &Tensor, lengths: &Arc<[usize]>) -> Result<Tensor> {
    x.contiguous()?.apply_op1(SegmentMean { lengths: Arc::clone(lengths) })
}

/// `Σ_t softmax_t(score[t, c]) · value[t, c·s..]` within each text.
struct SegmentAttend {
    lengths: Arc<[usize]>,
}

impl SegmentAttend {
    /// Attention weights (n, c): a softmax over the rows of each text.
    fn weights(&self, score: &[f32], c: usize) -> Vec<f32> {
        let mut weights = vec![0.0; score.len()];
        for (_, rows) in segments(&self.lengths) {
            for channel in 0..c {
                let at = |row: usize| row * c + channel;
                let max = rows.clone().map(|r| score[at(r)]).fold(f32::NEG_INFINITY, f32::max);
                let mut sum = 0.0;
                for row in rows.clone() {
                    let weight = (score[at(row)] - max).exp();
                    weights[at(row)] = weight;
                    sum += weight;
                }
                for row in rows.clone() {
                    weights[at(row)] /= sum;
                }
            }
        }
        weights
    }
}

impl CustomOp2 for SegmentAttend {
    fn name(&self) -> &'static str {
        "segment-attend"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (n, c) = l1.shape().dims2()?;
        let (n2, cs) = l2.shape().dims2()?;
        check_rows("pooling by attention", &self.lengths, n)?;
        if n != n2 || c == 0 || cs % c != 0 {
            bail!("pooling by attention: scores ({n}, {c}) do not fit values ({n2}, {cs})");
        }
        let s = cs / c;
        let score = values(s1, l1, "pooling by attention")?;
        let value = values(s2, l2, "pooling by attention")?;
        let weights = self.weights(score, c);
        let mut out = vec![0.0; self.lengths.len() * cs];
        for (text, rows) in segments(&self.lengths) {
            let out = &mut out[text * cs..(text + 1) * cs];
            for row in rows {
                let value = &value[row * cs..(row + 1) * cs];
                for (channel, weight) in weights[row * c..(row + 1) * c].iter().enumerate() {
                    for i in channel * s..(channel + 1) * s {
                        out[i] += weight * value[i];
                    }
                }
            }
        }
        stored(out, (self.lengths.len(), cs))
    }

    fn bwd(
        &self,
        score: &Tensor,
        value: &Tensor,
        res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (n, c) = score.dims2()?;
        let cs = value.dim(1)?;
        let s = cs / c;
        let (d_score, d_value) = with_values(score, |score| {
            with_values(value, |value| {
                with_values(res, |res| {
                    with_values(grad, |dy| {
                        let weights = self.weights(score, c);
                        let (mut ds, mut dv) = (vec![0.0; n * c], vec![0.0; n * cs]);
                        for (text, rows) in segments(&self.lengths) {
                            let (res, dy) =
                                (&res[text * cs..(text + 1) * cs], &dy[text * cs..(text + 1) * cs]);
                            for row in rows {
                                for channel in 0..c {
                                    let weight = weights[row * c + channel];
                                    let mut dot = 0.0;
                                    for i in channel * s..(channel + 1) * s {
                                        dv[row * cs + i] = weight * dy[i];
                                        dot += (value[row * cs + i] - res[i]) * dy[i];
                                    }
                                    ds[row * c + channel] = weight * dot;
                                }
                            }
                        }
                        (ds, dv)
                    })
                })
            })
        })????;
        Ok((Some(tensor(d_score, (n, c))?), Some(tensor(d_value, (n, cs))?)))
    }
}

/// Pools values over each text by attention: scores (n, c) become weights by
/// a softmax over the text's rows, and the weighted sums of the values
/// (n, c·s) are (b, c·s).
///
/// # Errors
///
/// When the shapes do not fit together.
pub fn segment_attend(score: &Tensor, value: &Tensor, lengths: &Arc<[usize]>) -> Result<Tensor> {
    let op = SegmentAttend { lengths: Arc::clone(lengths) };
    score.contiguous()?.apply_op2(&value.contiguous()?, op)
}

/// `ln(Σ_t e^{τ x}) / τ` within each text: a smooth maximum.
struct SegmentSoftMax {
    lengths: Arc<[usize]>,
    tau: f32,
}

impl CustomOp1 for SegmentSoftMax {
    fn name(&self) -> &'static str {
        "segment-smooth-max"
    }

    fn cpu_fwd(&self, s: &CpuStorage, l: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, c) = l.shape().dims2()?;
        check_rows("smooth maximum", &self.lengths, n)?;
        let x = values(s, l, "smooth maximum")?;
        let mut out = vec![0.0; self.lengths.len() * c];
        for (text, rows) in segments(&self.lengths) {
            if rows.is_empty() {
                continue;
            }
            for channel in 0..c {
                let column = || rows.clone().map(|row| x[row * c + channel]);
                let max = column().fold(f32::NEG_INFINITY, f32::max);
                let sum: f32 = column().map(|v| (self.tau * (v - max)).exp()).sum();
                out[text * c + channel] = max + sum.ln() / self.tau;
            }
        }
        stored(out, (self.lengths.len(), c))
    }

    fn bwd(&self, x: &Tensor, res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (n, c) = x.dims2()?;
        let dx = with_values(x, |x| {
            with_values(res, |res| {
                with_values(grad, |dy| {
                    let mut dx = vec![0.0; n * c];
                    for (text, rows) in segments(&self.lengths) {
                        for row in rows {
                            for channel in 0..c {
                                let (i, o) = (row * c + channel, text * c + channel);
                                dx[i] = dy[o] * (self.tau * (x[i] - res[o])).exp();
                            }
                        }
                    }
                    dx
                })
            })
        })???;
        Ok(Some(tensor(dx, (n, c))?))
    }
}

/// A smooth maximum of each channel over the rows of each text,
/// `ln(Σ e^{τ x}) / τ`: `x` (n, c) gives (b, c). A text without rows gives 0.
///
/// # Errors
///
/// When the lengths do not add up to n.
pub fn segment_smooth_max(x: &Tensor, lengths: &Arc<[usize]>, tau: f32) -> Result<Tensor> {
    x.contiguous()?.apply_op1(SegmentSoftMax { lengths: Arc::clone(lengths), tau })
}

/// A scalar loss whose gradient is found together with its value.
struct Loss<F> {
    name: &'static str,
    /// Logits to (loss, gradient of the logits).
    f: F,
}

impl<F: Fn(&[f32]) -> (f64, Vec<f32>)> CustomOp1 for Loss<F> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn cpu_fwd(&self, s: &CpuStorage, l: &Layout) -> Result<(CpuStorage, Shape)> {
        let (loss, _) = (self.f)(values(s, l, self.name)?);
        stored(vec![loss as f32], ())
    }

    fn bwd(&self, x: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let scale = grad.to_dtype(DType::F32)?.to_scalar::<f32>()?;
        let (_, mut dx) = with_values(x, |x| (self.f)(x))?;
        for value in &mut dx {
            *value *= scale;
        }
        Ok(Some(tensor(dx, x.shape().clone())?))
    }
}

/// A scalar loss as a graph operation; `f` maps logits to the loss and its
/// gradient.
pub(super) fn loss(
    x: &Tensor,
    name: &'static str,
    f: impl Fn(&[f32]) -> (f64, Vec<f32>) + Send + Sync + 'static,
) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Loss { name, f })
}

#[cfg(test)]
mod tests {
    use candle_core::Var;

    use super::*;
    use crate::rng::Rng;

    fn variable(shape: (usize, usize), purpose: &str) -> Var {
        let mut rng = Rng::new(11, purpose);
        let data = (0..shape.0 * shape.1).map(|_| rng.normal() as f32).collect();
        Var::from_tensor(&tensor(data, shape).unwrap()).unwrap()
    }

    fn vector(n: usize, purpose: &str) -> Var {
        let v = variable((1, n), purpose);
        Var::from_tensor(&v.as_tensor().flatten_all().unwrap()).unwrap()
    }

    /// `Σ weight · f(x)` with fixed random weights: a scalar whose gradient
    /// reaches every output.
    fn probe(y: &Tensor) -> Tensor {
        let mut rng = Rng::new(2, "probe");
        let w: Vec<f32> = (0..y.elem_count()).map(|_| rng.normal() as f32).collect();
        let w = Tensor::from_vec(w, y.shape().clone(), &Device::Cpu).unwrap();
        (y * w).unwrap().sum_all().unwrap()
    }

    /// Compares the backward pass with central differences in every input.
    /// Returns the largest relative error.
    fn gradient_error(vars: &[&Var], f: impl Fn() -> Tensor) -> f32 {
        let grads = f().backward().unwrap();
        let mut worst = 0.0f32;
        for var in vars {
            let grad = grads.get(var).expect("a gradient for every variable");
            let grad = grad.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let at = var.as_tensor().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            for i in 0..at.len() {
                let step = 1e-2;
                let value = |delta: f32| {
                    let mut moved = at.clone();
                    moved[i] += delta;
                    let moved = Tensor::from_vec(moved, var.shape().clone(), &Device::Cpu);
                    var.set(&moved.unwrap()).unwrap();
                    f64::from(f().to_scalar::<f32>().unwrap())
                };
                // Five points: the error falls with the fourth power of the step.
                let numeric = (8.0 * (value(step) - value(-step)) - (value(2.0 * step) - value(-2.0 * step)))
                    / (12.0 * f64::from(step));
                value(0.0);
                let error = (f64::from(grad[i]) - numeric).abs() / (1.0 + numeric.abs());
                worst = worst.max(error as f32);
            }
        }
        worst
    }

    // f32 forward values have about seven digits; differences over a step of
    // 0.01 keep about four of them.
    const TOLERANCE: f32 = 2e-3;

    #[test]
    fn the_gradient_check_fails_on_a_wrong_gradient() {
        let x = variable((2, 3), "x");
        // detach() hides one factor from the backward pass.
        let wrong = || probe(&(x.as_tensor() * x.as_tensor().detach()).unwrap());
        assert!(gradient_error(&[&x], wrong) > 0.1);
    }

    #[test]
    fn linear_has_its_gradient() {
        let (x, w, b) = (variable((5, 4), "x"), variable((3, 4), "w"), vector(3, "b"));
        let f = || probe(&linear(&x, &w, &b).unwrap());
        assert!(gradient_error(&[&x, &w, &b], f) < TOLERANCE);
    }

    #[test]
    fn layer_norm_has_its_gradient_and_equals_the_slow_form() {
        let (x, w, b) = (variable((4, 20), "x"), vector(20, "w"), vector(20, "b"));
        let f = || probe(&layer_norm(&x, &w, &b, 1e-5).unwrap());
        assert!(gradient_error(&[&x, &w, &b], f) < TOLERANCE);
        let slow = candle_nn::ops::layer_norm_slow(&x, &w, &b, 1e-5).unwrap();
        let fast = layer_norm(&x, &w, &b, 1e-5).unwrap();
        let gap = (slow - fast).unwrap().abs().unwrap().max_all().unwrap();
        assert!(gap.to_scalar::<f32>().unwrap() < 1e-5);
    }

    #[test]
    fn gelu_and_dropout_have_their_gradients() {
        let x = variable((4, 6), "x");
        assert!(gradient_error(&[&x], || probe(&gelu(&x).unwrap())) < TOLERANCE);
        assert!(gradient_error(&[&x], || probe(&dropout(&x, 0.3, 4).unwrap())) < TOLERANCE);
        assert!(dropout(&x, 1.0, 4).is_err());
    }

    #[test]
    fn attention_has_its_gradient_with_and_without_dropout() {
        let (q, k, v) = (variable((6, 4), "q"), variable((6, 4), "k"), variable((6, 4), "v"));
        let lengths: Arc<[usize]> = [4, 2].into();
        for dropout in [0.0, 0.25] {
            let shape = AttentionShape { d: 4, heads: 2, dropout, seed: 3 };
            let f = || probe(&attention(&q, &k, &v, &lengths, shape).unwrap());
            assert!(gradient_error(&[&q, &k, &v], f) < TOLERANCE);
        }
    }

    #[test]
    fn pooling_has_its_gradients() {
        let lengths: Arc<[usize]> = [3, 1, 2].into();
        let (score, value) = (variable((6, 2), "score"), variable((6, 6), "value"));
        let f = || probe(&segment_attend(&score, &value, &lengths).unwrap());
        assert!(gradient_error(&[&score, &value], f) < TOLERANCE);
        let f = || probe(&segment_mean(&value, &lengths).unwrap());
        assert!(gradient_error(&[&value], f) < TOLERANCE);
        let f = || probe(&segment_smooth_max(&value, &lengths, 2.0).unwrap());
        assert!(gradient_error(&[&value], f) < TOLERANCE);
    }

    #[test]
    fn shapes_that_do_not_fit_are_errors_that_name_them() {
        let (x, w, b) = (variable((5, 4), "x"), variable((3, 5), "w"), vector(3, "b"));
        let error = linear(&x, &w, &b).unwrap_err().to_string();
        assert!(error.contains("(5, 4)") && error.contains("(3, 5)"), "{error}");
        let lengths: Arc<[usize]> = [2, 2].into();
        assert!(segment_mean(&x, &lengths).is_err());
    }
}
