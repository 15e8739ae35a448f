//! Named random streams. No other module makes random generators.
//!
//! All random draws come from a stream that depends only on (cell seed, name, index). An ablation
//! therefore does not change the draws of other parts, and a resumed epoch makes the same draws.

// The only module that may make random generators.
#![allow(clippy::disallowed_methods)]

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// The purpose of a random stream. Streams with different names are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Initial weights.
    Init,
    /// Order of training examples.
    Shuffle,
    /// Negative items in training.
    Negatives,
    /// Dropout masks. LibTorch's generator is seeded with it, too.
    Dropout,
    /// Items that a training example hides.
    Masks,
    /// Which training steps read vectors.
    Curriculum,
    /// Candidate lists of the evaluation.
    Candidates,
    /// Order of titles and other draws in prompts.
    Prompt,
    /// Order of histories that a scenario shuffles.
    Histories,
    /// Which users a scenario samples.
    Scenario,
    /// Bootstrap and randomisation tests.
    Resample,
    /// The synthetic data generator.
    Synthetic,
    /// Settings that a search tries.
    Search,
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Stream::Init => "init",
            Stream::Shuffle => "shuffle",
            Stream::Negatives => "negatives",
            Stream::Dropout => "dropout",
            Stream::Masks => "masks",
            Stream::Curriculum => "curriculum",
            Stream::Candidates => "candidates",
            Stream::Prompt => "prompt",
            Stream::Histories => "histories",
            Stream::Scenario => "scenario",
            Stream::Resample => "resample",
            Stream::Synthetic => "synthetic",
            Stream::Search => "search",
        }
    }
}

/// The generator of stream `stream` of `seed`. `index` is the number of an epoch, a part or a user,
/// depending on the stream.
pub fn stream(seed: u64, stream: Stream, index: u64) -> ChaCha8Rng {
    ChaCha8Rng::from_seed(derive(seed, stream, index))
}

/// A seed for LibTorch's generator. It is not negative, so that it fits a signed 64-bit integer.
pub fn foreign(seed: u64, stream: Stream, index: u64) -> i64 {
    let bytes = derive(seed, stream, index);
    let word = u64::from_le_bytes(bytes[..8].try_into().expect("a digest has 32 bytes"));
    i64::try_from(word >> 1).expect("the top bit is clear")
}

fn derive(seed: u64, stream: Stream, index: u64) -> [u8; 32] {
    let text = format!("allround stream v1\n{seed}\n{}\n{index}", stream.name());
    crate::digest::of_bytes(text.as_bytes()).bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    #[test]
    fn a_stream_is_a_function_of_seed_name_and_index() {
        let draw = |seed, name, index| stream(seed, name, index).next_u64();
        assert_eq!(draw(1, Stream::Init, 0), draw(1, Stream::Init, 0));
        assert_ne!(draw(1, Stream::Init, 0), draw(2, Stream::Init, 0));
        assert_ne!(draw(1, Stream::Init, 0), draw(1, Stream::Shuffle, 0));
        assert_ne!(draw(1, Stream::Init, 0), draw(1, Stream::Init, 1));
    }

    #[test]
    fn foreign_seeds_are_not_negative() {
        assert!((0..100).all(|index| foreign(7, Stream::Dropout, index) >= 0));
    }
}
