//! Chat templates of Hugging Face folders.
//!
//! An instruct model is trained on texts in which each turn of a conversation has marks around it.
//! Its folder holds a Jinja template that writes them, in `chat_template.jinja` or in
//! `tokenizer_config.json`. [`ChatTemplate::turn`] gives the marks around one user turn, so that a
//! prompt with places for vectors can be put between them.
//!
//! Reference: `apply_chat_template` of transformers 5.24, with `add_generation_prompt`. Deviation:
//! `strftime_now` is not defined, so that a text does not depend on the day it is made. Templates
//! that look for it have a fixed date instead.
//!
//! ```
//! use chat_template::ChatTemplate;
//!
//! let source = "{% for message in messages %}<{{ message.role }}>{{ message.content }}</>\
//!     {% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";
//! let template = ChatTemplate::new(source, None, None);
//! let turn = template.turn("")?;
//! assert_eq!((&*turn.before, &*turn.after), ("<user>", "</><assistant>"));
//! # Ok::<(), chat_template::ChatError>(())
//! ```

#![forbid(unsafe_code)]
#![warn(missing_docs)]

use std::path::Path;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, ErrorKind, Value as Jinja, context};
use serde_json::{Map, Value};

/// Steps of a template before it counts as endless. A template for one turn takes a few hundred.
const STEPS: u64 = 1_000_000;
/// Placeholder for the user's text while a template is taken apart.
const MARK: &str = "\u{fdd0}text\u{fdd1}";

/// Why a chat template cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// A file cannot be read.
    #[error("cannot read `{path}`: {reason}")]
    File {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// It is not a template, or it uses what is not supported.
    #[error("the chat template cannot be used: {reason}")]
    Template {
        /// What the template engine reports.
        reason: String,
    },
    /// It refuses the conversation by `raise_exception`.
    #[error("the chat template refuses the prompt: {message}")]
    Refused {
        /// Its own message.
        message: String,
    },
    /// It does not come to an end.
    #[error("the chat template takes more than {STEPS} steps, so it may never end")]
    Endless,
    /// The user's text is not in what it writes, or more than once.
    #[error("the chat template writes the user's text {times} times; expected once")]
    Text {
        /// How often.
        times: usize,
    },
}

/// The text around a user's turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Before the user's text: the marks of the conversation's beginning, the system text, and
    /// those of the turn.
    pub before: String,
    /// After it: the marks of the turn's end, and those that begin the answer.
    pub after: String,
    /// Whether blanks around the user's text are removed.
    pub trims: bool,
}

/// A chat template with the special tokens that it may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatTemplate {
    source: String,
    bos: Option<String>,
    eos: Option<String>,
}

impl ChatTemplate {
    /// A template; `bos` and `eos` are the texts of the tokens that begin and end a text.
    pub fn new(source: &str, bos: Option<&str>, eos: Option<&str>) -> Self {
        Self {
            source: source.to_owned(),
            bos: bos.map(str::to_owned),
            eos: eos.map(str::to_owned),
        }
    }

    /// The template of a Hugging Face folder; `None` if the folder has none. Of several named
    /// templates it is the one called `default`.
    ///
    /// # Errors
    /// When a file cannot be read or is not JSON.
    pub fn of_folder(folder: &Path) -> Result<Option<Self>, ChatError> {
        let file = folder.join("chat_template.jinja");
        let config = object(&folder.join("tokenizer_config.json"))?;
        let source = match file.is_file() {
            true => Some(read(&file)?),
            false => source_in(&config),
        };
        let special = object(&folder.join("special_tokens_map.json"))?;
        let token = |role: &str| token(&config, role).or_else(|| token(&special, role));
        Ok(source.map(|source| Self {
            source,
            bos: token("bos_token"),
            eos: token("eos_token"),
        }))
    }

