//! One file a CF model, and the two traits that the rest of the worker sees them through.
//!
//! Letters: B batch, T tokens of a packed batch, D width, V items (row 0 of a table is padding), C
//! candidates.

pub mod artefact;
pub mod bert4rec;
pub mod ctrl;
pub mod forward;
pub mod gru4rec;
pub mod hstu;
pub mod import;
pub mod markov;
pub mod morec;
pub mod ncf;
pub mod nextitnet;
pub mod popularity;
pub mod recformer;
pub mod repeat;
pub mod sasrec;
pub mod text_similarity;
pub mod weights;

use std::collections::BTreeMap;

use allround_core::data::Prepared;
use allround_core::models::{CfKind, Model};
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use crate::data::{Histories, TrainingBatch, TrainingSet};
use crate::nn::embedding;
use weights::WeightsError;

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
    /// The weights that training moves, by name in a stable order: those of [`Scorer::weights`],
    /// unless some of these are computed from others.
    fn trained(&self) -> Vec<(String, Tensor)> {
        self.weights()
    }

    /// Computes what an epoch of training keeps as it is.
    fn begin_epoch(&self) {}

    /// Validations without an improvement that end a second phase of training, in which
    /// [`Backbone::begin_epoch`] is left out; `None` for a model with one phase.
    fn second_phase(&self) -> Option<u32> {
        None
    }

    /// Width D of states and of table rows.
    fn width(&self) -> i64;

    /// States [B, D] of B histories, without dropout. An empty history has a state too.
    fn user_states(&self, histories: &Histories) -> Tensor;

    /// States [T, D] after each of T tokens, in the histories' own order, as the training loss
    /// computes them. `dropout` turns the model's dropout on. So a frozen model has a state of
    /// every prefix of a sequence.
    fn token_states(&self, histories: &Histories, dropout: bool) -> Tensor;

    /// The table [V + 1, D] that states are compared with by dot product; row 0 is padding.
    fn item_table(&self) -> Tensor;

    /// A score that belongs to the item alone, [V + 1]; `None` for a model without one.
    fn item_bias(&self) -> Option<Tensor> {
        None
    }

    /// [`Scorer::score`] by dot product of user states and item table, plus the items' bias.
    fn score_candidates(&self, histories: &Histories, candidates: &Tensor) -> Tensor {
        embedding::scores(
            &self.user_states(histories),
            &self.item_table(),
            self.item_bias().as_ref(),
            candidates,
        )
    }

    /// [`Scorer::score_all`] by dot product of user states and item table, plus the items' bias.
    fn score_table(&self, histories: &Histories) -> Tensor {
        embedding::scores_all(
            &self.user_states(histories),
            &self.item_table(),
            self.item_bias().as_ref(),
        )
    }

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

/// A CF model before it has seen the data.
#[derive(Debug)]
pub enum Fresh {
    /// A network with initial weights, trained by gradient.
    Network(Box<dyn Backbone>),
    /// A model that counts interactions.
    Counts(Counting),
}

/// A model that counts interactions.
#[derive(Clone, Copy, Debug)]
pub enum Counting {
    /// Items by training count.
    Popularity,
    /// Items of the history first, others by training count.
    Repeat,
    /// A first-order Markov chain with this many pseudo-counts of popularity.
    Markov(f64),
}

/// A fresh CF model. The caller has seeded LibTorch's generator from the `init` stream.
pub fn fresh(model: CfKind<'_>, sizes: Sizes, device: Device) -> Fresh {
    match model {
        CfKind::Sasrec(config) => Fresh::network(sasrec::Sasrec::new(config, sizes, device)),
        CfKind::Gru4rec(config) => Fresh::network(gru4rec::Gru4rec::new(config, sizes, device)),
        CfKind::Nextitnet(config) => {
            Fresh::network(nextitnet::Nextitnet::new(config, sizes, device))
        }
        CfKind::Ncf(config) => Fresh::network(ncf::Ncf::new(config, sizes, device)),
        CfKind::Bert4rec(config) => Fresh::network(bert4rec::Bert4rec::new(config, sizes, device)),
        CfKind::Hstu(config) => Fresh::network(hstu::Hstu::new(config, sizes, device)),
        CfKind::Ctrl(config) => Fresh::network(ctrl::new(config, sizes, device)),
        // An artefact has its items' tokens; see `loaded`.
        CfKind::Recformer(config) => {
            Fresh::network(recformer::Recformer::of_ids(config, sizes, device))
        }
        // With a table in place of texts, as it is scored with.
        CfKind::Morec(config) => {
            Fresh::network(sasrec::Sasrec::new(&config.network(), sizes, device))
        }
        CfKind::Popularity(_) => Fresh::Counts(Counting::Popularity),
        CfKind::Repeat(_) => Fresh::Counts(Counting::Repeat),
        CfKind::Markov(config) => Fresh::Counts(Counting::Markov(config.smoothing)),
    }
}

