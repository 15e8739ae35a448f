//! Decoders against transformers and peft, on tiny random models that `tests/fixtures/llm.py` wrote.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use super::*;
use crate::models::weights;
use crate::torch_ext::adam::{AdamSettings, AdamTensors, fused_adam};

const SHAPES: [&str; 4] = ["opt", "opt-350m", "llama", "llama-tied"];

/// A fixture: the model, and what transformers made of it.
struct Fixture {
    lm: Lm,
    known: BTreeMap<String, Tensor>,
}

impl Fixture {
    fn with(name: &'static str, holding: Holding) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(format!("tests/fixtures/llm/{name}.safetensors"));
        let (known, notes) = weights::read(&path).unwrap();
        let value = serde_json::from_str(&notes["config"]).unwrap();
        let config = LmConfig::read(Path::new("config.json"), &value).unwrap();
        let lm = Lm::from_weights(config, &known, holding).unwrap();
        Self { lm, known }
    }

    fn open(name: &'static str) -> Self {
        Self::with(name, Holding::frozen(Kind::Float, Device::Cpu))
    }

    fn rows(&self) -> Vec<Tensor> {
        (0..3)
            .map(|row| self.known[&format!("row.{row}")].copy())
            .collect()
    }

    fn continuations(&self) -> Vec<Vec<Vec<u32>>> {
        let of = |row, number| whole(&self.known[&format!("continuation.{row}.{number}")]);
        (0..3)
            .map(|row| (0..3).map(|number| of(row, number)).collect())
            .collect()
    }

    /// transformers' answers, one a row, without the end of text.
    fn answers(&self, name: &str) -> Vec<Vec<u32>> {
        let answers = &self.known[&format!("answers.{name}")];
        (0..3)
            .map(|row| ended(&Vec::<i64>::try_from(answers.get(row)).unwrap()))
            .collect()
    }
}

fn ended(ids: &[i64]) -> Vec<u32> {
    ids.iter()
        .take_while(|&&id| id != 2 && id != -1)
        .map(|&id| id as u32)
        .collect()
}

fn whole(tensor: &Tensor) -> Vec<u32> {
    Vec::<i64>::try_from(tensor)
        .unwrap()
        .into_iter()
        .map(|id| id as u32)
        .collect()
}

fn all(rows: &[Tensor]) -> Vec<Range<usize>> {
    rows.iter().map(|row| 0..row.size()[0] as usize).collect()
}

fn far(left: &Tensor, right: &Tensor) -> f64 {
    assert_eq!(left.size(), right.size());
    f64::try_from((left - right).abs().max()).unwrap()
}

fn greedy(penalty: f64) -> Generation {
    Generation {
        max_new_tokens: 16,
        min_new_tokens: 0,
        repetition_penalty: penalty,
        penalise_eos_from_start: false,
        eos: 2,
        stop_after: None,
    }
}

#[test]
fn logits_equal_those_of_transformers() {
    for name in SHAPES {
        let fixture = Fixture::open(name);
        let rows = fixture.rows();
        let logits = fixture.lm.logits(&fixture.lm.hidden(&rows, &all(&rows)));
        let known: Vec<Tensor> = (0..3)
            .map(|row| fixture.known[&format!("logits.{row}")].copy())
            .collect();
        let distance = far(&logits, &Tensor::cat(&known, 0));
        assert!(distance < 1e-4, "{name}: {distance}");
    }
}

#[test]
fn states_of_some_places_are_those_of_all_places() {
    for name in SHAPES {
        let Fixture { lm, .. } = Fixture::open(name);
        let width = lm.width();
        for lengths in [[7, 12, 5], [12, 12, 12], [20, 3, 1]] {
            tch::manual_seed(3);
            let rows =
                lengths.map(|length| Tensor::randn([length, width], (Kind::Float, Device::Cpu)));
            let wanted = [2..5, 0..0, 0..1].map(|range: Range<usize>| range);
            let some = lm.hidden(&rows, &wanted);
            let full = lm.hidden(&rows, &all(&rows));
            let places =
                Tensor::from_slice(&chosen(&lengths.map(|length| length as usize), &wanted));
            assert!(far(&some, &full.index_select(0, &places)) < 1e-5, "{name}");
        }
    }
}

