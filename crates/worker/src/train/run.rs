//! The training loop.

use std::collections::BTreeMap;
use std::path::Path;

use allround_core::config::train::{Loss, Stop, Train};
use allround_core::event::{Counted, Epoch, Event, Phase, Progress as Shown};
use allround_core::metric::Metric;
use allround_core::seed::{Stream, foreign};
use tch::{Device, Tensor};

use super::batches::{NoNegative, Recipe, Sampler};
use super::checkpoint::{Checkpoint, Pace, Progress};
use super::losses::Losses;
use super::optimizer::Optimizer;
use crate::data::TrainingSet;
use crate::models::Backbone;
use crate::models::weights::{self, WeightsError};
use crate::torch_ext::memory;
use crate::torch_ext::region::Region;

/// What to train, and how.
#[derive(Debug)]
pub struct Plan<'a> {
    /// The training sequences.
    pub set: &'a TrainingSet,
    /// The users' ids in the source.
    pub users: &'a [String],
    /// Optimiser, epochs, stopping.
    pub train: &'a Train,
    /// The loss, which decides the negatives.
    pub loss: &'a Loss,
    /// A sequence's last `maxlen` inputs count.
    pub maxlen: usize,
    /// Cell seed.
    pub seed: u64,
    /// Folder of the checkpoint.
    pub checkpoint: &'a Path,
    /// Epochs between two checkpoints.
    pub checkpoint_every: u32,
}

/// How training went.
#[derive(Debug)]
pub struct Outcome {
    /// Phases `train` and, where there was any, `validate`.
    pub phases: Vec<Phase>,
}

/// Why training failed.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The loss is no number any more.
    #[error("the loss is `{loss}` at epoch {epoch}, step {step} of {steps}")]
    Loss {
        /// NaN or infinite.
        loss: f64,
        /// 1 for the first.
        epoch: u32,
        /// 1 for the first.
        step: usize,
        /// Steps of an epoch.
        steps: usize,
    },
    /// Nobody to train on.
    #[error("no user has two training items or more, so that there is nothing to train on")]
    Empty,
    /// A user cannot be given negatives.
    #[error("user `{user}` has every item in training, so that no negative item is left")]
    NoNegative {
        /// The user's id in the source.
        user: String,
    },
    /// The checkpoint cannot be written, or is another model's.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The device's memory ran out.
    #[error(
        "memory ran out at epoch {epoch}, step {step}, with {part} of the step's {batch} examples computed together: {told}"
    )]
    Memory {
        /// 1 for the first.
        epoch: u32,
        /// 1 for the first.
        step: usize,
        /// Examples of the step.
        batch: usize,
        /// Examples computed together.
        part: usize,
        /// What LibTorch said.
        told: String,
    },
    /// The device's memory ran out in the training of a CF model.
    #[error(
        "memory ran out at epoch {epoch}, step {step} of {steps}, with {sequences} sequences computed together: {told}"
    )]
    StepMemory {
        /// 1 for the first.
        epoch: u32,
        /// 1 for the first.
        step: usize,
        /// Steps of an epoch.
        steps: usize,
        /// Sequences of the step.
        sequences: usize,
        /// What LibTorch said.
        told: String,
    },
    /// An example cannot be computed.
    #[error(transparent)]
    Example(Box<dyn std::error::Error + Send + Sync>),
    /// The validation failed.
    #[error("validation after epoch {epoch}: {source}")]
    Validation {
        /// 1 for the first.
        epoch: u32,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl TrainError {
    /// What the user can do.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            TrainError::Loss { .. } => Some("try a lower `lr`, or `clip_norm` above 0"),
            TrainError::Memory { .. } => Some(
                "bound `train.token_budget` or lower `train.batch_size`, or let `train.out_of_memory = \"halve\"` cut a step into parts",
            ),
            TrainError::StepMemory { .. } => Some(
                "lower the model's `train.batch_size` or `maxlen`, or use a device with more memory",
            ),
            TrainError::NoNegative { .. } => {
                Some("use a loss without own negatives, such as `full_softmax`")
            }
            _ => None,
        }
    }
}

/// Validation metrics of the net as it is.
pub type Validate<'a> = dyn FnMut(&dyn Backbone) -> Result<BTreeMap<Metric, f64>, Box<dyn std::error::Error + Send + Sync>>
    + 'a;