    /// The conversation of a system text (none if empty) and a user's text, up to the answer.
    ///
    /// # Errors
    /// When the template cannot be used, refuses the conversation, or does not end.
    pub fn render(&self, system: &str, user: &str) -> Result<String, ChatError> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .expect("the delimiters are Jinja's own");
        environment.set_syntax(syntax);
        environment.set_fuel(Some(STEPS));
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |message: String| -> Result<(), _> {
            Err(minijinja::Error::new(
                ErrorKind::InvalidOperation,
                format!("{RAISED}{message}"),
            ))
        });
        let message = |role: &str, content: &str| context! { role, content };
        let mut messages: Vec<Jinja> = Vec::new();
        if !system.is_empty() {
            messages.push(message("system", system));
        }
        messages.push(message("user", user));
        let values = context! {
            messages,
            add_generation_prompt => true,
            tools => (),
            documents => (),
            bos_token => self.bos.clone().unwrap_or_default(),
            eos_token => self.eos.clone().unwrap_or_default(),
        };
        environment
            .render_str(&self.source, values)
            .map_err(explained)
    }

    /// The text around a user's turn, after a system text (none if empty).
    ///
    /// # Errors
    /// As [`ChatTemplate::render`], and when the user's text is not written exactly once.
    pub fn turn(&self, system: &str) -> Result<Turn, ChatError> {
        let padded = format!(" {MARK} ");
        let text = self.render(system, &padded)?;
        let trims = !text.contains(&padded);
        let mark = if trims { MARK } else { &padded };
        let times = text.matches(MARK).count();
        match text.split_once(mark) {
            Some((before, after)) if times == 1 => Ok(Turn {
                before: before.to_owned(),
                after: after.to_owned(),
                trims,
            }),
            _ => Err(ChatError::Text { times }),
        }
    }
}

/// Begins the message of a template's own refusal. Faults of the template lack it.
const RAISED: &str = "\u{fdd2}";

fn explained(error: minijinja::Error) -> ChatError {
    if error.kind() == ErrorKind::OutOfFuel {
        return ChatError::Endless;
    }
    let mut causes = std::iter::successors(Some(&error as &dyn std::error::Error), |error| {
        error.source()
    });
    let refusal = causes.find_map(|cause| {
        let text = cause.to_string();
        text.split_once(RAISED)
            .map(|(_, message)| message.to_owned())
    });
    match refusal {
        // The engine adds the place in the template in brackets.
        Some(message) => ChatError::Refused {
            message: match message.rsplit_once(" (in ") {
                Some((message, _)) => message.to_owned(),
                None => message,
            },
        },
        None => ChatError::Template {
            reason: error.to_string(),
        },
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this crate knows nothing of `allround`"
)]
fn read(path: &Path) -> Result<String, ChatError> {
    std::fs::read_to_string(path).map_err(|error| ChatError::File {
        path: path.display().to_string(),
        reason: error.to_string(),
    })
}

/// The object in a JSON file; empty if there is no file.
fn object(path: &Path) -> Result<Map<String, Value>, ChatError> {
    if !path.is_file() {
        return Ok(Map::new());
    }
    serde_json::from_str(&read(path)?).map_err(|error| ChatError::File {
        path: path.display().to_string(),
        reason: error.to_string(),
    })
}

/// The template in `tokenizer_config.json`: a text, or a list of named ones.
fn source_in(config: &Map<String, Value>) -> Option<String> {
    match config.get("chat_template")? {
        Value::String(text) => Some(text.clone()),
        Value::Array(named) => named
            .iter()
            .find(|one| one["name"] == "default")
            .and_then(|one| one["template"].as_str())
            .map(str::to_owned),
        _ => None,
    }
}

/// The text of a token, which is written plainly or as an object with its text.
fn token(config: &Map<String, Value>, role: &str) -> Option<String> {
    let token = config.get(role)?;
    let text = token.as_str().or_else(|| token["content"].as_str());
    text.map(str::to_owned)
}

#[cfg(test)]
mod tests;