#[test]
fn a_row_is_the_same_alone_and_among_others_long_or_short() {
    for name in SHAPES {
        let Fixture { lm, .. } = Fixture::open(name);
        tch::manual_seed(4);
        let rows: Vec<Tensor> = [9, 30, 14]
            .iter()
            .map(|&length| Tensor::randn([length, lm.width()], (Kind::Float, Device::Cpu)))
            .collect();
        let together = lm.hidden(&rows, &all(&rows));
        let alone: Vec<Tensor> = rows
            .iter()
            .map(|row| {
                let row = [row.shallow_clone()];
                lm.hidden(&row, &all(&row))
            })
            .collect();
        assert!(far(&together, &Tensor::cat(&alone, 0)) < 1e-5, "{name}");
    }
}

#[test]
fn greedy_answers_of_a_batch_equal_those_of_transformers() {
    for name in SHAPES {
        let fixture = Fixture::open(name);
        let rows = fixture.rows();
        let cases = [
            ("plain", greedy(1.0)),
            ("penalty", greedy(1.5)),
            (
                "at_least_eight",
                Generation {
                    min_new_tokens: 8,
                    ..greedy(1.0)
                },
            ),
            (
                "seeded",
                Generation {
                    penalise_eos_from_start: true,
                    ..greedy(1.5)
                },
            ),
        ];
        for (case, settings) in cases {
            let answers = fixture.lm.generate(&rows, &settings, None);
            assert_eq!(answers, fixture.answers(case), "{name}, {case}");
            for (row, answer) in rows.iter().zip(&answers) {
                let alone = fixture.lm.generate(&[row.shallow_clone()], &settings, None);
                assert_eq!(&alone[0], answer, "{name}, {case}, alone");
            }
        }
    }
}

#[test]
fn decoding_from_the_cache_equals_reading_everything_again() {
    for name in SHAPES {
        let fixture = Fixture::open(name);
        let row = fixture.rows().remove(1);
        let mut text = row.shallow_clone();
        let mut again = Vec::new();
        while again.len() < 16 {
            let last = text.size()[0] as usize - 1;
            let hidden = fixture
                .lm
                .hidden(&[text.shallow_clone()], &[last..last + 1]);
            let next = fixture.lm.logits(&hidden).argmax(-1, false);
            again.push(i64::try_from(&next).unwrap());
            text = Tensor::cat(&[text, fixture.lm.embed(&next)], 0);
        }
        let answer = fixture.lm.generate(&[row], &greedy(1.0), None);
        assert_eq!(answer[0], ended(&again), "{name}");
    }
}

#[test]
fn scores_equal_the_likelihoods_of_full_passes() {
    for name in SHAPES {
        let fixture = Fixture::open(name);
        let mut continuations = fixture.continuations();
        // A shared beginning, a beginning that is a continuation of its own, and one that is empty.
        let four = continuations[0][1].clone();
        continuations[0][2].splice(..4, four);
        let beginning = continuations[0][2][..3].to_vec();
        continuations[0].extend([beginning, Vec::new()]);
        let rows = fixture.rows();
        let scores = fixture.lm.score(&rows, &continuations);
        for (number, row) in rows.iter().enumerate() {
            for (sequence, score) in continuations[number].iter().zip(&scores[number]) {
                assert!(
                    (score - plain_score(&fixture.lm, row, sequence)).abs() < 1e-4,
                    "{name}"
                );
            }
            for other in 0..2 {
                let known =
                    fixture.known[&format!("likelihood.{number}.{other}")].double_value(&[]);
                assert!((scores[number][other] - known).abs() < 1e-4, "{name}");
            }
        }
        assert_eq!(scores[0][4], 0.0);
    }
}

/// One pass over the row and the sequence.
fn plain_score(lm: &Lm, row: &Tensor, sequence: &[u32]) -> f64 {
    let ids: Vec<i64> = sequence.iter().map(|&id| i64::from(id)).collect();
    let ids = Tensor::from_slice(&ids);
    let text = [Tensor::cat(&[row.shallow_clone(), lm.embed(&ids)], 0)];
    let start = row.size()[0] as usize - 1;
    let hidden = lm.hidden(&text, &[start..start + sequence.len()]);
    let logs = lm.logits(&hidden).log_softmax(-1, Kind::Double);
    logs.gather(1, &ids.unsqueeze(1), false)
        .sum(Kind::Double)
        .double_value(&[])
}