/// Trains `net` from its checkpoint, or from the start, and leaves it with the weights to keep.
///
/// # Errors
/// When there is nothing to train on, the loss is no number, memory runs out, validation fails or a checkpoint cannot be
/// written.
pub fn run(
    plan: &Plan,
    net: &dyn Backbone,
    validate: &mut Validate,
    observe: &mut dyn FnMut(Event),
) -> Result<Outcome, TrainError> {
    let recipe = Recipe::new(plan.seed, plan.train, plan.maxlen, plan.loss);
    let sampler = Sampler::new(plan.set, recipe);
    let sampler = sampler.map_err(|NoNegative { user }| TrainError::NoNegative {
        user: plan.users[user as usize].clone(),
    })?;
    if sampler.sequences() == 0 {
        return Err(TrainError::Empty);
    }
    if let Some(what) = sampler.described() {
        let count = sampler.sequences() as u64;
        observe(Event::Counted(Counted {
            what: what.to_owned(),
            count,
        }));
    }
    let mut training = Training::begin(plan, net)?;
    for epoch in training.progress.history.clone() {
        observe(Event::Epoch(epoch));
    }
    let mut pace = Pace::new(plan.checkpoint_every);
    while !training.progress.ended {
        training.epoch(&sampler, validate, observe)?;
        if pace.due(&training.progress) {
            training.save()?;
        }
    }
    training.keep_best()?;
    Ok(training.outcome(&sampler))
}

/// The epoch at which the checkpoint in `folder` stands; 0 without one.
pub fn resumed_epoch(folder: &Path) -> u32 {
    Checkpoint::load(folder).map_or(0, |checkpoint| checkpoint.progress.epoch)
}

struct Training<'a> {
    plan: &'a Plan<'a>,
    net: &'a dyn Backbone,
    optimizer: Optimizer,
    progress: Progress,
    best: Vec<(String, Tensor)>,
}

impl<'a> Training<'a> {
    fn begin(plan: &'a Plan, net: &'a dyn Backbone) -> Result<Self, TrainError> {
        let mut training = Self {
            plan,
            net,
            optimizer: Optimizer::new(&plan.train.optimizer, plan.train.lr, net.weights()),
            progress: Progress::default(),
            best: Vec::new(),
        };
        if let Some(checkpoint) = Checkpoint::load(plan.checkpoint) {
            weights::fill(&net.weights(), &checkpoint.get("weights"))?;
            training.optimizer.restore(&checkpoint.get("optimizer"))?;
            training.best = checkpoint.get("best").into_iter().collect();
            training.progress = checkpoint.progress;
        }
        Ok(training)
    }

    fn save(&self) -> Result<(), TrainError> {
        let mut checkpoint = Checkpoint {
            progress: self.progress.clone(),
            ..Checkpoint::default()
        };
        checkpoint.put("weights", self.net.weights());
        checkpoint.put("optimizer", self.optimizer.state());
        let best = self.best.iter();
        checkpoint.put(
            "best",
            best.map(|(name, tensor)| (name.clone(), tensor.shallow_clone()))
                .collect(),
        );
        Ok(checkpoint.save(self.plan.checkpoint)?)
    }

    fn keep_best(&self) -> Result<(), TrainError> {
        if self.best.is_empty() {
            return Ok(());
        }
        let best = self.best.iter();
        let best = best
            .map(|(name, tensor)| (name.clone(), tensor.shallow_clone()))
            .collect();
        Ok(weights::fill(&self.net.weights(), &best)?)
    }

    fn epoch(
        &mut self,
        sampler: &Sampler,
        validate: &mut Validate,
        observe: &mut dyn FnMut(Event),
    ) -> Result<(), TrainError> {
        let number = self.progress.epoch + 1;
        let region = Region::begin(self.device());
        let loss = self.steps(sampler, number)?;
        let took = region.end();
        self.progress.epoch = number;
        self.progress.train += took;
        self.progress.ended = number >= self.plan.train.epochs;
        let region = Region::begin(self.device());
        let validation = self.validation(number, validate)?;
        self.progress.validate += region.end();
        let epoch = Epoch {
            epoch: number,
            loss,
            losses: BTreeMap::new(),
            validation,
            wall_s: took.wall_s,
            examples: sampler.sequences() as u64,
        };
        self.progress.history.push(epoch.clone());
        observe(Event::Epoch(epoch));
        observe(Event::Progress(Shown {
            phase: "train".to_owned(),
            done: u64::from(number),
            total: Some(u64::from(self.plan.train.epochs)),
            unit: "epochs".to_owned(),
            remark: format!("loss {loss:.4}"),
        }));
        Ok(())
    }

