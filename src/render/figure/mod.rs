//! Figures: plain data in, SVG and the CSV of what is shown out. One file a kind.

pub mod bars;
pub mod canvas;
pub mod curves;
mod data;
mod dots;
mod frame;
mod marker;
mod multiples;
mod scale;
pub mod scatter;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::style::Colour;
use super::{Context, RenderError, colour, escape};
use crate::experiment::config::Figure;
use allround_core::models::Hue;

/// A drawn figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// The figure as SVG.
    pub svg: String,
    /// The numbers that it shows, in full precision.
    pub csv: Vec<u8>,
}

/// A name as CSV files have it and as figures show it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Name {
    /// The name in the experiment's file.
    pub plain: String,
    /// The label, or the name where there is none.
    pub label: String,
}

impl Name {
    /// A name without a label.
    pub fn plain(name: impl Into<String>) -> Self {
        let plain = name.into();
        Name {
            label: plain.clone(),
            plain,
        }
    }

    /// Both names of a pair: `toys, overall`.
    pub fn pair(first: &Name, second: &Name) -> Self {
        Name {
            plain: format!("{}, {}", first.plain, second.plain),
            label: format!("{}, {}", first.label, second.label),
        }
    }
}

/// What one model is called, and how it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// Name of the model or variant.
    pub name: Name,
    /// Place among the models, 0 for the first.
    pub position: usize,
    /// Its colour, which has a marker too.
    pub hue: Hue,
}

impl Series {
    fn colour(&self) -> Colour {
        colour::light(self.hue)
    }
}

/// Draws one figure of the experiment.
///
/// # Errors
/// When the statistics cannot be computed.
pub(super) fn draw(context: &Context, figure: &Figure) -> Result<Drawn, RenderError> {
    match figure {
        Figure::Bars(settings) => bars::figure(context, settings),
        Figure::Curves(settings) => Ok(curves::figure(context, settings)),
        Figure::Scatter(settings) => scatter::figure(context, settings),
    }
}

/// Whether two models have the same colour, which is so for more than nine: every mark then needs
/// its name next to it.
fn share_colours<'a>(series: impl Iterator<Item = &'a Series>) -> bool {
    let hues: BTreeMap<usize, Hue> = series.map(|series| (series.position, series.hue)).collect();
    BTreeSet::from_iter(hues.values()).len() < hues.len()
}

/// A number in full precision; empty when it is not known.
fn number(value: Option<f64>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn csv_text(header: &[&str], rows: &[Vec<String>]) -> Vec<u8> {
    escape::csv(header.iter().map(|&name| name.to_owned()), rows)
}
