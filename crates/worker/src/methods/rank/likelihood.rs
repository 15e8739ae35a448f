//! Ranking by the likelihood of titles.

use std::collections::{BTreeSet, HashMap};

use allround_core::data::CandidateLists;
use allround_core::models::llm_method::{Inference, ScoreBy};

use super::target_rank::averaged;
use super::{EncodedQuery, LlmRanker, Outcome, RankedUsers, Reading, rank};
use crate::methods::prompted_lm::{Slot, count};

impl LlmRanker<'_> {
    /// One outcome for every `orders` prompts, which are of the same user.
    pub(super) fn score(
        &self,
        batch: &[EncodedQuery],
        by: ScoreBy,
        likelihoods: &HashMap<u32, f64>,
        answers: &mut RankedUsers,
    ) -> Vec<Outcome> {
        let rows = self.rows(batch, answers);
        let continuations: Vec<Vec<Vec<u32>>> = batch
            .iter()
            .map(|(query, _)| {
                query
                    .candidates
                    .iter()
                    .map(|&item| self.encoder.answer(item))
                    .collect()
            })
            .collect();
        answers.tokens += continuations
            .iter()
            .flatten()
            .map(|one| one.len() as u64)
            .sum::<u64>();
        let mut scores = self.prompted_lm.lm().score(&rows, &continuations);
        match by {
            ScoreBy::Sum => {}
            ScoreBy::Mean => {
                let titles = continuations.iter().flatten();
                for (score, title) in scores.iter_mut().flatten().zip(titles) {
                    *score /= title.len() as f64;
                }
            }
            ScoreBy::Gain => {
                let known = self.without_user(batch, &continuations, likelihoods, answers);
                for (score, known) in scores.iter_mut().flatten().zip(known) {
                    *score -= known;
                }
            }
        }
        let orders = self.orders();
        let groups = batch.chunks(orders).zip(scores.chunks(orders));
        let outcome = |(queries, scores): (&[EncodedQuery], &[Vec<f64>])| {
            let orders: Vec<&[u32]> = queries
                .iter()
                .map(|(query, _)| &query.candidates[..])
                .collect();
            let scores = averaged(&orders, scores);
            Outcome {
                rank: rank(&scores, &queries[0].0),
                scores,
                ..Outcome::default()
            }
        };
        groups.map(outcome).collect()
    }

    /// Log-likelihoods of the titles of all candidates of `lists` after the prompt without history
    /// and vectors. Empty where no score needs them, or where that prompt depends on the user.
    pub fn without_history(
        &self,
        lists: &CandidateLists,
        answers: &mut RankedUsers,
    ) -> HashMap<u32, f64> {
        let by = match self.reading {
            Reading::Titles(Inference::Score { by, .. }) => Some(*by),
            Reading::Titles(Inference::Generate { .. } | Inference::Constrained {})
            | Reading::YesNo
            | Reading::Letters => None,
        };
        if by != Some(ScoreBy::Gain) || self.encoder.prompt_settings().list {
            return HashMap::new();
        }
        let items: BTreeSet<u32> = lists
            .negatives
            .iter()
            .chain(&lists.targets)
            .copied()
            .collect();
        let items: Vec<u32> = items.into_iter().collect();
        let (likelihoods, tokens) = self.prompted_lm.without_history(&items, &mut |_| {});
        // A resumed evaluation has counted them.
        if answers.ranks.ranks.is_empty() {
            answers.tokens += tokens;
        }
        likelihoods
    }

    /// Log-likelihoods of all titles of `continuations`, in order, after the prompts of `batch`
    /// without history and vectors. They are known from `likelihoods`, unless a prompt lists the
    /// candidates.
    fn without_user(
        &self,
        batch: &[EncodedQuery],
        continuations: &[Vec<Vec<u32>>],
        likelihoods: &HashMap<u32, f64>,
        answers: &mut RankedUsers,
    ) -> Vec<f64> {
        let queries = batch.iter().map(|(query, _)| query);
        let encoder = &self.encoder;
        if !encoder.prompt_settings().list {
            let items = queries.flat_map(|query| &query.candidates);
            return items.map(|item| likelihoods[item]).collect();
        }
        let prompts: Vec<Vec<Slot>> = queries
            .map(|query| encoder.without_history(&query.candidates))
            .collect();
        let titles = continuations.iter().map(|titles| count(titles));
        answers.tokens += count(&prompts) + titles.sum::<u64>();
        let scores = self
            .prompted_lm
            .lm()
            .score(&self.prompted_lm.plain_rows(&prompts), continuations);
        scores.into_iter().flatten().collect()
    }
}
