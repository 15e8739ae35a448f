//! Quality against cost: a point a model, with its interval; up and to the left is better.

use super::canvas::{Anchor, Canvas, Ink, width_of};
use super::frame::{Area, Key, Layout, Shape, Swatch, legend};
use super::scale::Scale;
use super::{Drawn, Name, Series, csv_text, data, marker, number, share_colours};
use crate::analysis::costs::{CostKey, costs};
use crate::analysis::summary::SummaryRow;
use crate::experiment::config::outputs::{Axis, Cost, ScatterFigure};
use crate::render::style::{INK, PAPER, TICK_SIZE};
use crate::render::{Context, RenderError};

/// What a scatter chart shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scatter {
    /// Caption.
    pub title: String,
    /// Name of the vertical axis.
    pub value: String,
    /// Name of the horizontal axis, with its unit; it is logarithmic.
    pub cost: String,
    /// Panels, two side by side.
    pub panels: Vec<ScatterPanel>,
}

/// One panel of points.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScatterPanel {
    /// Title.
    pub title: Name,
    /// One point a model.
    pub points: Vec<ScatterPoint>,
}

/// One model.
#[derive(Clone, Debug, PartialEq)]
pub struct ScatterPoint {
    /// The model.
    pub model: Series,
    /// Its cost, above 0.
    pub cost: f64,
    /// Its quality.
    pub value: f64,
    /// Interval of the quality; `None` where none is known.
    pub interval: Option<(f64, f64)>,
}

const RADIUS: f64 = 5.0;

/// Draws the figure that the settings describe.
///
/// # Errors
/// When the statistics cannot be computed.
pub(in crate::render) fn figure(
    context: &Context,
    settings: &ScatterFigure,
) -> Result<Drawn, RenderError> {
    let numbers = settings.measured();
    let table = data::summarize(context, &numbers)?;
    let costs = costs(&context.results);
    let many_scenarios = table
        .columns
        .iter()
        .any(|column| column.scenario != table.columns[0].scenario);
    let mut panels = Vec::new();
    for (index, column) in table.columns.iter().enumerate() {
        let of_model = |model: &String| {
            let key = |scenario: &str| CostKey {
                dataset: column.dataset.clone(),
                scenario: scenario.to_owned(),
                name: model.clone(),
            };
            let costs = costs
                .get(&key(&column.scenario))
                .or_else(|| costs.get(&key("")))?;
            costs.get(settings.cost).filter(|&cost| cost > 0.0)
        };
        let point = |row: &SummaryRow| {
            Some(ScatterPoint {
                model: data::series(context, &row.name),
                cost: of_model(&row.name)?,
                value: row.summaries[index].mean?,
                interval: data::interval(&row.summaries[index]),
            })
        };
        let dataset = data::name(context, Axis::Dataset, &column.dataset);
        let scenario = data::name(context, Axis::Scenario, &column.scenario);
        panels.push(ScatterPanel {
            title: match many_scenarios {
                true => Name::pair(&dataset, &scenario),
                false => dataset,
            },
            points: table.rows.iter().filter_map(point).collect(),
        });
    }
    Ok(draw(&Scatter {
        title: settings.title.clone(),
        value: data::axis_of(&numbers),
        cost: cost_name(settings.cost).to_owned(),
        panels,
    }))
}

fn cost_name(cost: Cost) -> &'static str {
    match cost {
        Cost::TrainSeconds => "training time (s)",
        Cost::EvaluateSecondsPerUser => "evaluation time per user (s)",
        Cost::Params => "parameters",
        Cost::PeakRssBytes => "peak memory (bytes)",
        Cost::PeakDeviceBytes => "peak device memory (bytes)",
        Cost::TrainedParams => "trained parameters",
        Cost::TrainTokens => "training tokens",
        Cost::TrainFlops => "FLOPs of training",
        Cost::FlopsPerSample => "FLOPs per training sample",
        Cost::FlopsPerUser => "FLOPs per recommendation",
        Cost::EnergyJoules => "energy (J)",
    }
}

