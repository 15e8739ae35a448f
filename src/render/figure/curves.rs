//! Curves over epochs: the mean over seeds, with a band from the lowest to the highest seed.

use super::canvas::{Canvas, Point};
use super::data;
use super::frame::{Area, Key, Layout, below_numeric, legend};
use super::scale::Scale;
use super::{Drawn, Series, csv_text, number};
use crate::analysis::curves::CurvePoint;
use crate::experiment::config::outputs::CurvesFigure;
use crate::render::Context;
use crate::render::style::Colour;

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
    pub title: String,
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

/// Draws the figure that the settings describe.
pub(in crate::render) fn figure(context: &Context, settings: &CurvesFigure) -> Drawn {
    let mut panels: Vec<CurvePanel> = Vec::new();
    for curve in
        crate::analysis::curves::curves(&context.results, &settings.value, &settings.dataset)
    {
        let shown = Curve {
            model: Series {
                name: data::shown(context, &curve.model, &curve.name),
                ..data::series(context, &curve.model)
            },
            points: curve.points,
        };
        match panels.last_mut().filter(|last| last.title == curve.panel) {
            Some(last) => last.curves.push(shown),
            None => panels.push(CurvePanel {
                title: curve.panel,
                curves: vec![shown],
            }),
        }
    }
    if panels.is_empty() {
        panels.push(CurvePanel::default());
    }
    draw(&Curves {
        title: settings.title.clone(),
        value: settings.value.clone(),
        panels,
    })
}

/// Draws the chart.
pub fn draw(curves: &Curves) -> Drawn {
    let all = curves.panels.iter().flat_map(|panel| &panel.curves);
    let keys = legend(all.map(|curve| &curve.model));
    let layout = Layout::new(
        &curves.title,
        &keys,
        curves.panels.len(),
        2,
        below_numeric(),
    );
    let svg = super::canvas::paint(layout.size(), |canvas| {
        layout.draw(canvas);
        for (index, panel) in curves.panels.iter().enumerate() {
            draw_panel(canvas, &layout.area(index), panel, (&curves.value, &keys));
        }
    });
    Drawn {
        svg,
        csv: csv(curves),
    }
}

fn draw_panel(
    canvas: &mut Canvas<'_>,
    area: &Area,
    panel: &CurvePanel,
    (value, keys): (&str, &[Key]),
) {
    area.title(canvas, &panel.title);
    let points = panel.curves.iter().flat_map(|curve| &curve.points);
    let Some(last) = points.clone().map(|point| point.epoch).max() else {
        area.nothing(canvas);
        return;
    };
    let ends = points.flat_map(|point| [point.low, point.high]);
    let vertical = Scale::around(ends).on(area.bottom, area.top);
    let epochs = Scale::between(0.0, f64::from(last)).on(area.left, area.right);
    area.vertical(canvas, &vertical, value);
    area.horizontal(canvas, &epochs, &epochs.whole_ticks(), "epoch");
    for curve in &panel.curves {
        band(canvas, curve, &epochs, &vertical);
    }
    for curve in &panel.curves {
        let at = |point: &CurvePoint| (epochs.at(f64::from(point.epoch)), vertical.at(point.mean));
        let line: Vec<_> = curve.points.iter().map(at).collect();
        let dashed = keys
            .iter()
            .any(|key| key.dashed && key.name == curve.model.name);
        match dashed {
            true => dashes(canvas, &line, curve.model.colour),
            false => canvas.line(&line, curve.model.colour, 2.0),
        }
        // A few validations are points in time, and a single one would have no line at all.
        if line.len() <= 30 {
            for point in line {
                canvas.disc(point, 2.5, curve.model.colour);
            }
        }
    }
}

/// A dashed line from point to point; dashes go on over the points between.
fn dashes(canvas: &mut Canvas<'_>, points: &[Point], colour: Colour) {
    const DASH: f64 = 6.0;
    const PERIOD: f64 = 10.0;
    let mut walked = 0.0;
    for pair in points.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        let at = |share: f64| {
            let share = (share / length).clamp(0.0, 1.0);
            (
                from.0 + (to.0 - from.0) * share,
                from.1 + (to.1 - from.1) * share,
            )
        };
        let mut start = -(walked % PERIOD);
        while start < length {
            if start + DASH > 0.0 {
                canvas.line(&[at(start), at(start + DASH)], colour, 2.0);
            }
            start += PERIOD;
        }
        walked += length;
    }
}

fn band(canvas: &mut Canvas<'_>, curve: &Curve, epochs: &Scale, vertical: &Scale) {
    let x = |point: &CurvePoint| epochs.at(f64::from(point.epoch));
    let upper = curve
        .points
        .iter()
        .map(|point| (x(point), vertical.at(point.high)));
    let lower = curve
        .points
        .iter()
        .rev()
        .map(|point| (x(point), vertical.at(point.low)));
    let outline: Vec<_> = upper.chain(lower).collect();
    if outline.len() > 2 && curve.points.iter().any(|point| point.seeds > 1) {
        canvas.polygon(&outline, curve.model.colour, 0.18);
    }
}

fn csv(curves: &Curves) -> Vec<u8> {
    let header = ["panel", "model", "epoch", "mean", "low", "high", "n_seeds"];
    let mut rows = Vec::new();
    for panel in &curves.panels {
        for curve in &panel.curves {
            for point in &curve.points {
                let mut row = vec![
                    panel.title.clone(),
                    curve.model.name.clone(),
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
