//! From a file and flags to a checked spec, or to every fault in them.

use std::path::{Path, PathBuf};

use super::checked::{Checked, to_json};
use super::defaults::Defaults;
use super::fault::{Fault, Faults};
use super::place::{FILE, Place, Sources};
use super::resolve::Resolver;
use super::shape::SPEC;
use super::structure::Structure;
use super::written::{Node, Value, parse};
use super::{Spec, check, folder, overrides, variant};

/// Reads an experiment file, with the values of `--set path.to.key=value` flags over it.
///
/// # Errors
/// Every fault of the file and the flags, none of which has then had any effect.
pub fn load(path: &Path, overrides: &[String]) -> Result<Checked, Faults> {
    let text = read(path)?;
    let base = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => PathBuf::from("."),
    };
    load_text(&path.display().to_string(), &text, &base, overrides)
}

/// [`load`] for a text that is at hand; `name` is what messages call it, `base` the folder that its paths start from.
///
/// # Errors
/// See [`load`].
pub fn load_text(
    name: &str,
    text: &str,
    base: &Path,
    overrides: &[String],
) -> Result<Checked, Faults> {
    let load = |flags: &[String]| check_text(name, text, base, flags);
    let mut checked = load(overrides)?;
    checked.folder = folder::name(&checked.spec, overrides, &|flags| {
        load(flags).ok().map(|checked| checked.spec)
    });
    Ok(checked)
}

fn check_text(
    name: &str,
    text: &str,
    base: &Path,
    overrides: &[String],
) -> Result<Checked, Faults> {
    let mut sources = Sources::new(name, text);
    let mut faults = Vec::new();
    let mut layers = match read_layers(text, overrides, &mut sources) {
        Ok(layers) => layers,
        Err(faults) => return Err(Faults::new(sources, faults)),
    };
    overrides::apply_profile(&mut layers, &mut faults);
    let defaults = Defaults::built_in();
    let mut structure = Structure::new(defaults, &mut faults).in_layers(&layers);
    let mut right: Vec<Node> = layers
        .iter()
        .filter_map(|layer| structure.table(&SPEC, layer, ""))
        .collect();
    overrides::check_names(&right, &mut faults);
    variant::check_keys(&mut right, &mut faults);
    let written: Vec<&Node> = right.iter().collect();
    let mut tree = Resolver::new(defaults, &mut faults).spec(&SPEC, &written);
    variant::resolve(&mut tree, &written, &mut faults);
    fill_missing(&mut tree, &mut faults);
    overrides::mark_expected(&mut tree);
    let spec: Spec = match serde_json::from_value(to_json(&tree)) {
        Ok(spec) => spec,
        Err(error) => {
            if faults.is_empty() {
                faults.push(Fault::of_file(format!("the spec cannot be read: {error}")));
            }
            return Err(Faults::new(sources, faults));
        }
    };
    check::meaning(&spec, &tree, &layers, base, &mut faults);
    if faults.is_empty() {
        return Ok(Checked::new(spec, tree, &sources, base));
    }
    Err(Faults::new(sources, faults))
}

/// Reads the resolved spec that stands beside results; it has no defaults and needs none.
///
/// # Errors
/// When the file cannot be read, is not a resolved spec of this version, or holds a name that can be no file's.
pub fn load_resolved(path: &Path) -> Result<Spec, Faults> {
    let text = read(path)?;
    resolved_from_text(&path.display().to_string(), &text)
}

/// [`load_resolved`] for a text that is at hand.
pub(super) fn resolved_from_text(name: &str, text: &str) -> Result<Spec, Faults> {
    let sources = Sources::new(name, text);
    let mut faults = Vec::new();
    match (toml::from_str::<Spec>(text), parse(text, FILE)) {
        (Ok(spec), Ok(tree)) => {
            faults.extend(version_fault(&tree));
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
    let hint = "another version of allround wrote the file: run the experiment again, or use the commit that `machine.toml` names; the CSV files next to it hold the numbers";
    Fault::at(place, format!("not a resolved spec: {}", error.message())).hint(hint)
}

/// The flags' layers, the last flag first, then the file's.
fn read_layers(
    text: &str,
    overrides: &[String],
    sources: &mut Sources,
) -> Result<Vec<Node>, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut layers = Vec::new();
    for flag in overrides {
        let source = sources.add_override(flag);
        match overrides::parse(flag, source) {
            Ok(layer) => {
                faults.extend(version_fault(&layer));
                layers.insert(0, layer);
            }
            Err(mut wrong) => faults.append(&mut wrong),
        }
    }
    if text.trim().is_empty() {
        let hint = "a spec begins with `spec_version = 1` and `name = \"...\"`; \
                    experiments/quickstart.toml is a whole one";
        faults.push(Fault::of_file("the file is empty").hint(hint));
        return Err(faults);
    }
    match parse(text, FILE) {
        Ok(file) => {
            faults.extend(version_fault(&file));
            layers.push(file);
        }
        Err(mut wrong) => faults.append(&mut wrong),
    }
    match faults.is_empty() {
        true => Ok(layers),
        false => Err(faults),
    }
}

/// A file of another version would be full of faults that mean nothing.
fn version_fault(file: &Node) -> Option<Fault> {
    let version = file.get("spec_version")?;
    match version.value {
        Value::Integer(1) => None,
        Value::Integer(other) => Some(
            Fault::at(
                version.place,
                format!(
                    "spec_version `{other}` is not known to this program, which reads version 1"
                ),
            )
            .label("expected 1")
            .hint(match other > 1 {
                true => "the file was written for a newer allround: update the program",
                false => "write `spec_version = 1`",
            }),
        ),
        _ => None,
    }
}

/// Reports what the whole lacks, and puts something in its place so that the checks of meaning can go on.
fn fill_missing(tree: &mut Node, faults: &mut Vec<Fault>) {
    let Value::Table(fields) = &mut tree.value else {
        return;
    };
    for (field, value, hint) in [
        (
            "spec_version",
            Value::Integer(1),
            "write `spec_version = 1` as the first line",
        ),
        (
            "name",
            Value::Text("unnamed".to_owned()),
            "write `name = \"...\"`: it names the results folder",
        ),
    ] {
        if !fields.contains_key(field) {
            // A value of the wrong type was reported where it stands.
            let reported = faults
                .iter()
                .any(|fault| fault.message.starts_with(&format!("`{field}` ")));
            if !reported {
                faults.push(Fault::at(Place::top(), format!("missing field `{field}`")).hint(hint));
            }
            let node = Node::new(Place::top(), value);
            fields.insert(
                field.to_owned(),
                super::written::Entry {
                    key: Place::top(),
                    node,
                },
            );
        }
    }
}

/// Most bytes of an experiment file.
const MOST: u64 = 16 << 20;

fn read(path: &Path) -> Result<String, Faults> {
    let name = path.display().to_string();
    let whole = |fault: Fault| Faults::new(Sources::new(&name, ""), vec![fault]);
    if path.is_dir() {
        let hint = "name the experiment file in it, such as `quickstart.toml`";
        return Err(whole(
            Fault::of_file("is a folder, expected a TOML file").hint(hint),
        ));
    }
    if !path.exists() {
        let hint = "experiment files are in `experiments/`, named `*.toml`";
        return Err(whole(Fault::of_file("there is no such file").hint(hint)));
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
        Faults::new(Sources::new(&name, &text), vec![fault])
    })
}
