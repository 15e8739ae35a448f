//! Vectors of a data set: all items once, and the users that are measured.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use allround_core::data::{CandidateLists, Prepared};
use tch::{Device, Kind, Tensor};

use super::Side;
use crate::data::Histories;
use crate::methods::prompted_lm::{PromptEncoder, PromptedLm, PromptedLmError, Slot, parts};
use crate::models::Scorer;
use crate::nn::embedding::{self, indices};

/// Trained networks that give users and items vectors.
pub trait Represents: fmt::Debug {
    /// The prompt of a user with this history (items 1 to V, oldest first).
    ///
    /// # Errors
    /// When it is too long without any history.
    fn user_prompt(
        &self,
        encoder: &PromptEncoder,
        history: &[u32],
    ) -> Result<Vec<Slot>, PromptedLmError>;

    /// Vectors [B, R] of B prompts. Those of items are computed only without
    /// [`Represents::item_vectors`].
    fn vectors(&self, prompted_lm: &PromptedLm, prompts: &[Vec<Slot>], side: Side) -> Tensor;

    /// Vectors [V + 1, R] of all items by number, where these are weights; `None` where each is
    /// computed of a prompt.
    fn item_vectors(&self) -> Option<Tensor> {
        None
    }
}

/// What computes vectors without gradients.
#[derive(Clone, Copy, Debug)]
pub struct Vectors<'a> {
    /// The trained networks.
    pub representer: &'a dyn Represents,
    /// The language model.
    pub prompted_lm: &'a PromptedLm,
    /// What tokenizes its prompts, and counts those that are shortened.
    pub encoder: &'a PromptEncoder,
    /// Prompt tokens at which a pass is full.
    pub token_budget: usize,
}

/// Vectors, and what they took.
#[derive(Debug)]
pub struct Encoded {
    /// Vectors, a row each.
    pub rows: Tensor,
    /// Tokens and vectors read.
    pub tokens: u64,
}

impl Vectors<'_> {
    /// Vectors [V + 1, R] by item number. Where they are computed, items that are not in `items`
    /// have zeros; these are ascending. `done` gets the number of computed items after every pass.
    ///
    /// # Errors
    /// When a prompt is too long.
    pub fn of_items(
        &self,
        prepared: &Prepared,
        items: &[u32],
        done: &mut dyn FnMut(usize),
    ) -> Result<Encoded, PromptedLmError> {
        if let Some(rows) = self.representer.item_vectors() {
            return Ok(Encoded { rows, tokens: 0 });
        }
        let prompts = items.iter();
        let prompts = prompts.map(|&item| self.encoder.item_representation(item));
        let prompts: Vec<Vec<Slot>> = prompts.collect::<Result<_, _>>()?;
        let Encoded { rows, tokens } = self.encode(&prompts, Side::Item, done);
        let device = rows.device();
        let all = Tensor::zeros(
            [prepared.n_items() as i64 + 1, rows.size()[1]],
            (Kind::Float, device),
        );
        Ok(Encoded {
            rows: all.index_copy(0, &indices(items, device), &rows),
            tokens,
        })
    }

    /// Vectors [N, R] of the users of `lists`.
    ///
    /// # Errors
    /// When a prompt is too long.
    pub fn of_users(
        &self,
        prepared: &Prepared,
        lists: &CandidateLists,
        done: &mut dyn FnMut(usize),
    ) -> Result<Encoded, PromptedLmError> {
        let prompts = lists.users.iter().map(|&user| {
            let history = prepared.history(user as usize, lists.part);
            let prompt = self.representer.user_prompt(self.encoder, &history);
            prompt.map_err(|error| error.of_user(prepared, user))
        });
        let prompts: Vec<Vec<Slot>> = prompts.collect::<Result<_, _>>()?;
        Ok(self.encode(&prompts, Side::User, done))
    }

    /// Vectors [B, R] of B prompts. The last pass may be empty.
    fn encode(&self, prompts: &[Vec<Slot>], side: Side, done: &mut dyn FnMut(usize)) -> Encoded {
        let _guard = tch::no_grad_guard();
        let mut count = 0;
        let passes = parts(prompts, self.token_budget).into_iter();
        let rows = passes.filter(|part| !part.is_empty()).map(|part| {
            let rows = self.representer.vectors(self.prompted_lm, part, side);
            count += part.len();
            done(count);
            rows
        });
        let rows: Vec<Tensor> = rows.collect();
        Encoded {
            rows: match rows.is_empty() {
                true => Tensor::zeros([0, 1], (Kind::Float, self.prompted_lm.lm().device())),
                false => Tensor::cat(&rows, 0),
            },
            tokens: prompts.iter().map(|prompt| prompt.len() as u64).sum(),
        }
    }
}

/// Vectors of users and items, which rank by their dot products.
#[derive(Debug)]
pub struct VectorTable {
    /// Row of each user.
    places: HashMap<u32, u32>,
    /// [N, R].
    users: Tensor,
    /// By item number, [V + 1, R].
    items: Tensor,
}

impl VectorTable {
    /// `users` [N, R] are the vectors of the users of `lists`. `items` [V + 1, R] are those of all
    /// items by number.
    pub fn new(lists: &CandidateLists, users: Tensor, items: Tensor) -> Self {
        Self {
            places: lists.users.iter().copied().zip(0..).collect(),
            users,
            items,
        }
    }

    /// Vectors [B, R] of B users.
    fn of(&self, histories: &Histories) -> Tensor {
        let places = histories.users.iter().map(|user| self.places[user]);
        let places: Vec<u32> = places.collect();
        self.users.index_select(0, &indices(&places, self.device()))
    }
}

/// Table rows are item numbers: the data set needs a row for each item.
impl Scorer for VectorTable {
    fn maxlen(&self) -> usize {
        // The vectors have read the histories.
        1
    }

    fn device(&self) -> Device {
        self.items.device()
    }

    fn score(&self, histories: &Histories, candidates: &Tensor) -> Tensor {
        embedding::scores(&self.of(histories), &self.items, None, candidates)
    }

    fn score_all(&self, histories: &Histories) -> Tensor {
        embedding::scores_all(&self.of(histories), &self.items, None)
    }

    fn weights(&self) -> Vec<(String, Tensor)> {
        vec![("items".to_owned(), self.items.shallow_clone())]
    }
}

/// The items that are ranked in `lists`, ascending; all that may be candidates where every item is
/// ranked.
pub fn ranked_items(lists: &CandidateLists, prepared: &Prepared) -> Vec<u32> {
    let all = lists.targets.iter().chain(&lists.negatives);
    let mut items: BTreeSet<u32> = all.copied().collect();
    if lists.n.is_none() {
        items.extend(1..=prepared.n_items() as u32);
    }
    items.into_iter().collect()
}
