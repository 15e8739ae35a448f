//! Which stages run alone.

use super::*;

#[test]
fn stages_of_a_listed_model_run_alone_even_if_shared() {
    let plan = plan_of(SPEC, &[]);
    let alone = |names: &[&str]| {
        let names = names.iter().map(|&name| name.to_owned());
        plan.alone(&Alone::Of(names.collect()))
    };
    let stages = |cell_name: &str| cell(&plan, cell_name).stages(&plan.graph);
    let listed = alone(&["allmrec"]);
    for id in stages("toys.overall.allmrec.s1") {
        let settings = &plan.graph.nodes[id].stage.settings;
        assert_eq!(
            listed.contains(&id),
            settings.kind().is_of_a_model(),
            "{}",
            settings.kind()
        );
    }
    // Of cells that are not listed, only the stages that they share with it run alone.
    for (name, shared) in [
        ("toys.overall.sasrec.s1", &["backbone"][..]),
        ("toys.overall.tallrec.s1", &["pretrain-lm"]),
        (
            "toys.overall.text.s1",
            &["encode-text", "backbone", "align", "pretrain-lm", "project"],
        ),
    ] {
        let found = stages(name).into_iter().filter(|id| listed.contains(id));
        let found: BTreeSet<&str> = found
            .map(|id| plan.graph.nodes[id].stage.settings.kind().as_str())
            .collect();
        assert_eq!(found, shared.iter().copied().collect(), "{name}");
    }
    // A variant is listed by its name.
    let [last] = cell(&plan, "toys.overall.text.s1").measures.as_slice() else {
        panic!("one protocol");
    };
    assert!(!listed.contains(&last.evaluate) && alone(&["text"]).contains(&last.evaluate));
    assert!(alone(&[]).is_empty() && plan.alone(&Alone::All(false)).is_empty());
    assert_eq!(plan.alone(&Alone::All(true)).len(), plan.graph.nodes.len());
}
