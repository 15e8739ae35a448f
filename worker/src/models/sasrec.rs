//! SASRec: causal self-attention over the history, computed on tokens and not on padding.
//!
//! Paper: Kang and McAuley 2018, Self-Attentive Sequential Recommendation. Upstream: pmixer/SASRec.pytorch, and the copy
//! of it in A-LLMRec (`form = "allmrec"`). A padded slot's input is zero and no mask hides it, so that all padded
//! slots of a row are the same key: they fold into one virtual key whose logit gains the logarithm of their number.
//! States, loss and gradients without dropout are those of the padded model. Deviations:
//! - each padded slot's attention weight is dropped on its own: the folded weight is multiplied with the mean of as many
//!   draws. Noise comes from the program's own generator, so that the numbers are not LibTorch's;
//! - in the form `pre_norm` padded slots are zero at the input of every block; upstream zeroes them at the first;
//! - row 0 of `item_emb` is zero from the start (upstream's initialisation overwrites it once, and multiplies
//!   padded inputs by zero all the same).
//!
//! Positions are those of slots with padding on the left: the newest item has slot `maxlen` - 1 in `allmrec` and
//! row `maxlen` of `pos_emb` in `pre_norm`, where row 0 is padding's.
//!
//! Letters: B batch, T tokens, D width, V items (0 is padding), R rows with tokens.

use allround::spec::config::model::{Sasrec as Config, SasrecForm};
use allround::spec::config::train::Loss;
use tch::{Device, Tensor};

use super::{Backbone, Scorer, Sizes};
use crate::data::{Histories, TrainingBatch};
use crate::nn::Parameters;
use crate::nn::attention::Attention;
use crate::nn::embedding::{self, BatchRows};
use crate::nn::loss::{self, Items, Sampled};
use crate::nn::noise::Noise;
use crate::nn::packed::{Group, Packed};
use crate::nn::parameters;
use crate::nn::time_major::TimeMajor;

/// A norm over the width.
#[derive(Debug)]
struct Norm {
    weight: Tensor,
    bias: Tensor,
}

impl Norm {
    fn new(parameters: &mut Parameters, name: &str, width: i64) -> Self {
        Self {
            weight: parameters.add(format!("{name}.weight"), parameters::ones(&[width])),
            bias: parameters.add(format!("{name}.bias"), parameters::zeros(&[width])),
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let width = self.bias.size();
        x.layer_norm(&width, Some(&self.weight), Some(&self.bias), 1e-8, false)
    }
}

/// Two convolutions of kernel 1, which are linear layers.
#[derive(Debug)]
struct FeedForward {
    weights: [Tensor; 2],
    biases: [Tensor; 2],
}

impl FeedForward {
    fn new(parameters: &mut Parameters, name: &str, width: i64) -> Self {
        let mut layer = |n: u32| {
            // A kernel of one adds nothing to the fan.
            let weight = parameters::xavier_normal(&[width, width]).unsqueeze(-1);
            (
                parameters.add(format!("{name}.conv{n}.weight"), weight),
                parameters.add(format!("{name}.conv{n}.bias"), parameters::zeros(&[width])),
            )
        };
        let ((first, first_bias), (second, second_bias)) = (layer(1), layer(2));
        Self {
            weights: [first, second],
            biases: [first_bias, second_bias],
        }
    }

    fn forward(&self, x: &Tensor, noise: &mut Option<Noise>) -> Tensor {
        let mut layer = |x: &Tensor, n: usize| {
            let weight = self.weights[n].squeeze_dim(-1);
            drop_some(x.linear(&weight, Some(&self.biases[n])), noise)
        };
        let inner = layer(x, 0).relu();
        layer(&inner, 1)
    }
}

#[derive(Debug)]
struct Block {
    norm_attention: Norm,
    attention: Attention,
    norm_forward: Norm,
    forward: FeedForward,
}

/// The net.
#[derive(Debug)]
pub struct Sasrec {
    parameters: Parameters,
    config: Config,
    /// `item_emb.weight`, [V + 1, D].
    items: Tensor,
    /// `pos_emb.weight`, [maxlen, D]; one row more in `pre_norm`.
    positions: Tensor,
    blocks: Vec<Block>,
    norm: Norm,
}

impl Sasrec {
    /// Xavier-normal matrices and zero biases, norms that change nothing.
    pub fn new(config: &Config, sizes: Sizes, device: Device) -> Self {
        let mut parameters = Parameters::new(device);
        let width = config.hidden_units as i64;
        let table = parameters::xavier_normal(&[sizes.items as i64 + 1, width]);
        let _ = table.get(0).fill_(0.0);
        let items = parameters.add("item_emb.weight", table);
        let rows = config.maxlen as i64 + i64::from(config.form == SasrecForm::PreNorm);
        let positions = parameters.add("pos_emb.weight", parameters::xavier_normal(&[rows, width]));
        let blocks = (0..config.num_blocks)
            .map(|n| block(&mut parameters, config, n))
            .collect();
        Self {
            norm: Norm::new(&mut parameters, "last_layernorm", width),
            parameters,
            config: config.clone(),
            items,
            positions,
            blocks,
        }
    }

