//! A resolved spec to stages with keys: pure, but for the digests of input files that it is given.

pub mod stage;

pub use stage::{Job, Settings, Stage};
