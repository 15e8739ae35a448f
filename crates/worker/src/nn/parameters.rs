//! The weights of a net by their upstream names, in a stable order, and how they start.
//!
//! Weights start on the CPU and then move, so that every device begins with the same numbers. The
//! caller seeds LibTorch's generator from the `init` stream before it builds a net.

use tch::{Device, Kind, Tensor};

/// The trained weights of one net.
#[derive(Debug)]
pub struct Parameters {
    device: Device,
    named: Vec<(String, Tensor)>,
}

impl Parameters {
    /// No weights yet; `device` is where they will live.
    pub fn new(device: Device) -> Self {
        Self {
            device,
            named: Vec::new(),
        }
    }

    /// Where the weights live.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Takes `value` as the weight called `name` and returns the tensor that the net computes with.
    pub fn add(&mut self, name: impl Into<String>, value: Tensor) -> Tensor {
        let weight = value.to_device(self.device).set_requires_grad(true);
        self.named.push((name.into(), weight.shallow_clone()));
        weight
    }

    /// Every weight by name, in the order in which they were added; the tensors are the net's own.
    pub fn named(&self) -> Vec<(String, Tensor)> {
        self.named
            .iter()
            .map(|(name, weight)| (name.clone(), weight.shallow_clone()))
            .collect()
    }
}

/// Normal values around 0.
pub fn normal(shape: &[i64], deviation: f64) -> Tensor {
    Tensor::zeros(shape, (Kind::Float, Device::Cpu)).normal_(0.0, deviation)
}

/// Uniform values between `-bound` and `bound`.
pub fn uniform(shape: &[i64], bound: f64) -> Tensor {
    Tensor::zeros(shape, (Kind::Float, Device::Cpu)).uniform_(-bound, bound)
}

/// Xavier-normal values (Glorot and Bengio 2010) of a matrix [outputs, inputs].
pub fn xavier_normal(shape: &[i64; 2]) -> Tensor {
    let [outputs, inputs] = *shape;
    normal(shape, (2.0 / (outputs + inputs) as f64).sqrt())
}

/// Xavier-uniform values (Glorot and Bengio 2010) of a matrix [outputs, inputs].
pub fn xavier_uniform(shape: &[i64; 2]) -> Tensor {
    let [outputs, inputs] = *shape;
    uniform(shape, (6.0 / (outputs + inputs) as f64).sqrt())
}

/// Ones, as for the scale of a norm.
pub fn ones(shape: &[i64]) -> Tensor {
    Tensor::ones(shape, (Kind::Float, Device::Cpu))
}

/// Zeros, as for a bias.
pub fn zeros(shape: &[i64]) -> Tensor {
    Tensor::zeros(shape, (Kind::Float, Device::Cpu))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_shared_with_the_net_and_keep_their_order() {
        let mut parameters = Parameters::new(Device::Cpu);
        let first = parameters.add("z", ones(&[2]));
        let _second = parameters.add("a", zeros(&[2]));
        let _ = tch::no_grad(|| first.shallow_clone().fill_(3.0));
        let named = parameters.named();
        assert_eq!(named[0].0, "z");
        assert_eq!(named[0].1.double_value(&[1]), 3.0);
        assert_eq!(named[1].0, "a");
    }
}
