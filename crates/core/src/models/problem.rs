//! Settings of a model that contradict each other.

/// A setting that contradicts others, or has no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Dotted key below the model's table, such as `train.batch_size`.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What was expected instead.
    pub label: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem of the setting `key`.
    pub fn at(key: impl Into<String>, message: impl Into<String>) -> Self {
        Problem {
            key: key.into(),
            message: message.into(),
            label: String::new(),
            hint: None,
        }
    }

    /// Adds what was expected.
    pub fn label(self, label: impl Into<String>) -> Self {
        Problem {
            label: label.into(),
            ..self
        }
    }

    /// Adds what to do.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Problem {
            hint: Some(hint.into()),
            ..self
        }
    }
}

/// The divisors of `width` up to 64, for messages.
pub fn divisors(width: usize) -> String {
    let divisors = (1..=width.min(64)).filter(|heads| width.is_multiple_of(*heads));
    let texts: Vec<String> = divisors.map(|heads| format!("`{heads}`")).collect();
    texts.join(", ")
}

/// Entries of a list of widths that are out of range.
pub fn widths(key: &str, widths: &[usize]) -> Vec<Problem> {
    let wrong = widths
        .iter()
        .enumerate()
        .filter(|(_, width)| !(1..=65536).contains(*width));
    let problem = |(at, width): (usize, &usize)| {
        Problem::at(format!("{key}.{at}"), format!("`{key}` contains `{width}`"))
            .label("expected a whole number from 1 to 65536")
    };
    wrong.map(problem).collect()
}
