//! What training costs at equal samples and at equal quality.

use std::collections::BTreeSet;

use super::{Cell, Grid, Head, Row};
use crate::analysis::equal::{EqualCosts, equal_costs};
use crate::experiment::config::outputs::{Axis, EqualTable};
use crate::render::{Context, style};

/// The table of costs at equal samples and at equal quality.
pub(super) fn grid(context: &Context, settings: &EqualTable) -> Grid {
    let metric = settings.metric.to_string();
    let all = equal_costs(&context.results, &metric, &settings.models);
    let baseline = |costs: &EqualCosts| {
        let is_it = |other: &&EqualCosts| {
            other.name == settings.baseline
                && (&other.dataset, &other.scenario) == (&costs.dataset, &costs.scenario)
        };
        all.iter().find(is_it)
    };
    let has_baseline = !settings.baseline.is_empty();
    let datasets: BTreeSet<String> = all.iter().map(|costs| place(context, costs)).collect();
    let mut header = vec![Head::text("Model")];
    header.extend((datasets.len() > 1).then(|| Head::text("Data set")));
    header.push(Head::number("Samples"));
    header.push(Head::number(settings.metric.title()));
    header.push(Head::number("Time"));
    header.extend(has_baseline.then(|| Head::number("Times faster")));
    header.push(Head::number("Level"));
    header.push(Head::number("Samples to level"));
    header.push(Head::number("Time to level"));
    header.push(Head::number("With earlier stages"));
    header.extend(has_baseline.then(|| Head::number("Times faster to level")));
    header.push(Head::number("FLOPs to level"));
    let row = |costs: &EqualCosts| {
        let mut cells = Vec::new();
        cells.extend((datasets.len() > 1).then(|| Cell::text(place(context, costs))));
        let whole = |value: f64| style::count(value.round() as u64);
        let times = |value: f64| format!("{}×", style::significant(value));
        let [speed, to_level] = ratios(costs, baseline(costs));
        cells.push(Cell::number(Some(costs.samples), whole));
        cells.push(Cell::number(costs.value, style::metric));
        cells.push(Cell::number(Some(costs.samples_s), style::seconds));
        cells.extend(has_baseline.then(|| Cell::number(speed, times)));
        cells.push(Cell::number(Some(costs.level), style::metric));
        cells.push(Cell::number(costs.to_level, whole));
        cells.push(Cell::number(costs.to_level_s, style::seconds));
        cells.push(Cell::number(costs.to_level_all_s, style::seconds));
        cells.extend(has_baseline.then(|| Cell::number(to_level, times)));
        cells.push(Cell::number(costs.to_level_flops, style::operations));
        Row::of_model(context, &costs.name, cells)
    };
    Grid {
        title: settings.title.clone(),
        notes: notes(context, settings, &datasets),
        header: vec![header],
        rows: all.iter().map(row).collect(),
        data: data(&all, baseline),
        ..Grid::default()
    }
}

fn place(context: &Context, costs: &EqualCosts) -> String {
    let dataset = context.label(Axis::Dataset, &costs.dataset);
    match costs.scenario.as_str() {
        "" => dataset.to_owned(),
        scenario => format!("{dataset}, {scenario}"),
    }
}

/// How many times faster than the baseline: over equal samples, and to the level with earlier
/// stages.
fn ratios(costs: &EqualCosts, baseline: Option<&EqualCosts>) -> [Option<f64>; 2] {
    let ratio = |get: fn(&EqualCosts) -> Option<f64>| {
        let own = get(costs).filter(|&seconds| seconds > 0.0)?;
        Some(get(baseline?)? / own)
    };
    [
        ratio(|costs| Some(costs.samples_s)),
        ratio(|costs| costs.to_level_all_s),
    ]
}

fn notes(context: &Context, settings: &EqualTable, datasets: &BTreeSet<String>) -> Vec<String> {
    let metric = settings.metric.title();
    let mut notes = Vec::new();
    if let (Some(dataset), 1) = (datasets.first(), datasets.len()) {
        notes.push(format!("Data set {dataset}."));
    }
    notes.push(format!(
        "Equal samples: the fewest that a model was trained on; {metric} is the best validation within them. Equal quality: training until \
         validation first reaches the level, which is the lowest of the models' best values."
    ));
    notes.push(
        "Times are those of the stage that is validated, at its mean speed. Earlier stages are the CF model and the alignment that it reads, \
         trained to their end."
            .to_owned(),
    );
    if !settings.baseline.is_empty() {
        let label = context.label(Axis::Model, &settings.baseline);
        notes.push(format!(
            "Times faster: the time of {label} divided by the model's, to the level with earlier stages."
        ));
    }
    if datasets.is_empty() {
        notes.push(format!(
            "No data set has two models that record {metric} while they train."
        ));
    }
    notes
}

/// The numbers in full precision.
fn data<'a>(
    all: &'a [EqualCosts],
    baseline: impl Fn(&EqualCosts) -> Option<&'a EqualCosts>,
) -> (Vec<String>, Vec<Vec<String>>) {
    let header = [
        "model",
        "dataset",
        "training_scenario",
        "n_seeds",
        "samples",
        "value",
        "samples_s",
        "times_faster",
        "level",
        "samples_to_level",
        "to_level_s",
        "to_level_all_s",
        "times_faster_to_level",
        "to_level_flops",
    ];
    let row = |costs: &EqualCosts| {
        let [speed, to_level] = ratios(costs, baseline(costs));
        let mut cells = vec![
            costs.name.clone(),
            costs.dataset.clone(),
            costs.scenario.clone(),
            costs.seeds.to_string(),
        ];
        let values = [
            Some(costs.samples),
            costs.value,
            Some(costs.samples_s),
            speed,
            Some(costs.level),
            costs.to_level,
            costs.to_level_s,
            costs.to_level_all_s,
            to_level,
            costs.to_level_flops,
        ];
        let text = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
        cells.extend(values.map(text));
        cells
    };
    (
        header.map(str::to_owned).to_vec(),
        all.iter().map(row).collect(),
    )
}
