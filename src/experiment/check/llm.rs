//! Checks of single encoders, language models and prompts.

use std::path::Path;

use super::folder::{self, Kind};
use super::{Check, gguf};
use crate::experiment::fault::Fault;
use crate::experiment::suggest;
use allround_core::config::llm::{PretrainedLlm, Prompt, SmallLlm, TEMPLATE_PLACES};
use allround_core::config::{Encoder, Llm};
use allround_core::lm_config::LmConfig;
use allround_core::models::Model;
use allround_core::models::problem::divisors;
use allround_core::models::recformer::StartFrom;

/// Files with the weights of a Hugging Face folder, whole or in shards; it has one of them.
const WEIGHTS: [&str; 4] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
];

/// Files with the tokenizer of a Hugging Face folder; it has one of them.
const TOKENIZER: [&str; 3] = ["tokenizer.json", "vocab.json", "vocab.txt"];

/// What an encoder's folder is for: RECFORMER starts from a Longformer, all others read a BERT.
fn kind_of_encoder(check: &Check<'_>, name: &str) -> Kind {
    let variants = check.spec.variant.values();
    let variants = variants.filter_map(|variant| variant.resolved.as_ref());
    let models = check.spec.model.values().chain(variants);
    let mut readers = models
        .filter(|model| model.encoder() == Some(name))
        .peekable();
    let is_longformer = |model: &Model| matches!(model, Model::Recformer(model) if model.start == StartFrom::Weights);
    match readers.peek().is_some() && readers.all(is_longformer) {
        true => Kind::Longformer,
        false => Kind::Encoder,
    }
}

pub(super) fn check(check: &mut Check<'_>, base: &Path) {
    let spec = check.spec;
    for (name, encoder) in &spec.encoder {
        if let Encoder::Pretrained(encoder) = encoder {
            let path = ["encoder", name, "pretrained"];
            source(check, (&encoder.folder, &encoder.hub), &path, base);
            let kind = kind_of_encoder(check, name);
            folder::check(check, (&encoder.folder, base), &path, kind);
        }
    }
    for (name, llm) in &spec.llm {
        match llm {
            Llm::Pretrained(llm) => {
                let path = ["llm", name, "pretrained"];
                if llm.gguf.is_empty() {
                    source(check, (&llm.folder, &llm.hub), &path, base);
                    folder::check(check, (&llm.folder, base), &path, Kind::Llm);
                } else {
                    gguf_source(check, name, llm);
                }
            }
            Llm::Random(llm) => {
                shape(check, name, &llm.shape);
                let wanted = [("the tokenizer", TOKENIZER.as_slice())];
                let path = ["llm", name, "random", "tokenizer"];
                has_files(check, &llm.tokenizer, &path, (base, &wanted));
            }
            Llm::Small(small) => heads(check, name, small),
        }
    }
    for (name, prompt) in &spec.prompt {
        template(check, name, prompt);
        let known = check.names("dataset");
        for dataset in prompt.words.keys() {
            check.known(
                "dataset",
                dataset,
                &known,
                &["prompt", name, "words", dataset],
            );
        }
    }
}

/// Checks where weights come from: a folder, or a name on the hub.
fn source(check: &mut Check<'_>, (dir, hub): (&str, &str), path: &[&str], base: &Path) {
    match (dir.is_empty(), hub.is_empty()) {
        (true, true) => {
            let place = check.place(path);
            check.push(
                Fault::at(place, format!("`{}` does not say where its weights are", path.join(".")))
                    .label("expected `folder`, `gguf` or `hub`")
                    .hint("write `folder = \"...\"` for a folder on this machine, or `hub = \"OWNER/NAME\"` for one to be fetched"),
            );
        }
        (true, false) => {}
        (false, _) => {
            let wanted = [
                ("the configuration", ["config.json"].as_slice()),
                ("weights", WEIGHTS.as_slice()),
                ("a tokenizer", TOKENIZER.as_slice()),
            ];
            let mut path = path.to_vec();
            path.push("folder");
            has_files(check, dir, &path, (base, &wanted));
        }
    }
}

