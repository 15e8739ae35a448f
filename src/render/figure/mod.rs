//! Figures: plain data in, SVG and the CSV of what is shown out. One file a kind.

pub mod bars;
pub mod canvas;
pub mod curves;
mod data;
mod frame;
mod scale;
pub mod scatter;
#[cfg(test)]
mod tests;

use super::style::Colour;
use super::{Context, RenderError, escape};
use crate::experiment::config::Figure;

/// A drawn figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// The figure as SVG.
    pub svg: String,
    /// The numbers that it shows, in full precision.
    pub csv: Vec<u8>,
}

/// What one model is called, and how it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// Name of the model or variant.
    pub name: String,
    /// Place among the models, 0 for the first.
    pub position: usize,
    /// Its colour.
    pub colour: Colour,
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

/// A number in full precision; empty when it is not known.
fn number(value: Option<f64>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn csv_text(header: &[&str], rows: &[Vec<String>]) -> Vec<u8> {
    escape::csv(header.iter().map(|&name| name.to_owned()), rows)
}
