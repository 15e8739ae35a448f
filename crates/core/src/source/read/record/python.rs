//! Python strings. The value is that of `ast.literal_eval`, except that two surrogates become one
//! character, as in UTF-16.

use std::borrow::Cow;

/// Length of the prefix of the string at the start of `bytes`; `None` if no string begins there.
pub(crate) fn prefix(bytes: &[u8]) -> Option<usize> {
    let letters = bytes.iter().take(3);
    let length = letters
        .take_while(|byte| byte.is_ascii_alphabetic())
        .count();
    matches!(bytes.get(length), Some(b'"' | b'\'')).then_some(length)
}

/// The value of the string `literal`: `prefix` letters, then the text in quotes.
pub(crate) fn text(literal: &str, prefix: usize) -> Result<Cow<'_, str>, String> {
    let (letters, quoted) = literal.split_at(prefix);
    let is_triple =
        quoted.len() >= 6 && (quoted.starts_with("\"\"\"") || quoted.starts_with("'''"));
    let quotes = if is_triple { 3 } else { 1 };
    let inner = &quoted[quotes..quoted.len() - quotes];
    match letters.to_ascii_lowercase().as_str() {
        "" | "u" if !inner.contains('\\') => Ok(Cow::Borrowed(inner)),
        "" | "u" => unescape(inner).map(Cow::Owned),
        "r" => Ok(Cow::Borrowed(inner)),
        "b" | "rb" | "br" => {
            Err("holds bytes (`b'...'`), expected a text: decode them first".to_owned())
        }
        _ => Err(format!(
            "holds a text with the prefix `{letters}`, which is not a plain text"
        )),
    }
}

/// A character of a string, or one surrogate.
enum Unit {
    Character(char),
    Surrogate(u16),
    /// A backslash at the end of a line: nothing.
    Nothing,
    /// A backslash that does not escape anything, which stays.
    Backslash,
}

fn unescape(inner: &str) -> Result<String, String> {
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    let mut high: Option<u16> = None;
    while let Some(first) = rest.chars().next() {
        let unit = match first {
            '\\' => {
                let (unit, used) = escape(&rest[1..])?;
                rest = &rest[1 + used..];
                unit
            }
            other => {
                rest = &rest[other.len_utf8()..];
                Unit::Character(other)
            }
        };
        match (high.take(), unit) {
            (Some(high), Unit::Surrogate(low)) => text.push(pair(high, low)?),
            (Some(high), _) => return Err(lone(high)),
            (None, Unit::Surrogate(half)) if half < 0xDC00 => high = Some(half),
            (None, Unit::Surrogate(half)) => return Err(lone(half)),
            (None, Unit::Character(character)) => text.push(character),
            (None, Unit::Backslash) => text.push('\\'),
            (None, Unit::Nothing) => {}
        }
    }
    match high {
        Some(high) => Err(lone(high)),
        None => Ok(text),
    }
}

fn pair(high: u16, low: u16) -> Result<char, String> {
    let character = char::decode_utf16([high, low]).next();
    character.and_then(Result::ok).ok_or_else(|| lone(high))
}

fn lone(half: u16) -> String {
    format!("holds half a character, `\\u{half:04x}`: a text cannot have a surrogate alone")
}

