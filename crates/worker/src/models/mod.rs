//! One file a CF model, and the two traits that the rest of the worker sees them through.
//!
//! Letters: B batch, T tokens of a packed batch, D width, V items (row 0 of a table is padding), C candidates.

pub mod artefact;
pub mod forward;
pub mod gru4rec;
pub mod import;
pub mod markov;
pub mod ncf;
pub mod nextitnet;
pub mod popularity;
pub mod sasrec;
pub mod weights;

use allround_core::models::Model;
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use crate::data::{Histories, TrainingBatch};

/// Anything that scores items for histories.
pub trait Scorer: std::fmt::Debug {
    /// How many of a history's last items count; callers cut histories to it.
    fn maxlen(&self) -> usize;

    /// Where the scores are computed; candidates must be there.
    fn device(&self) -> Device;

    /// Scores [B, C] of `candidates` [B, C] (table rows) for B histories.
    fn score(&self, histories: &Histories, candidates: &Tensor) -> Tensor;

    /// Scores [B, V + 1] of all table rows for B histories; column 0 is padding and means nothing.
    fn score_all(&self, histories: &Histories) -> Tensor;

    /// What the artefact holds, by upstream name, in a stable order.
    fn weights(&self) -> Vec<(String, Tensor)>;
}

/// A trained CF model: user states and an item table, which A-LLMRec reads.
pub trait Backbone: Scorer {
    /// Width D of states and of table rows.
    fn width(&self) -> i64;

    /// States [B, D] of B histories, without dropout. An empty history has a state too.
    fn user_states(&self, histories: &Histories) -> Tensor;

    /// States [T, D] after each of T tokens, in the histories' own order, as the training loss computes them; with the
    /// model's dropout where `dropout` says so. What a frozen model tells of every prefix of a sequence.
    fn token_states(&self, histories: &Histories, dropout: bool) -> Tensor;

    /// The table [V + 1, D] that states are compared with by dot product; row 0 is padding.
    fn item_table(&self) -> Tensor;

    /// A score that belongs to the item alone, [V + 1]; `None` for a model without one.
    fn item_bias(&self) -> Option<Tensor>;

    /// The training loss (a scalar with gradient) of a batch, dropout on.
    fn loss(&self, batch: &TrainingBatch) -> Tensor;
}

/// How many users and items a model has rows for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// Users U, numbered from 0.
    pub users: u64,
    /// Items V, numbered from 1.
    pub items: u64,
}

/// A freshly initialised model that is trained by gradient; `None` for all others.
///
/// The caller has seeded LibTorch's generator from the `init` stream.
pub fn build(model: &Model, sizes: Sizes, device: Device) -> Option<Box<dyn Backbone>> {
    match model {
        Model::Sasrec(config) => Some(Box::new(sasrec::Sasrec::new(config, sizes, device))),
        Model::Gru4rec(config) => Some(Box::new(gru4rec::Gru4rec::new(config, sizes, device))),
        Model::Nextitnet(config) => {
            Some(Box::new(nextitnet::Nextitnet::new(config, sizes, device)))
        }
        Model::Ncf(config) => Some(Box::new(ncf::Ncf::new(config, sizes, device))),
        Model::Popularity(_)
        | Model::Markov(_)
        | Model::Scores(_)
        | Model::Allmrec(_)
        | Model::LlmOnly(_)
        | Model::MlpLlm(_)
        | Model::Tallrec(_) => None,
    }
}

#[cfg(test)]
pub(crate) mod behaviour;
