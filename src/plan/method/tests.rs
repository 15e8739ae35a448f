//! Stages that cells share, and stages that they read.

mod alone;
mod texts;
mod threads;
mod untrained;

use std::collections::BTreeSet;
use std::path::Path;

use super::super::tests::{cell, plan_of};
use super::super::{Cell, Plan, Settings, plan};
use crate::experiment;
use crate::experiment::config::Alone;
use allround_core::digest::Key;
use allround_core::models::weights as tensors;

const SPEC: &str = r#"
spec_version = 1
name = "methods"
seeds = [1]

[dataset.toys.source.synthetic]
users = 60
items = 30

[dataset.games.source.synthetic]
users = 60
items = 30
world_seed = 2

[scenario.overall.overall]
[scenario.cold.cold_items]
[scenario.few.few_shot]
users = 20
backbone = false
[scenario.cross.cross_domain]
target = "games"

[matrix]
exclude = [{ dataset = "games", scenario = "cross" }]

[protocol.strict]
metrics = ["hit@1"]

[encoder.hashed.hashed]
[llm.small.small]
[prompt.default]
words.games = { past = "played", verb = "play", noun = "game" }

[model.sasrec.sasrec]
[model.allmrec.allmrec]
backbone = "sasrec"
encoder = "hashed"
llm = "small"
align.train_encoder = false
[model.mlp.mlp_llm]
backbone = "sasrec"
llm = "small"
[model.only.llm_only]
llm = "small"
[model.tallrec.tallrec]
llm = "small"
[model.srec.llm_srec]
backbone = "sasrec"
llm = "small"
[model.e4srec.e4srec]
backbone = "sasrec"
llm = "small"
represent.lora.targets = ["fc1", "fc2"]

[variant]
text = { of = "allmrec", set = { item = "text" } }
mixed = { of = "allmrec", set = { item = "joint", text_below = 5 } }
none = { of = "allmrec", set = { item = "none" } }
random = { of = "allmrec", set = { item = "random" } }
userless = { of = "allmrec", set = { user = false } }
unmatched = { of = "allmrec", set = { align.matching = 0.0 } }
constrained = { of = "allmrec", set = { inference.constrained = {} } }
"#;

/// The key of a cell's stage of a kind; `None` if it has none. Panics if it has several.
fn key(plan: &Plan, cell: &Cell, kind: &str) -> Option<Key> {
    let stages = cell.stages(&plan.graph).into_iter();
    let nodes = stages.map(|id| &plan.graph.nodes[id]);
    let mut found = nodes.filter(|node| node.stage.settings.kind().as_str() == kind);
    let key = found.next().map(|node| node.key);
    assert!(found.next().is_none(), "{}: {kind} twice", cell.name);
    key
}

/// Two cells, and the kinds of the stages that they share.
const SHARED: [(&str, &str, &[&str]); 17] = [
    ("toys.overall.allmrec", "toys.overall.sasrec", &["backbone"]),
    (
        "toys.overall.allmrec",
        "toys.cold.allmrec",
        &[
            "encode-text",
            "pretrain-lm",
            "backbone",
            "align",
            "project",
            "evaluate",
        ],
    ),
    (
        "toys.overall.allmrec",
        "toys.few.allmrec",
        &["encode-text", "pretrain-lm", "backbone"],
    ),
    (
        "toys.overall.allmrec",
        "toys.cross.allmrec",
        &["pretrain-lm"],
    ),
    ("toys.overall.allmrec", "games.overall.allmrec", &[]),
    (
        "toys.overall.allmrec",
        "toys.overall.text",
        &["encode-text", "pretrain-lm", "backbone", "align", "project"],
    ),
    (
        "toys.overall.allmrec",
        "toys.overall.mixed",
        &["encode-text", "pretrain-lm", "backbone", "align", "project"],
    ),
    (
        "toys.overall.text",
        "toys.overall.mixed",
        &["encode-text", "pretrain-lm", "backbone", "align", "project"],
    ),
    (
        "toys.overall.allmrec",
        "toys.overall.constrained",
        &["encode-text", "pretrain-lm", "backbone", "align", "project"],
    ),
    (
        "toys.overall.allmrec",
        "toys.overall.none",
        &["encode-text", "pretrain-lm", "backbone", "align"],
    ),
    (
        "toys.overall.random",
        "toys.overall.none",
        &["encode-text", "pretrain-lm", "backbone", "align"],
    ),
    (
        "toys.overall.allmrec",
        "toys.overall.userless",
        &["encode-text", "pretrain-lm", "backbone", "align"],
    ),
    (
        "toys.overall.allmrec",
        "toys.overall.unmatched",
        &["encode-text", "pretrain-lm", "backbone"],
    ),
    (
        "toys.overall.allmrec",
        "toys.overall.mlp",
        &["pretrain-lm", "backbone"],
    ),
    (
        "toys.overall.tallrec",
        "toys.overall.only",
        &["pretrain-lm"],
    ),
    (
        "toys.overall.srec",
        "toys.cold.srec",
        &["pretrain-lm", "backbone", "represent", "evaluate"],
    ),
    (
        "toys.overall.srec",
        "toys.overall.mlp",
        &["pretrain-lm", "backbone"],
    ),
];

