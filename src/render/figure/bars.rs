//! Grouped bars with whiskers: one bar a model, one group a data set, scenario or model. More than
//! nine models become a dot plot.

use super::canvas::{Anchor, Canvas, Ink, wrapped};
use super::frame::{Area, Key, Layout, Shape, Swatch, legend};
use super::scale::Scale;
use super::{Drawn, Name, Series, csv_text, data, dots, share_colours};
use crate::analysis::summary::Column;
use crate::experiment::config::outputs::{Axis, BarsFigure};
use crate::render::style::{self, GRID, INK, MARGIN, QUIET, TICK_SIZE};
use crate::render::{Context, RenderError};

/// What a bar chart shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bars {
    /// Caption.
    pub title: String,
    /// Name of the vertical axis.
    pub value: String,
    /// Panels, one under another.
    pub panels: Vec<BarPanel>,
}

/// One panel of groups.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BarPanel {
    /// Title.
    pub title: Name,
    /// Groups from left to right.
    pub groups: Vec<BarGroup>,
    /// What guessing gets, where the protocol samples its candidates.
    pub chance: Option<f64>,
}

/// Bars next to each other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BarGroup {
    /// Label below.
    pub name: Name,
    /// Bars from left to right.
    pub bars: Vec<Bar>,
}

/// One bar.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// The model.
    pub model: Series,
    /// Its height; `None` when nothing was measured, which leaves a gap.
    pub value: Option<f64>,
    /// Ends of the whisker; `None` where no interval is known.
    pub interval: Option<(f64, f64)>,
}

/// Narrowest bar in pixels; panels with more bars than fit are continued in another row.
const NARROWEST: f64 = 7.0;
/// Widest bar in pixels.
const WIDEST: f64 = 42.0;
/// Width of the area of a figure with one column, as the layout computes it.
const AREA_WIDTH: f64 = style::FIGURE_WIDTH - 2.0 * MARGIN - 54.0;

/// Draws the figure that the settings describe.
///
/// # Errors
/// When the statistics cannot be computed.
pub(in crate::render) fn figure(
    context: &Context,
    settings: &BarsFigure,
) -> Result<Drawn, RenderError> {
    let numbers = settings.measured();
    let table = data::summarize(context, &numbers)?;
    let chance = context
        .results
        .spec
        .protocol
        .get(numbers.protocol)
        .and_then(|protocol| data::chance(protocol, numbers.metric));
    let mut panels: Vec<BarPanel> = Vec::new();
    for (index, column) in table.columns.iter().enumerate() {
        let bars = table.rows.iter().map(|row| Bar {
            model: data::series(context, &row.name),
            value: row.summaries[index].mean,
            interval: data::interval(&row.summaries[index]),
        });
        let (panel_title, groups) = grouped(context, settings.group, column, bars.collect());
        match panels.iter_mut().find(|panel| panel.title == panel_title) {
            Some(panel) => panel.groups.extend(groups),
            None => panels.push(BarPanel {
                title: panel_title,
                groups,
                chance,
            }),
        }
    }
    Ok(draw(&Bars {
        title: settings.title.clone(),
        value: data::axis_of(&numbers),
        panels,
    }))
}

/// The panel that a column's bars belong to, and their groups in it.
fn grouped(
    context: &Context,
    group: Axis,
    column: &Column,
    bars: Vec<Bar>,
) -> (Name, Vec<BarGroup>) {
    let dataset = data::name(context, Axis::Dataset, &column.dataset);
    let scenario = data::name(context, Axis::Scenario, &column.scenario);
    let alone = |bar: Bar| BarGroup {
        name: bar.model.name.clone(),
        bars: vec![bar],
    };
    let together = |name: Name, bars| vec![BarGroup { name, bars }];
    match group {
        Axis::Dataset => (scenario, together(dataset, bars)),
        Axis::Scenario => (dataset, together(scenario, bars)),
        Axis::Model => (
            Name::pair(&dataset, &scenario),
            bars.into_iter().map(alone).collect(),
        ),
    }
}

