//! How a language model ranks candidates: by the likelihood of titles, by an answer that it
//! generates, by yes and no, or by letters.

pub mod checkpoint;
mod generated;
mod letters;
mod likelihood;
mod target_rank;
mod yes_no;

use std::borrow::Cow;
use std::collections::HashMap;

use allround_core::config::protocol::Ties;
use allround_core::data::candidates::in_prompt;
use allround_core::data::scores::Scored;
use allround_core::data::{Answer, CandidateLists, Likes, Prepared, Ranks, Scores};
use allround_core::models::TuneForm;
use allround_core::models::llm_method::Inference;
use tch::Tensor;

pub use self::letters::letter_logits;
use self::target_rank::rank_at;
use super::project::Projections;
use super::prompted_lm::{PromptEncoder, PromptedLm, PromptedLmError, Slot};
use super::sequences::user_states;
use crate::models::Backbone;
use crate::models::weights::WeightsError;

/// Most prompts of a pass.
pub const USERS_AT_ONCE: usize = 64;

/// Why candidates cannot be ranked.
#[derive(Debug, thiserror::Error)]
pub enum RankError {
    /// The prompt.
    #[error(transparent)]
    PromptedLm(#[from] PromptedLmError),
    /// Full ranking would score every title.
    #[error(
        "a language model ranks lists of candidates; this protocol ranks all items (`candidates.full`)"
    )]
    Full,
    /// The ranks so far cannot be written.
    #[error(transparent)]
    Kept(#[from] WeightsError),
    /// A likelihood or a logit is not a number, or infinite.
    #[error("what the language model computes for user `{user}` is not a finite number")]
    NotANumber {
        /// The user's id in the source.
        user: String,
    },
}

/// What ranking leaves: of the first users of the lists, as many as there are ranks.
#[derive(Clone, Debug, PartialEq)]
pub struct RankedUsers {
    /// Ranks of the targets.
    pub ranks: Ranks,
    /// Generated answers with their audit, in the order of the users; none where likelihoods rank.
    pub generated: Vec<Answer>,
    /// How likely a yes is, in TALLRec's own form.
    pub likes: Option<Likes>,
    /// Scores of the candidates, where they are kept.
    pub scores: Option<Scores>,
    /// Tokens read and written.
    pub tokens: u64,
}

/// How candidates are ranked.
#[derive(Clone, Copy, Debug)]
pub enum Reading<'a> {
    /// By titles: their likelihoods, or one that is generated.
    Titles(&'a Inference),
    /// By the likelihood of `Yes.` in a prompt for each candidate.
    YesNo,
    /// By the likelihoods of their letters in one prompt.
    Letters,
}

impl<'a> Reading<'a> {
    /// The reading of a stage's settings. `form` is that of the adapters.
    pub fn of(inference: Option<&'a Inference>, form: Option<TuneForm>) -> Self {
        match (inference, form) {
            (Some(inference), _) => Reading::Titles(inference),
            (None, Some(TuneForm::Letter)) => Reading::Letters,
            (None, Some(TuneForm::Title | TuneForm::YesNo) | None) => Reading::YesNo,
        }
    }
}

/// A language model that ranks candidates.
#[derive(Debug)]
pub struct LlmRanker<'a> {
    /// The data set.
    pub prepared: &'a Prepared,
    /// The language model.
    pub prompted_lm: &'a PromptedLm,
    /// What tokenizes its prompts, and counts those that are shortened.
    pub encoder: &'a PromptEncoder,
    /// The frozen CF model with the projections of its users and items; `None` if prompts have
    /// titles alone.
    pub projected: Option<(&'a dyn Backbone, &'a Projections)>,
    /// How candidates are ranked.
    pub reading: Reading<'a>,
    /// Cell seed.
    pub seed: u64,
    /// Prompt tokens at which a pass is full.
    pub token_budget: usize,
    /// Whether the scores of the candidates are kept.
    pub keep_scores: bool,
}

