//! Profiles: named sets of changes to a file.

use super::*;

const PROFILES: &str = r#"
spec_version = 1
name = "profiles"
[dataset.d.source.csv]
interactions = "nowhere.csv"
[model.m.sasrec]
dropout = 0.1
[profiles.offline]
dataset.d.source.synthetic = { users = 77 }
"model.m.sasrec.num_blocks" = 1
model.m.sasrec.dropout = 0.3
[profiles.other]
seeds = [9]
"#;

#[test]
fn a_profile_overrides_the_file_and_flags_override_the_profile() {
    let load = |flags: &[&str]| {
        let flags: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
        load_text("p.toml", PROFILES, root(), &flags)
    };
    let checked = load(&["profile=offline", "model.m.sasrec.dropout=0.4"]);
    let checked = checked.unwrap_or_else(|faults| panic!("{faults}"));
    let allround_core::source::Source::Synthetic(source) = &checked.spec.dataset["d"].source else {
        panic!("the profile replaces the kind");
    };
    assert_eq!(source.users, 77);
    let allround_core::models::Model::Sasrec(model) = &checked.spec.model["m"] else {
        panic!("the file says sasrec");
    };
    assert_eq!((model.num_blocks, model.dropout), (1, 0.4));
    assert_eq!(
        checked.origins["model.m.sasrec.num_blocks"].to_string(),
        "line 10"
    );
    let back = resolved_from_text("spec.toml", checked.resolved_toml());
    assert_eq!(
        back.unwrap_or_else(|faults| panic!("{faults}")),
        checked.spec
    );
    let faults = load(&["profile=ofline"]).expect_err("no such profile");
    assert!(
        faults.lines().contains("no profile is called `ofline`"),
        "{}",
        faults.lines()
    );
    assert!(
        faults
            .iter()
            .any(|fault| fault.hint.as_deref() == Some("did you mean `offline`?"))
    );
}

#[test]
fn an_unused_profile_is_checked_too() {
    let text = PROFILES.replace("seeds = [9]", "sedes = [9]");
    let faults = load_text("p.toml", &text, root(), &["profile=offline".to_owned()]);
    let lines = faults.expect_err("a slip in a profile").lines();
    assert!(lines.contains("unknown field `sedes`"), "{lines}");
}
