//! Single values: whether one has its shape, what it is in words, and what to write instead.

use crate::shape::Shape;
use crate::suggest;
use crate::written::{Value, parse};

/// Whether a value has the outward form of a shape; elements of a list are not looked at.
pub(crate) fn has_form(shape: &Shape, value: &Value) -> bool {
    matches!((shape, value), (Shape::List { .. }, Value::List(_))) || is_valid(shape, value)
}

/// Whether a single value fits its shape.
pub(crate) fn is_valid(shape: &Shape, value: &Value) -> bool {
    match (shape, value) {
        (Shape::Integer { least, most }, Value::Integer(integer)) => {
            (least..=most).contains(&integer)
        }
        (Shape::Number { .. }, Value::Integer(integer)) => in_range(shape, *integer as f64),
        (Shape::Number { .. }, Value::Number(number)) => {
            number.is_finite() && in_range(shape, *number)
        }
        (Shape::Pattern(format), Value::Text(text)) => (format.accepts)(text),
        (Shape::Choice(words), Value::Text(text)) => words.iter().any(|word| word.word == *text),
        (Shape::Text, Value::Text(text)) => !text.contains('\0'),
        (Shape::Boolean, Value::Boolean(_)) | (Shape::Any, _) => true,
        _ => false,
    }
}

fn in_range(shape: &Shape, number: f64) -> bool {
    let Shape::Number { least, above, most } = shape else {
        return false;
    };
    least.is_none_or(|least| number >= least)
        && above.is_none_or(|above| number > above)
        && most.is_none_or(|most| number <= most)
}

/// A value in words that follow "found".
pub(crate) fn found(value: &Value) -> String {
    match value {
        Value::Table(_) => "a table".to_owned(),
        Value::List(items) => match items.len() {
            0 => "an empty list".to_owned(),
            1 => "a list of one element".to_owned(),
            n => format!("a list of {n} elements"),
        },
        Value::Text(text) if text.contains('\0') => {
            format!(
                "the string `{}`, which contains a NUL character",
                text.escape_debug()
            )
        }
        Value::Text(text) => format!("the string `{}`", text.escape_debug()),
        Value::Integer(integer) => format!("`{integer}`"),
        Value::Number(number) => format!("`{number:?}`"),
        Value::Boolean(boolean) => format!("`{boolean}`"),
        Value::Foreign(text) => format!("`{text}`"),
    }
}

/// What to do about a value of the wrong type or range, where that is known.
pub(crate) fn remedy(shape: &Shape, value: &Value, path: &str) -> Option<String> {
    match (shape, value) {
        (Shape::Choice(words), Value::Text(text)) => {
            let words = words.iter().map(|word| word.word.as_str());
            suggest::nearest(text, words).map(|word| format!("did you mean `{word}`?"))
        }
        (Shape::Pattern(format), Value::Text(text)) => (format.remedy)(text),
        (Shape::Kinds(kinds), Value::Text(text)) if kinds.kinds.contains_key(text) => Some(
            format!("a kind is a table name: write `{path}.{text} = {{}}`"),
        ),
        (Shape::Integer { .. } | Shape::Number { .. }, Value::Text(text)) => number(shape, text),
        (Shape::Boolean, Value::Text(text)) => match text.to_lowercase().as_str() {
            text @ ("true" | "false") => Some(unquoted(text)),
            _ => None,
        },
        (Shape::List { item, .. }, value) if is_valid(item, value) => {
            Some("write a list in brackets, even with one element".to_owned())
        }
        (Shape::AnyOf(forms), value) => {
            let mut forms = forms.iter();
            forms.find_map(|form| remedy(form, value, path))
        }
        _ => None,
    }
}

/// How to write a number that is in quotes or in a form that TOML lacks: `.3`, `3.`, `0,3`, `1e3`.
fn number(shape: &Shape, text: &str) -> Option<String> {
    let plain = text.trim().replacen(',', ".", 1);
    let number: f64 = plain.parse().ok()?;
    let if_valid = |written: &str| {
        let valid = match written.parse::<i64>() {
            Ok(integer) => is_valid(shape, &Value::Integer(integer)),
            Err(_) => is_valid(shape, &Value::Number(number)),
        };
        valid.then(|| written.to_owned())
    };
    let is_toml = parse(&format!("x={text}"), 0).is_ok();
    if let Some(text) = if_valid(text).filter(|_| is_toml) {
        return Some(unquoted(&text));
    }
    // `Display` writes a whole number without a fraction, and a zero before the point.
    if_valid(&number.to_string()).map(|number| format!("write `{number}`"))
}

fn unquoted(text: &str) -> String {
    format!("write it without quotes: `{text}`")
}
