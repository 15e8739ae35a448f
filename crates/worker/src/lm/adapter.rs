//! LoRA (Hu et al. 2022): a trained low-rank update next to a frozen linear layer.
//!
//! Upstream: peft's `LoraLayer`. Names are those of its `adapter_model.safetensors`. Adapters are
//! in single precision, also next to a model in half precision, as peft's are.

use allround_core::models::llm_method::Lora;
use tch::{Kind, Tensor};

use crate::torch_ext::product;

/// The update of one linear layer.
#[derive(Debug)]
pub(super) struct Adapter {
    /// `lora_A.weight`, [r, inputs].
    pub down: Tensor,
    /// `lora_B.weight`, [outputs, r].
    pub up: Tensor,
    scale: f64,
    dropout: f64,
}

impl Adapter {
    /// A starts Kaiming-uniform (bound 1 / sqrt(inputs)), B at zero, so that the model starts
    /// unchanged. The caller has seeded LibTorch's generator.
    pub fn new(settings: &Lora, inputs: i64, outputs: i64, device: tch::Device) -> Self {
        let rank = settings.rank as i64;
        let cpu = (Kind::Float, tch::Device::Cpu);
        let bound = 1.0 / (inputs as f64).sqrt();
        let mut down = Tensor::zeros([rank, inputs], cpu);
        let down = tch::no_grad(|| down.uniform_(-bound, bound)).to_device(device);
        let up = Tensor::zeros([outputs, rank], (Kind::Float, device));
        Self {
            down: down.set_requires_grad(true),
            up: up.set_requires_grad(true),
            scale: settings.alpha / settings.rank as f64,
            dropout: settings.dropout,
        }
    }

    /// `plain` [N, outputs] plus the update of `x` [N, inputs].
    pub fn add_to(&self, plain: &Tensor, x: &Tensor, train: bool) -> Tensor {
        let x = x.to_kind(Kind::Float);
        let x = if train && self.dropout > 0.0 {
            x.dropout(self.dropout, true)
        } else {
            x
        };
        let none: Option<&Tensor> = None;
        let update = product::linear(&x, &self.down, none);
        let update = product::linear(&update, &self.up, none);
        (plain + update * self.scale).to_kind(plain.kind())
    }
}
