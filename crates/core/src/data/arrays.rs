//! Named arrays in one safetensors file, the format of all numeric artefacts in this module.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use super::DataError;
use crate::fs;

/// A one-dimensional array to write, in little-endian order.
#[derive(Clone, Copy, Debug)]
pub enum Array<'a> {
    /// 32-bit unsigned.
    U32(&'a [u32]),
    /// 64-bit unsigned.
    U64(&'a [u64]),
    /// Double precision.
    F64(&'a [f64]),
    /// Truth values, one byte each.
    Bool(&'a [bool]),
}

/// Writes `arrays` and the metadata `notes` to `path`.
///
/// # Errors
/// When the file cannot be written.
pub fn save(
    path: &Path,
    arrays: &[(&str, Array<'_>)],
    notes: HashMap<String, String>,
) -> Result<(), DataError> {
    let bytes: Vec<(Dtype, usize, Vec<u8>)> = arrays
        .iter()
        .map(|(_, array)| match array {
            Array::U32(values) => {
                let bytes = values.iter().flat_map(|value| value.to_le_bytes());
                (Dtype::U32, values.len(), bytes.collect())
            }
            Array::U64(values) => {
                let bytes = values.iter().flat_map(|value| value.to_le_bytes());
                (Dtype::U64, values.len(), bytes.collect())
            }
            Array::F64(values) => {
                let bytes = values.iter().flat_map(|value| value.to_le_bytes());
                (Dtype::F64, values.len(), bytes.collect())
            }
            Array::Bool(values) => {
                let bytes = values.iter().map(|&value| u8::from(value));
                (Dtype::U8, values.len(), bytes.collect())
            }
        })
        .collect();
    let views = arrays
        .iter()
        .zip(&bytes)
        .map(|((name, _), (kind, n, bytes))| {
            TensorView::new(*kind, vec![*n], bytes).map(|view| (*name, view))
        });
    let file = views
        .collect::<Result<Vec<_>, _>>()
        .and_then(|views| serialize(views, Some(notes)))
        .map_err(|error| DataError::new(error.to_string()).at(path))?;
    Ok(fs::write_atomic(path, &file)?)
}

/// A file of arrays, in memory.
#[derive(Debug)]
pub struct Arrays {
    path: std::path::PathBuf,
    bytes: Vec<u8>,
}

impl Arrays {
    /// Reads `path`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn load(path: &Path) -> Result<Self, DataError> {
        Ok(Self {
            path: path.to_owned(),
            bytes: fs::read(path)?,
        })
    }

    fn damaged(&self, why: impl std::fmt::Display) -> DataError {
        DataError::new(format!("the file is damaged: {why}"))
            .at(&self.path)
            .hint("remove the artefact; it is made again by the next run")
    }

    fn raw(&self, name: &str, kind: Dtype) -> Result<Vec<u8>, DataError> {
        let file = SafeTensors::deserialize(&self.bytes).map_err(|error| self.damaged(error))?;
        let view = file.tensor(name).map_err(|error| self.damaged(error))?;
        if view.dtype() != kind {
            return Err(self.damaged(format!("`{name}` has another type")));
        }
        Ok(view.data().to_vec())
    }

    /// The 32-bit array `name`.
    ///
    /// # Errors
    /// When it is missing or has another type, or the file is damaged.
    pub fn u32(&self, name: &str) -> Result<Vec<u32>, DataError> {
        let bytes = self.raw(name, Dtype::U32)?;
        let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("chunks of four"));
        Ok(bytes.chunks_exact(4).map(word).collect())
    }

    /// The 64-bit array `name`.
    ///
    /// # Errors
    /// As for [`Arrays::u32`].
    pub fn u64(&self, name: &str) -> Result<Vec<u64>, DataError> {
        let bytes = self.raw(name, Dtype::U64)?;
        let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("chunks of eight"));
        Ok(bytes.chunks_exact(8).map(word).collect())
    }

    /// The array `name` of double precision.
    ///
    /// # Errors
    /// As for [`Arrays::u32`].
    pub fn f64(&self, name: &str) -> Result<Vec<f64>, DataError> {
        let bytes = self.raw(name, Dtype::F64)?;
        let word = |bytes: &[u8]| f64::from_le_bytes(bytes.try_into().expect("chunks of eight"));
        Ok(bytes.chunks_exact(8).map(word).collect())
    }

    /// The truth values `name`.
    ///
    /// # Errors
    /// As for [`Arrays::u32`].
    pub fn bools(&self, name: &str) -> Result<Vec<bool>, DataError> {
        Ok(self
            .raw(name, Dtype::U8)?
            .iter()
            .map(|&byte| byte != 0)
            .collect())
    }

    /// The metadata entry `name`.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn note(&self, name: &str) -> Result<Option<String>, DataError> {
        let (_, header) =
            SafeTensors::read_metadata(&self.bytes).map_err(|error| self.damaged(error))?;
        let notes = header.metadata().as_ref();
        Ok(notes.and_then(|notes| notes.get(name).cloned()))
    }
}
