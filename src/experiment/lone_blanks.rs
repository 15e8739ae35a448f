//! Templates that end in a blank, which a byte-level tokenizer makes a separate token.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use allround_core::config::Llm;
use allround_core::fs;

use super::config::Spec;

/// Warnings on templates that end in a blank, which the tokenizer of a local folder makes a
/// separate token. In the training data of such a model, words begin with their blank. After a
/// separate blank it expects no word.
pub fn lone_blanks(spec: &Spec, base: &Path) -> Vec<String> {
    let mut found = BTreeSet::new();
    for model in spec.model.values() {
        let method = model.llm_method().filter(|method| method.uses_template());
        let pair = method.map(|method| (method.prompt(), method.llm()));
        let pair = pair.and_then(|(prompt, llm)| {
            Some((prompt, spec.prompt.get(prompt)?, llm, spec.llm.get(llm)?))
        });
        let Some((prompt, config, name, Llm::Pretrained(llm))) = pair else {
            continue;
        };
        if config.template.ends_with(' ')
            && !llm.folder.is_empty()
            && is_byte_level(&base.join(&llm.folder))
        {
            found.insert(format!(
                "`prompt.{prompt}.template` ends in a blank, which the tokenizer of `llm.{name}` makes a separate token; remove the blank unless the model was trained with it"
            ));
        }
    }
    found.into_iter().collect()
}

/// Whether a folder's tokenizer treats blanks as GPT-2 does: as the beginning of a token.
fn is_byte_level(folder: &Path) -> bool {
    let path = folder.join("tokenizer.json");
    if !path.is_file() {
        return folder.join("merges.txt").is_file();
    }
    let text = fs::read_text(&path).ok();
    let value = text.and_then(|text| serde_json::from_slice::<Value>(&text).ok());
    value.is_some_and(|value| value["pre_tokenizer"].to_string().contains("\"ByteLevel\""))
}
