//! Linear layers and norms of a decoder, and the blocks made of them.

use std::cell::OnceCell;

use tch::{Device, Kind, Tensor};

use super::adapter::Adapter;
use super::attention::{At, Pattern};
use super::int8::Int8;
use super::rope::Angles;
use crate::torch_ext::linear::{Back, Packed};
use crate::torch_ext::product;
use allround_core::lm_config::{Activation, Family, LmConfig};

/// The matrix of a linear layer.
#[derive(Debug)]
pub(super) enum Matrix {
    /// [outputs, inputs] in the model's number type.
    Full(Tensor),
    /// The same, frozen, and next to it in the order in which the CPU multiplies fastest.
    Packed {
        weight: Tensor,
        forward: Packed,
        /// Transposed, for gradients; made when the first one is needed.
        back: OnceCell<Option<Packed>>,
    },
    /// Eight bits a weight.
    Int8(Int8),
}

impl Matrix {
    /// `weight`, packed where it is on the CPU and `pack` is requested.
    pub fn new(weight: Tensor, pack: bool) -> Self {
        let cpu = weight.device() == Device::Cpu;
        let packed = (cpu && pack).then(|| Packed::new(&weight)).flatten();
        match packed {
            Some(forward) => Matrix::Packed {
                weight,
                forward,
                back: OnceCell::new(),
            },
            None => Matrix::Full(weight),
        }
    }
}

/// y = x A^T + b, plus what an adapter adds.
#[derive(Debug)]
pub(super) struct Linear {
    /// Upstream name without `.weight`.
    pub name: String,
    /// A, [outputs, inputs].
    pub matrix: Matrix,
    /// b, `[outputs]`.
    pub bias: Option<Tensor>,
    /// What is trained of it, where something is.
    pub adapter: Option<Adapter>,
}

impl Linear {
    /// A layer without bias.
    pub fn of_weight(name: &str, weight: Tensor, pack: bool) -> Self {
        Self {
            name: name.to_owned(),
            matrix: Matrix::new(weight, pack),
            bias: None,
            adapter: None,
        }
    }

    /// `x` [N, inputs] to [N, outputs]; `train` turns the adapter's dropout on.
    pub fn forward(&self, x: &Tensor, train: bool) -> Tensor {
        let plain = self.plain(x, false);
        match &self.adapter {
            Some(adapter) => adapter.add_to(&plain, x, train),
            None => plain,
        }
    }

    /// The same with the activation after it.
    fn forward_active(&self, x: &Tensor, activation: Activation, train: bool) -> Tensor {
        let fused = matches!(self.matrix, Matrix::Packed { .. }) && self.adapter.is_none();
        if fused && activation == Activation::Relu {
            return self.plain(x, true);
        }
        let mut y = self.forward(x, train);
        match activation {
            // In place: nothing else reads the layer's output.
            Activation::Relu => y.relu_(),
            Activation::Gelu => y.gelu("none"),
            Activation::GeluTanh => y.gelu("tanh"),
            Activation::Silu => y.silu(),
        }
    }

    /// Without the adapter; only a packed matrix can have the ReLU with it.
    fn plain(&self, x: &Tensor, relu: bool) -> Tensor {
        let bias = self.bias.as_ref();
        match &self.matrix {
            Matrix::Full(weight) => product::linear(x, weight, bias),
            Matrix::Int8(weight) => {
                self.count(x);
                weight.linear(x, bias)
            }
            Matrix::Packed {
                weight,
                forward,
                back,
            } => {
                self.count(x);
                let back = if x.requires_grad() {
                    back.get_or_init(|| Packed::new(&weight.transpose(0, 1)))
                } else {
                    &None
                };
                let back = back.as_ref().map_or(Back::Plain(weight), Back::Packed);
                forward.linear(x, bias, relu, back)
            }
        }
    }

    /// Counts the product of `x` [N, inputs] with a frozen matrix.
    fn count(&self, x: &Tensor) {
        let (inputs, outputs) = self.sizes();
        let passes = if x.requires_grad() { 2 } else { 1 };
        product::count(x.size()[0] * inputs * outputs, passes);
    }

