//! A forward pass of somebody else's, against which imported weights are verified: names and shapes
//! say little about which network the weights were trained in.
//!
//! docs/WEIGHTS.md says how such a file is written with PyTorch.

use std::collections::BTreeMap;
use std::path::Path;

use allround_core::digest::{self, Key};
use allround_core::fs::{self, FsError};
use allround_core::models::Model;
use allround_core::models::sasrec::SasrecForm;
use tch::{Device, Kind, Tensor};

use super::weights::{self, WeightsError};
use super::{Backbone, Sizes, build};
use crate::data::Histories;

/// Largest difference that rounding explains, as a share of the largest number (or of 1, where that
/// is larger).
const ALLOWED: f64 = 1e-4;

/// Sequences and what a network gives for them.
#[derive(Debug)]
pub struct Forward {
    path: String,
    histories: Histories,
    /// `states`, [B, D].
    states: Option<Tensor>,
    /// `scores`, [B, C] of `items`, or [B, V + 1] of all.
    scores: Option<Tensor>,
    /// `items`, `[C]`.
    items: Option<Tensor>,
}

/// Where a forward pass and the imported net are furthest apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// `states` or `scores`.
    what: &'static str,
    /// Row and column.
    place: [i64; 2],
    /// The number in the file.
    expected: f64,
    /// The net's number.
    found: f64,
    /// How far they are apart.
    by: f64,
    /// How far they may be.
    allowed: f64,
}

/// Why imported weights cannot be verified, or are not those of this network.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// The file cannot be read.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The file is damaged, or no safetensors file at all.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The file is not the one that the plan was made for.
    #[error("`{0}` has changed since the experiment was planned")]
    Changed(String),
    /// The file does not hold a forward pass.
    #[error("`{path}`: {what}")]
    Content {
        /// The file.
        path: String,
        /// What is wrong with it.
        what: String,
    },
    /// The net gives other numbers.
    #[error(
        "the imported weights give other numbers than the forward pass in `{path}`: the largest difference is {:.3e}, in `{}` at {:?} (expected {:.6}, found {:.6}; {:.1e} is allowed)",
        .difference.by, .difference.what, .difference.place, .difference.expected, .difference.found, .difference.allowed
    )]
    Differs {
        /// The file.
        path: String,
        /// Where, and by how much.
        difference: Difference,
        /// Forms that give the numbers of the file.
        fitting: Vec<&'static str>,
    },
}

impl ForwardError {
    /// What to do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Fs(error) => error.hint().map(str::to_owned),
            Self::Weights(_) | Self::Content { .. } => Some(
                "docs/WEIGHTS.md shows how the file of `weights_check` is written".to_owned(),
            ),
            Self::Changed(_) => {
                Some("run the experiment again, which plans with the file as it is".to_owned())
            }
            Self::Differs { fitting, .. } if !fitting.is_empty() => {
                let forms: Vec<String> = fitting
                    .iter()
                    .map(|form| format!("`form = \"{form}\"`"))
                    .collect();
                Some(format!("{} gives these numbers: write that", forms.join(" or ")))
            }
            Self::Differs { .. } => Some(
                "these are the weights of another network, or its settings differ: form, padding, norm_eps, scale_items, activation; \
                 or the sequences of the file are numbered otherwise than the rows of the tables"
                    .to_owned(),
            ),
        }
    }
}

impl Forward {
    /// Reads the file at `path`, whose digest was `planned`, for a net with `sizes` that reads
    /// `maxlen` items.
    ///
    /// # Errors
    /// When the file cannot be read, has changed, or holds no forward pass of such a net.
    pub fn read(
        path: &Path,
        planned: Key,
        sizes: Sizes,
        maxlen: usize,
    ) -> Result<Self, ForwardError> {
        let shown = path.display().to_string();
        if digest::of_bytes(&fs::read(path)?) != planned {
            return Err(ForwardError::Changed(shown));
        }
        let mut tensors = weights::read_tensors(path)?;
        let content = |what: String| ForwardError::Content {
            path: shown.clone(),
            what,
        };
        let sequences = whole(&mut tensors, "sequences")
            .map_err(content)?
            .ok_or_else(|| content("there is no tensor `sequences`".to_owned()))?;
        let histories = histories(&sequences, sizes, maxlen).map_err(content)?;
        let users = whole(&mut tensors, "users").map_err(content)?;
        let forward = Self {
            histories: with_users(histories, users, sizes).map_err(content)?,
            items: whole(&mut tensors, "items").map_err(content)?,
            states: tensors.remove("states"),
            scores: tensors.remove("scores"),
            path: shown.clone(),
        };
        forward.check(&tensors, sizes).map_err(content)?;
        Ok(forward)
    }

