//! Amazon reviews and metadata as their publishers give them: JSON lines of 2014 and 2018, plain or gzip.
//!
//! One thread decompresses, a pool parses blocks of lines, and one thread numbers ids in file order, so that memory is
//! bounded by what is kept: two numbers, a rating and a time a review, and the texts of reviewed items.

use std::borrow::Cow;
use std::path::Path;
use std::sync::mpsc::sync_channel;

use rayon::prelude::*;
use serde::Deserialize;

use super::ids::Ids;
use super::lines::{Lines, text};
use super::python_literal;
use crate::data::raw::Text;
use crate::data::{DataError, RawData};
use crate::spec::config::dataset::{AmazonSource, AmazonText};

/// Most brackets that may be open at a time; a record has five or so. The parser calls itself for each, and its stack ends.
const DEEPEST: usize = 256;
/// Bytes of a block of lines.
const BLOCK: usize = 2 << 20;
/// Blocks that may wait for the parser.
const WAITING: usize = 4;

#[derive(Deserialize)]
struct Review<'a> {
    #[serde(borrow, rename = "reviewerID")]
    user: Cow<'a, str>,
    #[serde(borrow)]
    asin: Cow<'a, str>,
    overall: Option<f32>,
    #[serde(rename = "unixReviewTime")]
    time: Option<i64>,
}

pub(super) fn read(files: &AmazonSource, base: &Path) -> Result<RawData, DataError> {
    let mut items = Ids::default();
    let mut raw = reviews(&base.join(&files.reviews), &mut items)?;
    if !files.metadata.is_empty() {
        raw.texts = metadata(&base.join(&files.metadata), &items, files.text)?;
    }
    raw.items = items.into_names();
    Ok(raw)
}

/// Parses every line of `path` with `parse` on all threads and hands the results on in file order.
fn each_line<T: Send>(
    path: &Path,
    parse: impl Fn(&[u8], u64) -> Result<Option<T>, DataError> + Sync,
    mut take: impl FnMut(T),
) -> Result<(), DataError> {
    let mut lines = Lines::open(path)?;
    std::thread::scope(|scope| {
        let (sender, blocks) = sync_channel(WAITING);
        scope.spawn(move || {
            loop {
                let block = lines.block(BLOCK).transpose();
                let Some(block) = block else { break };
                let last = block.is_err();
                // The receiver is gone only when an earlier block was refused.
                if sender.send(block).is_err() || last {
                    break;
                }
            }
        });
        for block in blocks {
            let (first, block) = block?;
            let rows: Vec<&[u8]> = block.split(|&byte| byte == b'\n').collect();
            let parsed: Vec<Result<Option<T>, DataError>> = rows
                .par_iter()
                .enumerate()
                .with_min_len(256)
                .map(|(at, row)| match row.trim_ascii() {
                    [] => Ok(None),
                    row => {
                        let number = first + at as u64;
                        not_deep(row).map_err(|error| error.at(path).line(number))?;
                        parse(row, number)
                    }
                })
                .collect();
            for row in parsed {
                if let Some(row) = row? {
                    take(row);
                }
            }
        }
        Ok(())
    })
}

/// Refuses a line with too many brackets open at a time, which no record has.
fn not_deep(line: &[u8]) -> Result<(), DataError> {
    // Counting is fast, and almost every line ends here.
    if memchr::memchr2_iter(b'[', b'{', line).count() <= DEEPEST {
        return Ok(());
    }
    // Python's dictionaries have texts in either quotes, JSON in double ones.
    let is_python = line.starts_with(b"{'");
    let (mut depth, mut quote, mut bytes) = (0_usize, None, line.iter());
    while let Some(&byte) = bytes.next() {
        match (quote, byte) {
            (Some(_), b'\\') => {
                bytes.next();
            }
            (Some(open), _) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'"') => quote = Some(byte),
            (None, b'\'') if is_python => quote = Some(byte),
            (None, b'[' | b'{') => depth += 1,
            (None, b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return Err(
                DataError::new(format!("more than {DEEPEST} brackets are open at a time"))
                    .hint("no record is nested so deep: remove the line, or fetch the file again"),
            );
        }
    }
    Ok(())
}

/// What a review leaves: ids packed in one text, so that a row costs one allocation.
struct Parsed {
    ids: Box<str>,
    user_length: usize,
    rating: f32,
    time: i64,
}

