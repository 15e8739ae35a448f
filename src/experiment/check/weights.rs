//! Checks files of imported weights before training: format, names, number types and shapes, from
//! the header.
//!
//! The expected number of rows in tables of items and users is known once the data are prepared.
//! Here, tables of one file must have the same number.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use safetensors::tensor::{Dtype, Metadata, TensorInfo};

use super::Check;
use crate::experiment::fault::Fault;
use crate::experiment::place::Place;
use allround_core::fs;
use allround_core::models::weights::{Size, Weight};
use allround_core::models::{CfModel, Model};

/// Most bytes of a header: a thousand times that of the largest supported model.
const LONGEST_HEADER: u64 = 64 << 20;
/// Most names that one message lists.
const NAMED: usize = 4;

/// A fault of a file, and its hint.
struct Wrong {
    message: String,
    label: String,
    hint: String,
}

/// A table with the number of its rows in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRows {
    /// Name of the tensor.
    pub name: String,
    /// Whether the rows are items or users.
    pub size: Size,
    /// Number of rows.
    pub rows: usize,
}

/// Tables of items and users in the file of weights at `path`. A file that cannot be read has none;
/// the check of the experiment reports it.
pub fn table_rows(model: &Model, path: &Path) -> Vec<TableRows> {
    let Ok(header) = header(path, &path.display().to_string()) else {
        return Vec::new();
    };
    let expected = tensors(model).into_iter();
    let tables = expected.filter_map(|weight| {
        let size = *weight.shape.first().filter(|size| size.known().is_none())?;
        let rows = *header.info(&weight.name)?.shape.first()?;
        Some(TableRows {
            name: weight.name,
            size,
            rows,
        })
    });
    tables.collect()
}

fn tensors(model: &Model) -> Vec<Weight> {
    model.cf().map(CfModel::tensors).unwrap_or_default()
}

/// Checks the header of `file`, an existing path relative to `base`, against the weights of
/// `model`.
pub(super) fn file(check: &mut Check<'_>, model: &Model, place: Place, base: &Path, file: &str) {
    let wrong = match header(&base.join(file), file) {
        Ok(header) => differences(model, &header, file),
        Err(wrong) => vec![wrong],
    };
    for Wrong {
        message,
        label,
        hint,
    } in wrong
    {
        check.push(Fault::at(place, message).label(label).hint(hint));
    }
}

/// The header of a safetensors file, or why the file is not one.
fn header(path: &Path, file: &str) -> Result<Metadata, Wrong> {
    let unreadable = |error: fs::FsError| Wrong {
        message: error.to_string(),
        label: "cannot be read".to_owned(),
        hint: error.hint().unwrap_or("check its permissions").to_owned(),
    };
    let (start, length) = fs::beginning(path, 9).map_err(unreadable)?;
    let not_ours = |what: &str| Wrong {
        message: format!("`{file}` {what}"),
        label: "expected a safetensors file".to_owned(),
        hint: "write it with `safetensors.torch.save_file`; docs/WEIGHTS.md shows how".to_owned(),
    };
    // The length of the header, then the header in JSON.
    let count = match start.split_first_chunk::<8>() {
        Some((count, [b'{'])) => u64::from_le_bytes(*count),
        _ => {
            let wrong = pickled(&start, file);
            return Err(wrong.unwrap_or_else(|| not_ours("is not a safetensors file")));
        }
    };
    if count > LONGEST_HEADER || count >= length {
        return Err(not_ours("is not a whole safetensors file"));
    }
    let (bytes, _) = fs::beginning(path, 8 + count).map_err(unreadable)?;
    let header: Metadata = serde_json::from_slice(&bytes[8..])
        .map_err(|error| not_ours(&format!("is not a safetensors file: {error}")))?;
    let held = header
        .tensors()
        .values()
        .map(|info| info.data_offsets.1)
        .max();
    let whole = 8 + count + held.unwrap_or(0) as u64;
    match whole == length {
        true => Ok(header),
        false => Err(Wrong {
            hint: "copy it again".to_owned(),
            ..not_ours(&format!("has {length} bytes where its header says {whole}"))
        }),
    }
}

