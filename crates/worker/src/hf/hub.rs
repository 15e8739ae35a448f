//! Models by their name on the Hugging Face hub: from its cache on this machine, else fetched, else
//! one line on what to put where.

use std::path::PathBuf;

use hf_hub::Cache;
use hf_hub::api::sync::{ApiBuilder, ApiError};

use super::checkpoint::Checkpoint;

/// Why a named model is not at hand.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// It cannot be fetched.
    #[error(
        "`{name}` is not in `{cache}` and cannot be fetched ({reason}); on a machine with a network run `hf download {name} --local-dir FOLDER`, bring FOLDER here, and write `folder = \"FOLDER\"` in place of `hub = \"{name}\"`"
    )]
    Unreachable {
        /// The model.
        name: String,
        /// Where fetched models are kept.
        cache: String,
        /// What the network says.
        reason: String,
    },
    /// The hub has no weights of a known form under that name.
    #[error(
        "`{name}` on the hub has neither `model.safetensors` nor `pytorch_model.bin`, nor shards of either"
    )]
    NoWeights {
        /// The model.
        name: String,
    },
}

/// The folder of the model called `name` (`owner/model`), fetched if need be into the cache that
/// Python's libraries share (`HF_HOME`; `HF_ENDPOINT` names another hub).
///
/// # Errors
/// When it is not in the cache and there is no network, or no such model.
pub fn folder(name: &str) -> Result<PathBuf, HubError> {
    find(name, &Cache::from_env(), ApiBuilder::from_env())
}

/// Files of which a tokenizer has one at least: a model without any in the cache was fetched for
/// its weights alone.
const TOKENIZERS: [&str; 4] = [
    "tokenizer.json",
    "vocab.json",
    "vocab.txt",
    "tokenizer.model",
];

/// Files that are read besides weights and JSON: tokenizers, and an adapter, which changes the
/// model.
const OTHERS: [&str; 4] = [
    "vocab.txt",
    "merges.txt",
    "adapter_model.safetensors",
    "adapter_model.bin",
];

fn find(name: &str, cache: &Cache, hub: ApiBuilder) -> Result<PathBuf, HubError> {
    let kept = cache.model(name.to_owned()).get("config.json");
    if let Some(kept) = kept.and_then(|config| config.parent().map(PathBuf::from))
        && Checkpoint::open(&kept).is_ok()
        && TOKENIZERS.iter().any(|file| kept.join(file).is_file())
    {
        return Ok(kept);
    }
    let unreachable = |error: ApiError| HubError::Unreachable {
        name: name.to_owned(),
        cache: cache.path().display().to_string(),
        reason: error
            .to_string()
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned(),
    };
    let api = hub.with_progress(false).build().map_err(unreachable)?;
    let model = api.model(name.to_owned());
    let files = model.info().map_err(unreachable)?.siblings;
    let files: Vec<&str> = files.iter().map(|file| file.rfilename.as_str()).collect();
    let wanted = wanted(&files).ok_or_else(|| HubError::NoWeights {
        name: name.to_owned(),
    })?;
    let mut folder = None;
    for file in wanted {
        let path = model.get(file).map_err(unreachable)?;
        if !file.contains('/') {
            folder = path.parent().map(PathBuf::from);
        }
    }
    Ok(folder.expect("weights lie at the top of a model's folder"))
}

/// Files of a model that this program reads: weights in one form, configuration and tokenizer,
/// sentence modules.
fn wanted<'a>(files: &[&'a str]) -> Option<Vec<&'a str>> {
    let weights = |stem: &str, end: &str| -> Vec<&'a str> {
        let files = files.iter().copied();
        files
            .filter(|file| file.starts_with(stem) && file.ends_with(end))
            .collect()
    };
    let mut wanted = weights("model", ".safetensors");
    if wanted.is_empty() {
        wanted = weights("pytorch_model", ".bin");
    }
    if wanted.is_empty() {
        return None;
    }
    let text = |file: &&&str| {
        let top = !file.contains('/');
        let module =
            file.ends_with("/config.json") && file.starts_with(|c: char| c.is_ascii_digit());
        (top && (file.ends_with(".json") || OTHERS.contains(file))) || module
    };
    wanted.extend(files.iter().filter(text));
    Some(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form_of_weights_is_fetched_with_what_belongs_to_it() {
        let files = [
            ".gitattributes",
            "1_Pooling/config.json",
            "README.md",
            "adapter_model.safetensors",
            "config.json",
            "model.safetensors",
            "modules.json",
            "onnx/model.onnx",
            "openvino/config.json",
            "pytorch_model.bin",
            "tf_model.h5",
            "vocab.txt",
        ];
        let expected = [
            "model.safetensors",
            "1_Pooling/config.json",
            "adapter_model.safetensors",
            "config.json",
            "modules.json",
            "vocab.txt",
        ];
        assert_eq!(wanted(&files).unwrap(), expected);
        let older = [
            "config.json",
            "pytorch_model-00001-of-00002.bin",
            "pytorch_model-00002-of-00002.bin",
        ];
        assert_eq!(wanted(&older).unwrap(), [older[1], older[2], older[0]]);
        assert_eq!(wanted(&["config.json", "flax_model.msgpack"]), None);
    }

    /// A cache as Python's and this program's libraries lay it out, with these files of
    /// `owner/model`.
    fn cache(files: &[&str]) -> (tempfile::TempDir, Cache) {
        let root = tempfile::tempdir().unwrap();
        let model = root.path().join("models--owner--model");
        let snapshot = model.join("snapshots/c0ffee");
        allround_core::fs::create_dir_all(&snapshot).unwrap();
        allround_core::fs::create_dir_all(&model.join("refs")).unwrap();
        std::fs::write(model.join("refs/main"), "c0ffee").unwrap();
        let from = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        for file in files {
            let from = from.join("tests/fixtures/encoders/bert").join(file);
            std::fs::copy(from, snapshot.join(file)).unwrap();
        }
        let cache = Cache::new(root.path().to_owned());
        (root, cache)
    }

    /// Nothing listens at this address.
    fn nowhere(cache: &Cache) -> ApiBuilder {
        ApiBuilder::from_cache(cache.clone()).with_endpoint("http://127.0.0.1:9".to_owned())
    }

    #[test]
    fn a_model_in_the_cache_needs_no_network() {
        let (_root, cache) = cache(&["config.json", "model.safetensors", "tokenizer.json"]);
        let folder = find("owner/model", &cache, nowhere(&cache)).unwrap();
        assert!(folder.ends_with("models--owner--model/snapshots/c0ffee"));
    }

    #[test]
    fn without_a_network_one_line_says_what_to_put_where() {
        // An interrupted download is not a model. Weights alone are not one either.
        let short = ["config.json"];
        for files in [&short[..], &["config.json", "model.safetensors"]] {
            let (_root, cache) = cache(files);
            let error = find("owner/model", &cache, nowhere(&cache)).unwrap_err();
            let text = error.to_string();
            assert!(text.contains("`owner/model` is not in"), "{text}");
            assert!(text.contains("folder = \"FOLDER\""), "{text}");
            assert!(!text.contains('\n'), "{text}");
        }
    }
}
