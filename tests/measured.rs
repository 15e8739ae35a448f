//! Messages about measured users, and about files of a data set that do not fit together.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

mod common;
#[path = "common/desk.rs"]
mod desk;

use std::fmt::Write;
use std::process::Output;

use desk::{Desk, SPEC, err};

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A desk whose experiment reads `plays.csv` with columns `user,item,time`. `dataset` is added to
/// the table of the data set, and `rest` to the end.
fn with_plays(plays: &str, dataset: &str, rest: &str) -> Desk {
    let desk = Desk::new();
    let spec = format!(
        "spec_version = 1\nname = \"small\"\nseeds = [1]\n[dataset.toys]\n{dataset}\n\
         [model.gru4rec.gru4rec]\ntrain.epochs = 2\ntrain.stop.fixed = {{}}\n[model.popularity.popularity]\n\
         [protocol.strict]\ncandidates.uniform = {{ n = 3 }}\nmetrics = [\"hit@1\"]\n{rest}"
    );
    std::fs::write(desk.path().join("spec.toml"), spec).unwrap();
    std::fs::write(
        desk.path().join("plays.csv"),
        format!("user,item,time\n{plays}"),
    )
    .unwrap();
    desk
}

const PLAYS: &str = "source.csv = { interactions = \"plays.csv\", timestamp = \"time\" }";
const WITH_ITEMS: &str = "source.csv = { interactions = \"plays.csv\", items = \"items.csv\", timestamp = \"time\", title = \"title\" }";

/// Interactions of `users` users with `each` of 20 items.
fn plays(users: usize, each: usize) -> String {
    let mut rows = String::new();
    for user in 0..users {
        for at in 0..each {
            writeln!(rows, "u{user},{},{}", (user * 3 + at) % 20, at * 100 + user).unwrap();
        }
    }
    rows
}

/// The values of a column of a results file.
fn column(desk: &Desk, file: &str, name: &str) -> Vec<String> {
    let path = desk.path().join("results/small").join(file);
    let mut rows = csv::Reader::from_path(path).unwrap();
    let at = rows.headers().unwrap().iter().position(|it| it == name);
    let at = at.unwrap_or_else(|| panic!("no column {name} in {file}"));
    rows.records()
        .map(|row| row.unwrap()[at].to_owned())
        .collect()
}

#[test]
fn a_run_without_measured_users_fails_before_training() {
    let desk = with_plays(&plays(30, 1), PLAYS, "");
    let reason =
        "no user is measured: every one of the 30 users has 1 interaction; `leave_one_out` needs 3";
    let checked = desk.run("check spec.toml --data");
    assert_eq!(checked.status.code(), Some(2), "{}", err(&checked));
    assert!(err(&checked).contains(reason), "{}", err(&checked));
    assert!(!out(&checked).contains("ok:"), "{}", out(&checked));

    let starts = desk.path().join("starts");
    let ran = desk
        .command("run spec.toml -j 1 --quiet")
        .env("FAKE_WORKER_LOG", &starts)
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(1), "{}", err(&ran));
    assert!(err(&ran).contains(reason), "{}", err(&ran));
    let starts = std::fs::read_to_string(starts).unwrap();
    assert!(
        starts.contains("candidates") && !starts.contains("backbone"),
        "{starts}"
    );
    assert_eq!(column(&desk, "cells.csv", "status"), ["blocked", "blocked"]);
    for error in column(&desk, "cells.csv", "error") {
        assert!(error.contains(reason), "{error}");
    }
    assert!(desk.metrics().contains(",blocked\n"));
    // The second run fails too, since the numbers are still missing.
    assert_eq!(desk.run("run spec.toml --quiet").status.code(), Some(1));
}

#[test]
fn a_slice_without_users_is_an_error_of_its_cells() {
    let scenarios = "[scenario.overall.overall]\n[scenario.cold.cold_items]\nshare = 0.01\n";
    let desk = with_plays(&plays(30, 6), PLAYS, scenarios);
    let reason =
        "no user is measured: none of the 30 measured users has a target among the cold items";
    let checked = desk.run("check spec.toml --data");
    assert_eq!(checked.status.code(), Some(2), "{}", err(&checked));
    assert!(
        err(&checked).contains("scenario `cold`") && err(&checked).contains(reason),
        "{}",
        err(&checked)
    );
    let ran = desk.run("run spec.toml --quiet");
    assert_eq!(ran.status.code(), Some(1), "{}", err(&ran));
    assert!(err(&ran).contains(reason), "{}", err(&ran));
    let status = column(&desk, "cells.csv", "status");
    assert_eq!(status, ["empty", "empty", "ok", "ok"]);
    let errors = column(&desk, "cells.csv", "error");
    assert!(
        errors[0].contains(reason) && errors[2].is_empty(),
        "{errors:?}"
    );
    assert_eq!(desk.run("run spec.toml --quiet").status.code(), Some(1));
}

