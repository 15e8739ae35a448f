//! `allround data`: statistics, preparation outside a run, generated files, public data sets.

use std::path::Path;
use std::process::Command;

use comfy_table::{Table, presets};

use super::{Exit, advise, bytes, print};
use crate::cli::{Data, Public, SpecArgs};
use crate::experiment::{self, Checked};
use crate::observe::print_message;
use crate::results;
use allround_core::config::Scenario;
use allround_core::data::{self, Part, Prepare, Prepared, scenario, stats};
use allround_core::event::Event;
use allround_core::fs;
use allround_core::source::make;
use allround_core::source::synthetic::{MOST_GENERATED, SyntheticSource};

/// Runs a subcommand of `data`.
pub(crate) fn run(arguments: &Data) -> anyhow::Result<Exit> {
    match arguments {
        Data::Stats(spec) => print_counts(spec),
        Data::Prepare { spec, dataset, out } => write_prepared(spec, dataset.as_deref(), out),
        Data::Make {
            users,
            items,
            mean_length,
            seed,
            out,
        } => make_files(*users, *items, *mean_length, *seed, out),
        Data::Fetch { name, out } => fetch(*name, out.as_deref()),
    }
}

/// Loads a data set, or its form under a scenario that changes training, with the first seed.
fn load(
    checked: &Checked,
    name: &str,
    limit: u64,
    scenario: Option<&Scenario>,
    observe: &mut dyn FnMut(Event),
) -> anyhow::Result<Prepared> {
    let datasets = &checked.spec.dataset;
    let target = scenario.and_then(Scenario::target);
    let target = target.and_then(|target| datasets.get(target)).cloned();
    let settings = Prepare {
        dataset: datasets[name].clone(),
        scenario: scenario.cloned(),
        target,
        seed: scenario.and_then(|_| checked.spec.seeds.first().copied()),
        limit: (limit > 0).then_some(limit),
    };
    let context = || format!("data set `{name}`");
    anyhow::Context::with_context(data::prepare(&settings, &checked.base, observe), context)
}

fn share(share: Option<f64>) -> String {
    share.map_or_else(String::new, |share| format!("{:.1} %", 100.0 * share))
}

fn print_counts(arguments: &SpecArgs) -> anyhow::Result<Exit> {
    let checked = experiment::load(&arguments.path, &arguments.changes.overrides())?;
    for name in checked.spec.dataset.keys() {
        let mut reported = Vec::new();
        let mut observe = |event| reported.push(event);
        let prepared = load(&checked, name, checked.spec.run.limit, None, &mut observe)?;
        let counts = stats::counts(&prepared);
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        let lengths = format!(
            "{} to {}, median {}, mean {:.2}",
            counts.shortest,
            counts.longest,
            counts.median_length,
            counts.mean_length.unwrap_or_default()
        );
        table.add_row(["users", &counts.users.to_string()]);
        table.add_row(["items", &counts.items.to_string()]);
        table.add_row(["interactions", &counts.interactions.to_string()]);
        table.add_row(["interactions of a user", &lengths]);
        table.add_row([
            "users with a test target",
            &counts.measured_users.to_string(),
        ]);
        table.add_row(["items with a title", &share(counts.with_title)]);
        table.add_row(["items with a description", &share(counts.with_description)]);
        let known = notes(&prepared);
        for [what, value] in reported.iter().filter_map(reported_row) {
            if !known.contains(&value) {
                table.add_row([what, value]);
            }
        }
        table.add_row([
            "measured users without history",
            &counts.without_history.to_string(),
        ]);
        add_records(&mut table, &prepared);
        for (scenario_name, config) in &checked.spec.scenario {
            if config.is_slice() {
                let users = scenario::slice(&prepared, config, Part::Test);
                let users = users.into_iter().filter(|&is| is).count();
                let what = format!("users in slice `{scenario_name}`");
                table.add_row([what, users.to_string()]);
                continue;
            }
            let selected = checked.spec.selected();
            let runs = selected
                .iter()
                .any(|cell| cell.dataset == *name && cell.scenario == *scenario_name);
            if !runs {
                continue;
            }
            let prepared = load(
                &checked,
                name,
                checked.spec.run.limit,
                Some(config),
                &mut |_| {},
            )?;
            let counted = |users: &[bool]| users.iter().filter(|&&is| is).count().to_string();
            let trained = counted(&prepared.trained);
            table.add_row([format!("users trained on in `{scenario_name}`"), trained]);
            let measured = stats::counts(&prepared).measured_users.to_string();
            table.add_row([format!("users measured in `{scenario_name}`"), measured]);
        }
        let notes: String = known.iter().map(|note| format!("note: {note}\n")).collect();
        print(&format!("{name}\n{}\n{notes}\n", table.trim_fmt()))?;
    }
    Ok(Exit::Success)
}

