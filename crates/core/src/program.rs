//! The program that makes artefacts and results: version and commit.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A program.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Version of allround.
    pub version: String,
    /// Git commit at build time; absent in a build outside a repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Whether the sources had uncommitted changes; absent where they had none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub modified: bool,
}

impl Program {
    /// The running program. In a worker, this is the build of the worker.
    pub fn this() -> Program {
        Program {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: option_env!("ALLROUND_COMMIT").map(str::to_owned),
            modified: option_env!("ALLROUND_MODIFIED").is_some(),
        }
    }
}

/// Version and commit in one line. A `+` after the commit means uncommitted changes.
impl fmt::Display for Program {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.version)?;
        let Some(commit) = &self.commit else {
            return Ok(());
        };
        let changed = if self.modified { "+" } else { "" };
        write!(formatter, " {commit}{changed}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_told_with_its_commit_and_whether_its_sources_are_that_commits() {
        let told = |commit: Option<&str>, modified| {
            let (version, commit) = ("0.1.0".to_owned(), commit.map(str::to_owned));
            Program {
                version,
                commit,
                modified,
            }
            .to_string()
        };
        assert_eq!(told(None, false), "0.1.0");
        assert_eq!(told(Some("abc"), false), "0.1.0 abc");
        assert_eq!(told(Some("abc"), true), "0.1.0 abc+");
    }
}
