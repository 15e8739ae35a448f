//! Full and read-only disks: a small tmpfs in a separate mount namespace.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

mod common;

use std::path::Path;
use std::process::{Command, Output};

const SPEC: &str = r#"
spec_version = 1
name = "small"
question = "What does a full disk do?"
seeds = [1]

[dataset.toys.source.synthetic]
users = 60
items = 90

[model.popularity.popularity]
"#;

/// Runs the experiment in `dir` with a tmpfs with these options mounted on `mount`. `None` if that
/// is not allowed.
fn run_on(dir: &Path, options: &str, mount: &str) -> Option<Output> {
    run_spec_on(dir, SPEC, options, mount)
}

fn run_spec_on(dir: &Path, spec: &str, options: &str, mount: &str) -> Option<Output> {
    std::fs::write(dir.join("spec.toml"), spec).unwrap();
    std::fs::create_dir_all(dir.join(mount)).unwrap();
    let script = format!(
        "mount -t tmpfs -o {options} none {mount} || exit 77; exec '{}' run spec.toml --quiet",
        env!("CARGO_BIN_EXE_allround")
    );
    let output = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", &script])
        .current_dir(dir)
        .env("ALLROUND_WORKER", common::fake_worker())
        .env_remove("ALLROUND_STORE")
        .output();
    match output {
        Ok(output) if output.status.code() != Some(77) && output.status.code().is_some() => {
            if String::from_utf8_lossy(&output.stderr).contains("unshare") {
                println!("skipped: this machine allows no mount namespace");
                return None;
            }
            Some(output)
        }
        _ => {
            println!("skipped: this machine allows no mount namespace");
            None
        }
    }
}

fn finish(dir: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_allround"))
        .args(["run", "spec.toml", "--quiet"])
        .current_dir(dir)
        .env("ALLROUND_WORKER", common::fake_worker())
        .env_remove("ALLROUND_STORE")
        .output()
        .unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn results_on_a_full_disk_end_the_run_with_the_file_and_a_hint() {
    let dir = tempfile::tempdir().unwrap();
    let Some(output) = run_on(dir.path(), "size=4k", "results") else {
        return;
    };
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
    let text = err(&output);
    assert!(
        text.contains("results/small/") && text.contains("no space left on device"),
        "{text}"
    );
    assert!(text.contains("hint: free some space"), "{text}");
    assert_eq!(
        finish(dir.path()).status.code(),
        Some(0),
        "with space, the same command works"
    );
}

#[test]
fn a_disk_that_is_full_before_drawing_is_reported_once_with_a_hint() {
    let dir = tempfile::tempdir().unwrap();
    let drawing = SPEC.to_owned()
        + "\n[figure.quality.bars]\ntitle = \"Quality\"\nmetric = \"hit@1\"\nprotocol = \"strict\"\n";
    let Some(output) = run_spec_on(dir.path(), &drawing, "size=60k", "results") else {
        return;
    };
    let text = err(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(
        text.contains("results/small/figures/") || text.contains("results/small/report.html"),
        "{text}"
    );
    assert_eq!(
        text.to_lowercase()
            .matches("no space left on device")
            .count(),
        1,
        "{text}"
    );
    assert!(text.contains("hint: free some space"), "{text}");
}

#[test]
fn a_store_on_a_full_disk_fails_with_the_file_and_a_hint() {
    let dir = tempfile::tempdir().unwrap();
    let Some(output) = run_on(dir.path(), "size=24k", ".allround") else {
        return;
    };
    let text = err(&output);
    assert!(matches!(output.status.code(), Some(1 | 2)), "{text}");
    assert!(
        text.contains(".allround/") && text.contains("no space left on device"),
        "{text}"
    );
    assert_eq!(
        finish(dir.path()).status.code(),
        Some(0),
        "with space, the same command works"
    );
}

#[test]
fn a_read_only_results_folder_is_named_before_anything_is_computed() {
    let dir = tempfile::tempdir().unwrap();
    let Some(output) = run_on(dir.path(), "ro", "results") else {
        return;
    };
    let text = err(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(
        text.contains("results/small") && text.contains("read-only"),
        "{text}"
    );
    assert!(text.contains("hint: check the permissions"), "{text}");
    assert!(!dir.path().join(".allround").exists());
}
