//! Figures: plain data in, SVG, PNG and the CSV of what is shown out. One file a kind.

pub mod bars;
pub mod canvas;
pub mod curves;
mod frame;
mod scale;
pub mod scatter;
#[cfg(test)]
mod tests;

use super::escape;
use super::style::{self, Colour};

/// A drawn figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// The figure as SVG.
    pub svg: String,
    /// The same with twice as many pixels a side as PNG.
    pub png: Vec<u8>,
    /// The numbers that it shows, in full precision.
    pub csv: Vec<u8>,
}

/// What one model is called and which place in the spec's order, hence which colour, it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// Name of the model or variant.
    pub name: String,
    /// Place in the spec's order, 0 for the first.
    pub position: usize,
}

impl Series {
    fn colour(&self) -> Colour {
        style::colour_of(self.position)
    }

    fn key(&self) -> (usize, String) {
        (self.position, self.name.clone())
    }
}

/// A number in full precision; empty when it is not known.
fn number(value: Option<f64>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn csv_text(header: &[&str], rows: &[Vec<String>]) -> Vec<u8> {
    escape::csv(header.iter().map(|&name| name.to_owned()), rows)
}
