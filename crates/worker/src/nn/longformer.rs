//! Longformer (Beltagy et al. 2020) with the embeddings of RECFORMER (Li et al. 2023).
//! Attention is in a band, and the first token sees all tokens and is seen by all.
//!
//! Weights have the names of AaronHeee/RecFormer at 26b00a5. Only tokens are computed, and no
//! padding: upstream masks it, so that this is exact. The first token's maps of keys and values are
//! applied to its query and to its mean of states, and not to every token. That is the same
//! product in another order. The bias of its keys adds the same to all scores, so it has no effect
//! and no gradient.
//!
//! Letters: T tokens, B sequences, D width, H heads, L tokens of a group's longest row.

mod band;

use tch::{Kind, Tensor};

use super::embedding;
use super::noise::dropout;
use super::packed_texts::{Group, PackedTexts};
use super::parameters::{self, Parameters};
use crate::torch_ext::product;

/// Rows may lack this share of their group's longest row.
const SLACK: f64 = 0.25;
/// Deviation of initial weights.
const DEVIATION: f64 = 0.02;

/// Shape of a network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// Rows of the table of tokens.
    pub vocabulary: i64,
    /// Rows of the table of positions.
    pub positions: i64,
    /// Rows of the table of token types.
    pub types: i64,
    /// Rows of the table of item positions.
    pub item_positions: i64,
    /// Width D.
    pub width: i64,
    /// Layers.
    pub layers: i64,
    /// Heads H.
    pub heads: i64,
    /// Width of the perceptrons.
    pub inner: i64,
    /// Tokens that a token sees to each side.
    pub half_window: i64,
    /// Position of the first token.
    pub first_position: i64,
    /// Term under the root of norms.
    pub eps: f64,
    /// Dropout on states and attention weights.
    pub dropout: f64,
}

/// A text as the network reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sequence {
    /// Tokens.
    pub ids: Vec<u32>,
    /// Their types.
    pub types: Vec<u32>,
    /// Place of each token's item, 1 for the newest; 0 for the first token.
    pub items: Vec<u32>,
}

/// Sequences side by side without padding, longest first.
#[derive(Debug)]
pub struct Packed {
    texts: PackedTexts,
    types: Tensor,
    items: Tensor,
    /// First token of each row.
    first: Tensor,
}

impl Packed {
    /// Packs sequences, none of which is empty.
    pub fn new(sequences: &[&Sequence], device: tch::Device) -> Self {
        let ids: Vec<&[u32]> = sequences.iter().map(|it| &it.ids[..]).collect();
        let texts = PackedTexts::with_slack(&ids, SLACK, device);
        let mut order = vec![0; sequences.len()];
        for (text, &row) in texts.row_of.iter().enumerate() {
            order[row as usize] = text;
        }
        let of = |part: fn(&Sequence) -> &[u32]| {
            let all: Vec<u32> = order
                .iter()
                .flat_map(|&text| part(sequences[text]))
                .copied()
                .collect();
            embedding::indices(&all, device)
        };
        let mut start = 0;
        let first: Vec<u32> = order
            .iter()
            .map(|&text| {
                let first = start;
                start += sequences[text].ids.len() as u32;
                first
            })
            .collect();
        Self {
            types: of(|it| &it.types),
            items: of(|it| &it.items),
            first: embedding::indices(&first, device),
            texts,
        }
    }

    /// Place of the first token of each sequence in the order in which they were given.
    pub fn starts(&self) -> Tensor {
        let rows = embedding::indices(&self.texts.row_of, self.first.device());
        self.first.index_select(0, &rows)
    }

    /// Rows [B, D] of packed sequences in the order in which they were given.
    fn unpacked(&self, rows: &Tensor) -> Tensor {
        embedding::rows(rows, &embedding::indices(&self.texts.row_of, rows.device()))
    }
}

/// A matrix and a bias.
#[derive(Debug)]
struct Dense {
    weight: Tensor,
    bias: Tensor,
}

