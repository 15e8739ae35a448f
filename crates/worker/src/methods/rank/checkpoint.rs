//! What an evaluation has done so far, in one file: a killed one continues after its last pass.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use allround_core::data::{Answer, CandidateLists, Likes, Ranks, Scores};
use allround_core::fs;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{LlmRanker, RankedUsers};
use crate::models::weights::{self, WeightsError};
use crate::torch_ext::timer::Elapsed;

/// What is not a tensor.
#[derive(Debug, Serialize, Deserialize)]
struct Notes {
    generated: Vec<Answer>,
    tokens: u64,
    shortened: u64,
    elapsed: Elapsed,
}

fn file(folder: &Path) -> PathBuf {
    folder.join("answers.safetensors")
}

impl LlmRanker<'_> {
    /// Replaces what is kept in `folder`, whole or not at all; `elapsed` is what it has taken so
    /// far, in all processes.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep(
        &self,
        folder: &Path,
        answers: &RankedUsers,
        elapsed: Elapsed,
    ) -> Result<(), WeightsError> {
        save(folder, answers, self.encoder.shortened(), elapsed)
    }

    /// What is kept in `folder` for `lists`, and its time. `None` if there is nothing or it is
    /// damaged, which costs only time. The count of shortened prompts continues from there.
    pub fn go_on(&self, folder: &Path, lists: &CandidateLists) -> Option<(RankedUsers, Elapsed)> {
        let (answers, shortened, elapsed) = load(folder, lists)?;
        if answers.scores.is_some() != self.keep_scores {
            return None;
        }
        self.encoder.count_from(shortened);
        Some((answers, elapsed))
    }
}

pub(crate) fn save(
    folder: &Path,
    answers: &RankedUsers,
    shortened: u64,
    elapsed: Elapsed,
) -> Result<(), WeightsError> {
    let mut numbers = vec![("ranks", &answers.ranks.ranks)];
    if let Some(likes) = &answers.likes {
        numbers.extend([
            ("likes.target", &likes.target),
            ("likes.others", &likes.others),
        ]);
    }
    let scores = answers.scores.as_ref();
    let of_scores = scores.map(|scores| {
        let lengths = scores.offsets.iter().map(|&offset| offset as f64);
        let items = scores.items.iter().map(|&item| f64::from(item));
        (lengths.collect::<Vec<f64>>(), items.collect::<Vec<f64>>())
    });
    if let (Some(scores), Some((offsets, items))) = (scores, &of_scores) {
        numbers.extend([
            ("scores.offsets", offsets),
            ("scores.items", items),
            ("scores.scores", &scores.scores),
        ]);
    }
    let numbers = numbers.into_iter();
    let tensors: Vec<(String, Tensor)> = numbers
        .map(|(name, values)| (name.to_owned(), Tensor::from_slice(values)))
        .collect();
    let notes = Notes {
        generated: answers.generated.clone(),
        tokens: answers.tokens,
        shortened,
        elapsed,
    };
    let notes = serde_json::to_string(&notes).expect("answers are plain data");
    let notes = HashMap::from([("notes".to_owned(), notes)]);
    fs::create_dir_all(folder)?;
    let bytes = weights::to_bytes(&tensors, Some(notes));
    Ok(fs::write_atomic(&file(folder), &bytes)?)
}

pub(crate) fn load(folder: &Path, lists: &CandidateLists) -> Option<(RankedUsers, u64, Elapsed)> {
    let (tensors, notes) = weights::read(&file(folder)).ok()?;
    let notes: Notes = serde_json::from_str(notes.get("notes")?).ok()?;
    let numbers = |name: &str| Vec::<f64>::try_from(tensors.get(name)?).ok();
    let ranks = numbers("ranks")?;
    if ranks.len() > lists.users.len() {
        return None;
    }
    let likes = numbers("likes.target").zip(numbers("likes.others"));
    let scores = numbers("scores.offsets").and_then(|offsets| {
        let done = offsets.len().checked_sub(1)?;
        Some(Scores {
            part: lists.part,
            users: lists.users.get(..done)?.to_vec(),
            targets: lists.targets.get(..done)?.to_vec(),
            offsets: offsets.into_iter().map(|offset| offset as u64).collect(),
            items: numbers("scores.items")?
                .into_iter()
                .map(|item| item as u32)
                .collect(),
            scores: numbers("scores.scores")?,
        })
    });
    let answers = RankedUsers {
        scores,
        ranks: Ranks {
            part: lists.part,
            users: lists.users.clone(),
            targets: lists.targets.clone(),
            ranks,
        },
        generated: notes.generated,
        likes: likes.map(|(target, others)| Likes {
            part: lists.part,
            users: lists.users.clone(),
            target,
            others,
        }),
        tokens: notes.tokens,
    };
    Some((answers, notes.shortened, notes.elapsed))
}
