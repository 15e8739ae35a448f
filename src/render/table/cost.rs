//! Time, memory and parameters of every model.

use super::{Cell, Grid, Head, Row};
use crate::analysis::costs::{CostKey, Costs, costs};
use crate::experiment::config::Alone;
use crate::experiment::config::outputs::PublishedCost;
use crate::render::{Context, style};
use crate::results::Results;

const MEANS: &str = "Means over seeds. Training time is that of the epochs alone, without reading, validation and saving; results taken \
                     from the store keep the times of the run that made them.";

/// The cost table of a results folder, with the time in which `batch` users are evaluated, and published times.
pub(in crate::render) fn grid(
    (name, title): (&str, &str),
    (batch, published): (u64, &[PublishedCost]),
    context: &Context,
) -> Grid {
    let results = &context.results;
    let mut all: Vec<_> = costs(results).into_iter().collect();
    // Models in the spec's order within each data set.
    all.sort_by_key(|(key, _)| {
        (
            key.dataset.clone(),
            key.scenario.clone(),
            results.position(&key.name),
        )
    });
    let has = |get: fn(&Costs) -> Option<f64>| all.iter().any(|(_, costs)| get(costs).is_some());
    let columns: Vec<&CostColumn> = COLUMNS
        .iter()
        .filter(|column| column.always || has(column.get))
        .collect();
    let mut header = vec![Head::text("Model"), Head::text("Data set")];
    for column in &columns {
        header.push(match (column.head, batch) {
            (EVALUATION, 2..) => Head::number(format!("Evaluation of {batch} users")),
            (head, _) => Head::number(head),
        });
        let beside = column.published.filter(|_| !published.is_empty());
        header.extend(beside.map(|(head, _)| Head::number(head)));
    }
    let shown = |column: &CostColumn, costs: &Costs| {
        let value = (column.get)(costs)?;
        Some(if column.head == EVALUATION {
            value * batch as f64
        } else {
            value
        })
    };
    let row = |(key, costs): &(CostKey, Costs)| {
        let mut cells = vec![Cell::text(trained_on(key))];
        let known = published.iter().find(|cost| cost.model == key.name);
        for column in &columns {
            cells.push(Cell::number(shown(column, costs), column.read));
            let beside = column.published.filter(|_| !published.is_empty());
            cells.extend(beside.map(|(_, get)| Cell::number(known.map(get), small_seconds)));
        }
        Row::of_model(context, &key.name, cells)
    };
    Grid {
        name: name.to_owned(),
        title: title.to_owned(),
        notes: std::iter::once(MEANS.to_owned())
            .chain(neighbours(results))
            .chain(of_stages(&all))
            .chain(of_others(published))
            .collect(),
        header: vec![header],
        rows: all.iter().map(row).collect(),
        data: data(&all, published),
    }
}

/// Whose stages had the machine to themselves, where the experiment asks for that.
fn neighbours(results: &Results) -> Option<String> {
    let names = match &results.spec.run.alone {
        Alone::All(false) => return None,
        Alone::All(true) => {
            return Some("Stages that this run made itself ran one at a time.".to_owned());
        }
        Alone::Of(names) => names,
    };
    let listed = |model: &&String| names.contains(model);
    let listed: Vec<String> = results.models.iter().filter(listed).cloned().collect();
    (!listed.is_empty()).then(|| {
        format!(
            "Of what this run made itself, the stages of {} ran alone, also where others share them; the rest may have run side by \
             side, which disturbs their times.",
            style::list(&listed)
        )
    })
}

/// What else the numbers are of, where a language model is asked.
fn of_stages(all: &[(CostKey, Costs)]) -> Option<String> {
    let asks = |(_, costs): &(_, Costs)| costs.tokens_per_s.is_some() || costs.pretrain_s.is_some();
    all.iter().any(asks).then(|| {
        "A method that asks a language model is trained in stages, and its training is the sum of them: of the CF model that it reads, \
         though other rows share that, of the alignment, of the projection or the adapters. A small language model is trained once for a \
         data set, as a published one was by others: that time stands apart. Parameters are those of the largest model among the stages; \
         trained ones are summed."
            .to_owned()
    })
}

/// Whose the published times are.
fn of_others(published: &[PublishedCost]) -> Option<String> {
    let mut sources: Vec<String> = published.iter().map(|cost| cost.source.clone()).collect();
    sources.dedup();
    (!sources.is_empty()).then(|| {
        format!(
            "Published: {}. What was measured here is of another machine, so that only how the models stand to each other can be \
             compared.",
            style::list(&sources)
        )
    })
}

/// The column that may be told for a batch.
const EVALUATION: &str = "Evaluation/user";

struct CostColumn {
    head: &'static str,
    get: fn(&Costs) -> Option<f64>,
    read: fn(f64) -> String,
    always: bool,
    published: Option<Beside>,
}

/// Head and value, in seconds, of the published number right of a measured one.
type Beside = (&'static str, fn(&PublishedCost) -> f64);

const COLUMNS: [CostColumn; 10] = [
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
];

fn small_seconds(value: f64) -> String {
    match value {
        v if v >= 1.0 => style::seconds(v),
        v if v >= 1e-3 => format!("{} ms", style::significant(v * 1e3)),
        v => format!("{} µs", style::significant(v * 1e6)),
    }
}

fn trained_on(key: &CostKey) -> String {
    match key.scenario.as_str() {
        "" => key.dataset.clone(),
        scenario => format!("{}, {scenario}", key.dataset),
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
    let row = |(key, costs): &(CostKey, Costs)| {
        let mut cells = vec![
            key.name.clone(),
            key.dataset.clone(),
            key.scenario.clone(),
            costs.seeds.to_string(),
        ];
        let known = published.iter().find(|cost| cost.model == key.name);
        let measured = COLUMNS.iter().map(|column| (column.get)(costs));
        let beside = COLUMNS.iter().filter_map(|column| column.published);
        let values = measured.chain(beside.map(|(_, get)| known.map(get)));
        cells.extend(values.map(|value| value.map(|value| value.to_string()).unwrap_or_default()));
        cells
    };
    (
        header.map(str::to_owned).to_vec(),
        all.iter().map(row).collect(),
    )
}
