//! A language model with prompts that hold vectors.
//!
//! [`PromptEncoder`] turns a prompt into a list of [`Slot`]s, without a tensor. A batch of prompts
//! is one gather from the embeddings of its tokens and from its vectors. So gradients reach the
//! vectors and nothing else.
//!
//! As in the A-LLMRec code, the user's vector precedes the token that begins a text, if the
//! tokenizer has one. Answers are tokenized apart from the prompt.

mod error;
mod likelihood;
mod prompt_encoder;
mod representation;
mod turn;

use std::path::Path;
use std::sync::Arc;

use allround_core::config::llm::{Dtype, Llm, Prompt};
use allround_core::data::{Item, Prepared};
use allround_core::fs;
use allround_core::seed::{Stream, foreign};
use allround_core::text::{Titles, Vectors};
use chat_template::ChatTemplate;
use gguf_file::{GgufFile, Model};
use tch::{Device, Kind, Tensor};

use crate::hf::checkpoint::Checkpoint;
use crate::hf::hub;
use crate::hf::tokenizer::Tokenizer;
use crate::lm::{GgufWeights, Holding, Lm, LmConfig, Merged};
use crate::models::weights;
use crate::nn::embedding::indices;
use crate::train::trainer::index;
pub use error::PromptedLmError;
pub use likelihood::count;
pub use prompt_encoder::{ContextNeeds, EncodedPrompt, PromptEncoder, Slot};
pub use turn::EncodedTurn;

/// The number of random language models among random streams.
const STAGE: u64 = 6;

/// A language model with its tokenizer.
#[derive(Debug)]
pub struct LoadedLm {
    /// The model.
    pub lm: Lm,
    /// The tokenizer, which the threads that tokenize ahead share.
    pub tokenizer: Arc<Tokenizer>,
    /// The tokens that end a text: the first is written after answers to train on, any ends a
    /// generated one. Not empty.
    pub ends: Vec<u32>,
    /// The chat template of its folder.
    pub chat: Option<ChatTemplate>,
    /// The text around a prompt, where prompts are turns of a chat.
    pub turn: Option<EncodedTurn>,
    /// What belongs to every number made with the model: adapters that were merged, files of the
    /// folder that do not count.
    pub remarks: Vec<String>,
}

/// Number type of `dtype`.
pub fn kind_of(dtype: Dtype) -> Kind {
    match dtype {
        Dtype::Fp32 => Kind::Float,
        Dtype::Bf16 => Kind::BFloat16,
        Dtype::Fp16 => Kind::Half,
    }
}

impl LoadedLm {
    /// The language model that a specification names; `small` is the artefact of `pretrain-lm`.
    ///
    /// # Errors
    /// When files are missing, damaged or do not fit together.
    pub fn open(
        llm: &Llm,
        small: Option<&Path>,
        base: &Path,
        device: Device,
    ) -> Result<Self, PromptedLmError> {
        let held = |dtype, int8| Holding {
            int8,
            ..Holding::frozen(kind_of(dtype), device)
        };
        match llm {
            Llm::Pretrained(config) if !config.gguf.is_empty() => {
                let path = base.join(&config.gguf);
                Self::read_gguf(&path, held(config.dtype, config.int8))
            }
            Llm::Pretrained(config) => {
                let folder = match config.folder.as_str() {
                    "" => hub::folder(&config.hub)?,
                    folder => base.join(folder),
                };
                Self::read(&folder, held(config.dtype, config.int8))
            }
            Llm::Small(config) => Self::read(
                small.ok_or(PromptedLmError::NoSmall)?,
                held(config.dtype, false),
            ),
            Llm::Random(config) => {
                let shape = LmConfig::named(&config.shape)?;
                let folder = base.join(&config.tokenizer);
                let tokenizer = Tokenizer::open(&folder)?;
                tokenizer.check_fits(shape.vocab_size, &folder)?;
                tch::manual_seed(foreign(config.seed, Stream::Init, index(STAGE, 0, 0)));
                let lm = Lm::random(shape, held(config.dtype, config.int8));
                Self::with(lm, tokenizer, &folder)
            }
        }
    }

    fn read(folder: &Path, holding: Holding) -> Result<Self, PromptedLmError> {
        let config = LmConfig::open(folder)?;
        let tokenizer = Tokenizer::open(folder)?;
        tokenizer.check_fits(config.vocab_size, folder)?;
        let checkpoint = Checkpoint::open(folder)?;
        let mut remarks = checkpoint.remarks().to_vec();
        let lm = match Merged::open(folder, &checkpoint)? {
            None => Lm::from_weights(config, &checkpoint, holding)?,
            Some(merged) => {
                let lm = Lm::from_weights(config, &merged, holding)?;
                merged.check_all_taken()?;
                remarks.push(merged.remark());
                lm
            }
        };
        let mut loaded = Self::with(lm, tokenizer, folder)?;
        loaded.chat = ChatTemplate::of_folder(folder)?;
        loaded.remarks.extend(remarks);
        Ok(loaded)
    }

