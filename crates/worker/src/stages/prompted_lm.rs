//! What the stages that query a language model have in common.

use std::path::Path;

use allround_core::data::Prepared;
use allround_core::models::llm_method::{ItemEmbedding, Lora, Project, Validation};
use allround_core::stage::Job;
use allround_core::stage::{LlmRanking, PromptedLlm, TrainProject};
use allround_core::text::Vectors;
use tch::Device;

use super::need;
use super::report::StageError;
use crate::methods::project::{Projections, Shape, item_table};
use crate::methods::prompted_lm::{ContextNeeds, LoadedLm, PromptedLm};
use crate::methods::rank::USERS_AT_ONCE;
use crate::methods::tables::Tables;
use crate::models::{Backbone, artefact, weights};
use crate::torch_ext::memory;

/// Positions for a list of titles and its answer, in training and its validation.
pub(super) fn training_needs(settings: &PromptedLlm, validation: &Validation) -> ContextNeeds {
    ContextNeeds::List {
        candidates: listed(settings, validation),
        answer: 0,
    }
}

/// Most candidates that a prompt lists in training and its validation.
pub(super) fn listed(settings: &PromptedLlm, validation: &Validation) -> usize {
    let in_training = settings.prompt.training_candidates();
    let others = validation.candidates.n();
    let others = others.filter(|_| validation.is_on() && settings.prompt.list);
    others.map_or(in_training, |others| in_training.max(others + 1))
}

/// Memory ran out while prompts were ranked.
pub(super) fn out_of_memory(token_budget: usize, message: &str) -> StageError {
    let when = format!(
        "with up to {token_budget} prompt tokens of {USERS_AT_ONCE} users computed together"
    );
    StageError::memory(&when, message, "lower `run.answer_token_budget`")
}

/// The language model of `settings` with the titles of `prepared`, cut to what `needs` leaves.
pub(super) fn open(
    job: &Job,
    settings: &PromptedLlm,
    prepared: &Prepared,
    needs: ContextNeeds,
    device: Device,
) -> Result<PromptedLm, StageError> {
    let small = job.needs.get("llm").map(AsRef::<Path>::as_ref);
    let loaded = memory::caught(|| LoadedLm::open(&settings.llm, small, &job.base, device));
    let mut loaded = loaded.map_err(|message| {
        let remedy =
            "hold the language model in fewer bits (`dtype`, `int8`), or name a smaller one";
        StageError::memory("while the language model was read", &message, remedy)
    })??;
    if settings.prompt.chat {
        loaded.begin_chat(&settings.prompt.system)?;
    }
    let vectors = Vectors {
        user: settings.user,
        item: settings.item != ItemEmbedding::None,
    };
    let prompted_lm = PromptedLm::new(loaded, prepared, &settings.prompt, vectors, needs);
    match needs {
        ContextNeeds::YesNo => drop(prompted_lm.encoder.yes_and_no()?),
        ContextNeeds::Letters(count) => drop(prompted_lm.encoder.letters(count)?),
        ContextNeeds::List { .. } | ContextNeeds::Representation | ContextNeeds::Sequence => {}
    }
    Ok(prompted_lm)
}

/// What projections are built from.
pub(super) struct ProjectionInputs<'a> {
    /// Prompt, and which vectors it has.
    pub(super) settings: &'a PromptedLlm,
    /// Depth and form of the projections.
    pub(super) project: &'a Project,
    /// The data set.
    pub(super) prepared: &'a Prepared,
    /// The frozen CF model.
    pub(super) backbone: &'a dyn Backbone,
    /// The frozen language model.
    pub(super) prompted_lm: &'a PromptedLm,
}

/// Fresh projections. The caller has seeded LibTorch's generator.
pub(super) fn projections(
    job: &Job,
    inputs: &ProjectionInputs<'_>,
    device: Device,
) -> Result<Projections, StageError> {
    let ProjectionInputs {
        settings,
        prepared,
        backbone,
        ..
    } = *inputs;
    let tables = match job.needs.get("align") {
        Some(folder) => Some(Tables::load(folder, device)?),
        None => None,
    };
    if let Some(Tables { joint, .. }) = &tables
        && joint.size()[0] != prepared.n_items() as i64 + 1
    {
        return Err(StageError::new(format!(
            "the artefact of `align` holds codes of {} items; the data set has {}",
            joint.size()[0] - 1,
            prepared.n_items()
        )));
    }
    let PromptedLlm {
        item, text_below, ..
    } = *settings;
    let table = item_table(item, text_below, tables, backbone, prepared);
    let shape = Shape {
        states: backbone.width(),
        user: settings.user,
        lm: inputs.prompted_lm.lm().width(),
        hidden_layers: inputs.project.hidden_layers,
        layer_norm: inputs.project.layer_norm,
    };
    Ok(Projections::new(shape, table, settings.item, device))
}

/// Settings of the projections that `project` left in `folder`.
pub(super) fn project_of(folder: &Path) -> Result<Project, StageError> {
    let path = folder.join(artefact::DESCRIPTION);
    let text = allround_core::fs::read_to_string(&path)?;
    let settings: TrainProject = serde_json::from_str(&text).map_err(|error| {
        StageError::new(format!(
            "`{}` describes no projections: {error}",
            path.display()
        ))
    })?;
    Ok(settings.project)
}

/// Puts the trained adapters of `tune`, or of `project`, into the reader's language model.
pub(super) fn adapt(
    job: &Job,
    settings: &LlmRanking,
    prompted_lm: &mut PromptedLm,
) -> Result<(), StageError> {
    if let Some(tune) = &settings.tuned {
        return fill_adapters(prompted_lm, &tune.lora, need(job, "tune")?);
    }
    let Some(folder) = job.needs.get("project") else {
        return Ok(());
    };
    match project_of(folder)?.adapters {
        Some(adapters) => fill_adapters(prompted_lm, &adapters.lora, folder),
        None => Ok(()),
    }
}

/// Adds the adapters whose weights are in `folder`.
fn fill_adapters(
    prompted_lm: &mut PromptedLm,
    lora: &Lora,
    folder: &Path,
) -> Result<(), StageError> {
    prompted_lm.loaded.lm.add_lora(lora)?;
    let trained = weights::read_tensors(&folder.join(artefact::WEIGHTS))?;
    Ok(weights::fill(&prompted_lm.loaded.lm.trained(), &trained)?)
}
