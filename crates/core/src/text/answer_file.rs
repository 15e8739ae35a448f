//! Reads files of LLM answers for the audit: CSV, JSON lines, or the output of the A-LLMRec code.
//!
//! The last form is that of `recommendation_output.txt` and `test_output_generate_rank_N.txt`: the
//! prompt, an empty line, `Answer: "TITLE"`, an empty line, `LLM: TEXT`, an empty line. The
//! candidates are in the prompt, each followed by `[CandidateEmb]`.

use std::collections::HashSet;
use std::path::Path;

use csv::StringRecord;
use serde_json::Value;

use crate::data::DataError;

/// The beginning of a prompt of the A-LLMRec code.
const PROMPT: &str = " is a user representation.";
/// The text after each candidate's title in such a prompt.
const CANDIDATE: &str = "[CandidateEmb]";
/// The text before the first candidate in such a prompt, and after the last.
const LIST: [&str; 2] = [" title set, ", ". The recommendation is"];

/// The form of a file of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A header line and a row for each answer. Candidates are a JSON list in a cell.
    Csv,
    /// An object for each answer.
    JsonLines,
    /// The output file of the A-LLMRec code.
    Allmrec,
}

impl Form {
    /// The name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Form::Csv => "CSV",
            Form::JsonLines => "JSON lines",
            Form::Allmrec => "output of the A-LLMRec code",
        }
    }

    /// The form of a text. JSON lines begin with a brace, the A-LLMRec code's output has its two
    /// kinds of lines, and anything else is CSV.
    pub fn of(text: &str) -> Self {
        let has = |start: &str| text.lines().any(|line| line.starts_with(start));
        match text.trim_start().starts_with('{') {
            true => Form::JsonLines,
            false if has("Answer:") && has("LLM:") => Form::Allmrec,
            false => Form::Csv,
        }
    }
}

/// Names of columns, or of fields.
#[derive(Clone, Debug)]
pub struct Columns {
    /// The generated text.
    pub answer: String,
    /// The target's title.
    pub target: String,
    /// The candidates' titles. This column may be missing unless `named`.
    pub candidates: String,
    /// Whether the user has set the column of candidates.
    pub named: bool,
}

/// One answer of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The line it begins on.
    pub line: u64,
    /// The generated text.
    pub answer: String,
    /// The target's title.
    pub target: String,
    /// The candidates' titles, if the file has them.
    pub candidates: Option<Vec<String>>,
}

/// The answers of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerFile {
    /// Answers in the order of the file; at least one.
    pub answers: Vec<Given>,
    /// Number of repeated prompts in the A-LLMRec code's form, whose output file a later run
    /// appends to.
    pub repeated: usize,
}

/// Reads `text`, the contents of `path`.
///
/// # Errors
/// When a line does not have the form, with its number, or when there is no answer.
pub fn read(
    path: &Path,
    text: &str,
    form: Form,
    columns: &Columns,
) -> Result<AnswerFile, DataError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if form != Form::Allmrec && is_json_list(text) {
        return Err(
            DataError::new("the file is one JSON list, expected an object per line")
                .at(path)
                .line(1)
                .hint(
                    "convert it to JSON lines, for example with `jq -c '.[]' FILE > answers.jsonl`",
                ),
        );
    }
    let file = match form {
        Form::Csv => of_csv(text, columns),
        Form::JsonLines => of_json(text, columns),
        Form::Allmrec => of_allmrec(text),
    };
    let file = file.map_err(|error| error.at(path))?;
    match file.answers.is_empty() {
        true => Err(DataError::new("the file holds no answer")
            .at(path)
            .hint("expected at least one row below the header, or one object a line")),
        false => Ok(file),
    }
}

/// Whether a text is a JSON list of objects, rather than an object per line.
fn is_json_list(text: &str) -> bool {
    let inner = text.trim_start().strip_prefix('[');
    inner.is_some_and(|inner| inner.trim_start().starts_with(['{', '[', ']']))
}

fn plain(answers: Vec<Given>) -> AnswerFile {
    AnswerFile {
        answers,
        repeated: 0,
    }
}

fn of_csv(text: &str, columns: &Columns) -> Result<AnswerFile, DataError> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| broken(&error))?.clone();
    let column = |name: &str| header.iter().position(|column| column == name);
    let needed = |name: &str, flag: &str| {
        column(name).ok_or_else(|| {
            let there: Vec<&str> = header.iter().collect();
            DataError::new(format!("no column `{name}`"))
                .line(1)
                .hint(format!(
                    "the columns are `{}`; name the right one with `--{flag}`",
                    there.join("`, `")
                ))
        })
    };
    let (answer, target) = (
        needed(&columns.answer, "answer")?,
        needed(&columns.target, "target")?,
    );
    let candidates = match columns.named {
        true => Some(needed(&columns.candidates, "candidates")?),
        false => column(&columns.candidates),
    };
    let mut answers = Vec::new();
    for record in reader.records() {
        let record: StringRecord = record.map_err(|error| broken(&error))?;
        let line = record.position().map_or(0, csv::Position::line);
        let list = candidates.map_or("", |at| &record[at]);
        answers.push(Given {
            line,
            answer: record[answer].to_owned(),
            target: record[target].to_owned(),
            candidates: match list.trim() {
                "" => None,
                list => Some(titles(list, line)?),
            },
        });
    }
    Ok(plain(answers))
}

