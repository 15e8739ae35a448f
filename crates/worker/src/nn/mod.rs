//! Layers written once.
//!
//! Letters: B batch, T tokens of a packed batch, D width, H recurrent width, V items (row 0 of a
//! table is padding), N negatives.

pub mod attention;
pub mod convolution;
pub mod embedding;
pub mod linear;
pub mod longformer;
pub mod loss;
pub mod noise;
pub mod packed;
pub mod packed_texts;
pub mod parameters;
pub mod recurrent;
pub mod time_major;

pub use parameters::Parameters;