    /// Inputs and outputs.
    pub fn sizes(&self) -> (i64, i64) {
        let size = match &self.matrix {
            Matrix::Full(weight) | Matrix::Packed { weight, .. } => weight.size(),
            Matrix::Int8(weight) => weight.size(),
        };
        (size[1], size[0])
    }
}

/// LayerNorm or RMSNorm.
#[derive(Debug)]
pub(super) struct Norm {
    /// Whose norm it is: OPT's subtracts the mean, Llama's does not.
    pub family: Family,
    /// Numbers that are normalised together.
    pub width: i64,
    /// Factors, `[width]`.
    pub weight: Option<Tensor>,
    /// What is added, `[width]`; none in Llama.
    pub bias: Option<Tensor>,
    /// Whether 1 is added to the factors, as in Gemma.
    pub offset: bool,
    /// Added to the variance.
    pub eps: f64,
}

impl Norm {
    /// The normalised rows of `x` [.., width].
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let (weight, bias) = (self.weight.as_ref(), self.bias.as_ref());
        match self.family {
            Family::Opt => x.layer_norm([self.width], weight, bias, self.eps, true),
            Family::Llama => {
                // In single precision, as upstream.
                let wide = x.to_kind(Kind::Float);
                let mean = wide.square().mean_dim(-1, true, Kind::Float);
                let scaled = wide * (mean + self.eps).rsqrt();
                match weight {
                    // Gemma multiplies in single precision too.
                    Some(weight) if self.offset => {
                        (scaled * (weight.to_kind(Kind::Float) + 1.0)).to_kind(x.kind())
                    }
                    Some(weight) => scaled.to_kind(x.kind()) * weight,
                    None => scaled.to_kind(x.kind()),
                }
            }
        }
    }
}

/// The position-wise part of a block.
#[derive(Debug)]
pub(super) enum Mlp {
    /// Two layers (OPT).
    Plain { inner: Linear, outer: Linear },
    /// Two layers with a gate (Llama).
    Gated {
        gate: Linear,
        up: Linear,
        down: Linear,
    },
}

impl Mlp {
    fn forward(&self, x: &Tensor, activation: Activation, train: bool) -> Tensor {
        match self {
            Mlp::Plain { inner, outer } => {
                let active = inner.forward_active(x, activation, train);
                outer.forward(&active, train)
            }
            Mlp::Gated { gate, up, down } => {
                let open = gate.forward_active(x, activation, train);
                down.forward(&(open * up.forward(x, train)), train)
            }
        }
    }

    fn linears(&self) -> Vec<&Linear> {
        match self {
            Mlp::Plain { inner, outer } => vec![inner, outer],
            Mlp::Gated { gate, up, down } => vec![gate, up, down],
        }
    }

    fn linears_mut(&mut self) -> Vec<&mut Linear> {
        match self {
            Mlp::Plain { inner, outer } => vec![inner, outer],
            Mlp::Gated { gate, up, down } => vec![gate, up, down],
        }
    }
}

/// One pass of packed tokens through the blocks.
pub(super) struct Pass<'a> {
    /// Who looks at whom.
    pub pattern: &'a mut dyn Pattern,
    /// Rotary angles; none in OPT.
    pub angles: Option<Angles>,
    /// Those of blocks with a window.
    pub local_angles: Option<Angles>,
    /// Tokens that go through the last block; `None`: all.
    pub wanted: Option<Tensor>,
    /// Whether adapters drop out.
    pub train: bool,
}

impl Pass<'_> {
    /// The rows of `x` that go through the MLP: all, or in the last block the wanted ones.
    fn of_wanted(&self, x: &Tensor, last: bool) -> Tensor {
        match &self.wanted {
            Some(wanted) if last => x.index_select(0, wanted),
            Some(_) | None => x.shallow_clone(),
        }
    }
}

