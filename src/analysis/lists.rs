//! Metrics of whole lists of recommendations: coverage of the catalogue, popularity, novelty,
//! diversity, and recall of several targets.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::stats::mean;
use crate::results::{MetricRow, Status};
use allround_core::data::{Part, Prepared, Scores};

/// What the metrics are computed from.
pub struct Lists<'a> {
    /// Scores of candidates, the best first.
    pub scores: &'a Scores,
    /// The data set.
    pub prepared: &'a Prepared,
    /// Whether each user counts.
    pub mask: &'a [bool],
    /// Whether every item is a candidate: only then are all targets of a user candidates.
    pub is_full: bool,
}

/// The first items of a user's list.
struct Top<'a> {
    user: usize,
    items: &'a [u32],
}

/// A row for each metric and each cut-off of `cut_offs`, ascending.
///
/// `coverage` is the share of candidate items that are in at least one list. `popularity` is the
/// mean number of training interactions of listed items, and `novelty` the mean of their
/// self-information in bits. `gini` is the Gini coefficient of how often each candidate item is
/// listed. `diversity` is the mean distance of two items of a list: 1 minus the cosine of their
/// texts. With full ranking and more than one target for some user, `recall_all` and `map_all`
/// count all targets of the part.
pub fn metric_rows(blank: &MetricRow, lists: &Lists<'_>, cut_offs: &[u32]) -> Vec<MetricRow> {
    let unique = lists.lists();
    let counts = lists.prepared.train_counts();
    let texts = Texts::new(lists.prepared);
    let mut rows = Vec::new();
    for &k in cut_offs {
        let top = |(user, items): &'_ (usize, Vec<u32>)| (*user, items.len().min(k as usize));
        let tops: Vec<Top<'_>> = unique
            .iter()
            .map(|list| {
                let (user, n) = top(list);
                Top {
                    user,
                    items: &list.1[..n],
                }
            })
            .collect();
        let mut add = |metric: &str, value: Option<f64>| {
            rows.push(MetricRow {
                metric: metric.to_owned(),
                k: Some(k),
                value,
                n_users: Some(tops.len() as u64),
                status: match value {
                    Some(_) => Status::Ok,
                    None => Status::Empty,
                },
                ..blank.clone()
            });
        };
        let shown = lists.shown(&tops);
        add("coverage", share_shown(&shown));
        add("gini", gini(&shown));
        add("popularity", popularity(&tops, &counts));
        add("novelty", novelty(&tops, &counts));
        if k > 1 {
            add("diversity", texts.diversity(&tops));
        }
        if lists.has_several_targets() {
            add("recall_all", lists.targets(&tops, recall));
            add("map_all", lists.targets(&tops, average_precision));
        }
    }
    rows
}

