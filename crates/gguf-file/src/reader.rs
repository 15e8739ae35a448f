//! The layout of a file: header, metadata, list of tensors, and where their bytes are.
//!
//! Format: `docs/gguf.md` of ggml, versions 2 and 3. No number of the file is believed: a length is
//! compared with the bytes that are left before anything is allocated or skipped.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::value::{Kind, List, Value};
use crate::{Fault, TensorType};

/// Lists in lists beyond this depth are refused.
const MOST_DEPTH: usize = 4;
/// Most dimensions of a tensor, as in ggml.
const MOST_DIMENSIONS: u32 = 4;
/// Where tensors begin without `general.alignment`: at multiples of this.
const ALIGNMENT: u64 = 32;

/// A tensor in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// How its numbers are stored.
    pub kind: TensorType,
    /// Sizes, rows first: out x in for a linear layer.
    pub shape: Vec<usize>,
    /// Where its bytes are in the file.
    pub bytes: Range<usize>,
}

/// What a file holds.
#[derive(Debug)]
pub(crate) struct Contents<'a> {
    pub version: u32,
    pub metadata: BTreeMap<&'a str, Value<'a>>,
    pub tensors: BTreeMap<&'a str, TensorInfo>,
}

/// A place in the file.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The part that is read, for messages.
    part: String,
}

impl<'a> Reader<'a> {
    fn truncated(&self, needed: u64) -> Fault {
        Fault::Truncated {
            part: self.part.clone(),
            needed,
            at: self.at as u64,
            size: self.bytes.len() as u64,
        }
    }

    fn damaged(&self, reason: String) -> Fault {
        Fault::Damaged {
            part: self.part.clone(),
            reason,
        }
    }

