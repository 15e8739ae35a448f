//! Weight-only quantisation: eight bits a weight, one scale an output channel.

use tch::{Kind, Tensor};

use crate::torch_ext::linear;

/// A matrix [outputs, inputs] whose row r is `scales[r]` times eight-bit whole numbers.
#[derive(Debug)]
pub(super) struct Int8 {
    rounded: Tensor,
    scales: Tensor,
}

impl Int8 {
    /// Rounds `weight` so that the largest of each row becomes 127; the scales keep its number
    /// type.
    pub fn new(weight: &Tensor) -> Self {
        let wide = weight.to_kind(Kind::Float);
        let scales = wide.abs().amax([1], true) / 127.0;
        // A row of zeros stays one.
        let scales = scales.clamp_min(f64::from(f32::MIN_POSITIVE));
        let rounded = (wide / &scales).round().clamp(-127.0, 127.0);
        Self {
            rounded: rounded.to_kind(Kind::Int8),
            scales: scales.squeeze_dim(1).to_kind(weight.kind()),
        }
    }

    /// Outputs and inputs.
    pub fn size(&self) -> Vec<i64> {
        self.rounded.size()
    }

    /// `x` [N, inputs] times the matrix. The weights are widened for each product and forgotten
    /// again.
    pub fn linear(&self, x: &Tensor, bias: Option<&Tensor>) -> Tensor {
        let product = linear::int8(x, &self.rounded, &self.scales);
        match bias {
            Some(bias) => product + bias,
            None => product,
        }
    }

    /// The matrix that is computed with.
    pub fn widened(&self) -> Tensor {
        self.rounded.to_kind(self.scales.kind()) * self.scales.unsqueeze(1)
    }
}