/// A file of `torch.save`: it begins as a zip archive, or in old versions as a pickle.
fn pickled(start: &[u8], file: &str) -> Option<Wrong> {
    let is_pickled = start.starts_with(b"PK\x03\x04") || start.starts_with(b"\x80");
    let stem = Path::new(file).with_extension("safetensors");
    is_pickled.then(|| Wrong {
        message: format!("`{file}` is written by `torch.save`"),
        label: "expected a safetensors file".to_owned(),
        hint: format!(
            "convert it in Python: `from safetensors.torch import save_file; state = torch.load({file:?}, map_location=\"cpu\"); \
             save_file({{name: tensor.float().contiguous() for name, tensor in state.items()}}, {:?})`; \
             where `state` is a whole model, use its `state_dict()`",
            stem.display().to_string()
        ),
    })
}

fn differences(model: &Model, header: &Metadata, file: &str) -> Vec<Wrong> {
    let held: BTreeMap<String, &TensorInfo> = header.tensors().into_iter().collect();
    let expected = tensors(model);
    if let Some(wrong) = names(model, &expected, &held, file) {
        return vec![wrong];
    }
    let mut wrong = Vec::new();
    for weight in &expected {
        let info = held[&weight.name];
        let name = &weight.name;
        if info.dtype != Dtype::F32 {
            wrong.push(Wrong {
                message: format!("`{file}`: tensor `{name}` holds {:?}", info.dtype),
                label: "expected F32".to_owned(),
                hint: "convert before saving: `{name: tensor.float() for name, tensor in model.state_dict().items()}`".to_owned(),
            });
        } else if let Some(hint) = shape(model, weight, &info.shape) {
            wrong.push(Wrong {
                message: format!("`{file}`: tensor `{name}` has shape {:?}", info.shape),
                label: format!("expected {}", words(&weight.shape)),
                hint,
            });
        }
    }
    wrong.extend(rows(&expected, &held, file));
    // One wrong setting changes many tensors, so only the first is reported.
    let mut said = BTreeSet::new();
    wrong.retain(|wrong| said.insert(wrong.hint.clone()));
    wrong
}

/// Missing and unknown names of a file.
fn names(
    model: &Model,
    expected: &[Weight],
    held: &BTreeMap<String, &TensorInfo>,
    file: &str,
) -> Option<Wrong> {
    let kind = model.kind();
    let is_expected = |name: &String| expected.iter().any(|weight| weight.name == *name);
    let missing: Vec<String> = expected
        .iter()
        .filter(|weight| !held.contains_key(&weight.name))
        .map(|weight| format!("`{}`", weight.name))
        .collect();
    let surplus: Vec<String> = held
        .keys()
        .filter(|name| !is_expected(name))
        .map(|name| format!("`{name}`"))
        .collect();
    let message = match (missing.is_empty(), surplus.is_empty()) {
        (true, true) => return None,
        (false, true) => format!("`{file}` lacks {}", listed(&missing)),
        (true, false) => format!(
            "`{file}` has tensors that no `{kind}` of these settings has: {}",
            listed(&surplus)
        ),
        (false, false) => format!(
            "`{file}` lacks {}; it has others: {}",
            listed(&missing),
            listed(&surplus)
        ),
    };
    Some(Wrong {
        message,
        label: format!("expected the {} tensors of `{kind}`", expected.len()),
        hint: about_names(model, held),
    })
}

/// The likely reason for wrong names.
fn about_names(model: &Model, held: &BTreeMap<String, &TensorInfo>) -> String {
    for prefix in ["module.", "model.", "_orig_mod."] {
        if held.keys().all(|name| name.starts_with(prefix)) {
            return format!(
                "every name begins with `{prefix}`, which a wrapper adds: save them with `name.removeprefix({prefix:?})`"
            );
        }
    }
    let names: BTreeSet<&str> = held.keys().map(String::as_str).collect();
    let change = model
        .cf()
        .and_then(|model| model.settings_for_names(&names));
    if let Some(change) = change {
        return change;
    }
    "docs/WEIGHTS.md lists every name; the number of layers follows from the model's settings"
        .to_owned()
}

