//! Modules import only earlier modules, in the order in which each package's `lib.rs` lists them.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

use std::path::{Path, PathBuf};

/// An import of a later module.
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    file: PathBuf,
    line: usize,
    module: String,
    uses: String,
}

/// The names of modules in the order of their `mod NAME;` lines.
fn modules(list: &str) -> Vec<String> {
    let name = |line: &str| {
        let line = line.strip_prefix("pub ").unwrap_or(line);
        line.strip_prefix("mod ")?
            .strip_suffix(';')
            .map(str::to_owned)
    };
    list.lines().filter_map(name).collect()
}

/// The lines of `source` with their numbers, without comments. An import over several lines is
/// joined.
fn joined(source: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (at, line) in source.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default().trim();
        let begins =
            code.starts_with("use ") || code.starts_with("pub use ") || code.starts_with("pub(");
        match lines.last_mut() {
            Some((_, import)) if open => import.push_str(code),
            _ => lines.push((at, code.to_owned())),
        }
        open = (open || begins && code.contains("use ")) && !code.ends_with(';');
    }
    lines
}

/// Modules that a line of source names through `crate::`.
fn used(line: &str) -> Vec<String> {
    let code = line.split("//").next().unwrap_or_default();
    let name = |rest: &str| -> String {
        rest.chars()
            .take_while(|&c| c.is_ascii_alphanumeric() || c == '_')
            .collect()
    };
    let mut names = Vec::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            // `use crate::{a::B, c}`: the first name of each part at depth one.
            Some(group) => {
                let mut depth = 0;
                let mut start = true;
                for (at, character) in group.char_indices() {
                    match character {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        c if start && (c.is_ascii_alphanumeric() || c == '_') => {
                            names.push(name(&group[at..]));
                            start = false;
                        }
                        _ => {}
                    }
                }
            }
            None => names.push(name(rest)),
        }
    }
    names
}

/// The imports of later modules in `source`, a file of `module`.
fn faults(order: &[String], module: &str, file: &Path, source: &str) -> Vec<Fault> {
    let place = |name: &str| order.iter().position(|other| other == name);
    let Some(own) = place(module) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (at, line) in joined(source) {
        for uses in used(&line) {
            if place(&uses).is_some_and(|other| other > own) {
                found.push(Fault {
                    file: file.to_owned(),
                    line: at + 1,
                    module: module.to_owned(),
                    uses,
                });
            }
        }
    }
    found
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
}

fn check(source: &str, list: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
    let order = modules(&std::fs::read_to_string(root.join(list)).unwrap());
    assert!(order.len() > 3, "{list} lists modules");
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    let mut all = Vec::new();
    for file in files {
        let first = file
            .strip_prefix(&root)
            .unwrap()
            .components()
            .next()
            .unwrap();
        let module = first
            .as_os_str()
            .to_str()
            .unwrap()
            .trim_end_matches(".rs")
            .to_owned();
        all.extend(faults(
            &order,
            &module,
            &file,
            &std::fs::read_to_string(&file).unwrap(),
        ));
    }
    let lines = all.iter().map(|f| {
        format!(
            "{}:{}: `{}` uses `{}`, which comes later",
            f.file.display(),
            f.line,
            f.module,
            f.uses
        )
    });
    assert!(all.is_empty(), "{}", lines.collect::<Vec<_>>().join("\n"));
}

#[test]
fn modules_of_the_command_import_only_earlier_ones() {
    check("src", "lib.rs");
}

#[test]
fn modules_of_the_core_import_only_earlier_ones() {
    check("crates/core/src", "lib.rs");
}

#[test]
fn modules_of_the_toml_engine_import_only_earlier_ones() {
    check("crates/layered-toml/src", "lib.rs");
}

#[test]
fn modules_of_the_gguf_reader_import_only_earlier_ones() {
    check("crates/gguf-file/src", "lib.rs");
}

#[test]
fn modules_of_the_worker_import_only_earlier_ones() {
    check("crates/worker/src", "lib.rs");
}

#[test]
fn an_import_of_a_later_module_is_found_in_every_form() {
    let order = modules("pub mod low;\n// a comment\nmod high;\n");
    assert_eq!(order, ["low", "high"]);
    let bad = [
        "use crate::high::X;",
        "use crate::{low::Y, high};",
        "let x = crate::high::f();",
        "use crate::{low::{a, b}, high::c};",
        "use crate::{\n    low::{\n        a, // crate::high\n        b,\n    },\n    high::c,\n};",
    ];
    for line in bad {
        let found = faults(&order, "low", Path::new("low.rs"), &format!("\n{line}"));
        assert_eq!(found.len(), 1, "{line}");
        assert_eq!((found[0].line, found[0].uses.as_str()), (2, "high"));
    }
    let good = [
        "use crate::low::X;",
        "// crate::high",
        "use other::high;",
        "use crate::{low::{high}};",
    ];
    for line in good {
        assert_eq!(
            faults(&order, "low", Path::new("low.rs"), line),
            [],
            "{line}"
        );
    }
    assert_eq!(
        faults(&order, "high", Path::new("high.rs"), "use crate::low::X;"),
        []
    );
}
