//! Likelihoods of titles without a user.

use std::collections::HashMap;

use tch::Tensor;

use super::{PromptedLm, Slot};

/// Titles that are scored together after the prompt without history.
const TITLES_AT_ONCE: usize = 64;

impl PromptedLm {
    /// Log-likelihoods of the titles of `items` after the prompt without history, vectors and
    /// list, and the number of tokens that were read. `done` is called with the number of titles so
    /// far.
    pub fn without_history(
        &self,
        items: &[u32],
        done: &mut dyn FnMut(usize),
    ) -> (HashMap<u32, f64>, u64) {
        let _guard = tch::no_grad_guard();
        let prompt = [self.encoder.without_history(&[])];
        let mut tokens = 0;
        let mut likelihoods = HashMap::new();
        for items in items.chunks(TITLES_AT_ONCE) {
            let titles: Vec<Vec<u32>> = items
                .iter()
                .map(|&item| self.encoder.answer(item))
                .collect();
            tokens += count(&prompt) + count(&titles);
            let scores = self.lm().score(&self.plain_rows(&prompt), &[titles]);
            likelihoods.extend(items.iter().copied().zip(scores.into_iter().flatten()));
            done(likelihoods.len());
        }
        (likelihoods, tokens)
    }

    /// Input vectors of prompts that hold tokens alone.
    pub fn plain_rows(&self, prompts: &[Vec<Slot>]) -> Vec<Tensor> {
        let vectors = |_: &[u32]| unreachable!("these prompts have no vectors");
        self.rows(prompts, None, &vectors)
    }
}

/// Tokens of prompts or titles.
pub fn count<T>(texts: &[Vec<T>]) -> u64 {
    texts.iter().map(|text| text.len() as u64).sum()
}
