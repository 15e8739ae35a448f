//! Imported weights: what is refused, word by word, and what is not.

use super::bad::{Case, refused, said};
use super::*;

/// A file without faults, but for the manifest in place of weights, which only a worker finds out.
const GOOD: &str = r#"spec_version = 1
name = "imported"

[dataset.d.source.synthetic]
users = 100
items = 60

[model.own.sasrec]
train.epochs = 4
loss.bce = {}

[model.got.gru4rec]
weights = "Cargo.toml"

[variant.flat]
of = "own"
set = { num_blocks = 1 }

[variant.narrow]
of = "got"
set = { hidden_units = 8 }

[figure.loss.curves]
value = "loss"
"#;

#[test]
fn weights_that_are_no_file_or_stand_beside_training_are_refused_in_these_words() {
    assert_eq!(said(GOOD, &[]), Vec::<String>::new());
    refused(GOOD, CASES);
}

#[test]
fn a_variant_or_a_flag_gives_weights_to_a_model_with_settings_of_training() {
    let variant = GOOD.replace("num_blocks = 1", "weights = \"Cargo.toml\"");
    assert_eq!(said(&variant, &[]), Vec::<String>::new());
    let flag = "model.own.sasrec.weights=Cargo.toml".to_owned();
    let flags = [flag, "figure.loss.curves.value=\"hit@10\"".to_owned()];
    let told = said(GOOD, &flags);
    assert_eq!(
        told,
        [
            "--set 2:1:26: no model of the matrix records `hit@10` while it trains | nothing to draw | give a model `train.stop.early = { metric = \"hit@10\" }`, or draw `loss`"
        ]
    );
    let above = "model.got.gru4rec.train.lr=0.1".to_owned();
    assert_eq!(
        said(GOOD, &[above]),
        [
            "--set 1:1:19: `train` is for training, and `weights` are imported instead | has no effect | remove `train`, or remove `weights` to train the model"
        ]
    );
}

#[test]
fn weights_are_in_the_resolved_spec_and_only_where_they_are_written() {
    let checked = load_text("x.toml", GOOD, root(), &[]).unwrap_or_else(|all| panic!("{all}"));
    let text = checked.resolved_toml();
    // The model, and the whole model that its variant is.
    assert_eq!(text.matches("weights = ").count(), 2, "{text}");
    let back = resolved_from_text("spec.toml", text).unwrap_or_else(|all| panic!("{all}"));
    assert_eq!(back, checked.spec);
    assert_eq!(back.model["got"].weights(), Some("Cargo.toml"));
    assert_eq!(back.model["own"].weights(), None);
}

const CASES: &[Case] = &[
    Case {
        what: "a file that is not there",
        old: "weights = \"Cargo.toml\"",
        new: "weights = \"gone.safetensors\"",
        faults: &[
            "13:11: `gone.safetensors` does not exist | not found | paths are relative to the spec's folder; looked for `ROOT/gone.safetensors`",
        ],
    },
    Case {
        what: "a folder",
        old: "weights = \"Cargo.toml\"",
        new: "weights = \"src\"",
        faults: &[
            "13:11: `src` is a folder | expected a file | paths are relative to the spec's folder; looked for `ROOT/src`",
        ],
    },
    Case {
        what: "no path",
        old: "weights = \"Cargo.toml\"",
        new: "weights = \"\"",
        faults: &[
            "13:11: `` is empty | expected a path | paths are relative to the spec's folder; looked for `ROOT/`",
        ],
    },
    Case {
        what: "a file that is not there, in a variant",
        old: "num_blocks = 1",
        new: "weights = \"gone.safetensors\"",
        faults: &[
            "17:19: `gone.safetensors` does not exist | not found | paths are relative to the spec's folder; looked for `ROOT/gone.safetensors`",
        ],
    },
    Case {
        what: "training beside weights",
        old: "weights = \"Cargo.toml\"",
        new: "weights = \"Cargo.toml\"\ntrain.lr = 0.1\nloss.bpr = {}",
        faults: &[
            "14:1: `train` is for training, and `weights` are imported instead | has no effect | remove `train`, or remove `weights` to train the model",
            "15:1: `loss` is for training, and `weights` are imported instead | has no effect | remove `loss`, or remove `weights` to train the model",
        ],
    },
    Case {
        what: "training beside weights in a variant",
        old: "num_blocks = 1",
        new: "weights = \"Cargo.toml\", \"train.lr\" = 0.1",
        faults: &[
            "17:33: `train` is for training, and `weights` are imported instead | has no effect | remove `train`, or remove `weights` to train the model",
        ],
    },
    Case {
        what: "a variant that trains an imported model otherwise",
        old: "hidden_units = 8",
        new: "train.lr = 0.1",
        faults: &[
            "21:9: `train` is for training, and `weights` are imported instead | has no effect | remove `train`, or remove `weights` to train the model",
        ],
    },
    Case {
        what: "weights of a floor",
        old: "[model.got.gru4rec]",
        new: "[model.floor.popularity]\nweights = \"Cargo.toml\"\n\n[model.got.gru4rec]",
        faults: &[
            "13:1: unknown field `weights` in `model.floor.popularity` | not a field of this table | there are no fields here",
        ],
    },
    Case {
        what: "a curve of models that are all imported",
        old: "train.epochs = 4\nloss.bce = {}",
        new: "weights = \"Cargo.toml\"",
        faults: &[
            "23:9: no model of the matrix records `loss` while it trains | nothing to draw | add a model that is trained",
        ],
    },
];
