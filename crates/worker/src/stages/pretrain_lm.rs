//! `pretrain-lm`: a small OPT from scratch. Leaves a Hugging Face folder: `config.json`, weights,
//! tokenizer.

use std::sync::Arc;

use std::path::Path;

use allround_core::config::llm::{Dtype, SmallLlm};
use allround_core::data::Prepared;
use allround_core::event::Event;
use allround_core::fs;
use allround_core::seed::{Stream, foreign};
use allround_core::stage::Job;
use allround_core::stage::PretrainLm;
use tch::{Device, Kind};

use super::need;
use super::report::StageError;
use crate::hf::tokenizer::Tokenizer;
use crate::lm::{Holding, Lm, LmConfig};
use crate::methods::pretrain::{self, PretrainTask, STAGE};
use crate::methods::prompted_lm::{LoadedLm, kind_of};
use crate::models::weights;
use crate::train::task::Task;
use crate::train::trainer::{self, Plan, no_validation};

pub(super) fn run(
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
    let corpus = pretrain::corpus(&prepared, &settings.words);
    let tokenizer = Tokenizer::train_byte_level(&corpus, small.vocab_size)?;
    let eos = tokenizer
        .eos()
        .expect("a tokenizer of one's own ends texts");
    let config = LmConfig {
        init_std: pretrain::INIT_STD,
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
    pretrain::start_alike(&lm);
    let loaded = LoadedLm {
        lm,
        tokenizer: Arc::new(tokenizer),
        ends: vec![eos],
        remarks: Vec::new(),
    };
    let task = PretrainTask::new(small, &settings.words, &prepared, loaded);
    let train = pretrain::training_of(small);
    let plan = Plan {
        train: &train,
        seed: small.seed,
        stage: STAGE,
        checkpoint: &job.checkpoint,
        checkpoint_every: job.checkpoint_every,
    };
    for phase in trainer::train(&plan, &task, &mut no_validation, observe)? {
        observe(Event::Phase(phase));
    }
    task.report(observe);
    save(&job.output, small, &task)
}

/// Leaves the trained model as a Hugging Face folder.
fn save(folder: &Path, small: &SmallLlm, task: &PretrainTask<'_>) -> Result<(), StageError> {
    let kind = kind_of(small.dtype);
    let named = task.weights().into_iter();
    let named: Vec<_> = named
        .map(|(name, weight)| (name, weight.to_kind(kind)))
        .collect();
    weights::write(&folder.join("model.safetensors"), &named)?;
    task.loaded.tokenizer.save(folder)?;
    let text = config_json(small, task.loaded.tokenizer.vocab_size());
    Ok(fs::write_atomic(
        &folder.join("config.json"),
        text.as_bytes(),
    )?)
}

/// The model's shape in the words of transformers' `OPTConfig`.
fn config_json(small: &SmallLlm, vocab_size: usize) -> String {
    let dtype = match small.dtype {
        Dtype::Fp32 => "float32",
        Dtype::Bf16 => "bfloat16",
        Dtype::Fp16 => "float16",
    };
    let value = serde_json::json!({
        "architectures": ["OPTForCausalLM"],
        "model_type": "opt",
        "vocab_size": vocab_size,
        "hidden_size": small.hidden_units,
        "word_embed_proj_dim": small.hidden_units,
        "num_hidden_layers": small.num_blocks,
        "num_attention_heads": small.num_heads,
        "ffn_dim": 4 * small.hidden_units,
        "max_position_embeddings": small.positions,
        "do_layer_norm_before": true,
        "activation_function": "relu",
        "dropout": 0.0,
        "attention_dropout": 0.0,
        "bos_token_id": 2,
        "eos_token_id": 2,
        "pad_token_id": 1,
        "tie_word_embeddings": true,
        "torch_dtype": dtype,
    });
    serde_json::to_string_pretty(&value).expect("a value is plain data")
}
