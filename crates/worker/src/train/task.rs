//! What the training loop trains: a task with a source of examples.

use tch::Tensor;

use super::error::BoxError;

/// Where examples come from. It has no tensors, so that another thread can make examples while a
/// step is computed.
pub trait Source: Sync {
    /// One example, with everything random about it but dropout, and everything that the host has
    /// to make of it.
    type Example: Send;

    /// The steps of an epoch (1 for the first): a function of its number alone.
    ///
    /// # Errors
    /// When examples cannot be drawn.
    fn steps(&self, epoch: u32) -> Result<Steps<'_, Self::Example>, BoxError>;

    /// Steps of `epochs` epochs together, where these do not all have as many. The learning rate
    /// falls by them, and training ends after them.
    fn in_all(&self, _epochs: u32) -> Option<u64> {
        None
    }

    /// Examples of `epochs` epochs together, where that is known beforehand.
    fn samples(&self, _epochs: u32) -> Option<u64> {
        None
    }

    /// How often a rule has changed what is read so far, such as a history that was too long; 0
    /// where no rule does.
    fn changed(&self) -> u64 {
        0
    }

    /// Continues from what a killed process had counted up to its checkpoint.
    fn count_from(&self, _changed: u64) {}
}

/// The steps of an epoch, each made when it is taken.
pub struct Steps<'a, E> {
    /// How many there are.
    pub count: usize,
    /// Each step's examples, or why one of them cannot be made.
    pub made: Box<dyn Iterator<Item = Result<Vec<E>, BoxError>> + Send + 'a>,
}

/// What is trained.
pub trait Task {
    /// One example.
    type Example: Send;

    /// Where its examples come from.
    fn source(&self) -> &dyn Source<Example = Self::Example>;

    /// The weights that are trained, by name, in a stable order.
    fn weights(&self) -> Vec<(String, Tensor)>;

    /// Computes what an epoch keeps as it is. A checkpoint within the epoch has it among the
    /// weights.
    fn begin_epoch(&self) {}

    /// Validations without an improvement that end a second phase. It follows early stopping, from
    /// the best weights, without [`Task::begin_epoch`]. `None` for a task with one phase.
    fn second_phase(&self) -> Option<u32> {
        None
    }

    /// The learning rate of a weight that does not have that of the task.
    fn lr(&self, _name: &str) -> Option<f64> {
        None
    }

    /// How many parameters there are, trained or not.
    fn params(&self) -> u64;

    /// What the example weighs in the mean that the loss is: targets or tokens.
    fn weight(&self, example: &Self::Example) -> u64;

    /// The tokens that are computed for the example.
    fn length(&self, example: &Self::Example) -> usize;

    /// Whether a step may be split into micro-batches of its examples.
    fn can_split(&self) -> bool {
        true
    }

    /// How many sequences or users the example represents.
    fn count(&self, _example: &Self::Example) -> u64 {
        1
    }

    /// A penalty on the weights that is added to every step's loss, and not reported.
    fn penalty(&self) -> Option<Tensor> {
        None
    }

    /// What is computed once for all examples of a step: a row each, without gradient. Its noise
    /// does not depend on how the step is then split. `None` where there is nothing.
    fn states(&self, _examples: &[&Self::Example]) -> Option<Tensor> {
        None
    }

    /// The loss of some examples of a step, given their rows of [`Task::states`].
    fn loss(&self, examples: &[&Self::Example], states: Option<&Tensor>) -> Loss;
}

/// The loss of some examples.
#[derive(Debug)]
pub struct Loss {
    /// The mean over their weight, a scalar with gradient.
    pub mean: Tensor,
    /// What it is made of, each a mean over the same weight, unweighted; empty where there is one
    /// part.
    pub parts: Vec<(&'static str, Tensor)>,
    /// Tokens read.
    pub tokens: u64,
}
