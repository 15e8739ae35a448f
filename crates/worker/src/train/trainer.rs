//! The training loop: CF models, alignment, projections, adapters, a small language model.
//!
//! A source draws an epoch's examples and prepares them on the host, in a thread ahead of the step.
//! The loop splits a step into micro-batches where the token budget or memory requires it; their
//! gradients add up to the step's. All randomness of a step except dropout is in its examples.
//! LibTorch's generator is seeded for every step, so a resumed run continues with the same numbers,
//! also within an epoch.

mod validation;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use allround_core::event::{Counted, Epoch, Event, Phase, Progress as Shown};
use allround_core::metric::Metric;
use allround_core::models::llm_method::Validation;
use allround_core::models::train::{OutOfMemory, Train};
use allround_core::seed::{Stream, foreign};
use tch::{Device, Tensor};

use super::checkpoint::{Checkpoint, CheckpointPlan, Pace, Progress};
use super::error::{BoxError, TrainError};
use super::gradients::{StepLoss, gradients};
use super::microbatch;
use super::optimizer::Optimizer;
use super::prefetch::Prefetch;
use super::running::{Done, Running};
use super::schedule::learning_rate;
use super::task::{Steps, Task};
use crate::models::weights;
use crate::torch_ext::memory;

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
    /// Validation after a number of samples; `None` where `train.stop` says when.
    pub validation: Option<&'a Validation>,
    /// Where and when checkpoints are written.
    pub checkpoint: CheckpointPlan<'a>,
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

/// Validation metrics of the weights as they are. It may report progress.
pub type Validate<'a> =
    dyn FnMut(&mut dyn FnMut(Event)) -> Result<BTreeMap<Metric, f64>, BoxError> + 'a;

/// For tasks that are not validated while they train.
pub fn no_validation(_observe: &mut dyn FnMut(Event)) -> Result<BTreeMap<Metric, f64>, BoxError> {
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
    for event in trainer.progress.history.clone() {
        observe(event);
    }
    while !trainer.progress.ended {
        trainer.epoch(validate, observe)?;
        if trainer.pace.due(&trainer.progress) {
            trainer.save()?;
        }
    }
    trainer.optimizer.settle();
    trainer.restore_best()?;
    // Steps that were made ahead of an early end do not count.
    task.source().count_from(trainer.progress.changed);
    if let Some(text) = trainer.kept() {
        observe(Event::Remark { text });
    }
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

/// The last epoch of the checkpoint in `folder`, and the steps of the next one; 0 without one.
pub fn resumed(folder: &Path) -> (u32, u64) {
    Checkpoint::load(folder).map_or((0, 0), |Checkpoint { progress, .. }| {
        let steps = progress.within.map_or(0, |within| within.steps);
        (progress.epoch, steps as u64)
    })
}

struct Trainer<'a, T: Task> {
    plan: &'a Plan<'a>,
    task: &'a T,
    optimizer: Optimizer,
    progress: Progress,
    pace: Pace,
    /// Steps of all epochs, where these do not all have as many.
    all_steps: Option<u64>,
    /// Steps of the epoch under way.
    epoch_steps: usize,
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
}