/// How the points of a figure get their names.
enum Naming {
    /// Next to each point of each panel, in this many columns.
    Labels(usize, Vec<Vec<Label>>),
    /// By a legend of markers.
    Legend(Vec<Key>),
    /// By numbers that a legend explains, where models share markers.
    Numbers(Vec<Key>),
}

/// Draws the chart.
pub fn draw(scatter: &Scatter) -> Drawn {
    let naming = naming(scatter);
    let (columns, keys): (usize, &[Key]) = match &naming {
        Naming::Labels(columns, _) => (*columns, &[]),
        Naming::Legend(keys) | Naming::Numbers(keys) => (2, keys),
    };
    let layout = layout(scatter, columns, keys);
    let svg = super::canvas::paint(layout.size(), |canvas| {
        layout.draw(canvas);
        for (index, panel) in scatter.panels.iter().enumerate() {
            draw_panel(canvas, &layout.area(index), panel, (scatter, &naming));
            let Naming::Labels(_, places) = &naming else {
                continue;
            };
            for label in &places[index] {
                let ink = Ink::new(TICK_SIZE, INK, Anchor::Start);
                canvas.text(&label.text, (label.left, label.bottom - 3.0), ink);
            }
        }
    });
    Drawn {
        svg,
        csv: csv(scatter),
    }
}

/// Names are next to their points if all of them fit. Wider panels fit more.
fn naming(scatter: &Scatter) -> Naming {
    for columns in [2, 1] {
        let bare = layout(scatter, columns, &[]);
        let panels = scatter.panels.iter().enumerate();
        let places: Option<Vec<Vec<Label>>> = panels
            .map(|(index, panel)| labels(&bare.area(index), panel))
            .collect();
        if let Some(places) = places {
            return Naming::Labels(columns, places);
        }
    }
    let models = || {
        let points = scatter.panels.iter().flat_map(|panel| &panel.points);
        points.map(|point| &point.model)
    };
    let mut keys = legend(models(), Swatch::Marker);
    if !share_colours(models()) {
        return Naming::Legend(keys);
    }
    for (index, key) in keys.iter_mut().enumerate() {
        key.label = format!("{} {}", index + 1, key.label);
        key.swatch = Swatch::Square;
    }
    Naming::Numbers(keys)
}

fn layout(scatter: &Scatter, columns: usize, keys: &[Key]) -> Layout {
    let shape = Shape {
        columns,
        ..Shape::default()
    };
    Layout::new(&scatter.title, keys, scatter.panels.len(), shape)
}

/// The two axes of a panel.
fn scales(area: &Area, panel: &ScatterPanel) -> (Scale, Scale) {
    let costs = panel.points.iter().map(|point| point.cost);
    let ends = |point: &ScatterPoint| {
        let (low, high) = point.interval.unwrap_or((point.value, point.value));
        [low, high]
    };
    let values = panel.points.iter().flat_map(ends);
    (
        Scale::logarithmic(costs).on(area.left, area.right),
        Scale::around(values).on(area.bottom, area.top),
    )
}

fn draw_panel(
    canvas: &mut Canvas<'_>,
    area: &Area,
    panel: &ScatterPanel,
    (scatter, naming): (&Scatter, &Naming),
) {
    area.title(canvas, &panel.title.label);
    if panel.points.is_empty() {
        area.nothing(canvas);
        return;
    }
    let (costs, values) = scales(area, panel);
    area.vertical(canvas, &values, &scatter.value);
    area.horizontal(canvas, &costs, &costs.ticks(), &scatter.cost);
    for point in &panel.points {
        let at = (costs.at(point.cost), values.at(point.value));
        if let Some((low, high)) = point.interval {
            let ends = [(at.0, values.at(low)), (at.0, values.at(high))];
            canvas.line(&ends, point.model.colour(), 1.5);
        }
        match naming {
            Naming::Labels(..) | Naming::Legend(_) => {
                marker::draw(canvas, point.model.hue, at, RADIUS);
            }
            Naming::Numbers(keys) => numbered(canvas, point, keys, at),
        }
    }
}

