//! SASRec: causal self-attention over the history, computed on tokens and not on padding.
//!
//! Paper: Kang and McAuley 2018, Self-Attentive Sequential Recommendation. The forms and their
//! upstreams:
//! - `allmrec`: the copy of SASRec.pytorch in ghdtjr/A-LLMRec;
//! - `kang`: kang205/SASRec, the paper's code;
//! - `pmixer_pre_norm`, `pmixer_post_norm`: pmixer/SASRec.pytorch at fde8a9c, with and without
//!   `--norm_first`;
//! - `recbole`: RUCAIBox/RecBole at 7b02be5; S3-Rec and STOSA compute the same with padding on the
//!   left;
//! - `ligr`: MobileTeleSystems/RecTools at 41a5a63, the network of eSASRec
//!   (`use_key_padding_mask`);
//! - `morec`: westlake-repl/IDvs.MoRec at ce372cf, its user encoder.
//!
//! Padding on the left is what differs most:
//! - `kang`, `recbole`, `ligr` and `morec` mask padded keys, so that padding changes nothing and is
//!   left out;
//! - in `allmrec` a padded slot's input is zero in every block, and no mask hides it;
//! - in the `pmixer` forms padding is zero at the first block alone. Padded slots then have states,
//!   but see only each other. They start equal and stay equal, so one virtual token represents them
//!   in all blocks.
//!
//! Equal keys fold into one virtual key whose logit gains the logarithm of their number. States,
//! loss and gradients without dropout are those of the padded net, by fixtures of the upstream
//! code. With dropout, padded slots of the `pmixer` forms differ from the second block on: training
//! then writes every padded slot out. Deviations:
//! - in packed training each padded slot's attention weight is dropped on its own: the folded
//!   weight is multiplied with the mean of as many draws. Noise comes from the program's own
//!   generator, so that the numbers are not LibTorch's;
//! - row 0 of the item table is zero from the start. In `allmrec`, upstream's initialisation
//!   overwrites it once, and multiplies padded inputs by zero all the same;
//! - `recbole` has one dropout for hidden states and attention, and its full softmax leaves out the
//!   padding item, which upstream counts among the classes.
//!
//! Letters: B batch, T tokens, D width, V items (0 is padding), R rows with tokens.

use allround_core::models::sasrec::PaddingSide;
use allround_core::models::sasrec::Sasrec as Config;
use tch::{Device, Kind, Tensor};

use super::morec::TextRows;
use super::{Backbone, Scorer, Sizes};
use crate::data::{Histories, TrainingBatch};
use crate::nn::Parameters;
use crate::nn::embedding::{self, BatchRows};
use crate::nn::linear::{Linear, Start};
use crate::nn::loss::{BatchLoss, Items};
use crate::nn::noise::Noise;
use crate::nn::packed::Padding;
use crate::nn::parameters;
use crate::nn::time_major::TimeMajor;

pub(super) mod layers;
mod layout;

use layers::{Block, BlockConfig, Hidden, Norm, drop_some, matrix};
use layout::{Layout, Outputs};

/// The table that states are compared with, where it is not that of the inputs.
#[derive(Debug)]
struct Output {
    /// `output_embedding.weight`, [V + 1, D].
    table: Tensor,
    /// `output_embedding.bias`, [V + 1].
    bias: Option<Tensor>,
}

/// Where the rows of items come from.
#[derive(Debug)]
pub(super) enum ItemRows {
    /// A weight, [V + 1, D].
    Table(Tensor),
    /// Computed from texts in every step.
    Texts(TextRows),
}

/// The net.
#[derive(Debug)]
pub struct Sasrec {
    parameters: Parameters,
    config: Config,
    /// The item table, [V + 1, D], or what gives it.
    items: ItemRows,
    /// The position table, [maxlen, D]; in the `pmixer` forms one row more, of padding.
    positions: Tensor,
    /// Norm of the embeddings; `recbole` and `morec` have one.
    norm_inputs: Option<Norm>,
    blocks: Vec<Block>,
    /// Norm after the last block; all but `recbole`, `ligr` and `morec` have one.
    norm_last: Option<Norm>,
    output: Option<Output>,
    /// `final_layer`, on states; only CTRL has it.
    final_layer: Option<Linear>,
}

/// A fresh table [V + 1, D] of items; row 0 is zero.
fn item_table(config: &Config, sizes: Sizes) -> Tensor {
    let shape = [sizes.items as i64 + 1, config.hidden_units as i64];
    let table = matrix(config.form, &shape);
    let _ = table.get(0).fill_(0.0);
    table
}

impl Sasrec {
    /// Matrices as the form's code starts them, and norms that change nothing.
    pub fn new(config: &Config, sizes: Sizes, device: Device) -> Self {
        Self::with_items(config, sizes, device, |parameters| {
            let [name, _] = config.form.tables();
            ItemRows::Table(parameters.add(name, item_table(config, sizes)))
        })
    }

