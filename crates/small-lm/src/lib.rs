//! A small language model from scratch, trained on item texts and on instructions made from item
//! texts alone. Tests and small experiments use it in place of a pretrained one.
//!
//! [`run`] is the stage `pretrain-lm`. [`PretrainTask`] is what the worker's training loop trains.
//! `texts` draws prompts, `plain` draws texts without prompts. `vectors` and `choice` make the
//! vectors of prompts and the choices among titles.
//!
//! The model never sees an interaction. It learns to read a prompt: to copy and to choose titles,
//! and to follow the user's slot. The user's slot holds one of four things:
//!
//! - a vector close to the item vector of the target;
//! - a weighted sum of all candidates' vectors;
//! - words of the target's title;
//! - the mean embedding of these words.
//!
//! Item vectors are random, means of their titles' words, or mixtures of both. A candidate's
//! probability is a softmax over the cosines of its vector and the user's. So the frozen model can
//! later compare the vectors of projections.
//!
//! At first lists are short and vectors random. A model that starts with twenty titles, or with
//! words in its vectors, does not learn to compare vectors. `losses` has two auxiliary losses for
//! that.

#![cfg_attr(test, allow(clippy::disallowed_methods, clippy::disallowed_macros))]

mod choice;
mod losses;
mod plain;
mod stage;
mod texts;
mod vectors;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use allround_core::config::llm::{FinalBlank, Prompt, SmallLlm, Wording, Words};
use allround_core::data::{Item, Prepared};
use allround_core::event::{Counted, Event};
use allround_core::models::train::{Decay, Optimizer, OutOfMemory, Stop, Train};
use allround_core::seed::{Stream, stream};
use allround_core::text::{Piece, Titles, Vectors, answer_of, render};
use rand::RngExt;
use tch::Tensor;

use allround_worker::hf::tokenizer::Tokenizer;
use allround_worker::lm::Lm;
use allround_worker::methods::prompted_lm::LoadedLm;
use allround_worker::train::BoxError;
use allround_worker::train::task::{Loss, Source, Steps, Task};
use allround_worker::train::trainer;

pub use stage::run;
use texts::Lesson;
pub use texts::Text;

/// This stage's number among random streams.
pub const STAGE: u64 = 4;
/// Steps of what the loop calls an epoch.
pub const STEPS_AN_EPOCH: u64 = 100;
/// Deviation of the weights that the model starts from: wider than OPT's, since it is narrow.
pub const INIT_STD: f64 = 0.06;
/// Most items of a history.
const HISTORY: usize = 10;

/// The settings of the training loop that the small model's come to.
pub fn training_of(llm: &SmallLlm) -> Train {
    Train {
        epochs: u32::try_from(llm.steps.div_ceil(STEPS_AN_EPOCH)).unwrap_or(u32::MAX),
        batch_size: llm.batch_size,
        lr: llm.lr,
        optimizer: Optimizer::Adam {
            betas: [0.9, 0.98],
            eps: 1e-8,
            weight_decay: 0.0,
        },
        clip_norm: 1.0,
        warmup: llm.warmup,
        decay: Decay::Cosine,
        out_of_memory: OutOfMemory::Fail,
        // Its losses are means over places of different kinds, which parts of a step would weigh
        // otherwise.
        token_budget: 0,
        stop: Stop::Fixed { validate_every: 0 },
    }
}

/// Initializes attention so that it compares like with like: queries start equal to keys, and
/// outputs are the transpose of values. After Trockman and Kolter 2023, Mimetic Initialization of
/// Self-Attention Layers.
///
/// So a state that holds a vector finds it among others from the first step on. Without this, a
/// small model needs thousands of steps to learn it.
///
/// # Panics
/// When the model is not an OPT: the stage makes one.
pub fn start_alike(lm: &Lm) {
    let weights: BTreeMap<String, Tensor> = lm.weights().into_iter().collect();
    let matrix = |layer: usize, part: &str| {
        let name = format!("model.decoder.layers.{layer}.self_attn.{part}.weight");
        weights
            .get(&name)
            .expect("OPT's layers have four projections")
            .shallow_clone()
    };
    tch::no_grad(|| {
        for layer in 0..lm.config().layers {
            matrix(layer, "q_proj").copy_(&matrix(layer, "k_proj"));
            matrix(layer, "out_proj").copy_(&matrix(layer, "v_proj").tr());
        }
    });
}

/// What the tokenizer is trained on: every item's texts, and the words of the instructions as often
/// as it takes to keep them whole.
pub fn corpus(prepared: &Prepared, words: &Words) -> Vec<String> {
    let titles = Titles::new(&prepared.items);
    let mut texts = Vec::new();
    for (at, item) in prepared.items.iter().enumerate() {
        texts.push(answer_of(&titles, at as u32 + 1));
        texts.push(said(&titles, at as u32 + 1, item));
    }
    let told = Vectors {
        user: true,
        item: false,
    };
    for _ in 0..texts.len().div_ceil(8) {
        for wording in [Wording::PublishedCode, Wording::Paper] {
            let pieces = render(&asked(wording, words), told, &[], &[], &titles);
            texts.extend(pieces.into_iter().filter_map(|piece| match piece {
                Piece::Text(text) => Some(text),
                Piece::User | Piece::HistoryItem(_) | Piece::CandidateItem(_) => None,
            }));
        }
    }
    texts
}

