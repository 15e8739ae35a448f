//! Records of a file, plain or gzip, in bounded memory: one per line, in a list, or one after
//! another over several lines.
//!
//! One thread decompresses the file and cuts it into blocks of records. A pool parses them, and the
//! caller gets the results in file order.

use std::io::BufRead;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;

use rayon::prelude::*;

use super::{Notation, Place, Record, Wrong};
use crate::source::DataError;
use crate::source::read::kinds;
use crate::source::read::lines::{LONGEST_LINE, Lines, broken};

/// Size of a block of records in bytes.
const BLOCK: usize = 2 << 20;
/// Maximum number of blocks that wait for the parser.
const WAITING: usize = 4;

/// Parses all records of `path` with `parse`, on all threads, and passes the results to `take` in
/// file order.
///
/// # Errors
/// When the file cannot be read, a record is malformed, or `parse` or `take` refuses it.
pub(crate) fn each_record<T: Send>(
    path: &Path,
    parse: impl Fn(&Record<'_>, Place<'_>) -> Result<Option<T>, DataError> + Sync,
    mut take: impl FnMut(T, Place<'_>) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let mut cutter = Cutter::open(path)?;
    let is_numbered = !matches!(cutter, Cutter::Lines(_));
    let mut before = 0;
    std::thread::scope(|scope| {
        let (sender, blocks) = sync_channel(WAITING);
        scope.spawn(move || {
            while let Some(block) = cutter.block().transpose() {
                let last = block.is_err();
                // The receiver is dropped only when an earlier block was refused.
                if sender.send(block).is_err() || last {
                    break;
                }
            }
        });
        for block in blocks {
            let block: Block = block?;
            let rows: Vec<Row> = block.rows();
            let place = |at: usize| Place {
                path,
                line: rows[at].line,
                number: is_numbered.then_some(before + at as u64 + 1),
            };
            let parsed: Vec<Result<Option<T>, DataError>> = rows
                .par_iter()
                .enumerate()
                .with_min_len(256)
                .map(
                    |(at, row)| match block.bytes[row.range.clone()].trim_ascii() {
                        [] => Ok(None),
                        bytes => {
                            let place = place(at);
                            let record = Record::find(bytes).map_err(|it| malformed(&it, place))?;
                            parse(&record, place)
                        }
                    },
                )
                .collect();
            for (at, row) in parsed.into_iter().enumerate() {
                if let Some(row) = row? {
                    take(row, place(at))?;
                }
            }
            before += rows.len() as u64;
        }
        Ok(())
    })
}

/// Names of the fields of the first record, each with its value if that is a number; empty if the
/// file has no record.
///
/// # Errors
/// When the file cannot be read, or the record is malformed.
pub(crate) fn first_fields(path: &Path) -> Result<Vec<(String, Option<f64>)>, DataError> {
    let Some(block) = Cutter::open(path)?.block()? else {
        return Ok(Vec::new());
    };
    let rows = block.rows();
    let bytes = |row: &Row| block.bytes[row.range.clone()].trim_ascii();
    let Some(row) = rows.iter().find(|row| !bytes(row).is_empty()) else {
        return Ok(Vec::new());
    };
    let place = Place {
        path,
        line: row.line,
        number: None,
    };
    let record = Record::find(bytes(row)).map_err(|it| malformed(&it, place))?;
    let number = |name: &String| record.number(name).ok().flatten();
    let names = record.names().into_iter();
    Ok(names.map(|name| (name.clone(), number(&name))).collect())
}

fn malformed(wrong: &Wrong, place: Place<'_>) -> DataError {
    let within = if place.number.is_some() {
        "record"
    } else {
        "line"
    };
    place
        .wrong(format!(
            "not a record of this form: {} after byte {} of the {within}",
            wrong.what, wrong.at
        ))
        .hint("expected JSON objects or Python dictionaries, one a line or in one list; look at the file around this place")
}

/// A record in a block.
#[derive(Clone, Debug)]
struct Row {
    range: Range<usize>,
    line: u64,
}

/// Consecutive records.
struct Block {
    bytes: Vec<u8>,
    /// The position of each record, or the number of the first line if each line is a record.
    rows: Result<Vec<Row>, u64>,
}

impl Block {
    fn rows(&self) -> Vec<Row> {
        let first = match &self.rows {
            Ok(rows) => return rows.clone(),
            Err(first) => *first,
        };
        let mut from = 0;
        let lines = self.bytes.split(|&byte| byte == b'\n').enumerate();
        let rows = lines.map(|(at, line)| {
            let range = from..from + line.len();
            from = range.end + 1;
            let line = first + at as u64;
            Row { range, line }
        });
        rows.collect()
    }
}

/// Cuts a file into blocks.
enum Cutter {
    Lines(Lines),
    Records(Splitter),
}

impl Cutter {
    fn open(path: &Path) -> Result<Self, DataError> {
        let mut lines = Lines::open(path)?;
        let start = lines.start()?.trim_ascii_start();
        let line = start
            .split(|&byte| byte == b'\n')
            .next()
            .unwrap_or_default();
        let is_spread = matches!(
            line.trim_ascii_end(),
            [b'{', .., b',' | b'[' | b'{' | b':'] | [b'{']
        );
        match start.first() {
            Some(b'[') => Ok(Self::Records(Splitter::new(lines, true, path))),
            Some(b'{') if is_spread => Ok(Self::Records(Splitter::new(lines, false, path))),
            Some(b'{') | None => Ok(Self::Lines(lines)),
            Some(_) => Err(kinds::no_records(start, path)),
        }
    }

    fn block(&mut self) -> Result<Option<Block>, DataError> {
        match self {
            Self::Lines(lines) => {
                let block = lines.block(BLOCK)?;
                Ok(block.map(|(first, bytes)| Block {
                    bytes,
                    rows: Err(first),
                }))
            }
            Self::Records(splitter) => splitter.block(),
        }
    }
}

/// The position between records, in a record, or after the list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Before,
    Between,
    Inside,
    After,
}

