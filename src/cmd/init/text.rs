//! The text of a starter experiment.

use std::path::Path;

use toml::Value;

use super::Choice;
use super::columns::{File, Recognised, Tabular};
use allround_core::source::columns::Role;
use allround_core::source::{AtomicSource, CsvSource};

/// The experiment file: data, models, protocol, table and figure.
pub(super) fn experiment(
    name: &str,
    out: &Path,
    recognised: &Recognised,
    choice: &Choice,
) -> String {
    let out = out.display();
    let paths: Vec<&str> = recognised.files.iter().map(File::path).collect();
    let mut text = format!(
        "\
# A starter experiment for {paths}, written by `allround init`. docs/SPEC.md lists all settings.
# `allround check {out} --data` checks it, `allround run {out}` runs it.
spec_version = 1

# Name of the results folder: results/{name}/.
name = \"{name}\"

# Several seeds, such as [1, 2, 3], give standard deviations and intervals over seeds.
seeds = [1]

# ---- Data ----

[dataset.{name}]
{filter}

",
        paths = paths.join(" and "),
        filter = match choice.has_core {
            true =>
                "# Only users and items with at least 5 interactions.\nfilter = [{ k_core = { users = 5, items = 5 } }]",
            false =>
                "# For more data, keep only users and items with at least 5 interactions:\n# filter = [{ k_core = { users = 5, items = 5 } }]",
        },
    );
    text.push_str(&source(name, recognised));
    text.push_str(MODELS);
    // An LLM cannot rank all items.
    if recognised.has_titles() && choice.negatives > 0 {
        text.push_str(ALLMREC);
    }
    text.push_str(&answers(choice.negatives));
    text
}

const MODELS: &str = "
# ---- Models ----

# A sequence model, with the settings of the A-LLMRec paper and fewer epochs.
[model.sasrec.sasrec]
train.epochs = 50

# The baseline that any model should beat.
[model.popularity.popularity]
";

const ALLMREC: &str = "
# ---- A-LLMRec: remove the `#` of the following lines to add it ----

# [encoder.hashed.hashed]
#
# [llm.opt.pretrained]
# hub = \"facebook/opt-125m\"
#
# [model.allmrec.allmrec]
# backbone = \"sasrec\"
# encoder = \"hashed\"
# llm = \"opt\"
# # The hashed encoder has nothing to train.
# align.train_encoder = false
";

fn answers(negatives: u64) -> String {
    let (comment, candidates) = match negatives {
        0 => (
            "# The target is ranked among all items that the user does not have.".to_owned(),
            "candidates.full = {}".to_owned(),
        ),
        n => (
            format!("# The target is ranked among {n} other items that the user does not have."),
            format!("candidates.uniform = {{ n = {n} }}"),
        ),
    };
    format!(
        "
# ---- Protocol ----

[protocol.strict]
{comment}
{candidates}
metrics = [\"hit@1\", \"hit@5\", \"ndcg@5\", \"mrr\"]

# ---- Tables and figures ----

[table.main.comparison]
title = \"All models\"
protocol = \"strict\"

[figure.quality.bars]
title = \"NDCG@5\"
metric = \"ndcg@5\"
protocol = \"strict\"
"
    )
}

/// One setting with its value, the role of its column if it names one, and the meaning of an empty
/// value.
struct Setting<'a> {
    key: &'static str,
    value: &'a str,
    role: Option<Role>,
    without: &'static str,
}

const fn column<'a>(
    key: &'static str,
    value: &'a str,
    role: Role,
    without: &'static str,
) -> Setting<'a> {
    Setting {
        key,
        value,
        role: Some(role),
        without,
    }
}