    /// Inputs [T, D] of the first block from the tokens' item rows.
    fn inputs(&self, rows: &Tensor, packed: &Packed, noise: &mut Option<Noise>) -> Tensor {
        let first = u32::from(self.config.form == SasrecForm::PreNorm);
        let slots: Vec<u32> = packed.slots.iter().map(|slot| slot + first).collect();
        let slots = embedding::indices(&slots, self.device());
        let width = self.config.hidden_units as f64;
        let positions = embedding::rows(&self.positions, &slots);
        drop_some(rows * width.sqrt() + positions, noise)
    }

    /// One block on all tokens, [T, D] -> [T, D].
    fn block(
        &self,
        block: &Block,
        x: &Tensor,
        packed: &Packed,
        noise: &mut Option<Noise>,
    ) -> Tensor {
        let normed = block.norm_attention.forward(x);
        let keys = self.keys(block, x, &normed);
        let taken = block.attention.all(&normed, &keys, packed, noise.as_mut());
        self.finish(block, x, &normed, taken, noise)
    }

    /// The last block on each row's last token, [T, D] -> [R, D].
    fn last(&self, block: &Block, x: &Tensor, packed: &Packed, groups: &[Group]) -> Tensor {
        let normed = block.norm_attention.forward(x);
        let keys = self.keys(block, x, &normed);
        let [x, normed] = [x, &normed].map(|all| all.index_select(0, &packed.last));
        let taken = block.attention.last(&normed, &keys, packed, groups);
        self.finish(block, &x, &normed, taken, &mut None)
    }

    /// What keys and values are made of, with the virtual token, whose input is zero, at the end.
    fn keys(&self, block: &Block, x: &Tensor, normed: &Tensor) -> Tensor {
        match self.config.form {
            SasrecForm::Allmrec => {
                let zero = Tensor::zeros([1, x.size()[1]], (x.kind(), x.device()));
                Tensor::cat(&[x, &zero], 0)
            }
            // The norm of zero is the norm's bias.
            SasrecForm::PreNorm => {
                Tensor::cat(&[normed, &block.norm_attention.bias.unsqueeze(0)], 0)
            }
        }
    }

    /// Residuals and the feed-forward part.
    fn finish(
        &self,
        block: &Block,
        x: &Tensor,
        normed: &Tensor,
        taken: Tensor,
        noise: &mut Option<Noise>,
    ) -> Tensor {
        match self.config.form {
            SasrecForm::Allmrec => {
                let x = block.norm_forward.forward(&(taken + normed));
                block.forward.forward(&x, noise) + x
            }
            SasrecForm::PreNorm => {
                let x = taken + x;
                block
                    .forward
                    .forward(&block.norm_forward.forward(&x), noise)
                    + x
            }
        }
    }

    /// States [T, D] of all tokens from their item rows.
    fn states(&self, rows: &Tensor, packed: &Packed, noise: &mut Option<Noise>) -> Tensor {
        let inputs = self.inputs(rows, packed, noise);
        let states = self
            .blocks
            .iter()
            .fold(inputs, |x, block| self.block(block, &x, packed, noise));
        self.norm.forward(&states)
    }

