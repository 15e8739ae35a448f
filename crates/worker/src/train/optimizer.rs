//! Optimisers whose whole state can be saved: Adam and AdamW (fused), Adagrad.

use allround_core::models::train::Optimizer as Config;
use tch::{Kind, Tensor};

use crate::models::weights::{self, WeightsError};
use crate::torch_ext::adam::{AdamSettings, AdamTensors, fused_adam};
use crate::torch_ext::gradient;
use crate::torch_ext::lazy_adam::{self, Lazy};

/// Least size of a table that Adam moves lazily. A smaller one stays in the processor's cache with
/// its moments, where a pass over all of it is faster.
const LAZY_NUMBERS: usize = 4_000_000;
/// Least number of its rows for each row that a step reads.
const LAZY_ROWS: i64 = 64;

#[cfg(test)]
thread_local! {
    /// Whether tables of every size are moved lazily; `None` for the rule.
    pub(crate) static LAZY: std::cell::Cell<Option<bool>> = const { std::cell::Cell::new(None) };
}

/// Whether moving `table` lazily is faster when a step reads this many rows.
fn pays(table: &Tensor, rows: i64) -> bool {
    #[cfg(test)]
    if let Some(lazy) = LAZY.get() {
        return lazy;
    }
    table.numel() >= LAZY_NUMBERS && table.size()[0] >= LAZY_ROWS * rows
}

/// A weight with what the optimiser remembers of it.
#[derive(Debug)]
struct Slot {
    name: String,
    weight: Tensor,
    /// Adam's moments, or Adagrad's sum of squares.
    memory: Vec<Tensor>,
    /// Steps done, a float scalar where the weight is.
    steps: Tensor,
    /// Factor of the learning rate.
    factor: f64,
    /// A table's gradient of this step, once a sparse one has been seen: zero but in the rows
    /// `touched`.
    rows: Option<Tensor>,
    /// Rows of the table that this step's gradient has; `None` where the weight holds its gradient
    /// itself.
    touched: Option<Tensor>,
    /// Moves the rows of a large table when they are read.
    lazy: Option<Lazy>,
}

impl Slot {
    /// The gradient of this step as a dense tensor; `None` without one.
    fn gradient(&mut self) -> Option<Tensor> {
        if self.touched.is_some() {
            return self.rows.as_ref().map(Tensor::shallow_clone);
        }
        let gradient = self.weight.grad();
        if !gradient.defined() {
            return None;
        }
        if !gradient.is_sparse() {
            return Some(gradient);
        }
        let touched = gradient.internal_indices().squeeze_dim(0);
        let rows = self.rows.get_or_insert_with(|| self.weight.zeros_like());
        gradient::add_rows(rows, &touched, &gradient.internal_values());
        self.touched = Some(touched);
        Some(rows.shallow_clone())
    }

    /// Whether Adam moved the weight lazily: a large table with a sparse gradient.
    fn is_moved_lazily(&mut self, gradient: &Tensor, settings: AdamSettings) -> bool {
        let Some(touched) = &self.touched else {
            // A dense gradient moves all rows.
            self.settle();
            self.lazy = None;
            return false;
        };
        if self.lazy.is_none()
            && pays(&self.weight, touched.numel() as i64)
            && lazy_adam::is_exact()
        {
            let moments = [&self.memory[0], &self.memory[1]];
            self.lazy = Lazy::new(&self.weight, moments, settings);
        }
        if let Some(lazy) = &self.lazy {
            lazy.step(settings.lr, &self.steps, gradient, touched);
        }
        self.lazy.is_some()
    }

    /// Brings all rows up to the last step.
    fn settle(&self) {
        if let Some(lazy) = &self.lazy {
            tch::no_grad(|| lazy.settle());
        }
    }

    /// Forgets the gradient of this step.
    fn clear(&mut self) {
        if let (Some(rows), Some(touched)) = (&self.rows, self.touched.take()) {
            gradient::clear_rows(rows, &touched);
        }
        gradient::clear(&self.weight);
    }
}

