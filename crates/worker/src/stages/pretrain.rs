//! `pretrain`: RECFORMER's pre-training. Leaves the weights of the network, its head of masked
//! language modelling, and a tokenizer that was made from texts.

use std::collections::BTreeMap;

use allround_core::data::{Item, Prepared};
use allround_core::event::{Counted, Event};
use allround_core::stage::{Job, TrainPretrain, pretrained_role};
use tch::{Device, Tensor};

use super::recformer::{self, Opened};
use super::report::StageError;
use crate::methods::pretrain::{LmHead, Pairs, PretrainTask, STAGE, Words};
use crate::models::recformer::Reader;
use crate::models::{artefact, weights};
use crate::nn::Parameters;
use crate::train::checkpoint::CheckpointPlan;
use crate::train::trainer::{self, Plan, no_validation};

pub(super) fn run(
    job: &Job,
    settings: &TrainPretrain,
    device: Device,
    observe: &mut dyn FnMut(Event),
) -> Result<(), StageError> {
    let mut datasets = Vec::new();
    while let Some(folder) = job.needs.get(&pretrained_role(datasets.len())) {
        datasets.push(Prepared::load(folder)?);
    }
    let config = &settings.model;
    let training = datasets.iter().flat_map(recformer::training_items);
    let opened = recformer::open(config, settings.encoder.as_ref(), training, &job.base)?;
    for text in opened.tokenizer.remarks() {
        let text = text.clone();
        observe(Event::Remark { text });
    }
    let pairs = pairs(settings, &opened, &datasets, observe);
    let (parameters, net) = opened.network(settings.seed, STAGE, device);
    if opened.has_words {
        let _ = net.words().set_requires_grad(false);
        let text = "the table of tokens is not pre-trained further".to_owned();
        observe(Event::Remark { text });
    }
    let mut of_head = Parameters::new(device);
    let head = LmHead::new(&mut of_head, net.words());
    start_head(&of_head, &opened.tensors);
    let parameters = [parameters, of_head];
    let task = PretrainTask {
        config,
        net: &net,
        head: &head,
        parameters: &parameters,
        pairs: &pairs,
    };
    let plan = Plan {
        train: &config.pretrain.train,
        seed: settings.seed,
        stage: STAGE,
        validation: None,
        checkpoint: CheckpointPlan::of(job),
    };
    for phase in trainer::train(&plan, &task, &mut no_validation, observe)? {
        observe(Event::Phase(phase));
    }
    let mut all: Vec<(String, Tensor)> = parameters.iter().flat_map(Parameters::named).collect();
    all.push(opened.form.named());
    weights::write(&job.output.join(artefact::WEIGHTS), &all)?;
    recformer::save_tokenizer(config, &opened.tokenizer, &job.output)?;
    let text = serde_json::to_vec_pretty(settings).expect("settings are plain data");
    let path = job.output.join(artefact::DESCRIPTION);
    Ok(allround_core::fs::write_atomic(&path, &text)?)
}

/// Gives a head the weights that a checkpoint has for it; the others keep their start.
fn start_head(head: &Parameters, tensors: &BTreeMap<String, Tensor>) {
    tch::no_grad(|| {
        for (name, weight) in head.named() {
            let found = tensors.get(&name);
            if let Some(found) = found.filter(|found| found.size() == weight.size()) {
                weight.shallow_clone().copy_(found);
            }
        }
    });
}

/// Training sequences of all data sets, whose items are numbered one data set after another.
fn pairs(
    settings: &TrainPretrain,
    opened: &Opened,
    datasets: &[Prepared],
    observe: &mut dyn FnMut(Event),
) -> Pairs {
    let config = &settings.model;
    let items: Vec<Item> = datasets.iter().flat_map(|it| it.items.clone()).collect();
    let tokens = recformer::item_tokens(config, &opened.tokenizer, &items, observe);
    let (mut sequences, mut skipped, mut before) = (Vec::new(), 0, 0);
    for prepared in datasets {
        for user in (0..prepared.n_users()).filter(|&user| prepared.trained[user]) {
            let items = prepared.train_of(user);
            if items.len() < 2 {
                skipped += 1;
                continue;
            }
            sequences.push(items.iter().map(|item| before + item).collect());
        }
        before += prepared.n_items() as u32;
    }
    observe(Event::Counted(Counted {
        what: "users with fewer than two training items, who give no pair".to_owned(),
        count: skipped,
    }));
    let vocabulary = opened.tokenizer.vocab_size() as u32;
    Pairs {
        reader: Reader {
            items: tokens,
            begin: opened.form.begin,
            max_tokens: config.max_tokens,
            max_items: config.max_items,
        },
        sequences,
        batch_size: config.pretrain.train.batch_size,
        words: Words {
            continues: (0..vocabulary)
                .map(|id| opened.tokenizer.continues(id))
                .collect(),
            mask: opened.mask,
        },
        seed: settings.seed,
    }
}
