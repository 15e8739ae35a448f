//! The reference of the experiment file and its JSON schema, both generated.

use allround_core::models::{Group, KINDS};
use layered_toml::markdown::{anchor, wrapped};

use super::format::FORMAT;

/// The schema as text, the content of `docs/spec.schema.json`.
pub fn schema_json() -> String {
    format!("{:#}\n", FORMAT.json_schema())
}

/// A line of the index: a task, and the headings with the settings for it.
struct Task {
    /// Group of tasks.
    group: &'static str,
    /// The task, as a continuation of "To".
    task: &'static str,
    /// Headings of the reference, without backticks.
    headings: &'static [&'static str],
}

const fn task(group: &'static str, task: &'static str, headings: &'static [&'static str]) -> Task {
    Task {
        group,
        task,
        headings,
    }
}

/// Placeholder for the headings of all CF models that are trained.
const TRAINED: &str = "trained CF models";
/// Placeholder for the headings of all models that count interactions.
const COUNTING: &str = "counting models";
/// Placeholder for the headings of all models that compare texts or combine other models.
const UNTRAINED: &str = "untrained models";
/// Placeholder for the headings of all LLM methods.
const LLM_METHODS: &str = "LLM methods";

/// The index by task. A test checks that every heading exists.
const TASKS: &[Task] = &[
    task("Data", "read my own interactions from CSV", &["source.csv"]),
    task(
        "Data",
        "read JSON files (Yelp, Goodreads, Steam, others)",
        &["source.json"],
    ),
    task(
        "Data",
        "read Amazon reviews, MovieLens or RecBole files",
        &["source.amazon", "source.movielens", "source.atomic"],
    ),
    task(
        "Data",
        "read sequences that another program has prepared",
        &["source.sequences"],
    ),
    task(
        "Data",
        "generate data, without a file",
        &["source.synthetic"],
    ),
    task("Data", "drop users, items or ratings", &["filter"]),
    task(
        "Data",
        "choose training, validation and test interactions",
        &["split"],
    ),
    task(
        "Data",
        "display another name for a data set",
        &["[dataset.NAME]"],
    ),
    task("Models", "train a CF model", &[TRAINED]),
    task("Models", "add a baseline without training", &[COUNTING]),
    task(
        "Models",
        "rank by texts, or combine models, without training",
        &[UNTRAINED],
    ),
    task(
        "Models",
        "set epochs, batch size, learning rate",
        &["train", "optimizer"],
    ),
    task("Models", "stop training early", &["stop"]),
    task("Models", "choose a loss", &["loss"]),
    task(
        "Models",
        "use trained weights or the scores of another program",
        &["[model.NAME.sasrec]", "[model.NAME.scores]"],
    ),
    task(
        "Models",
        "change some settings of a model (ablation)",
        &["[variant.NAME]"],
    ),
    task(
        "Models",
        "search for the best settings of a model",
        &["[search.NAME]"],
    ),
    task(
        "Language models",
        "train A-LLMRec",
        &["[model.NAME.allmrec]", "align", "project"],
    ),
    task(
        "Language models",
        "compare with other LLM methods",
        &[LLM_METHODS],
    ),
    task(
        "Language models",
        "choose a language model",
        &["[llm.NAME]"],
    ),
    task(
        "Language models",
        "choose a text encoder",
        &["[encoder.NAME]"],
    ),
    task("Language models", "change the prompt", &["[prompt.NAME]"]),
    task(
        "Language models",
        "rank by likelihood or by generated titles",
        &["inference"],
    ),
    task(
        "Evaluation",
        "choose metrics and candidates",
        &["[protocol.NAME]", "candidates"],
    ),
    task(
        "Evaluation",
        "evaluate cold items, few users or another domain",
        &["[scenario.NAME]"],
    ),
    task(
        "Evaluation",
        "compare with published values",
        &["[[expected]]", "[published.NAME]"],
    ),
    task("Runs", "choose which combinations run", &["[matrix]"]),
    task("Runs", "set device, threads and retries", &["[run]"]),
    task("Runs", "try a file on fewer users", &["[run]"]),
    task(
        "Runs",
        "keep two sets of values in one file",
        &["The file as a whole"],
    ),
    task("Results", "draw a figure", &["[figure.NAME]"]),
    task("Results", "write a table", &["[table.NAME]"]),
    task(
        "Results",
        "choose what the report shows first",
        &["[report]"],
    ),
];

/// The headings of a task, with placeholders replaced.
fn headings(task: &Task) -> Vec<String> {
    let of_group = |group: Group| {
        let kinds = KINDS.iter().filter(move |kind| kind.group == group);
        kinds
            .map(|kind| format!("[model.NAME.{}]", kind.name))
            .collect()
    };
    let one = |heading: &&str| match *heading {
        TRAINED => of_group(Group::Trained),
        COUNTING => of_group(Group::Counting),
        UNTRAINED => of_group(Group::Untrained),
        LLM_METHODS => of_group(Group::LlmMethod),
        heading => vec![heading.to_owned()],
    };
    task.headings.iter().flat_map(one).collect()
}

/// The reference as Markdown, the content of `docs/SPEC.md` after its title.
pub fn format_markdown() -> String {
    format!("{}{}", index(), FORMAT.markdown())
}

fn index() -> String {
    let intro = "A value comes from the first of these that has it: `--set` flags, a variant, the \
                 profile, the file, a preset, the default. `allround check FILE` finds every \
                 fault of a file.";
    let mut text = wrapped(intro);
    text.push_str("\n\n## Index by task\n\n| To ... | see |\n| --- | --- |\n");
    let mut group = "";
    for task in TASKS {
        if task.group != group {
            group = task.group;
            text.push_str(&format!("| **{group}** | |\n"));
        }
        let links: Vec<String> = headings(task)
            .iter()
            .map(|heading| format!("[`{heading}`](#{})", anchor(heading)))
            .collect();
        text.push_str(&format!("| {} | {} |\n", task.task, links.join(", ")));
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_heading_of_the_index_exists() {
        let page = FORMAT.markdown();
        let anchors: Vec<String> = page
            .lines()
            .filter_map(|line| line.strip_prefix("## ").or(line.strip_prefix("### ")))
            .map(anchor)
            .collect();
        for task in TASKS {
            for heading in headings(task) {
                assert!(anchors.contains(&anchor(&heading)), "{heading}");
            }
        }
    }

    #[test]
    fn every_link_of_the_reference_leads_to_a_heading() {
        let page = format_markdown();
        let anchors: Vec<String> = page
            .lines()
            .filter(|line| line.starts_with('#'))
            .map(|line| anchor(line.trim_start_matches('#')))
            .collect();
        for link in page.split("](#").skip(1) {
            let link = link.split(')').next().unwrap_or_default();
            assert!(anchors.iter().any(|anchor| anchor == link), "{link}");
        }
    }
}
