//! Builds the fake worker.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// Path of the program of `tests/common/fake_worker.rs`, which is built once.
pub fn fake_worker() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build).clone()
}

fn build() -> PathBuf {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_allround"));
    let profile = program.parent().expect("a program is in a folder");
    let target = profile
        .parent()
        .expect("a profile's folder is in the target folder");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([
        "build",
        "--quiet",
        // Use the features of the whole workspace: with those of one package, dependencies would be
        // compiled again.
        "--workspace",
        "--example",
        "fake_worker",
        "--target-dir",
    ]);
    cargo.arg(target).current_dir(env!("CARGO_MANIFEST_DIR"));
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(
        cargo.status().expect("cargo runs").success(),
        "the fake worker does not build"
    );
    profile.join("examples/fake_worker")
}
