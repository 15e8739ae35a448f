//! Scores to ranks: candidate lists in large batches, full ranking by counting, never by sorting.
//!
//! A target's rank is 1 + the number of greater scores + the protocol's share of the equal ones.
//! NaN is an error, not a rank.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use allround_core::config::protocol::{Seen, Ties};
use allround_core::data::candidates::CandidateLists;
use allround_core::data::ranks::Ranks;
use allround_core::data::scores::{self, Scored};
use allround_core::data::{Part, Prepared, Scores};
use allround_core::metric::Metric;
use tch::{Device, Kind, Tensor};

use crate::data::{Histories, row};
use crate::models::Scorer;
use crate::nn::embedding::indices;

/// Users scored together against candidate lists.
const LIST_BATCH: usize = 2048;
/// Most scores held at once in full ranking.
const FULL_SCORES: usize = 1 << 23;

/// A score that is not a number.
#[derive(Debug, thiserror::Error)]
#[error("a score of user `{user}` is not a number")]
pub struct NotANumber {
    /// The user's id in the source.
    pub user: String,
}

/// The rank of every target in `lists`.
///
/// # Errors
/// When a score is NaN.
pub fn ranks(
    scorer: &dyn Scorer,
    prepared: &Prepared,
    lists: &CandidateLists,
) -> Result<Ranks, NotANumber> {
    Ok(ranked(scorer, prepared, lists, false)?.0)
}

/// The rank of every target in `lists`, and the scores of the candidates where they are to be kept.
///
/// # Errors
/// When a score is NaN.
pub fn ranked(
    scorer: &dyn Scorer,
    prepared: &Prepared,
    lists: &CandidateLists,
    keep_scores: bool,
) -> Result<(Ranks, Option<Scores>), NotANumber> {
    let _guard = tch::no_grad_guard();
    let size = users_at_once(prepared, lists);
    let mut ranks = Vec::with_capacity(lists.users.len());
    let mut kept = keep_scores.then(|| Scores::nothing(lists.part));
    for start in (0..lists.users.len()).step_by(size) {
        let end = (start + size).min(lists.users.len());
        let users = &lists.users[start..end];
        let histories = Histories::of(prepared, users, lists.part, scorer.maxlen());
        let batch = Batch {
            scorer,
            prepared,
            lists,
            histories: &histories,
            places: start..end,
        };
        let (batch_ranks, scores) = match lists.n {
            Some(n) => batch.listed(n),
            None => batch.full(),
        };
        if let Some(place) = batch_ranks.iter().position(|rank| rank.is_nan()) {
            let user = prepared.users[users[place] as usize].clone();
            return Err(NotANumber { user });
        }
        if let Some(kept) = &mut kept {
            keep(kept, &scores, start, prepared, lists);
        }
        ranks.extend(batch_ranks);
    }
    let ranks = Ranks {
        part: lists.part,
        users: lists.users.clone(),
        targets: lists.targets.clone(),
        ranks,
    };
    Ok((ranks, kept))
}

/// Keeps the scores of a batch that begins with user `start` of the lists. Scores are [B, n + 1]
/// for lists, the target first, or [B, V] for all items.
fn keep(
    kept: &mut Scores,
    batch: &Tensor,
    start: usize,
    prepared: &Prepared,
    lists: &CandidateLists,
) {
    let width = batch.size()[1] as usize;
    let flat = batch.to_kind(Kind::Double).to_device(Device::Cpu);
    let flat = Vec::<f64>::try_from(flat.contiguous().view([-1])).expect("scores are [B, C]");
    let most = scores::bound(lists, prepared.n_items());
    for (place, row) in (start..).zip(flat.chunks_exact(width)) {
        let candidates = scores::candidates(lists, prepared, place);
        let scored = candidates.into_iter().enumerate().map(|(at, item)| Scored {
            item,
            score: row[lists.n.map_or(item as usize - 1, |_| at)],
        });
        let (user, target) = (lists.users[place], lists.targets[place]);
        kept.push(user, target, scored.collect(), most);
    }
}

/// Users that are scored together.
pub fn users_at_once(prepared: &Prepared, lists: &CandidateLists) -> usize {
    match lists.n {
        Some(_) => LIST_BATCH,
        None => (FULL_SCORES / (prepared.n_items() + 1)).clamp(1, LIST_BATCH),
    }
}

/// Means of `metrics` over `ranks`.
pub fn means(ranks: &Ranks, metrics: &[Metric]) -> BTreeMap<Metric, f64> {
    metrics
        .iter()
        .filter_map(|&metric| Some((metric, metric.mean(&ranks.ranks)?)))
        .collect()
}

