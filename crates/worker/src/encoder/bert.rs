//! BERT (Devlin et al. 2019) and DistilBERT (Sanh et al. 2019) as encoders: a state for every token
//! of a text.
//!
//! Weights carry the names of transformers' `BertModel` and `DistilBertModel`. All but attention
//! runs on packed tokens, so that padding costs nothing.

use std::collections::BTreeSet;
use std::path::Path;

use allround_core::fs::{self, FsError};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

use crate::hf::checkpoint::{Checkpoint, CheckpointError};
use crate::nn::noise::dropout;
use crate::nn::packed_texts::{Group, PackedTexts};
use crate::nn::{Parameters, embedding};
use crate::torch_ext::product;

/// Why an encoder cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BertError {
    /// `config.json` cannot be read.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The weights cannot.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// `config.json` does not describe an encoder of these two forms.
    #[error("`{path}`: {reason}")]
    Config {
        /// The file.
        path: String,
        /// What is wrong and what was expected.
        reason: String,
    },
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// With segment embeddings.
    Bert,
    /// Without.
    DistilBert,
}

/// Shape and dropout, as `config.json` says them.
#[derive(Clone, Debug, PartialEq)]
pub struct BertConfig {
    /// Which form.
    pub form: Form,
    /// Size V of the vocabulary.
    pub vocab_size: i64,
    /// Width D.
    pub width: i64,
    /// Layers.
    pub layers: i64,
    /// Heads H.
    pub heads: i64,
    /// Width inside a layer's second half.
    pub inner: i64,
    /// Longest text in tokens.
    pub positions: i64,
    /// Segments (BERT).
    pub segments: i64,
    /// Dropout on states.
    pub dropout: f64,
    /// Dropout on attention weights.
    pub attention_dropout: f64,
    /// Term under the root of layer norms.
    pub eps: f64,
    /// Between the halves of a layer's second half.
    pub activation: Activation,
}

/// A layer's nonlinearity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// With the error function.
    Gelu,
    /// Its approximation with tanh.
    GeluTanh,
    /// max(0, x).
    Relu,
}

impl Activation {
    /// The one that a `config.json` calls `name` under `key`.
    fn named(key: &str, name: &str) -> Result<Self, String> {
        match name {
            "gelu" => Ok(Self::Gelu),
            "gelu_new" | "gelu_pytorch_tanh" => Ok(Self::GeluTanh),
            "relu" => Ok(Self::Relu),
            other => Err(format!(
                "`{key}` is `{other}`; expected `gelu`, `gelu_new` or `relu`"
            )),
        }
    }
}

impl BertConfig {
    /// Reads the `config.json` of a Hugging Face folder.
    ///
    /// # Errors
    /// When it is missing, or describes another model.
    pub fn open(folder: &Path) -> Result<Self, BertError> {
        let path = folder.join("config.json");
        let wrong = |reason: String| BertError::Config {
            path: path.display().to_string(),
            reason,
        };
        let value: Value = serde_json::from_slice(&fs::read_text(&path)?)
            .map_err(|error| wrong(error.to_string()))?;
        Self::from_json(&value).map_err(wrong)
    }

    fn from_json(value: &Value) -> Result<Self, String> {
        let form = match value["model_type"].as_str() {
            Some("bert") => Form::Bert,
            Some("distilbert") => Form::DistilBert,
            other => {
                let other = other.unwrap_or("nothing");
                return Err(format!(
                    "`model_type` is `{other}`; expected `bert` or `distilbert`"
                ));
            }
        };
        let name = |bert: &'static str, distil: &'static str| match form {
            Form::Bert => bert,
            Form::DistilBert => distil,
        };
        let count = |name: &str| match value[name].as_i64() {
            Some(count) if count > 0 => Ok(count),
            _ => Err(format!(
                "`{name}` is {}; expected a number above 0",
                value[name]
            )),
        };
        let real = |name: &str, default: f64| value[name].as_f64().unwrap_or(default);
        let activation = name("hidden_act", "activation");
        let activation =
            Activation::named(activation, value[activation].as_str().unwrap_or("gelu"))?;
        if let Some(kind) = value["position_embedding_type"].as_str()
            && kind != "absolute"
        {
            return Err(format!(
                "`position_embedding_type` is `{kind}`; expected `absolute`"
            ));
        }
        let config = Self {
            form,
            vocab_size: count("vocab_size")?,
            width: count(name("hidden_size", "dim"))?,
            layers: count(name("num_hidden_layers", "n_layers"))?,
            heads: count(name("num_attention_heads", "n_heads"))?,
            inner: count(name("intermediate_size", "hidden_dim"))?,
            positions: count("max_position_embeddings")?,
            segments: value["type_vocab_size"].as_i64().unwrap_or(2),
            dropout: real(name("hidden_dropout_prob", "dropout"), 0.1),
            attention_dropout: real(
                name("attention_probs_dropout_prob", "attention_dropout"),
                0.1,
            ),
            eps: real("layer_norm_eps", 1e-12),
            activation,
        };
        if config.width % config.heads != 0 {
            let (width, heads) = (config.width, config.heads);
            return Err(format!("width {width} is not divisible by {heads} heads"));
        }
        Ok(config)
    }
}

