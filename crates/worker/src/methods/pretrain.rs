//! RECFORMER's pre-training: histories and next items brought together, and masked words.
//!
//! Paper: Li et al. 2023, section 3.4. Code: pretrain.py, collator.py and recformer/models.py in
//! AaronHeee/RecFormer at 26b00a5, whose names the weights have. Deviations:
//! - the position of a target is drawn for each epoch, for all pairs;
//! - a user with one training item gives no pair;
//! - in-batch accuracy does not choose the weights: the last ones are kept.
//!
//! Letters: B pairs, D width, V size of the vocabulary, M masked tokens.

use allround_core::models::recformer::Recformer as Config;
use allround_core::seed::{Stream, stream};
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Reduction, Tensor};

use crate::models::recformer::{Reader, unit};
use crate::models::weights;
use crate::nn::Parameters;
use crate::nn::embedding::{self, indices};
use crate::nn::linear::{Linear, Norm, Start};
use crate::nn::longformer::{Longformer, Packed, Sequence};
use crate::nn::parameters;
use crate::torch_ext::product;
use crate::train::BoxError;
use crate::train::task::{Loss, Source, Steps, Task};
use crate::train::trainer::index;

/// This stage's number among random streams.
pub const STAGE: u64 = 8;
/// Share of tokens that are predicted.
const PREDICTED: f64 = 0.15;
/// Share of predicted tokens that are replaced by the mask, and by the mask or a random token.
const REPLACED: [f64; 2] = [0.8, 0.9];

/// A sequence with some words hidden.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Masked {
    /// What is read.
    pub sequence: Sequence,
    /// Places of the predicted tokens.
    pub places: Vec<u32>,
    /// The tokens there.
    pub labels: Vec<u32>,
}

/// A history and its next item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Both as they are.
    pub whole: [Sequence; 2],
    /// Both with words hidden.
    pub masked: [Masked; 2],
}

/// Words of a vocabulary.
#[derive(Clone, Debug)]
pub struct Words {
    /// Whether each token continues the word of the one before it.
    pub continues: Vec<bool>,
    /// The token that hides another one.
    pub mask: u32,
}

impl Words {
    /// Hides words until 15 % of the tokens are predicted, and at least one word.
    pub fn hide(&self, sequence: &Sequence, random: &mut ChaCha8Rng) -> Masked {
        let mut words: Vec<Vec<usize>> = Vec::new();
        for place in 1..sequence.ids.len() {
            let id = sequence.ids[place] as usize;
            let starts_text = sequence.types[place] != sequence.types[place - 1];
            match words.last_mut() {
                Some(word) if !starts_text && self.continues[id] => word.push(place),
                Some(_) | None => words.push(vec![place]),
            }
        }
        words.shuffle(random);
        let most = ((sequence.ids.len() - 1) as f64 * PREDICTED)
            .round()
            .max(1.0) as usize;
        let mut places: Vec<usize> = Vec::new();
        for word in &words {
            if places.is_empty() || places.len() + word.len() <= most {
                places.extend(word);
            }
        }
        places.sort_unstable();
        let mut masked = Masked {
            sequence: sequence.clone(),
            ..Masked::default()
        };
        for place in places {
            masked.places.push(place as u32);
            masked.labels.push(sequence.ids[place]);
            let draw: f64 = random.random();
            if draw < REPLACED[0] {
                masked.sequence.ids[place] = self.mask;
            } else if draw < REPLACED[1] {
                masked.sequence.ids[place] = random.random_range(0..self.continues.len() as u32);
            }
        }
        masked
    }
}

/// Draws pairs from training sequences.
#[derive(Debug)]
pub struct Pairs {
    /// How histories are read.
    pub reader: Reader,
    /// Training items of each user, two at least.
    pub sequences: Vec<Vec<u32>>,
    /// Pairs of a step.
    pub batch_size: usize,
    /// Words of the vocabulary.
    pub words: Words,
    /// Cell seed.
    pub seed: u64,
}

impl Pairs {
    /// The pair of a user: the target's position is drawn from the second half of its items.
    fn pair(&self, items: &[u32], random: &mut ChaCha8Rng) -> Pair {
        let last = items.len() - 1;
        let target = random.random_range(last / 2..=last);
        let whole = [
            self.reader.read(&items[..target]),
            self.reader.read(&items[target..=target]),
        ];
        Pair {
            masked: whole.each_ref().map(|it| self.words.hide(it, random)),
            whole,
        }
    }
}

impl Source for Pairs {
    type Example = Pair;

    fn steps(&self, epoch: u32) -> Result<Steps<'_, Pair>, BoxError> {
        let draws = move |name, step| stream(self.seed, name, index(STAGE, epoch, step));
        let mut order: Vec<usize> = (0..self.sequences.len()).collect();
        order.shuffle(&mut draws(Stream::Shuffle, 0));
        let steps: Vec<Vec<usize>> = order
            .chunks(self.batch_size)
            .map(<[usize]>::to_vec)
            .collect();
        let count = steps.len();
        let made = steps.into_iter().enumerate().map(move |(step, users)| {
            let mut random = draws(Stream::Masks, step + 1);
            let pairs = users.iter();
            Ok(pairs
                .map(|&user| self.pair(&self.sequences[user], &mut random))
                .collect())
        });
        Ok(Steps {
            count,
            made: Box::new(made),
        })
    }

    fn samples(&self, epochs: u32) -> Option<u64> {
        Some(self.sequences.len() as u64 * u64::from(epochs))
    }
}

