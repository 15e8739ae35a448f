//! Which settings change a key.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::experiment;
use allround_core::models::weights as tensors;
use allround_core::source::amazon::{AmazonSource, AmazonText};
use allround_core::source::sequences::{SequenceForm, SequencesSource};
use allround_core::source::{RepeatedUsers, Source};

const SPEC: &str = r#"
spec_version = 1
name = "plan"
question = "What changes a key?"
seeds = [1, 2]

[dataset.toys.source.synthetic]
users = 60
items = 30

[dataset.games.source.synthetic]
users = 60
items = 30
world_seed = 2

[scenario.overall.overall]
[scenario.cold.cold_items]
[scenario.warm.warm_items]
[scenario.few.few_shot]
users = 20

[model.sasrec.sasrec]
[model.popularity.popularity]

[variant.deep]
of = "sasrec"
set.num_blocks = 3
"#;

pub(super) fn plan_of(text: &str, flags: &[&str]) -> Plan {
    let flags: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
    let checked = experiment::load_text("spec.toml", text, Path::new("."), &flags);
    let checked = checked.unwrap_or_else(|faults| panic!("{faults}"));
    plan(&checked.spec, &mut |path| {
        Ok(allround_core::digest::of_bytes(path.as_bytes()))
    })
    .unwrap()
}

pub(super) fn cell<'a>(plan: &'a Plan, name: &str) -> &'a Cell {
    plan.cells
        .iter()
        .find(|cell| cell.name == name)
        .unwrap_or_else(|| panic!("{name}"))
}

fn keys(plan: &Plan, kind: &str) -> BTreeSet<Key> {
    let nodes = plan
        .graph
        .nodes
        .iter()
        .filter(|node| node.stage.settings.kind().as_str() == kind);
    nodes.map(|node| node.key).collect()
}

#[test]
fn labels_change_no_key() {
    let labelled = SPEC.replace(
        "[model.sasrec.sasrec]",
        "[dataset.toys]\nlabel = \"T\"\n[model.sasrec]\nlabel = \"S\"\n[scenario.cold]\nlabel = \"C\"",
    );
    let all = |text: &str| -> Vec<Key> {
        let plan = plan_of(text, &[]);
        plan.graph.nodes.iter().map(|node| node.key).collect()
    };
    assert_eq!(all(&labelled), all(SPEC));
}

#[test]
fn there_is_a_cell_for_every_combination_and_seed() {
    let plan = plan_of(SPEC, &[]);
    assert_eq!(plan.cells.len(), 2 * 4 * 3 * 2);
    let deep = cell(&plan, "toys.cold.deep.s2");
    assert_eq!(
        (deep.model.as_str(), deep.variant.as_str()),
        ("sasrec", "deep")
    );
    assert_eq!((deep.backbone.as_str(), deep.seed), ("sasrec", 2));
}

#[test]
fn every_stage_comes_after_the_stages_that_it_needs() {
    let plan = plan_of(SPEC, &[]);
    for (id, node) in plan.graph.nodes.iter().enumerate() {
        assert!(node.needs.values().all(|&need| need < id));
        assert_eq!(node.key, node.stage.key());
    }
}

#[test]
fn slices_share_the_model_and_its_evaluation() {
    let plan = plan_of(SPEC, &[]);
    let [overall, cold, warm, few] = ["overall", "cold", "warm", "few"]
        .map(|scenario| cell(&plan, &format!("toys.{scenario}.sasrec.s1")));
    assert_eq!(overall.measures[0].evaluate, cold.measures[0].evaluate);
    assert_eq!(overall.trained, warm.trained);
    assert_ne!(overall.measures[0].protocol, cold.measures[0].protocol);
    assert_ne!(overall.prepared, few.prepared);
}

#[test]
fn variants_share_data_and_candidates_but_no_training() {
    let plan = plan_of(SPEC, &[]);
    let base = cell(&plan, "toys.overall.sasrec.s1");
    let deep = cell(&plan, "toys.overall.deep.s1");
    assert_eq!(base.prepared, deep.prepared);
    assert_eq!(base.measures[0].candidates, deep.measures[0].candidates);
    assert_ne!(base.trained, deep.trained);
    assert_eq!(base.measures[0].protocol, deep.measures[0].protocol);
}

