//! Digests of input files. Keys depend on the contents of files and not on their paths.

use std::collections::BTreeMap;

use super::{Digester, PlanError};
use crate::experiment::Spec;
use allround_core::config::{Encoder, Llm};
use allround_core::digest::Key;

/// Digests of all files that the spec refers to, by their path in the spec.
#[derive(Debug, Default)]
pub struct Inputs {
    /// The files of each data set.
    pub of_dataset: BTreeMap<String, BTreeMap<String, Key>>,
    /// The files of each protocol's candidates.
    pub of_protocol: BTreeMap<String, BTreeMap<String, Key>>,
    /// Folders of encoders, language models and tokenizers, and files of imported weights and of
    /// scores.
    of_models: BTreeMap<String, Key>,
}

impl Inputs {
    /// The digest of a model's folder or file, by its path; empty without a path.
    pub fn of_model(&self, path: Option<&str>) -> BTreeMap<String, Key> {
        let known = path.and_then(|path| self.of_models.get_key_value(path));
        known
            .map(|(path, key)| (path.clone(), *key))
            .into_iter()
            .collect()
    }
}

/// Digests of the input files of every data set and protocol, of the folders of encoders and
/// language models, of imported weights, and of scores.
///
/// # Errors
/// When a file cannot be read. The error names the file and the part of the spec that refers to it.
pub fn digests(spec: &Spec, digest: &mut Digester<'_>) -> Result<Inputs, PlanError> {
    let mut all = Inputs::default();
    let mut digest_of = |what: &'static str, name: &String, path: &str| {
        digest(path).map_err(|source| PlanError::Input {
            what,
            name: name.clone(),
            source,
        })
    };
    for (name, dataset) in &spec.dataset {
        let mut found = BTreeMap::new();
        for path in dataset.source.files() {
            found.insert(path.to_owned(), digest_of("data set", name, path)?);
        }
        all.of_dataset.insert(name.clone(), found);
    }
    for (name, protocol) in &spec.protocol {
        let mut found = BTreeMap::new();
        for path in protocol.candidates.files() {
            found.insert(path.to_owned(), digest_of("protocol", name, path)?);
        }
        all.of_protocol.insert(name.clone(), found);
    }
    let encoders = spec
        .encoder
        .iter()
        .filter_map(|(name, encoder)| Some(("encoder", name, folder_of_encoder(encoder)?)));
    let llms = spec
        .llm
        .iter()
        .filter_map(|(name, llm)| Some(("language model", name, folder_of_llm(llm)?)));
    let variants = spec
        .variant
        .iter()
        .filter_map(|(name, variant)| Some((name, variant.resolved.as_ref()?)));
    let models = spec.model.iter().chain(variants).flat_map(|(name, model)| {
        let files = model.files().into_iter();
        files.map(move |file| ("model", name, file))
    });
    for (what, name, path) in encoders.chain(llms).chain(models) {
        if !all.of_models.contains_key(path) {
            let key = digest_of(what, name, path)?;
            all.of_models.insert(path.to_owned(), key);
        }
    }
    Ok(all)
}

/// The folder that an encoder is read from. A name on the hub has none; the name itself is part of
/// the key.
pub fn folder_of_encoder(encoder: &Encoder) -> Option<&str> {
    match encoder {
        Encoder::Pretrained(encoder) => Some(encoder.folder.as_str()),
        Encoder::Hashed(_) => None,
    }
    .filter(|folder| !folder.is_empty())
}

/// The folder or file that a language model, or its tokenizer, is read from.
pub fn folder_of_llm(llm: &Llm) -> Option<&str> {
    match llm {
        Llm::Pretrained(llm) => Some(llm.path()),
        Llm::Random(llm) => Some(llm.tokenizer.as_str()),
        Llm::Small(_) => None,
    }
    .filter(|folder| !folder.is_empty())
}
