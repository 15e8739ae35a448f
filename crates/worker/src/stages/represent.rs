//! `represent`: LLM-SRec. Leaves the trained networks, and the vectors of all items, which every
//! evaluation reads.

use std::path::Path;

use allround_core::data::Prepared;
use allround_core::event::{Event, Phase, Progress};
use allround_core::models::allmrec::UserOrder;
use allround_core::models::llm_method::ItemEmbedding;
use allround_core::seed::{Stream, foreign};
use allround_core::stage::{Job, PromptedLlm, TrainRepresent, VectorRanking};
use tch::Device;

use super::evaluate::{Measured, phase_name};
use super::prompted_lm::out_of_memory;
use super::report::{StageError, phase_of};
use super::validation::{LlmValidation, ValidationInputs};
use super::{need, prompted_lm};
use crate::eval;
use crate::methods::project::item_table;
use crate::methods::prompted_lm::{ContextNeeds, PromptedLm};
use crate::methods::represent::{
    Encoded, Inputs, RepresentInputs, RepresentTask, Representer, STAGE, VectorTable, Vectors,
};
use crate::methods::sequences::{Sequences, TargetRule};
use crate::models::weights::WeightsError;
use crate::models::{Backbone, artefact, weights};
use crate::torch_ext::memory;
use crate::torch_ext::timer::Timer;
use crate::train::checkpoint::CheckpointPlan;
use crate::train::trainer::{self, Plan, no_validation};

/// The file with the vectors of all items, by item number.
const VECTORS: &str = "vectors.safetensors";
/// Their name in it.
const ITEMS: &str = "items";

pub(super) fn run(
    job: &Job,
    settings: &TrainRepresent,
    device: Device,
    observe: &mut dyn FnMut(Event),
) -> Result<(), StageError> {
    let prepared = Prepared::load(need(job, "prepared")?)?;
    let prepared = artefact::with_rows(need(job, "backbone")?, prepared)?;
    let backbone = artefact::load_backbone(need(job, "backbone")?, device)?;
    let prompted_lm = open(job, &settings.llm, &prepared, device)?;
    let represent = &settings.represent;
    let rule = TargetRule {
        targets: represent.targets,
        one_item: represent.one_item,
        order: UserOrder::Shuffled,
    };
    let sequences = Sequences::of(&prepared, rule);
    sequences.report("represent", observe);
    tch::manual_seed(foreign(settings.seed, Stream::Init, STAGE));
    let representer = fresh(settings, &prepared, backbone.as_ref(), &prompted_lm, device);
    let validation = LlmValidation::new(ValidationInputs {
        settings: &represent.validate,
        ranking: settings.ranking.as_ref(),
        prepared: &prepared,
        prompted_lm: &prompted_lm,
        form: None,
        seed: settings.seed,
        key: "represent.validate",
    })?;
    if let Some(validation) = &validation {
        observe(validation.reference(backbone.as_ref())?);
    }
    let inputs = Inputs {
        prepared: &prepared,
        sequences: &sequences,
        backbone: backbone.as_ref(),
        prompted_lm: &prompted_lm,
    };
    let task = RepresentTask::new(represent, inputs, representer, settings.seed);
    let plan = Plan {
        train: &represent.train,
        seed: settings.seed,
        stage: STAGE,
        validation: Some(&represent.validate).filter(|it| it.is_on()),
        checkpoint: CheckpointPlan::of(job),
    };
    let rows = prepared.clone().with_a_row_for_each_item();
    let mut validate = |observe: &mut dyn FnMut(Event)| match &validation {
        Some(it) => Ok(it.of_vectors(&task.representer, &rows, observe)?),
        None => no_validation(observe),
    };
    for phase in trainer::train(&plan, &task, &mut validate, observe)? {
        observe(Event::Phase(phase));
    }
    let items = items(
        settings,
        &task.representer,
        &prepared,
        &prompted_lm,
        observe,
    )?;
    prompted_lm.encoder.report(observe);
    save(&job.output, settings, &task.representer, items)
}

/// The language model, whose positions hold a prompt of one item.
fn open(
    job: &Job,
    llm: &PromptedLlm,
    prepared: &Prepared,
    device: Device,
) -> Result<PromptedLm, StageError> {
    prompted_lm::open(job, llm, prepared, ContextNeeds::Representation, device)
}

/// Fresh networks. The caller has seeded LibTorch's generator.
fn fresh(
    settings: &TrainRepresent,
    prepared: &Prepared,
    backbone: &dyn Backbone,
    prompted_lm: &PromptedLm,
    device: Device,
) -> Representer {
    let table = item_table(ItemEmbedding::Joint, 0, None, backbone, prepared);
    let inputs = RepresentInputs {
        settings: &settings.represent,
        table: table.expect("a CF model has an item table"),
        states: backbone.width(),
        lm: prompted_lm.lm().width(),
        tokens: prompted_lm.lm().token_moments(),
    };
    Representer::new(inputs, device)
}

