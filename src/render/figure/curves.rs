//! Curves over epochs or samples: the mean over seeds, with a band from the lowest to the highest
//! seed. More curves than colours become small multiples.

use super::canvas::{Canvas, Point};
use super::frame::{self, Area, Dash, Key, Layout, Shape, Swatch, legend};
use super::scale::Scale;
use super::{Drawn, Name, Series, csv_text, data, marker, multiples, number, share_colours};
use crate::analysis::curves::{CurvePoint, ModelCurve, curves, reference};
use crate::experiment::config::outputs::{Axis, CurveAxis, CurvesFigure};
use crate::render::Context;
use allround_core::metric::Metric;
use allround_core::models::Hue;

/// What a chart of curves shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curves {
    /// Caption.
    pub title: String,
    /// Name of the horizontal axis.
    pub axis: CurveAxis,
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
    /// A level to compare with.
    pub reference: Option<Level>,
}

/// The level of a model that is not trained here.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// The model.
    pub model: Series,
    /// Its value.
    pub value: f64,
}

/// One curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// The model.
    pub model: Series,
    /// Points in the order of training.
    pub points: Vec<CurvePoint>,
}

/// Most curves in one panel.
const MOST: usize = Hue::ALL.len();
/// Most markers on a curve.
const MARKERS: usize = 12;

/// Draws the figure that the settings describe.
pub(in crate::render) fn figure(context: &Context, settings: &CurvesFigure) -> Drawn {
    let mut panels: Vec<CurvePanel> = Vec::new();
    let found = curves(
        &context.results,
        &settings.value,
        settings.x,
        &settings.dataset,
    );
    // The reference has a level, not a curve: it was validated on other users.
    for curve in found
        .into_iter()
        .filter(|it| it.model != settings.reference)
    {
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
                reference: level(
                    context,
                    settings,
                    (&curve.dataset, curve.scenario.as_deref()),
                ),
            }),
        }
    }
    if panels.is_empty() {
        panels.push(CurvePanel::default());
    }
    draw(&Curves {
        title: settings.title.clone(),
        axis: settings.x,
        value: match settings.value.parse::<Metric>() {
            Ok(metric) => metric.title(),
            Err(_) => settings.value.clone(),
        },
        panels,
    })
}

/// The level of the reference in the panel of a data set and scenario.
fn level(context: &Context, settings: &CurvesFigure, panel: (&str, Option<&str>)) -> Option<Level> {
    if settings.reference.is_empty() {
        return None;
    }
    let value = reference(
        &context.results,
        &settings.value,
        &settings.reference,
        panel,
    )?;
    Some(Level {
        model: data::series(context, &settings.reference),
        value,
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
    let mut keys = legend(all().map(|curve| &curve.model), Swatch::Line(Dash::Solid));
    if keys.len() > MOST || share_colours(all().map(|curve| &curve.model)) {
        let svg = multiples::draw(curves, &keys);
        return Drawn { svg, csv };
    }
    let mut levels = curves
        .panels
        .iter()
        .filter_map(|panel| panel.reference.as_ref());
    keys.extend(levels.next().map(|level| Key {
        label: level.model.name.label.clone(),
        hue: level.model.hue,
        swatch: Swatch::Level,
    }));
    let shape = Shape {
        columns: 2,
        ..Shape::default()
    };
    let layout = Layout::new(&curves.title, &keys, curves.panels.len(), shape);
    let svg = super::canvas::paint(layout.size(), |canvas| {
        layout.draw(canvas);
        for (index, panel) in curves.panels.iter().enumerate() {
            draw_panel(canvas, &layout.area(index), panel, (curves, &keys));
        }
    });
    Drawn { svg, csv }
}

fn draw_panel(
    canvas: &mut Canvas<'_>,
    area: &Area,
    panel: &CurvePanel,
    (chart, keys): (&Curves, &[Key]),
) {
    area.title(canvas, &panel.title.label);
    let Some(axes) = axes([panel].into_iter()) else {
        area.nothing(canvas);
        return;
    };
    let axes = axes.on(area);
    area.vertical(canvas, &axes.values, &chart.value);
    area.horizontal(
        canvas,
        &axes.along,
        &axes.along.whole_ticks(),
        chart.axis.name(),
    );
    draw_level(canvas, area, panel, &axes);
    for curve in &panel.curves {
        band(canvas, curve, &axes);
    }
    for curve in &panel.curves {
        draw_curve(canvas, curve, &axes, dash(curve, keys));
    }
}

/// Draws the level of the reference across a panel.
pub(super) fn draw_level(canvas: &mut Canvas<'_>, area: &Area, panel: &CurvePanel, axes: &Axes) {
    if let Some(level) = &panel.reference {
        let y = axes.values.at(level.value);
        let ends = [(area.left, y), (area.right, y)];
        frame::line(canvas, &ends, level.model.colour(), Dash::Dashed);
    }
}

/// The axes of panels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axes {
    pub(super) along: Scale,
    pub(super) values: Scale,
}

/// Axes for all curves of some panels; `None` where nothing was measured.
pub(super) fn axes<'a>(panels: impl Iterator<Item = &'a CurvePanel>) -> Option<Axes> {
    let panels: Vec<&CurvePanel> = panels.collect();
    let curves = panels.iter().flat_map(|panel| &panel.curves);
    let points: Vec<&CurvePoint> = curves.flat_map(|curve| &curve.points).collect();
    let last = points.iter().map(|point| point.at).max()?;
    let ends = points.iter().flat_map(|point| [point.low, point.high]);
    let levels = panels.iter().filter_map(|panel| panel.reference.as_ref());
    Some(Axes {
        along: Scale::between(0.0, last as f64),
        values: Scale::around(ends.chain(levels.map(|level| level.value))),
    })
}

