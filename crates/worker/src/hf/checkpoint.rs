//! The tensors of a Hugging Face folder by name: `model.safetensors` or `pytorch_model.bin`, whole
//! or in shards with an index. `choice` says which of them are read.
//!
//! Files are mapped, not read: opening a checkpoint costs its headers, and a tensor costs its own
//! bytes.

mod choice;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use allround_core::fs::{self, FsError, Mapped};
use safetensors::tensor::{Dtype, SafeTensors};
use tch::{Device, Kind, Tensor};

use super::surplus::{listed, surplus};
use choice::Choice;
use torch_file::TorchFileError;

/// Why a checkpoint cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// A file cannot be read.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The folder holds no weights under a known name.
    #[error(
        "`{folder}` holds no weights; expected `model.safetensors` or `pytorch_model.bin`, or either with `.index.json`"
    )]
    NoWeights {
        /// The folder.
        folder: String,
    },
    /// The index cannot be used.
    #[error("`{path}` cannot be used as a shard index: {reason}")]
    Index {
        /// The index.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// A shard that the index names is not there.
    #[error(
        "shard `{shard}` is missing next to `{index}`, which names {count} shards; fetch it again"
    )]
    MissingShard {
        /// The shard.
        shard: String,
        /// The index.
        index: String,
        /// How many shards there should be.
        count: usize,
    },
    /// Two shards hold a tensor of the same name.
    #[error(
        "tensor `{name}` is in `{first}` and in `{second}`; take all shards from the same model"
    )]
    Twice {
        /// The tensor.
        name: String,
        /// The one shard.
        first: String,
        /// The other.
        second: String,
    },
    /// The bytes are not a whole safetensors file.
    #[error("`{path}` ({size} bytes) is not a whole safetensors file: {source}; fetch it again")]
    Safetensors {
        /// The file.
        path: String,
        /// Its size.
        size: usize,
        /// What the reader says.
        source: safetensors::SafeTensorError,
    },
    /// The file is not a whole file of PyTorch's, or holds more than tensors.
    #[error("`{path}` ({size} bytes): {source}")]
    TorchFile {
        /// The file.
        path: String,
        /// Its size.
        size: usize,
        /// What is wrong.
        source: TorchFileError,
    },
    /// A tensor has a number type that nothing here computes with.
    #[error(
        "`{path}`: tensor `{name}` holds `{dtype}`, which nothing here computes with; expected F32, F16, BF16, F64, I64, I32, U8 or BOOL"
    )]
    Dtype {
        /// The file.
        path: String,
        /// The tensor.
        name: String,
        /// Its type.
        dtype: String,
    },
    /// A tensor holds NaN or infinite values, which a net may swallow and answer nonsense.
    #[error(
        "`{path}`: tensor `{name}` holds {count} values that are NaN or infinite; fetch the file again, or use one whose training has not diverged"
    )]
    NotFinite {
        /// The file.
        path: String,
        /// The tensor.
        name: String,
        /// How many of its values.
        count: i64,
    },
    /// There is no tensor of that name.
    #[error(
        "`{folder}` has no tensor `{name}`; it holds {found}; take `config.json` and weights from the same model"
    )]
    Missing {
        /// The folder.
        folder: String,
        /// The tensor.
        name: String,
        /// Names that are there.
        found: String,
    },
    /// A tensor has another shape than the configuration says.
    #[error(
        "`{folder}`: tensor `{name}` has shape {found:?}; its `config.json` says {expected:?}; take both from the same model"
    )]
    Shape {
        /// The folder.
        folder: String,
        /// The tensor.
        name: String,
        /// Shape in the file.
        found: Vec<i64>,
        /// Expected shape.
        expected: Vec<i64>,
    },
    /// There are weights of the model's own that its configuration has no place for.
    #[error(
        "`{folder}` holds weights that its `config.json` leaves no place for: {names}; it says {said}; take both from the same model"
    )]
    Surplus {
        /// The folder.
        folder: String,
        /// Some of the weights.
        names: String,
        /// What the configuration says.
        said: String,
    },
}

/// Where a tensor lies.
#[derive(Debug)]
struct Entry {
    file: usize,
    /// Kind, or the name of a type that has none here.
    kind: Result<Kind, String>,
    shape: Vec<i64>,
    /// Its own bytes, or those of the storage that it views.
    bytes: Range<usize>,
    /// First number and strides of a view.
    view: Option<(i64, Vec<i64>)>,
}