fn reviews(path: &Path, items: &mut Ids) -> Result<RawData, DataError> {
    let (mut users, mut raw) = (Ids::default(), RawData::default());
    let parse = |line: &[u8], number: u64| {
        let review: Review =
            sonic_rs::from_slice(line).map_err(|error| fault(&error, path, number))?;
        for id in [&review.user, &review.asin] {
            if id.contains('\0') || id.is_empty() {
                return Err(DataError::new("an id is empty or holds a NUL")
                    .at(path)
                    .line(number)
                    .hint("remove the record"));
            }
        }
        let absent = |field: &str| {
            DataError::new(format!("no `{field}`"))
                .at(path)
                .line(number)
                .hint("a review needs `reviewerID`, `asin`, `overall` and `unixReviewTime`")
        };
        Ok(Some(Parsed {
            user_length: review.user.len(),
            rating: review.overall.ok_or_else(|| absent("overall"))?,
            time: review.time.ok_or_else(|| absent("unixReviewTime"))?,
            ids: format!("{}{}", review.user, review.asin).into(),
        }))
    };
    each_line(path, parse, |review| {
        let (user, item) = review.ids.split_at(review.user_length);
        raw.user.push(users.number(user));
        raw.item.push(items.number(item));
        raw.rating.push(review.rating);
        raw.time.push(review.time);
    })?;
    raw.users = users.into_names();
    super::filled(raw, path)
}

/// The parser's complaint with words for its own names of types.
fn in_words(what: &str) -> String {
    let kinds = [
        ("expected f32", "expected a number"),
        ("expected i64", "expected a whole number"),
        ("expected a string", "expected a text"),
        ("invalid type: string", "the text"),
        ("invalid type: integer", "the number"),
        ("invalid type: floating point", "the number"),
        ("invalid type: ", ""),
        ("missing field", "no field"),
    ];
    kinds
        .iter()
        .fold(what.to_owned(), |what, (from, to)| what.replace(from, to))
}

/// The parser's complaint in one line, without its picture of the input and its own count of lines.
fn fault(error: &sonic_rs::Error, path: &Path, number: u64) -> DataError {
    let what = error.to_string();
    let what = what.lines().next().unwrap_or_default();
    let (what, column) = what.split_once(" at line 1 column ").unwrap_or((what, ""));
    let what = in_words(what);
    let place = if column.is_empty() {
        String::new()
    } else {
        format!(" before byte {column} of the line")
    };
    DataError::new(format!("not a record of this form: {what}{place}"))
        .at(path)
        .line(number)
        .hint("expected one JSON object a line, as the publisher writes them")
}

#[derive(Deserialize)]
struct Metadata {
    asin: String,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    description: Option<serde_json::Value>,
    #[serde(default, alias = "categories")]
    category: Option<serde_json::Value>,
}

fn metadata(path: &Path, items: &Ids, rule: AmazonText) -> Result<Vec<Text>, DataError> {
    let parse = |line: &[u8], number: u64| {
        let line = text(line, path, number)?;
        let parsed = match sonic_rs::from_str::<Metadata>(line) {
            Err(_) if line.starts_with("{'") => {
                let json = python_literal::to_json(line).unwrap_or_default();
                sonic_rs::from_str::<Metadata>(&json)
            }
            parsed => parsed,
        };
        let record = parsed.map_err(|error| fault(&error, path, number))?;
        Ok(items
            .get(&record.asin)
            .map(|item| (item, of_record(record, rule))))
    };
    let mut texts: Vec<Text> = Vec::new();
    each_line(path, parse, |(item, text)| {
        let slot = item as usize;
        if texts.len() <= slot {
            texts.resize_with(slot + 1, Text::default);
        }
        texts[slot] = text;
    })?;
    Ok(texts)
}

/// The A-LLMRec code sets title and description in one attempt, description first: without the key, neither is set.
fn of_record(record: Metadata, rule: AmazonText) -> Text {
    let categories = record.category.as_ref().map(flat).unwrap_or_default();
    let descriptions = record.description.as_ref().map(flat);
    let title = record.title.filter(|title| !title.is_empty());
    match rule {
        AmazonText::Published => Text {
            title: title.filter(|_| descriptions.is_some()),
            description: descriptions.and_then(|texts| texts.into_iter().next()),
            categories,
        },
        AmazonText::Full => Text {
            title,
            description: descriptions
                .map(|texts| texts.join(" "))
                .filter(|text| !text.is_empty()),
            categories,
        },
    }
}

/// A text, a list of texts, or a list of lists, as a list.
fn flat(value: &serde_json::Value) -> Vec<String> {
    match value {
        serde_json::Value::String(text) => vec![text.clone()],
        serde_json::Value::Array(values) => values.iter().flat_map(flat).collect(),
        _ => Vec::new(),
    }
}
