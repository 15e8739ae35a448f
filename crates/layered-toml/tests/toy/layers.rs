//! Which layer a value comes from.

use super::{Bread, DEFAULTS, Day, Dough, FILE, Rise, day, format, read, rules};
use layered_toml::Format;

fn bread(dough: &Dough) -> &Bread {
    match dough {
        Dough::Bread(bread) => bread,
        other => panic!("{other:?} is not bread"),
    }
}

#[test]
fn a_flag_is_stronger_than_a_profile_than_the_file_than_a_preset_than_the_defaults() {
    let loaf = |flags: &[&str]| day(FILE, flags);
    let plain = loaf(&[]);
    assert_eq!(bread(&plain.bake["loaf"]).flour, 500);
    assert_eq!(bread(&plain.bake["loaf"]).rest, 1.5);
    assert_eq!(plain.oven.trays, 2);
    let test = loaf(&["profile=test"]);
    assert_eq!(bread(&test.bake["loaf"]).flour, 10);
    assert_eq!(test.oven.trays, 1);
    let flag = loaf(&["profile=test", "bake.loaf.bread.flour=11"]);
    assert_eq!(bread(&flag.bake["loaf"]).flour, 11);
    let last = loaf(&["oven.trays=3", "oven.trays=4"]);
    assert_eq!(last.oven.trays, 4);
}

#[test]
fn a_preset_is_chosen_by_name_and_a_chosen_kind_replaces_the_default_kind() {
    let slow = day(FILE, &["bake.loaf.bread.preset=slow"]);
    let loaf = bread(&slow.bake["loaf"]);
    assert_eq!(
        (loaf.rest, &loaf.rise),
        (24.0, &Rise::Sourdough { days: 3 })
    );
    let plain = day(FILE, &[]);
    assert_eq!(bread(&plain.bake["loaf"]).rise, Rise::Yeast { grams: 7.5 });
}

#[test]
fn a_variant_is_a_layer_above_its_table_and_keeps_dotted_keys() {
    let text = FILE.replace(
        "set = { flour = 250 }",
        "set = { flour = 250, \"rise.yeast.grams\" = 3 }",
    );
    let day = day(&text, &["bake.loaf.bread.rest=9"]);
    let small = &day.variant["small"];
    let keys: Vec<&str> = small.set.keys().map(String::as_str).collect();
    assert_eq!(keys, ["flour", "rise.yeast.grams"]);
    let resolved = bread(small.resolved.as_ref().unwrap());
    assert_eq!((resolved.flour, resolved.rest), (250, 9.0));
    assert_eq!(resolved.rise, Rise::Yeast { grams: 3.0 });
}

#[test]
fn named_tables_of_the_defaults_hold_only_in_a_file_without_any() {
    let names = |text: &str| day(text, &[]).bake.into_keys().collect::<Vec<_>>();
    assert_eq!(names(FILE), ["feast", "loaf"]);
    assert_eq!(names("version = 1\nname = \"sunday\"\n"), ["nothing"]);
}

#[test]
fn every_value_has_an_origin_and_the_resolved_text_reads_back_equal() {
    let flags = ["oven.heat=wood", "bake.loaf.bread.preset=slow"];
    let mut reading = read(FILE, &flags);
    let day: Day = reading.value().unwrap();
    let resolved = reading.finish().unwrap();
    let origin = |path: &str| resolved.origins[path].to_string();
    assert_eq!(origin("oven.heat"), "--set 1");
    assert_eq!(origin("oven.degrees"), "default");
    assert_eq!(origin("bake.loaf.bread.flour"), "line 5");
    assert_eq!(origin("bake.loaf.bread.rest"), "preset slow");
    assert!(resolved.toml.contains("flour = 500 # line 5\n"));
    let back: Day = toml::from_str(&resolved.toml).unwrap();
    assert_eq!(back, day);
}

#[test]
fn a_bare_word_in_a_flag_is_a_string() {
    assert_eq!(day(FILE, &["name=tuesday"]).name, "tuesday");
    assert_eq!(day(FILE, &["name=\"two words\""]).name, "two words");
    assert_eq!(day(FILE, &["name=two words"]).name, "two words");
}

#[test]
fn defaults_that_no_type_has_are_refused() {
    let refused = |defaults: &str| {
        let faults = Format::of::<Day>("defaults.toml", defaults, rules()).unwrap_err();
        faults.lines()
    };
    assert_eq!(
        refused(&format!("{DEFAULTS}\n[default.rise.soda]\ngrams = 1\n")),
        "defaults.toml:29:15: `default.rise.soda` is the default of no table\n"
    );
    assert_eq!(
        refused(&DEFAULTS.replace("trays = 2", "trays = 0")),
        "defaults.toml:8:9: `oven.trays` must be a whole number from 1 to 4294967295, found `0`\n"
    );
    assert_eq!(
        refused(&DEFAULTS.replace("[preset.slow.bread]", "[preset.slow.cake]")),
        "defaults.toml:26:1: unknown field `rest` in `preset.slow.cake`\n\
         defaults.toml:27:1: unknown field `rise` in `preset.slow.cake`\n"
    );
    assert_eq!(format().presets("dough", "bread"), ["plain", "slow"]);
    assert_eq!(format().kinds("bake"), ["bread", "cake", "nothing"]);
}
