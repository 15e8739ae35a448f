//! Rotary positions (Su et al. 2021): the angles by which queries and keys are turned.

use tch::{Device, Kind, Tensor};

use allround_core::lm_config::{Rope, RopeScaling};

/// Rotary angles of the tokens of one pass.
#[derive(Debug)]
pub(super) struct Angles {
    /// [N, 1, head size / 2] in the model's number type.
    cos: Tensor,
    /// As `cos`.
    sin: Tensor,
}

impl Angles {
    /// The angles of tokens with these places `[N]` in their texts.
    pub fn new(frequencies: &Tensor, places: &Tensor, kind: Kind) -> Self {
        let angles = places.to_kind(Kind::Float).unsqueeze(1) * frequencies.unsqueeze(0);
        let angles = angles.unsqueeze(1);
        Self {
            cos: angles.cos().to_kind(kind),
            sin: angles.sin().to_kind(kind),
        }
    }

    /// The angles of the tokens numbered `kept`.
    pub fn of(&self, kept: &Tensor) -> Self {
        Self {
            cos: self.cos.index_select(0, kept),
            sin: self.sin.index_select(0, kept),
        }
    }

    /// `x` [N, heads, head size], first half against second half.
    pub fn turn(&self, x: &Tensor) -> Tensor {
        let halves = x.chunk(2, -1);
        let (first, second) = (&halves[0], &halves[1]);
        let turned = [
            first * &self.cos - second * &self.sin,
            second * &self.cos + first * &self.sin,
        ];
        Tensor::cat(&turned, -1)
    }
}

/// Rotary frequencies [head size / 2], in single precision as upstream.
pub(super) fn frequencies(rope: Rope, head_size: i64, device: Device) -> Tensor {
    let frequency = |pair: i64| {
        let plain = rope.theta.powf(-2.0 * pair as f64 / head_size as f64);
        match rope.scaling {
            None => plain,
            Some(RopeScaling::Linear(factor)) => plain / factor,
            Some(RopeScaling::Llama3 {
                factor,
                low_freq_factor,
                high_freq_factor,
                original_positions,
            }) => {
                let turns = original_positions * plain / std::f64::consts::TAU;
                // 0 for long waves, 1 for short ones.
                let share = (turns - low_freq_factor) / (high_freq_factor - low_freq_factor);
                let share = share.clamp(0.0, 1.0);
                plain * (share + (1.0 - share) / factor)
            }
        }
    };
    let all: Vec<f32> = (0..head_size / 2)
        .map(|pair| frequency(pair) as f32)
        .collect();
    Tensor::from_slice(&all).to_device(device)
}
