//! The loop that trains what is not a CF model: alignment, projections, adapters, a small language model.
//!
//! A source draws an epoch's examples and makes them ready on the host, in a thread ahead of the step; the loop cuts a
//! step into parts where the budget of tokens or memory asks for it, whose gradients add up to the step's. Everything
//! random in a step but dropout is in its examples, and LibTorch's generator is seeded anew at every step, so that a
//! resumed run goes on with the same numbers.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use allround_core::config::method::{Decay, Fit, OutOfMemory};
use allround_core::event::{Counted, Epoch, Event, Phase, Progress as Shown};
use allround_core::seed::{Stream, foreign};
use tch::{Device, Kind, Tensor};

use super::ahead::Ahead;
use super::checkpoint::{Checkpoint, Pace, Progress};
use super::cut;
use super::losses::Losses;
use super::optimizer::Optimizer;
use super::run::TrainError;
use crate::models::weights;
use crate::nn::embedding::indices;
use crate::torch_ext::memory;
use crate::torch_ext::region::Region;

/// Why an example cannot be computed.
pub type Wrong = Box<dyn std::error::Error + Send + Sync>;

/// Least time between two reports of progress within an epoch.
const REPORT_EVERY: Duration = Duration::from_secs(2);

/// Steps that may wait for the one that is computed.
const AHEAD: usize = 2;

/// Where examples come from. It has no tensors, so that a thread of its own may make them while a step is computed.
pub trait Source: Sync {
    /// One example, with everything random about it but dropout, and everything that the host has to make of it.
    type Example: Send;

    /// The steps of an epoch (1 for the first): a function of its number alone.
    ///
    /// # Errors
    /// When examples cannot be drawn.
    fn steps(&self, epoch: u32) -> Result<Steps<'_, Self::Example>, Wrong>;

    /// Steps of `epochs` epochs together, where these do not all have as many; the learning rate falls by them.
    fn in_all(&self, _epochs: u32) -> Option<u64> {
        None
    }

    /// How often a rule has changed what is read so far, such as a history that was too long; 0 where no rule does.
    fn changed(&self) -> u64 {
        0
    }

    /// Goes on from what a killed process had counted up to its checkpoint.
    fn count_from(&self, _changed: u64) {}
}

/// The steps of an epoch, each made when it is taken.
pub struct Steps<'a, E> {
    /// How many there are.
    pub count: usize,
    /// Each step's examples, or why one of them cannot be made.
    pub made: Box<dyn Iterator<Item = Result<Vec<E>, Wrong>> + Send + 'a>,
}

/// What is trained.
pub trait Task {
    /// One example.
    type Example: Send;

    /// Where its examples come from.
    fn source(&self) -> &dyn Source<Example = Self::Example>;

    /// The weights that are trained, by name, in a stable order.
    fn weights(&self) -> Vec<(String, Tensor)>;

    /// How many parameters there are, trained or not.
    fn params(&self) -> u64;

    /// What the example weighs in the mean that the loss is: targets or tokens.
    fn weight(&self, example: &Self::Example) -> u64;

    /// The tokens that are computed for the example.
    fn length(&self, example: &Self::Example) -> usize;

    /// What is computed once for all examples of a step, a row each and without gradient, however the step is then cut:
    /// so its noise does not depend on that. `None` where there is nothing.
    fn states(&self, _examples: &[&Self::Example]) -> Option<Tensor> {
        None
    }

    /// The loss of some examples of a step, given their rows of what [`Task::states`] says.
    fn loss(&self, examples: &[&Self::Example], states: Option<&Tensor>) -> Loss;
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

/// What an epoch's steps leave: their mean loss, what it is made of, and how many examples they had.
struct Done {
    loss: f64,
    parts: BTreeMap<String, f64>,
    examples: u64,
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
            task.source().count_from(fitting.progress.changed);
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
        let done = self.steps(number, observe)?;
        let took = region.end();
        let epoch = Epoch {
            epoch: number,
            loss: done.loss,
            losses: done.parts,
            validation: BTreeMap::new(),
            wall_s: took.wall_s,
            examples: done.examples,
        };
        self.progress.epoch = number;
        // Nothing of the next epoch is made ready yet.
        self.progress.changed = self.task.source().changed();
        self.progress.train += took;
        self.progress.examples += epoch.examples;
        self.progress.ended = number >= self.plan.fit.epochs;
        self.progress.history.push(epoch.clone());
        let loss = epoch.loss;
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

