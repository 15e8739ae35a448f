//! BERT4Rec: attention over the whole sequence, in both directions, trained to fill in hidden
//! items.
//!
//! Paper: Sun et al. 2019, BERT4Rec: Sequential Recommendation with Bidirectional Encoder
//! Representations from Transformer. Upstream: RUCAIBox/RecBole at 7b02be5, whose encoder is that
//! of its SASRec. Computed on tokens without padding, which is exact: padded keys are masked.
//! Deviations:
//! - an example in which no item is chosen has one of its items hidden; upstream learns nothing
//!   from it. The paper's code hides at least one item, too;
//! - each example decides whether only its last item is hidden; in RecBole a whole batch does;
//! - the full softmax leaves out the padding item, which RecBole counts among the classes;
//! - a history keeps its oldest item when the mask is appended. RecBole's evaluation drops it, also
//!   from short histories;
//! - the mask's vector is a separate tensor instead of the last row of the item table.
//!
//! Letters: B batch, T tokens, D width, V items (0 is padding), R rows with tokens, M hidden items.

use allround_core::models::bert4rec::Bert4rec as Config;
use allround_core::models::sasrec::{Activation, SasrecForm};
use tch::{Device, Kind, Tensor};

use super::sasrec::layers::{Block, BlockConfig, Hidden, Norm, drop_some, matrix};
use super::{Backbone, Scorer, Sizes};
use crate::data::{Histories, TrainingBatch};
use crate::nn::Parameters;
use crate::nn::embedding::{self, BatchRows};
use crate::nn::loss::{BatchLoss, Items};
use crate::nn::noise::Noise;
use crate::nn::packed::{Packed, Padding};
use crate::nn::parameters;
use crate::nn::time_major::TimeMajor;
use crate::torch_ext::product;

mod masks;

use masks::{MASK, Masked};

/// Epsilon of every norm in RecBole.
const NORM_EPS: f64 = 1e-12;

/// The net.
#[derive(Debug)]
pub struct Bert4rec {
    parameters: Parameters,
    config: Config,
    /// `item_embedding.weight`, [V + 1, D].
    items: Tensor,
    /// `mask_embedding`, [1, D]: the last row of RecBole's item table.
    mask: Tensor,
    /// `position_embedding.weight`, [maxlen, D]; row 0 is the oldest item's.
    positions: Tensor,
    norm_inputs: Norm,
    blocks: Vec<Block>,
    /// `output_ffn.weight` [D, D] and `output_ffn.bias` `[D]`.
    output: (Tensor, Tensor),
    norm_output: Norm,
    /// `output_bias`, [V + 1].
    bias: Tensor,
}

/// Which states are wanted.
#[derive(Debug)]
enum Wanted<'a> {
    /// Those of these tokens, in time-major places.
    Tokens(&'a Tensor),
    /// Each row's last, longest row first.
    Last,
}

impl Bert4rec {
    /// Weights as RecBole starts them.
    pub fn new(config: &Config, sizes: Sizes, device: Device) -> Self {
        let mut parameters = Parameters::new(device);
        let (rows, width) = (sizes.items as i64 + 1, config.hidden_units as i64);
        let start = |shape: &[i64; 2]| matrix(SasrecForm::Recbole, shape);
        let table = start(&[rows, width]);
        let _ = table.get(0).fill_(0.0);
        let block = BlockConfig {
            form: SasrecForm::Recbole,
            width,
            heads: config.num_heads as i64,
            inner: config.inner_units as i64,
            activation: Activation::Gelu,
            norm_eps: NORM_EPS,
        };
        let positions = start(&[config.maxlen as i64, width]);
        let items = parameters.add("item_embedding.weight", table);
        let mask = parameters.add("mask_embedding", start(&[1, width]));
        let positions = parameters.add("position_embedding.weight", positions);
        let norm_inputs = Norm::new(&mut parameters, "LayerNorm", &block);
        let blocks = (0..config.num_blocks)
            .map(|n| Block::new(&mut parameters, &block, n))
            .collect();
        let output = (
            parameters.add("output_ffn.weight", start(&[width, width])),
            parameters.add("output_ffn.bias", parameters::zeros(&[width])),
        );
        let norm_output = Norm::new(&mut parameters, "output_ln", &block);
        let bias = parameters.add("output_bias", parameters::zeros(&[rows]));
        Self {
            parameters,
            config: config.clone(),
            items,
            mask,
            positions,
            norm_inputs,
            blocks,
            output,
            norm_output,
            bias,
        }
    }

    fn padding(&self) -> Padding {
        Padding {
            maxlen: self.config.maxlen,
            right: true,
            attended: false,
            causal: false,
        }
    }

