//! Why a pickle is refused.

/// The error of a pickle that is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PickleError {
    /// It names something that does not belong to a tensor.
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
        /// The operation's offset in bytes.
        at: usize,
    },
    /// It ends too early.
    #[error("its pickle ends within an operation at byte {at}; the file is truncated")]
    Truncated {
        /// The offset of its end in bytes.
        at: usize,
    },
    /// It is well-formed but does not describe weights.
    #[error("its pickle is not a dictionary of tensors: {reason} (byte {at})")]
    Malformed {
        /// What is wrong.
        reason: String,
        /// The offset in bytes at which this was detected.
        at: usize,
    },
}
