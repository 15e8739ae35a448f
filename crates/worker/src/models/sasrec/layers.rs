//! The parts of a block: norms, the feed-forward part, and how attention and residuals are joined
//! in each form.

use allround_core::models::sasrec::Activation;
use allround_core::models::sasrec::NetworkOrder;
use allround_core::models::sasrec::Sasrec as Config;
use allround_core::models::sasrec::SasrecForm;
use tch::Tensor;

use crate::nn::Parameters;
use crate::nn::attention::{Attention, AttentionShape, Separate};
use crate::nn::noise::Noise;
use crate::nn::packed::{Group, Packed};
use crate::nn::parameters;
use crate::torch_ext::product;

/// What blocks are made of.
#[derive(Clone, Copy, Debug)]
pub(in crate::models) struct BlockConfig {
    /// Where a block normalises, and how its weights are named and start.
    pub(in crate::models) form: SasrecForm,
    /// Width D.
    pub(in crate::models) width: i64,
    /// Attention heads, a divisor of the width.
    pub(in crate::models) heads: i64,
    /// Inner width of the feed-forward layers.
    pub(in crate::models) inner: i64,
    /// Activation of the feed-forward layers.
    pub(in crate::models) activation: Activation,
    /// Epsilon of the norms.
    pub(in crate::models) norm_eps: f64,
}

impl BlockConfig {
    /// Those of a SASRec.
    pub(super) fn of(config: &Config) -> Self {
        Self {
            form: config.form,
            width: config.hidden_units as i64,
            heads: config.num_heads as i64,
            inner: config.inner() as i64,
            activation: config.activation(),
            norm_eps: config.norm_eps(),
        }
    }
}

/// A norm over the width.
#[derive(Debug)]
pub(in crate::models) struct Norm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl Norm {
    pub(in crate::models) fn new(
        parameters: &mut Parameters,
        name: &str,
        config: &BlockConfig,
    ) -> Self {
        let width = config.width;
        Self {
            weight: parameters.add(format!("{name}.weight"), parameters::ones(&[width])),
            bias: parameters.add(format!("{name}.bias"), parameters::zeros(&[width])),
            eps: config.norm_eps,
        }
    }

    pub(in crate::models) fn forward(&self, x: &Tensor) -> Tensor {
        let width = self.bias.size();
        x.layer_norm(
            &width,
            Some(&self.weight),
            Some(&self.bias),
            self.eps,
            false,
        )
    }
}

/// A matrix [outputs, inputs] as the form's code starts it.
pub(in crate::models) fn matrix(form: SasrecForm, shape: &[i64; 2]) -> Tensor {
    match form {
        SasrecForm::Allmrec
        | SasrecForm::PmixerPreNorm
        | SasrecForm::PmixerPostNorm
        | SasrecForm::Ligr
        | SasrecForm::Morec => parameters::xavier_normal(shape),
        // TensorFlow's default, of queries, keys and values one by one.
        SasrecForm::Kang if shape[0] == 3 * shape[1] => {
            let each = [shape[1], shape[1]];
            let parts = [0; 3].map(|_| parameters::xavier_uniform(&each));
            Tensor::cat(&parts, 0)
        }
        SasrecForm::Kang => parameters::xavier_uniform(shape),
        SasrecForm::Recbole => parameters::normal(shape, 0.02),
    }
}

/// Where the feed-forward part drops elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drops {
    /// Before the activation and at the output.
    BeforeActivation,
    /// After the activation and at the output.
    AfterActivation,
    /// At the output alone.
    Output,
}

/// Two linear layers. In the forms that follow SASRec's code they are convolutions of kernel 1.
#[derive(Debug)]
pub(super) struct FeedForward {
    /// Weight and bias; `ligr` has no bias.
    layers: [(Tensor, Option<Tensor>); 2],
    /// Of `ligr`: a third layer, whose output is multiplied with the activation (SwiGLU).
    linear: Option<Tensor>,
    activation: Activation,
    drops: Drops,
}

