//! A small network from vectors of one model to those of another.

use tch::Tensor;

use crate::nn::Parameters;
use crate::nn::linear::{Linear, Norm, Start};

/// Widths and depth of an [`Mlp`].
#[derive(Clone, Copy, Debug)]
pub struct MlpShape {
    /// Width of what it reads.
    pub inputs: i64,
    /// Width of hidden layers.
    pub hidden: i64,
    /// Number of hidden layers.
    pub layers: usize,
    /// Width of what it gives.
    pub outputs: i64,
    /// Whether hidden layers have a norm.
    pub norm: bool,
}

/// Hidden layers (linear, norm where there is one, activation) and a linear layer. Upstream has one
/// hidden layer; its names count all parts.
#[derive(Debug)]
pub struct Mlp {
    hidden: Vec<(Linear, Option<Norm>)>,
    leaky: bool,
    last: Linear,
}

impl Mlp {
    /// Fresh layers named `name.0`, `name.1`, ... The activation is a leaky ReLU or a GELU. The
    /// caller has seeded LibTorch's generator.
    pub fn new(parameters: &mut Parameters, name: &str, shape: MlpShape, leaky: bool) -> Self {
        let start = Start::XavierNormal;
        let (mut width, mut part) = (shape.inputs, 0);
        let mut hidden = Vec::with_capacity(shape.layers);
        for _ in 0..shape.layers {
            let layer = format!("{name}.{part}");
            let linear = Linear::new(parameters, &layer, width, shape.hidden, start);
            let norm = || Norm::new(parameters, &format!("{name}.{}", part + 1), shape.hidden);
            hidden.push((linear, shape.norm.then(norm)));
            (width, part) = (shape.hidden, part + if shape.norm { 3 } else { 2 });
        }
        let layer = format!("{name}.{part}");
        Self {
            hidden,
            leaky,
            last: Linear::new(parameters, &layer, width, shape.outputs, start),
        }
    }

    /// Scales the outputs by a factor.
    pub fn scale(&self, factor: f64) {
        self.last.scale(factor);
    }

    /// [N, inputs] -> [N, outputs].
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let mut x = x.shallow_clone();
        for (linear, norm) in &self.hidden {
            let mapped = linear.forward(&x);
            let mapped = norm
                .as_ref()
                .map_or(mapped.shallow_clone(), |it| it.forward(&mapped));
            x = if self.leaky {
                mapped.leaky_relu()
            } else {
                mapped.gelu("none")
            };
        }
        self.last.forward(&x)
    }
}
