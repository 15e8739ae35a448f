mod published;

use allround_core::config::llm::FinalBlank;
use allround_core::event::Event;
use allround_core::text::prompt;

use super::*;
use crate::methods::tests::{data, loaded, needs, prompt, prompted_lm};

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
    let prompted_lm = prompted_lm(BOTH);
    let slots = prompted_lm.encoder.prompt(&[1, 2, 3], &[4, 5], 5).unwrap();
    assert_eq!(slots[..2], [Slot::User, Slot::Token(2)]);
    let items = slots.iter().filter_map(|slot| match slot {
        Slot::Item(item) => Some(*item),
        _ => None,
    });
    // The prompt takes two of the history.
    assert_eq!(items.collect::<Vec<_>>(), [2, 3, 4, 5]);
    let plain = self::prompted_lm(NEITHER)
        .encoder
        .prompt(&[1, 2, 3], &[4, 5], 5)
        .unwrap();
    assert_eq!(plain[0], Slot::Token(2));
    assert!(plain.iter().all(|slot| matches!(slot, Slot::Token(_))));
}

#[test]
fn rows_hold_each_token_and_vector_in_its_place() {
    let prompted_lm = prompted_lm(BOTH);
    let lm = prompted_lm.lm();
    let prompts: Vec<Vec<Slot>> = [[1, 2], [3, 4]]
        .iter()
        .map(|history| prompted_lm.encoder.prompt(history, &[4, 5], 5).unwrap())
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
    let rows = prompted_lm.rows(&prompts, Some(&users), &items);
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
    // A sum gives every element of the user in the prompt a gradient of 1, the other none.
    let gradient = users.grad().sum_dim_intlist(1, false, Kind::Float);
    assert_eq!(Vec::<f32>::try_from(gradient).unwrap(), [0.0, width as f32]);
}

#[test]
fn the_loss_is_the_mean_over_the_answers_tokens_alone() {
    let prompted_lm = prompted_lm(NEITHER);
    let lm = prompted_lm.lm();
    let prompts = vec![
        prompted_lm.encoder.prompt(&[1], &[4, 5], 9).unwrap(),
        prompted_lm.encoder.prompt(&[2, 3], &[6, 5], 9).unwrap(),
    ];
    let answers = vec![prompted_lm.encoder.answer(4), prompted_lm.encoder.answer(5)];
    let rows = || prompted_lm.rows(&prompts, None, &|_| unreachable!("no vectors"));
    let (loss, count) = prompted_lm.loss(&prompts, &answers, rows(), false);
    assert_eq!(count as usize, answers[0].len() + answers[1].len());
    let continuations: Vec<Vec<Vec<u32>>> =
        answers.iter().map(|answer| vec![answer.clone()]).collect();
    let scores = lm.score(&rows(), &continuations);
    let expected = -(scores[0][0] + scores[1][0]) / count as f64;
    assert!((loss.double_value(&[]) - expected).abs() < 1e-4);
    let (_, whole) = prompted_lm.loss(&prompts, &answers, rows(), true);
    let prompt_tokens: usize = prompts.iter().map(|prompt| prompt.len() - 1).sum();
    assert_eq!(whole as usize, count as usize + prompt_tokens);
}