#[test]
fn cells_share_exactly_the_equal_stages() {
    let plan = plan_of(SPEC, &[]);
    let kinds = [
        "encode-text",
        "pretrain-lm",
        "backbone",
        "align",
        "project",
        "tune",
        "represent",
        "evaluate",
    ];
    for (one, two, shared) in SHARED {
        let [a, b] = [one, two].map(|name| cell(&plan, &format!("{name}.s1")));
        for kind in kinds {
            let (a, b) = (key(&plan, a, kind), key(&plan, b, kind));
            assert_eq!(
                a.is_some() && a == b,
                shared.contains(&kind),
                "{one}, {two}: {kind}"
            );
        }
    }
}

#[test]
fn letters_are_trained_by_the_stage_of_adapters_and_need_no_cf_model() {
    let plan = plan_of(
        &format!("{SPEC}\n[model.letters.llamarec]\nllm = \"small\"\n"),
        &[],
    );
    let [letters, titles] = ["letters", "tallrec"].map(|model| {
        let cell = cell(&plan, &format!("toys.overall.{model}.s1"));
        assert!(cell.backbone.is_empty());
        let evaluate = &plan.graph.nodes[cell.measures[0].evaluate];
        let roles: Vec<&str> = evaluate.needs.keys().map(String::as_str).collect();
        assert_eq!(roles, ["candidates", "llm", "prepared", "tune"]);
        key(&plan, cell, "tune")
    });
    assert_ne!(letters, titles);
}

#[test]
fn a_cell_lists_its_trained_stages_and_its_cf_model() {
    let plan = plan_of(SPEC, &[]);
    let table: [(&str, &[&str], &str, &[&str]); 7] = [
        ("sasrec", &["backbone"], "sasrec", &["backbone"]),
        (
            "allmrec",
            &["backbone", "align", "project"],
            "sasrec",
            &["align", "backbone", "llm", "project"],
        ),
        (
            "mlp",
            &["backbone", "project"],
            "sasrec",
            &["backbone", "llm", "project"],
        ),
        ("only", &[], "", &["llm"]),
        ("tallrec", &["tune"], "", &["llm", "tune"]),
        (
            "srec",
            &["backbone", "represent"],
            "sasrec",
            &["backbone", "llm", "represent"],
        ),
        (
            "e4srec",
            &["backbone", "represent"],
            "sasrec",
            &["backbone", "llm", "represent"],
        ),
    ];
    for (model, trained, backbone, reads) in table {
        let cell = cell(&plan, &format!("toys.overall.{model}.s1"));
        let kind = |id: &usize| plan.graph.nodes[*id].stage.settings.kind().as_str();
        assert_eq!(
            cell.trained.iter().map(kind).collect::<Vec<_>>(),
            trained,
            "{model}"
        );
        assert_eq!(cell.backbone, backbone, "{model}");
        let evaluate = &plan.graph.nodes[cell.measures[0].evaluate];
        let roles: Vec<&str> = evaluate.needs.keys().map(String::as_str).collect();
        let data = ["candidates", "prepared"];
        let read: Vec<&str> = roles
            .into_iter()
            .filter(|role| !data.contains(role))
            .collect();
        assert_eq!(read, reads, "{model}");
    }
}

#[test]
fn a_prompt_has_the_words_of_the_data_set() {
    let plan = plan_of(SPEC, &[]);
    for (dataset, noun) in [("toys", "item"), ("games", "game")] {
        let cell = cell(&plan, &format!("{dataset}.overall.only.s1"));
        let settings = &plan.graph.nodes[cell.measures[0].evaluate].stage.settings;
        let Settings::Evaluate(evaluate) = settings else {
            panic!("{settings:?}");
        };
        let ranking = evaluate.ranking.llm().unwrap();
        assert_eq!(ranking.llm.prompt.noun, noun);
    }
}

