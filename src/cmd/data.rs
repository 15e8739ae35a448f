//! `allround data`: counts, preparation outside a run, generated files, public files.

use std::path::Path;
use std::process::Command;

use comfy_table::{Table, presets};

use super::{Exit, advise, bytes, print};
use crate::cli::{Data, Public, SpecArgs};
use crate::data::source::make;
use crate::data::{self, Prepare, Prepared, scenario, stats};
use crate::fs;
use crate::observe::say;
use crate::spec::config::Scenario;
use crate::spec::config::dataset::{MOST_GENERATED, SyntheticSource};
use crate::spec::{self, Checked};

/// Does what `data` is asked for.
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
        } => make_files((*users, *items, *mean_length, *seed), out),
        Data::Fetch { name, out } => fetch(*name, out),
    }
}

/// A data set as it is, or as a scenario that changes training has it, with the experiment's first seed.
fn load(
    checked: &Checked,
    name: &str,
    limit: u64,
    scenario: Option<&Scenario>,
) -> anyhow::Result<Prepared> {
    let datasets = &checked.spec.dataset;
    let target = match scenario {
        Some(Scenario::CrossDomain { target, .. }) => datasets.get(target).cloned(),
        _ => None,
    };
    let settings = Prepare {
        dataset: datasets[name].clone(),
        scenario: scenario.cloned(),
        target,
        seed: scenario.and_then(|_| checked.spec.seeds.first().copied()),
        limit: (limit > 0).then_some(limit),
    };
    let context = || format!("data set `{name}`");
    anyhow::Context::with_context(
        data::prepare(&settings, &checked.base, &mut |_| {}),
        context,
    )
}

fn print_counts(arguments: &SpecArgs) -> anyhow::Result<Exit> {
    let checked = spec::load(&arguments.path, &arguments.overrides())?;
    for name in checked.spec.dataset.keys() {
        let prepared = load(&checked, name, checked.spec.run.limit, None)?;
        let counts = stats::counts(&prepared);
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        let share = |share: Option<f64>| {
            share.map_or_else(String::new, |share| format!("{:.1} %", 100.0 * share))
        };
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
        for (scenario_name, config) in &checked.spec.scenario {
            if config.is_slice() {
                let users = scenario::slice(&prepared, config);
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
            let prepared = load(&checked, name, checked.spec.run.limit, Some(config))?;
            let counted = |users: &[bool]| users.iter().filter(|&&is| is).count().to_string();
            let trained = counted(&prepared.trained);
            table.add_row([format!("users trained on in `{scenario_name}`"), trained]);
            let measured = stats::counts(&prepared).measured_users.to_string();
            table.add_row([format!("users measured in `{scenario_name}`"), measured]);
        }
        print(&format!("{name}\n{}\n\n", table.trim_fmt()))?;
    }
    Ok(Exit::Well)
}

fn write_prepared(arguments: &SpecArgs, name: Option<&str>, out: &Path) -> anyhow::Result<Exit> {
    let checked = spec::load(&arguments.path, &arguments.overrides())?;
    let names: Vec<&str> = checked.spec.dataset.keys().map(String::as_str).collect();
    let known = format!("the file declares `{}`", names.join("`, `"));
    let name = match (name, &names[..]) {
        (Some(name), _) if names.contains(&name) => name,
        (Some(name), _) => return Err(advise(format!("no data set `{name}`"), known)),
        (None, [only]) => only,
        (None, _) => {
            return Err(advise(
                "which data set?",
                format!("add `--dataset NAME`; {known}"),
            ));
        }
    };
    let prepared = load(&checked, name, checked.spec.run.limit, None)?;
    fs::create_dir_all(out)?;
    prepared.save(out)?;
    let counts = stats::counts(&prepared);
    say(&format!(
        "{name}: {} users, {} items, {} interactions in {}",
        counts.users,
        counts.items,
        counts.interactions,
        out.display()
    ));
    Ok(Exit::Well)
}

fn make_files(
    (users, items, mean_length, seed): (u64, u64, f64, u64),
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
            format!("`{}` is there already", there.display()),
            "name another folder with `--out DIR`, or remove the file",
        ));
    }
    let reviews = make::write(&settings, out)?;
    let size = |name: &str| fs::stamp(&out.join(name)).map(|stamp| bytes(stamp.size));
    for (name, what) in make::FILES
        .iter()
        .zip([format!("{reviews} reviews"), format!("{items} items")])
    {
        say(&format!(
            "{}: {what}, {}",
            out.join(name).display(),
            size(name)?
        ));
    }
    Ok(Exit::Well)
}

/// Where a public data set lies and how a spec names it.
struct Place {
    urls: &'static [&'static str],
    licence: &'static str,
    source: &'static str,
}

fn place(name: Public) -> Place {
    match name {
        Public::Movielens100k => Place {
            urls: &["https://files.grouplens.org/datasets/movielens/ml-100k.zip"],
            licence: "research use; cite Harper and Konstan 2015; not to be redistributed",
            source: "unzip it; source.movielens = { folder = \"ml-100k\" }",
        },
        Public::Movielens1m => Place {
            urls: &["https://files.grouplens.org/datasets/movielens/ml-1m.zip"],
            licence: "research use; cite Harper and Konstan 2015",
            source: "unzip it; source.movielens = { folder = \"ml-1m\" }",
        },
        Public::AmazonLuxuryBeauty => Place {
            urls: &[
                "https://mcauleylab.ucsd.edu/public_datasets/data/amazon_v2/categoryFilesSmall/Luxury_Beauty_5.json.gz",
                "https://mcauleylab.ucsd.edu/public_datasets/data/amazon_v2/metaFiles2/meta_Luxury_Beauty.json.gz",
            ],
            licence: "research use; cite Ni et al. 2019",
            source: "source.amazon = { reviews = \"Luxury_Beauty_5.json.gz\", metadata = \"meta_Luxury_Beauty.json.gz\" }",
        },
        Public::AmazonVideoGames => Place {
            urls: &[
                "https://mcauleylab.ucsd.edu/public_datasets/data/amazon_v2/categoryFiles/Video_Games.json.gz",
                "https://mcauleylab.ucsd.edu/public_datasets/data/amazon_v2/metaFiles2/meta_Video_Games.json.gz",
            ],
            licence: "research use; cite Ni et al. 2019",
            source: "source.amazon = { reviews = \"Video_Games.json.gz\", metadata = \"meta_Video_Games.json.gz\" }",
        },
    }
}

/// Downloads with `curl`, so that the user's proxies and certificates count.
fn fetch(name: Public, out: &Path) -> anyhow::Result<Exit> {
    let place = place(name);
    fs::create_dir_all(out)?;
    for url in place.urls {
        let file = out.join(url.rsplit('/').next().unwrap_or(url));
        say(&format!("fetching {url}"));
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
                format!("{url} could not be fetched"),
                format!("put that file at {} by other means", file.display()),
            ));
        }
        fs::rename(&part, &file)?;
    }
    say(&format!("licence: {}", place.licence));
    print(&format!("{}\n", place.source))?;
    Ok(Exit::Well)
}
