//! Lines of ids: `user item`, `user item item ...`, `user item time` or `user item rating time`.

use std::collections::HashSet;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::raw::Given;
use super::read::ids::Ids;
use super::read::lines::Lines;
use super::read::rows::{Origin, RepeatedUsers, Rows};
use super::read::times::Times;
use super::read::{filled, identity, is_like_a_time, number};
use super::{DataError, DataSource, Provided, RawData, SourceFile, checks, columns};
use crate::problem::Problem;

/// Defaults of its settings.
pub const DEFAULTS: &str = r#"
[default.source.sequences]
form = "pairs"
delimiter = ""
header = false
comment = ""
repeated_users = "refuse"
"#;

/// Lines of ids.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SequencesSource {
    /// The file, `.gz` or plain.
    pub path: String,
    /// Content of a line.
    pub form: SequenceForm,
    /// Delimiter of the cells of a line, such as `","`, `"\t"` or `"::"`. Empty: white space.
    pub delimiter: String,
    /// Whether the first line is a header, which is skipped.
    pub header: bool,
    /// Lines that begin with this text, such as `"#"`, are skipped and counted. Empty: none.
    pub comment: String,
    /// How several `rows` of one user are combined.
    pub repeated_users: RepeatedUsers,
}

/// Content of a line in a file of sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SequenceForm {
    /// `user item`, one interaction per line, in time order.
    Pairs,
    /// `user item item ...`, one user per line, in time order.
    Rows,
    /// `user item time`, one interaction per line.
    Times,
    /// `user item rating time`, one interaction per line.
    Ratings,
}

impl DataSource for SequencesSource {
    fn kind(&self) -> &'static str {
        "sequences"
    }

    fn files(&self) -> Vec<SourceFile<'_>> {
        vec![SourceFile::required("path", &self.path)]
    }

    fn missing_titles(&self) -> Option<&'static str> {
        Some("leave this data set to CF models with `[matrix] exclude`")
    }

    fn ratings(&self, _base: &Path) -> Provided {
        match self.form {
            SequenceForm::Ratings => Provided::Yes,
            SequenceForm::Pairs | SequenceForm::Rows | SequenceForm::Times => Provided::No(
                "remove the filter; lines of `user item rating time` are read by `form = \"ratings\"`"
                    .to_owned(),
            ),
        }
    }

    fn times(&self, _base: &Path) -> Provided {
        match self.form {
            SequenceForm::Times | SequenceForm::Ratings => Provided::Yes,
            SequenceForm::Pairs | SequenceForm::Rows => Provided::No(
                "use `split.leave_one_out`; lines with times are read by `form = \"times\"` or `\"ratings\"`"
                    .to_owned(),
            ),
        }
    }

    fn problems(&self, _base: &Path) -> Vec<Problem> {
        let problem = match self.form {
            SequenceForm::Rows => None,
            SequenceForm::Pairs | SequenceForm::Times | SequenceForm::Ratings => {
                checks::repeated_without_rows(self.repeated_users)
            }
        };
        problem.into_iter().collect()
    }

    fn read(&self, base: &Path) -> Result<RawData, DataError> {
        let path = &base.join(&self.path);
        let mut lines = Lines::open_rows(path)?;
        let mut all = Sequences::new(self, path);
        let (mut comments, mut seen) = (0, 0_u64);
        while let Some((number, line)) = lines.text()? {
            if !self.comment.is_empty() && line.starts_with(&self.comment) {
                comments += 1;
                continue;
            }
            let cells = cells(line, &self.delimiter);
            if cells.is_empty() {
                continue;
            }
            seen += 1;
            if seen == 1 && self.header {
                continue;
            }
            all.shape.line(number, &cells);
            all.line(number, line, &cells)?;
        }
        let mut raw = all.finish()?;
        raw.note("comment lines skipped", comments);
        filled(raw, path)
    }
}

/// The cells of a line; empty for a blank line.
fn cells<'a>(line: &'a str, delimiter: &str) -> Vec<&'a str> {
    match delimiter {
        "" => line.split_ascii_whitespace().collect(),
        _ if line.trim().is_empty() => Vec::new(),
        delimiter => line.split(delimiter).map(str::trim).collect(),
    }
}

/// Statistics of the lines so far.
#[derive(Default)]
struct Shape {
    lines: u64,
    /// Lines that look like `user item time`, by their values.
    times: u64,
    /// Lines that look like `user item rating time`, by their values.
    ratings: u64,
    /// Lines of three cells, the last of which is a number up to 10, like a rating.
    rated: u64,
    /// Whether a tab separates cells.
    has_tabs: bool,
    /// The first line, if none of its cells is a number and all cells of later lines are.
    words: Option<(u64, String)>,
}

