//! Dropout noise, drawn by the program's own generator: several times as fast as LibTorch's on the
//! CPU, and the same numbers on every device.

use allround_core::seed::{Stream, stream};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};

use crate::torch_ext::transfer::to_device_async;

/// Values of a draw: 16 bits.
const VALUES: f64 = 65536.0;

/// The noise of one training batch.
#[derive(Debug)]
pub struct Noise {
    random: ChaCha8Rng,
    device: Device,
    /// A draw below this keeps its element.
    kept_below: u16,
    /// What a kept element is multiplied with, so that the mean stays.
    scale: f32,
    draws: Vec<u16>,
}

impl Noise {
    /// Noise that drops with probability `dropout` (in [0, 1), rounded to 1/65536), a function of
    /// `seed`.
    pub fn new(dropout: f64, seed: u64, device: Device) -> Self {
        let kept_below = ((1.0 - dropout) * VALUES).round().clamp(1.0, VALUES - 1.0);
        Self {
            random: stream(seed, Stream::Dropout, 0),
            device,
            kept_below: kept_below as u16,
            scale: (VALUES / kept_below) as f32,
            draws: Vec::new(),
        }
    }

    /// Noise whose seed is drawn by LibTorch's generator, which the caller has seeded; `None`
    /// without dropout.
    pub fn of_generator(dropout: f64, device: Device) -> Option<Self> {
        let seed = || Tensor::randint(i64::MAX, [1], (Kind::Int64, Device::Cpu));
        let new = || Self::new(dropout, seed().int64_value(&[0]).unsigned_abs(), device);
        (dropout > 0.0).then(new)
    }

    /// `x` with elements dropped and the others scaled.
    pub fn drop_some(&mut self, x: &Tensor) -> Tensor {
        x * self.multipliers(&x.size())
    }

    /// Independent multipliers of a tensor of this shape.
    pub fn multipliers(&mut self, shape: &[i64]) -> Tensor {
        let count: i64 = shape.iter().product();
        let values = self.drawn(count as usize);
        self.tensor(&values, shape)
    }

    /// Multipliers of attention weights [rows, queries, keys] whose key 0 represents `folded` keys
    /// of the row. Each is dropped separately, and the multiplier is their mean. `folded` has one
    /// number a row.
    pub fn attention_multipliers(&mut self, shape: &[i64; 3], folded: &[u32]) -> Tensor {
        let [rows, queries, keys] = *shape;
        let (queries, keys) = (queries as usize, keys as usize);
        debug_assert_eq!(folded.len() as i64, rows, "one number a row");
        let mut multipliers = self.drawn(folded.len() * queries * keys);
        let total: usize = folded.iter().map(|&count| count as usize).sum();
        let own = self.drawn(total * queries);
        let mut own = &own[..];
        for (row, &count) in multipliers.chunks_exact_mut(queries * keys).zip(folded) {
            for query in row.chunks_exact_mut(keys) {
                let (mine, rest) = own.split_at(count as usize);
                query[0] = mine.iter().sum::<f32>() / count.max(1) as f32;
                own = rest;
            }
        }
        self.tensor(&multipliers, shape)
    }

    fn tensor(&self, values: &[f32], shape: &[i64]) -> Tensor {
        to_device_async(&Tensor::from_slice(values).view(shape), self.device)
    }

    fn drawn(&mut self, count: usize) -> Vec<f32> {
        self.draws.resize(count, 0);
        self.random
            .fill_bytes(bytemuck::cast_slice_mut(&mut self.draws));
        let (kept_below, scale) = (self.kept_below, self.scale);
        let multiplier = |&draw: &u16| if draw < kept_below { scale } else { 0.0 };
        self.draws.iter().map(multiplier).collect()
    }
}

/// Drops elements of `x` with probability `dropout` and scales the others, in training; the draws
/// follow LibTorch's generator, which the caller has seeded. On a device with its own
/// generator, that one makes them.
pub fn dropout(x: &Tensor, dropout: f64, train: bool) -> Tensor {
    if !train || dropout <= 0.0 {
        return x.shallow_clone();
    }
    if x.device() != Device::Cpu {
        return x.dropout(dropout, true);
    }
    let seed = Tensor::randint(i64::MAX, [1], (Kind::Int64, Device::Cpu)).int64_value(&[0]);
    Noise::new(dropout, seed.unsigned_abs(), Device::Cpu).drop_some(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_keeps_the_mean_and_drops_the_share_asked_for() {
        let mut noise = Noise::new(0.2, 3, Device::Cpu);
        let multipliers = noise.multipliers(&[400, 500]);
        assert!((multipliers.mean(Kind::Float).double_value(&[]) - 1.0).abs() < 0.005);
        let dropped = multipliers.eq(0.0).to_kind(Kind::Float).mean(Kind::Float);
        assert!((dropped.double_value(&[]) - 0.2).abs() < 0.005);
        assert!((multipliers.max().double_value(&[]) - 1.25).abs() < 1e-4);
    }

    #[test]
    fn noise_is_a_function_of_its_seed() {
        let draw = |seed| Noise::new(0.5, seed, Device::Cpu).multipliers(&[64]);
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn dropout_follows_libtorchs_seed_and_happens_in_training_only() {
        let x = Tensor::ones([5000], (Kind::Float, Device::Cpu));
        let draw = || dropout(&x, 0.3, true);
        tch::manual_seed(9);
        let (first, second) = (draw(), draw());
        tch::manual_seed(9);
        assert_eq!(draw(), first);
        assert_ne!(first, second);
        assert_eq!(dropout(&x, 0.9, false), x);
        assert_eq!(dropout(&x, 0.0, true), x);
    }

    #[test]
    fn a_folded_key_has_the_mean_of_the_keys_that_it_stands_for() {
        let mut noise = Noise::new(0.5, 5, Device::Cpu);
        let folded: Vec<u32> = (0..8000)
            .map(|row| if row % 2 == 0 { 8 } else { 0 })
            .collect();
        let multipliers = noise.attention_multipliers(&[8000, 2, 3], &folded);
        let first = multipliers.select(2, 0).view([4000, 2, 2]);
        let (eight, none) = (first.select(1, 0), first.select(1, 1));
        // Variance of the mean of 8 multipliers that are 0 or 2.
        assert!((eight.mean(Kind::Float).double_value(&[]) - 1.0).abs() < 0.03);
        assert!((eight.var(true).double_value(&[]) - 1.0 / 8.0).abs() < 0.02);
        assert_eq!(none.abs().max().double_value(&[]), 0.0);
        assert!((multipliers.select(2, 1).var(true).double_value(&[]) - 1.0).abs() < 0.05);
    }
}
