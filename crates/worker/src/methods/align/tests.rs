use allround_core::models::allmrec::{ItemText, UserOrder};
use allround_core::models::llm_method::{OneItem, Targets};
use allround_core::models::train::Train;

use super::*;
use crate::encoder::sentence::TextEncoder;
use crate::methods::sequences::TargetRule;
use crate::methods::tests::{backbone, data, target_rule};
use crate::testing::training;
use crate::train::checkpoint::checkpoints;
use crate::train::trainer::tests::{assert_cut_like_whole, drawn};

pub(crate) fn settings() -> Align {
    Align {
        hidden_units: 3,
        matching: 1.0,
        item_recon: 0.5,
        text_recon: 0.25,
        rec: 1.0,
        rec_score: RecScore::Dot,
        negatives: false,
        sigmoid: false,
        train_encoder: false,
        targets: Targets::Last,
        one_item: OneItem::Skip,
        order: UserOrder::Shuffled,
        backbone_dropout: false,
        text: ItemText::Quoted,
        train: training(2, 4),
    }
}

/// The losses of two targets with plain numbers, by the paper's equations and by the code's.
struct ByHand {
    rec: f64,
    matching: f64,
    item_recon: f64,
    text_recon: f64,
}

fn numbers(tensor: &Tensor) -> Vec<Vec<f64>> {
    let (rows, width) = tensor.size2().unwrap();
    let all = Vec::<f32>::try_from(tensor.detach().reshape([-1])).unwrap();
    assert_eq!(all.len() as i64, rows * width);
    let all: Vec<f64> = all.into_iter().map(f64::from).collect();
    all.chunks(width as usize).map(<[f64]>::to_vec).collect()
}

fn layer(weights: &[(String, Tensor)], name: &str, x: &[f64]) -> Vec<f64> {
    let get = |part: &str| {
        let name = format!("{name}.{part}");
        weights
            .iter()
            .find(|weight| weight.0 == name)
            .unwrap()
            .1
            .shallow_clone()
    };
    let matrix = numbers(&get("weight"));
    let bias = numbers(&get("bias").unsqueeze(0));
    let product = |row: &Vec<f64>| row.iter().zip(x).map(|(a, b)| a * b).sum::<f64>();
    matrix
        .iter()
        .zip(&bias[0])
        .map(|(row, bias)| product(row) + bias)
        .collect()
}

fn distance(one: &[f64], other: &[f64]) -> f64 {
    let squares = one.iter().zip(other).map(|(a, b)| (a - b).powi(2));
    squares.sum::<f64>() / one.len() as f64
}

fn by_hand(
    weights: &[(String, Tensor)],
    settings: &Align,
    states: &Tensor,
    rows: &Tensor,
    texts: &Tensor,
) -> ByHand {
    let code = |name: &str, x: &[f64]| -> Vec<f64> {
        let code = layer(weights, &format!("{name}.fc1"), x);
        let squashed = |value: f64| 1.0 / (1.0 + (-value).exp());
        code.into_iter()
            .map(|v| if settings.sigmoid { squashed(v) } else { v })
            .collect()
    };
    let (states, rows, texts) = (numbers(states), numbers(rows), numbers(texts));
    let count = states.len();
    let mut found = ByHand {
        rec: 0.0,
        matching: 0.0,
        item_recon: 0.0,
        text_recon: 0.0,
    };
    for (place, row) in rows.iter().enumerate() {
        let negative = place >= count;
        let item_code = code("mlp", row);
        let decoded = layer(weights, "mlp.fc2", &item_code);
        let state = &states[place % count];
        let mut score: f64 = state.iter().zip(&decoded).map(|(a, b)| a * b).sum();
        if settings.rec_score == RecScore::Mean {
            score /= state.len() as f64;
        }
        let likelihood = 1.0 / (1.0 + (-score).exp());
        let likelihood = if negative {
            1.0 - likelihood
        } else {
            likelihood
        };
        found.rec -= likelihood.ln() / count as f64;
        if negative && !settings.negatives {
            continue;
        }
        let text_code = code("mlp2", &texts[place]);
        let text_back = layer(weights, "mlp2.fc2", &text_code);
        found.matching += distance(&item_code, &text_code) / count as f64;
        found.item_recon += distance(&decoded, row) / count as f64;
        found.text_recon += distance(&text_back, &texts[place]) / count as f64;
    }
    found
}

