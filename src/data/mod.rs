//! Sources, filters, splits, scenarios, candidates.
//!
//! Every source yields [`RawData`]; filters turn it into less of the same; the split turns it into a [`Prepared`] data
//! set, on which scenarios and candidate lists work. Item 0 is padding everywhere: items are numbered from 1.

pub mod candidates;
pub mod prepared;
pub mod ranks;
pub mod raw;

pub use candidates::{CandidateLists, Part};
pub use prepared::{Item, Prepared};
pub use ranks::Ranks;
pub use raw::RawData;
