//! Why a language model cannot be put together.

/// Why a language model cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum LmError {
    /// A weight is missing or cannot be read.
    #[error("{why} (expected: `{name}` of shape {shape:?})")]
    Weight {
        /// The weight.
        name: String,
        /// The shape by the configuration.
        shape: Vec<i64>,
        /// Where it was looked for, and what is wrong with it.
        why: String,
    },
    /// A weight has another shape than the configuration says.
    #[error(
        "{place}: tensor `{name}` has shape {found:?}; expected {expected:?} by `config.json`; take both from the same model"
    )]
    Shape {
        /// What holds the weights.
        place: String,
        /// The weight.
        name: String,
        /// Its shape.
        found: Vec<i64>,
        /// The shape by the configuration.
        expected: Vec<i64>,
    },
    /// There are weights of the model's own that its configuration has no place for.
    #[error(
        "{place} holds weights that `config.json` leaves no place for: {names}; it says {said}; take both from the same model"
    )]
    Surplus {
        /// What holds the weights.
        place: String,
        /// Some of the weights.
        names: String,
        /// What the configuration says.
        said: String,
    },
    /// The configuration has one table for input and output, and the file two.
    #[error(
        "{place}: `lm_head.weight` differs from the table of embeddings, which `tie_word_embeddings` in `config.json` puts in its place; take both from the same model"
    )]
    Tied {
        /// What holds the weights.
        place: String,
    },
    /// No linear layer has the name of an adapter's target.
    #[error("no module is called `{target}`; adapters can be at {known}")]
    Target {
        /// The requested name.
        target: String,
        /// The names that there are.
        known: String,
    },
}
