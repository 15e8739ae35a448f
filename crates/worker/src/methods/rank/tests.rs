use allround_core::config::llm::Prompt;
use allround_core::data::{CandidateLists, Part};
use allround_core::models::llm_method::{Inference, ScoreBy};
use allround_core::text::Vectors;

use super::*;
use crate::methods::tests::{data, loaded, needs, prompt};

/// The last training items of two users among three others.
fn lists() -> CandidateLists {
    let data = data();
    let users = vec![0, 1];
    let target = |user: &u32| *data.train_of(*user as usize).last().unwrap();
    let unknown = |user: &u32| {
        let known = data.train_of(*user as usize);
        (1..=12).filter(|item| !known.contains(item)).take(3)
    };
    let targets = users.iter().map(target).collect();
    let negatives = users.iter().flat_map(unknown).collect();
    CandidateLists::listed(Part::Valid, users.clone(), targets, 3, negatives)
}

#[test]
fn gain_is_what_the_history_adds_to_the_likelihood_of_a_title() {
    let mut prepared = data();
    prepared.train_end.iter_mut().for_each(|end| *end -= 1);
    let lists = lists();
    let vectors = Vectors {
        user: false,
        item: false,
    };
    for list in [true, false] {
        let prompt = Prompt { list, ..prompt() };
        let prompted_lm = PromptedLm::new(loaded(false), &prepared, &prompt, vectors, needs(4));
        let encoder = &prompted_lm.encoder;
        let likelihood = |prompt: Vec<Slot>, item: u32| {
            let rows = prompted_lm.rows(&[prompt], None, &|_| unreachable!());
            let titles = [vec![encoder.answer(item)]];
            prompted_lm.lm().score(&rows, &titles)[0][0]
        };
        let inferences = [ScoreBy::Gain, ScoreBy::Sum].map(|by| Inference::Score { by, orders: 1 });
        let [gain, sum] = inferences.each_ref().map(|inference| LlmRanker {
            keep_scores: true,
            prepared: &prepared,
            prompted_lm: &prompted_lm,
            encoder: &prompted_lm.encoder,
            projected: None,
            reading: Reading::Titles(inference),
            seed: 1,
            token_budget: 4096,
        });
        let [gains, sums] = [&gain, &sum].map(|ranker| {
            let answers = ranker.answer(&lists, ranker.nothing(&lists), &mut |_| Ok(()));
            answers.unwrap()
        });
        assert!(
            gains.tokens > sums.tokens,
            "the second likelihood is counted"
        );
        let gains = gains.scores.unwrap();
        for place in 0..lists.users.len() {
            let query = gain.query(&lists, place, 0);
            for scored in gains.row(place) {
                let with = encoder.prompt(&query.history, &query.candidates, 64);
                let with = likelihood(with.unwrap(), scored.item);
                let without = encoder.without_history(&query.candidates);
                let expected = with - likelihood(without, scored.item);
                assert!(
                    (scored.score - expected).abs() < 1e-4,
                    "{scored:?}: {expected}"
                );
                assert!(expected.abs() > 1e-4, "the history changes the likelihood");
            }
        }
    }
}
