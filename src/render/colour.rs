//! One colour a model: the same in every figure, table and report, also of other experiments.
//!
//! A kind of model has its own colour (`KIND.colour` in its file), which the model or variant of that name gets. All others get
//! theirs from their name. Within an experiment no two share one while there are any left.

use std::collections::{BTreeMap, BTreeSet};

use super::style::Colour;
use allround_core::digest;
use allround_core::models::KINDS;

/// Told apart with every common form of colour blindness: Okabe and Ito's set without its yellow (too light on white), then
/// Paul Tol's muted set.
const BASE: [Colour; 14] = [
    (0x00, 0x72, 0xB2),
    (0xD5, 0x5E, 0x00),
    (0x00, 0x9E, 0x73),
    (0xCC, 0x79, 0xA7),
    (0xE6, 0x9F, 0x00),
    (0x56, 0xB4, 0xE9),
    (0x6B, 0x6B, 0x6B),
    (0x33, 0x22, 0x88),
    (0x88, 0x22, 0x55),
    (0x99, 0x99, 0x33),
    (0x44, 0xAA, 0x99),
    (0xAA, 0x44, 0x99),
    (0x66, 0x11, 0x00),
    (0x11, 0x77, 0x33),
];

/// Colours in all: the base, and the base mixed with white.
const PLACES: usize = 2 * BASE.len();

fn colour(place: usize) -> Colour {
    let (red, green, blue) = BASE[place % BASE.len()];
    let lighter = |part: u8| ((u16::from(part) * 11 + 255 * 9) / 20) as u8;
    match place < BASE.len() {
        true => (red, green, blue),
        false => (lighter(red), lighter(green), lighter(blue)),
    }
}

/// The colour of the kind of model that a name is, with `-` or `_`.
fn of_kind(name: &str) -> Option<Colour> {
    let kind = name.replace('-', "_");
    KINDS.iter().find(|known| known.name == kind)?.colour
}

/// The colours of an experiment's models and variants.
pub fn assign(models: &[String]) -> BTreeMap<String, Colour> {
    let kinds: Vec<Colour> = KINDS.iter().filter_map(|kind| kind.colour).collect();
    let (reserved, free): (Vec<Colour>, Vec<Colour>) = (0..PLACES)
        .map(colour)
        .partition(|colour| kinds.contains(colour));
    let mut sorted: Vec<&String> = models.iter().collect();
    // Kinds come first, so that they get their own colour.
    sorted.sort_by_key(|name| (of_kind(name).is_none(), *name));
    let (mut taken, mut colours) = (BTreeSet::new(), BTreeMap::new());
    for name in sorted {
        let first = digest::of_bytes(name.as_bytes()).bytes()[0] as usize % free.len();
        let others = (0..free.len()).map(|step| free[(first + step) % free.len()]);
        // Colours of kinds come last, for experiments of very many variants.
        let all = of_kind(name)
            .into_iter()
            .chain(others)
            .chain(reserved.clone());
        let mut all = all.filter(|colour| taken.insert(*colour));
        colours.insert(name.clone(), all.next().unwrap_or(free[first]));
    }
    colours
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn all_colours_are_different() {
        let all: BTreeSet<Colour> = (0..PLACES).map(colour).collect();
        assert_eq!(all.len(), PLACES);
    }

    #[test]
    fn a_model_keeps_its_colour_whatever_stands_beside_it() {
        let few = assign(&names(&["sasrec", "mine"]));
        let many = assign(&names(&["aaa", "mine", "popularity", "sasrec", "zzz"]));
        assert_eq!(few["sasrec"], BASE[0]);
        for name in ["sasrec", "mine"] {
            assert_eq!(few[name], many[name], "{name}");
        }
    }

    #[test]
    fn no_two_of_many_variants_share_a_colour_while_there_are_any_left() {
        let variants: Vec<String> = (0..PLACES + 3).map(|number| format!("v{number}")).collect();
        let some = assign(&variants[..PLACES]);
        let seen: BTreeSet<&Colour> = some.values().collect();
        assert_eq!(seen.len(), PLACES);
        assert_eq!(assign(&variants).len(), PLACES + 3);
    }
}
