//! Every output of a stand-in says that it is one: each kind in each format.

use std::path::{Path, PathBuf};

use super::{all, fixture};
use allround_core::fs;

/// LLM methods for the fixture's experiment, on language models with random weights and on a small
/// one.
const METHODS: &str = r#"
[llm.random.random]
shape = "opt-1.3b"
tokenizer = "assets/small-lm"
[llm.small.small]
[model.guess.llm_only]
llm = "random"
[model.tiny.llm_only]
llm = "small"
"#;

/// Renders the fixture without ranks, with `changes` to its resolved spec.
fn rendered(changes: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = fixture::results();
    fs::remove_dir_all(&folder.path().join("ranks")).unwrap();
    fixture::write_spec(folder.path(), METHODS);
    let path = folder.path().join("spec.toml");
    let mut spec = fs::read_to_string(&path).unwrap();
    for (old, new) in changes {
        assert!(spec.contains(old), "{old}");
        spec = spec.replacen(old, new, 1);
    }
    fs::write_atomic(&path, spec.as_bytes()).unwrap();
    for name in ["guess", "tiny"] {
        fixture::add_model(folder.path(), name);
    }
    all(folder.path()).unwrap();
    folder
}

/// A file's text; that of a figure in one line.
fn text(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    if path.extension().is_none_or(|end| end != "svg") {
        return text;
    }
    let outside = text.split('<').filter_map(|piece| piece.split_once('>'));
    let words = outside.flat_map(|(_, words)| words.split_whitespace());
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn every_figure_and_table_says_in_every_format_what_all_its_numbers_stand_in_for() {
    let kinds = [
        ("limit = 0", "limit = 50", "limited to 50 users"),
        ("profile = \"\"", "profile = \"offline\"", "profile offline"),
        ("max_users = 0", "max_users = 64", "at most 64 users"),
    ];
    let changes: Vec<(&str, &str)> = kinds.iter().map(|(old, new, _)| (*old, *new)).collect();
    let folder = rendered(&changes);
    let paths = all(folder.path()).unwrap();
    // Without ranks there are no intervals and tests.
    let says_it =
        |path: &&PathBuf| !path.ends_with("intervals.csv") && !path.ends_with("tests.csv");
    for path in paths.iter().filter(says_it) {
        let text = text(path);
        let words = kinds.iter().map(|(.., words)| *words);
        for words in words.chain(["made-up data"]) {
            assert!(text.contains(words), "{}: {words}", path.display());
        }
    }
    for file in ["tables/main.md", "tables/main.tex", "report.html"] {
        let text = text(&folder.path().join(file));
        for words in [
            "Made with the profile offline",
            "The program generated the data",
            "Protocol strict measures at most 64 users",
        ] {
            assert!(text.contains(words), "{file}: {words}");
        }
    }
}

#[test]
fn every_figure_and_table_of_models_says_which_language_models_are_stand_ins() {
    let folder = rendered(&[]);
    let file = |name: &str| text(&folder.path().join(name));
    for name in ["main", "best", "cost"] {
        for format in ["md", "tex"] {
            let text = file(&format!("tables/{name}.{format}"));
            for words in [
                "guess †",
                "tiny ‡",
                "† Its language model has random weights",
                "‡ Its language model is a stand-in",
            ] {
                assert!(text.contains(words), "{name}.{format}: {words}\n{text}");
            }
            assert!(!text.contains("sasrec †") && !text.contains("sasrec ‡"));
        }
    }
    for path in ["tables/main.csv", "tables/cost.csv", "figures/quality.csv"] {
        let text = file(path);
        for (model, words) in [("guess", "random weights"), ("tiny", "tiny language model")] {
            let mut rows = text.lines().filter(|line| line.contains(model));
            assert!(rows.clone().count() > 0, "{path}");
            assert!(rows.all(|line| line.contains(words)), "{path}: {text}");
        }
    }
    for path in ["figures/quality.svg", "figures/quality.csv", "report.html"] {
        let text = file(path);
        for words in ["guess (random weights)", "tiny (tiny language model)"] {
            assert!(text.contains(words), "{path}: {words}");
        }
    }
}

#[test]
fn figures_of_costs_and_losses_name_stand_ins_too() {
    let folder = rendered(&[]);
    for name in ["learning", "cost", "models"] {
        let svg = text(&folder.path().join(format!("figures/{name}.svg")));
        assert!(svg.contains("made-up data"), "{name}");
    }
}
