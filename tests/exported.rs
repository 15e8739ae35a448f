//! Commands for validation numbers, kept and exported scores, imported scores and audits of
//! answers.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

mod common;
#[path = "common/desk.rs"]
mod desk;

use std::collections::BTreeMap;
use std::process::Output;

use desk::{Desk, SPEC, err};

const KEEPING: &str = r#"
[protocol.strict]
metrics = ["hit@1"]
splits = ["valid", "test"]
keep_scores = true
candidates_seed = 7

[scenario.overall.overall]
[scenario.cold.cold_items]

[table.main.comparison]
protocol = "strict"
split = "valid"
"#;

fn keeping() -> Desk {
    let desk = Desk::new();
    desk.put("spec.toml", &format!("{SPEC}{KEEPING}"));
    well(&desk.run("run spec.toml -q"));
    desk
}

fn well(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", err(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn bad(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(2), "{}", err(output));
    err(output)
}

/// The rows of a CSV text by column.
fn rows(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader.deserialize().map(Result::unwrap).collect()
}

#[test]
fn validation_is_measured_and_shown_in_tables() {
    let desk = keeping();
    for cell in ["toys.overall.gru4rec.s1", "toys.cold.popularity.s2"] {
        for split in ["valid", "test"] {
            let metrics = desk.metrics();
            let is_it = |line: &&str| {
                line.contains(&format!(",{cell},")) && line.contains(&format!(",{split},hit,1,"))
            };
            assert_eq!(metrics.lines().filter(is_it).count(), 1, "{cell} {split}");
        }
    }
    let shown = well(&desk.run("show results/small --split valid"));
    assert!(
        shown.contains("toys, cold, valid, strict") && !shown.contains("test"),
        "{shown}"
    );
    let table = desk.read("results/small/tables/main.md");
    assert!(
        table.contains("protocol strict, validation split"),
        "{table}"
    );
    assert!(
        desk.path()
            .join("results/small/ranks/toys.cold.gru4rec.s1.strict.valid.csv.gz")
            .exists()
    );
    // The table matches the ranks in the folder.
    well(&desk.run("report results/small --check"));

    let plain = Desk::new();
    well(&plain.run("run spec.toml -q"));
    let printed = bad(&plain.run("show results/small --split valid"));
    assert!(
        printed.contains("no results for the split `valid`"),
        "{printed}"
    );
    assert!(
        printed.contains("splits = [\"valid\", \"test\"]"),
        "{printed}"
    );
}

#[test]
fn lists_ranks_and_candidates_are_exported_if_they_were_kept() {
    let desk = keeping();
    let top = "export results/small --top 3 --model gru4rec --seed 1 --scenario overall --titles";
    let lists = rows(&well(&desk.run(top)));
    let users: BTreeMap<&str, Vec<&BTreeMap<String, String>>> =
        lists.iter().fold(BTreeMap::new(), |mut users, row| {
            users
                .entry(row["user"].as_str())
                .or_insert_with(Vec::new)
                .push(row);
            users
        });
    assert!(users.len() > 30);
    for rows in users.values() {
        let ranks: Vec<&str> = rows.iter().map(|row| row["rank"].as_str()).collect();
        let scores: Vec<f64> = rows
            .iter()
            .map(|row| row["score"].parse().unwrap())
            .collect();
        assert_eq!(ranks, ["1", "2", "3"]);
        assert!(scores.is_sorted_by(|a, b| a >= b));
        assert!(rows.iter().all(|row| !row["title"].is_empty()));
    }
    let ranks = rows(&well(
        &desk.run("export results/small --ranks --split valid"),
    ));
    assert!(ranks.iter().all(|row| row["split"] == "valid"));
    assert!(
        ranks
            .iter()
            .any(|row| row["model"] == "popularity" && row["seed"] == "2")
    );

    let exported = well(
        &desk.run("export results/small --candidates --scenario overall --seed 2 --format json"),
    );
    assert_eq!(exported.lines().count(), users.len());
    for line in exported.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(row["candidates"].as_array().unwrap().len(), 20);
        let history = row["history"].as_array().unwrap();
        let known = |item: &serde_json::Value| history.contains(item);
        assert!(!history.is_empty() && !row["candidates"].as_array().unwrap().iter().any(known));
    }
    let printed = bad(&desk.run("export results/small --model gru5rec"));
    assert!(
        printed.contains("no measured cell of `results/small` matches these options"),
        "{printed}"
    );
    assert!(
        printed.contains("models `gru4rec`, `popularity`"),
        "{printed}"
    );

    let plain = Desk::new();
    well(&plain.run("run spec.toml -q"));
    let printed = bad(&plain.run("export results/small"));
    assert!(
        printed
            .contains("scores of `toys.overall.gru4rec.s1` under protocol `strict` were not kept"),
        "{printed}"
    );
    assert!(
        printed.contains("set `protocol.strict.keep_scores = true`"),
        "{printed}"
    );
    let printed = bad(&plain.run("export results/small --candidates --store elsewhere"));
    assert!(
        printed.contains("the store `elsewhere` has no record of `results/small`"),
        "{printed}"
    );
}