impl Entry {
    /// The tensor, copied out of the mapped file.
    fn tensor(&self, map: &[u8], kind: Kind) -> Tensor {
        let Some((offset, strides)) = &self.view else {
            return Tensor::from_data_size(&map[self.bytes.clone()], &self.shape, kind);
        };
        if self.shape.contains(&0) {
            return Tensor::zeros(&self.shape, (kind, Device::Cpu));
        }
        // The reader has checked that every number lies within the storage.
        let pairs = self.shape.iter().zip(strides);
        let count: i64 = 1 + pairs.map(|(size, stride)| (size - 1) * stride).sum::<i64>();
        let width = kind.elt_size_in_bytes();
        let start = self.bytes.start + *offset as usize * width;
        let bytes = &map[start..start + count as usize * width];
        let numbers = Tensor::from_data_size(bytes, &[count], kind);
        numbers.as_strided(&self.shape, strides, 0).contiguous()
    }
}

#[derive(Debug)]
struct File {
    path: PathBuf,
    map: Mapped,
}

/// A folder's tensors by name.
#[derive(Debug)]
pub struct Checkpoint {
    folder: PathBuf,
    files: Vec<File>,
    entries: BTreeMap<String, Entry>,
    remarks: Vec<String>,
}

impl Checkpoint {
    /// Opens the weights of a Hugging Face folder in the order of transformers:
    /// `model.safetensors`, its index, `pytorch_model.bin`, its index.
    ///
    /// # Errors
    /// When there are none, a shard is missing, the index and its shards contradict each other, or
    /// a file is damaged.
    pub fn open(folder: &Path) -> Result<Self, CheckpointError> {
        let choice = Choice::of(folder)?;
        let mut checkpoint = Self::empty(folder);
        checkpoint.remarks = choice.remarks;
        for file in &choice.files {
            checkpoint.add(file)?;
        }
        if let Some(index) = &choice.index {
            index.check(|name| {
                let entry = checkpoint.entries.get(name)?;
                checkpoint.files[entry.file].path.file_name()?.to_str()
            })?;
        }
        Ok(checkpoint)
    }

