//! `lm_steps WORK.json`: measures steps of A-LLMRec's second stage, for the scripts in `benches/peers/`.
//!
//! WORK.json holds prompts that the script has drawn and tokenized. The output is one line of JSON: for each
//! measurement, the seconds of every step.

#[path = "../shared/clock.rs"]
mod clock;
mod steps;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

use clock::Times;
use steps::{Model, Prompt, Steps, Task};

/// What to measure.
#[derive(Debug, Deserialize)]
struct Work {
    /// The model and where it runs.
    #[serde(flatten)]
    model: Model,
    /// The measurements, one after the other on the same model.
    measurements: Vec<Measurement>,
}

/// Steps of one kind.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Measurement {
    /// What a step does.
    task: Task,
    /// One list of prompts a step.
    steps: Vec<Vec<Prompt>>,
}

/// What the steps of one measurement took.
#[derive(Debug, Serialize)]
struct Measured {
    #[serde(flatten)]
    times: Times,
    /// Tokens of each step, counting the user vectors.
    tokens: Vec<usize>,
    /// The last loss, the number of generated tokens, or the mean of the last step's scores.
    value: f64,
}

fn main() -> ExitCode {
    let result = measure()
        .and_then(|line| writeln!(std::io::stdout(), "{line}").map_err(|error| error.to_string()));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "lm_steps: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the measurements of the file that the first argument names.
fn measure() -> Result<String, String> {
    let path = std::env::args().nth(1).ok_or("usage: lm_steps WORK.json")?;
    let bytes = allround_core::fs::read(Path::new(&path)).map_err(|error| error.to_string())?;
    let work: Work = serde_json::from_slice(&bytes).map_err(|error| format!("{path}: {error}"))?;
    let mut steps = Steps::new(&work.model)?;
    let measured = work.measurements.iter();
    let measured = measured.map(|measurement| run(&mut steps, measurement));
    let measured = measured.collect::<Result<Vec<Measured>, String>>()?;
    serde_json::to_string(&measured).map_err(|error| error.to_string())
}

/// Runs the steps of one measurement.
fn run(steps: &mut Steps, measurement: &Measurement) -> Result<Measured, String> {
    let mut measured = Measured {
        times: Times::default(),
        tokens: Vec::new(),
        value: 0.0,
    };
    for prompts in &measurement.steps {
        let step = || steps.run(measurement.task, prompts);
        // Reading the value waits for the device.
        measured.value = measured.times.measure(step)?;
        let tokens = prompts
            .iter()
            .map(|prompt| 1 + prompt.ids.len() + prompt.answer.len());
        measured.tokens.push(tokens.sum());
    }
    Ok(measured)
}
