//! `[bake.bread]` in place of `[bake.bread.bread]`.

use super::{Dough, day, faults, read};

const HEAD: &str = "version = 1\nname = \"x\"\n";

fn text(rest: &str) -> String {
    format!("{HEAD}{rest}")
}

#[test]
fn a_table_whose_name_is_a_kind_holds_the_fields_of_that_kind() {
    let short = day(
        &text("[bake.bread]\nflour = 5\nrise.yeast = { grams = 1 }\n"),
        &[],
    );
    let long = day(
        &text("[bake.bread.bread]\nflour = 5\nrise.yeast = { grams = 1 }\n"),
        &[],
    );
    assert_eq!(short, long);
    let empty = day(&text("[bake.nothing]\n"), &[]);
    assert_eq!(empty.bake["nothing"], Dough::Nothing {});
}

#[test]
fn a_name_that_is_another_kind_than_its_table_keeps_its_meaning() {
    let day = day(
        &text("[bake.bread.cake]\neggs = 1\n"),
        &["bake.bread.cake.eggs=2"],
    );
    assert_eq!(day.bake["bread"], Dough::Cake { eggs: 2, bread: 0 });
    let flagged = faults(
        &text("[bake.bread.cake]\neggs = 1\n"),
        &["bake.bread.eggs=2"],
    );
    assert_eq!(
        flagged,
        [
            "--set 1:1:12: unknown kind `eggs` in `bake.bread` | not a kind of dough | write `bake.bread.cake.eggs`"
        ]
    );
}

#[test]
fn flags_and_presets_work_in_the_short_form_too() {
    let file = text("[bake.bread]\nflour = 5\n");
    for flag in ["bake.bread.flour=6", "bake.bread.bread.flour=6"] {
        let Dough::Bread(bread) = &day(&file, &[flag, "bake.bread.preset=slow"]).bake["bread"]
        else {
            panic!("bread is bread");
        };
        assert_eq!((bread.flour, bread.rest), (6, 24.0));
    }
    let resolved = read(&file, &[]).finish().unwrap();
    assert_eq!(
        resolved.origins["bake.bread.bread.flour"].to_string(),
        "line 4"
    );
}

#[test]
fn faults_show_the_path_that_the_file_has() {
    assert_eq!(
        faults(
            &text("[bake.bread]\nflower = 5\nrise.yeast.gramm = 1\nrest = true\n"),
            &[]
        ),
        [
            "3:1: missing field `flour` in `bake.bread` | `flour` has no default | `flour`: Grams of flour",
            "4:1: unknown field `flower` in `bake.bread` | not a field of this table | did you mean `flour`?",
            "5:12: unknown field `gramm` in `bake.bread.rise.yeast` | not a field of this table | did you mean `grams`?",
            "6:8: `bake.bread.rest` must be a number, found `true` | expected a number",
        ]
    );
    assert_eq!(
        faults(
            &text("[bake.bread]\nflour = 5\ngrams = 1\nrise.yeast = {}\n"),
            &[]
        ),
        [
            "5:1: unknown field `grams` in `bake.bread` | not a field of this table | write `bake.bread.rise.yeast.grams`"
        ]
    );
}

#[test]
fn both_forms_at_once_are_refused() {
    assert_eq!(
        faults(
            &text("[bake.bread]\nrest = 2\n[bake.bread.bread]\nflour = 5\n"),
            &[]
        ),
        [
            "4:1: `rest` is next to the table `bake.bread.bread`, not in it | a setting of the kind `bread` | write `bake.bread.bread.rest`"
        ]
    );
}

#[test]
fn a_key_that_is_a_kind_and_a_field_is_refused_in_the_short_form() {
    assert_eq!(
        faults(&text("[bake.cake]\neggs = 1\nbread = 20\n"), &[]),
        [
            "5:1: `bread` in `bake.cake` can be a kind or a field of the kind `cake` | ambiguous | write `bake.cake.cake.bread` for the field; for the kind, give the table another name than `cake`"
        ]
    );
    let long = day(&text("[bake.cake.cake]\neggs = 1\nbread = 20\n"), &[]);
    assert_eq!(long.bake["cake"], Dough::Cake { eggs: 1, bread: 20 });
}