    /// As [`Sasrec::new`], with these rows of items.
    pub(super) fn with_items(
        config: &Config,
        sizes: Sizes,
        device: Device,
        items: impl FnOnce(&mut Parameters) -> ItemRows,
    ) -> Self {
        let mut parameters = Parameters::new(device);
        let (form, width) = (config.form, config.hidden_units as i64);
        let items = items(&mut parameters);
        let positions = matrix(form, &[config.position_rows() as i64, width]);
        if form.padding_evolves() {
            let _ = positions.get(0).fill_(0.0);
        }
        let [_, name] = form.tables();
        let positions = parameters.add(name, positions);
        let block = BlockConfig::of(config);
        let norm_inputs = form
            .input_norm()
            .map(|name| Norm::new(&mut parameters, name, &block));
        let blocks = (0..config.num_blocks)
            .map(|n| Block::new(&mut parameters, &block, n))
            .collect();
        let norm_last =
            (form.has_last_norm()).then(|| Norm::new(&mut parameters, "last_layernorm", &block));
        let output = config.output_table.then(|| Output {
            table: parameters.add("output_embedding.weight", item_table(config, sizes)),
            bias: config.output_bias.then(|| {
                let bias = parameters::zeros(&[sizes.items as i64 + 1]);
                parameters.add("output_embedding.bias", bias)
            }),
        });
        Self {
            parameters,
            config: config.clone(),
            items,
            positions,
            norm_inputs,
            blocks,
            norm_last,
            output,
            final_layer: None,
        }
    }

    /// With a linear layer on its states.
    pub(super) fn with_final_layer(mut self) -> Self {
        let width = self.config.hidden_units as i64;
        let (parameters, start) = (&mut self.parameters, Start::Pytorch);
        let layer = Linear::new(parameters, "final_layer", width, width, start);
        self.final_layer = Some(layer);
        self
    }

    fn padding(&self) -> Padding {
        Padding {
            maxlen: self.config.maxlen,
            right: self.config.padding() == PaddingSide::Right,
            attended: self.config.form.attends_padding(),
            causal: true,
        }
    }

    /// What padded slots read, [1, D]: rows 0 of both tables, which are not trained, or zero where
    /// upstream sets it to zero.
    fn padding_input(&self) -> Tensor {
        let width = self.config.hidden_units as i64;
        let zeros = || Tensor::zeros([1, width], (Kind::Float, self.device()));
        if !self.config.form.padding_evolves() {
            return zeros();
        }
        let input = match &self.items {
            ItemRows::Table(table) => table.narrow(0, 0, 1).detach(),
            ItemRows::Texts(_) => zeros(),
        };
        self.scaled(input) + self.positions.narrow(0, 0, 1).detach()
    }

    fn scaled(&self, rows: Tensor) -> Tensor {
        if self.config.scales_items() {
            rows * (self.config.hidden_units as f64).sqrt()
        } else {
            rows
        }
    }

    /// What the first block reads, from the tokens' item rows [T, D] in time-major order.
    fn inputs(
        &self,
        rows: &Tensor,
        order: &TimeMajor,
        layout: &Layout,
        noise: &mut Option<Noise>,
    ) -> Hidden {
        let padding = self.padding();
        let first = u32::from(self.config.form.padding_evolves());
        let newest = self.config.maxlen as u32 - 1;
        let counts_back = self.config.form.counts_back();
        let place = |slot: &u32| {
            if counts_back {
                newest - slot
            } else {
                slot + first
            }
        };
        let slots: Vec<u32> = padding.slots(order).iter().map(place).collect();
        let slots = embedding::indices(&slots, self.device());
        let positions = embedding::rows(&self.positions, &slots);
        let mut tokens = self.scaled(rows.shallow_clone()) + positions;
        let padding = self.padding_input();
        if let Some(written) = &layout.written {
            tokens = embedding::rows(&Tensor::cat(&[&tokens, &padding], 0), &written.take);
        }
        if let Some(norm) = &self.norm_inputs {
            tokens = norm.forward(&tokens);
        }
        Hidden {
            tokens: drop_some(tokens, noise),
            padding,
        }
    }

    /// States from the tokens' item rows [T, D]: of all tokens [T, D], or of each row's last [R,
    /// D].
    fn states(
        &self,
        rows: &Tensor,
        order: &TimeMajor,
        outputs: Outputs,
        noise: &mut Option<Noise>,
    ) -> Tensor {
        let padding = self.padding();
        let write_out =
            noise.is_some() && self.config.form.padding_evolves() && self.blocks.len() > 1;
        let layout = Layout::new(order, padding, outputs, write_out, self.device());
        let mut x = self.inputs(rows, order, &layout, noise);
        let (last, before) = self.blocks.split_last().expect("a net has a block");
        for block in before {
            x = block.all(&x, &layout.packed, noise);
        }
        let states = match (&layout.last, &layout.written) {
            (Some(groups), _) => last.last(&x, &layout.packed, groups, noise),
            (None, Some(written)) => {
                let all = last.all(&x, &layout.packed, noise).tokens;
                embedding::rows(&all, &written.back)
            }
            (None, None) => last.all(&x, &layout.packed, noise).tokens,
        };
        self.normed(states)
    }