/// From states to logits of tokens.
#[derive(Debug)]
pub struct LmHead {
    dense: Linear,
    norm: Norm,
    decoder: Tensor,
    bias: Tensor,
}

impl LmHead {
    /// A fresh head. Its decoder starts as a copy of the table of tokens `words` [V, D].
    pub fn new(parameters: &mut Parameters, words: &Tensor) -> Self {
        let (tokens, width) = words.size2().expect("the table is [V, D]");
        let decoder = words.detach().to_device(Device::Cpu).copy();
        Self {
            dense: Linear::new(parameters, "lm_head.dense", width, width, Start::Pytorch),
            norm: Norm::new(parameters, "lm_head.layer_norm", width),
            decoder: parameters.add("lm_head.decoder.weight", decoder),
            bias: parameters.add("lm_head.bias", parameters::zeros(&[tokens])),
        }
    }

    /// [M, D] -> [M, V].
    pub fn forward(&self, states: &Tensor) -> Tensor {
        let x = self.norm.forward(&self.dense.forward(states).gelu("none"));
        product::linear(&x, &self.decoder, Some(&self.bias))
    }
}

/// Cross-entropy of each row's own column of cosines [B, B], divided by `temperature`.
pub fn contrast(histories: &Tensor, items: &Tensor, temperature: f64) -> Tensor {
    let logits = product::mm(&unit(histories), &unit(items).tr()) / temperature;
    let right = Tensor::arange(logits.size()[0], (Kind::Int64, logits.device()));
    logits.cross_entropy_loss::<Tensor>(&right, None, Reduction::Mean, -100, 0.0)
}

/// Pre-training.
#[derive(Debug)]
pub struct PretrainTask<'a> {
    /// Settings.
    pub config: &'a Config,
    /// The network.
    pub net: &'a Longformer,
    /// The head of masked language modelling.
    pub head: &'a LmHead,
    /// All weights.
    pub parameters: &'a [Parameters; 2],
    /// Pairs of a step.
    pub pairs: &'a Pairs,
}

impl PretrainTask<'_> {
    fn device(&self) -> Device {
        self.parameters[0].device()
    }

    /// The loss of masked language modelling of the histories, and of the items.
    fn masked(&self, pairs: &[&Pair]) -> [Tensor; 2] {
        let device = self.device();
        let sides = [0, 1].map(|side| pairs.iter().map(move |pair| &pair.masked[side]));
        let all: Vec<&Masked> = sides.into_iter().flatten().collect();
        let sequences: Vec<&Sequence> = all.iter().map(|it| &it.sequence).collect();
        let packed = Packed::new(&sequences, device);
        let states = self.net.all(&packed, true);
        let starts = Vec::<i64>::try_from(packed.starts().to_device(Device::Cpu));
        let starts = starts.expect("starts are numbers");
        let (histories, items) = all.split_at(pairs.len());
        [(histories, 0), (items, pairs.len())].map(|(side, first)| {
            let places: Vec<u32> = side
                .iter()
                .zip(&starts[first..])
                .flat_map(|(it, &start)| it.places.iter().map(move |place| start as u32 + place))
                .collect();
            if places.is_empty() {
                return Tensor::zeros([], (Kind::Float, device));
            }
            let labels: Vec<u32> = side.iter().flat_map(|it| &it.labels).copied().collect();
            let states = embedding::rows(&states, &indices(&places, device));
            self.head.forward(&states).cross_entropy_loss::<Tensor>(
                &indices(&labels, device),
                None,
                Reduction::Mean,
                -100,
                0.0,
            )
        })
    }
}

impl Task for PretrainTask<'_> {
    type Example = Pair;

    fn source(&self) -> &dyn Source<Example = Pair> {
        self.pairs
    }

    /// All but a table of tokens that has been trained on other texts.
    fn weights(&self) -> Vec<(String, Tensor)> {
        let all = self.parameters.iter().flat_map(Parameters::named);
        all.filter(|(_, weight)| weight.requires_grad()).collect()
    }

    fn params(&self) -> u64 {
        let all = self.parameters.iter().flat_map(Parameters::named);
        weights::count(&all.collect::<Vec<_>>())
    }

    fn weight(&self, _pair: &Pair) -> u64 {
        1
    }

    fn length(&self, pair: &Pair) -> usize {
        pair.whole.iter().map(|it| it.ids.len()).sum()
    }

    fn can_split(&self) -> bool {
        false
    }

    fn loss(&self, pairs: &[&Pair], _states: Option<&Tensor>) -> Loss {
        let sides = [0, 1].map(|side| pairs.iter().map(move |pair| &pair.whole[side]));
        let sequences: Vec<&Sequence> = sides.into_iter().flatten().collect();
        let read = self
            .net
            .first(&Packed::new(&sequences, self.device()), true);
        let [histories, items] = [0, 1].map(|side| {
            let count = pairs.len() as i64;
            read.narrow(0, side * count, count)
        });
        let contrast = contrast(&histories, &items, self.config.temperature);
        let [of_histories, of_items] = self.masked(pairs);
        Loss {
            mean: &contrast + (&of_histories + &of_items) * self.config.pretrain.mlm_weight,
            parts: vec![
                ("contrast", contrast.detach()),
                ("mlm_history", of_histories.detach()),
                ("mlm_item", of_items.detach()),
            ],
            tokens: 2 * pairs
                .iter()
                .map(|pair| self.length(pair) as u64)
                .sum::<u64>(),
        }
    }
}

#[cfg(test)]
mod tests;
