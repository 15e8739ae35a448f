//! Adapters merged by peft; `tests/fixtures/folders.py` made them.

use std::path::Path;

use safetensors::SafeTensors;
use serde_json::json;
use tch::Device;

use super::*;
use crate::lm::{Holding, Lm, LmConfig};
use crate::models::weights;

struct Fixture {
    tensors: Vec<(String, Tensor)>,
    about: std::collections::HashMap<String, String>,
}

impl Fixture {
    fn open() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/folders/adapters.safetensors");
        let bytes = std::fs::read(&path).unwrap();
        let (_, about) = SafeTensors::read_metadata(&bytes).unwrap();
        Self {
            tensors: Tensor::read_safetensors(&path).unwrap(),
            about: about.metadata().clone().unwrap(),
        }
    }

    /// The tensors whose names begin so, without that.
    fn part(&self, front: &str) -> Vec<(String, Tensor)> {
        let own = self.tensors.iter();
        own.filter_map(|(name, tensor)| {
            Some((name.strip_prefix(front)?.to_owned(), tensor.shallow_clone()))
        })
        .collect()
    }

    fn tensor(&self, name: &str) -> Tensor {
        let found = self.tensors.iter().find(|(other, _)| other == name);
        found.unwrap().1.shallow_clone()
    }

    /// A folder with a base model and an adapter of this kind.
    fn folder(&self, kind: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let base = kind.split('.').next().unwrap();
        std::fs::write(folder.path().join("config.json"), &self.about[base]).unwrap();
        let plain = self.part(&format!("{base}.base."));
        weights::write(&folder.path().join("model.safetensors"), &plain).unwrap();
        std::fs::write(folder.path().join(CONFIG), &self.about[kind]).unwrap();
        let updates = self.part(&format!("{kind}.weights."));
        weights::write(&folder.path().join(WEIGHTS[0]), &updates).unwrap();
        folder
    }
}

fn logits(folder: &Path, ids: &Tensor) -> Result<Tensor, String> {
    let words = |error: &dyn std::error::Error| error.to_string();
    let config = LmConfig::open(folder).unwrap();
    let checkpoint = Checkpoint::open(folder).unwrap();
    let merged = Merged::open(folder, &checkpoint).map_err(|error| words(&error))?;
    let holding = Holding::frozen(Kind::Float, Device::Cpu);
    let lm = match &merged {
        Some(merged) => Lm::from_weights(config, merged, holding),
        None => Lm::from_weights(config, &checkpoint, holding),
    };
    let lm = lm.map_err(|error| words(&error))?;
    if let Some(merged) = merged {
        merged.check_all_taken().map_err(|error| words(&error))?;
    }
    let rows = [lm.embed(ids)];
    let length = ids.size()[0] as usize;
    Ok(lm.logits(&lm.hidden(&rows, std::slice::from_ref(&(0..length)))))
}

fn distance(one: &Tensor, other: &Tensor) -> f64 {
    (one - other).abs().max().double_value(&[])
}

#[test]
fn a_merged_adapter_gives_the_logits_that_peft_gives() {
    let fixture = Fixture::open();
    let ids = fixture.tensor("ids");
    for kind in ["opt.list", "llama.list", "llama.rslora", "llama.all"] {
        let folder = fixture.folder(kind);
        let found = logits(folder.path(), &ids).unwrap();
        let expected = fixture.tensor(&format!("{kind}.logits"));
        assert!(distance(&found, &expected) < 1e-4, "{kind}");
        let base = kind.split('.').next().unwrap();
        let plain = fixture.tensor(&format!("{base}.plain"));
        assert!(distance(&found, &plain) > 1e-2, "{kind}");
    }
}

#[test]
fn an_adapter_of_a_published_opt_file_without_the_front_of_its_names_is_merged() {
    let fixture = Fixture::open();
    let folder = fixture.folder("opt.list");
    let short: Vec<(String, Tensor)> = fixture
        .part("opt.base.")
        .into_iter()
        .map(|(name, tensor)| (name.trim_start_matches("model.").to_owned(), tensor))
        .collect();
    weights::write(&folder.path().join("model.safetensors"), &short).unwrap();
    let found = logits(folder.path(), &fixture.tensor("ids")).unwrap();
    assert!(distance(&found, &fixture.tensor("opt.list.logits")) < 1e-4);
}

#[test]
fn an_adapter_that_is_incomplete_or_of_another_model_is_refused_by_file_and_module() {
    let fixture = Fixture::open();
    let ids = fixture.tensor("ids");
    let changed = |change: &dyn Fn(&mut Value)| {
        let folder = fixture.folder("llama.list");
        let mut config: Value = serde_json::from_str(&fixture.about["llama.list"]).unwrap();
        change(&mut config);
        std::fs::write(folder.path().join(CONFIG), config.to_string()).unwrap();
        logits(folder.path(), &ids).unwrap_err()
    };
    let text = changed(&|config| config["use_dora"] = json!(true));
    assert!(
        text.contains(CONFIG) && text.contains("`use_dora` is true"),
        "{text}"
    );
    let text = changed(&|config| config["target_modules"] = json!(["q_proj"]));
    assert!(
        text.contains("does not name `model.layers.0.self_attn.v_proj`"),
        "{text}"
    );
    let text = changed(&|config| config["target_modules"] = json!(["q_proj", "v_proj", "o_proj"]));
    assert!(
        text.contains("o_proj`, but the adapter has no weights of it"),
        "{text}"
    );
    let text = changed(&|config| config["r"] = json!(3));
    assert!(text.contains("expected rank 3"), "{text}");

    let folder = fixture.folder("llama.list");
    std::fs::remove_file(folder.path().join(WEIGHTS[0])).unwrap();
    let text = logits(folder.path(), &ids).unwrap_err();
    assert!(
        text.contains("`adapter_model.safetensors` is missing"),
        "{text}"
    );
    let folder = fixture.folder("llama.list");
    std::fs::remove_file(folder.path().join(CONFIG)).unwrap();
    let text = logits(folder.path(), &ids).unwrap_err();
    assert!(
        text.contains("adapter_config.json`: it is missing"),
        "{text}"
    );

    let folder = fixture.folder("llama.list");
    let mut updates = fixture.part("llama.list.weights.");
    for (name, _) in &mut updates {
        *name = name.replace("layers.1.", "layers.7.");
    }
    weights::write(&folder.path().join(WEIGHTS[0]), &updates).unwrap();
    let text = logits(folder.path(), &ids).unwrap_err();
    assert!(
        text.contains("layers.1.self_attn.q_proj`, but the adapter has no weights"),
        "{text}"
    );
}
