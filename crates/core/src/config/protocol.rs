//! `[protocol.NAME]`: the candidates and metrics that make results comparable.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::llm::ScoreBy;
use crate::metric::Metric;

/// How models are measured. Two results are comparable only when the protocol and the data set are
/// the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Protocol {
    /// What the target is ranked against.
    pub candidates: Candidates,
    /// Which rules decide what may be a candidate.
    pub rules: Rules,
    /// How candidates with the same score as the target count in its rank.
    pub ties: Ties,
    /// Metrics to report.
    pub metrics: Vec<Metric>,
    /// Maximum number of users evaluated, drawn at random by the seed; 0 is all users. The A-LLMRec
    /// code uses 10,000.
    pub max_users: u64,
    /// Minimum number of users of each measured slice, where it has as many; 0: those among
    /// `max_users`. Slices are cold and warm items, repeat and new targets. The users that are
    /// drawn for a slice count in its numbers alone.
    #[serde(default)]
    pub users_per_slice: u64,
    /// Seed of the candidate lists; 0 uses each cell's own seed.
    pub candidates_seed: u64,
    /// Parts of the split that every model is measured on. `["valid", "test"]` adds validation
    /// results, for model selection. `["valid"]` leaves the test part unused. Each part is a
    /// separate evaluation.
    #[serde(default = "test_alone")]
    pub splits: Vec<Part>,
    /// Whether the scores of all candidates of measured users are kept, in `scores/` of the
    /// results. A full ranking of more than 1,000 items keeps each user's best 100 and the target.
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
    /// Validation: the targets that early stopping and model selection may use.
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
        /// Number of negatives, in addition to the target.
        #[schemars(range(min = 1, max = 10000000))]
        n: usize,
    },
    /// `n` items drawn in proportion to their training counts.
    Popularity {
        /// Number of negatives, in addition to the target.
        #[schemars(range(min = 1, max = 10000000))]
        n: usize,
    },
    /// Fixed negatives from a file, as some data sets publish them.
    File(CandidatesFile),
    /// Genres in place of items: the target is the user's favourite genre among those of the data
    /// set. Nothing is trained for the question. Language models answer it. The model `popularity`
    /// gives the most frequent genre, and `repeat` counts the genres of the history.
    FavouriteGenre(FavouriteGenre),
}

/// The question about the favourite genre: that which most of the user's training items have. Of
/// equal ones, the most recent counts. Hit@1 is then the accuracy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FavouriteGenre {
    /// How an answer is read.
    pub answer: GenreAnswer,
    /// How the log-likelihoods of a genre's tokens are combined, with `answer = "likelihood"`.
    pub by: ScoreBy,
    /// Wording of the question, with the places of a prompt's template but `{candidates}`.
    /// `{genres}` is the list of all genres. Genres of single items are never in the prompt.
    pub template: String,
    /// Maximum number of tokens in a generated answer.
    #[schemars(range(min = 1, max = 4096))]
    pub max_new_tokens: usize,
    /// Users of each model whose prompt and answer are written to `conversations/` of the results,
    /// and shown in the report.
    #[schemars(range(max = 1000))]
    pub conversations: usize,
}

/// How an answer about genres is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GenreAnswer {
    /// Genres are ranked by the log-likelihood of their names.
    Likelihood,
    /// Greedy decoding. An answer is valid if it names exactly one genre.
    Text,
}

/// A file with the negatives of every user, plain or gzip. Each user has one line with ids as in
/// the data set, separated by blanks or tabs. All lines have the same number of negatives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CandidatesFile {
    /// The file with the negatives of test targets.
    pub path: String,
    /// Content of a line: `user_item_negatives`, `user_negatives` or `pair_negatives`.
    pub form: NegativesForm,
    /// A file of the same form for validation targets. Empty: they are ranked against the negatives
    /// in `path`, as in S3-Rec's code.
    pub valid: String,
    /// Which users are measured.
    pub users: ListedUsers,
}

/// Content of a line in a file of candidates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NegativesForm {
    /// `user item neg1 ... negN`: the item is the target, and is checked against the split.
    UserItemNegatives,
    /// `user neg1 ... negN`: the target comes from the split. `*_sample.txt` of S3-Rec and FDSA
    /// have this form.
    UserNegatives,
    /// `(user,item) neg1 ... negN`: the form of `*.test.negative` in the NCF code.
    PairNegatives,
}

/// Which users a file of candidates measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ListedUsers {
    /// All users with a target. A user without a line is an error.
    All,
    /// Users with a target and a line. The others are left out and counted.
    Listed,
}

impl Candidates {
    /// Number of negatives for each target; `None` where it depends on the data.
    pub fn n(&self) -> Option<usize> {
        match self {
            Candidates::Uniform { n } | Candidates::Popularity { n } => Some(*n),
            Candidates::Full { .. } | Candidates::File(_) | Candidates::FavouriteGenre(_) => None,
        }
    }

    /// The files that are read, as written in the spec.
    pub fn files(&self) -> Vec<&str> {
        match self {
            Candidates::File(file) => [file.path.as_str(), file.valid.as_str()]
                .into_iter()
                .filter(|path| !path.is_empty())
                .collect(),
            Candidates::Full { .. }
            | Candidates::Uniform { .. }
            | Candidates::Popularity { .. }
            | Candidates::FavouriteGenre(_) => Vec::new(),
        }
    }
}

/// Whether full ranking includes the items of the user's history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// History items are left out, as in RecBole's general recommenders.
    #[default]
    Exclude,
    /// History items are ranked too, as in RecBole's sequential recommenders.
    Keep,
}

/// How candidates with the same score as the target count in its rank.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ties {
    /// Half of them rank before the target: the expected rank if ties were broken at random.
    #[default]
    Half,
    /// None ranks before the target, as in code that sorts stably with the target in front (SASRec,
    /// the A-LLMRec code).
    TargetFirst,
    /// All rank before the target, as in code that sorts stably with the target at the end (NCF).
    TargetLast,
}

impl Ties {
    /// The share of equal scores that ranks before the target.
    pub fn share_ahead(self) -> f64 {
        match self {
            Ties::Half => 0.5,
            Ties::TargetFirst => 0.0,
            Ties::TargetLast => 1.0,
        }
    }

    /// The target's rank, with `greater` candidates that have a higher score and `equal` with the
    /// same.
    pub fn rank(self, greater: usize, equal: usize) -> f64 {
        1.0 + greater as f64 + equal as f64 * self.share_ahead()
    }
}

/// Rules for candidate lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rules {
    /// The target once, no duplicates, and no other item of the user's training, validation or
    /// test. A file of candidates that breaks this is refused.
    Strict,
    /// The A-LLMRec code's rules. Only training items are excluded; the validation item, the target
    /// and repeats may be drawn. A file of candidates is used as it is, and such negatives are
    /// counted.
    Published,
}
