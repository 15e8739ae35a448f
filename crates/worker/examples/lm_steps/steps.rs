//! Training, scoring and generating with a frozen language model of random weights and two trained projections.
//!
//! A prompt has the user's vector first and item vectors at marked positions. The projections, the language model and the
//! optimizer are those of the worker; only the vectors are random.

use std::ops::Range;

use allround_core::models::llm_method::ItemEmbedding;
use allround_core::models::train::Optimizer as OptimizerConfig;
use serde::Deserialize;
use tch::{Device, Kind, Tensor};

use allround_worker::lm::{Generation, Holding, Lm, LmConfig};
use allround_worker::methods::project::{Projections, Shape};
use allround_worker::torch_ext::device;
use allround_worker::train::optimizer::Optimizer;

/// The language model and where it runs.
#[derive(Clone, Debug, Deserialize)]
pub struct Model {
    /// Name of a published shape, such as `opt-125m`.
    pub shape: String,
    /// `float32`, `bfloat16` or `float16`.
    pub dtype: String,
    /// Whether matrices are held in eight bits.
    pub int8: bool,
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// CPU threads.
    pub threads: i32,
}

/// What a step does.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// A training step on the answers.
    Train,
    /// Greedy answers of 32 tokens.
    Generate,
    /// The likelihoods of the continuations.
    Score,
}

/// One user's prompt.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prompt {
    /// Token ids; a negative number is the position of an item vector.
    pub ids: Vec<i64>,
    /// The answer's tokens.
    pub answer: Vec<i64>,
    /// Candidates' titles in tokens.
    pub continuations: Vec<Vec<u32>>,
}

/// Width of the CF model's user states, as in the paper.
const STATES: i64 = 50;
/// Width of the joint item embeddings, as in the paper.
const CODES: i64 = 128;
/// Items of the table that F_I reads.
const ITEMS: u32 = 1000;

/// The model, the projections and their optimizer.
#[derive(Debug)]
pub struct Steps {
    lm: Lm,
    projections: Projections,
    optimizer: Optimizer,
}

impl Steps {
    /// Random weights on the device.
    ///
    /// # Errors
    /// When the shape, the number type or the device does not exist.
    pub fn new(model: &Model) -> Result<Self, String> {
        let device = device::named(&model.device).map_err(|error| error.to_string())?;
        let kind = match model.dtype.as_str() {
            "float32" => Kind::Float,
            "bfloat16" => Kind::BFloat16,
            "float16" => Kind::Half,
            other => return Err(format!("unknown number type `{other}`")),
        };
        let config = LmConfig::named(&model.shape).map_err(|error| error.to_string())?;
        tch::set_num_threads(model.threads);
        tch::manual_seed(1);
        let holding = Holding {
            int8: model.int8,
            ..Holding::frozen(kind, device)
        };
        let lm = Lm::random(config, holding);
        let table = Tensor::rand([i64::from(ITEMS) + 1, CODES], (Kind::Float, device));
        let shape = Shape {
            states: STATES,
            user: true,
            lm: lm.width(),
            hidden_layers: 1,
            layer_norm: true,
        };
        let projections = Projections::new(shape, Some(table), ItemEmbedding::Joint, device);
        let adam = OptimizerConfig::Adam {
            betas: [0.9, 0.98],
            eps: 1e-8,
            weight_decay: 0.0,
        };
        Ok(Self {
            optimizer: Optimizer::new(&adam, 1e-4, projections.weights()),
            projections,
            lm,
        })
    }

    /// One step; the loss, the number of generated tokens, or the mean score.
    ///
    /// # Errors
    /// When a generated token has no finite score.
    pub fn run(&mut self, task: Task, prompts: &[Prompt]) -> Result<f64, String> {
        match task {
            Task::Train => Ok(self.train(prompts)),
            Task::Generate => self.generate(prompts),
            Task::Score => Ok(self.score(prompts)),
        }
    }

    /// Input vectors of each text: the user's vector, then tokens and item vectors.
    fn rows(&self, texts: &[Vec<i64>]) -> Vec<Tensor> {
        let device = self.lm.device();
        let flat = texts.concat();
        let slots: Vec<i64> = (0..)
            .zip(&flat)
            .filter(|(_, id)| **id < 0)
            .map(|(at, _)| at)
            .collect();
        let items: Vec<u32> = (0..slots.len() as u32)
            .map(|slot| 1 + slot % ITEMS)
            .collect();
        let ids: Vec<i64> = flat.iter().map(|&id| id.max(0)).collect();
        let states = Tensor::randn([texts.len() as i64, STATES], (Kind::Float, device));
        let users = self
            .projections
            .users(&states)
            .expect("the shape has a user");
        let x = self.lm.embed(&on(device, &ids));
        let items = self.projections.items(&items).to_kind(x.kind());
        let x = x.index_copy(0, &on(device, &slots), &items);
        let users = users.to_kind(x.kind());
        let lengths: Vec<i64> = texts.iter().map(|text| text.len() as i64).collect();
        let parts = x.split_with_sizes(lengths, 0);
        let row = |(number, part)| Tensor::cat(&[&users.narrow(0, number, 1), part], 0);
        (0..).zip(&parts).map(row).collect()
    }

    fn train(&mut self, prompts: &[Prompt]) -> f64 {
        let texts: Vec<Vec<i64>> = prompts
            .iter()
            .map(|prompt| [&prompt.ids[..], &prompt.answer].concat())
            .collect();
        let rows = self.rows(&texts);
        // The positions whose next token belongs to the answer; the user's vector is position 0.
        let answers: Vec<Range<usize>> = prompts
            .iter()
            .map(|prompt| prompt.ids.len()..prompt.ids.len() + prompt.answer.len())
            .collect();
        let targets: Vec<i64> = prompts
            .iter()
            .flat_map(|prompt| prompt.answer.clone())
            .collect();
        let targets = on(self.lm.device(), &targets);
        let logits = self.lm.logits(&self.lm.hidden(&rows, &answers));
        let loss = logits
            .to_kind(Kind::Float)
            .cross_entropy_for_logits(&targets);
        loss.backward();
        self.optimizer.step();
        loss.double_value(&[])
    }

    fn generate(&self, prompts: &[Prompt]) -> Result<f64, String> {
        let settings = Generation {
            max_new_tokens: 32,
            min_new_tokens: 32,
            repetition_penalty: 1.0,
            penalise_eos_from_start: false,
            ends: vec![2],
            stop_after: None,
        };
        let rows = self.prompt_rows(prompts);
        let answers = self.lm.generate(&rows, &settings, None);
        let answers = answers.map_err(|error| error.to_string())?;
        Ok(answers.iter().map(Vec::len).sum::<usize>() as f64)
    }

    fn score(&self, prompts: &[Prompt]) -> f64 {
        let continuations: Vec<_> = prompts
            .iter()
            .map(|prompt| prompt.continuations.clone())
            .collect();
        let scores = self
            .lm
            .score(&self.prompt_rows(prompts), &continuations)
            .concat();
        scores.iter().sum::<f64>() / scores.len() as f64
    }

    /// Input vectors of the prompts without answers, and without gradients.
    fn prompt_rows(&self, prompts: &[Prompt]) -> Vec<Tensor> {
        let texts: Vec<Vec<i64>> = prompts.iter().map(|prompt| prompt.ids.clone()).collect();
        tch::no_grad(|| self.rows(&texts))
    }
}

fn on(device: Device, values: &[i64]) -> Tensor {
    Tensor::from_slice(values).to_device(device)
}
