//! Checks of names, seeds and required sections.

use super::Check;
use crate::experiment::fault::Fault;
use crate::experiment::place::Place;
use crate::experiment::select::Selected;
use crate::experiment::suggest;

const SECTIONS: [&str; 11] = [
    "dataset", "encoder", "llm", "prompt", "model", "variant", "search", "scenario", "protocol",
    "figure", "table",
];

/// Most bytes of a name.
const MOST: usize = 100;

/// Most bytes of the names of a cell and a protocol. File systems allow 255: the file extension of
/// ranks and the suffix of temporary files need the rest.
const MOST_OF_CELL: usize = 220;

pub(super) fn check(check: &mut Check<'_>) {
    all(check);
    shared(check);
    seeds(check);
    lengths(check);
    for (section, example) in [
        ("dataset", "[dataset.synthetic.source.synthetic]"),
        ("model", "[model.sasrec.sasrec]"),
    ] {
        if check.names(section).is_empty() {
            check.push(
                Fault::at(
                    Place::top(),
                    format!("the file declares no {}", super::words(section)),
                )
                .hint(format!("add one, for example `{example}`")),
            );
        }
    }
}

/// Checks every name of the spec.
pub(super) fn all(check: &mut Check<'_>) {
    let name = check.spec.name.clone();
    one(check, &name, "experiment", check.place(&["name"]));
    for section in SECTIONS {
        for name in check.names(section) {
            let place = check.key_place(section, &name);
            one(check, &name, section, place);
        }
    }
}

fn is_right(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '-' || letter == '_'
}

/// Why a name is invalid, as the end of a sentence.
pub(in crate::experiment) fn fault(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("is empty")
    } else if name.len() > MOST {
        Some("is longer than 100 characters")
    } else if !name.chars().all(is_right) {
        Some("has characters other than letters, digits, `-` and `_`")
    } else if name.starts_with('-') {
        Some("begins with `-`")
    } else {
        None
    }
}

/// Checks a name. It becomes part of names of files and of cells, whose parts a dot separates.
fn one(check: &mut Check<'_>, name: &str, what: &str, place: Place) {
    let Some(fault) = fault(name) else {
        return;
    };
    let clean: String = name
        .chars()
        .map(|letter| if is_right(letter) { letter } else { '-' })
        .take(100)
        .collect();
    let clean = clean.trim_matches('-');
    let hint = (!clean.is_empty()).then(|| format!("for example `{clean}`"));
    check.push(
        Fault::at(
            place,
            format!(
                "the {} name `{}` {fault}",
                super::words(what),
                name.escape_debug()
            ),
        )
        .label("expected letters, digits, `-` and `_`: it becomes a file name")
        .maybe_hint(hint),
    );
}

/// Checks that the names of a cell and its protocol are not too long for a file name.
fn lengths(check: &mut Check<'_>) {
    let seeds = check.spec.seeds.iter().map(|seed| seed.to_string().len());
    let Some(seed) = seeds.max() else {
        return;
    };
    let protocols = check.spec.protocol.keys().map(String::as_str);
    let Some(protocol) = protocols.max_by_key(|name| name.len()) else {
        return;
    };
    let ends = seed + protocol.len() + ".s".len() + ".".len();
    let length = |cell: &Selected| {
        cell.dataset.len() + cell.scenario.len() + cell.model.len() + 2 * ".".len() + ends
    };
    let selected = check.spec.selected();
    let Some(cell) = selected.iter().max_by_key(|cell| length(cell)) else {
        return;
    };
    if length(cell) <= MOST_OF_CELL {
        return;
    }
    let parts = [
        ("dataset", cell.dataset.as_str()),
        ("scenario", cell.scenario.as_str()),
        ("model", cell.model.as_str()),
        ("protocol", protocol),
    ];
    let (section, name) = parts
        .into_iter()
        .max_by_key(|(_, name)| name.len())
        .unwrap_or_default();
    let of_model = ["variant", "search"].into_iter();
    let mut holders = of_model.filter(|other| check.names(other).contains(name));
    let section = match section {
        "model" => holders.next().unwrap_or(section),
        section => section,
    };
    let message = format!(
        "the names of data set, scenario, model and protocol make a file name of {} characters; the limit is {MOST_OF_CELL}",
        length(cell)
    );
    let listed: Vec<&str> = parts.iter().map(|(_, name)| *name).collect();
    let fault = Fault::at(check.key_place(section, name), message)
        .label("the longest of them")
        .hint(format!("shorten some of {}", suggest::list(&listed)));
    check.push(fault);
}

fn shared(check: &mut Check<'_>) {
    for (first, second) in [
        ("model", "variant"),
        ("model", "search"),
        ("variant", "search"),
    ] {
        let others = check.names(first);
        for name in check.names(second).intersection(&others) {
            let fault = Fault::at(
                check.key_place(second, name),
                format!("`{name}` names a {first} and a {second}"),
            )
            .label(format!("the {second}"))
            .related(check.key_place(first, name), format!("the {first}"))
            .hint(format!(
                "results identify both by name only: rename the {second}"
            ));
            check.push(fault);
        }
    }
}

fn seeds(check: &mut Check<'_>) {
    let seeds = check.spec.seeds.clone();
    let written_wrong = check
        .faults
        .iter()
        .any(|fault| fault.message.starts_with("`seeds"));
    if seeds.is_empty() && !written_wrong {
        let place = check.place(&["seeds"]);
        check.push(
            Fault::at(place, "`seeds` is empty, so nothing would run")
                .label("expected at least one seed")
                .hint("write `seeds = [1, 2, 3]`"),
        );
    }
    check.no_repeats(&seeds, &["seeds"]);
}
