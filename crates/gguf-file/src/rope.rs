//! Rotary positions with other frequencies than the base gives.

use std::f64::consts::TAU;

use serde_json::{Value as Json, json};

use crate::{Fault, GgufFile};

/// Tensor with the divisor of every frequency, of Llama 3.1 and later.
pub(crate) const FACTORS: &str = "rope_freqs.weight";
/// Settings of all Llama 3 models; only the factor differs.
const LOW: f64 = 1.0;
const HIGH: f64 = 4.0;
const POSITIONS: f64 = 8192.0;

/// How rotary frequencies differ from theta^(-2i/d).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RopeScaling {
    /// Every frequency is divided by the factor.
    Linear(f64),
    /// Llama 3: low frequencies are divided by the factor, high ones stay.
    Llama3(f64),
}

impl RopeScaling {
    /// `rope_scaling` of a `config.json`.
    pub fn to_json(self) -> Json {
        match self {
            RopeScaling::Linear(factor) => json!({"rope_type": "linear", "factor": factor}),
            RopeScaling::Llama3(factor) => json!({
                "rope_type": "llama3",
                "factor": factor,
                "low_freq_factor": LOW,
                "high_freq_factor": HIGH,
                "original_max_position_embeddings": POSITIONS as u64,
            }),
        }
    }
}

/// The scaling of a file, from its metadata. For Llama 3 it follows from the divisors that the
/// converter computed, since it does not write the settings.
pub(crate) fn scaling(
    file: &GgufFile,
    prefix: &str,
    theta: f64,
    head_size: usize,
) -> Result<Option<RopeScaling>, Fault> {
    let key = format!("{prefix}.rope.scaling.type");
    let kind = match file.value(&key) {
        Some(_) => file.text(&key)?,
        None => "none",
    };
    let factor = || {
        let key = format!("{prefix}.rope.scaling.factor");
        let value = file.required(&key)?;
        let factor = value.as_f64().filter(|&factor| factor > 0.0);
        factor.ok_or_else(|| crate::wrong(&key, &value, "a number above 0".to_owned()))
    };
    let found = match kind {
        "none" => None,
        "linear" => Some(RopeScaling::Linear(factor()?)),
        other => {
            return Err(Fault::Unknown {
                kind: "scaling of rotary positions",
                name: other.escape_debug().to_string(),
                known: "none, linear or Llama 3's".to_owned(),
            });
        }
    };
    let Some(info) = file.tensor(FACTORS) else {
        return Ok(found);
    };
    if info.shape != [head_size / 2] {
        return Err(Fault::Shape {
            name: "rope_scaling".to_owned(),
            gguf: FACTORS.to_owned(),
            found: info.shape.clone(),
            expected: vec![head_size / 2],
        });
    }
    let divisors = file.values(info);
    let factor = f64::from(divisors.iter().copied().fold(0.0, f32::max));
    let expected = (0..divisors.len())
        .map(|at| theta.powf(-2.0 * at as f64 / head_size as f64))
        .map(|frequency| divisor(frequency, factor));
    let equal =
        |(found, expected): (&f32, f64)| (f64::from(*found) - expected).abs() <= 1e-4 * expected;
    let equal = factor.is_finite() && divisors.iter().zip(expected).all(equal);
    if !equal || found.is_some() {
        return Err(Fault::Unsupported {
            reason: format!(
                "tensor `{FACTORS}` changes rotary positions in another way than Llama 3"
            ),
        });
    }
    Ok(Some(RopeScaling::Llama3(factor)))
}

/// What Llama 3 divides a frequency by (Llama 3.1's `apply_scaling`).
fn divisor(frequency: f64, factor: f64) -> f64 {
    let turns = POSITIONS * frequency / TAU;
    if turns > HIGH {
        1.0
    } else if turns < LOW {
        factor
    } else {
        let smooth = (turns - LOW) / (HIGH - LOW);
        1.0 / ((1.0 - smooth) / factor + smooth)
    }
}
