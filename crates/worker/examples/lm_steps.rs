//! `allround-worker --bench WORK.json`: measures a language model at given work, for the scripts in `bench/`.
//!
//! The work is A-LLMRec's second stage over prompts that the script has drawn and tokenised: a user vector in front, an
//! item vector after each title, two trained projections, a frozen model with random weights. One line of JSON comes
//! out, with the seconds of every step.

use std::io::Write;
use std::ops::Range;
use std::process::ExitCode;
use std::time::Instant;

use allround_core::models::train::Optimizer as Config;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use allround_worker::llm::lm::{Generation, Holding, Lm, LmConfig};
use allround_worker::nn::parameters::{ones, xavier_normal, zeros};
use allround_worker::torch_ext::device;
use allround_worker::train::optimizer::Optimizer;

/// What to measure.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Work {
    /// Name of the model's shape.
    shape: String,
    /// `float32`, `bfloat16` or `float16`.
    dtype: String,
    /// Whether matrices are held in eight bits.
    int8: bool,
    /// `cpu` or `cuda:N`.
    device: String,
    /// CPU threads.
    threads: i32,
    /// What a step does.
    task: Task,
    /// One list of prompts a step.
    steps: Vec<Vec<Prompt>>,
}

/// What a step does.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Task {
    /// A training step on the answers.
    Train,
    /// Greedy answers of 32 tokens.
    Generate,
    /// The likelihoods of the continuations.
    Score,
}

/// One user's prompt.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Prompt {
    /// Tokens; below 0 an item vector stands.
    ids: Vec<i64>,
    /// The answer's tokens.
    answer: Vec<i64>,
    /// Candidates' titles in tokens.
    continuations: Vec<Vec<u32>>,
}

#[derive(Debug, Serialize)]
struct Measured {
    /// Seconds of each step.
    seconds: Vec<f64>,
    /// Tokens of each step, the user vectors among them.
    tokens: Vec<usize>,
    /// The last loss, or the mean of the last step's scores.
    value: f64,
}

/// A trained way from vectors into the model: Linear, LayerNorm, activation, Linear.
struct Projection {
    weights: [Tensor; 6],
    leaky: bool,
}

impl Projection {
    fn new(inputs: i64, width: i64, leaky: bool, device: Device) -> Self {
        let start = [
            xavier_normal(&[width, inputs]),
            zeros(&[width]),
            ones(&[width]),
            zeros(&[width]),
            xavier_normal(&[width, width]),
            zeros(&[width]),
        ];
        Self {
            weights: start.map(|weight| weight.to_device(device).set_requires_grad(true)),
            leaky,
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let [first, first_bias, scale, shift, second, second_bias] = &self.weights;
        let x = x.linear(first, Some(first_bias));
        let x = x.layer_norm(scale.size(), Some(scale), Some(shift), 1e-5, true);
        let x = if self.leaky {
            x.leaky_relu()
        } else {
            x.gelu("none")
        };
        x.linear(second, Some(second_bias))
    }
}

/// The model and what is trained around it.
struct Bench {
    lm: Lm,
    user: Projection,
    item: Projection,
    adam: Optimizer,
}

impl Bench {
    fn new(work: &Work) -> Result<Self, String> {
        let device = device::named(&work.device).map_err(|error| error.to_string())?;
        let kind = match work.dtype.as_str() {
            "float32" => Kind::Float,
            "bfloat16" => Kind::BFloat16,
            "float16" => Kind::Half,
            other => return Err(format!("`{other}` is no number type")),
        };
        let config = LmConfig::named(&work.shape).map_err(|error| error.to_string())?;
        tch::set_num_threads(work.threads);
        tch::manual_seed(1);
        let holding = Holding {
            int8: work.int8,
            ..Holding::frozen(kind, device)
        };
        let lm = Lm::random(config, holding);
        let user = Projection::new(50, lm.width(), true, device);
        let item = Projection::new(128, lm.width(), false, device);
        let trained = user.weights.iter().chain(&item.weights).enumerate();
        let trained = trained.map(|(number, weight)| (number.to_string(), weight.shallow_clone()));
        let settings = Config::Adam {
            betas: [0.9, 0.98],
            eps: 1e-8,
            weight_decay: 0.0,
        };
        let adam = Optimizer::new(&settings, 1e-4, trained.collect());
        Ok(Self {
            lm,
            user,
            item,
            adam,
        })
    }

