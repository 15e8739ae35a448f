//! Messages of refusals of imported weights.

use super::bad::{Case, faults_in, refused_in};
use super::*;
use allround_core::models::weights as tensors;
use allround_core::models::weights::Weight;

/// A file without faults.
const GOOD: &str = r#"spec_version = 1
name = "imported"

[dataset.d.source.synthetic]
users = 100
items = 60

[model.own.sasrec]
form = "allmrec"
train.epochs = 4
loss.bce = {}

[model.got.gru4rec]
weights = "w.safetensors"

[variant.flat]
of = "own"
set = { dropout = 0.1 }

[variant.narrow]
of = "got"
set = { maxlen = 8 }

[figure.loss.curves]
value = "loss"
"#;

/// A folder with files for the models of [`GOOD`], and with files that do not fit them.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| {
        allround_core::fs::write_atomic(&folder.path().join(name), bytes).unwrap();
    };
    let spec =
        load_text("x.toml", UNTRAINED, folder.path(), &[]).unwrap_or_else(|all| panic!("{all}"));
    let of = |name: &str| spec.spec.model_named(name).unwrap().cf().unwrap().tensors();
    let write = |name: &str, weights: &[Weight]| put(name, &tensors::file_of(weights, 61, 0.5));
    write("w.safetensors", &of("gru"));
    write("s.safetensors", &of("allmrec"));
    write("narrow.safetensors", &of("narrow"));
    write("pre.safetensors", &of("pre"));
    write("kang.safetensors", &of("kang"));
    write("long.safetensors", &of("long"));
    write("deep.safetensors", &of("deep"));
    let changed = |name: &str, change: fn(&mut Weight)| {
        let mut all = of("allmrec");
        all.iter_mut().for_each(change);
        write(name, &all);
    };
    changed("linear.safetensors", |weight| {
        weight.shape.retain(|size| *size != tensors::Size::Fixed(1));
    });
    changed("wrapped.safetensors", |weight| {
        weight.name = format!("module.{}", weight.name);
    });
    let mut tables = of("next");
    tables[0].shape[0] = tensors::Size::Fixed(60);
    write("tables.safetensors", &tables);
    let mut kernel = of("next");
    for weight in &mut kernel {
        if let Some(size) = weight.shape.get_mut(3) {
            *size = tensors::Size::Fixed(5);
        }
    }
    write("kernel.safetensors", &kernel);
    put("state.pth", b"PK\x03\x04 and what torch.save writes");
    put("old.pt", b"\x80\x02\x8a\x0a and so on");
    put(
        "text.safetensors",
        b"this is text, and not a file of weights",
    );
    let whole = tensors::file_of(&of("gru"), 61, 0.5);
    put("cut.safetensors", &whole[..whole.len() - 100]);
    allround_core::fs::create_dir_all(&folder.path().join("folder")).unwrap();
    folder
}

/// The networks of the files in [`folder`].
const UNTRAINED: &str = r#"spec_version = 1
name = "networks"
[dataset.d.source.synthetic]
[model.gru.gru4rec]
[model.next.nextitnet]
dilations = [1]
[model.allmrec.sasrec]
[model.narrow.sasrec]
hidden_units = 32
[model.pre.sasrec]
form = "pmixer_pre_norm"
[model.kang.sasrec]
form = "kang"
[model.long.sasrec]
maxlen = 200
[model.deep.sasrec]
num_blocks = 3
"#;

fn faults_of(text: &str, overrides: &[String]) -> Vec<String> {
    faults_in(folder().path(), text, overrides)
}

#[test]
fn weights_of_another_form_or_shape_are_found_in_their_header() {
    assert_eq!(faults_of(IMPORTING, &[]), Vec::<String>::new());
    refused_in(folder().path(), IMPORTING, FILES);
}

