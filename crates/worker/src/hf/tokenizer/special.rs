//! Texts in which the names of special tokens are these tokens: the marks of a chat template.

use std::ops::Range;

use super::Tokenizer;

impl Tokenizer {
    /// The tokens of a text up to its last special token, and the text after it. Names of special
    /// tokens in the text are these tokens, as in a chat template.
    pub fn through_special(&self, text: &str) -> (Vec<u32>, String) {
        let (ids, special) = self.with_special(text);
        match special.last() {
            Some((at, place)) => (ids[..=*at].to_vec(), text[place.end..].to_owned()),
            None => (Vec::new(), text.to_owned()),
        }
    }

    /// The same from the first special token on: the text before it, and the tokens.
    pub fn from_special(&self, text: &str) -> (String, Vec<u32>) {
        let (ids, special) = self.with_special(text);
        match special.first() {
            Some((at, place)) => (text[..place.start].to_owned(), ids[*at..].to_vec()),
            None => (text.to_owned(), Vec::new()),
        }
    }

    /// The tokens of a text with special tokens, and where these are: their numbers among the
    /// tokens, and their bytes in the text.
    fn with_special(&self, text: &str) -> (Vec<u32>, Vec<(usize, Range<usize>)>) {
        let mut inner = self.inner.clone();
        inner.set_encode_special_tokens(false);
        let encoding = inner.encode(text, false);
        let encoding = encoding.expect("a tokenizer that was opened tokenizes any text");
        let added = inner.get_added_tokens_decoder();
        let ids = encoding.get_ids().to_vec();
        let places = ids.iter().zip(encoding.get_offsets()).enumerate();
        let special = places.filter(|(_, (id, _))| added.contains_key(id));
        let special = special.map(|(at, (_, &(start, end)))| (at, start..end));
        let special = special.collect();
        (ids, special)
    }
}
