//! Small multiples: the form of a chart of more than nine curves. One panel a curve, with its name
//! as the title and the other curves in grey.

use super::canvas::{Anchor, Canvas, Ink, wrapped};
use super::curves::{Axes, Curve, CurvePanel, Curves, axes, band, draw_curve, draw_level};
use super::frame::{Area, Dash, Key, Layout, Shape, below_numeric};
use crate::experiment::config::outputs::CurveAxis;
use crate::render::style::{INK, LABEL_SIZE, QUIET, TICK_SIZE};

const COLUMNS: usize = 4;

/// A panel: a curve among the others of its data set.
struct Plot<'a> {
    key: &'a Key,
    panel: &'a CurvePanel,
    /// Name of the horizontal axis.
    axis: CurveAxis,
    curve: Option<&'a Curve>,
}

/// Draws the chart, with one panel for each of `keys`.
pub fn draw(curves: &Curves, keys: &[Key]) -> String {
    let has_titles = curves.panels.len() > 1;
    let shape = Shape {
        columns: COLUMNS,
        names: 34.0,
        left: 22.0,
        above: if has_titles { 64.0 } else { 42.0 },
        height: 92.0,
        below: below_numeric() - 8.0,
    };
    let rows = keys.len().div_ceil(COLUMNS);
    let layout = Layout::new(
        &curves.title,
        &[],
        rows * COLUMNS * curves.panels.len(),
        shape,
    );
    let scales = axes(curves.panels.iter());
    super::canvas::paint(layout.size(), |canvas| {
        layout.draw(canvas);
        for (block, panel) in curves.panels.iter().enumerate() {
            for (index, key) in keys.iter().enumerate() {
                let area = layout.area(block * rows * COLUMNS + index);
                if has_titles && index == 0 {
                    let ink = Ink::new(LABEL_SIZE, INK, Anchor::Start).bold();
                    canvas.text(&panel.title.label, (area.left, area.top - 42.0), ink);
                }
                let is_its = |curve: &&Curve| {
                    curve.model.name.label == key.label && curve.model.hue == key.hue
                };
                let plot = Plot {
                    key,
                    panel,
                    axis: curves.axis,
                    curve: panel.curves.iter().find(is_its),
                };
                let is_first = index.is_multiple_of(COLUMNS);
                draw_plot(canvas, &area, &plot, scales);
                if let (true, Some(scales)) = (is_first, scales) {
                    area.vertical(canvas, &scales.on(&area).values, &curves.value);
                }
            }
        }
    })
}

fn draw_plot(canvas: &mut Canvas<'_>, area: &Area, plot: &Plot<'_>, scales: Option<Axes>) {
    name(canvas, area, &plot.key.label);
    let Some(scales) = scales.map(|scales| scales.on(area)) else {
        area.nothing(canvas);
        return;
    };
    area.grid(canvas, &scales.values);
    area.horizontal(
        canvas,
        &scales.along,
        &scales.along.whole_ticks(),
        plot.axis.name(),
    );
    draw_level(canvas, area, plot.panel, &scales);
    for curve in &plot.panel.curves {
        canvas.line(&scales.line(curve), QUIET, 0.5);
    }
    match plot.curve {
        None => area.nothing(canvas),
        Some(curve) => {
            band(canvas, curve, &scales);
            draw_curve(canvas, curve, &scales, Dash::Solid);
        }
    }
}

/// Writes the name of a curve above its panel, in at most two lines.
fn name(canvas: &mut Canvas<'_>, area: &Area, name: &str) {
    let lines = wrapped(name, area.right - area.left + 8.0, TICK_SIZE, true);
    let ink = Ink::new(TICK_SIZE, INK, Anchor::Start).bold();
    let shown = lines.len().min(2);
    for (index, line) in lines.iter().take(shown).enumerate() {
        let y = area.top - 8.0 - TICK_SIZE * 1.25 * (shown - 1 - index) as f64;
        canvas.text(line, (area.left, y), ink);
    }
}
