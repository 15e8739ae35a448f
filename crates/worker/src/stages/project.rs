//! `project`: A-LLMRec's stage 2, and the training of MLP-LLM and LLaRA.

use allround_core::data::Prepared;
use allround_core::event::Event;
use allround_core::models::allmrec::UserOrder;
use allround_core::models::llm_method::ProjectionStart;
use allround_core::seed::{Stream, foreign};
use allround_core::stage::Job;
use allround_core::stage::TrainProject;
use tch::Device;

use super::prompted_lm::ProjectionInputs;
use super::report::{StageError, timed};
use super::validation::{LlmValidation, ValidationInputs};
use super::{need, prompted_lm};
use crate::methods::project::{Inputs, ProjectTask, STAGE};
use crate::methods::sequences::{Sequences, TargetRule};
use crate::models::{artefact, weights};
use crate::train::checkpoint::CheckpointPlan;
use crate::train::trainer::{self, Plan, no_validation};

pub(super) fn run(
    job: &Job,
    settings: &TrainProject,
    device: Device,
    observe: &mut dyn FnMut(Event),
) -> Result<(), StageError> {
    let prepared = Prepared::load(need(job, "prepared")?)?;
    let prepared = artefact::with_rows(need(job, "backbone")?, prepared)?;
    let backbone = artefact::load_backbone(need(job, "backbone")?, device)?;
    let needs = prompted_lm::training_needs(&settings.llm, &settings.project.validate);
    let mut prompted_lm = prompted_lm::open(job, &settings.llm, &prepared, needs, device)?;
    let rule = TargetRule {
        targets: settings.project.targets,
        one_item: settings.project.one_item,
        order: UserOrder::Shuffled,
    };
    let sequences = Sequences::of(&prepared, rule);
    sequences.report("project", observe);
    tch::manual_seed(foreign(settings.seed, Stream::Init, STAGE));
    if let Some(adapters) = &settings.project.adapters {
        prompted_lm.loaded.lm.add_lora(&adapters.lora)?;
        prompted_lm.loaded.lm.set_train(true);
    }
    let inputs = ProjectionInputs {
        settings: &settings.llm,
        project: &settings.project,
        prepared: &prepared,
        backbone: backbone.as_ref(),
        prompted_lm: &prompted_lm,
    };
    let projections = prompted_lm::projections(job, &inputs, device)?;
    match settings.project.start {
        ProjectionStart::Xavier => {}
        ProjectionStart::TokenScale => projections.shrink(prompted_lm.lm().token_scale()),
    }
    let inputs = Inputs {
        prepared: &prepared,
        sequences: &sequences,
        backbone: backbone.as_ref(),
        prompted_lm: &prompted_lm,
    };
    let mut validation = LlmValidation::new(ValidationInputs {
        settings: &settings.project.validate,
        ranking: settings.ranking.as_ref(),
        prepared: &prepared,
        prompted_lm: &prompted_lm,
        form: None,
        seed: settings.seed,
        key: "project.validate",
    })?;
    if let Some(validation) = &validation {
        observe(validation.reference(backbone.as_ref())?);
    }
    let (task, phase) = timed(
        "titles",
        Some(device),
        |_| None,
        || {
            let project = &settings.project;
            ProjectTask::new(project, inputs, projections, settings.seed, observe)
        },
    );
    if settings.project.ranking_loss.is_some() {
        observe(Event::Phase(phase));
    }
    let plan = Plan {
        train: &settings.project.train,
        seed: settings.seed,
        stage: STAGE,
        validation: Some(&settings.project.validate).filter(|it| it.is_on()),
        checkpoint: CheckpointPlan::of(job),
    };
    let mut validate = |observe: &mut dyn FnMut(Event)| match &mut validation {
        Some(it) => Ok(it.of_projections(backbone.as_ref(), &task.projections, observe)?),
        None => no_validation(observe),
    };
    for phase in trainer::train(&plan, &task, &mut validate, observe)? {
        observe(Event::Phase(phase));
    }
    prompted_lm.encoder.report(observe);
    let mut saved = task.projections.saved();
    saved.extend(prompted_lm.lm().trained());
    weights::write(&job.output.join(artefact::WEIGHTS), &saved)?;
    let text = serde_json::to_vec_pretty(settings).expect("settings are plain data");
    Ok(allround_core::fs::write_atomic(
        &job.output.join(artefact::DESCRIPTION),
        &text,
    )?)
}
