//! Scores of other programs, and scores that are kept: what is refused, word by word.

use super::bad::{Case, refused, said};

/// A file without faults, but for the manifest in place of scores, which only a worker finds out.
const GOOD: &str = r#"spec_version = 1
name = "scored"

[dataset.d.source.synthetic]
users = 100
items = 60

[llm.small.small]

[model.theirs.scores]
file = "Cargo.toml"

[model.asked.llm_only]
llm = "small"
inference.score = {}

[protocol.p]
metrics = ["hit@1"]
keep_scores = true
"#;

#[test]
fn scores_that_are_no_file_or_cannot_be_kept_are_refused_in_these_words() {
    assert_eq!(said(GOOD, &[]), Vec::<String>::new());
    refused(GOOD, CASES);
}

#[test]
fn validation_scores_have_a_file_of_their_own() {
    let both = GOOD
        .replace("keep_scores", "splits = [\"valid\", \"test\"]\nkeep_scores")
        .replace("file =", "valid = \"Cargo.lock\"\nfile =");
    assert_eq!(said(&both, &[]), Vec::<String>::new());
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
        what: "a form that is none",
        old: "file = \"Cargo.toml\"",
        new: "file = \"Cargo.toml\"\nform = \"list\"",
        faults: &[
            "12:8: `model.theirs.scores.form` must be `scores`, `ranks` or `lists`, found the string `list` | expected `scores`, `ranks` or `lists` | did you mean `lists`?",
        ],
    },
    Case {
        what: "validation without scores of it",
        old: "keep_scores = true",
        new: "splits = [\"valid\", \"test\"]",
        faults: &[
            "19:10: protocol `p` measures validation, and `theirs` has no scores of it | validation is measured here | name the file of validation scores: `valid = \"...\"`, or measure the test alone",
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
        old: "[model.asked.llm_only]\nllm = \"small\"",
        new: "[model.asked.mlp_llm]\nbackbone = \"theirs\"\nllm = \"small\"",
        faults: &[
            "14:12: `theirs` is of kind `scores`, which has no vector for a user | expected the name of a trained CF model | there are no CF models here",
        ],
    },
];