impl Fresh {
    fn network(network: impl Backbone + 'static) -> Self {
        Fresh::Network(Box::new(network))
    }
}

impl Counting {
    /// Counts the training interactions of `prepared`; `set` are the sequences that are trained on.
    pub fn count(self, prepared: &Prepared, set: &TrainingSet, device: Device) -> Box<dyn Scorer> {
        let items = prepared.n_items() as u64;
        match self {
            Counting::Popularity => {
                let rows = training_rows(prepared);
                Box::new(popularity::Popularity::count(&rows, items, device))
            }
            Counting::Repeat => {
                let rows = training_rows(prepared);
                Box::new(repeat::Repeat::count(&rows, items, device))
            }
            Counting::Markov(smoothing) => {
                Box::new(markov::Markov::count(set, items, smoothing, device))
            }
        }
    }

    /// The model that has counted what `tensors` hold.
    ///
    /// # Errors
    /// What the model needs, where `tensors` are those of another kind.
    pub fn from_tensors(
        self,
        tensors: &BTreeMap<String, Tensor>,
        device: Device,
    ) -> Result<Box<dyn Scorer>, &'static str> {
        match self {
            Counting::Popularity => {
                let counts = tensors.get("counts").ok_or("needs `counts`")?;
                let counts = counts.to_device(device);
                Ok(Box::new(popularity::Popularity::from_counts(counts)))
            }
            Counting::Repeat => {
                let counts = tensors.get("counts").ok_or("needs `counts`")?;
                let counts = Vec::try_from(counts).map_err(|_| "needs `counts` as numbers")?;
                Ok(Box::new(repeat::Repeat::from_counts(counts, device)))
            }
            Counting::Markov(smoothing) => {
                let chain = markov::Markov::from_tensors(tensors, smoothing, device);
                let chain = chain.ok_or("needs `offsets`, `next`, `counts` and `share`")?;
                Ok(Box::new(chain))
            }
        }
    }
}

/// Table rows of all training interactions. Unlike a [`TrainingSet`], they include those of users
/// with one training item, who have no transition.
fn training_rows(prepared: &Prepared) -> Vec<u32> {
    let users = (0..prepared.n_users()).filter(|&user| prepared.trained[user]);
    let items = users.flat_map(|user| prepared.train_of(user));
    items
        .map(|&item| crate::data::row(prepared, item))
        .collect()
}

/// A network with initial weights; `None` for a model that is not trained by gradient.
pub fn build(model: &Model, sizes: Sizes, device: Device) -> Option<Box<dyn Backbone>> {
    match fresh(model.cf_kind()?, sizes, device) {
        Fresh::Network(network) => Some(network),
        Fresh::Counts(_) => None,
    }
}

/// The network that `tensors` are the weights of; `None` for a model that is not trained by
/// gradient.
///
/// # Errors
/// When they are another model's.
pub fn loaded(
    model: &Model,
    sizes: Sizes,
    tensors: &BTreeMap<String, Tensor>,
    device: Device,
) -> Result<Option<Box<dyn Backbone>>, WeightsError> {
    if let Model::Recformer(config) = model {
        let net = recformer::Recformer::from_tensors(config, tensors, device)?;
        return Ok(Some(Box::new(net)));
    }
    let net = build(model, sizes, device);
    if let Some(net) = &net {
        weights::fill(&net.weights(), tensors)?;
    }
    Ok(net)
}

#[cfg(test)]
pub(crate) mod behaviour;