/// Vectors of all items.
fn items(
    settings: &TrainRepresent,
    representer: &Representer,
    prepared: &Prepared,
    prompted_lm: &PromptedLm,
    observe: &mut dyn FnMut(Event),
) -> Result<Encoded, StageError> {
    let vectors = Vectors {
        representer,
        prompted_lm,
        encoder: &prompted_lm.encoder,
        token_budget: settings.token_budget,
    };
    let device = prompted_lm.lm().device();
    let all: Vec<u32> = (1..=prepared.n_items() as u32).collect();
    let timer = Timer::begin(device);
    let mut done = progress("encode_items", "items", all.len(), observe);
    let found = memory::caught(|| vectors.of_items(prepared, &all, &mut done));
    drop(done);
    let found = found.map_err(|message| out_of_memory(settings.token_budget, &message))??;
    observe(Event::Phase(Phase {
        examples: Some(all.len() as u64),
        tokens: Some(found.tokens),
        params: Some(prompted_lm.loaded.params()),
        ..phase_of("encode_items", Some(device), timer.end())
    }));
    Ok(found)
}

/// Reports how much of a phase is done.
fn progress<'a>(
    phase: &'static str,
    unit: &'static str,
    total: usize,
    observe: &'a mut dyn FnMut(Event),
) -> impl FnMut(usize) + 'a {
    move |done| {
        observe(Event::Progress(Progress {
            phase: phase.to_owned(),
            done: done as u64,
            total: Some(total as u64),
            unit: unit.to_owned(),
            remark: String::new(),
        }));
    }
}

fn save(
    folder: &Path,
    settings: &TrainRepresent,
    representer: &Representer,
    items: Encoded,
) -> Result<(), StageError> {
    weights::write(&folder.join(artefact::WEIGHTS), &representer.weights())?;
    weights::write(&folder.join(VECTORS), &[(ITEMS.to_owned(), items.rows)])?;
    let text = serde_json::to_vec_pretty(settings).expect("settings are plain data");
    let path = folder.join(artefact::DESCRIPTION);
    Ok(allround_core::fs::write_atomic(&path, &text)?)
}

/// The settings that `represent` left in `folder`.
fn described(folder: &Path) -> Result<TrainRepresent, StageError> {
    let path = folder.join(artefact::DESCRIPTION);
    let text = allround_core::fs::read_to_string(&path)?;
    serde_json::from_str(&text).map_err(|error| {
        let path = path.display();
        StageError::new(format!("`{path}` describes no vectors: {error}"))
    })
}

/// Ranks by dot products: one pass for each user, and the vectors of items that `represent` left.
pub(super) fn rank(
    job: &Job,
    settings: &VectorRanking,
    keep_scores: bool,
    measured: Measured<'_>,
    device: Device,
    observe: &mut dyn FnMut(Event),
) -> Result<(), StageError> {
    let Measured { prepared, lists } = measured;
    let folder = need(job, "represent")?;
    let backbone = artefact::load_backbone(need(job, "backbone")?, device)?;
    let prompted_lm = open(job, &settings.llm, prepared, device)?;
    let trained = described(folder)?;
    let representer = fresh(&trained, prepared, backbone.as_ref(), &prompted_lm, device);
    let tensors = weights::read_tensors(&folder.join(artefact::WEIGHTS))?;
    weights::fill(&representer.weights(), &tensors)?;
    let mut tensors = weights::read_tensors(&folder.join(VECTORS))?;
    let found = tensors.keys().cloned().collect::<Vec<_>>().join(", ");
    let items = tensors.remove(ITEMS).ok_or_else(|| WeightsError::Missing {
        name: ITEMS.to_owned(),
        found,
    })?;
    let vectors = Vectors {
        representer: &representer,
        prompted_lm: &prompted_lm,
        encoder: &prompted_lm.encoder,
        token_budget: settings.token_budget,
    };
    let timer = Timer::begin(device);
    let mut done = progress(phase_name(lists.part), "users", lists.users.len(), observe);
    let users = memory::caught(|| vectors.of_users(prepared, lists, &mut done));
    drop(done);
    let users = users.map_err(|message| out_of_memory(settings.token_budget, &message))??;
    let tokens = users.tokens;
    let table = VectorTable::new(lists, users.rows, items.to_device(device));
    let rows = prepared.clone().with_a_row_for_each_item();
    let (ranks, scores) = eval::ranked(&table, &rows, lists, keep_scores)?;
    let phase = Phase {
        examples: Some(lists.users.len() as u64),
        tokens: Some(tokens),
        params: Some(prompted_lm.loaded.params()),
        ..phase_of(phase_name(lists.part), Some(device), timer.end())
    };
    ranks.save(&job.output)?;
    if let Some(scores) = scores {
        scores.save(&job.output)?;
    }
    observe(Event::Phase(phase));
    prompted_lm.encoder.report(observe);
    Ok(())
}
