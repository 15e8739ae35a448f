//! Chat templates: they are taken apart here, before anything is trained.

use chat_template::{ChatError, ChatTemplate};

use super::{Check, gguf};
use crate::experiment::fault::Fault;
use allround_core::config::Llm;
use allround_core::models::LlmMethod;

/// A prompt that is a user's turn needs a language model with a chat template.
pub(super) fn check(check: &mut Check<'_>, method: &dyn LlmMethod) {
    let spec = check.spec;
    let (name, llm) = (method.prompt(), method.llm());
    let Some(prompt) = spec.prompt.get(name) else {
        return;
    };
    if !prompt.chat {
        if !prompt.system.is_empty() {
            let place = check.place(&["prompt", name, "system"]);
            check.push(
                Fault::at(place, "`system` has no effect without `chat = true`")
                    .label("text of a chat")
                    .hint("add `chat = true`, or remove `system`"),
            );
        }
        return;
    }
    let folder = match spec.llm.get(llm) {
        Some(Llm::Pretrained(pretrained)) if !pretrained.path().is_empty() => pretrained.path(),
        // A folder of the hub may not be here yet.
        Some(Llm::Pretrained(_)) | None => return,
        Some(Llm::Random(_) | Llm::Small(_)) => {
            refuse(check, name, &format!("`llm.{llm}` has no chat template"));
            return;
        }
    };
    let path = check.base.join(folder);
    let template = match path.is_dir() {
        true => ChatTemplate::of_folder(&path),
        // A file that cannot be read is refused by itself.
        false => match gguf::read(&path) {
            Ok(file) => Ok(file.chat),
            Err(_) => return,
        },
    };
    let turn = template.and_then(|template| template.map(|it| it.turn(&prompt.system)).transpose());
    match turn {
        Ok(Some(_)) => {}
        Ok(None) => refuse(check, name, &format!("`{folder}` holds no chat template")),
        Err(error @ ChatError::Refused { .. }) if !prompt.system.is_empty() => {
            let place = check.place(&["prompt", name, "system"]);
            check.push(
                Fault::at(place, error.to_string())
                    .label(format!("in `{folder}`"))
                    .hint("the template may take no system text: remove `system`"),
            );
        }
        Err(error) => refuse(check, name, &format!("`{folder}`: {error}")),
    }
}

fn refuse(check: &mut Check<'_>, prompt: &str, message: &str) {
    let place = check.place(&["prompt", prompt, "chat"]);
    check.push(
        Fault::at(place, message)
            .label("needs a chat template")
            .hint("remove `chat`, or name an instruct model with `chat_template.jinja` or `chat_template` in `tokenizer_config.json`"),
    );
}