#[test]
fn seeds_share_data_protocols_and_deterministic_stages() {
    let plan = plan_of(SPEC, &[]);
    let [one, two] = [1, 2].map(|seed| cell(&plan, &format!("toys.overall.sasrec.s{seed}")));
    assert_eq!(one.prepared, two.prepared);
    assert_ne!(one.trained, two.trained);
    assert_eq!(one.measures[0].protocol, two.measures[0].protocol);
    let [one, two] = [1, 2].map(|seed| cell(&plan, &format!("toys.overall.popularity.s{seed}")));
    assert_eq!(one.trained, two.trained);
    let [one, two] = [1, 2].map(|seed| cell(&plan, &format!("toys.few.sasrec.s{seed}")));
    assert_ne!(
        one.prepared, two.prepared,
        "few-shot users are sampled with the cell's seed"
    );
}

#[test]
fn few_shot_training_can_exclude_the_cf_model() {
    let own = plan_of(SPEC, &["scenario.few.few_shot.backbone=true"]);
    assert_ne!(
        cell(&own, "toys.few.sasrec.s1").trained,
        cell(&own, "toys.overall.sasrec.s1").trained
    );
    let shared = plan_of(SPEC, &["scenario.few.few_shot.backbone=false"]);
    assert_eq!(
        cell(&shared, "toys.few.sasrec.s1").trained,
        cell(&shared, "toys.overall.sasrec.s1").trained
    );
}

#[test]
fn shuffled_histories_train_nothing_unless_the_scenario_says_so() {
    let spec = SPEC.replace("few_shot]\nusers = 20", "shuffled_histories]");
    let ranked = plan_of(&spec, &[]);
    let of = |plan: &Plan, name: &str| {
        let cell = cell(plan, name);
        (
            cell.prepared,
            cell.trained.clone(),
            cell.measures[0].evaluate,
        )
    };
    let [plain, shuffled, other] = [
        "toys.overall.sasrec.s1",
        "toys.few.sasrec.s1",
        "toys.few.sasrec.s2",
    ]
    .map(|name| of(&ranked, name));
    assert_eq!(plain.1, shuffled.1);
    assert_ne!((plain.0, plain.2), (shuffled.0, shuffled.2));
    assert_ne!(shuffled.0, other.0, "each seed has its own order");
    let trained = plan_of(&spec, &["scenario.few.shuffled_histories.training=true"]);
    let [plain, shuffled] =
        ["toys.overall.sasrec.s1", "toys.few.sasrec.s1"].map(|name| of(&trained, name));
    assert_ne!(plain.1, shuffled.1);
}

#[test]
fn texts_metrics_and_scheduling_change_no_key() {
    let before = plan_of(SPEC, &[]);
    for flag in [
        "question=\"Another?\"",
        "run.checkpoint_every=7",
        "run.checkpoint_minutes=0.5",
        "run.alone=true",
        // No stage here has a language model or a text encoder.
        "run.threads=2",
        "run.alone=[\"sasrec\"]",
        "run.retries=2",
        "protocol.strict.metrics=[\"hit@3\"]",
    ] {
        assert_eq!(plan_of(SPEC, &[flag]).digest(), before.digest(), "{flag}");
    }
}

#[test]
fn a_setting_that_can_change_results_changes_its_stage_and_later_ones() {
    let before = plan_of(SPEC, &[]);
    for (flag, first) in [
        ("dataset.toys.source.synthetic.users=61", "prepare"),
        (
            "dataset.toys.filter=[{ k_core = { users = 2, items = 2 } }]",
            "prepare",
        ),
        ("run.limit=9", "prepare"),
        ("protocol.strict.candidates.uniform.n=12", "candidates"),
        ("protocol.strict.rules=\"published\"", "candidates"),
        ("protocol.strict.max_users=10", "candidates"),
        ("protocol.strict.candidates_seed=5", "candidates"),
        ("model.sasrec.sasrec.dropout=0.33", "backbone"),
        ("model.sasrec.sasrec.train.lr=0.5", "backbone"),
        ("run.cf_threads=2", "backbone"),
        ("run.device=\"cuda:0\"", "backbone"),
    ] {
        let after = plan_of(SPEC, &[flag]);
        let kinds = ["prepare", "candidates", "backbone", "evaluate"];
        for kind in kinds {
            let is_above = match first {
                "prepare" => true,
                "candidates" => kind == "candidates" || kind == "evaluate",
                _ => kind == "backbone" || kind == "evaluate",
            };
            assert_eq!(
                keys(&before, kind) != keys(&after, kind),
                is_above,
                "{flag}: {kind}"
            );
        }
    }
}

