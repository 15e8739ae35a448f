//! Metrics: name, cut-off, direction, and value for one user's rank.
//!
//! In leave-one-out evaluation a user has one target, so `hit@k` is also Recall@k and HR@k.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A ranking metric, averaged over users. Larger is better for each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// 1 when the target's rank is at most k (HR@k, Recall@k).
    Hit(u32),
    /// 1 / log2(rank + 1) when the rank is at most k, else 0: NDCG@k with one relevant item.
    Ndcg(u32),
    /// 1 / rank, without a cut-off.
    Mrr,
}

impl Metric {
    /// The cut-off k; `None` for a metric without one.
    pub fn k(self) -> Option<u32> {
        match self {
            Metric::Hit(k) | Metric::Ndcg(k) => Some(k),
            Metric::Mrr => None,
        }
    }

    /// The name without the cut-off: `hit`, `ndcg`, `mrr`.
    pub fn family(self) -> &'static str {
        match self {
            Metric::Hit(_) => "hit",
            Metric::Ndcg(_) => "ndcg",
            Metric::Mrr => "mrr",
        }
    }

    /// The value for one user whose target has this rank (1 is best; half ranks come from ties).
    pub fn of_rank(self, rank: f64) -> f64 {
        match self {
            Metric::Hit(k) => f64::from(u8::from(rank <= f64::from(k))),
            Metric::Ndcg(k) if rank <= f64::from(k) => 1.0 / (rank + 1.0).log2(),
            Metric::Ndcg(_) => 0.0,
            Metric::Mrr => 1.0 / rank,
        }
    }

    /// The mean over users; `None` for no users.
    pub fn mean(self, ranks: &[f64]) -> Option<f64> {
        if ranks.is_empty() {
            return None;
        }
        Some(ranks.iter().map(|&rank| self.of_rank(rank)).sum::<f64>() / ranks.len() as f64)
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

/// A text that names no metric.
#[derive(Debug, thiserror::Error)]
#[error("unknown metric `{0}`: expected `hit@k`, `ndcg@k` with k of at least 1, or `mrr`")]
pub struct MetricError(String);

impl FromStr for Metric {
    type Err = MetricError;

    fn from_str(text: &str) -> Result<Self, MetricError> {
        let wrong = || MetricError(text.to_owned());
        if text == "mrr" {
            return Ok(Metric::Mrr);
        }
        let (family, k) = text.split_once('@').ok_or_else(wrong)?;
        let k: u32 = k.parse().ok().filter(|&k| k > 0).ok_or_else(wrong)?;
        match family {
            "hit" => Ok(Metric::Hit(k)),
            "ndcg" => Ok(Metric::Ndcg(k)),
            _ => Err(wrong()),
        }
    }
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
            "pattern": "^(hit@[1-9][0-9]*|ndcg@[1-9][0-9]*|mrr)$",
            "description": "`hit@k`, `ndcg@k` or `mrr`"
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

    #[test]
    fn names_are_read_back() {
        for name in ["hit@1", "ndcg@10", "mrr"] {
            assert_eq!(name.parse::<Metric>().unwrap().to_string(), name);
        }
        for name in ["hit", "hit@0", "hit@x", "ndgc@10", "mrr@5", "Hit@1"] {
            assert!(name.parse::<Metric>().is_err(), "{name}");
        }
    }
}
