//! The number of production files that an addition changes, counted for existing members.
//! docs/CONTRIBUTING.md states these numbers.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

use std::path::{Path, PathBuf};

/// A member of a kind: identifiers that only it has, and the most files that may contain them.
struct Sample {
    what: &'static str,
    words: &'static [&'static str],
    most: usize,
}

const SAMPLES: [Sample; 14] = [
    Sample {
        what: "a CF model (NextItNet)",
        words: &["nextitnet", "Nextitnet"],
        most: 4,
    },
    Sample {
        what: "a CF model (GRU4Rec)",
        words: &["gru4rec", "Gru4rec"],
        most: 4,
    },
    Sample {
        what: "an LLM method without a separate stage (MLP-LLM)",
        words: &["mlp_llm", "MlpLlm"],
        most: 2,
    },
    Sample {
        what: "an LLM method in the stage of another one (LlamaRec)",
        words: &["llamarec", "Llamarec"],
        most: 2,
    },
    Sample {
        what: "an LLM method in the stage of another one (LLaRA)",
        words: &["llara::", "Llara"],
        most: 2,
    },
    Sample {
        what: "an LLM method in the stage of another one (E4SRec)",
        words: &["e4srec", "E4srec"],
        most: 2,
    },
    Sample {
        what: "an LLM method with a separate stage (TALLRec)",
        words: &["tallrec", "Tallrec", "TrainTune"],
        most: 6,
    },
    Sample {
        what: "an LLM method with a separate stage (LLM-SRec)",
        words: &["llm_srec", "LlmSrec", "TrainRepresent"],
        most: 6,
    },
    Sample {
        what: "a data source (MovieLens)",
        words: &["MovielensSource", "Movielens"],
        most: 3,
    },
    Sample {
        what: "a metric (precision)",
        words: &["Precision"],
        most: 1,
    },
    Sample {
        what: "a figure (scatter)",
        words: &["ScatterFigure", "Scatter"],
        most: 3,
    },
    Sample {
        what: "a table (comparison), without its line in `draw`",
        words: &["ComparisonTable"],
        most: 2,
    },
    Sample {
        what: "a setting of a CF model (kernel_size)",
        words: &["kernel_size"],
        most: 2,
    },
    Sample {
        what: "a setting of an LLM method (train_on_inputs)",
        words: &["train_on_inputs"],
        most: 2,
    },
];

/// Rust files of all packages, without those of tests.
fn production_files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("src")];
    for package in std::fs::read_dir(root.join("crates")).unwrap() {
        folders.push(package.unwrap().path().join("src"));
    }
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let is_test = [
                "tests",
                "tests.rs",
                "testing.rs",
                "behaviour.rs",
                "fixture.rs",
                "fixtures.rs",
            ]
            .contains(&name.as_str());
            if path.is_dir() && !is_test {
                folders.push(path);
            } else if name.ends_with(".rs") && !is_test {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// The code of a file: without comments, and without the module of tests at its end.
fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = code.lines().map(|line| line.split("//").next().unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

fn names(code: &str, words: &[&str]) -> bool {
    let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
    code.split(|character| !is_word(character))
        .any(|token| words.contains(&token))
}

#[test]
fn an_addition_touches_no_more_files_than_contributing_says() {
    let files: Vec<(PathBuf, String)> = production_files()
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            (path, code(&text))
        })
        .collect();
    let mut wrong = Vec::new();
    for sample in &SAMPLES {
        let found: Vec<String> = files
            .iter()
            .filter(|(_, code)| names(code, sample.words))
            .map(|(path, _)| {
                let root = Path::new(env!("CARGO_MANIFEST_DIR"));
                path.strip_prefix(root).unwrap().display().to_string()
            })
            .collect();
        assert!(!found.is_empty(), "{} is named nowhere", sample.what);
        if found.len() > sample.most {
            wrong.push(format!(
                "{}: {} files, at most {}:\n  {}",
                sample.what,
                found.len(),
                sample.most,
                found.join("\n  ")
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn contributing_states_the_numbers_that_are_counted() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/CONTRIBUTING.md");
    let text = std::fs::read_to_string(path).unwrap();
    for (section, what) in [
        ("Add a CF model", "a CF model (GRU4Rec)"),
        (
            "Add an LLM method",
            "an LLM method without a separate stage (MLP-LLM)",
        ),
        ("Add a metric", "a metric (precision)"),
        ("Add a figure", "a figure (scatter)"),
    ] {
        let sample = SAMPLES.iter().find(|sample| sample.what == what).unwrap();
        let number = ["No", "One", "Two", "Three", "Four"][sample.most];
        let (_, rest) = text.split_once(&format!("## {section}\n\n")).unwrap();
        let words = format!("{number} production file");
        assert!(rest.starts_with(&words), "{section}: {words}");
    }
}

#[test]
fn comments_and_tests_are_not_counted() {
    let text = "use a::Gru4rec; // Nextitnet\n/// nextitnet\nfn f() {}\n#[cfg(test)]\nmod tests {\n    fn nextitnet() {}\n}\n";
    assert!(!names(&code(text), &["nextitnet", "Nextitnet"]));
    assert!(names(&code(text), &["Gru4rec"]));
    assert!(!names("gru4rec_like", &["gru4rec"]));
}
