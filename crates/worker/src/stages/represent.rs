//! `represent`: LLM-SRec and E4SRec. Leaves the trained networks. LLM-SRec also leaves the vectors
//! of all items, which every evaluation reads; those of E4SRec are weights.

use std::path::Path;

use allround_core::data::Prepared;
use allround_core::event::{Event, Phase, Progress};
use allround_core::models::allmrec::UserOrder;
use allround_core::models::llm_method::ItemEmbedding;
use allround_core::models::represent::{Represent, Representation};
use allround_core::seed::{Stream, foreign};
use allround_core::stage::{Job, PromptedLlm, TrainRepresent, VectorRanking};
use tch::{Device, Tensor};

use super::evaluate::{Measured, phase_name};
use super::prompted_lm::out_of_memory;
use super::report::{StageError, phase_of};
use super::validation::{LlmValidation, ValidationInputs};
use super::{need, prompted_lm};
use crate::eval;
use crate::methods::catalogue::{Catalogue, CatalogueTask};
use crate::methods::project::item_table;
use crate::methods::prompted_lm::{ContextNeeds, PromptedLm};
use crate::methods::represent::{
    Encoded, Inputs, RepresentInputs, RepresentTask, Representer, Represents, STAGE, VectorTable,
    Vectors,
};
use crate::methods::sequences::{Pool, Sequences, TargetRule};
use crate::models::weights::WeightsError;
use crate::models::{Backbone, artefact, weights};
use crate::torch_ext::memory;
use crate::torch_ext::timer::Timer;
use crate::train::checkpoint::CheckpointPlan;
use crate::train::task::Task;
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
    let mut prompted_lm = open(job, &settings.llm, &settings.represent, &prepared, device)?;
    let training = settings.represent.training();
    let rule = TargetRule {
        targets: training.targets,
        one_item: training.one_item,
        order: UserOrder::Shuffled,
    };
    let sequences = Sequences::of(&prepared, rule);
    sequences.report("represent", observe);
    tch::manual_seed(foreign(settings.seed, Stream::Init, STAGE));
    adapt(&settings.represent, &mut prompted_lm)?;
    let inputs = Inputs {
        prepared: &prepared,
        sequences: &sequences,
        backbone: backbone.as_ref(),
        prompted_lm: &prompted_lm,
    };
    let training = Training {
        job,
        settings,
        inputs,
    };
    match &settings.represent {
        Representation::Frozen(represent) => {
            let networks = representer(represent, &prepared, inputs.backbone, &prompted_lm, device);
            let task = RepresentTask::new(represent, inputs, networks, settings.seed);
            training.train(&task, &task.representer, observe)?;
            let items = training.items(&task.representer, observe)?;
            weights::write(&job.output.join(VECTORS), &[(ITEMS.to_owned(), items.rows)])?;
            training.save(&task)?;
        }
        Representation::Adapted(adapted) => {
            let networks = catalogue(&prepared, inputs.backbone, &prompted_lm, device);
            let task = CatalogueTask::new(adapted, inputs, networks, settings.seed);
            training.train(&task, &task.catalogue, observe)?;
            training.save(&task)?;
        }
    }
    prompted_lm.encoder.report(observe);
    Ok(())
}

/// The language model, whose positions hold a prompt of one item, or one without items.
fn open(
    job: &Job,
    llm: &PromptedLlm,
    form: &Representation,
    prepared: &Prepared,
    device: Device,
) -> Result<PromptedLm, StageError> {
    let needs = match form {
        Representation::Frozen(_) => ContextNeeds::Representation,
        Representation::Adapted(_) => ContextNeeds::Sequence,
    };
    prompted_lm::open(job, llm, prepared, needs, device)
}

/// Gives the language model fresh adapters, where it has some. The caller has seeded LibTorch's
/// generator.
fn adapt(form: &Representation, prompted_lm: &mut PromptedLm) -> Result<(), StageError> {
    if let Some(lora) = form.lora() {
        prompted_lm.loaded.lm.add_lora(lora)?;
    }
    Ok(())
}

/// The item vectors of the CF model, [V + 1, D].
fn table(prepared: &Prepared, backbone: &dyn Backbone) -> Tensor {
    let table = item_table(ItemEmbedding::Joint, 0, None, backbone, prepared);
    table.expect("a CF model has an item table")
}

/// Fresh networks around a frozen language model. The caller has seeded LibTorch's generator.
fn representer(
    settings: &Represent,
    prepared: &Prepared,
    backbone: &dyn Backbone,
    prompted_lm: &PromptedLm,
    device: Device,
) -> Representer {
    let inputs = RepresentInputs {
        settings,
        table: table(prepared, backbone),
        states: backbone.width(),
        lm: prompted_lm.lm().width(),
        tokens: prompted_lm.lm().token_moments(),
    };
    Representer::new(inputs, device)
}

/// Fresh layers around a language model with adapters. The caller has seeded LibTorch's generator.
fn catalogue(
    prepared: &Prepared,
    backbone: &dyn Backbone,
    prompted_lm: &PromptedLm,
    device: Device,
) -> Catalogue {
    let table = table(prepared, backbone);
    let pool = Pool::of(prepared);
    Catalogue::new(table, pool.items(), prompted_lm.lm().width(), device)
}

/// A training of either form.
struct Training<'a> {
    job: &'a Job,
    settings: &'a TrainRepresent,
    inputs: Inputs<'a>,
}

