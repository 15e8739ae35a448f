//! `tune`: TALLRec and LlamaRec. Leaves the adapters under peft's names.

use allround_core::data::Prepared;
use allround_core::event::Event;
use allround_core::models::TuneForm;
use allround_core::models::allmrec::UserOrder;
use allround_core::seed::{Stream, foreign};
use allround_core::stage::Job;
use allround_core::stage::TrainTune;
use tch::Device;

use super::report::StageError;
use super::validation::{LlmValidation, ValidationInputs};
use super::{need, prompted_lm};
use crate::methods::prompted_lm::ContextNeeds;
use crate::methods::sequences::{Sequences, TargetRule};
use crate::methods::tune::{STAGE, TuneTask};
use crate::models::{artefact, weights};
use crate::train::checkpoint::CheckpointPlan;
use crate::train::task::Task;
use crate::train::trainer::{self, Plan, no_validation};

pub(super) fn run(
    job: &Job,
    settings: &TrainTune,
    device: Device,
    observe: &mut dyn FnMut(Event),
) -> Result<(), StageError> {
    let prepared = Prepared::load(need(job, "prepared")?)?;
    let needs = match settings.tune.form {
        TuneForm::Title => prompted_lm::training_needs(&settings.llm, &settings.tune.validate),
        TuneForm::Letter => {
            ContextNeeds::Letters(prompted_lm::listed(&settings.llm, &settings.tune.validate))
        }
        TuneForm::YesNo => ContextNeeds::YesNo,
    };
    let mut prompted_lm = prompted_lm::open(job, &settings.llm, &prepared, needs, device)?;
    tch::manual_seed(foreign(settings.seed, Stream::Init, STAGE));
    prompted_lm.loaded.lm.add_lora(&settings.tune.lora)?;
    prompted_lm.loaded.lm.set_train(true);
    let rule = TargetRule {
        targets: settings.tune.targets,
        one_item: settings.tune.one_item,
        order: UserOrder::Shuffled,
    };
    let sequences = Sequences::of(&prepared, rule);
    sequences.report("tune", observe);
    let validation = LlmValidation::new(ValidationInputs {
        settings: &settings.tune.validate,
        ranking: settings.ranking.as_ref(),
        prepared: &prepared,
        prompted_lm: &prompted_lm,
        form: Some(settings.tune.form),
        seed: settings.seed,
        key: "tune.validate",
    })?;
    let task = TuneTask::new(settings, &prepared, &sequences, &prompted_lm);
    let plan = Plan {
        train: &settings.tune.train,
        seed: settings.seed,
        stage: STAGE,
        validation: Some(&settings.tune.validate).filter(|it| it.is_on()),
        checkpoint: CheckpointPlan::of(job),
    };
    let mut validate = |observe: &mut dyn FnMut(Event)| match &validation {
        Some(it) => Ok(it.of_adapters(observe)?),
        None => no_validation(observe),
    };
    for phase in trainer::train(&plan, &task, &mut validate, observe)? {
        observe(Event::Phase(phase));
    }
    prompted_lm.encoder.report(observe);
    weights::write(&job.output.join(artefact::WEIGHTS), &task.weights())?;
    let text = serde_json::to_vec_pretty(settings).expect("settings are plain data");
    Ok(allround_core::fs::write_atomic(
        &job.output.join(artefact::DESCRIPTION),
        &text,
    )?)
}
