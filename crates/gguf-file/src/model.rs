//! The tensors of a decoder by Hugging Face's names.

use std::collections::{BTreeMap, BTreeSet};

use crate::rope::FACTORS;
use crate::{Architecture, Config, Fault, GgufError, GgufFile, TensorInfo};

/// A tensor in single precision.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Sizes, rows first.
    pub shape: Vec<usize>,
    /// Values, row by row.
    pub values: Vec<f32>,
}

/// What the converter did to a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Nothing,
    /// The rows of each head are reordered; with the number of heads.
    Heads(usize),
    /// 1 was added to every value.
    One,
}

/// A tensor that the model needs.
#[derive(Debug)]
struct Slot {
    gguf: String,
    shape: Vec<usize>,
    change: Change,
}

/// A decoder whose tensors are all there, each in its shape.
#[derive(Debug)]
pub struct Model<'f, 'a> {
    file: &'f GgufFile<'a>,
    config: Config,
    slots: BTreeMap<String, Slot>,
}

impl<'f, 'a> Model<'f, 'a> {
    /// Reads the configuration and compares the tensors with it. No tensor is dequantized.
    ///
    /// # Errors
    /// When the architecture is not known, or metadata or a tensor is missing. Also when a tensor
    /// has another shape than the metadata give it, or the architecture has no place for it.
    pub fn new(file: &'f GgufFile<'a>) -> Result<Self, GgufError> {
        let config = Config::read(file).map_err(|fault| file.error(fault))?;
        let slots = slots(file, &config).map_err(|fault| file.error(fault))?;
        Ok(Self {
            file,
            config,
            slots,
        })
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Hugging Face's names of the tensors, in alphabetical order. `lm_head.weight` is among them
    /// only where it is not the embedding table.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.slots.keys().map(String::as_str)
    }

    /// Shape of a tensor, rows first; `None` without such a tensor.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.slots.get(name).map(|slot| slot.shape.as_slice())
    }

    /// A tensor by Hugging Face's name, with its rows in Hugging Face's order.
    ///
    /// # Errors
    /// When the model has no such tensor.
    pub fn tensor(&self, name: &str) -> Result<Tensor, GgufError> {
        let found = self.slots.get(name);
        let found = found.and_then(|slot| Some((slot, self.file.tensor(&slot.gguf)?)));
        let Some((slot, info)) = found else {
            return Err(self.file.error(Fault::NoTensor {
                name: name.to_owned(),
                count: self.slots.len(),
                first: self.names().next().unwrap_or_default().to_owned(),
            }));
        };
        let mut values = self.file.values(info);
        match slot.change {
            Change::Nothing => {}
            Change::Heads(heads) => values = in_halves(&values, slot.shape[0], heads),
            Change::One => values.iter_mut().for_each(|value| *value -= 1.0),
        }
        Ok(Tensor {
            shape: slot.shape.clone(),
            values,
        })
    }
}

/// Puts the rows of each head back: row 2i + j of a head in the file is row i + j * half.
fn in_halves(values: &[f32], rows: usize, heads: usize) -> Vec<f32> {
    let width = values.len() / rows;
    let half = rows / heads / 2;
    let mut ordered = Vec::with_capacity(values.len());
    for head in values.chunks_exact(2 * half * width) {
        for part in 0..2 {
            let pairs = head.chunks_exact(2 * width);
            pairs.for_each(|pair| ordered.extend_from_slice(&pair[part * width..][..width]));
        }
    }
    ordered
}

/// Collects the tensors of a model while it checks them.
struct Slots<'f, 'a> {
    file: &'f GgufFile<'a>,
    found: BTreeMap<String, Slot>,
}

impl Slots<'_, '_> {
    fn add(
        &mut self,
        [name, gguf]: [String; 2],
        shape: &[usize],
        change: Change,
    ) -> Result<(), Fault> {
        match self.file.tensor(&gguf) {
            None => return Err(Fault::MissingTensor { name, gguf }),
            Some(TensorInfo { shape: found, .. }) if found != shape => {
                return Err(Fault::Shape {
                    name,
                    gguf,
                    found: found.clone(),
                    expected: shape.to_vec(),
                });
            }
            Some(_) => {}
        }
        let slot = Slot {
            gguf,
            shape: shape.to_vec(),
            change,
        };
        self.found.insert(name, slot);
        Ok(())
    }
}

