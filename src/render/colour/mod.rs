//! Colours of models: the same model has the same colour in every figure, table and report.
//!
//! Nine colours are as many as one figure shows. `tests` measures how far apart they are for people
//! with and without colour blindness, on light and on dark paper. More models share colours; their
//! figures name every mark instead.

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vision;

use std::collections::{BTreeMap, BTreeSet};

use super::style::Colour;
use crate::results::Results;
use allround_core::models::{Hue, KINDS, Model};

/// The colour on light paper, which files have.
pub fn light(hue: Hue) -> Colour {
    match hue {
        Hue::Blue => (0x00, 0x5F, 0xB6),
        Hue::Red => (0xBF, 0x13, 0x10),
        Hue::Green => (0x40, 0x8C, 0x5F),
        Hue::Amber => (0xBB, 0x89, 0x24),
        Hue::Pink => (0xF6, 0x51, 0x95),
        Hue::Sky => (0x03, 0x96, 0xE7),
        Hue::Indigo => (0x25, 0x27, 0x8C),
        Hue::Wine => (0x6D, 0x00, 0x3C),
        Hue::Grey => (0x67, 0x67, 0x67),
    }
}

/// The colour on dark paper, for the report.
pub fn dark(hue: Hue) -> Colour {
    match hue {
        Hue::Blue => (0x6A, 0x9C, 0xF3),
        Hue::Red => (0xF3, 0x2F, 0x07),
        Hue::Green => (0x0A, 0xD7, 0x9A),
        Hue::Amber => (0xFD, 0xCC, 0x2A),
        Hue::Pink => (0xC9, 0x88, 0xAB),
        Hue::Sky => (0xA5, 0xD1, 0xED),
        Hue::Indigo => (0x77, 0x70, 0xC4),
        Hue::Wine => (0xCD, 0x44, 0x7B),
        Hue::Grey => (0xC4, 0xC4, 0xC4),
    }
}

/// `#RRGGBB`.
pub fn hex((red, green, blue): Colour) -> String {
    format!("#{red:02X}{green:02X}{blue:02X}")
}

/// A model that gets a colour.
struct Claim<'a> {
    name: &'a str,
    kind: Option<&'a str>,
}

/// The colours of an experiment's models and variants.
pub fn of_models(results: &Results) -> BTreeMap<String, Hue> {
    let models = results.models.iter().map(|name| Claim {
        name,
        kind: results.spec.model_named(name).map(Model::kind),
    });
    assign(&models.collect::<Vec<_>>())
}

fn hue_of(kind: &str) -> Option<Hue> {
    KINDS.iter().find(|known| known.name == kind)?.hue
}

/// Gives each model a colour, in declared order. A model named after its kind has its colour.
/// Without such a model, the first one of the kind has it. All others get what is left.
fn assign(models: &[Claim<'_>]) -> BTreeMap<String, Hue> {
    let own_name = models.iter().filter_map(|model| {
        let kind = model.name.replace('-', "_");
        Some((model.name, hue_of(&kind)?))
    });
    let of_kind = models
        .iter()
        .filter_map(|model| Some((model.name, hue_of(model.kind?)?)));
    let wishes = own_name.chain(of_kind);
    let (mut taken, mut hues) = (BTreeSet::new(), BTreeMap::new());
    for (name, hue) in wishes {
        if !hues.contains_key(name) && taken.insert(hue) {
            hues.insert(name.to_owned(), hue);
        }
    }
    for (position, model) in models.iter().enumerate() {
        if hues.contains_key(model.name) {
            continue;
        }
        let free = Hue::ALL.into_iter().find(|hue| !taken.contains(hue));
        // With more models than colours, some share one.
        let hue = free.unwrap_or(Hue::ALL[position % Hue::ALL.len()]);
        taken.insert(hue);
        hues.insert(model.name.to_owned(), hue);
    }
    hues
}