    /// The next `length` bytes.
    fn take(&mut self, length: u64) -> Result<&'a [u8], Fault> {
        let rest = &self.bytes[self.at..];
        let taken = usize::try_from(length)
            .ok()
            .and_then(|length| rest.get(..length));
        let taken = taken.ok_or_else(|| self.truncated(length))?;
        self.at += taken.len();
        Ok(taken)
    }

    fn array<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], Fault> {
        let taken = self.take(LENGTH as u64)?.first_chunk();
        taken.copied().ok_or_else(|| self.truncated(LENGTH as u64))
    }

    fn u32(&mut self) -> Result<u32, Fault> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Fault> {
        self.array().map(u64::from_le_bytes)
    }

    /// A count of entries that take at least `least` bytes each.
    fn count(&mut self, least: usize) -> Result<usize, Fault> {
        let count = self.u64()?;
        let needed = count.saturating_mul(least as u64);
        if needed > (self.bytes.len() - self.at) as u64 {
            return Err(self.truncated(needed));
        }
        usize::try_from(count).map_err(|_| self.truncated(needed))
    }

    fn text(&mut self) -> Result<&'a str, Fault> {
        let length = self.u64()?;
        let at = self.at;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes)
            .map_err(|_| self.damaged(format!("the text at byte {at} is not UTF-8")))
    }

    fn kind(&mut self) -> Result<Kind, Fault> {
        let number = self.u32()?;
        let kind = Kind::from_number(number);
        kind.ok_or_else(|| self.damaged(format!("value type {number} does not exist")))
    }

    fn value(&mut self, kind: Kind, depth: usize) -> Result<Value<'a>, Fault> {
        match kind {
            Kind::Text => self.text().map(Value::Text),
            Kind::List => self.list(depth).map(Value::List),
            Kind::U8
            | Kind::I8
            | Kind::U16
            | Kind::I16
            | Kind::U32
            | Kind::I32
            | Kind::F32
            | Kind::Bool
            | Kind::U64
            | Kind::I64
            | Kind::F64 => {
                let bytes = self.take(kind.least_bytes() as u64)?;
                let value = kind.scalar(bytes);
                value.ok_or_else(|| {
                    self.damaged(format!("a truth value is {}, not 0 or 1", bytes[0]))
                })
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<List<'a>, Fault> {
        if depth == MOST_DEPTH {
            return Err(self.damaged(format!("it has lists within {MOST_DEPTH} lists")));
        }
        let kind = self.kind()?;
        let count = self.count(kind.least_bytes())?;
        let start = self.at;
        match kind {
            Kind::Text | Kind::List | Kind::Bool => {
                for _ in 0..count {
                    self.value(kind, depth + 1)?;
                }
            }
            Kind::U8
            | Kind::I8
            | Kind::U16
            | Kind::I16
            | Kind::U32
            | Kind::I32
            | Kind::F32
            | Kind::U64
            | Kind::I64
            | Kind::F64 => {
                self.take(count as u64 * kind.least_bytes() as u64)?;
            }
        }
        Ok(List {
            kind,
            count,
            bytes: &self.bytes[start..self.at],
        })
    }

    fn metadata(&mut self, count: usize) -> Result<BTreeMap<&'a str, Value<'a>>, Fault> {
        let mut metadata = BTreeMap::new();
        for number in 1..=count {
            self.part = format!("entry {number} of {count} of the metadata");
            let key = self.text()?;
            self.part = format!("metadata key `{}`", key.escape_debug());
            let kind = self.kind()?;
            let value = self.value(kind, 0)?;
            if metadata.insert(key, value).is_some() {
                return Err(Fault::Twice {
                    kind: "metadata key",
                    name: key.to_owned(),
                });
            }
        }
        Ok(metadata)
    }

    /// Name, type and sizes of a tensor, and where its bytes begin after the first tensor's.
    fn tensor(&mut self) -> Result<(&'a str, TensorInfo, u64), Fault> {
        let name = self.text()?;
        self.part = format!("the entry of tensor `{}`", name.escape_debug());
        let dimensions = self.u32()?;
        if !(1..=MOST_DIMENSIONS).contains(&dimensions) {
            return Err(self.damaged(format!(
                "it has {dimensions} dimensions; expected 1 to {MOST_DIMENSIONS}"
            )));
        }
        let mut shape = Vec::new();
        for _ in 0..dimensions {
            let size = self.u64()?;
            let known = usize::try_from(size).ok().filter(|&size| size > 0);
            shape.push(known.ok_or_else(|| self.damaged(format!("a dimension has size {size}")))?);
        }
        let kind = TensorType::from_number(self.u32()?).map_err(|found| Fault::TensorType {
            tensor: name.escape_debug().to_string(),
            found,
        })?;
        let offset = self.u64()?;
        if !shape[0].is_multiple_of(kind.block_size()) {
            return Err(self.damaged(format!(
                "its rows have {} values, which are not whole blocks of {} as {kind:?} has them",
                shape[0],
                kind.block_size()
            )));
        }
        let count = shape
            .iter()
            .try_fold(1usize, |count, &size| count.checked_mul(size));
        let length =
            count.and_then(|count| (count / kind.block_size()).checked_mul(kind.block_bytes()));
        let length = length.ok_or_else(|| self.damaged(format!("its sizes are {shape:?}")))?;
        // The file has the size of a row first.
        shape.reverse();
        let info = TensorInfo {
            kind,
            shape,
            bytes: 0..length,
        };
        Ok((name, info, offset))
    }

    /// The list of tensors; offsets follow each other without gaps, as ggml requires.
    fn tensors(
        &mut self,
        count: usize,
        alignment: u64,
    ) -> Result<BTreeMap<&'a str, TensorInfo>, Fault> {
        let mut tensors = Vec::new();
        let mut expected = 0;
        for number in 1..=count {
            self.part = format!("entry {number} of {count} of the list of tensors");
            let (name, info, offset) = self.tensor()?;
            if offset != expected {
                return Err(self.damaged(format!("its offset is {offset}; expected {expected}")));
            }
            let length = info.bytes.len() as u64;
            let end = offset
                .checked_add(length)
                .and_then(|end| end.checked_next_multiple_of(alignment));
            expected = end.ok_or_else(|| self.truncated(length))?;
            tensors.push((name, info, offset));
        }
        let start = (self.at as u64).next_multiple_of(alignment);
        let mut known = BTreeMap::new();
        for (name, mut info, offset) in tensors {
            self.part = format!("tensor `{}`", name.escape_debug());
            let place = usize::try_from(start.saturating_add(offset));
            self.at = place.map_err(|_| self.truncated(info.bytes.len() as u64))?;
            let end = self.at.checked_add(info.bytes.len());
            let end = end.filter(|&end| end <= self.bytes.len());
            let end = end.ok_or_else(|| self.truncated(info.bytes.len() as u64))?;
            info.bytes = self.at..end;
            if known.insert(name, info).is_some() {
                return Err(Fault::Twice {
                    kind: "tensor",
                    name: name.escape_debug().to_string(),
                });
            }
        }
        Ok(known)
    }
}

/// Reads everything but the tensors' numbers.
pub(crate) fn read(bytes: &[u8]) -> Result<Contents<'_>, Fault> {
    if !bytes.starts_with(b"GGUF") {
        let found = match bytes.get(..4) {
            Some(first) => format!("`{}`", first.escape_ascii()),
            None => format!("nothing more than {} bytes", bytes.len()),
        };
        return Err(Fault::NotGguf { found });
    }
    let mut reader = Reader {
        bytes,
        at: 4,
        part: "its header".to_owned(),
    };
    let version = reader.u32()?;
    if !(2..=3).contains(&version) {
        return Err(match (2..=3).contains(&version.swap_bytes()) {
            true => Fault::BigEndian,
            false => Fault::Version { version },
        });
    }
    // A tensor's entry has at least name, dimensions, one size, type and offset.
    let tensors = reader.count(8 + 4 + 8 + 4 + 8)?;
    let entries = reader.count(8 + 4 + 1)?;
    let metadata = reader.metadata(entries)?;
    let alignment = alignment(metadata.get("general.alignment"))?;
    Ok(Contents {
        version,
        tensors: reader.tensors(tensors, alignment)?,
        metadata,
    })
}

fn alignment(value: Option<&Value>) -> Result<u64, Fault> {
    let Some(value) = value else {
        return Ok(ALIGNMENT);
    };
    let known = value.as_u64();
    let known = known.filter(|number| number.is_power_of_two() && *number <= 1 << 20);
    known.ok_or_else(|| Fault::Key {
        key: "general.alignment".to_owned(),
        found: value.shown(),
        expected: "a power of two up to 1048576".to_owned(),
    })
}