impl<'a, T: Task> Trainer<'a, T> {
    fn begin(plan: &'a Plan, task: &'a T) -> Result<Self, TrainError> {
        let train = plan.train;
        let mut optimizer = Optimizer::new(&train.optimizer, train.lr, task.weights());
        optimizer.set_factors(|name| task.lr(name).map_or(1.0, |lr| lr / train.lr));
        let mut trainer = Self {
            plan,
            task,
            optimizer,
            progress: Progress::default(),
            pace: Pace::new(&plan.checkpoint),
            all_steps: task.source().in_all(plan.train.epochs),
            epoch_steps: 0,
            best: Vec::new(),
        };
        if let Some(checkpoint) = Checkpoint::load(plan.checkpoint.folder) {
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
        self.optimizer.settle();
        checkpoint.put("weights", self.task.weights());
        checkpoint.put("optimizer", self.optimizer.state());
        checkpoint.put("best", copies(&self.best));
        Ok(checkpoint.save(self.plan.checkpoint.folder)?)
    }

    fn epoch(
        &mut self,
        validate: &mut Validate,
        observe: &mut dyn FnMut(Event),
    ) -> Result<(), TrainError> {
        let number = self.progress.epoch + 1;
        let done = self.steps(number, validate, observe)?;
        self.progress.within = None;
        self.progress.train += done.elapsed;
        if done.examples == 0 {
            // A validation has ended training before the first step.
            return Ok(());
        }
        self.progress.epoch = number;
        self.progress.ended |= self.is_last(number);
        let validation = self.after_epoch(number, validate, observe)?;
        let loss = done.loss;
        self.report(
            Event::Epoch(Epoch {
                epoch: number,
                loss,
                losses: done.parts,
                validation,
                wall_s: done.elapsed.wall_s,
                examples: done.examples,
            }),
            observe,
        );
        observe(self.shown(format!("epoch {number}, loss {loss:.4}")));
        Ok(())
    }

    /// Whether training ends after `epoch`.
    fn is_last(&self, epoch: u32) -> bool {
        let is_done = |all| self.progress.steps >= all;
        epoch >= self.plan.train.epochs || self.all_steps.is_some_and(is_done)
    }

    /// Reports an event that a resumed training reports again.
    fn report(&mut self, event: Event, observe: &mut dyn FnMut(Event)) {
        self.progress.history.push(event.clone());
        observe(event);
    }

    /// All steps of an epoch, each made ready while those before it are computed. Those that a
    /// checkpoint has are made again and not computed.
    fn steps(
        &mut self,
        epoch: u32,
        validate: &mut Validate,
        observe: &mut dyn FnMut(Event),
    ) -> Result<Done, TrainError> {
        let task = self.task;
        let Steps { count, made } = task.source().steps(epoch).map_err(TrainError::Example)?;
        if count == 0 {
            return Err(TrainError::Empty);
        }
        self.epoch_steps = count;
        let within = self.progress.within.take().unwrap_or_default();
        if within.steps == 0 && !self.progress.is_second_phase {
            task.begin_epoch();
        }
        let (skipped, changed) = (within.steps, self.progress.changed);
        let mut running = Running::begin(epoch, count, within, self.device());
        let mut reported = Instant::now();
        std::thread::scope(|scope| {
            let source = task.source();
            let made = made.enumerate().filter_map(move |(place, step)| {
                if place < skipped {
                    // The checkpoint has counted them.
                    source.count_from(changed);
                    return None;
                }
                Some((step, source.changed()))
            });
            for (step, changed) in Prefetch::new(scope, made, AHEAD) {
                if self.validate_if_due(&mut running, epoch, validate, observe)? {
                    return Ok(());
                }
                if self.pace.due_within() {
                    running.pause();
                    self.progress.within = Some(running.within()?);
                    self.save()?;
                    running.resume();
                }
                let step = step.map_err(TrainError::Example)?;
                self.train_on(&step, epoch, &mut running, observe)?;
                self.progress.changed = changed;
                if reported.elapsed() > REPORT_EVERY {
                    reported = Instant::now();
                    observe(self.shown(format!("epoch {epoch}")));
                }
            }
            Ok::<(), TrainError>(())
        })?;
        if self.is_last(epoch) {
            self.validate_if_due(&mut running, epoch, validate, observe)?;
        }
        self.optimizer.settle();
        running.end()
    }

    /// Computes one step of the epoch under way.
    fn train_on(
        &mut self,
        step: &[T::Example],
        epoch: u32,
        running: &mut Running,
        observe: &mut dyn FnMut(Event),
    ) -> Result<(), TrainError> {
        let weight = step.iter().map(|example| self.task.weight(example)).sum();
        let examples = step.iter().map(|example| self.task.count(example)).sum();
        let at = StepPlace {
            epoch,
            step: running.steps() + 1,
        };
        let loss = self.step(step, at, observe)?;
        self.progress.tokens += loss.tokens;
        self.progress.examples += examples;
        running.push(loss, weight, examples)
    }

    /// How far training is: in samples where their number is known, else in steps.
    fn shown(&self, remark: String) -> Event {
        let epochs = self.plan.train.epochs;
        let (done, total, unit) = match self.task.source().samples(epochs) {
            Some(samples) => (self.progress.examples, samples, "samples"),
            None => (self.progress.steps, self.steps_in_all(), "steps"),
        };
        Event::Progress(Shown {
            phase: "train".to_owned(),
            done,
            total: Some(total),
            unit: unit.to_owned(),
            remark,
        })
    }

    /// Steps of all epochs.
    fn steps_in_all(&self) -> u64 {
        let whole = u64::from(self.plan.train.epochs) * self.epoch_steps as u64;
        self.all_steps.unwrap_or(whole)
    }

    /// One step, in parts if the budget or memory requires it.
    fn step(
        &mut self,
        examples: &[T::Example],
        at: StepPlace,
        observe: &mut dyn FnMut(Event),
    ) -> Result<StepLoss, TrainError> {
        let StepPlace { epoch, step } = at;
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
        self.optimizer.set_lr(self.lr());
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

    /// The learning rate of the next step.
    fn lr(&self) -> f64 {
        learning_rate(self.plan.train, self.progress.steps, self.steps_in_all())
    }

    fn phases(&self) -> Vec<Phase> {
        let progress = &self.progress;
        let mut trained = self.task.weights();
        trained.retain(|(_, weight)| weight.requires_grad());
        let trained = weights::count(&trained);
        let mut phases = vec![Phase {
            phase: "train".to_owned(),
            wall_s: progress.train.wall_s,
            device_s: Some(progress.train.device_s),
            energy_j: progress.train.energy_j,
            flops: Some(progress.train.flops),
            examples: Some(progress.examples),
            tokens: Some(progress.tokens),
            params: Some(self.task.params()),
            trained_params: Some(trained),
            ..Phase::default()
        }];
        let mut events = progress.history.iter();
        let is_validated = |event: &Event| match event {
            Event::Epoch(epoch) => !epoch.validation.is_empty(),
            event => matches!(event, Event::Validation(_)),
        };
        if events.any(is_validated) {
            phases.push(Phase {
                phase: "validate".to_owned(),
                wall_s: progress.validate.wall_s,
                device_s: Some(progress.validate.device_s),
                energy_j: progress.validate.energy_j,
                flops: Some(progress.validate.flops),
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

#[cfg(test)]
pub(crate) mod tests;