    /// The language model of a GGUF file.
    fn read_gguf(path: &Path, holding: Holding) -> Result<Self, PromptedLmError> {
        let bytes = fs::map(path)?;
        let file = GgufFile::read(path, &bytes)?;
        let model = Model::new(&file)?;
        let config = LmConfig::read(path, &model.config().to_json())?;
        let tokenizer = Tokenizer::of_gguf(file.tokenizer()?, path)?;
        tokenizer.check_fits(config.vocab_size, path)?;
        let weights = GgufWeights {
            model: &model,
            path: path.display().to_string(),
        };
        let lm = Lm::from_weights(config, &weights, holding)?;
        let special = &model.config().special;
        let bos = special.bos.and_then(|id| file.token(id));
        let eos = special.eos.first().and_then(|&id| file.token(id));
        let chat = file.chat_template();
        Ok(Self {
            chat: chat.map(|source| ChatTemplate::new(source, bos, eos)),
            ..Self::with(lm, tokenizer, path)?
        })
    }

    fn with(lm: Lm, tokenizer: Tokenizer, folder: &Path) -> Result<Self, PromptedLmError> {
        let mut ends = lm.config().eos.clone();
        if ends.is_empty() {
            ends.extend(tokenizer.eos());
        }
        if ends.is_empty() {
            return Err(PromptedLmError::End {
                folder: folder.display().to_string(),
            });
        }
        if !tokenizer.back().is_empty() {
            return Err(PromptedLmError::Back {
                folder: folder.display().to_string(),
                token: tokenizer.decode_whole(tokenizer.back()),
            });
        }
        Ok(Self {
            lm,
            ends,
            chat: None,
            turn: None,
            remarks: tokenizer.remarks().to_vec(),
            tokenizer: Arc::new(tokenizer),
        })
    }

    /// Makes every prompt a user's turn after a system text; none if it is empty.
    ///
    /// # Errors
    /// When the folder has no chat template, or the template cannot be used.
    pub fn begin_chat(&mut self, system: &str) -> Result<(), PromptedLmError> {
        let template = self.chat.as_ref().ok_or(PromptedLmError::NoChat)?;
        self.turn = Some(EncodedTurn::new(&template.turn(system)?, &self.tokenizer));
        Ok(())
    }

    /// How many parameters the model has.
    pub fn params(&self) -> u64 {
        weights::count(&self.lm.weights())
    }

    /// The titles of `items`, cut where they have more than `most` tokens; 0 means no bound.
    pub fn titles(&self, items: &[Item], most: usize) -> Titles {
        let mut titles = Titles::new(items);
        if most > 0 {
            titles.cut(|title| shorter(&self.tokenizer, title, most));
        }
        titles
    }
}

/// Longest prefix of `title`, in whole characters, that has at most `most` tokens; `None` if the
/// title fits.
fn shorter(tokenizer: &Tokenizer, title: &str, most: usize) -> Option<String> {
    let tokens = tokenizer.encode(title);
    if tokens.len() <= most {
        return None;
    }
    let beginnings = (1..=most)
        .rev()
        .map(|count| tokenizer.decode(&tokens[..count]));
    let whole = |text: &String| {
        // A token may hold a part of a character.
        !text.ends_with(char::REPLACEMENT_CHARACTER) && tokenizer.encode(text).len() <= most
    };
    Some(beginnings.into_iter().find(whole).unwrap_or_default())
}

/// Prompts in parts that fit the token budget of a pass, or of one prompt.
pub fn parts(prompts: &[Vec<Slot>], token_budget: usize) -> Vec<&[Vec<Slot>]> {
    let (mut parts, mut start, mut tokens) = (Vec::new(), 0, 0);
    for (at, prompt) in prompts.iter().enumerate() {
        if at > start && tokens + prompt.len() > token_budget {
            parts.push(&prompts[start..at]);
            (start, tokens) = (at, 0);
        }
        tokens += prompt.len();
    }
    parts.push(&prompts[start..]);
    parts
}

/// A language model with the titles and the prompt of one data set.
#[derive(Debug)]
pub struct PromptedLm {
    /// The model.
    pub loaded: LoadedLm,
    /// What tokenizes its prompts.
    pub encoder: PromptEncoder,
}

impl PromptedLm {
    /// A language model with prompts of `prepared`'s titles, which [`PromptEncoder::new`] cuts.
    pub fn new(
        loaded: LoadedLm,
        prepared: &Prepared,
        prompt: &Prompt,
        vectors: Vectors,
        needs: ContextNeeds,
    ) -> Self {
        let encoder = PromptEncoder::new(&loaded, prepared, prompt, vectors, needs);
        Self { loaded, encoder }
    }

