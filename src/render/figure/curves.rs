//! Curves over epochs: the mean over seeds, with a band from the lowest to the highest seed. More
//! curves than colours become small multiples.

use super::canvas::{Canvas, Point};
use super::frame::{self, Area, Dash, Key, Layout, Shape, Swatch, legend};
use super::scale::Scale;
use super::{Drawn, Name, Series, csv_text, data, marker, multiples, number, share_colours};
use crate::analysis::curves::{CurvePoint, ModelCurve, curves};
use crate::experiment::config::outputs::{Axis, CurvesFigure};
use crate::render::Context;
use allround_core::metric::Metric;
use allround_core::models::Hue;

/// What a chart of curves shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curves {
    /// Caption.
    pub title: String,
    /// Name of the vertical axis.
    pub value: String,
    /// Panels, two side by side.
    pub panels: Vec<CurvePanel>,
}

/// One panel of curves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CurvePanel {
    /// Title.
    pub title: Name,
    /// One curve a model.
    pub curves: Vec<Curve>,
}

/// One curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// The model.
    pub model: Series,
    /// Points in the order of their epochs.
    pub points: Vec<CurvePoint>,
}

/// Most curves in one panel.
const MOST: usize = Hue::ALL.len();
/// Most markers on a curve.
const MARKERS: usize = 12;

/// Draws the figure that the settings describe.
pub(in crate::render) fn figure(context: &Context, settings: &CurvesFigure) -> Drawn {
    let mut panels: Vec<CurvePanel> = Vec::new();
    for curve in curves(&context.results, &settings.value, &settings.dataset) {
        let title = panel_title(context, &curve);
        let stage = match curve.stage.as_str() {
            "" => String::new(),
            stage => format!(", {stage}"),
        };
        let shown = Curve {
            model: Series {
                name: data::model_name(context, &curve.model, &stage),
                ..data::series(context, &curve.model)
            },
            points: curve.points,
        };
        match panels.last_mut().filter(|last| last.title == title) {
            Some(last) => last.curves.push(shown),
            None => panels.push(CurvePanel {
                title,
                curves: vec![shown],
            }),
        }
    }
    if panels.is_empty() {
        panels.push(CurvePanel::default());
    }
    draw(&Curves {
        title: settings.title.clone(),
        value: match settings.value.parse::<Metric>() {
            Ok(metric) => metric.title(),
            Err(_) => settings.value.clone(),
        },
        panels,
    })
}

fn panel_title(context: &Context, curve: &ModelCurve) -> Name {
    let dataset = data::name(context, Axis::Dataset, &curve.dataset);
    match &curve.scenario {
        None => dataset,
        Some(scenario) => Name::pair(&dataset, &data::name(context, Axis::Scenario, scenario)),
    }
}

/// Draws the chart.
pub fn draw(curves: &Curves) -> Drawn {
    let csv = csv(curves);
    let all = || curves.panels.iter().flat_map(|panel| &panel.curves);
    let keys = legend(all().map(|curve| &curve.model), Swatch::Line(Dash::Solid));
    if keys.len() > MOST || share_colours(all().map(|curve| &curve.model)) {
        let svg = multiples::draw(curves, &keys);
        return Drawn { svg, csv };
    }
    let shape = Shape {
        columns: 2,
        ..Shape::default()
    };
    let layout = Layout::new(&curves.title, &keys, curves.panels.len(), shape);
    let svg = super::canvas::paint(layout.size(), |canvas| {
        layout.draw(canvas);
        for (index, panel) in curves.panels.iter().enumerate() {
            draw_panel(canvas, &layout.area(index), panel, (&curves.value, &keys));
        }
    });
    Drawn { svg, csv }
}

