//! LLM-SRec: vectors of users and items from a frozen language model, whose dot products rank.
//!
//! Paper: Kim et al. 2025 (arXiv 2502.13909), section 4. Upstream: `seqllm4rec.py` and
//! `seqllm_model.py` at Sein-Kim/LLM-SRec b81019c, whose names the weights keep. Deviations:
//! - prompts have no dates, since times of a prepared data set are an order;
//! - negatives are none of the user's training items, the target among them; upstream leaves out
//!   the history alone;
//! - an item that several users of a batch are compared with is computed once;
//! - the uniformity of a batch of one user is 0, where upstream's is NaN.
//!
//! Letters: N users and I different items of a batch, K negatives, V items. D width of the CF
//! model, W width of the language model, R width of vectors.

use std::collections::BTreeSet;

use allround_core::data::Prepared;
use allround_core::models::represent::Represent;
use allround_core::seed::{Stream, stream};
use tch::{Device, Kind, Reduction, Tensor};

mod vectors;

use super::mlp::{Mlp, MlpShape};
use super::prompted_lm::{PromptEncoder, PromptedLm, PromptedLmError, Slot};
use super::sequences::{Pool, Sequences, Target, user_states};
use crate::models::{Backbone, weights};
use crate::nn::embedding::{self, indices};
use crate::nn::{Parameters, parameters};
use crate::torch_ext::product;
use crate::train::BoxError;
use crate::train::limit::SampleLimit;
use crate::train::task::{Loss, Source, Steps, Task};
use crate::train::trainer::{EpochSeed, index};
pub use vectors::{Encoded, Represents, VectorTable, Vectors, ranked_items};

/// This stage's number among random streams.
pub const STAGE: u64 = 7;

/// What a vector belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// A user.
    User,
    /// An item.
    Item,
}

/// What vectors are trained with.
#[derive(Debug)]
pub struct Representer {
    parameters: Parameters,
    item_projection: Mlp,
    user_head: Mlp,
    item_head: Mlp,
    /// Input vectors at the end of prompts, [1, W].
    user_token: Tensor,
    item_token: Tensor,
    /// What projects states of the CF model to vectors; `None` where nothing is compared with them.
    cf_head: Option<Mlp>,
    /// The frozen item vectors of the CF model, [V + 1, D].
    table: Tensor,
}

/// What a [`Representer`] is built for.
#[derive(Debug)]
pub struct RepresentInputs<'a> {
    /// Widths, and which losses there are.
    pub settings: &'a Represent,
    /// The frozen item vectors of the CF model, [V + 1, D].
    pub table: Tensor,
    /// Width of the CF model's states.
    pub states: i64,
    /// Width W of the language model.
    pub lm: i64,
    /// Mean and standard deviation with which the input vectors start.
    pub tokens: [f64; 2],
}

impl Representer {
    /// Fresh networks. The caller has seeded LibTorch's generator from the `init` stream.
    pub fn new(inputs: RepresentInputs<'_>, device: Device) -> Self {
        let RepresentInputs {
            settings,
            table,
            states,
            lm,
            tokens: [mean, deviation],
        } = inputs;
        let mut parameters = Parameters::new(device);
        let width = settings.width as i64;
        let shape = |inputs, hidden, outputs| MlpShape {
            inputs,
            hidden,
            layers: 1,
            outputs,
            norm: true,
        };
        let items = shape(table.size()[1], lm, lm);
        let head = shape(lm, settings.hidden_units as i64, width);
        let item_projection = Mlp::new(&mut parameters, "item_emb_proj", items, true);
        let user_head = Mlp::new(&mut parameters, "pred_user", head, true);
        let item_head = Mlp::new(&mut parameters, "pred_item", head, true);
        let mut token = |name: &str| {
            let start = parameters::normal(&[1, lm], deviation) + mean;
            parameters.add(name, start)
        };
        let (user_token, item_token) = (token("CLS.weight"), token("CLS_item.weight"));
        // Last, so that everything else starts alike with and without it.
        let distils = settings.distillation > 0.0 || settings.uniformity > 0.0;
        let cf_head = distils.then(|| {
            let shape = shape(states, width, width);
            Mlp::new(&mut parameters, "pred_user_CF2", shape, false)
        });
        Self {
            parameters,
            item_projection,
            user_head,
            item_head,
            user_token,
            item_token,
            cf_head,
            table,
        }
    }

    /// Trained weights by upstream name.
    pub fn weights(&self) -> Vec<(String, Tensor)> {
        self.parameters.named()
    }

    /// Unit vectors [N, R] of states [N, D] of the CF model; `None` where nothing is compared with
    /// them.
    fn cf_vectors(&self, states: &Tensor) -> Option<Tensor> {
        let head = self.cf_head.as_ref()?;
        Some(unit(&head.forward(states)))
    }
}

