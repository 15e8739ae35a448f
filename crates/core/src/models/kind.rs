//! What every kind of model says of itself.

use super::Hue;

/// Groups of model kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// A CF model trained by gradient descent.
    Trained,
    /// A CF model that counts interactions.
    Counting,
    /// Scores or ranked lists that another program wrote.
    External,
    /// A model that trains and counts nothing: it compares texts, or combines other models.
    Untrained,
    /// A method that queries a language model.
    LlmMethod,
}

/// A kind of model.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// The kind's name in the experiment file.
    pub name: &'static str,
    /// The group that it belongs to.
    pub group: Group,
    /// Colour of its marks in figures; `None` for a kind that covers many methods. Two kinds may
    /// have the same: in one experiment the second gets another.
    pub hue: Option<Hue>,
    /// Its defaults (`[default.model.NAME]`) and presets (`[preset.PRESET.NAME]`), as TOML.
    pub defaults: &'static str,
}