#[test]
fn a_prompt_that_is_too_long_tells_less_history_and_is_counted() {
    let prompted_lm = prompted_lm(NEITHER);
    let all = prompted_lm
        .encoder
        .prompt(&[1, 2], &[4, 5], 9)
        .unwrap()
        .len();
    let needs = 256 - all + 1;
    let shorter = prompted_lm.encoder.prompt(&[1, 2], &[4, 5], needs).unwrap();
    assert_eq!(
        shorter,
        prompted_lm.encoder.prompt(&[2], &[4, 5], 9).unwrap()
    );
    let mut events = Vec::new();
    prompted_lm.encoder.report(&mut |event| events.push(event));
    let counted = events.iter().any(|event| {
        matches!(event, Event::Counted(counted) if counted.what.contains("shortened") && counted.count == 1)
    });
    assert!(counted, "{events:?}");
    let error = prompted_lm
        .encoder
        .prompt(&[1, 2], &[4, 5], 250)
        .unwrap_err();
    assert!(error.to_string().contains("256 positions"), "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn titles_are_cut_to_the_bound_of_tokens() {
    let mut settings = prompt();
    settings.title_tokens = 1;
    let prompted_lm = PromptedLm::new(loaded(false), &data(), &settings, NEITHER, needs(4));
    assert!(prompted_lm.encoder.titles().cut > 0);
    assert!(
        prompted_lm
            .encoder
            .titles()
            .iter()
            .all(|title| prompted_lm.encoder.tokenize(title).len() <= 1)
    );
}

#[test]
fn titles_are_cut_no_further_than_the_positions_ask_for() {
    let mut data = data();
    data.items[0].title = Some("red ".repeat(400));
    data.items[1].title = Some("red ".repeat(20));
    let prompted_lm = PromptedLm::new(loaded(false), &data, &prompt(), BOTH, needs(4));
    let titles = prompted_lm.encoder.titles();
    assert_eq!((titles.fitted, titles.cut), (1, 0));
    let length = |item| prompted_lm.encoder.tokenize(titles.of(item)).len();
    let others = [2, 3, 4];
    let prompt = prompted_lm
        .encoder
        .prompt(&[], &[1, 2, 3, 4], prompted_lm.encoder.answer(1).len())
        .unwrap();
    let left = 256 - prompt.len() - prompted_lm.encoder.answer(1).len();
    // One token more is in the prompt and in the answer.
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
    let mut settings = prompt();
    // Three bytes a character, and no token holds two of them.
    settings.title_tokens = 4;
    let prompted_lm = PromptedLm::new(loaded(false), &data, &settings, NEITHER, needs(4));
    assert_eq!(prompted_lm.encoder.titles().of(1), "\u{5c71}");
}

#[test]
fn titles_leave_room_for_the_candidates_and_the_answer_that_are_asked_for() {
    let mut data = data();
    for item in &mut data.items {
        item.title = Some("red ".repeat(60));
    }
    for (candidates, answer) in [(4, 0), (4, 60), (6, 0)] {
        let needs = ContextNeeds::List { candidates, answer };
        let prompted_lm = PromptedLm::new(loaded(false), &data, &prompt(), NEITHER, needs);
        let items: Vec<u32> = (1..=candidates as u32).collect();
        let needed = answer.max(prompted_lm.encoder.answer(1).len());
        let prompt = prompted_lm.encoder.prompt(&[], &items, needed).unwrap();
        assert!(prompt.len() + needed <= 256);
        assert!(prompted_lm.encoder.titles().fitted > 0);
    }
}

#[test]
fn a_question_about_one_title_needs_room_for_one() {
    let mut data = data();
    for item in &mut data.items {
        item.title = Some("red ".repeat(60));
    }
    let cut = |needs| {
        let prompted_lm = PromptedLm::new(loaded(false), &data, &prompt(), NEITHER, needs);
        prompted_lm.encoder.titles().fitted
    };
    assert_eq!((cut(needs(4)), cut(ContextNeeds::YesNo)), (12, 0));
}

#[test]
fn yes_and_no_begin_with_different_tokens() {
    let prompted_lm = prompted_lm(NEITHER);
    let both = [prompt::YES, prompt::NO].map(|word| prompted_lm.encoder.tokenize(word)[0]);
    assert_ne!(both[0], both[1]);
    assert_eq!(prompted_lm.encoder.yes_and_no().unwrap(), both);
}

#[test]
fn the_committed_small_model_opens_and_one_with_layers_left_over_is_refused_with_its_folder() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/small-lm");
    let holding = Holding::frozen(Kind::Float, Device::Cpu);
    let open = |folder: &Path| LoadedLm::read(folder, holding);
    assert!(open(&folder).unwrap().params() > 0);
    let changed = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(&folder).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), changed.path().join(file.file_name())).unwrap();
    }
    let path = changed.path().join("config.json");
    let config = std::fs::read_to_string(&path).unwrap();
    let place = changed.path().display().to_string();
    for (from, to, message) in [
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
            refusal.contains(&place) && refusal.contains(message) && refusal.contains("same model"),
            "{refusal}"
        );
    }
}

