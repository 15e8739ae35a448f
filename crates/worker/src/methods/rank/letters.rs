//! LlamaRec: one pass ranks all candidates, by the logits of their letters.

use tch::{Device, Kind, Tensor};

use super::{EncodedQuery, LlmRanker, Outcome, RankError, RankedUsers, rank};
use crate::lm::Lm;
use crate::methods::prompted_lm::Slot;
use crate::nn::embedding::indices;

/// Logits [B, L] of the tokens of L letters after each of B prompts, whose input vectors are
/// `rows`.
pub fn letter_logits(
    lm: &Lm,
    prompts: &[impl AsRef<[Slot]>],
    rows: &[Tensor],
    letters: &[u32],
) -> Tensor {
    let ends = prompts.iter().map(|prompt| prompt.as_ref().len());
    let ends: Vec<_> = ends.map(|end| end - 1..end).collect();
    let logits = lm.logits(&lm.hidden(rows, &ends));
    logits.index_select(1, &indices(letters, lm.device()))
}

impl LlmRanker<'_> {
    /// Candidates ranked by the logits of their letters after the prompt.
    pub(super) fn letters(
        &self,
        batch: &[EncodedQuery],
        answers: &mut RankedUsers,
    ) -> Result<Vec<Outcome>, RankError> {
        let counts = batch.iter().map(|(query, _)| query.candidates.len());
        let letters = self.encoder.letters(counts.max().unwrap_or(0))?;
        let rows = self.rows(batch, answers);
        let prompts: Vec<&[Slot]> = batch.iter().map(|(_, prompt)| &prompt[..]).collect();
        let logits = letter_logits(self.prompted_lm.lm(), &prompts, &rows, &letters);
        let logits = logits.to_kind(Kind::Double).to_device(Device::Cpu);
        let outcome = |(at, (query, _)): (i64, &EncodedQuery)| {
            let row = logits.get(at).narrow(0, 0, query.candidates.len() as i64);
            let scores = Vec::<f64>::try_from(row).expect("one logit a candidate");
            Outcome {
                rank: rank(&scores, query),
                scores,
                ..Outcome::default()
            }
        };
        Ok((0..).zip(batch).map(outcome).collect())
    }
}