    /// The language model.
    pub fn lm(&self) -> &Lm {
        &self.loaded.lm
    }

    /// Input vectors [t, W] of each of B prompts.
    ///
    /// `users` [B, W] are the users' vectors. `items` maps the batch's different items, in
    /// ascending order, to their vectors [I, W].
    pub fn rows(
        &self,
        prompts: &[impl AsRef<[Slot]>],
        users: Option<&Tensor>,
        items: &dyn Fn(&[u32]) -> Tensor,
    ) -> Vec<Tensor> {
        let lm = self.lm();
        let mut items_used: Vec<u32> = Vec::new();
        let (mut tokens, mut count) = (Vec::new(), 0);
        for slot in prompts.iter().flat_map(AsRef::as_ref) {
            count += 1;
            match slot {
                Slot::Token(token) => tokens.push(*token),
                Slot::Item(item) => items_used.push(*item),
                Slot::User => {}
            }
        }
        items_used.sort_unstable();
        items_used.dedup();
        let (first_user, mut next_token) = (tokens.len() as u32, 0);
        let first_item = first_user + users.map_or(0, |users| users.size()[0] as u32);
        let mut order = Vec::with_capacity(count);
        for (row, prompt) in prompts.iter().enumerate() {
            for slot in prompt.as_ref() {
                order.push(match slot {
                    Slot::Token(_) => {
                        next_token += 1;
                        next_token - 1
                    }
                    Slot::User => first_user + row as u32,
                    Slot::Item(item) => {
                        let place = items_used
                            .binary_search(item)
                            .expect("every item was collected");
                        first_item + place as u32
                    }
                });
            }
        }
        let device = lm.device();
        let mut parts = vec![lm.embed(&indices(&tokens, device))];
        parts.extend(users.map(|users| users.to_kind(lm.kind())));
        if !items_used.is_empty() {
            parts.push(items(&items_used).to_kind(lm.kind()));
        }
        let lengths = prompts.iter().map(|prompt| prompt.as_ref().len() as i64);
        let all = match parts.len() {
            1 => parts.remove(0),
            _ => Tensor::cat(&parts, 0).index_select(0, &indices(&order, device)),
        };
        all.split_with_sizes(lengths.collect::<Vec<_>>(), 0)
    }

    /// Mean cross-entropy of the answers after their prompts, and the number of tokens in the mean.
    ///
    /// The mean is over the answers' tokens. With `prompts_too` it is also over the prompts'
    /// tokens, without vectors and the first token.
    pub fn loss(
        &self,
        prompts: &[impl AsRef<[Slot]>],
        answers: &[impl AsRef<[u32]>],
        rows: Vec<Tensor>,
        prompts_too: bool,
    ) -> (Tensor, u64) {
        let lm = self.lm();
        let (mut whole, mut wanted, mut expected) = (Vec::new(), Vec::new(), Vec::new());
        let mut counted: Vec<u32> = Vec::new();
        let mut place = 0;
        let prompts: Vec<&[Slot]> = prompts.iter().map(AsRef::as_ref).collect();
        let answers: Vec<&[u32]> = answers.iter().map(AsRef::as_ref).collect();
        let inputs: Vec<u32> = answers
            .iter()
            .flat_map(|answer| &answer[..answer.len() - 1])
            .copied()
            .collect();
        let inputs = lm.embed(&indices(&inputs, lm.device()));
        let lengths: Vec<i64> = answers
            .iter()
            .map(|answer| answer.len() as i64 - 1)
            .collect();
        for ((prompt, answer), (row, input)) in prompts
            .iter()
            .zip(&answers)
            .zip(rows.into_iter().zip(inputs.split_with_sizes(lengths, 0)))
        {
            let end = prompt.len() + answer.len() - 1;
            let start = if prompts_too { 0 } else { prompt.len() - 1 };
            for at in start..end {
                let next = match prompt.get(at + 1) {
                    Some(Slot::Token(token)) => Some(*token),
                    Some(_) => None,
                    None => Some(answer[at + 1 - prompt.len()]),
                };
                if let Some(next) = next {
                    expected.push(next);
                    counted.push(place);
                }
                place += 1;
            }
            wanted.push(start..end);
            whole.push(Tensor::cat(&[row, input], 0));
        }
        let mut hidden = lm.hidden(&whole, &wanted);
        if counted.len() < place as usize {
            hidden = hidden.index_select(0, &indices(&counted, lm.device()));
        }
        let logits = lm.logits(&hidden).to_kind(Kind::Float);
        let loss = logits.cross_entropy_for_logits(&indices(&expected, lm.device()));
        (loss, expected.len() as u64)
    }
}

#[cfg(test)]
mod tests;
