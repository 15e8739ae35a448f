//! Weights from somebody else's training: everything is checked, and a fault names the tensor and
//! the way out.
//!
//! `docs/WEIGHTS.md` has names and shapes, and how to write such a file with PyTorch.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use allround_core::digest::{self, Key};
use allround_core::fs::{self, FsError};
use allround_core::models::Model;
use allround_core::models::weights::Size;
use safetensors::tensor::{Dtype, SafeTensors};
use tch::{Kind, Tensor};

use super::weights::{self, WeightsError};

/// Most tensors that one error names.
const NAMED: usize = 4;

/// A file of weights that is to be imported.
#[derive(Clone, Copy, Debug)]
pub struct Import<'a> {
    /// The file.
    pub path: &'a Path,
    /// Its digest when the experiment was planned: what the artefact is kept under.
    pub planned: Key,
    /// The model, whose tensors the file must hold.
    pub model: &'a Model,
    /// Folder of the prepared data set, whose files list the rows of the tables.
    pub prepared: &'a Path,
}

/// Why weights cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The file is damaged, or no safetensors file at all.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The file is not the one that the plan was made for.
    #[error("`{path}` has changed since the experiment was planned")]
    Changed {
        /// The file.
        path: String,
    },
    /// The model has tensors that the file lacks.
    #[error("`{path}` lacks tensors that a `{kind}` of these settings has: {missing}{}", besides(.found))]
    Missing {
        /// The file.
        path: String,
        /// Kind of the model.
        kind: &'static str,
        /// What is missing, with expected shapes.
        missing: String,
        /// What the model does not know, with shapes; empty where there is no such tensor.
        found: String,
    },
    /// The file has tensors that the model lacks.
    #[error("`{path}` has tensors that are not part of a `{kind}` with these settings: {found}")]
    Surplus {
        /// The file.
        path: String,
        /// Kind of the model.
        kind: &'static str,
        /// What the model does not know, with shapes.
        found: String,
    },
    /// A tensor is not of 32-bit floating-point numbers.
    #[error("`{path}`: tensor `{name}` holds {dtype}; expected F32")]
    Dtype {
        /// The file.
        path: String,
        /// The tensor.
        name: String,
        /// Its number type.
        dtype: String,
    },
    /// A tensor has another shape.
    #[error("`{path}`: tensor `{name}` has shape {found:?}; expected {expected:?}")]
    Shape {
        /// The file.
        path: String,
        /// The tensor.
        name: String,
        /// What its rows are.
        rows: Option<Box<Size>>,
        /// Its shape.
        found: Vec<i64>,
        /// Shape in the model.
        expected: Box<[i64]>,
        /// Folder of the prepared data set.
        prepared: PathBuf,
    },
    /// A tensor holds NaN or infinity.
    #[error(
        "`{path}`: tensor `{name}` of shape {shape:?} holds NaN or infinity, first at {place:?}"
    )]
    NotFinite {
        /// The file.
        path: String,
        /// The tensor.
        name: String,
        /// Its shape.
        shape: Vec<i64>,
        /// Where the first such number is.
        place: Vec<i64>,
    },
}

fn besides(found: &str) -> String {
    match found {
        "" => String::new(),
        found => format!("; it holds others: {found}"),
    }
}

impl ImportError {
    /// What to do.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Fs(error) => return error.hint().map(str::to_owned),
            Self::Weights(_) => {
                "write it with `safetensors.torch.save_file`; where it was copied, copy it again"
            }
            Self::Changed { .. } => "run the experiment again, which plans with the file as it is",
            Self::Missing { .. } => {
                "docs/WEIGHTS.md lists every name and shape; how many layers there are follows from the model's settings"
            }
            Self::Surplus { .. } => {
                "leave them out when saving, or give the model the settings that the weights were trained with"
            }
            Self::Dtype { .. } => {
                "convert before saving: `{name: tensor.float() for name, tensor in model.state_dict().items()}`"
            }
            Self::Shape { .. } => return Some(self.about_shape()),
            Self::NotFinite { .. } => {
                "its training has diverged: train it again with a lower learning rate"
            }
        };
        Some(text.to_owned())
    }

    /// What the rows of a table are, where there are too many or too few; else that the settings
    /// decide.
    fn about_shape(&self) -> String {
        let Self::Shape {
            rows,
            found,
            expected,
            prepared,
            ..
        } = self
        else {
            return String::new();
        };
        let same_width = found.get(1..) == expected.get(1..);
        let file = |name: &str| prepared.join(name).display().to_string();
        match rows.as_deref().filter(|_| same_width) {
            Some(Size::Items) => format!(
                "row 0 is padding, and the other {} are the items of `{}` in its order; filters, scenarios and `--limit` decide which these are",
                expected[0] - 1,
                file("items.csv")
            ),
            Some(Size::Users) => format!(
                "the {} rows are the users of `{}` in its order; filters, scenarios and `--limit` decide which these are",
                expected[0],
                file("users.csv")
            ),
            Some(Size::Fixed(_) | Size::Setting { .. }) | None => "the shape follows from the model's settings: give it those that the weights were trained with"
                .to_owned(),
        }
    }
}

