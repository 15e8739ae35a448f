//! Colours are apart, readable and the same in every experiment.

use super::vision::{Vision, contrast, distance};
use super::*;
use crate::render::report::theme;

/// Smallest CIEDE2000 between two colours of a figure, for every vision. The eight colours of Okabe
/// and Ito are 10.9 apart by the same measure, and three of them are too light for white paper.
const APART: f64 = 11.0;
/// Contrast of graphical objects that WCAG 2.2 requires (criterion 1.4.11).
const READABLE: f64 = 3.0;

fn names(names: &[&'static str]) -> Vec<Claim<'static>> {
    let claim = |&name: &&'static str| Claim { name, kind: None };
    names.iter().map(claim).collect()
}

#[test]
fn every_two_colours_are_apart_for_normal_and_colour_blind_vision_in_both_themes() {
    for (theme, colour) in [("light", light as fn(Hue) -> Colour), ("dark", dark)] {
        for vision in Vision::ALL {
            for (at, first) in Hue::ALL.into_iter().enumerate() {
                for second in &Hue::ALL[at + 1..] {
                    let found = distance(colour(first), colour(*second), vision);
                    assert!(
                        found >= APART,
                        "{theme}, {vision:?}: {first:?} and {second:?} are {found:.1} apart"
                    );
                }
            }
        }
    }
}

#[test]
fn every_colour_is_readable_on_the_paper_of_both_themes() {
    for paper in theme::papers() {
        for hue in Hue::ALL {
            for (colour, paper) in [(light(hue), paper.light), (dark(hue), paper.dark)] {
                let found = contrast(colour, paper);
                assert!(found >= READABLE, "{hue:?} on {}: {found:.2}", hex(paper));
            }
        }
    }
}

#[test]
fn a_model_named_after_its_kind_has_its_colour_whatever_is_next_to_it() {
    let few = assign(&names(&["mine", "sasrec"]));
    let many = assign(&names(&["aaa", "popularity", "mine", "zzz", "sasrec"]));
    for hues in [few, many] {
        assert_eq!(hues["sasrec"], Hue::Blue);
        assert_ne!(hues["mine"], Hue::Blue);
    }
}

#[test]
fn a_model_of_another_name_has_the_colour_of_its_kind_where_that_is_free() {
    let large = Claim {
        name: "large",
        kind: Some("sasrec"),
    };
    let alone = assign(&[large]);
    assert_eq!(alone["large"], Hue::Blue);
}

#[test]
fn no_two_of_nine_models_share_a_colour_and_a_tenth_has_one_too() {
    let all = ["a", "b", "c", "d", "e", "f", "markov", "tallrec", "i", "j"];
    let nine = assign(&names(&all[..9]));
    assert_eq!(BTreeSet::from_iter(nine.values()).len(), 9);
    assert_eq!(assign(&names(&all)).len(), 10);
}
