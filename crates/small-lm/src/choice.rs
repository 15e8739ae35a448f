//! Which of some titles an answer is to name: how likely each is, and what that makes of each
//! token.
//!
//! Choices are made on the device of the vectors, so no step waits for the host. A text is as long
//! as its longest answer, and tokens after the chosen answer's end have weight 0.
//!
//! Letters: M choices, C candidates of the longest list, L tokens of the longest answer.

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor};

use super::vectors::VectorRecipe;
use allround_worker::nn::embedding::indices;
use allround_worker::torch_ext::transfer::to_device_async;

/// Factor of cosines under the softmax that gives candidates their chances. A cosine that is
/// larger by 0.1 makes a candidate seven times as likely.
const SHARPNESS: f64 = 20.0;

/// One of several candidates is the answer. It is the likelier, the closer its vector is to the
/// query vector.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Choice {
    /// The vector that candidates are to be like; `None`: all are as good.
    pub(super) asked: Option<VectorRecipe>,
    /// What is compared with it, a vector for each candidate.
    pub(super) offered: Vec<VectorRecipe>,
    /// Each candidate's answer.
    pub(super) answers: Vec<Vec<u32>>,
    /// Places of the candidates' vectors in the prompt; empty where titles are alone.
    pub(super) slots: Vec<usize>,
    /// From 0 to below 1: which candidate is chosen by its chance.
    pub(super) draw: f64,
}

impl Choice {
    /// Tokens of the longest answer.
    pub(super) fn longest(&self) -> usize {
        self.answers.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// The places at which some answers part that have begun alike, the first of all first.
    pub(super) fn partings(&self) -> Vec<usize> {
        let parts = |place: &usize| {
            let mut next: BTreeMap<&[u32], u32> = BTreeMap::new();
            self.answers.iter().any(|answer| {
                let token = answer.get(*place).copied();
                token.is_some_and(|token| *next.entry(&answer[..*place]).or_insert(token) != token)
            })
        };
        (0..self.longest()).filter(parts).collect()
    }
}

/// Choices that are made.
#[derive(Debug)]
pub(super) struct Made {
    /// Tokens of all answers, [M, C, L]; 0 after their ends.
    pub(super) answers: Tensor,
    /// Tokens of the chosen ones, [M, L]; 0 after their ends.
    pub(super) chosen: Tensor,
    /// The chance of each candidate at each place of the chosen answer, [M, C, L]. Only candidates
    /// with the same beginning count; sums over C are 1. After the chosen answer's end it is 0.
    pub(super) chances: Tensor,
    /// 1 where candidates part that have begun like the chosen one, [M, L].
    pub(super) parting: Tensor,
    /// 1 where the chosen answer has a token, [M, L].
    pub(super) said: Tensor,
}

impl Made {
    /// Of `choices`, at least one, with `cosines` of all candidates of those with a query vector,
    /// one choice's after the other's.
    pub(super) fn of(choices: &[&Choice], cosines: &Tensor) -> Self {
        let device = cosines.device();
        let lists = Lists::of(choices);
        let (m, c, l) = lists.sizes;
        let shape = [m as i64, c as i64, l as i64];
        let scores = to_device_async(&Tensor::from_slice(&lists.scores), device);
        let scores = scores.index_add(0, &indices(&lists.asked, device), &(cosines * SHARPNESS));
        let chances = scores.view([shape[0], shape[1]]).softmax(-1, Kind::Float);
        let tokens = to_device_async(&Tensor::from_slice(&lists.tokens), device).view(shape);

        let draws: Vec<f32> = choices.iter().map(|choice| choice.draw as f32).collect();
        let last: Vec<i64> = choices
            .iter()
            .map(|choice| choice.answers.len() as i64 - 1)
            .collect();
        let below = chances
            .cumsum(-1, Kind::Float)
            .le_tensor(&column(&draws, device));
        let passed = below.sum_dim_intlist(-1, true, Kind::Int64);
        // Rounding may leave a rest after the last.
        let number =
            passed.minimum(&to_device_async(&Tensor::from_slice(&last), device).unsqueeze(1));
        let number = number.unsqueeze(2).expand([shape[0], 1, shape[2]], false);
        let chosen = tokens.gather(1, &number, false);

        let same = tokens.eq_tensor(&chosen).to_kind(Kind::Float);
        let begun = same.narrow(2, 0, shape[2] - 1).cumprod(2, Kind::Float);
        let begun = Tensor::cat(&[&same.narrow(2, 0, 1).ones_like(), &begun], 2);
        let said = chosen.ge(0).to_kind(Kind::Float);
        let likely = chances.unsqueeze(2) * &begun;
        let sum = likely.sum_dim_intlist(1, true, Kind::Float);
        let real = tokens.narrow(2, 0, 1).ge(0).to_kind(Kind::Float);
        let other = begun * real * same.eq(0.0);
        let said_row = said.squeeze_dim(1);
        Self {
            answers: tokens.clamp_min(0),
            chosen: chosen.squeeze_dim(1).clamp_min(0),
            chances: likely / sum.clamp_min(f64::from(f32::MIN_POSITIVE)) * &said,
            parting: other.amax([1i64].as_slice(), false) * &said_row,
            said: said_row,
        }
    }
}

/// Choices as lists of the host.
struct Lists {
    /// M, C, L.
    sizes: (usize, usize, usize),
    /// What candidates score before they are compared, [M * C]; minus infinity where there is none.
    scores: Vec<f32>,
    /// Places in `scores` of the candidates that are compared.
    asked: Vec<u32>,
    /// Tokens of answers, [M * C * L]; -1 after their ends.
    tokens: Vec<i64>,
}

impl Lists {
    fn of(choices: &[&Choice]) -> Self {
        let most = |count: fn(&Choice) -> usize| {
            let counts = choices.iter().map(|choice| count(choice));
            counts.max().expect("there is a choice")
        };
        let (c, l) = (most(|choice| choice.answers.len()), most(Choice::longest));
        let mut lists = Self {
            sizes: (choices.len(), c, l),
            scores: vec![f32::NEG_INFINITY; choices.len() * c],
            asked: Vec::new(),
            tokens: vec![-1; choices.len() * c * l],
        };
        for (at, choice) in choices.iter().enumerate() {
            for (candidate, answer) in choice.answers.iter().enumerate() {
                let place = at * c + candidate;
                lists.scores[place] = 0.0;
                if choice.asked.is_some() {
                    lists.asked.push(place as u32);
                }
                let tokens = lists.tokens[place * l..].iter_mut();
                tokens
                    .zip(answer)
                    .for_each(|(token, &said)| *token = i64::from(said));
            }
        }
        lists
    }
}

fn column(values: &[f32], device: Device) -> Tensor {
    to_device_async(&Tensor::from_slice(values), device).unsqueeze(1)
}
