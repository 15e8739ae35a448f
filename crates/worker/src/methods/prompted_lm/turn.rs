//! A prompt as a user's turn in a chat.

use allround_core::text::Piece;
use chat_template::Turn;

use crate::hf::tokenizer::Tokenizer;

/// The text around a user's turn in tokens. Special tokens are read in it, and in no title.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedTurn {
    /// The tokens up to the last special one before the user's text.
    pub before: Vec<u32>,
    /// The text between that and the user's text; both are tokenized as one text.
    head: String,
    /// The text between the user's text and the next special token.
    tail: String,
    /// The tokens from there on.
    pub after: Vec<u32>,
    /// The text after the last special token, which an answer continues.
    pub line: String,
    trims: bool,
}

impl EncodedTurn {
    /// The turn in the tokens of `tokenizer`.
    pub fn new(turn: &Turn, tokenizer: &Tokenizer) -> Self {
        let (before, head) = tokenizer.through_special(&turn.before);
        let (tail, after) = tokenizer.from_special(&turn.after);
        let (_, line) = tokenizer.through_special(&turn.after);
        Self {
            before,
            head,
            tail,
            after,
            line,
            trims: turn.trims,
        }
    }

    /// The parts of a prompt with the text around them.
    pub fn around(&self, pieces: &[Piece]) -> Vec<Piece> {
        let mut pieces = pieces.to_vec();
        if self.trims
            && let Some(Piece::Text(text)) = pieces.first_mut()
        {
            *text = text.trim_start().to_owned();
        }
        // A blank before the end of the turn would be a separate token.
        if let Some(Piece::Text(text)) = pieces.last_mut() {
            text.truncate(text.trim_end().len());
        }
        match pieces.first_mut() {
            Some(Piece::Text(text)) => text.insert_str(0, &self.head),
            _ if self.head.is_empty() => {}
            _ => pieces.insert(0, Piece::Text(self.head.clone())),
        }
        match pieces.last_mut() {
            Some(Piece::Text(text)) => text.push_str(&self.tail),
            _ if self.tail.is_empty() => {}
            _ => pieces.push(Piece::Text(self.tail.clone())),
        }
        pieces
    }
}
