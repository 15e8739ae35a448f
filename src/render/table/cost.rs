//! Time, memory and parameters of every model.

mod quality;

use std::collections::BTreeSet;

use super::{Cell, Grid, Head, Row};
use crate::analysis::costs::{CostKey, Costs, costs};
use crate::experiment::config::Alone;
use crate::experiment::config::outputs::{Axis, CostTable, PublishedCost};
use crate::render::{Context, style};

const MEANS: &str = "Means over seeds. Training time is that of the epochs, without reading, validation and saving. \
                     Results from the store keep the times of the run that made them.";

/// The table of a report whose experiment has none of this kind.
pub(in crate::render) fn default(context: &Context) -> Grid {
    let settings = CostTable {
        title: "Time, memory and parameters".to_owned(),
        batch: 1,
        published: Vec::new(),
        protocol: String::new(),
        metrics: Vec::new(),
    };
    grid(context, &settings).marked(context)
}

/// The cost table of a results folder, with published times.
pub(super) fn grid(context: &Context, settings: &CostTable) -> Grid {
    let CostTable {
        title,
        batch,
        published,
        protocol: _,
        metrics: _,
    } = settings;
    let batch = *batch;
    let results = &context.results;
    let mut all: Vec<_> = costs(results).into_iter().collect();
    all.sort_by_key(|(key, _)| {
        (
            results.place(Axis::Dataset, &key.dataset),
            results.place(Axis::Scenario, &key.scenario),
            results.position(&key.name),
        )
    });
    let has = |get: fn(&Costs) -> Option<f64>| all.iter().any(|(_, costs)| get(costs).is_some());
    let columns: Vec<&CostColumn> = COLUMNS
        .iter()
        .filter(|column| column.always || has(column.get))
        // Tables of results without counted operations stay as they are.
        .filter(|column| column.head != TOKENS || has(|costs| costs.train_flops))
        .collect();
    // A data set that is the same everywhere is in the notes.
    let datasets: BTreeSet<String> = all
        .iter()
        .map(|(key, _)| trained_on(context, key))
        .collect();
    let mut header = vec![Head::text("Model")];
    header.extend((datasets.len() > 1).then(|| Head::text("Data set")));
    for column in &columns {
        header.push(match (column.head, batch) {
            (EVALUATION, 2..) => Head::number(format!("Evaluation of {batch} users")),
            (head, _) => Head::number(head),
        });
        let beside = column.published.filter(|_| !published.is_empty());
        header.extend(beside.map(|(head, _)| Head::number(head)));
    }
    let quality = quality::Quality::of(results, settings);
    header.extend(quality.heads());
    let shown = |column: &CostColumn, costs: &Costs| {
        let value = (column.get)(costs)?;
        Some(if column.head == EVALUATION {
            value * batch as f64
        } else {
            value
        })
    };
    let row = |(key, costs): &(CostKey, Costs)| {
        let mut cells = Vec::new();
        cells.extend((datasets.len() > 1).then(|| Cell::text(trained_on(context, key))));
        let known = published.iter().find(|cost| cost.model == key.name);
        for column in &columns {
            cells.push(Cell::number(shown(column, costs), column.read));
            let beside = column.published.filter(|_| !published.is_empty());
            cells.extend(beside.map(|(_, get)| Cell::number(known.map(get), small_seconds)));
        }
        cells.extend(quality.cells(key));
        Row::of_model(context, &key.name, cells)
    };
    Grid {
        title: title.clone(),
        notes: of_dataset(&datasets)
            .into_iter()
            .chain([MEANS.to_owned()])
            .chain(neighbours(context))
            .chain(of_stages(&all))
            .chain(of_others(published))
            .chain(operations(&all))
            .chain(quality.note())
            .collect(),
        header: vec![header],
        rows: all.iter().map(row).collect(),
        data: quality.added(&all, data(&all, published)),
        ..Grid::default()
    }
}