    /// Whether the parts fit each other.
    fn check(&self, others: &BTreeMap<String, Tensor>, sizes: Sizes) -> Result<(), String> {
        if let Some(name) = others.keys().next() {
            return Err(format!(
                "tensor `{name}` is none of `sequences`, `users`, `items`, `states` and `scores`"
            ));
        }
        let rows = self.histories.len() as i64;
        let columns = match &self.items {
            Some(items) if items.dim() != 1 => return Err("`items` is not one list".to_owned()),
            Some(items) => {
                let out = items.lt(1).logical_or(&items.gt(sizes.items as i64));
                if bool::try_from(out.any()).unwrap_or(true) {
                    return Err(format!(
                        "`items` holds rows outside of 1 to {}",
                        sizes.items
                    ));
                }
                items.size()[0]
            }
            None => sizes.items as i64 + 1,
        };
        if self.states.is_none() && self.scores.is_none() {
            return Err("there is neither `states` nor `scores`".to_owned());
        }
        for (name, tensor) in [("states", &self.states), ("scores", &self.scores)] {
            let Some(tensor) = tensor else { continue };
            if tensor.dim() != 2 || tensor.size()[0] != rows {
                return Err(format!(
                    "`{name}` has shape {:?}; expected a row for each of the {rows} sequences",
                    tensor.size()
                ));
            }
            if name == "scores" && tensor.size()[1] != columns {
                return Err(format!(
                    "`scores` has {} columns; expected {columns}",
                    tensor.size()[1]
                ));
            }
        }
        Ok(())
    }

    /// Compares `net` with the file.
    ///
    /// # Errors
    /// When they differ by more than rounding explains; the error says which other forms of `model`
    /// give the file's numbers.
    pub fn verify(
        &self,
        model: &Model,
        sizes: Sizes,
        net: &dyn Backbone,
    ) -> Result<(), ForwardError> {
        let Some(difference) = self.largest_difference(net)? else {
            return Ok(());
        };
        Err(ForwardError::Differs {
            path: self.path.clone(),
            difference,
            fitting: self.fitting(model, sizes, net),
        })
    }

    /// The largest difference where it is larger than allowed.
    fn largest_difference(&self, net: &dyn Backbone) -> Result<Option<Difference>, ForwardError> {
        let _guard = tch::no_grad_guard();
        let mut worst: Option<Difference> = None;
        if let Some(states) = &self.states {
            if states.size()[1] != net.width() {
                return Err(ForwardError::Content {
                    path: self.path.clone(),
                    what: format!(
                        "`states` has {} columns; the model's states have {}",
                        states.size()[1],
                        net.width()
                    ),
                });
            }
            worst = difference("states", states, &net.user_states(&self.histories));
        }
        if let Some(scores) = &self.scores {
            let all = net.score_all(&self.histories).to_device(Device::Cpu);
            let (expected, found) = match &self.items {
                Some(items) => (scores.shallow_clone(), all.index_select(1, items)),
                // Column 0 is padding and means nothing.
                None => {
                    let items = all.size()[1] - 1;
                    (scores.narrow(1, 1, items), all.narrow(1, 1, items))
                }
            };
            let of_scores = difference("scores", &expected, &found);
            let by =
                |one: &Option<Difference>| one.as_ref().map_or(0.0, |one| one.by / one.allowed);
            if by(&of_scores) > by(&worst) {
                worst = of_scores;
            }
        }
        // A difference that is not a number counts as one.
        Ok(worst.filter(|worst| worst.by.is_nan() || worst.by > worst.allowed))
    }