impl Dense {
    fn new(parameters: &mut Parameters, name: &str, outputs: i64, inputs: i64) -> Self {
        let weight = parameters::normal(&[outputs, inputs], DEVIATION);
        Self {
            weight: parameters.add(format!("{name}.weight"), weight),
            bias: parameters.add(format!("{name}.bias"), parameters::zeros(&[outputs])),
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        product::linear(x, &self.weight, Some(&self.bias))
    }
}

/// A norm over the width.
#[derive(Debug)]
struct Norm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl Norm {
    fn new(parameters: &mut Parameters, name: &str, shape: &Shape) -> Self {
        let width = [shape.width];
        Self {
            weight: parameters.add(format!("{name}.weight"), parameters::ones(&width)),
            bias: parameters.add(format!("{name}.bias"), parameters::zeros(&width)),
            eps: shape.eps,
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let (weight, bias) = (Some(&self.weight), Some(&self.bias));
        x.layer_norm(self.weight.size(), weight, bias, self.eps, true)
    }
}

/// Query, key and value.
#[derive(Debug)]
struct Maps([Dense; 3]);

impl Maps {
    fn new(parameters: &mut Parameters, layer: &str, suffix: &str, width: i64) -> Self {
        Self(["query", "key", "value"].map(|part| {
            let name = format!("{layer}.attention.self.{part}{suffix}");
            Dense::new(parameters, &name, width, width)
        }))
    }

    /// All three in one product, [T, 3 D].
    fn forward(&self, x: &Tensor) -> Tensor {
        let weight = Tensor::cat(&self.0.each_ref().map(|map| &map.weight), 0);
        let bias = Tensor::cat(&self.0.each_ref().map(|map| &map.bias), 0);
        product::linear(x, &weight, Some(&bias))
    }
}

/// One layer: attention, then a perceptron on each token, each with residual and norm after it.
#[derive(Debug)]
struct Layer {
    maps: Maps,
    global: Maps,
    output: Dense,
    attention_norm: Norm,
    inner: Dense,
    outer: Dense,
    norm: Norm,
    shape: Shape,
}

impl Layer {
    fn new(parameters: &mut Parameters, shape: &Shape, number: i64) -> Self {
        let name = format!("encoder.layer.{number}");
        let (width, inner) = (shape.width, shape.inner);
        let part = |part: &str| format!("{name}.{part}");
        Self {
            maps: Maps::new(parameters, &name, "", width),
            global: Maps::new(parameters, &name, "_global", width),
            output: Dense::new(parameters, &part("attention.output.dense"), width, width),
            attention_norm: Norm::new(parameters, &part("attention.output.LayerNorm"), shape),
            inner: Dense::new(parameters, &part("intermediate.dense"), inner, width),
            outer: Dense::new(parameters, &part("output.dense"), width, inner),
            norm: Norm::new(parameters, &part("output.LayerNorm"), shape),
            shape: *shape,
        }
    }

    /// New states [T, D] of all tokens.
    fn all(&self, x: &Tensor, packed: &Packed, train: bool) -> Tensor {
        let texts = &packed.texts;
        // Splitting once, not narrowing often: each narrowing would give backward a gradient of
        // full size.
        let parts = self.maps.forward(x).split_with_sizes(texts.sizes(), 0);
        let groups = texts.groups.iter().zip(&parts);
        let mixed = groups.map(|(group, part)| band::mix(&self.shape, group, part, train));
        let mixed = Tensor::cat(&mixed.collect::<Vec<_>>(), 0);
        let first = self.of_first(x, packed, train);
        let mixed = mixed.index_copy(0, &packed.first, &first);
        self.after(x, &mixed, train)
    }

    /// New states [B, D] of the first tokens, in packed order.
    fn first(&self, x: &Tensor, packed: &Packed, train: bool) -> Tensor {
        let mixed = self.of_first(x, packed, train);
        self.after(&embedding::rows(x, &packed.first), &mixed, train)
    }

    /// What the first tokens read, [B, D].
    fn of_first(&self, x: &Tensor, packed: &Packed, train: bool) -> Tensor {
        let parts = x.split_with_sizes(packed.texts.sizes(), 0);
        let groups = packed.texts.groups.iter().zip(&parts);
        let read = groups.map(|(group, part)| self.of_firsts(group, part, train));
        Tensor::cat(&read.collect::<Vec<_>>(), 0)
    }

