//! A-LLMRec's stage 1: an auto-encoder of items and one of texts, whose codes are brought together.
//!
//! Paper: Kim et al. 2024, equations 2 to 6. Upstream: `A_llmrec_model.pre_train_phase1` at
//! ghdtjr/A-LLMRec e216bbc, whose names the weights keep (`mlp` for items, `mlp2` for texts,
//! `sbert`). Where paper and code differ, both forms are settings. These are dot product or mean,
//! losses on negatives, sigmoid, dropout of the frozen CF model, and the order of users. So are
//! users with one training item, for whom upstream trains on item 0. Deviations from both:
//! - item 0 is a row of zeros in the CF model's table, as is its text if texts are frozen.
//!   Upstream's row is random, and its text is that of an item without a title;
//! - an item that occurs twice in a batch is encoded once, and so has one dropout mask of the text
//!   encoder;
//! - the text reconstruction's target is detached, as upstream's is; the paper does not say.
//!
//! Letters: N targets, D width of the CF model, J width of the codes, W width of text vectors.

use allround_core::data::Prepared;
use allround_core::models::allmrec::Align;
use allround_core::models::allmrec::RecScore;
use allround_core::seed::{Stream, stream};
use tch::{Device, Kind, Reduction, Tensor};

use super::sequences::{Pool, Sequences, Target, user_states};
use super::tables::frozen_rows;
use crate::data::row;
use crate::encoder::texts::Texts;
use crate::models::morec::TextVectors;
use crate::models::{Backbone, weights};
use crate::nn::Parameters;
use crate::nn::embedding::{self, indices};
use crate::nn::linear::{Linear, Start};
use crate::train::BoxError;
use crate::train::task::{Loss, Source, Steps, Task};
use crate::train::trainer::{self, EpochSeed};

/// This stage's number among random streams.
pub const STAGE: u64 = 1;
/// Items whose codes are computed at once.
pub const AT_ONCE: usize = 1024;

/// One layer to a code and one layer back.
#[derive(Debug)]
pub struct AutoEncoder {
    encode: Linear,
    decode: Linear,
    sigmoid: bool,
}

impl AutoEncoder {
    /// A fresh auto-encoder of vectors of `width` numbers, with codes of `code` numbers. Weights
    /// have names below `name`; codes end in a sigmoid if `sigmoid`. The caller has seeded
    /// LibTorch's generator.
    pub fn new(
        parameters: &mut Parameters,
        name: &str,
        width: i64,
        code: i64,
        sigmoid: bool,
    ) -> Self {
        let mut layer = |part, inputs, outputs| {
            let name = format!("{name}.{part}");
            Linear::new(parameters, &name, inputs, outputs, Start::Pytorch)
        };
        Self {
            encode: layer("fc1", width, code),
            decode: layer("fc2", code, width),
            sigmoid,
        }
    }

    /// Codes [N, J] of vectors [N, width].
    pub fn encode(&self, vectors: &Tensor) -> Tensor {
        let codes = self.encode.forward(vectors);
        if self.sigmoid { codes.sigmoid() } else { codes }
    }

    /// Vectors [N, width] of codes [N, J].
    pub fn decode(&self, codes: &Tensor) -> Tensor {
        self.decode.forward(codes)
    }
}

/// What stage 1 reads.
#[derive(Debug)]
pub struct Inputs<'a> {
    /// The data set.
    pub prepared: &'a Prepared,
    /// Its training sequences.
    pub sequences: &'a Sequences,
    /// The frozen CF model.
    pub backbone: &'a dyn Backbone,
    /// Text vectors.
    pub texts: Texts,
}

/// Draws the targets of stage 1 and their negatives.
#[derive(Debug)]
struct AlignExamples<'a> {
    prepared: &'a Prepared,
    sequences: &'a Sequences,
    pool: Pool<'a>,
    batch_size: usize,
    seed: u64,
}

