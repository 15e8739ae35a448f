//! Paths of values: the keys of the resolved file, and the form that messages show.

/// Where a value belongs in the resolved file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Path {
    keys: Vec<String>,
    shown: String,
}

impl Path {
    /// The path of the file as a whole.
    pub(crate) fn root() -> Self {
        Path::default()
    }

    /// A path of these keys.
    pub(crate) fn of(keys: &[&str]) -> Self {
        keys.iter().fold(Path::root(), |path, key| path.key(key))
    }

    /// One key longer.
    pub(crate) fn key(&self, key: &str) -> Self {
        let shown = join(&self.shown, key);
        Path {
            shown,
            ..self.hidden(key)
        }
    }

    /// One key longer, a key that the file does not write.
    pub(crate) fn hidden(&self, key: &str) -> Self {
        let mut keys = self.keys.clone();
        keys.push(key.to_owned());
        let shown = self.shown.clone();
        Path { keys, shown }
    }

    /// The element at a position of a list.
    pub(crate) fn item(&self, at: usize) -> Self {
        let shown = format!("{}[{at}]", self.shown);
        Path {
            shown,
            ..self.hidden(&at.to_string())
        }
    }

    /// The keys in the resolved file; positions of lists in digits.
    pub(crate) fn keys(&self) -> &[String] {
        &self.keys
    }

    /// The dotted path as the file writes it; empty for the file as a whole.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }
}

/// A dotted path one key longer.
pub(crate) fn join(path: &str, key: &str) -> String {
    match path {
        "" => key.to_owned(),
        path => format!("{path}.{key}"),
    }
}