/// Users that are scored together.
struct Batch<'a> {
    scorer: &'a dyn Scorer,
    prepared: &'a Prepared,
    lists: &'a CandidateLists,
    /// Histories of B users.
    histories: &'a Histories,
    /// Their places in the lists.
    places: Range<usize>,
}

impl Batch<'_> {
    /// Ranks of the B targets among their `n` listed negatives, and the scores [B, n + 1], the
    /// targets' first.
    fn listed(&self, n: usize) -> (Vec<f64>, Tensor) {
        let (scorer, prepared, lists) = (self.scorer, self.prepared, self.lists);
        let count = self.places.len();
        let mut rows = Vec::with_capacity(count * (n + 1));
        for place in self.places.clone() {
            rows.push(row(prepared, lists.targets[place]));
            let negatives = &lists.negatives[place * n..(place + 1) * n];
            rows.extend(negatives.iter().map(|&item| row(prepared, item)));
        }
        let candidates = indices(&rows, scorer.device()).view([count as i64, n as i64 + 1]);
        let scores = scorer.score(self.histories, &candidates);
        let target = scores.narrow(1, 0, 1);
        let ranks = rank(&target, &scores.narrow(1, 1, n as i64), None, lists.ties);
        (ranks, scores)
    }

    /// Ranks of the B targets among all items that may be candidates, and the scores [B, V] of all
    /// items. Items of the history are left out if the protocol excludes them.
    fn full(&self) -> (Vec<f64>, Tensor) {
        let (scorer, prepared, lists) = (self.scorer, self.prepared, self.lists);
        let device = scorer.device();
        let scores = scorer.score_all(self.histories);
        let items: Vec<u32> = (1..=prepared.n_items() as u32).collect();
        let scores = if items.iter().all(|&item| row(prepared, item) == item) {
            scores.narrow(1, 1, items.len() as i64)
        } else {
            let rows: Vec<u32> = items.iter().map(|&item| row(prepared, item)).collect();
            scores.index_select(1, &indices(&rows, device))
        };
        let targets = &lists.targets[self.places.clone()];
        let columns: Vec<u32> = targets.iter().map(|target| target - 1).collect();
        let target = scores.gather(1, &indices(&columns, device).unsqueeze(-1), false);
        let mut left_out = Vec::new();
        let width = items.len() as i64;
        for (place, &user) in self.histories.users.iter().enumerate() {
            let known = match lists.seen {
                Seen::Exclude => prepared.history(user as usize, lists.part),
                Seen::Keep => Cow::Borrowed([].as_slice()),
            };
            let left = known.iter().chain(std::iter::once(&targets[place]));
            left_out.extend(left.map(|&item| place as i64 * width + i64::from(item) - 1));
        }
        let allowed = lists.ranked_items(prepared);
        let allowed = Tensor::from_slice(&allowed).to_device(device).unsqueeze(0);
        let compared = allowed
            .expand([self.places.len() as i64, -1], false)
            .contiguous();
        let left_out = Tensor::from_slice(&left_out).to_device(device);
        let _ = compared.view([-1]).index_fill_(0, &left_out, 0);
        let ranks = rank(&target, &scores, Some(&compared), lists.ties);
        (ranks, scores)
    }
}

/// 1 + greater + a share of equal over `others` [B, C] (where `compared`) for `target` [B, 1]; NaN
/// where a score is NaN.
fn rank(target: &Tensor, others: &Tensor, compared: Option<&Tensor>, ties: Ties) -> Vec<f64> {
    let count = |found: Tensor| {
        let found = match compared {
            Some(compared) => found.logical_and(compared),
            None => found,
        };
        found.sum_dim_intlist(1, false, Kind::Double)
    };
    let greater = count(others.gt_tensor(target));
    let equal = count(others.eq_tensor(target));
    let wrong = count(others.isnan()) + target.isnan().squeeze_dim(1).to_kind(Kind::Double);
    let ranks = greater + equal * ties.share_ahead() + 1.0;
    let ranks = ranks.masked_fill(&wrong.gt(0.0), f64::NAN);
    Vec::try_from(ranks).expect("ranks are [B]")
}

/// The lists of a full ranking of every measured user's target in `part`.
pub fn full_lists(prepared: &Prepared, part: Part) -> CandidateLists {
    let mut lists = CandidateLists::full(part, Vec::new(), Vec::new());
    for user in 0..prepared.n_users() {
        let next = prepared.history(user, part).len();
        let end = match part {
            Part::Valid => prepared.valid_end[user] as usize,
            Part::Test => prepared.items_of(user).len(),
        };
        if prepared.measured[user] && next < end {
            lists.users.push(user as u32);
            lists.targets.push(prepared.items_of(user)[next]);
        }
    }
    lists
}

#[cfg(test)]
mod tests;
