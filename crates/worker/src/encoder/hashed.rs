//! A fixed text feature map without weights: signed hashing of words and character n-grams
//! (Weinberger et al. 2009).
//!
//! Texts that share words or parts of words are near each other. The same text, width and seed give
//! the same vector on every machine.

use std::collections::BTreeMap;

use allround_core::digest;
use rayon::prelude::*;

/// Lengths of a word's character n-grams; `<` and `>` mark its ends.
const GRAMS: std::ops::RangeInclusive<usize> = 3..=5;
/// Weight of all of a word's n-grams together, where the word itself has 1.
const PARTS: f64 = 0.5;

/// The feature map.
#[derive(Clone, Copy, Debug)]
pub struct Hashed {
    /// Width W of a vector.
    pub width: usize,
    /// Which hash functions are used.
    pub seed: u64,
}

impl Hashed {
    /// The vectors of many texts one after the other, N W numbers, on all threads.
    pub fn all(&self, texts: &[&str]) -> Vec<f32> {
        texts
            .par_iter()
            .flat_map_iter(|text| self.features(text))
            .collect()
    }

    /// The vector `[W]` of a text, of length 1; zeros when the text has no letter and no digit.
    pub fn features(&self, text: &str) -> Vec<f32> {
        let mut counts: BTreeMap<String, f64> = BTreeMap::new();
        for word in words(text) {
            *counts.entry(word).or_default() += 1.0;
        }
        // Sums are in the order of the words, and a square root, unlike a logarithm, is the same on
        // every machine.
        let mut sums = vec![0.0f64; self.width];
        for (word, count) in counts {
            let weight = f64::sqrt(count);
            self.add(&mut sums, "word", &word, weight);
            let marked: Vec<char> = format!("<{word}>").chars().collect();
            let grams: Vec<&[char]> = GRAMS.flat_map(|length| marked.windows(length)).collect();
            let part = weight * (PARTS / grams.len().max(1) as f64).sqrt();
            for gram in grams {
                self.add(&mut sums, "part", &gram.iter().collect::<String>(), part);
            }
        }
        let norm = sums.iter().map(|value| value * value).sum::<f64>().sqrt();
        let scale = if norm > 0.0 { 1.0 / norm } else { 0.0 };
        sums.iter().map(|value| (value * scale) as f32).collect()
    }

    /// Adds `weight` with the feature's own sign at the feature's own place.
    fn add(&self, sums: &mut [f64], form: &str, feature: &str, weight: f64) {
        let key = digest::of_bytes(format!("{}\n{form}\n{feature}", self.seed).as_bytes());
        let word = u64::from_le_bytes(key.bytes()[..8].try_into().expect("a digest has 32 bytes"));
        let sign = if word >> 63 == 0 { 1.0 } else { -1.0 };
        let place = (word & (u64::MAX >> 1)) % self.width as u64;
        sums[place as usize] += sign * weight;
    }
}

/// Runs of letters and digits in lower case.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: Hashed = Hashed {
        width: 256,
        seed: 7,
    };

    fn likeness(one: &str, other: &str) -> f32 {
        let (one, other) = (MAP.features(one), MAP.features(other));
        one.iter().zip(&other).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn shared_words_and_parts_of_words_bring_texts_near() {
        let title = "Stanley Sharpshooter Staples, Steel";
        assert!((likeness(title, "steel STAPLES (stanley) sharpshooter") - 1.0).abs() < 1e-6);
        let shared = likeness(title, "Arrow Staples, Steel");
        let related = likeness("stapling", "staples");
        let strange = likeness(title, "Hydrogen peroxide test kit");
        assert!(shared > 0.4, "{shared}");
        assert!(related > 0.1, "{related}");
        assert!(strange.abs() < 0.2, "{strange}");
    }

    #[test]
    fn vectors_have_length_one_unless_nothing_is_said() {
        let norm = |text: &str| MAP.features(text).iter().map(|v| v * v).sum::<f32>();
        assert!((norm("Toy Story (1995)") - 1.0).abs() < 1e-6);
        assert_eq!(norm(" -- !"), 0.0);
        assert_eq!(norm(""), 0.0);
    }

    #[test]
    fn vectors_stay_as_they_are_from_version_to_version() {
        let small = Hashed { width: 8, seed: 1 };
        let rounded: Vec<i32> = small
            .features("Toy Story")
            .iter()
            .map(|value| (value * 1e4).round() as i32)
            .collect();
        assert_eq!(rounded, [2144, 0, -2144, 7426, 3767, -2144, -3032, -2772]);
        assert_ne!(
            small.features("x"),
            Hashed { seed: 2, ..small }.features("x")
        );
    }
}
