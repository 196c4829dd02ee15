//! Checkpoints: weights, moments and place in the run in one file, written
//! whole or not at all.

use std::collections::BTreeMap;

use super::{State, Trainer};
use crate::error::{Error, ErrorKind, Result};
use crate::model::folder::{Precision, from_safetensors, to_safetensors, write_atomically};
use crate::model::tensor_error;
use crate::nn::optim::AdamW;
use crate::nn::params::Array;

/// File of the checkpoint in the folder of a run.
pub const STATE: &str = "checkpoint.bin";

/// First bytes of a checkpoint: its form.
const MAGIC: &[u8; 8] = b"TLCHECK1";

impl Trainer {
    /// Writes the checkpoint.
    pub(super) fn save(&self) -> Result<()> {
        let mut arrays: BTreeMap<String, Array> = BTreeMap::new();
        for (name, array) in self.network.params.to_arrays().map_err(tensor_error)? {
            arrays.insert(format!("w.{name}"), array);
        }
        arrays.extend(self.optimiser.to_arrays());
        for (name, array) in self.average.iter().flatten() {
            arrays.insert(format!("a.{name}"), array.clone());
        }
        let state = serde_json::to_vec(&self.state).map_err(|error| {
            Error::new(ErrorKind::Internal, format!("checkpoint cannot be written: {error}"))
        })?;
        let mut data = MAGIC.to_vec();
        data.extend((state.len() as u64).to_le_bytes());
        data.extend(state);
        data.extend(to_safetensors(&arrays, Precision::Float32)?);
        write_atomically(&self.out.join(STATE), &data)
    }

    /// Goes on from the checkpoint in the folder, where there is one.
    pub(super) fn resume(&mut self) -> Result<()> {
        let path = self.out.join(STATE);
        let data = match std::fs::read(&path) {
            Ok(data) => data,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Error::io(&path, error)),
        };
        let damaged = || {
            Error::new(ErrorKind::Data, format!("{} is no checkpoint or is damaged", path.display()))
                .hint("remove it to begin the run anew")
        };
        let rest = data.strip_prefix(MAGIC).ok_or_else(damaged)?;
        let (length, rest) = rest.split_first_chunk::<8>().ok_or_else(damaged)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| damaged())?;
        let (state, tensors) = rest.split_at_checked(length).ok_or_else(damaged)?;
        let state: State = serde_json::from_slice(state).map_err(|_| damaged())?;
        let (mut weights, mut average, mut moments) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for (name, array) in from_safetensors(tensors)? {
            match name.split_once('.') {
                Some(("w", weight)) => weights.insert(weight.to_owned(), array),
                Some(("a", weight)) => average.insert(weight.to_owned(), array),
                _ => moments.insert(name, array),
            };
        }
        self.average = (!average.is_empty()).then_some(average);
        self.network = self.network.with_weights(weights)?;
        let config = self.settings.training.adamw();
        self.optimiser = AdamW::from_arrays(config, state.step, moments).map_err(tensor_error)?;
        self.state = state;
        Ok(())
    }
}