fn of_dataset(datasets: &BTreeSet<String>) -> Option<String> {
    let only = datasets.first().filter(|_| datasets.len() == 1)?;
    Some(format!("Data set {only}."))
}

/// Which models ran alone, if the experiment sets `run.alone`.
fn neighbours(context: &Context) -> Option<String> {
    let results = &context.results;
    let names = match &results.spec.run.alone {
        Alone::All(false) => return None,
        Alone::All(true) => {
            return Some("Stages that this run made itself ran one at a time.".to_owned());
        }
        Alone::Of(names) => names,
    };
    let listed = |model: &&String| names.contains(model);
    let listed = results.models.iter().filter(listed);
    let labels = listed.map(|model| context.label(Axis::Model, model).to_owned());
    let listed: Vec<String> = labels.collect();
    (!listed.is_empty()).then(|| {
        format!(
            "Of the stages that this run made itself, those of {} ran alone, also where other models share them. The rest may have run \
             in parallel, which disturbs their times.",
            style::list(&listed)
        )
    })
}

/// What the numbers of LLM methods include.
fn of_stages(all: &[(CostKey, Costs)]) -> Option<String> {
    let asks = |(_, costs): &(_, Costs)| costs.tokens_per_s.is_some() || costs.pretrain_s.is_some();
    all.iter().any(asks).then(|| {
        "An LLM method is trained in stages, and its training time is their sum, with that of its CF model, which other rows may share. \
         A small language model is trained once for each data set; that time has its own column. Parameters are those of the largest \
         model among the stages; trained parameters are summed."
            .to_owned()
    })
}

/// Whose the published times are.
fn of_others(published: &[PublishedCost]) -> Option<String> {
    let mut sources: Vec<String> = published.iter().map(|cost| cost.source.clone()).collect();
    sources.dedup();
    (!sources.is_empty()).then(|| {
        format!(
            "Published: {}. These times are from other machines: only ratios between models can be compared.",
            style::list(&sources)
        )
    })
}

/// What the counts of operations include.
fn operations(all: &[(CostKey, Costs)]) -> Option<String> {
    let has =
        |(_, costs): &(_, Costs)| costs.train_flops.is_some() || costs.flops_per_user.is_some();
    all.iter().any(has).then(|| {
        "FLOPs are those of matrix products, counted from their shapes: 2 for a multiplication and an addition, backward passes for the \
         operands that need a gradient. Those of a sample are of the stage that passes through a language model, where there is one."
            .to_owned()
    })
}

/// The column that may show the time of a batch.
const EVALUATION: &str = "Evaluation/user";

/// The column of tokens that were trained on.
const TOKENS: &str = "Training tokens";

struct CostColumn {
    head: &'static str,
    get: fn(&Costs) -> Option<f64>,
    read: fn(f64) -> String,
    always: bool,
    published: Option<Beside>,
}

