//! `[dataset.NAME]`: a source, filters in order, a split.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::source::Source;

/// One data set: its source, its filters, its split.
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
    /// The single pass of the A-LLMRec code: users and items with a raw count of at least
    /// `threshold` stay. With `count_rating` above 0, only reviews with at least that rating are
    /// counted. Lower ones stay in the sequences.
    Published {
        /// Minimum count of a user and of an item.
        #[schemars(range(min = 1))]
        threshold: u64,
        /// Minimum rating that is counted; 0 counts all.
        count_rating: f64,
    },
    /// Drops users and items, repeatedly, until every user has `users` and every item has `items`
    /// interactions.
    KCore {
        /// Minimum interactions of a user.
        #[schemars(range(min = 1))]
        users: u64,
        /// Minimum interactions of an item.
        #[schemars(range(min = 1))]
        items: u64,
    },
    /// Drops interactions with a lower rating.
    Rating {
        /// Minimum rating.
        minimum: f64,
    },
    /// Keeps one of repeated (user, item) pairs.
    Duplicates {
        /// Which of the repeats is kept.
        keep: Keep,
    },
    /// Drops users with fewer or more interactions.
    Length {
        /// Minimum interactions of a user.
        minimum: u64,
        /// Maximum interactions of a user; 0: no limit.
        maximum: u64,
    },
}

/// Which of several equal interactions is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// The earliest.
    First,
    /// The latest.
    Last,
}

/// How a user's sequence, in time order, is split. Ties in time keep the order of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Split {
    /// Last item test, second-last validation, rest training. Users with fewer than three items are
    /// only used for training.
    LeaveOneOut {},
    /// Two points in time for all users. A user's first item in the test period is its test target.
    GlobalTime {
        /// Share of all interactions, by time, before the validation period.
        #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
        train_share: f64,
        /// Share of all interactions in the validation period.
        #[schemars(range(min = 0.0, max = 1.0))]
        valid_share: f64,
    },
    /// The parts that the source's files define: `valid` and `test` of CSV and atomic sources. A
    /// user's first row in each is its target, after all earlier rows.
    Given {},
}