impl Source for AlignExamples<'_> {
    type Example = AlignExample;

    fn steps(&self, epoch: u32) -> Result<Steps<'_, AlignExample>, BoxError> {
        let draw = EpochSeed {
            seed: self.seed,
            stage: STAGE,
            epoch,
        };
        let steps = self.sequences.steps(self.prepared, self.batch_size, draw);
        let mut random = stream(
            self.seed,
            Stream::Negatives,
            trainer::index(STAGE, epoch, 0),
        );
        let mut example = move |target: Target| -> Result<AlignExample, BoxError> {
            let known = self.prepared.train_of(target.user as usize);
            let negative = match target.at {
                Some(_) => self.pool.draw(target.user, known, 1, &mut random)?[0],
                None => 0,
            };
            Ok(AlignExample { target, negative })
        };
        Ok(Steps {
            count: steps.len(),
            made: Box::new(
                steps
                    .into_iter()
                    .map(move |step| step.into_iter().map(&mut example).collect()),
            ),
        })
    }

    fn samples(&self, epochs: u32) -> Option<u64> {
        Some(self.sequences.count(self.prepared) * u64::from(epochs))
    }
}

/// Stage 1 in training.
#[derive(Debug)]
pub struct AlignTask<'a> {
    settings: &'a Align,
    inputs: Inputs<'a>,
    examples: AlignExamples<'a>,
    /// Tokens of the texts of items 0 to V that a trained encoder reads; empty where vectors are
    /// frozen.
    tokens: Vec<usize>,
    /// The CF model's table [V + 1, D].
    table: Tensor,
    parameters: Parameters,
    items: AutoEncoder,
    texts: AutoEncoder,
}

/// A target with one item that the user does not know; padding has itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlignExample {
    target: Target,
    negative: u32,
}

impl<'a> AlignTask<'a> {
    /// Fresh auto-encoders. The caller has seeded LibTorch's generator from the `init` stream.
    pub fn new(settings: &'a Align, inputs: Inputs<'a>, seed: u64) -> Self {
        let mut parameters = Parameters::new(inputs.backbone.device());
        let (width, texts) = (inputs.backbone.width(), inputs.texts.width());
        let code = settings.hidden_units as i64;
        let examples = AlignExamples {
            prepared: inputs.prepared,
            sequences: inputs.sequences,
            pool: Pool::of(inputs.prepared),
            batch_size: settings.train.batch_size,
            seed,
        };
        Self {
            settings,
            examples,
            // Tokenized here, so that no step has to.
            tokens: inputs.texts.tokens(),
            table: frozen_rows(inputs.backbone),
            items: AutoEncoder::new(&mut parameters, "mlp", width, code, settings.sigmoid),
            texts: AutoEncoder::new(&mut parameters, "mlp2", texts, code, settings.sigmoid),
            parameters,
            inputs,
        }
    }

    fn device(&self) -> Device {
        self.parameters.device()
    }

    /// Rows [N, D] of the CF model's table for items 0 to V.
    fn rows(&self, items: &[u32]) -> Tensor {
        let of = |&item: &u32| match item {
            0 => 0,
            item => row(self.inputs.prepared, item),
        };
        let rows: Vec<u32> = items.iter().map(of).collect();
        embedding::rows(&self.table, &indices(&rows, self.device()))
    }

    /// The codes of all items: from the CF model and from texts, [V + 1, J] each; row 0 is zero.
    pub fn tables(&self) -> [Tensor; 2] {
        let _guard = tch::no_grad_guard();
        let items: Vec<u32> = (1..=self.inputs.prepared.n_items() as u32).collect();
        let mut parts = [Vec::new(), Vec::new()];
        let code = self.settings.hidden_units as i64;
        for part in &mut parts {
            part.push(Tensor::zeros([1, code], (Kind::Float, self.device())));
        }
        for items in items.chunks(AT_ONCE) {
            parts[0].push(self.items.encode(&self.rows(items)));
            let texts = self.inputs.texts.of(items, false, self.device());
            parts[1].push(self.texts.encode(&texts));
        }
        parts.map(|parts| Tensor::cat(&parts, 0))
    }

    /// Of a target and its negative, how many have their texts read.
    fn encoded(&self) -> usize {
        let Align {
            matching,
            text_recon,
            negatives,
            ..
        } = *self.settings;
        match (matching > 0.0 || text_recon > 0.0, negatives) {
            (false, _) => 0,
            (true, false) => 1,
            (true, true) => 2,
        }
    }

    /// User and items compared, `[N]`.
    fn compared(&self, states: &Tensor, items: &Tensor) -> Tensor {
        let products = states * items;
        match self.settings.rec_score {
            RecScore::Dot => products.sum_dim_intlist(-1, false, Kind::Float),
            RecScore::Mean => products.mean_dim(-1, false, Kind::Float),
        }
    }
}

