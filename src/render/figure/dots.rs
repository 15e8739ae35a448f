//! A dot plot: the form of a bar chart of more than nine models. One row a model, with its name on
//! the vertical axis; one column of panels a group.

use super::Series;
use super::bars::{Bar, BarGroup, Bars};
use super::canvas::{Anchor, Canvas, Ink, fitted, width_of};
use super::frame::{Area, Layout, Shape, below_numeric};
use super::marker;
use super::scale::Scale;
use crate::render::style::{GRID, INK, LABEL_SIZE, QUIET, TICK_SIZE};

/// Height of a model's row in pixels.
const ROW: f64 = 19.0;
/// Groups side by side, at most.
const COLUMNS: usize = 3;
/// Longest name in pixels.
const LONGEST_NAME: f64 = 230.0;
const RADIUS: f64 = 4.2;

/// One group of bars, turned.
struct Plot<'a> {
    title: String,
    bars: Vec<&'a Bar>,
    chance: Option<f64>,
}

/// Draws the chart.
pub fn draw(bars: &Bars) -> String {
    let models = models(bars);
    let rows = plots(bars);
    let columns = rows.iter().map(Vec::len).max().unwrap_or(1);
    let widths = models.iter().map(|model| name_width(model));
    let shape = Shape {
        columns,
        names: widths.fold(0.0, f64::max).min(LONGEST_NAME) - 8.0,
        left: 22.0,
        height: ROW * models.len() as f64 + 4.0,
        below: below_numeric() - 6.0,
        ..Shape::default()
    };
    let layout = Layout::new(&bars.title, &[], rows.len() * columns, shape);
    let scale = scale(&rows);
    super::canvas::paint(layout.size(), |canvas| {
        layout.draw(canvas);
        for (row, plots) in rows.iter().enumerate() {
            for (column, plot) in plots.iter().enumerate() {
                let area = layout.area(row * columns + column);
                if column == 0 {
                    names(canvas, &area, &models);
                }
                area.title(canvas, &plot.title);
                draw_plot(canvas, &area, (plot, &models), scale);
                let axis = scale.on(area.left, area.right);
                area.horizontal(canvas, &axis, &axis.ticks(), &bars.value);
            }
        }
    })
}

/// The models in declared order.
fn models(bars: &Bars) -> Vec<&Series> {
    let mut models: Vec<&Series> = bars.models().collect();
    models.sort_by_key(|model| model.position);
    models.dedup();
    models
}

fn name_width(model: &Series) -> f64 {
    width_of(&model.name.label, TICK_SIZE, false)
}

/// The plots of each row.
fn plots(bars: &Bars) -> Vec<Vec<Plot<'_>>> {
    let by_model = bars.is_by_model();
    let mut rows = Vec::new();
    for panel in &bars.panels {
        let title = &panel.title.label;
        if by_model {
            rows.push(vec![Plot {
                title: title.clone(),
                bars: panel.groups.iter().flat_map(|group| &group.bars).collect(),
                chance: panel.chance,
            }]);
            continue;
        }
        for groups in panel.groups.chunks(COLUMNS) {
            let plot = |group: &BarGroup| match bars.panels.len() {
                1 => group.name.label.clone(),
                _ => format!("{title}, {}", group.name.label),
            };
            let plots = groups.iter().map(|group| Plot {
                title: plot(group),
                bars: group.bars.iter().collect(),
                chance: panel.chance,
            });
            rows.push(plots.collect());
        }
    }
    rows
}

/// One axis for all plots, so that they can be compared.
fn scale(rows: &[Vec<Plot<'_>>]) -> Scale {
    let plots = rows.iter().flatten();
    let ends = |plot: &Plot<'_>| -> Vec<f64> {
        let of_bar = |bar: &&Bar| {
            let interval = bar.interval.map(|(low, high)| [low, high]);
            bar.value
                .into_iter()
                .chain(interval.into_iter().flatten())
                .collect::<Vec<_>>()
        };
        let bars = plot.bars.iter().flat_map(of_bar);
        bars.chain(plot.chance).collect()
    };
    let ends: Vec<f64> = plots.flat_map(ends).collect();
    Scale::around(ends.into_iter())
}

fn middle(area: &Area, row: usize) -> f64 {
    area.top + 2.0 + ROW * (row as f64 + 0.5)
}

fn names(canvas: &mut Canvas<'_>, area: &Area, models: &[&Series]) {
    let ink = Ink::new(TICK_SIZE, INK, Anchor::End);
    for (row, model) in models.iter().enumerate() {
        let name = fitted(&model.name.label, LONGEST_NAME, TICK_SIZE, false);
        let y = middle(area, row) + 0.36 * TICK_SIZE;
        canvas.text(&name, (area.left - 10.0, y), ink);
    }
}

fn draw_plot(
    canvas: &mut Canvas<'_>,
    area: &Area,
    (plot, models): (&Plot<'_>, &[&Series]),
    scale: Scale,
) {
    let scale = scale.on(area.left, area.right);
    for (value, _) in scale.ticks() {
        let x = scale.at(value);
        canvas.line(&[(x, area.top), (x, area.bottom)], GRID, 1.0);
    }
    if let Some(chance) = plot.chance {
        let x = scale.at(chance);
        area.dashed_down(canvas, x);
        let ink = Ink::new(TICK_SIZE - 1.0, QUIET, Anchor::End);
        let width = width_of(&plot.title, LABEL_SIZE, true);
        let text = "dashed: chance";
        if width + width_of(text, TICK_SIZE, false) + 12.0 < area.right - area.left {
            canvas.text(text, (area.right, area.top - 9.0), ink);
        }
    }
    for (row, model) in models.iter().enumerate() {
        let y = middle(area, row);
        canvas.line(&[(area.left, y), (area.right, y)], GRID, 1.0);
        let bar = plot.bars.iter().find(|bar| bar.model == **model);
        let Some((bar, value)) = bar.and_then(|bar| Some((bar, bar.value?))) else {
            let ink = Ink::new(TICK_SIZE, QUIET, Anchor::Start);
            canvas.text("–", (area.left + 4.0, y + 4.0), ink);
            continue;
        };
        if let Some((low, high)) = bar.interval {
            let ends = [(scale.at(low), y), (scale.at(high), y)];
            canvas.line(&ends, model.colour(), 2.0);
        }
        marker::draw(canvas, model.hue, (scale.at(value), y), RADIUS);
    }
}