/// Reads weights under the names that a checkpoint has for them.
struct Source<'a> {
    checkpoint: &'a Checkpoint,
    /// The prefix of every name.
    prefix: &'static str,
    parameters: Parameters,
    /// Names in the checkpoint of what was read.
    taken: BTreeSet<String>,
}

impl<'a> Source<'a> {
    fn new(checkpoint: &'a Checkpoint, device: Device) -> Self {
        let known = ["", "bert.", "distilbert.", "0.auto_model."];
        let first = "embeddings.word_embeddings.weight";
        let prefix = known
            .into_iter()
            .find(|prefix| checkpoint.contains(&format!("{prefix}{first}")));
        Self {
            checkpoint,
            prefix: prefix.unwrap_or_default(),
            parameters: Parameters::new(device),
            taken: BTreeSet::new(),
        }
    }

    /// Refuses a checkpoint with embeddings or layers that the configuration has no place for.
    fn check_all_taken(&self, config: &BertConfig) -> Result<(), BertError> {
        let (form, layers) = match config.form {
            Form::Bert => ("bert", "encoder."),
            Form::DistilBert => ("distilbert", "transformer."),
        };
        let own = ["embeddings.", layers].map(|part| format!("{}{part}", self.prefix));
        let own = own.each_ref().map(String::as_str);
        let taken = |name: &str| self.taken.contains(name);
        let said = || format!("`model_type` is `{form}` with {} layers", config.layers);
        Ok(self.checkpoint.check_all_taken(&own, taken, said)?)
    }

    fn take(&mut self, name: &str, shape: &[i64]) -> Result<Tensor, BertError> {
        let mut there = format!("{}{name}", self.prefix);
        if !self.checkpoint.contains(&there) {
            // The first release of BERT's weights called a norm's scale and bias so.
            let older = there.replace("LayerNorm.weight", "LayerNorm.gamma");
            let older = older.replace("LayerNorm.bias", "LayerNorm.beta");
            if self.checkpoint.contains(&older) {
                there = older;
            }
        }
        let value = self.checkpoint.shaped(&there, shape)?.to_kind(Kind::Float);
        self.taken.insert(there);
        Ok(self.parameters.add(name, value))
    }

    fn linear(&mut self, name: &str, outputs: i64, inputs: i64) -> Result<Linear, BertError> {
        Ok(Linear {
            weight: self.take(&format!("{name}.weight"), &[outputs, inputs])?,
            bias: self.take(&format!("{name}.bias"), &[outputs])?,
        })
    }

    fn norm(&mut self, name: &str, config: &BertConfig) -> Result<Norm, BertError> {
        Ok(Norm {
            weight: self.take(&format!("{name}.weight"), &[config.width])?,
            bias: self.take(&format!("{name}.bias"), &[config.width])?,
            eps: config.eps,
        })
    }
}

#[derive(Debug)]
struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    fn forward(&self, x: &Tensor) -> Tensor {
        product::linear(x, &self.weight, Some(&self.bias))
    }
}

#[derive(Debug)]
struct Norm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl Norm {
    fn forward(&self, x: &Tensor) -> Tensor {
        x.layer_norm(
            self.weight.size(),
            Some(&self.weight),
            Some(&self.bias),
            self.eps,
            true,
        )
    }
}

