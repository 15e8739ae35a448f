//! NextItNet: dilated causal convolutions over the history.
//!
//! Paper: Yuan et al. 2019, A Simple Convolutional Generative Network for Next Item Recommendation.
//! Upstream: syiswell/NextItNet-Pytorch, `generator_recsys.py` at 194fb6b. Deviations:
//! - padding is masked. Upstream pads on the left with item 0, whose row and norms leak into the
//!   states of short histories. Here steps before the first item are zero in every layer, so
//!   padding changes nothing;
//! - optional dropout on embeddings (upstream has none, which is the default).
//!
//! Letters: B batch, T tokens, D width (channels), L steps and R rows of a group, V items (0 is
//! padding).

use allround_core::models::nextitnet::Nextitnet as Config;
use tch::{Device, Kind, Tensor};

use super::{Backbone, Scorer, Sizes};
use crate::data::{Histories, TrainingBatch};
use crate::nn::Parameters;
use crate::nn::convolution::{self, CausalConvolution, Group, LayerNorm};
use crate::nn::embedding;
use crate::nn::loss::{BatchLoss, Items};
use crate::nn::parameters;
use crate::nn::time_major::TimeMajor;

/// A residual block: two convolutions, with dilations d and 2d, each followed by a norm and ReLU.
#[derive(Debug)]
struct Block {
    first: CausalConvolution,
    first_norm: LayerNorm,
    second: CausalConvolution,
    second_norm: LayerNorm,
}

impl Block {
    fn new(parameters: &mut Parameters, name: &str, config: &Config, dilation: usize) -> Self {
        let (width, kernel) = (config.hidden_units as i64, config.kernel_size as i64);
        let mut convolution = |part: &str, dilation| {
            let name = format!("{name}.{part}");
            CausalConvolution::new(parameters, &name, width, kernel, dilation)
        };
        let first = convolution("conv1", dilation as i64);
        let second = convolution("conv2", 2 * dilation as i64);
        Self {
            first,
            first_norm: LayerNorm::new(parameters, &format!("{name}.ln1"), width, 1e-8),
            second,
            second_norm: LayerNorm::new(parameters, &format!("{name}.ln2"), width, 1e-8),
        }
    }

    /// [L x R, D] -> [L x R, D].
    fn forward(&self, inputs: &Tensor, taps: &(Tensor, Tensor), rows: i64) -> Tensor {
        let outputs = self.first.forward(inputs, &taps.0, rows);
        let outputs = self.first_norm.forward(&outputs).relu();
        let outputs = self.second.forward(&outputs, &taps.1, rows);
        self.second_norm.forward(&outputs).relu() + inputs
    }
}

/// The net.
#[derive(Debug)]
pub struct Nextitnet {
    parameters: Parameters,
    config: Config,
    /// `embeding.weight` (upstream's spelling), [V + 1, D].
    inputs: Tensor,
    blocks: Vec<Block>,
    /// `final_layer.weight` [V + 1, D] and `final_layer.bias` [V + 1].
    outputs: Tensor,
    bias: Tensor,
}

impl Nextitnet {
    /// Weights as upstream starts them.
    pub fn new(config: &Config, sizes: Sizes, device: Device) -> Self {
        let mut parameters = Parameters::new(device);
        let (rows, width) = (sizes.items as i64 + 1, config.hidden_units as i64);
        let bound = (1.0 / rows as f64).sqrt();
        let inputs = parameters.add(
            "embeding.weight",
            parameters::uniform(&[rows, width], bound),
        );
        let blocks = config
            .dilations
            .iter()
            .enumerate()
            .map(|(place, &dilation)| {
                let name = format!("residual_blocks.{place}");
                Block::new(&mut parameters, &name, config, dilation)
            })
            .collect();
        let outputs = parameters.add(
            "final_layer.weight",
            parameters::normal(&[rows, width], 0.01),
        );
        let bias = parameters.add("final_layer.bias", parameters::ones(&[rows]) * 0.1);
        Self {
            parameters,
            config: config.clone(),
            inputs,
            blocks,
            outputs,
            bias,
        }
    }

    /// States [slots, D] after each token of `items`, in the groups' slots, one group after
    /// another.
    fn states(&self, layout: &Layout, items: &[u32], train: bool) -> Tensor {
        let device = self.device();
        let taps: Vec<(Tensor, Tensor)> = self
            .blocks
            .iter()
            .map(|block| (block.first.taps(), block.second.taps()))
            .collect();
        let states: Vec<Tensor> = layout
            .groups
            .iter()
            .map(|group| {
                let items = embedding::indices(&layout.padded(group, items), device);
                let mut states = embedding::rows(&self.inputs, &items);
                states = states.dropout(self.config.dropout, train);
                for (block, taps) in self.blocks.iter().zip(&taps) {
                    states = block.forward(&states, taps, group.rows as i64);
                }
                states
            })
            .collect();
        Tensor::cat(&states, 0)
    }
}

