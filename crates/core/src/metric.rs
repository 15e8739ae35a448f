//! Metrics: name, cut-off, direction, and the value of one user's rank. This file is the only one
//! that depends on which metrics exist. It has their names, the text of errors, the pattern of the
//! JSON schema, and the lists in which a metric is constant.
//!
//! In leave-one-out evaluation a user has one target, and several names mean the same value.
//! Recall@k and HR@k are `hit@k`, MAP@k is MRR@k, and Precision@k is `hit@k` divided by k. A result
//! has the name in the protocol.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A ranking metric, averaged over users. Larger is better for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// 1 when the target's rank is at most k (HR@k).
    Hit(u32),
    /// The share of a user's targets in the first k items. With one target, it equals `hit@k`.
    Recall(u32),
    /// The share of targets among the first k items. With one target, it is `hit@k` divided by k.
    Precision(u32),
    /// 1 / log2(rank + 1) when the rank is at most k, else 0: NDCG@k with one relevant item.
    Ndcg(u32),
    /// Average precision of the first k items. With one target, it equals `mrr@k`.
    Map(u32),
    /// 1 / rank when the rank is at most k, else 0.
    MrrAt(u32),
    /// 1 / rank, without a cut-off.
    Mrr,
}

/// A name without cut-off, and the metrics with this name.
struct Family {
    name: &'static str,
    /// The name as papers print it.
    title: &'static str,
    /// The metric with a cut-off, if there is one.
    at: Option<fn(u32) -> Metric>,
    /// The metric without a cut-off, if there is one.
    whole: Option<Metric>,
    /// Other names for it.
    aliases: &'static [&'static str],
}

const FAMILIES: [Family; 6] = [
    Family {
        name: "hit",
        title: "Hit",
        at: Some(Metric::Hit),
        whole: None,
        aliases: &["hr", "hits", "hitrate", "hit_rate", "hit_ratio"],
    },
    Family {
        name: "recall",
        title: "Recall",
        at: Some(Metric::Recall),
        whole: None,
        aliases: &["rec"],
    },
    Family {
        name: "precision",
        title: "Precision",
        at: Some(Metric::Precision),
        whole: None,
        aliases: &["prec"],
    },
    Family {
        name: "ndcg",
        title: "NDCG",
        at: Some(Metric::Ndcg),
        whole: None,
        aliases: &["ndcg_cut"],
    },
    Family {
        name: "map",
        title: "MAP",
        at: Some(Metric::Map),
        whole: None,
        aliases: &["ap"],
    },
    Family {
        name: "mrr",
        title: "MRR",
        at: Some(Metric::MrrAt),
        whole: Some(Metric::Mrr),
        aliases: &["rr"],
    },
];

/// The form of metric names, in words that can follow "expected".
pub fn words() -> String {
    let at = FAMILIES.iter().filter(|family| family.at.is_some());
    let at: Vec<String> = at.map(|family| format!("`{}@k`", family.name)).collect();
    let whole: Vec<String> = FAMILIES
        .iter()
        .filter_map(|family| Some(format!("`{}`", family.whole?)))
        .collect();
    format!(
        "{} with k of at least 1, or {}",
        at.join(", "),
        whole.join(" or ")
    )
}

/// A regular expression of all names, for the JSON schema.
pub fn pattern() -> String {
    let at = FAMILIES.iter().filter(|family| family.at.is_some());
    let at: Vec<&str> = at.map(|family| family.name).collect();
    let whole: Vec<String> = FAMILIES
        .iter()
        .filter_map(|family| Some(family.whole?.to_string()))
        .collect();
    format!("^(({})@[1-9][0-9]*|{})$", at.join("|"), whole.join("|"))
}

/// The names without cut-off.
pub fn families() -> impl Iterator<Item = &'static str> {
    FAMILIES.iter().map(|family| family.name)
}

/// The name without cut-off for an alias, such as `hit` for `hr`.
pub fn family_of_alias(alias: &str) -> Option<&'static str> {
    let family = FAMILIES
        .iter()
        .find(|family| family.aliases.contains(&alias));
    family.map(|family| family.name)
}

