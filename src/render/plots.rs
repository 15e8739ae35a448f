//! From results to the data of a figure.

use super::figure::bars::{Bar, BarGroup, BarPanel, Bars};
use super::figure::curves::{Curve, CurvePanel, Curves};
use super::figure::scatter::{Scatter, ScatterPanel, ScatterPoint};
use super::figure::{Drawn, Series, bars, curves, scatter};
use super::{Context, RenderError};
use crate::analysis;
use crate::analysis::costs::{CostKey, costs};
use crate::analysis::summary::{Column, Summary, SummaryQuery, SummaryRow, SummaryTable};
use crate::experiment::config::Figure;
use crate::experiment::config::outputs::{Axis, Cost};
use allround_core::config::protocol::Protocol;
use allround_core::data::Part;
use allround_core::metric::Metric;

/// Draws one figure of the spec.
///
/// # Errors
/// When the statistics cannot be computed.
pub fn draw(context: &Context, figure: &Figure) -> Result<Drawn, RenderError> {
    Ok(match figure {
        Figure::Bars { .. } => bars::draw(&bar_data(context, figure)?),
        Figure::Curves {
            title,
            value,
            dataset,
        } => curves::draw(&curve_data(context, title, value, dataset)),
        Figure::Scatter { .. } => scatter::draw(&scatter_data(context, figure)?),
    })
}

/// A figure's title.
pub fn title_of(figure: &mut Figure) -> &mut String {
    match figure {
        Figure::Bars { title, .. }
        | Figure::Curves { title, .. }
        | Figure::Scatter { title, .. } => title,
    }
}

/// What a uniformly random ranking gets on average; `None` when the number of candidates is not in the spec.
pub fn chance(protocol: &Protocol, metric: Metric) -> Option<f64> {
    let n = protocol.candidates.n()?;
    let ranks: Vec<f64> = (1..=n + 1).map(|rank| rank as f64).collect();
    metric.mean(&ranks)
}

/// A name with what the model's language model is, where it is a stand-in.
fn shown(context: &Context, model: &str, name: &str) -> String {
    match context.stand_ins.of_model(model) {
        Some(stand_in) => format!("{name} ({})", stand_in.short()),
        None => name.to_owned(),
    }
}

fn series(context: &Context, model: &str) -> Series {
    Series {
        name: shown(context, model, model),
        position: context.results.position(model),
        colour: context.colour(model),
    }
}

/// What a figure's values are called: the metric, and the split where it is not the test.
fn axis_of(metric: Metric, part: Part) -> String {
    match part {
        Part::Test => metric.to_string(),
        Part::Valid => format!("{metric} (validation)"),
    }
}

/// `[name]`, or nothing for "all".
fn only(name: &str) -> Vec<String> {
    if name.is_empty() {
        Vec::new()
    } else {
        vec![name.to_owned()]
    }
}

fn summarize(
    context: &Context,
    (protocol, part): (&str, Part),
    metric: Metric,
    dataset: &str,
    scenario: &str,
) -> Result<SummaryTable, RenderError> {
    let query = SummaryQuery {
        protocol: protocol.to_owned(),
        part,
        metrics: vec![metric],
        datasets: only(dataset),
        scenarios: only(scenario),
        ..SummaryQuery::default()
    };
    context.summary(query)
}

fn interval(summary: &Summary) -> Option<(f64, f64)> {
    summary
        .interval
        .map(|interval| (interval.low, interval.high))
}

