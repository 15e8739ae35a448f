//! Errors in data: what is wrong, where, and what to do.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::fs::FsError;

/// An error in data.
#[derive(Debug)]
pub struct DataError {
    path: Option<PathBuf>,
    line: Option<u64>,
    what: String,
    hint: Option<String>,
}

impl DataError {
    /// An error without a place.
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            path: None,
            line: None,
            what: what.into(),
            hint: None,
        }
    }

    /// The file it is in.
    #[must_use]
    pub fn at(mut self, path: &Path) -> Self {
        self.path = Some(path.to_owned());
        self
    }

    /// The line or record, from 1.
    #[must_use]
    pub fn line(mut self, line: u64) -> Self {
        self.line = Some(line);
        self
    }

    /// What to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What to do, where known.
    pub fn remedy(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for DataError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(formatter, "{}", path.display())?;
            if let Some(line) = self.line {
                write!(formatter, ":{line}")?;
            }
            formatter.write_str(": ")?;
        }
        formatter.write_str(&self.what)
    }
}

impl std::error::Error for DataError {}

impl From<FsError> for DataError {
    fn from(error: FsError) -> Self {
        let hint = error
            .hint()
            .unwrap_or("check the path; relative paths of a spec start at its folder");
        Self {
            path: None,
            line: None,
            what: error.to_string(),
            hint: Some(hint.to_owned()),
        }
    }
}