/// Head and value, in seconds, of the published number right of a measured one.
type Beside = (&'static str, fn(&PublishedCost) -> f64);

const COLUMNS: [CostColumn; 14] = [
    CostColumn {
        head: "Training",
        get: |costs| costs.train_s,
        read: style::seconds,
        always: true,
        published: Some(("Training, published", |cost| cost.train_seconds)),
    },
    CostColumn {
        head: "Pre-training of its LM",
        get: |costs| costs.pretrain_s,
        read: style::seconds,
        always: false,
        published: None,
    },
    CostColumn {
        head: "Sequences/s",
        get: |costs| costs.examples_per_s,
        read: style::significant,
        always: true,
        published: None,
    },
    CostColumn {
        head: "LLM tokens/s",
        get: |costs| costs.tokens_per_s,
        read: style::significant,
        always: false,
        published: None,
    },
    CostColumn {
        head: EVALUATION,
        get: |costs| costs.evaluate_s_per_user,
        read: small_seconds,
        always: true,
        published: Some(("Evaluation of a batch, published", |cost| {
            cost.evaluate_seconds
        })),
    },
    CostColumn {
        head: "Parameters",
        get: |costs| costs.params,
        read: |value| style::count(value as u64),
        always: true,
        published: None,
    },
    CostColumn {
        head: "Trained",
        get: |costs| costs.trained_params,
        read: |value| style::count(value as u64),
        always: false,
        published: None,
    },
    CostColumn {
        head: "Peak memory",
        get: |costs| costs.peak_rss_bytes,
        read: style::bytes,
        always: true,
        published: None,
    },
    CostColumn {
        head: "Peak device memory",
        get: |costs| costs.peak_device_bytes,
        read: style::bytes,
        always: false,
        published: None,
    },
    CostColumn {
        head: "Energy (J)",
        get: |costs| costs.energy_j,
        read: style::significant,
        always: false,
        published: None,
    },
    CostColumn {
        head: TOKENS,
        get: |costs| costs.train_tokens,
        read: |value| style::count(value as u64),
        always: false,
        published: None,
    },
    CostColumn {
        head: "FLOPs of training",
        get: |costs| costs.train_flops,
        read: style::operations,
        always: false,
        published: None,
    },
    CostColumn {
        head: "FLOPs/sample",
        get: |costs| costs.flops_per_sample,
        read: style::operations,
        always: false,
        published: None,
    },
    CostColumn {
        head: "FLOPs/recommendation",
        get: |costs| costs.flops_per_user,
        read: style::operations,
        always: false,
        published: None,
    },
];

/// Names of the last columns in the CSV file, which is without them where nothing is known.
const LATER: [&str; 4] = [
    "train_tokens",
    "train_flops",
    "flops_per_sample",
    "flops_per_recommendation",
];

fn small_seconds(value: f64) -> String {
    match value {
        v if v >= 1.0 => style::seconds(v),
        v if v >= 1e-3 => format!("{} ms", style::significant(v * 1e3)),
        v => format!("{} µs", style::significant(v * 1e6)),
    }
}

/// The data set, and the scenario where it changes what a model is trained on.
fn trained_on(context: &Context, key: &CostKey) -> String {
    let dataset = context.label(Axis::Dataset, &key.dataset);
    match key.scenario.as_str() {
        "" => dataset.to_owned(),
        scenario => format!("{dataset}, {}", context.label(Axis::Scenario, scenario)),
    }
}

fn data(all: &[(CostKey, Costs)], published: &[PublishedCost]) -> (Vec<String>, Vec<Vec<String>>) {
    let header = [
        "model",
        "dataset",
        "training_scenario",
        "n_seeds",
        "train_s",
        "pretrain_lm_s",
        "examples_per_s",
        "llm_tokens_per_s",
        "evaluate_s_per_user",
        "params",
        "trained_params",
        "peak_rss_bytes",
        "peak_device_bytes",
        "energy_j",
        "published_train_s",
        "published_evaluate_s_per_batch",
    ];
    let (first, later) = COLUMNS.split_at(COLUMNS.len() - LATER.len());
    let known = |column: &CostColumn| all.iter().any(|(_, costs)| (column.get)(costs).is_some());
    // Tokens were counted before operations were.
    let has_later = later[1..].iter().any(known);
    let header = header
        .into_iter()
        .chain(LATER.into_iter().filter(|_| has_later));
    let row = |(key, costs): &(CostKey, Costs)| {
        let mut cells = vec![
            key.name.clone(),
            key.dataset.clone(),
            key.scenario.clone(),
            costs.seeds.to_string(),
        ];
        let known = published.iter().find(|cost| cost.model == key.name);
        let measured = first.iter().map(|column| (column.get)(costs));
        let beside = first.iter().filter_map(|column| column.published);
        let later = later.iter().filter(|_| has_later);
        let values = measured
            .chain(beside.map(|(_, get)| known.map(get)))
            .chain(later.map(|column| (column.get)(costs)));
        cells.extend(values.map(|value| value.map(|value| value.to_string()).unwrap_or_default()));
        cells
    };
    (
        header.map(str::to_owned).collect(),
        all.iter().map(row).collect(),
    )
}
