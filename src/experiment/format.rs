//! The format of experiment files for `layered_toml`: types, defaults, formats of strings, rules.

use std::sync::LazyLock;

use allround_core::defaults;
use allround_core::metric::{self, Metric};
use layered_toml::written::Value;
use layered_toml::{
    Format, LabelRule, NameFault, ProfileRule, RequiredField, Rules, TextFormat, VariantRule,
    VersionRule, suggest,
};

use super::config::{outputs, search};
use super::{Spec, check, folder};

/// Defaults and presets of every section, as commented TOML.
pub static DEFAULTS: LazyLock<String> = LazyLock::new(|| {
    let parts = [&defaults::DEFAULTS, outputs::DEFAULTS, search::DEFAULTS];
    parts.join("\n")
});

/// Name of the defaults in messages.
const NAME: &str = "defaults.toml";

/// The format of experiment files.
pub(super) static FORMAT: LazyLock<Format> = LazyLock::new(|| {
    Format::of::<Spec>(NAME, &DEFAULTS, rules())
        .unwrap_or_else(|faults| unreachable!("the tests check the defaults: {faults}"))
});

/// Sections whose tables may have a label.
pub(super) const LABELLED: &[&str] = &["dataset", "model", "scenario", "search", "variant"];

fn rules() -> Rules {
    Rules {
        title: "An allround experiment",
        texts: vec![metric_name(), device()],
        version: Some(VersionRule {
            field: "spec_version",
            number: 1,
            program: "allround",
        }),
        required: vec![
            RequiredField {
                field: "spec_version",
                stand_in: Value::Integer(1),
                hint: "write `spec_version = 1` as the first line",
            },
            RequiredField {
                field: "name",
                stand_in: Value::Text("unnamed".to_owned()),
                hint: "write `name = \"...\"`: it names the results folder",
            },
        ],
        profiles: Some(ProfileRule {
            chosen: "profile",
            all: "profiles",
            fault_of_name,
        }),
        variants: Some(VariantRule {
            section: "variant",
            base: "model",
            of: "of",
            set: "set",
            resolved: "resolved",
        }),
        labels: Some(LabelRule {
            key: "label",
            collected: "labels",
            sections: LABELLED,
            doc: "the name that tables and figures display, such as `A-LLMRec (SBERT)`. \
                  Without it they display NAME. A label changes no result.",
        }),
        kind_hint,
        empty_file_hint: "a spec begins with `spec_version = 1` and `name = \"...\"`; \
                          experiments/quickstart.toml is a complete example",
    }
}

fn metric_name() -> TextFormat {
    TextFormat {
        pattern: metric::pattern(),
        words: metric::words(),
        accepts: |text| text.parse::<Metric>().is_ok(),
        remedy: nearest_metric,
    }
}

fn device() -> TextFormat {
    TextFormat {
        pattern: "^(cpu|cuda:[0-9]+)$".to_owned(),
        words: "`cpu` or `cuda:N`".to_owned(),
        accepts: |text| match text.strip_prefix("cuda:") {
            Some(index) => !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit()),
            None => text == "cpu",
        },
        remedy: |_| None,
    }
}

/// `hr@10`, `NDCG@10`, `hit@ 3`, `recall` and similar.
fn nearest_metric(text: &str) -> Option<String> {
    let (family, k) = match text.split_once('@') {
        Some((family, k)) => (family, format!("@{}", k.trim())),
        None => (text, "@10".to_owned()),
    };
    let family = family.trim().to_lowercase();
    let family = metric::family_of_alias(&family)
        .or_else(|| suggest::nearest(&family, metric::families()))?;
    let has_cut_off = format!("{family}@1").parse::<Metric>().is_ok();
    let meant = if has_cut_off {
        format!("{family}{k}")
    } else {
        family.to_owned()
    };
    let is_metric = meant.parse::<Metric>().is_ok();
    is_metric.then(|| format!("did you mean `{meant}`?"))
}

/// A profile's name becomes part of the name of a folder.
fn fault_of_name(name: &str) -> Option<NameFault> {
    let words = match check::fault_of_name(name) {
        Some(fault) => fault,
        None if folder::is_reserved(name) => {
            "is reserved: folders of runs with other flags end in it"
        }
        None => return None,
    };
    Some(NameFault {
        words: words.to_owned(),
        expected: "letters, digits, `-` and `_`: results go to the folder NAME-PROFILE".to_owned(),
        hint: "for example `offline`".to_owned(),
    })
}

/// How to write a source that users may know by another name.
fn kind_hint(kinds: &str, written: &str) -> Option<String> {
    if kinds != "source" {
        return None;
    }
    let form = suggest::fold(written);
    let hint = match form.as_str() {
        "yelp" | "goodreads" | "steam" => {
            return Some(format!(
                "write `source.json = {{ form = \"{form}\", interactions = \"...\", items = \"...\" }}`"
            ));
        }
        "jsonl" | "ndjson" | "json_lines" | "json_list" | "python" => {
            "write `source.json = { interactions = \"...\", user = \"...\", item = \"...\" }`"
        }
        "amazon_2014" | "amazon2014" | "amazon_2018" | "amazon2018" | "amazon_2023"
        | "amazon2023" => {
            "write `source.amazon = { reviews = \"...\", metadata = \"...\" }`; the form is detected from the files"
        }
        "ml_100k" | "ml_1m" | "ml_10m" | "ml_20m" | "ml_latest" => {
            "write `source.movielens = { folder = \"...\" }`; the form is detected from the files"
        }
        "recbole" | "unisrec" => "write `source.atomic = { inter = \"...\" }`",
        "parquet" | "arrow" | "feather" | "pickle" | "excel" | "hdf5" => {
            "convert the file to CSV, for example with pandas (`to_csv(..., index=False)`), and write `source.csv`"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}