/// An optimiser over the weights of one net.
#[derive(Debug)]
pub struct Optimizer {
    config: Config,
    lr: f64,
    slots: Vec<Slot>,
}

impl Optimizer {
    /// Nothing remembered yet.
    pub fn new(config: &Config, lr: f64, weights: Vec<(String, Tensor)>) -> Self {
        let memory = |weight: &Tensor| match *config {
            Config::Adam { .. } | Config::Adamw { .. } => {
                vec![weight.zeros_like(), weight.zeros_like()]
            }
            Config::Adagrad {
                initial_accumulator,
                ..
            } => vec![weight.full_like(initial_accumulator)],
        };
        let slots = weights
            .into_iter()
            .map(|(name, weight)| Slot {
                memory: tch::no_grad(|| memory(&weight)),
                steps: Tensor::zeros([], (Kind::Float, weight.device())),
                name,
                weight,
                factor: 1.0,
                rows: None,
                touched: None,
                lazy: None,
            })
            .collect();
        Self {
            config: config.clone(),
            lr,
            slots,
        }
    }

    /// The learning rate of the steps to come.
    pub fn set_lr(&mut self, lr: f64) {
        self.lr = lr;
    }

    /// Gives weights a factor of the learning rate, by their names.
    pub fn set_factors(&mut self, factor: impl Fn(&str) -> f64) {
        for slot in &mut self.slots {
            slot.factor = factor(&slot.name);
        }
    }

    /// Forgets gradients that no step will use.
    pub fn clear(&mut self) {
        tch::no_grad(|| self.slots.iter_mut().for_each(Slot::clear));
    }

    /// Moves the weights that have a gradient, and clears the gradients.
    pub fn step(&mut self) {
        tch::no_grad(|| match self.config {
            Config::Adam {
                betas,
                eps,
                weight_decay,
            } => self.adam(betas, eps, weight_decay, false),
            Config::Adamw {
                betas,
                eps,
                weight_decay,
            } => self.adam(betas, eps, weight_decay, true),
            Config::Adagrad {
                eps, weight_decay, ..
            } => self.adagrad(eps, weight_decay),
        });
        self.clear();
    }

    fn adam(&mut self, betas: [f64; 2], eps: f64, weight_decay: f64, decoupled: bool) {
        let lr = self.lr;
        let with_factor = |factor: f64| AdamSettings {
            lr: lr * factor,
            betas,
            weight_decay,
            eps,
            decoupled,
        };
        // Weights of one learning rate are moved together.
        let mut groups: Vec<(f64, AdamTensors)> = Vec::new();
        for slot in &mut self.slots {
            if let Some(gradient) = slot.gradient() {
                slot.steps += 1.0;
                if slot.is_moved_lazily(&gradient, with_factor(slot.factor)) {
                    continue;
                }
                let known = groups.iter().position(|(factor, _)| *factor == slot.factor);
                let at = known.unwrap_or_else(|| {
                    groups.push((slot.factor, AdamTensors::default()));
                    groups.len() - 1
                });
                let tensors = &mut groups[at].1;
                tensors.weights.push(slot.weight.shallow_clone());
                tensors.gradients.push(gradient);
                tensors.first.push(slot.memory[0].shallow_clone());
                tensors.second.push(slot.memory[1].shallow_clone());
                tensors.steps.push(slot.steps.shallow_clone());
            }
        }
        for (factor, tensors) in groups {
            fused_adam(&tensors, with_factor(factor));
        }
    }

    fn adagrad(&mut self, eps: f64, weight_decay: f64) {
        for slot in &mut self.slots {
            let Some(gradient) = slot.gradient() else {
                continue;
            };
            let gradient = gradient + &slot.weight * weight_decay;
            slot.steps += 1.0;
            slot.memory[0] += gradient.square();
            let _ = slot
                .weight
                .g_sub_(&(gradient / (slot.memory[0].sqrt() + eps) * (self.lr * slot.factor)));
        }
    }

