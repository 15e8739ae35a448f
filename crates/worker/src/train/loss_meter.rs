//! LossMeter that wait on the device before they are looked at: looking at each would stop a CUDA
//! device at every step.

use tch::{Kind, Tensor};

use super::checkpoint::Within;
use super::error::TrainError;

/// How many wait at most.
const MOST: usize = 32;

/// The losses of an epoch's steps, each a mean over `weight` targets.
#[derive(Debug)]
pub struct LossMeter {
    epoch: u32,
    steps: usize,
    seen: usize,
    unseen: Vec<(u64, Tensor)>,
    sum: f64,
    weight: u64,
}

impl LossMeter {
    /// The losses of `epoch`, which has this many steps. Those of the steps that `within` has are
    /// in it already.
    pub fn new(epoch: u32, steps: usize, within: &Within) -> Self {
        Self {
            epoch,
            steps,
            seen: within.steps,
            unseen: Vec::new(),
            sum: within.loss.0,
            weight: within.weight,
        }
    }

    /// Takes the next step's loss (a scalar without gradient), and looks at those that wait where
    /// they are many.
    ///
    /// # Errors
    /// When one of them is not a number.
    pub fn push(&mut self, weight: u64, loss: Tensor) -> Result<(), TrainError> {
        self.unseen.push((weight, loss));
        self.weight += weight;
        if self.unseen.len() == MOST {
            self.look()?;
        }
        Ok(())
    }

    /// Targets so far.
    pub fn weight(&self) -> u64 {
        self.weight
    }

    /// The weighted sum over all targets so far.
    ///
    /// # Errors
    /// When a loss is not a number.
    pub fn sum(&mut self) -> Result<f64, TrainError> {
        self.look()?;
        Ok(self.sum)
    }

    fn look(&mut self) -> Result<(), TrainError> {
        if self.unseen.is_empty() {
            return Ok(());
        }
        let losses: Vec<&Tensor> = self.unseen.iter().map(|(_, loss)| loss).collect();
        let stacked = Tensor::stack(&losses, 0).to_kind(Kind::Double);
        let values = Vec::<f64>::try_from(stacked).expect("losses are scalars");
        for ((weight, _), loss) in self.unseen.drain(..).zip(values) {
            self.seen += 1;
            if !loss.is_finite() {
                return Err(TrainError::Loss {
                    loss,
                    epoch: self.epoch,
                    step: self.seen,
                    steps: self.steps,
                });
            }
            self.sum += weight as f64 * loss;
        }
        Ok(())
    }
}
