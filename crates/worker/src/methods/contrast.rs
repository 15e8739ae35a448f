//! CTRL's first stage: states of a CF model and texts of the same histories, brought together.
//!
//! Paper: Li et al. 2023 (arXiv 2306.02841), section 3. Code: pre_train/ctrl/model_ctrl.py in
//! ghdtjr/A-LLMRec at e216bbc, whose names the weights have. Deviations:
//! - a text that the encoder would cut loses its oldest items instead, so that a history and its
//!   neighbours have different texts;
//! - a chunk of one pair has no other combinations: upstream's mean over nothing is NaN.
//!
//! Letters: N pairs, D width of states, W width of text vectors, E width of the common space, M
//! sub-spaces.

use allround_core::models::ctrl::{Contrast, ContrastLoss};
use tch::{Device, Kind, Reduction, Tensor};

use crate::data::{Histories, TrainingBatch};
use crate::encoder::sentence::TextEncoder;
use crate::models::{Backbone, weights};
use crate::nn::Parameters;
use crate::nn::embedding::{self, indices};
use crate::nn::linear::{Linear, Start};
use crate::torch_ext::product;
use crate::train::batches::Sampler;
use crate::train::task::{Loss, Source, Task};

/// This stage's number among random streams.
pub const STAGE: u64 = 5;

/// One linear map for each sub-space.
#[derive(Debug)]
struct Side {
    projection: Linear,
    subspaces: Vec<Linear>,
}

impl Side {
    fn new(
        parameters: &mut Parameters,
        projection: &str,
        subspaces: &str,
        inputs: i64,
        settings: &Contrast,
    ) -> Self {
        let width = settings.width as i64;
        let start = Start::Pytorch;
        let projection = Linear::new(parameters, projection, inputs, width, start);
        let each = (1..=settings.subspaces).map(|n| {
            let name = format!("{subspaces}_{n}");
            Linear::new(parameters, &name, width, width, start)
        });
        Self {
            projection,
            subspaces: each.collect(),
        }
    }

    /// [N, inputs] -> [N, M, E].
    fn forward(&self, vectors: &Tensor) -> Tensor {
        let common = self.projection.forward(vectors);
        let parts = self.subspaces.iter().map(|layer| layer.forward(&common));
        Tensor::stack(&parts.collect::<Vec<_>>(), 1)
    }
}

/// The maps of both sides into the common space, and the loss there.
#[derive(Debug)]
pub struct Maps {
    states: Side,
    texts: Side,
}

impl Maps {
    /// Fresh maps from states of width `states` and text vectors of width `texts`. The caller has
    /// seeded LibTorch's generator.
    pub fn new(parameters: &mut Parameters, settings: &Contrast, states: i64, texts: i64) -> Self {
        Self {
            texts: Side::new(parameters, "projection", "finegrain2", texts, settings),
            states: Side::new(parameters, "projection2", "finegrain1", states, settings),
        }
    }

    /// Similarities [N, N] of all states with all texts. The first are by the states' sub-spaces,
    /// with a row for each state. The second are by those of the texts, with a row for each text.
    fn similarities(&self, states: &Tensor, texts: &Tensor) -> [Tensor; 2] {
        let (states, texts) = (self.states.forward(states), self.texts.forward(texts));
        let (count, subspaces, width) = states.size3().expect("states are [N, M, E]");
        let flat = |x: &Tensor| x.reshape([count * subspaces, width]);
        let products = product::mm(&flat(&states), &flat(&texts).tr())
            .view([count, subspaces, count, subspaces]);
        let sum = |largest: Tensor, dim: i64| largest.sum_dim_intlist(dim, false, Kind::Float);
        let by_states = sum(products.amax([3], false), 1);
        let by_texts = sum(products.amax([1], false), 2).tr();
        [by_states, by_texts]
    }

    /// The loss of N pairs, chunk by chunk. `owners` are the users of the pairs, N of them, where
    /// pairs of one user are not compared.
    pub fn loss(
        &self,
        settings: &Contrast,
        states: &Tensor,
        texts: &Tensor,
        owners: Option<&Tensor>,
    ) -> Tensor {
        let count = states.size()[0];
        let chunk = match settings.chunk {
            0 => count,
            chunk => chunk as i64,
        };
        let mut sum = Tensor::zeros([], (Kind::Float, states.device()));
        let mut start = 0;
        while start < count {
            let size = chunk.min(count - start);
            let part = |tensor: &Tensor| tensor.narrow(0, start, size);
            let other = owners.map(|owners| {
                let owners = part(owners);
                owners.unsqueeze(1).ne_tensor(&owners.unsqueeze(0))
            });
            let both = self.similarities(&part(states), &part(texts));
            let [one, two] =
                both.map(|similarities| direction(&settings.loss, &similarities, other.as_ref()));
            sum += (one + two) / 2.0;
            start += size;
        }
        sum
    }
}

