//! The vectors in the texts that a small language model is trained on.

use tch::{Kind, Tensor};

use allround_worker::lm::Lm;
use allround_worker::nn::embedding::indices;
use allround_worker::torch_ext::transfer::to_device_async;

/// A vector: a weighted sum of means of words' embeddings, each at a deviation of 1, and of random
/// vectors.
///
/// Two vectors of one text that share a part are alike as the weights say.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct VectorRecipe {
    /// Tokens of words, each list with the weight of its mean.
    pub(super) words: Vec<(Vec<u32>, f64)>,
    /// Numbers of random vectors among those of the text, each with its weight.
    pub(super) random: Vec<(u32, f64)>,
}

/// What is at a place of a prompt.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Place {
    Token(u32),
    Vector(VectorRecipe),
}

/// Vectors to be drawn together.
#[derive(Default)]
pub(super) struct Gathered {
    /// Vectors so far.
    vectors: u32,
    /// Tokens of means, with the number of the mean.
    tokens: Vec<(u32, u32)>,
    /// Means: the vector's number, and the weight.
    means: Vec<(u32, f32)>,
    /// Random parts: the vector's number, the random vector's, and the weight.
    parts: Vec<(u32, u32, f32)>,
    /// Random vectors of the texts before, and with the present one.
    random: (u32, u32),
}

impl Gathered {
    /// The vectors that follow are of another text, which names this many random ones.
    pub(super) fn begin(&mut self, random: u32) {
        self.random = (self.random.1, self.random.1 + random);
    }

    /// The number that a vector will have among all.
    pub(super) fn take(&mut self, told: &VectorRecipe) -> u32 {
        let number = self.vectors;
        self.vectors += 1;
        for (tokens, weight) in &told.words {
            let mean = self.means.len() as u32;
            self.tokens
                .extend(tokens.iter().map(|&token| (mean, token)));
            self.means.push((number, *weight as f32));
        }
        let parts = told.random.iter();
        self.parts
            .extend(parts.map(|&(part, weight)| (number, self.random.0 + part, weight as f32)));
        number
    }

    /// All vectors [count, W] in single precision, without gradient.
    pub(super) fn draw(&self, lm: &Lm) -> Tensor {
        let (device, width) = (lm.device(), lm.width());
        let options = (Kind::Float, device);
        let column =
            |values: &[f32]| to_device_async(&Tensor::from_slice(values), device).unsqueeze(1);
        let (of_means, tokens): (Vec<u32>, Vec<u32>) = self.tokens.iter().copied().unzip();
        let words = lm
            .embed(&indices(&tokens, device))
            .detach()
            .to_kind(Kind::Float);
        let sums = Tensor::zeros([self.means.len() as i64, width], options);
        let sums = sums.index_add(0, &indices(&of_means, device), &words);
        let size = sums.square().mean_dim(1, true, Kind::Float).sqrt();
        let (owners, weights): (Vec<u32>, Vec<f32>) = self.means.iter().copied().unzip();
        let means = sums / (size + 1e-6) * column(&weights);
        let vectors = Tensor::zeros([i64::from(self.vectors), width], options);
        let vectors = vectors.index_add(0, &indices(&owners, device), &means);
        let random = Tensor::randn([i64::from(self.random.1), width], options);
        let parts = self.parts.iter();
        let places: Vec<u32> = parts.clone().map(|part| part.1).collect();
        let owners: Vec<u32> = parts.clone().map(|part| part.0).collect();
        let weights: Vec<f32> = parts.map(|part| part.2).collect();
        let parts = random.index_select(0, &indices(&places, device)) * column(&weights);
        vectors.index_add(0, &indices(&owners, device), &parts)
    }
}
