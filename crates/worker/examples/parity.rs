//! `parity DEVICE [ENCODER]`: the largest difference between CPU and `DEVICE` of every model's outputs and gradients.
//!
//! Every net is built once on the CPU and once on the device with the same weights, and reads the same input. The output
//! is one line of CSV a model: `model,largest_value,largest_difference,allowed`, the last as a share of the largest value.
//! `ENCODER` is the folder of a sentence encoder. `scripts/gpu-check.sh` runs it; on the CPU every difference is 0.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use allround::experiment;
use allround_core::models::llm_method::ItemEmbedding;
use tch::{Device, Kind, Tensor};

use allround_core::models::llm_method::Lora;
use allround_worker::data::{Histories, TrainingBatch};
use allround_worker::encoder::sentence::{SentenceEncoder, TextEncoder};
use allround_worker::lm::{Generation, Holding, Lm, LmConfig};
use allround_worker::methods::align::AutoEncoder;
use allround_worker::methods::project::{Projections, Shape};
use allround_worker::models::{self, Backbone, Sizes, weights};
use allround_worker::nn::Parameters;
use allround_worker::torch_ext::device;

/// Every CF model, small and without dropout; what else is not written has the defaults of the spec.
const MODELS: &str = r#"
spec_version = 1
name = "parity"
[dataset.synthetic.source.synthetic]
[model.sasrec.sasrec]
dropout = 0.0
[model.sasrec-pre-norm.sasrec]
form = "pmixer_pre_norm"
num_heads = 2
dropout = 0.0
[model.gru4rec.gru4rec]
embedding_dropout = 0.0
dropout = 0.0
[model.nextitnet.nextitnet]
dropout = 0.0
[model.ncf.ncf]
dropout = 0.0
[model.esasrec.sasrec]
preset = "esasrec"
hidden_units = 64
maxlen = 50
dropout = 0.0
[model.bert4rec.bert4rec]
hidden_units = 64
inner_units = 256
dropout = 0.0
[model.hstu.hstu]
dropout = 0.0
[encoder.texts.hashed]
[model.morec.morec]
encoder = "texts"
num_heads = 2
dropout = 0.0
[model.ctrl.ctrl]
encoder = "texts"
contrast.train_encoder = false
dropout = 0.0
[model.recformer.recformer]
attributes = ["title"]
hidden_units = 32
num_heads = 2
vocab_size = 600
max_tokens = 100
dropout = 0.0
pretrain.enabled = false
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
fn main() -> ExitCode {
    let name = std::env::args().nth(1).unwrap_or_default();
    let encoder = std::env::args().nth(2);
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
        pairs.extend(read(shape, device)?);
        pairs.extend(trained(shape, device)?);
    }
    pairs.extend(stage_one(device)?);
    pairs.extend(stage_two(device)?);
    if let Some(folder) = encoder {
        pairs.push(sentences(folder, device)?);
    }
    let mut lines = "model,largest_value,largest_difference,allowed\n".to_owned();
    for pair in pairs {
        let there = pair.device.to_device(Device::Cpu);
        let largest = pair.cpu.abs().max().double_value(&[]);
        let difference = (pair.cpu - there).abs().max().double_value(&[]);
        let allowed = allowed(&pair.model);
        lines.push_str(&format!(
            "{},{largest:e},{difference:e},{allowed:e}\n",
            pair.model
        ));
    }
    Ok(lines)
}

/// How much of the largest value a device may differ by: it sums in another order, and the numbers of half a word's length
/// have 8 (bf16) or 11 (fp16) binary digits. Greedy tokens are the same or not.
fn allowed(model: &str) -> f64 {
    let of_kind = [(", bf16", 0.05), (", fp16", 0.01), (": greedy tokens", 0.0)];
    let found = of_kind.iter().find(|(end, _)| model.ends_with(end));
    found.map_or(1e-4, |&(_, share)| share)
}

fn backbones(device: Device) -> Result<Vec<Pair>, String> {
    let checked = experiment::load_text("parity", MODELS, Path::new("."), &[]);
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
        // RECFORMER computes its table of items there.
        cpu.begin_epoch();
        there.begin_epoch();
        pairs.push(Pair {
            model: name.clone(),
            cpu: cpu.score_all(&histories),
            device: there.score_all(&histories),
        });
        let gradients = |net: &dyn Backbone| {
            let weights: Vec<Tensor> = net.weights().into_iter().map(|(_, it)| it).collect();
            // As in training: cuDNN gives gradients of a recurrent net only then.
            gradients(&weights, || {
                let states = net.token_states(&histories, true);
                // RECFORMER trains by its loss alone.
                if states.requires_grad() {
                    states
                } else {
                    net.loss(&prefixes())
                }
            })
        };
        pairs.push(Pair {
            model: format!("{name}: gradients"),
            cpu: gradients(cpu.as_ref()),
            device: gradients(there.as_ref()),
        });
    }
    Ok(pairs)
}