/// The value of the escape whose backslash comes before `rest`, and its length in bytes of `rest`.
fn escape(rest: &str) -> Result<(Unit, usize), String> {
    let first = rest
        .chars()
        .next()
        .ok_or("holds a text that ends in a backslash")?;
    let simple = match first {
        '\\' | '\'' | '"' => Some(first),
        'a' => Some('\x07'),
        'b' => Some('\x08'),
        'f' => Some('\x0c'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'v' => Some('\x0b'),
        _ => None,
    };
    if let Some(character) = simple {
        return Ok((Unit::Character(character), 1));
    }
    match first {
        '\n' => Ok((Unit::Nothing, 1)),
        '0'..='7' => {
            let digits = rest
                .bytes()
                .take(3)
                .take_while(|byte| (b'0'..=b'7').contains(byte));
            let (mut code, mut used) = (0, 0);
            for digit in digits {
                code = code * 8 + u32::from(digit - b'0');
                used += 1;
            }
            unit(code, &rest[..used]).map(|unit| (unit, used))
        }
        'x' => hexadecimal(rest, 2),
        'u' => hexadecimal(rest, 4),
        'U' => hexadecimal(rest, 8),
        'N' => {
            let end = rest.find('}').map_or(rest.len(), |at| at + 1);
            let name: String = rest[..end].chars().take(60).collect();
            Err(format!(
                "holds the escape `\\{name}`: characters by name are not supported; write the record again with \
                 `json.dumps(ast.literal_eval(line))`"
            ))
        }
        _ => Ok((Unit::Backslash, 0)),
    }
}

/// The escape `x`, `u` or `U` with `digits` digits.
fn hexadecimal(rest: &str, digits: usize) -> Result<(Unit, usize), String> {
    let written = rest
        .get(1..=digits)
        .filter(|it| it.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let code = written.and_then(|it| u32::from_str_radix(it, 16).ok());
    let shown: String = rest.chars().take(1 + digits).collect();
    let code = code.ok_or_else(|| {
        format!("holds the escape `\\{shown}`, expected {digits} hexadecimal digits")
    })?;
    unit(code, &shown).map(|unit| (unit, 1 + digits))
}

fn unit(code: u32, written: &str) -> Result<Unit, String> {
    if let Some(character) = char::from_u32(code) {
        return Ok(Unit::Character(character));
    }
    let half = u16::try_from(code).map(Unit::Surrogate);
    half.map_err(|_| format!("holds the escape `\\{written}`, which is beyond Unicode"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(literal: &str) -> Result<String, String> {
        text(literal, prefix(literal.as_bytes()).unwrap()).map(Cow::into_owned)
    }

    #[test]
    fn a_text_is_what_literal_eval_makes_of_it() {
        // The right side of each case is Python's result.
        for (literal, expected) in [
            (r"'Smile \U0001f600 Mug'", "Smile \u{1f600} Mug"),
            (r"'Octal \101 \7 \1234 \08'", "Octal A \u{7} S4 \u{0}8"),
            (r"'\x41\xe9\u2014'", "A\u{e9}\u{2014}"),
            (
                r"'\a\b\f\n\r\t\v\\\'\x22'",
                "\u{7}\u{8}\u{c}\n\r\t\u{b}\\'\"",
            ),
            (r"'\d \z \('", r"\d \z \("),
            ("'one \\\ntwo'", "one two"),
            (r#""It's""#, "It's"),
            (r"u'\xe9'", "\u{e9}"),
            (r"r'\n\x41'", r"\n\x41"),
            (r"'''It's'''", "It's"),
            ("''", ""),
            // Python 2 wrote characters beyond 16 bits as two surrogates.
            (r"u'\ud83d\ude00'", "\u{1f600}"),
        ] {
            assert_eq!(read(literal).as_deref(), Ok(expected), "{literal}");
        }
    }

    #[test]
    fn what_no_text_can_hold_is_refused_by_name() {
        for (literal, expected) in [
            (
                r"'\N{BULLET} x'",
                r"the escape `\N{BULLET}`: characters by name are not supported",
            ),
            (r"'\ud83d x'", r"half a character, `\ud83d`"),
            (r"'\ude00'", r"half a character, `\ude00`"),
            (
                r"'\xg1'",
                r"the escape `\xg1`, expected 2 hexadecimal digits",
            ),
            (
                r"'\U00110000'",
                r"the escape `\U00110000`, which is beyond Unicode",
            ),
            ("b'x'", "bytes (`b'...'`)"),
            ("f'x'", "the prefix `f`"),
        ] {
            let error = read(literal).unwrap_err();
            assert!(error.contains(expected), "{literal}: {error}");
        }
    }
}