/// Draws the chart.
pub fn draw(bars: &Bars) -> Drawn {
    let csv = csv(bars);
    if share_colours(bars.models()) {
        let svg = dots::draw(bars);
        return Drawn { svg, csv };
    }
    let panels: Vec<BarPanel> = bars.panels.iter().flat_map(continued).collect();
    // A legend that repeats the labels below the bars says nothing.
    let keys: Vec<Key> = match bars.is_by_model() {
        true => Vec::new(),
        false => legend(bars.models(), Swatch::Square),
    };
    let shape = Shape {
        below: label_lines(&panels) as f64 * TICK_SIZE * 1.25 + MARGIN,
        ..Shape::default()
    };
    let layout = Layout::new(&bars.title, &keys, panels.len(), shape);
    let highest = highest(&bars.panels);
    let svg = super::canvas::paint(layout.size(), |canvas| {
        layout.draw(canvas);
        for (index, panel) in panels.iter().enumerate() {
            draw_panel(canvas, &layout.area(index), panel, highest, &bars.value);
        }
    });
    Drawn { svg, csv }
}

impl Bars {
    fn groups(&self) -> impl Iterator<Item = &BarGroup> {
        self.panels.iter().flat_map(|panel| &panel.groups)
    }

    /// The models of all bars, each as often as it has bars.
    pub(super) fn models(&self) -> impl Iterator<Item = &Series> {
        let bars = self.groups().flat_map(|group| &group.bars);
        bars.map(|bar| &bar.model)
    }

    /// Whether each group is one model.
    pub(super) fn is_by_model(&self) -> bool {
        let is_model = |group: &BarGroup| match group.bars.as_slice() {
            [bar] => bar.model.name == group.name,
            _ => false,
        };
        self.groups().all(is_model)
    }
}

/// Lines that the longest label below a group needs, 1 or 2.
fn label_lines(panels: &[BarPanel]) -> usize {
    let of_panel = |panel: &BarPanel| {
        let spacing = Spacing::of(panel, AREA_WIDTH);
        let lines = |group: &BarGroup| group_label(group, spacing.width(group)).len();
        panel.groups.iter().map(lines).max().unwrap_or(1)
    };
    panels.iter().map(of_panel).max().unwrap_or(1)
}

/// The label below a group, in at most two lines.
fn group_label(group: &BarGroup, width: f64) -> Vec<String> {
    let mut lines = wrapped(&group.name.label, width - 4.0, TICK_SIZE, false);
    lines.truncate(2);
    lines
}

/// How a panel's width is shared.
#[derive(Clone, Copy, Debug)]
struct Spacing {
    /// Width of a bar with its gap.
    slot: f64,
    /// Further width of each group.
    spare: f64,
}

impl Spacing {
    fn of(panel: &BarPanel, width: f64) -> Self {
        let slots: f64 = panel.groups.iter().map(slots).sum();
        let slot = (width / slots.max(1.0)).min(WIDEST);
        let spare = (width - slot * slots) / panel.groups.len().max(1) as f64;
        Spacing { slot, spare }
    }

    fn width(self, group: &BarGroup) -> f64 {
        self.slot * slots(group) + self.spare
    }
}

/// The bars of a group, and the gap after it.
fn slots(group: &BarGroup) -> f64 {
    group.bars.len() as f64 + 1.0
}

/// The panel in as many rows as it takes for readable bars.
fn continued(panel: &BarPanel) -> Vec<BarPanel> {
    let most = AREA_WIDTH / NARROWEST;
    let mut rows: Vec<BarPanel> = Vec::new();
    let mut used = f64::INFINITY;
    for group in &panel.groups {
        if used + slots(group) > most {
            rows.push(BarPanel {
                groups: Vec::new(),
                ..panel.clone()
            });
            used = 0.0;
        }
        used += slots(group);
        rows.last_mut()
            .expect("a row was begun for the first group")
            .groups
            .push(group.clone());
    }
    if rows.is_empty() {
        vec![panel.clone()]
    } else {
        rows
    }
}