#[test]
fn a_sasrec_with_weights_states_its_form_in_the_file_or_in_a_flag() {
    let unstated = IMPORTING.replace("form = \"allmrec\"", "preset = \"paper\"");
    assert_eq!(
        faults_of(&unstated, &[]),
        [
            "8:11: `weights` of a `sasrec` need `form` next to them | which network were they trained in? | several networks have these names and shapes and give other scores: write `form = \"allmrec\"`, `form = \"kang\"`, `form = \"pmixer_pre_norm\"`, `form = \"pmixer_post_norm\"`, `form = \"recbole\"`, `form = \"ligr\"` or `form = \"morec\"`; docs/WEIGHTS.md says which code computes which, and `weights_check` verifies it"
        ]
    );
    let flag = "model.own.sasrec.form=\"allmrec\"".to_owned();
    assert_eq!(faults_of(&unstated, &[flag]), Vec::<String>::new());
    let variant = "[variant.given]\nof = \"own\"\nset = { weights = \"s.safetensors\" }\n";
    let of_variant = |form: &str| {
        let trained = format!("[model.own.sasrec]\n{form}train.stop.fixed = {{}}\n");
        let start = &IMPORTING[..IMPORTING.find("[model.own").unwrap()];
        faults_of(&format!("{start}{trained}{variant}"), &[])
    };
    assert_eq!(of_variant("form = \"allmrec\"\n"), Vec::<String>::new());
    let faults = of_variant("");
    assert!(
        faults.len() == 1 && faults[0].contains("`weights` of a `sasrec` need `form`"),
        "{faults:?}"
    );
}

#[test]
fn missing_weights_and_training_of_imported_weights_are_refused() {
    assert_eq!(faults_of(GOOD, &[]), Vec::<String>::new());
    refused_in(folder().path(), GOOD, CASES);
}

#[test]
fn a_variant_or_a_flag_gives_weights_to_a_model_with_settings_of_training() {
    let variant = GOOD.replace("dropout = 0.1", "weights = \"s.safetensors\"");
    assert_eq!(faults_of(&variant, &[]), Vec::<String>::new());
    let flag = "model.own.sasrec.weights=s.safetensors".to_owned();
    let flags = [flag, "figure.loss.curves.value=\"hit@10\"".to_owned()];
    let found = faults_of(GOOD, &flags);
    assert_eq!(
        found,
        [
            "--set 2:1:26: no model of the matrix records `hit@10` while it trains | nothing to draw | give a model `train.stop.early = { metric = \"hit@10\" }`, or draw `loss`"
        ]
    );
    let above = "model.got.gru4rec.train.lr=0.1".to_owned();
    assert_eq!(
        faults_of(GOOD, &[above]),
        [
            "--set 1:1:19: `train` is for training, and `weights` are imported instead | has no effect | remove `train`, or remove `weights` to train the model"
        ]
    );
}

#[test]
fn weights_are_in_the_resolved_spec_and_only_where_they_are_written() {
    let checked =
        load_text("x.toml", GOOD, folder().path(), &[]).unwrap_or_else(|all| panic!("{all}"));
    let text = checked.resolved_toml();
    // The model, and the whole model that its variant is.
    assert_eq!(text.matches("weights = ").count(), 2, "{text}");
    let back = resolved_from_text("spec.toml", text).unwrap_or_else(|all| panic!("{all}"));
    assert_eq!(back, checked.spec);
    assert_eq!(back.model["got"].weights(), Some("w.safetensors"));
    assert_eq!(back.model["own"].weights(), None);
}

