//! TALLRec: low-rank adapters on a language model that reads titles alone.
//!
//! Paper: Bao et al. 2023. Upstream: SAI990323/TALLRec, `finetune_rec.py`. Two forms: `title`, as the A-LLMRec paper uses
//! it (its prompt without vectors, the answer is a title), and `yes_no`, its own. Deviations:
//! - the data hold no dislikes, so that a `no` is an item that the user does not know, one for each target;
//! - the language model starts as it is, not from Alpaca's adapters;
//! - training ends after its epochs; the caller's learning rate does not fall.

use allround::data::Prepared;
use allround::plan::stage::TrainTune;
use allround::seed::{Stream, stream};
use allround::spec::config::method::TallrecForm;
use allround::text::prompt;
use tch::Tensor;

use super::project::{Question, questions};
use super::reader::{Reader, ReaderError, Slot};
use super::sequences::{Pool, Sequences, Target};
use crate::train::fit::{self, Loss, Task, Wrong};

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

/// The adapters in training.
#[derive(Debug)]
pub struct Tuning<'a> {
    settings: &'a TrainTune,
    prepared: &'a Prepared,
    sequences: &'a Sequences,
    reader: &'a Reader,
    pool: Pool,
}

impl<'a> Tuning<'a> {
    /// Adapters that `reader`'s language model has been given.
    pub fn new(
        settings: &'a TrainTune,
        prepared: &'a Prepared,
        sequences: &'a Sequences,
        reader: &'a Reader,
    ) -> Self {
        let pool = Pool::of(prepared);
        Self {
            settings,
            prepared,
            sequences,
            reader,
            pool,
        }
    }

    /// The prompt and the answer.
    fn spelled(&self, asking: &Asking) -> Result<(Vec<Slot>, Vec<u32>), ReaderError> {
        let answer = self.answer(asking);
        let (user, prompt) = match asking {
            Asking::Title(Question { target, candidates }) => {
                let history = target.history(self.prepared);
                let prompt = self.reader.prompt(history, candidates, answer.len());
                (target.user, prompt)
            }
            Asking::Liking { target, item } => {
                let history = target.history(self.prepared);
                (
                    target.user,
                    self.reader.yes_no(history, *item, answer.len()),
                )
            }
        };
        let prompt = prompt.map_err(|error| error.of_user(self.prepared, user))?;
        Ok((prompt, answer))
    }

    fn answer(&self, asking: &Asking) -> Vec<u32> {
        match asking {
            Asking::Title(question) => self.reader.answer(question.target.item(self.prepared)),
            Asking::Liking { target, item } => {
                let likes = *item == target.item(self.prepared);
                let word = self
                    .reader
                    .spell(if likes { prompt::YES } else { prompt::NO });
                word.iter()
                    .copied()
                    .chain(std::iter::once(self.reader.opened.eos))
                    .collect()
            }
        }
    }
}

impl Task for Tuning<'_> {
    type Example = Asking;

    fn weights(&self) -> Vec<(String, Tensor)> {
        self.reader.lm().trained()
    }

    fn params(&self) -> u64 {
        let adapters = self.weights();
        let adapters = adapters.iter().map(|(_, weight)| weight.numel() as u64);
        adapters.sum::<u64>() + self.reader.opened.params()
    }

    fn steps(&self, epoch: u32) -> Result<Vec<Vec<Asking>>, Wrong> {
        let batch_size = self.settings.train.batch_size;
        let draw = (self.settings.seed, STAGE, epoch);
        if self.settings.form == TallrecForm::Title {
            let sizes = (batch_size, self.reader.asked().candidates);
            let from = (self.sequences, &self.pool);
            let rule = self.settings.candidates;
            let steps = questions(self.prepared, from, sizes, rule, draw)?;
            let asked = |step: Vec<Question>| step.into_iter().map(Asking::Title).collect();
            return Ok(steps.into_iter().map(asked).collect());
        }
        let index = fit::index(STAGE, epoch, 0);
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

    fn weight(&self, example: &Asking) -> u64 {
        match (self.settings.train_on_inputs, self.spelled(example)) {
            (true, Ok((prompt, answer))) => (prompt.len() + answer.len() - 1) as u64,
            _ => self.answer(example).len() as u64,
        }
    }

    fn loss(&self, examples: &[Asking]) -> Result<Loss, Wrong> {
        let (mut prompts, mut answers) = (Vec::new(), Vec::new());
        for asking in examples {
            let (prompt, answer) = self.spelled(asking)?;
            prompts.push(prompt);
            answers.push(answer);
        }
        let rows = self.reader.rows(&prompts, None, &|_| {
            unreachable!("titles are all that is told")
        });
        let tokens = prompts
            .iter()
            .map(Vec::len)
            .chain(answers.iter().map(Vec::len));
        let tokens = tokens.sum::<usize>() as u64;
        let (mean, _) = self
            .reader
            .loss(&prompts, &answers, rows, self.settings.train_on_inputs);
        Ok(Loss {
            mean,
            parts: Vec::new(),
            tokens,
        })
    }
}