fn source(name: &str, recognised: &Recognised) -> String {
    let (kind, settings) = match &recognised.source {
        Tabular::Csv(source) => ("csv", csv(source)),
        Tabular::Atomic(source) => ("atomic", atomic(source)),
    };
    let mut text = format!("[dataset.{name}.source.{kind}]\n");
    for setting in settings {
        if let Some(role) = setting.role.filter(|_| !setting.value.is_empty()) {
            text.push_str(&format!(
                "# The {}{}.\n",
                role.word(),
                example(recognised, role)
            ));
        } else if !setting.without.is_empty() && setting.value.is_empty() {
            text.push_str(&format!("# {}\n", setting.without));
        }
        let value = Value::String(setting.value.to_owned());
        text.push_str(&format!("{} = {value}\n", setting.key));
    }
    for file in &recognised.files {
        let unused = file.unused();
        if !unused.is_empty() {
            let unused = one_line(&unused.join(", "));
            text.push_str(&format!(
                "# Not used of {}: {unused}.\n",
                one_line(file.path())
            ));
        }
    }
    text
}

/// `, such as VALUE` for a column that was recognised.
fn example(recognised: &Recognised, role: Role) -> String {
    let found = recognised.files.iter().find_map(|file| {
        let (_, at) = file.found.iter().find(|(found, _)| *found == role)?;
        Some(file.example(*at))
    });
    match found {
        Some(value) if !value.is_empty() => {
            let start: String = value.chars().take(40).collect();
            let more = if start.len() < value.len() { "..." } else { "" };
            format!(", such as `{}{more}`", one_line(&start))
        }
        _ => String::new(),
    }
}

/// A text without characters that would end a comment or change how it is shown.
fn one_line(text: &str) -> String {
    allround_core::visible::one_line(text)
}

fn csv(source: &CsvSource) -> Vec<Setting<'_>> {
    let plain = |key, value| Setting {
        key,
        value,
        role: None,
        without: "",
    };
    let mut settings = vec![plain("interactions", &source.interactions)];
    if !source.items.is_empty() {
        settings.push(plain("items", &source.items));
    }
    if source.delimiter != "," {
        settings.push(plain("delimiter", &source.delimiter));
    }
    if !source.items_delimiter.is_empty() {
        settings.push(plain("items_delimiter", &source.items_delimiter));
    }
    settings.push(column("user", &source.user, Role::User, ""));
    settings.push(column("item", &source.item, Role::Item, ""));
    if !source.items_item.is_empty() {
        settings.push(plain("items_item", &source.items_item));
    }
    if !source.history.is_empty() {
        settings.push(column("history", &source.history, Role::History, ""));
    }
    settings.extend(values(&source.timestamp, &source.rating));
    if !source.items.is_empty() {
        settings.extend(texts(&source.title, &source.description, &source.category));
    }
    settings
}

fn atomic(source: &AtomicSource) -> Vec<Setting<'_>> {
    let plain = |key, value| Setting {
        key,
        value,
        role: None,
        without: "",
    };
    let mut settings = vec![plain("inter", &source.inter)];
    if !source.item.is_empty() {
        settings.push(plain("item", &source.item));
    }
    settings.push(column("user", &source.user, Role::User, ""));
    settings.push(column("item_id", &source.item_id, Role::Item, ""));
    settings.extend(values(&source.timestamp, &source.rating));
    if !source.item.is_empty() {
        settings.extend(texts(&source.title, &source.description, &source.category));
    }
    settings
}

fn values<'a>(timestamp: &'a str, rating: &'a str) -> [Setting<'a>; 2] {
    [
        column(
            "timestamp",
            timestamp,
            Role::Time,
            "No column of times: interactions are in the order of the file.",
        ),
        column("rating", rating, Role::Rating, "No column of ratings."),
    ]
}

fn texts<'a>(title: &'a str, description: &'a str, category: &'a str) -> [Setting<'a>; 3] {
    [
        column("title", title, Role::Title, "No column of titles."),
        column(
            "description",
            description,
            Role::Description,
            "No column of descriptions.",
        ),
        column(
            "category",
            category,
            Role::Category,
            "No column of categories.",
        ),
    ]
}