#[test]
fn constrained_answers_follow_the_likeliest_branch_to_a_whole_sequence() {
    let fixture = Fixture::open("opt");
    let sequences = fixture.continuations();
    let tries: Vec<Trie> = sequences
        .iter()
        .map(|row| Trie::new(row.iter().map(Vec::as_slice)))
        .collect();
    let rows = fixture.rows();
    let answers = fixture.lm.generate(&rows, &greedy(1.0), Some(&tries));
    for (row, answer) in answers.iter().enumerate() {
        assert!(sequences[row].contains(answer), "{answer:?}");
        // The first tokens of these sequences differ, so the likeliest first token decides.
        let last = rows[row].size()[0] as usize - 1;
        let hidden = fixture
            .lm
            .hidden(&[rows[row].shallow_clone()], &[last..last + 1]);
        let logits = fixture.lm.logits(&hidden);
        let likelihood = |sequence: &Vec<u32>| logits.double_value(&[0, i64::from(sequence[0])]);
        let best = sequences[row]
            .iter()
            .max_by(|a, b| likelihood(a).total_cmp(&likelihood(b)));
        assert_eq!(best, Some(answer));
    }
}

#[test]
fn an_answer_ends_behind_its_closing_quote() {
    let fixture = Fixture::open("llama");
    let rows = fixture.rows();
    let plain = fixture.lm.generate(&rows, &greedy(1.0), None);
    let mut quotes = vec![0u8; 40];
    for token in [plain[0][1], plain[0][4]] {
        quotes[token as usize] = 1;
    }
    let settings = Generation {
        stop_after: Some(QuoteRule {
            quotes: Rc::from(quotes),
        }),
        ..greedy(1.0)
    };
    let short = fixture.lm.generate(&rows, &settings, None);
    assert_eq!(short[0], plain[0][..5]);
}

#[test]
fn frozen_weights_get_no_gradient_and_input_vectors_do() {
    for name in SHAPES {
        let fixture = Fixture::open(name);
        let rows: Vec<Tensor> = fixture
            .rows()
            .into_iter()
            .map(|row| row.set_requires_grad(true))
            .collect();
        let wanted = [3..5, 2..3, 4..5].map(|range: Range<usize>| range);
        fixture
            .lm
            .logits(&fixture.lm.hidden(&rows, &wanted))
            .square()
            .sum(Kind::Float)
            .backward();
        assert!(
            fixture
                .lm
                .weights()
                .iter()
                .all(|(_, weight)| !weight.grad().defined())
        );
        let gradient = rows[0]
            .grad()
            .abs()
            .sum_dim_intlist([1].as_slice(), false, Kind::Float);
        let gradient = Vec::<f32>::try_from(gradient).unwrap();
        let felt: Vec<bool> = gradient.iter().map(|&size| size > 0.0).collect();
        assert_eq!(
            felt,
            [true, true, true, true, true, false, false],
            "{name}: the future is not seen"
        );
    }
}

#[test]
fn all_weights_of_a_trainable_model_get_gradients() {
    let holding = Holding {
        trainable: true,
        ..Holding::frozen(Kind::Float, Device::Cpu)
    };
    let fixture = Fixture::with("opt-350m", holding);
    let rows: Vec<Tensor> = (0..2)
        .map(|_| fixture.lm.embed(&Tensor::from_slice(&[5i64, 6, 7])))
        .collect();
    fixture
        .lm
        .logits(&fixture.lm.hidden(&rows, &all(&rows)))
        .square()
        .sum(Kind::Float)
        .backward();
    let trained = fixture.lm.trained();
    assert_eq!(trained.len(), fixture.lm.weights().len());
    assert!(trained.iter().all(|(_, weight)| weight.grad().defined()));
}

/// The fixture's adapters in the model, with the weights that peft's had.
fn adapted(holding: Holding) -> Fixture {
    let mut fixture = Fixture::with("opt", holding);
    let settings = LoraSettings {
        rank: 3,
        alpha: 6.0,
        dropout: 0.0,
        targets: vec!["q_proj".to_owned(), "fc1".to_owned()],
    };
    fixture.lm.add_lora(&settings).unwrap();
    let trained = fixture.lm.trained();
    assert_eq!(
        trained.len(),
        fixture
            .known
            .keys()
            .filter(|name| name.starts_with("lora.start."))
            .count()
    );
    tch::no_grad(|| {
        for (name, mut weight) in trained {
            weight.copy_(&fixture.known[&format!("lora.start.{name}")]);
        }
    });
    fixture
}

