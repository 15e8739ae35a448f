//! The training loop: CF models, alignment, projections, adapters, a small language model.
//!
//! A source draws an epoch's examples and prepares them on the host, in a thread ahead of the step.
//! The loop splits a step into micro-batches where the token budget or memory requires it; their
//! gradients add up to the step's. All randomness of a step except dropout is in its examples.
//! LibTorch's generator is seeded for every step, so a resumed run continues with the same numbers.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use allround_core::event::{Counted, Epoch, Event, Phase, Progress as Shown};
use allround_core::metric::Metric;
use allround_core::models::train::{OutOfMemory, Stop, Train};
use allround_core::seed::{Stream, foreign};
use tch::{Device, Kind, Tensor};

use super::checkpoint::{Checkpoint, Pace, Progress};
use super::error::{BoxError, TrainError};
use super::gradients::{StepLoss, gradients};
use super::loss_meter::LossMeter;
use super::microbatch;
use super::optimizer::Optimizer;
use super::prefetch::Prefetch;
use super::schedule::learning_rate;
use super::task::{Steps, Task};
use crate::models::weights;
use crate::torch_ext::memory;
use crate::torch_ext::timer::Timer;

/// Least time between two reports of progress within an epoch.
const REPORT_EVERY: Duration = Duration::from_secs(2);

/// Steps that may wait for the one that is computed.
const AHEAD: usize = 8;

/// How a task is trained.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// Epochs, optimiser, learning rate.
    pub train: &'a Train,
    /// Cell seed.
    pub seed: u64,
    /// Number of the kind of stage: stages of one seed draw from separate streams.
    pub stage: u64,
    /// Folder of the checkpoint.
    pub checkpoint: &'a Path,
    /// Most epochs between two checkpoints.
    pub checkpoint_every: u32,
}

/// The index of a stream that `stage` draws in `epoch`; step 0 is the epoch's own.
pub fn index(stage: u64, epoch: u32, step: usize) -> u64 {
    (stage << 56) | (u64::from(epoch) << 32) | step as u64
}

/// What the random draws of one epoch of a stage depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochSeed {
    /// Cell seed.
    pub seed: u64,
    /// Number of the kind of stage.
    pub stage: u64,
    /// Epoch, from 1.
    pub epoch: u32,
}

/// Validation metrics of the weights as they are.
pub type Validate<'a> = dyn FnMut() -> Result<BTreeMap<Metric, f64>, BoxError> + 'a;

/// For tasks that are not validated while they train.
pub fn no_validation() -> Result<BTreeMap<Metric, f64>, BoxError> {
    Ok(BTreeMap::new())
}

/// Trains `task` from its checkpoint, or from the start, and leaves it with the weights to keep.
/// Returns the phases `train` and, where there was any, `validate`.
///
/// # Errors
/// When there is nothing to train on, the loss is NaN or infinite, memory runs out, validation
/// fails or a checkpoint cannot be written.
pub fn train<T: Task>(
    plan: &Plan,
    task: &T,
    validate: &mut Validate,
    observe: &mut dyn FnMut(Event),
) -> Result<Vec<Phase>, TrainError> {
    let mut trainer = Trainer::begin(plan, task)?;
    for epoch in trainer.progress.history.clone() {
        observe(Event::Epoch(epoch));
    }
    let mut pace = Pace::new(plan.checkpoint_every);
    while !trainer.progress.ended {
        trainer.epoch(validate, observe)?;
        if pace.due(&trainer.progress) {
            trainer.save()?;
        }
    }
    trainer.restore_best()?;
    if let Some(part) = trainer.progress.part {
        observe(Event::Remark {
            text: format!("memory ran out: steps of {part} examples or fewer, added up"),
        });
        observe(Event::Counted(Counted {
            what: format!("steps cut into parts of {part} examples or fewer, since memory ran out"),
            count: trainer.progress.cut,
        }));
    }
    Ok(trainer.phases())
}

/// The last epoch of the checkpoint in `folder`; 0 without one.
pub fn resumed_epoch(folder: &Path) -> u32 {
    Checkpoint::load(folder).map_or(0, |checkpoint| checkpoint.progress.epoch)
}

struct Trainer<'a, T: Task> {
    plan: &'a Plan<'a>,
    task: &'a T,
    optimizer: Optimizer,
    progress: Progress,
    /// Steps of all epochs, where these do not all have as many.
    all_steps: Option<u64>,
    /// Weights of the best validation so far; empty before the first one.
    best: Vec<(String, Tensor)>,
}

/// Which step of a training is computed.
#[derive(Clone, Copy)]
struct StepPlace {
    /// Epoch, from 1.
    epoch: u32,
    /// Step of the epoch, from 1.
    step: usize,
    /// Steps of the epoch.
    steps: usize,
}

/// What an epoch's steps leave: their mean loss, what it is made of, and how many examples they
/// had.
struct Done {
    loss: f64,
    parts: BTreeMap<String, f64>,
    examples: u64,
}

