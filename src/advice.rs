//! Errors that say what to do about them.

/// An error with a hint.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct Advice {
    text: String,
    /// What to do about it.
    pub hint: String,
}

/// An error with the message `text` and the hint `hint`.
pub fn advise(text: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    let (text, hint) = (text.into(), hint.into());
    Advice { text, hint }.into()
}
