//! `[protocol.NAME]`: the candidates and metrics that make a number comparable.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metric::Metric;

/// How models are measured. Two numbers are comparable only when this and the data set are the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Protocol {
    /// What the target is ranked against.
    pub candidates: Candidates,
    /// Which rules decide what may be a candidate.
    pub rules: Rules,
    /// How candidates that score the same as the target count in its rank.
    pub ties: Ties,
    /// Metrics to report.
    pub metrics: Vec<Metric>,
    /// Most users evaluated, drawn at random from the seed; 0 is all of them. The A-LLMRec code uses 10,000.
    pub max_users: u64,
    /// Seed of the candidate lists; 0 takes each cell's own seed.
    pub candidates_seed: u64,
    /// Parts of the split that every model is measured on. `["valid", "test"]` adds validation
    /// numbers, to choose a model by; `["valid"]` leaves the test untouched. Each part is a
    /// separate evaluation.
    #[serde(default = "test_alone")]
    pub splits: Vec<Part>,
    /// Whether the score of every candidate of every measured user is kept, in `scores/` of the results. Full ranking of more
    /// than 1,000 items keeps each user's best 100 and the target.
    #[serde(default)]
    pub keep_scores: bool,
}

/// What results say that were written before there was a choice.
fn test_alone() -> Vec<Part> {
    vec![Part::Test]
}

/// A part of the split that is measured.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Validation: the targets that training may be stopped or chosen by.
    Valid,
    /// Test.
    #[default]
    Test,
}

impl Part {
    /// The name in specs and results: `valid` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Part::Valid => "valid",
            Part::Test => "test",
        }
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

/// What a target is ranked against.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Candidates {
    /// All items.
    Full {
        /// Whether items of the user's history are candidates.
        seen: Seen,
    },
    /// `n` items drawn uniformly.
    Uniform {
        /// Negatives in addition to the target.
        #[schemars(range(min = 1, max = 10000000))]
        n: usize,
    },
    /// `n` items drawn in proportion to their training counts.
    Popularity {
        /// Negatives in addition to the target.
        #[schemars(range(min = 1, max = 10000000))]
        n: usize,
    },
    /// Fixed negatives from a file, as they are published with a data set.
    File(CandidatesFile),
}

/// A file with the negatives of every user: one line a user, ids as in the data set, separated by blanks or tabs, plain or
/// gzip. All lines have equally many negatives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CandidatesFile {
    /// The file of the test targets' negatives.
    pub path: String,
    /// What a line holds: `user_item_negatives`, `user_negatives` or `pair_negatives`.
    pub form: NegativesForm,
    /// A file of the same form for the validation targets. Empty: they are ranked against the negatives of `path`, as in
    /// S3-Rec's code.
    pub valid: String,
    /// Who is measured.
    pub users: ListedUsers,
}

/// What a line of a file of candidates holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NegativesForm {
    /// `user item neg1 ... negN`: the item is the target and is checked against the split.
    UserItemNegatives,
    /// `user neg1 ... negN`, the target being the split's: `*_sample.txt` of S3-Rec and FDSA.
    UserNegatives,
    /// `(user,item) neg1 ... negN`: `*.test.negative` of the NCF code.
    PairNegatives,
}

/// Which users a file of candidates measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ListedUsers {
    /// Everyone with a target; a user without a line is an error.
    All,
    /// Those with a target and a line; the others are left out and counted.
    Listed,
}

impl Candidates {
    /// Negatives of each target, where that is known before data are read.
    pub fn n(&self) -> Option<usize> {
        match self {
            Candidates::Uniform { n } | Candidates::Popularity { n } => Some(*n),
            Candidates::Full { .. } | Candidates::File(_) => None,
        }
    }

    /// Files that are read, as written in the spec.
    pub fn files(&self) -> Vec<&str> {
        match self {
            Candidates::File(file) => [file.path.as_str(), file.valid.as_str()]
                .into_iter()
                .filter(|path| !path.is_empty())
                .collect(),
            Candidates::Full { .. }
            | Candidates::Uniform { .. }
            | Candidates::Popularity { .. } => Vec::new(),
        }
    }
}

/// Whether full ranking has the items of the user's history among the candidates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// The history is left out, as in RecBole's general recommenders.
    #[default]
    Exclude,
    /// The history is ranked too, as in RecBole's sequential recommenders.
    Keep,
}

/// How candidates that score the same as the target count in its rank.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ties {
    /// Half of them are ahead of the target: the expected rank if ties were broken at random.
    #[default]
    Half,
    /// None is ahead of the target, as where code sorts stably with the target in front (SASRec, the A-LLMRec code).
    TargetFirst,
    /// All are ahead of the target, as where code sorts stably with the target at the end (NCF).
    TargetLast,
}

impl Ties {
    /// The share of equal scores that is ahead of the target.
    pub fn share_ahead(self) -> f64 {
        match self {
            Ties::Half => 0.5,
            Ties::TargetFirst => 0.0,
            Ties::TargetLast => 1.0,
        }
    }

    /// The target's rank among candidates of which so many score higher and so many the same.
    pub fn rank(self, greater: usize, equal: usize) -> f64 {
        1.0 + greater as f64 + equal as f64 * self.share_ahead()
    }
}

/// Rules of candidate lists and inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rules {
    /// The target once, no duplicates, nothing that the user has in training, validation or test. A file of candidates that
    /// breaks this is refused.
    Strict,
    /// The A-LLMRec code's: only training items are excluded; the validation item, the target and repeats may be drawn. A file
    /// of candidates is taken as it is, and such negatives are counted.
    Published,
}