    /// The tensors of one file, in either form.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn of_file(path: &Path) -> Result<Self, CheckpointError> {
        let mut checkpoint = Self::empty(path.parent().unwrap_or(path));
        checkpoint.add(path)?;
        Ok(checkpoint)
    }

    fn empty(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            files: Vec::new(),
            entries: BTreeMap::new(),
            remarks: Vec::new(),
        }
    }

    /// What belongs to every number made with these weights: files that contradict them and are
    /// ignored.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    fn add(&mut self, path: &Path) -> Result<(), CheckpointError> {
        let map = fs::map(path)?;
        let entries = if path.extension().is_some_and(|end| end == "safetensors") {
            safetensors(path, &map)?
        } else {
            let tensors = torch_file::tensors(&map);
            let tensors = tensors.map_err(|source| CheckpointError::TorchFile {
                path: path.display().to_string(),
                size: map.len(),
                source,
            })?;
            tensors.into_iter().map(viewed).collect()
        };
        for (name, mut entry) in entries {
            entry.file = self.files.len();
            if let Some(first) = self.entries.get(&name) {
                return Err(CheckpointError::Twice {
                    name,
                    first: self.files[first.file].path.display().to_string(),
                    second: path.display().to_string(),
                });
            }
            self.entries.insert(name, entry);
        }
        self.files.push(File {
            path: path.to_owned(),
            map,
        });
        Ok(())
    }

    /// Every tensor's name, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Whether there is a tensor of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// The tensor called `name`, on the CPU, in the file's own number type.
    ///
    /// # Errors
    /// When there is none, its number type is not supported, or a value is NaN or infinite.
    pub fn tensor(&self, name: &str) -> Result<Tensor, CheckpointError> {
        let entry = self.entry(name)?;
        let file = &self.files[entry.file];
        let kind = entry.kind.clone().map_err(|dtype| CheckpointError::Dtype {
            path: file.path.display().to_string(),
            name: name.to_owned(),
            dtype,
        })?;
        let tensor = entry.tensor(&file.map, kind);
        let finite = tensor.isfinite();
        if finite.all().int64_value(&[]) == 0 {
            return Err(CheckpointError::NotFinite {
                path: file.path.display().to_string(),
                name: name.to_owned(),
                count: finite.logical_not().sum(Kind::Int64).int64_value(&[]),
            });
        }
        Ok(tensor)
    }

    /// The tensor called `name`, which must have the shape that the configuration says.
    ///
    /// # Errors
    /// As [`Checkpoint::tensor`], and when the shape differs.
    pub fn shaped(&self, name: &str, expected: &[i64]) -> Result<Tensor, CheckpointError> {
        let found = &self.entry(name)?.shape;
        if found != expected {
            return Err(CheckpointError::Shape {
                folder: self.folder(),
                name: name.to_owned(),
                found: found.clone(),
                expected: expected.to_vec(),
            });
        }
        self.tensor(name)
    }

    /// Refuses weights whose names begin as the model's `own` and that it has not `taken`; `said`
    /// is what the configuration says.
    ///
    /// # Errors
    /// When there are any.
    pub fn check_all_taken(
        &self,
        own: &[&str],
        taken: impl Fn(&str) -> bool,
        said: impl FnOnce() -> String,
    ) -> Result<(), CheckpointError> {
        let Some(names) = surplus(self.names(), own, taken) else {
            return Ok(());
        };
        Err(CheckpointError::Surplus {
            folder: self.folder(),
            names,
            said: said(),
        })
    }

    /// The folder, for errors.
    pub fn folder(&self) -> String {
        self.folder.display().to_string()
    }

    fn entry(&self, name: &str) -> Result<&Entry, CheckpointError> {
        self.entries
            .get(name)
            .ok_or_else(|| CheckpointError::Missing {
                folder: self.folder(),
                name: name.to_owned(),
                found: self.told(name),
            })
    }

    /// Names for an error: those that end like `name` first.
    fn told(&self, name: &str) -> String {
        let end = name.rsplit('.').take(2).collect::<Vec<_>>();
        let alike = |other: &&str| other.rsplit('.').take(2).eq(end.iter().copied());
        let mut names: Vec<&str> = self.names().filter(alike).collect();
        names.extend(self.names().filter(|other| !alike(other)));
        listed(&names)
    }
}

/// The tensors of a safetensors file.
fn safetensors(path: &Path, map: &[u8]) -> Result<Vec<(String, Entry)>, CheckpointError> {
    let wrong = |source| CheckpointError::Safetensors {
        path: path.display().to_string(),
        size: map.len(),
        source,
    };
    let (header, metadata) = SafeTensors::read_metadata(map).map_err(wrong)?;
    // Eight bytes of the header's length are before it.
    let start = 8 + header;
    let entry = |(name, info): (String, &safetensors::tensor::TensorInfo)| {
        let (from, to) = info.data_offsets;
        let entry = Entry {
            file: 0,
            kind: kind_of(info.dtype).ok_or_else(|| format!("{:?}", info.dtype)),
            shape: info.shape.iter().map(|&size| size as i64).collect(),
            bytes: start + from..start + to,
            view: None,
        };
        (name, entry)
    };
    Ok(metadata.tensors().into_iter().map(entry).collect())
}

/// A tensor of a PyTorch file.
fn viewed((name, view, bytes): torch_file::Stored) -> (String, Entry) {
    let entry = Entry {
        file: 0,
        kind: view
            .storage
            .kind
            .and_then(|dtype| kind_of(dtype).ok_or_else(|| format!("{dtype:?}"))),
        shape: view.shape,
        bytes,
        view: Some((view.offset, view.strides)),
    };
    (name, entry)
}

fn kind_of(dtype: Dtype) -> Option<Kind> {
    match dtype {
        Dtype::F32 => Some(Kind::Float),
        Dtype::F16 => Some(Kind::Half),
        Dtype::BF16 => Some(Kind::BFloat16),
        Dtype::F64 => Some(Kind::Double),
        Dtype::I64 => Some(Kind::Int64),
        Dtype::I32 => Some(Kind::Int),
        Dtype::U8 => Some(Kind::Uint8),
        Dtype::BOOL => Some(Kind::Bool),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
