//! TALLRec: low-rank adapters on a language model that reads titles alone.
//!
//! Paper: Bao et al. 2023. Upstream: SAI990323/TALLRec, `finetune_rec.py`. Two forms: `title`, as the A-LLMRec paper uses
//! it (its prompt without vectors, the answer is a title), and `yes_no`, its own. Deviations:
//! - the data hold no dislikes, so that a `no` is an item that the user does not know, one for each target;
//! - the language model starts as it is, not from Alpaca's adapters;
//! - training ends after its epochs; upstream's linear decay of the learning rate is a setting (`train.decay`).

use allround_core::data::Prepared;
use allround_core::models::tallrec::TallrecForm;
use allround_core::seed::{Stream, stream};
use allround_core::stage::TrainTune;
use tch::Tensor;

use super::project::{Question, questions};
use super::reader::{Reader, ReaderError, Slot, Speller, Told};
use super::sequences::{Pool, Sequences, Target};
use crate::train::BoxError;
use crate::train::task::{Loss, Source, Steps, Task};
use crate::train::trainer;

/// This stage's number among random streams.
pub const STAGE: u64 = 3;

/// What is asked once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asking {
    /// For the target's title.
    Title(Question),
    /// Whether the user likes an item: with the target yes, else no.
    Liking {
        /// Whose history is told, and up to where.
        target: Target,
        /// The item asked about.
        item: u32,
    },
}

/// Draws what is asked and spells it.
#[derive(Debug)]
struct Posing<'a> {
    settings: &'a TrainTune,
    prepared: &'a Prepared,
    sequences: &'a Sequences,
    speller: &'a Speller,
    pool: Pool<'a>,
}

impl Posing<'_> {
    /// What is asked in the steps of an epoch.
    fn drawn(&self, epoch: u32) -> Result<Vec<Vec<Asking>>, BoxError> {
        let batch_size = self.settings.tune.train.batch_size;
        let draw = (self.settings.seed, STAGE, epoch);
        if self.settings.tune.form == TallrecForm::Title {
            let sizes = (batch_size, self.speller.prompt_settings().candidates);
            let from = (self.sequences, &self.pool);
            let rule = self.settings.tune.candidates;
            let steps = questions(self.prepared, from, sizes, rule, draw)?;
            let asked = |step: Vec<Question>| step.into_iter().map(Asking::Title).collect();
            return Ok(steps.into_iter().map(asked).collect());
        }
        let index = trainer::index(STAGE, epoch, 0);
        let mut random = stream(self.settings.seed, Stream::Negatives, index);
        let steps = self
            .sequences
            .steps(self.prepared, batch_size, draw)
            .into_iter();
        let asked = steps.map(|step| {
            let mut asked = Vec::with_capacity(2 * step.len());
            for target in step {
                let known = self.prepared.train_of(target.user as usize);
                let other = self.pool.draw((target.user, known), 1, &mut random)?[0];
                for item in [target.item(self.prepared), other] {
                    asked.push(Asking::Liking { target, item });
                }
            }
            Ok(asked)
        });
        asked.collect()
    }

    /// The prompt and the answer.
    fn spelled(&self, asking: &Asking) -> Result<Told, ReaderError> {
        let answer = self.answer(asking);
        let (user, prompt) = match asking {
            Asking::Title(Question { target, candidates }) => {
                let history = target.history(self.prepared);
                let prompt = self.speller.prompt(history, candidates, answer.len());
                (target.user, prompt)
            }
            Asking::Liking { target, item } => {
                let history = target.history(self.prepared);
                let prompt = self.speller.yes_no(history, *item, answer.len());
                (target.user, prompt)
            }
        };
        let prompt = prompt.map_err(|error| error.of_user(self.prepared, user))?;
        Ok(Told { prompt, answer })
    }

    fn answer(&self, asking: &Asking) -> Vec<u32> {
        match asking {
            Asking::Title(question) => self.speller.answer(question.target.item(self.prepared)),
            Asking::Liking { target, item } => {
                self.speller.said(*item == target.item(self.prepared))
            }
        }
    }
}

impl Source for Posing<'_> {
    type Example = Told;

    fn steps(&self, epoch: u32) -> Result<Steps<'_, Told>, BoxError> {
        let steps = self.drawn(epoch)?;
        let told = |step: Vec<Asking>| {
            step.iter()
                .map(|asking| Ok(self.spelled(asking)?))
                .collect()
        };
        Ok(Steps {
            count: steps.len(),
            made: Box::new(steps.into_iter().map(told)),
        })
    }

    fn changed(&self) -> u64 {
        self.speller.shortened()
    }

    fn count_from(&self, changed: u64) {
        self.speller.count_from(changed);
    }
}

/// The adapters in training.
#[derive(Debug)]
pub struct Tuning<'a> {
    settings: &'a TrainTune,
    reader: &'a Reader,
    posing: Posing<'a>,
}

impl<'a> Tuning<'a> {
    /// Adapters that `reader`'s language model has been given.
    pub fn new(
        settings: &'a TrainTune,
        prepared: &'a Prepared,
        sequences: &'a Sequences,
        reader: &'a Reader,
    ) -> Self {
        let posing = Posing {
            settings,
            prepared,
            sequences,
            speller: &reader.speller,
            pool: Pool::of(prepared),
        };
        Self {
            settings,
            reader,
            posing,
        }
    }
}

impl Task for Tuning<'_> {
    type Example = Told;

    fn source(&self) -> &dyn Source<Example = Told> {
        &self.posing
    }

    fn weights(&self) -> Vec<(String, Tensor)> {
        self.reader.lm().trained()
    }

    fn params(&self) -> u64 {
        let adapters = self.weights();
        let adapters = adapters.iter().map(|(_, weight)| weight.numel() as u64);
        adapters.sum::<u64>() + self.reader.opened.params()
    }

    fn weight(&self, example: &Told) -> u64 {
        let counted = match self.settings.tune.train_on_inputs {
            // All that is computed foretells a token.
            true => example.computed(),
            false => example.answer.len(),
        };
        counted as u64
    }

    fn length(&self, example: &Told) -> usize {
        example.computed()
    }

    fn loss(&self, examples: &[&Told], _states: Option<&Tensor>) -> Loss {
        let prompts: Vec<&[Slot]> = examples.iter().map(|told| &told.prompt[..]).collect();
        let answers: Vec<&[u32]> = examples.iter().map(|told| &told.answer[..]).collect();
        let rows = self.reader.rows(&prompts, None, &|_| {
            unreachable!("titles are all that is told")
        });
        let (mean, _) =
            self.reader
                .loss(&prompts, &answers, rows, self.settings.tune.train_on_inputs);
        Loss {
            mean,
            parts: Vec::new(),
            tokens: examples.iter().map(|told| told.tokens() as u64).sum(),
        }
    }
}

#[cfg(test)]
mod tests;
