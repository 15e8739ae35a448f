//! Tells the program which commit it is built from, where that is known, and whether its sources are that commit's.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // The log of HEAD grows with every commit and checkout.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo:rerun-if-changed={log}");
    }
    if let Some(commit) = git(&["rev-parse", "HEAD"]) {
        println!("cargo:rustc-env=ALLROUND_COMMIT={commit}");
        let mut status = vec!["status", "--porcelain", "--"];
        status.extend(SOURCES);
        if git(&status).is_some() {
            println!("cargo:rustc-env=ALLROUND_MODIFIED=1");
        }
    }
    for source in SOURCES {
        println!("cargo:rerun-if-changed={source}");
    }
}

/// What the programs are made from.
const SOURCES: [&str; 8] = [
    "../../Cargo.toml",
    "../../Cargo.lock",
    "../../src",
    "Cargo.toml",
    "src",
    "../worker/Cargo.toml",
    "../worker/src",
    "../torch-file/src",
];

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
