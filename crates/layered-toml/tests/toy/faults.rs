//! Refusals, word by word. Each case changes the good file and lists every fault that follows.

use super::{FILE, faults, format, read};

#[track_caller]
fn refused(old: &str, new: &str, expected: &[&str]) {
    assert!(FILE.contains(old), "{old}");
    assert_eq!(faults(&FILE.replacen(old, new, 1), &[]), expected);
}

#[test]
fn the_good_file_has_no_faults() {
    assert_eq!(faults(FILE, &[]), [""; 0]);
    assert_eq!(faults(FILE, &["profile=test"]), [""; 0]);
}

#[test]
fn unknown_names_come_with_the_nearest_known_one() {
    refused(
        "flour = 500",
        "flower = 500",
        &[
            "4:1: missing field `flour` in `bake.loaf.bread` | `flour` has no default | `flour`: Grams of flour",
            "5:1: unknown field `flower` in `bake.loaf.bread` | not a field of this table | did you mean `flour`?",
        ],
    );
    refused(
        "[bake.feast.cake]",
        "[bake.feast.cale]",
        &["7:13: unknown kind `cale` in `bake.feast` | not a kind of dough | did you mean `cake`?"],
    );
    refused(
        "flour = 500",
        "flour = 500\nrise.soda = {}",
        &[
            "6:6: unknown kind `soda` in `bake.loaf.bread.rise` | not a kind of rise | soda is not in stock",
        ],
    );
    refused(
        "flour = 500",
        "flour = 500\npreset = \"slwo\"",
        &[
            "6:10: unknown preset `slwo` in `bake.loaf.bread.preset` | expected `plain` or `slow` | did you mean `slow`?",
        ],
    );
}

#[test]
fn a_field_in_the_wrong_table_comes_with_the_right_one() {
    refused(
        "name = \"monday\"",
        "name = \"monday\"\ntrays = 1",
        &[
            "3:1: unknown field `trays` at the top of the file | not a field of this table | write `oven.trays`",
        ],
    );
    refused(
        "flour = 500",
        "flour = 500\ngrams = 1",
        &[
            "6:1: unknown field `grams` in `bake.loaf.bread` | not a field of this table | the fields are `flour`, `rest`, `rise` and `preset`",
        ],
    );
    let flagged = faults(FILE, &["bake.loaf.flour=1"]);
    assert_eq!(
        flagged,
        [
            "--set 1:1:11: unknown kind `flour` in `bake.loaf` | not a kind of dough | write `bake.loaf.bread.flour`"
        ]
    );
}

#[test]
fn wrong_values_come_with_what_was_expected() {
    refused(
        "[shop.corner]",
        "[oven]\ndegrees = 20\nhours = [1]\nheat = \"woods\"\n[shop.corner]",
        &[
            "15:11: `oven.degrees` must be a number from 50 to 300, found `20` | expected a number from 50 to 300",
            "16:9: `oven.hours` must be a list of 2, each a whole number from 0 to 4294967295, found a list of one element | expected a list of 2, each a whole number from 0 to 4294967295",
            "17:8: `oven.heat` must be `gas` or `wood`, found the string `woods` | expected `gas` or `wood` | did you mean `wood`?",
        ]
        .map(|fault| fault.replace("`gas` or `wood`", "`wood` or `gas`"))
        .each_ref()
        .map(String::as_str),
    );
    refused(
        "\"07:30\"",
        "\"7:30\"",
        &[
            "15:9: `shop.corner.opens` must be a time as `HH:MM`, found the string `7:30` | expected a time as `HH:MM` | did you mean `07:30`?",
        ],
    );
    refused(
        "flour = 500",
        "flour = \"5,0\"",
        &[
            "5:9: `bake.loaf.bread.flour` must be a whole number from 0 to 4294967295, found the string `5,0` | expected a whole number from 0 to 4294967295 | write `5`",
        ],
    );
    refused(
        "[bake.feast.cake]\neggs = 4",
        "[bake.feast.cake]\n[bake.feast.nothing]",
        &[
            "8:13: `bake.feast` has two kinds: `cake` and `nothing` | the second kind | keep one of them, or give each its own name",
        ],
    );
    refused(
        "[bake.feast.cake]\neggs = 4",
        "[bake.feast]",
        &[
            "7:1: `bake.feast` has no kind | expected one of `bread`, `cake` or `nothing` | name the table after its kind, such as `[bake.feast.bread]`",
        ],
    );
}

#[test]
fn names_that_nothing_has_are_reported_where_they_are_written() {
    assert_eq!(
        faults(FILE, &["bake.laof.bread.flour=1"]),
        ["--set 1:1:6: no bake is called `laof` | not in the file | did you mean `loaf`?"]
    );
    assert_eq!(
        faults(FILE, &["profile=tset"]),
        [
            "--set 1:1:9: no profile is called `tset` | expected the name of a profile | did you mean `test`?"
        ]
    );
    assert_eq!(
        faults(FILE, &["oven"]),
        [
            "--set 1:1:1: `oven` has no value | expected `path.to.key=value` | for example `--set oven=1`"
        ]
    );
    refused(
        "[profiles.test]\n\"oven.trays\" = 1",
        "[profiles.\"my test\"]\n\"oven.tarys\" = 1",
        &[
            "17:11: the profile name `my test` contains a space | expected letters | for example `test`",
            "18:1: unknown field `tarys` in `profiles.my test.oven` | not a field of this table | did you mean `trays`?",
        ],
    );
    refused(
        "set = { flour = 250 }",
        "set = { flower = 250 }",
        &[
            "12:9: unknown field `flower` in `variant.small.set` | not a field of this table | did you mean `flour`?",
        ],
    );
}

#[test]
fn a_file_of_another_version_and_a_syntax_error_are_refused_at_once() {
    refused(
        "version = 1",
        "version = 2\nfoo = 1",
        &[
            "1:11: version `2` is unknown: this program reads version 1 | expected 1 | the file was written for a newer bakery: update the program",
        ],
    );
    refused(
        "name = \"monday\"",
        "name = monday",
        &[
            "2:8: not TOML: string values must be quoted | expected literal string | write `\"monday\"` if it is a string",
        ],
    );
    refused(
        "name = \"monday\"",
        "",
        &["1:1: missing field `name` | write `name = \"...\"`"],
    );
    assert_eq!(
        faults(" \n", &[]),
        [" the file is empty | write `version = 1`"]
    );
}

#[test]
fn faults_are_drawn_with_their_lines() {
    let text = FILE.replace("flour = 500", "flour = 500\nrest = \"long\"");
    let faults = read(&text, &[]).finish().unwrap_err();
    insta::assert_snapshot!(faults.render(false), @r#"
    error: `bake.loaf.bread.rest` must be a number, found the string `long`
     --> day.toml:6:8
      |
    6 | rest = "long"
      |        ^^^^^^ expected a number

    1 fault in `day.toml`
    "#);
    assert!(faults.render(true).contains('\u{1b}'));
    assert_eq!(faults.count(), 1);
}

#[test]
fn an_application_adds_its_own_faults_with_places() {
    let mut reading = read(FILE, &[]);
    let place = reading.tree.at(&["oven", "hours"]).unwrap().place;
    assert!(!place.is_written());
    let place = reading.tree.at(&["shop", "corner", "opens"]).unwrap().place;
    let fault = layered_toml::Fault::at(place, "too early").hint("open later");
    reading.faults.push(fault);
    assert_eq!(
        reading.finish().unwrap_err().lines(),
        "day.toml:15:9: too early\n"
    );
    assert!(format().read("day.toml", "= 1", &[]).is_err());
}
