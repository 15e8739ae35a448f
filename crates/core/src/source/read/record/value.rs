//! Values of parsed fields.

use std::borrow::Cow;
use std::fmt;

use super::{Notation, end_of_text, python};
use crate::source::read::kinds;

/// Maximum depth of nested lists.
const DEEPEST: usize = 64;
/// Maximum number of characters of a value in a message.
const SHOWN: usize = 40;

/// The value of a field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    /// A missing value: `null`, `None`, `NaN`.
    Null,
    /// A truth value.
    Bool(bool),
    /// A number, as written.
    Number(&'a str),
    /// A string.
    Text(Cow<'a, str>),
    /// A list or tuple.
    List(Vec<Value<'a>>),
    /// A dictionary or set, not parsed.
    Table,
}

impl Value<'_> {
    /// Adds the strings and numbers of a value and of its lists to `texts`. The error describes any
    /// other value.
    pub(crate) fn flatten(self, texts: &mut Vec<String>) -> Result<(), String> {
        match self {
            Value::Null => {}
            Value::Text(text) => texts.push(text.into_owned()),
            Value::Number(number) => texts.push(number.to_owned()),
            Value::List(values) => {
                for value in values {
                    value.flatten(texts)?;
                }
            }
            other @ (Value::Bool(_) | Value::Table) => return Err(other.to_string()),
        }
        Ok(())
    }
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |text: &str| -> String {
            let mut short: String = text.chars().take(SHOWN).collect();
            if short.len() < text.len() {
                short.push_str("...");
            }
            short
        };
        match self {
            Value::Null => formatter.write_str("empty"),
            Value::Bool(truth) => write!(formatter, "the truth `{truth}`"),
            Value::Number(number) => write!(formatter, "the number {}", short(number)),
            Value::Text(text) => write!(formatter, "the text {:?}", short(text)),
            Value::List(_) => formatter.write_str("a list"),
            Value::Table => formatter.write_str("a table"),
        }
    }
}

/// Parses a whole value. The error is the end of a sentence that begins with the field's name.
pub(crate) fn read(bytes: &[u8], notation: Notation) -> Result<Value<'_>, String> {
    let mut reader = Reader {
        bytes,
        at: 0,
        notation,
    };
    let value = reader.value(0)?;
    reader.blank();
    match reader.at == bytes.len() {
        true => Ok(value),
        false => Err(reader.odd()),
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    notation: Notation,
}

impl<'a> Reader<'a> {
    fn blank(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// The error of an unknown value.
    fn odd(&self) -> String {
        let start = &self.bytes[..self.bytes.len().min(400)];
        let text = kinds::shown(&String::from_utf8_lossy(start));
        format!("holds `{text}`, which is not a value of this form")
    }

    fn value(&mut self, depth: usize) -> Result<Value<'a>, String> {
        self.blank();
        match self.peek() {
            Some(b'[') => self
                .list(b']', depth)
                .map(|(values, _)| Value::List(values)),
            Some(b'(') if self.notation == Notation::Python => {
                let (mut values, has_comma) = self.list(b')', depth)?;
                // In Python, brackets around one value without a comma are not a tuple.
                match values.len() {
                    1 if !has_comma => Ok(values.remove(0)),
                    _ => Ok(Value::List(values)),
                }
            }
            Some(b'{') => {
                self.at = self.bytes.len();
                Ok(Value::Table)
            }
            _ if self.is_text() => self.text(),
            _ => self.word(),
        }
    }

