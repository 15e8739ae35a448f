//! Prompts and answers as tokens and places of vectors. No tensor is needed, so a thread can
//! tokenize ahead of the step.
//!
//! The text around vectors is tokenized as one text, in which each vector's place is an added
//! token. The A-LLMRec code does the same. An answer is tokenized as a separate text, as there.
//! TALLRec's yes and no and LlamaRec's letters continue their prompt, as in their code.
//!
//! Each distinct part of a prompt is tokenized once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use allround_core::config::llm::{FinalBlank, Prompt};
use allround_core::data::Prepared;
use allround_core::event::{Counted, Event};
use allround_core::text::representation;
use allround_core::text::sequence::of_sequence;
use allround_core::text::{
    Piece, Titles, Vectors, answer_of, render, render_letters, render_yes_no,
};

use super::{EncodedTurn, LoadedLm, PromptedLmError, shorter};
use crate::hf::tokenizer::Tokenizer;
use crate::lm::Family;

mod words;

/// Longest text in bytes whose tokens are cached: texts around titles come again, whole prompts do
/// not.
const KEPT: usize = 512;
/// Fewest tokens that titles are cut to because of the positions: with less a title says nothing,
/// and the prompt is refused.
const LEAST_TITLE: usize = 8;

/// A place of a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// A token.
    Token(u32),
    /// The user's vector.
    User,
    /// The vector of an item (1 to V).
    Item(u32),
}

/// A prompt and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedPrompt {
    /// The prompt.
    pub prompt: Vec<Slot>,
    /// The answer's tokens, the end of text among them.
    pub answer: Vec<u32>,
}

impl EncodedPrompt {
    /// Tokens and vectors that the language model computes: nothing follows the answer's last
    /// token.
    pub fn computed(&self) -> usize {
        self.prompt.len() + self.answer.len() - 1
    }

    /// Tokens and vectors of prompt and answer.
    pub fn tokens(&self) -> usize {
        self.prompt.len() + self.answer.len()
    }
}

/// What the model's positions must hold besides the prompt's fixed words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContextNeeds {
    /// A list of titles, and the answer.
    List {
        /// Titles of candidates in a prompt.
        candidates: usize,
        /// Tokens of an answer that is not a title; 0 where a title is the longest answer.
        answer: usize,
    },
    /// TALLRec's prompt: one candidate, and a word as the answer.
    YesNo,
    /// LlamaRec's prompt: that many candidates, and a letter as the answer.
    Letters(usize),
    /// LLM-SRec's prompt of one item, without an answer.
    Representation,
    /// E4SRec's prompt, which has neither titles nor an answer.
    Sequence,
}

/// Where a text is in its prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    /// It begins the prompt, or is a separate text.
    First,
    /// After a vector.
    Later,
}

/// Tokens of texts by where they are in the prompt.
type TokenCache = HashMap<(Place, String), Arc<[u32]>>;

/// The titles and the wording of one data set in a language model's tokens.
#[derive(Debug)]
pub struct PromptEncoder {
    tokenizer: Arc<Tokenizer>,
    eos: u32,
    /// Most tokens of a prompt with its answer.
    positions: usize,
    titles: Titles,
    prompt: Prompt,
    vectors: Vectors,
    /// The text around a prompt, where it is a turn of a chat.
    turn: Option<EncodedTurn>,
    cache: Mutex<TokenCache>,
    remarks: Vec<String>,
    /// Whether the blank at the prompt's end begins the answer instead.
    blank_with_answer: bool,
    /// Prompts whose history was shortened to fit.
    shortened: AtomicU64,
}

impl PromptEncoder {
    /// The token that is in place of a vector where none is read: the first of `*`.
    pub fn placeholder(&self) -> u32 {
        let tokens = self.tokenizer.encode("*");
        tokens.first().copied().unwrap_or(self.eos)
    }

