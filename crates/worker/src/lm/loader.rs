//! From named weights, or from none, to a decoder.

use std::collections::{BTreeMap, BTreeSet};

use tch::{Device, Kind, Tensor};

use super::LmError;
use super::int8::Int8;
use super::layers::{Block, Linear, Matrix, Mlp, Norm};
use crate::hf::surplus::surplus;
use allround_core::lm_config::{Family, LmConfig};

/// Anything that holds tensors by upstream name.
pub trait WeightSource {
    /// Whether there is a tensor of this name.
    fn contains(&self, name: &str) -> bool;

    /// The tensor, in its own number type.
    ///
    /// # Errors
    /// In words, when it is not there or cannot be read.
    fn tensor(&self, name: &str) -> Result<Tensor, String>;

    /// Every tensor's name.
    fn names(&self) -> Vec<&str>;

    /// What holds the tensors, for errors.
    fn place(&self) -> String;
}

impl WeightSource for BTreeMap<String, Tensor> {
    fn contains(&self, name: &str) -> bool {
        self.contains_key(name)
    }

    fn tensor(&self, name: &str) -> Result<Tensor, String> {
        let tensor = self.get(name).map(Tensor::shallow_clone);
        tensor.ok_or_else(|| format!("`{name}` is not among {} tensors", self.len()))
    }

    fn names(&self) -> Vec<&str> {
        self.keys().map(String::as_str).collect()
    }

    fn place(&self) -> String {
        "the list of weights".to_owned()
    }
}

/// The table that makes logits, where it is not that of the embeddings.
const HEAD: &str = "lm_head.weight";

/// Packed matrices are held next to the plain ones, and once more for gradients. For the sake of
/// memory, models are not packed whose matrices into the MLPs hold more numbers than this: OPT-1.3b
/// still is, OPT-2.7b is not.
const LARGEST_PACKED: i64 = 1 << 29;

/// How weights are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    /// Number type of weights and states.
    pub kind: Kind,
    /// Whether the blocks' linear layers are held in eight bits.
    pub int8: bool,
    /// Whether all weights are trained (for the small model that is pre-trained here); otherwise
    /// they never get gradients.
    pub trainable: bool,
    /// Where they live.
    pub device: Device,
}

impl Holding {
    /// Frozen weights of this number type.
    pub fn frozen(kind: Kind, device: Device) -> Self {
        Self {
            kind,
            int8: false,
            trainable: false,
            device,
        }
    }
}

/// Where weights come from.
pub(super) enum Source<'a> {
    /// Upstream's.
    Held(&'a dyn WeightSource),
    /// Drawn: matrices normal with this deviation, biases 0, norms the factor 1.
    Drawn(f64),
}

/// All weights of a decoder while it is put together.
pub(super) struct Loader<'a> {
    source: Source<'a>,
    holding: Holding,
    /// Whether matrices are packed for the CPU.
    pub pack: bool,
    /// What the weights of norms start at when they are drawn.
    norm_start: f64,
    /// Front of every name in the source; published OPT files lack `model.`.
    cut: usize,
    /// Names in the source of what was read.
    taken: BTreeSet<String>,
    /// Weights in the order of their use.
    pub named: Vec<(String, Tensor)>,
}

impl<'a> Loader<'a> {
    /// A loader from `source` that holds weights as `holding` says.
    pub fn new(source: Source<'a>, holding: Holding, config: &LmConfig) -> Self {
        let table = table_name(config);
        let cut = match &source {
            Source::Held(held) if !held.contains(table) => {
                let short = "model.".len();
                if held.contains(&table[short..]) {
                    short
                } else {
                    0
                }
            }
            _ => 0,
        };
        let matrix = config.hidden_size * config.ffn_size;
        Self {
            pack: !holding.trainable && config.layers as i64 * matrix < LARGEST_PACKED,
            norm_start: if config.norm_offset { 0.0 } else { 1.0 },
            source,
            holding,
            cut,
            taken: BTreeSet::new(),
            named: Vec::new(),
        }
    }

    /// The weight called `name`, which must have this shape.
    pub fn take(&mut self, name: &str, shape: &[i64]) -> Result<Tensor, LmError> {
        let tensor = self.read(name, shape)?;
        Ok(self.keep(name, tensor))
    }

