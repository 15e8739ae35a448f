//! Targets among drawn candidates: what stage 2 and TALLRec's title form are trained on.

use allround_core::data::Prepared;
use allround_core::models::llm_method::{Drawn, Exclude, TrainingCandidates};
use allround_core::seed::{Stream, stream};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::sequences::{Pool, Sequences, Target};
use crate::train::BoxError;
use crate::train::trainer::{self, EpochSeed};

/// A target among its candidates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RankingExample {
    /// The target.
    pub target: Target,
    /// Candidates in the order of the prompt; the target among them, twice where it was drawn
    /// again.
    pub candidates: Vec<u32>,
}

/// Draws targets among candidates, as stage 2 and TALLRec's title form are trained on.
#[derive(Debug)]
pub struct RankingExamples<'a> {
    /// The data set.
    pub prepared: &'a Prepared,
    /// Its training sequences.
    pub sequences: &'a Sequences,
    /// Items that may be drawn.
    pub pool: Pool<'a>,
    /// Users of a step.
    pub batch_size: usize,
    /// Candidates of an example, the target among them.
    pub candidates: usize,
    /// How the other candidates are drawn.
    pub rule: TrainingCandidates,
}

impl RankingExamples<'_> {
    /// The examples of an epoch by steps: each target with its candidates, shuffled.
    ///
    /// # Errors
    /// When a user knows too many items to draw enough others.
    pub fn steps(&self, draw: EpochSeed) -> Result<Vec<Vec<RankingExample>>, BoxError> {
        let random = |epoch, step| {
            let index = trainer::index(draw.stage, epoch, step);
            stream(draw.seed, Stream::Prompt, index)
        };
        let mut drawn = Draw {
            random_stream: random(draw.epoch, 0),
            last_user: None,
        };
        let steps = self.sequences.steps(self.prepared, self.batch_size, draw);
        let mut example = |target: Target| -> Result<RankingExample, BoxError> {
            // With `once`, the draw is a function of the user: no epoch has the number 0.
            let new_user = drawn.last_user.replace(target.user) != Some(target.user);
            if self.rule.drawn == Drawn::Once && new_user {
                drawn.random_stream = random(0, target.user as usize);
            }
            self.example(target, &mut drawn.random_stream)
        };
        let steps = steps.into_iter();
        steps
            .map(|step| step.into_iter().map(&mut example).collect())
            .collect()
    }

    fn example(&self, target: Target, random: &mut ChaCha8Rng) -> Result<RankingExample, BoxError> {
        let known = match self.rule.exclude {
            Exclude::Training => self.prepared.train_of(target.user as usize),
            Exclude::History => target.history(self.prepared),
        };
        let others = self.candidates - 1;
        let mut candidates = self.pool.draw(target.user, known, others, random)?;
        candidates.push(target.item(self.prepared));
        candidates.shuffle(random);
        Ok(RankingExample { target, candidates })
    }
}

/// The random stream that candidates are drawn from.
struct Draw {
    random_stream: ChaCha8Rng,
    last_user: Option<u32>,
}

#[cfg(test)]
mod tests;
