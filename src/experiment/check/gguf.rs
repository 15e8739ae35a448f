//! GGUF files: their layout, configuration and chat template, without a tensor.

use std::path::Path;

use chat_template::ChatTemplate;
use gguf_file::{GgufFile, Model};

use allround_core::fs;
use allround_core::lm_config::LmConfig;

/// What a GGUF file says of its model.
pub(super) struct Gguf {
    /// Its shape.
    pub(super) config: LmConfig,
    /// Its chat template, if it has one.
    pub(super) chat: Option<ChatTemplate>,
}

/// Reads a file, except for its tensors.
///
/// # Errors
/// A message, when the file is missing, damaged, or of an architecture that is not supported.
pub(super) fn read(path: &Path) -> Result<Gguf, String> {
    let bytes = fs::map(path).map_err(|error| error.to_string())?;
    let file = GgufFile::read(path, &bytes).map_err(|error| error.to_string())?;
    let model = Model::new(&file).map_err(|error| error.to_string())?;
    let config = LmConfig::read(path, &model.config().to_json());
    let special = &model.config().special;
    let bos = special.bos.and_then(|id| file.token(id));
    let eos = special.eos.first().and_then(|&id| file.token(id));
    let chat = file.chat_template();
    Ok(Gguf {
        config: config.map_err(|error| error.to_string())?,
        chat: chat.map(|source| ChatTemplate::new(source, bos, eos)),
    })
}
