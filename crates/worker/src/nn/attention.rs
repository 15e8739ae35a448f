//! Causal multi-head attention over a packed batch in which a row's padding is one virtual key.

use tch::{Kind, Tensor};

use super::embedding;
use super::noise::Noise;
use super::packed::{Group, Packed};
use super::parameters::{self, Parameters};
use crate::torch_ext::product;

/// How the projections of queries, keys and values are named and stored.
#[derive(Debug)]
enum Input {
    /// `in_proj_weight` [3 D, D] and `in_proj_bias` [3 D]: query, key, value, as in
    /// `torch.nn.MultiheadAttention`.
    Joined { weight: Tensor, bias: Tensor },
    /// A linear layer each, as in BERT: weight [D, D] and bias `[D]` of query, key and value.
    Separate([Linear; 3]),
}

/// A matrix and a bias; no bias in the network of MoRec.
type Linear = (Tensor, Option<Tensor>);

/// Names of separate projections.
#[derive(Clone, Copy, Debug)]
pub struct Separate {
    /// Names of those of queries, keys, values and mixed values.
    pub names: [&'static str; 4],
    /// Whether they have biases.
    pub biases: bool,
}

impl Separate {
    /// As in BERT.
    pub const BERT: Self = Self {
        names: ["query", "key", "value", "dense"],
        biases: true,
    };
    /// As in the code of MoRec.
    pub const MOREC: Self = Self {
        names: ["w_Q", "w_K", "w_V", "fc"],
        biases: false,
    };
}

/// The projections of one attention layer.
#[derive(Debug)]
pub struct Attention {
    input: Input,
    /// What mixed values are projected with; `None` in the network of kang205/SASRec.
    output: Option<Linear>,
    width: i64,
    heads: i64,
}

/// Sizes of an attention layer.
#[derive(Clone, Copy, Debug)]
pub struct AttentionShape {
    /// Width D.
    pub width: i64,
    /// Heads, a divisor of the width.
    pub heads: i64,
}

impl Attention {
    /// Named as in `torch.nn.MultiheadAttention`, with matrices as `start` makes them and zero
    /// biases.
    pub fn joined(
        parameters: &mut Parameters,
        name: &str,
        shape: AttentionShape,
        start: impl Fn(&[i64; 2]) -> Tensor,
        projects_out: bool,
    ) -> Self {
        let AttentionShape { width, heads } = shape;
        let mut add = |part: &str, value| parameters.add(format!("{name}.{part}"), value);
        let input = Input::Joined {
            weight: add("in_proj_weight", start(&[3 * width, width])),
            bias: add("in_proj_bias", parameters::zeros(&[3 * width])),
        };
        let output = projects_out.then(|| {
            (
                add("out_proj.weight", start(&[width, width])),
                Some(add("out_proj.bias", parameters::zeros(&[width]))),
            )
        });
        Self {
            input,
            output,
            width,
            heads,
        }
    }

    /// With a layer for each projection, matrices as `start` makes them and zero biases.
    pub fn separate(
        parameters: &mut Parameters,
        name: &str,
        shape: AttentionShape,
        form: Separate,
        start: impl Fn(&[i64; 2]) -> Tensor,
    ) -> Self {
        let AttentionShape { width, heads } = shape;
        let mut layer = |part: &str| {
            let weight = parameters.add(format!("{name}.{part}.weight"), start(&[width, width]));
            let zeros = || parameters::zeros(&[width]);
            let bias = form
                .biases
                .then(|| parameters.add(format!("{name}.{part}.bias"), zeros()));
            (weight, bias)
        };
        let [query, key, value, output] = form.names;
        Self {
            input: Input::Separate([query, key, value].map(&mut layer)),
            output: Some(layer(output)),
            width,
            heads,
        }
    }

    /// What every token of `queries` [T, D] takes from `keys` [T + 1, D], whose last row is the
    /// virtual token. With `noise`, attention weights are dropped.
    pub fn all(
        &self,
        queries: &Tensor,
        keys: &Tensor,
        packed: &Packed,
        noise: Option<&mut Noise>,
    ) -> Tensor {
        let queries = embedding::rows(&self.project_queries(queries), &packed.queries);
        let mixed = self.mix(&queries, keys, &packed.keys, &packed.groups, noise);
        self.project_out(&embedding::rows(&mixed, &packed.back))
    }

    /// What each row's last token takes: `queries` [R, D], longest row first; `groups` have one
    /// query a row.
    pub fn last(
        &self,
        queries: &Tensor,
        keys: &Tensor,
        packed: &Packed,
        groups: &[Group],
        noise: Option<&mut Noise>,
    ) -> Tensor {
        let queries = self.project_queries(queries);
        self.project_out(&self.mix(&queries, keys, &packed.keys, groups, noise))
    }

    /// What a token takes that sees nothing but itself and tokens equal to it: its own value, [N,
    /// D] -> [N, D].
    pub fn alone(&self, keys: &Tensor) -> Tensor {
        self.project_out(&self.project_keys(keys).narrow(1, self.width, self.width))
    }