const CASES: &[Case] = &[
    Case {
        what: "a file that is not there",
        old: "weights = \"w.safetensors\"",
        new: "weights = \"gone.safetensors\"",
        faults: &[
            "14:11: `gone.safetensors` does not exist | not found | paths are relative to the spec's folder; looked for `DIR/gone.safetensors`",
        ],
    },
    Case {
        what: "a folder",
        old: "weights = \"w.safetensors\"",
        new: "weights = \"folder\"",
        faults: &[
            "14:11: `folder` is a folder | expected a file | paths are relative to the spec's folder; looked for `DIR/folder`",
        ],
    },
    Case {
        what: "no path",
        old: "weights = \"w.safetensors\"",
        new: "weights = \"\"",
        faults: &[
            "14:11: `` is empty | expected a path | paths are relative to the spec's folder; looked for `DIR/`",
        ],
    },
    Case {
        what: "a file that is not there, in a variant",
        old: "dropout = 0.1",
        new: "weights = \"gone.safetensors\"",
        faults: &[
            "18:19: `gone.safetensors` does not exist | not found | paths are relative to the spec's folder; looked for `DIR/gone.safetensors`",
        ],
    },
    Case {
        what: "training next to weights",
        old: "weights = \"w.safetensors\"",
        new: "weights = \"w.safetensors\"\ntrain.lr = 0.1\nloss.bpr = {}",
        faults: &[
            "15:1: `train` is for training, and `weights` are imported instead | has no effect | remove `train`, or remove `weights` to train the model",
            "16:1: `loss` is for training, and `weights` are imported instead | has no effect | remove `loss`, or remove `weights` to train the model",
        ],
    },
    Case {
        what: "training next to weights in a variant",
        old: "dropout = 0.1",
        new: "weights = \"s.safetensors\", \"train.lr\" = 0.1",
        faults: &[
            "18:36: `train` is for training, and `weights` are imported instead | has no effect | remove `train`, or remove `weights` to train the model",
        ],
    },
    Case {
        what: "a variant that trains an imported model otherwise",
        old: "maxlen = 8",
        new: "train.lr = 0.1",
        faults: &[
            "22:9: `train` is for training, and `weights` are imported instead | has no effect | remove `train`, or remove `weights` to train the model",
        ],
    },
    Case {
        what: "a verification of weights that are trained here",
        old: "loss.bce = {}",
        new: "weights_check = \"w.safetensors\"",
        faults: &[
            "11:17: `weights_check` verifies imported weights, and there are none | has no effect | add `weights`, or remove `weights_check`",
        ],
    },
    Case {
        what: "a verification that is not there",
        old: "weights = \"w.safetensors\"",
        new: "weights = \"w.safetensors\"\nweights_check = \"gone\"",
        faults: &[
            "15:17: `gone` does not exist | not found | paths are relative to the spec's folder; looked for `DIR/gone`",
        ],
    },
    Case {
        what: "weights of a model that has none",
        old: "[model.got.gru4rec]",
        new: "[model.naive.popularity]\nweights = \"w.safetensors\"\n\n[model.got.gru4rec]",
        faults: &[
            "14:1: unknown field `weights` in `model.naive.popularity` | not a field of this table | the kind `popularity` has no `weights`; it is a field of `bert4rec`, `gru4rec`, `hstu`, `ncf`, `nextitnet` and `sasrec`",
        ],
    },
    Case {
        what: "a curve of models that are all imported",
        old: "train.epochs = 4\nloss.bce = {}",
        new: "weights = \"s.safetensors\"",
        faults: &[
            "24:9: no model of the matrix records `loss` while it trains | nothing to draw | add a model that is trained",
        ],
    },
];

/// Two models with files that fit.
const IMPORTING: &str = r#"spec_version = 1
name = "imported"
[dataset.d.source.synthetic]
users = 100
items = 60
[model.own.sasrec]
form = "allmrec"
weights = "s.safetensors"
[model.next.nextitnet]
dilations = [1]
train.stop.fixed = {}
"#;

