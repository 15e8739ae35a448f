//! Why a pickle is refused.

/// Why a pickle is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PickleError {
    /// It names something that is no part of a tensor.
    #[error(
        "its pickle wants to call `{name}`, which no tensor needs; nothing was run. Get the model as safetensors from a source you trust"
    )]
    Global {
        /// Module and name.
        name: String,
    },
    /// It uses an operation that tensors do not need.
    #[error(
        "its pickle uses operation {code:#04x} at byte {at}, which no tensor needs; nothing was run"
    )]
    Operation {
        /// The operation's byte.
        code: u8,
        /// Where it stands.
        at: usize,
    },
    /// It ends too early.
    #[error("its pickle ends within an operation at byte {at}; the file is truncated")]
    Truncated {
        /// Where it ends.
        at: usize,
    },
    /// It is well-formed but describes no weights.
    #[error("its pickle is no table of tensors: {reason} (byte {at})")]
    Malformed {
        /// What is wrong.
        reason: String,
        /// Where it was seen.
        at: usize,
    },
}