/// Checks a GGUF file, which excludes a folder and a name on the hub.
fn gguf_source(check: &mut Check<'_>, name: &str, llm: &PretrainedLlm) {
    let place = check.place(&["llm", name, "pretrained", "gguf"]);
    for (other, value) in [("folder", &llm.folder), ("hub", &llm.hub)] {
        if !value.is_empty() {
            let related = check.place(&["llm", name, "pretrained", other]);
            check.push(
                Fault::at(
                    place,
                    format!("`llm.{name}` names a GGUF file and a `{other}`"),
                )
                .label("weights come from one place")
                .related(related, "also named")
                .hint(format!("remove `gguf` or `{other}`")),
            );
        }
    }
    if let Err(message) = gguf::read(&check.base.join(&llm.gguf)) {
        check.push(
            Fault::at(place, message)
                .label("cannot be read as a language model")
                .hint("name a GGUF file of a Llama, Mistral, Qwen 2, Qwen 3 or Gemma 3, such as the one of `scripts/setup-smollm2.sh`"),
        );
    }
}

/// Checks that a folder has one file of each of the wanted kinds.
fn has_files(
    check: &mut Check<'_>,
    dir: &str,
    path: &[&str],
    (base, wanted): (&Path, &[(&str, &[&str])]),
) {
    let full = base.join(dir);
    let place = check.place(path);
    if !full.is_dir() || dir.is_empty() {
        let files: Vec<&str> = wanted.iter().map(|(_, files)| files[0]).collect();
        let what = if full.exists() {
            "is not a folder"
        } else {
            "is not on this machine"
        };
        check.push(
            Fault::at(place, format!("`{dir}` {what}"))
                .label("expected a folder")
                .hint(format!(
                    "put {} into `{}`",
                    suggest::list(&files),
                    full.display()
                )),
        );
        return;
    }
    for (what, files) in wanted {
        if !files.iter().any(|file| full.join(file).is_file()) {
            check.push(
                Fault::at(place, format!("`{dir}` lacks {what}"))
                    .label(format!(
                        "expected {} in it",
                        crate::experiment::shape::either(files)
                    ))
                    .hint(format!("looked into `{}`", full.display())),
            );
        }
    }
}

fn shape(check: &mut Check<'_>, name: &str, shape: &str) {
    if LmConfig::named(shape).is_err() {
        let place = check.place(&["llm", name, "random", "shape"]);
        check.push(
            Fault::at(place, format!("no language model has the shape `{shape}`"))
                .label("expected the name of a published shape")
                .hint(suggest::hint(shape, LmConfig::names(), "shapes")),
        );
    }
}

fn heads(check: &mut Check<'_>, name: &str, small: &SmallLlm) {
    let (heads, width) = (small.num_heads, small.hidden_units);
    if width % heads != 0 {
        let place = check.place(&["llm", name, "small", "num_heads"]);
        check.push(
            Fault::at(
                place,
                format!("{heads} heads do not divide `hidden_units` {width}"),
            )
            .label(format!("expected a divisor of {width}"))
            .hint(format!("the divisors are {}", divisors(width))),
        );
    }
}

/// Reports a template without candidates, and unknown placeholders.
fn template(check: &mut Check<'_>, name: &str, prompt: &Prompt) {
    if prompt.template.is_empty() {
        return;
    }
    let place = check.place(&["prompt", name, "template"]);
    for inside in prompt.template.split('{').skip(1) {
        let Some((word, _)) = inside.split_once('}') else {
            continue;
        };
        if !TEMPLATE_PLACES.contains(&word) {
            check.push(
                Fault::at(
                    place,
                    format!("`{{{word}}}` is not a placeholder of a template"),
                )
                .label("unknown placeholder")
                .hint(suggest::hint(word, TEMPLATE_PLACES, "placeholders")),
            );
        }
    }
    match (prompt.template.contains("{candidates}"), prompt.list) {
        (false, true) => check.push(
            Fault::at(place, "the template does not list the candidates")
                .label("expected `{candidates}` in it")
                .hint(
                    "for example `{user}This user has {past} {history}. Choose the next from {candidates}: `; or set `list = false` to rank without the list",
                ),
        ),
        (true, false) => {
            let place = check.place(&["prompt", name, "list"]);
            check.push(
                Fault::at(place, "`list = false`, but the template lists the candidates")
                    .label("contradicts `template`")
                    .hint("remove `{candidates}` from the template, or set `list = true`"),
            );
        }
        (true, true) | (false, false) => {}
    }
}
