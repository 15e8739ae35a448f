//! `[model.NAME.scores]`: scores or ranked lists of another program.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Group, Kind};
use crate::config::protocol::Part;

/// The kind, with its defaults and presets.
pub const KIND: Kind = Kind {
    name: "scores",
    group: Group::External,
    colour: None,
    defaults: r#"
# What does not fit is refused: a wrong number would look like a bad model.
[default.model.scores]
valid = ""
form = "scores"
missing = "refuse"
unknown = "refuse"
"#,
};

/// Scores or ranked lists that another program has made of this data set. Nothing is trained; every seed reads the same file,
/// which holds the candidates of every protocol and seed (`allround export RESULTS --candidates` lists them). Ids are those of
/// the source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scores {
    /// The file for the test targets, plain or gzip.
    pub file: String,
    /// The file for the validation targets; empty: none, and no protocol may measure validation.
    pub valid: String,
    /// How the files are written.
    pub form: ScoresForm,
    /// What becomes of a candidate without a score. In `ranks` and `lists` this applies to users
    /// without any entry; candidates that a list does not hold rank last.
    pub missing: Missing,
    /// What becomes of users and items that the data set does not have.
    pub unknown: Unknown,
}

impl Scores {
    /// The files, as written in the experiment file.
    pub fn files(&self) -> Vec<&str> {
        let files = [self.file.as_str(), self.valid.as_str()];
        files.into_iter().filter(|file| !file.is_empty()).collect()
    }

    /// The file for the targets of `part`; empty where there is none.
    pub fn of(&self, part: Part) -> &str {
        match part {
            Part::Test => &self.file,
            Part::Valid => &self.valid,
        }
    }
}

/// How a file of scores or ranked lists is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScoresForm {
    /// CSV with the columns `user`, `item`, `score`: higher is better.
    Scores,
    /// CSV with the columns `user`, `rank`, `item`: lower is better, equal ranks tie.
    Ranks,
    /// Lines of `user item item ...` between blanks or tabs, the best item first.
    Lists,
}

/// What becomes of a candidate without a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// The cell fails, naming user and candidate.
    Refuse,
    /// It ranks behind all that have one, tied with the others that have none; counted in `remark`.
    Last,
}

/// What becomes of users and items that the data set does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// The cell fails, naming line and id.
    Refuse,
    /// The entry is left out; counted in `remark`.
    Ignore,
}
