//! HSTU: causal attention whose weights are SiLU values instead of a softmax, computed on tokens
//! and not on padding.
//!
//! Paper: Zhai et al. 2024, Actions Speak Louder than Words: Trillion-Parameter Sequential
//! Transducers for Generative Recommendations. Upstream: MobileTeleSystems/RecTools at 41a5a63,
//! which follows facebookresearch/generative-recommenders. Without softmax padding weighs nothing,
//! so that leaving it out is exact. Deviations:
//! - there is no bias by time. Upstream's compares the time of the item to predict with those of
//!   the history, which no other model here knows;
//! - of the biases by distance only those of earlier items exist; the others are never used;
//! - scores are divided by a temperature, as in its authors' code, where RecTools has `logits_t`.
//!
//! Letters: B batch, T tokens, D width, V items (0 is padding), R rows with tokens, N `maxlen`.

use allround_core::models::hstu::{Hstu as Config, Similarity};
use tch::{Device, Kind, Tensor};

use super::{Backbone, Scorer, Sizes};
use crate::data::{Histories, TrainingBatch};
use crate::nn::Parameters;
use crate::nn::attention::{merge_heads, split_heads};
use crate::nn::embedding::{self, BatchRows};
use crate::nn::loss::{BatchLoss, Items};
use crate::nn::noise::Noise;
use crate::nn::packed::{Group, Packed, Padding};
use crate::nn::parameters;
use crate::nn::time_major::TimeMajor;
use crate::torch_ext::product;

/// Epsilon of the layer norms in RecTools.
const NORM_EPS: f64 = 1e-6;
/// Least length that a vector is divided by.
const COSINE_EPS: f64 = 1e-8;

/// A weight and a bias.
type Affine = (Tensor, Tensor);

/// The net.
#[derive(Debug)]
pub struct Hstu {
    parameters: Parameters,
    config: Config,
    /// `item_model.item_net_blocks.0.ids_emb.weight`, [V + 1, D].
    items: Tensor,
    /// `pos_encoding_layer.pos_emb.weight`, [N, D]; row 0 is the newest item's.
    positions: Tensor,
    blocks: Vec<Block>,
}

/// A block, which upstream calls STU.
#[derive(Debug)]
struct Block {
    norm_input: Affine,
    norm_attention: Affine,
    /// `uvqk_proj`, [D, 4 D]: gate, value, query and key.
    projection: Tensor,
    /// `output_mlp`, [D, D].
    output: Affine,
    /// `rel_attn.pos_weights`, `[N]`: the last one is added to the logit of the token itself, the
    /// one before to that of the token before.
    distances: Tensor,
    heads: i64,
}

/// Where a batch's tokens lie, and what the blocks of one pass share.
struct Layout {
    packed: Packed,
    /// For all tokens.
    all: Vec<Pairs>,
    /// For each row's last token, where no others are wanted.
    last: Option<Vec<Pairs>>,
}

/// The pairs of queries and keys of a group.
struct Pairs {
    /// Rows of the group.
    rows: i64,
    /// Queries of a row.
    queries: i64,
    /// Keys of a row; the first is of padding and not seen.
    keys: i64,
    /// 1 / N where a query sees a key, else 0, [b, queries, keys].
    share: Tensor,
    /// Number of the bias of each pair, [b or 1, queries, keys].
    distance: Tensor,
}

impl Pairs {
    /// Of `group`, whose rows have their queries at these steps; one list where all rows have the
    /// same.
    fn new(group: &Group, steps: &[Vec<i64>], maxlen: usize, device: Device) -> Self {
        let (keys, newest) = (group.longest + 1, maxlen as i64 - 1);
        let of_step = |&step: &i64| {
            // Key 0 is padding's, and later ones are not seen.
            let of_key = move |key: i64| (newest + key - 1 - step).clamp(0, newest) as u32;
            (0..keys).map(of_key)
        };
        let distances: Vec<u32> = steps.iter().flatten().flat_map(of_step).collect();
        let queries = steps[0].len() as i64;
        Self {
            rows: group.rows,
            queries,
            keys,
            share: group.mask.exp() / maxlen as f64,
            distance: embedding::indices(&distances, device).view([
                steps.len() as i64,
                queries,
                keys,
            ]),
        }
    }
}

