//! Starter experiments from data files, machine-readable output, and manual pages.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

mod common;
#[path = "common/desk.rs"]
mod desk;

use std::collections::BTreeMap;
use std::process::Output;

use desk::{Desk, err};
use serde_json::Value;

fn out(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", err(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn json(desk: &Desk, line: &str) -> Vec<BTreeMap<String, Value>> {
    let text = out(&desk.run(&format!("{line} --format json")));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn csv(desk: &Desk, line: &str) -> Vec<BTreeMap<String, String>> {
    let text = out(&desk.run(&format!("{line} --format csv")));
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader.deserialize().map(Result::unwrap).collect()
}

/// Interactions of users `u1` and so on with `length` of `items` items each, in order of time.
fn plays(users: u64, items: u64, length: u64, header: &str) -> String {
    let rows = (0..users).flat_map(|user| {
        let row = move |at: u64| {
            let item = (user * 7 + at * 3) % items;
            let day = 1 + at % 28;
            format!("u{user},i{item},2018-07-{day:02},{}\n", at % 5)
        };
        (0..length).map(row)
    });
    format!("{header}\n{}", rows.collect::<String>())
}

fn titles(items: u64) -> String {
    let rows = (0..items).map(|item| format!("i{item};\"Thing; {item}\";kind {}\n", item % 3));
    format!("item_id;name;genre\n{}", rows.collect::<String>())
}

#[test]
fn a_starter_experiment_runs_without_changes() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path().join("data")).unwrap();
    desk.put(
        "data/plays.csv",
        &plays(40, 30, 9, "user_id,item_id,when,stars"),
    );
    desk.put("data/things.csv", &titles(30));
    let made = desk.run("init data/plays.csv data/things.csv -o mine.toml");
    assert_eq!(out(&made), "mine.toml\n");
    let message = err(&made);
    assert!(message.contains("time `when`, rating `stars`"), "{message}");
    assert!(
        message.contains("title `name`, category `genre`"),
        "{message}"
    );
    let text = desk.read("mine.toml");
    for line in [
        "interactions = \"data/plays.csv\"",
        "items_delimiter = \";\"",
        "# The time, such as `2018-07-01`.\ntimestamp = \"when\"",
        "# No column of descriptions.\ndescription = \"\"",
        "candidates.uniform = { n = 19 }",
        "# [model.allmrec.allmrec]",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    out(&desk.run("check mine.toml --data"));
    out(&desk.run("run mine.toml -q"));
    let shown = out(&desk.run("show results/plays"));
    assert!(
        shown.contains("sasrec") && shown.contains("popularity"),
        "{shown}"
    );
    // The file is also valid with the section on A-LLMRec.
    let mut is_section = false;
    let line = |line: &str| {
        is_section =
            (is_section || line.starts_with("# ---- A-LLMRec")) && !line.contains("Protocol");
        match line
            .strip_prefix("# ")
            .filter(|rest| is_section && !rest.starts_with('-'))
        {
            Some(rest) => format!("{rest}\n"),
            None => format!("{line}\n"),
        }
    };
    let whole: String = text.lines().map(line).collect();
    assert!(whole.contains("\n[model.allmrec.allmrec]\n"), "{whole}");
    desk.put("whole.toml", &whole);
    assert!(out(&desk.run("check whole.toml")).contains("3 models"));
}

#[test]
fn a_starter_experiment_replaces_no_file_unless_forced() {
    let desk = Desk::new();
    desk.put("plays.csv", &plays(40, 30, 9, "user,item,date,score"));
    desk.put("plays.toml", "mine");
    let refused = desk.run("init plays.csv");
    assert_eq!(refused.status.code(), Some(2));
    let message = err(&refused);
    assert!(message.contains("`plays.toml` exists already"), "{message}");
    assert!(message.contains("`--force`"), "{message}");
    assert_eq!(desk.read("plays.toml"), "mine");
    out(&desk.run("init plays.csv --force"));
    let text = desk.read("plays.toml");
    assert!(
        !text.contains("allmrec.allmrec"),
        "no titles, no A-LLMRec: {text}"
    );
    out(&desk.run("check plays.toml"));
}