    /// What the first token of each row of a group reads, [b, D].
    fn of_firsts(&self, group: &Group, part: &Tensor, train: bool) -> Tensor {
        let [query, key, value] = &self.global.0;
        let heads = self.shape.heads;
        let head_width = self.shape.width / heads;
        let by_head = |weight: &Tensor| weight.view([heads, head_width, -1]);
        let states = group.table(part); // [b, L, D]
        let query = query.forward(&states.select(1, 0)) / (head_width as f64).sqrt();
        let query = query.view([-1, heads, head_width]).transpose(0, 1); // [H, b, D / H]
        let query = product::bmm(&query, &by_head(&key.weight)).transpose(0, 1); // [b, H, D]
        let scores = product::bmm(&query, &states.transpose(1, 2)); // [b, H, L]
        let scores = match &group.ragged {
            Some(ragged) => {
                let padding = ragged.mask.squeeze_dim(1).logical_not();
                scores.masked_fill(&padding, f64::NEG_INFINITY)
            }
            None => scores,
        };
        let weights = dropout(&scores.softmax(-1, None), self.shape.dropout, train);
        let read = product::bmm(&weights, &states).transpose(0, 1); // [H, b, D]
        let sums = weights
            .sum_dim_intlist(-1, true, Kind::Float)
            .transpose(0, 1); // [H, b, 1]
        let read = product::bmm(&read, &by_head(&value.weight).transpose(1, 2))
            + sums * value.bias.view([heads, 1, head_width]); // [H, b, D / H]
        read.transpose(0, 1).reshape([-1, self.shape.width])
    }

    /// The rest of the layer for states `x` that have read `mixed`.
    fn after(&self, x: &Tensor, mixed: &Tensor, train: bool) -> Tensor {
        let drop = |x: &Tensor| dropout(x, self.shape.dropout, train);
        let x = self
            .attention_norm
            .forward(&(x + drop(&self.output.forward(mixed))));
        let inner = self.inner.forward(&x).gelu("none");
        self.norm.forward(&(&x + drop(&self.outer.forward(&inner))))
    }
}

/// The network.
#[derive(Debug)]
pub struct Longformer {
    shape: Shape,
    words: Tensor,
    positions: Tensor,
    types: Tensor,
    items: Tensor,
    norm: Norm,
    layers: Vec<Layer>,
}

impl Longformer {
    /// A network with initial weights. The caller has seeded LibTorch's generator.
    pub fn new(parameters: &mut Parameters, shape: Shape) -> Self {
        let mut table = |name: &str, rows: i64| {
            let values = parameters::normal(&[rows, shape.width], DEVIATION);
            parameters.add(format!("embeddings.{name}_embeddings.weight"), values)
        };
        Self {
            words: table("word", shape.vocabulary),
            positions: table("position", shape.positions),
            types: table("token_type", shape.types),
            items: table("item_position", shape.item_positions),
            norm: Norm::new(parameters, "embeddings.LayerNorm", &shape),
            layers: (0..shape.layers)
                .map(|number| Layer::new(parameters, &shape, number))
                .collect(),
            shape,
        }
    }

    /// Its shape.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The table of tokens.
    pub fn words(&self) -> &Tensor {
        &self.words
    }

    /// States [B, D] of the first tokens, in the order in which the sequences were given; `train`
    /// turns dropout on. In the last layer, only these are computed.
    pub fn first(&self, packed: &Packed, train: bool) -> Tensor {
        let (last, others) = self.layers.split_last().expect("there is a layer");
        let x = self.embedded(packed, train);
        let x = others
            .iter()
            .fold(x, |x, layer| layer.all(&x, packed, train));
        packed.unpacked(&last.first(&x, packed, train))
    }

    /// States [T, D] of all packed tokens.
    pub fn all(&self, packed: &Packed, train: bool) -> Tensor {
        let x = self.embedded(packed, train);
        let layers = self.layers.iter();
        layers.fold(x, |x, layer| layer.all(&x, packed, train))
    }

    fn embedded(&self, packed: &Packed, train: bool) -> Tensor {
        let positions = &packed.texts.positions + self.shape.first_position;
        let x = embedding::rows(&self.words, &packed.texts.ids)
            + embedding::rows(&self.positions, &positions)
            + embedding::rows(&self.types, &packed.types)
            + embedding::rows(&self.items, &packed.items);
        dropout(&self.norm.forward(&x), self.shape.dropout, train)
    }
}

#[cfg(test)]
mod tests;