impl Layout {
    fn new(order: &TimeMajor, padding: Padding, only_last: bool, device: Device) -> Self {
        let packed = Packed::new(order, padding, device);
        let maxlen = padding.maxlen;
        let of_all = |group: &Group| {
            let steps = (0..group.longest).collect();
            Pairs::new(group, &[steps], maxlen, device)
        };
        let all = packed.groups.iter().map(of_all).collect();
        let last = only_last.then(|| {
            let mut lengths = order.lengths().into_iter();
            let groups = Packed::last_queries(order, padding, device);
            let of_last = |group: &Group| {
                let lengths = lengths.by_ref().take(group.rows as usize);
                let steps: Vec<Vec<i64>> = lengths.map(|length| vec![length as i64 - 1]).collect();
                Pairs::new(group, &steps, maxlen, device)
            };
            groups.iter().map(of_last).collect()
        });
        Self { packed, all, last }
    }
}

fn norm(x: &Tensor, (weight, bias): &Affine) -> Tensor {
    x.layer_norm(bias.size(), Some(weight), Some(bias), NORM_EPS, false)
}

fn drop_some(x: Tensor, noise: &mut Option<Noise>) -> Tensor {
    match noise {
        Some(noise) => noise.drop_some(&x),
        None => x,
    }
}

impl Block {
    /// Weights as RecTools starts them: matrices Xavier-normal, the others as PyTorch does.
    fn new(parameters: &mut Parameters, config: &Config, n: usize) -> Self {
        let (width, name) = (
            config.hidden_units as i64,
            format!("transformer_layers.stu_blocks.{n}"),
        );
        let mut add = |part: &str, value| parameters.add(format!("{name}.{part}"), value);
        let distances = parameters::normal(&[config.maxlen as i64], 0.02);
        let bound = 1.0 / (width as f64).sqrt();
        Self {
            distances: add("rel_attn.pos_weights", distances),
            projection: add("uvqk_proj", parameters::xavier_normal(&[width, 4 * width])),
            output: (
                add(
                    "output_mlp.weight",
                    parameters::xavier_normal(&[width, width]),
                ),
                add("output_mlp.bias", parameters::uniform(&[width], bound)),
            ),
            norm_input: (
                add("norm_input.weight", parameters::ones(&[width])),
                add("norm_input.bias", parameters::zeros(&[width])),
            ),
            norm_attention: (
                add("norm_attn_output.weight", parameters::ones(&[width])),
                add("norm_attn_output.bias", parameters::zeros(&[width])),
            ),
            heads: config.num_heads as i64,
        }
    }

    /// The block on all tokens [T, D], or on each row's last one, [R, D], longest row first.
    fn forward(
        &self,
        x: &Tensor,
        layout: &Layout,
        only_last: bool,
        noise: &mut Option<Noise>,
    ) -> Tensor {
        let width = x.size()[1];
        let packed = &layout.packed;
        let all = product::mm(&norm(x, &self.norm_input), &self.projection).silu();
        let part =
            |tensor: &Tensor, from: i64, parts: i64| tensor.narrow(1, from * width, parts * width);
        // Gate, value, query and key are parts 0 to 3; what padding would be is never seen.
        let zero = Tensor::zeros([1, width], (Kind::Float, x.device()));
        let keys = embedding::rows(&Tensor::cat(&[&part(&all, 3, 1), &zero], 0), &packed.keys);
        let values = embedding::rows(&Tensor::cat(&[&part(&all, 1, 1), &zero], 0), &packed.keys);
        let (x, gate, mixed) = match layout.last.as_ref().filter(|_| only_last) {
            Some(pairs) => {
                let [x, all] = [x, &all].map(|tensor| tensor.index_select(0, &packed.last));
                let mixed = self.mix(&part(&all, 2, 1), &keys, &values, pairs);
                (x, part(&all, 0, 1), mixed)
            }
            None => {
                let queries = embedding::rows(&part(&all, 2, 1), &packed.queries);
                let mixed = self.mix(&queries, &keys, &values, &layout.all);
                let mixed = embedding::rows(&mixed, &packed.back);
                (x.shallow_clone(), part(&all, 0, 1), mixed)
            }
        };
        let taken = drop_some(gate * norm(&mixed, &self.norm_attention), noise);
        let (weight, bias) = &self.output;
        product::linear(&taken, weight, Some(bias)) + x
    }