    /// States [R, D] of rows with tokens, longest row first.
    fn last_states(&self, histories: &Histories, order: &TimeMajor) -> Tensor {
        let (maxlen, device) = (self.config.maxlen, self.device());
        let packed = Packed::new(order, maxlen, device);
        let groups = Packed::last_queries(order, maxlen, device);
        let items = embedding::indices(&order.arrange(&histories.items, 1), device);
        let mut x = self.inputs(&embedding::rows(&self.items, &items), &packed, &mut None);
        let (last, before) = self.blocks.split_last().expect("a net has a block");
        for block in before {
            x = self.block(block, &x, &packed, &mut None);
        }
        self.norm.forward(&self.last(last, &x, &packed, &groups))
    }
}

fn block(parameters: &mut Parameters, config: &Config, n: usize) -> Block {
    let (width, heads) = (config.hidden_units as i64, config.num_heads as i64);
    let norm_attention = Norm::new(parameters, &format!("attention_layernorms.{n}"), width);
    let name = format!("attention_layers.{n}");
    let attention = Attention::new(parameters, &name, width, heads);
    let norm_forward = Norm::new(parameters, &format!("forward_layernorms.{n}"), width);
    let forward = FeedForward::new(parameters, &format!("forward_layers.{n}"), width);
    Block {
        norm_attention,
        attention,
        norm_forward,
        forward,
    }
}

/// Dropout where there is noise.
fn drop_some(x: Tensor, noise: &mut Option<Noise>) -> Tensor {
    match noise {
        Some(noise) => noise.drop_some(&x),
        None => x,
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
        embedding::scores(&self.user_states(histories), &self.items, None, candidates)
    }

    fn score_all(&self, histories: &Histories) -> Tensor {
        embedding::scores_all(&self.user_states(histories), &self.items, None)
    }

    fn weights(&self) -> Vec<(String, Tensor)> {
        self.parameters.named()
    }
}

impl Backbone for Sasrec {
    fn width(&self) -> i64 {
        self.config.hidden_units as i64
    }

    /// An empty history's state is the last norm of zero, its bias.
    fn user_states(&self, histories: &Histories) -> Tensor {
        let order = TimeMajor::new(&histories.offsets);
        let rows = histories.len() as i64;
        let states = self.norm.bias.unsqueeze(0).repeat([rows, 1]);
        let with_tokens = order.rows_with_tokens();
        if with_tokens == 0 {
            return states;
        }
        let places = embedding::indices(&order.rows[..with_tokens], self.device());
        states.index_copy(0, &places, &self.last_states(histories, &order))
    }

    fn token_states(&self, histories: &Histories, dropout: bool) -> Tensor {
        let device = self.device();
        let order = TimeMajor::new(&histories.offsets);
        let packed = Packed::new(&order, self.config.maxlen, device);
        let items = embedding::indices(&order.arrange(&histories.items, 1), device);
        let mut noise = (dropout && self.config.dropout > 0.0).then(|| {
            // The caller has seeded LibTorch's generator, which is asked for a seed of this noise.
            let seed = Tensor::randint(i64::MAX, [1], (tch::Kind::Int64, Device::Cpu));
            Noise::new(
                self.config.dropout,
                seed.int64_value(&[0]).unsigned_abs(),
                device,
            )
        });
        let states = self.states(&embedding::rows(&self.items, &items), &packed, &mut noise);
        states.index_select(0, &embedding::indices(&order.places(), device))
    }

    fn item_table(&self) -> Tensor {
        self.items.shallow_clone()
    }

    fn item_bias(&self) -> Option<Tensor> {
        None
    }

    fn loss(&self, batch: &TrainingBatch) -> Tensor {
        let device = self.device();
        let order = TimeMajor::new(&batch.offsets);
        let packed = Packed::new(&order, self.config.maxlen, device);
        let batch = batch.arranged(&order, &self.config.loss);
        let rows = BatchRows::gather(&self.items, &batch, &self.config.loss);
        let dropout = self.config.dropout;
        let mut noise = (dropout > 0.0).then(|| Noise::new(dropout, batch.noise, device));
        let states = self.states(&rows.inputs, &packed, &mut noise);
        let targets = embedding::indices(&batch.targets, device);
        if let Loss::FullSoftmax {} = self.config.loss {
            let classes = batch.classes.as_deref();
            return loss::full_softmax(&states, (&self.items, None), &targets, classes);
        }
        let sampled = Sampled {
            states: &states,
            targets: Items::plain(rows.targets),
            negatives: Items::plain(rows.negatives),
            target_items: &targets,
            negative_items: &embedding::indices(&batch.negatives, device),
            running: &order.running,
        };
        loss::sampled(&self.config.loss, &sampled)
    }
}

#[cfg(test)]
mod tests;
