//! The vectors in the texts that a small language model is trained on.

use tch::{Kind, Tensor};

use crate::llm::lm::Lm;
use crate::nn::embedding::indices;

/// Deviation of a vector's elements: large beside embeddings, as what projections give is.
pub(super) const SIZE: f64 = 0.5;

/// A vector in a prompt.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Told {
    /// The random vector of this number, with noise of its own.
    Random { number: u32, noise: f64 },
    /// The mean of these tokens' embeddings, with noise.
    Bag { tokens: Vec<u32>, noise: f64 },
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
    /// Number of each vector's random part among those of the batch, and how much noise is added.
    random: Vec<(u32, f64)>,
    /// Tokens of means, with the number of the mean.
    bags: Vec<(u32, u32)>,
    bag_noise: Vec<f64>,
    /// Each place as a token, a vector or a mean.
    order: Vec<(u8, u32)>,
    pub(super) first_random: u32,
}

impl Gathered {
    pub(super) fn take(&mut self, place: &Place) {
        match place {
            Place::Token(token) => {
                self.order.push((0, self.tokens.len() as u32));
                self.tokens.push(*token);
            }
            Place::Vector(Told::Random { number, noise }) => {
                self.order.push((1, self.random.len() as u32));
                self.random.push((self.first_random + number, *noise));
            }
            Place::Vector(Told::Bag { tokens, noise }) => {
                let number = self.bag_noise.len() as u32;
                self.order.push((2, number));
                self.bags
                    .extend(tokens.iter().map(|&token| (number, token)));
                self.bag_noise.push(*noise);
            }
        }
    }

    /// All places' vectors, in order.
    pub(super) fn tensor(&self, lm: &Lm) -> Tensor {
        let (device, width) = (lm.device(), lm.width());
        let options = (Kind::Float, device);
        let mut parts = vec![lm.embed(&indices(&self.tokens, device))];
        if !self.random.is_empty() {
            let numbers: Vec<u32> = self.random.iter().map(|(number, _)| *number).collect();
            let noise: Vec<f64> = self.random.iter().map(|(_, noise)| *noise).collect();
            let base = Tensor::randn([i64::from(self.first_random), width], options) * SIZE;
            let base = base.index_select(0, &indices(&numbers, device));
            parts.push(with_noise(&base, &noise));
        }
        if !self.bag_noise.is_empty() {
            let (owners, tokens): (Vec<u32>, Vec<u32>) = self.bags.iter().copied().unzip();
            let words = lm
                .embed(&indices(&tokens, device))
                .detach()
                .to_kind(Kind::Float);
            let sums = Tensor::zeros([self.bag_noise.len() as i64, width], options);
            let sums = sums.index_add(0, &indices(&owners, device), &words);
            let size = sums.square().mean_dim(1, true, Kind::Float).sqrt();
            parts.push(with_noise(&(sums / (size + 1e-6) * SIZE), &self.bag_noise));
        }
        let starts = parts.iter().scan(0, |start, part| {
            let here = *start;
            *start += part.size()[0] as u32;
            Some(here)
        });
        let mut starts: Vec<u32> = starts.collect();
        if self.random.is_empty() {
            starts.insert(1, 0);
        }
        let order = self
            .order
            .iter()
            .map(|&(kind, at)| starts[kind as usize] + at);
        Tensor::cat(&parts, 0).index_select(0, &indices(&order.collect::<Vec<_>>(), device))
    }
}

/// `vectors` [N, W] with normal noise of these sizes, scaled back to their own size.
pub(super) fn with_noise(vectors: &Tensor, noise: &[f64]) -> Tensor {
    let noise: Vec<f32> = noise.iter().map(|&noise| noise as f32).collect();
    let noise = Tensor::from_slice(&noise)
        .to_device(vectors.device())
        .unsqueeze(1);
    let noisy = vectors + vectors.randn_like() * &noise * SIZE;
    noisy / (noise.square() + 1.0).sqrt()
}