#[test]
fn a_trained_encoder_has_no_encoding_stage() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("minilm")).unwrap();
    let config = r#"{"model_type": "bert"}"#;
    for (file, text) in [
        ("config.json", config),
        ("model.safetensors", "x"),
        ("tokenizer.json", "x"),
    ] {
        std::fs::write(dir.path().join("minilm").join(file), text).unwrap();
    }
    let text = SPEC
        .replace(
            "[encoder.hashed.hashed]",
            "[encoder.hashed.pretrained]\nfolder = \"minilm\"",
        )
        .replace("train_encoder = false", "train_encoder = true");
    let spec = |text: &str| {
        let checked = experiment::load_text("spec.toml", text, dir.path(), &[]);
        checked.unwrap_or_else(|faults| panic!("{faults}")).spec
    };
    let with = |text: &str, digest: &str| {
        let spec = spec(text);
        plan(&spec, &mut |_| {
            Ok(allround_core::digest::of_bytes(digest.as_bytes()))
        })
        .unwrap()
    };
    let (trained, other) = (with(&text, "weights"), with(&text, "others"));
    let name = "toys.overall.allmrec.s1";
    assert_eq!(key(&trained, cell(&trained, name), "encode-text"), None);
    // The folder's contents change the keys of stages that read it, and of later ones.
    for (kind, changes) in [
        ("backbone", false),
        ("pretrain-lm", false),
        ("align", true),
        ("project", true),
    ] {
        let keys = [&trained, &other].map(|plan| key(plan, cell(plan, name), kind));
        assert_eq!(keys[0] != keys[1], changes, "{kind}");
    }
    let frozen = with(
        &text.replace("train_encoder = true", "train_encoder = false"),
        "weights",
    );
    assert!(key(&frozen, cell(&frozen, name), "encode-text").is_some());
}

/// Keys of A-LLMRec's stages, and of MLP-LLM's projections, with this setting added to [`SPEC`].
fn keys(setting: &str) -> [Key; 3] {
    let [allmrec, mlp] = ["[model.allmrec.allmrec]\n", "[model.mlp.mlp_llm]\n"];
    let mut text = SPEC.replace(allmrec, &format!("{allmrec}{setting}\n"));
    if setting.starts_with("project.") {
        text = text.replace(mlp, &format!("{mlp}{setting}\n"));
    }
    let plan = plan_of(&text, &[]);
    let stages = [
        ("allmrec", "align"),
        ("allmrec", "project"),
        ("mlp", "project"),
    ];
    stages.map(|(model, kind)| {
        let cell = cell(&plan, &format!("toys.overall.{model}.s1"));
        key(&plan, cell, kind).unwrap()
    })
}

#[test]
fn settings_that_the_paper_leaves_open_change_the_keys_of_their_stages() {
    let [align, project, mlp] = keys("");
    // A setting's line, and whether it changes the keys of A-LLMRec's stages and of MLP-LLM's
    // projections.
    for (line, changes) in [
        ("align.one_item = \"skip\"", [false, false, false]),
        ("align.one_item = \"empty_history\"", [true, true, false]),
        ("align.one_item = \"padding\"", [true, true, false]),
        ("align.order = \"shuffled\"", [false, false, false]),
        ("align.order = \"numbered\"", [true, true, false]),
        ("project.one_item = \"skip\"", [false, false, false]),
        ("project.one_item = \"empty_history\"", [false, true, true]),
        (
            "project.candidates.drawn = \"each_epoch\"",
            [false, false, false],
        ),
        ("project.candidates.drawn = \"once\"", [false, true, true]),
        (
            "project.candidates.exclude = \"training\"",
            [false, false, false],
        ),
        (
            "project.candidates.exclude = \"history\"",
            [false, true, true],
        ),
        ("project.hidden_layers = 1", [false, false, false]),
        ("project.hidden_layers = 2", [false, true, true]),
        ("item = \"random_trained\"", [false, true, false]),
    ] {
        let [a, p, m] = keys(line);
        assert_eq!([a != align, p != project, m != mlp], changes, "{line}");
    }
    let [_, frozen_table, _] = keys("item = \"random\"");
    let [_, trained_table, _] = keys("item = \"random_trained\"");
    assert_ne!(frozen_table, trained_table);
}