    /// The values up to the bracket `close`, and whether there was a comma.
    fn list(&mut self, close: u8, depth: usize) -> Result<(Vec<Value<'a>>, bool), String> {
        if depth == DEEPEST {
            return Err(format!("has more than {DEEPEST} lists inside each other"));
        }
        self.at += 1;
        let (mut values, mut has_comma) = (Vec::new(), false);
        loop {
            self.blank();
            if self.peek() == Some(close) {
                break;
            }
            match self.peek() {
                Some(b'{') => values.push(self.table()?),
                _ => values.push(self.value(depth + 1)?),
            }
            self.blank();
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    has_comma = true;
                }
                Some(byte) if byte == close => break,
                _ => return Err(self.odd()),
            }
        }
        self.at += 1;
        Ok((values, has_comma))
    }

    /// Skips a dictionary inside a list.
    fn table(&mut self) -> Result<Value<'a>, String> {
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => self.skip_text()?,
                b'\'' if self.notation == Notation::Python => self.skip_text()?,
                b'{' => depth += 1,
                b'}' => depth -= 1,
                _ => {}
            }
            // `skip_text` stops on the closing quote.
            self.at += 1;
            if depth == 0 {
                return Ok(Value::Table);
            }
        }
        Err(self.odd())
    }

    fn skip_text(&mut self) -> Result<(), String> {
        let end = end_of_text(&self.bytes[self.at..], self.notation).ok_or_else(|| self.odd())?;
        self.at += end - 1;
        Ok(())
    }

    /// Whether a string begins here, with its prefix.
    fn is_text(&self) -> bool {
        match self.notation {
            Notation::Json => self.peek() == Some(b'"'),
            Notation::Python => python::prefix(&self.bytes[self.at..]).is_some(),
        }
    }

    /// Parses a string. In Python, adjacent strings are one.
    fn text(&mut self) -> Result<Value<'a>, String> {
        let first = self.one_text()?;
        if self.notation == Notation::Json {
            return Ok(Value::Text(first));
        }
        let mut whole = first;
        loop {
            self.blank();
            if !self.is_text() {
                return Ok(Value::Text(whole));
            }
            let next = self.one_text()?;
            whole.to_mut().push_str(&next);
        }
    }

    fn one_text(&mut self) -> Result<Cow<'a, str>, String> {
        let rest = &self.bytes[self.at..];
        let prefix = match self.notation {
            Notation::Json => 0,
            Notation::Python => python::prefix(rest).unwrap_or_default(),
        };
        let end = end_of_text(&rest[prefix..], self.notation).ok_or_else(|| self.odd())?;
        let literal = utf8(&rest[..prefix + end])?;
        self.at += prefix + end;
        match self.notation {
            Notation::Python => python::text(literal, prefix),
            Notation::Json if !literal.contains('\\') => {
                Ok(Cow::Borrowed(&literal[1..literal.len() - 1]))
            }
            Notation::Json => serde_json::from_str::<String>(literal)
                .map(Cow::Owned)
                .map_err(|error| {
                    let what = error.to_string();
                    let what = what.split(" at line ").next().unwrap_or_default();
                    format!("holds a text with a wrong escape: {what}")
                }),
        }
    }

    /// Parses a number, a truth value, or a missing value.
    fn word(&mut self) -> Result<Value<'a>, String> {
        let rest = &self.bytes[self.at..];
        let is_end = |byte: &u8| byte.is_ascii_whitespace() || b",]})".contains(byte);
        let end = rest.iter().position(is_end).unwrap_or(rest.len());
        let word = utf8(&rest[..end])?;
        self.at += end;
        match word {
            "null" | "None" | "NaN" | "nan" => Ok(Value::Null),
            "true" | "True" => Ok(Value::Bool(true)),
            "false" | "False" => Ok(Value::Bool(false)),
            "" => Err("holds nothing".to_owned()),
            _ => {
                let digits = word.trim_start_matches(['-', '+']);
                let starts = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
                let is_infinite = matches!(digits, "Infinity" | "inf");
                match is_infinite || (starts && word.parse::<f64>().is_ok()) {
                    true => Ok(Value::Number(word)),
                    false => Err(self.odd()),
                }
            }
        }
    }
}

/// The bytes as text.
fn utf8(bytes: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to() + 1;
        format!("holds a text whose byte {at} is not UTF-8")
    })?;
    match memchr::memchr(0, bytes) {
        Some(at) => Err(format!("holds a text whose byte {} is NUL", at + 1)),
        None => Ok(text),
    }
}
