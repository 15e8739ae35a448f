//! Data and a tiny language model for the tests of this package and its dependants.

use std::collections::BTreeMap;
use std::sync::Arc;

use allround_core::config::llm::{Dtype, FinalBlank, Look, Prompt, SmallLlm, Wording, Words};
use allround_core::data::{Facts, Item, Prepared};
use allround_core::text::{Piece, Titles, Vectors, answer_of, render};
use tch::{Device, Kind};

use super::prompted_lm::LoadedLm;
use crate::hf::tokenizer::Tokenizer;
use crate::lm::{Holding, Lm, LmConfig};

/// Four users and twelve items with titles; user 2 has one training item.
pub fn data() -> Prepared {
    let rows: [&[u32]; 4] = [
        &[1, 2, 3, 4],
        &[5, 6, 7, 8, 9],
        &[10, 11, 12],
        &[2, 4, 6, 8, 10],
    ];
    let words = ["red", "green", "blue", "old", "new", "big"];
    let item = |number: usize| Item {
        id: format!("i{number}"),
        title: Some(format!("{} {}", words[number % 6], words[(number / 2) % 6])),
        description: Some(format!("a {} thing", words[(number + 1) % 6])),
        categories: vec![words[number % 3].to_owned()],
    };
    let ends = rows.iter().scan(0, |end, row| {
        *end += row.len() as u64;
        Some(*end)
    });
    Prepared {
        users: (0..4).map(|user| format!("u{user}")).collect(),
        items: (1..=12).map(item).collect(),
        offsets: std::iter::once(0).chain(ends).collect(),
        sequence: rows.concat(),
        train_end: rows.iter().map(|row| row.len() as u32 - 2).collect(),
        valid_end: rows.iter().map(|row| row.len() as u32 - 1).collect(),
        trained: vec![true; 4],
        aligned: vec![true; 4],
        measured: vec![true; 4],
        in_training: vec![true; 12],
        in_candidates: vec![true; 12],
        row: (1..=12).collect(),
        facts: Facts::default(),
    }
}

/// The words of the tests' data set.
pub fn words() -> Words {
    Words {
        past: "bought".to_owned(),
        verb: "buy".to_owned(),
        noun: "item".to_owned(),
    }
}

/// A prompt of the last two items of a history and four candidates.
pub fn prompt() -> Prompt {
    let words = words();
    Prompt {
        list: true,
        chat: false,
        system: String::new(),
        final_blank: FinalBlank::Auto,
        wording: Wording::PublishedCode,
        template: String::new(),
        past: words.past,
        verb: words.verb,
        noun: words.noun,
        words: BTreeMap::new(),
        history: 2,
        candidates: 4,
        title_tokens: 0,
    }
}

/// The settings of a tiny language model.
pub fn small() -> SmallLlm {
    SmallLlm {
        hidden_units: 16,
        num_blocks: 1,
        num_heads: 2,
        positions: 512,
        vocab_size: 400,
        list: 4,
        title_tokens: 0,
        steps: 3,
        batch_size: 2,
        lr: 1e-3,
        warmup: 2,
        look: Look::First,
        alike: 0.0,
        dtype: Dtype::Fp32,
        seed: 1,
    }
}

/// A tiny language model with random weights, and the tokenizer of [`data`]'s texts.
pub fn loaded(trainable: bool) -> LoadedLm {
    loaded_with(&texts(), 256, trainable)
}

/// A tiny language model with random weights and this number of positions, and a tokenizer that is
/// trained on `texts`.
///
/// # Panics
/// When the tokenizer cannot be trained.
pub fn loaded_with(texts: &[String], positions: i64, trainable: bool) -> LoadedLm {
    let tokenizer = Tokenizer::train_byte_level(texts, 400).expect("400 is enough");
    tch::manual_seed(4);
    let config = LmConfig {
        init_std: 0.06,
        ..LmConfig::opt(tokenizer.vocab_size() as i64, 16, 1, 2, positions)
    };
    let holding = Holding {
        trainable,
        ..Holding::frozen(Kind::Float, Device::Cpu)
    };
    LoadedLm {
        lm: Lm::random(config, holding),
        ends: vec![tokenizer.eos().expect("its own")],
        chat: None,
        turn: None,
        remarks: Vec::new(),
        tokenizer: Arc::new(tokenizer),
    }
}

/// The texts of [`data`], and the words of its prompt.
pub fn texts() -> Vec<String> {
    let prepared = data();
    let titles = Titles::new(&prepared.items);
    let user = Vectors {
        user: true,
        item: false,
    };
    let mut texts = Vec::new();
    for (item, number) in prepared.items.iter().zip(1..) {
        let title = answer_of(&titles, number);
        let kinds = item.categories.join(", ");
        let description = item.description.as_deref().unwrap_or_default();
        texts.push(title.clone());
        texts.push(format!("{title} is of the kind {kinds}. {description}"));
    }
    // More than once, so that its words become tokens.
    for wording in [Wording::PublishedCode, Wording::Paper].repeat(3) {
        let prompt = Prompt {
            wording,
            ..prompt()
        };
        let pieces = render(&prompt, user, &[], &[], &titles).into_iter();
        texts.extend(pieces.filter_map(|piece| match piece {
            Piece::Text(text) => Some(text),
            Piece::User | Piece::HistoryItem(_) | Piece::CandidateItem(_) => None,
        }));
    }
    texts
}
