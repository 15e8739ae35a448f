//! NCF as two towers: a user's embedding and an item's, each through an MLP, compared by dot
//! product.
//!
//! Paper: He et al. 2017, Neural Collaborative Filtering. The two-tower form is the A-LLMRec
//! paper's (appendix A). It names no code, so weight names follow PyTorch (`user_tower.0.weight`).
//! Deviations:
//! - a user's first training item is an input, never a target: batches are the (input, next item)
//!   pairs of every model.
//!
//! Letters: B batch, T tokens, D width, U users, V items (0 is padding).

use allround_core::models::ncf::Ncf as Config;
use tch::{Device, Tensor};

use super::{Backbone, Scorer, Sizes};
use crate::data::{Histories, TrainingBatch};
use crate::nn::Parameters;
use crate::nn::embedding;
use crate::nn::loss::{BatchLoss, Items};
use crate::nn::parameters;
use crate::torch_ext::product;

/// Linear layers with ReLU and dropout between them, from width D to width D.
#[derive(Debug)]
struct Tower {
    layers: Vec<(Tensor, Tensor)>,
    dropout: f64,
}

impl Tower {
    fn new(parameters: &mut Parameters, name: &str, config: &Config) -> Self {
        let width = config.hidden_units;
        let widths = [&[width][..], &config.layers, &[width]].concat();
        let layers = widths
            .windows(2)
            .enumerate()
            .map(|(place, pair)| {
                let (input, output) = (pair[0] as i64, pair[1] as i64);
                let weight = parameters::xavier_normal(&[output, input]);
                (
                    parameters.add(format!("{name}.{place}.weight"), weight),
                    parameters.add(format!("{name}.{place}.bias"), parameters::zeros(&[output])),
                )
            })
            .collect();
        Self {
            layers,
            dropout: config.dropout,
        }
    }

    /// [N, D] -> [N, D].
    fn forward(&self, inputs: &Tensor, train: bool) -> Tensor {
        let last = self.layers.len() - 1;
        let mut outputs = inputs.shallow_clone();
        for (place, (weight, bias)) in self.layers.iter().enumerate() {
            outputs = product::linear(&outputs, weight, Some(bias));
            if place < last {
                outputs = outputs.relu().dropout(self.dropout, train);
            }
        }
        outputs
    }
}

/// The net.
#[derive(Debug)]
pub struct Ncf {
    parameters: Parameters,
    config: Config,
    /// `user_embedding.weight`, [U, D].
    users: Tensor,
    /// `item_embedding.weight`, [V + 1, D].
    items: Tensor,
    user_tower: Tower,
    item_tower: Tower,
}

impl Ncf {
    /// Tables and layers start Xavier-normal.
    pub fn new(config: &Config, sizes: Sizes, device: Device) -> Self {
        let mut parameters = Parameters::new(device);
        let width = config.hidden_units as i64;
        let mut table = |name: &str, rows: u64| {
            parameters.add(name, parameters::xavier_normal(&[rows as i64, width]))
        };
        let users = table("user_embedding.weight", sizes.users);
        let items = table("item_embedding.weight", sizes.items + 1);
        let user_tower = Tower::new(&mut parameters, "user_tower", config);
        let item_tower = Tower::new(&mut parameters, "item_tower", config);
        Self {
            parameters,
            config: config.clone(),
            users,
            items,
            user_tower,
            item_tower,
        }
    }

    fn states_of(&self, users: &[u32], train: bool) -> Tensor {
        let rows = embedding::rows(&self.users, &embedding::indices(users, self.device()));
        self.user_tower.forward(&rows, train)
    }
}

impl Scorer for Ncf {
    /// Histories are not read at all.
    fn maxlen(&self) -> usize {
        0
    }

    fn device(&self) -> Device {
        self.parameters.device()
    }

    fn score(&self, histories: &Histories, candidates: &Tensor) -> Tensor {
        let (batch, count) = candidates.size2().expect("candidates are [B, C]");
        let rows = self.items.index_select(0, &candidates.reshape([-1]));
        let rows = self
            .item_tower
            .forward(&rows, false)
            .view([batch, count, -1]);
        let states = self.user_states(histories).unsqueeze(-1);
        product::bmm(&rows, &states).squeeze_dim(-1)
    }

    fn score_all(&self, histories: &Histories) -> Tensor {
        self.score_table(histories)
    }

    fn weights(&self) -> Vec<(String, Tensor)> {
        self.parameters.named()
    }
}

impl Backbone for Ncf {
    fn width(&self) -> i64 {
        self.config.hidden_units as i64
    }

    /// The user tower's output; a history, empty or not, changes nothing.
    fn user_states(&self, histories: &Histories) -> Tensor {
        self.states_of(&histories.users, false)
    }

    /// A user's state is the same after every token.
    fn token_states(&self, histories: &Histories, dropout: bool) -> Tensor {
        let rows = histories.offsets.windows(2).enumerate();
        let rows: Vec<u32> = rows
            .flat_map(|(row, bounds)| (bounds[0]..bounds[1]).map(move |_| row as u32))
            .collect();
        let states = self.states_of(&histories.users, dropout); // [B, D]
        embedding::rows(&states, &embedding::indices(&rows, self.device()))
    }

    fn item_table(&self) -> Tensor {
        self.item_tower.forward(&self.items, false)
    }

    fn loss(&self, batch: &TrainingBatch) -> Tensor {
        let device = self.device();
        let mut token_rows = Vec::with_capacity(batch.targets.len());
        for (row, bounds) in batch.offsets.windows(2).enumerate() {
            token_rows.extend((bounds[0]..bounds[1]).map(|_| row as u32));
        }
        let states = self.states_of(&batch.users, true); // [B, D]
        let states = embedding::rows(&states, &embedding::indices(&token_rows, device)); // [T, D]
        let unfinished = BatchLoss {
            loss: &self.config.loss,
            states: &states,
            batch,
            // One step a row would compare a user's own items: the whole batch is one step.
            running: &[batch.targets.len() as u32],
        };
        unfinished.finish(
            || (self.item_tower.forward(&self.items, true), None),
            |targets, negatives| {
                let rows = embedding::rows(&self.items, &Tensor::cat(&[targets, negatives], 0));
                let rows = self.item_tower.forward(&rows, true);
                let count = batch.targets.len() as i64;
                [
                    Items::plain(rows.narrow(0, 0, count)),
                    Items::plain(rows.narrow(0, count, rows.size()[0] - count)),
                ]
            },
        )
    }
}