impl Metric {
    /// The metric with a name without cut-off and a cut-off; `None` when there is no such metric.
    pub fn of_parts(family: &str, k: Option<u32>) -> Option<Metric> {
        let family = FAMILIES.iter().find(|known| known.name == family)?;
        match k {
            Some(0) => None,
            Some(k) => Some(family.at?(k)),
            None => family.whole,
        }
    }

    /// The cut-off k; `None` for a metric without one.
    pub fn k(self) -> Option<u32> {
        match self {
            Metric::Hit(k)
            | Metric::Recall(k)
            | Metric::Precision(k)
            | Metric::Ndcg(k)
            | Metric::Map(k)
            | Metric::MrrAt(k) => Some(k),
            Metric::Mrr => None,
        }
    }

    /// The name without the cut-off: `hit`, `ndcg`, `mrr`, ...
    pub fn family(self) -> &'static str {
        match self {
            Metric::Hit(_) => "hit",
            Metric::Recall(_) => "recall",
            Metric::Precision(_) => "precision",
            Metric::Ndcg(_) => "ndcg",
            Metric::Map(_) => "map",
            Metric::MrrAt(_) | Metric::Mrr => "mrr",
        }
    }

    /// The name as papers print it: `Hit@1`, `NDCG@5`, `MRR`. Files have the form of `to_string`:
    /// `hit@1`.
    pub fn title(self) -> String {
        let known = FAMILIES.iter().find(|known| known.name == self.family());
        let family = known.map_or(self.family(), |known| known.title);
        match self.k() {
            Some(k) => format!("{family}@{k}"),
            None => family.to_owned(),
        }
    }

    /// The value for one user whose target has this rank. 1 is the best; half ranks come from ties.
    pub fn of_rank(self, rank: f64) -> f64 {
        if self.k().is_some_and(|k| rank > f64::from(k)) {
            return 0.0;
        }
        match self {
            Metric::Hit(_) | Metric::Recall(_) => 1.0,
            Metric::Precision(k) => 1.0 / f64::from(k),
            Metric::Ndcg(_) => 1.0 / (rank + 1.0).log2(),
            Metric::Map(_) | Metric::MrrAt(_) | Metric::Mrr => 1.0 / rank,
        }
    }

    /// The mean over users; `None` without users.
    pub fn mean(self, ranks: &[f64]) -> Option<f64> {
        if ranks.is_empty() {
            return None;
        }
        Some(ranks.iter().map(|&rank| self.of_rank(rank)).sum::<f64>() / ranks.len() as f64)
    }

    /// Whether the metric depends only on the first place, so that one title is enough to compute
    /// it.
    pub fn needs_first_place_alone(self) -> bool {
        self.k() == Some(1)
    }

    /// Why the metric is meaningless for a model that ranks `length` candidates; `None` where it is
    /// not.
    pub fn says_nothing_in(self, length: u64) -> Option<String> {
        let k = u64::from(self.k()?);
        let constant = match self {
            Metric::Hit(_) | Metric::Recall(_) => Some("1".to_owned()),
            Metric::Precision(k) => Some(format!("1/{k}")),
            Metric::Ndcg(_) | Metric::Map(_) | Metric::MrrAt(_) | Metric::Mrr => None,
        };
        match constant {
            Some(value) => (k >= length)
                .then(|| format!("`{self}` is always {value} in a list of {length} candidates")),
            None => (k > length)
                .then(|| format!("`{self}` has a cut-off beyond the list of {length} candidates")),
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.k() {
            Some(k) => write!(formatter, "{}@{k}", self.family()),
            None => formatter.write_str(self.family()),
        }
    }
}

/// The error of a text that is not the name of a metric.
#[derive(Debug, thiserror::Error)]
#[error("unknown metric `{0}`: expected {words}", words = words())]
pub struct MetricError(String);

impl FromStr for Metric {
    type Err = MetricError;

    fn from_str(text: &str) -> Result<Self, MetricError> {
        let metric = match text.split_once('@') {
            None => Metric::of_parts(text, None),
            Some((family, k)) => cut_off(k).and_then(|k| Metric::of_parts(family, Some(k))),
        };
        metric.ok_or_else(|| MetricError(text.to_owned()))
    }
}

/// A cut-off as in the pattern: digits without a leading zero or sign.
fn cut_off(text: &str) -> Option<u32> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| is_plain)
}

