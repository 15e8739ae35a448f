//! From results to the data of a figure.

use std::collections::BTreeMap;

use super::RenderError;
use super::answers;
use super::costs::costs;
use super::figure::bars::{Bar, BarGroup, BarPanel, Bars};
use super::figure::curves::{Curve, CurvePanel, CurvePoint, Curves};
use super::figure::scatter::{Scatter, ScatterPanel, ScatterPoint};
use super::figure::{Drawn, Series, bars, curves, scatter};
use super::results::Results;
use crate::metric::Metric;
use crate::record::summary::{Answer, AnswerTable, Question};
use crate::spec::config::Figure;
use crate::spec::config::answer::{Axis, Cost};
use crate::spec::config::protocol::{Candidates, Protocol};

/// Draws one figure of the spec.
///
/// # Errors
/// When the statistics cannot be computed.
pub fn draw(results: &Results, figure: &Figure) -> Result<Drawn, RenderError> {
    Ok(match figure {
        Figure::Bars { .. } => bars::draw(&bar_data(results, figure)?),
        Figure::Curves {
            title,
            value,
            dataset,
        } => curves::draw(&curve_data(results, title, value, dataset)),
        Figure::Scatter { .. } => scatter::draw(&scatter_data(results, figure)?),
    })
}

/// What a uniformly random ranking gets on average; `None` when the candidates are all items.
pub fn chance(protocol: &Protocol, metric: Metric) -> Option<f64> {
    let n = match protocol.candidates {
        Candidates::Full {} => return None,
        Candidates::Uniform { n } | Candidates::Popularity { n } => n,
    };
    let ranks: Vec<f64> = (1..=n + 1).map(|rank| rank as f64).collect();
    metric.mean(&ranks)
}

fn series(results: &Results, model: &str) -> Series {
    Series {
        name: model.to_owned(),
        position: results.position(model),
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

fn answer(
    results: &Results,
    protocol: &str,
    metric: Metric,
    dataset: &str,
    scenario: &str,
) -> Result<AnswerTable, RenderError> {
    let question = Question {
        protocol: protocol.to_owned(),
        metrics: vec![metric],
        datasets: only(dataset),
        scenarios: only(scenario),
        models: results.models(),
        baseline: String::new(),
    };
    answers::of(results, &question)
}

fn interval(answer: &Answer) -> Option<(f64, f64)> {
    answer
        .interval
        .map(|interval| (interval.low, interval.high))
}

fn bar_data(results: &Results, figure: &Figure) -> Result<Bars, RenderError> {
    let Figure::Bars {
        title,
        metric,
        protocol,
        group,
        dataset,
        scenario,
    } = figure
    else {
        return Ok(Bars::default());
    };
    let table = answer(results, protocol, *metric, dataset, scenario)?;
    let chance = results
        .spec
        .protocol
        .get(protocol)
        .and_then(|protocol| chance(protocol, *metric));
    let mut panels: Vec<BarPanel> = Vec::new();
    for (index, column) in table.columns.iter().enumerate() {
        let (panel_title, group_name) = match group {
            Axis::Dataset => (column.scenario.clone(), column.dataset.clone()),
            Axis::Scenario => (column.dataset.clone(), column.scenario.clone()),
            Axis::Model => (
                format!("{}, {}", column.dataset, column.scenario),
                String::new(),
            ),
        };
        let bars = table.rows.iter().map(|row| Bar {
            model: series(results, &row.name),
            value: row.answers[index].mean,
            interval: interval(&row.answers[index]),
        });
        let groups: Vec<BarGroup> = match group {
            Axis::Model => bars
                .map(|bar| BarGroup {
                    name: bar.model.name.clone(),
                    bars: vec![bar],
                })
                .collect(),
            _ => vec![BarGroup {
                name: group_name,
                bars: bars.collect(),
            }],
        };
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
        value: metric.to_string(),
        panels,
    })
}

fn curve_data(results: &Results, title: &str, value: &str, dataset: &str) -> Curves {
    // Panel (data set and training scenario), model, epoch -> values of the seeds.
    let mut seeds: BTreeMap<(String, usize, String), BTreeMap<u32, Vec<f64>>> = BTreeMap::new();
    let cells: BTreeMap<&str, _> = results
        .trainings()
        .into_iter()
        .map(|(training, cell)| (cell, training))
        .collect();
    for row in results
        .epochs
        .iter()
        .filter(|row| row.quantity == value && row.value.is_finite())
    {
        let Some(training) = cells.get(row.cell.as_str()) else {
            continue;
        };
        if !dataset.is_empty() && training.dataset != dataset {
            continue;
        }
        let panel = match training.scenario.as_str() {
            "" => training.dataset.clone(),
            scenario => format!("{}, {scenario}", training.dataset),
        };
        let key = (
            panel,
            results.position(&training.model),
            training.model.clone(),
        );
        seeds
            .entry(key)
            .or_default()
            .entry(row.epoch)
            .or_default()
            .push(row.value);
    }
    let mut panels: Vec<CurvePanel> = Vec::new();
    for ((panel, position, name), epochs) in seeds {
        let curve = Curve {
            model: Series { name, position },
            points: epochs
                .into_iter()
                .map(|(epoch, values)| point(epoch, &values))
                .collect(),
        };
        match panels.last_mut().filter(|last| last.title == panel) {
            Some(last) => last.curves.push(curve),
            None => panels.push(CurvePanel {
                title: panel,
                curves: vec![curve],
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

fn point(epoch: u32, values: &[f64]) -> CurvePoint {
    CurvePoint {
        epoch,
        mean: values.iter().sum::<f64>() / values.len() as f64,
        low: values.iter().copied().fold(f64::INFINITY, f64::min),
        high: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        seeds: values.len(),
    }
}

fn scatter_data(results: &Results, figure: &Figure) -> Result<Scatter, RenderError> {
    let Figure::Scatter {
        title,
        metric,
        protocol,
        cost,
        dataset,
        scenario,
    } = figure
    else {
        return Ok(Scatter::default());
    };
    let table = answer(results, protocol, *metric, dataset, scenario)?;
    let costs = costs(results);
    let many_scenarios = table
        .columns
        .iter()
        .any(|column| column.scenario != table.columns[0].scenario);
    let mut panels = Vec::new();
    for (index, column) in table.columns.iter().enumerate() {
        let of_model = |model: &String| {
            let key = |scenario: &str| (column.dataset.clone(), scenario.to_owned(), model.clone());
            let costs = costs
                .get(&key(&column.scenario))
                .or_else(|| costs.get(&key("")))?;
            costs.get(*cost).filter(|&cost| cost > 0.0)
        };
        let point = |row: &crate::record::summary::AnswerRow| {
            Some(ScatterPoint {
                model: series(results, &row.name),
                cost: of_model(&row.name)?,
                value: row.answers[index].mean?,
                interval: interval(&row.answers[index]),
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
        value: metric.to_string(),
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
