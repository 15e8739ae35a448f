//! What every figure has: title, legend, panels with axes, grid and tick labels.

use super::canvas::{Anchor, Canvas, Ink, Point, fitted, width_of, wrapped};
use super::scale::{Scale, Tick};
use super::{Series, marker};
use crate::render::colour;
use crate::render::style::{
    Colour, FIGURE_WIDTH, GRID, INK, LABEL_SIZE, MARGIN, PANEL_HEIGHT, PAPER, QUIET, TICK_SIZE,
    TITLE_SIZE,
};
use allround_core::models::Hue;

/// An entry of a legend.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// The label.
    pub label: String,
    /// The model's colour.
    pub hue: Hue,
    /// What is left of the label.
    pub swatch: Swatch,
}

/// The picture of an entry of a legend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swatch {
    /// A square in the colour.
    Square,
    /// The colour's marker.
    Marker,
    /// A line with the marker.
    Line(Dash),
    /// A dashed line without a marker.
    Level,
}

/// How a line is drawn. The second and third lines of a model have its colour and gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dash {
    /// Without gaps.
    Solid,
    /// Dashes.
    Dashed,
    /// Dots.
    Dotted,
}

/// Sizes of the panels of a figure in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// Panels side by side, at most.
    pub columns: usize,
    /// Width left of the first column, for names.
    pub names: f64,
    /// Width left of each panel, for tick labels and axis name.
    pub left: f64,
    /// Height above each panel, for its title.
    pub above: f64,
    /// Height of a panel's plotting area.
    pub height: f64,
    /// Height below each panel, for tick labels and axis name.
    pub below: f64,
}

impl Default for Shape {
    /// One column of panels with numbers on both axes.
    fn default() -> Self {
        Shape {
            columns: 1,
            names: 0.0,
            left: 62.0,
            above: 34.0,
            height: PANEL_HEIGHT,
            below: below_numeric(),
        }
    }
}

/// Where the parts of a figure lie.
#[derive(Clone, Debug)]
pub struct Layout {
    title: Vec<String>,
    legend: Vec<Vec<Key>>,
    rows: usize,
    shape: Shape,
}

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
    /// A figure of `panels` panels of this shape.
    pub fn new(title: &str, legend: &[Key], panels: usize, shape: Shape) -> Self {
        let columns = shape.columns.min(panels).max(1);
        Layout {
            title: wrapped(title, FIGURE_WIDTH - 2.0 * MARGIN, TITLE_SIZE, true),
            legend: legend_lines(legend),
            rows: panels.max(1).div_ceil(columns),
            shape: Shape { columns, ..shape },
        }
    }

    /// Size of the whole figure.
    pub fn size(&self) -> (f64, f64) {
        let height = self.head() + self.row_height() * self.rows as f64 + MARGIN / 2.0;
        (FIGURE_WIDTH, height)
    }

    fn row_height(&self) -> f64 {
        self.shape.above + self.shape.height + self.shape.below
    }

    fn head(&self) -> f64 {
        let title = self.title.len() as f64 * TITLE_SIZE * LINE;
        let legend = self.legend.len() as f64 * LABEL_SIZE * 1.6;
        MARGIN + title + legend
    }

    /// The plotting area of panel `index`, row by row.
    pub fn area(&self, index: usize) -> Area {
        let Shape { columns, names, .. } = self.shape;
        let width = (FIGURE_WIDTH - MARGIN - names) / columns as f64;
        let left = MARGIN / 2.0 + names + width * (index % columns) as f64;
        let row = (index / columns) as f64;
        let top = self.head() + row * self.row_height() + self.shape.above;
        Area {
            left: left + self.shape.left,
            top,
            right: left + width - MARGIN / 2.0,
            bottom: top + self.shape.height,
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
                let width = swatch_width(key.swatch);
                swatch(canvas, key, (x, y - 0.35 * LABEL_SIZE));
                let ink = Ink::new(LABEL_SIZE, INK, Anchor::Start);
                canvas.text(&key.label, (x + width + 5.0, y), ink);
                x += entry_width(key);
            }
        }
    }
}

fn swatch_width(swatch: Swatch) -> f64 {
    match swatch {
        Swatch::Square | Swatch::Marker => SWATCH,
        Swatch::Line(_) | Swatch::Level => 2.0 * SWATCH,
    }
}

/// Draws a key's picture; `left` is the middle of its left edge.
fn swatch(canvas: &mut Canvas<'_>, key: &Key, left: Point) {
    let half = SWATCH / 2.0;
    let middle = (left.0 + swatch_width(key.swatch) / 2.0, left.1);
    match key.swatch {
        Swatch::Square => {
            let (from, to) = ((left.0, left.1 - half), (left.0 + SWATCH, left.1 + half));
            canvas.rectangle(from, to, colour::light(key.hue), 1.0);
        }
        Swatch::Marker => marker::draw(canvas, key.hue, middle, 4.5),
        Swatch::Line(dash) => {
            let ends = [left, (left.0 + 2.0 * SWATCH, left.1)];
            line(canvas, &ends, colour::light(key.hue), dash);
            marker::draw(canvas, key.hue, middle, 3.2);
        }
        Swatch::Level => {
            let ends = [left, (left.0 + 2.0 * SWATCH, left.1)];
            line(canvas, &ends, colour::light(key.hue), Dash::Dashed);
        }
    }
}

