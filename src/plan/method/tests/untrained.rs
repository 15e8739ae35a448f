//! Models that train nothing: text similarity and fusions.

use super::*;
use allround_core::stage::Ranking;

const ADDED: &str = r#"
[model.similar.text_similarity]
encoder = "hashed"
last = 3
[model.gate.fusion]
models = ["sasrec", "similar"]
by = "popularity_gate"
[model.ranks.fusion]
models = ["only", "sasrec", "allmrec"]
by = "mean_rank"
"#;

fn with(added: &str, flags: &[&str]) -> Plan {
    plan_of(&format!("{SPEC}{added}"), flags)
}

fn evaluation(plan: &Plan, name: &str) -> usize {
    cell(plan, name).measures[0].evaluate
}

/// The stages that a cell's evaluation reads besides data, by role.
fn reads<'a>(plan: &'a Plan, name: &str) -> Vec<(&'a str, usize)> {
    let needs = plan.graph.nodes[evaluation(plan, name)].needs.iter();
    let needs = needs.map(|(role, &id)| (role.as_str(), id));
    needs
        .filter(|(role, _)| !["candidates", "prepared"].contains(role))
        .collect()
}

#[test]
fn text_similarity_reads_the_vectors_that_other_models_read_and_trains_nothing() {
    let plan = with(ADDED, &[]);
    let similar = cell(&plan, "toys.overall.similar.s1");
    assert!(similar.trained.is_empty() && similar.backbone.is_empty());
    let encoded = key(&plan, similar, "encode-text");
    assert!(encoded.is_some());
    for other in ["toys.overall.allmrec.s1", "toys.few.similar.s1"] {
        assert_eq!(
            key(&plan, cell(&plan, other), "encode-text"),
            encoded,
            "{other}"
        );
    }
    let roles = reads(&plan, "toys.overall.similar.s1");
    assert_eq!(
        roles.iter().map(|(role, _)| *role).collect::<Vec<_>>(),
        ["encoded"]
    );
    let other = with(ADDED, &["model.similar.text_similarity.last=5"]);
    let longer = cell(&other, "toys.overall.similar.s1");
    assert_eq!(key(&other, longer, "encode-text"), encoded);
    assert_ne!(
        key(&other, longer, "evaluate"),
        key(&plan, similar, "evaluate")
    );
}

#[test]
fn a_fusion_reads_the_evaluations_of_its_models_in_order() {
    let plan = with(ADDED, &[]);
    for scenario in ["overall", "cold", "few"] {
        for (fusion, models) in [
            ("gate", &["sasrec", "similar"][..]),
            ("ranks", &["only", "sasrec", "allmrec"]),
        ] {
            let name = |model: &str| format!("toys.{scenario}.{model}.s1");
            let models = models.iter().map(|model| evaluation(&plan, &name(model)));
            let roles = ["source-0", "source-1", "source-2"];
            let expected: Vec<(&str, usize)> = roles.into_iter().zip(models).collect();
            assert_eq!(reads(&plan, &name(fusion)), expected, "{scenario} {fusion}");
        }
    }
    let [ranks, allmrec] =
        ["ranks", "allmrec"].map(|model| cell(&plan, &format!("toys.overall.{model}.s1")));
    assert_eq!(
        (&ranks.trained, &*ranks.backbone),
        (&allmrec.trained, "sasrec")
    );
}

#[test]
fn a_fusion_runs_models_that_the_matrix_leaves_out() {
    let plan = with(ADDED, &[]);
    let alone = with(ADDED, &["matrix.model=[\"gate\"]"]);
    let name = "toys.overall.gate.s1";
    assert_eq!(alone.cells.len(), 3 + 4);
    let keys = |plan: &Plan| -> Vec<Key> {
        let reads = reads(plan, name).into_iter();
        reads.map(|(_, id)| plan.graph.nodes[id].key).collect()
    };
    assert_eq!(keys(&alone), keys(&plan));
}

#[test]
fn a_fusion_of_short_lists_changes_no_other_key_and_one_of_long_lists_keeps_scores() {
    let short = plan_of(SPEC, &[]);
    let fused = with(ADDED, &[]);
    for before in &short.cells {
        let after = cell(&fused, &before.name);
        assert_eq!(before.identity(&short.graph), after.identity(&fused.graph));
    }
    let long = &["protocol.strict.candidates.uniform.n=51"];
    let keeps = |plan: &Plan, model: &str| {
        let id = evaluation(plan, &format!("toys.overall.{model}.s1"));
        match &plan.graph.nodes[id].stage.settings {
            Settings::Evaluate(evaluate) => evaluate.keep_scores,
            other => panic!("{other:?}"),
        }
    };
    let items = |spec: &str| spec.replace("items = 30", "items = 90");
    let [plain, fused] =
        [SPEC.to_owned(), format!("{SPEC}{ADDED}")].map(|spec| plan_of(&items(&spec), long));
    assert!(!keeps(&plain, "sasrec") && keeps(&fused, "sasrec"));
    assert!(!keeps(&fused, "mlp") && !keeps(&fused, "constrained"));
    assert!(keeps(&short, "sasrec") && !keeps(&short, "constrained"));
}

#[test]
fn the_key_of_a_fusion_has_its_rule_and_no_names() {
    let evaluated = |plan: &Plan, model: &str| {
        plan.graph.nodes[evaluation(plan, &format!("toys.overall.{model}.s1"))].key
    };
    let plan = with(ADDED, &[]);
    let renamed = ADDED.replace("model.similar", "model.texts");
    let renamed = with(&renamed.replace("\"similar\"", "\"texts\""), &[]);
    assert_eq!(evaluated(&renamed, "gate"), evaluated(&plan, "gate"));
    for flag in [
        "model.gate.fusion.pivot=2.0",
        "model.gate.fusion.models=[\"similar\",\"sasrec\"]",
        "model.similar.text_similarity.last=2",
    ] {
        assert_ne!(
            evaluated(&with(ADDED, &[flag]), "gate"),
            evaluated(&plan, "gate"),
            "{flag}"
        );
    }
    let id = evaluation(&plan, "toys.overall.gate.s1");
    let Settings::Evaluate(evaluate) = &plan.graph.nodes[id].stage.settings else {
        panic!("an evaluation");
    };
    assert!(matches!(evaluate.ranking, Ranking::Fusion(_)));
    assert_eq!(plan.graph.nodes[id].stage.compute, None);
}