/// A hint for a wrong shape; `None` if the shape is right.
fn shape(model: &Model, weight: &Weight, found: &[usize]) -> Option<String> {
    let known = |sizes: &[Size], found: &[usize]| {
        let fits = |(size, found): (&Size, &usize)| size.known().is_none_or(|size| size == *found);
        sizes.len() == found.len() && sizes.iter().zip(found).all(fits)
    };
    if known(&weight.shape, found) {
        return None;
    }
    let ones = weight
        .shape
        .iter()
        .filter(|size| **size == Size::Fixed(1))
        .count();
    let without: Vec<Size> = weight
        .shape
        .iter()
        .copied()
        .filter(|size| *size != Size::Fixed(1))
        .collect();
    if ones > 0 && known(&without, found) {
        return Some(match weight.shape.len() {
            3 => "this is a `torch.nn.Linear`; the network has a `torch.nn.Conv1d` of kernel 1, which is the same function: save `tensor.unsqueeze(-1)`".to_owned(),
            _ => "this is a `torch.nn.Conv1d`; the network has a `torch.nn.Conv2d` of height 1, which is the same function: save `tensor.unsqueeze(2)`".to_owned(),
        });
    }
    let squeezed: Vec<usize> = found.iter().copied().filter(|&size| size != 1).collect();
    if ones == 0 && found.len() == weight.shape.len() + 1 && known(&weight.shape, &squeezed) {
        return Some("this is a convolution of kernel 1; the network has a `torch.nn.Linear`, which is the same function: save `tensor.squeeze(-1)`".to_owned());
    }
    Some(by_settings(model, weight, found))
}

/// The setting that gives the shape in the file.
fn by_settings(model: &Model, weight: &Weight, found: &[usize]) -> String {
    let general = "the shape follows from the model's settings: give it those that the weights were trained with";
    if found.len() != weight.shape.len() {
        return general.to_owned();
    }
    let differing = weight.shape.iter().zip(found);
    let Some((size, &found)) = differing
        .clone()
        .find(|(size, found)| size.known().is_some_and(|size| size != **found))
    else {
        return general.to_owned();
    };
    let Size::Setting {
        name,
        value,
        times,
        plus,
    } = *size
    else {
        return general.to_owned();
    };
    if let Some(change) = model
        .cf()
        .and_then(|model| model.settings_for_size(name, found))
    {
        return change;
    }
    match found.checked_sub(plus).filter(|rest| rest % times == 0) {
        Some(rest) if rest > 0 => format!(
            "`{name}` is {value} here, and the file was made with {}: write `{name} = {}`, or import the right file",
            rest / times,
            rest / times
        ),
        _ => general.to_owned(),
    }
}

/// Reports tables of items, or of users, with different numbers of rows.
fn rows(expected: &[Weight], held: &BTreeMap<String, &TensorInfo>, file: &str) -> Option<Wrong> {
    let mut first: Option<(&str, usize)> = None;
    let tables = expected
        .iter()
        .filter(|weight| weight.shape.first() == Some(&Size::Items));
    for weight in tables {
        let count = held[&weight.name].shape.first().copied().unwrap_or(0);
        match first {
            None => first = Some((&weight.name, count)),
            Some((name, other)) if other != count => {
                return Some(Wrong {
                    message: format!(
                        "`{file}`: `{name}` has {other} rows and `{}` has {count}",
                        weight.name
                    ),
                    label: "expected one number of rows: padding and every item".to_owned(),
                    hint: "row 0 of each is padding, row 1 the first item; docs/WEIGHTS.md shows how to write them".to_owned(),
                });
            }
            Some(_) => {}
        }
    }
    None
}

/// A shape as text, with `items + 1` and `users` for sizes that depend on the data.
fn words(shape: &[Size]) -> String {
    let one = |size: &Size| match size {
        Size::Items => "items + 1".to_owned(),
        Size::Users => "users".to_owned(),
        size => size
            .known()
            .map_or_else(String::new, |size| size.to_string()),
    };
    let all: Vec<String> = shape.iter().map(one).collect();
    format!("[{}]", all.join(", "))
}

/// The first few names, and the number of the others.
fn listed(all: &[String]) -> String {
    let text = all[..all.len().min(NAMED)].join(", ");
    match all.len().saturating_sub(NAMED) {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}
