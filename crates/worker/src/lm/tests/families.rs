//! What Llama lacks and Mistral, Qwen 2 and 3 or Gemma 3 have: scaled embeddings, windows, norms
//! with an offset.

use super::*;

/// The fixtures with gradients and input vectors.
const LATER: [&str; 4] = ["mistral", "qwen2", "qwen3", "gemma3"];

/// The loss of the last three tokens of each of `rows`.
fn loss(lm: &Lm, rows: &[Tensor]) -> Tensor {
    let last = rows.iter().map(|row| row.size()[0] as usize);
    let last: Vec<Range<usize>> = last.map(|length| length - 3..length).collect();
    let logits = lm.logits(&lm.hidden(rows, &last));
    let targets = Tensor::from_slice(&[3i64, 14, 15]).repeat([rows.len() as i64]);
    logits.cross_entropy_for_logits(&targets) * rows.len() as f64
}

#[test]
fn gradients_at_input_vectors_equal_those_of_transformers() {
    for name in LATER {
        let fixture = Fixture::open(name);
        let rows = fixture.rows().into_iter();
        let rows: Vec<Tensor> = rows.map(|row| row.set_requires_grad(true)).collect();
        let together = Tensor::run_backward(&[loss(&fixture.lm, &rows)], &rows, false, false);
        for (number, (row, together)) in rows.iter().zip(together).enumerate() {
            let known = &fixture.known[&format!("gradient.{number}")];
            let only = [row.shallow_clone()];
            let alone = loss(&fixture.lm, &only);
            let alone = Tensor::run_backward(&[alone], &only, false, false).remove(0);
            let distance = far(&together, known).max(far(&alone, known));
            assert!(distance < 1e-4, "{name}, {number}: {distance}");
        }
    }
}

#[test]
fn input_vectors_of_tokens_are_scaled_as_in_transformers() {
    for name in LATER {
        let Fixture { lm, known } = Fixture::open(name);
        let ids = Tensor::from_slice(&[3i64, 4, 5, 6, 7, 8]);
        assert!(far(&lm.embed(&ids), &known["embedded"]) < 1e-6, "{name}");
    }
}

/// A random Mistral of one block with this window and `heads` heads for keys.
fn windowed(window: usize, heads: usize) -> Lm {
    let config = format!(
        r#"{{"model_type": "mistral", "vocab_size": 40, "hidden_size": 16, "intermediate_size": 24,
        "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": {heads},
        "sliding_window": {window}, "initializer_range": 0.3, "max_position_embeddings": 256}}"#
    );
    let config = serde_json::from_str(&config).unwrap();
    let config = LmConfig::read(Path::new("config.json"), &config).unwrap();
    tch::manual_seed(8);
    Lm::random(config, Holding::frozen(Kind::Float, Device::Cpu))
}

/// Places of the first row that its state at `place` depends on.
fn felt(lm: &Lm, lengths: &[i64], place: usize) -> Range<usize> {
    let random = |&length: &i64| Tensor::randn([length, 16], (Kind::Float, Device::Cpu));
    let mut rows: Vec<Tensor> = lengths.iter().map(random).collect();
    let first = rows[0].set_requires_grad(true);
    rows[0] = first.shallow_clone();
    let wanted: Vec<Range<usize>> = (0..rows.len())
        .map(|row| if row == 0 { place..place + 1 } else { 0..1 })
        .collect();
    let state = lm.hidden(&rows, &wanted).get(0).square().sum(Kind::Float);
    let gradient = Tensor::run_backward(&[state], &[first], false, false).remove(0);
    let size = gradient
        .abs()
        .sum_dim_intlist([1].as_slice(), false, Kind::Float);
    let size = Vec::<f32>::try_from(size).unwrap();
    let first = size.iter().position(|&size| size > 0.0).unwrap();
    let last = size.iter().rposition(|&size| size > 0.0).unwrap();
    first..last + 1
}

#[test]
fn a_token_sees_a_window_that_ends_with_itself() {
    // Keys for each head, and keys that two heads share; alone, padded, and too long to be padded.
    for heads in [1, 2] {
        let lm = windowed(20, heads);
        for lengths in [&[130i64][..], &[50, 9, 30], &[130, 90, 200]] {
            assert_eq!(felt(&lm, lengths, 40), 21..41, "{lengths:?}");
            assert_eq!(felt(&lm, lengths, 12), 0..13, "{lengths:?}");
        }
    }
}

#[test]
fn a_window_counts_the_tokens_of_prompt_and_continuation() {
    // Windows shorter than the continuations, shorter than the prompt, and longer than both.
    for window in [3, 9, 100] {
        let lm = windowed(window, 1);
        let rows = [11i64, 6].map(|length| Tensor::randn([length, 16], (Kind::Float, Device::Cpu)));
        let continuations: Vec<Vec<Vec<u32>>> = vec![
            vec![vec![3, 4, 5, 6, 7, 8], vec![3, 4, 9, 10], vec![11]],
            vec![vec![5, 6, 7, 8, 9], vec![5, 6, 1]],
        ];
        let scores = lm.score(&rows, &continuations);
        for ((row, continuations), scores) in rows.iter().zip(&continuations).zip(scores) {
            for (sequence, score) in continuations.iter().zip(scores) {
                let away = (score - plain_score(&lm, row, sequence)).abs();
                assert!(away < 1e-4, "{window}, {sequence:?}: {away}");
            }
        }
    }
}

#[test]
fn norms_of_random_weights_change_no_factor() {
    for name in ["qwen3", "gemma3"] {
        let config = Fixture::open(name).lm.config().clone();
        let norm = if config.norm_offset { 0.0 } else { 1.0 };
        let lm = Lm::random(config, Holding::frozen(Kind::Float, Device::Cpu));
        let weights = lm.weights();
        let norms = weights.iter().filter(|(name, _)| name.contains("norm"));
        let mut count = 0;
        for (name, weight) in norms {
            assert_eq!(far(weight, &weight.full_like(norm)), 0.0, "{name}");
            count += 1;
        }
        assert!(count > 4, "{name}");
    }
}