/// The row for an event, if it has one.
fn reported_row(event: &Event) -> Option<[String; 2]> {
    match event {
        Event::Counted(counted) if counted.count > 0 => {
            Some([counted.what.clone(), counted.count.to_string()])
        }
        Event::Note { text } => Some(["note".to_owned(), text.clone()]),
        _ => None,
    }
}

/// Rows on how item records match the items, if the source has records.
fn add_records(table: &mut Table, prepared: &Prepared) {
    let Some(counts) = prepared.facts.record_counts() else {
        return;
    };
    let rows = [
        ("items without a record", counts.items_without),
        ("records without an item", counts.without_item),
        ("records of an item that has one already", counts.repeated),
        ("records that contradict an earlier one", counts.conflicting),
    ];
    for (what, count) in rows {
        table.add_row([what, &count.to_string()]);
    }
}

/// Notes on a data set, one sentence each.
pub(super) fn notes(prepared: &Prepared) -> Vec<String> {
    let mut notes = prepared.facts.notes();
    let counts = stats::counts(prepared);
    if counts.without_history > 0 {
        notes.push(results::without_history(
            counts.without_history,
            counts.measured_users,
        ));
    }
    let nobody = prepared.facts.nobody.as_ref();
    notes.extend(nobody.map(|why| format!("no user is measured: {why}")));
    notes
}

fn write_prepared(arguments: &SpecArgs, name: Option<&str>, out: &Path) -> anyhow::Result<Exit> {
    let checked = experiment::load(&arguments.path, &arguments.changes.overrides())?;
    let names: Vec<&str> = checked.spec.dataset.keys().map(String::as_str).collect();
    let known = format!("the file declares `{}`", names.join("`, `"));
    let name = match (name, &names[..]) {
        (Some(name), _) if names.contains(&name) => name,
        (Some(name), _) => return Err(advise(format!("no data set `{name}`"), known)),
        (None, [only]) => only,
        (None, _) => {
            return Err(advise(
                "the file declares several data sets",
                format!("add `--dataset NAME`; {known}"),
            ));
        }
    };
    let mut observe = |event| {
        if let Event::Note { text } = event {
            print_message(&format!("{name}: {text}"));
        }
    };
    let prepared = load(&checked, name, checked.spec.run.limit, None, &mut observe)?;
    fs::create_dir_all(out)?;
    prepared.save(out)?;
    let counts = stats::counts(&prepared);
    print_message(&format!(
        "{name}: {} users, {} items, {} interactions in {}",
        counts.users,
        counts.items,
        counts.interactions,
        out.display()
    ));
    Ok(Exit::Success)
}

fn make_files(
    users: u64,
    items: u64,
    mean_length: f64,
    seed: u64,
    out: &Path,
) -> anyhow::Result<Exit> {
    if !(3.0..=10_000.0).contains(&mean_length) {
        return Err(advise(
            format!("`--mean-length {mean_length}` is out of range"),
            "expected a number from 3 to 10000",
        ));
    }
    let settings = SyntheticSource {
        users,
        items,
        genres: 16.min(items),
        mean_length,
        taste: 0.7,
        habit: 0.5,
        popularity_skew: 0.8,
        cold_items: 0.2,
        cold_users: 0.1,
        domain: 0,
        world_seed: seed,
    };
    let expected = settings.interactions();
    if expected > MOST_GENERATED {
        return Err(advise(
            format!("{users} users would write about {expected:.0} reviews"),
            format!("expected at most {MOST_GENERATED}: lower `--users` or `--mean-length`"),
        ));
    }
    if let Some(there) = make::FILES
        .iter()
        .map(|name| out.join(name))
        .find(|path| path.exists())
    {
        return Err(advise(
            format!("`{}` exists already", there.display()),
            "name another folder with `--out DIR`, or remove the file",
        ));
    }
    let reviews = make::write(&settings, out)?;
    let size = |name: &str| fs::stamp(&out.join(name)).map(|stamp| bytes(stamp.size));
    for (name, what) in make::FILES
        .iter()
        .zip([format!("{reviews} reviews"), format!("{items} items")])
    {
        print_message(&format!(
            "{}: {what}, {}",
            out.join(name).display(),
            size(name)?
        ));
    }
    Ok(Exit::Success)
}

/// Where a public data set is published, and how a spec names it.
struct Download {
    urls: Vec<String>,
    folder: &'static str,
    licence: &'static str,
    source: String,
}

