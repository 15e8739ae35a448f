//! Thread counts in keys.

use super::*;

/// Kinds of the stages whose keys a setting changes.
fn changed_by(flag: &str) -> BTreeSet<&'static str> {
    let keys = |plan: &Plan| -> BTreeSet<(&'static str, Key)> {
        let nodes = plan.graph.nodes.iter();
        nodes
            .map(|node| (node.stage.settings.kind().as_str(), node.key))
            .collect()
    };
    let (before, after) = (keys(&plan_of(SPEC, &[])), keys(&plan_of(SPEC, &[flag])));
    after.difference(&before).map(|&(kind, _)| kind).collect()
}

#[test]
fn a_thread_count_is_in_the_keys_of_the_stages_that_it_can_change() {
    let with_lm = [
        "pretrain-lm",
        "align",
        "project",
        "tune",
        "represent",
        "evaluate",
    ];
    // `encode-text` is absent: hashed vectors do not depend on threads.
    assert_eq!(changed_by("run.threads=2"), BTreeSet::from(with_lm));
    let popularity = SPEC.replace(
        "[model.sasrec.sasrec]",
        "[model.popularity.popularity]\n[model.sasrec.sasrec]",
    );
    let backbone = |flag: &str| -> Key {
        let plan = plan_of(&popularity, &[flag]);
        key(&plan, cell(&plan, "toys.overall.popularity.s1"), "backbone").unwrap()
    };
    assert_eq!(backbone("run.cf_threads=2"), backbone("run.threads=2"));
    assert!(changed_by("run.cf_threads=2").contains("backbone"));
}