/// One layer: attention over the text, then a perceptron on each token, each with residual and norm
/// after it.
#[derive(Debug)]
struct Layer {
    /// Query, key, value.
    inputs: [Linear; 3],
    output: Linear,
    attention_norm: Norm,
    inner: Linear,
    outer: Linear,
    norm: Norm,
    heads: i64,
    dropout: f64,
    attention_dropout: f64,
    activation: Activation,
}

/// Names of a layer's parts in the two forms.
struct Names {
    layer: &'static str,
    inputs: [&'static str; 3],
    output: &'static str,
    attention_norm: &'static str,
    inner: &'static str,
    outer: &'static str,
    norm: &'static str,
}

const BERT: Names = Names {
    layer: "encoder.layer",
    inputs: [
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
    ],
    output: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
    inner: "intermediate.dense",
    outer: "output.dense",
    norm: "output.LayerNorm",
};

const DISTILBERT: Names = Names {
    layer: "transformer.layer",
    inputs: ["attention.q_lin", "attention.k_lin", "attention.v_lin"],
    output: "attention.out_lin",
    attention_norm: "sa_layer_norm",
    inner: "ffn.lin1",
    outer: "ffn.lin2",
    norm: "output_layer_norm",
};

impl Layer {
    fn new(source: &mut Source<'_>, config: &BertConfig, number: i64) -> Result<Self, BertError> {
        let names = match config.form {
            Form::Bert => BERT,
            Form::DistilBert => DISTILBERT,
        };
        let (width, inner) = (config.width, config.inner);
        let name = |part: &str| format!("{}.{number}.{part}", names.layer);
        let [query, key, value] = names.inputs.map(name);
        Ok(Self {
            inputs: [
                source.linear(&query, width, width)?,
                source.linear(&key, width, width)?,
                source.linear(&value, width, width)?,
            ],
            output: source.linear(&name(names.output), width, width)?,
            attention_norm: source.norm(&name(names.attention_norm), config)?,
            inner: source.linear(&name(names.inner), inner, width)?,
            outer: source.linear(&name(names.outer), width, inner)?,
            norm: source.norm(&name(names.norm), config)?,
            heads: config.heads,
            dropout: config.dropout,
            attention_dropout: config.attention_dropout,
            activation: config.activation,
        })
    }

    /// New states [T, D] of the packed tokens.
    fn forward(&self, x: &Tensor, packed: &PackedTexts, train: bool) -> Tensor {
        let mixed = self.output.forward(&self.attend(x, packed, train));
        let x = self
            .attention_norm
            .forward(&(x + dropout(&mixed, self.dropout, train)));
        let inner = self.inner.forward(&x);
        let inner = match self.activation {
            Activation::Gelu => inner.gelu("none"),
            Activation::GeluTanh => inner.gelu("tanh"),
            Activation::Relu => inner.relu(),
        };
        let outer = dropout(&self.outer.forward(&inner), self.dropout, train);
        self.norm.forward(&(x + outer))
    }

    fn attend(&self, x: &Tensor, packed: &PackedTexts, train: bool) -> Tensor {
        // One multiplication for all three; joining the weights costs little next to it.
        let weight = Tensor::cat(&self.inputs.each_ref().map(|linear| &linear.weight), 0);
        let bias = Tensor::cat(&self.inputs.each_ref().map(|linear| &linear.bias), 0);
        let all = product::linear(x, &weight, Some(&bias)); // [T, 3 D]
        // Splitting once, not narrowing often: each narrowing would give backward a gradient of
        // full size.
        let parts = all.split_with_sizes(packed.sizes(), 0);
        let pairs = packed.groups.iter().zip(&parts);
        let mixed: Vec<Tensor> = pairs
            .map(|(group, part)| self.mix(group, part, train))
            .collect();
        Tensor::cat(&mixed, 0)
    }

