//! What a language model answered for each user: the output of an `evaluate` stage, next to the
//! ranks.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::DataError;
use super::Part;
use super::arrays::{self, Array, Arrays};
use crate::fs;

/// One generated answer and its audit (see `text::answer`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// User number of the prepared data set.
    pub user: u32,
    /// Target item (1 to V).
    pub target: u32,
    /// The text as it was generated.
    pub raw: String,
    /// The title that was extracted from it.
    pub extracted: String,
    /// Whether that is exactly the target's title.
    pub exact: bool,
    /// Whether it is the target's title, ignoring case and punctuation.
    pub normalised: bool,
    /// Whether the target's title is found by the rule of the A-LLMRec code.
    pub substring: bool,
    /// Whether it is the title of a candidate.
    pub valid: bool,
    /// Position in the prompt, from 1, of the candidate that it names.
    pub position: Option<u32>,
    /// Number of different candidates' titles in the text.
    pub named: u32,
}

/// The generated answers of one part of the split, ascending by user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
    /// The part of the split.
    pub part: Part,
    /// One row for each measured user.
    pub rows: Vec<Answer>,
}

impl Answers {
    fn file(part: Part) -> &'static str {
        match part {
            Part::Valid => "answers.valid.csv",
            Part::Test => "answers.test.csv",
        }
    }

    /// Writes the answers into folder `dir`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, dir: &Path) -> Result<(), DataError> {
        let path = dir.join(Self::file(self.part));
        let wrong = |error: csv::Error| DataError::new(error.to_string()).at(&path);
        let mut writer = csv::Writer::from_writer(Vec::new());
        for row in &self.rows {
            writer.serialize(row).map_err(wrong)?;
        }
        let bytes = writer.into_inner();
        let bytes = bytes.map_err(|error| DataError::new(error.to_string()).at(&path))?;
        Ok(fs::write_atomic(&path, &bytes)?)
    }

    /// Reads the answers of `part` in folder `dir`; `None` where no answers were generated.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub fn load(dir: &Path, part: Part) -> Result<Option<Self>, DataError> {
        let path = dir.join(Self::file(part));
        if !path.exists() {
            return Ok(None);
        }
        let bytes = fs::read(&path)?;
        let mut reader = csv::Reader::from_reader(bytes.as_slice());
        let wrong =
            |error: csv::Error| DataError::new(format!("the file is damaged: {error}")).at(&path);
        let rows = reader.deserialize().map(|row| row.map_err(wrong));
        let rows = rows.collect::<Result<_, _>>()?;
        Ok(Some(Self { part, rows }))
    }
}

/// Likelihoods of a yes for the candidates of M users: TALLRec's task, measured by the AUC over all
/// users and items.
#[derive(Clone, Debug, PartialEq)]
pub struct Likes {
    /// The part of the split.
    pub part: Part,
    /// User numbers of the prepared data set, ascending, M of them.
    pub users: Vec<u32>,
    /// Scores of the targets, M of them.
    pub target: Vec<f64>,
    /// Scores of the other candidates, M rows of equal length.
    pub others: Vec<f64>,
}

impl Likes {
    fn file(part: Part) -> &'static str {
        match part {
            Part::Valid => "likes.valid.safetensors",
            Part::Test => "likes.test.safetensors",
        }
    }

    /// Writes the scores into folder `dir`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, dir: &Path) -> Result<(), DataError> {
        let path = dir.join(Self::file(self.part));
        let arrays = [
            ("users", Array::U32(&self.users)),
            ("target", Array::F64(&self.target)),
            ("others", Array::F64(&self.others)),
        ];
        arrays::save(&path, &arrays, std::collections::HashMap::new())
    }

    /// Reads the scores of `part` in folder `dir`; `None` where the stage had no yes-or-no prompts.
    ///
    /// # Errors
    /// When the file is damaged, its arrays differ in length, or a score is not a number.
    pub fn load(dir: &Path, part: Part) -> Result<Option<Self>, DataError> {
        let path = dir.join(Self::file(part));
        if !path.exists() {
            return Ok(None);
        }
        let arrays = Arrays::load(&path)?;
        let likes = Self {
            part,
            users: arrays.u32("users")?,
            target: arrays.f64("target")?,
            others: arrays.f64("others")?,
        };
        let even = likes.users.len() == likes.target.len()
            && likes.others.len().is_multiple_of(likes.users.len().max(1));
        if !even {
            return Err(
                DataError::new("`users`, `target` and `others` differ in length").at(&path),
            );
        }
        let mut scores = likes.target.iter().chain(&likes.others);
        match scores.find(|score| !score.is_finite()) {
            Some(score) => Err(DataError::new(format!("`{score}` is not a score")).at(&path)),
            None => Ok(Some(likes)),
        }
    }

    /// Scores of the other candidates of the user with index `at`.
    pub fn others_of(&self, at: usize) -> &[f64] {
        let width = self.others.len() / self.users.len().max(1);
        &self.others[at * width..(at + 1) * width]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_back_whatever_they_say() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Answers::load(dir.path(), Part::Test).unwrap(), None);
        let answer = |user, raw: &str, position| Answer {
            user,
            target: 7,
            raw: raw.to_owned(),
            position,
            exact: position.is_some(),
            ..Answer::default()
        };
        let answers = Answers {
            part: Part::Test,
            rows: vec![answer(0, "=1\n\"Heat\", ü", Some(3)), answer(4, "", None)],
        };
        answers.save(dir.path()).unwrap();
        assert_eq!(
            Answers::load(dir.path(), Part::Test).unwrap(),
            Some(answers)
        );
        assert_eq!(Answers::load(dir.path(), Part::Valid).unwrap(), None);
        std::fs::write(dir.path().join("answers.test.csv"), "user,target\n1,2\n").unwrap();
        let error = Answers::load(dir.path(), Part::Test)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("damaged") && error.contains("answers.test.csv"),
            "{error}"
        );
    }

    #[test]
    fn scores_are_read_back_and_what_is_none_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut likes = Likes {
            part: Part::Test,
            users: vec![0, 2],
            target: vec![0.9, 0.1],
            others: vec![0.1, 0.2, 0.3, 0.4],
        };
        likes.save(dir.path()).unwrap();
        let read = Likes::load(dir.path(), Part::Test).unwrap().unwrap();
        assert_eq!(read, likes);
        assert_eq!(read.others_of(1), [0.3, 0.4]);
        likes.target[0] = f64::NAN;
        likes.save(dir.path()).unwrap();
        let error = Likes::load(dir.path(), Part::Test).unwrap_err().to_string();
        assert!(error.contains("is not a score"), "{error}");
    }
}
