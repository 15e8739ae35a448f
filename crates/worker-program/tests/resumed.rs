//! Killed runs with the real worker: every kind of stage that trains goes on from its checkpoint and ends with the bytes of
//! a run that was not killed, and two runs at once make every stage once.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

mod common;

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use allround_core::seed::{Stream, stream};
use rand::RngExt;

/// A stage of each kind that trains; none takes longer than a few seconds.
const SPEC: &str = r#"
spec_version = 1
name = "resumed"
seeds = [1]

[dataset.toys.source.synthetic]
users = 60
items = 60

[protocol.strict]
metrics = ["hit@1"]

[encoder.hashed.hashed]
width = 32

[llm.small.small]
hidden_units = 16
num_blocks = 1
num_heads = 2
# Few enough that prompts are shortened, which is counted through a kill.
positions = 300
vocab_size = 400
steps = 400
batch_size = 2

[model.sasrec.sasrec]
hidden_units = 16
train.epochs = 40
train.stop.early = { metric = "hit@10", every = 5, patience = 8, candidates.uniform = { n = 20 } }

[model.allmrec.allmrec]
backbone = "sasrec"
encoder = "hashed"
llm = "small"
align.train_encoder = false
align.train.epochs = 40
project.train.epochs = 4

[model.srec.llm_srec]
backbone = "sasrec"
llm = "small"
represent = { width = 8, hidden_units = 16, train.epochs = 4 }

[model.tallrec.tallrec]
llm = "small"
tune.train.epochs = 4
"#;

/// A language model with letters for candidates.
const LETTERS: &str = r#"
spec_version = 1
name = "resumed"
seeds = [1]

[dataset.toys.source.synthetic]
users = 24
items = 60

[protocol.strict]
candidates.uniform = { n = 4 }
metrics = ["hit@1", "ndcg@5"]

[llm.small.pretrained]
folder = "ROOT/assets/small-lm"

[prompt.default]
candidates = 5
history = 4

[model.letters.llamarec]
llm = "small"
tune.targets = "last"
tune.train = { epochs = 5, batch_size = 8, lr = 1e-3 }
"#;

/// CF models that train a text encoder, and a RECFORMER that starts from one.
const TEXTS: &str = r#"
spec_version = 1
name = "resumed"
seeds = [1]

[dataset.toys.source.synthetic]
users = 60
items = 60

[protocol.strict]
metrics = ["hit@1", "ndcg@5"]

[encoder.bert.pretrained]
folder = "ROOT/crates/worker/tests/fixtures/recformer/bert"

[model.morec.morec]
preset = "upstream"
encoder = "bert"
hidden_units = 16
train.epochs = 40
train.stop.fixed = {}

[model.ctrl.ctrl]
preset = "published_code"
encoder = "bert"
contrast.train.epochs = 40
train.epochs = 1

[model.recformer.recformer]
start = "encoder"
encoder = "bert"
attributes = ["title"]
max_tokens = 40
pretrain.train.epochs = 40
finetune.train.epochs = 4
finetune.train.stop.early = { every = 1 }
"#;

/// A CF model's items in a language model with adapters, and a head over the catalogue.
const HEAD: &str = r#"
spec_version = 1
name = "resumed"
seeds = [1]

[dataset.toys.source.synthetic]
users = 24
items = 60

[protocol.strict]
candidates.full = {}
metrics = ["hit@1", "ndcg@5"]

[llm.small.pretrained]
folder = "ROOT/assets/small-lm"

[prompt.default]
history = 4

[model.sasrec.sasrec]
hidden_units = 16
train.epochs = 5

[model.head.e4srec]
backbone = "sasrec"
llm = "small"
represent.lora.targets = ["fc1", "fc2"]
represent.targets = "last"
represent.train = { epochs = 5, batch_size = 8, lr = 1e-3 }
"#;

/// Stages in the order of their turn, one run for each, killed when the stage has told an epoch.
const STAGES: [&str; 6] = [
    "pretrain-lm",
    "backbone",
    "align",
    "project",
    "represent",
    "tune",
];

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self::of(SPEC)
    }

    fn of(spec: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
        let spec = spec.replace("ROOT", root);
        std::fs::write(dir.path().join("spec.toml"), spec).unwrap();
        Self(dir)
    }

    /// The run in a process group of its own; what it says of its stages is piped.
    fn start(&self) -> Child {
        let mut command = Command::new(common::program());
        command
            .args(["run", "spec.toml", "-j", "1"])
            .current_dir(self.0.path())
            .env("ALLROUND_WORKER", env!("CARGO_BIN_EXE_allround-worker"))
            .env_remove("ALLROUND_STORE")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0);
        command.spawn().unwrap()
    }

    /// What a run says until it ends.
    fn finish(&self) -> Vec<String> {
        let mut child = self.start();
        let said = said(&mut child).collect();
        assert!(child.wait().unwrap().success(), "{said:#?}");
        said
    }

    fn metrics(&self) -> String {
        std::fs::read_to_string(self.0.path().join("results/resumed/metrics.csv")).unwrap()
    }

    fn cells(&self) -> String {
        std::fs::read_to_string(self.0.path().join("results/resumed/cells.csv")).unwrap()
    }

    /// Which epochs there were and what they left: the rows of epochs.csv without their times.
    fn epochs(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.0.path().join("results/resumed/epochs.csv"));
        let row = |row: &str| row.split(',').take(5).collect::<Vec<_>>().join(",");
        text.unwrap().lines().map(row).collect()
    }
}