    /// An encoder of `prepared`'s titles, which are cut to the `title_tokens` of `prompt`.
    ///
    /// The positions must hold a prompt of the data set's longest titles, without history, and its
    /// answer. `needs` says how many titles. If they do not fit, all titles are cut to the largest
    /// token count that fits.
    pub fn new(
        loaded: &LoadedLm,
        prepared: &Prepared,
        prompt: &Prompt,
        vectors: Vectors,
        needs: ContextNeeds,
    ) -> Self {
        let mut encoder = Self {
            tokenizer: Arc::clone(&loaded.tokenizer),
            eos: loaded.ends[0],
            positions: loaded.lm.config().positions as usize,
            titles: if needs == ContextNeeds::Sequence {
                Titles::new(&[])
            } else {
                loaded.titles(&prepared.items, prompt.title_tokens)
            },
            prompt: prompt.clone(),
            vectors,
            turn: loaded.turn.clone(),
            cache: Mutex::default(),
            remarks: loaded.remarks.clone(),
            blank_with_answer: false,
            shortened: AtomicU64::new(0),
        };
        // A-LLMRec was published with OPT and this wording.
        let is_published = prompt.template.is_empty() && loaded.lm.config().family == Family::Opt;
        encoder.blank_with_answer = matches!(needs, ContextNeeds::List { .. })
            && encoder.turn.is_none()
            && match prompt.final_blank {
                FinalBlank::Auto => !is_published && encoder.has_lone_blank(),
                FinalBlank::Prompt => false,
                FinalBlank::Answer => encoder.last_text().ends_with(' '),
            };
        if encoder.turn.is_none() && loaded.chat.is_some() {
            let remark = "the model's chat template is not applied (`prompt.NAME.chat`)";
            encoder.remarks.push(remark.to_owned());
        }
        encoder.fit_titles(needs);
        encoder
    }

    /// The same encoder with a separate count of shortened prompts.
    pub fn with_own_count(&self) -> Self {
        Self {
            tokenizer: Arc::clone(&self.tokenizer),
            eos: self.eos,
            positions: self.positions,
            titles: self.titles.clone(),
            prompt: self.prompt.clone(),
            vectors: self.vectors,
            turn: self.turn.clone(),
            cache: Mutex::default(),
            remarks: self.remarks.clone(),
            blank_with_answer: self.blank_with_answer,
            shortened: AtomicU64::new(0),
        }
    }

    fn fit_titles(&mut self, needs: ContextNeeds) {
        let mut longest: Vec<(usize, u32)> = (1..)
            .zip(self.titles.iter())
            .map(|(item, title)| (self.tokenizer.encode(title).len(), item))
            .collect();
        longest.sort_unstable_by(|a, b| b.cmp(a));
        longest.truncate(match needs {
            ContextNeeds::List { candidates, .. } | ContextNeeds::Letters(candidates) => candidates,
            ContextNeeds::YesNo | ContextNeeds::Representation | ContextNeeds::Sequence => 1,
        });
        let Some(&(most, _)) = longest.first() else {
            return;
        };
        let items: Vec<u32> = longest.iter().map(|&(_, item)| item).collect();
        let fits = |titles: &Titles| self.fits(titles, &items, needs);
        if fits(&self.titles) || !fits(&self.cut(LEAST_TITLE)) {
            return;
        }
        let (mut fitting, mut exceeding) = (LEAST_TITLE, most);
        while fitting + 1 < exceeding {
            let between = fitting.midpoint(exceeding);
            if fits(&self.cut(between)) {
                fitting = between
            } else {
                exceeding = between
            }
        }
        self.titles = self.cut(fitting);
    }

    /// The titles with at most `most` tokens.
    fn cut(&self, most: usize) -> Titles {
        let mut titles = self.titles.clone();
        titles.fit(|title| shorter(&self.tokenizer, title, most));
        titles
    }

