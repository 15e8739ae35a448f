//! Decoders against transformers and peft, on tiny random models that `tests/fixtures/llm.py`
//! wrote.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use super::*;
use crate::hf::checkpoint::Checkpoint;
use crate::models::weights;

mod families;
mod flops;
mod holding;

const SHAPES: [&str; 8] = [
    "opt",
    "opt-350m",
    "llama",
    "llama-tied",
    "mistral",
    "qwen2",
    "qwen3",
    "gemma3",
];

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

    /// transformers' answers, one a row, without the token that ends each, which is one of `ends`.
    fn answers(&self, name: &str, ends: &[u32]) -> Vec<Vec<u32>> {
        let answers = &self.known[&format!("answers.{name}")];
        (0..3)
            .map(|row| ended(&Vec::<i64>::try_from(answers.get(row)).unwrap(), ends))
            .collect()
    }
}

fn ended(ids: &[i64], ends: &[u32]) -> Vec<u32> {
    ids.iter()
        .map_while(|&id| u32::try_from(id).ok())
        .take_while(|id| !ends.contains(id))
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

/// What is wanted of the only row.
fn only(wanted: Range<usize>) -> [Range<usize>; 1] {
    [wanted]
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
        ends: vec![2],
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
fn a_folder_of_sharded_pytorch_files_is_the_same_model() {
    let fixture = Fixture::open("opt");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/llm/opt-sharded-bin");
    let weights = Checkpoint::open(&folder).unwrap();
    let config = LmConfig::open(&folder).unwrap();
    let lm = Lm::from_weights(config, &weights, Holding::frozen(Kind::Float, Device::Cpu)).unwrap();
    let rows = fixture.rows();
    let logits = |lm: &Lm| lm.logits(&lm.hidden(&rows, &all(&rows)));
    assert_eq!(logits(&lm), logits(&fixture.lm));
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
                "two_ends",
                Generation {
                    ends: whole(&fixture.known["ends"]),
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
            let answers = fixture.lm.generate(&rows, &settings, None).unwrap();
            let known = fixture.answers(case, &settings.ends);
            assert_eq!(answers, known, "{name}, {case}");
            for (row, answer) in rows.iter().zip(&answers) {
                let alone = fixture
                    .lm
                    .generate(&[row.shallow_clone()], &settings, None)
                    .unwrap();
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
                .hidden(&[text.shallow_clone()], &only(last..last + 1));
            let next = fixture.lm.logits(&hidden).argmax(-1, false);
            again.push(i64::try_from(&next).unwrap());
            text = Tensor::cat(&[text, fixture.lm.embed(&next)], 0);
        }
        let answer = fixture.lm.generate(&[row], &greedy(1.0), None).unwrap();
        assert_eq!(answer[0], ended(&again, &[2]), "{name}");
    }
}

#[test]
fn scores_equal_the_likelihoods_of_full_passes() {
    for name in SHAPES {
        let fixture = Fixture::open(name);
        let mut continuations = fixture.continuations();
        // A shared beginning, a beginning that is also a continuation, and an empty one.
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
            for (other, score) in scores[number].iter().take(2).enumerate() {
                let known = &fixture.known[&format!("likelihood.{number}.{other}")];
                assert!((score - known.double_value(&[])).abs() < 1e-4, "{name}");
            }
        }
        assert_eq!(scores[0][4], 0.0);
    }
}

#[test]
fn scores_with_gradient_are_those_scores_and_follow_the_rows_as_full_passes_do() {
    for name in SHAPES {
        let fixture = Fixture::open(name);
        let continuations = fixture.continuations();
        let rows = fixture.rows();
        let expected: Vec<f64> = fixture.lm.score(&rows, &continuations).concat();
        let trained = |rows: &[Tensor]| -> Vec<Tensor> {
            let rows = rows.iter().map(|row| row.detach().copy());
            rows.map(|row| row.set_requires_grad(true)).collect()
        };
        let branched = trained(&rows);
        let scores = fixture.lm.score_with_gradient(&branched, &continuations);
        for (score, expected) in Vec::<f64>::try_from(&scores).unwrap().iter().zip(&expected) {
            assert!((score - expected).abs() < 1e-4, "{name}");
        }
        scores.sum(Kind::Float).backward();
        let plain = trained(&rows);
        for (row, continuations) in plain.iter().zip(&continuations) {
            for sequence in continuations {
                plain_sum(&fixture.lm, row, sequence).backward();
            }
        }
        for (one, other) in branched.iter().zip(&plain) {
            let away = (one.grad() - other.grad()).abs().max().double_value(&[]);
            let scale = other.grad().abs().max().double_value(&[]);
            assert!(away < 1e-4 * scale.max(1.0), "{name}: {away} of {scale}");
        }
    }
}

/// One pass over the row and the sequence.
fn plain_score(lm: &Lm, row: &Tensor, sequence: &[u32]) -> f64 {
    plain_sum(lm, row, sequence).double_value(&[])
}

fn plain_sum(lm: &Lm, row: &Tensor, sequence: &[u32]) -> Tensor {
    let ids: Vec<i64> = sequence.iter().map(|&id| i64::from(id)).collect();
    let ids = Tensor::from_slice(&ids);
    let text = [Tensor::cat(&[row.shallow_clone(), lm.embed(&ids)], 0)];
    let start = row.size()[0] as usize - 1;
    let hidden = lm.hidden(&text, &only(start..start + sequence.len()));
    let logs = lm.logits(&hidden).log_softmax(-1, Kind::Double);
    logs.gather(1, &ids.unsqueeze(1), false).sum(Kind::Double)
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
    let answers = fixture
        .lm
        .generate(&rows, &greedy(1.0), Some(&tries))
        .unwrap();
    for (row, answer) in answers.iter().enumerate() {
        assert!(sequences[row].contains(answer), "{answer:?}");
        // The first tokens of these sequences differ, so the likeliest first token decides.
        let last = rows[row].size()[0] as usize - 1;
        let hidden = fixture
            .lm
            .hidden(&[rows[row].shallow_clone()], &only(last..last + 1));
        let logits = fixture.lm.logits(&hidden);
        let likelihood = |sequence: &Vec<u32>| logits.double_value(&[0, i64::from(sequence[0])]);
        let best = sequences[row]
            .iter()
            .max_by(|a, b| likelihood(a).total_cmp(&likelihood(b)));
        assert_eq!(best, Some(answer));
    }
}

#[test]
fn a_row_whose_answer_fills_the_positions_waits_for_longer_answers() {
    for name in SHAPES {
        let Fixture { lm, .. } = Fixture::open(name);
        tch::manual_seed(6);
        let positions = lm.config().positions;
        let rows = [positions - 1, 5]
            .map(|length| Tensor::randn([length, lm.width()], (Kind::Float, Device::Cpu)));
        // One token has space after the first row; the second's only answer has eight.
        let answers = [vec![7], (7..15).collect::<Vec<u32>>()];
        let tries = answers.clone().map(|answer| Trie::new([&answer[..]]));
        let written = lm.generate(&rows, &greedy(1.0), Some(&tries)).unwrap();
        assert_eq!(written, answers, "{name}");
    }
}

#[test]
fn an_answer_ends_behind_its_closing_quote() {
    let fixture = Fixture::open("llama");
    let rows = fixture.rows();
    let plain = fixture.lm.generate(&rows, &greedy(1.0), None).unwrap();
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
    let short = fixture.lm.generate(&rows, &settings, None).unwrap();
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

#[test]
fn logits_that_are_no_numbers_end_an_answer_with_an_error() {
    let fixture = Fixture::open("opt");
    let mut rows = fixture.rows();
    rows[1] = rows[1].full_like(f64::NAN);
    let tries: Vec<Trie> = fixture
        .continuations()
        .iter()
        .map(|row| Trie::new(row.iter().map(Vec::as_slice)))
        .collect();
    for tries in [None, Some(tries.as_slice())] {
        let broken = fixture.lm.generate(&rows, &greedy(1.0), tries);
        assert_eq!(broken, Err(NotFinite { row: 1 }));
        let alone = fixture.lm.generate(&rows[..1], &greedy(1.0), tries);
        assert!(alone.is_ok());
    }
}
