//! `encoder_steps WORK.json`: measures steps like those of A-LLMRec's first stage with its text encoder trained, for
//! `benches/peers/encoder.py`. The output is one line of JSON with the seconds of every step.

#[path = "shared/clock.rs"]
mod clock;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use allround_core::models::train::Optimizer as OptimizerConfig;
use clock::Times;
use serde::Deserialize;
use tch::{Device, Kind, Tensor};

use allround_worker::encoder::sentence::{SentenceEncoder, TextEncoder};
use allround_worker::methods::align::AutoEncoder;
use allround_worker::nn::Parameters;
use allround_worker::train::optimizer::Optimizer;

/// What to measure.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Work {
    /// Folder of the sentence encoder.
    folder: String,
    /// CPU threads.
    threads: i32,
    /// Width of the auto-encoder's codes.
    hidden: i64,
    /// Texts of each step: positives, then as many negatives.
    batches: Vec<Vec<String>>,
}

fn main() -> ExitCode {
    let result = measure().and_then(|times| {
        let line = serde_json::to_string(&times).map_err(|error| error.to_string())?;
        writeln!(std::io::stdout(), "{line}").map_err(|error| error.to_string())
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "encoder_steps: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the steps of the file that the first argument names.
fn measure() -> Result<Times, String> {
    let path = std::env::args()
        .nth(1)
        .ok_or("usage: encoder_steps WORK.json")?;
    let bytes = allround_core::fs::read(Path::new(&path)).map_err(|error| error.to_string())?;
    let work: Work = serde_json::from_slice(&bytes).map_err(|error| format!("{path}: {error}"))?;
    tch::set_num_threads(work.threads);
    tch::manual_seed(1);
    let encoder = SentenceEncoder::open(Path::new(&work.folder), 0, Device::Cpu);
    let encoder = encoder.map_err(|error| error.to_string())?;
    let mut parameters = Parameters::new(Device::Cpu);
    let texts = AutoEncoder::new(
        &mut parameters,
        "texts",
        encoder.width(),
        work.hidden,
        false,
    );
    let mut weights = encoder.weights();
    weights.extend(parameters.named());
    let adam = OptimizerConfig::Adam {
        betas: [0.9, 0.999],
        eps: 1e-8,
        weight_decay: 0.0,
    };
    let mut optimizer = Optimizer::new(&adam, 1e-4, weights);
    let mut times = Times::default();
    for batch in &work.batches {
        times.measure(|| {
            let batch: Vec<&str> = batch.iter().map(String::as_str).collect();
            let vectors = encoder.encode(&batch, true);
            loss(&texts, &vectors).backward();
            optimizer.step();
        });
    }
    Ok(times)
}

/// Matching of the texts' codes with random item vectors, and reconstruction of the texts' vectors; a mean over positives
/// and one over negatives.
fn loss(texts: &AutoEncoder, vectors: &Tensor) -> Tensor {
    let mean = tch::Reduction::Mean;
    let codes = texts.encode(vectors);
    let items = Tensor::randn(codes.size(), (Kind::Float, Device::Cpu));
    let half = vectors.size()[0] / 2;
    let part = |start| {
        let vectors = vectors.narrow(0, start, half);
        let codes = codes.narrow(0, start, half);
        codes.mse_loss(&items.narrow(0, start, half), mean)
            + texts.decode(&codes).mse_loss(&vectors, mean)
    };
    part(0) + part(half)
}
