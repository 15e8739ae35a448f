//! An epoch that is under way: its losses, examples and time, which a checkpoint can hold.

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor};

use super::checkpoint::{Exact, Within};
use super::error::TrainError;
use super::gradients::StepLoss;
use super::loss_meter::LossMeter;
use crate::torch_ext::timer::{Elapsed, Timer};

/// An epoch that is under way.
pub(super) struct Running {
    losses: LossMeter,
    /// Weighted sums of the parts of the loss.
    parts: BTreeMap<String, Tensor>,
    steps: usize,
    examples: u64,
    elapsed: Elapsed,
    /// `None` while something else than training is done.
    timer: Option<Timer>,
    device: Device,
}

/// What an epoch's steps leave: their mean loss, what it is made of, how many examples they had and
/// how long they took.
pub(super) struct Done {
    pub(super) loss: f64,
    pub(super) parts: BTreeMap<String, f64>,
    pub(super) examples: u64,
    pub(super) elapsed: Elapsed,
}

impl Running {
    /// `epoch` of `count` steps, of which `within` are done.
    pub(super) fn begin(epoch: u32, count: usize, within: Within, device: Device) -> Self {
        let parts = within.parts.iter();
        let sum = |(name, sum): (&String, &Exact)| {
            let sum = Tensor::from_slice(&[sum.0]).squeeze().to_device(device);
            (name.clone(), sum)
        };
        Self {
            losses: LossMeter::new(epoch, count, &within),
            parts: parts.map(sum).collect(),
            steps: within.steps,
            examples: within.examples,
            elapsed: within.elapsed,
            timer: Some(Timer::begin(device)),
            device,
        }
    }

    /// Steps done.
    pub(super) fn steps(&self) -> usize {
        self.steps
    }

    /// Takes a step's loss, which is a mean over `weight` targets of `examples` examples.
    pub(super) fn push(
        &mut self,
        loss: StepLoss,
        weight: u64,
        examples: u64,
    ) -> Result<(), TrainError> {
        for (name, part) in loss.parts {
            let part = part.to_kind(Kind::Double) * weight as f64;
            let sum = self.parts.remove(name);
            let sum = sum.map_or_else(|| part.shallow_clone(), |sum| sum + &part);
            self.parts.insert(name.to_owned(), sum);
        }
        self.steps += 1;
        self.examples += examples;
        self.losses.push(weight, loss.mean)
    }

    /// Stops the clock.
    pub(super) fn pause(&mut self) {
        if let Some(timer) = self.timer.take() {
            self.elapsed += timer.end();
        }
    }

    /// Starts the clock again.
    pub(super) fn resume(&mut self) {
        self.timer = Some(Timer::begin(self.device));
    }

    /// What there is so far.
    pub(super) fn within(&mut self) -> Result<Within, TrainError> {
        let sum = |(name, sum): (&String, &Tensor)| (name.clone(), Exact(sum.double_value(&[])));
        Ok(Within {
            steps: self.steps,
            loss: Exact(self.losses.sum()?),
            weight: self.losses.weight(),
            parts: self.parts.iter().map(sum).collect(),
            examples: self.examples,
            elapsed: self.elapsed,
        })
    }

    /// Ends the epoch.
    pub(super) fn end(mut self) -> Result<Done, TrainError> {
        let sums = self.within()?;
        self.pause();
        let weight = sums.weight.max(1) as f64;
        let mean = |(name, sum): (String, Exact)| (name, sum.0 / weight);
        Ok(Done {
            loss: sums.loss.0 / weight,
            parts: sums.parts.into_iter().map(mean).collect(),
            examples: sums.examples,
            elapsed: self.elapsed,
        })
    }
}