    /// Values mixed by attention weights, one row a query slot, group after group.
    fn mix(&self, queries: &Tensor, keys: &Tensor, values: &Tensor, groups: &[Pairs]) -> Tensor {
        let heads = self.heads;
        let (mut query, mut key) = (0, 0);
        let mut mixed = Vec::with_capacity(groups.len());
        for pairs in groups {
            let (asked, known) = (pairs.rows * pairs.queries, pairs.rows * pairs.keys);
            let split = |tensor: &Tensor, from, count| {
                split_heads(&tensor.narrow(0, from, count), pairs.rows, heads)
                    .unflatten(0, [pairs.rows, heads])
            };
            let q = split(queries, query, asked); // [b, heads, queries, D / heads]
            let [k, v] = [keys, values].map(|tensor| split(tensor, key, known));
            let bias = embedding::rows(&self.distances.unsqueeze(-1), &pairs.distance);
            let logits = product::matmul(&q, &k.transpose(-2, -1));
            let logits = logits + bias.squeeze_dim(-1).unsqueeze(1);
            let weights = logits.silu() * pairs.share.unsqueeze(1);
            let taken = product::matmul(&weights, &v).flatten(0, 1);
            mixed.push(merge_heads(&taken, pairs.rows, heads));
            query += asked;
            key += known;
        }
        Tensor::cat(&mixed, 0)
    }
}

impl Hstu {
    /// Weights as RecTools starts them, but row 0 of the table, which is zero.
    pub fn new(config: &Config, sizes: Sizes, device: Device) -> Self {
        let mut parameters = Parameters::new(device);
        let (rows, width) = (sizes.items as i64 + 1, config.hidden_units as i64);
        let table = parameters::xavier_normal(&[rows, width]);
        let _ = table.get(0).fill_(0.0);
        let positions = parameters::xavier_normal(&[config.maxlen as i64, width]);
        let items = parameters.add("item_model.item_net_blocks.0.ids_emb.weight", table);
        let positions = parameters.add("pos_encoding_layer.pos_emb.weight", positions);
        let blocks = (0..config.num_blocks)
            .map(|n| Block::new(&mut parameters, config, n))
            .collect();
        Self {
            parameters,
            config: config.clone(),
            items,
            positions,
            blocks,
        }
    }

    fn padding(&self) -> Padding {
        Padding {
            maxlen: self.config.maxlen,
            right: false,
            attended: false,
            causal: true,
        }
    }

    /// Vectors as they are compared.
    fn compared(&self, vectors: &Tensor) -> Tensor {
        match self.config.similarity {
            Similarity::Dot => vectors.shallow_clone(),
            Similarity::Cosine => {
                let length = vectors.square().sum_dim_intlist(-1, true, Kind::Float);
                // The root of zero has no gradient; a square below the bound counts as the bound.
                vectors / length.clamp_min(COSINE_EPS * COSINE_EPS).sqrt()
            }
        }
    }

