//! Titles, prompts, item texts and the audit of answers, without tensors and tokenizers.

pub mod answer;
pub mod answer_file;
pub mod item;
pub mod letters;
pub mod pair;
pub mod prompt;
pub mod representation;
pub mod sequence;
pub mod titles;

pub use answer::{Audit, audit};
pub use item::{NO_DESCRIPTION, item_text};
pub use letters::render_letters;
pub use pair::PairTexts;
pub use prompt::{Piece, Vectors, answer_of, render, render_yes_no};
pub use titles::Titles;
