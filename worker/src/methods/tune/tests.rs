use allround::plan::stage::Reader as Reading;
use allround::spec::config::llm::Llm;
use allround::spec::config::method::{
    Decay, Fit, ItemEmbedding, Lora, OneItem, OutOfMemory, Targets, TrainingCandidates,
};
use allround::spec::config::train::Optimizer;
use allround::text::Vectors;
use tch::{Device, Kind};

use super::*;
use crate::llm::lm::{Holding, Lm, LmConfig, LoraSettings};
use crate::methods::tests::{asked, data, opened, room, small, wanted};
use crate::train::fit::tests::{assert_cut_like_whole, drawn};

fn settings(form: TallrecForm, train_on_inputs: bool) -> TrainTune {
    TrainTune {
        reader: Reading {
            llm: Llm::Small(small()),
            asked: asked(),
            user: false,
            item: ItemEmbedding::None,
        },
        form,
        lora: Lora {
            rank: 2,
            alpha: 4.0,
            dropout: 0.0,
            targets: vec!["q_proj".to_owned()],
        },
        train_on_inputs,
        one_item: OneItem::Skip,
        candidates: TrainingCandidates::default(),
        train: Fit {
            epochs: 1,
            batch_size: 3,
            lr: 0.01,
            optimizer: Optimizer::Adam {
                betas: [0.9, 0.98],
                eps: 1e-8,
                weight_decay: 0.0,
            },
            clip_norm: 0.0,
            warmup: 0,
            decay: Decay::None,
            token_budget: 0,
            out_of_memory: OutOfMemory::Fail,
        },
        seed: 1,
        device: "cpu".to_owned(),
        threads: 1,
    }
}

/// The tests' language model with adapters, both halves of which are away from zero.
fn adapted() -> Reader {
    let mut opened = opened(false);
    // Asking for yes or no takes more words than the tests' model has positions.
    let config = LmConfig {
        positions: 512,
        ..opened.lm.config().clone()
    };
    opened.lm = Lm::random(config, Holding::frozen(Kind::Float, Device::Cpu));
    let vectors = Vectors {
        user: false,
        item: false,
    };
    let mut reader = Reader::new(opened, &data(), (&asked(), vectors), room(4));
    let lora = LoraSettings {
        rank: 2,
        alpha: 4.0,
        dropout: 0.0,
        targets: vec!["q_proj".to_owned()],
    };
    reader.opened.lm.add_lora(&lora).unwrap();
    tch::no_grad(|| {
        for (_, mut weight) in reader.lm().trained() {
            let _ = weight.fill_(0.1);
        }
    });
    reader
}

#[test]
fn a_budget_of_tokens_changes_neither_loss_nor_gradients_in_any_form() {
    let (prepared, reader) = (data(), adapted());
    let sequences = Sequences::of(&prepared, wanted(Targets::Last));
    for form in [TallrecForm::Title, TallrecForm::YesNo] {
        for train_on_inputs in [false, true] {
            let settings = settings(form, train_on_inputs);
            let tuning = Tuning::new(&settings, &prepared, &sequences, &reader);
            let step = drawn(&tuning, 1).remove(0);
            let longest = step.iter().map(|told| tuning.length(told)).max().unwrap();
            assert_cut_like_whole(&tuning, 2 * longest);
        }
    }
}

#[test]
fn an_example_weighs_the_tokens_that_its_loss_counts() {
    let (prepared, reader) = (data(), adapted());
    let sequences = Sequences::of(&prepared, wanted(Targets::Last));
    for train_on_inputs in [false, true] {
        let settings = settings(TallrecForm::Title, train_on_inputs);
        let tuning = Tuning::new(&settings, &prepared, &sequences, &reader);
        for told in drawn(&tuning, 1).concat() {
            let (prompts, answers) = ([&told.prompt], [&told.answer]);
            let rows = reader.rows(&prompts, None, &|_| unreachable!("no vectors"));
            let (_, counted) = reader.loss(&prompts, &answers, rows, train_on_inputs);
            assert_eq!(tuning.weight(&told), counted);
        }
    }
}
