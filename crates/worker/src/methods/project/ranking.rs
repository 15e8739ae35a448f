//! The ranking loss of stage 2.

use std::collections::HashMap;

use allround_core::data::Prepared;
use allround_core::event::{Event, Progress};
use allround_core::models::llm_method::RankingLoss;
use tch::{Kind, Tensor};

use super::ProjectExample;
use crate::lm::Lm;
use crate::methods::prompted_lm::PromptedLm;

/// What the ranking loss needs besides the examples.
#[derive(Debug)]
pub(super) struct Ranking {
    settings: RankingLoss,
    /// Log-likelihoods of titles without a user.
    without_user: HashMap<u32, f64>,
}

impl Ranking {
    /// Computes the likelihoods of the titles of `items`, which may be drawn, without a user.
    pub(super) fn new(
        settings: RankingLoss,
        prompted_lm: &PromptedLm,
        items: &[u32],
        observe: &mut dyn FnMut(Event),
    ) -> Self {
        // Item 0 is the padding that users with one item may be trained on.
        let items = [&[0], items].concat();
        let (without_user, _) = prompted_lm.without_history(&items, &mut |done| {
            observe(Event::Progress(Progress {
                phase: "titles".to_owned(),
                done: done as u64,
                total: Some(items.len() as u64),
                unit: "titles".to_owned(),
                remark: String::new(),
            }));
        });
        Self {
            settings,
            without_user,
        }
    }

    /// Mean cross-entropy of the targets among their negatives, after prompts with the input
    /// vectors `rows`.
    pub(super) fn loss(
        &self,
        lm: &Lm,
        examples: &[&ProjectExample],
        rows: &[Tensor],
        prepared: &Prepared,
    ) -> Tensor {
        let titles: Vec<Vec<Vec<u32>>> = examples.iter().map(|example| example.titles()).collect();
        let scores = lm.score_with_gradient(rows, &titles);
        let items = examples.iter().flat_map(|example| {
            let negatives = example.negatives.iter().map(|negative| negative.item);
            std::iter::once(example.target.item(prepared)).chain(negatives)
        });
        let known = items.map(|item| self.without_user[&item] as f32);
        let known: Vec<f32> = known.collect();
        let gains = scores - Tensor::from_slice(&known).to_device(lm.device());
        let logits = gains / self.settings.temperature;
        let counts = titles.iter().map(|titles| titles.len() as i64);
        let logits = logits.split_with_sizes(counts.collect::<Vec<_>>(), 0);
        // The target comes first.
        let losses = logits
            .iter()
            .map(|logits| logits.logsumexp([0], false) - logits.get(0));
        Tensor::stack(&losses.collect::<Vec<_>>(), 0).mean(Kind::Float)
    }
}