impl FeedForward {
    fn new(parameters: &mut Parameters, config: &BlockConfig, n: usize) -> Self {
        let (width, inner) = (config.width, config.inner);
        let form = config.form;
        let mut layer = |number: u32, outputs: i64, inputs: i64| {
            let name = feed_forward_name(form, n, number);
            let weight = matrix(form, &[outputs, inputs]);
            let weight = match form {
                SasrecForm::Recbole | SasrecForm::Ligr | SasrecForm::Morec => weight,
                // A kernel of one adds nothing to the fan.
                SasrecForm::Allmrec
                | SasrecForm::Kang
                | SasrecForm::PmixerPreNorm
                | SasrecForm::PmixerPostNorm => weight.unsqueeze(-1),
            };
            let bias = match form {
                // PyTorch's own start, which xavier_normal_ leaves as it is.
                SasrecForm::PmixerPreNorm | SasrecForm::PmixerPostNorm => Some(
                    parameters::uniform(&[outputs], 1.0 / (inputs as f64).sqrt()),
                ),
                SasrecForm::Allmrec
                | SasrecForm::Kang
                | SasrecForm::Recbole
                | SasrecForm::Morec => Some(parameters::zeros(&[outputs])),
                SasrecForm::Ligr => None,
            };
            let weight = parameters.add(format!("{name}.weight"), weight);
            let bias = bias.map(|bias| parameters.add(format!("{name}.bias"), bias));
            (weight, bias)
        };
        let layers = [layer(1, inner, width), layer(2, width, inner)];
        Self {
            layers,
            linear: (form == SasrecForm::Ligr).then(|| layer(3, inner, width).0),
            activation: config.activation,
            drops: match form {
                SasrecForm::Allmrec | SasrecForm::PmixerPreNorm | SasrecForm::PmixerPostNorm => {
                    Drops::BeforeActivation
                }
                SasrecForm::Kang | SasrecForm::Ligr => Drops::AfterActivation,
                SasrecForm::Recbole | SasrecForm::Morec => Drops::Output,
            },
        }
    }

    fn forward(&self, x: &Tensor, noise: &mut Option<Noise>) -> Tensor {
        let linear = |x: &Tensor, (weight, bias): &(Tensor, Option<Tensor>)| match weight.dim() {
            3 => product::linear(x, &weight.squeeze_dim(-1), bias.as_ref()),
            _ => product::linear(x, weight, bias.as_ref()),
        };
        let mut inner = linear(x, &self.layers[0]);
        if self.drops == Drops::BeforeActivation {
            inner = drop_some(inner, noise);
        }
        inner = activated(self.activation, &inner);
        if let Some(weight) = &self.linear {
            inner *= product::linear(x, weight, None);
        }
        if self.drops == Drops::AfterActivation {
            inner = drop_some(inner, noise);
        }
        drop_some(linear(&inner, &self.layers[1]), noise)
    }
}

/// Name of layer `number` of block `n`.
fn feed_forward_name(form: SasrecForm, n: usize, number: u32) -> String {
    match form {
        SasrecForm::Recbole => format!("trm_encoder.layer.{n}.feed_forward.dense_{number}"),
        SasrecForm::Ligr => {
            format!("transformer_layers.transformer_blocks.{n}.feed_forward.ff_linear_{number}")
        }
        SasrecForm::Morec => format!("{}.feed_forward.w_{number}", morec_block(n)),
        SasrecForm::Allmrec
        | SasrecForm::Kang
        | SasrecForm::PmixerPreNorm
        | SasrecForm::PmixerPostNorm => format!("forward_layers.{n}.conv{number}"),
    }
}

/// What names of block `n` of the form `morec` begin with.
fn morec_block(n: usize) -> String {
    format!("user_encoder.transformer_encoder.transformer_blocks.{n}")
}

fn activated(activation: Activation, x: &Tensor) -> Tensor {
    match activation {
        Activation::Relu => x.relu(),
        Activation::Gelu => x.gelu("none"),
        Activation::Swish => x.silu(),
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => x.sigmoid(),
    }
}

