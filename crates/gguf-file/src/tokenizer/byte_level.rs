//! Byte-level BPE (`gpt2`): a regular expression cuts text into words, and every byte of a word has
//! a letter.

use tokenizers::Tokenizer;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::normalizers::unicode::NFC;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::SplitDelimiterBehavior;

use super::{Built, Vocabulary, unusable};
use crate::{Fault, GgufFile};

/// Words of Qwen 2: digits one by one.
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Words of Llama 3: digits in threes.
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// How a text is cut into words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Words {
    /// GPT-2's.
    Gpt2,
    /// Digits one by one, then GPT-2's.
    SmolLm,
    Qwen2,
    Llama3,
}

/// Values of `tokenizer.ggml.pre`. `default` is what transformers makes of it.
const KINDS: [(&str, Words); 7] = [
    ("smollm", Words::SmolLm),
    ("qwen2", Words::Qwen2),
    ("llama-bpe", Words::Llama3),
    ("llama3", Words::Llama3),
    ("llama-v3", Words::Llama3),
    ("gpt-2", Words::Gpt2),
    ("default", Words::Gpt2),
];

impl Words {
    /// Cuts a text into words and writes their bytes as letters.
    fn pre_tokenizer(self) -> tokenizers::Result<Sequence> {
        let split = |pattern: &str| -> tokenizers::Result<Sequence> {
            let pattern = SplitPattern::Regex(pattern.to_owned());
            let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false)?;
            let bytes = ByteLevel::new(false, true, false);
            Ok(Sequence::new(vec![split.into(), bytes.into()]))
        };
        let gpt2 = ByteLevel::new(false, true, true);
        match self {
            Words::Gpt2 => Ok(Sequence::new(vec![gpt2.into()])),
            Words::SmolLm => Ok(Sequence::new(vec![Digits::new(true).into(), gpt2.into()])),
            Words::Qwen2 => split(QWEN2),
            Words::Llama3 => split(LLAMA3),
        }
    }
}

pub(super) fn build(file: &GgufFile, vocabulary: &Vocabulary) -> Result<Built, Fault> {
    let name = file.text("tokenizer.ggml.pre")?;
    let known = KINDS.into_iter().find(|(known, _)| *known == name);
    let (_, words) = known.ok_or_else(|| Fault::Unknown {
        kind: "pre-tokenizer",
        name: name.escape_debug().to_string(),
        known: KINDS.map(|(name, _)| name).join(", "),
    })?;
    let merges = vocabulary.merges.as_ref();
    let merges = merges.ok_or_else(|| Fault::MissingKey {
        key: "tokenizer.ggml.merges".to_owned(),
    })?;
    let pair = |merge: &&str| {
        let parts = merge
            .split_once(' ')
            .filter(|(_, right)| !right.contains(' '));
        let parts = parts.map(|(left, right)| (left.to_owned(), right.to_owned()));
        parts.ok_or_else(|| Fault::Tokenizer {
            reason: format!("merge `{}` has no two parts", merge.escape_debug()),
        })
    };
    let merges = merges.iter().map(pair).collect::<Result<Vec<_>, _>>()?;
    let ids = (0u32..).zip(&vocabulary.tokens);
    let vocab: Vocab = ids.map(|(id, token)| ((*token).to_owned(), id)).collect();
    let bpe = BPE::builder()
        .vocab_and_merges(vocab, merges)
        // Llama 3 takes a word that is a token whole, even where no merges lead to it.
        .ignore_merges(words == Words::Llama3)
        .build()
        .map_err(unusable)?;
    let mut tokenizer = Tokenizer::new(bpe);
    if words == Words::Qwen2 {
        tokenizer.with_normalizer(Some(NFC));
    }
    tokenizer.with_pre_tokenizer(Some(words.pre_tokenizer().map_err(unusable)?));
    tokenizer.with_decoder(Some(ByteLevel::new(true, true, true)));
    Ok(Built {
        tokenizer,
        kind: format!("gpt2/{name}"),
        adds_bos: words == Words::Llama3,
    })
}
