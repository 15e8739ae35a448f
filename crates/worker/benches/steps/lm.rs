//! Steps with a language model in the shape of OPT-125M and random weights, on short prompts; the items are prompts.
//!
//! `benches/peers/stage2.py` measures the same code on prompts of the paper's length.

#[path = "../../examples/lm_steps/steps.rs"]
mod steps;

use divan::Bencher;
use divan::counter::ItemsCount;

use super::MAX_TIME;
use steps::{Model, Prompt, Steps, Task};

const PROMPTS: usize = 2;
const TOKENS: i64 = 96;

/// Short prompts, with an item vector at every twelfth position.
fn prompts() -> Vec<Prompt> {
    let prompt = |number: i64| Prompt {
        ids: (0..TOKENS)
            .map(|at| if at % 12 == 11 { -1 } else { 10 + number + at })
            .collect(),
        answer: (0..8).map(|at| 500 + number + at).collect(),
        continuations: (0..5)
            .map(|title| (0..8).map(|at| 1000 + 50 * title + at).collect())
            .collect(),
    };
    (0..PROMPTS as i64).map(prompt).collect()
}

fn step(bencher: Bencher, task: Task) {
    let model = Model {
        shape: "opt-125m".to_owned(),
        dtype: "float32".to_owned(),
        int8: false,
        device: "cpu".to_owned(),
        threads: 1,
    };
    let mut steps = Steps::new(&model).expect("the shape exists");
    let prompts = prompts();
    bencher
        .counter(ItemsCount::new(PROMPTS))
        .bench_local(|| steps.run(task, &prompts).expect("scores are finite"));
}

#[divan::bench(max_time = MAX_TIME)]
fn train(bencher: Bencher) {
    step(bencher, Task::Train);
}

#[divan::bench(max_time = MAX_TIME)]
fn score(bencher: Bencher) {
    step(bencher, Task::Score);
}

#[divan::bench(max_time = MAX_TIME)]
fn generate(bencher: Bencher) {
    step(bencher, Task::Generate);
}