fn check(settings: &Align) -> f64 {
    let (prepared, backbone) = (data(), backbone());
    let sequences = Sequences::of(&prepared, target_rule(settings.targets));
    tch::manual_seed(5);
    let vectors = Tensor::randn([13, 6], (Kind::Float, Device::Cpu));
    let inputs = Inputs {
        prepared: &prepared,
        sequences: &sequences,
        backbone: backbone.as_ref(),
        texts: Texts::Frozen(vectors),
    };
    let task = AlignTask::new(settings, inputs, 1);
    let states = Tensor::randn([2, 8], (Kind::Float, Device::Cpu));
    let rows = Tensor::randn([4, 8], (Kind::Float, Device::Cpu));
    let texts = Tensor::randn([4, 6], (Kind::Float, Device::Cpu));
    let count = if settings.negatives { 4 } else { 2 };
    let loss = task.losses(&states, &rows, Some(&texts.narrow(0, 0, count)));
    let expected = by_hand(&task.weights(), settings, &states, &rows, &texts);
    let parts = [
        ("rec", settings.rec, expected.rec),
        ("item_recon", settings.item_recon, expected.item_recon),
        ("matching", settings.matching, expected.matching),
        ("text_recon", settings.text_recon, expected.text_recon),
    ];
    let parts: Vec<_> = parts
        .into_iter()
        .filter(|(_, weight, _)| *weight > 0.0)
        .collect();
    assert_eq!(loss.parts.len(), parts.len());
    let mut whole = 0.0;
    for ((name, found), (target_rule, weight, value)) in loss.parts.iter().zip(&parts) {
        assert_eq!(name, target_rule);
        let found = found.double_value(&[]);
        assert!(
            (found - value).abs() < 1e-5,
            "{name}: {found} is not {value}"
        );
        whole += weight * value;
    }
    assert!((loss.mean.double_value(&[]) - whole).abs() < 1e-5);
    whole
}

#[test]
fn the_losses_are_the_papers_and_the_codes() {
    let paper = settings();
    let code = Align {
        rec_score: RecScore::Mean,
        negatives: true,
        sigmoid: true,
        ..settings()
    };
    assert_ne!(check(&paper), check(&code));
}

#[test]
fn a_loss_of_weight_0_is_left_out() {
    check(&Align {
        matching: 0.0,
        ..settings()
    });
    check(&Align {
        rec: 0.0,
        ..settings()
    });
    check(&Align {
        item_recon: 0.0,
        text_recon: 0.0,
        ..settings()
    });
}

#[test]
fn pairs_leave_out_short_users_and_known_items() {
    let (prepared, backbone) = (data(), backbone());
    for (targets, count) in [(Targets::Last, 3), (Targets::All, 5)] {
        let settings = Align {
            targets,
            ..settings()
        };
        let sequences = Sequences::of(&prepared, target_rule(targets));
        assert_eq!(sequences.skipped, 1);
        let inputs = Inputs {
            prepared: &prepared,
            sequences: &sequences,
            backbone: backbone.as_ref(),
            texts: Texts::Frozen(Tensor::zeros([13, 6], (Kind::Float, Device::Cpu))),
        };
        let task = AlignTask::new(&settings, inputs, 1);
        let pairs: Vec<AlignExample> = drawn(&task, 1).concat();
        assert_eq!(pairs.len(), count);
        for example in &pairs {
            let known = prepared.train_of(example.target.user as usize);
            assert!(!known.contains(&example.negative) && example.target.at > Some(0));
        }
        assert_eq!(pairs, drawn(&task, 1).concat());
        assert_ne!(pairs, drawn(&task, 2).concat());
    }
}