/// Digest of a plan whose data set reads these reviews and metadata, each as (path, contents).
fn plan_of_files(files: [(&str, &str); 2]) -> Key {
    let mut spec = experiment::load_text("spec.toml", SPEC, Path::new("."), &[])
        .unwrap()
        .spec;
    spec.dataset.get_mut("toys").unwrap().source = Source::Amazon(AmazonSource {
        reviews: files[0].0.to_owned(),
        metadata: files[1].0.to_owned(),
        text: AmazonText::Full,
    });
    let mut digest = |path: &str| {
        let (_, contents) = files.iter().find(|(name, _)| *name == path).unwrap();
        Ok(allround_core::digest::of_bytes(contents.as_bytes()))
    };
    plan(&spec, &mut digest).unwrap().digest()
}

#[test]
fn keys_depend_on_contents_and_roles_of_files_and_not_on_paths() {
    let here = plan_of_files([("a/r", "reviews"), ("a/m", "metadata")]);
    let moved = plan_of_files([("z/r", "reviews"), ("b/m", "metadata")]);
    let changed = plan_of_files([("a/r", "reviews, changed"), ("a/m", "metadata")]);
    let swapped = plan_of_files([("a/r", "metadata"), ("a/m", "reviews")]);
    assert_eq!(here, moved);
    assert_ne!(here, changed);
    assert_ne!(here, swapped);
}

#[test]
fn an_unreadable_file_names_the_data_set() {
    let checked = experiment::load_text("spec.toml", SPEC, Path::new("."), &[]).unwrap();
    let mut spec = checked.spec;
    spec.dataset.get_mut("toys").unwrap().source = Source::Sequences(SequencesSource {
        path: "gone.txt".into(),
        form: SequenceForm::Pairs,
        delimiter: String::new(),
        header: false,
        comment: String::new(),
        repeated_users: RepeatedUsers::Refuse,
    });
    let error = plan(&spec, &mut |path| {
        allround_core::fs::digest(Path::new(path))
    })
    .unwrap_err()
    .to_string();
    assert!(
        error.starts_with("data set `toys`: cannot read `gone.txt`"),
        "{error}"
    );
}

/// [`SPEC`] with a model `got` of this kind whose weights are imported from a file that fits.
fn with_imported(kind: &str) -> experiment::Spec {
    let folder = tempfile::tempdir().unwrap();
    let untrained = format!("{SPEC}\n[model.got.{kind}]\n");
    let load = |text: &str| {
        let checked = experiment::load_text("spec.toml", text, folder.path(), &[]);
        checked.unwrap_or_else(|faults| panic!("{faults}")).spec
    };
    let fixed = load(&format!("{untrained}train.stop.fixed = {{}}\n"));
    let weights = fixed.model_named("got").unwrap().cf().unwrap().tensors();
    let bytes = tensors::file_of(&weights, 90, 0.0);
    allround_core::fs::write_atomic(&folder.path().join("w.safetensors"), &bytes).unwrap();
    load(&format!("{untrained}weights = \"w.safetensors\"\n"))
}

/// [`SPEC`] with a GRU4Rec whose weights are imported, and the plan when the file at that path
/// has these `contents`.
fn plan_of_weights(path: &str, contents: &str) -> Plan {
    let mut spec = with_imported("gru4rec");
    let Some(Model::Gru4rec(model)) = spec.model.get_mut("got") else {
        panic!("the file says gru4rec");
    };
    model.weights = Some(path.to_owned());
    let mut digest = |requested: &str| {
        assert_eq!(requested, path);
        Ok(allround_core::digest::of_bytes(contents.as_bytes()))
    };
    plan(&spec, &mut digest).unwrap()
}

