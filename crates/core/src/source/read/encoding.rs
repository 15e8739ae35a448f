//! The encoding of files that do not declare one.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use super::lines::Lines;
use crate::source::DataError;

/// An encoding of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// All bytes are ASCII.
    Ascii,
    /// The whole file is valid UTF-8.
    Utf8,
    /// Anything else: each byte is a character.
    Latin1 {
        /// The first line that is not valid UTF-8, from 1.
        line: u64,
        /// Whether there are bytes that are control characters in latin-1 and letters in
        /// Windows-1252.
        has_controls: bool,
    },
}

impl Encoding {
    /// Decodes `bytes`.
    pub(crate) fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        match self {
            Self::Ascii | Self::Utf8 => String::from_utf8_lossy(bytes),
            Self::Latin1 { .. } => bytes.iter().map(|&byte| char::from(byte)).collect(),
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ascii => formatter.write_str("ASCII"),
            Self::Utf8 => formatter.write_str("UTF-8"),
            Self::Latin1 { line, has_controls } => {
                write!(formatter, "latin-1, since line {line} is not valid UTF-8")?;
                match has_controls {
                    true => formatter.write_str(
                        " (it has bytes from 0x80 to 0x9f, which are control characters in latin-1: if it is Windows-1252 or damaged UTF-8, convert it)",
                    ),
                    false => Ok(()),
                }
            }
        }
    }
}

/// Detects the encoding of `path`, which is read completely.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn encoding(path: &Path) -> Result<Encoding, DataError> {
    let mut lines = Lines::open(path)?;
    let mut found = Encoding::Ascii;
    while let Some((number, bytes)) = lines.bytes()? {
        let has_c1 = bytes.iter().any(|byte| (0x80..0xa0).contains(byte));
        match &mut found {
            Encoding::Latin1 { has_controls, .. } => *has_controls |= has_c1,
            Encoding::Ascii | Encoding::Utf8 if bytes.is_ascii() => {}
            Encoding::Ascii | Encoding::Utf8 => {
                found = match std::str::from_utf8(bytes) {
                    Ok(_) => Encoding::Utf8,
                    Err(_) => Encoding::Latin1 {
                        line: number,
                        // Letters of the earlier UTF-8 lines contain such bytes.
                        has_controls: has_c1 || found == Encoding::Utf8,
                    },
                };
            }
        }
    }
    Ok(found)
}
