//! Settings that contradict each other or do not fit files.

/// A setting that contradicts others, has no effect, or names something that a file does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Dotted key below the table of the model or source, such as `train.batch_size`.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What was expected instead.
    pub label: String,
    /// What to do.
    pub hint: Option<String>,
    /// Another setting that is involved, and its label.
    pub related: Option<Related>,
}

/// A setting that is involved in the problem of another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    /// Dotted key below the same table.
    pub key: String,
    /// Its role in the problem.
    pub label: String,
}

impl Problem {
    /// A problem of the setting `key`.
    pub fn at(key: impl Into<String>, message: impl Into<String>) -> Self {
        Problem {
            key: key.into(),
            message: message.into(),
            label: String::new(),
            hint: None,
            related: None,
        }
    }

    /// Adds what was expected.
    pub fn label(self, label: impl Into<String>) -> Self {
        Problem {
            label: label.into(),
            ..self
        }
    }

    /// Adds a hint: what to do.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Problem {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// Adds another setting that is involved in the problem.
    pub fn related(self, key: impl Into<String>, label: impl Into<String>) -> Self {
        let (key, label) = (key.into(), label.into());
        Problem {
            related: Some(Related { key, label }),
            ..self
        }
    }
}
