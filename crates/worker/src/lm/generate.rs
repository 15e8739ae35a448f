//! Greedy answers: token by token, the likeliest first, or the likeliest of a trie.
//!
//! Upstream: transformers' `generate` without sampling. With input vectors, its repetition penalty
//! knows only the answer's own tokens, each once. Transformers 4.32 also began the answer's ids
//! with one BOS. For OPT that is the end of text, so it penalised the end from the first step.

use std::rc::Rc;

use tch::{Kind, Tensor};

use super::attention::cat;
use super::cache::Cache;
use super::trie::Trie;
use super::{Lm, chosen, places};

/// How answers are generated.
#[derive(Clone, Debug)]
pub struct Generation {
    /// Most tokens of an answer.
    pub max_new_tokens: usize,
    /// Tokens before which no end of text can come.
    pub min_new_tokens: usize,
    /// Logits of tokens that the answer holds are divided by it where positive, multiplied where
    /// negative; 1 is none.
    pub repetition_penalty: f64,
    /// Whether the first of `ends` is penalised from the first step on.
    pub penalise_eos_from_start: bool,
    /// The tokens that end a text, any of which ends the answer without being part of it. Not
    /// empty.
    pub ends: Vec<u32>,
    /// Ends an answer after a closing quote.
    pub stop_after: Option<QuoteRule>,
}

/// An answer ends when it holds a second double quote: that which closes the title.
#[derive(Clone, Debug)]
pub struct QuoteRule {
    /// Double quotes in each token's text, one number a row of the vocabulary.
    pub quotes: Rc<[u8]>,
}

/// Progress of one answer.
#[derive(Debug, Default)]
struct Answer {
    tokens: Vec<u32>,
    quotes: u32,
    /// Place in the row's trie.
    node: usize,
    done: bool,
}

impl Answer {
    /// Where the last token is after a prompt of `length` tokens. An answer that has ended stays
    /// there; others may continue beyond the positions that it has left.
    fn place(&self, length: usize) -> i64 {
        (length + self.tokens.len().saturating_sub(1)) as i64
    }

    /// Takes the next token.
    fn push(&mut self, token: u32, settings: &Generation, trie: Option<&Trie>) {
        if self.done {
            return;
        }
        if settings.ends.contains(&token)
            && trie.is_none_or(|trie| trie.step(self.node, token).is_none())
        {
            self.done = true;
            return;
        }
        self.tokens.push(token);
        if let Some(rule) = &settings.stop_after {
            self.quotes += u32::from(rule.quotes.get(token as usize).copied().unwrap_or(0));
        }
        if let Some(trie) = trie {
            self.node = trie
                .step(self.node, token)
                .expect("only tokens of the trie are allowed");
        }
        let leaf = trie.is_some_and(|trie| trie.is_leaf(self.node));
        self.done = leaf || self.quotes >= 2 || self.tokens.len() >= settings.max_new_tokens;
    }
}

/// A logit that cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a logit of row {row} is not a finite number")]
pub struct NotFinite {
    /// Number of the row.
    pub row: usize,
}

