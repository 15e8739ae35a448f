//! `longformer_forward WORK.json`: measures forward passes of RECFORMER's network, for
//! `benches/peers/longformer.py`. The output is one line of JSON with the seconds of every batch.

#[path = "shared/clock.rs"]
mod clock;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clock::Times;
use serde::Deserialize;
use tch::Device;

use allround_worker::nn::Parameters;
use allround_worker::nn::longformer::{Longformer, Packed, Sequence, Shape};

/// What to measure.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Work {
    /// CPU threads.
    threads: i32,
    /// Width of states.
    width: i64,
    /// Heads.
    heads: i64,
    /// Layers.
    layers: i64,
    /// Size of the vocabulary.
    vocabulary: i64,
    /// Attention window.
    window: i64,
    /// Tokens of the sequences of each batch.
    batches: Vec<Vec<Vec<u32>>>,
}

fn main() -> ExitCode {
    let result = measure().and_then(|times| {
        let line = serde_json::to_string(&times).map_err(|error| error.to_string())?;
        writeln!(std::io::stdout(), "{line}").map_err(|error| error.to_string())
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "longformer_forward: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the batches of the file that the first argument names.
fn measure() -> Result<Times, String> {
    let path = std::env::args()
        .nth(1)
        .ok_or("usage: longformer_forward WORK.json")?;
    let bytes = allround_core::fs::read(Path::new(&path)).map_err(|error| error.to_string())?;
    let work: Work = serde_json::from_slice(&bytes).map_err(|error| format!("{path}: {error}"))?;
    tch::set_num_threads(work.threads);
    tch::manual_seed(1);
    let mut parameters = Parameters::new(Device::Cpu);
    let shape = Shape {
        vocabulary: work.vocabulary,
        positions: 4098,
        types: 4,
        item_positions: 51,
        width: work.width,
        layers: work.layers,
        heads: work.heads,
        inner: 4 * work.width,
        half_window: work.window / 2,
        first_position: 2,
        eps: 1e-5,
        dropout: 0.1,
    };
    let net = Longformer::new(&mut parameters, shape);
    let _guard = tch::no_grad_guard();
    let mut times = Times::default();
    for batch in &work.batches {
        let sequences: Vec<Sequence> = batch.iter().map(|ids| sequence(ids)).collect();
        let sequences: Vec<&Sequence> = sequences.iter().collect();
        times.measure(|| {
            let packed = Packed::new(&sequences, Device::Cpu);
            let _ = net.first(&packed, false);
        });
    }
    Ok(times)
}

/// Items of eight tokens.
fn sequence(ids: &[u32]) -> Sequence {
    let places = 0..ids.len() as u32;
    Sequence {
        ids: ids.to_vec(),
        types: places.clone().map(|place| place.min(2)).collect(),
        items: places.map(|place| place.div_ceil(8)).collect(),
    }
}