    /// Whether the positions hold a prompt of `items`, the first of which is the answer, or one of
    /// a fixed token count.
    fn fits(&self, titles: &Titles, items: &[u32], needs: ContextNeeds) -> bool {
        let (prompt, answer) = match needs {
            ContextNeeds::YesNo => (render_yes_no(&self.prompt, &[], items[0], titles), 1),
            ContextNeeds::Letters(_) => (render_letters(&self.prompt, &[], items, titles), 1),
            ContextNeeds::Representation => (representation::of_item(items[0], titles), 0),
            ContextNeeds::Sequence => (of_sequence(&[]), 0),
            ContextNeeds::List { answer, .. } => {
                let title = self.ended(&self.named(titles, items[0])).len();
                let prompt = render(&self.prompt, self.vectors, &[], items, titles);
                (prompt, answer.max(title))
            }
        };
        self.slots(&prompt).len() + answer <= self.positions
    }

    /// The titles as prompts have them.
    pub fn titles(&self) -> &Titles {
        &self.titles
    }

    /// The prompt's settings.
    pub fn prompt_settings(&self) -> &Prompt {
        &self.prompt
    }

    /// Prompts so far whose history was shortened to fit.
    pub fn shortened(&self) -> u64 {
        self.shortened.load(Ordering::Relaxed)
    }

    /// Continues from what a killed process had counted.
    pub fn count_from(&self, shortened: u64) {
        self.shortened.store(shortened, Ordering::Relaxed);
    }

    /// Reports which rules changed titles or prompts, and how often.
    pub fn report(&self, observe: &mut dyn FnMut(Event)) {
        for (what, count) in self.titles.counted() {
            let (what, count) = (what.to_owned(), count as u64);
            observe(Event::Counted(Counted { what, count }));
        }
        let titles: Vec<&str> = self.titles.iter().collect();
        let count = self.tokenizer.lossy(&titles) as u64;
        if count > 0 {
            let what =
                "titles that the language model's tokenizer cannot represent whole".to_owned();
            observe(Event::Counted(Counted { what, count }));
        }
        for text in self.remarks.iter().cloned() {
            observe(Event::Remark { text });
        }
        let count = self.shortened();
        if count > 0 {
            observe(Event::Counted(Counted {
                what: "prompts whose history was shortened to fit the language model's positions"
                    .to_owned(),
                count,
            }));
        }
    }

    /// The tokens of a separate text, without those that a tokenizer puts around it.
    pub fn tokenize(&self, text: &str) -> Arc<[u32]> {
        self.tokenize_at(Place::First, text)
    }

    fn tokenize_at(&self, place: Place, text: &str) -> Arc<[u32]> {
        let key = (place, text.to_owned());
        if let Some(known) = self.known().get(&key) {
            return Arc::clone(known);
        }
        let tokens: Arc<[u32]> = match place {
            Place::First => self.tokenizer.encode(text).into(),
            Place::Later => self.tokenizer.encode_later(text).into(),
        };
        if text.len() <= KEPT {
            self.known().insert(key, Arc::clone(&tokens));
        }
        tokens
    }