impl Import<'_> {
    /// Fills `weights`, all the tensors of a net by upstream name, with those of the file.
    ///
    /// # Errors
    /// When the file is not what was planned with, or does not fit in every respect; nothing is
    /// filled then.
    pub fn fill(&self, weights: &[(String, Tensor)]) -> Result<(), ImportError> {
        let bytes = fs::read(self.path)?;
        let path = self.path.display().to_string();
        if digest::of_bytes(&bytes) != self.planned {
            return Err(ImportError::Changed { path });
        }
        let file = weights::parse(self.path, &bytes)?;
        self.check_names(&file, weights)?;
        let mut tensors = BTreeMap::new();
        for (name, weight) in weights {
            tensors.insert(name.clone(), self.tensor(&file, name, &weight.size())?);
        }
        Ok(weights::fill(weights, &tensors)?)
    }

    /// What the rows of the tensor `name` are, by the model's own list of tensors.
    fn rows(&self, name: &str) -> Option<Size> {
        let tensors = self.model.cf()?.tensors();
        let tensor = tensors.iter().find(|tensor| tensor.name == name)?;
        tensor.shape.first().copied()
    }

    /// The file must hold the tensors of the net and no others.
    fn check_names(
        &self,
        file: &SafeTensors<'_>,
        weights: &[(String, Tensor)],
    ) -> Result<(), ImportError> {
        let (path, kind) = (self.path.display().to_string(), self.model.kind());
        let missing = weights
            .iter()
            .filter(|(name, _)| file.tensor(name).is_err());
        let missing = listed(missing.map(|(name, weight)| format!("`{name}` {:?}", weight.size())));
        let mut all = file.tensors();
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        let known = |name: &String| weights.iter().any(|(other, _)| other == name);
        let surplus = all.iter().filter(|(name, _)| !known(name));
        let found = listed(surplus.map(|(name, view)| format!("`{name}` {:?}", view.shape())));
        match (missing.is_empty(), found.is_empty()) {
            (true, true) => Ok(()),
            (true, false) => Err(ImportError::Surplus { path, kind, found }),
            (false, _) => Err(ImportError::Missing {
                path,
                kind,
                missing,
                found,
            }),
        }
    }

    /// The tensor `name`, which is there, on the CPU.
    fn tensor(
        &self,
        file: &SafeTensors<'_>,
        name: &str,
        expected: &[i64],
    ) -> Result<Tensor, ImportError> {
        let (path, name) = (self.path.display().to_string(), name.to_owned());
        let view = file.tensor(&name).expect("names were checked");
        let shape: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
        if view.dtype() != Dtype::F32 {
            let dtype = format!("{:?}", view.dtype());
            return Err(ImportError::Dtype { path, name, dtype });
        }
        if shape != expected {
            let rows = self.rows(&name).map(Box::new);
            return Err(ImportError::Shape {
                path,
                name,
                rows,
                found: shape,
                expected: expected.into(),
                prepared: self.prepared.to_owned(),
            });
        }
        let tensor = Tensor::from_data_size(view.data(), &shape, Kind::Float);
        let wrong = tensor.isfinite().logical_not().nonzero();
        if wrong.size()[0] > 0 {
            let place = Vec::try_from(wrong.get(0)).expect("places are whole numbers");
            return Err(ImportError::NotFinite {
                path,
                name,
                shape,
                place,
            });
        }
        Ok(tensor)
    }
}

/// The first of many in words; empty for none.
fn listed(all: impl Iterator<Item = String>) -> String {
    let all: Vec<String> = all.collect();
    let text = all[..all.len().min(NAMED)].join(", ");
    match all.len().checked_sub(NAMED) {
        None | Some(0) => text,
        Some(more) => format!("{text} and {more} more"),
    }
}

#[cfg(test)]
mod tests;