    /// States from item rows [T, D] of `inputs` (items and [`MASK`]) in time-major order.
    fn states(
        &self,
        rows: &Tensor,
        inputs: &[u32],
        order: &TimeMajor,
        wanted: &Wanted,
        noise: &mut Option<Noise>,
    ) -> Tensor {
        let device = self.device();
        let padding = self.padding();
        let slots = embedding::indices(&padding.slots(order), device);
        let hidden = embedding::indices(inputs, device).eq(i64::from(MASK));
        let tokens = self.mask.where_self(&hidden.unsqueeze(-1), rows);
        let tokens = tokens + embedding::rows(&self.positions, &slots);
        let mut x = Hidden {
            tokens: drop_some(self.norm_inputs.forward(&tokens), noise),
            padding: self.mask.detach().zeros_like(),
        };
        let packed = Packed::new(order, padding, device);
        let (last, before) = self.blocks.split_last().expect("a net has a block");
        for block in before {
            x = block.all(&x, &packed, noise);
        }
        let states = match wanted {
            Wanted::Tokens(places) => {
                let all = last.all(&x, &packed, noise).tokens;
                embedding::rows(&all, places)
            }
            Wanted::Last => {
                let groups = Packed::last_queries(order, padding, device);
                last.last(&x, &packed, &groups, noise)
            }
        };
        let (weight, bias) = &self.output;
        let states = product::linear(&states, weight, Some(bias)).gelu("none");
        self.norm_output.forward(&states)
    }

    /// States [N, D] after N histories of items, given as row starts and items: those of a mask
    /// that follows them.
    fn after(&self, offsets: &[u32], items: &[u32], noise: &mut Option<Noise>) -> Tensor {
        let device = self.device();
        let (mut ends, mut inputs) = (vec![0], Vec::with_capacity(items.len()));
        for row in offsets.windows(2) {
            let history = &items[row[0] as usize..row[1] as usize];
            let from = history.len().saturating_sub(self.maxlen());
            inputs.extend_from_slice(&history[from..]);
            inputs.push(MASK);
            ends.push(inputs.len() as u32);
        }
        let order = TimeMajor::new(&ends);
        let inputs = order.arrange(&inputs, 1);
        let rows = embedding::rows(&self.items, &embedding::indices(&inputs, device));
        let states = self.states(&rows, &inputs, &order, &Wanted::Last, noise);
        let places = embedding::indices(&order.rows, device);
        states.zeros_like().index_copy(0, &places, &states)
    }
}

impl Scorer for Bert4rec {
    fn maxlen(&self) -> usize {
        self.config.maxlen - 1
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

impl Backbone for Bert4rec {
    fn width(&self) -> i64 {
        self.config.hidden_units as i64
    }

    fn user_states(&self, histories: &Histories) -> Tensor {
        if histories.is_empty() {
            return Tensor::zeros([0, self.width()], (Kind::Float, self.device()));
        }
        self.after(&histories.offsets, &histories.items, &mut None)
    }

    /// Every prefix is a separate sequence here, since later items would be seen.
    fn token_states(&self, histories: &Histories, dropout: bool) -> Tensor {
        let mut noise = dropout
            .then(|| Noise::of_generator(self.config.dropout, self.device()))
            .flatten();
        let (mut offsets, mut items) = (vec![0], Vec::new());
        for row in 0..histories.len() {
            let row = histories.row(row);
            for end in 1..=row.len() {
                items.extend_from_slice(&row[end.saturating_sub(self.maxlen())..end]);
                offsets.push(items.len() as u32);
            }
        }
        self.after(&offsets, &items, &mut noise)
    }

    fn item_table(&self) -> Tensor {
        self.items.shallow_clone()
    }

    fn item_bias(&self) -> Option<Tensor> {
        Some(self.bias.shallow_clone())
    }

    fn loss(&self, batch: &TrainingBatch) -> Tensor {
        let items = self.items.size()[0] as u32 - 1;
        self.loss_of(Masked::new(batch, &self.config, items), batch)
    }
}

impl Bert4rec {
    /// The loss of the hidden items of `batch`.
    fn loss_of(&self, masked: Masked, batch: &TrainingBatch) -> Tensor {
        let device = self.device();
        let loss = &self.config.loss;
        let order = TimeMajor::new(&masked.offsets);
        let inputs = order.arrange(&masked.inputs, 1);
        let of_token = order.places();
        let chosen: Vec<u32> = (masked.chosen.iter())
            .map(|&token| of_token[token as usize])
            .collect();
        let batch = TrainingBatch {
            inputs,
            targets: masked.targets,
            negatives: masked.negatives,
            ..batch.clone()
        };
        let rows = BatchRows::gather(&self.items, &batch, loss);
        let dropout = self.config.dropout;
        let mut noise = (dropout > 0.0).then(|| Noise::new(dropout, batch.noise, device));
        let places = embedding::indices(&chosen, device);
        let wanted = Wanted::Tokens(&places);
        let states = self.states(&rows.inputs, &batch.inputs, &order, &wanted, &mut noise);
        let with_bias = |rows: Tensor, ids: &Tensor| Items {
            rows,
            bias: Some(self.bias.index_select(0, ids)),
        };
        let unfinished = BatchLoss {
            loss,
            states: &states,
            batch: &batch,
            running: &[batch.targets.len() as u32],
        };
        unfinished.finish(
            || (self.item_table(), self.item_bias()),
            |targets, negatives| {
                [
                    with_bias(rows.targets, targets),
                    with_bias(rows.negatives, negatives),
                ]
            },
        )
    }
}

#[cfg(test)]
mod tests;
