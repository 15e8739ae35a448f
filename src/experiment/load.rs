//! Loads a file with flags: a checked spec, or all faults.

use std::path::{Path, PathBuf};

use layered_toml::place::{FILE, Place, Sources};
use layered_toml::written::{Node, Value, parse};
use layered_toml::{Fault, Faults, Reading, Resolved};

use super::checked::Checked;
use super::folder::{self, Flagged};
use super::format::FORMAT;
use super::{Spec, check, declared, labels, search};

/// Reads an experiment file, with the values of `--set path.to.key=value` flags over it.
///
/// # Errors
/// Every fault of the file and the flags.
pub fn load(path: &Path, overrides: &[String]) -> Result<Checked, Faults> {
    let text = read(path)?;
    if parse(&text, FILE).is_ok_and(|tree| tree.get("suite_version").is_some()) {
        let name = path.display().to_string();
        let fault = Fault::of_file("is a suite of experiments, expected one experiment");
        let hint = format!("`allround reproduce {name}` runs it, and `--dry-run` shows its plan");
        let sources = Sources::of_file(&name, "");
        return Err(Faults::new(sources, vec![fault.hint(hint)]));
    }
    let base = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => PathBuf::from("."),
    };
    let place = folder::below_experiments(path);
    load_placed(
        &path.display().to_string(),
        &text,
        &base,
        place.as_deref(),
        overrides,
    )
}

/// [`load`] for a text. `name` is the file name in messages, and paths are relative to `base`.
///
/// # Errors
/// See [`load`].
pub fn load_text(
    name: &str,
    text: &str,
    base: &Path,
    overrides: &[String],
) -> Result<Checked, Faults> {
    load_placed(name, text, base, None, overrides)
}

/// [`load_text`] of a file whose results go to `place` below the folder of results.
fn load_placed(
    name: &str,
    text: &str,
    base: &Path,
    place: Option<&str>,
    overrides: &[String],
) -> Result<Checked, Faults> {
    let loaded = load_with(name, text, base, overrides)?;
    let folder = folder::name(&loaded.flagged, place, overrides, &|flags| {
        Some(load_with(name, text, base, flags).ok()?.flagged)
    });
    Ok(Checked::new(loaded, base, folder))
}

/// A file without faults.
pub(super) struct Loaded {
    /// The resolved values as text, with their origins.
    pub(super) resolved: Resolved,
    /// The spec.
    pub(super) flagged: Flagged,
    /// What was written, strongest first.
    pub(super) layers: Vec<Node>,
}

fn load_with(name: &str, text: &str, base: &Path, flags: &[String]) -> Result<Loaded, Faults> {
    let mut reading = FORMAT.read(name, text, flags)?;
    mark_expected(&mut reading.tree);
    declared::fill(&mut reading.tree, reading.layers.last());
    search::read_spaces(&mut reading);
    let spec: Spec = reading.value()?;
    labels::check(&mut reading);
    let Reading {
        tree,
        layers,
        faults,
        ..
    } = &mut reading;
    check::meaning(&spec, tree, layers, base, faults);
    let flagged = Flagged {
        spec,
        layers: layers[..flags.len()].to_vec(),
    };
    let layers = layers.clone();
    let resolved = reading.finish()?;
    Ok(Loaded {
        resolved,
        flagged,
        layers,
    })
}

/// Marks every expected value as not comparable with the results of a profile, unless the file
/// gives another reason.
fn mark_expected(tree: &mut Node) {
    let profile = tree.get("profile").and_then(Node::text).unwrap_or_default();
    if profile.is_empty() {
        return;
    }
    let reason = format!("run with profile `{profile}`, which changes data or models");
    let Value::Table(sections) = &mut tree.value else {
        return;
    };
    let expected = sections.get_mut("expected");
    if let Some(Value::List(values)) = expected.map(|entry| &mut entry.node.value) {
        values.iter_mut().for_each(|value| mark(value, &reason));
    }
    let published = sections.get_mut("published");
    if let Some(Value::Table(tables)) = published.map(|entry| &mut entry.node.value) {
        let tables = tables.iter_mut();
        tables.for_each(|(_, table)| mark(&mut table.node, &reason));
    }
}

/// Sets the reason why a value is not comparable, where the file gives none.
fn mark(value: &mut Node, reason: &str) {
    if let Value::Table(fields) = &mut value.value
        && let Some(entry) = fields.get_mut("not_comparable")
        && entry.node.text() == Some("")
    {
        entry.node.value = Value::Text(reason.to_owned());
    }
}

/// Reads the resolved spec of a results folder. It has every value, so no defaults are added.
///
/// # Errors
/// When the file cannot be read, is not a resolved spec of this version, or has a name that cannot
/// be a file name.
pub fn load_resolved(path: &Path) -> Result<Spec, Faults> {
    let text = read(path)?;
    resolved_from_text(&path.display().to_string(), &text)
}

/// [`load_resolved`] for a text.
pub(super) fn resolved_from_text(name: &str, text: &str) -> Result<Spec, Faults> {
    let sources = Sources::of_file(name, text);
    let mut faults = Vec::new();
    match (toml::from_str::<Spec>(text), parse(text, FILE)) {
        (Ok(spec), Ok(tree)) => {
            faults.extend(FORMAT.fault_of_version(&tree));
            check::names(&spec, &tree, &mut faults);
            if faults.is_empty() {
                return Ok(spec);
            }
        }
        (Err(error), _) => faults.push(not_resolved(&error)),
        (Ok(_), Err(mut wrong)) => faults.append(&mut wrong),
    }
    Err(Faults::new(sources, faults))
}

fn not_resolved(error: &toml::de::Error) -> Fault {
    let span = error.span().unwrap_or(0..0);
    let place = Place {
        source: FILE,
        start: span.start,
        end: span.end,
    };
    let hint = "the file was written by another version of allround: run the experiment again, or use the commit in `machine.toml`; the numbers are in the CSV files next to it";
    Fault::at(place, format!("not a resolved spec: {}", error.message())).hint(hint)
}

/// Most bytes of an experiment file.
const MOST: u64 = 16 << 20;

fn read(path: &Path) -> Result<String, Faults> {
    let name = path.display().to_string();
    let whole = |fault: Fault| Faults::new(Sources::of_file(&name, ""), vec![fault]);
    if path.is_dir() {
        let hint = "name the experiment file in it, such as `quickstart.toml`";
        return Err(whole(
            Fault::of_file("is a folder, expected a TOML file").hint(hint),
        ));
    }
    if !path.exists() {
        let hint = "experiment files are in `experiments/`, named `*.toml`";
        return Err(whole(Fault::of_file("file not found").hint(hint)));
    }
    let bytes = allround_core::fs::read_at_most(path, MOST).map_err(|error| {
        whole(Fault::of_file(error.to_string()).maybe_hint(error.hint().map(str::to_owned)))
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let byte = error.as_bytes()[at];
        let place = Place {
            source: FILE,
            start: at,
            end: at + '\u{FFFD}'.len_utf8(),
        };
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        let message = format!("not UTF-8: byte 0x{byte:02X} at offset {at}");
        let fault = Fault::at(place, message)
            .label("expected UTF-8")
            .hint("save the file as UTF-8");
        Faults::new(Sources::of_file(&name, &text), vec![fault])
    })
}