/// A user with the candidates in the order of the prompt.
struct Query<'a> {
    user: u32,
    target: u32,
    history: Cow<'a, [u32]>,
    candidates: Vec<u32>,
    ties: Ties,
}

/// A user with the prompt.
type EncodedQuery<'a> = (Query<'a>, Vec<Slot>);

impl Query<'_> {
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
    /// Scores of the candidates in the order of the prompt; none where a title is generated.
    scores: Vec<f64>,
}

impl LlmRanker<'_> {
    /// No ranks yet.
    pub fn nothing(&self, lists: &CandidateLists) -> RankedUsers {
        RankedUsers {
            ranks: Ranks {
                part: lists.part,
                users: lists.users.clone(),
                targets: lists.targets.clone(),
                ranks: Vec::with_capacity(lists.users.len()),
            },
            generated: Vec::new(),
            likes: self.asks_for_each().then(|| Likes {
                part: lists.part,
                users: lists.users.clone(),
                target: Vec::new(),
                others: Vec::new(),
            }),
            scores: self.keep_scores.then(|| Scores::nothing(lists.part)),
            tokens: 0,
        }
    }

    /// Ranks the targets of `lists` that `answers` does not hold yet; `done` is called after every
    /// pass.
    ///
    /// # Errors
    /// When the lists hold no candidates, a prompt is too long, a likelihood is not a number, or
    /// `done` fails.
    pub fn answer(
        &self,
        lists: &CandidateLists,
        mut answers: RankedUsers,
        done: &mut dyn FnMut(&RankedUsers) -> Result<(), RankError>,
    ) -> Result<RankedUsers, RankError> {
        lists.n.ok_or(RankError::Full)?;
        let likelihoods = self.without_history(lists, &mut answers);
        self.answer_given(lists, &likelihoods, answers, done)
    }

    /// The same, given the likelihoods of the titles [`LlmRanker::without_history`].
    ///
    /// # Errors
    /// As [`LlmRanker::answer`].
    pub fn answer_given(
        &self,
        lists: &CandidateLists,
        likelihoods: &HashMap<u32, f64>,
        mut answers: RankedUsers,
        done: &mut dyn FnMut(&RankedUsers) -> Result<(), RankError>,
    ) -> Result<RankedUsers, RankError> {
        let _guard = tch::no_grad_guard();
        lists.n.ok_or(RankError::Full)?;
        let mut waiting: Vec<EncodedQuery> = Vec::new();
        let mut tokens = 0;
        for place in answers.ranks.ranks.len()..lists.users.len() {
            for order in 0..self.orders() {
                let query = self.query(lists, place, order);
                let (history, candidates) = (&query.history, &query.candidates);
                let prompt = match self.reading {
                    Reading::YesNo => Ok(Vec::new()),
                    Reading::Letters => self.encoder.letter_prompt(history, candidates),
                    Reading::Titles(inference) => {
                        let answer = self.needs(&query, inference);
                        self.encoder.prompt(history, candidates, answer)
                    }
                };
                let prompt = prompt.map_err(|error| error.of_user(self.prepared, query.user))?;
                tokens += prompt.len();
                waiting.push((query, prompt));
            }
            // A question for each candidate is more than enough for a pass.
            let asks_much = self.asks_for_each();
            let last = place + 1 == lists.users.len();
            if last || asks_much || tokens >= self.token_budget || waiting.len() >= USERS_AT_ONCE {
                self.pass(&std::mem::take(&mut waiting), likelihoods, &mut answers)?;
                tokens = 0;
                done(&answers)?;
            }
        }
        Ok(answers)
    }

    /// Whether each candidate has a separate prompt.
    fn asks_for_each(&self) -> bool {
        match self.reading {
            Reading::YesNo => true,
            Reading::Titles(_) | Reading::Letters => false,
        }
    }

    /// Prompts of each user: the candidates in that many orders.
    fn orders(&self) -> usize {
        match self.reading {
            Reading::Titles(Inference::Score { orders, .. }) => *orders,
            Reading::Titles(Inference::Generate { .. } | Inference::Constrained {})
            | Reading::YesNo
            | Reading::Letters => 1,
        }
    }

    /// The user at `place` of the lists with the candidates shuffled: a function of seed, part,
    /// user and the number of the order alone.
    fn query(&self, lists: &CandidateLists, place: usize, order: usize) -> Query<'_> {
        let (user, target) = (lists.users[place], lists.targets[place]);
        let candidates = in_prompt(lists, place, self.seed, order);
        let history = self.prepared.history(user as usize, lists.part);
        Query {
            user,
            target,
            history,
            candidates,
            ties: lists.ties,
        }
    }

    /// Tokens that must fit after the prompt.
    fn needs(&self, query: &Query, inference: &Inference) -> usize {
        match inference {
            Inference::Generate { max_new_tokens, .. } => *max_new_tokens,
            Inference::Score { .. } | Inference::Constrained {} => {
                let answers = query
                    .candidates
                    .iter()
                    .map(|&item| self.encoder.answer(item).len());
                answers.max().unwrap_or(0)
            }
        }
    }

    fn pass(
        &self,
        batch: &[EncodedQuery],
        likelihoods: &HashMap<u32, f64>,
        answers: &mut RankedUsers,
    ) -> Result<(), RankError> {
        let outcomes = match self.reading {
            Reading::YesNo => self.yes_no(batch, answers)?,
            Reading::Letters => self.letters(batch, answers)?,
            Reading::Titles(Inference::Score { by, .. }) => {
                self.score(batch, *by, likelihoods, answers)
            }
            Reading::Titles(Inference::Generate { accept, .. }) => {
                self.generate(batch, *accept, answers)?
            }
            Reading::Titles(Inference::Constrained {}) => self.constrained(batch, answers)?,
        };
        for ((query, _), outcome) in batch.iter().step_by(self.orders()).zip(outcomes) {
            if outcome.rank.is_nan() {
                return Err(self.not_a_number(query));
            }
            answers.ranks.ranks.push(outcome.rank);
            answers.generated.extend(outcome.generated);
            if let Some(scores) = &mut answers.scores {
                let both = query.candidates.iter().zip(outcome.scores);
                let row = both.map(|(&item, score)| Scored { item, score });
                scores.push(query.user, query.target, row.collect(), None);
            }
            if let Some(likes) = &mut answers.likes {
                let mut scores = outcome.likes;
                likes.target.push(scores.remove(query.place()));
                likes.others.extend(scores);
            }
        }
        Ok(())
    }

    fn not_a_number(&self, query: &Query) -> RankError {
        let user = self.prepared.users[query.user as usize].clone();
        RankError::NotANumber { user }
    }

    /// Input vectors of the prompts.
    fn rows(&self, batch: &[EncodedQuery], answers: &mut RankedUsers) -> Vec<Tensor> {
        let prompts: Vec<Vec<Slot>> = batch.iter().map(|(_, prompt)| prompt.clone()).collect();
        answers.tokens += prompts
            .iter()
            .map(|prompt| prompt.len() as u64)
            .sum::<u64>();
        let users = self.projected.and_then(|(backbone, projections)| {
            let histories: Vec<(u32, &[u32])> = batch
                .iter()
                .map(|(query, _)| (query.user, &*query.history))
                .collect();
            projections.users(&user_states(backbone, self.prepared, &histories, false))
        });
        let items = |items: &[u32]| {
            let (_, projections) = self
                .projected
                .expect("only prompts with projected items have item slots");
            projections.items(items)
        };
        self.prompted_lm.rows(&prompts, users.as_ref(), &items)
    }
}

/// The rank of the target among the scores of `query`'s candidates.
fn rank(scores: &[f64], query: &Query) -> f64 {
    rank_at(scores, query.place(), query.ties)
}

#[cfg(test)]
mod tests;
