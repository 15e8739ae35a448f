//! The vectors in the texts that a small language model is trained on.

use tch::{Device, Kind, Tensor};

use crate::llm::lm::Lm;
use crate::nn::embedding::indices;

/// Deviation of a vector's elements: large beside embeddings, as what projections give is.
pub(super) const SIZE: f64 = 0.5;

/// A vector in a prompt: the mean of some words' embeddings, a random part of its own, and noise.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Told {
    /// Tokens of the words.
    pub(super) tokens: Vec<u32>,
    /// Number of the random part among those of the text: vectors of one number share it.
    pub(super) number: u32,
    /// Share of the random part in the vector's square, from 0 to 1.
    pub(super) share: f64,
    /// Size of the noise against the vector's own.
    pub(super) noise: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Place {
    Token(u32),
    Vector(Told),
}

/// What a batch's places ask for.
#[derive(Default)]
pub(super) struct Gathered {
    tokens: Vec<u32>,
    /// Tokens of means, with the number of the vector.
    bags: Vec<(u32, u32)>,
    /// Number of each vector's random part among those of the batch.
    numbers: Vec<u32>,
    shares: Vec<f64>,
    noise: Vec<f64>,
    /// Each place as a token's or a vector's number.
    order: Vec<(bool, u32)>,
    /// Random parts of the texts before.
    pub(super) first_random: u32,
}

impl Gathered {
    pub(super) fn take(&mut self, place: &Place) {
        match place {
            Place::Token(token) => {
                self.order.push((false, self.tokens.len() as u32));
                self.tokens.push(*token);
            }
            Place::Vector(told) => {
                let number = self.numbers.len() as u32;
                self.order.push((true, number));
                self.bags
                    .extend(told.tokens.iter().map(|&token| (number, token)));
                self.numbers.push(self.first_random + told.number);
                self.shares.push(told.share);
                self.noise.push(told.noise);
            }
        }
    }

    /// All places' vectors, in order.
    pub(super) fn tensor(&self, lm: &Lm) -> Tensor {
        let device = lm.device();
        let tokens = lm.embed(&indices(&self.tokens, device));
        if self.numbers.is_empty() {
            return tokens;
        }
        let all = Tensor::cat(&[tokens, self.vectors(lm)], 0);
        let first = self.tokens.len() as u32;
        let order = self.order.iter();
        let order = order.map(|&(vector, at)| if vector { first + at } else { at });
        all.index_select(0, &indices(&order.collect::<Vec<_>>(), device))
    }

    /// The vectors, without gradient.
    fn vectors(&self, lm: &Lm) -> Tensor {
        let (device, width) = (lm.device(), lm.width());
        let options = (Kind::Float, device);
        let count = self.numbers.len() as i64;
        let random = Tensor::randn([i64::from(self.first_random), width], options) * SIZE;
        let random = random.index_select(0, &indices(&self.numbers, device));
        let (owners, tokens): (Vec<u32>, Vec<u32>) = self.bags.iter().copied().unzip();
        let words = lm
            .embed(&indices(&tokens, device))
            .detach()
            .to_kind(Kind::Float);
        let sums = Tensor::zeros([count, width], options);
        let sums = sums.index_add(0, &indices(&owners, device), &words);
        let size = sums.square().mean_dim(1, true, Kind::Float).sqrt();
        let share = column(&self.shares, device);
        let mixed = sums / (size + 1e-6) * SIZE * (-&share + 1.0).sqrt() + random * share.sqrt();
        with_noise(&mixed, &self.noise)
    }
}

fn column(values: &[f64], device: Device) -> Tensor {
    let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
    Tensor::from_slice(&values).to_device(device).unsqueeze(1)
}

/// `vectors` [N, W] with normal noise of these sizes, scaled back to their own size.
pub(super) fn with_noise(vectors: &Tensor, noise: &[f64]) -> Tensor {
    let noise = column(noise, vectors.device());
    let noisy = vectors + vectors.randn_like() * &noise * SIZE;
    noisy / (noise.square() + 1.0).sqrt()
}