/// A linear layer of a block.
struct Linear {
    /// Hugging Face's name.
    name: &'static str,
    gguf: &'static str,
    /// Out x in.
    shape: [usize; 2],
    bias: bool,
    change: Change,
}

/// The tensors of the model by Hugging Face's names.
fn slots(file: &GgufFile, config: &Config) -> Result<BTreeMap<String, Slot>, Fault> {
    let mut slots = Slots {
        file,
        found: BTreeMap::new(),
    };
    let architecture = config.architecture;
    let norm = match architecture.adds_one_to_norms() {
        true => Change::One,
        false => Change::Nothing,
    };
    let both = |name: &str, gguf: &str| [format!("{name}.weight"), format!("{gguf}.weight")];
    let table = [config.vocab_size, config.hidden_size];
    slots.add(
        both("model.embed_tokens", "token_embd"),
        &table,
        Change::Nothing,
    )?;
    slots.add(both("model.norm", "output_norm"), &table[1..], norm)?;
    if !config.tied {
        slots.add(both("lm_head", "output"), &table, Change::Nothing)?;
    }
    let linears = linears(config);
    for block in 0..config.layers {
        let [long, short] = [format!("model.layers.{block}"), format!("blk.{block}")];
        for (name, gguf) in architecture.block_norms() {
            let names = both(&format!("{long}.{name}"), &format!("{short}.{gguf}"));
            slots.add(names, &table[1..], norm)?;
        }
        for (name, gguf) in architecture.head_norms() {
            let names = both(&format!("{long}.{name}"), &format!("{short}.{gguf}"));
            slots.add(names, &[config.head_size], norm)?;
        }
        for linear in &linears {
            let [name, gguf] = [
                format!("{long}.{}", linear.name),
                format!("{short}.{}", linear.gguf),
            ];
            slots.add(both(&name, &gguf), &linear.shape, linear.change)?;
            if linear.bias {
                let names = [format!("{name}.bias"), format!("{gguf}.bias")];
                slots.add(names, &linear.shape[..1], linear.change)?;
            }
        }
    }
    let known: BTreeSet<&str> = slots
        .found
        .values()
        .map(|slot| slot.gguf.as_str())
        .collect();
    let mut names = file.tensors().map(|(name, _)| name);
    match names.find(|name| *name != FACTORS && !known.contains(name)) {
        Some(name) => Err(Fault::Surplus {
            gguf: name.escape_debug().to_string(),
            architecture: architecture.name(),
        }),
        None => Ok(slots.found),
    }
}

/// The linear layers of a block.
fn linears(config: &Config) -> Vec<Linear> {
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    let mlp = |name, gguf, shape| Linear {
        name,
        gguf,
        shape,
        bias: config.mlp_bias,
        change: Change::Nothing,
    };
    let mut linears = Vec::from(attention(config));
    linears.push(mlp("mlp.gate_proj", "ffn_gate", [inner, hidden]));
    linears.push(mlp("mlp.up_proj", "ffn_up", [inner, hidden]));
    linears.push(mlp("mlp.down_proj", "ffn_down", [hidden, inner]));
    linears
}

fn attention(config: &Config) -> [Linear; 4] {
    let hidden = config.hidden_size;
    let queries = config.heads * config.head_size;
    let keys = config.kv_heads * config.head_size;
    let heads = |heads| match config.architecture.reorders_heads() {
        true => Change::Heads(heads),
        false => Change::Nothing,
    };
    let (bias, bias_of_output) = match config.architecture {
        Architecture::Qwen2 => (true, false),
        Architecture::Llama | Architecture::Qwen3 | Architecture::Gemma3 => {
            (config.attention_bias, config.attention_bias)
        }
    };
    let linear = |name, gguf, shape, change| Linear {
        name,
        gguf,
        shape,
        bias,
        change,
    };
    let (of_queries, of_keys) = (heads(config.heads), heads(config.kv_heads));
    [
        linear("self_attn.q_proj", "attn_q", [queries, hidden], of_queries),
        linear("self_attn.k_proj", "attn_k", [keys, hidden], of_keys),
        linear(
            "self_attn.v_proj",
            "attn_v",
            [keys, hidden],
            Change::Nothing,
        ),
        Linear {
            bias: bias_of_output,
            ..linear(
                "self_attn.o_proj",
                "attn_output",
                [hidden, queries],
                Change::Nothing,
            )
        },
    ]
}