    /// Scales gradients down when their norm over all weights is above `limit`, as PyTorch's
    /// `clip_grad_norm_` does.
    pub fn clip(&mut self, limit: f64) {
        tch::no_grad(|| {
            let gradients: Vec<Tensor> = self.slots.iter_mut().filter_map(Slot::gradient).collect();
            let norms: Vec<Tensor> = gradients.iter().map(Tensor::norm).collect();
            let norm = Tensor::stack(&norms, 0).norm();
            let scale = (limit / (norm + 1e-6)).clamp_max(1.0);
            for mut gradient in gradients {
                gradient *= &scale;
            }
        });
    }

    /// Brings all rows of tables that are moved lazily up to the last step. Whoever reads the
    /// weights outside of a step calls it before.
    pub fn settle(&self) {
        self.slots.iter().for_each(Slot::settle);
    }

    /// Everything remembered, by name.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        self.settle();
        let mut state = Vec::new();
        for slot in &self.slots {
            for (place, memory) in slot.memory.iter().enumerate() {
                state.push((format!("{}/{place}", slot.name), memory.shallow_clone()));
            }
            state.push((format!("{}/steps", slot.name), slot.steps.shallow_clone()));
        }
        state
    }

    /// Remembers `state`, which an optimiser over the same weights gave.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn restore(
        &mut self,
        state: &std::collections::BTreeMap<String, Tensor>,
    ) -> Result<(), WeightsError> {
        weights::fill(&self.state(), state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::embedding;

    /// Two steps on one weight with the gradients given.
    fn run(config: &Config, start: f64, gradients: [f64; 2]) -> f64 {
        let weight = Tensor::from_slice(&[start as f32]).set_requires_grad(true);
        let named = vec![("w".to_owned(), weight.shallow_clone())];
        let mut optimizer = Optimizer::new(config, 0.1, named);
        for gradient in gradients {
            (&weight * gradient).sum(Kind::Float).backward();
            optimizer.step();
        }
        weight.double_value(&[0])
    }

    fn adam_by_hand(start: f64, gradients: [f64; 2], decay: f64, decoupled: bool) -> f64 {
        let (mut w, mut m, mut v) = (start, 0.0, 0.0);
        for (step, gradient) in gradients.into_iter().enumerate() {
            let t = step as i32 + 1;
            let mut g = gradient;
            if decoupled {
                w -= 0.1 * decay * w;
            } else {
                g += decay * w;
            }
            m = 0.9 * m + 0.1 * g;
            v = 0.98 * v + 0.02 * g * g;
            let (mean, square) = (m / (1.0 - 0.9f64.powi(t)), v / (1.0 - 0.98f64.powi(t)));
            w -= 0.1 * mean / (square.sqrt() + 1e-8);
        }
        w
    }

    #[test]
    fn adam_and_adamw_follow_their_papers() {
        for decoupled in [false, true] {
            let (betas, eps, weight_decay) = ([0.9, 0.98], 1e-8, 0.05);
            let config = if decoupled {
                Config::Adamw {
                    betas,
                    eps,
                    weight_decay,
                }
            } else {
                Config::Adam {
                    betas,
                    eps,
                    weight_decay,
                }
            };
            let expected = adam_by_hand(2.0, [0.5, -0.3], weight_decay, decoupled);
            let found = run(&config, 2.0, [0.5, -0.3]);
            assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
        }
    }

    #[test]
    fn adagrad_divides_by_the_root_of_all_squares() {
        let config = Config::Adagrad {
            initial_accumulator: 0.1,
            eps: 1e-10,
            weight_decay: 0.0,
        };
        let first = 2.0 - 0.1 * 0.5 / (0.1f64 + 0.25).sqrt();
        let second = first + 0.1 * 0.3 / (0.1f64 + 0.25 + 0.09).sqrt();
        assert!((run(&config, 2.0, [0.5, -0.3]) - second).abs() < 1e-6);
    }

    #[test]
    fn a_table_moves_alike_with_sparse_and_dense_gradients() {
        let config = Config::Adam {
            betas: [0.9, 0.98],
            eps: 1e-8,
            weight_decay: 0.0,
        };
        let train = |sparse| {
            let start = Tensor::arange(12, (Kind::Float, tch::Device::Cpu)).view([6, 2]);
            let table = start.set_requires_grad(true);
            let named = vec![("w".to_owned(), table.shallow_clone())];
            let mut optimizer = Optimizer::new(&config, 0.1, named);
            for read in [[1i64, 4, 1], [2, 2, 5], [1, 0, 3]] {
                let rows = Tensor::embedding(&table, &Tensor::from_slice(&read), -1, false, sparse);
                rows.square().sum(Kind::Float).backward();
                optimizer.clip(5.0);
                optimizer.step();
            }
            table.detach()
        };
        assert_eq!(train(true), train(false));
    }

    /// A table of 37 rows after 300 steps, with its moments; few rows have a gradient, and the rate
    /// changes.
    fn moved(lazy: bool, settles: bool) -> Vec<Tensor> {
        LAZY.set(Some(lazy));
        let config = Config::Adam {
            betas: [0.9, 0.98],
            eps: 1e-8,
            weight_decay: 0.0,
        };
        let start = Tensor::arange(37 * 11, (Kind::Float, tch::Device::Cpu)).view([37, 11]);
        let table = (start * 0.7).sin().set_requires_grad(true);
        let named = vec![("w".to_owned(), table.shallow_clone())];
        let mut optimizer = Optimizer::new(&config, 0.1, named);
        for step in 1..=300i64 {
            let read = [
                step * step % 37,
                7 * step % 9,
                if step < 40 { 36 } else { 3 },
            ];
            let rows = embedding::table_rows(&table, &Tensor::from_slice(&read));
            (rows.square() * step).sum(Kind::Float).backward();
            optimizer.set_lr(1e-3 / (1.0 + step as f64 / 50.0));
            optimizer.clip(5.0);
            optimizer.step();
            if settles && step % 70 == 0 {
                optimizer.settle();
            }
        }
        assert_eq!(optimizer.slots[0].lazy.is_some(), lazy);
        LAZY.set(None);
        let state = optimizer.state().into_iter();
        let all = state.map(|(_, tensor)| tensor).chain([table.detach()]);
        all.map(|tensor| tensor.view_dtype(Kind::Int)).collect()
    }

    #[test]
    fn rows_moved_when_they_are_read_have_the_bits_of_rows_moved_in_every_step() {
        let dense = moved(false, false);
        assert_eq!(moved(true, false), dense);
        assert_eq!(moved(true, true), dense);
    }

    #[test]
    fn clipping_scales_the_norm_over_all_weights() {
        let weights: Vec<Tensor> = [3.0f32, 4.0]
            .iter()
            .map(|&value| Tensor::from_slice(&[value]).set_requires_grad(true))
            .collect();
        let named = weights.iter().enumerate();
        let named = named
            .map(|(n, w)| (n.to_string(), w.shallow_clone()))
            .collect();
        let config = Config::Adagrad {
            initial_accumulator: 0.0,
            eps: 0.0,
            weight_decay: 0.0,
        };
        let mut optimizer = Optimizer::new(&config, 0.1, named);
        ((&weights[0] * 3.0) + (&weights[1] * 4.0))
            .sum(Kind::Float)
            .backward();
        optimizer.clip(1.0);
        assert!((weights[0].grad().double_value(&[0]) - 0.6).abs() < 1e-5);
        assert!((weights[1].grad().double_value(&[0]) - 0.8).abs() < 1e-5);
    }
}
