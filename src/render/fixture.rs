//! A results folder as a run writes it, with everything that rendering must handle. It has several
//! data sets, scenarios, models and seeds. One seed failed, one model failed with every seed, and
//! one slice is empty. Texts hold special characters of HTML, LaTeX, CSV and Markdown.

use std::path::Path;

use tempfile::TempDir;

use crate::results::{
    self, CellRow, CellStageRow, DataRow, EpochRow, MetricRow, RankRow, StageRow, Statistics,
    Status,
};
use allround_core::fs;
use allround_core::metric::Metric;

use crate::experiment;

/// A text that means something in every format it may land in.
pub const HOSTILE: &str = "<script>alert('x')</script> & 50% of $x_1^2$ #{\\} \"q\" | `c` *b* [l](javascript:alert(1)) \u{1}=1+1";

/// The experiment of the fixture, with a placeholder for [`HOSTILE`].
const EXPERIMENT: &str = r#"
spec_version = 1
name = "fixture"
question = HOSTILE
expectation = "The sequence models lead; *popularity* is the floor."
analysis = "SASRec leads on both data sets, and every model falls on cold items.\n\n- cold items have no history\n- <b>raw</b> HTML is text"
seeds = [1, 2, 3]

[dataset.toys.source.synthetic]
users = 100
[dataset.games.source.synthetic]
users = 100

[model.sasrec.sasrec]
[model.gru4rec.gru4rec]
[model.popularity.popularity]
[model.broken.markov]
[variant.sasrec-1block]
of = "sasrec"
set = { num_blocks = 1 }

[scenario.overall.overall]
[scenario.cold.cold_items]
[scenario.warm.warm_items]

[protocol.strict]
candidates.uniform = { n = 19 }
metrics = ["hit@1", "ndcg@10", "mrr"]

[[expected]]
dataset = "toys"
scenario = "overall"
model = "sasrec"
protocol = "strict"
metric = "hit@1"
value = 0.4
tolerance = 0.5
source = HOSTILE
[[expected]]
dataset = "toys"
scenario = "overall"
model = "gru4rec"
protocol = "strict"
metric = "hit@1"
value = 0.99
tolerance = 0.001
source = "nowhere"
[[expected]]
dataset = "toys"
scenario = "overall"
model = "broken"
protocol = "strict"
metric = "hit@1"
value = 0.2
tolerance = 0.01
source = "nowhere"
[[expected]]
dataset = "games"
scenario = "overall"
model = "sasrec"
protocol = "strict"
metric = "ndcg@10"
value = 0.5
tolerance = 0.01
source = "the paper"
not_comparable = "other data"

[figure.models.bars]
title = "Hit@1 of every model"
metric = "hit@1"
protocol = "strict"
group = "model"
dataset = "toys"
scenario = "overall"
[figure.quality.bars]
title = HOSTILE
metric = "hit@1"
protocol = "strict"
group = "scenario"
[figure.learning.curves]
title = "Training loss"
value = "loss"
[figure.cost.scatter]
title = "Quality against training time"
metric = "ndcg@10"
protocol = "strict"
cost = "train_seconds"
scenario = "overall"

[table.main.comparison]
title = HOSTILE
protocol = "strict"
metrics = ["hit@1", "ndcg@10"]
baseline = "popularity"
[table.best.comparison]
title = "Overall"
protocol = "strict"
scenarios = ["overall"]
[table.cost.cost]
title = "What the models cost"
[table.data.data]
title = "The data"
"#;

fn experiment() -> String {
    EXPERIMENT.replace("HOSTILE", &toml::Value::from(HOSTILE).to_string())
}

const MODELS: [(&str, &str, f64); 5] = [
    ("sasrec", "", 0.55),
    ("gru4rec", "", 0.48),
    ("popularity", "", 0.2),
    ("sasrec", "sasrec-1block", 0.5),
    ("broken", "", 0.0),
];

/// Everything a run writes, before it is written.
#[derive(Default)]
struct Rows {
    metrics: Vec<MetricRow>,
    cells: Vec<CellRow>,
    cell_stages: Vec<CellStageRow>,
    stages: Vec<StageRow>,
    epochs: Vec<EpochRow>,
    data: Vec<DataRow>,
}

/// Writes the fixture into a temporary folder.
pub fn results() -> TempDir {
    let folder = TempDir::new().unwrap();
    write(folder.path());
    folder
}

