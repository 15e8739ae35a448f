//! The loss of the texts that a small language model is trained on.
//!
//! Four parts: the answer's tokens against how likely each is (not against the one drawn: that says far less a text); the
//! prompt's own tokens; and two that say how to choose, which a model this small does not find out within a million
//! answers. In the middle of the model a vector's place is to know the first token of the title before it, and the
//! places in front of the answer are to look at the vector that the answer comes with.
//!
//! Letters: N tokens of all texts, W width of vectors, D of states, V vocabulary, Q queries, H heads, T longest text.

use std::collections::BTreeMap;

use tch::{Kind, Tensor};

use super::Pretraining;
use super::choice::Choice;
use super::texts::{Answer, Text};
use super::vectors::{Gathered, Place};
use crate::nn::embedding::indices;
use crate::torch_ext::sent::sent;
use crate::train::fit::Loss;

/// Weight of the prompts' own tokens beside the answers'.
pub(super) const TEXT_WEIGHT: f64 = 0.1;
/// Weight of what a vector's place is to know.
pub(super) const TITLE_WEIGHT: f64 = 0.3;
/// Weight of where to look.
pub(super) const LOOK_WEIGHT: f64 = 1.0;
/// Weight of a token at which candidates part, among those of an answer.
const PARTING_WEIGHT: f64 = 4.0;

/// A choice whose candidates have their chances.
struct Made<'a> {
    choice: &'a Choice,
    chances: Vec<f64>,
    chosen: usize,
    /// How likely each token is at each place of the chosen answer.
    next: Vec<BTreeMap<u32, f64>>,
}

/// Texts whose vectors are drawn and whose choices are made.
struct Written<'a> {
    texts: &'a [&'a Text],
    made: Vec<Option<Made<'a>>>,
    /// Input vectors [length, W] of each text but its last token.
    rows: Vec<Tensor>,
    /// The first token of each text among all.
    starts: Vec<u32>,
}

impl Written<'_> {
    fn answer(&self, text: usize) -> &[u32] {
        answer(self.texts[text], &self.made[text])
    }
}

fn answer<'a>(text: &'a Text, made: &'a Option<Made<'_>>) -> &'a [u32] {
    match (&text.answer, made) {
        (Answer::Said(answer), _) => answer,
        (Answer::Choice(choice), Some(made)) => &choice.answers[made.chosen],
        (Answer::Choice(_), None) => unreachable!("every choice is made"),
    }
}

/// What is to be predicted: entries of the matrix [places, V], each with its weight.
#[derive(Default)]
struct Aims {
    places: Vec<u32>,
    rows: Vec<u32>,
    tokens: Vec<u32>,
    weights: Vec<f32>,
}

impl Aims {
    /// The token at `place` is one of these.
    fn push(&mut self, place: u32, likely: impl IntoIterator<Item = (u32, f64)>) {
        let row = self.places.len() as u32;
        self.places.push(place);
        for (token, weight) in likely {
            self.rows.push(row);
            self.tokens.push(token);
            self.weights.push(weight as f32);
        }
    }

    /// Mean cross-entropy a place, of states [N, W].
    fn loss(&self, states: &Tensor, logits: impl Fn(&Tensor) -> Tensor) -> Tensor {
        let device = states.device();
        if self.places.is_empty() {
            return Tensor::zeros([], (Kind::Float, device));
        }
        let states = states.index_select(0, &indices(&self.places, device));
        let logits = logits(&states).to_kind(Kind::Float);
        let all = logits.log_softmax(-1, Kind::Float).view([-1]);
        let width = logits.size()[1];
        let entries = self.rows.iter().zip(&self.tokens);
        let entries: Vec<i64> = entries
            .map(|(&row, &token)| i64::from(row) * width + i64::from(token))
            .collect();
        let entries = sent(&Tensor::from_slice(&entries), device);
        let weights = sent(&Tensor::from_slice(&self.weights), device);
        -(all.index_select(0, &entries) * weights).sum(Kind::Float) / self.places.len() as f64
    }
}