/// A model of random weights with the tokenizer of a fixture of `tests/fixtures/folders.py`.
fn opened_with(name: &str) -> Result<LoadedLm, PromptedLmError> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/folders/tokenizers")
        .join(name);
    let tokenizer = Tokenizer::open(&folder).unwrap();
    let config = LmConfig::opt(tokenizer.vocab_size() as i64, 16, 1, 2, 512);
    let lm = Lm::random(config, Holding::frozen(Kind::Float, Device::Cpu));
    LoadedLm::with(lm, tokenizer, &folder)
}

/// A prompt in an own template, in the tokens' names and `|` for vectors.
fn named(name: &str, template: &str) -> String {
    let mut settings = prompt();
    settings.template = template.to_owned();
    let prompted_lm = PromptedLm::new(
        opened_with(name).unwrap(),
        &data(),
        &settings,
        BOTH,
        needs(4),
    );
    let slots = prompted_lm.encoder.prompt(&[1], &[4, 5], 5).unwrap();
    let names = slots.iter().map(|slot| match slot {
        Slot::Token(token) => prompted_lm.loaded.tokenizer.decode_whole(&[*token]),
        Slot::User | Slot::Item(_) => "|".to_owned(),
    });
    names.collect::<Vec<_>>().join("")
}

#[test]
fn a_prompt_begins_with_what_its_tokenizer_puts_in_front_and_with_nothing_else() {
    for (name, front) in [
        ("smollm2", ""),
        ("qwen2", ""),
        ("opt-no-front", ""),
        ("opt", "</s>"),
        ("llama-3", "<|begin_of_text|>"),
    ] {
        let prompt = named(name, "Next to {history}: {candidates}");
        assert!(
            prompt.starts_with(&format!("{front}Next")),
            "{name}: {prompt}"
        );
    }
    let prompt = named("opt", "{user}Next to {history}: {candidates}");
    assert!(prompt.starts_with("|</s> is a user"), "{prompt}");
}

#[test]
fn only_the_first_text_of_a_prompt_gets_the_blank_of_metaspace_first() {
    let count = |name: &str, text: &str| {
        let mut settings = prompt();
        settings.template = "{history}{candidates}".to_owned();
        let prompted_lm = PromptedLm::new(
            opened_with(name).unwrap(),
            &data(),
            &settings,
            BOTH,
            needs(4),
        );
        let slots = prompted_lm.encoder.prompt(&[1], &[4, 5], 5).unwrap();
        let token = prompted_lm.loaded.tokenizer.id_of(text).unwrap();
        slots
            .iter()
            .filter(|slot| **slot == Slot::Token(token))
            .count()
    };
    // `"..."|"..."|,"..."|`: every text between vectors begins with a blank but where the scheme
    // says the first alone.
    let [first, always] =
        ["metaspace-first", "metaspace-always"].map(|name| count(name, "\u{2581}"));
    assert!(first < always, "{first} and {always}");
}

#[test]
fn a_tokenizer_that_ends_every_text_is_refused() {
    let error = opened_with("opt-back").unwrap_err();
    let text = error.to_string();
    assert!(text.contains("ends every text with `</s>`"), "{text}");
    assert!(error.hint().unwrap().contains("`add_eos_token`"));
}

/// An encoder of prompts with this template, and with `blank` as their final blank.
fn encoder(name: &str, template: &str, blank: FinalBlank) -> PromptEncoder {
    let mut settings = prompt();
    settings.template = template.to_owned();
    settings.final_blank = blank;
    let loaded = opened_with(name).unwrap();
    PromptedLm::new(loaded, &data(), &settings, NEITHER, needs(4)).encoder
}

