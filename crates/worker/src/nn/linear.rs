//! Linear layers and norms under PyTorch's names.

use tch::Tensor;

use super::Parameters;
use super::parameters;
use crate::torch_ext::product;

/// How a layer's matrix starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// As PyTorch's own layer: matrix and bias uniform within 1 / sqrt(inputs).
    Pytorch,
    /// Xavier-normal matrix; the bias as PyTorch's.
    XavierNormal,
}

/// A matrix and a bias.
#[derive(Debug)]
pub struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    /// A layer from `inputs` to `outputs`, named `name.weight` and `name.bias`.
    pub fn new(
        parameters: &mut Parameters,
        name: &str,
        inputs: i64,
        outputs: i64,
        start: Start,
    ) -> Self {
        let bound = 1.0 / (inputs as f64).sqrt();
        let weight = match start {
            Start::Pytorch => parameters::uniform(&[outputs, inputs], bound),
            Start::XavierNormal => parameters::xavier_normal(&[outputs, inputs]),
        };
        Self {
            weight: parameters.add(format!("{name}.weight"), weight),
            bias: parameters.add(
                format!("{name}.bias"),
                parameters::uniform(&[outputs], bound),
            ),
        }
    }

    /// Multiplies matrix and bias by a factor, and so the outputs.
    pub fn scale(&self, factor: f64) {
        tch::no_grad(|| {
            for part in [&self.weight, &self.bias] {
                let _ = part.shallow_clone().g_mul_scalar_(factor);
            }
        });
    }

    /// [N, inputs] -> [N, outputs].
    pub fn forward(&self, x: &Tensor) -> Tensor {
        product::linear(x, &self.weight, Some(&self.bias))
    }
}

/// A norm over the width that starts by changing nothing.
#[derive(Debug)]
pub struct Norm {
    weight: Tensor,
    bias: Tensor,
}

impl Norm {
    /// A norm over `width`, named `name.weight` and `name.bias`.
    pub fn new(parameters: &mut Parameters, name: &str, width: i64) -> Self {
        Self {
            weight: parameters.add(format!("{name}.weight"), parameters::ones(&[width])),
            bias: parameters.add(format!("{name}.bias"), parameters::zeros(&[width])),
        }
    }

    /// [N, width] -> [N, width], with PyTorch's epsilon.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let width = self.bias.size();
        x.layer_norm(&width, Some(&self.weight), Some(&self.bias), 1e-5, false)
    }
}