impl Represents for Representer {
    fn user_prompt(
        &self,
        encoder: &PromptEncoder,
        history: &[u32],
    ) -> Result<Vec<Slot>, PromptedLmError> {
        encoder.user_representation(history)
    }

    /// The prompts end in the trained input vector.
    fn vectors(&self, prompted_lm: &PromptedLm, prompts: &[Vec<Slot>], side: Side) -> Tensor {
        let (token, head) = match side {
            Side::User => (&self.user_token, &self.user_head),
            Side::Item => (&self.item_token, &self.item_head),
        };
        let tokens = token.expand([prompts.len() as i64, -1], false);
        let rows = prompted_lm.rows(prompts, Some(&tokens), &|items| {
            let items = indices(items, self.table.device());
            self.item_projection
                .forward(&embedding::rows(&self.table, &items))
        });
        let ends = prompts.iter().map(Vec::len);
        let ends: Vec<_> = ends.map(|end| end - 1..end).collect();
        let states = prompted_lm.lm().hidden(&rows, &ends);
        head.forward(&states.to_kind(Kind::Float))
    }
}

/// Rows of `x` at unit length.
fn unit(x: &Tensor) -> Tensor {
    let norms = x.square().sum_dim_intlist(1, true, Kind::Float).sqrt();
    x / norms.clamp_min(1e-12)
}

/// Cross-entropy of dot products of users [N, R] with items [I, R]. `compared` [N, 1 + K] are
/// places among the items, the target first.
fn recommendation(users: &Tensor, items: &Tensor, compared: &Tensor) -> Tensor {
    let logits = product::mm(users, &items.tr()).gather(1, compared, false);
    let targets = Tensor::zeros([users.size()[0]], (Kind::Int64, users.device()));
    logits.cross_entropy_for_logits(&targets)
}

/// Mean of exp(-2 d²) over the pairs of unit vectors [N, R] with distance d; 0 for one vector.
fn uniformity(x: &Tensor) -> Tensor {
    let count = x.size()[0];
    let distances = (x.unsqueeze(1) - x.unsqueeze(0)).square();
    let distances = distances.sum_dim_intlist(2, false, Kind::Float);
    let pairs = (count * (count - 1) / 2).max(1);
    (distances * -2.0).exp().triu(1).sum(Kind::Float) / pairs as f64
}

/// A batch, tokenized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepresentBatch {
    /// Targets of the N users.
    pub targets: Vec<Target>,
    /// Prompts of the users.
    pub users: Vec<Vec<Slot>>,
    /// Prompts of the I different items.
    pub items: Vec<Vec<Slot>>,
    /// Places among these items, 1 + K for each user, the target first.
    pub compared: Vec<u32>,
}

impl RepresentBatch {
    /// Tokens and vectors of all prompts.
    fn tokens(&self) -> usize {
        self.users.iter().chain(&self.items).map(Vec::len).sum()
    }
}

/// What training reads.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// The data set.
    pub prepared: &'a Prepared,
    /// Its training sequences.
    pub sequences: &'a Sequences,
    /// The frozen CF model.
    pub backbone: &'a dyn Backbone,
    /// The frozen language model.
    pub prompted_lm: &'a PromptedLm,
}

/// Draws batches and tokenizes them.
#[derive(Debug)]
struct Batches<'a> {
    settings: &'a Represent,
    prepared: &'a Prepared,
    sequences: &'a Sequences,
    encoder: &'a PromptEncoder,
    pool: Pool<'a>,
    limit: SampleLimit,
    seed: u64,
}

impl Batches<'_> {
    /// The targets of an epoch by steps.
    fn targets(&self, epoch: u32) -> Vec<Vec<Target>> {
        let draw = EpochSeed {
            seed: self.seed,
            stage: STAGE,
            epoch,
        };
        let size = self.settings.train.batch_size;
        self.sequences.steps(self.prepared, size, draw)
    }

    /// One step; its negatives are a function of its number.
    fn batch(
        &self,
        epoch: u32,
        step: usize,
        targets: Vec<Target>,
    ) -> Result<RepresentBatch, BoxError> {
        let mut random = stream(self.seed, Stream::Negatives, index(STAGE, epoch, step));
        let mut compared = Vec::with_capacity(targets.len() * (1 + self.settings.negatives));
        let mut users = Vec::with_capacity(targets.len());
        for target in &targets {
            compared.push(target.item(self.prepared));
            let known = self.prepared.train_of(target.user as usize);
            let negatives = self.settings.negatives;
            compared.extend(self.pool.draw(target.user, known, negatives, &mut random)?);
            let of_user = |error: PromptedLmError| error.of_user(self.prepared, target.user);
            let history = target.history(self.prepared);
            users.push(self.encoder.user_representation(history).map_err(of_user)?);
        }
        let different: BTreeSet<u32> = compared.iter().copied().collect();
        let different: Vec<u32> = different.into_iter().collect();
        let places = compared.iter().map(|item| {
            let place = different.binary_search(item);
            place.expect("every item was collected") as u32
        });
        let items = different.iter();
        let items = items.map(|&item| self.encoder.item_representation(item));
        Ok(RepresentBatch {
            compared: places.collect(),
            items: items.collect::<Result<_, _>>()?,
            targets,
            users,
        })
    }
}

