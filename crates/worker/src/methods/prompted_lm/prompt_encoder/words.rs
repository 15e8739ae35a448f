//! Answers of one word, which continue their prompt: TALLRec's yes and no, and LlamaRec's letters.

use allround_core::models::tune::LETTERS;
use allround_core::text::{Piece, prompt, render_letters, render_yes_no};

use super::{PromptEncoder, PromptedLmError, Slot};

impl PromptEncoder {
    /// TALLRec's question whether the user likes `item`.
    ///
    /// # Errors
    /// As [`PromptEncoder::prompt`].
    pub fn yes_no(
        &self,
        history: &[u32],
        item: u32,
        answer: usize,
    ) -> Result<Vec<Slot>, PromptedLmError> {
        self.fitting(history, answer, |history| {
            render_yes_no(&self.prompt, history, item, &self.titles)
        })
    }

    /// TALLRec's answer and the end of text, tokenized as one text with the prompt.
    pub fn yes_or_no(&self, likes: bool) -> Vec<u32> {
        let mut tokens = self.after_yes_no(if likes { prompt::YES } else { prompt::NO });
        tokens.push(self.eos);
        tokens
    }

    /// The tokens with which TALLRec's yes and no begin.
    ///
    /// # Errors
    /// When they are the same, or there are none.
    pub fn yes_and_no(&self) -> Result<[u32; 2], PromptedLmError> {
        let (yes, no) = (prompt::YES, prompt::NO);
        let [first, second] = [yes, no].map(|word| self.after_yes_no(word).first().copied());
        match (first, second) {
            (Some(first), Some(second)) if first != second => Ok([first, second]),
            _ => Err(PromptedLmError::Alike { yes, no }),
        }
    }

    /// LlamaRec's question for the letter of the next item. A letter fits after it.
    ///
    /// # Errors
    /// As [`PromptEncoder::prompt`].
    pub fn letter_prompt(
        &self,
        history: &[u32],
        candidates: &[u32],
    ) -> Result<Vec<Slot>, PromptedLmError> {
        self.fitting(history, 1, |history| {
            render_letters(&self.prompt, history, candidates, &self.titles)
        })
    }

    /// The tokens of the first `count` letters after LlamaRec's question.
    ///
    /// # Errors
    /// When there are not that many letters, or one is not a token that no other letter has.
    pub fn letters(&self, count: usize) -> Result<Vec<u32>, PromptedLmError> {
        let letters = LETTERS.get(..count).ok_or(PromptedLmError::FewLetters {
            candidates: count,
            letters: LETTERS.len(),
        })?;
        let pieces = render_letters(&self.prompt, &[], &[], &self.titles);
        let mut tokens = Vec::with_capacity(count);
        for letter in letters.chars() {
            match self.continued(&pieces, &letter.to_string())[..] {
                [token] if !tokens.contains(&token) => tokens.push(token),
                _ => return Err(PromptedLmError::Letter { letter }),
            }
        }
        Ok(tokens)
    }

    fn after_yes_no(&self, word: &str) -> Vec<u32> {
        let pieces = render_yes_no(&self.prompt, &[], 1, &self.titles);
        self.continued(&pieces, word)
    }

    /// The tokens that `word` adds to a prompt; those of a separate text where the prompt's last
    /// token changes.
    fn continued(&self, pieces: &[Piece], word: &str) -> Vec<u32> {
        let text = match (&self.turn, pieces.last()) {
            (Some(turn), _) => &turn.line,
            (None, Some(Piece::Text(text))) => text,
            (None, _) => return self.tokenize(word).to_vec(),
        };
        // The line in front of the answer is the same in every prompt.
        let line = text.trim_end_matches('\n');
        let start = line.rfind('\n').map_or(0, |at| at + 1);
        let before = self.tokenizer.encode_later(&text[start..]);
        let whole = self
            .tokenizer
            .encode_later(&format!("{}{word}", &text[start..]));
        match whole.strip_prefix(&before[..]) {
            Some(tokens) => tokens.to_vec(),
            None => self.tokenize(word).to_vec(),
        }
    }
}