/// The error of a CSV file, with its line.
fn broken(error: &csv::Error) -> DataError {
    let what = match error.kind() {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!("the row has {len} cells, the header {expected_len}"),
        csv::ErrorKind::Utf8 { .. } => "the row is not UTF-8".to_owned(),
        _ => error.to_string(),
    };
    let line = error.position().map_or(1, csv::Position::line);
    DataError::new(what)
        .line(line)
        .hint("every row needs as many cells as the header; quote texts that hold commas, quotes or line breaks")
}

/// The titles of a JSON list.
fn titles(list: &str, line: u64) -> Result<Vec<String>, DataError> {
    serde_json::from_str(list).map_err(|_| {
        DataError::new(format!("`{}` is not a JSON list of titles", short(list)))
            .line(line)
            .hint("write the candidates as `[\"Heat\", \"Cars 2\"]`")
    })
}

/// The beginning of a text, for messages.
fn short(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

fn of_json(text: &str, columns: &Columns) -> Result<AnswerFile, DataError> {
    let mut answers = Vec::new();
    for (line, row) in (1..).zip(text.lines()) {
        if row.trim().is_empty() {
            continue;
        }
        let object: Value = serde_json::from_str(row).map_err(|error| {
            DataError::new(format!("not a JSON object: {error}"))
                .line(line)
                .hint("expected one object a line, such as `{\"answer\": \"\\\"Heat\\\"\", \"target\": \"Heat\"}`")
        })?;
        let field = |name: &str, flag: &str| {
            let value = object.get(name).and_then(Value::as_str);
            value.map(str::to_owned).ok_or_else(|| {
                DataError::new(format!("the object has no text `{name}`"))
                    .line(line)
                    .hint(format!("name the right field with `--{flag}`"))
            })
        };
        let candidates = match object.get(&columns.candidates) {
            Some(Value::Null) => None,
            Some(list) => Some(titles(&list.to_string(), line)?),
            None if columns.named => {
                let what = format!("the object has no list `{}`", columns.candidates);
                return Err(DataError::new(what)
                    .line(line)
                    .hint("name the right field with `--candidates`"));
            }
            None => None,
        };
        answers.push(Given {
            line,
            answer: field(&columns.answer, "answer")?,
            target: field(&columns.target, "target")?,
            candidates,
        });
    }
    Ok(plain(answers))
}

fn of_allmrec(text: &str) -> Result<AnswerFile, DataError> {
    let mut file = plain(Vec::new());
    let (mut prompt, mut target) = (String::new(), None);
    let mut seen: HashSet<(String, String)> = HashSet::new();
    for (line, row) in (1..).zip(text.lines()) {
        if let Some(rest) = row.strip_prefix("Answer:") {
            if target.is_some() {
                return Err(DataError::new("`Answer:` follows `Answer:` without an `LLM:` line")
                    .line(line)
                    .hint("the A-LLMRec code writes an `LLM:` line for each answer; remove the incomplete record"));
            }
            target = Some((line, unquoted(rest.trim(), line)?));
        } else if let Some(rest) = row.strip_prefix("LLM:") {
            let Some((first, title)) = target.take() else {
                return Err(DataError::new("`LLM:` without an `Answer:` line before it")
                    .line(line)
                    .hint("the A-LLMRec code writes the target's title first; remove the incomplete record"));
            };
            let prompt = std::mem::take(&mut prompt);
            // The text before it is the rest of the last answer, of which the authors' rule reads
            // only the first line.
            let prompt = prompt[prompt.find(PROMPT).unwrap_or(0)..].to_owned();
            let candidates = candidates_of(&prompt);
            if !prompt.trim().is_empty() && !seen.insert((prompt, title.clone())) {
                file.repeated += 1;
            }
            file.answers.push(Given {
                line: first,
                answer: rest.trim().to_owned(),
                target: title,
                candidates,
            });
        } else {
            prompt.push_str(row);
            prompt.push('\n');
        }
    }
    match target {
        Some((line, _)) => Err(
            DataError::new("the file ends before this answer's `LLM:` line")
                .line(line)
                .hint("the run was interrupted; remove the incomplete record"),
        ),
        None => Ok(file),
    }
}

/// A title in double quotes without them.
fn unquoted(title: &str, line: u64) -> Result<String, DataError> {
    let inside = title
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    inside.map(str::to_owned).ok_or_else(|| {
        DataError::new(format!("the title `{}` is not in double quotes", short(title)))
            .line(line)
            .hint("expected `Answer: \"TITLE\"` on one line; a title with a line break cannot be read from this form")
    })
}

/// The candidates in a prompt; `None` if it does not have the A-LLMRec code's form.
fn candidates_of(prompt: &str) -> Option<Vec<String>> {
    let [before, after] = LIST;
    let (_, list) = prompt.rsplit_once(before)?;
    let (list, _) = list.rsplit_once(after)?;
    let (list, _) = list.rsplit_once(CANDIDATE)?;
    let titles = list.split(CANDIDATE).map(|title| {
        let title = title.strip_prefix(',').unwrap_or(title).trim();
        let inside = title
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'));
        inside.unwrap_or(title).to_owned()
    });
    Some(titles.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Columns {
        Columns {
            answer: "answer".to_owned(),
            target: "target".to_owned(),
            candidates: "candidates".to_owned(),
            named: false,
        }
    }

    fn of(text: &str) -> Result<AnswerFile, DataError> {
        read("a.txt".as_ref(), text, Form::of(text), &columns())
    }

    fn refused(text: &str) -> String {
        let error = of(text).unwrap_err();
        format!("{error} | {}", error.remedy().unwrap_or_default())
    }

    #[test]
    fn the_same_answers_are_read_from_csv_and_json_lines() {
        let csv = "target,answer,candidates\nHeat,\"\"\"Heat\"\"\nyes\",\"[\"\"Heat\"\", \"\"Cars 2\"\"]\"\nCars,no,\n";
        let json = "{\"answer\": \"\\\"Heat\\\"\\nyes\", \"target\": \"Heat\", \"candidates\": [\"Heat\", \"Cars 2\"]}\n\n\
            {\"answer\": \"no\", \"target\": \"Cars\", \"user\": 7}\n";
        let (csv, json) = (of(csv).unwrap(), of(json).unwrap());
        let lines = |file: &AnswerFile| file.answers.iter().map(|it| it.line).collect::<Vec<_>>();
        assert_eq!((lines(&csv), lines(&json)), (vec![2, 4], vec![1, 3]));
        for file in [csv, json] {
            let first = &file.answers[0];
            assert_eq!((&*first.answer, &*first.target), ("\"Heat\"\nyes", "Heat"));
            let candidates = ["Heat", "Cars 2"].map(str::to_owned).to_vec();
            assert_eq!(first.candidates, Some(candidates));
            assert_eq!(file.answers[1].candidates, None);
        }
    }

    /// A record as the A-LLMRec code appends it.
    const RECORD: &str = " is a user representation.This user has bought \"Soap, mild\"[HistoryEmb] in the previous. Recommend one next \
        item for this user to buy next from the following item title set, \"Heat, \"the\" film\"[CandidateEmb],\"Cars 2\"\
        [CandidateEmb]. The recommendation is \n\nAnswer: \"Cars 2\"\n\nLLM: \"Cars 2\", but \"Heat\"\nmore\n\n";

    #[test]
    fn the_output_of_the_allmrec_code_is_read_with_its_candidates_and_a_second_run_is_counted() {
        let other = RECORD.replace("Soap", "Oil");
        let text = [RECORD, &other, RECORD].concat();
        assert_eq!(Form::of(&text), Form::Allmrec);
        let file = of(&text).unwrap();
        assert_eq!((file.answers.len(), file.repeated), (3, 1));
        let first = &file.answers[0];
        assert_eq!((first.line, &*first.target), (3, "Cars 2"));
        assert_eq!(first.answer, "\"Cars 2\", but \"Heat\"");
        let candidates = ["Heat, \"the\" film", "Cars 2"].map(str::to_owned);
        assert_eq!(first.candidates, Some(candidates.to_vec()));
    }

    #[test]
    fn malformed_lines_are_refused_by_their_number() {
        let rows = [
            (
                "answer,goal\nx,y\n",
                "a.txt:1: no column `target` | the columns are `answer`, `goal`; name the right one with `--target`",
            ),
            (
                "answer,target\nx\n",
                "a.txt:2: the row has 1 cells, the header 2 |",
            ),
            (
                "answer,target,candidates\nx,y,Heat\n",
                "a.txt:2: `Heat` is not a JSON list of titles | write the candidates as",
            ),
            (
                "{\"answer\": \"x\", \"target\": \"y\"}\n{\"answer\": 1}\n",
                "a.txt:2: the object has no text `answer` | name the right field with `--answer`",
            ),
            ("{\"answer\": \"x\"\n", "a.txt:1: not a JSON object"),
            (
                "Answer: \"a\"\nAnswer: \"b\"\nLLM: x\n",
                "a.txt:2: `Answer:` follows `Answer:` without an `LLM:` line",
            ),
            (
                "LLM: x\nAnswer: \"b\"\n",
                "a.txt:1: `LLM:` without an `Answer:` line before it",
            ),
            (
                "Answer: \"a\"\nLLM: x\nAnswer: \"b\"\n",
                "a.txt:3: the file ends before this answer's `LLM:` line",
            ),
            (
                "Answer: \"a\nLLM: x\n",
                "a.txt:1: the title `\"a` is not in double quotes",
            ),
            ("answer,target\n", "a.txt: the file holds no answer"),
        ];
        for (text, expected) in rows {
            let said = refused(text);
            assert!(said.starts_with(expected), "{said}\n{expected}");
        }
    }
}