#[test]
fn a_lone_blank_is_tokenized_with_the_answer_except_in_opts_own_words() {
    let template = "{history} {candidates}. The next is ";
    let texts = |name: &str, template: &str, blank: FinalBlank| {
        let encoder = encoder(name, template, blank);
        let prompt = encoder.prompt(&[1], &[4, 5], 5).unwrap();
        let prompt: Vec<u32> = prompt
            .iter()
            .map(|slot| match slot {
                Slot::Token(token) => *token,
                Slot::User | Slot::Item(_) => panic!("no vectors"),
            })
            .collect();
        let text = |tokens: &[u32]| opened_with(name).unwrap().tokenizer.decode(tokens);
        (text(&prompt), text(&encoder.answer(5)))
    };
    for blank in [FinalBlank::Auto, FinalBlank::Answer] {
        let (prompt, answer) = texts("opt", template, blank);
        assert!(
            prompt.ends_with("next is") && answer.starts_with(" \""),
            "{prompt}{answer}"
        );
    }
    let (prompt, answer) = texts("opt", template, FinalBlank::Prompt);
    assert!(
        prompt.ends_with("next is ") && answer.starts_with('"'),
        "{prompt}{answer}"
    );
    let (prompt, answer) = texts("opt", "", FinalBlank::Auto);
    assert!(
        prompt.ends_with("is ") && answer.starts_with('"'),
        "{prompt}{answer}"
    );
}

#[test]
fn yes_and_no_are_the_tokens_that_continue_the_prompt() {
    for name in ["llama-2", "metaspace-first", "prepend"] {
        let prompted_lm = PromptedLm::new(
            opened_with(name).unwrap(),
            &data(),
            &prompt(),
            NEITHER,
            ContextNeeds::YesNo,
        );
        let [yes, no] = prompted_lm.encoder.yes_and_no().unwrap();
        let answer = prompted_lm.encoder.yes_or_no(true);
        assert!(answer[0] == yes && prompted_lm.encoder.yes_or_no(false)[0] == no && yes != no);
        // As a separate text the word would begin with a blank, the same for both.
        let apart = [prompt::YES, prompt::NO].map(|word| prompted_lm.encoder.tokenize(word)[0]);
        assert_ne!(apart[0], yes, "{name}");
        let line = prompted_lm.loaded.tokenizer.encode_later("\nYes.");
        assert!(line.ends_with(&answer[..answer.len() - 1]), "{name}");
        assert_eq!(answer.last(), Some(&prompted_lm.loaded.ends[0]));
    }
}

#[test]
fn an_adapter_in_a_models_folder_is_merged_and_remarked() {
    let folder = tempfile::tempdir().unwrap();
    let small = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/small-lm");
    for file in std::fs::read_dir(&small).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
    }
    let holding = Holding::frozen(Kind::Float, Device::Cpu);
    let plain = LoadedLm::read(folder.path(), holding).unwrap();
    assert!(plain.remarks.is_empty(), "{:?}", plain.remarks);
    let config = r#"{"peft_type": "LORA", "r": 1, "lora_alpha": 2, "target_modules": ".*layers\\.0\\.self_attn\\.q_proj", "bias": "none"}"#;
    std::fs::write(folder.path().join("adapter_config.json"), config).unwrap();
    let one = |name: &str, shape: [i64; 2]| {
        let name =
            format!("base_model.model.model.decoder.layers.0.self_attn.q_proj.{name}.weight");
        (name, Tensor::ones(shape, (Kind::Float, Device::Cpu)))
    };
    let updates = [one("lora_A", [1, 128]), one("lora_B", [128, 1])];
    let path = folder.path().join("adapter_model.safetensors");
    crate::models::weights::write(&path, &updates).unwrap();
    let merged = LoadedLm::read(folder.path(), holding).unwrap();
    assert!(merged.remarks[0].contains("LoRA adapter of rank 1 is merged into 1 layers"));
    let weight = |loaded: &LoadedLm| {
        let weights = loaded.lm.weights().into_iter();
        let mut named =
            weights.filter(|(name, _)| name.ends_with("layers.0.self_attn.q_proj.weight"));
        named.next().unwrap().1
    };
    let moved = weight(&merged) - weight(&plain) - 2.0;
    assert!(moved.abs().max().double_value(&[]) < 1e-5);
}
