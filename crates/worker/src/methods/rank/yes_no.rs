//! TALLRec's own task: whether the user will like each candidate.

use tch::Kind;

use super::{EncodedQuery, LlmRanker, Outcome, RankError, RankedUsers, rank};
use crate::methods::prompted_lm::{PromptedLmError, Slot, parts};
use crate::nn::embedding::indices;

impl LlmRanker<'_> {
    /// Candidates ranked by how much likelier yes is than no.
    pub(super) fn yes_no(
        &self,
        batch: &[EncodedQuery],
        answers: &mut RankedUsers,
    ) -> Result<Vec<Outcome>, RankError> {
        let both = self.encoder.yes_and_no()?;
        let mut outcomes = Vec::with_capacity(batch.len());
        for (query, _) in batch {
            let mut prompts = Vec::with_capacity(query.candidates.len());
            for &item in &query.candidates {
                let prompt = self.encoder.yes_no(&query.history, item, 1);
                let of_user = |error: PromptedLmError| error.of_user(self.prepared, query.user);
                prompts.push(prompt.map_err(of_user)?);
            }
            answers.tokens += prompts
                .iter()
                .map(|prompt| prompt.len() as u64)
                .sum::<u64>();
            let mut margins = Vec::with_capacity(prompts.len());
            for part in parts(&prompts, self.token_budget) {
                margins.extend(self.margins(part, &both));
            }
            outcomes.push(Outcome {
                rank: rank(&margins, query),
                generated: None,
                scores: margins.clone(),
                likes: margins,
            });
        }
        Ok(outcomes)
    }

    /// How much likelier the first word is than the second after each prompt.
    fn margins(&self, prompts: &[Vec<Slot>], words: &[u32; 2]) -> Vec<f64> {
        let lm = self.prompted_lm.lm();
        let rows = self.prompted_lm.rows(prompts, None, &|_| {
            unreachable!("no item has a vector here")
        });
        let ends: Vec<_> = prompts
            .iter()
            .map(|prompt| prompt.len() - 1..prompt.len())
            .collect();
        let logits = lm.logits(&lm.hidden(&rows, &ends)).to_kind(Kind::Double);
        let logits = logits.index_select(1, &indices(words, lm.device()));
        let margins = logits.select(1, 0) - logits.select(1, 1);
        Vec::<f64>::try_from(margins).expect("one margin a candidate")
    }
}
