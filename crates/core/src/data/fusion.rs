//! Fusion: the scores that several models give the same candidates, combined without training.
//!
//! The popularity gate is that of CLAM-Rec v2 (2026): for each user the scores of both models are
//! standardised over the candidates. A candidate with scores a and b, by the first and the second
//! model, gets w a + (1 - w) b. Its weight w is c / (c + pivot) for c training interactions. The
//! pivot is the mean number of interactions of an item, unless it is set.

use std::collections::HashMap;

use super::scores::{Scored, Scores, bound, candidates, rank};
use super::{CandidateLists, DataError, Prepared, Ranks};
use crate::models::fusion::FusionRule;
use crate::models::stage::FusionRanking;

/// Results of a fusion.
#[derive(Debug)]
pub struct Fused {
    /// Ranks of the targets.
    pub ranks: Ranks,
    /// Combined scores of the candidates.
    pub scores: Scores,
}

/// Ranks the targets of `lists` by the scores of `sources`, each an evaluation of the same lists.
///
/// # Errors
/// When a source has other users or targets, or lacks the score of a candidate.
pub fn fuse(
    ranking: &FusionRanking,
    sources: &[Scores],
    prepared: &Prepared,
    lists: &CandidateLists,
) -> Result<Fused, DataError> {
    for source in sources {
        if source.users != lists.users || source.targets != lists.targets {
            return Err(DataError::new(
                "a model of this fusion was measured on other users or targets",
            )
            .hint("run the experiment again, so that all its stages belong together"));
        }
    }
    let gate = Gate::new(prepared, ranking.pivot);
    let most = bound(lists, prepared.n_items());
    let mut scores = Scores::nothing(lists.part);
    let mut ranks = Vec::with_capacity(lists.users.len());
    for (place, (&user, &target)) in lists.users.iter().zip(&lists.targets).enumerate() {
        let items = candidates(lists, prepared, place);
        let columns = sources.iter().map(|source| column(source, place, &items));
        let columns: Vec<Vec<f64>> = columns
            .collect::<Option<_>>()
            .ok_or_else(|| lacks(&prepared.users[user as usize]))?;
        let combined = match ranking.by {
            FusionRule::MeanRank => mean_rank(&columns),
            FusionRule::PopularityGate => gate.combine(&items, &columns),
        };
        let both = items.into_iter().zip(combined);
        let row: Vec<Scored> = both.map(|(item, score)| Scored { item, score }).collect();
        ranks.push(rank(&row, lists.ties));
        scores.push(user, target, row, most);
    }
    Ok(Fused {
        ranks: Ranks {
            part: lists.part,
            users: lists.users.clone(),
            targets: lists.targets.clone(),
            ranks,
        },
        scores,
    })
}

fn lacks(user: &str) -> DataError {
    DataError::new(format!(
        "a model of this fusion has no score of some candidates of user `{user}`"
    ))
    .hint("a full ranking keeps only the best of many items: draw candidates")
}

/// The scores of `items` in a source; `None` where one is missing.
fn column(source: &Scores, place: usize, items: &[u32]) -> Option<Vec<f64>> {
    let known: HashMap<u32, f64> = source.row(place).map(|it| (it.item, it.score)).collect();
    items.iter().map(|item| known.get(item).copied()).collect()
}

/// The negative means of the ranks over the columns.
fn mean_rank(columns: &[Vec<f64>]) -> Vec<f64> {
    let mut sums = vec![0.0; columns.first().map_or(0, Vec::len)];
    for column in columns {
        for (sum, rank) in sums.iter_mut().zip(ranks_of(column)) {
            *sum -= rank;
        }
    }
    let count = columns.len() as f64;
    sums.into_iter().map(|sum| sum / count).collect()
}

/// Ranks of scores, 1 for the highest. Equal scores share the mean of their ranks.
fn ranks_of(scores: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&one, &other| scores[other].total_cmp(&scores[one]));
    let mut ranks = vec![0.0; scores.len()];
    let mut before = 0;
    for group in order.chunk_by(|&one, &other| scores[one] == scores[other]) {
        let mean = before as f64 + (group.len() + 1) as f64 / 2.0;
        group.iter().for_each(|&at| ranks[at] = mean);
        before += group.len();
    }
    ranks
}

/// The popularity gate.
struct Gate {
    /// Training interactions of item i (at `i - 1`).
    counts: Vec<u64>,
    /// Interactions at which both models have the same weight.
    pivot: f64,
}

impl Gate {
    /// With a `pivot` of 0, it is the mean over the items of training.
    fn new(prepared: &Prepared, pivot: f64) -> Self {
        let counts = prepared.train_counts();
        let items = prepared.in_training.iter().filter(|&&is| is).count();
        let mean = counts.iter().sum::<u64>() as f64 / items.max(1) as f64;
        Self {
            counts,
            pivot: if pivot > 0.0 { pivot } else { mean },
        }
    }

    /// Weight of the first model.
    fn weight(&self, item: u32) -> f64 {
        match self.counts[item as usize - 1] {
            0 => 0.0,
            count => count as f64 / (count as f64 + self.pivot),
        }
    }

    /// Scores of `items`: the first column counts for popular items, the second for rare ones.
    fn combine(&self, items: &[u32], columns: &[Vec<f64>]) -> Vec<f64> {
        let columns: Vec<Vec<f64>> = columns.iter().map(|it| standardised(it)).collect();
        let [popular, rare] = columns.as_slice() else {
            return vec![0.0; items.len()];
        };
        let weighted = items.iter().zip(popular.iter().zip(rare));
        weighted
            .map(|(&item, (popular, rare))| {
                let weight = self.weight(item);
                weight * popular + (1.0 - weight) * rare
            })
            .collect()
    }
}

/// Scores with mean 0 and standard deviation 1; zeros where all are equal. A candidate without a
/// score (minus infinity) counts as the lowest score.
fn standardised(scores: &[f64]) -> Vec<f64> {
    let finite = scores.iter().copied().filter(|score| score.is_finite());
    let lowest = finite.clone().fold(f64::INFINITY, f64::min);
    let highest = finite.fold(f64::NEG_INFINITY, f64::max);
    if lowest >= highest {
        return vec![0.0; scores.len()];
    }
    let scores: Vec<f64> = scores
        .iter()
        .map(|score| score.clamp(lowest, highest))
        .collect();
    let count = scores.len() as f64;
    let mean = scores.iter().sum::<f64>() / count;
    let variance = scores
        .iter()
        .map(|score| (score - mean).powi(2))
        .sum::<f64>()
        / count;
    let deviation = variance.sqrt();
    scores
        .iter()
        .map(|score| (score - mean) / deviation)
        .collect()
}

#[cfg(test)]
mod tests;
