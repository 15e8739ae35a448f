//! `backbone`: trains a CF model, imports its weights, or counts interactions.

use std::collections::{BTreeMap, HashMap};

use allround_core::config::protocol::{Candidates, Seen};
use allround_core::data::{CandidateLists, Prepared};
use allround_core::digest::Key;
use allround_core::event::{Counted, Event};
use allround_core::metric::Metric;
use allround_core::models::allmrec::ItemText;
use allround_core::models::train::Stop;
use allround_core::models::train::Train;
use allround_core::models::{CfKind, CfModel, Model};
use allround_core::seed::{Stream, foreign};
use allround_core::stage::Job;
use allround_core::stage::TrainBackbone;
use allround_core::text::item_text;
use tch::{Device, Tensor};

use super::evaluate::scored;
use super::report::{StageError, timed};
use super::validation::{self, ListSettings};
use super::{encode_text, need, recformer};
use crate::data::TrainingSet;
use crate::eval;
use crate::models::artefact::{self, ArtefactError, Description};
use crate::models::forward::Forward;
use crate::models::import::Import;
use crate::models::weights;
use crate::models::{self, Backbone, Fresh, Sizes, morec};
use crate::train::BoxError;
use crate::train::cf::{self, CfPlan};
use crate::train::checkpoint::CheckpointPlan;

/// Metrics that every validation records, next to the one that decides.
const RECORDED: [Metric; 2] = [Metric::Hit(10), Metric::Ndcg(10)];

pub(super) fn run(
    job: &Job,
    settings: &TrainBackbone,
    device: Device,
    observe: &mut dyn FnMut(Event),
) -> Result<(), StageError> {
    let mut prepared = Prepared::load(need(job, "prepared")?)?;
    if settings.model.texts().is_some() {
        prepared = prepared.with_a_row_for_each_item();
    }
    let texts = match settings.model.texts() {
        Some(texts) if !matches!(settings.model, Model::Recformer(_)) => {
            let (encoder, form) = (settings.encoder.as_ref(), texts.form);
            report_equal(&prepared, form, observe);
            let texts = encode_text::texts(job, encoder, form, &prepared, device, observe)?;
            Some(Box::new(texts))
        }
        Some(_) | None => None,
    };
    let sizes = Sizes {
        users: prepared.n_users() as u64,
        items: prepared.n_items() as u64,
    };
    let description = Description {
        model: settings.model.clone().without_weights(),
        sizes,
    };
    if settings.model.weights().is_some() {
        return import(job, &settings.model, &description, device, observe);
    }
    let set = TrainingSet::of(&prepared);
    observe(Event::Counted(Counted {
        what: "users with fewer than two training items, who give nothing to train on".to_owned(),
        count: set.skipped,
    }));
    tch::manual_seed(foreign(settings.seed, Stream::Init, 0));
    let kind = settings.model.kind();
    let model = settings.model.cf_kind();
    let model = model.ok_or_else(|| StageError::new(format!("`{kind}` is not a CF model")))?;
    let fresh = match (model, texts) {
        (CfKind::Morec(config), Some(texts)) => {
            Fresh::Network(Box::new(morec::with_texts(config, texts, sizes, device)))
        }
        (CfKind::Recformer(config), _) => {
            let net = recformer::network(job, settings, config, &prepared, device, observe)?;
            Fresh::Network(Box::new(net))
        }
        (model, _) => models::fresh(model, sizes, device),
    };
    match fresh {
        Fresh::Network(net) => {
            if settings.model.contrasted().is_some() {
                aligned(job, net.as_ref())?;
            }
            train(job, settings, &prepared, &set, net.as_ref(), observe)?;
            artefact::save(&job.output, &description, net.as_ref())?;
        }
        Fresh::Counts(counting) => {
            let (counted, phase) = timed(
                "train",
                None,
                |_| Some(set.items.len() as u64),
                || counting.count(&prepared, &set, device),
            );
            observe(Event::Phase(phase));
            artefact::save(&job.output, &description, counted.as_ref())?;
        }
    }
    Ok(())
}

/// Gives a network the weights that stage 1 of CTRL has left. The layer on its states, which that
/// stage does not have, keeps its start.
fn aligned(job: &Job, net: &dyn Backbone) -> Result<(), StageError> {
    let path = need(job, "contrast")?.join(artefact::WEIGHTS);
    let found = weights::read_tensors(&path).map_err(ArtefactError::from)?;
    let mut known = net.weights();
    known.retain(|(name, _)| !name.starts_with("final_layer."));
    weights::fill(&known, &found).map_err(ArtefactError::from)?;
    Ok(())
}

/// Reports how many items share their text with another item.
fn report_equal(prepared: &Prepared, form: ItemText, observe: &mut dyn FnMut(Event)) {
    let texts: Vec<String> = prepared
        .items
        .iter()
        .map(|item| item_text(form, item))
        .collect();
    let mut counts: HashMap<&str, u64> = HashMap::new();
    for text in &texts {
        *counts.entry(text).or_default() += 1;
    }
    observe(Event::Counted(Counted {
        what: "items whose text, and so its vector, is that of another item too".to_owned(),
        count: counts.values().filter(|&&count| count > 1).sum(),
    }));
}