/// Replaces the spec in `folder` by that of the fixture with `more` after it.
pub fn write_spec(folder: &Path, more: &str) {
    let text = format!("{}\n{more}", experiment());
    let base = Path::new(env!("CARGO_MANIFEST_DIR"));
    let checked = experiment::load_text("fixture.toml", &text, base, &[]);
    let checked = checked.unwrap_or_else(|faults| panic!("{faults}"));
    fs::write_atomic(
        &folder.join("spec.toml"),
        checked.resolved_toml().as_bytes(),
    )
    .unwrap();
}

/// Writes the fixture into `folder`.
pub fn write(folder: &Path) {
    fs::create_dir_all(&folder.join("ranks")).unwrap();
    Statistics::remove(folder).unwrap();
    write_spec(folder, "");
    let machine = "cpu = \"Fixture <CPU> & co\"\nthreads = 2\n[libtorch]\nversion = \"2.11\"\n";
    fs::write_atomic(&folder.join("machine.toml"), machine.as_bytes()).unwrap();
    let mut rows = Rows::default();
    for (index, dataset) in ["games", "toys"].into_iter().enumerate() {
        for scenario in ["overall", "cold", "warm"] {
            rows.data.push(counts(dataset, scenario));
            for model in MODELS {
                for seed in 1..=3 {
                    let place = (dataset, index, scenario);
                    cell(Some(folder), &mut rows, place, model, seed);
                }
            }
        }
    }
    write_rows(folder, &rows);
    results::write(&folder.join("data.csv"), &Vec::from_iter(&rows.data)).unwrap();
}

fn write_rows(folder: &Path, rows: &Rows) {
    let file = |name: &str| folder.join(name);
    results::write(&file("metrics.csv"), &Vec::from_iter(&rows.metrics)).unwrap();
    results::write(&file("cells.csv"), &Vec::from_iter(&rows.cells)).unwrap();
    results::write(&file("cell_stages.csv"), &Vec::from_iter(&rows.cell_stages)).unwrap();
    results::write(&file("stages.csv"), &Vec::from_iter(&rows.stages)).unwrap();
    results::write(&file("epochs.csv"), &Vec::from_iter(&rows.epochs)).unwrap();
}

/// Adds a model with a number in every scenario, and a cost.
pub fn add_model(folder: &Path, name: &str) {
    let mut rows = Rows {
        metrics: results::read(&folder.join("metrics.csv")).unwrap(),
        cells: results::read(&folder.join("cells.csv")).unwrap(),
        cell_stages: results::read(&folder.join("cell_stages.csv")).unwrap(),
        stages: results::read(&folder.join("stages.csv")).unwrap(),
        epochs: results::read(&folder.join("epochs.csv")).unwrap(),
        data: Vec::new(),
    };
    for scenario in ["overall", "cold", "warm"] {
        let place = ("toys", 1, scenario);
        cell(None, &mut rows, place, (name, "", 0.3), 1);
    }
    write_rows(folder, &rows);
}

fn counts(dataset: &str, scenario: &str) -> DataRow {
    DataRow {
        experiment: "fixture".into(),
        dataset: dataset.into(),
        scenario: scenario.into(),
        seed: 1,
        users: 1200,
        items: 300,
        interactions: 9876,
        train_interactions: 7476,
        mean_length: Some(8.23),
        longest: Some(40),
        trained_users: 1200,
        measured_users: 1200,
        slice_users: if dataset == "games" && scenario == "cold" {
            0
        } else {
            60
        },
        without_history: 0,
        with_title: Some(1.0),
        with_description: Some(0.5),
        items_without_record: Some(3),
        records_without_item: Some(40),
        repeated_records: Some(0),
        conflicting_records: Some(0),
        notes: String::new(),
    }
}

