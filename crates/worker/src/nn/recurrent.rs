//! Gated recurrent units over a time-major batch.

use tch::{Kind, Tensor};

use super::parameters::{self, Parameters};
use super::time_major::TimeMajor;
use crate::torch_ext::product;

/// A stack of GRU layers (Cho et al. 2014, in PyTorch's form).
#[derive(Debug)]
pub struct Gru {
    weights: Vec<Tensor>,
    hidden: i64,
    layers: i64,
    dropout: f64,
}

/// Widths of a [`Gru`].
#[derive(Clone, Copy, Debug)]
pub struct GruShape {
    /// Width of the input.
    pub input: i64,
    /// Width H of the state.
    pub hidden: i64,
    /// Layers.
    pub layers: i64,
    /// Dropout between layers.
    pub dropout: f64,
}

impl Gru {
    /// Registers weights under `name`, with PyTorch's names and start (uniform within 1 / sqrt(H)).
    pub fn new(parameters: &mut Parameters, name: &str, shape: GruShape) -> Self {
        let GruShape {
            input,
            hidden,
            layers,
            dropout,
        } = shape;
        let bound = 1.0 / (hidden as f64).sqrt();
        let mut weights = Vec::new();
        for layer in 0..layers {
            let width = if layer == 0 { input } else { hidden };
            let shapes: [(&str, Vec<i64>); 4] = [
                ("weight_ih", vec![3 * hidden, width]),
                ("weight_hh", vec![3 * hidden, hidden]),
                ("bias_ih", vec![3 * hidden]),
                ("bias_hh", vec![3 * hidden]),
            ];
            for (part, shape) in shapes {
                let value = parameters::uniform(&shape, bound);
                weights.push(parameters.add(format!("{name}.{part}_l{layer}"), value));
            }
        }
        if weights[0].device().is_cuda() {
            join_for_cudnn(&weights, shape);
        }
        Self {
            weights,
            hidden,
            layers,
            dropout,
        }
    }

    /// Outputs [T, H] of the last layer for `inputs` [T, D] in time-major order. Also the last
    /// state [R, H] of each of the R rows with tokens, longest first.
    pub fn forward(&self, inputs: &Tensor, order: &TimeMajor, train: bool) -> (Tensor, Tensor) {
        let running: Vec<i64> = order.running.iter().map(|&rows| i64::from(rows)).collect();
        let rows = order.rows_with_tokens() as i64;
        let start = Tensor::zeros(
            [self.layers, rows, self.hidden],
            (Kind::Float, inputs.device()),
        );
        // Dropout after a single layer would do nothing but warn.
        let dropout = if self.layers > 1 { self.dropout } else { 0.0 };
        let (outputs, last) = Tensor::gru_data(
            inputs,
            &Tensor::from_slice(&running), // LibTorch wants it on the CPU.
            &start,
            &self.weights,
            true,
            self.layers,
            dropout,
            train,
            false,
        );
        self.count(inputs, rows, outputs.requires_grad());
        (outputs, last.get(self.layers - 1))
    }

    /// Counts the products of `inputs` [T, D] of `rows` rows and of the states before them. The
    /// state before a row's first token is zero and needs no gradient.
    fn count(&self, inputs: &Tensor, rows: i64, has_gradient: bool) {
        let (tokens, width) = inputs.size2().expect("inputs are [T, D]");
        let gates = 3 * self.hidden;
        for layer in 0..self.layers {
            let width = if layer == 0 { width } else { self.hidden };
            let passes = if has_gradient { 3 } else { 1 };
            product::count(tokens * gates * width, passes);
            product::count((tokens - rows) * gates * self.hidden, passes);
            product::count(rows * gates * self.hidden, passes.min(2));
        }
    }
}

/// Moves the weights into one block of memory, which cuDNN reads as it is; it would copy them
/// together in every pass. They stay the tensors they were.
fn join_for_cudnn(weights: &[Tensor], shape: GruShape) {
    /// cuDNN's number for gated recurrent units.
    const GRU: i64 = 3;
    const TENSORS_A_LAYER: i64 = 4;
    // The weights hold the joined memory from now on.
    drop(tch::no_grad(|| {
        Tensor::internal_cudnn_rnn_flatten_weight(
            weights,
            TENSORS_A_LAYER,
            shape.input,
            GRU,
            shape.hidden,
            0,
            shape.layers,
            false,
            false,
        )
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn counted_operations_are_those_of_pytorchs_counter() {
        let all: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/fixtures/flops.json")).unwrap();
        let mut parameters = Parameters::new(Device::Cpu);
        let shape = GruShape {
            input: 6,
            hidden: 8,
            layers: 2,
            dropout: 0.0,
        };
        let net = Gru::new(&mut parameters, "gru", shape);
        // Three rows of five tokens.
        let order = TimeMajor::new(&[0, 5, 10, 15]);
        let inputs = Tensor::randn([15, 6], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let before = product::counted();
        let _ = net.forward(&inputs, &order, true);
        assert_eq!(product::counted() - before, all["gru"].as_u64().unwrap());
    }
}
