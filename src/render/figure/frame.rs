//! What every figure has: title, legend, panels with axes, grid and tick labels.

use super::Series;
use super::canvas::{Anchor, Canvas, Ink, Point, fitted, width_of, wrapped};
use super::scale::{Scale, Tick};
use crate::render::style::{
    Colour, FIGURE_WIDTH, GRID, INK, LABEL_SIZE, MARGIN, PANEL_HEIGHT, PAPER, QUIET, TICK_SIZE,
    TITLE_SIZE,
};

/// A name with its colour.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// The model's name.
    pub name: String,
    /// The model's colour.
    pub colour: Colour,
    /// Whether another name of the same model stands before it: such a line is dashed.
    pub dashed: bool,
}

/// Where the parts of a figure lie.
#[derive(Clone, Debug)]
pub struct Layout {
    title: Vec<String>,
    legend: Vec<Vec<Key>>,
    columns: usize,
    rows: usize,
    /// Height below a panel's plotting area for tick labels and the axis name.
    below: f64,
}

/// Room left of a panel for its tick labels and axis name.
const LEFT: f64 = 62.0;
/// Room above a panel for its title.
const ABOVE: f64 = 34.0;
const LINE: f64 = 1.35;
const SWATCH: f64 = 11.0;

/// A panel's plotting area in pixels.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    /// Left edge.
    pub left: f64,
    /// Upper edge.
    pub top: f64,
    /// Right edge.
    pub right: f64,
    /// Lower edge.
    pub bottom: f64,
}

impl Layout {
    /// A figure of `panels` panels, side by side in `columns` columns, with `below` pixels under each.
    pub fn new(title: &str, legend: &[Key], panels: usize, columns: usize, below: f64) -> Self {
        let columns = columns.min(panels).max(1);
        Layout {
            title: wrapped(title, FIGURE_WIDTH - 2.0 * MARGIN, TITLE_SIZE, true),
            legend: legend_lines(legend),
            columns,
            rows: panels.max(1).div_ceil(columns),
            below,
        }
    }

    /// Size of the whole figure.
    pub fn size(&self) -> (f64, f64) {
        let row = ABOVE + PANEL_HEIGHT + self.below;
        (
            FIGURE_WIDTH,
            self.head() + row * self.rows as f64 + MARGIN / 2.0,
        )
    }

    fn head(&self) -> f64 {
        let title = self.title.len() as f64 * TITLE_SIZE * LINE;
        let legend = self.legend.len() as f64 * LABEL_SIZE * 1.6;
        MARGIN + title + legend
    }

    /// The plotting area of panel `index`, row by row.
    pub fn area(&self, index: usize) -> Area {
        let width = (FIGURE_WIDTH - MARGIN) / self.columns as f64;
        let left = MARGIN / 2.0 + width * (index % self.columns) as f64;
        let row = (index / self.columns) as f64;
        let top = self.head() + row * (ABOVE + PANEL_HEIGHT + self.below) + ABOVE;
        Area {
            left: left + LEFT,
            top,
            right: left + width - MARGIN / 2.0,
            bottom: top + PANEL_HEIGHT,
        }
    }

    /// Draws background, title and legend.
    pub fn draw(&self, canvas: &mut Canvas<'_>) {
        canvas.rectangle((0.0, 0.0), self.size(), PAPER, 1.0);
        let mut y = MARGIN;
        let ink = Ink::new(TITLE_SIZE, INK, Anchor::Start).bold();
        for line in &self.title {
            y += TITLE_SIZE * LINE;
            canvas.text(line, (MARGIN, y - 0.4 * TITLE_SIZE), ink);
        }
        for line in &self.legend {
            y += LABEL_SIZE * 1.6;
            let mut x = MARGIN;
            for key in line {
                let middle = y - 0.35 * LABEL_SIZE;
                // A dashed line's swatch has a gap.
                let parts = match key.dashed {
                    true => vec![(0.0, 0.4), (0.6, 1.0)],
                    false => vec![(0.0, 1.0)],
                };
                for (from, to) in parts {
                    let corner = (x + from * SWATCH, middle - SWATCH / 2.0);
                    let other = (x + to * SWATCH, middle + SWATCH / 2.0);
                    canvas.rectangle(corner, other, key.colour, 1.0);
                }
                let ink = Ink::new(LABEL_SIZE, INK, Anchor::Start);
                canvas.text(&key.name, (x + SWATCH + 5.0, y), ink);
                x += entry_width(key);
            }
        }
    }
}

fn entry_width(key: &Key) -> f64 {
    SWATCH + 5.0 + width_of(&key.name, LABEL_SIZE, false) + 16.0
}