/// The highest end of a bar, whisker or chance line. All panels share one axis, so that they can be
/// compared.
fn highest(panels: &[BarPanel]) -> f64 {
    let bars = panels
        .iter()
        .flat_map(|panel| &panel.groups)
        .flat_map(|group| &group.bars);
    let ends = bars.flat_map(|bar| [bar.value, bar.interval.map(|(_, high)| high)]);
    let chances = panels.iter().map(|panel| panel.chance);
    ends.chain(chances).flatten().fold(0.0, f64::max)
}

fn draw_panel(canvas: &mut Canvas<'_>, area: &Area, panel: &BarPanel, highest: f64, value: &str) {
    let scale = Scale::from_zero(highest).on(area.bottom, area.top);
    area.title(canvas, &panel.title.label);
    area.vertical(canvas, &scale, value);
    if panel.groups.is_empty() {
        area.nothing(canvas);
    }
    let spacing = Spacing::of(panel, area.right - area.left);
    let mut left = area.left;
    for group in &panel.groups {
        let width = spacing.width(group);
        draw_group(canvas, area, &scale, group, (left, width, spacing.slot));
        left += width;
    }
    area.base_line(canvas);
    if let Some(chance) = panel.chance {
        let y = scale.at(chance);
        area.dashed(canvas, y);
        let ink = Ink::new(TICK_SIZE - 1.0, QUIET, Anchor::End);
        // Above the panel, where no bar can be.
        canvas.text(
            &format!("dashed: chance {}", style::significant(chance)),
            (area.right, area.top - 9.0),
            ink,
        );
    }
}

fn draw_group(
    canvas: &mut Canvas<'_>,
    area: &Area,
    scale: &Scale,
    group: &BarGroup,
    place: (f64, f64, f64),
) {
    let (left, width, slot) = place;
    let bars = slot * group.bars.len() as f64;
    let first = left + (width - bars) / 2.0;
    for (index, bar) in group.bars.iter().enumerate() {
        let from = first + slot * index as f64 + 0.5;
        let to = from + slot - 1.0;
        let Some(value) = bar.value else {
            continue;
        };
        canvas.rectangle(
            (from, scale.at(value)),
            (to, area.bottom),
            bar.model.colour(),
            1.0,
        );
        if let Some((low, high)) = bar.interval {
            whisker(
                canvas,
                (from + to) / 2.0,
                (scale.at(low.max(0.0)), scale.at(high)),
                slot,
            );
        }
    }
    if group.bars.iter().all(|bar| bar.value.is_none()) {
        let ink = Ink::new(TICK_SIZE, QUIET, Anchor::Middle);
        canvas.text("–", (left + width / 2.0, area.bottom - 7.0), ink);
    }
    let ink = Ink::new(TICK_SIZE, INK, Anchor::Middle);
    for (index, line) in group_label(group, width).iter().enumerate() {
        let y = area.bottom + 6.0 + TICK_SIZE * (1.0 + 1.25 * index as f64);
        canvas.text(line, (left + width / 2.0, y), ink);
    }
}

fn whisker(canvas: &mut Canvas<'_>, x: f64, (low, high): (f64, f64), slot: f64) {
    let cap = (slot * 0.18).min(5.0);
    // A light seam keeps the dark line visible on dark bars.
    canvas.line(&[(x, low), (x, high)], GRID, 3.0);
    canvas.line(&[(x, low), (x, high)], INK, 1.2);
    for y in [low, high] {
        canvas.line(&[(x - cap, y), (x + cap, y)], INK, 1.2);
    }
}

fn csv(bars: &Bars) -> Vec<u8> {
    let header = ["panel", "group", "model", "value", "low", "high", "chance"];
    let mut rows = Vec::new();
    for panel in &bars.panels {
        for group in &panel.groups {
            for bar in &group.bars {
                let (low, high) = bar.interval.unzip();
                let mut row = vec![
                    panel.title.plain.clone(),
                    group.name.plain.clone(),
                    bar.model.name.plain.clone(),
                ];
                row.extend([bar.value, low, high, panel.chance].map(super::number));
                rows.push(row);
            }
        }
    }
    csv_text(&header, &rows)
}