/// Finds records by their brackets, in a list or over several lines.
struct Splitter {
    reader: Box<dyn BufRead + Send>,
    path: PathBuf,
    is_list: bool,
    state: State,
    /// The current line, from 1.
    line: u64,
    /// The line on which the current record begins.
    begin: u64,
    depth: u64,
    /// The quote of the open string.
    quote: Option<u8>,
    is_escaped: bool,
    notation: Option<Notation>,
}

impl Splitter {
    fn new(lines: Lines, is_list: bool, path: &Path) -> Self {
        Self {
            reader: lines.into_reader(),
            path: path.to_owned(),
            is_list,
            state: if is_list {
                State::Before
            } else {
                State::Between
            },
            line: 1,
            begin: 1,
            depth: 0,
            quote: None,
            is_escaped: false,
            notation: None,
        }
    }

    fn wrong(&self, what: impl Into<String>) -> DataError {
        DataError::new(what).at(&self.path).line(self.line)
    }

    /// The next records, about [`BLOCK`] bytes of them; `None` at the end of the file.
    fn block(&mut self) -> Result<Option<Block>, DataError> {
        let (mut bytes, mut rows) = (Vec::with_capacity(BLOCK), Vec::new());
        let mut from = 0;
        while bytes.len() < BLOCK || self.state == State::Inside {
            let buffer = match self.reader.fill_buf() {
                Ok(buffer) => buffer.to_vec(),
                Err(error) => return Err(broken(&error).at(&self.path).line(self.line)),
            };
            if buffer.is_empty() {
                self.end()?;
                break;
            }
            let mut used = 0;
            for &byte in &buffer {
                used += 1;
                self.line += u64::from(byte == b'\n');
                if self.state != State::Inside {
                    self.outside(byte)?;
                }
                if self.state != State::Inside {
                    continue;
                }
                bytes.push(byte);
                if bytes.len() - from > LONGEST_LINE {
                    return Err(self.too_long());
                }
                if self.closes(byte) {
                    let line = self.begin;
                    rows.push(Row {
                        range: from..bytes.len(),
                        line,
                    });
                    from = bytes.len();
                    self.state = State::Between;
                    if from >= BLOCK {
                        break;
                    }
                }
            }
            self.reader.consume(used);
        }
        Ok((!rows.is_empty()).then_some(Block {
            bytes,
            rows: Ok(rows),
        }))
    }

    fn too_long(&self) -> DataError {
        DataError::new(format!("the record that begins here is longer than {} MiB", LONGEST_LINE >> 20))
            .at(&self.path)
            .line(self.begin)
            .hint(
                "no record is that long: a quote or bracket is not closed, or the records lie inside a table \
                 (take them out, for example with `jq -c '.FIELD[]'`)",
            )
    }

    /// Handles a byte between records.
    fn outside(&mut self, byte: u8) -> Result<(), DataError> {
        let is_known = match (self.state, byte) {
            (_, byte) if byte.is_ascii_whitespace() => true,
            (State::Before, b'[') => {
                self.state = State::Between;
                true
            }
            (State::Between, b'{') => {
                self.state = State::Inside;
                (self.begin, self.depth, self.notation) = (self.line, 0, None);
                true
            }
            (State::Between, b',') => true,
            (State::Between, b']') if self.is_list => {
                self.state = State::After;
                true
            }
            (State::Before | State::Between | State::Inside | State::After, _) => false,
        };
        if is_known {
            return Ok(());
        }
        let shown = char::from(byte);
        Err(match self.state {
            State::After => self
                .wrong(format!("`{shown}` after the end of the list"))
                .hint("a file is one list, or records without one: split it"),
            State::Before | State::Between | State::Inside => self
                .wrong(format!("expected a record in braces `{{...}}`, found `{shown}`"))
                .hint("each member of the list is an object with named fields (in pandas, `to_json(orient=\"records\")`)"),
        })
    }

    /// Whether a byte in a record closes it.
    fn closes(&mut self, byte: u8) -> bool {
        if let Some(quote) = self.quote {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                _ if byte == quote => self.quote = None,
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => {
                self.quote = Some(byte);
                self.notation.get_or_insert(Notation::Json);
            }
            b'\'' if self.notation != Some(Notation::Json) => {
                self.quote = Some(byte);
                self.notation = Some(Notation::Python);
            }
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.depth == 0
    }

    /// Handles the end of the file.
    fn end(&self) -> Result<(), DataError> {
        let cut = "fetch the file again, and compare its size with the publisher's";
        match self.state {
            State::Inside => Err(DataError::new(
                "the record that begins here is not closed: the file is cut off",
            )
            .at(&self.path)
            .line(self.begin)
            .hint(cut)),
            State::Before | State::Between if self.is_list => Err(self
                .wrong("the list is not closed with `]`: the file is cut off")
                .hint(cut)),
            State::Before | State::Between | State::After => Ok(()),
        }
    }
}