    /// All steps of an epoch, each made ready while those before it are computed.
    fn steps(&mut self, epoch: u32, observe: &mut dyn FnMut(Event)) -> Result<Done, TrainError> {
        let task = self.task;
        let Steps { count, made } = task.source().steps(epoch).map_err(TrainError::Example)?;
        if count == 0 {
            return Err(TrainError::Empty);
        }
        let mut losses = Losses::new(epoch, count);
        let mut parts: BTreeMap<&'static str, Tensor> = BTreeMap::new();
        let mut examples = 0;
        let mut reported = Instant::now();
        std::thread::scope(|scope| {
            for (place, step) in Ahead::new(scope, made, AHEAD).enumerate() {
                let step = step.map_err(TrainError::Example)?;
                let weight: u64 = step.iter().map(|example| task.weight(example)).sum();
                let seen = self.step(&step, (epoch, place + 1, count), observe)?;
                self.progress.tokens += seen.tokens;
                examples += step.len() as u64;
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

    /// One step, in parts where the budget or memory asks for it. `at`: epoch, step, steps of the epoch.
    fn step(
        &mut self,
        examples: &[T::Example],
        at: (u32, usize, usize),
        observe: &mut dyn FnMut(Event),
    ) -> Result<Seen, TrainError> {
        let (epoch, step, steps) = at;
        let seen = loop {
            let parts = self.parts(examples);
            let seed = index(self.plan.stage, epoch, step);
            tch::manual_seed(foreign(self.plan.seed, Stream::Dropout, seed));
            let told = match memory::caught(|| self.gradients(examples, &parts)) {
                Ok(seen) => break seen,
                Err(told) => told,
            };
            let part = parts.iter().map(Vec::len).max().unwrap_or(0);
            self.optimizer.clear();
            if self.plan.fit.out_of_memory == OutOfMemory::Fail || part <= 1 {
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

    /// The places of a step's examples, in the parts that are computed one after another.
    fn parts(&self, examples: &[T::Example]) -> Vec<Vec<usize>> {
        let lengths = examples.iter().map(|example| self.task.length(example));
        let most = self.progress.part.unwrap_or(examples.len());
        cut::parts(
            &lengths.collect::<Vec<_>>(),
            most,
            self.plan.fit.token_budget,
        )
    }

    /// Gradients of the step's mean loss, one of `parts` after the other.
    fn gradients(&self, examples: &[T::Example], parts: &[Vec<usize>]) -> Seen {
        let weight = |examples: &[&T::Example]| -> u64 {
            examples
                .iter()
                .map(|example| self.task.weight(example))
                .sum()
        };
        let all: Vec<&T::Example> = examples.iter().collect();
        let whole = weight(&all);
        let states = self.task.states(&all);
        let mut seen: Option<Seen> = None;
        for part in parts {
            let chosen: Vec<&T::Example> = part.iter().map(|&place| &examples[place]).collect();
            let states = states
                .as_ref()
                .map(|states| rows(states, part, parts.len()));
            let share = weight(&chosen) as f64 / whole as f64;
            let loss = self.task.loss(&chosen, states.as_ref());
            let mean = if share < 1.0 {
                loss.mean * share
            } else {
                loss.mean
            };
            mean.backward();
            let mean = mean.detach();
            let named = loss.parts.into_iter();
            let named = named
                .map(|(name, part)| (name, part.detach() * share))
                .collect();
            let next = Seen {
                mean,
                parts: named,
                tokens: loss.tokens,
            };
            seen = Some(match seen {
                None => next,
                Some(before) => before.with(&next),
            });
        }
        seen.expect("a step has an example")
    }

    /// Where the trained weights are.
    fn device(&self) -> Device {
        let weights = self.task.weights();
        weights
            .first()
            .map_or(Device::Cpu, |(_, weight)| weight.device())
    }

    /// The learning rate of the step to come, in an epoch of `steps`.
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
        let known = self.task.source().in_all(epochs);
        let all = known.unwrap_or(u64::from(epochs) * steps as u64);
        let falling = all.saturating_sub(warmup).max(1);
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
            wall_s: self.progress.train.wall_s,
            device_s: Some(self.progress.train.device_s),
            energy_j: self.progress.train.energy_j,
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

/// The rows of a step's `states` at the places of one of its `parts`.
fn rows(states: &Tensor, part: &[usize], parts: usize) -> Tensor {
    if parts == 1 {
        return states.shallow_clone();
    }
    let places: Vec<u32> = part.iter().map(|&place| place as u32).collect();
    states.index_select(0, &indices(&places, states.device()))
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
