//! The vectors in the texts that a small language model is trained on.

use tch::{Device, Kind, Tensor};

use crate::llm::lm::Lm;
use crate::nn::embedding::indices;

/// A vector in a prompt: a weighted sum of means of words' embeddings, each at a deviation of 1, and of random vectors.
///
/// Two vectors that share a part are alike as the weights say. Random vectors of one text lie in one random space of `rank`
/// dimensions, as what a projection makes of a narrow model's states does.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Told {
    /// Tokens of words, each list with the weight of its mean.
    pub(super) words: Vec<(Vec<u32>, f64)>,
    /// Numbers of random vectors among those of the text, each with its weight.
    pub(super) random: Vec<(u32, f64)>,
}

/// The random vectors of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Random {
    /// How many.
    pub(super) count: u32,
    /// Dimensions that they fill.
    pub(super) rank: u32,
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
    /// Vectors so far.
    vectors: u32,
    /// Tokens of means, with the number of the mean.
    tokens_of_means: Vec<(u32, u32)>,
    /// Means: the vector's number, and the weight.
    means: Vec<(u32, f32)>,
    /// Random parts: the vector's number, the text's, the part's in it, and the weight.
    parts: Vec<(u32, u32, u32, f32)>,
    /// Each place as a token's or a vector's number.
    order: Vec<(bool, u32)>,
    /// The random vectors of the texts so far.
    random: Vec<Random>,
}

impl Gathered {
    /// The places that follow are of another text.
    pub(super) fn begin(&mut self, random: Random) {
        self.random.push(random);
    }

    pub(super) fn take(&mut self, place: &Place) {
        match place {
            Place::Token(token) => {
                self.order.push((false, self.tokens.len() as u32));
                self.tokens.push(*token);
            }
            Place::Vector(told) => {
                let number = self.vectors;
                self.vectors += 1;
                self.order.push((true, number));
                for (tokens, weight) in &told.words {
                    let mean = self.means.len() as u32;
                    let tokens = tokens.iter();
                    self.tokens_of_means
                        .extend(tokens.map(|&token| (mean, token)));
                    self.means.push((number, *weight as f32));
                }
                let text = self.random.len() as u32 - 1;
                let parts = told.random.iter();
                self.parts
                    .extend(parts.map(|&(part, weight)| (number, text, part, weight as f32)));
            }
        }
    }

    /// All places' vectors, in order.
    pub(super) fn tensor(&self, lm: &Lm) -> Tensor {
        let device = lm.device();
        let tokens = lm.embed(&indices(&self.tokens, device));
        if self.vectors == 0 {
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
        let (of_means, tokens): (Vec<u32>, Vec<u32>) = self.tokens_of_means.iter().copied().unzip();
        let words = lm
            .embed(&indices(&tokens, device))
            .detach()
            .to_kind(Kind::Float);
        let sums = Tensor::zeros([self.means.len() as i64, width], options);
        let sums = sums.index_add(0, &indices(&of_means, device), &words);
        let size = sums.square().mean_dim(1, true, Kind::Float).sqrt();
        let (owners, weights): (Vec<u32>, Vec<f32>) = self.means.iter().copied().unzip();
        let means = sums / (size + 1e-6) * column(&weights, device);
        let vectors = Tensor::zeros([i64::from(self.vectors), width], options);
        let vectors = vectors.index_add(0, &indices(&owners, device), &means);
        let (random, most) = random_vectors(&self.random, width, device);
        let parts = self.parts.iter();
        let places: Vec<u32> = parts
            .map(|&(_, text, part, _)| text * most + part)
            .collect();
        let owners: Vec<u32> = self.parts.iter().map(|part| part.0).collect();
        let weights: Vec<f32> = self.parts.iter().map(|part| part.3).collect();
        let parts = random.index_select(0, &indices(&places, device)) * column(&weights, device);
        vectors.index_add(0, &indices(&owners, device), &parts)
    }
}

/// Normal vectors of deviation 1 for texts, each text's in a random space of its rank: [T x most, W] and `most`, the
/// largest count.
fn random_vectors(texts: &[Random], width: i64, device: Device) -> (Tensor, u32) {
    let options = (Kind::Float, device);
    let most = texts.iter().map(|text| text.count).max().unwrap_or(0);
    let rank = |text: &Random| i64::from(text.rank).clamp(1, width);
    let ranks: Vec<i64> = texts.iter().map(rank).collect();
    let ranks = Tensor::from_slice(&ranks)
        .to_device(device)
        .view([-1, 1, 1]);
    let inside = Tensor::arange(width, (Kind::Int64, device)).less_tensor(&ranks);
    let drawn = Tensor::randn([texts.len() as i64, i64::from(most), width], options);
    let spaces = Tensor::randn([texts.len() as i64, width, width], options);
    let vectors = (drawn * inside).bmm(&spaces) / ranks.to_kind(Kind::Float).sqrt();
    (vectors.reshape([-1, width]), most)
}

fn column(values: &[f32], device: Device) -> Tensor {
    Tensor::from_slice(values).to_device(device).unsqueeze(1)
}