/// A disc with the number that the legend gives the model.
fn numbered(canvas: &mut Canvas<'_>, point: &ScatterPoint, keys: &[Key], at: (f64, f64)) {
    canvas.disc(at, 1.7 * RADIUS, point.model.colour());
    let number = keys.iter().find_map(|key| {
        let (number, label) = key.label.split_once(' ')?;
        (label == point.model.name.label).then_some(number)
    });
    let ink = Ink::new(TICK_SIZE - 1.0, PAPER, Anchor::Middle).bold();
    canvas.text(number.unwrap_or_default(), (at.0, at.1 + 3.6), ink);
}

/// A name's box.
#[derive(Clone, Debug)]
struct Label {
    text: String,
    left: f64,
    bottom: f64,
    width: f64,
}

/// A rectangle: left, top, right, bottom.
type Place = (f64, f64, f64, f64);

impl Label {
    fn place(&self) -> Place {
        let high = TICK_SIZE + 4.0;
        (
            self.left,
            self.bottom - high,
            self.left + self.width,
            self.bottom,
        )
    }
}

fn overlap(a: Place, b: Place) -> bool {
    a.0 < b.2 && b.0 < a.2 && a.1 < b.3 && b.1 < a.3
}

/// A free place for the name of each point, or `None` when one has none.
fn labels(area: &Area, panel: &ScatterPanel) -> Option<Vec<Label>> {
    let (costs, values) = scales(area, panel);
    let at = |point: &ScatterPoint| (costs.at(point.cost), values.at(point.value));
    let mut taken: Vec<Place> = Vec::new();
    for point in &panel.points {
        let (x, y) = at(point);
        taken.push((x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS));
        if let Some((low, high)) = point.interval {
            taken.push((x - 1.0, values.at(high), x + 1.0, values.at(low)));
        }
    }
    let inside = |place: Place| {
        place.0 >= area.left
            && place.2 <= area.right
            && place.1 >= area.top
            && place.3 <= area.bottom
    };
    let mut labels = Vec::new();
    for point in &panel.points {
        let free = |label: &Label| {
            let place = label.place();
            inside(place) && !taken.iter().any(|&other| overlap(place, other))
        };
        let label = candidates(&point.model.name.label, at(point))
            .into_iter()
            .find(free)?;
        taken.push(label.place());
        labels.push(label);
    }
    Some(labels)
}

/// Places around a point, best first.
fn candidates(name: &str, (x, y): (f64, f64)) -> Vec<Label> {
    let width = width_of(name, TICK_SIZE, false);
    let half = (TICK_SIZE + 4.0) / 2.0;
    let (right, left) = (x + RADIUS + 4.0, x - RADIUS - 4.0 - width);
    let (above, below) = (y - RADIUS - 2.0, y + RADIUS + 3.0 + 2.0 * half);
    let label = |left: f64, bottom: f64| Label {
        text: name.to_owned(),
        left,
        bottom,
        width,
    };
    vec![
        label(right, y + half),
        label(left, y + half),
        label(right, above),
        label(right, below),
        label(left, above),
        label(left, below),
        label(x - width / 2.0, above),
        label(x - width / 2.0, below),
    ]
}

fn csv(scatter: &Scatter) -> Vec<u8> {
    let header = ["panel", "model", "cost", "value", "low", "high"];
    let mut rows = Vec::new();
    for panel in &scatter.panels {
        for point in &panel.points {
            let (low, high) = point.interval.unzip();
            let mut row = vec![panel.title.plain.clone(), point.model.name.plain.clone()];
            row.extend([Some(point.cost), Some(point.value), low, high].map(number));
            rows.push(row);
        }
    }
    csv_text(&header, &rows)
}
