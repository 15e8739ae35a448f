//! Causal multi-head attention over a packed batch in which a row's padding is one virtual key.

use tch::{Kind, Tensor};

use super::embedding;
use super::noise::Noise;
use super::packed::{Group, Packed};
use super::parameters::{self, Parameters};

/// The projections of one attention layer, named as in `torch.nn.MultiheadAttention`.
#[derive(Debug)]
pub struct Attention {
    /// `in_proj_weight`, [3 D, D]: query, key, value.
    input: Tensor,
    /// `in_proj_bias`, [3 D].
    input_bias: Tensor,
    /// `out_proj.weight`, [D, D].
    output: Tensor,
    /// `out_proj.bias`, `[D]`.
    output_bias: Tensor,
    heads: i64,
}

impl Attention {
    /// Xavier-normal matrices and zero biases.
    pub fn new(parameters: &mut Parameters, name: &str, width: i64, heads: i64) -> Self {
        let mut add = |part: &str, value| parameters.add(format!("{name}.{part}"), value);
        Self {
            input: add(
                "in_proj_weight",
                parameters::xavier_normal(&[3 * width, width]),
            ),
            input_bias: add("in_proj_bias", parameters::zeros(&[3 * width])),
            output: add(
                "out_proj.weight",
                parameters::xavier_normal(&[width, width]),
            ),
            output_bias: add("out_proj.bias", parameters::zeros(&[width])),
            heads,
        }
    }

    /// What every token of `queries` [T, D] takes from `keys` [T + 1, D], whose last row is the virtual token.
    /// With `noise`, attention weights are dropped.
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

    /// What each row's last token takes: `queries` [R, D], longest row first; `groups` have one query a row.
    pub fn last(
        &self,
        queries: &Tensor,
        keys: &Tensor,
        packed: &Packed,
        groups: &[Group],
    ) -> Tensor {
        let queries = self.project_queries(queries);
        self.project_out(&self.mix(&queries, keys, &packed.keys, groups, None))
    }

    fn width(&self) -> i64 {
        self.output_bias.size()[0]
    }

    /// Queries with the scale of their logits.
    fn project_queries(&self, queries: &Tensor) -> Tensor {
        let width = self.width();
        let bias = self.input_bias.narrow(0, 0, width);
        let scale = 1.0 / ((width / self.heads) as f64).sqrt();
        queries.linear(&self.input.narrow(0, 0, width), Some(&bias)) * scale
    }

    fn project_out(&self, mixed: &Tensor) -> Tensor {
        mixed.linear(&self.output, Some(&self.output_bias))
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
        let width = self.width();
        let bias = self.input_bias.narrow(0, width, 2 * width);
        let both = keys.linear(&self.input.narrow(0, width, 2 * width), Some(&bias));
        let both = embedding::rows(&both, slots); // [S, 2 D]
        let (mut query, mut key) = (0, 0);
        let mut mixed = Vec::with_capacity(groups.len());
        for group in groups {
            let asked = group.rows * group.mask.size()[1];
            let known = group.rows * (group.longest + 1);
            let q = self.heads_of(&queries.narrow(0, query, asked), group.rows);
            let both = both.narrow(0, key, known);
            let k = self.heads_of(&both.narrow(1, 0, width), group.rows);
            let v = self.heads_of(&both.narrow(1, width, width), group.rows);
            let mask = self.repeat(&group.mask);
            let logits = mask.baddbmm(&q, &k.transpose(1, 2), 1.0, 1.0);
            let weights = logits.softmax(-1, Kind::Float);
            // Not in place: softmax keeps its output for the way back.
            let weights = match &mut noise {
                Some(noise) => &weights * self.multipliers(group, noise),
                None => weights,
            };
            mixed.push(self.joined(&weights.bmm(&v), group.rows));
            query += asked;
            key += known;
        }
        Tensor::cat(&mixed, 0)
    }

    /// [b n, D] -> [b heads, n, D / heads].
    fn heads_of(&self, flat: &Tensor, rows: i64) -> Tensor {
        if self.heads == 1 {
            return flat.unflatten(0, [rows, -1]);
        }
        let each = self.width() / self.heads;
        let split = flat.reshape([rows, -1, self.heads, each]).transpose(1, 2);
        split.flatten(0, 1)
    }

    /// The way back.
    fn joined(&self, mixed: &Tensor, rows: i64) -> Tensor {
        let (_, count, each) = mixed.size3().expect("mixed values are [b heads, n, width]");
        let split = mixed.view([rows, self.heads, count, each]);
        split.transpose(1, 2).reshape([rows * count, -1])
    }

    /// One copy a head, row after row.
    fn repeat(&self, tensor: &Tensor) -> Tensor {
        match self.heads {
            1 => tensor.shallow_clone(),
            heads => tensor.repeat_interleave_self_int(heads, 0, None),
        }
    }

    /// Multipliers of dropped weights [b heads, n, keys]. The folded weight of n padded slots, each dropped on its own,
    /// keeps a Binomial(n, 1 - p) share of n.
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
