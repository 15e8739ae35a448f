//! One colour a model: the same in every figure, table and report, also of other experiments.
//!
//! A kind of model has a colour of its own, which goes to the model or variant of that name. All others get theirs from their
//! name. Within an experiment no two share one while there are any left.

use std::collections::{BTreeMap, BTreeSet};

use super::style::Colour;
use allround_core::digest;

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

/// The kinds in the order of their colours.
const KINDS: [&str; 10] = [
    "sasrec",
    "allmrec",
    "gru4rec",
    "nextitnet",
    "ncf",
    "mlp_llm",
    "popularity",
    "markov",
    "llm_only",
    "tallrec",
];

/// Colours in all: the base, and the base mixed with white.
const PLACES: usize = 2 * BASE.len();
/// Places that no kind has of its own.
const OTHERS: usize = PLACES - KINDS.len();

fn colour(place: usize) -> Colour {
    let (red, green, blue) = BASE[place % BASE.len()];
    let lighter = |part: u8| ((u16::from(part) * 11 + 255 * 9) / 20) as u8;
    match place < BASE.len() {
        true => (red, green, blue),
        false => (lighter(red), lighter(green), lighter(blue)),
    }
}

/// The colours of an experiment's models and variants.
pub fn assign(models: &[String]) -> BTreeMap<String, Colour> {
    let own = |name: &String| {
        let kind = name.replace('-', "_");
        KINDS.iter().position(|known| *known == kind)
    };
    let mut sorted: Vec<&String> = models.iter().collect();
    // Those with a place of their own come first.
    sorted.sort_by_key(|name| (own(name).is_none(), *name));
    let (mut taken, mut colours) = (BTreeSet::new(), BTreeMap::new());
    for name in sorted {
        let first = digest::of_bytes(name.as_bytes()).bytes()[0] as usize % OTHERS;
        let others = (0..OTHERS).map(|step| KINDS.len() + (first + step) % OTHERS);
        // The places of kinds come last, for experiments of very many variants.
        let mut places = own(name).into_iter().chain(others).chain(0..KINDS.len());
        let place = places.find(|place| taken.insert(*place));
        colours.insert(name.clone(), colour(place.unwrap_or(KINDS.len() + first)));
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
