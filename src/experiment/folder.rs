//! The name of an experiment's results folder.
//!
//! Runs with changed values never replace the results of the file itself. With `--set`, `--seed`,
//! `--device`, `--limit` or a profile, a run has its own folder. Its name depends on the changed
//! values and not on how flags are written, so the same run uses the same folder.

use allround_core::digest;
use layered_toml::resolved::toml_value;
use layered_toml::written::{Node, Value};

use std::path::Path;

use super::Spec;
use super::config::Alone;

/// Most bytes of a name: file systems allow 255, and lock files and temporary names need some.
const MOST: usize = 200;

/// Most bytes of the readable part of changed values.
const MOST_READABLE: usize = 80;

/// A value that flags change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
struct Change {
    /// Keys from the top of the file.
    path: Vec<String>,
    /// The value as TOML.
    value: String,
}

/// A spec with the layers of its flags.
pub(super) struct Flagged {
    /// The resolved spec.
    pub(super) spec: Spec,
    /// What each flag sets, with kinds written in full.
    pub(super) layers: Vec<Node>,
}

/// Loads the same file with other flags; `None` if it then has faults.
type Reload<'a> = &'a dyn Fn(&[String]) -> Option<Flagged>;

/// The folder of a spec that was loaded with `flags`.
///
/// `own` is the place of the file below a folder `experiments`, without its extension, or the
/// experiment's name.
pub(super) fn name(
    loaded: &Flagged,
    own: Option<&str>,
    flags: &[String],
    reload: Reload<'_>,
) -> String {
    let spec = &loaded.spec;
    // A name given by a flag is where the user wants the results.
    let is_name = |change: &Change| change.path == ["name"];
    let is_named = written(&loaded.layers).iter().any(is_name);
    let own = own.filter(|_| !is_named);
    let (above, own) = match own.and_then(|own| own.rsplit_once('/')) {
        Some((above, own)) => (format!("{above}/"), own),
        None => (String::new(), own.unwrap_or(&spec.name)),
    };
    let mut parts = vec![own.to_owned()];
    if !spec.profile.is_empty() {
        parts.push(spec.profile.clone());
    }
    if !is_named {
        parts.extend(ending(spec, changes(loaded, flags, reload)));
    }
    if spec.run.limit > 0 {
        parts.push(format!("limit-{}", spec.run.limit));
    }
    format!("{above}{}", bounded(parts.join("-")))
}

/// Whether `name` looks like a suffix that this program appends to the name of a folder.
pub(super) fn is_reserved(name: &str) -> bool {
    ["cpu", "cuda"].contains(&name)
        || ["limit-", "seeds-", "with-"]
            .iter()
            .any(|start| name.starts_with(start))
}

/// Path of a file below a folder `experiments`, without its extension. Results mirror that folder.
/// `None` elsewhere, and if a part of the path is not a plain name.
pub(super) fn below_experiments(path: &Path) -> Option<String> {
    let absolute = std::path::absolute(path).ok()?;
    let parts: Option<Vec<&str>> = absolute.iter().map(|part| part.to_str()).collect();
    let parts = parts?;
    let folder = parts.iter().rposition(|part| *part == "experiments")?;
    let place = parts[folder + 1..].join("/");
    let place = place.strip_suffix(".toml")?;
    let is_plain = |part: &str| part == readable(part) && !part.starts_with('.');
    place.split('/').all(is_plain).then(|| place.to_owned())
}

/// The values that flags change, each once, sorted by key. Flags that change no result are left
/// out.
fn changes(loaded: &Flagged, flags: &[String], reload: Reload<'_>) -> Vec<Change> {
    let mut kept: Vec<String> = flags.to_vec();
    let mut changes = written(&loaded.layers);
    let mut at = 0;
    while at < kept.len() {
        let mut others = kept.clone();
        others.remove(at);
        match reload(&others).filter(|other| is_same_run(&other.spec, &loaded.spec)) {
            Some(other) => {
                kept = others;
                changes = written(&other.layers);
            }
            None => at += 1,
        }
    }
    changes.sort();
    changes.dedup();
    // These are separate parts of the name.
    changes.retain(|change| change.path != ["profile"] && change.path != ["run", "limit"]);
    changes
}