impl Axes {
    /// The axes of an area.
    pub(super) fn on(self, area: &Area) -> Self {
        Axes {
            along: self.along.on(area.left, area.right),
            values: self.values.on(area.bottom, area.top),
        }
    }

    /// The line of a curve.
    pub(super) fn line(&self, curve: &Curve) -> Vec<Point> {
        let at = |point: &CurvePoint| (self.along.at(point.at as f64), self.values.at(point.mean));
        curve.points.iter().map(at).collect()
    }
}

/// How the line of a curve is drawn: as in the legend.
fn dash(curve: &Curve, keys: &[Key]) -> Dash {
    let is_its = |key: &&Key| key.label == curve.model.name.label && key.hue == curve.model.hue;
    match keys.iter().find(is_its).map(|key| key.swatch) {
        Some(Swatch::Line(dash)) => dash,
        Some(Swatch::Square | Swatch::Marker | Swatch::Level) | None => Dash::Solid,
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
    let at =
        |point: &CurvePoint, value: f64| (axes.along.at(point.at as f64), axes.values.at(value));
    let upper = curve.points.iter().map(|point| at(point, point.high));
    let lower = curve.points.iter().rev();
    let lower = lower.map(|point| at(point, point.low));
    let outline: Vec<_> = upper.chain(lower).collect();
    if outline.len() > 2 && curve.points.iter().any(|point| point.seeds > 1) {
        canvas.polygon(&outline, curve.model.colour(), 0.18);
    }
}

fn csv(curves: &Curves) -> Vec<u8> {
    let axis = curves.axis.name();
    let header = ["panel", "model", axis, "mean", "low", "high", "n_seeds"];
    let mut rows = Vec::new();
    for panel in &curves.panels {
        for curve in &panel.curves {
            for point in &curve.points {
                let mut row = vec![
                    panel.title.plain.clone(),
                    curve.model.name.plain.clone(),
                    point.at.to_string(),
                ];
                row.extend([point.mean, point.low, point.high].map(|value| number(Some(value))));
                row.push(point.seeds.to_string());
                rows.push(row);
            }
        }
        // A level has no place on the axis, no range and no number of seeds.
        if let Some(level) = &panel.reference {
            let (panel, model) = (&panel.title.plain, &level.model.name.plain);
            let mut row = vec![panel.clone(), model.clone(), String::new()];
            row.push(number(Some(level.value)));
            row.extend([String::new(), String::new(), String::new()]);
            rows.push(row);
        }
    }
    csv_text(&header, &rows)
}
