//! MoRec: SASRec with item vectors from texts.
//!
//! Paper: Yuan et al. 2023, Where to Go Next for Recommender Systems? ID- vs. Modality-based
//! Recommender Models Revisited. Code: westlake-repl/IDvs.MoRec at ce372cf, whose names the weights
//! have. Deviations:
//! - an item that occurs more than once in a batch is encoded once. So it has one dropout mask of
//!   the encoder, and one of the map;
//! - padding is a vector of zeros. Upstream's is that of an empty text, which its network masks;
//! - the biases of further layers of the map start as PyTorch's, not at zero.
//!
//! Letters: D width, V items (0 is padding), W width of text vectors, N items.

use allround_core::models::morec::{Morec as Config, Reading};
use tch::{Device, Kind, Tensor};

use super::sasrec::{ItemRows, Sasrec};
use super::{Backbone, Sizes};
use crate::data::TrainingBatch;
use crate::nn::Parameters;
use crate::nn::embedding::{self, BatchRows, indices};
use crate::nn::linear::{Linear, Start};

/// What names of the text encoder's weights begin with.
pub const ENCODER: &str = "bert_encoder.text_encoders.title.bert_model.";
/// Items whose vectors are computed at once where no gradient is kept.
const AT_ONCE: usize = 1024;

/// Vectors of item texts.
pub trait TextVectors: std::fmt::Debug {
    /// Width W of a vector.
    fn width(&self) -> i64;

    /// Vectors [N, W] of `items` (0 to V). `train` turns dropout and gradient of an encoder on.
    fn of(&self, items: &[u32], train: bool, device: Device) -> Tensor;

    /// All vectors [V + 1, W], where they are not trained.
    fn frozen(&self) -> Option<&Tensor>;

    /// The encoder's weights by upstream name, where it is trained.
    fn weights(&self) -> Vec<(String, Tensor)>;
}

/// The map from text vectors to item vectors: linear layers, each followed by GELU.
#[derive(Debug)]
struct Map {
    first: Linear,
    further: Vec<Linear>,
    dropout: f64,
}

impl Map {
    fn new(parameters: &mut Parameters, config: &Config, inputs: i64) -> Self {
        let width = config.hidden_units as i64;
        let name = "bert_encoder.text_encoders.title.fc";
        let first = Linear::new(parameters, name, inputs, width, Start::Pytorch);
        // Dropout, layer and GELU of each are three modules of one sequence.
        let further = (0..config.map_layers).map(|n| {
            let name = format!("fc.mlp_layers.{}", 3 * n + 1);
            Linear::new(parameters, &name, width, width, Start::XavierNormal)
        });
        Self {
            first,
            further: further.collect(),
            dropout: config.dropout,
        }
    }

    /// [N, W] -> [N, D].
    fn forward(&self, vectors: &Tensor, train: bool) -> Tensor {
        let first = self.first.forward(vectors).gelu("none");
        self.further.iter().fold(first, |x, layer| {
            layer.forward(&x.dropout(self.dropout, train)).gelu("none")
        })
    }
}

/// Item vectors that are computed from texts in every step.
#[derive(Debug)]
pub struct TextRows {
    texts: Box<dyn TextVectors>,
    map: Map,
    /// Number of items V.
    items: usize,
    device: Device,
}

impl TextRows {
    /// What a batch reads. Each different item is computed once.
    pub fn gather(&self, batch: &TrainingBatch) -> BatchRows {
        let all = [&batch.inputs[..], &batch.targets, &batch.negatives].concat();
        let rows = self.rows(&all, true);
        let parts = [
            batch.inputs.len(),
            batch.targets.len(),
            batch.negatives.len(),
        ];
        let parts = rows.split_with_sizes(parts.map(|size| size as i64), 0);
        let [inputs, targets, negatives]: [Tensor; 3] =
            parts.try_into().expect("three sizes give three parts");
        BatchRows {
            inputs,
            targets,
            negatives,
        }
    }

    /// Rows [N, D] of `items`, none of which is padding.
    pub fn rows(&self, items: &[u32], train: bool) -> Tensor {
        const UNSEEN: u32 = u32::MAX;
        let mut place_of = vec![UNSEEN; self.items + 1];
        let mut different = Vec::new();
        for &item in items {
            let place = &mut place_of[item as usize];
            if *place == UNSEEN {
                *place = different.len() as u32;
                different.push(item);
            }
        }
        if let Some(vectors) = self.texts.frozen()
            && 2 * different.len() > self.items
        {
            // Most of the table: a copy of its rows would cost more than the others' products.
            let table = self.map.forward(vectors, train);
            return embedding::rows(&table, &indices(items, self.device));
        }
        let computed = self.texts.of(&different, train, self.device);
        let computed = self.map.forward(&computed, train);
        let places: Vec<u32> = items.iter().map(|&item| place_of[item as usize]).collect();
        embedding::rows(&computed, &indices(&places, self.device))
    }

