//! `allround init`: a starter experiment file for a data file.

mod columns;
mod text;

use std::path::{Component, Path, PathBuf};

use super::{Exit, advise, print};
use crate::cli::Init;
use crate::observe::print_message;
use allround_core::config::dataset::{Dataset, Filter, Split};
use allround_core::data::{self, Prepare, stats};
use allround_core::fs;
use allround_core::source::Source;
use columns::Recognised;

/// Data files up to this size are read as a whole, to choose filter and candidates.
const READ_UP_TO: u64 = 256 << 20;

/// Negatives per target, unless there are fewer items.
const NEGATIVES: u64 = 19;

/// Writes the file.
pub(crate) fn run(arguments: &Init) -> anyhow::Result<Exit> {
    let name = name_of(&arguments.data);
    let default = || PathBuf::from(format!("{name}.toml"));
    let out = arguments.out.clone().unwrap_or_else(default);
    if out.exists() && !arguments.force {
        return Err(advise(
            format!("`{}` exists already", out.display()),
            "write to another file with `--out FILE`, or replace it with `--force`",
        ));
    }
    let recognised = columns::recognise(arguments, |path| path_from(&out, path))?;
    let choice = choose(&recognised, &out)?;
    let text = text::experiment(&name, &out, &recognised, &choice);
    fs::write_atomic(&out, text.as_bytes())?;
    for line in recognised.lines() {
        print_message(&line);
    }
    if let Some(note) = &choice.note {
        print_message(&format!("note: {note}"));
    }
    print(&format!("{}\n", out.display()))?;
    let out = out.display();
    print_message(&format!(
        "next: `allround check {out} --data`, then `allround run {out}`"
    ));
    Ok(Exit::Success)
}

/// What depends on the size of the data set.
struct Choice {
    /// Whether the 5-core filter leaves users to measure.
    has_core: bool,
    /// Negatives to draw per target; 0 ranks all items.
    negatives: u64,
    /// What the user should know.
    note: Option<String>,
}

/// Reads the data set, unless it is large, and chooses the filter and the candidates.
fn choose(recognised: &Recognised, out: &Path) -> anyhow::Result<Choice> {
    let base = out.parent().unwrap_or(Path::new(""));
    if fs::stamp(&base.join(recognised.interactions()))?.size > READ_UP_TO {
        let note = "the file is large and was not read as a whole: check the filter with `allround data stats`";
        return Ok(Choice {
            has_core: true,
            negatives: NEGATIVES,
            note: Some(note.to_owned()),
        });
    }
    let core = Filter::KCore { users: 5, items: 5 };
    // Without enough data, the filter is an error.
    if let Ok(counts) = counts(recognised.source.source(), vec![core], base)
        && counts.measured_users > 0
    {
        return Ok(Choice {
            has_core: true,
            negatives: negatives(&counts),
            note: None,
        });
    }
    let counts = counts(recognised.source.source(), Vec::new(), base)?;
    let note = match counts.measured_users {
        0 => "no user has three interactions, so no user can be measured",
        _ => "the data set is too small for the 5-core filter, which is commented out",
    };
    Ok(Choice {
        has_core: false,
        negatives: negatives(&counts),
        note: Some(note.to_owned()),
    })
}

/// Every user needs as many items outside the history.
fn negatives(counts: &stats::Counts) -> u64 {
    counts.items.saturating_sub(counts.longest).min(NEGATIVES)
}

fn counts(source: Source, filter: Vec<Filter>, base: &Path) -> anyhow::Result<stats::Counts> {
    let settings = Prepare {
        dataset: Dataset {
            source,
            filter,
            split: Split::LeaveOneOut {},
        },
        scenario: None,
        target: None,
        seed: None,
        limit: None,
    };
    Ok(stats::counts(&data::prepare(&settings, base, &mut |_| {})?))
}

/// A name for the experiment and the data set: the file name up to its first dot, in lower case.
fn name_of(data: &Path) -> String {
    let file = data.file_name().unwrap_or_default().to_string_lossy();
    let stem = file.split('.').next().unwrap_or_default();
    let letter = |letter: char| match letter {
        'a'..='z' | '0'..='9' | '_' => letter,
        'A'..='Z' => letter.to_ascii_lowercase(),
        _ => '-',
    };
    let name: String = stem.chars().map(letter).collect();
    match name.trim_matches('-') {
        "" => "data".to_owned(),
        name => name.to_owned(),
    }
}

/// `path` relative to the folder of the file `out`; absolute if it was given so.
fn path_from(out: &Path, path: &Path) -> anyhow::Result<String> {
    if path.is_absolute() {
        return Ok(path.display().to_string());
    }
    let base = crate::run::absolute(out.parent().unwrap_or(Path::new("")).join(".").as_path())?;
    let path = crate::run::absolute(path)?;
    let shared = base
        .components()
        .zip(path.components())
        .take_while(|(one, other)| one == other)
        .count();
    let up = base.components().skip(shared).map(|_| Component::ParentDir);
    let relative: PathBuf = up.chain(path.components().skip(shared)).collect();
    Ok(relative.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_what_a_table_name_may_hold() {
        for (path, name) in [
            ("data/Plays 2024.csv", "plays-2024"),
            ("ml-100k.inter", "ml-100k"),
            ("x/reviews.csv.gz", "reviews"),
            ("Ü.csv", "data"),
        ] {
            assert_eq!(name_of(Path::new(path)), name);
        }
    }

    #[test]
    fn paths_start_at_the_folder_of_the_experiment() {
        let path = |out: &str, path: &str| path_from(Path::new(out), Path::new(path)).unwrap();
        assert_eq!(path("a.toml", "plays.csv"), "plays.csv");
        assert_eq!(
            path("experiments/a.toml", "data/plays.csv"),
            "../data/plays.csv"
        );
        assert_eq!(path("data/a.toml", "data/plays.csv"), "plays.csv");
        assert_eq!(path("data/a.toml", "/x/plays.csv"), "/x/plays.csv");
    }
}