fn cell(
    folder: Option<&Path>,
    rows: &mut Rows,
    place: (&str, usize, &str),
    model: (&str, &str, f64),
    seed: u64,
) {
    let (dataset, index, scenario) = place;
    let (model, variant, skill) = model;
    let name = if variant.is_empty() { model } else { variant };
    let blank = MetricRow {
        experiment: "fixture".into(),
        cell: format!("{dataset}.{scenario}.{name}.s{seed}"),
        dataset: dataset.into(),
        scenario: scenario.into(),
        model: model.into(),
        variant: variant.into(),
        name: name.into(),
        seed,
        split: "test".into(),
        protocol: format!("strict:{:012x}", 0xabc0 + index * 16 + scenario.len()),
        ..MetricRow::default()
    };
    let mut cell = CellRow {
        experiment: blank.experiment.clone(),
        cell: blank.cell.clone(),
        dataset: blank.dataset.clone(),
        scenario: blank.scenario.clone(),
        model: blank.model.clone(),
        variant: blank.variant.clone(),
        name: blank.name.clone(),
        backbone: model.into(),
        seed,
        ..CellRow::default()
    };
    if model == "broken" || (model == "gru4rec" && seed == 3 && dataset == "toys") {
        rows.metrics.push(MetricRow {
            status: Status::Failed,
            ..blank
        });
        cell.status = Status::Failed;
        cell.error = format!("loss is NaN at step 17 of {HOSTILE}").replace('\u{1}', "");
        rows.cells.push(cell);
        return;
    }
    let is_empty = dataset == "games" && scenario == "cold";
    if is_empty {
        cell.status = Status::Empty;
        cell.error = "no user is measured".into();
    }
    rows.cells.push(cell);
    let factor = if scenario == "cold" { 0.4 } else { 1.0 };
    let skill = skill * factor - 0.05 * index as f64;
    let users = if is_empty { 0 } else { 60 };
    let ranks: Vec<RankRow> = (0..users).map(|user| rank(user, skill, seed)).collect();
    // Intervals and tests take their time without optimisation: one column has them.
    if let (Some(folder), "toys", "overall") = (folder, dataset, scenario) {
        let path = results::ranks::path(folder, &blank.cell, "strict", "test");
        results::ranks::write(&path, &ranks).unwrap();
    }
    let metrics = [Metric::Hit(1), Metric::Ndcg(10), Metric::Mrr];
    rows.metrics
        .extend(results::ranks::metric_rows(&blank, &metrics, &ranks));
    stages(rows, &blank, skill);
}

/// The stages of a cell: scenarios that only select users share them.
fn stages(rows: &mut Rows, cell: &MetricRow, skill: f64) {
    let key = |kind: &str| {
        let of = format!("{kind} {} {} {}", cell.dataset, cell.name, cell.seed);
        allround_core::digest::of_bytes(of.as_bytes()).short()
    };
    for kind in ["backbone", "evaluate"] {
        rows.cell_stages.push(CellStageRow {
            cell: cell.cell.clone(),
            kind: kind.into(),
            key: key(kind),
        });
    }
    if rows.stages.iter().any(|row| row.key == key("backbone")) {
        return;
    }
    let stage = |kind: &str, phase: &str, wall_s: f64, examples: u64| StageRow {
        kind: kind.into(),
        key: key(kind),
        phase: phase.into(),
        device: "cpu".into(),
        wall_s,
        examples: Some(examples),
        examples_per_s: Some(examples as f64 / wall_s),
        peak_rss_bytes: Some(300_000_000),
        params: Some((skill.abs() * 1e6) as u64),
        ..StageRow::default()
    };
    rows.stages.push(stage(
        "backbone",
        "train",
        1.0 + skill * skill * 400.0,
        14_400,
    ));
    rows.stages.push(stage("evaluate", "evaluate", 0.05, 1200));
    let floor = 1.4 - skill + 0.02 * cell.seed as f64;
    rows.epochs.extend((1..=12).map(|epoch| EpochRow {
        kind: "backbone".into(),
        key: key("backbone"),
        epoch,
        quantity: "loss".into(),
        value: floor + 1.0 / f64::from(epoch),
        wall_s: 0.5,
        examples: 1200,
        samples: 1200 * u64::from(epoch),
    }));
}

/// A rank out of 20 that is 1 for a share `skill` of the users: the same on every call.
fn rank(user: u64, skill: f64, seed: u64) -> RankRow {
    // Multiples of the golden ratio are spread evenly over 0 to 1.
    let draw = (user as f64 * 0.618_033_988_7 + seed as f64 * 0.013) % 1.0;
    RankRow {
        user: format!("u{user}"),
        target: "i1".into(),
        rank: if draw < skill {
            1.0
        } else {
            2.0 + (draw * 997.0 % 18.0).floor()
        },
    }
}