impl Training<'_> {
    /// Trains `task`, whose `networks` are validated as they are.
    fn train<T: Task>(
        &self,
        task: &T,
        networks: &dyn Represents,
        observe: &mut dyn FnMut(Event),
    ) -> Result<(), StageError> {
        let Inputs {
            prepared,
            backbone,
            prompted_lm,
            ..
        } = self.inputs;
        let training = self.settings.represent.training();
        let validation = LlmValidation::new(ValidationInputs {
            settings: training.validate,
            ranking: self.settings.ranking.as_ref(),
            prepared,
            prompted_lm,
            form: None,
            seed: self.settings.seed,
            key: "represent.validate",
        })?;
        if let Some(validation) = &validation {
            observe(validation.reference(backbone)?);
        }
        let plan = Plan {
            train: training.train,
            seed: self.settings.seed,
            stage: STAGE,
            validation: Some(training.validate).filter(|it| it.is_on()),
            checkpoint: CheckpointPlan::of(self.job),
        };
        let rows = prepared.clone().with_a_row_for_each_item();
        // Without adapters there is no dropout to turn on.
        prompted_lm.lm().set_train(true);
        let mut validate = |observe: &mut dyn FnMut(Event)| match &validation {
            Some(it) => Ok(it.of_vectors(networks, &rows, observe)?),
            None => no_validation(observe),
        };
        for phase in trainer::train(&plan, task, &mut validate, observe)? {
            observe(Event::Phase(phase));
        }
        prompted_lm.lm().set_train(false);
        Ok(())
    }

    /// Vectors of all items.
    fn items(
        &self,
        networks: &dyn Represents,
        observe: &mut dyn FnMut(Event),
    ) -> Result<Encoded, StageError> {
        let Inputs {
            prepared,
            prompted_lm,
            ..
        } = self.inputs;
        let token_budget = self.settings.token_budget;
        let vectors = Vectors {
            representer: networks,
            prompted_lm,
            encoder: &prompted_lm.encoder,
            token_budget,
        };
        let device = prompted_lm.lm().device();
        let all: Vec<u32> = (1..=prepared.n_items() as u32).collect();
        let timer = Timer::begin(device);
        let mut done = progress("encode_items", "items", all.len(), observe);
        let found = memory::caught(|| vectors.of_items(prepared, &all, &mut done));
        drop(done);
        let found = found.map_err(|message| out_of_memory(token_budget, &message))??;
        observe(Event::Phase(Phase {
            examples: Some(all.len() as u64),
            tokens: Some(found.tokens),
            params: Some(prompted_lm.loaded.params()),
            ..phase_of("encode_items", Some(device), timer.end())
        }));
        Ok(found)
    }

    /// Writes the trained weights and the settings.
    fn save(&self, task: &impl Task) -> Result<(), StageError> {
        let folder = &self.job.output;
        weights::write(&folder.join(artefact::WEIGHTS), &task.weights())?;
        let text = serde_json::to_vec_pretty(self.settings).expect("settings are plain data");
        let path = folder.join(artefact::DESCRIPTION);
        Ok(allround_core::fs::write_atomic(&path, &text)?)
    }
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

/// The settings that `represent` left in `folder`.
fn described(folder: &Path) -> Result<TrainRepresent, StageError> {
    let path = folder.join(artefact::DESCRIPTION);
    let text = allround_core::fs::read_to_string(&path)?;
    serde_json::from_str(&text).map_err(|error| {
        let path = path.display();
        StageError::new(format!("`{path}` describes no vectors: {error}"))
    })
}

/// The networks that `represent` left in `folder`, whose adapters go into the language model.
fn trained(
    folder: &Path,
    form: &Representation,
    measured: Measured<'_>,
    backbone: &dyn Backbone,
    prompted_lm: &mut PromptedLm,
) -> Result<Box<dyn Represents>, StageError> {
    let (prepared, device) = (measured.prepared, prompted_lm.lm().device());
    let tensors = weights::read_tensors(&folder.join(artefact::WEIGHTS))?;
    adapt(form, prompted_lm)?;
    Ok(match form {
        Representation::Frozen(represent) => {
            let networks = representer(represent, prepared, backbone, prompted_lm, device);
            weights::fill(&networks.weights(), &tensors)?;
            Box::new(networks)
        }
        Representation::Adapted(_) => {
            let networks = catalogue(prepared, backbone, prompted_lm, device);
            weights::fill(&networks.weights(prompted_lm), &tensors)?;
            Box::new(networks)
        }
    })
}

/// The vectors [V + 1, R] of all items that `represent` left in `folder`.
fn saved_items(folder: &Path) -> Result<Tensor, StageError> {
    let mut tensors = weights::read_tensors(&folder.join(VECTORS))?;
    let found = tensors.keys().cloned().collect::<Vec<_>>().join(", ");
    let items = tensors.remove(ITEMS).ok_or_else(|| WeightsError::Missing {
        name: ITEMS.to_owned(),
        found,
    })?;
    Ok(items)
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
    let form = described(folder)?.represent;
    let mut prompted_lm = open(job, &settings.llm, &form, prepared, device)?;
    let networks = trained(folder, &form, measured, backbone.as_ref(), &mut prompted_lm)?;
    let items = match networks.item_vectors() {
        Some(rows) => rows,
        None => saved_items(folder)?.to_device(device),
    };
    let vectors = Vectors {
        representer: networks.as_ref(),
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
    let table = VectorTable::new(lists, users.rows, items);
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
