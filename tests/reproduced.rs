//! `allround reproduce`, on the fake worker.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

mod common;
#[path = "common/desk.rs"]
mod desk;

use std::path::Path;

use desk::{Desk, SPEC, err};

const SUITE: &str = r#"
suite_version = 1
title = "Two small experiments"
note = "They *share* a data set."
experiments = ["first.toml", "second.toml"]
"#;

/// A suite of two experiments, the second of which has two published numbers.
fn desk() -> Desk {
    let desk = Desk::new();
    let named = |name: &str| SPEC.replace("\"small\"", &format!("{name:?}"));
    desk.put("first.toml", &named("first"));
    let expected = |value: f64, reason: &str| {
        format!(
            "[[expected]]\nprotocol = \"strict\"\ndataset = \"toys\"\nmodel = \"popularity\"\nmetric = \"hit@1\"\nvalue = {value}\n\
             tolerance = 1.0\nsource = \"a paper\"\nnot_comparable = \"{reason}\"\n"
        )
    };
    let second = named("second") + &expected(0.5, "") + &expected(0.25, "other data");
    desk.put("second.toml", &second);
    desk.put("suite.toml", SUITE);
    desk
}

#[test]
fn a_suite_runs_what_is_missing_and_reports_published_numbers_next_to_ours() {
    let desk = desk();
    let output = desk.run("reproduce suite.toml -n");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let overview = String::from_utf8(output.stdout).unwrap();
    assert!(overview.contains("2 experiments, 8 cells"), "{overview}");
    assert!(overview.contains("0 in the store"), "{overview}");
    // All stages of the second experiment are those of the first.
    let second = overview
        .lines()
        .find(|line| line.contains("second"))
        .unwrap();
    let counts: Vec<&str> = second.split_whitespace().collect();
    assert_eq!(counts[2], counts[4], "{overview}");
    assert_eq!(counts[5], "0", "{overview}");
    // An empty store has nothing to estimate from.
    assert!(overview.contains("no estimate for"), "{overview}");
    assert!(!desk.path().join("results").exists());

    let output = desk.run("reproduce suite.toml");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let told =
        "2 published numbers: 1 within the tolerance, 0 outside, 1 not comparable, 0 missing";
    assert!(err(&output).contains(told), "{}", err(&output));
    let again = desk.run("reproduce suite.toml -n");
    let again = String::from_utf8(again.stdout).unwrap();
    assert!(
        again.contains("0 to run") && !again.contains("estimate"),
        "{again}"
    );
    let report = desk.read("results/suites/suite/report.html");
    for text in [
        "Two small experiments",
        "<em>share</em>",
        "What differs: other data",
        "second/report.html",
    ] {
        assert!(report.contains(text), "{text}");
    }
    let published = desk.read("results/suites/suite/published.csv");
    assert_eq!(published.lines().count(), 3, "{published}");
    assert!(
        published.contains("not comparable,a paper,other data"),
        "{published}"
    );
}

#[test]
fn experiments_with_the_same_results_folder_are_refused_before_anything_runs() {
    let desk = desk();
    desk.put("second.toml", &desk.read("first.toml"));
    let output = desk.run("reproduce suite.toml");
    assert_eq!(output.status.code(), Some(2));
    let message = err(&output);
    assert!(
        message.contains("`first.toml` and `second.toml` both have the results folder `first`"),
        "{message}"
    );
    assert!(!Path::new(&desk.path().join("results")).exists());
}

#[test]
fn a_name_stands_for_a_suite_below_suites() {
    let desk = desk();
    std::fs::create_dir(desk.path().join("suites")).unwrap();
    let below = SUITE.replace("[\"", "[\"../").replace(", \"", ", \"../");
    desk.put("suites/pair.toml", &below);
    let output = desk.run("reproduce pair -n");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let output = desk.run("reproduce other -n");
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("other"), "{}", err(&output));
}
