use super::texts::Hint;
use super::vectors::{Random, Told};
use super::*;
use crate::methods::tests::{data, opened, small, words};

#[test]
fn texts_are_drawn_again_the_same_and_hold_their_answer() {
    let (prepared, words, small) = (data(), words(), small());
    let pretraining = Pretraining::new(&small, &words, &prepared, opened(true));
    let steps = pretraining.steps(1).unwrap();
    assert_eq!(steps, pretraining.steps(1).unwrap());
    assert_eq!(steps.len(), 3);
    let mut random = stream(1, Stream::Prompt, 0);
    for hint in [
        Hint::Near,
        Hint::Leaning,
        Hint::Mean,
        Hint::Words,
        Hint::History,
        Hint::Nothing,
    ] {
        let text = pretraining.choosing(&mut random, hint, Lesson::at(1.0, 4), (4, 3));
        let tokens: Vec<u32> = text
            .prompt
            .iter()
            .filter_map(|place| match place {
                Place::Token(token) => Some(*token),
                Place::Vector(_) => None,
            })
            .collect();
        let tokenizer = &pretraining.opened.tokenizer;
        let (prompt, answer) = (tokenizer.decode(&tokens), tokenizer.decode(&text.answer));
        assert!(
            prompt.contains(&answer),
            "{hint:?}: `{prompt}` lacks `{answer}`"
        );
        assert_eq!(text.answer.last(), Some(&2));
        let vectors = text.prompt.len() - tokens.len();
        match hint {
            Hint::Near | Hint::Leaning => assert_eq!(vectors, 1 + 4 + 3),
            Hint::Words => assert_eq!(vectors, 0),
            Hint::History => assert_eq!(vectors, 4 + 3),
            _ => {}
        }
    }
}

#[test]
fn lists_grow_with_training() {
    assert_eq!(Lesson::at(0.0, 20).titles, (2, 4));
    assert_eq!(Lesson::at(0.99, 20).titles, (12, 20));
    assert_eq!(Lesson::at(0.99, 4).titles, (4, 4));
}

#[test]
fn the_loss_moves_every_weight_that_the_texts_reach() {
    let (prepared, words, small) = (data(), words(), small());
    let pretraining = Pretraining::new(&small, &words, &prepared, opened(true));
    tch::manual_seed(1);
    let texts = pretraining.steps(1).unwrap().concat();
    let loss = pretraining.loss(&texts).unwrap();
    let [answer, text] = [0, 1].map(|part| loss.parts[part].1.double_value(&[]));
    assert!((loss.mean.double_value(&[]) - answer - TEXT_WEIGHT * text).abs() < 1e-5);
    loss.mean.backward();
    for (name, weight) in pretraining.weights() {
        assert!(weight.grad().defined(), "{name}");
    }
}

#[test]
fn vectors_are_as_alike_as_their_parts_say() {
    let opened = opened(true);
    tch::manual_seed(2);
    let vector = |words: f64, random: &[(u32, f64)]| {
        Place::Vector(Told {
            words: vec![(vec![5, 6], words)],
            random: random.to_vec(),
        })
    };
    let rank = opened.lm.width() as u32;
    let mut gathered = Gathered::default();
    // The second text's vectors are its own, though they have the same numbers.
    for _ in 0..2 {
        gathered.begin(Random { count: 2, rank });
        gathered.take(&vector(0.0, &[(0, 0.5)]));
        gathered.take(&vector(0.0, &[(0, 0.3), (1, 0.4)]));
        gathered.take(&vector(0.5, &[]));
    }
    let all = gathered.tensor(&opened.lm).to_kind(Kind::Double);
    let cosine = |one: i64, other: i64| {
        let (one, other) = (all.get(one), all.get(other));
        let product = (&one * &other).sum(Kind::Double);
        (product / (one.norm() * other.norm())).double_value(&[])
    };
    assert!((cosine(0, 1) - 0.6).abs() < 0.25, "{}", cosine(0, 1));
    assert!(cosine(0, 3).abs() < 0.5, "{}", cosine(0, 3));
    assert!((cosine(2, 5) - 1.0).abs() < 1e-6);
    let size = all.get(2).square().mean(Kind::Double).double_value(&[]);
    assert!((size / 0.25 - 1.0).abs() < 1e-3, "{size}");
}

#[test]
fn random_vectors_of_a_text_fill_no_more_dimensions_than_its_rank() {
    let opened = opened(true);
    tch::manual_seed(3);
    let mut gathered = Gathered::default();
    gathered.begin(Random { count: 6, rank: 3 });
    for number in 0..6 {
        gathered.take(&Place::Vector(Told {
            words: Vec::new(),
            random: vec![(number, 1.0)],
        }));
    }
    let all = gathered.tensor(&opened.lm).to_kind(Kind::Double);
    let (_, sizes, _) = all.svd(true, true);
    assert!(sizes.double_value(&[2]) > 0.1, "{sizes:?}");
    assert!(sizes.double_value(&[3]) < 1e-4, "{sizes:?}");
}