#[test]
fn scores_of_another_program_have_rows_in_every_slice() {
    let desk = keeping();
    let export = "export results/small --top 20 --model gru4rec --seed 1 --scenario overall";
    for (split, file) in [("test", "theirs.csv"), ("valid", "theirs-valid.csv")] {
        well(&desk.run(&format!("{export} --split {split} --out {file}")));
    }
    let theirs = "\n[model.theirs.scores]\nfile = \"theirs.csv\"\nvalid = \"theirs-valid.csv\"\n";
    desk.put("spec.toml", &format!("{SPEC}{KEEPING}{theirs}"));
    well(&desk.run("run spec.toml -q"));
    let exported = desk.read("theirs.csv");
    let lists = rows(&exported);
    let hits = lists
        .iter()
        .filter(|row| row["rank"] == "1" && row["target"] == "true");
    let users = lists.iter().filter(|row| row["rank"] == "1").count();
    let value = hits.count() as f64 / users as f64;
    let metrics = rows(&desk.metrics());
    let of = |scenario: &str, split: &str| {
        let is_it = |row: &&BTreeMap<String, String>| {
            row["model"] == "theirs"
                && row["scenario"] == scenario
                && row["split"] == split
                && row["metric"] == "hit"
        };
        let found: Vec<_> = metrics.iter().filter(is_it).collect();
        assert_eq!(found.len(), 2, "one per seed");
        assert!(found.iter().all(|row| row["status"] == "ok"), "{found:?}");
        found[0].clone()
    };
    assert_eq!(
        of("overall", "test")["value"].parse::<f64>().unwrap(),
        value
    );
    let notes = |text: &str| -> Vec<String> {
        let cells = rows(text);
        let theirs = cells.iter().filter(|row| row["name"] == "theirs");
        theirs.map(|row| row["notes"].clone()).collect()
    };
    // Two scenarios and two seeds.
    assert_eq!(notes(&desk.cells()), [""; 4]);
    of("cold", "valid");
    let table = desk.read("results/small/tables/main.md");
    assert!(table.contains("theirs"), "{table}");

    // A missing candidate is refused by name, or counted if it may rank last.
    let cut: Vec<&str> = exported
        .lines()
        .take(exported.lines().count() - 1)
        .collect();
    desk.put("theirs.csv", &cut.join("\n"));
    let output = desk.run("run spec.toml -q --out cut");
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    let printed = err(&output);
    assert!(
        printed.contains("theirs.csv: user `")
            && printed.contains("has no score of the candidate `"),
        "{printed}"
    );
    let lenient = theirs.replace("file =", "missing = \"last\"\nfile =");
    desk.put("spec.toml", &format!("{SPEC}{KEEPING}{lenient}"));
    well(&desk.run("run spec.toml -q --out last"));
    let notes = notes(&desk.read("last/small/cells.csv"));
    let counted = "evaluate: 1 candidates without a score, which rank last";
    assert_eq!(notes, [counted; 4]);
}

