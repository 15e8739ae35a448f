//! LLaRA's curriculum: which training steps read vectors.

use allround_core::models::llm_method::{Curriculum, Project};
use allround_core::seed::{Stream, stream};
use rand::RngExt;

use crate::methods::prompted_lm::PromptedLm;
use crate::train::trainer::{self, EpochSeed};

/// A share of steps with vectors that rises from 0 to 1. In the others a placeholder is in their
/// place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rising {
    /// Epochs of the training.
    pub(super) epochs: u32,
    /// The placeholder's token.
    placeholder: u32,
}

impl Rising {
    /// Of a training whose settings have it.
    pub(super) fn of(settings: &Project, prompted_lm: &PromptedLm) -> Option<Self> {
        let adapters = settings.adapters.as_ref()?;
        (adapters.curriculum == Curriculum::Linear).then(|| Self {
            epochs: settings.train.epochs,
            placeholder: prompted_lm.encoder.placeholder(),
        })
    }

    /// The placeholder of each of the `count` steps of an epoch, `None` where a step reads vectors.
    ///
    /// `whole` is the number of steps of an epoch that no limit shortens, and `all` that of all
    /// epochs, where a limit shortens them.
    pub(super) fn placeholders(
        &self,
        draw: EpochSeed,
        whole: usize,
        all: Option<u64>,
        count: usize,
    ) -> Vec<Option<u32>> {
        let before = u64::from(draw.epoch - 1) * whole as u64;
        let all = all.unwrap_or(u64::from(self.epochs) * whole as u64) as f64;
        let index = trainer::index(draw.stage, draw.epoch, 0);
        let mut random = stream(draw.seed, Stream::Curriculum, index);
        let steps = before..before + count as u64;
        steps
            .map(|step| (random.random::<f64>() >= step as f64 / all).then_some(self.placeholder))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_steps_with_vectors_rises_over_all_epochs() {
        let rising = Rising {
            epochs: 2,
            placeholder: 5,
        };
        let with_vectors = |epoch, all, count| {
            let draw = EpochSeed {
                seed: 3,
                stage: 2,
                epoch,
            };
            let placeholders = rising.placeholders(draw, 4000, all, count);
            assert!(
                placeholders
                    .iter()
                    .flatten()
                    .all(|&placeholder| placeholder == 5)
            );
            let quarters = placeholders.chunks(count / 2);
            let share = |part: &[Option<u32>]| {
                part.iter()
                    .filter(|placeholder| placeholder.is_none())
                    .count() as f64
                    / part.len() as f64
            };
            quarters.map(share).collect::<Vec<_>>()
        };
        let near = |found: &[f64], expected: &[f64]| {
            let pairs = found.iter().zip(expected);
            pairs
                .into_iter()
                .all(|(one, other)| (one - other).abs() < 0.04)
        };
        let first = with_vectors(1, None, 4000);
        let second = with_vectors(2, None, 4000);
        assert!(near(&first, &[0.125, 0.375]), "{first:?}");
        assert!(near(&second, &[0.625, 0.875]), "{second:?}");
        // A training that ends after half an epoch.
        let limited = with_vectors(1, Some(2000), 2000);
        assert!(near(&limited, &[0.25, 0.75]), "{limited:?}");
        let step = |epoch| {
            let draw = EpochSeed {
                seed: 3,
                stage: 2,
                epoch,
            };
            rising.placeholders(draw, 4000, None, 4000)
        };
        assert_eq!(step(1), step(1));
        assert_eq!(step(1)[0], Some(5), "the first step reads no vectors");
    }
}
