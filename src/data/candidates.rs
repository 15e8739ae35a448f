//! Frozen candidate lists: drawn once per data set, protocol and seed, used by every model alike.

/// A part of the split that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Validation.
    Valid,
    /// Test.
    Test,
}

/// Candidate lists of one part: M users with n negatives each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CandidateLists {
    /// Which part's targets.
    pub part: Part,
    /// User numbers, ascending, M of them.
    pub users: Vec<u32>,
    /// Target items, M of them.
    pub targets: Vec<u32>,
    /// Negatives a user; `None` for full ranking, where no list is stored.
    pub n: Option<usize>,
    /// Negative items, row after row, M x n.
    pub negatives: Vec<u32>,
}
