//! What is generated for editors and readers.

use super::{FILE, format};

#[test]
fn the_schema_accepts_good_files_and_refuses_bad_ones() {
    let schema = format().json_schema();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let is_valid = |text: &str| {
        let value: serde_json::Value = toml::from_str(text).unwrap();
        schema.is_valid(&value)
    };
    assert!(is_valid(FILE));
    let head = "version = 1\nname = \"x\"\n";
    for good in [
        "[bake.bread]\nflour = 1\nlabel = \"Bread\"\npreset = \"slow\"\n",
        "[bake.bread]\nlabel = \"Bread\"\n[bake.bread.bread]\nflour = 1\n",
        "[bake.bread.cake]\neggs = 1\n",
        "[oven]\nheat = \"wood\"\n",
    ] {
        assert!(is_valid(&format!("{head}{good}")), "{good}");
    }
    for bad in [
        "[bake.bread]\nflower = 1\n",
        "[bake.loaf]\nflour = 1\n",
        "[bake.bread.cake]\nrest = 1\n",
        "[bake.cake]\nbread = 1\n",
        "[oven]\ntrays = 0\n",
        "[shop.s]\nopens = \"7:30\"\n",
        "[shop.\"a b\"]\nopens = \"07:30\"\n",
        "[bake.bread]\nflour = 1\npreset = \"fast\"\n",
    ] {
        assert!(!is_valid(&format!("{head}{bad}")), "{bad}");
    }
    assert!(!is_valid(&FILE.replace("version = 1", "version = 2")));
    assert!(!is_valid("version = 1\n"));
}

#[test]
fn the_reference_has_every_table_once_with_defaults_by_preset() {
    let page = format().markdown();
    assert!(
        page.lines()
            .all(|line| line.starts_with('|') || line.chars().count() <= 100)
    );
    let page = page.replace('\n', " ");
    for line in [
        "| `degrees` | a number from 50 to 300 | `220` | Degrees. |",
        "Kinds: [`[bake.NAME.bread]`](#bakenamebread), [`[bake.NAME.cake]`](#bakenamecake), [`[bake.NAME.nothing]`](#bakenamenothing).",
        "`[bake.bread]` is short for `[bake.bread.bread]`.",
        "`[bake.NAME] label = \"...\"`: the name on the price tag.",
        "| Field | Value | `plain` | `slow` | Meaning |",
        "| `rest` | a number | `1.5` | `24` | Hours of rest. |",
        "| `rise` | one of [`rise`](#rise) | `{ yeast = {} }` | `{ sourdough = { days = 3 } }` | How it rises. |",
        "### `rise.yeast`",
    ] {
        assert_eq!(page.matches(line).count(), 1, "{line}\n{page}");
    }
}
