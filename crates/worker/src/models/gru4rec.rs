//! GRU4Rec: a gated recurrent network over the history.
//!
//! Paper: Hidasi et al. 2016, Session-based Recommendations with Recurrent Neural Networks.
//! Upstream: hungpthanh/GRU4REC-pytorch, `lib/model.py` at 0f90ef1. Deviations:
//! - states are compared with the input table by dot product, not through a separate `h2o` layer.
//!   A-LLMRec reads one item table, and RecBole does the same;
//! - no `tanh` on scores: it bounds them to one, which the cross-entropy losses cannot use;
//! - whole histories are read in one pass instead of session-parallel steps, with the same
//!   arithmetic;
//! - dropout on embeddings drops elements of the embedding; upstream drops one-hot inputs and only
//!   without a table.
//!
//! Letters: B batch, T tokens, D width of the table, H width of the recurrent state, V items (0 is
//! padding).

use allround_core::models::gru4rec::Gru4rec as Config;
use tch::{Device, Kind, Tensor};

use super::{Backbone, Scorer, Sizes};
use crate::data::{Histories, TrainingBatch};
use crate::nn::Parameters;
use crate::nn::embedding::{self, BatchRows};
use crate::nn::loss::{BatchLoss, Items};
use crate::nn::parameters;
use crate::nn::recurrent::{Gru, GruShape};
use crate::nn::time_major::TimeMajor;
use crate::torch_ext::product;

/// The net.
#[derive(Debug)]
pub struct Gru4rec {
    parameters: Parameters,
    config: Config,
    /// `look_up.weight`, [V + 1, D].
    table: Tensor,
    gru: Gru,
    /// `dense.weight` [D, H] and `dense.bias` `[D]`, where H is not D.
    projection: Option<(Tensor, Tensor)>,
}

impl Gru4rec {
    /// Weights as PyTorch starts them, but the table, which is Xavier-normal (a unit-normal table
    /// makes dot products of width 50 start far from 0).
    pub fn new(config: &Config, sizes: Sizes, device: Device) -> Self {
        let mut parameters = Parameters::new(device);
        let (width, hidden) = (config.embedding_dim as i64, config.hidden_units as i64);
        let rows = sizes.items as i64 + 1;
        let table = parameters.add("look_up.weight", parameters::xavier_normal(&[rows, width]));
        let shape = GruShape {
            input: width,
            hidden,
            layers: config.num_layers as i64,
            dropout: config.dropout,
        };
        let gru = Gru::new(&mut parameters, "gru", shape);
        let projection = (hidden != width).then(|| {
            let bound = 1.0 / (hidden as f64).sqrt();
            (
                parameters.add("dense.weight", parameters::uniform(&[width, hidden], bound)),
                parameters.add("dense.bias", parameters::uniform(&[width], bound)),
            )
        });
        Self {
            parameters,
            config: config.clone(),
            table,
            gru,
            projection,
        }
    }

    /// [.., H] -> [.., D].
    fn project(&self, outputs: &Tensor) -> Tensor {
        match &self.projection {
            Some((weight, bias)) => product::linear(outputs, weight, Some(bias)),
            None => outputs.shallow_clone(),
        }
    }
}

impl Scorer for Gru4rec {
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

impl Backbone for Gru4rec {
    fn width(&self) -> i64 {
        self.config.embedding_dim as i64
    }

    /// An empty history has the recurrent state that every history starts from.
    fn user_states(&self, histories: &Histories) -> Tensor {
        let order = TimeMajor::new(&histories.offsets);
        let device = self.device();
        let shape = [histories.len() as i64, self.config.hidden_units as i64];
        let mut last = Tensor::zeros(shape, (Kind::Float, device));
        if order.rows_with_tokens() > 0 {
            let items = embedding::indices(&order.arrange(&histories.items, 1), device);
            let inputs = embedding::rows(&self.table, &items);
            let (_, ended) = self.gru.forward(&inputs, &order, false);
            let places = embedding::indices(&order.rows[..order.rows_with_tokens()], device);
            let _ = last.index_copy_(0, &places, &ended);
        }
        self.project(&last)
    }

    fn token_states(&self, histories: &Histories, dropout: bool) -> Tensor {
        let order = TimeMajor::new(&histories.offsets);
        let device = self.device();
        let items = embedding::indices(&order.arrange(&histories.items, 1), device);
        let inputs = embedding::rows(&self.table, &items);
        let inputs = inputs.dropout(self.config.embedding_dropout, dropout);
        let (outputs, _) = self.gru.forward(&inputs, &order, dropout);
        let places = embedding::indices(&order.places(), device);
        self.project(&outputs.index_select(0, &places))
    }

    fn item_table(&self) -> Tensor {
        self.table.shallow_clone()
    }

    fn loss(&self, batch: &TrainingBatch) -> Tensor {
        let order = TimeMajor::new(&batch.offsets);
        let batch = batch.arranged(&order, &self.config.loss);
        let rows = BatchRows::gather(&self.table, &batch, &self.config.loss);
        let inputs = rows.inputs.dropout(self.config.embedding_dropout, true);
        let (outputs, ended) = self.gru.forward(&inputs, &order, true);
        // [T, D], or [R, D] of the rows' last tokens.
        let states = self.project(if batch.last_only { &ended } else { &outputs });
        let unfinished = BatchLoss {
            loss: &self.config.loss,
            states: &states,
            batch: &batch,
            running: &order.target_steps(batch.last_only),
        };
        unfinished.finish(
            || (self.item_table(), None),
            |_, _| [Items::plain(rows.targets), Items::plain(rows.negatives)],
        )
    }
}
