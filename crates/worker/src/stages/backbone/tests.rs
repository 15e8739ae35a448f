//! Weights that one stage leaves are what another imports.

use std::path::PathBuf;

use allround_core::data::Part;
use allround_core::digest;
use allround_core::event::Phase;
use allround_core::models::train::Loss;
use allround_core::stage::Settings;
use allround_core::stage::{Evaluate, Ranking};

use super::super::tests::{Desk, run};
use super::*;
use crate::models::behaviour::configurations;
use crate::testing;

fn settings(model: Model) -> Settings {
    Settings::Backbone(TrainBackbone {
        model,
        encoder: None,
        seed: 1,
    })
}

fn evaluate() -> Settings {
    Settings::Evaluate(Evaluate {
        part: Part::Test,
        keep_scores: false,
        ranking: Ranking::Cf,
    })
}

/// `model` with weights from the file `name`.
fn with_weights(mut model: Model, name: &str) -> Model {
    let weights = Some(name.to_owned());
    match &mut model {
        Model::Sasrec(model) => model.weights = weights,
        Model::Gru4rec(model) => model.weights = weights,
        Model::Nextitnet(model) => model.weights = weights,
        Model::Ncf(model) => model.weights = weights,
        Model::Hstu(model) => model.weights = weights,
        Model::Bert4rec(model) => model.weights = weights,
        other => panic!("{other:?}"),
    }
    model
}

/// The job that imports `model` from a file in the desk's folder, planned with the file as it is.
fn import_job(desk: &Desk, model: &Model, file: &str) -> Job {
    let imported = settings(with_weights(model.clone(), file));
    let mut job = desk.job("imported", imported, &["prepared"]);
    let planned = fs_digest(&desk.folder(file));
    job.stage.inputs.insert(file.to_owned(), planned);
    job
}

fn fs_digest(path: &PathBuf) -> digest::Key {
    digest::of_bytes(&std::fs::read(path).unwrap())
}

#[test]
fn imported_weights_of_every_model_leave_the_artefact_and_the_ranks_of_the_training() {
    for model in configurations(&Loss::Bce { negatives: 1 }, 0.1) {
        let desk = Desk::new();
        desk.run("trained", settings(model.clone()), &["prepared"]);
        let weights = desk.folder("trained").join(artefact::WEIGHTS);
        std::fs::copy(weights, desk.folder("w.safetensors")).unwrap();
        let mut events = Vec::new();
        let job = import_job(&desk, &model, "w.safetensors");
        run(&job, &mut |event| events.push(event)).unwrap();
        for file in [artefact::WEIGHTS, artefact::DESCRIPTION] {
            let bytes = |stage: &str| std::fs::read(desk.folder(stage).join(file)).unwrap();
            assert!(bytes("trained") == bytes("imported"), "{model:?}: {file}");
        }
        for stage in ["trained", "imported"] {
            let need = format!("backbone={stage}");
            let needs = ["prepared", "candidates", &need];
            desk.run(&format!("{stage}-ranks"), evaluate(), &needs);
        }
        assert_eq!(desk.ranks("trained-ranks"), desk.ranks("imported-ranks"));
        reports_an_import(&events);
    }
}

/// One phase that trains nothing, one note, no epoch.
fn reports_an_import(events: &[Event]) {
    let phases: Vec<&Phase> = events
        .iter()
        .filter_map(|event| match event {
            Event::Phase(phase) => Some(phase),
            _ => None,
        })
        .collect();
    let [phase] = phases[..] else {
        panic!("{phases:?}");
    };
    assert_eq!(phase.phase, "import");
    assert_eq!(phase.trained_params, Some(0));
    assert!(phase.params > Some(100));
    assert!(!events.iter().any(|event| matches!(event, Event::Epoch(_))));
    let text = "weights imported from w.safetensors, not trained here".to_owned();
    assert!(events.contains(&Event::Remark { text }), "{events:?}");
}

#[test]
fn a_file_that_has_changed_since_it_was_planned_with_is_refused() {
    let desk = Desk::new();
    let model = crate::methods::tests::sasrec();
    let file = desk.folder("w.safetensors");
    std::fs::copy(desk.folder("backbone").join(artefact::WEIGHTS), &file).unwrap();
    let job = import_job(&desk, &model, "w.safetensors");
    std::fs::write(&file, "other weights").unwrap();
    let failure = run(&job, &mut |_| ()).unwrap_err().failure();
    let message = format!(
        "`{}` has changed since the experiment was planned",
        file.display()
    );
    assert_eq!(failure.error, message);
    assert_eq!(
        failure.hint.as_deref(),
        Some("run the experiment again, which plans with the file as it is")
    );
    assert!(!job.output.join(artefact::WEIGHTS).exists());
}

#[test]
fn a_table_of_another_data_set_is_refused_with_the_file_that_lists_the_items() {
    let desk = Desk::new();
    let model = crate::methods::tests::sasrec();
    let sizes = Sizes {
        users: 4,
        items: 11,
    };
    let net = models::build(&model, sizes, Device::Cpu).unwrap();
    let file = desk.folder("w.safetensors");
    models::weights::write(&file, &net.weights()).unwrap();
    let job = import_job(&desk, &model, "w.safetensors");
    let failure = run(&job, &mut |_| ()).unwrap_err().failure();
    let message = format!(
        "`{}`: tensor `item_emb.weight` has shape [12, 8]; expected [13, 8]",
        file.display()
    );
    assert_eq!(failure.error, message);
    let hint = format!(
        "row 0 is padding, and the other 12 are the items of `{}` in its order; filters, scenarios and `--limit` decide which these are",
        desk.folder("prepared").join("items.csv").display()
    );
    assert_eq!(failure.hint, Some(hint));
    assert!(desk.folder("prepared").join("items.csv").exists());
}

#[test]
fn a_model_trains_with_own_negatives_of_the_catalogue() {
    for loss in [
        Loss::Gbce {
            negatives: 4,
            t: 0.75,
        },
        Loss::SampledSoftmax {
            negatives: 4,
            per_target: true,
        },
    ] {
        let loss = serde_json::to_value(loss).unwrap();
        let model = testing::with(&testing::model("sasrec"), &[("loss", loss)]);
        let desk = Desk::new();
        desk.run("trained", settings(model), &["prepared"]);
        let needs = ["prepared", "candidates", "backbone=trained"];
        desk.run("ranks", evaluate(), &needs);
        assert!(!desk.ranks("ranks").is_empty());
    }
}