fn asked(wording: Wording, words: &Words) -> Prompt {
    Prompt {
        wording,
        template: String::new(),
        list: true,
        chat: false,
        system: String::new(),
        final_blank: FinalBlank::Auto,
        past: words.past.clone(),
        verb: words.verb.clone(),
        noun: words.noun.clone(),
        words: std::collections::BTreeMap::new(),
        history: HISTORY,
        candidates: 2,
        title_tokens: 0,
    }
}

/// An item in a few sentences.
fn said(titles: &Titles, number: u32, item: &Item) -> String {
    let mut text = answer_of(titles, number);
    if !item.categories.is_empty() {
        text.push_str(&format!(" is of the kind {}.", item.categories.join(", ")));
    }
    if let Some(description) = item.description.as_deref() {
        let description: String = description.chars().take(400).collect();
        text.push(' ');
        text.push_str(&description);
    }
    text
}

/// Writes the texts that a small model is trained on.
#[derive(Debug)]
pub struct Writer<'a> {
    settings: &'a SmallLlm,
    words: &'a Words,
    prepared: &'a Prepared,
    titles: Titles,
    /// The tokens of each item's title, as they are in a text.
    tokenized: Vec<Vec<u32>>,
    /// Each item's title as an answer: in quotes, with the end of the text.
    answers: Vec<Vec<u32>>,
    tokenizer: Arc<Tokenizer>,
    /// The token that begins and ends a text.
    eos: u32,
    /// How often a text was shortened or replaced since the positions could not hold it.
    changed: AtomicU64,
}

/// A small model in training.
#[derive(Debug)]
pub struct PretrainTask<'a> {
    writer: Writer<'a>,
    /// The model and its tokenizer.
    pub loaded: LoadedLm,
}

impl<'a> PretrainTask<'a> {
    /// `loaded` holds a trainable model.
    pub fn new(
        settings: &'a SmallLlm,
        words: &'a Words,
        prepared: &'a Prepared,
        loaded: LoadedLm,
    ) -> Self {
        let titles = loaded.titles(&prepared.items, settings.title_tokens);
        let tokenize = |at: usize| {
            loaded
                .tokenizer
                .encode(&format!(" {}", titles.of(at as u32 + 1)))
        };
        let tokenized = (0..prepared.items.len()).map(tokenize).collect();
        let answer = |at: usize| {
            let title = answer_of(&titles, at as u32 + 1);
            let mut answer = loaded.tokenizer.encode(&title);
            answer.push(loaded.ends[0]);
            answer
        };
        let answers = (0..prepared.items.len()).map(answer).collect();
        let writer = Writer {
            settings,
            words,
            prepared,
            titles,
            tokenized,
            answers,
            tokenizer: Arc::clone(&loaded.tokenizer),
            eos: loaded.ends[0],
            changed: AtomicU64::new(0),
        };
        Self { writer, loaded }
    }

    /// Reports how often texts were shortened or replaced.
    pub fn report(&self, observe: &mut dyn FnMut(Event)) {
        let count = self.writer.changed();
        if count > 0 {
            observe(Event::Counted(Counted {
                what: "texts of the small language model's training shortened or replaced to fit its positions".to_owned(),
                count,
            }));
        }
    }
}

impl Source for Writer<'_> {
    type Example = Text;

    fn steps(&self, epoch: u32) -> Result<Steps<'_, Text>, BoxError> {
        let mut random = stream(
            self.settings.seed,
            Stream::Prompt,
            trainer::index(STAGE, epoch, 0),
        );
        let first = u64::from(epoch - 1) * STEPS_AN_EPOCH;
        let last = (first + STEPS_AN_EPOCH).min(self.settings.steps);
        let most = self.settings.list.min(self.prepared.n_items());
        let steps = (first..last).map(move |step| {
            let done = step as f64 / self.settings.steps as f64;
            let lesson = Lesson::at(done, most);
            let length = random.random_range(lesson.titles.0..=lesson.titles.1);
            let history = random.random_range(0..=lesson.history);
            let history = history.min(self.prepared.n_items() - length);
            // Short texts fill a step with more of them.
            let count = self.settings.batch_size * (most / length).clamp(1, 4);
            let texts = (0..count).map(|_| self.text(&mut random, lesson, (length, history)));
            let texts: Vec<Text> = texts.collect();
            let fitted = texts.iter().filter(|text| text.fitted).count() as u64;
            self.changed.fetch_add(fitted, Ordering::Relaxed);
            Ok(texts)
        });
        Ok(Steps {
            count: (last - first) as usize,
            made: Box::new(steps),
        })
    }

    fn in_all(&self, _epochs: u32) -> Option<u64> {
        Some(self.settings.steps)
    }

    fn changed(&self) -> u64 {
        self.changed.load(Ordering::Relaxed)
    }

    fn count_from(&self, changed: u64) {
        self.changed.store(changed, Ordering::Relaxed);
    }
}

impl Task for PretrainTask<'_> {
    type Example = Text;

    fn source(&self) -> &dyn Source<Example = Text> {
        &self.writer
    }

    fn weights(&self) -> Vec<(String, Tensor)> {
        self.loaded.lm.trained()
    }

    fn params(&self) -> u64 {
        self.loaded.params()
    }

    fn weight(&self, _example: &Text) -> u64 {
        1
    }

    fn length(&self, example: &Text) -> usize {
        example.longest()
    }

    fn loss(&self, examples: &[&Text], _states: Option<&Tensor>) -> Loss {
        self.loss_of(examples)
    }
}

#[cfg(test)]
mod tests;