#[test]
fn adapters_equal_those_of_peft_in_logits_gradients_and_a_step() {
    let fixture = adapted(Holding::frozen(Kind::Float, Device::Cpu));
    let rows = [fixture.rows().remove(1)];
    let logits = fixture.lm.logits(&fixture.lm.hidden(&rows, &all(&rows)));
    assert!(far(&logits, &fixture.known["lora.logits"]) < 1e-4);

    let loss = logits
        .narrow(0, 9, 3)
        .cross_entropy_for_logits(&fixture.known["lora.targets"]);
    loss.backward();
    let mut tensors = AdamTensors::default();
    for (name, weight) in fixture.lm.trained() {
        assert!(
            far(
                &weight.grad(),
                &fixture.known[&format!("lora.gradient.{name}")]
            ) < 1e-5,
            "{name}"
        );
        tensors.gradients.push(weight.grad());
        tensors.first.push(weight.zeros_like());
        tensors.second.push(weight.zeros_like());
        tensors.steps.push(Tensor::from(1f32));
        tensors.weights.push(weight);
    }
    let settings = AdamSettings {
        lr: 0.01,
        betas: [0.9, 0.999],
        weight_decay: 0.1,
        eps: 1e-8,
        decoupled: true,
    };
    tch::no_grad(|| fused_adam(&tensors, settings));
    for (name, weight) in fixture.lm.trained() {
        assert!(
            far(&weight, &fixture.known[&format!("lora.stepped.{name}")]) < 1e-5,
            "{name}"
        );
    }
}

#[test]
fn new_adapters_change_nothing_and_drop_out_only_in_training() {
    let mut fixture = Fixture::open("llama");
    let rows = fixture.rows();
    let before = fixture.lm.hidden(&rows, &all(&rows));
    let settings = LoraSettings {
        rank: 2,
        alpha: 4.0,
        dropout: 0.5,
        targets: vec!["v_proj".to_owned()],
    };
    fixture.lm.add_lora(&settings).unwrap();
    assert_eq!(far(&before, &fixture.lm.hidden(&rows, &all(&rows))), 0.0);
    tch::no_grad(|| {
        fixture
            .lm
            .trained()
            .into_iter()
            .for_each(|(_, mut weight)| {
                let _ = weight.fill_(0.3);
            })
    });
    let calm = fixture.lm.hidden(&rows, &all(&rows));
    assert_eq!(far(&calm, &fixture.lm.hidden(&rows, &all(&rows))), 0.0);
    fixture.lm.set_train(true);
    assert!(far(&calm, &fixture.lm.hidden(&rows, &all(&rows))) > 0.0);
}

#[test]
fn a_target_that_is_no_module_is_refused_with_the_names_there_are() {
    let mut lm = Fixture::open("opt").lm;
    let settings = LoraSettings {
        rank: 2,
        alpha: 4.0,
        dropout: 0.0,
        targets: vec!["c_attn".to_owned()],
    };
    let error = lm.add_lora(&settings).unwrap_err().to_string();
    assert_eq!(
        error,
        "no module is called `c_attn`; adapters can stand at q_proj, k_proj, v_proj, out_proj, fc1, fc2"
    );
}

#[test]
fn eight_bit_weights_are_close_and_carry_the_gradient_of_what_is_computed() {
    let exact = Fixture::open("llama");
    let rounded = Fixture::with(
        "llama",
        Holding {
            int8: true,
            ..Holding::frozen(Kind::Float, Device::Cpu)
        },
    );
    let rows: Vec<Tensor> = exact
        .rows()
        .into_iter()
        .map(|row| row.set_requires_grad(true))
        .collect();
    let logits = |lm: &Lm| lm.logits(&lm.hidden(&rows, &all(&rows)));
    let (plain, eight) = (logits(&exact.lm), logits(&rounded.lm));
    let spread = f64::try_from(plain.std(true)).unwrap();
    assert!(
        far(&plain, &eight) < 0.5 * spread,
        "{} of {spread}",
        far(&plain, &eight)
    );
    assert!(far(&plain, &eight) > 0.0);

    // The model whose matrices are what the eight bits say computes the same, forwards and backwards.
    let widened: BTreeMap<String, Tensor> = rounded.lm.weights().into_iter().collect();
    let same = Lm::from_weights(
        rounded.lm.config().clone(),
        &widened,
        Holding::frozen(Kind::Float, Device::Cpu),
    )
    .unwrap();
    assert!(far(&logits(&same), &eight) < 1e-4);
    let gradient = |logits: Tensor| {
        let mut all =
            Tensor::run_backward(&[logits.square().sum(Kind::Float)], &rows, false, false);
        all.remove(1)
    };
    assert!(far(&gradient(logits(&same)), &gradient(eight)) < 1e-2);
}

