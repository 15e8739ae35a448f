//! Data sources. Each kind has one file with its settings, defaults, facts, checks and reader.
//!
//! To add a source, write its file, add it to [`Source`], [`Source::as_source`] and [`DEFAULTS`],
//! and follow the compiler. Readers share the code in `read`, and checks that in `checks`. No other
//! code depends on the kind of a source.

pub mod amazon;
pub mod atomic;
mod checks;
pub mod columns;
pub mod csv;
mod error;
pub mod json;
pub mod make;
pub mod movielens;
pub mod preview;
pub mod raw;
pub(crate) mod read;
pub mod sequences;
pub mod synthetic;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::problem::Problem;
pub use amazon::AmazonSource;
pub use atomic::AtomicSource;
pub use csv::CsvSource;
pub use error::DataError;
pub use json::JsonSource;
pub use movielens::MovielensSource;
pub use raw::RawData;
pub use read::rows::RepeatedUsers;
pub use sequences::SequencesSource;
pub use synthetic::SyntheticSource;

/// Where the interactions and texts of a data set come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Source {
    /// Amazon reviews and metadata in the forms of 2014, 2018 and 2023, plain or gzip. The form is
    /// detected from the records. In the form of 2023, an item is `parent_asin`, which covers all
    /// colours and sizes of a product.
    Amazon(AmazonSource),
    /// MovieLens 100K, 1M, 10M or latest.
    Movielens(MovielensSource),
    /// RecBole atomic files and UniSRec whole-sequence rows.
    Atomic(AtomicSource),
    /// Records with named fields, as JSON or Python literals: files of Yelp, Goodreads, Steam and
    /// others.
    Json(JsonSource),
    /// Lines of `user item`, `user item item ...`, `user item time` or `user item rating time`,
    /// plain or gzip.
    Sequences(SequencesSource),
    /// CSV files of interactions and items.
    Csv(CsvSource),
    /// Generated data of known structure.
    Synthetic(SyntheticSource),
}

/// Defaults of every source, as TOML (`[default.source.KIND]`).
pub const DEFAULTS: [&str; 7] = [
    amazon::DEFAULTS,
    movielens::DEFAULTS,
    atomic::DEFAULTS,
    json::DEFAULTS,
    sequences::DEFAULTS,
    csv::DEFAULTS,
    synthetic::DEFAULTS,
];

/// A data source. The default methods describe a source without files that has titles, ratings and
/// times.
pub trait DataSource {
    /// The kind's name in the experiment file.
    fn kind(&self) -> &'static str;

    /// The files and folders that it can read. Their digests are part of the keys of stages.
    fn files(&self) -> Vec<SourceFile<'_>> {
        Vec::new()
    }

    /// The files of a ready-made split; `None` if the source has no settings for them.
    fn split_files(&self) -> Option<SplitFiles<'_>> {
        None
    }

    /// Advice for items to get titles; `None` if they have some.
    fn missing_titles(&self) -> Option<&'static str> {
        None
    }

    /// Whether every interaction has a rating. Relative paths start at `base`.
    fn ratings(&self, _base: &Path) -> Provided {
        Provided::Yes
    }

    /// Whether every interaction has a time. Relative paths start at `base`.
    fn times(&self, _base: &Path) -> Provided {
        Provided::Yes
    }

    /// Number of users and items of generated data; `None` if they are known only after reading.
    fn generated(&self) -> Option<Generated> {
        None
    }

    /// Settings that contradict each other, have no effect, or refer to something that the files at
    /// `base` do not have. Missing files are not included: they are reported for all sources alike.
    fn problems(&self, _base: &Path) -> Vec<Problem> {
        Vec::new()
    }

    /// Reads the whole source. Relative paths start at `base`.
    ///
    /// # Errors
    /// When a file is missing, empty, truncated, not UTF-8, or a line is not in the source's form.
    fn read(&self, base: &Path) -> Result<RawData, DataError>;
}

/// A file or folder that a source reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceFile<'a> {
    /// The setting with its path.
    pub key: &'static str,
    /// Its path as written; empty if there is none.
    pub path: &'a str,
    /// Whether the source needs it.
    pub is_required: bool,
    /// Whether it is a folder.
    pub is_folder: bool,
}

impl<'a> SourceFile<'a> {
    /// A required file.
    pub fn required(key: &'static str, path: &'a str) -> Self {
        SourceFile {
            key,
            path,
            is_required: true,
            is_folder: false,
        }
    }

    /// An optional file.
    pub fn optional(key: &'static str, path: &'a str) -> Self {
        SourceFile {
            is_required: false,
            ..SourceFile::required(key, path)
        }
    }
}

/// The validation and test files of a ready-made split, as written; empty if there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplitFiles<'a> {
    /// Validation rows.
    pub valid: &'a str,
    /// Test rows.
    pub test: &'a str,
}

impl SplitFiles<'_> {
    /// Whether neither is set.
    pub fn is_empty(&self) -> bool {
        self.valid.is_empty() && self.test.is_empty()
    }
}

/// Whether a source has something that another setting needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provided {
    /// It has.
    Yes,
    /// It does not have it; what to do.
    No(String),
    /// Its files cannot be read, which is reported separately.
    Unknown,
}

/// The size of generated data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generated {
    /// Users.
    pub users: u64,
    /// Items.
    pub items: u64,
}

impl Source {
    /// The source as a trait object.
    pub fn as_source(&self) -> &dyn DataSource {
        match self {
            Source::Amazon(source) => source,
            Source::Movielens(source) => source,
            Source::Atomic(source) => source,
            Source::Json(source) => source,
            Source::Sequences(source) => source,
            Source::Csv(source) => source,
            Source::Synthetic(source) => source,
        }
    }

    /// The kind's name in the experiment file.
    pub fn kind(&self) -> &'static str {
        self.as_source().kind()
    }

    /// The files and folders that are set, as written.
    pub fn files(&self) -> Vec<&str> {
        let files = self.as_source().files().into_iter();
        let paths = files.map(|file| file.path);
        paths.filter(|path| !path.is_empty()).collect()
    }

    /// Number of users and items of generated data; `None` if they are known only after reading.
    pub fn generated(&self) -> Option<Generated> {
        self.as_source().generated()
    }

    /// Reads the source. Relative paths start at `base`.
    ///
    /// # Errors
    /// When a file is missing, empty, truncated, not UTF-8, or a line is not in the source's form.
    pub fn read(&self, base: &Path) -> Result<RawData, DataError> {
        self.as_source().read(base)
    }
}

/// The files that are read in a folder of a published data set; `None` for any other folder.
pub fn files_in(folder: &Path) -> Option<Vec<PathBuf>> {
    movielens::files_in(folder)
}