impl Lists<'_> {
    /// The list of each user that counts, the best first, without repeats.
    fn lists(&self) -> Vec<(usize, Vec<u32>)> {
        let users = self.scores.users.iter().enumerate();
        let counted = users.filter(|(_, user)| self.mask[**user as usize]);
        let list = |(place, user): (usize, &u32)| {
            let mut seen = HashSet::new();
            let items = self.scores.row(place).map(|it| it.item);
            (
                *user as usize,
                items.filter(|item| seen.insert(*item)).collect(),
            )
        };
        counted.map(list).collect()
    }

    /// How often each candidate item of the data set is in a list.
    fn shown(&self, tops: &[Top<'_>]) -> Vec<u64> {
        let mut shown = vec![0; self.prepared.n_items()];
        for &item in tops.iter().flat_map(|top| top.items) {
            shown[item as usize - 1] += 1;
        }
        let all = shown.into_iter().zip(&self.prepared.in_candidates);
        all.filter(|(_, is_candidate)| **is_candidate)
            .map(|(count, _)| count)
            .collect()
    }

    /// The items of the user in the measured part, without those of the history.
    fn targets_of(&self, user: usize) -> HashSet<u32> {
        let items = self.prepared.items_of(user);
        let ends = (
            self.prepared.train_end[user] as usize,
            self.prepared.valid_end[user] as usize,
        );
        let (start, end) = match self.scores.part {
            Part::Valid => ends,
            Part::Test => (ends.1, items.len()),
        };
        let history: HashSet<u32> = items[..start].iter().copied().collect();
        let targets = items[start..end].iter().copied();
        targets.filter(|item| !history.contains(item)).collect()
    }

    fn has_several_targets(&self) -> bool {
        let users = self.scores.users.iter().map(|&user| user as usize);
        let mut counted = users.filter(|&user| self.mask[user]);
        self.is_full && counted.any(|user| self.targets_of(user).len() > 1)
    }

    /// The mean of a metric of a list with several targets, over users with a target.
    fn targets(&self, tops: &[Top<'_>], of: fn(&[u32], &HashSet<u32>) -> f64) -> Option<f64> {
        let values = tops.iter().filter_map(|top| {
            let targets = self.targets_of(top.user);
            (!targets.is_empty()).then(|| of(top.items, &targets))
        });
        mean(&values.collect::<Vec<_>>())
    }
}

fn share_shown(shown: &[u64]) -> Option<f64> {
    let listed = shown.iter().filter(|&&count| count > 0).count();
    (!shown.is_empty()).then(|| listed as f64 / shown.len() as f64)
}

/// The Gini coefficient of counts: 0 if all are equal, near 1 if one has everything.
fn gini(counts: &[u64]) -> Option<f64> {
    let total: u64 = counts.iter().sum();
    if total == 0 {
        return None;
    }
    let mut sorted = counts.to_vec();
    sorted.sort_unstable();
    let n = sorted.len() as f64;
    let weighted: f64 = (1..)
        .zip(&sorted)
        .map(|(at, &count)| f64::from(at) * count as f64)
        .sum();
    Some(2.0 * weighted / (n * total as f64) - (n + 1.0) / n)
}

/// The mean over users of the mean training count of their items.
fn popularity(tops: &[Top<'_>], counts: &[u64]) -> Option<f64> {
    mean_over(tops, |item| counts[item as usize - 1] as f64)
}

/// The mean over users of the mean self-information of their items, in bits: `-log2` of an item's
/// share of training interactions. One is added to each count, so that unseen items have a value.
fn novelty(tops: &[Top<'_>], counts: &[u64]) -> Option<f64> {
    let total: u64 = counts.iter().map(|count| count + 1).sum();
    mean_over(tops, |item| {
        let share = (counts[item as usize - 1] + 1) as f64 / total as f64;
        -share.log2()
    })
}

fn mean_over(tops: &[Top<'_>], value: impl Fn(u32) -> f64) -> Option<f64> {
    let of_user = |top: &Top<'_>| {
        let values: Vec<f64> = top.items.iter().map(|&item| value(item)).collect();
        mean(&values)
    };
    mean(&tops.iter().filter_map(of_user).collect::<Vec<_>>())
}

/// The share of targets in the list, of as many as fit.
fn recall(items: &[u32], targets: &HashSet<u32>) -> f64 {
    let found = items.iter().filter(|item| targets.contains(item)).count();
    found as f64 / targets.len() as f64
}

/// The mean precision at each found target; targets that do not fit into the list do not count.
fn average_precision(items: &[u32], targets: &HashSet<u32>) -> f64 {
    let mut found = 0.0;
    let mut sum = 0.0;
    for (place, item) in (1..).zip(items) {
        if targets.contains(item) {
            found += 1.0;
            sum += found / f64::from(place);
        }
    }
    sum / targets.len().min(items.len()).max(1) as f64
}

/// Texts of items as vectors: a weight for each word, of length 1. Words of titles and descriptions
/// are weighted by the logarithm of their rarity (TF-IDF), and counts are not used.
struct Texts(Vec<BTreeMap<u32, f64>>);

impl Texts {
    fn new(prepared: &Prepared) -> Self {
        let mut numbers: HashMap<String, u32> = HashMap::new();
        let mut words: Vec<HashSet<u32>> = Vec::new();
        for item in &prepared.items {
            let texts = [item.title.as_deref(), item.description.as_deref()];
            let text = texts.into_iter().flatten().collect::<Vec<_>>().join(" ");
            let text = text.to_lowercase();
            let parts = text.split(|letter: char| !letter.is_alphanumeric());
            let parts = parts.filter(|word| !word.is_empty());
            let numbered = parts.map(|word| {
                let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
                *numbers.entry(word.to_owned()).or_insert(next)
            });
            words.push(numbered.collect());
        }
        let mut holders = vec![0.0; numbers.len()];
        for &word in words.iter().flatten() {
            holders[word as usize] += 1.0;
        }
        let n = words.len() as f64;
        let vector = |words: &HashSet<u32>| {
            let weight = |&word: &u32| (word, (n / holders[word as usize]).ln() + 1.0);
            let mut vector: BTreeMap<u32, f64> = words.iter().map(weight).collect();
            let norm = vector
                .values()
                .map(|value| value * value)
                .sum::<f64>()
                .sqrt();
            vector.values_mut().for_each(|value| *value /= norm);
            vector
        };
        Texts(words.iter().map(vector).collect())
    }

    /// The mean over users of the mean distance of two items of their lists. Pairs with an item
    /// without text do not count.
    fn diversity(&self, tops: &[Top<'_>]) -> Option<f64> {
        let of_user = |top: &Top<'_>| {
            let vectors: Vec<&BTreeMap<u32, f64>> = top
                .items
                .iter()
                .map(|&item| &self.0[item as usize - 1])
                .filter(|vector| !vector.is_empty())
                .collect();
            let pairs = (0..vectors.len()).flat_map(|at| (0..at).map(move |other| (at, other)));
            let distances: Vec<f64> = pairs
                .map(|(at, other)| 1.0 - cosine(vectors[at], vectors[other]))
                .collect();
            mean(&distances)
        };
        mean(&tops.iter().filter_map(of_user).collect::<Vec<_>>())
    }
}

fn cosine(one: &BTreeMap<u32, f64>, other: &BTreeMap<u32, f64>) -> f64 {
    let shared = one
        .iter()
        .filter_map(|(word, weight)| Some(weight * other.get(word)?));
    shared.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use allround_core::data::Item;
    use allround_core::data::scores::Scored;

    /// Four items with the training counts 3, 1, 0 and 0. One user has two targets, the other one.
    fn prepared() -> Prepared {
        let item = |(id, title): (&str, &str)| Item {
            id: id.to_owned(),
            title: Some(title.to_owned()),
            ..Item::default()
        };
        let items = [
            ("a", "red car"),
            ("b", "red car"),
            ("c", "blue sky"),
            ("d", ""),
        ];
        Prepared {
            users: ["u", "v"].map(str::to_owned).to_vec(),
            items: items.map(item).to_vec(),
            offsets: vec![0, 5, 8],
            sequence: vec![1, 1, 4, 2, 3, 1, 2, 3],
            train_end: vec![2, 2],
            valid_end: vec![3, 2],
            trained: vec![true; 2],
            aligned: vec![true; 2],
            measured: vec![true; 2],
            in_training: vec![true; 4],
            in_candidates: vec![true; 4],
            row: vec![1, 2, 3, 4],
            facts: allround_core::data::Facts::default(),
        }
    }

    fn scores(rows: [&[u32]; 2]) -> Scores {
        let mut scores = Scores::nothing(Part::Test);
        for (user, row) in (0..).zip(rows) {
            let scored = row.iter().enumerate().map(|(at, &item)| Scored {
                item,
                score: -(at as f64),
            });
            scores.push(user, row[0], scored.collect(), None);
        }
        scores
    }

    fn values(scores: &Scores, mask: &[bool], is_full: bool) -> BTreeMap<String, f64> {
        let prepared = prepared();
        let lists = Lists {
            scores,
            prepared: &prepared,
            mask,
            is_full,
        };
        let rows = metric_rows(&MetricRow::default(), &lists, &[2]);
        rows.into_iter()
            .filter_map(|row| Some((row.metric, row.value?)))
            .collect()
    }

    #[test]
    fn lists_of_two_users_have_these_metrics() {
        // A repeat in a list counts once.
        let scores = scores([&[2, 2, 3, 1], &[2, 1, 3]]);
        let found = values(&scores, &[true, true], true);
        let is = |metric: &str, value: f64| {
            let found = found[metric];
            assert!((found - value).abs() < 1e-12, "{metric} {found}");
        };
        // The lists are [b, c] and [b, a]; d is in neither.
        is("coverage", 0.75);
        // Counts 0, 1, 1, 2: the mean difference of pairs over twice the mean.
        is("gini", 0.375);
        is("popularity", (0.5 + 2.0) / 2.0);
        let bits = |count: f64| -((count + 1.0) / 8.0).log2();
        is(
            "novelty",
            ((bits(1.0) + bits(0.0)) / 2.0 + (bits(1.0) + bits(3.0)) / 2.0) / 2.0,
        );
        // `b` and `c` share no word, `b` and `a` all.
        is("diversity", 0.5);
        // Targets {b, c} and {c}.
        is("recall_all", 0.5);
        is("map_all", 0.5);
    }

    #[test]
    fn several_targets_count_in_full_rankings_alone_and_a_slice_has_its_own_lists() {
        let scores = scores([&[2, 3, 1], &[2, 1, 3]]);
        assert!(!values(&scores, &[true, true], false).contains_key("recall_all"));
        assert!(!values(&scores, &[false, true], true).contains_key("recall_all"));
        let found = values(&scores, &[true, false], true);
        assert_eq!((found["recall_all"], found["map_all"]), (1.0, 1.0));
        assert_eq!(found["coverage"], 0.5);
        assert!(values(&scores, &[false, false], true).len() <= 1);
    }
}
