//! TALLRec and LlamaRec: low-rank adapters on a language model that reads titles alone.
//!
//! TALLRec. Paper: Bao et al. 2023. Upstream: SAI990323/TALLRec, `finetune_rec.py`. Two forms:
//! `title`, as the A-LLMRec paper uses it (its prompt without vectors, the answer is a title), and
//! `yes_no`, its own. Deviations:
//! - the data hold no dislikes, so that a `no` is an item that the user does not know, one for each
//!   target;
//! - the language model starts as it is, not from Alpaca's adapters;
//! - training ends after its epochs; upstream's linear decay of the learning rate is a setting
//!   (`train.decay`).
//!
//! LlamaRec. Paper: Yue et al. 2023 (arXiv 2311.02089). Upstream: Yueeeeeeee/LlamaRec at 48b288b,
//! `dataloader/llm.py` and `trainer/llm.py`. One form, `letter`: the answer is the letter of the
//! target in the list. Deviations:
//! - the loss is that of the letter alone; upstream averages it with that of the end of text;
//! - candidates of training are different items, and those of evaluation are the protocol's, not
//!   the first 20 of a retriever;
//! - a prompt that is too long loses the oldest items of the history, not its first tokens;
//! - the language model is not quantised to 4 bits.

use allround_core::data::Prepared;
use allround_core::models::TuneForm;
use allround_core::seed::{Stream, stream};
use allround_core::stage::TrainTune;
use tch::Tensor;

use super::prompted_lm::{EncodedPrompt, PromptEncoder, PromptedLm, PromptedLmError, Slot};
use super::ranking_examples::{RankingExample, RankingExamples};
use super::sequences::{Pool, Sequences, Target};
use crate::models::weights;
use crate::train::BoxError;
use crate::train::limit::SampleLimit;
use crate::train::task::{Loss, Source, Steps, Task};
use crate::train::trainer::{self, EpochSeed};

/// This stage's number among random streams.
pub const STAGE: u64 = 3;

/// A training example before it is tokenized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TuneExample {
    /// The target's title among candidates.
    Title(RankingExample),
    /// The target's letter among candidates.
    Letter(RankingExample),
    /// Whether the user likes an item: with the target yes, else no.
    YesNo {
        /// The target, whose history the prompt has.
        target: Target,
        /// The item of the prompt.
        item: u32,
    },
}

/// Draws examples and tokenizes them.
#[derive(Debug)]
struct TuneExamples<'a> {
    settings: &'a TrainTune,
    ranking: RankingExamples<'a>,
    encoder: &'a PromptEncoder,
    limit: SampleLimit,
}

/// Prompts of a target.
fn prompts_of(form: TuneForm) -> usize {
    match form {
        TuneForm::Title | TuneForm::Letter => 1,
        TuneForm::YesNo => 2,
    }
}

impl TuneExamples<'_> {
    /// What the draws of `epoch` depend on.
    fn draw(&self, epoch: u32) -> EpochSeed {
        EpochSeed {
            seed: self.settings.seed,
            stage: STAGE,
            epoch,
        }
    }

    /// The examples of an epoch by steps.
    fn drawn(&self, epoch: u32) -> Result<Vec<Vec<TuneExample>>, BoxError> {
        let draw = self.draw(epoch);
        let kind = match self.settings.tune.form {
            TuneForm::Title => TuneExample::Title,
            TuneForm::Letter => TuneExample::Letter,
            TuneForm::YesNo => return self.yes_no(draw),
        };
        let steps = self.ranking.steps(draw)?.into_iter();
        let examples = |step: Vec<RankingExample>| step.into_iter().map(kind).collect();
        Ok(steps.map(examples).collect())
    }

    /// The target and an item that the user does not know, for each target.
    fn yes_no(&self, draw: EpochSeed) -> Result<Vec<Vec<TuneExample>>, BoxError> {
        let RankingExamples {
            prepared,
            sequences,
            pool,
            batch_size,
            ..
        } = &self.ranking;
        let index = trainer::index(draw.stage, draw.epoch, 0);
        let mut random = stream(draw.seed, Stream::Negatives, index);
        let steps = sequences.steps(prepared, *batch_size, draw).into_iter();
        let steps = steps.map(|step| {
            let mut examples = Vec::with_capacity(2 * step.len());
            for target in step {
                let known = prepared.train_of(target.user as usize);
                let other = pool.draw(target.user, known, 1, &mut random)?[0];
                for item in [target.item(prepared), other] {
                    examples.push(TuneExample::YesNo { target, item });
                }
            }
            Ok(examples)
        });
        steps.collect()
    }

    /// The prompt and the answer.
    fn encoded(&self, example: &TuneExample) -> Result<EncodedPrompt, PromptedLmError> {
        let answer = self.answer(example)?;
        let (user, prompt) = match example {
            TuneExample::Title(RankingExample { target, candidates }) => {
                let history = target.history(self.ranking.prepared);
                let prompt = self.encoder.prompt(history, candidates, answer.len());
                (target.user, prompt)
            }
            TuneExample::Letter(RankingExample { target, candidates }) => {
                let history = target.history(self.ranking.prepared);
                (target.user, self.encoder.letter_prompt(history, candidates))
            }
            TuneExample::YesNo { target, item } => {
                let history = target.history(self.ranking.prepared);
                let prompt = self.encoder.yes_no(history, *item, answer.len());
                (target.user, prompt)
            }
        };
        let prompt = prompt.map_err(|error| error.of_user(self.ranking.prepared, user))?;
        Ok(EncodedPrompt { prompt, answer })
    }

    fn answer(&self, example: &TuneExample) -> Result<Vec<u32>, PromptedLmError> {
        let prepared = self.ranking.prepared;
        Ok(match example {
            TuneExample::Title(question) => self.encoder.answer(question.target.item(prepared)),
            TuneExample::Letter(RankingExample { target, candidates }) => {
                let wanted = target.item(prepared);
                let place = candidates.iter().position(|&item| item == wanted);
                let place = place.expect("the target is a candidate");
                vec![self.encoder.letters(candidates.len())?[place]]
            }
            TuneExample::YesNo { target, item } => {
                self.encoder.yes_or_no(*item == target.item(prepared))
            }
        })
    }
}