impl Lm {
    /// Greedy answers to `rows` of input vectors [t, W]; with `tries`, one a row, along their
    /// sequences only.
    ///
    /// An answer ends before the end of text, at the end of its trie, or at the most tokens
    /// allowed. With [`Generation::stop_after`] it also ends after its closing quote. A row's
    /// answer does not depend on the others.
    ///
    /// # Errors
    /// When the likeliest token of a row has a NaN or infinite logit: the weights are broken, or
    /// too large for their number type.
    ///
    /// # Panics
    /// When a row is empty, or a row and its answer are longer than the model's positions: callers
    /// check.
    pub fn generate(
        &self,
        rows: &[Tensor],
        settings: &Generation,
        tries: Option<&[Trie]>,
    ) -> Result<Vec<Vec<u32>>, NotFinite> {
        let _frozen = tch::no_grad_guard();
        let trie = |row: usize| tries.map(|tries| &tries[row]);
        let mut answers: Vec<Answer> = rows.iter().map(|_| Answer::default()).collect();
        if rows.is_empty() || settings.max_new_tokens == 0 {
            return Ok(answers.into_iter().map(|answer| answer.tokens).collect());
        }
        let lengths: Vec<usize> = rows.iter().map(|row| row.size()[0] as usize).collect();
        let room = settings.max_new_tokens;
        let mut cache = Cache::new(&self.config, &lengths, room, self.kind(), self.device());
        let mut penalty = Penalty::new(settings, rows.len() as i64, self);
        let mut hidden = self.read_prompts(rows, &lengths, &mut cache);
        for step in 0.. {
            let mut logits = self.logits(&hidden).to_kind(Kind::Float);
            penalty.apply(&mut logits);
            if step < settings.min_new_tokens {
                for &end in &settings.ends {
                    let _ = logits.select(1, i64::from(end)).fill_(f64::NEG_INFINITY);
                }
            }
            if let Some(tries) = tries {
                logits += allowed(tries, &answers, &settings.ends, &logits);
            }
            let (best, next) = logits.max_dim(-1, false);
            let best = Vec::<f32>::try_from(best).expect("one logit a row");
            let chosen = Vec::<i64>::try_from(&next).expect("tokens are whole numbers");
            for (row, (answer, token)) in answers.iter_mut().zip(chosen).enumerate() {
                if !answer.done && !best[row].is_finite() {
                    return Err(NotFinite { row });
                }
                answer.push(token as u32, settings, trie(row));
            }
            if answers.iter().all(|answer| answer.done) {
                break;
            }
            penalty.remember(&next);
            cache.advance();
            let places: Vec<i64> = lengths
                .iter()
                .zip(&answers)
                .map(|(&length, answer)| answer.place(length))
                .collect();
            hidden = self.pass(&[self.embed(&next)], &places, &mut cache, None);
        }
        Ok(answers.into_iter().map(|answer| answer.tokens).collect())
    }

    /// Puts the prompts into the cache; the state of each one's last token.
    fn read_prompts(&self, rows: &[Tensor], lengths: &[usize], cache: &mut Cache) -> Tensor {
        let ends = self.groups(lengths).into_iter().map(|group| {
            let lengths = &lengths[group.clone()];
            let last: Vec<_> = lengths.iter().map(|&length| length - 1..length).collect();
            let chosen = chosen(lengths, &last);
            cache.expect(group.clone(), self.causal(lengths, &last));
            self.pass(&rows[group], &places(lengths), cache, Some(&chosen))
        });
        cat(ends.collect())
    }
}

/// What tokens an answer holds, and the penalty on them.
struct Penalty {
    factor: f64,
    /// [B, V], true where the row's answer holds the token.
    held: Option<Tensor>,
}

impl Penalty {
    fn new(settings: &Generation, rows: i64, lm: &Lm) -> Self {
        let factor = settings.repetition_penalty;
        let held = (factor != 1.0).then(|| {
            let held = Tensor::zeros([rows, lm.config.vocab_size], (Kind::Bool, lm.device()));
            if settings.penalise_eos_from_start {
                let _ = held.select(1, i64::from(settings.ends[0])).fill_(1);
            }
            held
        });
        Self { factor, held }
    }

    fn apply(&self, logits: &mut Tensor) {
        if let Some(held) = &self.held {
            let punished =
                (&*logits * self.factor).where_self(&logits.lt(0.0), &(&*logits / self.factor));
            *logits = punished.where_self(held, logits);
        }
    }

    fn remember(&mut self, next: &Tensor) {
        if let Some(held) = &mut self.held {
            let _ = held.scatter_value_(1, &next.unsqueeze(1), 1);
        }
    }
}

/// 0 for the tokens that continue along each row's trie, the ends of text where a sequence ends;
/// minus infinity elsewhere.
fn allowed(tries: &[Trie], answers: &[Answer], ends: &[u32], logits: &Tensor) -> Tensor {
    let (mut rows, mut tokens) = (Vec::new(), Vec::new());
    for (row, (trie, answer)) in tries.iter().zip(answers).enumerate() {
        let over = answer.done || trie.ends(answer.node);
        let ends = if over { ends } else { &[] };
        for token in trie.tokens(answer.node).chain(ends.iter().copied()) {
            rows.push(row as i64);
            tokens.push(i64::from(token));
        }
    }
    let at = [rows, tokens].map(|list| Some(Tensor::from_slice(&list).to_device(logits.device())));
    let mut mask = logits.full_like(f64::NEG_INFINITY);
    mask.index_put_(
        &at,
        &logits.new_zeros([1], (Kind::Float, logits.device())),
        false,
    )
}
