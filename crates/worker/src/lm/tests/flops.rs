//! Counted operations against those of PyTorch's own counter, which `tests/fixtures/flops.py`
//! wrote.

use super::*;
use crate::torch_ext::product::counted;
use allround_core::models::llm_method::Lora;

/// What PyTorch counts for the rows of a model: `forward`, `inputs` or `adapters`.
fn known(name: &str, what: &str) -> Vec<u64> {
    let all: serde_json::Value =
        serde_json::from_str(include_str!("../../../tests/fixtures/flops.json")).unwrap();
    let list = all["lm"][name][what].as_array().unwrap();
    list.iter().map(|value| value.as_u64().unwrap()).collect()
}

/// Operations of states and logits of each row alone, with a gradient at the inputs if `inside`.
fn operations(lm: &Lm, rows: &[Tensor], inside: bool) -> Vec<u64> {
    let of_row = |row: &Tensor| {
        let row = row.detach().copy().set_requires_grad(inside);
        let length = row.size()[0] as usize;
        let before = counted();
        drop(lm.logits(&lm.hidden(&[row], &only(0..length))));
        counted() - before
    };
    rows.iter().map(of_row).collect()
}

#[test]
fn operations_are_those_that_pytorch_counts_forwards_at_the_inputs_and_with_adapters() {
    for (name, targets) in [
        ("opt", ["q_proj", "fc1"].as_slice()),
        ("opt-350m", &[]),
        ("llama", &["q_proj", "v_proj"]),
        ("llama-tied", &[]),
        ("qwen3", &["k_proj", "up_proj"]),
    ] {
        let Fixture { mut lm, known: all } = Fixture::open(name);
        let rows: Vec<Tensor> = (0..3)
            .map(|row| all[&format!("row.{row}")].copy())
            .collect();
        assert_eq!(
            operations(&lm, &rows, false),
            known(name, "forward"),
            "{name}"
        );
        assert_eq!(
            operations(&lm, &rows, true),
            known(name, "inputs"),
            "{name}"
        );
        if targets.is_empty() {
            continue;
        }
        let settings = Lora {
            rank: 4,
            alpha: 8.0,
            dropout: 0.0,
            targets: targets.iter().map(|name| (*name).to_owned()).collect(),
        };
        lm.add_lora(&settings).unwrap();
        assert_eq!(
            operations(&lm, &rows, false),
            known(name, "adapters"),
            "{name}"
        );
    }
}

#[test]
fn the_likelihoods_of_two_titles_cost_their_prompt_once() {
    let Fixture { lm, known: all } = Fixture::open("llama");
    let row = all["row.0"].copy();
    let operations = |titles: &[Vec<u32>]| {
        let before = counted();
        drop(lm.score(&[row.shallow_clone()], &[titles.to_vec()]));
        counted() - before
    };
    let one = operations(&[vec![3, 4, 5]]);
    let both = operations(&[vec![3, 4, 5], vec![6, 7, 8]]);
    assert!(one < both && both < 2 * one, "{one}, {both}");
}