    /// Input vectors of each prompt, its answer behind it where `answered`.
    fn rows(&self, prompts: &[Prompt], answered: bool) -> Vec<Tensor> {
        let device = self.lm.device();
        let options = (Kind::Float, device);
        let text = |prompt: &Prompt| {
            let answer: &[i64] = if answered { &prompt.answer } else { &[] };
            [&prompt.ids, answer].concat()
        };
        let texts: Vec<Vec<i64>> = prompts.iter().map(text).collect();
        let flat = texts.concat();
        let slots: Vec<i64> = (0..flat.len())
            .filter(|&at| flat[at] < 0)
            .map(|at| at as i64)
            .collect();
        let there = |list: &[i64]| Tensor::from_slice(list).to_device(device);
        let users = self
            .user
            .forward(&Tensor::randn([prompts.len() as i64, 50], options));
        let items = self
            .item
            .forward(&Tensor::rand([slots.len() as i64, 128], options));
        let ids: Vec<i64> = flat.iter().map(|&id| id.max(0)).collect();
        let x = self.lm.embed(&there(&ids));
        let x = x.index_copy(0, &there(&slots), &items.to_kind(x.kind()));
        let lengths: Vec<i64> = texts.iter().map(|text| text.len() as i64).collect();
        let parts = x.split_with_sizes(lengths, 0);
        let row = |(number, part): (usize, &Tensor)| {
            let user = users.narrow(0, number as i64, 1).to_kind(x.kind());
            Tensor::cat(&[&user, part], 0)
        };
        parts.iter().enumerate().map(row).collect()
    }

    fn step(&mut self, task: Task, prompts: &[Prompt]) -> f64 {
        match task {
            Task::Train => self.train(prompts),
            Task::Generate => self.generate(prompts),
            Task::Score => self.score(prompts),
        }
    }

    fn train(&mut self, prompts: &[Prompt]) -> f64 {
        let rows = self.rows(prompts, true);
        let wanted: Vec<Range<usize>> = prompts
            .iter()
            .map(|prompt| prompt.ids.len()..prompt.ids.len() + prompt.answer.len())
            .collect();
        let targets: Vec<i64> = prompts
            .iter()
            .flat_map(|prompt| prompt.answer.clone())
            .collect();
        let targets = Tensor::from_slice(&targets).to_device(self.lm.device());
        let logits = self
            .lm
            .logits(&self.lm.hidden(&rows, &wanted))
            .to_kind(Kind::Float);
        let loss = logits.cross_entropy_for_logits(&targets);
        loss.backward();
        self.adam.step();
        loss.double_value(&[])
    }

    fn generate(&self, prompts: &[Prompt]) -> f64 {
        let settings = Generation {
            max_new_tokens: 32,
            min_new_tokens: 32,
            repetition_penalty: 1.0,
            penalise_eos_from_start: false,
            ends: vec![2],
            stop_after: None,
        };
        let rows = tch::no_grad(|| self.rows(prompts, false));
        let answers = self.lm.generate(&rows, &settings, None);
        let answers = answers.expect("random weights are small");
        answers.iter().map(Vec::len).sum::<usize>() as f64
    }

    fn score(&self, prompts: &[Prompt]) -> f64 {
        let rows = tch::no_grad(|| self.rows(prompts, false));
        let continuations: Vec<_> = prompts
            .iter()
            .map(|prompt| prompt.continuations.clone())
            .collect();
        let scores = self.lm.score(&rows, &continuations).concat();
        scores.iter().sum::<f64>() / scores.len() as f64
    }
}

/// Reads the work that the second argument names, does it, and writes what it took.
fn main() -> ExitCode {
    match measure() {
        Ok(line) => match writeln!(std::io::stdout(), "{line}") {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(error) => {
            // Nobody reads events here.
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<String, String> {
    let path = std::env::args().nth(2).ok_or("no file of work is named")?;
    let bytes =
        allround_core::fs::read(std::path::Path::new(&path)).map_err(|error| error.to_string())?;
    let work: Work = serde_json::from_slice(&bytes).map_err(|error| format!("{path}: {error}"))?;
    let mut bench = Bench::new(&work)?;
    let mut measured = Measured {
        seconds: Vec::new(),
        tokens: Vec::new(),
        value: 0.0,
    };
    for prompts in &work.steps {
        let start = Instant::now();
        // The value is read back, which waits for the device.
        measured.value = bench.step(work.task, prompts);
        measured.seconds.push(start.elapsed().as_secs_f64());
        measured.tokens.push(
            prompts
                .iter()
                .map(|prompt| 1 + prompt.ids.len() + prompt.answer.len())
                .sum(),
        );
    }
    Ok(serde_json::to_string(&measured).expect("numbers are JSON"))
}
