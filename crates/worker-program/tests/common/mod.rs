//! The program that starts the real worker.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The program beside the worker, built if need be.
pub fn program() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let profile = Path::new(env!("CARGO_BIN_EXE_allround-worker"))
            .parent()
            .expect("a program lies in a folder");
        let target = profile.parent().expect("and that in the target folder");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--workspace", "--bin", "allround"]);
        cargo.arg("--target-dir").arg(target);
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        cargo.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
        assert!(cargo.status().expect("cargo runs").success());
        profile.join("allround")
    })
}
