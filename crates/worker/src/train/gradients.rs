//! The gradients of one step: its micro-batches are computed one after another and add up.

use tch::Tensor;

use super::task::Task;
use crate::nn::embedding::indices;

/// The loss of a step, detached, and the tokens that were read.
pub(super) struct StepLoss {
    /// The mean over the step's weight, a scalar.
    pub(super) mean: Tensor,
    /// The parts of the loss, as in [`super::task::Loss::parts`].
    pub(super) parts: Vec<(&'static str, Tensor)>,
    /// Tokens read.
    pub(super) tokens: u64,
}

impl StepLoss {
    fn plus(self, other: &StepLoss) -> StepLoss {
        let parts = self.parts.into_iter().zip(&other.parts);
        StepLoss {
            mean: self.mean + &other.mean,
            parts: parts
                .map(|((name, sum), (_, part))| (name, sum + part))
                .collect(),
            tokens: self.tokens + other.tokens,
        }
    }
}

/// Adds the gradients of the mean loss of `examples` to the task's weights.
///
/// `parts` are the places of the examples in each micro-batch; each place is in one of them.
///
/// # Panics
/// When there is no part, and as LibTorch does when memory runs out.
pub(super) fn gradients<T: Task>(
    task: &T,
    examples: &[T::Example],
    parts: &[Vec<usize>],
) -> StepLoss {
    let weight = |examples: &[&T::Example]| -> u64 {
        let weights = examples.iter().map(|example| task.weight(example));
        weights.sum()
    };
    let all: Vec<&T::Example> = examples.iter().collect();
    let whole = weight(&all);
    let states = task.states(&all);
    let mut sum: Option<StepLoss> = None;
    for part in parts {
        let chosen: Vec<&T::Example> = part.iter().map(|&place| &examples[place]).collect();
        let states = states
            .as_ref()
            .map(|states| rows(states, part, parts.len()));
        let share = weight(&chosen) as f64 / whole as f64;
        let loss = task.loss(&chosen, states.as_ref());
        let mean = if share < 1.0 {
            loss.mean * share
        } else {
            loss.mean
        };
        // The penalty belongs to the step, whose parts add up.
        match task.penalty().filter(|_| sum.is_none()) {
            Some(penalty) => (&mean + penalty).backward(),
            None => mean.backward(),
        }
        let mean = mean.detach();
        let named = loss.parts.into_iter();
        let next = StepLoss {
            mean,
            parts: named
                .map(|(name, part)| (name, part.detach() * share))
                .collect(),
            tokens: loss.tokens,
        };
        sum = Some(match sum {
            None => next,
            Some(before) => before.plus(&next),
        });
    }
    sum.expect("a step has an example")
}

/// The rows of a step's `states` at the places of one of its `parts`.
fn rows(states: &Tensor, part: &[usize], parts: usize) -> Tensor {
    if parts == 1 {
        return states.shallow_clone();
    }
    let places: Vec<u32> = part.iter().map(|&place| place as u32).collect();
    states.index_select(0, &indices(&places, states.device()))
}