/// Ends a run and its workers at once.
fn kill(child: &mut Child) {
    let group = -i32::try_from(child.id()).unwrap();
    // SAFETY: the child has not been waited for, so its number is still its group's.
    unsafe { libc::kill(group, libc::SIGKILL) };
    child.wait().unwrap();
}

fn said(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let stderr = child.stderr.take().expect("it is piped");
    BufReader::new(stderr).lines().map_while(Result::ok)
}

/// The stage and the number of an epoch that a line tells.
fn epoch(line: &str) -> Option<(&str, u32)> {
    let stage = line.split_whitespace().nth(2)?;
    let number = line.split_once(": epoch ")?.1.split_whitespace().next()?;
    Some((stage, number.parse().ok()?))
}

#[test]
fn every_stage_that_trains_goes_on_where_it_was_killed() {
    let whole = Folder::new();
    let told = whole.finish();
    for stage in STAGES {
        let epochs = told.iter().filter_map(|line| epoch(line));
        let epochs = epochs.filter(|(of, _)| *of == stage).count();
        assert!(epochs >= 3, "{stage} told {epochs} epochs: {told:#?}");
    }

    let folder = Folder::new();
    // Kills what the first run that tells a second epoch of the stage; later runs go on with it.
    for stage in STAGES {
        let mut child = folder.start();
        let killed = said(&mut child).find(|line| epoch(line) == Some((stage, 2)));
        assert!(killed.is_some(), "{stage} told no second epoch");
        kill(&mut child);
    }
    let last = folder.finish();
    let resumed = last.iter().filter_map(|line| epoch(line));
    let resumed: Vec<(&str, u32)> = resumed.filter(|(stage, _)| *stage == "tune").collect();
    assert!(!resumed.is_empty(), "{last:#?}");
    assert_eq!(folder.metrics(), whole.metrics());
    assert_eq!(folder.cells(), whole.cells());
    assert_eq!(folder.epochs(), whole.epochs());
    for stage in ["project", "tune"] {
        let told = format!("{stage}: ");
        let is_counted =
            |row: &str| row.contains(&told) && row.contains("whose history was shortened");
        assert!(whole.cells().lines().any(is_counted), "{}", whole.cells());
    }
}

/// Kills a run in the second epoch of each of `stages`, and compares what the last one leaves with
/// what a whole run of `spec` leaves.
fn goes_on(spec: &str, stages: &[&str]) {
    let whole = Folder::of(spec);
    whole.finish();
    let folder = Folder::of(spec);
    let continues = |line: &String| line.contains(": continues after ");
    for (at, stage) in stages.iter().enumerate() {
        let mut child = folder.start();
        let mut lines = said(&mut child);
        let is_it = |line: &String| epoch(line) == Some((stage, 2));
        let before: Vec<String> = lines.by_ref().take_while(|line| !is_it(line)).collect();
        kill(&mut child);
        assert!(
            at == 0 || before.iter().any(continues),
            "{stage}: {before:#?}"
        );
    }
    let last = folder.finish();
    assert!(last.iter().any(continues), "{last:#?}");
    assert_eq!(folder.metrics(), whole.metrics());
    assert_eq!(folder.cells(), whole.cells());
    assert_eq!(folder.epochs(), whole.epochs());
}

#[test]
fn letters_are_trained_from_where_a_run_was_killed() {
    goes_on(LETTERS, &["tune"]);
}

#[test]
fn a_head_over_the_catalogue_is_trained_from_where_a_run_was_killed() {
    goes_on(HEAD, &["represent"]);
}

#[test]
fn text_encoders_are_trained_from_where_a_run_was_killed() {
    goes_on(TEXTS, &["contrast", "backbone", "pretrain"]);
}

#[test]
fn a_run_killed_at_ten_random_moments_ends_with_the_numbers_of_a_whole_one() {
    let whole = Folder::new();
    let told = whole.finish().len();
    let mut random = stream(7, Stream::Resample, 0);
    let folder = Folder::new();
    let mut interrupted = 0;
    for _ in 0..10 {
        let mut child = folder.start();
        let mut said = said(&mut child);
        // Ten of these moments together come before all is told; what follows the line is a matter of the machine.
        let line = random.random_range(0..told / 11);
        let is_running = said.nth(line).is_some();
        let listener = std::thread::spawn(move || said.count());
        std::thread::sleep(Duration::from_millis(random.random_range(0..100)));
        if is_running && child.try_wait().unwrap().is_none() {
            interrupted += 1;
            kill(&mut child);
        }
        listener.join().unwrap();
    }
    assert!(
        interrupted >= 8,
        "{interrupted} of the runs were still running"
    );
    folder.finish();
    assert_eq!(folder.metrics(), whole.metrics());
    assert_eq!(folder.cells(), whole.cells());
    assert_eq!(folder.epochs(), whole.epochs());
}

#[test]
fn two_runs_at_once_make_every_stage_once() {
    let folder = Folder::new();
    let mut children = [folder.start(), folder.start()];
    let talks: Vec<std::thread::JoinHandle<Vec<String>>> = children
        .iter_mut()
        .map(|child| {
            let said = said(child);
            std::thread::spawn(move || said.collect())
        })
        .collect();
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    let talks: Vec<Vec<String>> = talks.into_iter().map(|talk| talk.join().unwrap()).collect();
    for stage in STAGES {
        let told = |talk: &&Vec<String>| {
            talk.iter()
                .filter_map(|line| epoch(line))
                .any(|(of, _)| of == stage)
        };
        assert_eq!(talks.iter().filter(told).count(), 1, "{stage}: {talks:#?}");
    }
}
