//! The loop that trains what is not a CF model: alignment, projections, adapters, a small language model.
//!
//! A task draws an epoch's examples; the loop cuts them into steps, and a step into parts where memory asks for it, whose
//! gradients add up to the step's. Everything random in a step but dropout is in its examples, and LibTorch's
//! generator is seeded anew at every step, so that a resumed run goes on with the same numbers.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use allround::event::{Counted, Epoch, Event, Phase, Progress as Shown};
use allround::seed::{Stream, foreign};
use allround::spec::config::method::{Decay, Fit, OutOfMemory};
use tch::{Device, Kind, Tensor};

use super::checkpoint::{Checkpoint, Pace, Progress};
use super::losses::Losses;
use super::optimizer::Optimizer;
use super::run::TrainError;
use crate::models::weights;
use crate::torch_ext::memory;
use crate::torch_ext::region::Region;

/// Why an example cannot be computed.
pub type Wrong = Box<dyn std::error::Error + Send + Sync>;

/// Least time between two reports of progress within an epoch.
const REPORT_EVERY: Duration = Duration::from_secs(2);

/// What is trained.
pub trait Task {
    /// One example, with everything random about it but dropout.
    type Example;

    /// The weights that are trained, by name, in a stable order.
    fn weights(&self) -> Vec<(String, Tensor)>;

    /// How many parameters there are, trained or not.
    fn params(&self) -> u64;

    /// The steps of an epoch (1 for the first): a function of its number alone.
    ///
    /// # Errors
    /// When examples cannot be drawn.
    fn steps(&self, epoch: u32) -> Result<Vec<Vec<Self::Example>>, Wrong>;

    /// What the example weighs in the mean that the loss is: targets or tokens.
    fn weight(&self, example: &Self::Example) -> u64;

    /// The loss of some examples.
    ///
    /// # Errors
    /// When an example cannot be computed.
    fn loss(&self, examples: &[Self::Example]) -> Result<Loss, Wrong>;
}

/// The loss of some examples.
#[derive(Debug)]
pub struct Loss {
    /// The mean over their weight, a scalar with gradient.
    pub mean: Tensor,
    /// What it is made of, each a mean over the same weight, unweighted; empty where there is one part.
    pub parts: Vec<(&'static str, Tensor)>,
    /// Tokens read.
    pub tokens: u64,
}

/// How a task is trained.
#[derive(Clone, Copy, Debug)]
pub struct FitPlan<'a> {
    /// Epochs, optimiser, learning rate.
    pub fit: &'a Fit,
    /// Cell seed.
    pub seed: u64,
    /// Number of the kind of stage: stages of one seed draw from streams of their own.
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

/// Trains `task` from its checkpoint, or from the start; the phase `train`.
///
/// # Errors
/// When there is nothing to train on, the loss is no number, memory runs out, or a checkpoint cannot be written.
pub fn fit<T: Task>(
    plan: &FitPlan,
    task: &T,
    observe: &mut dyn FnMut(Event),
) -> Result<Phase, TrainError> {
    let mut fitting = Fitting::begin(plan, task)?;
    for epoch in fitting.progress.history.clone() {
        observe(Event::Epoch(epoch));
    }
    let mut pace = Pace::new(plan.checkpoint_every);
    while !fitting.progress.ended {
        fitting.epoch(observe)?;
        if pace.due(&fitting.progress) {
            fitting.save()?;
        }
    }
    if let Some(part) = fitting.progress.part {
        observe(Event::Remark {
            text: format!("memory ran out: steps of {part} examples or fewer, added up"),
        });
        observe(Event::Counted(Counted {
            what: format!("steps cut into parts of {part} examples or fewer, since memory ran out"),
            count: fitting.progress.cut,
        }));
    }
    Ok(fitting.phase())
}

struct Fitting<'a, T: Task> {
    plan: &'a FitPlan<'a>,
    task: &'a T,
    optimizer: Optimizer,
    progress: Progress,
}

