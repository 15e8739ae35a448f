use super::texts::Hint;
use super::vectors::{SIZE, with_noise};
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
            Hint::Near => assert_eq!(vectors, 1 + 4 + 3),
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
fn noise_keeps_a_vectors_size_and_none_changes_nothing() {
    tch::manual_seed(2);
    let vectors = Tensor::randn([2, 4000], (Kind::Float, tch::Device::Cpu)) * SIZE;
    let noisy = with_noise(&vectors, &[0.0, 2.0]);
    assert_eq!(noisy.get(0), vectors.get(0));
    let size = noisy.get(1).square().mean(Kind::Float).double_value(&[]);
    assert!((size / (SIZE * SIZE) - 1.0).abs() < 0.1, "{size}");
}