#[test]
fn training_brings_the_codes_of_an_item_and_its_text_together() {
    let (prepared, backbone) = (data(), backbone());
    let train = Train {
        epochs: 300,
        ..settings().train
    };
    // With negatives every item is seen.
    let settings = Align {
        negatives: true,
        train,
        ..settings()
    };
    let sequences = Sequences::of(&prepared, target_rule(Targets::All));
    tch::manual_seed(6);
    let inputs = Inputs {
        prepared: &prepared,
        sequences: &sequences,
        backbone: backbone.as_ref(),
        texts: Texts::Frozen(Tensor::randn([13, 6], (Kind::Float, Device::Cpu))),
    };
    let task = AlignTask::new(&settings, inputs, 1);
    let apart = |task: &AlignTask| {
        let [joint, text] = task.tables().map(|table| table.narrow(0, 1, 12));
        joint.mse_loss(&text, Reduction::Mean).double_value(&[])
    };
    let before = apart(&task);
    let folder = tempfile::tempdir().unwrap();
    let plan = trainer::Plan {
        train: &settings.train,
        seed: 1,
        stage: STAGE,
        validation: None,
        checkpoint: checkpoints(folder.path(), 1000),
    };
    trainer::train(&plan, &task, &mut trainer::no_validation, &mut |_| {}).unwrap();
    assert!(apart(&task) < 0.5 * before);
    assert_eq!(
        task.tables()[0]
            .get(0)
            .abs()
            .sum(Kind::Float)
            .double_value(&[]),
        0.0
    );
}

#[test]
fn a_user_with_one_item_is_aligned_without_a_history_or_on_padding_where_that_is_asked_for() {
    let (prepared, backbone) = (data(), backbone());
    let settings = settings();
    tch::manual_seed(7);
    let vectors = Tensor::randn([13, 6], (Kind::Float, Device::Cpu));
    let _ = vectors.get(0).zero_();
    for (one_item, at, item) in [
        (OneItem::EmptyHistory, Some(0), 10),
        (OneItem::Padding, None, 0),
    ] {
        let target_rule = TargetRule {
            one_item,
            ..target_rule(Targets::Last)
        };
        let sequences = Sequences::of(&prepared, target_rule);
        let inputs = Inputs {
            prepared: &prepared,
            sequences: &sequences,
            backbone: backbone.as_ref(),
            texts: Texts::Frozen(vectors.shallow_clone()),
        };
        let task = AlignTask::new(&settings, inputs, 1);
        let pairs = drawn(&task, 1).concat();
        assert_eq!(pairs.len(), 4);
        let example = pairs.into_iter().find(|example| example.target.user == 2);
        let example = example.unwrap();
        assert_eq!(
            (example.target.at, example.target.item(&prepared)),
            (at, item)
        );
        assert_eq!(example.target.history(&prepared), [0u32; 0]);
        assert_eq!(example.negative == 0, item == 0);
        let states = task.states(&[&example]);
        let loss = task.loss(&[&example], states.as_ref());
        let part = |name: &str| {
            let part = loss.parts.iter().find(|(part, _)| *part == name);
            part.unwrap().1.double_value(&[])
        };
        assert!(loss.mean.double_value(&[]).is_finite());
        if item == 0 {
            // Target and negative are one item, so no state separates them: at best each has a
            // chance of a half.
            assert!(part("rec") >= 2.0 * 2f64.ln() - 1e-6, "{}", part("rec"));
        }
    }
}