/// What a step leaves: its loss and its parts, detached, and the tokens read.
struct Seen {
    mean: Tensor,
    parts: Vec<(&'static str, Tensor)>,
    tokens: u64,
}

impl<'a, T: Task> Fitting<'a, T> {
    fn begin(plan: &'a FitPlan, task: &'a T) -> Result<Self, TrainError> {
        let mut fitting = Self {
            plan,
            task,
            optimizer: Optimizer::new(&plan.fit.optimizer, plan.fit.lr, task.weights()),
            progress: Progress::default(),
        };
        if let Some(checkpoint) = Checkpoint::load(plan.checkpoint) {
            weights::fill(&task.weights(), &checkpoint.get("weights"))?;
            fitting.optimizer.restore(&checkpoint.get("optimizer"))?;
            fitting.progress = checkpoint.progress;
        }
        Ok(fitting)
    }

    fn save(&self) -> Result<(), TrainError> {
        let mut checkpoint = Checkpoint {
            progress: self.progress.clone(),
            ..Checkpoint::default()
        };
        checkpoint.put("weights", self.task.weights());
        checkpoint.put("optimizer", self.optimizer.state());
        Ok(checkpoint.save(self.plan.checkpoint)?)
    }

    fn epoch(&mut self, observe: &mut dyn FnMut(Event)) -> Result<(), TrainError> {
        let number = self.progress.epoch + 1;
        let region = Region::begin(self.device());
        let steps = self.task.steps(number).map_err(TrainError::Example)?;
        let examples: usize = steps.iter().map(Vec::len).sum();
        if examples == 0 {
            return Err(TrainError::Empty);
        }
        let mut losses = Losses::new(number, steps.len());
        let mut parts: BTreeMap<&'static str, Tensor> = BTreeMap::new();
        let mut reported = Instant::now();
        for (place, step) in steps.iter().enumerate() {
            let weight: u64 = step.iter().map(|example| self.task.weight(example)).sum();
            let seen = self.step(step, (number, place + 1, steps.len()), observe)?;
            self.progress.tokens += seen.tokens;
            for (name, part) in seen.parts {
                let part = part.to_kind(Kind::Double) * weight as f64;
                let sum = parts.remove(name);
                parts.insert(
                    name,
                    sum.map_or_else(|| part.shallow_clone(), |sum| sum + &part),
                );
            }
            losses.push(weight, seen.mean)?;
            if reported.elapsed() > REPORT_EVERY {
                reported = Instant::now();
                observe(shown(
                    "steps",
                    place as u64 + 1,
                    steps.len() as u64,
                    format!("epoch {number}"),
                ));
            }
        }
        let loss = losses.mean()?;
        let share = |(name, sum): (&'static str, Tensor)| {
            (
                name.to_owned(),
                sum.double_value(&[]) / losses.weight() as f64,
            )
        };
        let losses = parts.into_iter().map(share).collect();
        let took = region.end();
        let epoch = Epoch {
            epoch: number,
            loss,
            losses,
            validation: BTreeMap::new(),
            wall_s: took.wall_s,
            examples: examples as u64,
        };
        self.progress.epoch = number;
        self.progress.train_s += took.wall_s;
        self.progress.train_device_s += took.device_s;
        self.progress.examples += epoch.examples;
        self.progress.ended = number >= self.plan.fit.epochs;
        self.progress.history.push(epoch.clone());
        observe(Event::Epoch(epoch));
        let total = u64::from(self.plan.fit.epochs);
        observe(shown(
            "epochs",
            u64::from(number),
            total,
            format!("loss {loss:.4}"),
        ));
        Ok(())
    }

