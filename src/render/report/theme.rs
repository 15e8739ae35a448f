//! Colours of the report, each for light and for dark, as CSS variables. Figures in the report use
//! them too.

use std::fmt::Write;

use crate::render::colour::{self, hex};
use crate::render::style::{Colour, GRID, INK, PAPER, QUIET};
use allround_core::models::Hue;

/// A variable of the style sheet.
#[derive(Clone, Copy, Debug)]
pub struct Tone {
    name: &'static str,
    /// Its value on light paper.
    pub light: Colour,
    /// Its value on dark paper.
    pub dark: Colour,
}

const fn tone(name: &'static str, light: Colour, dark: Colour) -> Tone {
    Tone { name, light, dark }
}

/// What models' marks are drawn on: pages and figures.
const PAPERS: [Tone; 2] = [
    tone("paper", (0xFD, 0xFD, 0xFC), (0x14, 0x17, 0x1A)),
    tone("card", PAPER, (0x1A, 0x1E, 0x22)),
];

/// Texts, lines and shades.
const INKS: [Tone; 9] = [
    tone("ink", INK, (0xE4, 0xE7, 0xEA)),
    tone("quiet", QUIET, (0xA1, 0xAA, 0xB3)),
    tone("rule", GRID, (0x3A, 0x42, 0x4A)),
    tone("link", (0x0B, 0x5A, 0x94), (0x7F, 0xBD, 0xF0)),
    tone("good", (0x17, 0x69, 0x3A), (0x7F, 0xD1, 0x9F)),
    tone("bad", (0xA3, 0x27, 0x1D), (0xF2, 0x9A, 0x8F)),
    tone("warn", (0x7A, 0x52, 0x00), (0xE3, 0xBD, 0x6A)),
    tone("mark", (0xFF, 0xF6, 0xDC), (0x3A, 0x32, 0x16)),
    tone("soft", (0xF3, 0xF4, 0xF5), (0x20, 0x25, 0x2A)),
];

/// What models' marks are drawn on.
#[cfg(test)]
pub fn papers() -> [Tone; 2] {
    PAPERS
}

fn of_hue(hue: Hue) -> Tone {
    let name = match hue {
        Hue::Blue => "blue",
        Hue::Red => "red",
        Hue::Green => "green",
        Hue::Amber => "amber",
        Hue::Pink => "pink",
        Hue::Sky => "sky",
        Hue::Indigo => "indigo",
        Hue::Wine => "wine",
        Hue::Grey => "grey",
    };
    tone(name, colour::light(hue), colour::dark(hue))
}

/// The variables, as CSS.
pub fn css() -> String {
    let tones = PAPERS.into_iter().chain(INKS);
    let mut css = ":root {\n".to_owned();
    for Tone { name, light, dark } in tones.chain(Hue::ALL.map(of_hue)) {
        let (light, dark) = (hex(light), hex(dark));
        writeln!(css, "  --{name}: light-dark({light}, {dark});")
            .expect("a string takes every text");
    }
    css + "}\n"
}

/// The markup with the colours of figures and models as variables, in quoted values only.
pub fn themed(markup: &str) -> String {
    let of_figures = [PAPERS[1], INKS[0], INKS[1], INKS[2]];
    let mut markup = markup.to_owned();
    for tone in of_figures.into_iter().chain(Hue::ALL.map(of_hue)) {
        let old = format!("\"{}\"", hex(tone.light));
        markup = markup.replace(&old, &format!("\"var(--{})\"", tone.name));
    }
    markup
}

/// The same of a single colour, `#RRGGBB` in any case.
pub fn variable(colour: &str) -> String {
    themed(&format!("\"{}\"", colour.to_ascii_uppercase()))
        .trim_matches('"')
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_of_figures_become_variables_and_texts_do_not() {
        let svg = "<rect fill=\"#FFFFFF\"/><text fill=\"#1F252B\">#FFFFFF</text>";
        let expected = "<rect fill=\"var(--card)\"/><text fill=\"var(--ink)\">#FFFFFF</text>";
        assert_eq!(themed(svg), expected);
        assert_eq!(variable("#bf1310"), "var(--red)");
        assert_eq!(variable("#123456"), "#123456");
    }

    #[test]
    fn every_variable_has_a_value_for_light_and_for_dark() {
        let css = css();
        assert!(
            css.contains("--paper: light-dark(#FDFDFC, #14171A);"),
            "{css}"
        );
        assert!(
            css.contains("--red: light-dark(#BF1310, #F32F07);"),
            "{css}"
        );
    }
}
