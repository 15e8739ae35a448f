//! SentencePiece's BPE (`llama`): blanks are `▁`, and a letter without a token becomes its bytes.
//!
//! Files have no merges. They follow from the vocabulary, as transformers' `generate_merges` finds
//! them: any two tokens that form a third one, best token first.

use std::cmp::Ordering;

use tokenizers::decoders::byte_fallback::ByteFallback;
use tokenizers::decoders::fuse::Fuse;
use tokenizers::decoders::sequence::Sequence;
use tokenizers::decoders::strip::Strip;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::normalizers::replace::Replace;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::SplitDelimiterBehavior;
use tokenizers::{DecoderWrapper, Tokenizer};

use super::{Built, Vocabulary, numbers, unusable};
use crate::config::architecture;
use crate::{Architecture, Fault, GgufFile, wrong};

/// The letter for a blank.
const BLANK: char = '\u{2581}';
/// Most merges for each token; vocabularies have 2 or 3, and tokens of one repeated letter any
/// number.
const MOST_MERGES: usize = 16;

pub(super) fn build(file: &GgufFile, vocabulary: &Vocabulary) -> Result<Built, Fault> {
    let gemma = match architecture(file)? {
        Architecture::Gemma3 => true,
        Architecture::Llama | Architecture::Qwen2 | Architecture::Qwen3 => false,
    };
    let tokens: Vec<String> = vocabulary
        .tokens
        .iter()
        .map(|token| blanks(token, gemma))
        .collect();
    let ranks = match gemma {
        // Gemma's scores do not follow the order in which its tokens were merged; its ids do.
        true => (0..tokens.len()).map(|id| -(id as f64)).collect(),
        false => scores(file, tokens.len())?,
    };
    let ids = (0u32..).zip(&tokens);
    let vocab: Vocab = ids.map(|(id, token)| (token.clone(), id)).collect();
    let merges = merges(&tokens, &vocab, &ranks)?;
    let mut builder = BPE::builder()
        .vocab_and_merges(vocab, merges)
        .fuse_unk(true)
        .byte_fallback(true);
    if gemma {
        builder = builder.unk_token("<unk>".to_owned());
    }
    let mut tokenizer = Tokenizer::new(builder.build().map_err(unusable)?);
    let key = "tokenizer.ggml.add_space_prefix";
    let prefix = match file.value(key) {
        Some(value) => value
            .as_bool()
            .ok_or_else(|| wrong(key, &value, "true or false".to_owned()))?,
        None => !gemma,
    };
    around_blanks(&mut tokenizer, gemma, prefix).map_err(unusable)?;
    Ok(Built {
        tokenizer,
        kind: "llama".to_owned(),
        adds_bos: true,
    })
}

/// Gemma's files have real blanks in tokens of blanks alone.
fn blanks(token: &str, gemma: bool) -> String {
    let only_blanks = gemma && token.contains(' ') && token.trim().is_empty();
    match only_blanks {
        true => token.chars().map(|_| BLANK).collect(),
        false => token.to_owned(),
    }
}

/// How blanks of a text become tokens and the reverse.
fn around_blanks(tokenizer: &mut Tokenizer, gemma: bool, prefix: bool) -> tokenizers::Result<()> {
    let mut decoders: Vec<DecoderWrapper> = vec![
        Replace::new(BLANK.to_string(), " ")?.into(),
        ByteFallback::new().into(),
        Fuse::new().into(),
    ];
    if gemma {
        tokenizer.with_normalizer(Some(Replace::new(" ", BLANK.to_string())?));
        let pattern = SplitPattern::String(" ".to_owned());
        let split = Split::new(pattern, SplitDelimiterBehavior::MergedWithPrevious, false)?;
        tokenizer.with_pre_tokenizer(Some(split));
    } else {
        let scheme = match prefix {
            true => PrependScheme::First,
            false => PrependScheme::Never,
        };
        tokenizer.with_pre_tokenizer(Some(Metaspace::new(BLANK, scheme, false)));
        if prefix {
            decoders.push(Strip::new(' ', 1, 0).into());
        }
    }
    tokenizer.with_decoder(Some(Sequence::new(decoders)));
    Ok(())
}

/// A score for each token, larger for tokens that are merged earlier.
fn scores(file: &GgufFile, count: usize) -> Result<Vec<f64>, Fault> {
    let key = "tokenizer.ggml.scores";
    let value = file.required(key)?;
    let scores = numbers(file, key, count)?;
    let scores = scores.iter().map(|score| score.as_f64());
    let scores: Option<Vec<f64>> = scores.collect();
    scores.ok_or_else(|| wrong(key, &value, "a list of real numbers".to_owned()))
}

/// A merge with what it is sorted by.
struct Merge<'a> {
    rank: f64,
    parts: [&'a str; 2],
    lengths: [usize; 2],
}

/// The pairs of tokens that form a third one, in the order in which they are merged.
fn merges(tokens: &[String], vocab: &Vocab, ranks: &[f64]) -> Result<Vec<(String, String)>, Fault> {
    let mut merges = Vec::new();
    for (token, &rank) in tokens.iter().zip(ranks) {
        let cuts = token.char_indices().enumerate().skip(1);
        let mut found: Vec<([u32; 2], Merge)> = cuts
            .filter_map(|(letters, (at, _))| {
                let (left, right) = token.split_at(at);
                let ids = [*vocab.get(left)?, *vocab.get(right)?];
                let merge = Merge {
                    rank,
                    parts: [left, right],
                    lengths: [letters, right.chars().count()],
                };
                Some((ids, merge))
            })
            .collect();
        found.sort_by_key(|(ids, _)| *ids);
        merges.extend(found.into_iter().map(|(_, merge)| merge));
        if merges.len() > MOST_MERGES * tokens.len() {
            let reason = format!("each token has more than {MOST_MERGES} pairs of parts");
            return Err(Fault::Tokenizer { reason });
        }
    }
    // Stable: merges that are equal in all of this keep the order of ids.
    merges.sort_by(|one, other| -> Ordering {
        let by_rank = other.rank.total_cmp(&one.rank);
        by_rank.then(other.lengths.cmp(&one.lengths))
    });
    let owned = |merge: Merge| {
        let [left, right] = merge.parts;
        (left.to_owned(), right.to_owned())
    };
    Ok(merges.into_iter().map(owned).collect())
}