/// Attention and MLP with their norms.
#[derive(Debug)]
pub(super) struct Block {
    /// The attention's norm: before it, but after it in OPT-350m.
    pub norm: Norm,
    /// Queries, [heads x head size, width].
    pub query: Linear,
    /// Keys, [kv heads x head size, width].
    pub key: Linear,
    /// Values, as keys.
    pub value: Linear,
    /// Back to the width.
    pub output: Linear,
    /// Norms of each head's queries and keys (Qwen 3, Gemma 3).
    pub head_norms: Option<[Norm; 2]>,
    /// Norms of the results of attention and MLP (Gemma 3).
    pub result_norms: Option<[Norm; 2]>,
    /// The MLP's norm, in the same position as the attention's.
    pub mlp_norm: Norm,
    /// The MLP.
    pub mlp: Mlp,
}

impl Block {
    /// States `x` [N, D] to [N, D], or to the wanted tokens' states in the last block.
    pub fn forward(&self, x: &Tensor, layer: usize, config: &LmConfig, pass: &mut Pass) -> Tensor {
        let train = pass.train;
        let at = At {
            layer,
            last: layer + 1 == config.layers && pass.wanted.is_some(),
            local: config.is_local(layer),
        };
        let read = if config.norm_first {
            self.norm.forward(x)
        } else {
            x.shallow_clone()
        };
        let x = pass.of_wanted(x, at.last);
        let mixed = self.attend(&read, at, config, pass);
        let mut x = x + self.result(0, self.output.forward(&mixed, train));
        if !config.norm_first {
            x = self.norm.forward(&x);
        }

        let read = if config.norm_first {
            self.mlp_norm.forward(&x)
        } else {
            x.shallow_clone()
        };
        let x = x + self.result(1, self.mlp.forward(&read, config.activation, train));
        if config.norm_first {
            x
        } else {
            self.mlp_norm.forward(&x)
        }
    }

    /// Values mixed for the queries that states `read` [N, D] make.
    fn attend(&self, read: &Tensor, at: At, config: &LmConfig, pass: &mut Pass) -> Tensor {
        let train = pass.train;
        let heads = |x: Tensor, count| x.view([-1, count, config.head_size]);
        let mut key = heads(self.key.forward(read, train), config.kv_heads);
        let value = heads(self.value.forward(read, train), config.kv_heads);
        let wanted = pass.of_wanted(read, at.last);
        let mut query = heads(self.query.forward(&wanted, train), config.heads);
        if let Some([of_queries, of_keys]) = &self.head_norms {
            query = of_queries.forward(&query);
            key = of_keys.forward(&key);
        }
        let angles = if at.local {
            &pass.local_angles
        } else {
            &pass.angles
        };
        if let Some(angles) = angles {
            key = angles.turn(&key);
            query = match pass.wanted.as_ref().filter(|_| at.last) {
                Some(kept) => angles.of(kept).turn(&query),
                None => angles.turn(&query),
            };
        }
        // The attention divides by the root of the head size.
        let scale = (config.head_size as f64 / config.query_divisor).sqrt();
        let query = if scale == 1.0 { query } else { query * scale };
        pass.pattern.attend(at, [&query, &key, &value])
    }

    /// The result of the attention (0) or the MLP (1), normalised where it has a norm.
    fn result(&self, part: usize, x: Tensor) -> Tensor {
        match &self.result_norms {
            Some(norms) => norms[part].forward(&x),
            None => x,
        }
    }

    /// The linear layers, in the order of their use.
    pub fn linears(&self) -> Vec<&Linear> {
        let mut all = vec![&self.query, &self.key, &self.value, &self.output];
        all.extend(self.mlp.linears());
        all
    }

    /// All its linear layers, to be given adapters.
    pub fn linears_mut(&mut self) -> Vec<&mut Linear> {
        let mut all = vec![
            &mut self.query,
            &mut self.key,
            &mut self.value,
            &mut self.output,
        ];
        all.extend(self.mlp.linears_mut());
        all
    }
}
