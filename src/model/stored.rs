//! The weights of a safetensors file, left where they lie until the engine
//! asks for them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use safetensors::tensor::{Dtype, SafeTensors};

use super::folder::{model_error, plain_name};
use crate::engine::weights::{Source, Stored, Table, decode};
use crate::error::Result;
use crate::nn::params::Array;

/// A safetensors file whose header has been read.
pub(super) struct StoredWeights {
    origin: String,
    bytes: Arc<Cow<'static, [u8]>>,
    entries: BTreeMap<String, Entry>,
}

struct Entry {
    stored: Option<Stored>,
    dtype: Dtype,
    shape: Vec<usize>,
    range: Range<usize>,
}

impl StoredWeights {
    /// Reads the header. `origin` is for messages.
    ///
    /// # Errors
    ///
    /// When the bytes are no safetensors file.
    pub(super) fn open(bytes: Arc<Cow<'static, [u8]>>, origin: &str) -> Result<Self> {
        let bad = |error: safetensors::SafeTensorError| {
            model_error(format!("{origin}: not a safetensors file: {error}"))
        };
        // Tests that the ranges lie within the file as well.
        SafeTensors::deserialize(&bytes).map_err(bad)?;
        let (header, metadata) = SafeTensors::read_metadata(&bytes).map_err(bad)?;
        let mut entries = BTreeMap::new();
        for name in metadata.offset_keys() {
            let Some(info) = metadata.info(&name) else { continue };
            let (start, end) = info.data_offsets;
            // The header is preceded by its length in eight bytes.
            let range = 8 + header + start..8 + header + end;
            let stored = match info.dtype {
                Dtype::F32 => Some(Stored::F32),
                Dtype::F16 => Some(Stored::F16),
                Dtype::BF16 => Some(Stored::Bf16),
                _ => None,
            };
            let entry = Entry { stored, dtype: info.dtype, shape: info.shape.clone(), range };
            entries.insert(plain_name(&name), entry);
        }
        Ok(Self { origin: origin.to_owned(), bytes, entries })
    }

    /// A weight as an array, where the file has it.
    ///
    /// # Errors
    ///
    /// When it is of a type of number that is not read.
    pub(super) fn array(&self, name: &str) -> Result<Option<Array>> {
        let Some(entry) = self.entries.get(name) else { return Ok(None) };
        Ok(Some(Array { shape: entry.shape.clone(), data: self.floats(name, &entry.shape)? }))
    }

    fn entry(&self, name: &str, shape: &[usize]) -> Result<(&Entry, Stored)> {
        let origin = &self.origin;
        let Some(entry) = self.entries.get(name) else {
            return Err(model_error(format!("{origin}: weight {name} is missing")));
        };
        if entry.shape != shape {
            let got = &entry.shape;
            return Err(model_error(format!(
                "{origin}: weight {name}: expected shape {shape:?}, got {got:?}"
            )));
        }
        match entry.stored {
            Some(stored) => Ok((entry, stored)),
            None => Err(model_error(format!("{origin}: weight {name} is of type {:?}", entry.dtype))),
        }
    }
}

impl Source for StoredWeights {
    fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    fn floats(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let (entry, stored) = self.entry(name, shape)?;
        let bytes = self.bytes.get(entry.range.clone()).unwrap_or_default();
        let mut values = vec![0.0; shape.iter().product()];
        decode(bytes, stored, &mut values);
        Ok(values)
    }

    fn table(&self, name: &str, shape: &[usize]) -> Result<Table> {
        let (entry, stored) = self.entry(name, shape)?;
        Ok(Table::new(Arc::clone(&self.bytes), entry.range.clone(), stored))
    }
}
