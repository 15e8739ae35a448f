//! Data and models that the tests of methods share.

use std::sync::Arc;

use allround_core::config::llm::{Dtype, Look, Prompt, SmallLlm, Wording, Words};
use allround_core::data::{Facts, Item, Prepared};
use allround_core::models::Model;
use allround_core::models::allmrec::UserOrder;
use allround_core::models::llm_method::{Drawn, Exclude, OneItem, Targets, TrainingCandidates};
use allround_core::text::Vectors;
use tch::{Device, Kind};

use super::pretrain;
use super::prompted_lm::{ContextNeeds, LoadedLm, PromptedLm};
use super::sequences::TargetRule;
use crate::hf::tokenizer::Tokenizer;
use crate::lm::{Holding, Lm, LmConfig};
use crate::models::{self, Backbone, Sizes};
use crate::testing;

/// Four users and twelve items with titles; user 2 has one training item.
pub(crate) fn data() -> Prepared {
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

/// These targets, of users with two training items at least, in random order.
pub(crate) fn target_rule(targets: Targets) -> TargetRule {
    TargetRule {
        targets,
        one_item: OneItem::Skip,
        order: UserOrder::Shuffled,
    }
}

/// The configuration of the tests' SASRec.
pub(crate) fn sasrec() -> Model {
    Model::Sasrec(testing::sasrec())
}

/// It, with random weights, for [`data`].
pub(crate) fn backbone() -> Box<dyn Backbone> {
    tch::manual_seed(3);
    let sizes = Sizes {
        users: 4,
        items: 12,
    };
    models::build(&sasrec(), sizes, Device::Cpu).expect("SASRec is trained by gradient")
}

/// The words of the tests' data set.
pub(crate) fn words() -> Words {
    Words {
        past: "bought".to_owned(),
        verb: "buy".to_owned(),
        noun: "item".to_owned(),
    }
}

/// Training candidates as the defaults say.
pub(crate) fn training_candidates() -> TrainingCandidates {
    TrainingCandidates {
        drawn: Drawn::EachEpoch,
        exclude: Exclude::Training,
    }
}

/// A prompt of the last two items of a history and four candidates.
pub(crate) fn prompt() -> Prompt {
    let words = words();
    Prompt {
        wording: Wording::PublishedCode,
        template: String::new(),
        past: words.past,
        verb: words.verb,
        noun: words.noun,
        words: std::collections::BTreeMap::new(),
        history: 2,
        candidates: 4,
        title_tokens: 0,
    }
}

/// The settings of a tiny language model.
pub(crate) fn small() -> SmallLlm {
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
pub(crate) fn loaded(trainable: bool) -> LoadedLm {
    let tokenizer = Tokenizer::train_byte_level(&pretrain::corpus(&data(), &words()), 400)
        .expect("400 is enough");
    tch::manual_seed(4);
    let config = LmConfig {
        init_std: pretrain::INIT_STD,
        ..LmConfig::opt(tokenizer.vocab_size() as i64, 16, 1, 2, 256)
    };
    let holding = Holding {
        trainable,
        ..Holding::frozen(Kind::Float, Device::Cpu)
    };
    LoadedLm {
        lm: Lm::random(config, holding),
        ends: vec![tokenizer.eos().expect("its own")],
        remarks: Vec::new(),
        tokenizer: Arc::new(tokenizer),
    }
}

/// Needs of a prompt with this number of candidates and a title as answer.
pub(crate) fn needs(candidates: usize) -> ContextNeeds {
    ContextNeeds::List {
        candidates,
        answer: 0,
    }
}

/// A language model with prompts of [`data`]'s titles, and with these vectors.
pub(crate) fn prompted_lm(vectors: Vectors) -> PromptedLm {
    PromptedLm::new(loaded(false), &data(), &prompt(), vectors, needs(4))
}
