//! Messages of refusals of searches.

use super::bad::{Case, faults_of, refused};
use super::load_text;

/// A file without faults; the cases replace a part of it.
const GOOD: &str = r#"spec_version = 1
name = "searched"

[dataset.d]
source.synthetic = { users = 100, items = 150 }
split.global_time = { valid_share = 0.1 }

[model.sasrec]
train.epochs = 20
train.stop.early = { metric = "hit@1", every = 2 }

[search.tuned]
of = "sasrec"
space.dropout = [0.1, 0.2]
space.train.lr = { from = 1e-4, to = 1e-2, log = true }
method.random = { trials = 5 }
metric = "hit@1"
protocol = "p"

[protocol.p]
metrics = ["hit@1"]
splits = ["valid", "test"]
"#;

#[test]
fn every_bad_search_is_refused_with_these_messages() {
    assert_eq!(faults_of(GOOD, &[]), Vec::<String>::new());
    refused(GOOD, CASES);
}

#[test]
fn a_trial_has_the_settings_that_it_tries_and_those_of_the_model() {
    let checked = load_text("good.toml", GOOD, super::root(), &[]).unwrap();
    let set = |text: &str| serde_json::from_str(text).unwrap();
    let trial = checked.trial("tuned", &set(r#"{"dropout": 0.3, "train.lr": 0.002}"#));
    let json = serde_json::to_value(trial.unwrap()).unwrap();
    let model = &json["sasrec"];
    assert_eq!(model["dropout"], 0.3);
    assert_eq!(model["train"]["lr"], 0.002);
    assert_eq!(model["train"]["epochs"], 20);
    let wrong = checked.trial("tuned", &set(r#"{"num_heads": 3}"#));
    assert!(wrong.unwrap_err().contains("3 heads do not divide"));
}

#[test]
fn a_resolved_file_has_the_dotted_settings_of_a_search_and_its_result() {
    let mut checked = load_text("good.toml", GOOD, super::root(), &[]).unwrap();
    let text = checked.resolved_toml().to_owned();
    assert!(text.contains("[search.tuned.space.\"train.lr\"]"), "{text}");
    let read = |text: &str| super::resolved_from_text("spec.toml", text).unwrap();
    assert_eq!(read(&text), checked.spec);
    let set = serde_json::from_str(r#"{"dropout": 0.1, "train.lr": 0.002}"#).unwrap();
    let resolved = checked.trial("tuned", &set).unwrap();
    let best = crate::experiment::config::search::Best { set, resolved };
    checked.add_best("tuned", "d", best.clone());
    assert_eq!(read(checked.resolved_toml()), checked.spec);
    assert_eq!(checked.spec.model_on("tuned", "d"), Some(&best.resolved));
}

const CASES: &[Case] = &[
    Case {
        what: "a protocol without validation",
        old: "splits = [\"valid\", \"test\"]",
        new: "",
        faults: &[
            "18:12: protocol `p` does not measure the split `valid` | reads numbers of `valid` | write `protocol.p.splits = [\"valid\", \"test\"]`, or name another split here",
        ],
    },
    Case {
        what: "data without validation",
        old: "valid_share = 0.1",
        new: "valid_share = 0.0",
        faults: &[
            "6:37: search `tuned` chooses settings on validation, and data set `d` has none | no interaction is left for validation | raise `valid_share`, for example to 0.1",
        ],
    },
    Case {
        what: "an unknown model",
        old: "of = \"sasrec\"",
        new: "of = \"sasrek\"",
        faults: &[
            "13:6: no model is called `sasrek` | expected the name of a model | did you mean `sasrec`?",
        ],
    },
    Case {
        what: "no space",
        old: "space.dropout = [0.1, 0.2]\nspace.train.lr = { from = 1e-4, to = 1e-2, log = true }",
        new: "",
        faults: &[
            "12:1: search `tuned` searches nothing | expected `space` with at least one setting | for example `space = { dropout = [0.1, 0.2, 0.5] }`",
        ],
    },
    Case {
        what: "an unknown setting",
        old: "space.dropout",
        new: "space.dropuot",
        faults: &[
            "14:7: unknown field `dropuot` in `search.tuned.space` | not a field of this table | did you mean `dropout`?",
        ],
    },
    Case {
        what: "a value out of range",
        old: "[0.1, 0.2]",
        new: "[0.1, 1.2]",
        faults: &[
            "14:23: `search.tuned.space.dropout` must be a number from 0 to 0.99, found `1.2` | expected a number from 0 to 0.99",
        ],
    },
    Case {
        what: "one value",
        old: "[0.1, 0.2]",
        new: "0.1",
        faults: &[
            "14:17: `search.tuned.space.dropout` must be a list of values or a range | write for example `[0.1, 0.2]`, or `{ from = 1e-4, to = 1e-2, log = true }`",
        ],
    },
    Case {
        what: "an empty list",
        old: "[0.1, 0.2]",
        new: "[]",
        faults: &[
            "14:17: `search.tuned.space.dropout` is an empty list | expected at least one value",
        ],
    },
    Case {
        what: "a range of texts",
        old: "from = 1e-4, to",
        new: "from = \"low\", to",
        faults: &["15:18: `search.tuned.space.train.lr` needs the numbers `from` and `to`"],
    },
    Case {
        what: "an empty range",
        old: "from = 1e-4, to",
        new: "from = 1, to",
        faults: &["15:18: `search.tuned.space.train.lr` is empty: `from` is not below `to`"],
    },
    Case {
        what: "a logarithm of zero",
        old: "from = 1e-4, to",
        new: "from = 0, to",
        faults: &[
            "15:18: `search.tuned.space.train.lr` with `log` needs a `from` above 0 and no `step`",
        ],
    },
    Case {
        what: "a misspelt field of a range",
        old: "log = true",
        new: "logarithm = true",
        faults: &[
            "15:44: unknown field `logarithm` in `search.tuned.space.train.lr` | expected `from`, `to`, `log` or `step`",
        ],
    },
    Case {
        what: "a grid over a range",
        old: "method.random = { trials = 5 }",
        new: "",
        faults: &[
            "15:18: a grid needs values: the range `train.lr` of `tuned` has no `step` | infinitely many values | add `step`, or list the values",
        ],
    },
    Case {
        what: "a file",
        old: "space.dropout = [0.1, 0.2]",
        new: "space.weights = [\"a.pth\", \"b.pth\"]",
        faults: &[
            "14:17: a search cannot choose among files | a setting with the path of a file | declare one model for each file, and compare them",
        ],
    },
    Case {
        what: "a resource that is no number",
        old: "method.random = { trials = 5 }",
        new: "method.halving = { resource = \"train.stop\" }",
        faults: &[
            "16:31: `train.stop` is not a whole number among the settings of `sasrec` | expected a setting such as `train.epochs` | name the dotted key of a whole number that bounds training",
        ],
    },
    Case {
        what: "a searched resource",
        old: "method.random = { trials = 5 }",
        new: "method.halving = { resource = \"dropout\" }",
        faults: &[
            "16:31: `dropout` of `tuned` is both searched and the resource | remove it from `space`",
        ],
    },
    Case {
        what: "a resource that is too small",
        old: "method.random = { trials = 5 }",
        new: "method.halving = { resource = \"train.epochs\" }",
        faults: &[
            "16:31: a validation every 2 epochs never happens in 1 epochs | raise `least` of the search, or change the model, so that `train.epochs = 1` is possible",
        ],
    },
    Case {
        what: "no round",
        old: "method.random = { trials = 5 }",
        new: "method.halving = { resource = \"train.epochs\", least = 20 }",
        faults: &[
            "16:55: `least` is 20, and `train.epochs` of `sasrec` is 20 | expected less than 20 | lower `least`, or raise the setting of the model",
        ],
    },
    Case {
        what: "a name that a model has",
        old: "[search.tuned]",
        new: "[search.sasrec]",
        faults: &[
            "12:9: `sasrec` names a model and a search | the search | results identify both by name only: rename the search",
        ],
    },
    Case {
        what: "a search of a method that reads another search",
        old: "[protocol.p]",
        new: "[llm.small.small]\n[model.mlp.mlp_llm]\nbackbone = \"tuned\"\nllm = \"small\"\n[search.twice]\nof = \"mlp\"\nspace.project.train.lr = [0.1, 0.2]\nmetric = \"hit@1\"\nprotocol = \"p\"\n[protocol.p]",
        faults: &[
            "25:6: `mlp` reads the search `tuned`, whose settings are not known yet | another search tries its settings | run `tuned` first, write its best settings into a variant, and let `mlp` read that",
        ],
    },
];
