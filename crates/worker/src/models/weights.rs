//! Weights as safetensors under their upstream names: what a PyTorch user can load, and what is
//! read back.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use allround_core::fs::{self, FsError};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use tch::{Device, Kind, Tensor};

/// Numbers in `named` tensors, summed: the parameter count of a model.
pub fn count(named: &[(String, Tensor)]) -> u64 {
    named.iter().map(|(_, tensor)| tensor.numel() as u64).sum()
}

/// Why weights cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The file cannot be read or written.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The bytes are not a whole safetensors file.
    #[error("`{path}` is not a whole safetensors file: {source}")]
    Format {
        /// The file.
        path: String,
        /// What the reader says.
        source: safetensors::SafeTensorError,
    },
    /// A tensor has a number type that no model uses.
    #[error(
        "`{path}`: tensor `{name}` holds `{dtype}`; expected F32, BF16, F16, F64, I64, I32 or BOOL"
    )]
    Dtype {
        /// The file.
        path: String,
        /// The tensor.
        name: String,
        /// Its type.
        dtype: String,
    },
    /// The model has a weight that the file lacks.
    #[error("no tensor `{name}` among the weights; they hold {found}")]
    Missing {
        /// The weight.
        name: String,
        /// Names that are there.
        found: String,
    },
    /// A weight has another shape.
    #[error("tensor `{name}` has shape {found:?}; expected {expected:?}")]
    Shape {
        /// The weight.
        name: String,
        /// Shape in the file.
        found: Vec<i64>,
        /// Shape in the model.
        expected: Vec<i64>,
    },
}

fn dtype_of(kind: Kind) -> Dtype {
    match kind {
        Kind::Float => Dtype::F32,
        Kind::BFloat16 => Dtype::BF16,
        Kind::Half => Dtype::F16,
        Kind::Double => Dtype::F64,
        Kind::Int64 => Dtype::I64,
        Kind::Int => Dtype::I32,
        Kind::Bool => Dtype::BOOL,
        other => unreachable!("no model holds {other:?}"),
    }
}

fn kind_of(dtype: Dtype) -> Option<Kind> {
    match dtype {
        Dtype::F32 => Some(Kind::Float),
        Dtype::BF16 => Some(Kind::BFloat16),
        Dtype::F16 => Some(Kind::Half),
        Dtype::F64 => Some(Kind::Double),
        Dtype::I64 => Some(Kind::Int64),
        Dtype::I32 => Some(Kind::Int),
        Dtype::BOOL => Some(Kind::Bool),
        _ => None,
    }
}

fn bytes_of(tensor: &Tensor) -> Vec<u8> {
    let tensor = tensor.detach().to_device(Device::Cpu).contiguous();
    let mut bytes = vec![0; tensor.numel() * tensor.kind().elt_size_in_bytes()];
    tensor.copy_data_u8(&mut bytes, tensor.numel());
    bytes
}

/// `tensors` and `notes` (the file's metadata) as the bytes of a safetensors file, the same for the
/// same input.
///
/// # Panics
/// When two tensors have one name: models name theirs apart.
pub fn to_bytes(tensors: &[(String, Tensor)], notes: Option<HashMap<String, String>>) -> Vec<u8> {
    let data: Vec<(Vec<u8>, &(String, Tensor))> = tensors
        .iter()
        .map(|named| (bytes_of(&named.1), named))
        .collect();
    let views = data.iter().map(|(bytes, (name, tensor))| {
        let shape = tensor.size().iter().map(|&size| size as usize).collect();
        let view = TensorView::new(dtype_of(tensor.kind()), shape, bytes)
            .expect("the bytes are the tensor's own");
        (name.clone(), view)
    });
    safetensors::serialize(views, notes).expect("names differ")
}

/// Writes `tensors` to `path`, whole or not at all.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, tensors: &[(String, Tensor)]) -> Result<(), WeightsError> {
    Ok(fs::write_atomic(path, &to_bytes(tensors, None))?)
}

/// The tensors of the file at `path`, on the CPU, by name.
///
/// # Errors
/// When the file cannot be read, is damaged, or holds a number type that no model uses.
pub fn read_tensors(path: &Path) -> Result<BTreeMap<String, Tensor>, WeightsError> {
    Ok(read(path)?.0)
}

/// The tensors and the metadata of the file at `path`.
///
/// # Errors
/// As [`read_tensors`].
#[allow(clippy::type_complexity)]
pub fn read(
    path: &Path,
) -> Result<(BTreeMap<String, Tensor>, HashMap<String, String>), WeightsError> {
    let bytes = fs::read(path)?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|source| damaged(path, source))?;
    let notes = header.metadata().clone().unwrap_or_default();
    let file = parse(path, &bytes)?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.tensors() {
        let kind = kind_of(view.dtype()).ok_or_else(|| WeightsError::Dtype {
            path: path.display().to_string(),
            name: name.clone(),
            dtype: format!("{:?}", view.dtype()),
        })?;
        let shape: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
        tensors.insert(name, Tensor::from_data_size(view.data(), &shape, kind));
    }
    Ok((tensors, notes))
}

/// The header of `bytes`, the contents of the file at `path`, with views of its tensors.
///
/// # Errors
/// When the bytes are not a whole safetensors file.
pub(super) fn parse<'a>(path: &Path, bytes: &'a [u8]) -> Result<SafeTensors<'a>, WeightsError> {
    SafeTensors::deserialize(bytes).map_err(|source| damaged(path, source))
}

fn damaged(path: &Path, source: safetensors::SafeTensorError) -> WeightsError {
    WeightsError::Format {
        path: path.display().to_string(),
        source,
    }
}

/// Fills `weights` with the tensors of the same names: our own export, or an upstream's.
///
/// # Errors
/// When a name is missing or a shape differs; nothing is filled then.
pub fn fill(
    weights: &[(String, Tensor)],
    from: &BTreeMap<String, Tensor>,
) -> Result<(), WeightsError> {
    for (name, weight) in weights {
        let tensor = from.get(name).ok_or_else(|| WeightsError::Missing {
            name: name.clone(),
            found: from.keys().cloned().collect::<Vec<_>>().join(", "),
        })?;
        if tensor.size() != weight.size() {
            return Err(WeightsError::Shape {
                name: name.clone(),
                found: tensor.size(),
                expected: weight.size(),
            });
        }
    }
    tch::no_grad(|| {
        for (name, weight) in weights {
            weight.shallow_clone().copy_(&from[name]);
        }
    });
    Ok(())
}
