//! Weights in GGUF files, as tensors.

use gguf_file::{GgufError, Model};
use tch::Tensor;

use super::WeightSource;

/// The tensors of a GGUF model by transformers' names, in single precision.
#[derive(Debug)]
pub struct GgufWeights<'f, 'a> {
    /// The model.
    pub model: &'f Model<'f, 'a>,
    /// The file, for errors.
    pub path: String,
}

impl WeightSource for GgufWeights<'_, '_> {
    fn contains(&self, name: &str) -> bool {
        self.model.shape(name).is_some()
    }

    fn tensor(&self, name: &str) -> Result<Tensor, String> {
        let read = self
            .model
            .tensor(name)
            .map_err(|error: GgufError| error.to_string())?;
        // A damaged block has a scale that is not a number.
        if let Some(value) = read.values.iter().find(|value| !value.is_finite()) {
            return Err(format!(
                "`{}`: tensor `{name}` holds {value}; fetch the file again",
                self.path
            ));
        }
        let shape: Vec<i64> = read.shape.iter().map(|&size| size as i64).collect();
        Ok(Tensor::from_slice(&read.values).view(shape.as_slice()))
    }

    fn names(&self) -> Vec<&str> {
        self.model.names().collect()
    }

    fn place(&self) -> String {
        format!("`{}`", self.path)
    }
}