impl Source for Batches<'_> {
    type Example = RepresentBatch;

    fn steps(&self, epoch: u32) -> Result<Steps<'_, RepresentBatch>, BoxError> {
        let mut steps = self.targets(epoch);
        self.limit.cut(epoch, &mut steps);
        let made = (1..).zip(steps.clone());
        let made = made.map(move |(step, targets)| Ok(vec![self.batch(epoch, step, targets)?]));
        Ok(Steps {
            count: steps.len(),
            made: Box::new(made),
        })
    }

    fn in_all(&self, epochs: u32) -> Option<u64> {
        self.limit.steps(epochs, |epoch| self.targets(epoch))
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

/// Vectors in training.
#[derive(Debug)]
pub struct RepresentTask<'a> {
    settings: &'a Represent,
    inputs: Inputs<'a>,
    /// What is trained.
    pub representer: Representer,
    batches: Batches<'a>,
}

impl<'a> RepresentTask<'a> {
    /// `representer` for `inputs`.
    pub fn new(
        settings: &'a Represent,
        inputs: Inputs<'a>,
        representer: Representer,
        seed: u64,
    ) -> Self {
        let Inputs {
            prepared,
            sequences,
            prompted_lm,
            ..
        } = inputs;
        let batches = Batches {
            settings,
            prepared,
            sequences,
            encoder: &prompted_lm.encoder,
            pool: Pool::of(prepared),
            limit: SampleLimit::new(settings.max_samples, sequences.count(prepared)),
            seed,
        };
        Self {
            settings,
            inputs,
            representer,
            batches,
        }
    }

    /// States [N, D] of the CF model before the targets.
    fn states(&self, batch: &RepresentBatch) -> Tensor {
        let prepared = self.inputs.prepared;
        let histories = batch.targets.iter();
        let histories = histories.map(|target| (target.user, target.history(prepared)));
        let histories: Vec<(u32, &[u32])> = histories.collect();
        user_states(self.inputs.backbone, prepared, &histories, false)
    }
}

impl Task for RepresentTask<'_> {
    type Example = RepresentBatch;

    fn source(&self) -> &dyn Source<Example = RepresentBatch> {
        &self.batches
    }

    fn weights(&self) -> Vec<(String, Tensor)> {
        self.representer.weights()
    }

    fn params(&self) -> u64 {
        let Inputs {
            backbone,
            prompted_lm,
            ..
        } = self.inputs;
        weights::count(&self.weights())
            + weights::count(&backbone.weights())
            + prompted_lm.loaded.params()
    }

    fn weight(&self, batch: &RepresentBatch) -> u64 {
        batch.targets.len() as u64
    }

    fn length(&self, batch: &RepresentBatch) -> usize {
        batch.tokens()
    }

    fn can_split(&self) -> bool {
        false
    }

    fn count(&self, batch: &RepresentBatch) -> u64 {
        batch.targets.len() as u64
    }

    fn loss(&self, batches: &[&RepresentBatch], _states: Option<&Tensor>) -> Loss {
        let [batch] = batches else {
            unreachable!("a step is one batch");
        };
        let (representer, lm) = (&self.representer, self.inputs.prompted_lm);
        let users = representer.vectors(lm, &batch.users, Side::User);
        let items = representer.vectors(lm, &batch.items, Side::Item);
        let compared = indices(&batch.compared, users.device());
        let compared = compared.view([batch.targets.len() as i64, -1]);
        let found = recommendation(&users, &items, &compared);
        let mut parts = vec![("recommendation", found.shallow_clone())];
        let mut mean = found;
        if let Some(known) = representer.cf_vectors(&self.states(batch)) {
            let users = unit(&users);
            let apart = users.mse_loss(&known, Reduction::Mean);
            let alike = uniformity(&users) + uniformity(&known);
            mean = mean + &apart * self.settings.distillation + &alike * self.settings.uniformity;
            parts.extend([("distillation", apart), ("uniformity", alike)]);
        }
        Loss {
            mean,
            parts,
            tokens: batch.tokens() as u64,
        }
    }
}

#[cfg(test)]
mod tests;