#[test]
fn contents_of_imported_weights_change_only_the_keys_of_their_model() {
    let name = "toys.overall.got.s1";
    let here = plan_of_weights("a/w.safetensors", "weights");
    let moved = plan_of_weights("b/v.safetensors", "weights");
    let changed = plan_of_weights("a/w.safetensors", "other weights");
    assert_eq!(here.digest(), moved.digest());
    let key = |plan: &Plan, name: &str| plan.graph.nodes[cell(plan, name).trained[0]].key;
    assert_ne!(key(&here, name), key(&changed, name));
    let stage = &here.graph.nodes[cell(&here, name).trained[0]].stage;
    let digest = allround_core::digest::of_bytes(b"weights");
    assert_eq!(
        stage.inputs,
        BTreeMap::from([("a/w.safetensors".to_owned(), digest)])
    );
    // Nothing is drawn, so all seeds share one import.
    assert_eq!(key(&here, name), key(&here, "toys.overall.got.s2"));
    let trained = plan_of(SPEC, &[]);
    for other in ["toys.overall.sasrec.s1", "games.few.deep.s2"] {
        assert_eq!(key(&here, other), key(&trained, other), "{other}");
    }
}

#[test]
fn weights_that_cannot_be_read_name_the_model() {
    let error = plan(&with_imported("ncf"), &mut |_| {
        allround_core::fs::digest(Path::new("gone.safetensors"))
    });
    let error = error.unwrap_err().to_string();
    assert!(
        error.starts_with("model `got`: cannot read `gone.safetensors`"),
        "{error}"
    );
}

/// Keys of training, candidates and evaluation of a cell's only protocol, and its fingerprint.
fn measured(plan: &Plan, name: &str) -> (Vec<Key>, Key, Key, String) {
    let cell = cell(plan, name);
    let measure = &cell.measures[0];
    let key = |id: NodeId| plan.graph.nodes[id].key;
    (
        cell.trained.iter().map(|&id| key(id)).collect(),
        key(measure.candidates),
        key(measure.evaluate),
        measure.protocol.clone(),
    )
}

#[test]
fn ties_and_seen_items_change_the_evaluation_and_not_the_training() {
    let full = "protocol.strict.candidates.full.seen=\"exclude\"";
    for (base, flag) in [
        (None, "protocol.strict.ties=\"target_first\""),
        (Some(full), "protocol.strict.candidates.full.seen=\"keep\""),
    ] {
        let base: Vec<&str> = base.into_iter().collect();
        let (trained, _, evaluated, print) =
            measured(&plan_of(SPEC, &base), "toys.overall.sasrec.s1");
        let other = plan_of(SPEC, &[&base[..], &[flag]].concat());
        let (same, _, other_evaluated, other) = measured(&other, "toys.overall.sasrec.s1");
        assert_eq!(trained, same, "{flag}");
        assert_ne!(evaluated, other_evaluated, "{flag}");
        assert_ne!(print, other, "{flag}");
    }
}

#[test]
fn candidates_of_a_class_change_the_evaluation_and_the_fingerprint() {
    let name = "toys.cold.sasrec.s1";
    let (trained, drawn, evaluated, print) = measured(&plan_of(SPEC, &[]), name);
    let text = SPEC.replace(
        "[scenario.cold.cold_items]",
        "[scenario.cold.cold_items]\ncandidates = \"class\"\nshare = 0.9",
    );
    let plan = plan_of(&text, &[]);
    let (same, other_drawn, other_evaluated, other) = measured(&plan, name);
    assert_eq!(trained, same);
    assert_ne!(drawn, other_drawn);
    assert_ne!(evaluated, other_evaluated);
    assert_ne!(print, other);
    let (_, drawn_overall, evaluated_overall, _) = measured(&plan, "toys.overall.sasrec.s1");
    assert_eq!((drawn, evaluated), (drawn_overall, evaluated_overall));
}

/// The spec with candidates from `path`, whose contents are `contents`.
fn with_file(path: &str, contents: &str) -> Plan {
    let file = format!(
        "\n[protocol.fixed.candidates.file]\npath = \"{path}\"\nform = \"pair_negatives\"\n"
    );
    let text = format!("{SPEC}{file}");
    let checked = experiment::load_text("spec.toml", &text, Path::new("."), &[]);
    let checked = checked.unwrap_or_else(|faults| panic!("{faults}"));
    let mut digest = |_: &str| Ok(allround_core::digest::of_bytes(contents.as_bytes()));
    plan(&checked.spec, &mut digest).unwrap()
}

