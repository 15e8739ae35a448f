//! A trained model as a folder: `model.json` says which net, `weights.safetensors` holds it under
//! upstream names.

use std::path::Path;

use allround_core::data::Prepared;
use allround_core::fs::{self, FsError};
use allround_core::models::Model;
use serde::{Deserialize, Serialize};
use tch::Device;

use super::weights::{self, WeightsError};
use super::{Backbone, Fresh, Scorer, Sizes};

/// The weights' file.
pub const WEIGHTS: &str = "weights.safetensors";
/// The description's file.
pub const DESCRIPTION: &str = "model.json";

/// Which net the weights belong to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// The model's configuration.
    pub model: Model,
    /// Rows of its tables.
    pub sizes: Sizes,
}

/// Why a trained model cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ArtefactError {
    /// A file cannot be read or written.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The weights do not fit.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The description is not ours.
    #[error("`{path}` describes no model: {source}")]
    Description {
        /// The file.
        path: String,
        /// What the reader says.
        source: serde_json::Error,
    },
    /// A counting model has no states, or the tensors are another kind's.
    #[error("`{path}` holds a `{kind}` model, which {lacks}")]
    Kind {
        /// The folder.
        path: String,
        /// The kind found.
        kind: &'static str,
        /// What it lacks.
        lacks: &'static str,
    },
}

/// Writes the model that `description` describes into `folder`.
///
/// # Errors
/// When a file cannot be written.
pub fn save(
    folder: &Path,
    description: &Description,
    model: &dyn Scorer,
) -> Result<(), ArtefactError> {
    weights::write(&folder.join(WEIGHTS), &model.weights())?;
    let text = serde_json::to_vec_pretty(description).expect("a configuration is plain data");
    Ok(fs::write_atomic(&folder.join(DESCRIPTION), &text)?)
}

/// The description in `folder`.
///
/// # Errors
/// When it cannot be read.
pub fn describe(folder: &Path) -> Result<Description, ArtefactError> {
    let path = folder.join(DESCRIPTION);
    serde_json::from_str(&fs::read_to_string(&path)?).map_err(|source| ArtefactError::Description {
        path: path.display().to_string(),
        source,
    })
}

/// `prepared` with the rows that the tables of the model in `folder` have. A model that reads texts
/// has one for every item, also where other models' items share rows.
///
/// # Errors
/// When the description cannot be read.
pub fn with_rows(folder: &Path, prepared: Prepared) -> Result<Prepared, ArtefactError> {
    match describe(folder)?.model.texts() {
        Some(_) => Ok(prepared.with_a_row_for_each_item()),
        None => Ok(prepared),
    }
}

/// The model in `folder`, ready to score on `device`.
///
/// # Errors
/// When a file cannot be read or does not fit.
pub fn load(folder: &Path, device: Device) -> Result<Box<dyn Scorer>, ArtefactError> {
    let Description { model, sizes } = describe(folder)?;
    let lacks = |lacks| ArtefactError::Kind {
        path: folder.display().to_string(),
        kind: model.kind(),
        lacks,
    };
    let tensors = weights::read_tensors(&folder.join(WEIGHTS))?;
    if let Some(net) = super::loaded(&model, sizes, &tensors, device)? {
        return Ok(net);
    }
    let cf_kind = model.cf_kind().ok_or_else(|| lacks("is not a CF model"))?;
    match super::fresh(cf_kind, sizes, device) {
        Fresh::Network(net) => Ok(net),
        Fresh::Counts(counting) => counting.from_tensors(&tensors, device).map_err(lacks),
    }
}

/// The trained model in `folder` with its user states and item table, frozen, on `device`.
///
/// # Errors
/// As [`load`], and when the folder holds a counting model, which has no states.
pub fn load_backbone(folder: &Path, device: Device) -> Result<Box<dyn Backbone>, ArtefactError> {
    let Description { model, sizes } = describe(folder)?;
    let tensors = weights::read_tensors(&folder.join(WEIGHTS))?;
    let net = super::loaded(&model, sizes, &tensors, device)?;
    let net = net.ok_or_else(|| ArtefactError::Kind {
        path: folder.display().to_string(),
        kind: model.kind(),
        lacks: "has no states of users and so cannot be a backbone",
    })?;
    for (_, weight) in net.trained() {
        let _ = weight.set_requires_grad(false);
    }
    Ok(net)
}
