//! The trainable variables by name, and the table of word embeddings apart
//! from them: a batch touches a few hundred of its 30,522 rows, and the rest
//! must cost nothing.

use std::collections::BTreeMap;

use candle_core::{Device, Result, Tensor, Var, bail};

use crate::rng::Rng;

/// Name of the table of word embeddings in a checkpoint.
pub const WORD_EMBEDDINGS: &str = "embeddings.word_embeddings.weight";

/// A dense array with its shape: how weights travel between rooms.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Extent of each dimension.
    pub shape: Vec<usize>,
    /// Row-major values.
    pub data: Vec<f32>,
}

/// How a new variable is filled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Zeros.
    Zeros,
    /// Ones.
    Ones,
    /// Normal with this standard deviation.
    Normal(f64),
    /// The same value everywhere.
    Constant(f32),
}

/// All weights of encoder and heads. Iteration is in order of the names, so
/// that sums over variables come out the same in every run.
#[derive(Clone, Debug)]
pub struct Params {
    vars: BTreeMap<String, Var>,
    words: Array,
}

impl Params {
    /// Parameters with an empty set of variables around a word table
    /// (vocabulary, width).
    ///
    /// # Errors
    ///
    /// When the table is not a matrix.
    pub fn new(words: Array) -> Result<Self> {
        if words.shape.len() != 2 || words.shape[0] * words.shape[1] != words.data.len() {
            bail!("word embeddings must be a matrix, not {:?}", words.shape);
        }
        Ok(Self { vars: BTreeMap::new(), words })
    }

    /// Adds the variable `name` of `shape`: from `given` where it holds that
    /// name, else by `init` with `rng`.
    ///
    /// # Errors
    ///
    /// When the given array has another shape.
    pub fn add(
        &mut self,
        name: &str,
        shape: &[usize],
        given: &mut BTreeMap<String, Array>,
        init: Init,
        rng: &mut Rng,
    ) -> Result<()> {
        let n: usize = shape.iter().product();
        let data = match given.remove(name) {
            Some(array) if array.shape == shape && array.data.len() == n => array.data,
            Some(array) => {
                bail!("weight {name}: expected shape {shape:?}, got {:?}", array.shape)
            }
            None => match init {
                Init::Zeros => vec![0.0; n],
                Init::Ones => vec![1.0; n],
                Init::Constant(value) => vec![value; n],
                Init::Normal(std) => (0..n).map(|_| (rng.normal() * std) as f32).collect(),
            },
        };
        let tensor = Tensor::from_vec(data, shape, &Device::Cpu)?;
        self.vars.insert(name.to_owned(), Var::from_tensor(&tensor)?);
        Ok(())
    }

    /// The variable `name`.
    ///
    /// # Errors
    ///
    /// When there is none of that name.
    pub fn get(&self, name: &str) -> Result<&Tensor> {
        match self.vars.get(name) {
            Some(var) => Ok(var.as_tensor()),
            None => bail!("weight {name} is missing"),
        }
    }

    /// Variables in order of their names, without the word table.
    pub fn vars(&self) -> impl Iterator<Item = (&str, &Var)> {
        self.vars.iter().map(|(name, var)| (name.as_str(), var))
    }

    /// The word table (vocabulary, width).
    pub fn words(&self) -> &Array {
        &self.words
    }

    /// The word table, for an optimiser to change.
    pub fn words_mut(&mut self) -> &mut Array {
        &mut self.words
    }

    /// Rows of the word table as a tensor (ids.len(), width).
    ///
    /// # Errors
    ///
    /// When an id lies outside the vocabulary.
    pub fn gather_words(&self, ids: &[u32]) -> Result<Tensor> {
        let (vocabulary, d) = (self.words.shape[0], self.words.shape[1]);
        let mut data = Vec::with_capacity(ids.len() * d);
        for &id in ids {
            let row = id as usize;
            if row >= vocabulary {
                bail!("token id {id} lies outside the vocabulary of {vocabulary}");
            }
            data.extend_from_slice(&self.words.data[row * d..(row + 1) * d]);
        }
        Tensor::from_vec(data, (ids.len(), d), &Device::Cpu)
    }

    /// Every weight by name, the word table included.
    ///
    /// # Errors
    ///
    /// When a variable cannot be read.
    pub fn to_arrays(&self) -> Result<BTreeMap<String, Array>> {
        let mut arrays = BTreeMap::new();
        for (name, var) in &self.vars {
            let data = super::ops::with_values(var, <[f32]>::to_vec)?;
            arrays.insert(name.clone(), Array { shape: var.dims().to_vec(), data });
        }
        arrays.insert(WORD_EMBEDDINGS.to_owned(), self.words.clone());
        Ok(arrays)
    }
}
