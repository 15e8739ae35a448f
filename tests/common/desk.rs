//! A folder with a small experiment, in which the command runs with the fake worker.

// Each test program that includes this file uses a part of it.
#![allow(dead_code)]

use std::path::Path;
use std::process::Output;

use assert_cmd::Command;

use crate::common;

/// The experiment in `spec.toml`.
pub const SPEC: &str = r#"
spec_version = 1
name = "small"
question = "Does the command do what it says?"
seeds = [1, 2]

[dataset.toys.source.synthetic]
users = 60
items = 90

[model.gru4rec.gru4rec]
train.epochs = 2
train.stop.fixed = {}

[model.popularity.popularity]
"#;

/// The folder.
pub struct Desk(tempfile::TempDir);

impl Desk {
    pub fn new() -> Desk {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("spec.toml"), SPEC).unwrap();
        Desk(dir)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_allround"));
        command
            .args(line.split_whitespace())
            .current_dir(self.path())
            .env("ALLROUND_WORKER", common::fake_worker())
            .env_remove("ALLROUND_STORE");
        command
    }

    pub fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    pub fn run_with(&self, rules: &str, line: &str) -> Output {
        self.command(line)
            .env("FAKE_WORKER", rules)
            .output()
            .unwrap()
    }

    /// Writes a file of the folder.
    pub fn put(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    /// A file of the folder.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap()
    }

    pub fn metrics(&self) -> String {
        self.read("results/small/metrics.csv")
    }

    pub fn cells(&self) -> String {
        self.read("results/small/cells.csv")
    }
}

/// Its standard error.
pub fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