    /// One step, in parts where memory asks for it. `at`: epoch, step, steps of the epoch.
    fn step(
        &mut self,
        examples: &[T::Example],
        at: (u32, usize, usize),
        observe: &mut dyn FnMut(Event),
    ) -> Result<Seen, TrainError> {
        let (epoch, step, steps) = at;
        let seen = loop {
            let part = self
                .progress
                .part
                .unwrap_or(examples.len())
                .min(examples.len());
            let seed = index(self.plan.stage, epoch, step);
            tch::manual_seed(foreign(self.plan.seed, Stream::Dropout, seed));
            let told = match memory::caught(|| self.gradients(examples, part)) {
                Ok(seen) => break seen.map_err(TrainError::Example)?,
                Err(told) => told,
            };
            self.optimizer.clear();
            if self.plan.fit.out_of_memory == OutOfMemory::Fail || part == 1 {
                let batch = examples.len();
                return Err(TrainError::Memory {
                    epoch,
                    step,
                    batch,
                    part,
                    told,
                });
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
        if self.plan.fit.clip_norm > 0.0 {
            self.optimizer.clip(self.plan.fit.clip_norm);
        }
        self.optimizer.set_lr(self.lr(steps));
        self.optimizer.step();
        self.progress.steps += 1;
        Ok(seen)
    }

    /// Gradients of the step's mean loss, `part` examples at a time.
    fn gradients(&self, examples: &[T::Example], part: usize) -> Result<Seen, Wrong> {
        let weight = |examples: &[T::Example]| -> u64 {
            examples
                .iter()
                .map(|example| self.task.weight(example))
                .sum()
        };
        let whole = weight(examples);
        let mut seen: Option<Seen> = None;
        for chunk in examples.chunks(part) {
            let share = weight(chunk) as f64 / whole as f64;
            let loss = self.task.loss(chunk)?;
            let mean = if share < 1.0 {
                loss.mean * share
            } else {
                loss.mean
            };
            mean.backward();
            let mean = mean.detach();
            let parts = loss.parts.into_iter();
            let parts = parts
                .map(|(name, part)| (name, part.detach() * share))
                .collect();
            seen = Some(match seen {
                None => Seen {
                    mean,
                    parts,
                    tokens: loss.tokens,
                },
                Some(before) => before.with(&Seen {
                    mean,
                    parts,
                    tokens: loss.tokens,
                }),
            });
        }
        Ok(seen.expect("a step has an example"))
    }

    /// Where the trained weights are.
    fn device(&self) -> Device {
        let weights = self.task.weights();
        weights
            .first()
            .map_or(Device::Cpu, |(_, weight)| weight.device())
    }

    /// The learning rate of the step to come, in an epoch of `steps`; all epochs have as many.
    fn lr(&self, steps: usize) -> f64 {
        let Fit {
            lr,
            warmup,
            epochs,
            decay,
            ..
        } = *self.plan.fit;
        let done = self.progress.steps;
        if done < warmup {
            return lr * (done + 1) as f64 / warmup as f64;
        }
        let falling = (u64::from(epochs) * steps as u64)
            .saturating_sub(warmup)
            .max(1);
        let share = ((done - warmup) as f64 / falling as f64).min(1.0);
        match decay {
            Decay::None => lr,
            Decay::Linear => lr * (1.0 - share),
            Decay::Cosine => lr * (0.1 + 0.45 * (1.0 + (std::f64::consts::PI * share).cos())),
        }
    }

    fn phase(&self) -> Phase {
        let trained = self.task.weights();
        let trained = trained
            .iter()
            .map(|(_, weight)| weight.numel() as u64)
            .sum();
        Phase {
            phase: "train".to_owned(),
            wall_s: self.progress.train_s,
            device_s: Some(self.progress.train_device_s),
            examples: Some(self.progress.examples),
            tokens: Some(self.progress.tokens),
            params: Some(self.task.params()),
            trained_params: Some(trained),
            ..Phase::default()
        }
    }
}

impl Seen {
    fn with(self, other: &Seen) -> Seen {
        let parts = self.parts.into_iter().zip(&other.parts);
        Seen {
            mean: self.mean + &other.mean,
            parts: parts
                .map(|((name, sum), (_, part))| (name, sum + part))
                .collect(),
            tokens: self.tokens + other.tokens,
        }
    }
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