#[test]
fn a_trained_encoder_reads_the_text_of_padding_too() {
    #[derive(Debug)]
    struct Lengths;
    impl TextEncoder for Lengths {
        fn width(&self) -> i64 {
            1
        }
        fn encode(&self, texts: &[&str], _train: bool) -> Tensor {
            let lengths: Vec<f32> = texts.iter().map(|text| text.len() as f32).collect();
            Tensor::from_slice(&lengths).unsqueeze(1)
        }
        fn weights(&self) -> Vec<(String, Tensor)> {
            Vec::new()
        }
        fn lossy(&self, _texts: &[&str]) -> usize {
            0
        }

        fn cut(&self, _texts: &[&str]) -> usize {
            0
        }
        fn lengths(&self, texts: &[&str]) -> Vec<usize> {
            texts.iter().map(|text| text.len()).collect()
        }
    }
    let texts = ["", "a", "bb"].map(str::to_owned).to_vec();
    let texts = Texts::Trained(std::rc::Rc::new(Lengths), texts);
    let vectors = texts.of(&[2, 0, 1, 2], true, Device::Cpu);
    let found = Vec::<f32>::try_from(vectors.reshape([-1])).unwrap();
    assert_eq!(found, [2.0, 0.0, 1.0, 2.0]);
}

#[test]
fn users_in_the_order_of_their_numbers_come_so_in_every_epoch() {
    let prepared = data();
    let users = |order, epoch| -> Vec<u32> {
        let target_rule = TargetRule {
            order,
            ..target_rule(Targets::Last)
        };
        let draw = trainer::EpochSeed {
            seed: 1,
            stage: STAGE,
            epoch,
        };
        let steps = Sequences::of(&prepared, target_rule).steps(&prepared, 2, draw);
        let all = steps.concat();
        all.iter().map(|target| target.user).collect()
    };
    for epoch in 1..9 {
        assert_eq!(users(UserOrder::Numbered, epoch), [0, 1, 3]);
    }
    assert!((1..9).any(|epoch| users(UserOrder::Shuffled, epoch) != [0, 1, 3]));
}

#[test]
fn a_budget_of_targets_changes_neither_losses_nor_gradients() {
    let (prepared, backbone) = (data(), backbone());
    let settings = Align {
        negatives: true,
        targets: Targets::All,
        ..settings()
    };
    let sequences = Sequences::of(&prepared, target_rule(Targets::All));
    let inputs = Inputs {
        prepared: &prepared,
        sequences: &sequences,
        backbone: backbone.as_ref(),
        texts: Texts::Frozen(Tensor::ones([13, 6], (Kind::Float, Device::Cpu))),
    };
    let task = AlignTask::new(&settings, inputs, 1);
    // With frozen texts a target counts as one token.
    assert_cut_like_whole(&task, 2);
}

#[test]
fn a_pair_is_as_long_as_the_texts_that_are_encoded_for_it() {
    let (prepared, backbone) = (data(), backbone());
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/encoders/bert");
    let encoder = crate::encoder::sentence::SentenceEncoder::open(&folder, 0, Device::Cpu).unwrap();
    let encoder = std::rc::Rc::new(encoder);
    let texts: Vec<String> = (0..=12).map(|item| "the cat ".repeat(item)).collect();
    let tokens = |item: u32| encoder.lengths(&[&texts[item as usize]])[0];
    assert!(tokens(2) > tokens(1));
    for (negatives, matching) in [(true, 1.0), (false, 1.0), (false, 0.0)] {
        let settings = Align {
            negatives,
            matching,
            text_recon: 0.0,
            ..settings()
        };
        let sequences = Sequences::of(&prepared, target_rule(settings.targets));
        let inputs = Inputs {
            prepared: &prepared,
            sequences: &sequences,
            backbone: backbone.as_ref(),
            texts: Texts::Trained(encoder.clone(), texts.clone()),
        };
        let task = AlignTask::new(&settings, inputs, 1);
        for example in drawn(&task, 1).concat() {
            let target = tokens(example.target.item(&prepared));
            let expected = match (matching > 0.0, negatives) {
                (false, _) => 1,
                (true, false) => target,
                (true, true) => target + tokens(example.negative),
            };
            assert_eq!(task.length(&example), expected);
        }
    }
}
