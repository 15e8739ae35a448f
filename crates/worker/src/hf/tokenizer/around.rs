//! What a tokenizer puts around a text, and texts that continue one: those after a vector.

use tokenizers::{AddedToken, Tokenizer as Inner};

/// The tokens that a post-processor puts in front of a text and at its end.
///
/// # Errors
/// In words, when it changes the text's own tokens.
pub(super) fn around(inner: &Inner) -> Result<[Vec<u32>; 2], String> {
    let failed = |error: tokenizers::Error| error.to_string();
    let plain = inner.encode("a", false).map_err(failed)?;
    let whole = inner.encode("a", true).map_err(failed)?;
    let special = whole.get_special_tokens_mask();
    let first = special.iter().position(|&flag| flag == 0);
    let last = special.iter().rposition(|&flag| flag == 0);
    let (first, behind) = match (first, last) {
        (Some(first), Some(last)) => (first, last + 1),
        _ => (0, special.len()),
    };
    let ids = whole.get_ids();
    if ids[first..behind] != *plain.get_ids() {
        return Err("its post-processor changes a text's own tokens".to_owned());
    }
    Ok([ids[..first].to_vec(), ids[behind..].to_vec()])
}

/// Tokenizes texts after a vector. The A-LLMRec code makes each vector's place an added token, so
/// the text after it does not begin its prompt.
#[derive(Clone, Debug)]
pub(super) struct Later {
    inner: Inner,
    marker: String,
}

impl Later {
    /// That of a tokenizer which reads special tokens in a text as words.
    pub fn new(inner: &Inner) -> Self {
        Self::with(inner, "\u{fdd0}place\u{fdd1}".to_owned())
    }

    fn with(inner: &Inner, marker: String) -> Self {
        let mut inner = inner.clone();
        // Not special, so that it is found although special tokens are not.
        inner.add_tokens(&[AddedToken::from(marker.clone(), false).normalized(false)]);
        Self { inner, marker }
    }

    /// The tokens of a text after a vector; `plain` is the tokenizer without the marker.
    ///
    /// # Errors
    /// What the tokenizer says.
    pub fn encode(&self, text: &str, plain: &Inner) -> Result<Vec<u32>, tokenizers::Error> {
        if text.contains(&self.marker) {
            // Whatever a title holds is text: another marker then, which is longer than the text.
            let longer = format!("{}{}", self.marker, "\u{fdd2}".repeat(text.len()));
            return Self::with(plain, longer).encode(text, plain);
        }
        let encoding = self
            .inner
            .encode_fast(format!("{}{text}", self.marker), false)?;
        Ok(encoding.get_ids()[1..].to_vec())
    }
}
