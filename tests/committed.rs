//! Committed results were made by the committed experiments and by a commit of this repository.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

use std::path::{Path, PathBuf};
use std::process::Command;

use allround::experiment::{self, Checked, Spec};
use allround::plan;
use allround::results::Machine;
use allround::store::inputs::Inputs;
use allround::store::{EVENTS, Manifest, Store};
use allround_core::fs;
use allround_core::stage::StageKind;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Folders of committed results, by their path below `results`.
fn results() -> Vec<(String, PathBuf)> {
    let above = root().join("results");
    let files = fs::walk(&above).unwrap();
    let machines = files.iter().filter(|path| path.ends_with("machine.toml"));
    let named = machines.map(|path| {
        let folder = path.parent().unwrap();
        let name = folder.strip_prefix(&above).unwrap();
        (name.to_string_lossy().into_owned(), folder.to_owned())
    });
    named.collect()
}

/// The committed experiments whose results go to the folder of this name, and whether candidates
/// were skipped since their data are missing.
///
/// Experiments are loaded with and without their offline profile, on the devices of `machine`.
fn experiments(name: &str, machine: &Machine) -> (Vec<Checked>, bool) {
    let mut devices: Vec<String> = machine
        .device
        .iter()
        .map(|it| format!("run.device={}", it.device))
        .collect();
    devices.dedup();
    // `scripts/gpu-check.sh` gives its folder the experiment's plain name.
    let place = match name {
        "gpu/gpu" => "bench/gpu",
        name => name,
    };
    let (mut found, mut absent) = (Vec::new(), false);
    let above = root().join("experiments");
    for path in fs::walk(&above).unwrap() {
        let own = path.strip_prefix(&above).unwrap().with_extension("");
        let is_toml = path.extension().is_some_and(|end| end == "toml");
        if !is_toml || !place.starts_with(&*own.to_string_lossy()) {
            continue;
        }
        let is_it = |checked: &Checked| checked.folder == place;
        for device in &devices {
            let offline = [device.clone(), "profile=offline".to_owned()];
            // Faults other than missing data fail the tests of the experiments.
            match experiment::load(&path, &offline[..1]) {
                Ok(checked) => found.extend(Some(checked).filter(is_it)),
                Err(_) => absent = true,
            }
            found.extend(experiment::load(&path, &offline).ok().filter(is_it));
        }
    }
    (found, absent)
}

fn planned(checked: &Checked) -> String {
    digest(&checked.spec, &checked.base)
}

fn digest(spec: &Spec, base: &Path) -> String {
    let store = tempfile::tempdir().unwrap();
    let mut inputs = Inputs::load(&Store::open(store.path()).unwrap());
    let base = std::path::absolute(base).unwrap();
    let plan = plan::plan(spec, &mut |path| inputs.digest(&base.join(path)));
    plan.unwrap().digest().to_string()
}

#[test]
fn committed_results_are_those_of_the_committed_experiments() {
    let results = results();
    assert!(results.len() >= 5, "{results:?}");
    for (name, folder) in results {
        let machine = Machine::load(&folder).unwrap();
        let (experiments, absent) = experiments(&name, &machine);
        let noted = machine.experiment.digest;
        let made_by = |checked: &&Checked| {
            // Results without a digest have the spec that made them.
            let made = match noted.as_str() {
                "" => {
                    let spec = experiment::load_resolved(&folder.join("spec.toml")).unwrap();
                    digest(&spec, &checked.base)
                }
                noted => noted.to_owned(),
            };
            planned(checked) == made
        };
        let makers: Vec<&Checked> = experiments.iter().filter(made_by).collect();
        if absent && makers.is_empty() {
            eprintln!(
                "SKIPPED: the data of experiment `{name}` are absent, so its results are not checked"
            );
            continue;
        }
        assert!(
            !makers.is_empty(),
            "results/{name} were not made by the experiment `{name}` as it is now: run it again"
        );
        let shown = experiment::load_resolved(&folder.join("spec.toml")).unwrap();
        assert!(
            makers
                .iter()
                .any(|checked| display(&checked.spec) == display(&shown)),
            "results/{name} have other texts, expected values, figures or tables than the experiment `{name}`: run it again from its store"
        );
    }
}

/// The parts of an experiment that change no number, but how they are displayed.
fn display(spec: &Spec) -> impl PartialEq + use<> {
    (
        [&spec.question, &spec.expectation, &spec.analysis].map(Clone::clone),
        spec.expected.clone(),
        spec.figure.clone(),
        spec.table.clone(),
    )
}

#[test]
fn committed_results_have_the_current_columns() {
    let header = |folder: &Path, file: &str| {
        let text = fs::read_to_string(&folder.join(file)).unwrap();
        text.lines().next().unwrap_or_default().to_owned()
    };
    // These results are updated most often.
    let newest = root().join("results/quickstart");
    for (name, folder) in results() {
        for file in [
            "metrics.csv",
            "cells.csv",
            "stages.csv",
            "cell_stages.csv",
            "epochs.csv",
            "data.csv",
        ] {
            let (found, wanted) = (header(&folder, file), header(&newest, file));
            assert_eq!(found, wanted, "results/{name}/{file}");
        }
    }
}

#[test]
fn the_committed_small_language_model_is_that_of_its_experiment() {
    let name = "small-lm";
    let path = root().join(format!("experiments/assets/{name}.toml"));
    let checked = experiment::load(&path, &[]).unwrap();
    let store = tempfile::tempdir().unwrap();
    let mut inputs = Inputs::load(&Store::open(store.path()).unwrap());
    let plan = plan::plan(&checked.spec, &mut |path| inputs.digest(Path::new(path))).unwrap();
    let mut nodes = plan.graph.nodes.iter();
    let node = nodes.find(|node| node.stage.settings.kind() == StageKind::PretrainLm);
    let manifest = root().join(format!("assets/{name}.json"));
    let text = fs::read_to_string(&manifest).unwrap();
    let mut manifest: Manifest = serde_json::from_str(&text).unwrap();
    // The events of the stage are in the results of that name. The folder only has the model.
    manifest.files.retain(|file| file.path != EVENTS);
    let folder = root().join("assets").join(name);
    assert_eq!(
        manifest.key,
        node.unwrap().key,
        "assets/{name} is of an earlier program: scripts/make-small-lm.sh makes it again"
    );
    let checked = manifest.check(&manifest.key, &folder, Manifest::check_digests);
    checked.unwrap();
    assert_eq!(fs::list(&folder).unwrap().len(), manifest.files.len());
}

#[test]
fn committed_results_name_a_commit_of_this_repository() {
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.args(arguments).current_dir(root()).output().ok()
    };
    let shallow = git(&["rev-parse", "--is-shallow-repository"]);
    if shallow.is_none_or(|shallow| shallow.stdout.trim_ascii() != b"false") {
        eprintln!("SKIPPED: no git, or a shallow clone: the commits of results are not checked");
        return;
    }
    for (name, folder) in results() {
        let program = Machine::load(&folder).unwrap().program;
        assert!(
            !program.modified,
            "results/{name} were made by sources with uncommitted changes"
        );
        let commit = program.commit;
        let commit = commit.unwrap_or_else(|| panic!("results/{name} name no commit"));
        let found = git(&["merge-base", "--is-ancestor", &commit, "HEAD"]).unwrap();
        assert!(
            found.status.success(),
            "results/{name} were made at {commit}, which is not an ancestor of HEAD"
        );
    }
}