/// Takes the weights of somebody else's training, and leaves what a training leaves.
fn import(
    job: &Job,
    model: &Model,
    description: &Description,
    device: Device,
    observe: &mut dyn FnMut(Event),
) -> Result<(), StageError> {
    let kind = description.model.kind();
    let net = models::build(&description.model, description.sizes, device)
        .ok_or_else(|| StageError::new(format!("a `{kind}` has no weights to import")))?;
    let file = model.weights().unwrap_or_default();
    let import = Import {
        path: &job.base.join(file),
        planned: planned(job, file)?,
        model,
        prepared: need(job, "prepared")?,
    };
    let (imported, mut phase) = timed("import", None, |_| None, || import.fill(&net.weights()));
    imported?;
    let verified = model.cf().and_then(CfModel::weights_check);
    if let Some(check) = verified {
        let (path, sizes) = (job.base.join(check), description.sizes);
        let forward = Forward::read(&path, planned(job, check)?, sizes, net.maxlen())?;
        forward.verify(&description.model, sizes, net.as_ref())?;
    }
    phase.params = Some(weights::count(&net.weights()));
    phase.trained_params = Some(0);
    observe(Event::Phase(phase));
    let name = import.path.file_name().unwrap_or_default();
    observe(Event::Remark {
        text: format!(
            "weights imported from {}, not trained here{}",
            name.to_string_lossy(),
            match verified {
                Some(_) => "; verified by a forward pass of their author",
                None => "",
            }
        ),
    });
    Ok(artefact::save(&job.output, description, net.as_ref())?)
}

/// The digest that an input file had when the experiment was planned.
fn planned(job: &Job, file: &str) -> Result<Key, StageError> {
    let key = job.stage.inputs.get(file).copied();
    key.ok_or_else(|| StageError::new(format!("the job has no digest of `{file}`")))
}

fn train(
    job: &Job,
    settings: &TrainBackbone,
    prepared: &Prepared,
    set: &TrainingSet,
    net: &dyn Backbone,
    observe: &mut dyn FnMut(Event),
) -> Result<(), StageError> {
    let kind = settings.model.kind();
    let training = settings.model.training();
    let training = training.ok_or_else(|| StageError::new(format!("`{kind}` is not trained")))?;
    let plan = CfPlan {
        set,
        users: &prepared.users,
        training,
        encoder_lr: settings.model.texts().and_then(|texts| texts.lr),
        seed: settings.seed,
        checkpoint: CheckpointPlan::of(job),
    };
    let lists = validation_lists(prepared, training.train, settings.seed)?;
    let metrics = validation_metrics(training.train);
    let mut validate = |net: &dyn Backbone| -> Result<BTreeMap<Metric, f64>, BoxError> {
        let Some(lists) = &lists else {
            return Ok(BTreeMap::new());
        };
        let with_table = with_table(settings, prepared, net)?;
        let scorer: &dyn Backbone = with_table.as_deref().unwrap_or(net);
        let ranks = scored(scorer, prepared, lists)?;
        Ok(eval::means(&ranks, &metrics))
    };
    for phase in cf::train(&plan, net, &mut validate, observe)? {
        observe(Event::Phase(phase));
    }
    Ok(())
}

/// The network with its item table computed once; `None` for a network that has a table.
fn with_table(
    settings: &TrainBackbone,
    prepared: &Prepared,
    net: &dyn Backbone,
) -> Result<Option<Box<dyn Backbone>>, StageError> {
    if settings.model.texts().is_none() || matches!(settings.model, Model::Recformer(_)) {
        return Ok(None);
    }
    let sizes = Sizes {
        users: prepared.n_users() as u64,
        items: prepared.n_items() as u64,
    };
    let found = models::build(&settings.model, sizes, net.device());
    if let Some(found) = &found {
        let computed: BTreeMap<String, Tensor> = net.weights().into_iter().collect();
        weights::fill(&found.weights(), &computed).map_err(ArtefactError::from)?;
    }
    Ok(found)
}

/// What validations rank against; `None` when there are none.
fn validation_lists(
    prepared: &Prepared,
    train: &Train,
    seed: u64,
) -> Result<Option<CandidateLists>, StageError> {
    let candidates = match &train.stop {
        Stop::Early { candidates, .. } => candidates.clone(),
        Stop::Fixed { validate_every: 0 } => return Ok(None),
        Stop::Fixed { .. } => Candidates::Full {
            seen: Seen::Exclude,
        },
    };
    let wanted = ListSettings {
        candidates,
        max_users: 0,
        trained: &prepared.trained,
        seed,
    };
    let lists = validation::lists(prepared, wanted);
    let lists = lists.map_err(|error| {
        StageError::from(error).within("the lists of `train.stop.early.candidates`")
    })?;
    if lists.users.is_empty() && matches!(train.stop, Stop::Early { .. }) {
        let message = "`train.stop.early` has no user to validate on: no training user has an item in the validation part";
        let remedy = "train for a fixed number of epochs (`train.stop.fixed`), or split so that validation has a share";
        return Err(StageError::new(message).with_hint(remedy));
    }
    Ok(Some(lists))
}

fn validation_metrics(train: &Train) -> Vec<Metric> {
    let mut metrics = RECORDED.to_vec();
    if let Stop::Early { metric, .. } = &train.stop
        && !metrics.contains(metric)
    {
        metrics.push(*metric);
    }
    metrics
}

#[cfg(test)]
mod tests;