#[test]
fn files_without_recognisable_columns_are_refused_with_their_columns() {
    let desk = Desk::new();
    desk.put("odd.csv", "who,what\na,b\n");
    desk.put("bare.csv", "1,2,880606923\n1,3,880606924\n");
    desk.put("reviews.csv", "{\"reviewerID\": \"a\", \"asin\": \"b\"}\n");
    let refused = |line: &str, words: &[&str]| {
        let output = desk.run(line);
        assert_eq!(output.status.code(), Some(2), "{line}");
        let message = err(&output);
        for word in words {
            assert!(message.contains(word), "{word}: {message}");
        }
    };
    refused(
        "init odd.csv",
        &[
            "`odd.csv`: no column looks like a user id",
            "the columns are `who`, `what`; name the right one with `--user COLUMN`",
        ],
    );
    refused(
        "init odd.csv --user whom",
        &["`odd.csv` has no column `whom`"],
    );
    refused(
        "init bare.csv",
        &["line 1 is a record, not a header", "`header = false`"],
    );
    refused(
        "init reviews.csv",
        &["Amazon reviews of 2014", "source.amazon"],
    );
    refused("init gone.csv", &["cannot open `gone.csv`"]);
    out(&desk.run("init odd.csv --user who --item what"));
    let text = desk.read("odd.toml");
    assert!(text.contains("user = \"who\""), "{text}");
    assert!(
        text.contains("# filter = [{ k_core"),
        "one row has no 5-core: {text}"
    );
}

#[test]
fn a_starter_experiment_of_an_atomic_file_reads_it_as_such() {
    let desk = Desk::new();
    let rows = plays(
        40,
        30,
        9,
        "user_id:token,item_id:token,timestamp:token,rating:float",
    );
    let times = rows.replace("2018-07-", "153090");
    desk.put("games.inter", &times.replace(',', "\t"));
    out(&desk.run("init games.inter"));
    let text = desk.read("games.toml");
    assert!(text.contains("[dataset.games.source.atomic]"), "{text}");
    assert!(text.contains("timestamp = \"timestamp\""), "{text}");
    out(&desk.run("check games.toml --data"));
}

#[test]
fn plans_name_the_model_and_seed_of_backbone_stages() {
    let desk = Desk::new();
    let plan = out(&desk.run("plan spec.toml"));
    let line = plan.lines().find(|line| line.contains("gru4rec, seed 2"));
    assert!(
        line.is_some_and(|line| line.trim().starts_with("backbone")),
        "{plan}"
    );
    let stages = csv(&desk, "plan spec.toml");
    let backbones = stages.iter().filter(|row| row["kind"] == "backbone");
    let trained: Vec<[&str; 3]> = backbones
        .map(|row| ["model", "seed", "state"].map(|column| row[column].as_str()))
        .collect();
    assert_eq!(stages.len(), 10);
    assert!(trained.contains(&["gru4rec", "1", "to run"]), "{trained:?}");
    assert!(
        trained.contains(&["popularity", "", "to run"]),
        "{trained:?}"
    );
    let run = err(&desk.run("run spec.toml"));
    let named = "backbone gru4rec, seed 1: toys.overall.gru4rec.s1: started";
    assert!(run.contains(named), "{run}");
}

#[test]
fn results_are_printed_as_csv_and_json() {
    let desk = Desk::new();
    out(&desk.run("run spec.toml -q"));
    let shown = json(&desk, "show results/small");
    let is_it =
        |row: &&BTreeMap<String, Value>| row["model"] == "gru4rec" && row["metric"] == "hit@1";
    let row = shown.iter().find(is_it).unwrap();
    assert_eq!((&row["seeds"], &row["failed"]), (&2.into(), &0.into()));
    assert!(
        row["mean"].is_f64() && row["sd"].is_f64() && row["users"].is_u64(),
        "{row:?}"
    );
    let rows = csv(&desk, "show results/small --metric hit@1");
    assert_eq!(rows.len(), 2);
    assert_eq!(
        rows[0]["mean"].parse::<f64>().unwrap(),
        row["mean"].as_f64().unwrap()
    );
    let listed = json(&desk, "list");
    assert_eq!(listed[0]["experiment"], "small");
    assert_eq!(csv(&desk, "list")[0]["finished"], "4");
    // The columns are the same when there are no rows.
    let empty = out(&desk.run("list --store empty --format csv"));
    assert_eq!(
        empty,
        "experiment,state,cells,finished,failed,ended,spec,results\n"
    );
}

