//! Where a value stands: in the experiment file, in a `--set` flag, or in the embedded defaults.

/// Number of the embedded defaults among the [`Sources`].
pub(super) const DEFAULTS: usize = 0;
/// Number of the experiment file among the [`Sources`].
pub(super) const FILE: usize = 1;

/// A stretch of one source text, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Number of the source: [`DEFAULTS`], [`FILE`], then one for each `--set`.
    pub(super) source: usize,
    /// First byte.
    pub(super) start: usize,
    /// One past the last byte.
    pub(super) end: usize,
}

impl Place {
    /// The very beginning of the experiment file, for what is missing from the whole.
    pub(super) fn top() -> Self {
        Place {
            source: FILE,
            start: 0,
            end: 0,
        }
    }

    /// Whether the user wrote it, in the file or in a flag.
    pub(super) fn is_written(self) -> bool {
        self.source != DEFAULTS
    }
}

/// One text with the name that messages give it.
#[derive(Clone, Debug)]
pub(super) struct SourceText {
    /// Path of the file as given, `defaults.toml`, or `--set N`.
    pub(super) name: String,
    /// The whole text.
    pub(super) text: String,
}

/// Every text that a spec is put together from.
#[derive(Clone, Debug)]
pub(super) struct Sources(Vec<SourceText>);

impl Sources {
    /// The defaults and the experiment file.
    pub(super) fn new(name: &str, text: &str) -> Self {
        let source = |name: &str, text: &str| SourceText {
            name: name.to_owned(),
            text: text.to_owned(),
        };
        Sources(vec![
            source("defaults.toml", &allround_core::defaults::DEFAULTS),
            source(name, text),
        ])
    }

    /// Adds the text of a `--set` flag and gives its number.
    pub(super) fn add_override(&mut self, text: &str) -> usize {
        let name = format!("--set {}", self.0.len() - FILE);
        let text = text.to_owned();
        self.0.push(SourceText { name, text });
        self.0.len() - 1
    }

    /// The source that a place lies in.
    pub(super) fn of(&self, place: Place) -> &SourceText {
        &self.0[place.source]
    }

    /// Line and column of a place's first character, both from 1; columns count characters.
    pub(super) fn line_column(&self, place: Place) -> (usize, usize) {
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
        let sources = Sources::new("x.toml", "a = 1\nü = 2 # é\n");
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