fn bar_data(context: &Context, figure: &Figure) -> Result<Bars, RenderError> {
    let Figure::Bars {
        title,
        metric,
        protocol,
        split,
        group,
        dataset,
        scenario,
    } = figure
    else {
        return Ok(Bars::default());
    };
    let table = summarize(context, (protocol, *split), *metric, dataset, scenario)?;
    let chance = context
        .results
        .spec
        .protocol
        .get(protocol)
        .and_then(|protocol| chance(protocol, *metric));
    let mut panels: Vec<BarPanel> = Vec::new();
    for (index, column) in table.columns.iter().enumerate() {
        let bars = table.rows.iter().map(|row| Bar {
            model: series(context, &row.name),
            value: row.summaries[index].mean,
            interval: interval(&row.summaries[index]),
        });
        let (panel_title, groups) = grouped(*group, column, bars.collect());
        match panels.iter_mut().find(|panel| panel.title == panel_title) {
            Some(panel) => panel.groups.extend(groups),
            None => panels.push(BarPanel {
                title: panel_title,
                groups,
                chance,
            }),
        }
    }
    Ok(Bars {
        title: title.clone(),
        value: axis_of(*metric, *split),
        panels,
    })
}

/// The panel that a column's bars belong to, and their groups in it.
fn grouped(group: Axis, column: &Column, bars: Vec<Bar>) -> (String, Vec<BarGroup>) {
    let (dataset, scenario) = (column.dataset.clone(), column.scenario.clone());
    let alone = |bar: Bar| BarGroup {
        name: bar.model.name.clone(),
        bars: vec![bar],
    };
    match group {
        Axis::Dataset => (
            scenario,
            vec![BarGroup {
                name: dataset,
                bars,
            }],
        ),
        Axis::Scenario => (
            dataset,
            vec![BarGroup {
                name: scenario,
                bars,
            }],
        ),
        Axis::Model => (
            format!("{dataset}, {scenario}"),
            bars.into_iter().map(alone).collect(),
        ),
    }
}

fn curve_data(context: &Context, title: &str, value: &str, dataset: &str) -> Curves {
    let mut panels: Vec<CurvePanel> = Vec::new();
    for curve in analysis::curves::curves(&context.results, value, dataset) {
        let shown = Curve {
            model: Series {
                name: shown(context, &curve.model, &curve.name),
                ..series(context, &curve.model)
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
    Curves {
        title: title.to_owned(),
        value: value.to_owned(),
        panels,
    }
}

fn scatter_data(context: &Context, figure: &Figure) -> Result<Scatter, RenderError> {
    let Figure::Scatter {
        title,
        metric,
        protocol,
        split,
        cost,
        dataset,
        scenario,
    } = figure
    else {
        return Ok(Scatter::default());
    };
    let table = summarize(context, (protocol, *split), *metric, dataset, scenario)?;
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
            costs.get(*cost).filter(|&cost| cost > 0.0)
        };
        let point = |row: &SummaryRow| {
            Some(ScatterPoint {
                model: series(context, &row.name),
                cost: of_model(&row.name)?,
                value: row.summaries[index].mean?,
                interval: interval(&row.summaries[index]),
            })
        };
        panels.push(ScatterPanel {
            title: match many_scenarios {
                true => format!("{}, {}", column.dataset, column.scenario),
                false => column.dataset.clone(),
            },
            points: table.rows.iter().filter_map(point).collect(),
        });
    }
    Ok(Scatter {
        title: title.clone(),
        value: axis_of(*metric, *split),
        cost: cost_name(*cost).to_owned(),
        panels,
    })
}

fn cost_name(cost: Cost) -> &'static str {
    match cost {
        Cost::TrainSeconds => "training time (s)",
        Cost::EvaluateSecondsPerUser => "evaluation time per user (s)",
        Cost::Params => "parameters",
        Cost::PeakRssBytes => "peak memory (bytes)",
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn figures_say_which_models_have_random_weights() {
        let folder = fixture::results();
        fixture::write_spec(
            folder.path(),
            "[llm.opt.random]\nshape = \"opt-1.3b\"\ntokenizer = \"assets/small-lm\"\n\
             [model.llm-only.llm_only]\nllm = \"opt\"\n",
        );
        let context = Context::read(folder.path()).unwrap();
        let name = |model: &str| series(&context, model).name;
        assert_eq!(name("llm-only"), "llm-only (random weights)");
        assert_eq!(name("sasrec"), "sasrec");
    }
}