#[test]
fn half_precision_is_close_to_single() {
    for name in SHAPES {
        let exact = Fixture::open(name);
        let half = Fixture::with(name, Holding::frozen(Kind::BFloat16, Device::Cpu));
        let rows = exact.rows();
        let (plain, near) = (
            exact.lm.hidden(&rows, &all(&rows)),
            half.lm.hidden(&rows, &all(&rows)),
        );
        assert_eq!(near.kind(), Kind::BFloat16);
        let away = f64::try_from((&plain - near).square().mean(Kind::Float).sqrt()).unwrap();
        assert!(
            away < 0.1 * f64::try_from(plain.std(true)).unwrap(),
            "{name}: {away}"
        );
        assert_eq!(half.lm.score(&rows, &exact.continuations()).len(), 3);
    }
}

#[test]
fn wrong_weights_are_refused_by_name() {
    let Fixture { lm, mut known, .. } = Fixture::open("opt");
    let open = |known: &BTreeMap<String, Tensor>| {
        Lm::from_weights(
            lm.config().clone(),
            known,
            Holding::frozen(Kind::Float, Device::Cpu),
        )
        .unwrap_err()
        .to_string()
    };
    let name = "model.decoder.layers.1.fc1.weight";
    let weight = known.remove(name).unwrap();
    let error = open(&known);
    assert!(
        error.starts_with(&format!("tensor `{name}`: not among ")),
        "{error}"
    );
    assert!(error.ends_with("expected one of shape [24, 16]"), "{error}");
    known.insert(name.to_owned(), weight.transpose(0, 1));
    assert_eq!(
        open(&known),
        format!("tensor `{name}` has shape [16, 24]; expected [24, 16] by `config.json`")
    );
}

#[test]
fn published_opt_files_without_the_first_name_are_read_too() {
    let Fixture { lm, known, .. } = Fixture::open("opt");
    let short: BTreeMap<String, Tensor> = known
        .into_iter()
        .map(|(name, tensor)| {
            (
                name.strip_prefix("model.").unwrap_or(&name).to_owned(),
                tensor,
            )
        })
        .collect();
    let again = Lm::from_weights(
        lm.config().clone(),
        &short,
        Holding::frozen(Kind::Float, Device::Cpu),
    )
    .unwrap();
    assert_eq!(again.weights()[0].0, "model.decoder.embed_tokens.weight");
    assert_eq!(far(&again.weights()[3].1, &lm.weights()[3].1), 0.0);
}

#[test]
fn long_rows_which_are_never_padded_see_what_short_ones_see() {
    tch::manual_seed(6);
    let config = LmConfig::opt(40, 16, 2, 2, 256);
    let lm = Lm::random(config, Holding::frozen(Kind::Float, Device::Cpu));
    let random = |&length: &i64| Tensor::randn([length, 16], (Kind::Float, Device::Cpu));
    let long: Vec<Tensor> = [130, 90, 200].iter().map(random).collect();
    let wanted = [126..130, 0..3, 199..200].map(|range: Range<usize>| range);
    let together = lm.hidden(&long, &wanted);
    for (number, (row, wanted)) in long.iter().zip(&wanted).enumerate() {
        // Among many short rows the mean is short, and the same row is padded with them.
        let mut rows = vec![row.shallow_clone()];
        rows.extend((0..9).map(|_| random(&2)));
        let mut places = vec![wanted.clone()];
        places.extend((0..9).map(|_| 0..0));
        let start = [0, 4, 7][number];
        let own = together.narrow(0, start, wanted.len() as i64);
        assert!(far(&own, &lm.hidden(&rows, &places)) < 1e-5);
    }
}