/// The values that flags set.
fn written(layers: &[Node]) -> Vec<Change> {
    let mut changes = Vec::new();
    for layer in layers {
        leaves(layer, &mut Vec::new(), &mut changes);
    }
    changes
}

/// Whether two specs give the same results in the same folder.
fn is_same_run(one: &Spec, other: &Spec) -> bool {
    let plain = |spec: &Spec| {
        let mut spec = spec.clone();
        spec.run.retries = 0;
        spec.run.on = None;
        spec.run.checkpoint_every = 1;
        spec.run.checkpoint_minutes = 1.0;
        spec.run.alone = Alone::All(false);
        spec.run.device = device_kind(&spec).to_owned();
        spec.labels.clear();
        let (matrix, report) = (&mut spec.matrix, &mut spec.report);
        for names in [
            &mut matrix.dataset,
            &mut matrix.model,
            &mut matrix.scenario,
            &mut report.figures,
            &mut report.tables,
        ] {
            names.sort();
        }
        spec
    };
    plain(one) == plain(other)
}

/// `cpu` or `cuda`: the part of the device that the keys of stages depend on.
fn device_kind(spec: &Spec) -> &str {
    spec.run.device.split(':').next().unwrap_or_default()
}

fn leaves(node: &Node, path: &mut Vec<String>, changes: &mut Vec<Change>) {
    match &node.value {
        Value::Table(table) if !table.is_empty() => {
            for (key, entry) in table {
                path.push(key.clone());
                leaves(&entry.node, path, changes);
                path.pop();
            }
        }
        _ => changes.push(Change {
            path: path.clone(),
            value: toml_value(node).to_string(),
        }),
    }
}

/// The parts of the name for changed values.
fn ending(spec: &Spec, changes: Vec<Change>) -> Vec<String> {
    let mut parts = Vec::new();
    let mut others = Vec::new();
    for change in changes {
        match change.path.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["run", "device"] => parts.push(device_kind(spec).to_owned()),
            ["seeds"] if spec.seeds.len() <= 8 => {
                let seeds: Vec<String> = spec.seeds.iter().map(u64::to_string).collect();
                parts.push(format!("seeds-{}", seeds.join("-")));
            }
            _ => others.push(change),
        }
    }
    if !others.is_empty() {
        let readable: Vec<String> = others
            .iter()
            .map(|change| readable(&format!("{}-{}", change.path.join("."), change.value)))
            .collect();
        // All characters are ASCII.
        let mut readable = readable.join("-");
        readable.truncate(MOST_READABLE);
        let digest = digest::of_value(&others).to_string();
        parts.push(format!(
            "with-{}-{}",
            readable.trim_end_matches(['-', '.']),
            &digest[..8]
        ));
    }
    parts
}

/// The text with each run of characters other than those of names and `.` replaced by `-`.
fn readable(text: &str) -> String {
    let is_plain = |letter: &char| letter.is_ascii_alphanumeric() || "._-".contains(*letter);
    let mut name = String::new();
    for letter in text.chars() {
        match is_plain(&letter) {
            true => name.push(letter),
            false if name.ends_with('-') => {}
            false => name.push('-'),
        }
    }
    name.trim_matches('-').to_owned()
}

/// A name of at most [`MOST`] bytes; a longer one is cut and ends in its digest.
fn bounded(mut name: String) -> String {
    if name.len() > MOST {
        let digest = digest::of_bytes(name.as_bytes()).to_string();
        name.truncate(MOST - 9);
        name = format!("{name}-{}", &digest[..8]);
    }
    name
}
