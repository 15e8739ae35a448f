//! Messages of refusals of imported scores and of kept scores.

use super::bad::{Case, faults_of, refused};

/// A file without faults that `check` finds: `Cargo.toml` has no scores, but only a worker reads
/// it.
const GOOD: &str = r#"spec_version = 1
name = "scored"

[dataset.d.source.synthetic]
users = 100
items = 60

[llm.small.small]

[model.theirs.scores]
file = "Cargo.toml"

[model.llm.llm_only]
llm = "small"
inference.score = {}

[protocol.p]
metrics = ["hit@1"]
keep_scores = true
"#;

#[test]
fn missing_score_files_and_scores_that_cannot_be_kept_are_refused() {
    assert_eq!(faults_of(GOOD, &[]), Vec::<String>::new());
    refused(GOOD, CASES);
}

#[test]
fn validation_scores_have_a_separate_file() {
    let both = GOOD
        .replace("keep_scores", "splits = [\"valid\", \"test\"]\nkeep_scores")
        .replace("file =", "valid = \"Cargo.lock\"\nfile =");
    assert_eq!(faults_of(&both, &[]), Vec::<String>::new());
}

const CASES: &[Case] = &[
    Case {
        what: "no file",
        old: "file = \"Cargo.toml\"",
        new: "form = \"lists\"",
        faults: &[
            "10:1: missing field `file` in `model.theirs.scores` | `file` has no default | `file`: The file for the test targets, plain or gzip",
        ],
    },
    Case {
        what: "a file that is not there",
        old: "file = \"Cargo.toml\"",
        new: "file = \"nowhere.csv\"",
        faults: &[
            "11:8: `nowhere.csv` does not exist | not found | paths are relative to the spec's folder; looked for `ROOT/nowhere.csv`",
        ],
    },
    Case {
        what: "an unknown form",
        old: "file = \"Cargo.toml\"",
        new: "file = \"Cargo.toml\"\nform = \"list\"",
        faults: &[
            "12:8: `model.theirs.scores.form` must be `scores`, `ranks` or `lists`, found the string `list` | expected `scores`, `ranks` or `lists` | did you mean `lists`?",
        ],
    },
    Case {
        what: "validation without its scores",
        old: "keep_scores = true",
        new: "splits = [\"valid\", \"test\"]",
        faults: &[
            "19:10: protocol `p` measures validation, and `theirs` has no scores of it | validation is measured here | name the file of validation scores: `valid = \"...\"`, or measure only the test",
        ],
    },
    Case {
        what: "scores of an answer",
        old: "inference.score = {}",
        new: "inference.generate = {}",
        faults: &[
            "15:22: `generate` answers with one title, and protocol `p` keeps the scores of all candidates | scores no candidate | rank all candidates with `inference.score = {}`, or write `keep_scores = false`",
        ],
    },
    Case {
        what: "scores as a CF model of a method",
        old: "[model.llm.llm_only]\nllm = \"small\"",
        new: "[model.llm.mlp_llm]\nbackbone = \"theirs\"\nllm = \"small\"",
        faults: &[
            "14:12: `theirs` is of kind `scores`, which has no vector for a user | expected the name of a trained CF model | there are no CF models here",
        ],
    },
];