impl Pretraining<'_> {
    pub(super) fn loss_of(&self, texts: &[&Text]) -> Loss {
        let lm = &self.opened.lm;
        let written = self.written(texts);
        let lengths = written.rows.iter().map(|row| row.size()[0] as usize);
        let wanted: Vec<_> = lengths.map(|length| 0..length).collect();
        let layer = lm.config().layers / 2;
        let (hidden, before) = lm.hidden_and_before(&written.rows, &wanted, layer);
        let [mut answers, mut prompts, mut titles] = [(); 3].map(|()| Aims::default());
        for (at, text) in texts.iter().enumerate() {
            let start = written.starts[at];
            for (place, next) in text.prompt.iter().skip(1).enumerate() {
                if let Place::Token(token) = next {
                    prompts.push(start + place as u32, [(*token, 1.0)]);
                }
            }
            let first = start + text.prompt.len() as u32 - 1;
            for (place, &token) in written.answer(at).iter().enumerate() {
                let likely = match &written.made[at] {
                    Some(made) => parting(&made.next[place]),
                    None => vec![(token, 1.0)],
                };
                answers.push(first + place as u32, likely);
            }
            for &(place, token) in &text.titled {
                titles.push(start + place as u32, [(token, 1.0)]);
            }
        }
        let answer = answers.loss(&hidden, |states| lm.logits(states));
        let text = prompts.loss(&hidden, |states| lm.logits(states));
        let title = titles.loss(&before, |states| lm.early_logits(states));
        let look = self.look(&written, &before, layer);
        Loss {
            mean: &answer + &text * TEXT_WEIGHT + &title * TITLE_WEIGHT + &look * LOOK_WEIGHT,
            parts: vec![
                ("answer", answer),
                ("text", text),
                ("title", title),
                ("look", look),
            ],
            tokens: hidden.size()[0] as u64,
        }
    }

    /// Draws the texts' vectors and makes their choices.
    fn written<'a>(&self, texts: &'a [&'a Text]) -> Written<'a> {
        let lm = &self.opened.lm;
        let mut gathered = Gathered::default();
        // Numbers of the vectors of a text's prompt, and of those that its choice compares.
        let mut placed: Vec<Vec<u32>> = Vec::with_capacity(texts.len());
        let mut compared: Vec<(u32, Vec<u32>)> = Vec::with_capacity(texts.len());
        for text in texts {
            gathered.begin(text.random);
            let vectors = text.prompt.iter().filter_map(|place| match place {
                Place::Token(_) => None,
                Place::Vector(told) => Some(told),
            });
            placed.push(vectors.map(|told| gathered.take(told)).collect());
            compared.push(match &text.answer {
                Answer::Choice(Choice {
                    asked: Some(asked),
                    offered,
                    ..
                }) => {
                    let asked = gathered.take(asked);
                    let offered = offered.iter().map(|told| gathered.take(told));
                    (asked, offered.collect())
                }
                _ => (0, Vec::new()),
            });
        }
        let vectors = gathered.draw(lm);
        let mut cosines = cosines(&vectors, &compared).into_iter();
        let made = texts.iter().zip(&compared).map(|(text, (_, offered))| {
            let cosines: Vec<f32> = cosines.by_ref().take(offered.len()).collect();
            let Answer::Choice(choice) = &text.answer else {
                return None;
            };
            let chances = choice.chances(&cosines);
            let chosen = choice.chosen(&chances);
            let next = choice.next(&chances, chosen);
            Some(Made {
                choice,
                chances,
                chosen,
                next,
            })
        });
        let made: Vec<Option<Made<'a>>> = made.collect();
        let (rows, starts) = self.rows(texts, &made, &placed, &vectors);
        Written {
            texts,
            made,
            rows,
            starts,
        }
    }

    /// Input vectors of each text, and the first token of each among all.
    fn rows(
        &self,
        texts: &[&Text],
        made: &[Option<Made<'_>>],
        placed: &[Vec<u32>],
        vectors: &Tensor,
    ) -> (Vec<Tensor>, Vec<u32>) {
        let lm = &self.opened.lm;
        let mut tokens = Vec::new();
        // Each place as a token's number, or as a vector's behind all tokens.
        let mut order: Vec<(bool, u32)> = Vec::new();
        let (mut starts, mut lengths) = (Vec::new(), Vec::new());
        for ((text, made), placed) in texts.iter().zip(made).zip(placed) {
            starts.push(order.len() as u32);
            let mut placed = placed.iter();
            let mut token = |order: &mut Vec<(bool, u32)>, token: u32| {
                order.push((false, tokens.len() as u32));
                tokens.push(token);
            };
            for place in &text.prompt {
                match place {
                    Place::Token(it) => token(&mut order, *it),
                    Place::Vector(_) => {
                        let number = placed.next().expect("every vector was gathered");
                        order.push((true, *number));
                    }
                }
            }
            let answer = answer(text, made);
            for &it in &answer[..answer.len() - 1] {
                token(&mut order, it);
            }
            lengths.push((text.prompt.len() + answer.len() - 1) as i64);
        }
        let device = lm.device();
        let embedded = lm.embed(&indices(&tokens, device));
        let all = Tensor::cat(&[&embedded, &vectors.to_kind(embedded.kind())], 0);
        let first = tokens.len() as u32;
        let order = order.iter();
        let order = order.map(|&(vector, at)| if vector { first + at } else { at });
        let all = all.index_select(0, &indices(&order.collect::<Vec<_>>(), device));
        (all.split_with_sizes(lengths, 0), starts)
    }

    /// Mean cross-entropy between where half of the heads of block `layer` look from the places in front of a choice, up
    /// to the token at which the candidates part, and the chances of the candidates' vectors.
    fn look(&self, written: &Written<'_>, before: &Tensor, layer: usize) -> Tensor {
        let device = before.device();
        let (mut queries, mut first, mut last) = (Vec::new(), Vec::new(), Vec::new());
        // Entries of [Q, T], with the chance of each.
        let mut chances: Vec<(u32, u32, f32)> = Vec::new();
        for (at, text) in written.texts.iter().enumerate() {
            let Some(made) = &written.made[at] else {
                continue;
            };
            if made.choice.slots.is_empty() {
                continue;
            }
            let part = made.next.iter().position(|likely| likely.len() > 1);
            for place in 0..=part.unwrap_or(0) {
                let query = queries.len() as u32;
                let slots = made.choice.slots.iter().zip(&made.chances);
                chances.extend(slots.map(|(&slot, &chance)| (query, slot as u32, chance as f32)));
                let end = (text.prompt.len() - 1 + place) as u32;
                queries.push(written.starts[at] + end);
                first.push(i64::from(written.starts[at]));
                last.push(i64::from(end));
            }
        }
        let Some(&longest) = last.iter().max() else {
            return Tensor::zeros([], (Kind::Float, device));
        };
        let config = self.opened.lm.config();
        let (heads, size) = ((config.heads / 2).max(1), config.head_size);
        let [query, key] = self.opened.lm.queries_and_keys(layer, before);
        let split = |x: &Tensor| x.narrow(1, 0, heads * size).view([-1, heads, size]);
        let column = |list: &[i64]| sent(&Tensor::from_slice(list), device).unsqueeze(1);
        let steps = Tensor::arange(longest + 1, (Kind::Int64, device)).unsqueeze(0);
        let later = steps.greater_tensor(&column(&last));
        let places = (column(&first) + &steps).clamp_max(before.size()[0] - 1);
        let keys = split(&key).index_select(0, &places.view([-1]));
        let keys = keys.view([queries.len() as i64, longest + 1, heads, size]);
        let query = split(&query).index_select(0, &indices(&queries, device));
        let scores = keys.permute([0, 2, 1, 3]).matmul(&query.unsqueeze(-1));
        let scores = scores.squeeze_dim(-1) / (size as f64).sqrt();
        let scores = scores.masked_fill(&later.unsqueeze(1), f64::NEG_INFINITY);
        let looks = scores
            .log_softmax(-1, Kind::Float)
            .mean_dim(1, false, Kind::Float);
        let width = longest + 1;
        let entries = chances.iter();
        let entries: Vec<i64> = entries
            .map(|&(query, slot, _)| i64::from(query) * width + i64::from(slot))
            .collect();
        let weights: Vec<f32> = chances.iter().map(|entry| entry.2).collect();
        let looks = looks
            .view([-1])
            .index_select(0, &sent(&Tensor::from_slice(&entries), device));
        let weights = sent(&Tensor::from_slice(&weights), device);
        -(looks * weights).sum(Kind::Float) / queries.len() as f64
    }
}

/// How likely tokens are, weighed by whether there is anything to choose.
fn parting(likely: &BTreeMap<u32, f64>) -> Vec<(u32, f64)> {
    let weight = match likely.len() {
        1 => 1.0,
        _ => PARTING_WEIGHT,
    };
    let likely = likely.iter();
    likely
        .map(|(&token, &chance)| (token, chance * weight))
        .collect()
}

/// Cosines of each asked vector with those offered, one text's after the other's.
fn cosines(vectors: &Tensor, compared: &[(u32, Vec<u32>)]) -> Vec<f32> {
    let pairs = compared
        .iter()
        .flat_map(|(asked, offered)| offered.iter().map(move |offered| (*asked, *offered)));
    let (asked, offered): (Vec<u32>, Vec<u32>) = pairs.unzip();
    if asked.is_empty() {
        return Vec::new();
    }
    let pick = |numbers: &[u32]| vectors.index_select(0, &indices(numbers, vectors.device()));
    let cosines = Tensor::cosine_similarity(&pick(&asked), &pick(&offered), 1, 1e-8);
    Vec::<f32>::try_from(cosines.to_kind(Kind::Float)).expect("a vector of cosines")
}