#[test]
fn keys_and_fingerprints_depend_on_the_contents_of_a_candidate_file() {
    let name = "toys.overall.sasrec.s1";
    let one = measured(&with_file("Cargo.toml", "a"), name);
    assert_eq!(one, measured(&with_file("README.md", "a"), name));
    let other = measured(&with_file("Cargo.toml", "b"), name);
    assert_eq!(one.0, other.0);
    assert_ne!((one.1, one.2), (other.1, other.2));
    assert_ne!(one.3, other.3);
    // Nothing is drawn, so seeds share the lists.
    let two = measured(&with_file("Cargo.toml", "a"), "toys.overall.sasrec.s2");
    assert_eq!(one.1, two.1);
}

#[test]
fn splits_are_evaluated_separately_and_validation_does_not_change_the_test() {
    let test = plan_of(SPEC, &[]);
    let both = plan_of(SPEC, &["protocol.strict.splits=[\"valid\",\"test\"]"]);
    let measures = &cell(&both, "toys.cold.deep.s2").measures;
    let parts: Vec<&str> = measures.iter().map(|measure| measure.part.name()).collect();
    assert_eq!(parts, ["valid", "test"]);
    assert_ne!(measures[0].evaluate, measures[1].evaluate);
    assert_eq!(measures[0].protocol, measures[1].protocol);
    assert_eq!(measures[0].candidates, measures[1].candidates);
    let (before, after) = (keys(&test, "evaluate"), keys(&both, "evaluate"));
    assert!(before.is_subset(&after) && after.len() == 2 * before.len());
}

#[test]
fn imported_scores_are_evaluations_keyed_by_the_contents_of_their_file() {
    let text = format!(
        "{SPEC}\n[model.theirs.scores]\nfile = \"Cargo.toml\"\nvalid = \"Cargo.lock\"\n\
         [protocol.p]\nsplits = [\"valid\", \"test\"]\n"
    );
    let checked = experiment::load_text("spec.toml", &text, Path::new("."), &[]);
    let checked = checked.unwrap_or_else(|faults| panic!("{faults}"));
    let keys = |contents: [&str; 2]| {
        let digest = &mut |path: &str| {
            let at = usize::from(path == "Cargo.lock");
            Ok(allround_core::digest::of_bytes(contents[at].as_bytes()))
        };
        let plan = plan(&checked.spec, digest).unwrap();
        let theirs = cell(&plan, "toys.cold.theirs.s1");
        assert!(theirs.trained.is_empty() && theirs.backbone.is_empty());
        let kinds = theirs.stages(&plan.graph).into_iter();
        let kinds = kinds.map(|id| plan.graph.nodes[id].stage.settings.kind().as_str());
        assert_eq!(
            kinds.collect::<Vec<_>>(),
            ["prepare", "candidates", "evaluate", "evaluate"]
        );
        let key = |measure: &Measure| plan.graph.nodes[measure.evaluate].key;
        theirs.measures.iter().map(key).collect::<Vec<_>>()
    };
    let (first, changed) = (keys(["test", "valid"]), keys(["test", "other"]));
    assert_ne!(first[0], changed[0]);
    assert_eq!(first[1], changed[1]);
}

#[test]
fn users_for_slices_change_the_lists_and_the_numbers_of_slices_alone() {
    let of = |flags: &[&str]| {
        let plan = plan_of(SPEC, flags);
        ["overall", "cold", "few"].map(|scenario| {
            let cell = cell(&plan, &format!("toys.{scenario}.sasrec.s1"));
            let measure = &cell.measures[0];
            let lists = plan.graph.nodes[measure.candidates].key;
            (measure.protocol.clone(), lists)
        })
    };
    let (most, least) = (
        "protocol.strict.max_users=20",
        "protocol.strict.users_per_slice=10",
    );
    let [overall, cold, few] = of(&[most]);
    let [more_overall, more_cold, more_few] = of(&[most, least]);
    assert_eq!(overall.0, more_overall.0);
    assert_ne!(cold.0, more_cold.0);
    assert_eq!(few, more_few);
    assert_ne!(overall.1, more_overall.1);
    assert_eq!(more_overall.1, more_cold.1);
    // Which slices there are matters only where users are drawn for them.
    let two = "matrix.scenario=[\"overall\", \"cold\", \"few\"]";
    assert_eq!(of(&[most, two])[0].1, overall.1);
    assert_ne!(of(&[most, least, two])[0].1, more_overall.1);
}
