//! Which of some titles an answer is to name: how likely each is, and what that makes of each token.

use std::collections::BTreeMap;

use super::vectors::Told;

/// Factor of cosines under the softmax that gives candidates their chances: a likeness that is larger by a tenth makes a
/// candidate seven times as likely.
const SHARPNESS: f64 = 20.0;

/// One of several candidates is to be named, the more often the more its vector is like the one asked with.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Choice {
    /// The vector that candidates are to be like; `None`: all are as good.
    pub(super) asked: Option<Told>,
    /// What is compared with it, a vector for each candidate.
    pub(super) offered: Vec<Told>,
    /// Each candidate's answer.
    pub(super) answers: Vec<Vec<u32>>,
    /// Places of the candidates' vectors in the prompt; empty where titles stand alone.
    pub(super) slots: Vec<usize>,
    /// From 0 to below 1: which candidate is chosen by its chance.
    pub(super) draw: f64,
}

impl Choice {
    /// The chances of candidates with these cosines, which sum to 1.
    pub(super) fn chances(&self, cosines: &[f32]) -> Vec<f64> {
        let scores: Vec<f64> = match self.asked {
            Some(_) => cosines
                .iter()
                .map(|&cosine| f64::from(cosine) * SHARPNESS)
                .collect(),
            None => vec![0.0; self.answers.len()],
        };
        let most = scores.iter().copied().fold(f64::MIN, f64::max);
        let weights: Vec<f64> = scores.iter().map(|score| (score - most).exp()).collect();
        let sum: f64 = weights.iter().sum();
        weights.iter().map(|weight| weight / sum).collect()
    }

    /// The candidate that is chosen.
    pub(super) fn chosen(&self, chances: &[f64]) -> usize {
        let mut left = self.draw;
        let found = chances.iter().position(|chance| {
            left -= chance;
            left < 0.0
        });
        // Rounding may leave a rest behind the last.
        found.unwrap_or(chances.len() - 1)
    }

    /// How likely each token is at each place of the chosen answer, given those before it: [answer's tokens].
    pub(super) fn next(&self, chances: &[f64], chosen: usize) -> Vec<BTreeMap<u32, f64>> {
        let answer = &self.answers[chosen];
        let place = |place: usize| {
            let begun = self.answers.iter().zip(chances);
            let begun = begun.filter(|(other, _)| other.get(..place) == Some(&answer[..place]));
            let mut likely = BTreeMap::new();
            let mut sum = 0.0;
            for (other, chance) in begun {
                if let Some(&token) = other.get(place) {
                    *likely.entry(token).or_insert(0.0) += chance;
                    sum += chance;
                }
            }
            likely.values_mut().for_each(|chance| *chance /= sum);
            likely
        };
        (0..answer.len()).map(place).collect()
    }
}