impl<'a, T: Task> Trainer<'a, T> {
    fn begin(plan: &'a Plan, task: &'a T) -> Result<Self, TrainError> {
        let mut trainer = Self {
            plan,
            task,
            optimizer: Optimizer::new(&plan.train.optimizer, plan.train.lr, task.weights()),
            progress: Progress::default(),
            all_steps: task.source().in_all(plan.train.epochs),
            best: Vec::new(),
        };
        if let Some(checkpoint) = Checkpoint::load(plan.checkpoint) {
            weights::fill(&task.weights(), &checkpoint.get("weights"))?;
            trainer.optimizer.restore(&checkpoint.get("optimizer"))?;
            trainer.best = checkpoint.get("best").into_iter().collect();
            trainer.progress = checkpoint.progress;
            task.source().count_from(trainer.progress.changed);
        }
        Ok(trainer)
    }

    fn save(&self) -> Result<(), TrainError> {
        let mut checkpoint = Checkpoint {
            progress: self.progress.clone(),
            ..Checkpoint::default()
        };
        checkpoint.put("weights", self.task.weights());
        checkpoint.put("optimizer", self.optimizer.state());
        checkpoint.put("best", copies(&self.best));
        Ok(checkpoint.save(self.plan.checkpoint)?)
    }

    fn restore_best(&self) -> Result<(), TrainError> {
        if self.best.is_empty() {
            return Ok(());
        }
        let best = copies(&self.best).into_iter().collect();
        Ok(weights::fill(&self.task.weights(), &best)?)
    }

    fn epoch(
        &mut self,
        validate: &mut Validate,
        observe: &mut dyn FnMut(Event),
    ) -> Result<(), TrainError> {
        let number = self.progress.epoch + 1;
        let total = self.plan.train.epochs;
        let timer = Timer::begin(self.device());
        let done = self.steps(number, observe)?;
        let elapsed = timer.end();
        self.progress.epoch = number;
        // Nothing of the next epoch is prepared yet.
        self.progress.changed = self.task.source().changed();
        self.progress.train += elapsed;
        self.progress.examples += done.examples;
        let is_last = |all| self.progress.steps >= all;
        self.progress.ended = number >= total || self.all_steps.is_some_and(is_last);
        let timer = Timer::begin(self.device());
        let validation = self.validation(number, validate)?;
        self.progress.validate += timer.end();
        let epoch = Epoch {
            epoch: number,
            loss: done.loss,
            losses: done.parts,
            validation,
            wall_s: elapsed.wall_s,
            examples: done.examples,
        };
        self.progress.history.push(epoch.clone());
        let loss = epoch.loss;
        observe(Event::Epoch(epoch));
        let (done, total) = (u64::from(number), u64::from(total));
        observe(shown("epochs", done, total, format!("loss {loss:.4}")));
        Ok(())
    }