    /// Attention within the rows of a group: `all` [tokens, 3 D] to [tokens, D].
    fn mix(&self, group: &Group, all: &Tensor, train: bool) -> Tensor {
        let dropped = if train { self.attention_dropout } else { 0.0 };
        let table = group.table(all).unflatten(2, [3, self.heads, -1]); // [b, L, 3, H, D / H]
        let parts = table.permute([2, 0, 3, 1, 4]).unbind(0);
        let pairs = (group.rows * group.longest * group.longest) as usize;
        product::attention(pairs, all.size()[1] / 3, [all; 3]);
        let plain = dropped > 0.0 && group.ragged.is_none() && all.device() == Device::Cpu;
        let mixed = if plain {
            mix_plainly(&parts, |weights| dropout(weights, dropped, true))
        } else {
            let mask = group.ragged.as_ref().map(|ragged| &ragged.mask);
            Tensor::scaled_dot_product_attention(
                &parts[0], &parts[1], &parts[2], mask, dropped, false, None, false,
            )
        }; // [b, H, L, D / H]
        let mixed = mixed.transpose(1, 2);
        group.tokens(mixed.reshape([group.rows * group.longest, -1]))
    }
}

/// Attention of query, key and value [b, H, L, D / H] whose weights go through `drop`.
/// LibTorch's own attention with dropout spends half its time on draws.
fn mix_plainly(parts: &[Tensor], drop: impl FnOnce(&Tensor) -> Tensor) -> Tensor {
    let (rows, heads, length, width) = parts[0].size4().expect("queries are [b, H, L, D / H]");
    let flat = |part: &Tensor| part.reshape([rows * heads, length, width]);
    let (query, key, value) = (flat(&parts[0]), flat(&parts[1]), flat(&parts[2]));
    let scale = 1.0 / (width as f64).sqrt();
    let weights = (query * scale).bmm(&key.transpose(1, 2)).softmax(-1, None);
    drop(&weights)
        .bmm(&value)
        .view([rows, heads, length, width])
}

/// The encoder.
#[derive(Debug)]
pub struct Bert {
    config: BertConfig,
    parameters: Parameters,
    words: Tensor,
    positions: Tensor,
    segments: Option<Tensor>,
    norm: Norm,
    layers: Vec<Layer>,
}

impl Bert {
    /// Builds the encoder with the weights of a checkpoint, in single precision.
    ///
    /// # Errors
    /// When a weight is missing or of another shape, or the checkpoint holds more than the
    /// configuration has a place for.
    pub fn new(
        config: BertConfig,
        checkpoint: &Checkpoint,
        device: Device,
    ) -> Result<Self, BertError> {
        let mut source = Source::new(checkpoint, device);
        let width = config.width;
        let name = |part: &str| format!("embeddings.{part}_embeddings.weight");
        let words = source.take(&name("word"), &[config.vocab_size, width])?;
        let positions = source.take(&name("position"), &[config.positions, width])?;
        let segments = match config.form {
            Form::Bert => Some(source.take(&name("token_type"), &[config.segments, width])?),
            Form::DistilBert => None,
        };
        let norm = source.norm("embeddings.LayerNorm", &config)?;
        let layers = (0..config.layers).map(|number| Layer::new(&mut source, &config, number));
        let layers = layers.collect::<Result<_, _>>()?;
        source.check_all_taken(&config)?;
        Ok(Self {
            parameters: source.parameters,
            config,
            words,
            positions,
            segments,
            norm,
            layers,
        })
    }

    /// Its shape.
    pub fn config(&self) -> &BertConfig {
        &self.config
    }

    /// Where it computes.
    pub fn device(&self) -> Device {
        self.parameters.device()
    }

    /// States [T, D] of packed tokens; `train` turns dropout on.
    pub fn forward(&self, packed: &PackedTexts, train: bool) -> Tensor {
        let mut x = embedding::rows(&self.words, &packed.ids)
            + embedding::rows(&self.positions, &packed.positions);
        if let Some(segments) = &self.segments {
            // All of a text is its first segment.
            x += segments.select(0, 0);
        }
        let mut x = dropout(&self.norm.forward(&x), self.config.dropout, train);
        for layer in &self.layers {
            x = layer.forward(&x, packed, train);
        }
        x
    }

    /// Every weight by its upstream name.
    pub fn weights(&self) -> Vec<(String, Tensor)> {
        self.parameters.named()
    }
}

#[cfg(test)]
mod tests;