impl Serialize for Metric {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Metric {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Metric {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Metric".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": pattern(),
            "description": words()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_follow_the_definitions() {
        assert_eq!(Metric::Hit(10).of_rank(10.0), 1.0);
        assert_eq!(Metric::Hit(10).of_rank(10.5), 0.0);
        assert_eq!(Metric::Ndcg(10).of_rank(1.0), 1.0);
        assert_eq!(Metric::Ndcg(10).of_rank(3.0), 0.5);
        assert_eq!(Metric::Mrr.of_rank(4.0), 0.25);
        assert_eq!(Metric::Mrr.mean(&[]), None);
    }

    /// Means over ranks 1, 2, 5, 5.5 and 20, computed by hand.
    #[test]
    fn with_one_target_recall_is_hit_and_map_is_mrr() {
        let ranks = [1.0, 2.0, 5.0, 5.5, 20.0];
        let mean = |name: &str| name.parse::<Metric>().unwrap().mean(&ranks).unwrap();
        assert_eq!(mean("recall@5"), 3.0 / 5.0);
        assert_eq!(mean("recall@5"), mean("hit@5"));
        assert!((mean("precision@5") - 3.0 / 25.0).abs() < 1e-15);
        assert!((mean("mrr@5") - 1.7 / 5.0).abs() < 1e-15);
        assert_eq!(mean("map@5"), mean("mrr@5"));
        let all = (1.0 + 0.5 + 0.2 + 1.0 / 5.5 + 0.05) / 5.0;
        assert!((mean("mrr") - all).abs() < 1e-15);
    }

    #[test]
    fn names_are_read_back_and_match_the_pattern_of_the_schema() {
        for name in [
            "hit@1",
            "recall@20",
            "precision@5",
            "ndcg@10",
            "map@10",
            "mrr@10",
            "mrr",
        ] {
            let metric: Metric = name.parse().unwrap();
            assert_eq!(metric.to_string(), name);
            assert_eq!(Metric::of_parts(metric.family(), metric.k()), Some(metric));
        }
        for name in [
            "hit", "hit@0", "hit@x", "ndgc@10", "mrr@", "mrr@0", "map", "Hit@1", "hit@+5", "hit@05",
        ] {
            assert!(name.parse::<Metric>().is_err(), "{name}");
        }
        assert_eq!(
            pattern(),
            "^((hit|recall|precision|ndcg|map|mrr)@[1-9][0-9]*|mrr)$"
        );
        assert_eq!(
            "ndgc@10".parse::<Metric>().unwrap_err().to_string(),
            "unknown metric `ndgc@10`: expected `hit@k`, `recall@k`, `precision@k`, `ndcg@k`, `map@k`, `mrr@k` with k of at least 1, or `mrr`"
        );
    }

    #[test]
    fn titles_are_those_of_papers() {
        let title = |name: &str| name.parse::<Metric>().unwrap().title();
        let pairs = [
            ("hit@1", "Hit@1"),
            ("recall@20", "Recall@20"),
            ("precision@5", "Precision@5"),
            ("ndcg@5", "NDCG@5"),
            ("map@10", "MAP@10"),
            ("mrr@10", "MRR@10"),
            ("mrr", "MRR"),
        ];
        for (name, expected) in pairs {
            assert_eq!(title(name), expected);
        }
    }

    #[test]
    fn a_cut_off_at_the_end_of_the_list_says_nothing() {
        let why = |name: &str| name.parse::<Metric>().unwrap().says_nothing_in(20);
        for name in [
            "hit@19",
            "recall@19",
            "precision@19",
            "ndcg@20",
            "map@20",
            "mrr@20",
            "mrr",
        ] {
            assert_eq!(why(name), None, "{name}");
        }
        assert_eq!(
            why("recall@20").unwrap(),
            "`recall@20` is always 1 in a list of 20 candidates"
        );
        assert_eq!(
            why("precision@20").unwrap(),
            "`precision@20` is always 1/20 in a list of 20 candidates"
        );
        assert_eq!(
            why("mrr@21").unwrap(),
            "`mrr@21` has a cut-off beyond the list of 20 candidates"
        );
    }
}