/// Draws a line of two pixels from point to point. Its gaps continue over the points between.
pub fn line(canvas: &mut Canvas<'_>, points: &[Point], colour: Colour, dash: Dash) {
    let (length, period) = match dash {
        Dash::Solid => return canvas.line(points, colour, 2.0),
        Dash::Dashed => (6.0, 10.0),
        Dash::Dotted => (2.0, 5.0),
    };
    let mut walked = 0.0;
    for pair in points.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let distance = (to.0 - from.0).hypot(to.1 - from.1);
        let at = |walked: f64| {
            let share = (walked / distance).clamp(0.0, 1.0);
            let between = |from: f64, to: f64| from + (to - from) * share;
            (between(from.0, to.0), between(from.1, to.1))
        };
        let mut start = -(walked % period);
        while start < distance {
            if start + length > 0.0 {
                canvas.line(&[at(start), at(start + length)], colour, 2.0);
            }
            start += period;
        }
        walked += distance;
    }
}

fn entry_width(key: &Key) -> f64 {
    swatch_width(key.swatch) + 5.0 + width_of(&key.label, LABEL_SIZE, false) + 16.0
}

/// The legend's entries in lines that fit the figure.
fn legend_lines(keys: &[Key]) -> Vec<Vec<Key>> {
    let room = FIGURE_WIDTH - 2.0 * MARGIN;
    let mut lines: Vec<Vec<Key>> = Vec::new();
    let mut used = f64::INFINITY;
    for key in keys {
        let label = fitted(&key.label, room / 2.0, LABEL_SIZE, false);
        let key = Key {
            label,
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
        self.grid(canvas, scale);
        let ink = Ink::new(TICK_SIZE, QUIET, Anchor::End);
        let ticks = scale.ticks();
        let widths = ticks
            .iter()
            .map(|(_, label)| width_of(label, TICK_SIZE, false));
        let widest = widths.fold(0.0, f64::max);
        for (value, label) in ticks {
            let y = scale.at(value) + 0.36 * TICK_SIZE;
            canvas.text(&label, (self.left - 7.0, y), ink);
        }
        let text = fitted(name, self.bottom - self.top, LABEL_SIZE, false);
        let ink = Ink::new(LABEL_SIZE, INK, Anchor::Middle).upwards();
        let middle = (self.top + self.bottom) / 2.0;
        canvas.text(&text, (self.left - widest - 16.0, middle), ink);
    }

    /// Draws the grid lines of a vertical axis.
    pub fn grid(&self, canvas: &mut Canvas<'_>, scale: &Scale) {
        for (value, _) in scale.ticks() {
            let y = scale.at(value);
            canvas.line(&[(self.left, y), (self.right, y)], GRID, 1.0);
        }
    }

    /// Draws the horizontal axis with ticks and its name. Labels that would touch are left out.
    pub fn horizontal(&self, canvas: &mut Canvas<'_>, scale: &Scale, ticks: &[Tick], name: &str) {
        self.base_line(canvas);
        let ink = Ink::new(TICK_SIZE, QUIET, Anchor::Middle);
        let mut free = f64::NEG_INFINITY;
        for (value, label) in ticks {
            let x = scale.at(*value);
            canvas.line(&[(x, self.bottom), (x, self.bottom + 4.0)], INK, 1.0);
            let half = width_of(label, TICK_SIZE, false) / 2.0;
            if x - half >= free {
                canvas.text(label, (x, self.bottom + 6.0 + TICK_SIZE), ink);
                free = x + half + 6.0;
            }
        }
        let ink = Ink::new(LABEL_SIZE, INK, Anchor::Middle);
        let y = self.bottom + 6.0 + TICK_SIZE * LINE + LABEL_SIZE * 1.4;
        canvas.text(name, ((self.left + self.right) / 2.0, y), ink);
    }

    /// Draws the line at the bottom.
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

    /// Draws a dashed line down the panel at `x`.
    pub fn dashed_down(&self, canvas: &mut Canvas<'_>, x: f64) {
        let mut y = self.top;
        while y < self.bottom {
            canvas.line(&[(x, y), (x, (y + 5.0).min(self.bottom))], QUIET, 1.0);
            y += 9.0;
        }
    }

    /// Writes into an empty panel that nothing was measured.
    pub fn nothing(&self, canvas: &mut Canvas<'_>) {
        let ink = Ink::new(LABEL_SIZE, QUIET, Anchor::Middle);
        let middle: Point = (
            (self.left + self.right) / 2.0,
            (self.top + self.bottom) / 2.0,
        );
        canvas.text("nothing measured", middle, ink);
    }
}

/// Height below a panel with numeric ticks and an axis name.
pub fn below_numeric() -> f64 {
    6.0 + TICK_SIZE * LINE + LABEL_SIZE * 1.4 + MARGIN
}

/// The legend of some models, each once, in their order. Further lines of a model have gaps.
pub fn legend<'a>(models: impl Iterator<Item = &'a Series>, swatch: Swatch) -> Vec<Key> {
    let mut models: Vec<&Series> = models.collect();
    models.sort_by_key(|series| (series.position, &series.name.plain));
    models.dedup();
    let mut keys: Vec<Key> = Vec::new();
    let mut earlier: Vec<usize> = Vec::new();
    for series in models {
        let lines = earlier.iter().filter(|&&at| at == series.position).count();
        keys.push(Key {
            label: series.name.label.clone(),
            hue: series.hue,
            swatch: match (swatch, lines) {
                (Swatch::Line(_), 1) => Swatch::Line(Dash::Dashed),
                (Swatch::Line(_), 2..) => Swatch::Line(Dash::Dotted),
                (swatch, _) => swatch,
            },
        });
        earlier.push(series.position);
    }
    keys
}
