//! Where a value is written: in the file, in a `--set` flag, or in the defaults.

/// Number of the defaults among the [`Sources`].
pub(crate) const DEFAULTS: usize = 0;
/// Number of the file among the [`Sources`].
pub const FILE: usize = 1;

/// A range of bytes in one of the source texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Number of the source: 0 for the defaults, [`FILE`], then one for each `--set` flag.
    pub source: usize,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Place {
    /// The beginning of the file, for what the file as a whole lacks.
    pub fn top() -> Self {
        Place {
            source: FILE,
            start: 0,
            end: 0,
        }
    }

    /// Whether the user wrote the value, in the file or in a flag.
    pub fn is_written(self) -> bool {
        self.source != DEFAULTS
    }
}

/// A text with the name that messages give it.
#[derive(Clone, Debug)]
pub struct SourceText {
    /// Path of the file as given, name of the defaults, or `--set N`.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// Every text that values come from.
#[derive(Clone, Debug)]
pub struct Sources(Vec<SourceText>);

impl Sources {
    /// A file alone, without defaults.
    pub fn of_file(name: &str, text: &str) -> Self {
        let defaults = SourceText {
            name: "defaults".to_owned(),
            text: String::new(),
        };
        Sources::new(defaults, name, text)
    }

    /// The defaults and a file.
    pub(crate) fn new(defaults: SourceText, name: &str, text: &str) -> Self {
        let file = SourceText {
            name: name.to_owned(),
            text: text.to_owned(),
        };
        Sources(vec![defaults, file])
    }

    /// Adds the text of a `--set` flag and returns its number.
    pub(crate) fn add_override(&mut self, text: &str) -> usize {
        let name = format!("--set {}", self.0.len() - FILE);
        let text = text.to_owned();
        self.0.push(SourceText { name, text });
        self.0.len() - 1
    }

    /// The source of a place.
    pub fn of(&self, place: Place) -> &SourceText {
        &self.0[place.source]
    }

    /// Line and column of a place's first character; both start at 1, columns count characters.
    pub fn line_column(&self, place: Place) -> (usize, usize) {
        let text = &self.of(place).text;
        let start = (0..=place.start.min(text.len()))
            .rev()
            .find(|&at| text.is_char_boundary(at))
            .unwrap_or(0);
        let before = &text[..start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
        (line, before[line_start..].chars().count() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let sources = Sources::of_file("x.toml", "a = 1\nü = 2 # é\n");
        let at = |start| {
            let place = Place {
                source: FILE,
                start,
                end: start,
            };
            sources.line_column(place)
        };
        assert_eq!(at(0), (1, 1));
        assert_eq!(at(4), (1, 5));
        assert_eq!(at(6), (2, 1));
        assert_eq!(at(9), (2, 3));
        assert_eq!(at(1000), (3, 1));
    }
}