    /// Refuses a source with weights that belong to the model and were not read. Also refuses a
    /// head that differs from the table that takes its place.
    pub fn check_all_taken(&self, config: &LmConfig) -> Result<(), LmError> {
        let Source::Held(held) = &self.source else {
            return Ok(());
        };
        if config.tied && held.contains(HEAD) {
            let table = held.tensor(&table_name(config)[self.cut..]);
            if table.ok() != held.tensor(HEAD).ok() {
                let place = held.place();
                return Err(LmError::Tied { place });
            }
        }
        let front = match config.family {
            Family::Opt => "model.decoder.",
            Family::Llama => "model.",
        };
        let own = [&front[self.cut..], "lm_head."];
        let taken = |name: &str| {
            let copy_of_table = config.tied && name == HEAD;
            copy_of_table || self.taken.contains(name)
        };
        let Some(names) = surplus(held.names(), &own, taken) else {
            return Ok(());
        };
        Err(LmError::Surplus {
            place: held.place(),
            names,
            said: said(config),
        })
    }

    fn keep(&mut self, name: &str, tensor: Tensor) -> Tensor {
        let tensor = tensor.set_requires_grad(self.holding.trainable);
        self.named.push((name.to_owned(), tensor.shallow_clone()));
        tensor
    }

    fn read(&mut self, name: &str, shape: &[i64]) -> Result<Tensor, LmError> {
        let Holding { kind, device, .. } = self.holding;
        let held = match &self.source {
            Source::Drawn(deviation) => return Ok(self.draw(name, shape, *deviation)),
            Source::Held(held) => held,
        };
        let short = if name.starts_with("model.") {
            &name[self.cut..]
        } else {
            name
        };
        let tensor = held.tensor(short).map_err(|why| LmError::Weight {
            name: short.to_owned(),
            shape: shape.to_vec(),
            why,
        })?;
        if tensor.size() != shape {
            return Err(LmError::Shape {
                place: held.place(),
                name: short.to_owned(),
                found: tensor.size(),
                expected: shape.to_vec(),
            });
        }
        self.taken.insert(short.to_owned());
        // A copy, so that a source that is trained or freed later changes nothing here.
        Ok(tensor.detach().to_device(device).totype(kind).copy())
    }

    fn draw(&self, name: &str, shape: &[i64], deviation: f64) -> Tensor {
        let Holding { kind, device, .. } = self.holding;
        if shape.len() == 1 {
            let start = match name.ends_with(".bias") {
                true => 0.0,
                false => self.norm_start,
            };
            return Tensor::full(shape, start, (kind, device));
        }
        // What is trained starts on the CPU, so that every device begins with the same numbers;
        // what only measures cost starts where it is used.
        let device_of_draw = if self.holding.trainable {
            Device::Cpu
        } else {
            device
        };
        let drawn = Tensor::zeros(shape, (Kind::Float, device_of_draw)).normal_(0.0, deviation);
        drawn.to_device(device).to_kind(kind)
    }

    /// The linear layer `name`, [outputs, inputs].
    ///
    /// # Errors
    /// When a weight is missing or of another shape.
    pub fn linear(
        &mut self,
        name: &str,
        [outputs, inputs]: [i64; 2],
        bias: bool,
    ) -> Result<Linear, LmError> {
        if !self.holding.int8 {
            return self.full_linear(name, [outputs, inputs], bias);
        }
        let matrix = Int8::new(&self.read(&format!("{name}.weight"), &[outputs, inputs])?);
        self.linear_of(name, Matrix::Int8(matrix), outputs, bias)
    }

    /// A linear layer that is never held in eight bits.
    pub fn full_linear(
        &mut self,
        name: &str,
        [outputs, inputs]: [i64; 2],
        bias: bool,
    ) -> Result<Linear, LmError> {
        let matrix = self.take(&format!("{name}.weight"), &[outputs, inputs])?;
        let matrix = Matrix::new(matrix, self.pack);
        self.linear_of(name, matrix, outputs, bias)
    }

    fn linear_of(
        &mut self,
        name: &str,
        matrix: Matrix,
        outputs: i64,
        bias: bool,
    ) -> Result<Linear, LmError> {
        let bias = bias
            .then(|| self.take(&format!("{name}.bias"), &[outputs]))
            .transpose()?;
        Ok(Linear {
            name: name.to_owned(),
            matrix,
            bias,
            adapter: None,
        })
    }

    /// The norm `name` of states.
    ///
    /// # Errors
    /// As [`Loader::linear`].
    pub fn norm(&mut self, name: &str, config: &LmConfig) -> Result<Norm, LmError> {
        self.norm_of(name, config.hidden_size, config)
    }

