//! `align`: A-LLMRec's stage 1. Leaves the codes of all items, by item number, and the weights that
//! made them.

use std::path::Path;

use allround_core::config::Encoder;
use allround_core::data::Prepared;
use allround_core::event::Event;
use allround_core::seed::{Stream, foreign};
use allround_core::stage::Job;
use allround_core::stage::TrainAlign;
use tch::Device;

use super::report::StageError;
use super::{encode_text, need};
use crate::methods::align::{AT_ONCE, AlignTask, Inputs, STAGE};
use crate::methods::sequences::{Sequences, TargetRule};
use crate::methods::tables::Tables;
use crate::models::{artefact, weights};
use crate::torch_ext::memory;
use crate::train::checkpoint::CheckpointPlan;
use crate::train::task::Task;
use crate::train::trainer::{self, Plan, no_validation};

pub(super) fn run(
    job: &Job,
    settings: &TrainAlign,
    device: Device,
    observe: &mut dyn FnMut(Event),
) -> Result<(), StageError> {
    let backbone = artefact::load_backbone(need(job, "backbone")?, device)?;
    let prepared = Prepared::load(need(job, "prepared")?)?;
    let prepared = artefact::with_rows(need(job, "backbone")?, prepared)?;
    let rule = TargetRule {
        targets: settings.align.targets,
        one_item: settings.align.one_item,
        order: settings.align.order,
    };
    let sequences = Sequences::of(&prepared, rule);
    sequences.report("align", observe);
    // A hashed map has nothing to train, whatever the settings say.
    let trained = settings.align.train_encoder && !matches!(settings.encoder, Encoder::Hashed(_));
    let encoder = trained.then_some(&settings.encoder);
    let form = settings.align.text;
    let texts = encode_text::texts(job, encoder, form, &prepared, device, observe)?;
    tch::manual_seed(foreign(settings.seed, Stream::Init, STAGE));
    let inputs = Inputs {
        prepared: &prepared,
        sequences: &sequences,
        backbone: backbone.as_ref(),
        texts,
    };
    let task = AlignTask::new(&settings.align, inputs, settings.seed);
    let plan = Plan {
        train: &settings.align.train,
        seed: settings.seed,
        stage: STAGE,
        validation: None,
        checkpoint: CheckpointPlan::of(job),
    };
    for phase in trainer::train(&plan, &task, &mut no_validation, observe)? {
        observe(Event::Phase(phase));
    }
    save(&job.output, settings, &task)
}

/// Leaves the codes of all items, the trained weights and what they were trained with.
fn save(folder: &Path, settings: &TrainAlign, task: &AlignTask<'_>) -> Result<(), StageError> {
    let tables = memory::caught(|| task.tables());
    let [joint, text] = tables.map_err(|message| {
        let when = format!("with up to {AT_ONCE} items computed together");
        let remedy = "let the text encoder read less (`max_length`)";
        StageError::memory(&when, &message, remedy)
    })?;
    Tables { joint, text }.save(folder)?;
    weights::write(&folder.join(artefact::WEIGHTS), &task.weights())?;
    let text = serde_json::to_vec_pretty(settings).expect("settings are plain data");
    let path = folder.join(artefact::DESCRIPTION);
    Ok(allround_core::fs::write_atomic(&path, &text)?)
}
