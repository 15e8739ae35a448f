//! One record as JSON or as a Python literal. Fields are found without parsing their values, and
//! only required fields are parsed. Other fields can therefore not cause errors.

mod python;
mod stream;
mod value;

use std::borrow::Cow;
use std::path::Path;

pub(crate) use stream::{each_record, first_fields};
pub(crate) use value::Value;

use crate::source::DataError;

/// The notation of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notation {
    /// JSON: strings in double quotes.
    Json,
    /// A Python dictionary: either quotes, `None`, tuples, prefixes.
    Python,
}

/// An unexpected text in a record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// What is wrong, or what was expected.
    what: String,
    /// Offset in the record, in bytes.
    at: usize,
}

/// The location of a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// Its file.
    pub path: &'a Path,
    /// The line on which it begins, from 1.
    pub line: u64,
    /// Its number, from 1, if several records may be on one line.
    pub number: Option<u64>,
}

impl Place<'_> {
    /// An error in this record.
    pub fn wrong(&self, what: impl AsRef<str>) -> DataError {
        let what = what.as_ref();
        let what = match self.number {
            Some(number) => format!("record {number}: {what}"),
            None => what.to_owned(),
        };
        DataError::new(what).at(self.path).line(self.line)
    }
}

/// A record's fields, not parsed, in the order of the file.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    notation: Notation,
    fields: Vec<(Cow<'a, [u8]>, &'a [u8])>,
}

impl<'a> Record<'a> {
    /// Finds the fields of the record in `bytes`.
    pub(crate) fn find(bytes: &'a [u8]) -> Result<Self, Wrong> {
        let mut scanner = Scanner::new(bytes);
        scanner.expect(b'{', "a record in braces `{...}`")?;
        let mut fields = Vec::with_capacity(16);
        loop {
            scanner.blank();
            if scanner.peek() == Some(b'}') {
                break;
            }
            let name = scanner.name()?;
            scanner.expect(b':', "`:` after the name of a field")?;
            fields.push((name, scanner.skip_value()?));
            match scanner.peek() {
                Some(b',') => scanner.at += 1,
                Some(b'}') => break,
                Some(_) => return Err(scanner.wrong("a bracket that was not opened")),
                None => return Err(scanner.wrong("the record is cut off: no closing `}`")),
            }
        }
        scanner.at += 1;
        scanner.blank();
        match scanner.peek() {
            None => Ok(Self {
                notation: scanner.notation,
                fields,
            }),
            Some(_) => Err(scanner.wrong("more text after the record")),
        }
    }

    /// Whether the record has a field of this name, with any value.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.raw(name).is_some()
    }

    /// Names of the fields.
    pub(crate) fn names(&self) -> Vec<String> {
        let name = |(name, _): &(Cow<[u8]>, &[u8])| String::from_utf8_lossy(name).into_owned();
        self.fields.iter().map(name).collect()
    }

    /// The name of a field with a list of records, if there is one.
    pub(crate) fn inner_list(&self) -> Option<String> {
        let is_list = |value: &[u8]| {
            let inner = value.strip_prefix(b"[").map(<[u8]>::trim_ascii_start);
            inner.is_some_and(|inner| inner.starts_with(b"{"))
        };
        let found = self.fields.iter().find(|(_, value)| is_list(value));
        found.map(|(name, _)| String::from_utf8_lossy(name).into_owned())
    }

    fn raw(&self, name: &str) -> Option<&'a [u8]> {
        // As in Python and in readers of JSON, the last of equal names counts.
        let mut fields = self.fields.iter().rev();
        fields
            .find(|(other, _)| other.as_ref() == name.as_bytes())
            .map(|(_, value)| *value)
    }

    /// The value of a field; [`Value::Null`] if the record does not have it.
    fn value(&self, name: &str) -> Result<Value<'a>, String> {
        let Some(raw) = self.raw(name) else {
            return Ok(Value::Null);
        };
        value::read(raw, self.notation).map_err(|what| format!("field `{name}` {what}"))
    }

    /// The id in a field, a string or a number; `None` if the record does not have it.
    ///
    /// # Errors
    /// When it is empty, contains NUL, or is neither.
    pub(crate) fn id(&self, name: &str) -> Result<Option<Cow<'a, str>>, String> {
        let id = match self.value(name)? {
            Value::Null => return Ok(None),
            Value::Text(id) => id,
            Value::Number(id) => Cow::Borrowed(id),
            other => return Err(format!("field `{name}` is {other}, expected an id")),
        };
        match id.is_empty() || id.contains('\0') {
            true => Err(format!("the id in field `{name}` is empty or holds a NUL")),
            false => Ok(Some(id)),
        }
    }

    /// The finite number in a field, which may be written as a string; `None` if the record does
    /// not have it.
    ///
    /// # Errors
    /// When it is anything else.
    pub(crate) fn number(&self, name: &str) -> Result<Option<f64>, String> {
        let value = self.value(name)?;
        let written = match &value {
            Value::Null => return Ok(None),
            Value::Number(number) => number,
            Value::Text(text) => text.trim(),
            other => return Err(format!("field `{name}` is {other}, expected a number")),
        };
        let number = written.parse::<f64>().ok().filter(|it| it.is_finite());
        let wrong = || format!("field `{name}` is {value}, expected a number");
        number.map(Some).ok_or_else(wrong)
    }

    /// The string or number in a field, as written; `None` if the record does not have it.
    ///
    /// # Errors
    /// When it is a list, a dictionary or a truth value.
    pub(crate) fn text(&self, name: &str) -> Result<Option<Cow<'a, str>>, String> {
        match self.value(name)? {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text)),
            Value::Number(number) => Ok(Some(Cow::Borrowed(number))),
            other => Err(format!("field `{name}` is {other}, expected a text")),
        }
    }

    /// The strings in a field: a string, or a list of strings or of such lists; `None` if the
    /// record does not have it.
    ///
    /// # Errors
    /// When it contains anything else.
    pub(crate) fn texts(&self, name: &str) -> Result<Option<Vec<String>>, String> {
        let mut texts = Vec::new();
        match self.value(name)? {
            Value::Null => return Ok(None),
            value => value
                .flatten(&mut texts)
                .map_err(|other| format!("field `{name}` holds {other}, expected texts"))?,
        }
        Ok(Some(texts))
    }
}

