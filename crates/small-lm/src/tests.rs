mod stages;

use allround_core::config::llm::Look;

use super::choice::{Choice, Made};
use super::losses::{LOOK_WEIGHT, TEXT_WEIGHT, TITLE_WEIGHT};
use super::texts::{Answer, Hint};
use super::vectors::{Gathered, Place, VectorRecipe};
use super::*;
use allround_worker::methods::fixtures::{data, loaded_with, small, words};

/// A tiny language model with random weights, and the tokenizer of [`data`]'s corpus.
fn loaded(trainable: bool) -> LoadedLm {
    loaded_with(&corpus(&data(), &words()), 256, trainable)
}

/// The examples of an epoch, step by step.
fn drawn(task: &PretrainTask<'_>, epoch: u32) -> Vec<Vec<Text>> {
    let steps = task.source().steps(epoch).unwrap();
    let made: Vec<Vec<Text>> = steps.made.map(Result::unwrap).collect();
    assert_eq!(made.len(), steps.count);
    made
}

#[test]
fn texts_are_drawn_again_the_same_and_hold_their_answer() {
    let (prepared, words, small) = (data(), words(), small());
    let task = PretrainTask::new(&small, &words, &prepared, loaded(true));
    let steps = drawn(&task, 1);
    assert_eq!(steps, drawn(&task, 1));
    assert_eq!(steps.len(), 3);
    let mut random = stream(1, Stream::Prompt, 0);
    let lesson = Lesson {
        bare: 0.0,
        ..Lesson::at(1.0, 4)
    };
    for hint in [
        Hint::Near,
        Hint::Leaning,
        Hint::Mean,
        Hint::Words,
        Hint::History,
        Hint::Nothing,
    ] {
        let text = task.writer.choosing(&mut random, hint, lesson, (4, 3));
        let tokens: Vec<u32> = text
            .prompt
            .iter()
            .filter_map(|place| match place {
                Place::Token(token) => Some(*token),
                Place::Vector(_) => None,
            })
            .collect();
        let tokenizer = &task.loaded.tokenizer;
        let prompt = tokenizer.decode(&tokens);
        let Answer::Choice(choice) = &text.answer else {
            panic!("{hint:?} leaves a choice");
        };
        assert_eq!(choice.answers.len(), 4);
        assert_eq!(choice.asked.is_some(), hint != Hint::Nothing);
        for answer in &choice.answers {
            let said = tokenizer.decode(answer);
            assert!(
                prompt.contains(&said),
                "{hint:?}: `{prompt}` lacks `{said}`"
            );
            assert_eq!(answer.last(), Some(&2));
        }
        // A title's first token is noted at the place of its vector.
        for &(place, first) in &text.titled {
            assert!(matches!(text.prompt[place], Place::Vector(_)));
            let title: Vec<&Place> = text.prompt[..place].iter().rev().take(12).collect();
            assert!(title.contains(&&Place::Token(first)), "{title:?}");
        }
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
fn nothing_is_learned_from_interactions() {
    let (own, words, small) = (data(), words(), small());
    let mut other = data();
    // Other users, who have gone other ways and been requested other items.
    other.sequence = other.sequence.iter().map(|item| 13 - item).collect();
    other.train_end = vec![1; 4];
    other.valid_end = vec![2; 4];
    other.trained = vec![false; 4];
    assert_ne!(own.sequence, other.sequence);
    assert_eq!(corpus(&own, &words), corpus(&other, &words));
    let texts = |prepared| {
        drawn(
            &PretrainTask::new(&small, &words, prepared, loaded(true)),
            1,
        )
    };
    assert_eq!(texts(&own), texts(&other));
}

#[test]
fn texts_are_those_that_the_committed_small_model_learned_from() {
    let (prepared, words, small) = (data(), words(), small());
    let task = PretrainTask::new(&small, &words, &prepared, loaded(true));
    let mut told = format!("{:?}", drawn(&task, 1));
    let mut random = stream(1, Stream::Prompt, 0);
    for hint in [
        Hint::Near,
        Hint::Leaning,
        Hint::Mean,
        Hint::Words,
        Hint::History,
        Hint::Nothing,
    ] {
        for done in [0.0, 0.3, 1.0] {
            let lesson = Lesson::at(done, 4);
            let text = task.writer.choosing(&mut random, hint, lesson, (4, 3));
            told.push_str(&format!("{text:?}"));
        }
    }
    // Nothing of these is shortened, and before there was a note of it, these were the texts.
    // The digest is older than the name of the vectors' type.
    let told = told
        .replace(", fitted: false", "")
        .replace("VectorRecipe {", "Told {");
    // A draw more or fewer, or in another order, changes every text after it.
    let digest = allround_core::digest::of_bytes(told.as_bytes());
    assert_eq!(digest.short(), "c8760a5289c8");
}

#[test]
fn lists_grow_with_training() {
    assert_eq!(Lesson::at(0.0, 20).titles, (2, 3));
    assert_eq!(Lesson::at(0.99, 20).titles, (12, 20));
    assert_eq!(Lesson::at(0.99, 4).titles, (4, 4));
}

#[test]
fn the_loss_moves_every_weight_that_the_texts_reach() {
    let (prepared, words, small) = (data(), words(), small());
    let task = PretrainTask::new(&small, &words, &prepared, loaded(true));
    tch::manual_seed(1);
    let texts = drawn(&task, 1).concat();
    let loss = task.loss_of(&texts.iter().collect::<Vec<_>>());
    let [answer, text, title, look] = [0, 1, 2, 3].map(|part| {
        let part = loss.parts[part].1.double_value(&[]);
        assert!(part.is_finite() && part > 0.0, "{part}");
        part
    });
    let sum = answer + TEXT_WEIGHT * text + TITLE_WEIGHT * title + LOOK_WEIGHT * look;
    assert!((loss.mean.double_value(&[]) - sum).abs() < 1e-4);
    loss.mean.backward();
    for (name, weight) in task.weights() {
        assert!(weight.grad().defined(), "{name}");
    }
}

#[test]
fn where_to_look_is_what_attention_looks_at() {
    let (prepared, words, small) = (data(), words(), small());
    let task = PretrainTask::new(&small, &words, &prepared, loaded(true));
    let mut random = stream(1, Stream::Prompt, 0);
    let text = task
        .writer
        .choosing(&mut random, Hint::Near, Lesson::at(0.0, 2), (2, 0));
    let look = || {
        tch::manual_seed(5);
        let loss = task.loss_of(&[&text]);
        loss.parts[3].1.double_value(&[])
    };
    let before = look();
    // Keys that are all alike make every place as good as another, and nothing beats looking at two
    // of them.
    tch::no_grad(|| {
        for (name, mut weight) in task.weights() {
            if name.contains("k_proj") {
                let _ = weight.zero_();
            }
        }
    });
    let even = look();
    let length = (text.prompt.len()) as f64;
    assert!(
        (even - length.ln()).abs() < 0.5,
        "{even} against ln {length}"
    );
    assert!((even - before).abs() > 1e-6, "{even} against {before}");
}

#[test]
fn where_to_look_again_is_said_of_titles_that_begin_alike() {
    let (prepared, words) = (data(), words());
    let small = SmallLlm {
        look: Look::Every,
        alike: 1.0,
        ..small()
    };
    let task = PretrainTask::new(&small, &words, &prepared, loaded(true));
    let mut random = stream(1, Stream::Prompt, 0);
    let lesson = Lesson::at(1.0, 4);
    let texts: Vec<_> = (0..8)
        .map(|_| {
            task.writer
                .choosing(&mut random, Hint::Near, lesson, (4, 0))
        })
        .collect();
    for (name, mut weight) in task.weights() {
        if name.contains("k_proj") {
            let _ = tch::no_grad(|| weight.zero_());
        }
    }
    let loss = task.loss_of(&texts.iter().collect::<Vec<_>>());
    let names: Vec<_> = loss.parts.iter().map(|part| part.0).collect();
    assert_eq!(names, ["answer", "text", "title", "look", "look_again"]);
    // Every place is as good as another, of as many as are before the later token.
    let lengths: Vec<f64> = texts.iter().map(|text| text.prompt.len() as f64).collect();
    let [least, most] = [f64::min, f64::max].map(|of| lengths.iter().copied().reduce(of).unwrap());
    let again = loss.parts[4].1.double_value(&[]);
    assert!(
        again > (least + 1.0).ln() && again < (most + 4.0).ln(),
        "{again} is not between ln {least} and ln {most}"
    );
}

#[test]
fn titles_of_a_list_begin_alike_as_often_as_is_set() {
    let (prepared, words) = (data(), words());
    // Each of six words begins two titles.
    let pairs = |alike: f64| -> Vec<usize> {
        let small = SmallLlm { alike, ..small() };
        let task = PretrainTask::new(&small, &words, &prepared, loaded(true));
        let mut random = stream(1, Stream::Prompt, 0);
        let lesson = Lesson::at(1.0, 4);
        let list = |_| {
            let text = task
                .writer
                .choosing(&mut random, Hint::Near, lesson, (4, 0));
            let Answer::Choice(choice) = text.answer else {
                panic!("a list leaves a choice");
            };
            let mut firsts: Vec<u32> = choice.answers.iter().map(|answer| answer[1]).collect();
            firsts.sort_unstable();
            firsts.dedup();
            4 - firsts.len()
        };
        (0..20).map(list).collect()
    };
    assert!(
        pairs(1.0).iter().all(|&pairs| pairs >= 1),
        "{:?}",
        pairs(1.0)
    );
    assert!(pairs(1.0).contains(&2));
    assert!(pairs(0.0).contains(&0));
    let some = pairs(0.5).iter().sum::<usize>();
    assert!(some > pairs(0.0).iter().sum() && some < pairs(1.0).iter().sum());
}

#[test]
fn a_choice_without_alternatives_is_read_like_an_answer_that_is_said() {
    let (prepared, words, small) = (data(), words(), small());
    let task = PretrainTask::new(&small, &words, &prepared, loaded(true));
    let mut random = stream(1, Stream::Prompt, 0);
    let lesson = Lesson::at(1.0, 4);
    // The other text's answers are as long or longer, so that the choices are padded.
    let [mut text, other] = [Hint::Nothing, Hint::Near]
        .map(|hint| task.writer.choosing(&mut random, hint, lesson, (4, 0)));
    let Answer::Choice(choice) = &text.answer else {
        panic!("a list leaves a choice");
    };
    let said = choice.answers[0][1..].to_vec();
    let twins = Choice {
        answers: vec![said.clone(); 2],
        slots: Vec::new(),
        ..choice.clone()
    };
    let mut parts = |answer: Answer| {
        text.answer = answer;
        tch::manual_seed(3);
        let loss = task.loss_of(&[&text, &other]);
        let parts = loss.parts.iter();
        parts
            .map(|(_, part)| part.double_value(&[]))
            .collect::<Vec<_>>()
    };
    assert_near(&parts(Answer::Choice(twins)), &parts(Answer::Said(said)));
}

#[test]
fn a_title_that_is_one_token_with_its_quotes_begins_with_the_end() {
    let (mut prepared, words, small) = (data(), words(), small());
    prepared.items[0].title = Some("!!!".to_owned());
    // As often as it takes to become one.
    let corpus = vec!["\"!!!\"".to_owned(); 50];
    let mut loaded = loaded(true);
    loaded.tokenizer = Arc::new(Tokenizer::train_byte_level(&corpus, 400).unwrap());
    let task = PretrainTask::new(&small, &words, &prepared, loaded);
    assert_eq!(task.writer.answer(1).len(), 2);
    let [_, end] = task.writer.answer(1)[..] else {
        panic!("one token and the end");
    };
    let mut random = stream(1, Stream::Prompt, 0);
    let lesson = Lesson::at(1.0, 4);
    let text = task
        .writer
        .choosing(&mut random, Hint::Near, lesson, (12, 0));
    assert!(text.titled.iter().any(|&(_, first)| first == end));
}

fn choice(asked: bool, draw: f64) -> Choice {
    Choice {
        asked: asked.then(VectorRecipe::default),
        offered: vec![VectorRecipe::default(); 3],
        answers: vec![vec![7, 1, 2], vec![7, 1, 3, 2], vec![7, 4, 2]],
        slots: Vec::new(),
        draw,
    }
}

fn list(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.to_kind(tch::Kind::Double).reshape([-1])).unwrap()
}

fn assert_near(seen: &[f64], wanted: &[f64]) {
    assert_eq!(seen.len(), wanted.len(), "{seen:?} against {wanted:?}");
    let near = |(one, other): (&f64, &f64)| (one - other).abs() < 1e-5;
    assert!(
        seen.iter().zip(wanted).all(near),
        "{seen:?} against {wanted:?}"
    );
}

#[test]
fn chances_are_a_softmax_over_cosines_and_even_where_nothing_is_asked() {
    let two = Choice {
        answers: vec![vec![5, 2], vec![6, 2]],
        ..choice(true, 0.0)
    };
    let (asks, even) = (choice(true, 0.5), choice(false, 0.5));
    let cosines = Tensor::from_slice(&[0.5f32, 0.5, 0.4, 0.1, 0.2]);
    let made = Made::of(&[&asks, &even, &two], &cosines);
    assert_eq!(made.chances.size(), [3, 3, 4]);
    let all = 2.0 + (-2f64).exp();
    let likely = |number: i64| list(&made.chances.get(number).select(1, 0));
    assert_near(&likely(0), &[1.0 / all, 1.0 / all, (-2f64).exp() / all]);
    assert_near(&likely(1), &[1.0 / 3.0; 3]);
    // The list that is shorter has no third candidate.
    let two = 1.0 + 2f64.exp();
    assert_near(&likely(2), &[1.0 / two, 2f64.exp() / two, 0.0]);
}

#[test]
fn the_candidate_is_chosen_whose_part_of_the_chances_the_draw_falls_into() {
    let chosen = |draw: f64| {
        let it = choice(true, draw);
        // Chances of 0.2, 0.3 and 0.5.
        let cosines = [0.2f32, 0.3, 0.5].map(|chance| chance.ln() / 20.0);
        let made = Made::of(&[&it], &Tensor::from_slice(&cosines));
        list(&made.chosen)
    };
    assert_near(&chosen(0.0), &[7.0, 1.0, 2.0, 0.0]);
    assert_near(&chosen(0.19), &[7.0, 1.0, 2.0, 0.0]);
    assert_near(&chosen(0.21), &[7.0, 1.0, 3.0, 2.0]);
    assert_near(&chosen(0.51), &[7.0, 4.0, 2.0, 0.0]);
    assert_near(&chosen(0.999_999_99), &[7.0, 4.0, 2.0, 0.0]);
}

#[test]
fn candidates_are_as_likely_as_those_that_have_begun_alike_leave_them() {
    let it = choice(true, 0.4);
    assert_eq!(it.partings(), [1, 2]);
    let cosines = [0.2f32, 0.3, 0.5].map(|chance| chance.ln() / 20.0);
    let made = Made::of(&[&it], &Tensor::from_slice(&cosines));
    let likely = |place: i64| list(&made.chances.get(0).select(1, place));
    assert_near(&likely(0), &[0.2, 0.3, 0.5]);
    assert_near(&likely(1), &[0.2, 0.3, 0.5]);
    assert_near(&likely(2), &[0.4, 0.6, 0.0]);
    assert_near(&likely(3), &[0.0, 1.0, 0.0]);
    assert_near(&list(&made.parting), &[0.0, 1.0, 1.0, 0.0]);
    assert_near(&list(&made.said), &[1.0; 4]);
    // After the end of what is chosen there is nothing.
    let made = Made::of(&[&choice(true, 0.9)], &Tensor::from_slice(&cosines));
    assert_near(&list(&made.said), &[1.0, 1.0, 1.0, 0.0]);
    assert_near(&list(&made.parting), &[0.0, 1.0, 0.0, 0.0]);
    assert_near(&list(&made.chances.get(0).select(1, 3)), &[0.0; 3]);
    // Nothing parts two items with one title.
    let twins = Choice {
        answers: vec![vec![7, 2]; 2],
        ..choice(false, 0.9)
    };
    assert_eq!(twins.partings(), [0usize; 0]);
    let made = Made::of(
        &[&twins],
        &Tensor::zeros([0], (tch::Kind::Float, tch::Device::Cpu)),
    );
    assert_near(&list(&made.parting), &[0.0; 2]);
}

#[test]
fn vectors_are_as_alike_as_their_parts_say() {
    let loaded = loaded(true);
    tch::manual_seed(2);
    let vector = |words: f64, random: &[(u32, f64)]| VectorRecipe {
        words: vec![(vec![5, 6], words)],
        random: random.to_vec(),
    };
    let mut gathered = Gathered::default();
    // The second text's vectors are its own, though they have the same numbers.
    for _ in 0..2 {
        gathered.begin(2);
        gathered.take(&vector(0.0, &[(0, 0.5)]));
        gathered.take(&vector(0.0, &[(0, 0.3), (1, 0.4)]));
        gathered.take(&vector(0.5, &[]));
    }
    let all = gathered.draw(&loaded.lm).to_kind(tch::Kind::Double);
    let cosine = |one: i64, other: i64| {
        let (one, other) = (all.get(one), all.get(other));
        let product = (&one * &other).sum(tch::Kind::Double);
        (product / (one.norm() * other.norm())).double_value(&[])
    };
    assert!((cosine(0, 1) - 0.6).abs() < 0.25, "{}", cosine(0, 1));
    assert!(cosine(0, 3).abs() < 0.5, "{}", cosine(0, 3));
    assert!((cosine(2, 5) - 1.0).abs() < 1e-6);
    let size = all
        .get(2)
        .square()
        .mean(tch::Kind::Double)
        .double_value(&[]);
    assert!((size / 0.25 - 1.0).abs() < 1e-3, "{size}");
}

#[test]
fn titles_are_cut_to_the_bound_of_tokens() {
    let (prepared, words) = (data(), words());
    let longest = |title_tokens| {
        let small = SmallLlm {
            title_tokens,
            ..small()
        };
        let task = PretrainTask::new(&small, &words, &prepared, loaded(true));
        let cut = task.writer.titles.cut;
        let tokens = |title: &str| task.loaded.tokenizer.encode(title).len();
        (cut, task.writer.titles.iter().map(tokens).max().unwrap())
    };
    assert_eq!(longest(0).0, 0);
    assert!(longest(0).1 > 1);
    assert!(longest(1).0 > 0 && longest(1).1 <= 1, "{:?}", longest(1));
}
