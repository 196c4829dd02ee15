//! The trainable reference: a BERT encoder and the heads that read it, in
//! candle, on the CPU. It knows tensors and shapes; files, labels' names and
//! the command line are other rooms' business.
//!
//! Texts travel *ragged*: the tokens of all texts of a batch stand end to end
//! in one matrix, and attention keeps within each window. There is no
//! padding anywhere, so none can change a result.
//!
//! Reading order: [`batch`], [`params`], [`encoder`], [`heads`], [`loss`],
//! [`optim`]; beside the encoder [`lexical`] on [`logistic`]; [`ops`] and [`kernels`] lie beneath.

pub mod batch;
pub mod encoder;
pub mod heads;
pub mod kernels;
pub mod lexical;
pub mod logistic;
pub mod loss;
pub mod ops;
pub mod optim;
pub mod params;

/// Whether a pass trains (dropout on, masks by seed) or only answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Dropout on; the masks are a function of this seed, which the caller
    /// changes at each step.
    Train {
        /// Seed of this step's masks.
        seed: u64,
    },
    /// Dropout off.
    Eval,
}

impl Mode {
    /// Dropout of probability `p` at the given `place` of the network.
    pub(crate) fn dropout(
        self,
        x: &candle_core::Tensor,
        p: f32,
        place: u64,
    ) -> candle_core::Result<candle_core::Tensor> {
        match self {
            Self::Train { seed } => ops::dropout(x, p, crate::rng::mix(seed, &[place])),
            Self::Eval => Ok(x.clone()),
        }
    }
}