/// Scans a record without parsing its values.
struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    notation: Notation,
}

impl<'a> Scanner<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            notation: Notation::Json,
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn blank(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn wrong(&self, what: impl Into<String>) -> Wrong {
        let (what, at) = (what.into(), self.at);
        Wrong { what, at }
    }

    fn expect(&mut self, byte: u8, what: &str) -> Result<(), Wrong> {
        self.blank();
        match self.peek() {
            Some(found) if found == byte => {
                self.at += 1;
                Ok(())
            }
            Some(_) => Err(self.wrong(format!("expected {what}"))),
            None => Err(self.wrong("the record is cut off: no closing `}`")),
        }
    }

    /// The name of a field. The quotes of the first name show the notation of the record.
    fn name(&mut self) -> Result<Cow<'a, [u8]>, Wrong> {
        let from = self.at;
        if matches!(self.peek(), Some(b'u' | b'U' | b'b' | b'B' | b'r' | b'R')) {
            self.notation = Notation::Python;
            self.at += 1;
        }
        match self.peek() {
            Some(b'"') => {}
            Some(b'\'') => self.notation = Notation::Python,
            _ => return Err(self.wrong("expected the name of a field in quotes")),
        }
        let inner = self.at + 1;
        self.skip_text()?;
        let name = &self.bytes[inner..self.at - 1];
        if !name.contains(&b'\\') {
            return Ok(Cow::Borrowed(name));
        }
        match value::read(&self.bytes[from..self.at], self.notation) {
            Ok(Value::Text(name)) => Ok(Cow::Owned(name.into_owned().into_bytes())),
            // A name that cannot be parsed is not one of the required names.
            _ => Ok(Cow::Borrowed(name)),
        }
    }

    /// Skips a value up to the next `,` or bracket, and returns it.
    fn skip_value(&mut self) -> Result<&'a [u8], Wrong> {
        self.blank();
        let (from, mut depth) = (self.at, 0_usize);
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.skip_text()?;
                    continue;
                }
                b'\'' if self.notation == Notation::Python => {
                    self.skip_text()?;
                    continue;
                }
                b'[' | b'{' | b'(' => depth += 1,
                b',' | b']' | b'}' | b')' if depth == 0 => break,
                b']' | b'}' | b')' => depth -= 1,
                _ => {}
            }
            self.at += 1;
        }
        if self.at == self.bytes.len() {
            return Err(self.wrong("the record is cut off: no closing `}`"));
        }
        Ok(self.bytes[from..self.at].trim_ascii_end())
    }

    /// Skips a string. `at` is on its opening quote.
    fn skip_text(&mut self) -> Result<(), Wrong> {
        let begin = self.at;
        let end = end_of_text(&self.bytes[begin..], self.notation);
        self.at += end.ok_or_else(|| self.wrong("a text without its closing quote"))?;
        Ok(())
    }
}

/// Length of the string at the start of `bytes`, including its closing quote; `None` if it is not
/// closed.
fn end_of_text(bytes: &[u8], notation: Notation) -> Option<usize> {
    let quote = *bytes.first()?;
    let triple = [quote; 3];
    let is_triple = notation == Notation::Python && bytes.starts_with(&triple);
    let mut at = if is_triple { 3 } else { 1 };
    loop {
        at += memchr::memchr2(quote, b'\\', bytes.get(at..)?)?;
        match bytes[at] {
            b'\\' => at += 2,
            _ if !is_triple => return Some(at + 1),
            _ if bytes[at..].starts_with(&triple) => return Some(at + 3),
            _ => at += 1,
        }
    }
}
