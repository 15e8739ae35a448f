//! Tables of item vectors: the frozen CF model's own, and the codes of all items that stage 1
//! leaves for stage 2.

use std::path::Path;

use tch::{Device, Tensor};

use crate::models::Backbone;
use crate::models::weights::{self, WeightsError};

/// The file.
pub const TABLES: &str = "tables.safetensors";

/// A copy of the CF model's item table [V + 1, D]; row 0 is zero, which not every CF model's
/// padding is.
pub fn frozen_rows(backbone: &dyn Backbone) -> Tensor {
    tch::no_grad(|| {
        let table = backbone.item_table().copy();
        let _ = table.get(0).zero_();
        table
    })
}

/// Codes by item number, row 0 zero.
#[derive(Debug)]
pub struct Tables {
    /// From the CF model's item table, [V + 1, J]: the paper's e.
    pub joint: Tensor,
    /// From the items' texts, [V + 1, J]: the paper's q.
    pub text: Tensor,
}

impl Tables {
    /// Writes the codes into `folder`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), WeightsError> {
        let named = [("joint", &self.joint), ("text", &self.text)];
        let named = named.map(|(name, table)| (name.to_owned(), table.shallow_clone()));
        weights::write(&folder.join(TABLES), &named)
    }

    /// The codes in `folder`.
    ///
    /// # Errors
    /// When the file is missing or damaged.
    pub fn load(folder: &Path, device: Device) -> Result<Self, WeightsError> {
        let mut tensors = weights::read_tensors(&folder.join(TABLES))?;
        let found = tensors.keys().cloned().collect::<Vec<_>>().join(", ");
        let mut take = |name: &str| {
            let table = tensors.remove(name).map(|table| table.to_device(device));
            table.ok_or_else(|| WeightsError::Missing {
                name: name.to_owned(),
                found: found.clone(),
            })
        };
        Ok(Self {
            joint: take("joint")?,
            text: take("text")?,
        })
    }
}