impl Source for TuneExamples<'_> {
    type Example = EncodedPrompt;

    fn steps(&self, epoch: u32) -> Result<Steps<'_, EncodedPrompt>, BoxError> {
        let mut steps = self.drawn(epoch)?;
        self.limit.cut(epoch, &mut steps);
        let encoded = |step: Vec<TuneExample>| {
            step.iter()
                .map(|example| Ok(self.encoded(example)?))
                .collect()
        };
        Ok(Steps {
            count: steps.len(),
            made: Box::new(steps.into_iter().map(encoded)),
        })
    }

    fn in_all(&self, epochs: u32) -> Option<u64> {
        let RankingExamples {
            prepared,
            sequences,
            batch_size,
            ..
        } = self.ranking;
        let prompts = prompts_of(self.settings.tune.form);
        self.limit.steps(epochs, |epoch| {
            let steps = sequences.steps(prepared, batch_size, self.draw(epoch));
            let steps = steps.into_iter();
            steps.map(|step| step.repeat(prompts)).collect()
        })
    }

    fn samples(&self, epochs: u32) -> Option<u64> {
        Some(self.limit.samples(epochs))
    }

    fn changed(&self) -> u64 {
        self.encoder.shortened()
    }

    fn count_from(&self, changed: u64) {
        self.encoder.count_from(changed);
    }
}

/// The adapters in training.
#[derive(Debug)]
pub struct TuneTask<'a> {
    settings: &'a TrainTune,
    prompted_lm: &'a PromptedLm,
    examples: TuneExamples<'a>,
}

impl<'a> TuneTask<'a> {
    /// Adapters that `reader`'s language model has been given.
    pub fn new(
        settings: &'a TrainTune,
        prepared: &'a Prepared,
        sequences: &'a Sequences,
        prompted_lm: &'a PromptedLm,
    ) -> Self {
        let examples = TuneExamples {
            settings,
            ranking: RankingExamples {
                prepared,
                sequences,
                pool: Pool::of(prepared),
                batch_size: settings.tune.train.batch_size,
                candidates: prompted_lm.encoder.prompt_settings().training_candidates(),
                rule: settings.tune.candidates,
            },
            encoder: &prompted_lm.encoder,
            limit: SampleLimit::new(
                settings.tune.max_samples,
                sequences.count(prepared) * prompts_of(settings.tune.form) as u64,
            ),
        };
        Self {
            settings,
            prompted_lm,
            examples,
        }
    }
}

impl Task for TuneTask<'_> {
    type Example = EncodedPrompt;

    fn source(&self) -> &dyn Source<Example = EncodedPrompt> {
        &self.examples
    }

    fn weights(&self) -> Vec<(String, Tensor)> {
        self.prompted_lm.lm().trained()
    }

    fn params(&self) -> u64 {
        weights::count(&self.weights()) + self.prompted_lm.loaded.params()
    }

    fn weight(&self, example: &EncodedPrompt) -> u64 {
        let counted = if self.settings.tune.train_on_inputs {
            // Every computed position predicts a token.
            example.computed()
        } else {
            example.answer.len()
        };
        counted as u64
    }

    fn length(&self, example: &EncodedPrompt) -> usize {
        example.computed()
    }

    fn loss(&self, examples: &[&EncodedPrompt], _states: Option<&Tensor>) -> Loss {
        let prompts: Vec<&[Slot]> = examples.iter().map(|encoded| &encoded.prompt[..]).collect();
        let answers: Vec<&[u32]> = examples.iter().map(|encoded| &encoded.answer[..]).collect();
        let rows = self.prompted_lm.rows(&prompts, None, &|_| {
            unreachable!("prompts of tuned language models have no vectors")
        });
        let (mean, _) =
            self.prompted_lm
                .loss(&prompts, &answers, rows, self.settings.tune.train_on_inputs);
        Loss {
            mean,
            parts: Vec::new(),
            tokens: examples.iter().map(|encoded| encoded.tokens() as u64).sum(),
        }
    }
}

#[cfg(test)]
mod tests;