/// How the tokens of rows in CSR lie in groups, time-major within each.
#[derive(Debug)]
struct Layout<'a> {
    offsets: &'a [u32],
    order: TimeMajor,
    groups: Vec<Group>,
}

impl<'a> Layout<'a> {
    fn new(offsets: &'a [u32]) -> Self {
        let order = TimeMajor::new(offsets);
        let lengths: Vec<u32> = order.rows[..order.rows_with_tokens()]
            .iter()
            .map(|&row| offsets[row as usize + 1] - offsets[row as usize])
            .collect();
        Self {
            offsets,
            order,
            groups: convolution::groups(&lengths),
        }
    }

    fn rows(&self, group: &Group) -> &[u32] {
        &self.order.rows[group.first..group.first + group.rows]
    }

    /// The group's items, L x R, with item 0 after the end of a row.
    fn padded(&self, group: &Group, items: &[u32]) -> Vec<u32> {
        let rows = self.rows(group);
        let mut padded = Vec::with_capacity(group.rows * group.steps);
        for step in 0..group.steps as u32 {
            padded.extend(rows.iter().map(|&row| {
                let token = self.offsets[row as usize] + step;
                let inside = token < self.offsets[row as usize + 1];
                if inside { items[token as usize] } else { 0 }
            }));
        }
        padded
    }

    /// Slot (in all groups, one after another) of every token in CSR order.
    fn slots(&self) -> Vec<u32> {
        let total = self.offsets[self.offsets.len() - 1] as usize;
        let mut slots = vec![0; total];
        let mut start = 0;
        for group in &self.groups {
            for (place, &row) in self.rows(group).iter().enumerate() {
                let (from, to) = (self.offsets[row as usize], self.offsets[row as usize + 1]);
                for token in from..to {
                    let step = (token - from) as usize;
                    slots[token as usize] = (start + step * group.rows + place) as u32;
                }
            }
            start += group.rows * group.steps;
        }
        slots
    }
}

impl Scorer for Nextitnet {
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

impl Backbone for Nextitnet {
    fn width(&self) -> i64 {
        self.config.hidden_units as i64
    }

    /// An empty history has the zero state: items then differ by their bias alone.
    fn user_states(&self, histories: &Histories) -> Tensor {
        let device = self.device();
        let shape = [histories.len() as i64, self.width()];
        let mut last = Tensor::zeros(shape, (Kind::Float, device));
        let layout = Layout::new(&histories.offsets);
        if !layout.groups.is_empty() {
            let states = self.states(&layout, &histories.items, false);
            let slots = layout.slots();
            let rows = &layout.order.rows[..layout.order.rows_with_tokens()];
            let ends: Vec<u32> = rows
                .iter()
                .map(|&row| slots[histories.offsets[row as usize + 1] as usize - 1])
                .collect();
            let ended = states.index_select(0, &embedding::indices(&ends, device));
            let _ = last.index_copy_(0, &embedding::indices(rows, device), &ended);
        }
        last
    }

    fn token_states(&self, histories: &Histories, dropout: bool) -> Tensor {
        let layout = Layout::new(&histories.offsets);
        let states = self.states(&layout, &histories.items, dropout);
        states.index_select(0, &embedding::indices(&layout.slots(), self.device()))
    }

    fn item_table(&self) -> Tensor {
        self.outputs.shallow_clone()
    }

    fn item_bias(&self) -> Option<Tensor> {
        Some(self.bias.shallow_clone())
    }

    fn loss(&self, batch: &TrainingBatch) -> Tensor {
        let device = self.device();
        let layout = Layout::new(&batch.offsets);
        let mut slots = layout.order.arrange(&layout.slots(), 1);
        if batch.last_only {
            let last = layout.order.last_tokens();
            slots = last.iter().map(|&token| slots[token as usize]).collect();
        }
        let padded = self.states(&layout, &batch.inputs, true);
        let batch = batch.arranged(&layout.order, &self.config.loss);
        let states = embedding::rows(&padded, &embedding::indices(&slots, device)); // [T, D]
        let items = |ids: &Tensor| Items {
            rows: embedding::rows(&self.outputs, ids),
            bias: Some(self.bias.index_select(0, ids)),
        };
        let unfinished = BatchLoss {
            loss: &self.config.loss,
            states: &states,
            batch: &batch,
            running: &layout.order.target_steps(batch.last_only),
        };
        unfinished.finish(
            || (self.item_table(), self.item_bias()),
            |targets, negatives| [items(targets), items(negatives)],
        )
    }
}