    /// Validates when it is due, and decides whether training ends.
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
        let metrics = validate().map_err(|source| TrainError::Validation { epoch, source })?;
        drop(guard);
        if let Stop::Early {
            metric, patience, ..
        } = &self.plan.train.stop
        {
            let value = metrics.get(metric).copied();
            self.compare_with_best(value.unwrap_or(0.0), epoch, *patience);
        }
        Ok(metrics)
    }

    fn compare_with_best(&mut self, value: f64, epoch: u32, patience: u32) {
        if self.progress.best.is_none_or(|best| value > best) {
            self.progress.best = Some(value);
            self.progress.best_epoch = epoch;
            self.progress.stale = 0;
            let weights = self.task.weights().into_iter();
            self.best = weights
                .map(|(name, weight)| (name, weight.detach().copy()))
                .collect();
        } else {
            self.progress.stale += 1;
            self.progress.ended |= self.progress.stale >= patience;
        }
    }

    /// All steps of an epoch, each made ready while those before it are computed.
    fn steps(&mut self, epoch: u32, observe: &mut dyn FnMut(Event)) -> Result<Done, TrainError> {
        let task = self.task;
        let Steps { count, made } = task.source().steps(epoch).map_err(TrainError::Example)?;
        if count == 0 {
            return Err(TrainError::Empty);
        }
        let mut losses = LossMeter::new(epoch, count);
        let mut parts: BTreeMap<&'static str, Tensor> = BTreeMap::new();
        let mut examples = 0;
        let mut reported = Instant::now();
        std::thread::scope(|scope| {
            for (place, step) in Prefetch::new(scope, made, AHEAD).enumerate() {
                let step = step.map_err(TrainError::Example)?;
                let weight: u64 = step.iter().map(|example| task.weight(example)).sum();
                let at = StepPlace {
                    epoch,
                    step: place + 1,
                    steps: count,
                };
                let loss = self.step(&step, at, observe)?;
                self.progress.tokens += loss.tokens;
                examples += step.iter().map(|example| task.count(example)).sum::<u64>();
                for (name, part) in loss.parts {
                    let part = part.to_kind(Kind::Double) * weight as f64;
                    let sum = parts.remove(name);
                    parts.insert(
                        name,
                        sum.map_or_else(|| part.shallow_clone(), |sum| sum + &part),
                    );
                }
                losses.push(weight, loss.mean)?;
                if reported.elapsed() > REPORT_EVERY {
                    reported = Instant::now();
                    let (done, total) = (place as u64 + 1, count as u64);
                    observe(shown("steps", done, total, format!("epoch {epoch}")));
                }
            }
            Ok::<(), TrainError>(())
        })?;
        let loss = losses.mean()?;
        let share = |(name, sum): (&'static str, Tensor)| {
            let mean = sum.double_value(&[]) / losses.weight() as f64;
            (name.to_owned(), mean)
        };
        Ok(Done {
            loss,
            parts: parts.into_iter().map(share).collect(),
            examples,
        })
    }

    /// One step, in parts if the budget or memory requires it.
    fn step(
        &mut self,
        examples: &[T::Example],
        at: StepPlace,
        observe: &mut dyn FnMut(Event),
    ) -> Result<StepLoss, TrainError> {
        let StepPlace { epoch, step, steps } = at;
        let loss = loop {
            let parts = self.parts(examples);
            let seed = index(self.plan.stage, epoch, step);
            tch::manual_seed(foreign(self.plan.seed, Stream::Dropout, seed));
            let message = match memory::caught(|| gradients(self.task, examples, &parts)) {
                Ok(loss) => break loss,
                Err(message) => message,
            };
            let part = parts.iter().map(Vec::len).max().unwrap_or(0);
            self.optimizer.clear();
            if self.plan.train.out_of_memory == OutOfMemory::Fail || part <= 1 {
                return Err(self.out_of_memory(examples, part, at, message));
            }
            self.progress.part = Some(part.div_ceil(2));
            observe(Event::Note {
                text: format!(
                    "memory ran out with {part} of {} examples at once (epoch {epoch}, step {step}): {} at once from here on",
                    examples.len(),
                    part.div_ceil(2)
                ),
            });
        };
        if self.progress.part.is_some_and(|part| part < examples.len()) {
            self.progress.cut += 1;
        }
        if self.plan.train.clip_norm > 0.0 {
            self.optimizer.clip(self.plan.train.clip_norm);
        }
        self.optimizer.set_lr(self.lr(steps));
        self.optimizer.step();
        self.progress.steps += 1;
        Ok(loss)
    }

    fn out_of_memory(
        &self,
        examples: &[T::Example],
        part: usize,
        at: StepPlace,
        message: String,
    ) -> TrainError {
        let count = |examples: &[T::Example]| -> usize {
            let counts = examples
                .iter()
                .map(|example| self.task.count(example) as usize);
            counts.sum()
        };
        let can_split = self.task.can_split();
        let batch = count(examples);
        TrainError::Memory {
            epoch: at.epoch,
            step: at.step,
            batch,
            part: if can_split { part } else { batch },
            can_split,
            message,
        }
    }

    /// The places of a step's examples, in the parts that are computed one after another.
    fn parts(&self, examples: &[T::Example]) -> Vec<Vec<usize>> {
        let lengths = examples.iter().map(|example| self.task.length(example));
        let most = self.progress.part.unwrap_or(examples.len());
        microbatch::parts(
            &lengths.collect::<Vec<_>>(),
            most,
            self.plan.train.token_budget,
        )
    }

    /// Where the trained weights are.
    fn device(&self) -> Device {
        let weights = self.task.weights();
        weights
            .first()
            .map_or(Device::Cpu, |(_, weight)| weight.device())
    }

    /// The learning rate of the next step, in an epoch of `steps`.
    fn lr(&self, steps: usize) -> f64 {
        let train = self.plan.train;
        let whole = u64::from(train.epochs) * steps as u64;
        let all = self.all_steps.unwrap_or(whole);
        learning_rate(train, self.progress.steps, all)
    }

    fn phases(&self) -> Vec<Phase> {
        let progress = &self.progress;
        let trained = weights::count(&self.task.weights());
        let mut phases = vec![Phase {
            phase: "train".to_owned(),
            wall_s: progress.train.wall_s,
            device_s: Some(progress.train.device_s),
            energy_j: progress.train.energy_j,
            examples: Some(progress.examples),
            tokens: Some(progress.tokens),
            params: Some(self.task.params()),
            trained_params: Some(trained),
            ..Phase::default()
        }];
        let mut epochs = progress.history.iter();
        if epochs.any(|epoch| !epoch.validation.is_empty()) {
            phases.push(Phase {
                phase: "validate".to_owned(),
                wall_s: progress.validate.wall_s,
                device_s: Some(progress.validate.device_s),
                energy_j: progress.validate.energy_j,
                params: Some(self.task.params()),
                trained_params: Some(trained),
                ..Phase::default()
            });
        }
        phases
    }
}

fn copies(named: &[(String, Tensor)]) -> Vec<(String, Tensor)> {
    let named = named.iter();
    named
        .map(|(name, tensor)| (name.clone(), tensor.shallow_clone()))
        .collect()
}

fn shown(unit: &str, done: u64, total: u64, remark: String) -> Event {
    Event::Progress(Shown {
        phase: "train".to_owned(),
        done,
        total: Some(total),
        unit: unit.to_owned(),
        remark,
    })
}

#[cfg(test)]
pub(crate) mod tests;
