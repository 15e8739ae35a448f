use allround::event::Event;
use allround::text::prompt;

use super::*;
use crate::methods::tests::{asked, data, opened, reader, room};

const BOTH: Vectors = Vectors {
    user: true,
    item: true,
};
const NEITHER: Vectors = Vectors {
    user: false,
    item: false,
};

#[test]
fn the_users_vector_stands_before_the_token_that_begins_a_text() {
    let reader = reader(BOTH);
    let slots = reader.prompt(&[1, 2, 3], &[4, 5], 5).unwrap();
    assert_eq!(slots[..2], [Slot::User, Slot::Token(2)]);
    let told = slots.iter().filter_map(|slot| match slot {
        Slot::Item(item) => Some(*item),
        _ => None,
    });
    // Two of the history are asked for.
    assert_eq!(told.collect::<Vec<_>>(), [2, 3, 4, 5]);
    let plain = self::reader(NEITHER)
        .prompt(&[1, 2, 3], &[4, 5], 5)
        .unwrap();
    assert_eq!(plain[0], Slot::Token(2));
    assert!(plain.iter().all(|slot| matches!(slot, Slot::Token(_))));
}

#[test]
fn rows_hold_each_token_and_vector_in_its_place() {
    let reader = reader(BOTH);
    let lm = reader.lm();
    let prompts: Vec<Vec<Slot>> = [[1, 2], [3, 4]]
        .iter()
        .map(|history| reader.prompt(history, &[4, 5], 5).unwrap())
        .collect();
    let width = lm.width();
    let users = Tensor::randn([2, width], (Kind::Float, Device::Cpu)).set_requires_grad(true);
    let vector = |item: u32| Tensor::full([1, width], f64::from(item), (Kind::Float, Device::Cpu));
    let items = |items: &[u32]| {
        Tensor::cat(
            &items.iter().map(|&item| vector(item)).collect::<Vec<_>>(),
            0,
        )
    };
    let rows = reader.rows(&prompts, Some(&users), &items);
    for (row, (prompt, tensor)) in prompts.iter().zip(&rows).enumerate() {
        assert_eq!(tensor.size(), [prompt.len() as i64, width]);
        for (place, slot) in prompt.iter().enumerate() {
            let expected = match slot {
                Slot::Token(token) => lm.embed(&indices(&[*token], Device::Cpu)),
                Slot::User => users.get(row as i64).unsqueeze(0),
                Slot::Item(item) => vector(*item),
            };
            assert_eq!(tensor.narrow(0, place as i64, 1), expected);
        }
    }
    rows[1].sum(Kind::Float).backward();
    // A sum gives every element of the one user told of a gradient of 1, the other none.
    let gradient = users.grad().sum_dim_intlist(1, false, Kind::Float);
    assert_eq!(Vec::<f32>::try_from(gradient).unwrap(), [0.0, width as f32]);
}

#[test]
fn the_loss_is_the_mean_over_the_answers_tokens_alone() {
    let reader = reader(NEITHER);
    let lm = reader.lm();
    let prompts = vec![
        reader.prompt(&[1], &[4, 5], 9).unwrap(),
        reader.prompt(&[2, 3], &[6, 5], 9).unwrap(),
    ];
    let answers = vec![reader.answer(4), reader.answer(5)];
    let rows = || reader.rows(&prompts, None, &|_| unreachable!("no vectors"));
    let (loss, count) = reader.loss(&prompts, &answers, rows(), false);
    assert_eq!(count as usize, answers[0].len() + answers[1].len());
    let continuations: Vec<Vec<Vec<u32>>> =
        answers.iter().map(|answer| vec![answer.clone()]).collect();
    let scores = lm.score(&rows(), &continuations);
    let expected = -(scores[0][0] + scores[1][0]) / count as f64;
    assert!((loss.double_value(&[]) - expected).abs() < 1e-4);
    let (_, whole) = reader.loss(&prompts, &answers, rows(), true);
    let prompt_tokens: usize = prompts.iter().map(|prompt| prompt.len() - 1).sum();
    assert_eq!(whole as usize, count as usize + prompt_tokens);
}