impl Download {
    fn movielens(name: &str, licence: &'static str) -> Self {
        Self {
            urls: vec![format!(
                "https://files.grouplens.org/datasets/movielens/{name}.zip"
            )],
            folder: "data/movielens",
            licence,
            source: format!("unzip it; source.movielens = {{ folder = \"{name}\" }}"),
        }
    }

    /// Amazon 2018: a file of reviews, in a folder of the collection, and the metadata of its
    /// category.
    fn amazon(folder: &str, reviews: &str, category: &str) -> Self {
        let root = "https://mcauleylab.ucsd.edu/public_datasets/data/amazon_v2";
        let metadata = format!("meta_{category}.json.gz");
        Self {
            urls: vec![
                format!("{root}/{folder}/{reviews}"),
                format!("{root}/metaFiles2/{metadata}"),
            ],
            folder: "data/amazon",
            licence: "research use; cite Ni et al. 2019",
            source: format!(
                "source.amazon = {{ reviews = \"{reviews}\", metadata = \"{metadata}\" }}"
            ),
        }
    }

    /// Amazon 2018: all reviews of a category.
    fn whole(category: &str) -> Self {
        Self::amazon("categoryFiles", &format!("{category}.json.gz"), category)
    }
}

/// The files that `experiments/paper/` reads; docs/METHODOLOGY.md gives the reasons.
fn place(name: Public) -> Download {
    match name {
        Public::Movielens100k => Download::movielens(
            "ml-100k",
            "research use; cite Harper and Konstan 2015; not to be redistributed",
        ),
        Public::Movielens1m => {
            Download::movielens("ml-1m", "research use; cite Harper and Konstan 2015")
        }
        Public::AmazonMoviesAndTv => Download::amazon(
            "categoryFilesSmall",
            "Movies_and_TV_5.json.gz",
            "Movies_and_TV",
        ),
        Public::AmazonVideoGames => Download::whole("Video_Games"),
        Public::AmazonLuxuryBeauty => Download::whole("Luxury_Beauty"),
        Public::AmazonToysAndGames => Download::whole("Toys_and_Games"),
    }
}

/// Downloads with `curl`, which uses the proxies and certificates of the user.
fn fetch(name: Public, out: Option<&Path>) -> anyhow::Result<Exit> {
    let place = place(name);
    let out = out.unwrap_or_else(|| Path::new(place.folder));
    fs::create_dir_all(out)?;
    for url in &place.urls {
        let file = out.join(url.rsplit('/').next().unwrap_or(url));
        print_message(&format!("fetching {url}"));
        let part = file.with_extension("part");
        let status = Command::new("curl")
            .args([
                "--fail",
                "--location",
                "--silent",
                "--show-error",
                "--output",
            ])
            .arg(&part)
            .arg(url)
            .status();
        if !status.is_ok_and(|status| status.success()) {
            return Err(advise(
                format!("cannot download {url}"),
                format!(
                    "download it by other means and save it as {}",
                    file.display()
                ),
            ));
        }
        fs::rename(&part, &file)?;
    }
    print_message(&format!("licence: {}", place.licence));
    print(&format!("{}\n", place.source))?;
    Ok(Exit::Success)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::ValueEnum;

    use super::*;

    #[test]
    fn fetched_files_are_those_the_paper_experiments_read() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = fs::read_to_string(&root.join("experiments/paper/table1.toml")).unwrap();
        let used = text.lines().filter_map(|line| {
            let (key, path) = line.split_once(" = ")?;
            let path = path.trim_matches('"').strip_prefix("../../")?;
            ["reviews", "metadata"]
                .contains(&key)
                .then(|| path.to_owned())
        });
        let used: BTreeSet<String> = used.collect();
        assert_eq!(used.len(), 8);
        let places = Public::value_variants().iter().map(|&name| place(name));
        let amazon: Vec<Download> = places
            .filter(|place| place.folder == "data/amazon")
            .collect();
        let fetched = amazon.iter().flat_map(|place| {
            let name = |url: &String| url.rsplit('/').next().unwrap().to_owned();
            place.urls.iter().map(name)
        });
        let fetched: Vec<String> = fetched.collect();
        let paths: BTreeSet<String> = fetched
            .iter()
            .map(|name| format!("data/amazon/{name}"))
            .collect();
        assert_eq!(paths, used);
        // The printed source names the same files.
        let printed: String = amazon.into_iter().map(|place| place.source).collect();
        assert!(
            fetched
                .iter()
                .all(|name| printed.contains(&format!("\"{name}\"")))
        );
    }
}