/// The loss of one direction: similarities [N, N] of which the diagonal is right. `other` are the
/// combinations that may be compared; `None` for all but the diagonal.
fn direction(loss: &ContrastLoss, similarities: &Tensor, other: Option<&Tensor>) -> Tensor {
    let count = similarities.size()[0];
    let own = Tensor::eye(count, (Kind::Bool, similarities.device()));
    let other = match other {
        Some(other) => other.shallow_clone(),
        None => own.logical_not(),
    };
    match *loss {
        ContrastLoss::Bce {} => {
            let right = similarities.diagonal(0, 0, 1);
            let wrong = similarities.masked_select(&other);
            let found = right.neg().softplus().mean(Kind::Float);
            match wrong.numel() {
                0 => found,
                _ => found + wrong.softplus().mean(Kind::Float),
            }
        }
        ContrastLoss::InfoNce { temperature } => {
            let left_out = other.logical_or(&own).logical_not();
            let logits = (similarities / temperature).masked_fill(&left_out, f64::NEG_INFINITY);
            let right = Tensor::arange(count, (Kind::Int64, similarities.device()));
            logits.cross_entropy_loss::<Tensor>(&right, None, Reduction::Mean, -100, 0.0)
        }
    }
}

/// Texts of all pairs, user after user.
#[derive(Debug)]
pub struct PairVectors<'a> {
    /// First pair of each user of the training set, by user number.
    pub first: Vec<u32>,
    /// Where vectors come from.
    pub source: PairSource<'a>,
}

/// Where vectors of pairs come from.
pub enum PairSource<'a> {
    /// An encoder that is trained, and the text of every pair.
    Trained(&'a dyn TextEncoder, Vec<String>),
    /// Vectors [pairs, W] that stay as they are.
    Frozen(Tensor),
}

impl std::fmt::Debug for PairSource<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PairSource::Trained(_, texts) => write!(formatter, "Trained({} texts)", texts.len()),
            PairSource::Frozen(vectors) => write!(formatter, "Frozen({:?})", vectors.size()),
        }
    }
}

impl PairVectors<'_> {
    /// Width W of a vector.
    pub fn width(&self) -> i64 {
        match &self.source {
            PairSource::Trained(encoder, _) => encoder.width(),
            PairSource::Frozen(vectors) => vectors.size()[1],
        }
    }

    /// Vectors [N, W] of the pairs of a batch, which has whole sequences.
    fn of(&self, batch: &TrainingBatch, device: Device) -> Tensor {
        let rows = batch.offsets.windows(2).zip(&batch.users);
        let pairs: Vec<u32> = rows
            .flat_map(|(bounds, &user)| {
                let first = self.first[user as usize];
                first..first + bounds[1] - bounds[0]
            })
            .collect();
        match &self.source {
            PairSource::Frozen(vectors) => embedding::rows(vectors, &indices(&pairs, device)),
            PairSource::Trained(encoder, texts) => {
                let read: Vec<&str> = pairs
                    .iter()
                    .map(|&at| texts[at as usize].as_str())
                    .collect();
                encoder.encode(&read, true)
            }
        }
    }
}

/// Stage 1 in training.
#[derive(Debug)]
pub struct ContrastTask<'a> {
    /// Settings.
    pub settings: &'a Contrast,
    /// The CF model.
    pub net: &'a dyn Backbone,
    /// Sequences of a step.
    pub sampler: &'a Sampler<'a>,
    /// Vectors of the texts.
    pub texts: PairVectors<'a>,
    /// Weights of the maps.
    pub parameters: Parameters,
    /// The maps.
    pub maps: Maps,
}

impl Task for ContrastTask<'_> {
    type Example = TrainingBatch;

    fn source(&self) -> &dyn Source<Example = TrainingBatch> {
        self.sampler
    }

    fn weights(&self) -> Vec<(String, Tensor)> {
        let mut weights = self.net.trained();
        weights.extend(self.parameters.named());
        if let PairSource::Trained(encoder, _) = &self.texts.source {
            let named = encoder.weights().into_iter();
            weights.extend(named.map(|(name, weight)| (format!("sbert.{name}"), weight)));
        }
        weights
    }

    fn params(&self) -> u64 {
        weights::count(&self.weights())
    }

    fn weight(&self, batch: &TrainingBatch) -> u64 {
        batch.targets.len() as u64
    }

    fn length(&self, batch: &TrainingBatch) -> usize {
        batch.inputs.len()
    }

    fn can_split(&self) -> bool {
        false
    }

    fn count(&self, batch: &TrainingBatch) -> u64 {
        batch.users.len() as u64
    }

    fn loss(&self, batches: &[&TrainingBatch], _states: Option<&Tensor>) -> Loss {
        let [batch] = batches else {
            unreachable!("a step is one batch");
        };
        let histories = Histories {
            users: batch.users.clone(),
            offsets: batch.offsets.clone(),
            items: batch.inputs.clone(),
        };
        let device = self.net.device();
        let states = self.net.token_states(&histories, true);
        let texts = self.texts.of(batch, device);
        let owners = (!self.settings.own_negatives).then(|| {
            let rows = batch.offsets.windows(2).zip(&batch.users);
            let owners: Vec<u32> = rows
                .flat_map(|(bounds, &user)| (bounds[0]..bounds[1]).map(move |_| user))
                .collect();
            indices(&owners, device)
        });
        Loss {
            mean: self
                .maps
                .loss(self.settings, &states, &texts, owners.as_ref()),
            parts: Vec::new(),
            tokens: batch.targets.len() as u64,
        }
    }
}

#[cfg(test)]
mod tests;