    /// One pass over the data; the mean loss of its targets.
    fn steps(&mut self, sampler: &Sampler, epoch: u32) -> Result<f64, TrainError> {
        tch::manual_seed(foreign(self.plan.seed, Stream::Dropout, u64::from(epoch)));
        let mut losses = Losses::new(epoch, sampler.batches());
        std::thread::scope(|scope| {
            for (place, batch) in sampler.spawn(scope, epoch).enumerate() {
                let loss = memory::caught(|| self.step(&batch));
                let loss = loss.map_err(|told| TrainError::StepMemory {
                    epoch,
                    step: place + 1,
                    steps: sampler.batches(),
                    sequences: batch.users.len(),
                    told,
                })?;
                losses.push(batch.targets.len() as u64, loss)?;
            }
            Ok::<(), TrainError>(())
        })?;
        self.progress.tokens += losses.weight();
        losses.mean()
    }

    /// One step; the loss, detached, without penalty.
    fn step(&mut self, batch: &crate::data::TrainingBatch) -> Tensor {
        let train = self.plan.train;
        let loss = self.net.loss(batch);
        let seen = loss.detach();
        if train.l2_emb > 0.0 {
            (loss + self.net.item_table().norm() * train.l2_emb).backward();
        } else {
            loss.backward();
        }
        if train.clip_norm > 0.0 {
            self.optimizer.clip(train.clip_norm);
        }
        self.optimizer.step();
        seen
    }

    /// Validates where it is due, and decides whether training ends.
    fn validation(
        &mut self,
        epoch: u32,
        validate: &mut Validate,
    ) -> Result<BTreeMap<Metric, f64>, TrainError> {
        let every = match &self.plan.train.stop {
            Stop::Fixed { validate_every } => *validate_every,
            Stop::Early { every, .. } => *every,
        };
        if every == 0 || !epoch.is_multiple_of(every) {
            return Ok(BTreeMap::new());
        }
        let guard = tch::no_grad_guard();
        let metrics =
            validate(self.net).map_err(|source| TrainError::Validation { epoch, source })?;
        drop(guard);
        if let Stop::Early {
            metric, patience, ..
        } = &self.plan.train.stop
        {
            let value = metrics.get(metric).copied();
            self.judge(value.unwrap_or(0.0), epoch, *patience);
        }
        Ok(metrics)
    }

    fn judge(&mut self, value: f64, epoch: u32, patience: u32) {
        if self.progress.best.is_none_or(|best| value > best) {
            self.progress.best = Some(value);
            self.progress.best_epoch = epoch;
            self.progress.stale = 0;
            let weights = self.net.weights().into_iter();
            self.best = weights
                .map(|(name, weight)| (name, weight.detach().copy()))
                .collect();
        } else {
            self.progress.stale += 1;
            self.progress.ended |= self.progress.stale >= patience;
        }
    }

    /// Where the trained weights are.
    fn device(&self) -> Device {
        let weights = self.net.weights();
        weights
            .first()
            .map_or(Device::Cpu, |(_, weight)| weight.device())
    }

    fn outcome(&self, sampler: &Sampler) -> Outcome {
        let progress = &self.progress;
        let params: u64 = self
            .net
            .weights()
            .iter()
            .map(|(_, weight)| weight.numel() as u64)
            .sum();
        let examples = u64::from(progress.epoch) * sampler.sequences() as u64;
        let mut phases = vec![Phase {
            phase: "train".to_owned(),
            wall_s: progress.train.wall_s,
            device_s: Some(progress.train.device_s),
            energy_j: progress.train.energy_j,
            examples: Some(examples),
            tokens: Some(progress.tokens),
            params: Some(params),
            trained_params: Some(params),
            ..Phase::default()
        }];
        if progress
            .history
            .iter()
            .any(|epoch| !epoch.validation.is_empty())
        {
            phases.push(Phase {
                phase: "validate".to_owned(),
                wall_s: progress.validate.wall_s,
                device_s: Some(progress.validate.device_s),
                energy_j: progress.validate.energy_j,
                ..Phase::default()
            });
        }
        Outcome { phases }
    }
}

#[cfg(test)]
pub(crate) mod tests;
