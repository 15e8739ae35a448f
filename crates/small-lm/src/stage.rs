//! `pretrain-lm`: a small OPT from scratch. Leaves a Hugging Face folder: `config.json`, weights,
//! tokenizer.

use std::sync::Arc;

use allround_core::data::Prepared;
use allround_core::event::Event;
use allround_core::seed::{Stream, foreign};
use allround_core::stage::{Job, PretrainLm};
use tch::{Device, Kind};

use allround_worker::hf::tokenizer::Tokenizer;
use allround_worker::lm::{Holding, Lm, LmConfig};
use allround_worker::methods::prompted_lm::LoadedLm;
use allround_worker::stages::{StageError, need, save_opt};
use allround_worker::train::checkpoint::CheckpointPlan;
use allround_worker::train::trainer::{self, Plan, no_validation};

use super::{INIT_STD, PretrainTask, STAGE, corpus, start_alike, training_of};

/// Runs the stage `pretrain-lm`; see [`allround_worker::stages::Pretrain`].
///
/// # Errors
/// When the data set has fewer than two items, training fails or a file cannot be written.
pub fn run(
    job: &Job,
    settings: &PretrainLm,
    device: Device,
    observe: &mut dyn FnMut(Event),
) -> Result<(), StageError> {
    let prepared = Prepared::load(need(job, "prepared")?)?;
    if prepared.n_items() < 2 {
        return Err(StageError::new(
            "a list of titles needs two items; the data set has fewer",
        ));
    }
    let small = &settings.llm;
    let texts = corpus(&prepared, &settings.words);
    let tokenizer = Tokenizer::train_byte_level(&texts, small.vocab_size)?;
    let eos = tokenizer
        .eos()
        .expect("a tokenizer of one's own ends texts");
    let config = LmConfig {
        init_std: INIT_STD,
        ..LmConfig::opt(
            tokenizer.vocab_size() as i64,
            small.hidden_units as i64,
            small.num_blocks,
            small.num_heads as i64,
            small.positions as i64,
        )
    };
    tch::manual_seed(foreign(small.seed, Stream::Init, STAGE));
    let holding = Holding {
        trainable: true,
        ..Holding::frozen(Kind::Float, device)
    };
    let lm = Lm::random(config, holding);
    start_alike(&lm);
    let loaded = LoadedLm {
        lm,
        tokenizer: Arc::new(tokenizer),
        ends: vec![eos],
        chat: None,
        turn: None,
        remarks: Vec::new(),
    };
    let task = PretrainTask::new(small, &settings.words, &prepared, loaded);
    let train = training_of(small);
    let plan = Plan {
        train: &train,
        seed: small.seed,
        stage: STAGE,
        validation: None,
        checkpoint: CheckpointPlan::of(job),
    };
    for phase in trainer::train(&plan, &task, &mut no_validation, observe)? {
        observe(Event::Phase(phase));
    }
    task.report(observe);
    save_opt(&job.output, &task.loaded, small.dtype)
}