const FILES: &[Case] = &[
    Case {
        what: "a file of torch.save",
        old: "\"s.safetensors\"",
        new: "\"state.pth\"",
        faults: &[
            "8:11: `state.pth` is written by `torch.save` | expected a safetensors file | convert it in Python: `from safetensors.torch import save_file; state = torch.load(\"state.pth\", map_location=\"cpu\"); save_file({name: tensor.float().contiguous() for name, tensor in state.items()}, \"state.safetensors\")`; where `state` is a whole model, use its `state_dict()`",
        ],
    },
    Case {
        what: "an old file of torch.save",
        old: "\"s.safetensors\"",
        new: "\"old.pt\"",
        faults: &[
            "8:11: `old.pt` is written by `torch.save` | expected a safetensors file | convert it in Python: `from safetensors.torch import save_file; state = torch.load(\"old.pt\", map_location=\"cpu\"); save_file({name: tensor.float().contiguous() for name, tensor in state.items()}, \"old.safetensors\")`; where `state` is a whole model, use its `state_dict()`",
        ],
    },
    Case {
        what: "a file of words",
        old: "\"s.safetensors\"",
        new: "\"text.safetensors\"",
        faults: &[
            "8:11: `text.safetensors` is not a safetensors file | expected a safetensors file | write it with `safetensors.torch.save_file`; docs/WEIGHTS.md shows how",
        ],
    },
    Case {
        what: "a truncated file",
        old: "\"s.safetensors\"",
        new: "\"cut.safetensors\"",
        faults: &[
            "8:11: `cut.safetensors` has 73692 bytes where its header says 73792 | expected a safetensors file | copy it again",
        ],
    },
    Case {
        what: "another model's names",
        old: "\"s.safetensors\"",
        new: "\"w.safetensors\"",
        faults: &[
            "8:11: `w.safetensors` lacks `item_emb.weight`, `pos_emb.weight`, `attention_layernorms.0.weight`, `attention_layernorms.0.bias` and 24 more; it has others: `gru.bias_hh_l0`, `gru.bias_ih_l0`, `gru.weight_hh_l0`, `gru.weight_ih_l0` and 1 more | expected the 28 tensors of `sasrec` | docs/WEIGHTS.md lists every name; the number of layers follows from the model's settings",
        ],
    },
    Case {
        what: "another form's names",
        old: "\"s.safetensors\"",
        new: "\"kang.safetensors\"",
        faults: &[
            "8:11: `kang.safetensors` lacks `attention_layers.0.out_proj.weight`, `attention_layers.0.out_proj.bias`, `attention_layers.1.out_proj.weight`, `attention_layers.1.out_proj.bias` | expected the 28 tensors of `sasrec` | these are the names of `form = \"kang\"`; write the network that they were trained in",
        ],
    },
    Case {
        what: "names with a wrapper's prefix",
        old: "\"s.safetensors\"",
        new: "\"wrapped.safetensors\"",
        faults: &[
            "8:11: `wrapped.safetensors` lacks `item_emb.weight`, `pos_emb.weight`, `attention_layernorms.0.weight`, `attention_layernorms.0.bias` and 24 more; it has others: `module.attention_layernorms.0.bias`, `module.attention_layernorms.0.weight`, `module.attention_layernorms.1.bias`, `module.attention_layernorms.1.weight` and 24 more | expected the 28 tensors of `sasrec` | every name begins with `module.`, which a wrapper adds: save them with `name.removeprefix(\"module.\")`",
        ],
    },
    Case {
        what: "another number of blocks",
        old: "\"s.safetensors\"",
        new: "\"deep.safetensors\"",
        faults: &[
            "8:11: `deep.safetensors` has tensors that no `sasrec` of these settings has: `attention_layernorms.2.bias`, `attention_layernorms.2.weight`, `attention_layers.2.in_proj_bias`, `attention_layers.2.in_proj_weight` and 8 more | expected the 28 tensors of `sasrec` | these are the names of 3 blocks: write `num_blocks = 3`",
        ],
    },
    Case {
        what: "another width",
        old: "\"s.safetensors\"",
        new: "\"narrow.safetensors\"",
        faults: &[
            "8:11: `narrow.safetensors`: tensor `item_emb.weight` has shape [61, 32] | expected [items + 1, 50] | `hidden_units` is 50 here, and the file was made with 32: write `hidden_units = 32`, or import the right file",
        ],
    },
    Case {
        what: "positions with a row for padding",
        old: "\"s.safetensors\"",
        new: "\"pre.safetensors\"",
        faults: &[
            "8:11: `pre.safetensors`: tensor `pos_emb.weight` has shape [51, 50] | expected [50, 50] | in the form `allmrec` there is a row for each of `maxlen` slots and none for padding: 51 rows belong to `maxlen = 51`; with `maxlen = 50` a file of the form `pmixer_pre_norm` or `pmixer_post_norm` has 51 rows",
        ],
    },
    Case {
        what: "another number of positions",
        old: "\"s.safetensors\"",
        new: "\"long.safetensors\"",
        faults: &[
            "8:11: `long.safetensors`: tensor `pos_emb.weight` has shape [200, 50] | expected [50, 50] | in the form `allmrec` there is a row for each of `maxlen` slots and none for padding: 200 rows belong to `maxlen = 200`",
        ],
    },
    Case {
        what: "linear layers for convolutions",
        old: "\"s.safetensors\"",
        new: "\"linear.safetensors\"",
        faults: &[
            "8:11: `linear.safetensors`: tensor `forward_layers.0.conv1.weight` has shape [50, 50] | expected [50, 50, 1] | this is a `torch.nn.Linear`; the network has a `torch.nn.Conv1d` of kernel 1, which is the same function: save `tensor.unsqueeze(-1)`",
        ],
    },
    Case {
        what: "convolutions of another width",
        old: "dilations = [1]\ntrain.stop.fixed = {}",
        new: "dilations = [1]\nweights = \"kernel.safetensors\"",
        faults: &[
            "11:11: `kernel.safetensors`: tensor `residual_blocks.0.conv1.weight` has shape [50, 50, 1, 5] | expected [50, 50, 1, 3] | `kernel_size` is 3 here, and the file was made with 5: write `kernel_size = 5`, or import the right file",
        ],
    },
    Case {
        what: "tables of different lengths",
        old: "dilations = [1]\ntrain.stop.fixed = {}",
        new: "dilations = [1]\nweights = \"tables.safetensors\"",
        faults: &[
            "11:11: `tables.safetensors`: `embeding.weight` has 60 rows and `final_layer.weight` has 61 | expected one number of rows: padding and every item | row 0 of each is padding, row 1 the first item; docs/WEIGHTS.md shows how to write them",
        ],
    },
];