    /// Queries with the scale of their logits.
    fn project_queries(&self, queries: &Tensor) -> Tensor {
        let scale = 1.0 / ((self.width / self.heads) as f64).sqrt();
        let projected = match &self.input {
            Input::Joined { weight, bias } => {
                let bias = bias.narrow(0, 0, self.width);
                product::linear(queries, &weight.narrow(0, 0, self.width), Some(&bias))
            }
            Input::Separate([(weight, bias), ..]) => {
                product::linear(queries, weight, bias.as_ref())
            }
        };
        projected * scale
    }

    /// Keys and values side by side, [N, D] -> [N, 2 D].
    fn project_keys(&self, keys: &Tensor) -> Tensor {
        match &self.input {
            Input::Joined { weight, bias } => {
                let bias = bias.narrow(0, self.width, 2 * self.width);
                let weight = weight.narrow(0, self.width, 2 * self.width);
                product::linear(keys, &weight, Some(&bias))
            }
            Input::Separate([_, (key, key_bias), (value, value_bias)]) => {
                let weight = Tensor::cat(&[key, value], 0);
                let biases = key_bias.as_ref().zip(value_bias.as_ref());
                let bias = biases.map(|(key, value)| Tensor::cat(&[key, value], 0));
                product::linear(keys, &weight, bias.as_ref())
            }
        }
    }

    fn project_out(&self, mixed: &Tensor) -> Tensor {
        match &self.output {
            Some((weight, bias)) => product::linear(mixed, weight, bias.as_ref()),
            None => mixed.shallow_clone(),
        }
    }

    /// Values mixed by attention weights, one row a query slot, group after group.
    fn mix(
        &self,
        queries: &Tensor,
        keys: &Tensor,
        slots: &Tensor,
        groups: &[Group],
        mut noise: Option<&mut Noise>,
    ) -> Tensor {
        let width = self.width;
        let both = embedding::rows(&self.project_keys(keys), slots); // [S, 2 D]
        let (mut query, mut key) = (0, 0);
        let mut mixed = Vec::with_capacity(groups.len());
        for group in groups {
            let asked = group.rows * group.mask.size()[1];
            let known = group.rows * (group.longest + 1);
            let q = split_heads(&queries.narrow(0, query, asked), group.rows, self.heads);
            let both = both.narrow(0, key, known);
            let k = split_heads(&both.narrow(1, 0, width), group.rows, self.heads);
            let v = split_heads(&both.narrow(1, width, width), group.rows, self.heads);
            let mask = self.repeat(&group.mask);
            let logits = product::baddbmm(&mask, &q, &k.transpose(1, 2));
            let weights = logits.softmax(-1, Kind::Float);
            // Not in place: softmax keeps its output for the way back.
            let weights = match &mut noise {
                Some(noise) => &weights * self.multipliers(group, noise),
                None => weights,
            };
            mixed.push(merge_heads(
                &product::bmm(&weights, &v),
                group.rows,
                self.heads,
            ));
            query += asked;
            key += known;
        }
        Tensor::cat(&mixed, 0)
    }

    /// One copy a head, row after row.
    fn repeat(&self, tensor: &Tensor) -> Tensor {
        match self.heads {
            1 => tensor.shallow_clone(),
            heads => tensor.repeat_interleave_self_int(heads, 0, None),
        }
    }

    /// Multipliers of dropped weights [b heads, n, keys]. The folded weight of n padded slots, each
    /// dropped on its own, keeps a Binomial(n, 1 - p) share of n.
    fn multipliers(&self, group: &Group, noise: &mut Noise) -> Tensor {
        let (rows, queries, keys) = group.mask.size3().expect("a mask is [b, n, keys]");
        let heads = self.heads as usize;
        let padded = group.padded.iter();
        let folded: Vec<u32> = padded
            .flat_map(|&count| std::iter::repeat_n(count, heads))
            .collect();
        noise.attention_multipliers(&[rows * self.heads, queries, keys], &folded)
    }
}

/// Heads apart: [b n, D] -> [b heads, n, D / heads], where `rows` is b.
pub fn split_heads(flat: &Tensor, rows: i64, heads: i64) -> Tensor {
    if heads == 1 {
        return flat.unflatten(0, [rows, -1]);
    }
    let each = flat.size()[1] / heads;
    let split = flat.reshape([rows, -1, heads, each]).transpose(1, 2);
    split.flatten(0, 1)
}

/// Heads side by side: [b heads, n, D / heads] -> [b n, D], where `rows` is b.
pub fn merge_heads(mixed: &Tensor, rows: i64, heads: i64) -> Tensor {
    let (_, count, each) = mixed.size3().expect("mixed values are [b heads, n, width]");
    let split = mixed.view([rows, heads, count, each]);
    split.transpose(1, 2).reshape([rows * count, -1])
}