    fn normed(&self, states: Tensor) -> Tensor {
        let states = match &self.norm_last {
            Some(norm) => norm.forward(&states),
            None => states,
        };
        match &self.final_layer {
            Some(layer) => layer.forward(&states),
            None => states,
        }
    }

    /// The state [1, D] of a history without items: that of the last padded slot, and zero in
    /// `recbole`, `ligr` and `morec`, which have none.
    fn empty_state(&self) -> Tensor {
        let padding = self.padding_input();
        let blocks = self.blocks.iter();
        self.normed(blocks.fold(padding, |x, block| block.padding(&x)))
    }

    fn item_rows(&self, items: &[u32], order: &TimeMajor) -> Tensor {
        let items = order.arrange(items, 1);
        match &self.items {
            ItemRows::Table(table) => {
                embedding::rows(table, &embedding::indices(&items, self.device()))
            }
            ItemRows::Texts(texts) => texts.rows(&items, false),
        }
    }

    /// Item rows of inputs, targets and negatives. One gather where one table has them all.
    fn batch_rows(&self, batch: &TrainingBatch) -> BatchRows {
        let loss = &self.config.loss;
        let items = match &self.items {
            ItemRows::Table(table) => table,
            ItemRows::Texts(texts) => return texts.gather(batch),
        };
        let Some(output) = &self.output else {
            return BatchRows::gather(items, batch, loss);
        };
        let compared = TrainingBatch {
            inputs: Vec::new(),
            ..batch.clone()
        };
        let inputs = embedding::indices(&batch.inputs, self.device());
        BatchRows {
            inputs: embedding::table_rows(items, &inputs),
            ..BatchRows::gather(&output.table, &compared, loss)
        }
    }
}

impl Scorer for Sasrec {
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

    /// With texts: the item table that they give, besides the weights that are trained.
    fn weights(&self) -> Vec<(String, Tensor)> {
        let mut weights = self.trained();
        if let ItemRows::Texts(texts) = &self.items {
            let [name, _] = self.config.form.tables();
            weights.insert(0, (name.to_owned(), texts.table()));
        }
        weights
    }
}

impl Backbone for Sasrec {
    fn trained(&self) -> Vec<(String, Tensor)> {
        let mut weights = self.parameters.named();
        if let ItemRows::Texts(texts) = &self.items {
            weights.extend(texts.encoder_weights());
        }
        weights
    }

    fn width(&self) -> i64 {
        self.config.hidden_units as i64
    }

    fn user_states(&self, histories: &Histories) -> Tensor {
        let order = TimeMajor::new(&histories.offsets);
        let rows = histories.len() as i64;
        let states = self.empty_state().repeat([rows, 1]);
        let with_tokens = order.rows_with_tokens();
        if with_tokens == 0 {
            return states;
        }
        let places = embedding::indices(&order.rows[..with_tokens], self.device());
        let items = self.item_rows(&histories.items, &order);
        let last = self.states(&items, &order, Outputs::Last, &mut None);
        states.index_copy(0, &places, &last)
    }

    fn token_states(&self, histories: &Histories, dropout: bool) -> Tensor {
        let device = self.device();
        let order = TimeMajor::new(&histories.offsets);
        let mut noise = dropout
            .then(|| Noise::of_generator(self.config.dropout, device))
            .flatten();
        let items = self.item_rows(&histories.items, &order);
        let states = self.states(&items, &order, Outputs::All, &mut noise);
        states.index_select(0, &embedding::indices(&order.places(), device))
    }

    fn item_table(&self) -> Tensor {
        match (&self.output, &self.items) {
            (Some(output), _) => output.table.shallow_clone(),
            (None, ItemRows::Table(table)) => table.shallow_clone(),
            (None, ItemRows::Texts(texts)) => texts.table(),
        }
    }

    fn item_bias(&self) -> Option<Tensor> {
        let bias = self.output.as_ref()?.bias.as_ref()?;
        Some(bias.shallow_clone())
    }

    fn loss(&self, batch: &TrainingBatch) -> Tensor {
        let device = self.device();
        let order = TimeMajor::new(&batch.offsets);
        let batch = batch.arranged(&order, &self.config.loss);
        let rows = self.batch_rows(&batch);
        let dropout = self.config.dropout;
        let mut noise = (dropout > 0.0).then(|| Noise::new(dropout, batch.noise, device));
        let outputs = if batch.last_only {
            Outputs::Last
        } else {
            Outputs::All
        };
        let states = self.states(&rows.inputs, &order, outputs, &mut noise);
        let items = |rows: Tensor, ids: &Tensor| Items {
            rows,
            bias: self.item_bias().map(|bias| bias.index_select(0, ids)),
        };
        let unfinished = BatchLoss {
            loss: &self.config.loss,
            states: &states,
            batch: &batch,
            running: &order.target_steps(batch.last_only),
        };
        unfinished.finish(
            || {
                let table = match &self.items {
                    ItemRows::Texts(texts) => texts.training_table(),
                    ItemRows::Table(_) => self.item_table(),
                };
                (table, self.item_bias())
            },
            |targets, negatives| {
                [
                    items(rows.targets, targets),
                    items(rows.negatives, negatives),
                ]
            },
        )
    }
}

#[cfg(test)]
mod tests;
