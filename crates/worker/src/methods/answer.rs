//! How a language model ranks candidates: by the likelihood of their titles, by an answer that it generates, or by yes and no.

pub mod kept;
mod ranking;
mod yes_no;

use std::rc::Rc;

use allround_core::config::protocol::Ties;
use allround_core::data::scores::Scored;
use allround_core::data::{Answer, CandidateLists, Likes, Part, Prepared, Ranks, Scores};
use allround_core::models::llm_method::Accept;
use allround_core::models::llm_method::Inference;
use allround_core::models::llm_method::ScoreBy;
use allround_core::seed::{Stream, stream};
use allround_core::text::audit;
use rand::seq::SliceRandom;
use tch::Tensor;

use self::ranking::{averaged, rank_at};
use super::project::Projections;
use super::reader::{Reader, ReaderError, Slot};
use super::sequences::user_states;
use crate::data::history;
use crate::llm::lm::{Generation, NotFinite, QuoteRule, Trie};
use crate::models::Backbone;
use crate::models::weights::WeightsError;

/// This stage's number among random streams.
const STAGE: u64 = 5;
/// Most prompts of a pass.
pub const USERS_AT_ONCE: usize = 64;

/// Why a user cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The prompt.
    #[error(transparent)]
    Reader(#[from] ReaderError),
    /// Full ranking would score every title.
    #[error(
        "a language model ranks lists of candidates; this protocol ranks all items (`candidates.full`)"
    )]
    Full,
    /// What is done cannot be kept.
    #[error(transparent)]
    Kept(#[from] WeightsError),
    /// A likelihood or a logit is no number, or infinite.
    #[error("what the language model computes for user `{user}` is not a finite number")]
    NotANumber {
        /// The user's id in the source.
        user: String,
    },
}

/// What ranking leaves: of the first users of the lists, as many as there are ranks.
#[derive(Clone, Debug, PartialEq)]
pub struct Answers {
    /// Ranks of the targets.
    pub ranks: Ranks,
    /// Generated answers with their audit, in the order of the users; none where likelihoods rank.
    pub generated: Vec<Answer>,
    /// How likely a yes is, where that is asked.
    pub likes: Option<Likes>,
    /// Scores of the candidates, where they are kept.
    pub scores: Option<Scores>,
    /// Tokens read and written.
    pub tokens: u64,
}

/// Who answers, and how.
#[derive(Debug)]
pub struct Answerer<'a> {
    /// The data set.
    pub prepared: &'a Prepared,
    /// The language model.
    pub reader: &'a Reader,
    /// The frozen CF model with the projections of its users and items; `None` where titles are all that is told.
    pub projected: Option<(&'a dyn Backbone, &'a Projections)>,
    /// How an answer is read; `None` where candidates are ranked by the likelihood of `Yes.`.
    pub inference: Option<&'a Inference>,
    /// Cell seed.
    pub seed: u64,
    /// Prompt tokens at which a pass is full.
    pub token_budget: usize,
    /// Whether the scores of the candidates are kept.
    pub keep_scores: bool,
}

/// A user with the candidates in the order told.
struct Asking<'a> {
    user: u32,
    target: u32,
    history: &'a [u32],
    candidates: Vec<u32>,
    ties: Ties,
}

/// A user with the prompt.
type Asked<'a> = (Asking<'a>, Vec<Slot>);

impl Asking<'_> {
    /// Place of the target among the candidates.
    fn place(&self) -> usize {
        let place = self.candidates.iter().position(|&item| item == self.target);
        place.expect("the target is a candidate")
    }
}

/// What a user's answer is worth.
#[derive(Debug, Default)]
struct Outcome {
    rank: f64,
    /// The generated answer.
    generated: Option<Answer>,
    /// How likely a yes is for each candidate.
    likes: Vec<f64>,
    /// Scores of the candidates in the order told; none where a title is generated.
    scores: Vec<f64>,
}

