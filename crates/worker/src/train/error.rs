//! Why training fails.

use crate::models::weights::WeightsError;

/// An error of an example or a validation.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why training failed.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The loss is NaN or infinite.
    #[error("the loss is `{loss}` at epoch {epoch}, step {step} of {steps}")]
    Loss {
        /// NaN or infinite.
        loss: f64,
        /// 1 for the first.
        epoch: u32,
        /// 1 for the first.
        step: usize,
        /// Steps of an epoch.
        steps: usize,
    },
    /// There is no user to train on.
    #[error("nothing to train on: no user has two or more training items")]
    Empty,
    /// A user cannot be given negatives.
    #[error("user `{user}` has every item in training, so that no negative item is left")]
    NoNegative {
        /// The user's id in the source.
        user: String,
    },
    /// The checkpoint cannot be written, or is another model's.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The device's memory ran out.
    #[error(
        "memory ran out at epoch {epoch}, step {step}, with {part} of the step's {batch} examples computed together: {message}"
    )]
    Memory {
        /// 1 for the first.
        epoch: u32,
        /// 1 for the first.
        step: usize,
        /// Examples of the step.
        batch: usize,
        /// Examples computed together.
        part: usize,
        /// Whether the step could have been split.
        can_split: bool,
        /// LibTorch's message.
        message: String,
    },
    /// An example cannot be computed.
    #[error(transparent)]
    Example(BoxError),
    /// The validation failed.
    #[error("validation after epoch {epoch}: {source}")]
    Validation {
        /// 1 for the first.
        epoch: u32,
        /// Why.
        source: BoxError,
    },
}

impl TrainError {
    /// What the user can do.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            TrainError::Loss { .. } => Some("try a lower `lr`, or `clip_norm` above 0"),
            TrainError::Memory {
                can_split: false, ..
            } => Some(
                "lower the model's `train.batch_size` or `maxlen`, or use a device with more memory",
            ),
            TrainError::Memory { .. } => Some(
                "set `train.token_budget`, lower `train.batch_size`, or set `train.out_of_memory = \"halve\"` to split steps",
            ),
            TrainError::NoNegative { .. } => {
                Some("use a loss without own negatives, such as `full_softmax`")
            }
            TrainError::Empty
            | TrainError::Weights(_)
            | TrainError::Example(_)
            | TrainError::Validation { .. } => None,
        }
    }
}