#[test]
fn measured_users_without_a_history_are_counted_and_reported() {
    // Ten users have early interactions, and five others only some in the test period.
    let mut rows = plays(10, 8);
    for user in 10..15 {
        for at in 0..4 {
            writeln!(
                rows,
                "u{user},{},{}",
                at + user % 4,
                10_000 + at * 10 + user
            )
            .unwrap();
        }
    }
    let split = format!("{PLAYS}\nsplit.global_time = {{ train_share = 0.7, valid_share = 0.1 }}");
    let desk = with_plays(&rows, &split, "");
    let note = "5 of the 5 users with a test target have no history";
    let stats = out(&desk.run("data stats spec.toml"));
    let line = |text: &str| {
        let line = stats.lines().find(|line| line.contains(text));
        line.unwrap_or_default().to_owned()
    };
    assert!(
        line("measured users without history").ends_with(" 5"),
        "{stats}"
    );
    assert!(stats.contains(note), "{stats}");
    let checked = desk.run("check spec.toml --data");
    assert!(
        checked.status.success() && err(&checked).contains(note),
        "{}",
        err(&checked)
    );
    let ran = desk.run("run spec.toml");
    assert!(ran.status.success(), "{}", err(&ran));
    assert!(err(&ran).contains(note), "{}", err(&ran));
    assert_eq!(column(&desk, "data.csv", "without_history"), ["5"]);
    for notes in column(&desk, "cells.csv", "notes") {
        assert!(notes.contains(note), "{notes}");
    }
    // A run without stages to run prints it too.
    assert!(err(&desk.run("run spec.toml")).contains(note));
}

#[test]
fn files_without_common_ids_are_an_error_with_examples() {
    let desk = with_plays(&plays(30, 6), WITH_ITEMS, "");
    let items: String = (0..20)
        .map(|item| format!("{item}.0,Title {item}\n"))
        .collect();
    std::fs::write(
        desk.path().join("items.csv"),
        format!("item,title\n{items}"),
    )
    .unwrap();
    for (line, code) in [
        ("data stats spec.toml", 2),
        ("check spec.toml --data", 2),
        ("run spec.toml --quiet", 1),
    ] {
        let output = desk.run(line);
        let printed = err(&output);
        assert_eq!(output.status.code(), Some(code), "{line}: {printed}");
        assert!(
            printed.contains("no record belongs to any of the 20 items")
                && printed.contains("is `0`, a record is of `0.0`")
                && (code == 1 || printed.contains("`7.0` for `7`")),
            "{line}: {printed}"
        );
    }
}

#[test]
fn records_without_an_item_and_items_without_a_record_are_counted_and_shown() {
    let desk = with_plays(&plays(30, 6), WITH_ITEMS, "");
    // Of 20 items, 16 have a record. Two of these have an empty second record, and one a second
    // record with another title. No user has item 99.
    let items: String = (0..16)
        .map(|item| format!("{item},Title {item}\n"))
        .collect();
    let items = format!("item,title\n{items}3,\n4,\n5,Another\n99,Unknown\n");
    std::fs::write(desk.path().join("items.csv"), items).unwrap();
    let stats = out(&desk.run("data stats spec.toml"));
    for (what, count) in [
        ("items with a title", "80.0 %"),
        ("items without a record", "4"),
        ("records without an item", "1"),
        ("records of an item that has one already", "3"),
        ("records that contradict an earlier one", "1"),
    ] {
        let line = stats
            .lines()
            .find(|line| line.trim_start().starts_with(what));
        assert!(
            line.is_some_and(|line| line.ends_with(&format!(" {count}"))),
            "{what}: {stats}"
        );
    }
    let without = "4 of 20 items have no record";
    assert!(stats.contains(without), "{stats}");
    let checked = desk.run("check spec.toml --data");
    assert!(checked.status.success(), "{}", err(&checked));
    assert!(
        out(&checked).contains("items without a record: 4, records without an item: 1")
            && err(&checked).contains(without),
        "{}{}",
        out(&checked),
        err(&checked)
    );
    let ran = desk.run("run spec.toml --quiet");
    assert!(
        ran.status.success() && err(&ran).contains(without),
        "{}",
        err(&ran)
    );
    let counts = [
        "items_without_record",
        "records_without_item",
        "repeated_records",
        "conflicting_records",
        "with_title",
    ];
    let counts = counts.map(|name| column(&desk, "data.csv", name).concat());
    assert_eq!(counts, ["4", "1", "3", "1", "0.8"]);
}

