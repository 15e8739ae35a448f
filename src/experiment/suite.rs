//! Suites: experiments that belong together, such as the tables of a paper.

use std::path::{Component, Path, PathBuf};

use allround_core::fs::{self, FsError};
use serde::Deserialize;

/// The version of the format.
const VERSION: u32 = 1;

/// Experiments that run over one store and share a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suite {
    /// The title of the report.
    pub title: String,
    /// What a reader of the report has to know: Markdown.
    pub note: String,
    /// The experiment files, in the order of the report.
    pub experiments: Vec<PathBuf>,
    /// The folder below the results that the report goes to.
    pub folder: String,
}

/// Why a suite cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// The file cannot be read.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// It is not a suite. The message has line and column.
    #[error("`{path}` is not a suite: {message}")]
    Format {
        /// The file.
        path: String,
        /// What is wrong.
        message: String,
    },
    /// It has another version.
    #[error("`{path}` has `suite_version = {found}`; this program reads version {VERSION}")]
    Version {
        /// The file.
        path: String,
        /// The version in the file.
        found: u32,
    },
    /// It has no experiment.
    #[error("the suite `{path}` has no experiments; name their files in `experiments`")]
    Empty {
        /// The file.
        path: String,
    },
    /// An experiment is in it twice.
    #[error("the suite `{path}` has `{experiment}` twice; remove one of the two")]
    Twice {
        /// The file.
        path: String,
        /// The experiment.
        experiment: String,
    },
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    suite_version: u32,
    title: String,
    #[serde(default)]
    note: String,
    experiments: Vec<String>,
}

impl Suite {
    /// Reads a suite file. Its experiments are relative to its folder.
    ///
    /// # Errors
    /// When it cannot be read, is not a suite, has no experiment, or has one twice.
    pub fn read(path: &Path) -> Result<Self, SuiteError> {
        let text = fs::read_to_string(path)?;
        let name = || path.display().to_string();
        let written: Written = toml::from_str(&text).map_err(|error| SuiteError::Format {
            path: name(),
            message: error.to_string(),
        })?;
        if written.suite_version != VERSION {
            return Err(SuiteError::Version {
                path: name(),
                found: written.suite_version,
            });
        }
        if written.experiments.is_empty() {
            return Err(SuiteError::Empty { path: name() });
        }
        let base = path.parent().unwrap_or(Path::new(""));
        let mut experiments: Vec<PathBuf> = Vec::new();
        for experiment in written.experiments {
            let file = joined(base, &experiment);
            if experiments.contains(&file) {
                let path = name();
                return Err(SuiteError::Twice { path, experiment });
            }
            experiments.push(file);
        }
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        Ok(Self {
            title: written.title,
            note: written.note,
            experiments,
            folder: format!("suites/{}", stem.unwrap_or("suite")),
        })
    }
}

/// `relative` below `base`, without the parts that `..` takes back.
fn joined(base: &Path, relative: &str) -> PathBuf {
    let mut path = base.to_owned();
    for part in Path::new(relative).components() {
        match part {
            Component::ParentDir if path.file_name().is_some() => {
                path.pop();
            }
            other => path.push(other),
        }
    }
    path
}

/// The file of a suite that is given as `name`: this file, or `suites/NAME.toml` where there is no
/// such file.
pub fn suite_file(name: &Path) -> PathBuf {
    let named = Path::new("suites").join(name).with_extension("toml");
    match !name.is_file() && named.is_file() {
        true => named,
        false => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suite(text: &str) -> Result<Suite, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("suite.toml");
        std::fs::write(&path, text).unwrap();
        Suite::read(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn experiments_are_relative_to_the_suite() {
        let text = "suite_version = 1\ntitle = \"T\"\nexperiments = [\"a.toml\", \"b.toml\"]\n";
        let suite = suite(text).unwrap();
        let names = suite.experiments.iter();
        let names: Vec<_> = names.map(|path| path.file_name().unwrap()).collect();
        assert_eq!(names, ["a.toml", "b.toml"]);
        assert!(suite.experiments[0].is_absolute());
        assert_eq!(
            (suite.title.as_str(), suite.folder.as_str()),
            ("T", "suites/suite")
        );
    }

    #[test]
    fn a_file_that_is_no_suite_is_refused_with_its_fault() {
        for (text, expected) in [
            (
                "title = \"T\"\nexperiments = [\"a\"]\n",
                "missing field `suite_version`",
            ),
            (
                "suite_version = 1\ntitle = \"T\"\nexperiments = []\n",
                "has no experiments",
            ),
            (
                "suite_version = 2\ntitle = \"T\"\nexperiments = [\"a\"]\n",
                "reads version 1",
            ),
            (
                "suite_version = 1\ntitle = \"T\"\nexperiments = [\"a\", \"a\"]\n",
                "has `a` twice",
            ),
            (
                "suite_version = 1\ntitle = \"T\"\nexperiment = [\"a\"]\n",
                "unknown field `experiment`",
            ),
        ] {
            let message = suite(text).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
    }
}
