//! Keys of a `config.json`, with errors that name file and key.

use std::path::Path;

use serde_json::{Map, Value};

use super::{Activation, ConfigError};

/// More blocks than any model has, which bounds the lists that have one entry a block.
const MOST_LAYERS: i64 = 10_000;

/// The keys of a `config.json` or of an object in it.
pub(super) struct Keys<'a> {
    pub path: &'a Path,
    pub prefix: &'static str,
    pub map: &'a Map<String, Value>,
}

impl<'a> Keys<'a> {
    /// The keys of a file's value, or of `nothing` if it is not an object.
    pub fn new(path: &'a Path, value: &'a Value, nothing: &'a Map<String, Value>) -> Self {
        Self {
            path,
            prefix: "",
            map: value.as_object().unwrap_or(nothing),
        }
    }

    pub fn get(&self, key: &str) -> Option<&Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// Whether the file has the key, be it null.
    pub fn has(&self, key: &str) -> bool {
        self.map.contains_key(key)
    }

    pub fn shown(&self, key: &str) -> String {
        self.get(key).map_or("absent".to_owned(), Value::to_string)
    }

    pub fn wrong(&self, key: &str, found: &str, expected: &str) -> ConfigError {
        ConfigError::Key {
            path: self.path.to_owned(),
            key: format!("{}{key}", self.prefix),
            found: found.to_owned(),
            expected: expected.to_owned(),
        }
    }

    pub fn text(&self, key: &str) -> Result<String, ConfigError> {
        let value = self.get(key).and_then(Value::as_str);
        let wrong = || self.wrong(key, &self.shown(key), "a text");
        value.map(str::to_owned).ok_or_else(wrong)
    }

    pub fn positive(&self, key: &str) -> Result<i64, ConfigError> {
        let value = self.get(key).and_then(Value::as_i64);
        let value = value.filter(|&number| number > 0);
        value.ok_or_else(|| self.wrong(key, &self.shown(key), "a whole number above 0"))
    }

    pub fn positive_or(&self, key: &str, default: i64) -> Result<i64, ConfigError> {
        self.get(key).map_or(Ok(default), |_| self.positive(key))
    }

    /// The number of blocks.
    pub fn layers(&self) -> Result<usize, ConfigError> {
        let key = "num_hidden_layers";
        let layers = self.positive(key)?;
        if layers <= MOST_LAYERS {
            return Ok(layers as usize);
        }
        let expected = format!("a whole number from 1 to {MOST_LAYERS}");
        Err(self.wrong(key, &layers.to_string(), &expected))
    }

    /// A whole number, also 0.
    pub fn count_or(&self, key: &str, default: usize) -> Result<usize, ConfigError> {
        let Some(value) = self.get(key) else {
            return Ok(default);
        };
        let count = value.as_u64().map(|count| count as usize);
        count.ok_or_else(|| self.wrong(key, &value.to_string(), "a whole number"))
    }

    pub fn number(&self, key: &str) -> Result<f64, ConfigError> {
        let value = self.get(key).and_then(Value::as_f64);
        let value = value.filter(|&number| number > 0.0);
        value.ok_or_else(|| self.wrong(key, &self.shown(key), "a number above 0"))
    }

    pub fn number_or(&self, key: &str, default: f64) -> Result<f64, ConfigError> {
        self.get(key).map_or(Ok(default), |_| self.number(key))
    }

    pub fn flag_or(&self, key: &str, default: bool) -> Result<bool, ConfigError> {
        let Some(value) = self.get(key) else {
            return Ok(default);
        };
        let wrong = || self.wrong(key, &value.to_string(), "true or false");
        value.as_bool().ok_or_else(wrong)
    }

    /// A token, or a list of tokens, as for Llama 3's end of text.
    pub fn tokens(&self, key: &str) -> Result<Vec<u32>, ConfigError> {
        let Some(value) = self.get(key) else {
            return Ok(Vec::new());
        };
        let one = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
        let ids: Option<Vec<u32>> = match value {
            Value::Array(list) => list.iter().map(one).collect(),
            single => one(single).map(|id| vec![id]),
        };
        ids.ok_or_else(|| self.wrong(key, &value.to_string(), "a token number or a list of them"))
    }

    pub fn activation(&self, key: &str, default: &str) -> Result<Activation, ConfigError> {
        let name = self
            .get(key)
            .map_or(Ok(default.to_owned()), |_| self.text(key))?;
        match name.as_str() {
            "relu" => Ok(Activation::Relu),
            "gelu" => Ok(Activation::Gelu),
            "gelu_pytorch_tanh" => Ok(Activation::GeluTanh),
            "silu" => Ok(Activation::Silu),
            other => {
                let known = "`relu`, `gelu`, `gelu_pytorch_tanh` or `silu`";
                Err(self.wrong(key, other, known))
            }
        }
    }
}
