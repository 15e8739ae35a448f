//! TALLRec's own task: whether the user will like each candidate.

use tch::Kind;

use super::{AnswerError, Answerer, Answers, Asked, Outcome, rank};
use crate::methods::reader::{ReaderError, Slot};
use crate::nn::embedding::indices;

impl Answerer<'_> {
    /// Candidates ranked by how much likelier yes is than no.
    pub(super) fn yes_no(
        &self,
        batch: &[Asked],
        answers: &mut Answers,
    ) -> Result<Vec<Outcome>, AnswerError> {
        let both = self.reader.yes_and_no()?;
        let mut outcomes = Vec::with_capacity(batch.len());
        for (asking, _) in batch {
            let mut prompts = Vec::with_capacity(asking.candidates.len());
            for &item in &asking.candidates {
                let prompt = self.reader.yes_no(asking.history, item, 1);
                let of_user = |error: ReaderError| error.of_user(self.prepared, asking.user);
                prompts.push(prompt.map_err(of_user)?);
            }
            answers.tokens += prompts
                .iter()
                .map(|prompt| prompt.len() as u64)
                .sum::<u64>();
            let mut margins = Vec::with_capacity(prompts.len());
            for part in self.parts(&prompts) {
                margins.extend(self.margins(part, &both));
            }
            outcomes.push(Outcome {
                rank: rank(&margins, asking),
                generated: None,
                scores: margins.clone(),
                likes: margins,
            });
        }
        Ok(outcomes)
    }

    /// The prompts in parts of so many tokens as a pass may have, or one prompt.
    fn parts<'p>(&self, prompts: &'p [Vec<Slot>]) -> Vec<&'p [Vec<Slot>]> {
        let (mut parts, mut start, mut tokens) = (Vec::new(), 0, 0);
        for (at, prompt) in prompts.iter().enumerate() {
            if at > start && tokens + prompt.len() > self.token_budget {
                parts.push(&prompts[start..at]);
                (start, tokens) = (at, 0);
            }
            tokens += prompt.len();
        }
        parts.push(&prompts[start..]);
        parts
    }

    /// How much likelier the first word is than the second behind each prompt.
    fn margins(&self, prompts: &[Vec<Slot>], words: &[u32; 2]) -> Vec<f64> {
        let lm = self.reader.lm();
        let rows = self.reader.rows(prompts, None, &|_| {
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
