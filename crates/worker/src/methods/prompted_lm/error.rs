//! Why a language model cannot be opened, or a prompt cannot be made.

use allround_core::data::Prepared;
use allround_core::fs::FsError;
use chat_template::ChatError;
use gguf_file::GgufError;

use crate::hf::checkpoint::CheckpointError;
use crate::hf::hub::HubError;
use crate::hf::tokenizer::TokenizerError;
use crate::lm::{ConfigError, LmError, MergedError};

/// Why a language model cannot be opened, or a prompt cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PromptedLmError {
    /// Its configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Its weights.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// They do not fit.
    #[error(transparent)]
    Lm(#[from] LmError),
    /// An adapter next to them.
    #[error(transparent)]
    Adapter(#[from] MergedError),
    /// A file cannot be read.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// Its GGUF file.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// Its tokenizer.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// Its chat template.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// A chat needs a template.
    #[error("the language model has no chat template, and the prompt has `chat = true`")]
    NoChat,
    /// It cannot be fetched.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// A text has no end.
    #[error("the tokenizer in `{folder}` names no token that ends a text; expected `eos_token`")]
    End {
        /// The folder.
        folder: String,
    },
    /// The tokenizer ends a prompt before its answer.
    #[error(
        "the tokenizer in `{folder}` ends every text with `{token}`, so that a prompt would end before its answer"
    )]
    Back {
        /// The folder.
        folder: String,
        /// The token.
        token: String,
    },
    /// The stage was given no small model.
    #[error("the job names no `llm`, the artefact of `pretrain-lm`")]
    NoSmall,
    /// TALLRec's answers begin with the same token.
    #[error(
        "the tokenizer gives `{yes}` and `{no}` the same first token; TALLRec compares their first tokens"
    )]
    Alike {
        /// The one.
        yes: &'static str,
        /// The other.
        no: &'static str,
    },
    /// LlamaRec's candidates are more than the letters.
    #[error("a list of {candidates} candidates has no letters for all: there are {letters}")]
    FewLetters {
        /// Candidates of a prompt.
        candidates: usize,
        /// Letters.
        letters: usize,
    },
    /// LlamaRec's answer is not one token.
    #[error(
        "the tokenizer does not give `{letter}` a single token that no letter before it has; LlamaRec answers with one token"
    )]
    Letter {
        /// The letter.
        letter: char,
    },
    /// A prompt is too long even without a history.
    #[error(
        "a prompt of {prompt} tokens without any history and an answer of {answer} exceed the language model's {positions} positions"
    )]
    TooLong {
        /// Tokens of the prompt.
        prompt: usize,
        /// Tokens of the answer.
        answer: usize,
        /// Positions.
        positions: usize,
    },
    /// A user's prompt is.
    #[error("user `{user}`: {source}")]
    User {
        /// The user's id in the source.
        user: String,
        /// What is wrong.
        source: Box<PromptedLmError>,
    },
}

impl PromptedLmError {
    /// The same, with the user whose prompt it is: a row of `prepared`'s users.
    pub fn of_user(self, prepared: &Prepared, user: u32) -> Self {
        PromptedLmError::User {
            user: prepared.users[user as usize].clone(),
            source: Box::new(self),
        }
    }

    /// What the user can do.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            PromptedLmError::TooLong { .. } => Some(
                "bound titles by `title_tokens`, use fewer candidates, or let generated answers be shorter (`max_new_tokens`)",
            ),
            PromptedLmError::Alike { .. } => {
                Some("yes and no need two different first tokens; use `form = \"title\"`")
            }
            PromptedLmError::FewLetters { .. } => {
                Some("rank fewer candidates, such as `candidates.uniform = { n = 19 }`")
            }
            PromptedLmError::Letter { .. } => {
                Some("name a language model whose tokenizer has tokens for the letters A to Z")
            }
            PromptedLmError::Back { .. } => Some(
                "take the token out of the post-processor of `tokenizer.json`, or set `add_eos_token` to false next to `vocab.json`",
            ),
            PromptedLmError::User { source, .. } => source.hint(),
            PromptedLmError::Config(_)
            | PromptedLmError::Checkpoint(_)
            | PromptedLmError::Lm(_)
            | PromptedLmError::Adapter(_)
            | PromptedLmError::Tokenizer(_)
            | PromptedLmError::Hub(_)
            | PromptedLmError::Fs(_)
            | PromptedLmError::Gguf(_)
            | PromptedLmError::Chat(_)
            | PromptedLmError::NoChat
            | PromptedLmError::End { .. }
            | PromptedLmError::NoSmall => None,
        }
    }
}