#[test]
fn the_published_code_preset_differs_from_the_paper_in_all_known_points() {
    let method = |preset: &str| {
        let text = SPEC.replace(
            "[model.allmrec.allmrec]\n",
            &format!("[model.allmrec.allmrec]\npreset = \"{preset}\"\n"),
        );
        let checked = experiment::load_text("spec.toml", &text, std::path::Path::new("."), &[]);
        let spec = checked.unwrap_or_else(|faults| panic!("{faults}")).spec;
        serde_json::to_value(spec.model_named("allmrec").unwrap()).unwrap()["allmrec"].take()
    };
    let (paper, code) = (method("paper"), method("published_code"));
    let table = [
        ("/align/text_recon", "0.5", "0.2"),
        ("/align/rec_score", "\"dot\"", "\"mean\""),
        ("/align/negatives", "false", "true"),
        ("/align/sigmoid", "false", "true"),
        ("/align/backbone_dropout", "false", "true"),
        ("/align/text", "\"labelled\"", "\"quoted\""),
        ("/align/one_item", "\"skip\"", "\"padding\""),
        ("/align/order", "\"shuffled\"", "\"numbered\""),
        ("/project/backbone_dropout", "false", "true"),
        ("/project/one_item", "\"skip\"", "\"padding\""),
        ("/project/candidates/exclude", "\"training\"", "\"history\""),
        ("/project/train/batch_size", "4", "2"),
        ("/inference/score/by", "\"sum\"", ""),
        ("/inference/generate/max_new_tokens", "", "511"),
        ("/inference/generate/repetition_penalty", "", "1.5"),
        ("/inference/generate/penalise_eos", "", "true"),
        ("/inference/generate/stop_at_quote", "", "false"),
        ("/inference/generate/accept", "", "\"substring\""),
    ];
    let text = |value: &serde_json::Value, path: &str| {
        let found = value.pointer(path);
        found.map(ToString::to_string).unwrap_or_default()
    };
    for (path, in_paper, in_code) in table {
        assert_eq!(text(&paper, path), in_paper, "{path}");
        assert_eq!(text(&code, path), in_code, "{path}");
    }
}

#[test]
fn methods_on_an_imported_cf_model_read_the_import_of_the_plain_model() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.safetensors");
    let spec = experiment::load_text("spec.toml", SPEC, Path::new("."), &[])
        .unwrap()
        .spec;
    let weights = spec.model_named("sasrec").unwrap().cf().unwrap().tensors();
    allround_core::fs::write_atomic(&file, &tensors::file_of(&weights, 90, 0.0)).unwrap();
    let text = SPEC.replace(
        "[model.sasrec.sasrec]",
        &format!(
            "[model.sasrec.sasrec]\nform = \"allmrec\"\nweights = {:?}",
            file.display().to_string()
        ),
    );
    let [trained, imported] = [SPEC, &text].map(|text| plan_of(text, &[]));
    for (method, kinds) in [
        ("allmrec", ["backbone", "align", "project"].as_slice()),
        ("mlp", &["backbone", "project"]),
    ] {
        let name = format!("toys.overall.{method}.s1");
        let [before, after] = [&trained, &imported].map(|plan| cell(plan, &name));
        let plain = cell(&imported, "toys.overall.sasrec.s1");
        assert_eq!(
            key(&imported, after, "backbone"),
            key(&imported, plain, "backbone")
        );
        for kind in kinds {
            assert_ne!(
                key(&trained, before, kind),
                key(&imported, after, kind),
                "{method}: {kind}"
            );
        }
    }
}

#[test]
fn a_training_with_validation_depends_on_how_the_method_ranks() {
    let keys = |flags: &[&str]| {
        let plan = plan_of(SPEC, flags);
        ["allmrec", "mlp", "tallrec"].map(|model| {
            let cell = cell(&plan, &format!("toys.overall.{model}.s1"));
            let trained = cell.trained.last().unwrap();
            plan.graph.nodes[*trained].key
        })
    };
    let generate = "model.mlp.mlp_llm.inference.generate={}";
    let every = "model.mlp.mlp_llm.project.validate.every=100";
    let budget = "run.answer_token_budget=512";
    let [_, plain, _] = keys(&[]);
    assert_eq!(keys(&[generate, budget])[1], plain);
    let [_, validated, _] = keys(&[every]);
    assert_ne!(validated, plain);
    // Generated titles are validated by the sum of likelihoods, as the default ranks.
    assert_eq!(keys(&[every, generate])[1], validated);
    assert_ne!(keys(&[every, budget])[1], validated);
    let gain = "model.mlp.mlp_llm.inference.score.by=\"gain\"";
    assert_ne!(keys(&[every, gain])[1], validated);
}