#[test]
fn changed_contents_of_the_same_size_and_time_are_detected() {
    let desk = with_plays(&plays(30, 6), PLAYS, "");
    let file = desk.path().join("plays.csv");
    assert!(desk.run("run spec.toml --quiet").status.success());
    let first = column(&desk, "metrics.csv", "protocol");
    let modified = std::fs::metadata(&file).unwrap().modified().unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace(",1,", ",2,")).unwrap();
    let open = std::fs::File::options().write(true).open(&file).unwrap();
    open.set_modified(modified).unwrap();
    assert!(desk.run("run spec.toml --quiet").status.success());
    assert_ne!(column(&desk, "metrics.csv", "protocol"), first);
}

#[test]
fn check_and_run_print_what_will_run() {
    let desk = Desk::new();
    let spec = |more: &str| {
        std::fs::write(desk.path().join("spec.toml"), format!("{SPEC}\n{more}")).unwrap();
    };
    let printed = |line: &str| {
        let output = desk.run(line);
        assert!(output.status.success(), "{}", err(&output));
        (out(&output), err(&output))
    };
    spec("[scenario.cold.cold_items]\nshare = 0.5\n[scenario.warm.warm_items]\nshare = 0.5\n");
    let axes = "2 seeds x 2 models x cold, warm x 1 data set = 8 cells, 10 stages";
    let (ok, notes) = printed("check spec.toml");
    assert_eq!(ok, format!("ok: {axes}\n"));
    assert!(
        notes.contains("no scenario of the matrix is `overall`")
            && notes.contains("add `[scenario.overall.overall]`"),
        "{notes}"
    );
    let (_, head) = printed("run spec.toml");
    assert!(
        head.contains(axes) && head.contains("is `overall`"),
        "{head}"
    );

    spec("[scenario.all.overall]\n[scenario.cold.cold_items]\n[matrix]\nscenario = [\"cold\"]\n");
    let (_, notes) = printed("check spec.toml");
    assert!(notes.contains("include the scenario `all`"), "{notes}");
    spec(
        "[scenario.all.overall]\n[scenario.cold.cold_items]\n[matrix]\nexclude = [{ model = \"gru4rec\", scenario = \"all\" }]\n",
    );
    let (ok, notes) = printed("check spec.toml");
    assert!(
        ok.contains("all, cold x 1 data set limited by the matrix to 6 cells")
            && !notes.contains("note"),
        "{ok}{notes}"
    );
}

#[test]
fn a_worker_of_another_protocol_is_refused() {
    let desk = Desk::new();
    let output = desk.run_with("all=old", "run spec.toml --quiet");
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    assert!(
        err(&output).contains("with protocol 0, but this program is allround")
            && err(&output).contains("build both from the same commit"),
        "{}",
        err(&output)
    );
    assert!(out(&desk.run("plan spec.toml")).contains("0 in the store"));
    // It is ended at once, although it would hang.
    assert!(desk.run("run spec.toml --quiet").status.success());
}

#[test]
fn a_worker_of_another_commit_is_recorded_in_its_stages() {
    let desk = Desk::new();
    let output = desk.run_with("prepare=commit:0123abc", "run spec.toml --quiet");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let printed = err(&output);
    let warning = printed
        .lines()
        .find(|line| line.starts_with("warning: 1 stage was made by"));
    assert!(
        warning.is_some_and(|line| line.contains("0123abc")),
        "{printed}"
    );
    let machine = std::fs::read_to_string(desk.path().join("results/small/machine.toml")).unwrap();
    let made = machine.lines().find(|line| line.contains("0123abc"));
    assert!(
        made.is_some_and(|line| line.starts_with("made_by = ")),
        "{machine}"
    );
    let folder = desk.path().join(".allround/artefacts/prepare");
    let artefact = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap();
    let manifest = std::fs::read_to_string(artefact.path().join("manifest.json")).unwrap();
    assert!(manifest.contains("0123abc"), "{manifest}");
    assert!(!err(&desk.run("run spec.toml --quiet")).contains("warning"));
}