/// Dropout where there is noise.
pub(in crate::models) fn drop_some(x: Tensor, noise: &mut Option<Noise>) -> Tensor {
    match noise {
        Some(noise) => noise.drop_some(&x),
        None => x,
    }
}

/// What a block reads and leaves: the tokens' states [T, D], and the state [1, D] that all padded
/// slots share.
#[derive(Debug)]
pub(in crate::models) struct Hidden {
    pub(in crate::models) tokens: Tensor,
    pub(in crate::models) padding: Tensor,
}

/// A block.
#[derive(Debug)]
pub(in crate::models) struct Block {
    form: SasrecForm,
    norm_attention: Norm,
    attention: Attention,
    norm_forward: Norm,
    forward: FeedForward,
    /// Gates of attention and feed-forward, each a linear layer of the block's width; `ligr` alone
    /// has them.
    gates: Option<[(Tensor, Tensor); 2]>,
}

/// The gates of a LiGR layer, as PyTorch starts biases.
fn gates(parameters: &mut Parameters, block: &str, width: i64) -> [(Tensor, Tensor); 2] {
    [1, 2].map(|part| {
        let name = format!("{block}.gating_linear_{part}");
        let bias = parameters::uniform(&[width], 1.0 / (width as f64).sqrt());
        let weight = matrix(SasrecForm::Ligr, &[width, width]);
        (
            parameters.add(format!("{name}.weight"), weight),
            parameters.add(format!("{name}.bias"), bias),
        )
    })
}

impl Block {
    pub(in crate::models) fn new(
        parameters: &mut Parameters,
        config: &BlockConfig,
        n: usize,
    ) -> Self {
        let form = config.form;
        let shape = AttentionShape {
            width: config.width,
            heads: config.heads,
        };
        let start = |shape: &[i64; 2]| matrix(form, shape);
        if form == SasrecForm::Recbole {
            let name = format!("trm_encoder.layer.{n}");
            let attention = format!("{name}.multi_head_attention");
            return Self {
                form,
                attention: Attention::separate(
                    parameters,
                    &attention,
                    shape,
                    Separate::BERT,
                    start,
                ),
                norm_attention: Norm::new(parameters, &format!("{attention}.LayerNorm"), config),
                forward: FeedForward::new(parameters, config, n),
                norm_forward: Norm::new(
                    parameters,
                    &format!("{name}.feed_forward.LayerNorm"),
                    config,
                ),
                gates: None,
            };
        }
        if form == SasrecForm::Morec {
            let name = morec_block(n);
            let attention = format!("{name}.multi_head_attention");
            return Self {
                form,
                attention: Attention::separate(
                    parameters,
                    &attention,
                    shape,
                    Separate::MOREC,
                    start,
                ),
                norm_attention: Norm::new(parameters, &format!("{attention}.layer_norm"), config),
                forward: FeedForward::new(parameters, config, n),
                norm_forward: Norm::new(
                    parameters,
                    &format!("{name}.feed_forward.layer_norm"),
                    config,
                ),
                gates: None,
            };
        }
        if form == SasrecForm::Ligr {
            let name = format!("transformer_layers.transformer_blocks.{n}");
            let attention = format!("{name}.multi_head_attn");
            return Self {
                form,
                attention: Attention::joined(parameters, &attention, shape, start, true),
                norm_attention: Norm::new(parameters, &format!("{name}.layer_norm_1"), config),
                forward: FeedForward::new(parameters, config, n),
                norm_forward: Norm::new(parameters, &format!("{name}.layer_norm_2"), config),
                gates: Some(gates(parameters, &name, config.width)),
            };
        }
        let projects_out = form != SasrecForm::Kang;
        let name = format!("attention_layers.{n}");
        Self {
            form,
            norm_attention: Norm::new(parameters, &format!("attention_layernorms.{n}"), config),
            attention: Attention::joined(parameters, &name, shape, start, projects_out),
            norm_forward: Norm::new(parameters, &format!("forward_layernorms.{n}"), config),
            forward: FeedForward::new(parameters, config, n),
            gates: None,
        }
    }

