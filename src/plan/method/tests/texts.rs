//! CF models that read texts of items.

use super::*;
use allround_core::stage::TrainBackbone;

const ADDED: &str = r#"
[encoder.bert.pretrained]
hub = "a/bert"
[model.morec.morec]
encoder = "hashed"
text = "quoted"
[model.trained.morec]
encoder = "bert"
reading = "end_to_end"
[model.similar.text_similarity]
encoder = "hashed"
text = "quoted"
[model.ctrl.ctrl]
encoder = "bert"
[model.frozen.ctrl]
encoder = "hashed"
contrast.train_encoder = false
train.lr = 0.1
[model.slow.ctrl]
encoder = "hashed"
contrast.train_encoder = false
train.lr = 0.2
[model.on-morec.mlp_llm]
backbone = "morec"
llm = "small"
"#;

fn planned() -> Plan {
    plan_of(&format!("{SPEC}{ADDED}"), &[])
}

fn settings_of<'a>(plan: &'a Plan, name: &str) -> (&'a TrainBackbone, Vec<&'a str>) {
    let stages = cell(plan, name).stages(&plan.graph);
    let found = stages.iter().find_map(|&id| {
        let node = &plan.graph.nodes[id];
        let Settings::Backbone(settings) = &node.stage.settings else {
            return None;
        };
        Some((settings, node.needs.keys().map(String::as_str).collect()))
    });
    found.unwrap()
}

#[test]
fn frozen_texts_are_encoded_once_for_all_models_and_a_trained_encoder_is_part_of_the_stage() {
    let plan = planned();
    let encoded = |name: &str| key(&plan, cell(&plan, name), "encode-text");
    let (settings, needs) = settings_of(&plan, "toys.overall.morec.s1");
    assert_eq!(
        (settings.encoder.is_some(), needs),
        (false, vec!["encoded", "prepared"])
    );
    assert!(encoded("toys.overall.morec.s1").is_some());
    for other in ["toys.overall.similar.s1", "toys.few.morec.s1"] {
        assert_eq!(encoded(other), encoded("toys.overall.morec.s1"), "{other}");
    }
    let (settings, needs) = settings_of(&plan, "toys.overall.trained.s1");
    assert_eq!(
        (settings.encoder.is_some(), needs),
        (true, vec!["prepared"])
    );
    assert_eq!(encoded("toys.overall.trained.s1"), None);
}

#[test]
fn another_domain_has_its_texts_encoded_too() {
    let plan = planned();
    let encoded = |name: &str| key(&plan, cell(&plan, name), "encode-text");
    let cross = encoded("toys.cross.morec.s1");
    assert!(cross.is_some() && cross != encoded("toys.overall.morec.s1"));
    assert_eq!(cross, encoded("toys.cross.similar.s1"));
}

#[test]
fn an_llm_method_reads_the_training_of_its_cell() {
    let plan = planned();
    let backbone = |name: &str| key(&plan, cell(&plan, name), "backbone");
    let name = "toys.overall.on-morec.s1";
    assert_eq!(backbone(name), backbone("toys.overall.morec.s1"));
    assert_eq!(cell(&plan, name).backbone, "morec");
}

#[test]
fn ctrl_has_two_stages_of_which_the_first_knows_the_words_and_not_the_second() {
    let plan = planned();
    let first = |name: &str| key(&plan, cell(&plan, name), "contrast");
    let cell_of = |name: &str| cell(&plan, name);
    assert_eq!(cell_of("toys.overall.ctrl.s1").trained.len(), 2);
    assert_eq!(
        first("toys.overall.frozen.s1"),
        first("toys.overall.slow.s1")
    );
    assert_ne!(
        first("toys.overall.frozen.s1"),
        first("toys.overall.ctrl.s1")
    );
    let backbone = |name: &str| key(&plan, cell(&plan, name), "backbone");
    assert_ne!(
        backbone("toys.overall.frozen.s1"),
        backbone("toys.overall.slow.s1")
    );
    let nouns = ["toys", "games"].map(|dataset| {
        let stages = cell_of(&format!("{dataset}.overall.ctrl.s1")).stages(&plan.graph);
        let noun = stages
            .iter()
            .find_map(|&id| match &plan.graph.nodes[id].stage.settings {
                Settings::Contrast(contrast) => Some(contrast.words.noun.clone()),
                _ => None,
            });
        noun.unwrap()
    });
    assert_eq!(nouns, ["item", "game"]);
}