    fn known(&self) -> MutexGuard<'_, TokenCache> {
        let known = self.cache.lock();
        known.expect("nothing panics between two spellings")
    }

    /// The text right before the answer; empty if a vector is there.
    fn last_text(&self) -> String {
        let pieces = render(&self.prompt, self.vectors, &[], &[], &self.titles);
        match pieces.last() {
            Some(Piece::Text(text)) => text.clone(),
            Some(Piece::User | Piece::HistoryItem(_) | Piece::CandidateItem(_)) | None => {
                String::new()
            }
        }
    }

    /// Whether the prompt ends in a blank that becomes a separate token. Words of the model's
    /// training begin with their blank. After a lone blank it expects something else.
    fn has_lone_blank(&self) -> bool {
        let text = self.last_text();
        if !text.ends_with(' ') {
            return false;
        }
        // The place makes no difference for the end of a text.
        let tokens = self.tokenize_at(Place::Later, &text);
        let without = self.tokenize_at(Place::Later, text.trim_end());
        tokens.len() > without.len() && tokens.starts_with(&without)
    }

    /// The answer that names `item`: its title in quotes and the end of text.
    pub fn answer(&self, item: u32) -> Vec<u32> {
        self.ended(&self.named(&self.titles, item))
    }

    /// The text that names `item`, with its blank where that is the answer's.
    fn named(&self, titles: &Titles, item: u32) -> String {
        let blank = if self.blank_with_answer { " " } else { "" };
        format!("{blank}{}", answer_of(titles, item))
    }

    /// The tokens of a text and its end.
    pub fn ended(&self, text: &str) -> Vec<u32> {
        let mut tokens = self.tokenize(text).to_vec();
        tokens.push(self.eos);
        tokens
    }

    /// The prompt for the next item, short enough for an answer of `answer` tokens after it. The
    /// oldest items of the history are left out first, and such prompts are counted.
    ///
    /// # Errors
    /// When it is too long without any history.
    pub fn prompt(
        &self,
        history: &[u32],
        candidates: &[u32],
        answer: usize,
    ) -> Result<Vec<Slot>, PromptedLmError> {
        self.fitting(history, answer, |history| {
            render(
                &self.prompt,
                self.vectors,
                history,
                candidates,
                &self.titles,
            )
        })
    }

    /// The prompt for the next item without history and vectors: what `gain` compares with.
    pub fn without_history(&self, candidates: &[u32]) -> Vec<Slot> {
        let vectors = Vectors {
            user: false,
            item: false,
        };
        let pieces = render(&self.prompt, vectors, &[], candidates, &self.titles);
        self.slots(&pieces)
    }

    pub(super) fn fitting(
        &self,
        history: &[u32],
        answer: usize,
        pieces: impl Fn(&[u32]) -> Vec<Piece>,
    ) -> Result<Vec<Slot>, PromptedLmError> {
        let positions = self.positions;
        let used = history.len().min(self.prompt.history);
        for left_out in 0..=used {
            let slots = self.slots(&pieces(&history[history.len() - used + left_out..]));
            if slots.len() + answer <= positions {
                let shorter = u64::from(left_out > 0);
                self.shortened.fetch_add(shorter, Ordering::Relaxed);
                return Ok(slots);
            }
            if left_out == used {
                return Err(PromptedLmError::TooLong {
                    prompt: slots.len(),
                    answer,
                    positions,
                });
            }
        }
        unreachable!("the loop ends with the whole history left out")
    }

    fn slots(&self, pieces: &[Piece]) -> Vec<Slot> {
        let tokens = |tokens: &[u32]| tokens.iter().copied().map(Slot::Token).collect::<Vec<_>>();
        if let Some(turn) = &self.turn {
            let mut slots = tokens(&turn.before);
            let place = match slots.is_empty() {
                true => Place::First,
                false => Place::Later,
            };
            self.extend(&mut slots, place, &turn.around(pieces));
            slots.extend(tokens(&turn.after));
            return slots;
        }
        let mut pieces = pieces.to_vec();
        if self.blank_with_answer
            && let Some(Piece::Text(text)) = pieces.last_mut()
        {
            text.truncate(text.trim_end().len());
        }
        let mut slots = Vec::new();
        // As in the A-LLMRec code, a user's vector at the front precedes the tokens that begin a
        // text.
        if pieces.first() == Some(&Piece::User) {
            slots.push(Slot::User);
            pieces.remove(0);
        }
        slots.extend(tokens(self.tokenizer.front()));
        self.extend(&mut slots, Place::First, &pieces);
        slots
    }

    /// Adds the parts of a prompt, the first of which is at `place`.
    fn extend(&self, slots: &mut Vec<Slot>, mut place: Place, pieces: &[Piece]) {
        for piece in pieces {
            match piece {
                Piece::Text(text) => {
                    let tokens = self.tokenize_at(place, text);
                    slots.extend(tokens.iter().map(|&token| Slot::Token(token)));
                }
                Piece::User => slots.push(Slot::User),
                Piece::HistoryItem(item) | Piece::CandidateItem(item) => {
                    slots.push(Slot::Item(*item));
                }
            }
            place = Place::Later;
        }
    }
}
