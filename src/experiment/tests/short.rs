//! `[model.sasrec]` in place of `[model.sasrec.sasrec]`.

use super::*;

const LONG: &str = r#"
spec_version = 1
name = "short"
[dataset.d.source.synthetic]
[encoder.hashed.hashed]
width = 16
[llm.small.small]
hidden_units = 32
[model.sasrec.sasrec]
dropout = 0.3
train.epochs = 2
[model.popularity.popularity]
[model.allmrec.allmrec]
backbone = "sasrec"
encoder = "hashed"
align.train_encoder = false
llm = "small"
[variant.deep]
of = "sasrec"
set.num_blocks = 3
[scenario.overall.overall]
[scenario.cold_items.cold_items]
share = 0.2
[figure.bars.bars]
metric = "hit@1"
protocol = "strict"
[table.cost.cost]
"#;

/// The file in the short form: without kinds that equal the name of their table.
fn short() -> String {
    let line = |line: &str| match line.trim_matches(['[', ']']).split('.').collect::<Vec<_>>()[..] {
        [section, name, kind] if name == kind => format!("[{section}.{name}]\n"),
        _ => format!("{line}\n"),
    };
    LONG.lines().map(line).collect()
}

fn load_with(text: &str, flags: &[&str]) -> Checked {
    let flags: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
    load_text("short.toml", text, root(), &flags).unwrap_or_else(|faults| panic!("{faults}"))
}

#[test]
fn short_and_long_form_of_a_file_are_equal() {
    let short = short();
    assert!(!short.contains("sasrec.sasrec"), "{short}");
    let (long, short) = (load_with(LONG, &[]), load_with(&short, &[]));
    assert_eq!(short.spec, long.spec);
    assert_eq!(short.origins, long.origins);
    assert_eq!(short.resolved_toml(), long.resolved_toml());
}

#[test]
fn flags_in_both_forms_lead_to_the_same_results_folder() {
    let folder = |flag: &str| load_with(LONG, &[flag]).folder;
    let long = folder("model.sasrec.sasrec.dropout=0.4");
    assert_eq!(folder("model.sasrec.dropout=0.4"), long);
    assert!(
        long.starts_with("short-with-model.sasrec.sasrec.dropout-0.4-"),
        "{long}"
    );
}

#[test]
fn a_fault_of_meaning_has_the_right_line_in_the_short_form() {
    let text = short().replace("dropout = 0.3", "num_heads = 7\nlr = 1");
    let faults = load_text("short.toml", &text, root(), &[]).expect_err("two faults");
    let lines = faults.lines();
    let (heads, lr) = lines.split_once('\n').unwrap();
    assert!(
        heads.starts_with("short.toml:10:13: 7 heads do not divide"),
        "{heads}"
    );
    assert_eq!(
        lr,
        "short.toml:11:1: unknown field `lr` in `model.sasrec`\n"
    );
}