    /// The norm `name` of rows of `width` numbers.
    fn norm_of(&mut self, name: &str, width: i64, config: &LmConfig) -> Result<Norm, LmError> {
        let mut part = |part: &str, there: bool| {
            let name = format!("{name}.{part}");
            there.then(|| self.take(&name, &[width])).transpose()
        };
        Ok(Norm {
            family: config.family,
            width,
            weight: part("weight", config.norm_affine)?,
            bias: part("bias", config.norm_affine && config.family == Family::Opt)?,
            offset: config.norm_offset,
            eps: config.norm_eps,
        })
    }

    /// The norms `names` of rows of `width` numbers, if they are `there`.
    fn norms(
        &mut self,
        there: bool,
        names: [String; 2],
        width: i64,
        config: &LmConfig,
    ) -> Result<Option<[Norm; 2]>, LmError> {
        if !there {
            return Ok(None);
        }
        let [first, second] = names.map(|name| self.norm_of(&name, width, config));
        Ok(Some([first?, second?]))
    }

    /// Block `number`, 0 for the first.
    ///
    /// # Errors
    /// As [`Loader::linear`].
    pub fn block(&mut self, number: usize, config: &LmConfig) -> Result<Block, LmError> {
        let names = Names::of(config);
        let part = |part: &str| format!("{}.{number}.{part}", names.front);
        let (width, head) = (config.hidden_size, config.head_size);
        let (asked, known) = (config.heads * head, config.kv_heads * head);
        let bias = config.attention_bias;
        let of_heads = ["self_attn.q_norm", "self_attn.k_norm"].map(part);
        let of_results = ["post_attention_layernorm", "post_feedforward_layernorm"].map(part);
        Ok(Block {
            query: self.linear(&part("self_attn.q_proj"), [asked, width], bias)?,
            key: self.linear(&part("self_attn.k_proj"), [known, width], bias)?,
            value: self.linear(&part("self_attn.v_proj"), [known, width], bias)?,
            output: self.linear(&part(names.output), [width, asked], config.output_bias)?,
            head_norms: self.norms(config.head_norms, of_heads, head, config)?,
            norm: self.norm(&part(names.norm), config)?,
            result_norms: self.norms(config.result_norms, of_results, width, config)?,
            mlp: self.mlp(&part, config)?,
            mlp_norm: self.norm(&part(names.mlp_norm), config)?,
        })
    }

    fn mlp(&mut self, part: &dyn Fn(&str) -> String, config: &LmConfig) -> Result<Mlp, LmError> {
        let (width, inner, bias) = (config.hidden_size, config.ffn_size, config.mlp_bias);
        Ok(match config.family {
            Family::Opt => Mlp::Plain {
                inner: self.linear(&part("fc1"), [inner, width], bias)?,
                outer: self.linear(&part("fc2"), [width, inner], bias)?,
            },
            Family::Llama => Mlp::Gated {
                gate: self.linear(&part("mlp.gate_proj"), [inner, width], bias)?,
                up: self.linear(&part("mlp.up_proj"), [inner, width], bias)?,
                down: self.linear(&part("mlp.down_proj"), [width, inner], bias)?,
            },
        })
    }
}

/// Upstream's names in a block that depend on the family.
struct Names {
    front: &'static str,
    output: &'static str,
    norm: &'static str,
    mlp_norm: &'static str,
}

impl Names {
    fn of(config: &LmConfig) -> Self {
        match config.family {
            Family::Opt => Names {
                front: "model.decoder.layers",
                output: "self_attn.out_proj",
                norm: "self_attn_layer_norm",
                mlp_norm: "final_layer_norm",
            },
            Family::Llama => Names {
                front: "model.layers",
                output: "self_attn.o_proj",
                norm: "input_layernorm",
                // Llama's norm after the attention is the one before the MLP. Gemma 3 has both.
                mlp_norm: match config.result_norms {
                    true => "pre_feedforward_layernorm",
                    false => "post_attention_layernorm",
                },
            },
        }
    }
}

/// What decides which weights a model has, in words for an error.
fn said(config: &LmConfig) -> String {
    let with = |there: bool| if there { "with" } else { "without" };
    format!(
        "{} layers, {} a final norm, {} weights in norms, {} norms of heads, {} biases in attention, {} biases in MLPs",
        config.layers,
        with(config.final_norm),
        with(config.norm_affine),
        with(config.head_norms),
        with(config.attention_bias),
        with(config.mlp_bias),
    )
}

/// Name of the token embeddings.
pub(super) fn table_name(config: &LmConfig) -> &'static str {
    match config.family {
        Family::Opt => "model.decoder.embed_tokens.weight",
        Family::Llama => "model.embed_tokens.weight",
    }
}