    /// The table [V + 1, D] in training, with gradient; row 0 is zero.
    pub fn training_table(&self) -> Tensor {
        let items: Vec<u32> = (1..=self.items as u32).collect();
        self.table_of(&[self
            .map
            .forward(&self.texts.of(&items, true, self.device), true)])
    }

    /// The table [V + 1, D] without gradient; row 0 is zero.
    pub fn table(&self) -> Tensor {
        let _guard = tch::no_grad_guard();
        let items: Vec<u32> = (1..=self.items as u32).collect();
        let parts = items.chunks(AT_ONCE).map(|items| {
            let vectors = self.texts.of(items, false, self.device);
            self.map.forward(&vectors, false)
        });
        self.table_of(&parts.collect::<Vec<_>>())
    }

    fn table_of(&self, parts: &[Tensor]) -> Tensor {
        let width = parts.first().map_or(0, |part| part.size()[1]);
        let padding = Tensor::zeros([1, width], (Kind::Float, self.device));
        let all: Vec<&Tensor> = std::iter::once(&padding).chain(parts).collect();
        Tensor::cat(&all, 0)
    }

    /// The weights of the encoder.
    pub fn encoder_weights(&self) -> Vec<(String, Tensor)> {
        let weights = self.texts.weights().into_iter();
        weights
            .map(|(name, weight)| (format!("{ENCODER}{name}"), weight))
            .collect()
    }
}

/// A fresh network that reads `texts`. The caller has seeded LibTorch's generator.
pub fn with_texts(
    config: &Config,
    texts: Box<dyn TextVectors>,
    sizes: Sizes,
    device: Device,
) -> Sasrec {
    let network = config.network();
    if let (Reading::Initial, Some(vectors)) = (config.reading, texts.frozen()) {
        let net = Sasrec::new(&network, sizes, device);
        tch::no_grad(|| start_from(&net.item_table(), vectors));
        return net;
    }
    let items = sizes.items as usize;
    Sasrec::with_items(&network, sizes, device, |parameters| {
        ItemRows::Texts(TextRows {
            map: Map::new(parameters, config, texts.width()),
            texts,
            items,
            device,
        })
    })
}

/// Replaces columns of `table` [V + 1, D] by the principal components of `vectors` [V + 1, W],
/// scaled to the deviation of the table. Row 0 does not count. Where there are fewer components
/// than D, the other columns keep their start.
fn start_from(table: &Tensor, vectors: &Tensor) {
    let count = table.size()[0] - 1;
    let rows = table.narrow(0, 1, count);
    let components = components(&vectors.narrow(0, 1, count), table.size()[1]);
    let kept = components.size()[1];
    if kept == 0 {
        return;
    }
    let mean_square = |values: &Tensor| values.square().mean(Kind::Double);
    let scale = (mean_square(&rows) / mean_square(&components)).sqrt();
    let scaled = (components * scale).to_kind(Kind::Float);
    rows.narrow(1, 0, kept).copy_(&scaled);
}

/// The first principal components [V, at most `most`] of `vectors` [V, W], by falling variance. The
/// largest value of each component is positive. Components without variance are left out.
fn components(vectors: &Tensor, most: i64) -> Tensor {
    let vectors = vectors.to_kind(Kind::Double).to_device(Device::Cpu);
    let centred = &vectors - vectors.mean_dim(0, true, Kind::Double);
    let (count, width) = centred.size2().expect("vectors are [V, W]");
    let by_columns = width <= count;
    let products = match by_columns {
        true => centred.tr().mm(&centred),
        false => centred.mm(&centred.tr()),
    };
    let (variances, directions) = products.linalg_eigh("L");
    let variances = variances.flip([0]);
    let largest = variances.double_value(&[0]);
    let some = variances.gt(largest * 1e-9).sum(Kind::Int64);
    let kept = match largest > 0.0 {
        true => some.int64_value(&[]).min(most),
        false => 0,
    };
    let directions = directions.flip([1]).narrow(1, 0, kept);
    let found = match by_columns {
        true => centred.mm(&directions),
        false => directions * variances.narrow(0, 0, kept).sqrt(),
    };
    if kept == 0 {
        return found;
    }
    let ends = found.abs().argmax(0, true);
    let signs = found.gather(0, &ends, false).sign();
    (found * signs).to_device(vectors.device())
}

#[cfg(test)]
mod tests;