impl Answerer<'_> {
    /// The answers of nobody yet.
    pub fn nothing(&self, lists: &CandidateLists) -> Answers {
        Answers {
            ranks: Ranks {
                part: lists.part,
                users: lists.users.clone(),
                targets: lists.targets.clone(),
                ranks: Vec::with_capacity(lists.users.len()),
            },
            generated: Vec::new(),
            likes: self.inference.is_none().then(|| Likes {
                part: lists.part,
                users: lists.users.clone(),
                target: Vec::new(),
                others: Vec::new(),
            }),
            scores: self.keep_scores.then(|| Scores::nothing(lists.part)),
            tokens: 0,
        }
    }

    /// Ranks the targets of `lists` that `answers` does not hold yet; `done` is shown what there is after every pass.
    ///
    /// # Errors
    /// When the lists hold no candidates, a prompt is too long, a likelihood is no number, or `done` fails.
    pub fn answer(
        &self,
        lists: &CandidateLists,
        mut answers: Answers,
        done: &mut dyn FnMut(&Answers) -> Result<(), AnswerError>,
    ) -> Result<Answers, AnswerError> {
        let _guard = tch::no_grad_guard();
        let count = lists.n.ok_or(AnswerError::Full)?;
        let mut waiting: Vec<Asked> = Vec::new();
        let mut tokens = 0;
        for place in answers.ranks.ranks.len()..lists.users.len() {
            for order in 0..self.orders() {
                let asking = self.asking(lists, place, count, order);
                let prompt = match self.inference {
                    None => Vec::new(),
                    Some(_) => self
                        .reader
                        .prompt(asking.history, &asking.candidates, self.room(&asking))
                        .map_err(|error| error.of_user(self.prepared, asking.user))?,
                };
                tokens += prompt.len();
                waiting.push((asking, prompt));
            }
            // A question for each candidate is more than enough for a pass.
            let asks_much = self.inference.is_none();
            let last = place + 1 == lists.users.len();
            if last || asks_much || tokens >= self.token_budget || waiting.len() >= USERS_AT_ONCE {
                self.pass(&std::mem::take(&mut waiting), &mut answers)?;
                tokens = 0;
                done(&answers)?;
            }
        }
        Ok(answers)
    }

    /// How often each user is asked.
    fn orders(&self) -> usize {
        match self.inference {
            Some(Inference::Score { orders, .. }) => *orders,
            Some(Inference::Generate { .. } | Inference::Constrained {}) | None => 1,
        }
    }

    /// The user at `place` of the lists with the candidates shuffled: a function of seed, part, user and the number of the
    /// order alone.
    fn asking(
        &self,
        lists: &CandidateLists,
        place: usize,
        count: usize,
        order: usize,
    ) -> Asking<'_> {
        let (user, target) = (lists.users[place], lists.targets[place]);
        let mut candidates = lists.negatives[place * count..(place + 1) * count].to_vec();
        candidates.push(target);
        let part = u64::from(lists.part == Part::Test) << 40;
        let number = (STAGE << 56) | part | ((order as u64) << 32) | u64::from(user);
        candidates.shuffle(&mut stream(self.seed, Stream::Prompt, number));
        let history = history(self.prepared, user as usize, lists.part);
        Asking {
            user,
            target,
            history,
            candidates,
            ties: lists.ties,
        }
    }

    /// Tokens that must fit behind the prompt.
    fn room(&self, asking: &Asking) -> usize {
        match self.inference {
            Some(Inference::Generate { max_new_tokens, .. }) => *max_new_tokens,
            Some(Inference::Score { .. } | Inference::Constrained {}) | None => {
                let answers = asking
                    .candidates
                    .iter()
                    .map(|&item| self.reader.answer(item).len());
                answers.max().unwrap_or(0)
            }
        }
    }

    fn pass(&self, batch: &[Asked], answers: &mut Answers) -> Result<(), AnswerError> {
        let outcomes = match self.inference {
            None => self.yes_no(batch, answers)?,
            Some(Inference::Score { by, orders }) => self.score(batch, *by, *orders, answers),
            Some(Inference::Generate { accept, .. }) => self.generate(batch, *accept, answers)?,
            Some(Inference::Constrained {}) => self.constrained(batch, answers)?,
        };
        for ((asking, _), outcome) in batch.iter().step_by(self.orders()).zip(outcomes) {
            if outcome.rank.is_nan() {
                return Err(self.not_a_number(asking));
            }
            answers.ranks.ranks.push(outcome.rank);
            answers.generated.extend(outcome.generated);
            if let Some(scores) = &mut answers.scores {
                let both = asking.candidates.iter().zip(outcome.scores);
                let row = both.map(|(&item, score)| Scored { item, score });
                scores.push((asking.user, asking.target), row.collect(), None);
            }
            if let Some(likes) = &mut answers.likes {
                let mut scores = outcome.likes;
                likes.target.push(scores.remove(asking.place()));
                likes.others.extend(scores);
            }
        }
        Ok(())
    }

    fn not_a_number(&self, asking: &Asking) -> AnswerError {
        let user = self.prepared.users[asking.user as usize].clone();
        AnswerError::NotANumber { user }
    }

    /// Answers from the language model.
    fn written(
        &self,
        batch: &[Asked],
        settings: &Generation,
        tries: Option<&[Trie]>,
        answers: &mut Answers,
    ) -> Result<Vec<Vec<u32>>, AnswerError> {
        let rows = self.rows(batch, answers);
        let written = self.reader.lm().generate(&rows, settings, tries);
        let written = written.map_err(|NotFinite { row }| self.not_a_number(&batch[row].0))?;
        answers.tokens += written.iter().map(|one| one.len() as u64).sum::<u64>();
        Ok(written)
    }

    /// Input vectors of the prompts.
    fn rows(&self, batch: &[Asked], answers: &mut Answers) -> Vec<Tensor> {
        let prompts: Vec<Vec<Slot>> = batch.iter().map(|(_, prompt)| prompt.clone()).collect();
        answers.tokens += prompts
            .iter()
            .map(|prompt| prompt.len() as u64)
            .sum::<u64>();
        let users = self.projected.and_then(|(backbone, projections)| {
            let histories: Vec<(u32, &[u32])> = batch
                .iter()
                .map(|(asking, _)| (asking.user, asking.history))
                .collect();
            projections.users(&user_states(backbone, self.prepared, &histories, false))
        });
        let items = |items: &[u32]| {
            let (_, projections) = self.projected.expect("only projected items are told");
            projections.items(items)
        };
        self.reader.rows(&prompts, users.as_ref(), &items)
    }

    /// One outcome for every `orders` prompts, which ask the same user.
    fn score(
        &self,
        batch: &[Asked],
        by: ScoreBy,
        orders: usize,
        answers: &mut Answers,
    ) -> Vec<Outcome> {
        let rows = self.rows(batch, answers);
        let continuations: Vec<Vec<Vec<u32>>> = batch
            .iter()
            .map(|(asking, _)| {
                asking
                    .candidates
                    .iter()
                    .map(|&item| self.reader.answer(item))
                    .collect()
            })
            .collect();
        answers.tokens += continuations
            .iter()
            .flatten()
            .map(|one| one.len() as u64)
            .sum::<u64>();
        let mut scores = self.reader.lm().score(&rows, &continuations);
        if by == ScoreBy::Mean {
            let titles = continuations.iter().flatten();
            for (score, title) in scores.iter_mut().flatten().zip(titles) {
                *score /= title.len() as f64;
            }
        }
        let asked = batch.chunks(orders).zip(scores.chunks(orders));
        let outcome = |(asked, scores): (&[Asked], &[Vec<f64>])| {
            let told: Vec<&[u32]> = asked
                .iter()
                .map(|(asking, _)| &asking.candidates[..])
                .collect();
            let scores = averaged(&told, scores);
            Outcome {
                rank: rank(&scores, &asked[0].0),
                scores,
                ..Outcome::default()
            }
        };
        asked.map(outcome).collect()
    }

    fn generate(
        &self,
        batch: &[Asked],
        accept: Accept,
        answers: &mut Answers,
    ) -> Result<Vec<Outcome>, AnswerError> {
        let written = self.written(batch, &self.generation(), None, answers)?;
        let written = batch.iter().zip(&written);
        let audited = written.map(|((asking, _), tokens)| self.audited(asking, tokens, accept));
        Ok(audited.collect())
    }

    /// What a generated answer says.
    fn audited(&self, asking: &Asking, tokens: &[u32], accept: Accept) -> Outcome {
        let titles = self.reader.titles();
        let raw = self.reader.opened.tokenizer.decode(tokens);
        let told: Vec<&str> = asking
            .candidates
            .iter()
            .map(|&item| titles.of(item))
            .collect();
        let audit = audit(&raw, titles.of(asking.target), &told);
        Outcome {
            rank: audit.rank(accept, told.len()),
            generated: Some(Answer {
                user: asking.user,
                target: asking.target,
                raw,
                extracted: audit.extracted,
                exact: audit.exact,
                normalised: audit.normalised,
                substring: audit.substring,
                valid: audit.valid,
                position: audit.position,
                named: audit.named,
            }),
            ..Outcome::default()
        }
    }

    fn generation(&self) -> Generation {
        let plain = Generation {
            max_new_tokens: 0,
            min_new_tokens: 0,
            repetition_penalty: 1.0,
            penalise_eos_from_start: false,
            ends: self.reader.opened.ends.clone(),
            stop_after: None,
        };
        let Some(Inference::Generate {
            max_new_tokens,
            repetition_penalty,
            penalise_eos,
            stop_at_quote,
            ..
        }) = self.inference
        else {
            return plain;
        };
        Generation {
            max_new_tokens: *max_new_tokens,
            repetition_penalty: *repetition_penalty,
            penalise_eos_from_start: *penalise_eos,
            stop_after: stop_at_quote.then(|| QuoteRule {
                quotes: self.quotes(),
            }),
            ..plain
        }
    }

    /// Double quotes in each token's text.
    fn quotes(&self) -> Rc<[u8]> {
        let count = |token: u32| {
            let text = self.reader.opened.tokenizer.decode(&[token]);
            text.matches('"').count() as u8
        };
        (0..self.reader.lm().config().vocab_size as u32)
            .map(count)
            .collect()
    }

    fn constrained(
        &self,
        batch: &[Asked],
        answers: &mut Answers,
    ) -> Result<Vec<Outcome>, AnswerError> {
        let (mut tries, mut longest) = (Vec::new(), 0);
        for (asking, _) in batch {
            let titles = asking.candidates.iter().map(|&item| {
                let mut answer = self.reader.answer(item);
                // The end of text is the trie's own business.
                answer.pop();
                longest = longest.max(answer.len() + 1);
                answer
            });
            let titles: Vec<Vec<u32>> = titles.collect();
            tries.push(Trie::new(titles.iter().map(Vec::as_slice)));
        }
        let settings = Generation {
            max_new_tokens: longest,
            ..self.generation()
        };
        let written = self.written(batch, &settings, Some(&tries), answers)?;
        let written = batch.iter().zip(&written);
        let audited =
            written.map(|((asking, _), tokens)| self.audited(asking, tokens, Accept::Exact));
        Ok(audited.collect())
    }
}

/// The rank of the target among the scores of `asking`'s candidates.
fn rank(scores: &[f64], asking: &Asking) -> f64 {
    rank_at(scores, asking.place(), asking.ties)
}
