//! Ranking by a title that is generated.

use std::rc::Rc;

use allround_core::data::Answer;
use allround_core::models::llm_method::{Accept, Inference};
use allround_core::text::audit;

use super::{EncodedQuery, LlmRanker, Outcome, Query, RankError, RankedUsers, Reading};
use crate::lm::{Generation, NotFinite, QuoteRule, Trie};

impl LlmRanker<'_> {
    pub(super) fn generate(
        &self,
        batch: &[EncodedQuery],
        accept: Accept,
        answers: &mut RankedUsers,
    ) -> Result<Vec<Outcome>, RankError> {
        let written = self.written(batch, &self.generation(), None, answers)?;
        let written = batch.iter().zip(&written);
        let audited = written.map(|((query, _), tokens)| self.audited(query, tokens, accept));
        Ok(audited.collect())
    }

    /// What a generated answer says.
    fn audited(&self, query: &Query, tokens: &[u32], accept: Accept) -> Outcome {
        let titles = self.encoder.titles();
        let raw = self.prompted_lm.loaded.tokenizer.decode(tokens);
        let candidates: Vec<&str> = query
            .candidates
            .iter()
            .map(|&item| titles.of(item))
            .collect();
        let audit = audit(&raw, titles.of(query.target), &candidates);
        Outcome {
            rank: audit.rank(accept, candidates.len()),
            generated: Some(Answer {
                user: query.user,
                target: query.target,
                raw,
                extracted: audit.extracted,
                exact: audit.exact,
                normalised: audit.normalised,
                substring: audit.substring,
                valid: match accept {
                    Accept::Alone => audit.named == 1,
                    Accept::Exact | Accept::Normalised | Accept::Substring => audit.valid,
                },
                position: audit.position,
                named: audit.named,
            }),
            ..Outcome::default()
        }
    }

    fn generation(&self) -> Generation {
        let plain = Generation {
            max_new_tokens: 0,
            min_new_tokens: 0,
            repetition_penalty: 1.0,
            penalise_eos_from_start: false,
            ends: self.prompted_lm.loaded.ends.clone(),
            stop_after: None,
        };
        let Reading::Titles(Inference::Generate {
            max_new_tokens,
            repetition_penalty,
            penalise_eos,
            stop_at_quote,
            ..
        }) = self.reading
        else {
            return plain;
        };
        Generation {
            max_new_tokens: *max_new_tokens,
            repetition_penalty: *repetition_penalty,
            penalise_eos_from_start: *penalise_eos,
            stop_after: stop_at_quote.then(|| QuoteRule {
                quotes: self.quotes(),
            }),
            ..plain
        }
    }

    /// Double quotes in each token's text.
    fn quotes(&self) -> Rc<[u8]> {
        let count = |token: u32| {
            let text = self.prompted_lm.loaded.tokenizer.decode(&[token]);
            text.matches('"').count() as u8
        };
        (0..self.prompted_lm.lm().config().vocab_size as u32)
            .map(count)
            .collect()
    }

    pub(super) fn constrained(
        &self,
        batch: &[EncodedQuery],
        answers: &mut RankedUsers,
    ) -> Result<Vec<Outcome>, RankError> {
        let (mut tries, mut longest) = (Vec::new(), 0);
        for (query, _) in batch {
            let titles = query.candidates.iter().map(|&item| {
                let mut answer = self.encoder.answer(item);
                // The end of text is the trie's own business.
                answer.pop();
                longest = longest.max(answer.len() + 1);
                answer
            });
            let titles: Vec<Vec<u32>> = titles.collect();
            tries.push(Trie::new(titles.iter().map(Vec::as_slice)));
        }
        let settings = Generation {
            max_new_tokens: longest,
            ..self.generation()
        };
        let written = self.written(batch, &settings, Some(&tries), answers)?;
        let written = batch.iter().zip(&written);
        let audited =
            written.map(|((query, _), tokens)| self.audited(query, tokens, Accept::Exact));
        Ok(audited.collect())
    }

    /// Tokens that the language model generates after each prompt.
    fn written(
        &self,
        batch: &[EncodedQuery],
        settings: &Generation,
        tries: Option<&[Trie]>,
        answers: &mut RankedUsers,
    ) -> Result<Vec<Vec<u32>>, RankError> {
        let rows = self.rows(batch, answers);
        let written = self.prompted_lm.lm().generate(&rows, settings, tries);
        let written = written.map_err(|NotFinite { row }| self.not_a_number(&batch[row].0))?;
        answers.tokens += written.iter().map(|one| one.len() as u64).sum::<u64>();
        Ok(written)
    }
}
