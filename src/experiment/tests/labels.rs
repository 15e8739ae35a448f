//! Display names.

use super::*;

const LABELLED: &str = r#"
spec_version = 1
name = "labels"
[dataset.toys]
label = "Toys (synthetic)"
[dataset.toys.source.synthetic]
[model.sasrec]
label = "SASRec"
dropout = 0.3
[model.best]
label = "Best"
[model.best.sasrec]
[model.plain.sasrec]
[variant.deep]
label = "SASRec (3 blocks)"
of = "sasrec"
set.num_blocks = 3
[scenario.overall]
label = "All users"
"#;

fn labelled(flags: &[&str]) -> Checked {
    let flags: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
    load_text("l.toml", LABELLED, root(), &flags).unwrap_or_else(|faults| panic!("{faults}"))
}

#[test]
fn a_label_is_displayed_in_place_of_a_name() {
    let spec = labelled(&[]).spec;
    for (section, name, label) in [
        ("dataset", "toys", "Toys (synthetic)"),
        ("model", "sasrec", "SASRec"),
        ("model", "best", "Best"),
        ("model", "plain", "plain"),
        ("model", "deep", "SASRec (3 blocks)"),
        ("variant", "deep", "SASRec (3 blocks)"),
        ("scenario", "overall", "All users"),
        ("protocol", "strict", "strict"),
    ] {
        assert_eq!(spec.label(section, name), label);
    }
}

#[test]
fn labels_are_in_the_resolved_spec_with_their_origins() {
    let checked = labelled(&["model.plain.label=Plain"]);
    assert_eq!(checked.spec.label("model", "plain"), "Plain");
    assert_eq!(checked.origins["labels.model.sasrec"].to_string(), "line 8");
    assert_eq!(checked.origins["labels.model.plain"].to_string(), "--set 1");
    let back = resolved_from_text("spec.toml", checked.resolved_toml());
    assert_eq!(
        back.unwrap_or_else(|faults| panic!("{faults}")),
        checked.spec
    );
}

#[test]
fn a_label_changes_no_results_folder() {
    assert_eq!(labelled(&["model.plain.label=Plain"]).folder, "labels");
}

#[test]
fn two_tables_cannot_have_the_same_label() {
    let lines = |old: &str, new: &str| {
        let text = LABELLED.replace(old, new);
        let faults = load_text("l.toml", &text, root(), &[]);
        faults.expect_err(new).lines()
    };
    assert_eq!(
        lines("SASRec (3 blocks)", "Best"),
        "l.toml:15:9: the label `Best` is used twice\n"
    );
    assert_eq!(
        lines("\"Best\"", "\"plain\""),
        "l.toml:11:9: the label `plain` is used twice\n"
    );
    assert_eq!(
        lines("label = \"All users\"", "label = 3"),
        "l.toml:19:9: `scenario.overall.label` must be a string in quotes, found `3`\n"
    );
    assert_eq!(
        lines("of = \"sasrec\"", "of = \"sasrec\"\nlable = \"x\""),
        "l.toml:17:1: unknown field `lable` in `variant.deep`\n"
    );
}

#[test]
fn an_empty_axis_has_all_names_in_the_order_of_the_file() {
    // Flags change values, not the order.
    let matrix = labelled(&["model.sasrec.dropout=0.1"]).spec.matrix;
    assert_eq!(matrix.model, ["sasrec", "best", "plain", "deep"]);
    assert_eq!(
        (matrix.dataset, matrix.scenario),
        (vec!["toys".to_owned()], vec!["overall".to_owned()])
    );
}

const DRAWN: &str = r#"
[figure.wide.bars]
metric = "hit@1"
protocol = "strict"
[figure.more.bars]
metric = "mrr"
protocol = "strict"
[table.z.cost]
[table.a.cost]
"#;

#[test]
fn the_report_has_figures_and_tables_in_the_order_of_the_file_unless_it_lists_them() {
    let order = |report: &str| {
        let text = format!("{LABELLED}{DRAWN}{report}");
        let checked = load_text("l.toml", &text, root(), &[]);
        let spec = checked.unwrap_or_else(|faults| panic!("{faults}")).spec;
        let names = spec.figures().map(|(name, _)| name);
        let names = names.chain(spec.tables().map(|(name, _)| name));
        names.cloned().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(order(""), "wide more z a");
    assert_eq!(order("[report]\nfigures = [\"more\"]\n"), "more wide z a");
    assert_eq!(order("[report]\ntables = [\"a\"]\n"), "wide more a z");
}

#[test]
fn the_report_cannot_list_what_is_not_drawn() {
    let text = format!("{LABELLED}{DRAWN}[report]\nfigures = [\"wides\", \"more\", \"more\"]\n");
    let faults = load_text("l.toml", &text, root(), &[]).unwrap_err();
    assert_eq!(
        faults.lines(),
        "l.toml:30:12: no figure is called `wides`\n\
         l.toml:30:29: `more` is in `report.figures` twice\n"
    );
}