    /// The block on all tokens.
    pub(in crate::models) fn all(
        &self,
        x: &Hidden,
        packed: &Packed,
        noise: &mut Option<Noise>,
    ) -> Hidden {
        let queries = self.queries(&x.tokens);
        let keys = self.keys(x, &queries);
        let taken = self.attention.all(&queries, &keys, packed, noise.as_mut());
        Hidden {
            tokens: self.finish(&x.tokens, &queries, taken, noise),
            padding: self.padding(&x.padding),
        }
    }

    /// The block on each row's last token, [T, D] -> [R, D].
    pub(in crate::models) fn last(
        &self,
        x: &Hidden,
        packed: &Packed,
        groups: &[Group],
        noise: &mut Option<Noise>,
    ) -> Tensor {
        let queries = self.queries(&x.tokens);
        let keys = self.keys(x, &queries);
        let [x, queries] = [&x.tokens, &queries].map(|all| all.index_select(0, &packed.last));
        let taken = self
            .attention
            .last(&queries, &keys, packed, groups, noise.as_mut());
        self.finish(&x, &queries, taken, noise)
    }

    /// The state of padded slots after the block. Padding is before every token, so that padded
    /// slots see each other alone: they start equal and stay equal, and each takes its own value.
    pub(super) fn padding(&self, x: &Tensor) -> Tensor {
        if !self.form.padding_evolves() {
            return x.shallow_clone();
        }
        let queries = self.queries(x);
        let keys = match self.form.order() {
            NetworkOrder::PreNorm | NetworkOrder::Gated => &queries,
            NetworkOrder::NormalisedQuery | NetworkOrder::PostNorm => x,
        };
        let taken = self.attention.alone(keys);
        self.finish(x, &queries, taken, &mut None)
    }

    /// What queries are made of.
    fn queries(&self, x: &Tensor) -> Tensor {
        match self.form.order() {
            NetworkOrder::NormalisedQuery | NetworkOrder::PreNorm | NetworkOrder::Gated => {
                self.norm_attention.forward(x)
            }
            NetworkOrder::PostNorm => x.shallow_clone(),
        }
    }

    /// What keys and values are made of, with the padded slots' at the end.
    fn keys(&self, x: &Hidden, queries: &Tensor) -> Tensor {
        match self.form.order() {
            NetworkOrder::PreNorm | NetworkOrder::Gated => {
                Tensor::cat(&[queries, &self.norm_attention.forward(&x.padding)], 0)
            }
            NetworkOrder::NormalisedQuery | NetworkOrder::PostNorm => {
                Tensor::cat(&[&x.tokens, &x.padding], 0)
            }
        }
    }

    /// Residuals and the feed-forward part.
    fn finish(
        &self,
        x: &Tensor,
        queries: &Tensor,
        taken: Tensor,
        noise: &mut Option<Noise>,
    ) -> Tensor {
        match self.form.order() {
            NetworkOrder::NormalisedQuery => {
                let x = self.norm_forward.forward(&(taken + queries));
                self.forward.forward(&x, noise) + x
            }
            NetworkOrder::PreNorm => {
                let x = taken + x;
                let normed = self.norm_forward.forward(&x);
                self.forward.forward(&normed, noise) + x
            }
            NetworkOrder::Gated => {
                let gate = |x: &Tensor, part: usize| {
                    let (weight, bias) = &self.gates.as_ref().expect("the form has gates")[part];
                    product::linear(x, weight, Some(bias)).sigmoid()
                };
                let x = x + gate(x, 0) * drop_some(taken, noise);
                let normed = self.norm_forward.forward(&x);
                &x + gate(&x, 1) * self.forward.forward(&normed, noise)
            }
            NetworkOrder::PostNorm => {
                let taken = match self.form {
                    SasrecForm::Recbole | SasrecForm::Morec => drop_some(taken, noise),
                    _ => taken,
                };
                let x = self.norm_attention.forward(&(taken + x));
                let forward = self.forward.forward(&x, noise);
                self.norm_forward.forward(&(forward + x))
            }
        }
    }
}