    /// Forms of SASRec whose weights have these names and shapes and which give the numbers of the
    /// file.
    fn fitting(&self, model: &Model, sizes: Sizes, net: &dyn Backbone) -> Vec<&'static str> {
        let Model::Sasrec(config) = model else {
            return Vec::new();
        };
        let held: BTreeMap<String, Tensor> = net.weights().into_iter().collect();
        let gives_them = |form: &SasrecForm| {
            let mut other = config.clone();
            other.form = *form;
            let Some(other) = build(&Model::Sasrec(other), sizes, net.device()) else {
                return false;
            };
            let names = other.weights();
            names.len() == held.len()
                && weights::fill(&names, &held).is_ok()
                && matches!(self.largest_difference(other.as_ref()), Ok(None))
        };
        let forms = SasrecForm::ALL.into_iter();
        forms
            .filter(|form| *form != config.form)
            .filter(gives_them)
            .map(SasrecForm::name)
            .collect()
    }
}

/// Whole numbers of the file, as 64 bits; `None` where there is no such tensor.
fn whole(tensors: &mut BTreeMap<String, Tensor>, name: &str) -> Result<Option<Tensor>, String> {
    match tensors.remove(name) {
        None => Ok(None),
        Some(tensor) if matches!(tensor.kind(), Kind::Int64 | Kind::Int) => {
            Ok(Some(tensor.to_kind(Kind::Int64)))
        }
        Some(tensor) => Err(format!(
            "`{name}` holds {:?}; expected whole numbers (int64)",
            tensor.kind()
        )),
    }
}

/// The rows of `sequences` [B, L] without padding.
fn histories(sequences: &Tensor, sizes: Sizes, maxlen: usize) -> Result<Histories, String> {
    if sequences.dim() != 2 || sequences.size()[0] == 0 {
        return Err(format!(
            "`sequences` has shape {:?}; expected [sequences, slots], with 0 for padding",
            sequences.size()
        ));
    }
    let rows = Vec::<Vec<i64>>::try_from(sequences).map_err(|error| error.to_string())?;
    let mut histories = Histories {
        users: (0..rows.len() as u32).collect(),
        offsets: vec![0],
        items: Vec::new(),
    };
    for (place, row) in rows.iter().enumerate() {
        let items: Vec<i64> = row.iter().copied().filter(|&item| item != 0).collect();
        if items.len() > maxlen && maxlen > 0 {
            return Err(format!(
                "sequence {place} has {} items; the model reads {maxlen}",
                items.len()
            ));
        }
        for item in items {
            let row = u32::try_from(item)
                .ok()
                .filter(|&row| u64::from(row) <= sizes.items)
                .ok_or_else(|| {
                    format!(
                        "sequence {place} holds item {item}; the table has the rows 1 to {}",
                        sizes.items
                    )
                })?;
            histories.items.push(row);
        }
        histories.offsets.push(histories.items.len() as u32);
    }
    Ok(histories)
}

/// The histories of these users, where the file names them.
fn with_users(
    mut histories: Histories,
    users: Option<Tensor>,
    sizes: Sizes,
) -> Result<Histories, String> {
    let Some(users) = users else {
        return Ok(histories);
    };
    let users = Vec::<i64>::try_from(&users).map_err(|error| error.to_string())?;
    let known = users
        .iter()
        .all(|&user| (0..sizes.users as i64).contains(&user));
    if users.len() != histories.len() || !known {
        return Err(format!(
            "`users` must hold {} rows from 0 to {}",
            histories.len(),
            sizes.users.saturating_sub(1)
        ));
    }
    histories.users = users.into_iter().map(|user| user as u32).collect();
    Ok(histories)
}

/// The largest difference of two matrices; `None` for empty ones.
fn difference(what: &'static str, expected: &Tensor, found: &Tensor) -> Option<Difference> {
    let [expected, found] =
        [expected, found].map(|tensor| tensor.to_device(Device::Cpu).to_kind(Kind::Double));
    let apart = (&expected - &found).abs();
    if apart.numel() == 0 {
        return None;
    }
    // NaN is further away than any number.
    let apart = apart.nan_to_num(f64::INFINITY, f64::INFINITY, f64::INFINITY);
    let columns = apart.size()[1];
    let place = apart.flatten(0, 1).argmax(0, false).int64_value(&[]);
    let place = [place / columns, place % columns];
    let largest = expected.abs().max().double_value(&[]);
    Some(Difference {
        what,
        place,
        expected: expected.double_value(&place),
        found: found.double_value(&place),
        by: apart.double_value(&place),
        allowed: ALLOWED * largest.max(1.0),
    })
}

#[cfg(test)]
mod tests;
