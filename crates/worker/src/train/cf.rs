//! A CF model as a task of the training loop. One example is a whole batch, since losses may
//! compare its targets.

use std::collections::BTreeMap;

use allround_core::event::{Counted, Event, Phase};
use allround_core::metric::Metric;
use allround_core::models::Training;
use tch::Tensor;

use super::batches::{NoNegative, Recipe, Sampler};
use super::checkpoint::CheckpointPlan;
use super::error::{BoxError, TrainError};
use super::task::{Loss, Source, Steps, Task};
use super::trainer;
use crate::data::{TrainingBatch, TrainingSet};
use crate::models::morec::ENCODER;
use crate::models::{Backbone, weights};

/// Number of this kind of stage in streams of random numbers.
const STAGE: u64 = 0;

/// What to train, and how.
#[derive(Debug)]
pub struct CfPlan<'a> {
    /// The training sequences.
    pub set: &'a TrainingSet,
    /// The users' ids in the source.
    pub users: &'a [String],
    /// Loss, optimizer, epochs, stopping.
    pub training: Training<'a>,
    /// Learning rate of a text encoder that is trained too, where it is not that of `training`.
    pub encoder_lr: Option<f64>,
    /// Cell seed.
    pub seed: u64,
    /// Where and when checkpoints are written.
    pub checkpoint: CheckpointPlan<'a>,
}

/// Validation metrics of a model.
pub type Validate<'a> = dyn FnMut(&dyn Backbone) -> Result<BTreeMap<Metric, f64>, BoxError> + 'a;

/// Trains `net` from its checkpoint, or from the start, and leaves it with the weights to keep.
/// Returns the phases `train` and, where there was any, `validate`.
///
/// # Errors
/// When a user has no item left as a negative, and as [`trainer::train`].
pub fn train(
    plan: &CfPlan,
    net: &dyn Backbone,
    validate: &mut Validate,
    observe: &mut dyn FnMut(Event),
) -> Result<Vec<Phase>, TrainError> {
    let sampler = Sampler::new(plan.set, Recipe::new(plan.seed, &plan.training));
    let sampler = sampler.map_err(|NoNegative { user }| TrainError::NoNegative {
        user: plan.users[user as usize].clone(),
    })?;
    if let Some(what) = sampler.described() {
        observe(Event::Counted(Counted {
            what: what.to_owned(),
            count: sampler.sequences() as u64,
        }));
    }
    let task = CfTask {
        net,
        sampler: &sampler,
        l2_emb: plan.training.l2_emb,
        encoder_lr: plan.encoder_lr,
    };
    let plan = trainer::Plan {
        train: plan.training.train,
        seed: plan.seed,
        stage: STAGE,
        validation: None,
        checkpoint: plan.checkpoint,
    };
    trainer::train(&plan, &task, &mut |_| validate(net), observe)
}

struct CfTask<'a> {
    net: &'a dyn Backbone,
    sampler: &'a Sampler<'a>,
    l2_emb: f64,
    encoder_lr: Option<f64>,
}

impl Source for Sampler<'_> {
    type Example = TrainingBatch;

    fn steps(&self, epoch: u32) -> Result<Steps<'_, TrainingBatch>, BoxError> {
        Ok(Steps {
            count: self.batches(),
            made: Box::new(self.epoch(epoch).map(|batch| Ok(vec![batch]))),
        })
    }

    fn samples(&self, epochs: u32) -> Option<u64> {
        Some(self.sequences() as u64 * u64::from(epochs))
    }
}

impl Task for CfTask<'_> {
    type Example = TrainingBatch;

    fn source(&self) -> &dyn Source<Example = TrainingBatch> {
        self.sampler
    }

    fn weights(&self) -> Vec<(String, Tensor)> {
        self.net.trained()
    }

    fn begin_epoch(&self) {
        self.net.begin_epoch();
    }

    fn second_phase(&self) -> Option<u32> {
        self.net.second_phase()
    }

    fn lr(&self, name: &str) -> Option<f64> {
        self.encoder_lr.filter(|_| name.starts_with(ENCODER))
    }

    fn params(&self) -> u64 {
        weights::count(&self.net.trained())
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

    fn penalty(&self) -> Option<Tensor> {
        (self.l2_emb > 0.0).then(|| self.net.item_table().norm() * self.l2_emb)
    }

    fn loss(&self, batches: &[&TrainingBatch], _states: Option<&Tensor>) -> Loss {
        let [batch] = batches else {
            unreachable!("a step of a CF model is one batch");
        };
        Loss {
            mean: self.net.loss(batch),
            parts: Vec::new(),
            tokens: batch.targets.len() as u64,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