    /// States from the tokens' item rows [T, D]. Of all tokens they are [T, D] in time-major order,
    /// of each row's last [R, D], longest row first.
    fn states(
        &self,
        rows: &Tensor,
        order: &TimeMajor,
        only_last: bool,
        noise: &mut Option<Noise>,
    ) -> Tensor {
        let device = self.device();
        let newest = self.config.maxlen as u32 - 1;
        let slots = self.padding().slots(order);
        let slots: Vec<u32> = slots.iter().map(|slot| newest - slot).collect();
        let positions = embedding::rows(&self.positions, &embedding::indices(&slots, device));
        let scale = if self.config.scale_items {
            (self.config.hidden_units as f64).sqrt()
        } else {
            1.0
        };
        let mut x = drop_some(rows * scale + positions, noise);
        let layout = Layout::new(order, self.padding(), only_last, device);
        for (n, block) in self.blocks.iter().enumerate() {
            let ends = only_last && n + 1 == self.blocks.len();
            x = block.forward(&x, &layout, ends, noise);
        }
        self.compared(&x) / self.config.temperature
    }

    fn item_rows(&self, items: &[u32], order: &TimeMajor) -> Tensor {
        let items = embedding::indices(&order.arrange(items, 1), self.device());
        embedding::rows(&self.items, &items)
    }
}

impl Scorer for Hstu {
    fn maxlen(&self) -> usize {
        self.config.maxlen
    }

    fn device(&self) -> Device {
        self.parameters.device()
    }

    fn score(&self, histories: &Histories, candidates: &Tensor) -> Tensor {
        self.score_candidates(histories, candidates)
    }

    fn score_all(&self, histories: &Histories) -> Tensor {
        self.score_table(histories)
    }

    fn weights(&self) -> Vec<(String, Tensor)> {
        self.parameters.named()
    }
}

impl Backbone for Hstu {
    fn width(&self) -> i64 {
        self.config.hidden_units as i64
    }

    /// An empty history has the state zero, so that all items tie.
    fn user_states(&self, histories: &Histories) -> Tensor {
        let order = TimeMajor::new(&histories.offsets);
        let shape = [histories.len() as i64, self.width()];
        let states = Tensor::zeros(shape, (Kind::Float, self.device()));
        let with_tokens = order.rows_with_tokens();
        if with_tokens == 0 {
            return states;
        }
        let places = embedding::indices(&order.rows[..with_tokens], self.device());
        let items = self.item_rows(&histories.items, &order);
        let last = self.states(&items, &order, true, &mut None);
        states.index_copy(0, &places, &last)
    }

    fn token_states(&self, histories: &Histories, dropout: bool) -> Tensor {
        let device = self.device();
        let order = TimeMajor::new(&histories.offsets);
        let mut noise = dropout
            .then(|| Noise::of_generator(self.config.dropout, device))
            .flatten();
        let items = self.item_rows(&histories.items, &order);
        let states = self.states(&items, &order, false, &mut noise);
        states.index_select(0, &embedding::indices(&order.places(), device))
    }

    fn item_table(&self) -> Tensor {
        self.compared(&self.items)
    }

    fn loss(&self, batch: &TrainingBatch) -> Tensor {
        let order = TimeMajor::new(&batch.offsets);
        let batch = batch.arranged(&order, &self.config.loss);
        let rows = BatchRows::gather(&self.items, &batch, &self.config.loss);
        let dropout = self.config.dropout;
        let mut noise = (dropout > 0.0).then(|| Noise::new(dropout, batch.noise, self.device()));
        let states = self.states(&rows.inputs, &order, batch.last_only, &mut noise);
        let unfinished = BatchLoss {
            loss: &self.config.loss,
            states: &states,
            batch: &batch,
            running: &order.target_steps(batch.last_only),
        };
        unfinished.finish(
            || (self.item_table(), None),
            |_, _| [&rows.targets, &rows.negatives].map(|rows| Items::plain(self.compared(rows))),
        )
    }
}

#[cfg(test)]
mod tests;
