//! Finds the tensors of PyTorch's `.bin` and `.pth` files and the positions of their bytes, without
//! executing code.
//!
//! Two forms are read: the zip container of PyTorch 1.6 and later, and the sequence of pickles of
//! earlier versions. A pickle is read as data: a few names of tensor types are known, and any other
//! name is refused.
//!
//! [`tensors`] takes the bytes of a file, for example memory-mapped ones, and returns views into
//! them.

#![warn(missing_docs)]

mod pickle;

use std::collections::HashMap;
use std::io::Cursor;
use std::ops::Range;

use zip::{CompressionMethod, ZipArchive};

use pickle::Pickle;
pub use pickle::{PickleError, Storage, View};

/// The error of a file that is refused.
#[derive(Debug, thiserror::Error)]
pub enum TorchFileError {
    /// The pickle is refused.
    #[error(transparent)]
    Pickle(#[from] PickleError),
    /// The container is damaged, or was written by another program.
    #[error("{reason}; fetch it again")]
    Damaged {
        /// What is wrong.
        reason: String,
    },
}

/// Pickle of the number 0x1950a86a20f9469cfc6c, with which the older form begins.
const MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// A tensor in the file: its name, its view of a storage, and the byte range of the storage.
pub type Stored = (String, View, Range<usize>);

/// The tensors of the file with the bytes `map`. Every view lies within its storage, and every
/// storage within the file.
///
/// # Errors
/// When the file is damaged or contains anything but tensors.
pub fn tensors(map: &[u8]) -> Result<Vec<Stored>, TorchFileError> {
    if map.starts_with(MAGIC) {
        return older(map);
    }
    zipped(map)
}

fn zipped(map: &[u8]) -> Result<Vec<Stored>, TorchFileError> {
    let archive = ZipArchive::new(Cursor::new(map));
    let mut archive =
        archive.map_err(|error| damaged(format!("not a complete zip file: {error}")))?;
    let names = archive.file_names().filter_map(Result::ok);
    let folder = names
        .filter_map(|name| name.strip_suffix("data.pkl").map(str::to_owned))
        .next();
    let folder = folder.ok_or_else(|| damaged("a zip file without `data.pkl`".to_owned()))?;
    let mut part = |name: String| -> Result<Range<usize>, TorchFileError> {
        let lost = |reason: String| damaged(format!("part `{name}`: {reason}"));
        let file = archive
            .by_name(&name)
            .map_err(|error| lost(error.to_string()))?;
        if file.compression() != CompressionMethod::Stored {
            return Err(lost(
                "it is compressed, which PyTorch never does".to_owned(),
            ));
        }
        let start = file
            .data_start()
            .and_then(|start| usize::try_from(start).ok());
        let size = usize::try_from(file.size()).ok();
        let range = start
            .zip(size)
            .and_then(|(start, size)| Some(start..start.checked_add(size)?));
        let range = range.filter(|range| range.end <= map.len());
        range.ok_or_else(|| lost("it reaches past the file's end".to_owned()))
    };
    if let Ok(order) = part(format!("{folder}byteorder"))
        && &map[order.clone()] != b"little"
    {
        return Err(damaged("numbers in big-endian order".to_owned()));
    }
    let pickle = Pickle::read(&map[part(format!("{folder}data.pkl"))?])?;
    let mut found = Vec::new();
    for (name, view) in pickle.tensors()? {
        let bytes = part(format!("{folder}data/{}", view.storage.key))?;
        found.push(stored(name, view, bytes)?);
    }
    Ok(found)
}

/// Reads the older form: magic number, protocol, facts about the machine, the table of tensors and
/// the names of storages. Size and bytes of each storage follow.
fn older(map: &[u8]) -> Result<Vec<Stored>, TorchFileError> {
    let mut at = MAGIC.len();
    for _ in 0..2 {
        at += Pickle::read(&map[at..])?.length;
    }
    let table = Pickle::read(&map[at..])?;
    at += table.length;
    let names = Pickle::read(&map[at..])?;
    at += names.length;
    let keys = names
        .texts()
        .ok_or_else(|| damaged("no list of storages".to_owned()))?;
    let tensors = table.tensors()?;
    let sizes: HashMap<&str, usize> = tensors
        .iter()
        .map(|(_, view)| {
            let size = view
                .storage
                .kind
                .as_ref()
                .map_or(0, |kind| kind.bitsize() / 8);
            (view.storage.key.as_str(), size)
        })
        .collect();
    let mut places = HashMap::new();
    for key in keys {
        let size = sizes.get(key).copied().filter(|&size| size > 0);
        let size = size.ok_or_else(|| damaged(format!("no tensor uses storage `{key}`")))?;
        let end = |from: usize, length: Option<usize>| {
            let to = length.and_then(|length| from.checked_add(length));
            let to = to.filter(|&to| to <= map.len());
            to.ok_or_else(|| damaged(format!("storage `{key}` reaches past the file's end")))
        };
        let start = end(at, Some(8))?;
        let count = u64::from_le_bytes(map[at..start].try_into().expect("eight bytes"));
        let length = usize::try_from(count)
            .ok()
            .and_then(|count| count.checked_mul(size));
        at = end(start, length)?;
        places.insert(key, start..at);
    }
    let place = |(name, view): (&str, &View)| {
        let key = view.storage.key.as_str();
        let bytes = places.get(key).cloned();
        stored(
            name,
            view,
            bytes.ok_or_else(|| damaged(format!("no storage `{key}`")))?,
        )
    };
    tensors.into_iter().map(place).collect()
}

/// Checks that a view lies within the bytes of its storage.
fn stored(name: &str, view: &View, bytes: Range<usize>) -> Result<Stored, TorchFileError> {
    if let Ok(kind) = view.storage.kind {
        let expected = (view.storage.count as usize).checked_mul(kind.bitsize() / 8);
        if expected != Some(bytes.len()) {
            let (count, length) = (view.storage.count, bytes.len());
            let reason = format!("tensor `{name}`: {length} bytes for {count} numbers of {kind:?}");
            return Err(damaged(reason));
        }
    }
    if !lies_within(view) {
        return Err(damaged(format!("tensor `{name}` reaches past its storage")));
    }
    Ok((name.to_owned(), view.clone(), bytes))
}

/// Whether all elements of the view are in the storage, and there are no more of them than in the
/// storage.
fn lies_within(view: &View) -> bool {
    if view.shape.len() != view.strides.len() || view.offset < 0 {
        return false;
    }
    let count = view
        .shape
        .iter()
        .try_fold(1i64, |count, &size| count.checked_mul(size));
    let pairs = view.shape.iter().zip(&view.strides);
    let last = pairs
        .filter(|(size, _)| **size > 0)
        .try_fold(view.offset, |last, (&size, &stride)| {
            last.checked_add((size - 1).checked_mul(stride)?)
        });
    match (count, last) {
        (Some(0), Some(_)) => true,
        (Some(count), Some(last)) => count <= view.storage.count && last < view.storage.count,
        _ => false,
    }
}

fn damaged(reason: String) -> TorchFileError {
    TorchFileError::Damaged { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_past_its_storage_is_refused() {
        let storage = Storage {
            kind: Ok(safetensors::Dtype::F32),
            key: "0".to_owned(),
            count: 6,
        };
        let within = |offset, shape: &[i64], strides: &[i64]| {
            lies_within(&View {
                storage: storage.clone(),
                offset,
                shape: shape.to_vec(),
                strides: strides.to_vec(),
            })
        };
        assert!(within(0, &[2, 3], &[3, 1]) && within(0, &[3, 2], &[1, 3]) && within(5, &[], &[]));
        assert!(within(0, &[0, 9], &[9, 1]));
        assert!(!within(1, &[2, 3], &[3, 1]) && !within(6, &[], &[]) && !within(-1, &[1], &[1]));
        assert!(!within(0, &[i64::MAX, 3], &[1, 1]) && !within(0, &[2], &[i64::MAX]));
        assert!(!within(0, &[1 << 40], &[0]) && !within(0, &[2], &[]));
    }
}
