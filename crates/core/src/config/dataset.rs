//! `[dataset.NAME]`: a source, filters in order, a split.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::source::Source;

/// One data set: where it comes from, what is kept of it, how it is split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dataset {
    /// Where the interactions and texts come from.
    pub source: Source,
    /// Filters, applied in the order written.
    pub filter: Vec<Filter>,
    /// How each user's sequence is split.
    pub split: Split,
}

/// One filter rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Filter {
    /// The A-LLMRec code's single pass: users and items whose raw counts reach `threshold` stay.
    /// With `count_rating` above 0, only reviews with at least that rating are counted; lower ones
    /// stay in the sequences.
    Published {
        /// Least count of a user and of an item.
        #[schemars(range(min = 1))]
        threshold: u64,
        /// Least rating that is counted; 0 counts all.
        count_rating: f64,
    },
    /// Repeated until every user has `users` and every item has `items` interactions.
    KCore {
        /// Least interactions of a user.
        #[schemars(range(min = 1))]
        users: u64,
        /// Least interactions of an item.
        #[schemars(range(min = 1))]
        items: u64,
    },
    /// Interactions with a lower rating are dropped.
    Rating {
        /// Least rating kept.
        minimum: f64,
    },
    /// Repeated (user, item) pairs.
    Duplicates {
        /// Which of the repeats stays.
        keep: Keep,
    },
    /// Users with fewer or more interactions are dropped.
    Length {
        /// Least interactions of a user.
        minimum: u64,
        /// Most interactions of a user; 0: no bound.
        maximum: u64,
    },
}

/// Which of several equal interactions stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// The earliest.
    First,
    /// The latest.
    Last,
}

/// How a user's time-ordered sequence is split. Ties in time keep the order of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Split {
    /// Last item test, second last validation, rest training; users with fewer than three items only train.
    LeaveOneOut {},
    /// One moment for all users: a user's first item at or after `test_share`'s moment is its test target.
    GlobalTime {
        /// Share of all interactions (by time) that come before the validation period.
        #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
        train_share: f64,
        /// Share of all interactions in the validation period.
        #[schemars(range(min = 0.0, max = 1.0))]
        valid_share: f64,
    },
    /// The parts that the source's files give: `valid` and `test` of CSV and atomic sources. A user's first row in each
    /// is its target, after all earlier rows.
    Given {},
}