impl Shape {
    fn line(&mut self, number: u64, cells: &[&str]) {
        let value = |cell: &&str| cell.parse::<f64>().ok().filter(|value| value.is_finite());
        let is_time = |cell: &&str| value(cell).is_some_and(is_like_a_time);
        let is_rating =
            |cell: &&str| value(cell).is_some_and(|value| (-1.0..=100.0).contains(&value));
        self.lines += 1;
        match cells {
            [_, _, time] if is_time(time) => self.times += 1,
            [_, _, rating] if value(rating).is_some_and(|it| (0.0..=10.0).contains(&it)) => {
                self.rated += 1;
            }
            [_, _, rating, time] if is_rating(rating) && is_time(time) => self.ratings += 1,
            _ => {}
        }
        if self.lines == 1 {
            let is_words = !cells.iter().any(|cell| value(cell).is_some());
            self.words = is_words.then(|| (number, cells.join(" ")));
        } else if !cells.iter().all(|cell| value(cell).is_some()) {
            self.words = None;
        }
    }

    /// Whether all lines look like `user item rating`, and there are enough of them to decide.
    fn is_rated(&self) -> bool {
        self.lines >= 20 && self.lines == self.rated
    }

    /// The form of all lines, by their values.
    fn form(&self) -> Option<(&'static str, &'static str)> {
        match self.lines {
            0 => None,
            lines if lines == self.ratings => Some(("ratings", "`user item rating time`")),
            lines if lines == self.times => Some(("times", "`user item time`")),
            _ => None,
        }
    }
}

/// Interactions while they are read.
struct Sequences<'a> {
    files: &'a SequencesSource,
    path: &'a Path,
    shape: Shape,
    users: Ids,
    items: Ids,
    raw: RawData,
    times: Times,
    rows: Rows,
}

impl<'a> Sequences<'a> {
    fn new(files: &'a SequencesSource, path: &'a Path) -> Self {
        Self {
            files,
            path,
            shape: Shape::default(),
            users: Ids::default(),
            items: Ids::default(),
            raw: RawData::default(),
            times: Times::default(),
            rows: Rows::new(files.repeated_users),
        }
    }

    fn line(&mut self, line: u64, text: &str, cells: &[&str]) -> Result<(), DataError> {
        let path = self.path;
        self.shape.has_tabs |= text.contains('\t');
        self.no_record(line, text, cells)?;
        for cell in cells.iter().take(2) {
            identity(cell, path, line)?;
        }
        match (self.files.form, cells) {
            (SequenceForm::Pairs, &[user, item]) => self.one(user, item),
            (SequenceForm::Times, &[user, item, time]) => {
                self.one(user, item);
                self.times.push(time.as_bytes(), path, line, "time")?;
            }
            (SequenceForm::Ratings, &[user, item, rating, time]) => {
                self.not_swapped(line, rating, time)?;
                self.one(user, item);
                let rating = number(rating.as_bytes(), path, line, "rating")?;
                self.raw.rating.push(rating as f32);
                self.times.push(time.as_bytes(), path, line, "time")?;
            }
            (SequenceForm::Rows, &[user, ref items @ ..]) if !items.is_empty() => {
                return self.row(line, user, items);
            }
            (
                SequenceForm::Pairs
                | SequenceForm::Times
                | SequenceForm::Ratings
                | SequenceForm::Rows,
                _,
            ) => return Err(self.another_form(line, cells)),
        }
        Ok(())
    }

    /// Refuses lines of `user item time rating`.
    fn not_swapped(&self, line: u64, rating: &str, time: &str) -> Result<(), DataError> {
        let is_time = |cell: &str| cell.parse().is_ok_and(is_like_a_time);
        if !is_time(rating) || is_time(time) {
            return Ok(());
        }
        Err(DataError::new(format!(
            "the third cell, `{rating}`, looks like a time, and the fourth, `{time}`, does not"
        ))
        .at(self.path)
        .line(line)
        .hint(self.as_csv("timestamp = \"3\", rating = \"4\"")))
    }

    /// Advice to read the file as CSV, for an order of cells that no form has.
    fn as_csv(&self, more: &str) -> String {
        let delimiter = match &self.files.delimiter[..] {
            "" if self.shape.has_tabs => "\\t",
            "" => " ",
            own => own,
        };
        format!(
            "no form has this order: read it as `source.csv = {{ interactions = \"...\", header = false, delimiter = \"{delimiter}\", user = \"1\", item = \"2\", {more} }}`"
        )
    }

    /// Refuses lines of `user item rating` that are read in another form.
    fn no_ratings(&self) -> Result<(), DataError> {
        let taken = match self.files.form {
            SequenceForm::Times => "times",
            SequenceForm::Rows => "items",
            SequenceForm::Pairs | SequenceForm::Ratings => return Ok(()),
        };
        if !self.shape.is_rated() {
            return Ok(());
        }
        // Positions in a sequence are small numbers too, but do not repeat for a user.
        let mut seen = HashSet::new();
        let times = self.raw.user.iter().zip(self.times.values());
        let is_repeated = times.into_iter().any(|pair| !seen.insert(pair));
        if self.files.form == SequenceForm::Times && !is_repeated {
            return Ok(());
        }
        Err(DataError::new(format!(
            "every line looks like `user item rating`, and the ratings are taken for {taken}"
        ))
        .at(self.path)
        .hint(self.as_csv("rating = \"3\", timestamp = \"\"")))
    }

