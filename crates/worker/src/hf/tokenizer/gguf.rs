//! Tokenizers of GGUF files.

use std::path::Path;

use gguf_file::GgufTokenizer;

use super::around::{self, Later};
use super::{Tokenizer, TokenizerError, plain, unknown};

impl Tokenizer {
    /// The tokenizer of a GGUF file; `path` is for errors.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn of_gguf(tokenizer: GgufTokenizer, path: &Path) -> Result<Self, TokenizerError> {
        let mut inner = tokenizer.tokenizer;
        plain(&mut inner);
        let around = around::around(&inner).map_err(|reason| TokenizerError::Format {
            path: path.display().to_string(),
            reason,
        })?;
        let special = tokenizer.special;
        Ok(Self {
            later: Later::new(&inner),
            around,
            bos: special.bos,
            eos: special.eos.first().copied(),
            pad: special.pad,
            unknown: unknown(&inner),
            inner,
            remarks: Vec::new(),
        })
    }
}