impl Task for AlignTask<'_> {
    type Example = AlignExample;

    fn source(&self) -> &dyn Source<Example = AlignExample> {
        &self.examples
    }

    fn weights(&self) -> Vec<(String, Tensor)> {
        let mut weights = self.parameters.named();
        let named = self.inputs.texts.weights().into_iter();
        weights.extend(named.map(|(name, weight)| (format!("sbert.{name}"), weight)));
        weights
    }

    fn params(&self) -> u64 {
        weights::count(&self.weights()) + weights::count(&self.inputs.backbone.weights())
    }

    fn weight(&self, _example: &AlignExample) -> u64 {
        1
    }

    /// Tokens of the texts that are encoded for the pair; 1 where none is.
    fn length(&self, example: &AlignExample) -> usize {
        let target = example.target.item(self.inputs.prepared);
        let items = [target, example.negative];
        let read = items[..self.encoded()].iter();
        let tokens = read.filter_map(|&item| self.tokens.get(item as usize));
        tokens.sum::<usize>().max(1)
    }

    fn states(&self, examples: &[&AlignExample]) -> Option<Tensor> {
        let prepared = self.inputs.prepared;
        let histories: Vec<(u32, &[u32])> = examples
            .iter()
            .map(|example| (example.target.user, example.target.history(prepared)))
            .collect();
        let dropout = self.settings.backbone_dropout;
        let backbone = self.inputs.backbone;
        Some(user_states(backbone, prepared, &histories, dropout))
    }

    fn loss(&self, examples: &[&AlignExample], states: Option<&Tensor>) -> Loss {
        let prepared = self.inputs.prepared;
        let targets = examples.iter().map(|example| example.target.item(prepared));
        let items: Vec<u32> = targets
            .chain(examples.iter().map(|example| example.negative))
            .collect();
        let texts = (self.encoded() > 0).then(|| {
            let items = &items[..self.encoded() * examples.len()];
            self.inputs.texts.of(items, true, self.device())
        });
        let states = states.expect("every example has a user with a history");
        Loss {
            tokens: examples
                .iter()
                .map(|example| self.length(example) as u64)
                .sum(),
            ..self.losses(states, &self.rows(&items), texts.as_ref())
        }
    }
}

impl AlignTask<'_> {
    /// The losses of N targets. `states` are [N, D]. `rows` are [2 N, D]: targets, then negatives.
    /// `texts` are the text vectors of the first N or 2 N of these.
    fn losses(&self, states: &Tensor, rows: &Tensor, texts: Option<&Tensor>) -> Loss {
        let settings = self.settings;
        let count = states.size()[0];
        let codes = self.items.encode(rows);
        let decoded = self.items.decode(&codes);
        let mut parts = Vec::new();
        let mut mean = Tensor::zeros([], (Kind::Float, self.device()));
        let mut add = |name, weight: f64, part: Tensor| {
            mean = &mean + &part * weight;
            parts.push((name, part));
        };
        if settings.rec > 0.0 {
            let good = self.compared(states, &decoded.narrow(0, 0, count));
            let bad = self.compared(states, &decoded.narrow(0, count, count));
            let rec = (-good).softplus().mean(Kind::Float) + bad.softplus().mean(Kind::Float);
            add("rec", settings.rec, rec);
        }
        // A mean over targets and one over as many negatives add up to twice the mean over all.
        let groups = if settings.negatives { 2 } else { 1 };
        let counted = |all: &Tensor| all.narrow(0, 0, groups * count);
        let distance = |one: &Tensor, other: &Tensor| {
            counted(one).mse_loss(&counted(other), Reduction::Mean) * groups as f64
        };
        if settings.item_recon > 0.0 {
            add("item_recon", settings.item_recon, distance(&decoded, rows));
        }
        if let Some(texts) = texts {
            let text_codes = self.texts.encode(texts);
            if settings.matching > 0.0 {
                add("matching", settings.matching, distance(&codes, &text_codes));
            }
            if settings.text_recon > 0.0 {
                let back = self.texts.decode(&text_codes);
                add(
                    "text_recon",
                    settings.text_recon,
                    distance(&back, &texts.detach()),
                );
            }
        }
        Loss {
            mean,
            parts,
            tokens: count as u64,
        }
    }
}

#[cfg(test)]
mod tests;
