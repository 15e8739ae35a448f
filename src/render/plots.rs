//! From results to the data of a figure.

use std::collections::{BTreeMap, BTreeSet};

use super::RenderError;
use super::answers;
use super::costs::costs;
use super::figure::bars::{Bar, BarGroup, BarPanel, Bars};
use super::figure::curves::{Curve, CurvePanel, CurvePoint, Curves};
use super::figure::scatter::{Scatter, ScatterPanel, ScatterPoint};
use super::figure::{Drawn, Series, bars, curves, scatter};
use super::results::{Results, Training};
use crate::experiment::config::Figure;
use crate::experiment::config::answer::{Axis, Cost};
use crate::record::summary::{Answer, AnswerTable, Column, Question};
use allround_core::config::protocol::Protocol;
use allround_core::data::Part;
use allround_core::metric::Metric;
use allround_core::models::Model;

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

/// A name with the mark of random weights.
fn shown(results: &Results, model: &str, name: &str) -> String {
    match results.is_random(model) {
        true => format!("{name} (random weights)"),
        false => name.to_owned(),
    }
}

fn series(results: &Results, model: &str) -> Series {
    Series {
        name: shown(results, model, model),
        position: results.position(model),
        colour: results.colour(model),
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

fn answer(
    results: &Results,
    (protocol, part): (&str, Part),
    metric: Metric,
    dataset: &str,
    scenario: &str,
) -> Result<AnswerTable, RenderError> {
    let question = Question {
        protocol: protocol.to_owned(),
        part,
        metrics: vec![metric],
        datasets: only(dataset),
        scenarios: only(scenario),
        models: results.models.clone(),
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
        split,
        group,
        dataset,
        scenario,
    } = figure
    else {
        return Ok(Bars::default());
    };
    let table = answer(results, (protocol, *split), *metric, dataset, scenario)?;
    let chance = results
        .spec
        .protocol
        .get(protocol)
        .and_then(|protocol| chance(protocol, *metric));
    let mut panels: Vec<BarPanel> = Vec::new();
    for (index, column) in table.columns.iter().enumerate() {
        let bars = table.rows.iter().map(|row| Bar {
            model: series(results, &row.name),
            value: row.answers[index].mean,
            interval: interval(&row.answers[index]),
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

/// Values of the seeds by epoch, by panel (data set and training scenario) and model (place and name).
type SeedValues = BTreeMap<(String, usize, String), BTreeMap<u32, Vec<f64>>>;

fn curve_data(results: &Results, title: &str, value: &str, dataset: &str) -> Curves {
    let mut panels: Vec<CurvePanel> = Vec::new();
    for ((panel, position, name), epochs) in seed_values(results, value, dataset) {
        let points = epochs
            .into_iter()
            .map(|(epoch, values)| point(epoch, &values));
        let curve = Curve {
            model: Series {
                name: shown(results, &results.models[position], &name),
                ..series(results, &results.models[position])
            },
            points: points.collect(),
        };
        add(&mut panels, panel, curve);
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

/// Puts a curve into its panel, which is the last one or a new one. Models that share a training have one curve, the
/// first's: a second one would only hide it.
fn add(panels: &mut Vec<CurvePanel>, title: String, curve: Curve) {
    match panels.last_mut().filter(|last| last.title == title) {
        Some(last) if last.curves.iter().any(|it| it.points == curve.points) => {}
        Some(last) => last.curves.push(curve),
        None => panels.push(CurvePanel {
            title,
            curves: vec![curve],
        }),
    }
}

fn seed_values(results: &Results, value: &str, dataset: &str) -> SeedValues {
    let cells = cells_with_epochs(results);
    let mut seeds = SeedValues::new();
    let rows = results
        .epochs
        .iter()
        .filter(|row| row.quantity == value && row.value.is_finite());
    for row in rows {
        let training = cells.get(row.cell.as_str());
        let Some(training) = training.filter(|it| dataset.is_empty() || it.dataset == dataset)
        else {
            continue;
        };
        let Some(name) = curve_name(results, &training.model, &row.stage) else {
            continue;
        };
        let panel = match training.scenario.as_str() {
            "" => training.dataset.clone(),
            scenario => format!("{}, {scenario}", training.dataset),
        };
        let epochs = seeds
            .entry((panel, results.position(&training.model), name))
            .or_default();
        epochs.entry(row.epoch).or_default().push(row.value);
    }
    seeds
}

/// What the curve of a stage is called; `None` for one that is another model's: a CF model that a method reads has its curve
/// where it is a model itself, and a language model's own training is the data set's.
fn curve_name(results: &Results, model: &str, stage: &str) -> Option<String> {
    let method = results.spec.model_named(model).and_then(Model::llm_method);
    match stage {
        "pretrain-lm" => None,
        "backbone" => method.is_none().then(|| model.to_owned()),
        stage => Some(format!("{model}, {stage}")),
    }
}

/// Cells that share a training would count it twice: the first of them that has epochs speaks for all.
fn cells_with_epochs(results: &Results) -> BTreeMap<&str, Training> {
    let with_epochs: BTreeSet<&str> = results.epochs.iter().map(|row| row.cell.as_str()).collect();
    let mut cells = BTreeMap::new();
    for (training, sharers) in results.trainings() {
        let speaker = sharers.into_iter().find(|cell| with_epochs.contains(cell));
        cells.extend(speaker.map(|cell| (cell, training)));
    }
    cells
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
        split,
        cost,
        dataset,
        scenario,
    } = figure
    else {
        return Ok(Scatter::default());
    };
    let table = answer(results, (protocol, *split), *metric, dataset, scenario)?;
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
        let results = Results::read(folder.path()).unwrap();
        let name = |model: &str| series(&results, model).name;
        assert_eq!(name("llm-only"), "llm-only (random weights)");
        assert_eq!(name("sasrec"), "sasrec");
    }

    #[test]
    fn models_that_share_a_training_have_one_curve() {
        let curve = |name: &str, loss: f64| Curve {
            model: Series {
                name: name.to_owned(),
                position: 0,
                colour: (0, 0, 0),
            },
            points: vec![point(1, &[loss])],
        };
        let mut panels = Vec::new();
        for (panel, name, loss) in [
            ("toys", "allmrec", 0.5),
            ("toys", "allmrec-text", 0.5),
            ("toys", "mlp-llm", 0.6),
            ("games", "allmrec", 0.5),
        ] {
            add(&mut panels, panel.to_owned(), curve(name, loss));
        }
        let curves: Vec<usize> = panels.iter().map(|panel| panel.curves.len()).collect();
        assert_eq!(curves, [2, 1]);
        assert_eq!(panels[0].curves[1].model.name, "mlp-llm");
    }
}
