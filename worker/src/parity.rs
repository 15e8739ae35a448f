//! `allround-worker --parity DEVICE [ENCODER]`: the largest difference between CPU and `DEVICE` of every model's outputs.
//!
//! Every net is built once on the CPU and once on the device with the same weights, and reads the same input. One line
//! of CSV a model comes out: `model,largest_value,largest_difference`. `ENCODER` is the folder of a sentence encoder.
//! For `scripts/gpu-check.sh`; on the CPU itself every difference is 0.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use allround::spec;
use tch::{Device, Kind, Tensor};

use crate::data::Histories;
use crate::llm::lm::{Holding, Lm, LmConfig};
use crate::llm::sentence::{SentenceEncoder, TextEncoder};
use crate::models::{self, Sizes, weights};
use crate::torch_ext::device;

/// Every CF model, small; what is not written has the defaults of the spec.
const MODELS: &str = r#"
spec_version = 1
name = "parity"
[dataset.synthetic.source.synthetic]
[model.sasrec.sasrec]
[model.sasrec-pre-norm.sasrec]
form = "pre_norm"
num_heads = 2
[model.gru4rec.gru4rec]
[model.nextitnet.nextitnet]
[model.ncf.ncf]
"#;
/// Language models whose form is checked.
const SHAPES: [&str; 3] = ["opt-125m", "opt-350m", "llama-3.2-3b"];
const ITEMS: u64 = 500;

/// Outputs of one model on the CPU and on the device.
struct Pair {
    model: String,
    cpu: Tensor,
    device: Tensor,
}

/// Compares, and writes the lines.
pub fn run() -> ExitCode {
    let name = std::env::args().nth(2).unwrap_or_default();
    let encoder = std::env::args().nth(3);
    let said = match compare(&name, encoder.as_deref().map(Path::new)) {
        Ok(lines) => write!(std::io::stdout(), "{lines}"),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "parity: {error}");
            return ExitCode::FAILURE;
        }
    };
    match said {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn compare(name: &str, encoder: Option<&Path>) -> Result<String, String> {
    let device = device::named(name).map_err(|error| format!("{error}; {}", error.hint()))?;
    let _guard = tch::no_grad_guard();
    let mut pairs = backbones(device)?;
    for shape in SHAPES {
        pairs.push(language_model(shape, device)?);
    }
    if let Some(folder) = encoder {
        pairs.push(sentences(folder, device)?);
    }
    let mut lines = "model,largest_value,largest_difference\n".to_owned();
    for pair in pairs {
        let there = pair.device.to_device(Device::Cpu);
        let largest = pair.cpu.abs().max().double_value(&[]);
        let difference = (pair.cpu - there).abs().max().double_value(&[]);
        lines.push_str(&format!("{},{largest:e},{difference:e}\n", pair.model));
    }
    Ok(lines)
}

fn backbones(device: Device) -> Result<Vec<Pair>, String> {
    let checked = spec::load_text("parity", MODELS, Path::new("."), &[]);
    let checked = checked.map_err(|faults| faults.to_string())?;
    let sizes = Sizes {
        users: 8,
        items: ITEMS,
    };
    let rows: [&[u32]; 4] = [&[1, 2, 3, 4, 5, 6, 7], &[8], &[9, 10], &[400, 3, 3, 77]];
    let histories = Histories::from_rows(&rows);
    let mut pairs = Vec::new();
    for (name, model) in &checked.spec.model {
        tch::manual_seed(1);
        let built = |device| models::build(model, sizes, device).ok_or("a floor has no net");
        let (cpu, there) = (built(Device::Cpu)?, built(device)?);
        let named: BTreeMap<String, Tensor> = cpu.weights().into_iter().collect();
        weights::fill(&there.weights(), &named).map_err(|error| error.to_string())?;
        pairs.push(Pair {
            model: name.clone(),
            cpu: cpu.score_all(&histories),
            device: there.score_all(&histories),
        });
    }
    Ok(pairs)
}

/// The form of `shape`, made small.
fn small(shape: &str) -> Result<LmConfig, String> {
    let mut config = LmConfig::named(shape).map_err(|error| error.to_string())?;
    let projected = config.embedding_size != config.hidden_size;
    let grouped = config.kv_heads != config.heads;
    config.hidden_size = 128;
    config.embedding_size = if projected { 64 } else { 128 };
    config.layers = 3;
    config.heads = 4;
    config.kv_heads = if grouped { 2 } else { 4 };
    config.head_size = 32;
    config.ffn_size = 256;
    config.vocab_size = 1000;
    Ok(config)
}

fn language_model(shape: &str, device: Device) -> Result<Pair, String> {
    tch::manual_seed(2);
    let cpu = Lm::random(small(shape)?, Holding::frozen(Kind::Float, Device::Cpu));
    let named: BTreeMap<String, Tensor> = cpu.weights().into_iter().collect();
    let holding = Holding::frozen(Kind::Float, device);
    let there =
        Lm::from_weights(small(shape)?, &named, holding).map_err(|error| error.to_string())?;
    let logits = |lm: &Lm| {
        let rows: Vec<Tensor> = [40i64, 17, 29]
            .iter()
            .map(|&length| lm.embed(&(Tensor::arange(length, (Kind::Int64, lm.device())) * 7 + 3)))
            .collect();
        lm.logits(&lm.hidden(&rows, &[0..40, 0..17, 0..29]))
    };
    Ok(Pair {
        model: format!("{shape} (small)"),
        cpu: logits(&cpu),
        device: logits(&there),
    })
}

fn sentences(folder: &Path, device: Device) -> Result<Pair, String> {
    let encoded = |device| {
        let encoder =
            SentenceEncoder::open(folder, 0, device).map_err(|error| error.to_string())?;
        Ok::<Tensor, String>(encoder.encode(
            &["a short text", "a text that is somewhat longer", "one"],
            false,
        ))
    };
    Ok(Pair {
        model: "sentence encoder".to_owned(),
        cpu: encoded(Device::Cpu)?,
        device: encoded(device)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_agrees_with_itself_to_the_last_bit() {
        let lines = compare("cpu", None).unwrap();
        let rows: Vec<&str> = lines.lines().skip(1).collect();
        assert_eq!(rows.len(), 5 + SHAPES.len());
        assert!(rows.iter().all(|row| row.ends_with(",0e0")), "{lines}");
        assert!(rows.iter().all(|row| !row.contains(",0e0,")), "{lines}");
        assert!(compare("gpu", None).unwrap_err().contains("cuda:0"));
    }
}
