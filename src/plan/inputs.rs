//! Input files in keys: their contents count, where they lie does not.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::{Digester, PlanError};
use crate::digest::Key;
use crate::spec::Spec;
use crate::spec::config::dataset::Source;

/// Digests of the input files of every data set, by data set and path.
///
/// # Errors
/// When a file cannot be digested; the error names the data set and the file.
pub fn digests(
    spec: &Spec,
    digest: &mut Digester<'_>,
) -> Result<BTreeMap<String, BTreeMap<String, Key>>, PlanError> {
    let mut all = BTreeMap::new();
    for (name, dataset) in &spec.dataset {
        let mut found = BTreeMap::new();
        for path in input_files(&dataset.source) {
            let key = digest(&path).map_err(|source| PlanError::Input {
                dataset: name.clone(),
                source,
            })?;
            found.insert(path, key);
        }
        all.insert(name.clone(), found);
    }
    Ok(all)
}

/// `settings` as JSON in which the path of an input file is replaced by its digest, and a folder of input files by the
/// names and digests of those in it: a file that moves changes nothing, a file whose contents change does.
pub fn without_paths(settings: &impl Serialize, inputs: &BTreeMap<String, Key>) -> Value {
    let mut value = serde_json::to_value(settings).expect("settings are plain data");
    if !inputs.is_empty() {
        replace(&mut value, inputs);
    }
    value
}

fn replace(value: &mut Value, inputs: &BTreeMap<String, Key>) {
    match value {
        Value::String(text) => {
            if let Some(known) = digest_of(text, inputs) {
                *value = known;
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| replace(value, inputs)),
        Value::Object(fields) => fields.values_mut().for_each(|value| replace(value, inputs)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn digest_of(text: &str, inputs: &BTreeMap<String, Key>) -> Option<Value> {
    if let Some(key) = inputs.get(text) {
        return Some(Value::String(key.to_string()));
    }
    let folder = format!("{}/", text.trim_end_matches('/'));
    let inside = inputs.iter().filter_map(|(path, key)| {
        let name = path.strip_prefix(&folder)?;
        Some((name.to_owned(), Value::String(key.to_string())))
    });
    let inside: serde_json::Map<String, Value> = inside.collect();
    (!text.is_empty() && !inside.is_empty()).then_some(Value::Object(inside))
}

/// The files that a source reads, as written in the spec.
fn input_files(source: &Source) -> Vec<String> {
    let paths = match source {
        Source::Amazon(files) => vec![&files.reviews, &files.metadata],
        Source::Movielens(files) => vec![&files.folder],
        Source::Atomic(files) => vec![&files.inter, &files.item, &files.item_index],
        Source::Sequences(files) => vec![&files.path],
        Source::Csv(files) => vec![&files.interactions, &files.items],
        Source::Synthetic(_) => Vec::new(),
    };
    let given = paths.into_iter().filter(|path| !path.is_empty());
    given.cloned().collect()
}