/// The legend's entries in lines that fit the figure.
fn legend_lines(keys: &[Key]) -> Vec<Vec<Key>> {
    let room = FIGURE_WIDTH - 2.0 * MARGIN;
    let mut lines: Vec<Vec<Key>> = Vec::new();
    let mut used = f64::INFINITY;
    for key in keys {
        let name = fitted(&key.name, room / 2.0, LABEL_SIZE, false);
        let key = Key {
            name,
            ..key.clone()
        };
        if used + entry_width(&key) > room {
            lines.push(Vec::new());
            used = 0.0;
        }
        used += entry_width(&key);
        lines
            .last_mut()
            .expect("a line was begun for the first key")
            .push(key);
    }
    lines
}

impl Area {
    /// Draws the panel's title, left above the area.
    pub fn title(&self, canvas: &mut Canvas<'_>, title: &str) {
        let text = fitted(title, self.right - self.left, LABEL_SIZE, true);
        let ink = Ink::new(LABEL_SIZE, INK, Anchor::Start).bold();
        canvas.text(&text, (self.left, self.top - 9.0), ink);
    }

    /// Draws the vertical axis: grid lines, tick labels, its name running upwards.
    pub fn vertical(&self, canvas: &mut Canvas<'_>, scale: &Scale, name: &str) {
        let ink = Ink::new(TICK_SIZE, QUIET, Anchor::End);
        for (value, label) in scale.ticks() {
            let y = scale.at(value);
            canvas.line(&[(self.left, y), (self.right, y)], GRID, 1.0);
            canvas.text(&label, (self.left - 7.0, y + 0.36 * TICK_SIZE), ink);
        }
        let text = fitted(name, self.bottom - self.top, LABEL_SIZE, false);
        let ink = Ink::new(LABEL_SIZE, INK, Anchor::Middle).upwards();
        let middle = (self.top + self.bottom) / 2.0;
        canvas.text(&text, (self.left - LEFT + LABEL_SIZE + 2.0, middle), ink);
    }

    /// Draws the horizontal axis with ticks and its name.
    pub fn horizontal(&self, canvas: &mut Canvas<'_>, scale: &Scale, ticks: &[Tick], name: &str) {
        self.base_line(canvas);
        let ink = Ink::new(TICK_SIZE, QUIET, Anchor::Middle);
        for (value, label) in ticks {
            let x = scale.at(*value);
            canvas.line(&[(x, self.bottom), (x, self.bottom + 4.0)], INK, 1.0);
            canvas.text(label, (x, self.bottom + 6.0 + TICK_SIZE), ink);
        }
        let ink = Ink::new(LABEL_SIZE, INK, Anchor::Middle);
        let y = self.bottom + 6.0 + TICK_SIZE * LINE + LABEL_SIZE * 1.4;
        canvas.text(name, ((self.left + self.right) / 2.0, y), ink);
    }

    /// Draws the line that values stand on.
    pub fn base_line(&self, canvas: &mut Canvas<'_>) {
        canvas.line(
            &[(self.left, self.bottom), (self.right, self.bottom)],
            INK,
            1.0,
        );
    }

    /// Draws a dashed line across the panel at `y`.
    pub fn dashed(&self, canvas: &mut Canvas<'_>, y: f64) {
        let mut x = self.left;
        while x < self.right {
            canvas.line(&[(x, y), ((x + 5.0).min(self.right), y)], QUIET, 1.0);
            x += 9.0;
        }
    }

    /// Says in the middle of an empty panel that nothing was measured.
    pub fn nothing(&self, canvas: &mut Canvas<'_>) {
        let ink = Ink::new(LABEL_SIZE, QUIET, Anchor::Middle);
        let middle: Point = (
            (self.left + self.right) / 2.0,
            (self.top + self.bottom) / 2.0,
        );
        canvas.text("nothing measured", middle, ink);
    }
}

/// Room under a panel with numeric ticks and an axis name.
pub fn below_numeric() -> f64 {
    6.0 + TICK_SIZE * LINE + LABEL_SIZE * 1.4 + MARGIN
}

/// The legend of some models, each once, in their order; a second series of a model is dashed.
pub fn legend<'a>(models: impl Iterator<Item = &'a Series>) -> Vec<Key> {
    let mut models: Vec<&Series> = models.collect();
    models.sort_by_key(|series| (series.position, &series.name));
    models.dedup();
    let mut last = None;
    let key = |series: &Series| Key {
        name: series.name.clone(),
        colour: series.colour,
        dashed: last.replace(series.position) == Some(series.position),
    };
    models.into_iter().map(key).collect()
}
