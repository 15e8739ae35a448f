//! Display names.

use super::{Day, Dough, FILE, day, faults, read};

#[test]
fn a_label_is_next_to_the_kind_or_next_to_the_fields() {
    let text = FILE.replace(
        "[bake.loaf.bread]",
        "[bake.nothing]\nlabel = \"Nothing\"\n[bake.loaf]\nlabel = \"Loaf (500 g)\"\n[bake.loaf.bread]",
    );
    let text = text.replace("opens =", "label = \"Corner shop\"\nopens =");
    let day = day(&text, &["bake.feast.label=Feast"]);
    assert_eq!(day.bake["nothing"], Dough::Nothing {});
    let labels = |section: &str| day.labels[section].values().cloned().collect::<Vec<_>>();
    assert_eq!(labels("bake"), ["Feast", "Loaf (500 g)", "Nothing"]);
    assert_eq!(labels("shop"), ["Corner shop"]);
}

#[test]
fn the_strongest_label_counts_and_the_resolved_text_keeps_it() {
    let text = FILE.replace("opens =", "label = \"Corner\"\nopens =");
    let mut reading = read(&text, &["shop.corner.label=\"At the corner\""]);
    let day: Day = reading.value().unwrap();
    let resolved = reading.finish().unwrap();
    assert_eq!(day.labels["shop"]["corner"], "At the corner");
    assert_eq!(
        resolved.origins["labels.shop.corner"].to_string(),
        "--set 1"
    );
    let back: Day = toml::from_str(&resolved.toml).unwrap();
    assert_eq!(back, day);
}

#[test]
fn wrong_labels_are_refused_where_they_are_written() {
    let hint = "a label is a display name; remove the line to display the name of the table";
    let expected = "expected one line of 1 to 80 characters";
    for (label, message) in [
        ("\"\"", "is blank"),
        ("\"a\\nb\"", "contains a control character"),
    ] {
        let text = FILE.replace("opens =", &format!("label = {label}\nopens ="));
        let fault = format!("15:9: `shop.corner.label` {message} | {expected} | {hint}");
        assert_eq!(faults(&text, &[]), [fault]);
    }
    let text = FILE.replace("opens =", "label = 3\nopens =");
    assert_eq!(
        faults(&text, &[]),
        [
            "15:9: `shop.corner.label` must be a string in quotes, found `3` | expected a string in quotes"
        ]
    );
    let text = FILE.replace("of = \"loaf\"", "of = \"loaf\"\nlabel = \"Small\"");
    assert_eq!(
        faults(&text, &[]),
        [
            "12:1: unknown field `label` in `variant.small` | not a field of this table | the fields are `of` and `set`"
        ]
    );
}
