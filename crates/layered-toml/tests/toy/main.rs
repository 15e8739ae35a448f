//! The crate on a toy schema: a bakery's day.

mod documents;
mod faults;
mod labels;
mod layers;
mod short;

use std::collections::BTreeMap;

use layered_toml::written::Value;
use layered_toml::{
    Format, LabelRule, NameFault, ProfileRule, Reading, RequiredField, Rules, TextFormat,
    VariantRule, VersionRule,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A bakery's day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Day {
    /// Version of the format.
    version: u32,
    /// Name of the day.
    name: String,
    /// Chosen profile.
    profile: String,
    /// Profiles by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    profiles: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
    /// The oven.
    oven: Oven,
    /// What is baked, by name.
    bake: BTreeMap<String, Dough>,
    /// Changed recipes.
    variant: BTreeMap<String, Variant>,
    /// Shops by name.
    shop: BTreeMap<String, Shop>,
    /// Labels by section and name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(skip)]
    labels: BTreeMap<String, BTreeMap<String, String>>,
}

/// The oven.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Oven {
    /// Degrees.
    #[schemars(range(min = 50.0, max = 300.0))]
    degrees: f64,
    /// Trays in use.
    #[schemars(range(min = 1))]
    trays: u32,
    /// When it is on: from and to.
    hours: [u32; 2],
    /// How it is heated.
    heat: Heat,
}

/// How the oven is heated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Heat {
    /// Wood.
    Wood,
    /// Gas.
    Gas,
}

/// A dough.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Dough {
    /// Bread.
    Bread(Bread),
    /// Cake.
    Cake {
        /// Eggs.
        eggs: u32,
        /// Grams of old bread in the dough; the name is also that of a kind.
        bread: u32,
    },
    /// Nothing is baked.
    Nothing {},
}

/// Bread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Bread {
    /// Grams of flour.
    flour: u32,
    /// Hours of rest.
    rest: f64,
    /// How it rises.
    rise: Rise,
}

/// How a dough rises.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Rise {
    /// With yeast.
    Yeast {
        /// Grams.
        grams: f64,
    },
    /// With sourdough.
    Sourdough {
        /// Days.
        days: u32,
    },
}

/// A changed recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Variant {
    /// The recipe that is changed.
    of: String,
    /// Dotted keys and their values.
    set: BTreeMap<String, serde_json::Value>,
    /// The recipe that results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    resolved: Option<Dough>,
}

/// A shop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Shop {
    /// When it opens.
    #[schemars(regex(pattern = r"^[0-9]{2}:[0-9]{2}$"))]
    opens: String,
}

const DEFAULTS: &str = r#"
profile = ""
variant = {}
shop = {}

[oven]
degrees = 220
trays = 2
hours = [4, 12]
heat = "gas"

[bake.nothing.nothing]

[default.dough]
preset = "plain"
[default.dough.bread]
rise.yeast = {}
[default.dough.cake]
bread = 0
[default.rise.yeast]
grams = 7.5

[preset.plain.bread]
rest = 1.5
[preset.slow.bread]
rest = 24
rise.sourdough = { days = 3 }
"#;

/// A file without faults.
const FILE: &str = r#"version = 1
name = "monday"

[bake.loaf.bread]
flour = 500

[bake.feast.cake]
eggs = 4

[variant.small]
of = "loaf"
set = { flour = 250 }

[shop.corner]
opens = "07:30"

[profiles.test]
"oven.trays" = 1
bake.loaf.bread.flour = 10
"#;

fn rules() -> Rules {
    Rules {
        title: "A day",
        texts: vec![TextFormat {
            pattern: "^[0-9]{2}:[0-9]{2}$".to_owned(),
            words: "a time as `HH:MM`".to_owned(),
            accepts: |text| text.len() == 5 && text.as_bytes()[2] == b':',
            remedy: |text| (text.len() == 4).then(|| format!("did you mean `0{text}`?")),
        }],
        version: Some(VersionRule {
            field: "version",
            number: 1,
            program: "bakery",
        }),
        required: vec![RequiredField {
            field: "name",
            stand_in: Value::Text("unnamed".to_owned()),
            hint: "write `name = \"...\"`",
        }],
        profiles: Some(ProfileRule {
            chosen: "profile",
            all: "profiles",
            fault_of_name: |name| {
                name.contains(' ').then(|| NameFault {
                    words: "contains a space".to_owned(),
                    expected: "letters".to_owned(),
                    hint: "for example `test`".to_owned(),
                })
            },
        }),
        variants: Some(VariantRule {
            section: "variant",
            base: "bake",
            of: "of",
            set: "set",
            resolved: "resolved",
        }),
        labels: Some(LabelRule {
            key: "label",
            collected: "labels",
            sections: &["bake", "shop"],
            doc: "the name on the price tag.",
        }),
        kind_hint: |kinds, written| {
            (kinds == "rise" && written == "soda").then(|| "soda is not in stock".to_owned())
        },
        empty_file_hint: "write `version = 1`",
    }
}

fn format() -> Format {
    Format::of::<Day>("defaults.toml", DEFAULTS, rules())
        .unwrap_or_else(|faults| panic!("{faults}"))
}

fn read(text: &str, flags: &[&str]) -> Reading {
    let flags: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
    format()
        .read("day.toml", text, &flags)
        .unwrap_or_else(|faults| panic!("{faults}"))
}

fn day(text: &str, flags: &[&str]) -> Day {
    let mut reading = read(text, flags);
    let day = reading.value().unwrap_or_else(|faults| panic!("{faults}"));
    reading.finish().unwrap_or_else(|faults| panic!("{faults}"));
    day
}

/// Each fault as `place: message | expected | hint`.
fn faults(text: &str, flags: &[&str]) -> Vec<String> {
    let flags: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
    let result = format().read("day.toml", text, &flags);
    let faults = match result.and_then(Reading::finish) {
        Ok(_) => return Vec::new(),
        Err(faults) => faults,
    };
    let line = |fault: layered_toml::FaultLine| {
        let text = fault.to_string();
        let text = text.strip_prefix("day.toml:").unwrap_or(&text).to_owned();
        let parts = [text, fault.expected, fault.hint.unwrap_or_default()];
        let parts = parts
            .iter()
            .map(String::as_str)
            .filter(|part| !part.is_empty());
        parts.collect::<Vec<_>>().join(" | ")
    };
    faults.iter().map(line).collect()
}
