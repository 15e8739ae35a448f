//! The stage from its job to a folder that later stages read.

use std::path::Path;

use allround_core::config::llm::{Dtype, Llm};
use allround_core::stage::{Job, PretrainLm, Settings, Stage};
use allround_worker::stages;
use tch::Device;

use super::*;

/// The folder of a prepared data set and of the stage's output.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new(prepared: &Prepared) -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        for folder in ["prepared", "whole", "resumed"] {
            std::fs::create_dir(desk.0.path().join(folder)).unwrap();
        }
        prepared.save(&desk.0.path().join("prepared")).unwrap();
        desk
    }

    /// The job that leaves `name`.
    fn job(&self, name: &str, llm: SmallLlm) -> Job {
        let folder = |name: &str| self.0.path().join(name);
        let stage = Stage {
            settings: Settings::PretrainLm(PretrainLm {
                llm,
                words: words(),
            }),
            compute: None,
            needs: BTreeMap::new(),
            inputs: BTreeMap::new(),
        };
        Job {
            key: stage.key(),
            stage,
            needs: BTreeMap::from([("prepared".to_owned(), folder("prepared"))]),
            output: folder(name),
            checkpoint: folder(&format!("{name}.checkpoint")),
            base: self.0.path().to_owned(),
            device: "cpu".to_owned(),
            threads: 1,
            checkpoint_every: 1,
            checkpoint_minutes: 10.0,
        }
    }

    fn bytes(&self, name: &str, file: &str) -> Vec<u8> {
        std::fs::read(self.0.path().join(name).join(file)).unwrap()
    }
}

fn run_job(job: &Job) -> Vec<Event> {
    let mut events = Vec::new();
    stages::run(job, run, &mut |event| events.push(event)).unwrap();
    events
}

#[test]
fn long_titles_shorten_the_lessons_of_a_small_language_model_and_are_counted() {
    let mut prepared = data();
    for item in &mut prepared.items {
        item.title = Some(format!("{} {}", item.id, "red ".repeat(60)));
    }
    let llm = SmallLlm {
        positions: 64,
        steps: 12,
        ..small()
    };
    let batch = llm.batch_size as u64;
    let events = run_job(&Desk::new(&prepared).job("whole", llm));
    let count = events.iter().find_map(|event| match event {
        Event::Counted(counted) if counted.what.contains("shortened or replaced") => {
            Some(counted.count)
        }
        _ => None,
    });
    // Short lists come four times a step.
    let texts = 12 * 4 * batch;
    assert!(
        count.is_some_and(|count| count > 6 && count <= texts),
        "{count:?}"
    );
}

#[test]
fn a_killed_stage_ends_with_the_bytes_of_a_whole_one_which_are_a_language_model() {
    let desk = Desk::new(&data());
    let llm = SmallLlm {
        steps: 2 * STEPS_AN_EPOCH + 5,
        ..small()
    };
    let whole = desk.job("whole", llm.clone());
    run_job(&whole);
    let resumed = desk.job("resumed", llm.clone());
    let mut epochs = 0;
    let killed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        stages::run(&resumed, run, &mut |event| {
            epochs += u32::from(matches!(event, Event::Epoch(_)));
            assert!(epochs < 2, "killed");
        })
    }));
    assert!(killed.is_err());
    assert_eq!(trainer::resumed(&resumed.checkpoint), (1, 0));
    run_job(&resumed);
    for file in ["config.json", "model.safetensors", "tokenizer.json"] {
        let [one, other] = ["whole", "resumed"].map(|name| desk.bytes(name, file));
        assert!(one == other, "{file} differs");
    }
    let llm = Llm::Small(SmallLlm {
        dtype: Dtype::Fp32,
        ..llm
    });
    let read = LoadedLm::open(&llm, Some(&whole.output), Path::new("."), Device::Cpu).unwrap();
    assert_eq!(read.lm.config().positions, 512);
}