/// Two prefixes with their targets.
fn prefixes() -> TrainingBatch {
    TrainingBatch {
        users: vec![0, 1],
        offsets: vec![0, 1, 4],
        inputs: vec![3, 1, 2, 7],
        targets: vec![2, 8],
        last_only: true,
        noise: 1,
        ..TrainingBatch::default()
    }
}

/// The gradients at `weights` of the mean square of `output`, one behind the other; those of weights that have no part in
/// it are left out.
fn gradients(weights: &[Tensor], output: impl FnOnce() -> Tensor) -> Tensor {
    tch::with_grad(|| output().square().mean(Kind::Float).backward());
    let gradients = weights.iter().map(Tensor::grad);
    let gradients = gradients.filter(Tensor::defined).map(|it| it.view([-1]));
    Tensor::cat(&gradients.collect::<Vec<_>>(), 0)
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

/// The input vectors of three texts of different lengths.
fn rows(lm: &Lm) -> Vec<Tensor> {
    let ids = |length| Tensor::arange(length, (Kind::Int64, lm.device())) * 7 + 3;
    [40i64, 17, 29].map(|length| lm.embed(&ids(length))).into()
}

/// Logits of all places of the rows, in single precision.
fn logits(lm: &Lm, rows: &[Tensor]) -> Tensor {
    let all = lm.logits(&lm.hidden(rows, &[0..40, 0..17, 0..29]));
    all.to_kind(Kind::Float)
}

/// The likelihoods of three continuations of each row, which one cached prompt gives.
fn scores(lm: &Lm) -> Tensor {
    let one = |first: u32| vec![vec![first, 5, 8], vec![first, 5], vec![9, first, 700, 4]];
    let scores = lm.score(&rows(lm), &[one(11), one(12), one(13)]);
    Tensor::from_slice(&scores.concat())
}

/// Twelve greedy tokens of each row, decoded from the cache.
fn answers(lm: &Lm) -> Tensor {
    let settings = Generation {
        max_new_tokens: 12,
        min_new_tokens: 12,
        repetition_penalty: 1.5,
        penalise_eos_from_start: true,
        ends: vec![2],
        stop_after: None,
    };
    let tokens = lm.generate(&rows(lm), &settings, None);
    let tokens = tokens.expect("random weights are small").concat();
    let tokens: Vec<f32> = tokens.into_iter().map(|token| token as f32).collect();
    Tensor::from_slice(&tokens)
}

/// What is computed of one model on the CPU and on the device.
fn pair(shape: &str, what: &str, of: &dyn Fn(&Lm) -> Tensor, (cpu, there): (&Lm, &Lm)) -> Pair {
    Pair {
        model: format!("{shape} (small){what}"),
        cpu: of(cpu),
        device: of(there),
    }
}

/// What inference computes: logits, likelihoods and greedy answers in single precision, and logits in the other number types.
fn read(shape: &str, device: Device) -> Result<Vec<Pair>, String> {
    tch::manual_seed(2);
    let model = Lm::random(small(shape)?, Holding::frozen(Kind::Float, Device::Cpu));
    let named: BTreeMap<String, Tensor> = model.weights().into_iter().collect();
    let held = |kind, int8, device| {
        let holding = Holding {
            int8,
            ..Holding::frozen(kind, device)
        };
        Lm::from_weights(small(shape)?, &named, holding).map_err(|error| error.to_string())
    };
    let both =
        |kind, int8| Ok::<_, String>((held(kind, int8, Device::Cpu)?, held(kind, int8, device)?));
    let plain = both(Kind::Float, false)?;
    let all = |lm: &Lm| logits(lm, &rows(lm));
    let mut pairs = vec![
        pair(shape, "", &all, (&plain.0, &plain.1)),
        pair(shape, ": likelihoods", &scores, (&plain.0, &plain.1)),
        pair(shape, ": greedy tokens", &answers, (&plain.0, &plain.1)),
    ];
    for (what, kind, int8) in [
        (", bf16", Kind::BFloat16, false),
        (", fp16", Kind::Half, false),
        (", int8", Kind::Float, true),
    ] {
        let (cpu, there) = both(kind, int8)?;
        pairs.push(pair(shape, what, &all, (&cpu, &there)));
    }
    Ok(pairs)
}

/// What training computes: gradients at the input vectors, as stage 2 needs them, and at adapters, as TALLRec needs them.
fn trained(shape: &str, device: Device) -> Result<[Pair; 2], String> {
    tch::manual_seed(2);
    let mut cpu = Lm::random(small(shape)?, Holding::frozen(Kind::Float, Device::Cpu));
    let named: BTreeMap<String, Tensor> = cpu.weights().into_iter().collect();
    let holding = Holding::frozen(Kind::Float, device);
    let mut there =
        Lm::from_weights(small(shape)?, &named, holding).map_err(|error| error.to_string())?;
    let at_inputs = |lm: &Lm| {
        let rows = rows(lm).into_iter();
        let rows: Vec<Tensor> = rows.map(|row| row.set_requires_grad(true)).collect();
        gradients(&rows, || logits(lm, &rows))
    };
    let inputs = pair(shape, ": gradients at inputs", &at_inputs, (&cpu, &there));
    for lm in [&mut cpu, &mut there] {
        adapt(lm)?;
    }
    let at_adapters = |lm: &Lm| {
        let adapters: Vec<Tensor> = lm.trained().into_iter().map(|(_, it)| it).collect();
        gradients(&adapters, || logits(lm, &rows(lm)))
    };
    let adapters = pair(
        shape,
        ": gradients at adapters",
        &at_adapters,
        (&cpu, &there),
    );
    Ok([inputs, adapters])
}

/// Adapters with the same weights on every device; fresh ones would have a zero half.
fn adapt(lm: &mut Lm) -> Result<(), String> {
    tch::manual_seed(3);
    let settings = Lora {
        rank: 8,
        alpha: 16.0,
        dropout: 0.0,
        targets: ["q_proj", "v_proj"].map(str::to_owned).into(),
    };
    lm.add_lora(&settings).map_err(|error| error.to_string())?;
    for (_, mut weight) in lm.trained() {
        let drawn = Tensor::randn(weight.size(), (Kind::Float, Device::Cpu)) * 0.02;
        weight.copy_(&drawn);
    }
    Ok(())
}

/// Numbers that look random and are the same everywhere, [rows, width].
fn vectors(rows: i64, width: i64, device: Device) -> Tensor {
    let all = Tensor::arange(rows * width, (Kind::Float, Device::Cpu));
    (all * 0.37).sin().view([rows, width]).to_device(device)
}

/// What two nets with the weights of the first compute, and their gradients.
fn alike<N>(
    model: &str,
    nets: (&N, &N),
    weights: impl Fn(&N) -> Vec<(String, Tensor)>,
    output: impl Fn(&N) -> Tensor,
) -> Result<[Pair; 2], String> {
    let (cpu, there) = nets;
    let named: BTreeMap<String, Tensor> = weights(cpu).into_iter().collect();
    weights::fill(&weights(there), &named).map_err(|error| error.to_string())?;
    let trained = |net: &N| -> Vec<Tensor> { weights(net).into_iter().map(|(_, it)| it).collect() };
    let at_weights = |net: &N| gradients(&trained(net), || output(net));
    Ok([
        Pair {
            model: model.to_owned(),
            cpu: output(cpu),
            device: output(there),
        },
        Pair {
            model: format!("{model}: gradients"),
            cpu: at_weights(cpu),
            device: at_weights(there),
        },
    ])
}

/// An auto-encoder of A-LLMRec's stage 1.
fn stage_one(device: Device) -> Result<[Pair; 2], String> {
    let built = |device| {
        tch::manual_seed(4);
        let mut parameters = Parameters::new(device);
        let net = AutoEncoder::new(&mut parameters, "mlp", 50, 128, true);
        (net, parameters)
    };
    let output = |(net, parameters): &(AutoEncoder, Parameters)| {
        let codes = net.encode(&vectors(32, 50, parameters.device()));
        Tensor::cat(&[net.decode(&codes), codes], 1)
    };
    let nets = (&built(Device::Cpu), &built(device));
    alike("stage 1: auto-encoder", nets, |(_, it)| it.named(), output)
}

/// The projections F_U and F_I of stage 2.
fn stage_two(device: Device) -> Result<[Pair; 2], String> {
    let built = |device| {
        tch::manual_seed(5);
        let shape = Shape {
            states: 50,
            user: true,
            lm: 64,
            hidden_layers: 1,
            layer_norm: true,
        };
        let table = vectors(ITEMS as i64 + 1, 128, device);
        let net = Projections::new(shape, Some(table), ItemEmbedding::Joint, device);
        (net, device)
    };
    let output = |(net, device): &(Projections, Device)| {
        let users = net.users(&vectors(32, 50, *device));
        let items = net.items(&(1..=32).collect::<Vec<u32>>());
        Tensor::cat(&[users.expect("they are asked for"), items], 1)
    };
    let nets = (&built(Device::Cpu), &built(device));
    alike(
        "stage 2: F_U and F_I",
        nets,
        |(net, _)| net.weights(),
        output,
    )
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
        assert_eq!(rows.len(), 2 * 11 + 8 * SHAPES.len() + 4);
        assert!(rows.iter().all(|row| row.contains(",0e0,")), "{lines}");
        let largest = |row: &&str| row.split(',').rev().nth(2) != Some("0e0");
        assert!(rows.iter().all(largest), "{lines}");
        assert!(compare("gpu", None).unwrap_err().contains("cuda:0"));
    }
}