#[test]
fn a_prompt_that_is_too_long_tells_less_history_and_is_counted() {
    let reader = reader(NEITHER);
    let all = reader.prompt(&[1, 2], &[4, 5], 9).unwrap().len();
    let room = 256 - all + 1;
    let shorter = reader.prompt(&[1, 2], &[4, 5], room).unwrap();
    assert_eq!(shorter, reader.prompt(&[2], &[4, 5], 9).unwrap());
    let mut events = Vec::new();
    reader.tell(&mut |event| events.push(event));
    let counted = events.iter().any(|event| {
        matches!(event, Event::Counted(counted) if counted.what.contains("shortened") && counted.count == 1)
    });
    assert!(counted, "{events:?}");
    let error = reader.prompt(&[1, 2], &[4, 5], 250).unwrap_err();
    assert!(error.to_string().contains("256 positions"), "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn titles_are_cut_to_the_bound_of_tokens() {
    let mut asked = asked();
    asked.title_tokens = 1;
    let reader = Reader::new(opened(false), &data(), (&asked, NEITHER), room(4));
    assert!(reader.titles().cut > 0);
    assert!(
        reader
            .titles()
            .iter()
            .all(|title| reader.spell(title).len() <= 1)
    );
}

#[test]
fn titles_are_cut_no_further_than_the_positions_ask_for() {
    let mut data = data();
    data.items[0].title = Some("red ".repeat(400));
    data.items[1].title = Some("red ".repeat(20));
    let reader = Reader::new(opened(false), &data, (&asked(), BOTH), room(4));
    let titles = reader.titles();
    assert_eq!((titles.fitted, titles.cut), (1, 0));
    let length = |item| reader.spell(titles.of(item)).len();
    let others = [2, 3, 4];
    let prompt = reader
        .prompt(&[], &[1, 2, 3, 4], reader.answer(1).len())
        .unwrap();
    let left = 256 - prompt.len() - reader.answer(1).len();
    // One token more stands in the prompt and in the answer.
    assert!(
        left < 2,
        "{left} positions are left, title 1 has {}",
        length(1)
    );
    assert!(others.iter().all(|&item| length(item) < length(1)));
}

#[test]
fn a_cut_title_holds_whole_characters() {
    let mut data = data();
    data.items[0].title = Some("\u{5c71}\u{6d77}\u{7d4c}".to_owned());
    let mut asked = asked();
    // Three bytes a character, and no piece holds two of them.
    asked.title_tokens = 4;
    let reader = Reader::new(opened(false), &data, (&asked, NEITHER), room(4));
    assert_eq!(reader.titles().of(1), "\u{5c71}");
}

#[test]
fn titles_leave_room_for_the_candidates_and_the_answer_that_are_asked_for() {
    let mut data = data();
    for item in &mut data.items {
        item.title = Some("red ".repeat(60));
    }
    for (candidates, answer) in [(4, 0), (4, 60), (6, 0)] {
        let room = Room::List { candidates, answer };
        let reader = Reader::new(opened(false), &data, (&asked(), NEITHER), room);
        let told: Vec<u32> = (1..=candidates as u32).collect();
        let needed = answer.max(reader.answer(1).len());
        let prompt = reader.prompt(&[], &told, needed).unwrap();
        assert!(prompt.len() + needed <= 256);
        assert!(reader.titles().fitted > 0);
    }
}

#[test]
fn a_question_about_one_title_needs_room_for_one() {
    let mut data = data();
    for item in &mut data.items {
        item.title = Some("red ".repeat(60));
    }
    let cut = |room| {
        let reader = Reader::new(opened(false), &data, (&asked(), NEITHER), room);
        reader.titles().fitted
    };
    assert_eq!((cut(room(4)), cut(Room::Question)), (12, 0));
}

#[test]
fn yes_and_no_begin_with_different_tokens() {
    let reader = reader(NEITHER);
    let both = [prompt::YES, prompt::NO].map(|word| reader.spell(word)[0]);
    assert_ne!(both[0], both[1]);
    assert_eq!(reader.yes_and_no().unwrap(), both);
}

#[test]
fn the_committed_small_model_opens_and_one_with_layers_left_over_is_refused_with_its_folder() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/small-lm");
    let holding = Holding::frozen(Kind::Float, Device::Cpu);
    let open = |folder: &Path| Opened::read(folder, holding);
    assert!(open(&folder).unwrap().params() > 0);
    let changed = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(&folder).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), changed.path().join(file.file_name())).unwrap();
    }
    let path = changed.path().join("config.json");
    let config = std::fs::read_to_string(&path).unwrap();
    let place = changed.path().display().to_string();
    for (from, to, told) in [
        (
            "\"num_hidden_layers\": 4",
            "\"num_hidden_layers\": 2",
            "layers.2.",
        ),
        ("\"vocab_size\": 714", "\"vocab_size\": 700", "has 700 rows"),
        (
            "\"ffn_dim\": 512",
            "\"ffn_dim\": 511",
            "expected [511, 128]",
        ),
    ] {
        assert!(config.contains(from), "{from}");
        std::fs::write(&path, config.replace(from, to)).unwrap();
        let refusal = open(changed.path()).unwrap_err().to_string();
        assert!(
            refusal.contains(&place) && refusal.contains(told) && refusal.contains("same model"),
            "{refusal}"
        );
    }
}