#[test]
fn a_file_of_answers_is_audited_by_every_rule() {
    let desk = Desk::new();
    let answers = "answer,target,candidates\n\
        \"\"\"Cars 2\"\"\",Cars,\"[\"\"Cars\"\", \"\"Cars 2\"\"]\"\n\
        \"\"\"heat.\"\"\",Heat,\"[\"\"Heat\"\", \"\"Cars\"\"]\"\n\
        \"\"\"Heat\"\"\",Heat,\nnothing,,\n";
    desk.put("answers.csv", answers);
    let output = desk.run("audit answers.csv --format csv");
    let expected = "rule,share,hits,n\npublished,0.75,3,4\nexact,0.25,1,4\nnormalised,0.5,2,4\nvalid,1,2,2\nseveral,0,0,2\n";
    assert_eq!(well(&output), expected);
    let printed = err(&output);
    assert!(
        printed.contains("1 target has no title: the published code counts each as a hit"),
        "{printed}"
    );
    assert!(
        printed.contains("2 answers without candidates"),
        "{printed}"
    );
    let table = well(&desk.run("audit answers.csv"));
    assert!(
        table.starts_with("4 answers, CSV\n") && table.contains("published     0.7500"),
        "{table}"
    );
    let json: serde_json::Value =
        serde_json::from_str(&well(&desk.run("audit answers.csv --format json"))).unwrap();
    assert_eq!(json["rules"][2]["hits"], 2);

    desk.put("answers.csv", &format!("{answers}\"one\"\n"));
    let printed = bad(&desk.run("audit answers.csv"));
    assert!(
        printed.contains("answers.csv:6: the row has 1 cells, the header 3"),
        "{printed}"
    );
    let printed = bad(&desk.run("audit nowhere.csv"));
    assert!(
        printed.contains("cannot read `nowhere.csv`: no such file"),
        "{printed}"
    );
}

#[test]
fn one_user_is_explained_with_history_candidates_scores_prompt_and_answer() {
    let desk = Desk::new();
    let llm = "[llm.small.small]\n\
        [model.listed.llm_only]\nllm = \"small\"\n\
        [model.writes.llm_only]\nllm = \"small\"\ninference.generate = {}\n\
        [protocol.strict]\nmetrics = [\"hit@1\"]\n";
    desk.put("spec.toml", &format!("{SPEC}{llm}"));
    well(&desk.run("run spec.toml -q"));
    let ranks = well(&desk.run("export results/small --ranks --model listed --seed 1"));
    let first = &rows(&ranks)[0];
    let (user, target) = (first["user"].as_str(), first["target"].as_str());
    let line = format!("explain results/small --user {user}");
    let text = well(&desk.run(&line));
    for part in [
        "History, ",
        "Candidates and scores (* the target):",
        "Rank of the target:\n  gru4rec: ",
        "Prompt of listed:\nThis user has bought \"",
        "Answer of writes:\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!text.contains("Answer of listed"), "{text}");
    let json = well(&desk.run(&format!("{line} --model listed --format json")));
    let case: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(case["target"]["item"], target);
    assert_eq!(case["models"].as_array().unwrap().len(), 1);
    assert_eq!(case["models"][0]["rank"].to_string(), {
        let rank: f64 = first["rank"].parse().unwrap();
        serde_json::json!(rank).to_string()
    });
    let candidates = case["candidates"].as_array().unwrap();
    assert_eq!(candidates.len(), 20);
    let targets: Vec<_> = candidates
        .iter()
        .filter(|it| it["target"] == true)
        .collect();
    assert_eq!(targets.len(), 1);
    assert!(targets[0]["scores"]["listed"].is_number(), "{json}");
    let printed = bad(&desk.run("explain results/small --user nobody"));
    assert!(
        printed.contains("data set `toys` has no user `nobody`"),
        "{printed}"
    );
    let printed = bad(&desk.run(&format!("{line} --model sasrec")));
    assert!(printed.contains("no measured cell"), "{printed}");
}

#[test]
fn kept_lists_have_metrics_and_a_table() {
    let desk = Desk::new();
    let keeping = "[protocol.full]\nkeep_scores = true\ncandidates.full = {}\nmetrics = [\"hit@5\"]\n\
        [table.lists.lists]\ntitle = \"Lists\"\n";
    let spec = SPEC.replace(
        "[model.gru4rec.gru4rec]",
        "[dataset.toys.split.global_time]\ntrain_share = 0.6\n[model.gru4rec.gru4rec]",
    );
    desk.put("spec.toml", &format!("{spec}{keeping}"));
    well(&desk.run("run spec.toml -q"));
    let metrics = rows(&desk.metrics());
    for metric in [
        "coverage",
        "gini",
        "popularity",
        "novelty",
        "diversity",
        "recall_all",
        "map_all",
    ] {
        let found = metrics.iter().filter(|row| row["metric"] == metric);
        let found: Vec<_> = found.map(|row| row["k"].as_str()).collect();
        assert_eq!(found, ["5"; 4], "{metric}");
    }
    let table = desk.read("results/small/tables/lists.md");
    assert!(table.contains("Coverage"), "{table}");
    well(&desk.run("report results/small --check"));
    let shown = well(&desk.run("show results/small --metric coverage@5"));
    assert!(shown.contains("popularity"), "{shown}");
}
