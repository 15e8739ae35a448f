//! Rotary settings of a `config.json`.

use super::keys::Keys;
use super::{ConfigError, Rope, RopeScaling};

/// Rotary settings in either form.
pub(super) fn rope(keys: &Keys) -> Result<Rope, ConfigError> {
    rope_from(keys, 10_000.0)
}

/// Those of Gemma 3's full layers, and of its layers with a window.
pub(super) fn ropes(keys: &Keys) -> Result<[Rope; 2], ConfigError> {
    let full = keys.number_or("rope_theta", 1_000_000.0)?;
    let nearby = keys.number_or("rope_local_base_freq", 10_000.0)?;
    let key = "rope_parameters";
    let Some(value) = keys.get(key) else {
        let nearby = Rope {
            theta: nearby,
            scaling: None,
        };
        return Ok([rope_from(keys, full)?, nearby]);
    };
    let kinds = [
        ("full_attention", "rope_parameters.full_attention.", full),
        (
            "sliding_attention",
            "rope_parameters.sliding_attention.",
            nearby,
        ),
    ];
    let [full, nearby] = kinds.map(|(kind, prefix, theta)| {
        let map = value[kind].as_object();
        let expected = "an object with `full_attention` and `sliding_attention`";
        let map = map.ok_or_else(|| keys.wrong(key, &value.to_string(), expected))?;
        let inner = Keys {
            path: keys.path,
            prefix,
            map,
        };
        of_object(keys, &inner, theta)
    });
    Ok([full?, nearby?])
}

/// Rotary settings in either form, with the base that a file may leave out.
fn rope_from(keys: &Keys, theta: f64) -> Result<Rope, ConfigError> {
    let theta = keys.number_or("rope_theta", theta)?;
    let found = [
        ("rope_parameters", "rope_parameters."),
        ("rope_scaling", "rope_scaling."),
    ]
    .into_iter()
    .find_map(|(key, prefix)| Some((key, prefix, keys.get(key)?)));
    let Some((key, prefix, value)) = found else {
        return Ok(Rope {
            theta,
            scaling: None,
        });
    };
    let map = value.as_object();
    let map = map.ok_or_else(|| keys.wrong(key, &value.to_string(), "an object"))?;
    let inner = Keys {
        path: keys.path,
        prefix,
        map,
    };
    of_object(keys, &inner, theta)
}

/// The settings in the object `inner`; `keys` are those of the file.
fn of_object(keys: &Keys, inner: &Keys, theta: f64) -> Result<Rope, ConfigError> {
    // Early Llama checkpoints have `type`. Without either key the frequencies are unscaled, as in
    // transformers.
    let kind = ["rope_type", "type"]
        .into_iter()
        .find(|key| inner.get(key).is_some());
    let Some(kind) = kind else {
        let theta = inner.number_or("rope_theta", theta)?;
        return plain(inner, theta);
    };
    let scaling = match inner.text(kind)?.as_str() {
        "default" => None,
        "linear" => Some(RopeScaling::Linear(inner.number("factor")?)),
        "llama3" => Some(RopeScaling::Llama3 {
            factor: inner.number("factor")?,
            low_freq_factor: inner.number("low_freq_factor")?,
            high_freq_factor: inner.number("high_freq_factor")?,
            // Default as in transformers: the number of positions.
            original_positions: {
                let positions = keys.positive_or("max_position_embeddings", 2048)?;
                inner.number_or("original_max_position_embeddings", positions as f64)?
            },
        }),
        other => return Err(inner.wrong(kind, other, "`default`, `linear` or `llama3`")),
    };
    Ok(Rope {
        theta: inner.number_or("rope_theta", theta)?,
        scaling,
    })
}

/// Rotary settings without a type, which may contain only the base.
fn plain(keys: &Keys, theta: f64) -> Result<Rope, ConfigError> {
    let mut others = keys.map.keys().filter(|key| keys.get(key).is_some());
    let other = others.find(|key| *key != "rope_theta");
    match other {
        Some(other) => Err(keys.wrong(
            "rope_type",
            &format!("absent next to `{other}`"),
            "`default`, `linear` or `llama3`",
        )),
        None => Ok(Rope {
            theta,
            scaling: None,
        }),
    }
}
