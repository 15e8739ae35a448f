//! Names of results folders.

use super::*;

const SPEC: &str = r#"
spec_version = 1
name = "small"
seeds = [1, 2]
[dataset.toys.source.synthetic]
users = 60
[model.m.sasrec]
[profiles.offline]
dataset.toys.source.synthetic.users = 30
"#;

fn folder(flags: &[&str]) -> String {
    let flags: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
    let checked = load_text("small.toml", SPEC, root(), &flags);
    checked.unwrap_or_else(|faults| panic!("{faults}")).folder
}

#[test]
fn results_of_a_file_below_experiments_mirror_its_path() {
    let dir = tempfile::tempdir().unwrap();
    let folder = |file: &str, flags: &[&str]| {
        let path = dir.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, SPEC).unwrap();
        let flags: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
        load(&path, &flags).unwrap().folder
    };
    let paper = "experiments/paper/table1.toml";
    assert_eq!(folder(paper, &[]), "paper/table1");
    assert_eq!(folder(paper, &["profile=offline"]), "paper/table1-offline");
    assert_eq!(folder(paper, &["run.limit=9"]), "paper/table1-limit-9");
    assert_eq!(folder(paper, &["name=mine"]), "mine");
    assert_eq!(folder("experiments/first.toml", &[]), "first");
    assert_eq!(folder("elsewhere/first.toml", &[]), "small");
    assert_eq!(folder("experiments/a b/first.toml", &[]), "small");
}

#[test]
fn flags_that_change_results_give_a_separate_folder() {
    assert_eq!(folder(&[]), "small");
    assert_eq!(folder(&["run.limit=50"]), "small-limit-50");
    assert_eq!(folder(&["profile=offline"]), "small-offline");
    assert_eq!(folder(&["seeds=[1]"]), "small-seeds-1");
    assert_eq!(folder(&["seeds=[3, 4]"]), "small-seeds-3-4");
    assert_eq!(folder(&["run.device=cuda:1"]), "small-cuda");
    let all = [
        "run.limit=9",
        "seeds=[7]",
        "profile=offline",
        "run.device=cuda:0",
    ];
    assert_eq!(folder(&all), "small-offline-cuda-seeds-7-limit-9");
    let changed = folder(&["model.m.sasrec.dropout=0.4"]);
    assert!(
        changed.starts_with("small-with-model.m.sasrec.dropout-0.4-"),
        "{changed}"
    );
}

#[test]
fn flags_that_change_no_result_keep_the_folder() {
    for flag in [
        "seeds=[1, 2]",
        "dataset.toys.source.synthetic.users=60",
        "run.alone=true",
        "run.retries=3",
        "run.checkpoint_every=5",
        "run.checkpoint_minutes=0.5",
        "run.device=cpu",
    ] {
        assert_eq!(folder(&[flag]), "small", "{flag}");
    }
    assert_eq!(folder(&["seeds=[5]", "seeds=[1, 2]"]), "small");
}

#[test]
fn the_name_follows_the_values_and_not_how_they_are_written() {
    let one = folder(&["model.m.sasrec.dropout=0.4", "model.m.sasrec.maxlen=20"]);
    for flags in [
        ["model.m.sasrec.maxlen=20", "model.m.sasrec.dropout=0.400"],
        ["model.m.sasrec.maxlen=20", "model.m.sasrec={dropout=4e-1}"],
    ] {
        assert_eq!(folder(&flags), one);
    }
    assert_eq!(folder(&["seeds=[7]", "seeds=[7]"]), "small-seeds-7");
    let others = [
        folder(&["model.m.sasrec.dropout=0.4", "model.m.sasrec.maxlen=21"]),
        folder(&["model.m.sasrec.dropout=0.4"]),
        folder(&["model.m.popularity={}"]),
    ];
    assert!(!others.contains(&one));
}

#[test]
fn a_given_name_is_used() {
    assert_eq!(folder(&["name=mine", "model.m.sasrec.dropout=0.4"]), "mine");
    assert_eq!(folder(&["name=small", "seeds=[9]"]), "small");
    assert_eq!(folder(&["name=mine", "run.limit=5"]), "mine-limit-5");
}

#[test]
fn a_long_name_is_cut_and_remains_unique() {
    let many = |text: &str| folder(&[&format!("question={}", text.repeat(300))]);
    let (one, other) = (many("why? "), many("who? "));
    assert!(one.len() < 130 && one != other, "{one}");
    let seeds = |last: u32| {
        let seeds: Vec<String> = (1..50).chain([last]).map(|seed| seed.to_string()).collect();
        folder(&[&format!("seeds=[{}]", seeds.join(","))])
    };
    assert!(seeds(77).len() < 130 && seeds(77) != seeds(78));
}

#[test]
fn a_profile_whose_folder_could_be_that_of_another_run_is_refused() {
    for (name, word) in [
        ("limit-5", "is reserved"),
        ("cuda", "is reserved"),
        ("\"../x\"", "has characters other than letters"),
    ] {
        let text = SPEC.replace("[profiles.offline]", &format!("[profiles.{name}]"));
        let faults = load_text("small.toml", &text, root(), &[]).expect_err(name);
        assert!(
            faults.lines().contains("the profile name `") && faults.lines().contains(word),
            "{}",
            faults.lines()
        );
    }
}