fn draw_panel(
    canvas: &mut Canvas<'_>,
    area: &Area,
    panel: &CurvePanel,
    (value, keys): (&str, &[Key]),
) {
    area.title(canvas, &panel.title.label);
    let Some(axes) = axes([panel].into_iter()) else {
        area.nothing(canvas);
        return;
    };
    let axes = axes.on(area);
    area.vertical(canvas, &axes.values, value);
    area.horizontal(canvas, &axes.epochs, &axes.epochs.whole_ticks(), "epoch");
    for curve in &panel.curves {
        band(canvas, curve, &axes);
    }
    for curve in &panel.curves {
        draw_curve(canvas, curve, &axes, dash(curve, keys));
    }
}

/// The axes of panels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axes {
    pub(super) epochs: Scale,
    pub(super) values: Scale,
}

/// Axes for all curves of some panels; `None` where nothing was measured.
pub(super) fn axes<'a>(panels: impl Iterator<Item = &'a CurvePanel>) -> Option<Axes> {
    let curves = panels.flat_map(|panel| &panel.curves);
    let points: Vec<&CurvePoint> = curves.flat_map(|curve| &curve.points).collect();
    let last = points.iter().map(|point| point.epoch).max()?;
    let ends = points.iter().flat_map(|point| [point.low, point.high]);
    Some(Axes {
        epochs: Scale::between(0.0, f64::from(last)),
        values: Scale::around(ends),
    })
}

impl Axes {
    /// The axes of an area.
    pub(super) fn on(self, area: &Area) -> Self {
        Axes {
            epochs: self.epochs.on(area.left, area.right),
            values: self.values.on(area.bottom, area.top),
        }
    }

    /// The line of a curve.
    pub(super) fn line(&self, curve: &Curve) -> Vec<Point> {
        let at = |point: &CurvePoint| {
            (
                self.epochs.at(f64::from(point.epoch)),
                self.values.at(point.mean),
            )
        };
        curve.points.iter().map(at).collect()
    }
}

/// How the line of a curve is drawn: as in the legend.
fn dash(curve: &Curve, keys: &[Key]) -> Dash {
    let is_its = |key: &&Key| key.label == curve.model.name.label && key.hue == curve.model.hue;
    match keys.iter().find(is_its).map(|key| key.swatch) {
        Some(Swatch::Line(dash)) => dash,
        Some(Swatch::Square | Swatch::Marker) | None => Dash::Solid,
    }
}

/// Draws a line with its markers.
pub(super) fn draw_curve(canvas: &mut Canvas<'_>, curve: &Curve, axes: &Axes, dash: Dash) {
    let line = axes.line(curve);
    frame::line(canvas, &line, curve.model.colour(), dash);
    // Models have markers at different epochs, so that curves on top of each other stay visible.
    let step = line.len().div_ceil(MARKERS).max(1);
    let first = curve.model.position % step;
    for point in line.iter().skip(first).step_by(step) {
        marker::draw(canvas, curve.model.hue, *point, 3.2);
    }
}

/// Draws the range of the seeds.
pub(super) fn band(canvas: &mut Canvas<'_>, curve: &Curve, axes: &Axes) {
    let at = |point: &CurvePoint, value: f64| {
        (
            axes.epochs.at(f64::from(point.epoch)),
            axes.values.at(value),
        )
    };
    let upper = curve.points.iter().map(|point| at(point, point.high));
    let lower = curve.points.iter().rev();
    let lower = lower.map(|point| at(point, point.low));
    let outline: Vec<_> = upper.chain(lower).collect();
    if outline.len() > 2 && curve.points.iter().any(|point| point.seeds > 1) {
        canvas.polygon(&outline, curve.model.colour(), 0.18);
    }
}

fn csv(curves: &Curves) -> Vec<u8> {
    let header = ["panel", "model", "epoch", "mean", "low", "high", "n_seeds"];
    let mut rows = Vec::new();
    for panel in &curves.panels {
        for curve in &panel.curves {
            for point in &curve.points {
                let mut row = vec![
                    panel.title.plain.clone(),
                    curve.model.name.plain.clone(),
                    point.epoch.to_string(),
                ];
                row.extend([point.mean, point.low, point.high].map(|value| number(Some(value))));
                row.push(point.seeds.to_string());
                rows.push(row);
            }
        }
    }
    csv_text(&header, &rows)
}