#[test]
fn comparisons_are_filtered_and_printed_as_csv_and_json() {
    let desk = Desk::new();
    out(&desk.run("run spec.toml -q"));
    out(&desk.run(
        "run spec.toml -q --out other --set model.gru4rec.gru4rec.train.epochs=1 --set name=small",
    ));
    let line = "compare results/small other/small";
    let all = json(&desk, line);
    let of_metric = json(&desk, &format!("{line} --metric hit@1 --metric mrr"));
    assert_eq!((all.len(), of_metric.len()), (12, 4));
    assert!(
        all.iter()
            .all(|row| row["status"] == "compared" && row["seeds"] == 2)
    );
    let differences = csv(&desk, &format!("{line} --differences"));
    assert!(differences.len() < 12, "popularity does not change");
    assert!(
        differences
            .iter()
            .all(|row| row["difference"].parse::<f64>().unwrap() != 0.0)
    );
    let message = err(&desk.run(&format!("{line} --differences")));
    assert!(
        message.contains("equal in both folders, not shown"),
        "{message}"
    );
    let refused = desk.run(&format!("{line} --metric hit@7"));
    assert_eq!(refused.status.code(), Some(2));
    assert!(err(&refused).contains("no results for metric `hit@7`"));
    assert!(
        err(&refused).contains("available metrics: hit@1, "),
        "{}",
        err(&refused)
    );
}

#[test]
fn manual_pages_are_written_for_every_subcommand() {
    let desk = Desk::new();
    let page = out(&desk.run("man"));
    assert!(
        page.contains(".TH allround 1") && page.contains("Exit codes"),
        "{page}"
    );
    assert!(err(&desk.run("man pages")).contains("pages in pages"));
    for name in [
        "allround.1",
        "allround-run.1",
        "allround-data-fetch.1",
        "allround-init.1",
    ] {
        assert!(
            desk.read(&format!("pages/{name}")).contains(".SH NAME"),
            "{name}"
        );
    }
}

#[test]
fn a_json_list_of_answers_is_refused_by_name() {
    let desk = Desk::new();
    desk.put("answers.json", "[{\"answer\": \"a\", \"target\": \"a\"}]");
    for flags in ["", " --form jsonl", " --form csv"] {
        let refused = desk.run(&format!("audit answers.json{flags}"));
        assert_eq!(refused.status.code(), Some(2));
        let message = err(&refused);
        assert!(
            message.contains("the file is one JSON list, expected an object per line"),
            "{message}"
        );
        assert!(message.contains("jq -c '.[]'"), "{message}");
    }
}

#[test]
fn a_protocol_that_keeps_scores_is_named_when_another_does_not() {
    let desk = Desk::new();
    let protocols = "[protocol.a]\n[protocol.b]\nkeep_scores = true\n";
    desk.put("spec.toml", &format!("{}{protocols}", desk::SPEC));
    out(&desk.run("run spec.toml -q"));
    let refused = desk.run("export results/small --top 3");
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        err(&refused).contains("hint: `--protocol b` has scores"),
        "{}",
        err(&refused)
    );
    out(&desk.run("export results/small --top 3 --protocol b"));
}

#[test]
fn doctor_says_which_damage_the_next_run_repairs() {
    let desk = Desk::new();
    out(&desk.run("run spec.toml -q"));
    let change = |kind: &str, file: &str| {
        let folder = desk.path().join(".allround/artefacts").join(kind);
        let artefact = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap();
        let files = std::fs::read_dir(artefact.path()).unwrap();
        let mut files = files
            .map(|it| it.unwrap().path())
            .filter(|path| path.is_file());
        let file = files
            .find(|path| path.to_string_lossy().contains(file))
            .unwrap();
        let bytes: Vec<u8> = std::fs::read(&file)
            .unwrap()
            .iter()
            .map(|byte| byte ^ 1)
            .collect();
        std::fs::write(file, bytes).unwrap();
    };
    change("backbone", "fake");
    change("evaluate", "ranks");
    let doctor = desk.run("doctor --full");
    let text = String::from_utf8(doctor.stdout).unwrap();
    assert!(text.contains("only before a stage that reads it"), "{text}");
    assert!(
        text.contains("the next run of experiment `small` rebuilds it"),
        "{text}"
    );
}
