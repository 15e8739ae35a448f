//! `[model.NAME.scores]`: scores or ranked lists from another program.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Group, Kind};
use crate::config::protocol::Part;

/// The kind, with its defaults and presets.
pub const KIND: Kind = Kind {
    name: "scores",
    group: Group::External,
    hue: None,
    defaults: r#"
# Files that do not fit are refused: a wrong number would look like a bad model.
[default.model.scores]
valid = ""
form = "scores"
missing = "refuse"
unknown = "refuse"
"#,
};

/// Scores or ranked lists that another program wrote for this data set. Nothing is trained. All
/// seeds read the same file, which must have the candidates of every protocol and seed; `allround
/// export RESULTS --candidates` lists them. Ids are those of the source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scores {
    /// The file for the test targets, plain or gzip.
    pub file: String,
    /// The file for the validation targets. Empty: none, and no protocol may measure validation.
    pub valid: String,
    /// The form of the files.
    pub form: ScoresForm,
    /// What happens to a candidate without a score. In `ranks` and `lists` this applies to users
    /// without any entry; candidates that are not in a user's list rank last.
    pub missing: Missing,
    /// What happens to users and items that are not in the data set.
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

/// The form of a file of scores or ranked lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScoresForm {
    /// CSV with the columns `user`, `item`, `score`: higher is better.
    Scores,
    /// CSV with the columns `user`, `rank`, `item`: lower is better, equal ranks tie.
    Ranks,
    /// Lines of `user item item ...`, separated by blanks or tabs, the best item first.
    Lists,
}

/// What happens to a candidate without a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// The cell fails; the error names user and candidate.
    Refuse,
    /// It ranks after all candidates that have a score, tied with the others that have none. Such
    /// candidates are counted in `remark`.
    Last,
}

/// What happens to users and items that are not in the data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// The cell fails; the error names line and id.
    Refuse,
    /// The entry is left out and counted in `remark`.
    Ignore,
}
