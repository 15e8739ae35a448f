//! One projection.

use tch::Tensor;

use super::Shape;
use crate::nn::Parameters;
use crate::nn::linear::{Linear, Norm, Start};

/// Hidden layers (linear, norm, activation) and a linear layer. Upstream has one hidden layer; its
/// names count all parts.
#[derive(Debug)]
pub(super) struct Mlp {
    hidden: Vec<(Linear, Norm)>,
    leaky: bool,
    last: Linear,
}

impl Mlp {
    /// A projection from `inputs` into the width of `shape.lm`.
    pub(super) fn new(
        parameters: &mut Parameters,
        name: &str,
        inputs: i64,
        shape: Shape,
        leaky: bool,
    ) -> Self {
        let start = Start::XavierNormal;
        let (mut width, mut part) = (inputs, 0);
        let mut hidden = Vec::with_capacity(shape.hidden_layers);
        for _ in 0..shape.hidden_layers {
            let layer = format!("{name}.{part}");
            hidden.push((
                Linear::new(parameters, &layer, width, shape.lm, start),
                Norm::new(parameters, &format!("{name}.{}", part + 1), shape.lm),
            ));
            (width, part) = (shape.lm, part + 3);
        }
        let layer = format!("{name}.{part}");
        Self {
            hidden,
            leaky,
            last: Linear::new(parameters, &layer, width, shape.lm, start),
        }
    }

    /// Scales the outputs by a factor.
    pub(super) fn scale(&self, factor: f64) {
        self.last.scale(factor);
    }

    /// [N, inputs] -> [N, W].
    pub(super) fn forward(&self, x: &Tensor) -> Tensor {
        let mut x = x.shallow_clone();
        for (linear, norm) in &self.hidden {
            let normed = norm.forward(&linear.forward(&x));
            x = if self.leaky {
                normed.leaky_relu()
            } else {
                normed.gelu("none")
            };
        }
        self.last.forward(&x)
    }
}