    fn one(&mut self, user: &str, item: &str) {
        self.raw.user.push(self.users.number(user));
        self.raw.item.push(self.items.number(item));
    }

    fn row(&mut self, line: u64, name: &str, items: &[&str]) -> Result<(), DataError> {
        for item in items {
            identity(item, self.path, line)?;
        }
        let user = self.users.number(name);
        self.rows.hint = match (self.shape.form(), items) {
            (Some((form, cells)), _) => Some(format!(
                "the lines look like {cells}: set `form = \"{form}\"`"
            )),
            (None, [_]) => Some("lines of `user item` need `form = \"pairs\"`".to_owned()),
            _ => None,
        };
        let origin = Origin {
            path: self.path,
            line,
            part: Given::Train,
        };
        let numbers = items.iter().map(|item| self.items.number(item));
        self.rows.push(user, name, numbers, origin)
    }

    /// Refuses headers and comments.
    fn no_record(&self, line: u64, text: &str, cells: &[&str]) -> Result<(), DataError> {
        if let Some(mark) = ["#", "%"].into_iter().find(|mark| text.starts_with(mark)) {
            return Err(DataError::new(format!(
                "the line begins with `{mark}`, as a comment does"
            ))
            .at(self.path)
            .line(line)
            .hint(format!(
                "remove such lines, or set `comment = \"{mark}\"`, which skips and counts them"
            )));
        }
        match self.shape.lines {
            1 if columns::is_header(cells) => Err(self.header(line, &cells.join(" "))),
            _ => Ok(()),
        }
    }

    fn header(&self, line: u64, text: &str) -> DataError {
        DataError::new(format!("`{text}` looks like a header, not a record"))
            .at(self.path)
            .line(line)
            .hint("set `header = true`, or remove the line")
    }

    /// The error of a line whose cells do not fit the form.
    fn another_form(&self, line: u64, cells: &[&str]) -> DataError {
        let expected = match self.files.form {
            SequenceForm::Pairs => "`user item`",
            SequenceForm::Rows => "`user item item ...`",
            SequenceForm::Times => "`user item time`",
            SequenceForm::Ratings => "`user item rating time`",
        };
        let found = cells.len();
        let form = match (self.shape.form(), found) {
            (Some((form, cells)), _) => {
                format!("the line looks like {cells}: set `form = \"{form}\"`")
            }
            (None, 1) => delimiter(cells[0], &self.files.delimiter),
            (None, 2) => "lines of `user item` need `form = \"pairs\"`".to_owned(),
            (None, 3) if self.shape.rated == self.shape.lines => {
                format!("if the third cell is a rating, {}", self.as_csv("rating = \"3\", timestamp = \"\""))
            }
            (None, 3) => "`form = \"times\"` reads `user item time`; `form = \"rows\"` reads `user item item ...`".to_owned(),
            (None, 4) => "`form = \"ratings\"` reads `user item rating time`; `form = \"rows\"` reads `user item item ...`".to_owned(),
            (None, _) => "`form = \"rows\"` reads `user item item ...`".to_owned(),
        };
        DataError::new(format!("expected {expected}, found {found} cells"))
            .at(self.path)
            .line(line)
            .hint(format!(
                "{form}; without `delimiter`, ids hold no white space"
            ))
    }

    fn finish(self) -> Result<RawData, DataError> {
        if self.files.form == SequenceForm::Rows
            && let Some((form, cells)) = self.shape.form()
        {
            return Err(DataError::new(format!(
                "every line looks like {cells}, and `form` is `rows`, which takes all but the first cell for items"
            ))
            .at(self.path)
            .hint(format!("set `form = \"{form}\"`")));
        }
        self.no_ratings()?;
        if let (Some((line, text)), 2..) = (&self.shape.words, self.shape.lines) {
            return Err(self.header(*line, text));
        }
        let Self {
            users,
            items,
            mut raw,
            times,
            rows,
            files,
            ..
        } = self;
        raw.users = users.into_names();
        raw.items = items.into_names();
        raw.time = times.into_values();
        if files.form == SequenceForm::Rows {
            rows.finish(&mut raw)?;
        }
        Ok(raw)
    }
}

/// Advice for a line of one cell.
fn delimiter(cell: &str, set: &str) -> String {
    let known = [
        ("::", "::"),
        ("\t", "\\t"),
        (",", ","),
        (";", ";"),
        ("|", "|"),
    ];
    match known.into_iter().find(|(text, _)| cell.contains(text)) {
        Some((_, written)) => format!("set `delimiter = \"{written}\"`"),
        None if set.is_empty() => "a line needs a user and an item".to_owned(),
        None => format!(
            "`delimiter` is `{}`; remove it for white space",
            set.escape_debug()
        ),
    }
}
