//! Samples per second of a step as in A-LLMRec's first stage; `bench/encoder.py` runs it beside sentence-transformers.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use allround_core::models::train::Optimizer as OptimizerConfig;
use serde::Deserialize;
use tch::{Device, Kind, Tensor};

use super::optimizer::Optimizer;
use crate::llm::sentence::{SentenceEncoder, TextEncoder};
use crate::nn::{Parameters, parameters};

/// What the script asks for.
#[derive(Deserialize)]
struct Work {
    folder: String,
    threads: i32,
    /// Width of the auto-encoder's middle.
    hidden: i64,
    /// Steps that are not measured.
    warm_up: usize,
    /// Texts of each step: positives, then as many negatives.
    batches: Vec<Vec<String>>,
}

/// The text auto-encoder of the first stage, and the item vectors that its middle is drawn to.
struct Head {
    parameters: Parameters,
    down: Tensor,
    up: Tensor,
}

impl Head {
    fn new(width: i64, hidden: i64) -> Self {
        let mut parameters = Parameters::new(Device::Cpu);
        Self {
            down: parameters.add("down", parameters::xavier_normal(&[hidden, width])),
            up: parameters.add("up", parameters::xavier_normal(&[width, hidden])),
            parameters,
        }
    }

    fn loss(&self, texts: &Tensor, items: &Tensor) -> Tensor {
        let middle = texts.linear(&self.down, None::<Tensor>);
        let again = middle.linear(&self.up, None::<Tensor>);
        let mean = tch::Reduction::Mean;
        middle.mse_loss(items, mean) + again.mse_loss(texts, mean)
    }
}

/// What all threads of this process have computed so far, which other programs on the machine do not change. Linux counts in
/// hundredths of a second.
fn processor_seconds() -> f64 {
    let line = allround_core::fs::read_to_string(Path::new("/proc/self/stat")).unwrap();
    let (_, fields) = line.rsplit_once(')').expect("the name stands in brackets");
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks
        .map(|field| field.parse::<f64>().unwrap())
        .sum::<f64>()
        / 100.0
}

#[test]
#[ignore = "measures; bench/encoder.py runs it"]
fn measure() {
    let path = std::env::var("ALLROUND_BENCH_WORK").expect("bench/encoder.py names its file");
    let work: Work = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    tch::set_num_threads(work.threads);
    tch::manual_seed(1);
    let encoder = SentenceEncoder::open(Path::new(&work.folder), 0, Device::Cpu).unwrap();
    let head = Head::new(encoder.width(), work.hidden);
    let mut weights = encoder.weights();
    weights.extend(head.parameters.named());
    let adam = OptimizerConfig::Adam {
        betas: [0.9, 0.999],
        eps: 1e-8,
        weight_decay: 0.0,
    };
    let mut optimizer = Optimizer::new(&adam, 1e-4, weights);
    let (mut seconds, mut processor) = (Vec::new(), Vec::new());
    for batch in &work.batches {
        let (started, before) = (Instant::now(), processor_seconds());
        let texts: Vec<&str> = batch.iter().map(String::as_str).collect();
        let vectors = encoder.encode(&texts, true);
        let items = Tensor::randn(
            [texts.len() as i64, work.hidden],
            (Kind::Float, Device::Cpu),
        );
        let half = texts.len() as i64 / 2;
        let loss = head.loss(&vectors.narrow(0, 0, half), &items.narrow(0, 0, half))
            + head.loss(&vectors.narrow(0, half, half), &items.narrow(0, half, half));
        loss.backward();
        optimizer.step();
        seconds.push(started.elapsed().as_secs_f64());
        processor.push(processor_seconds() - before);
    }
    let line = serde_json::json!({
        "seconds": seconds[work.warm_up..],
        "cpu_seconds": processor[work.warm_up..],
    });
    writeln!(std::io::stdout(), "{line}").unwrap();
}
