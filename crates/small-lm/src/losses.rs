//! The loss of the texts that a small language model is trained on.
//!
//! It has four parts:
//!
//! - the answer's tokens against their probabilities, which say more than one drawn answer;
//! - the prompt's own tokens;
//! - in a middle layer, each vector's slot predicts the first token of the title before it;
//! - in a middle layer, the places before the answer attend to the vector of the answer.
//!
//! Without the last two, a model this small does not learn to choose within a million answers.
//!
//! Letters: N tokens of all texts, W width of vectors, D of states, V vocabulary, Q queries, H
//! heads, T longest text.

use allround_core::config::llm::Look;
use tch::{Kind, Tensor};

use super::PretrainTask;
use super::choice::{Choice, Made};
use super::texts::{Answer, Text};
use super::vectors::{Gathered, Place};
use allround_worker::nn::embedding::indices;
use allround_worker::torch_ext::transfer::to_device_async;
use allround_worker::train::task::Loss;

/// Weight of the prompts' own tokens next to the answers'.
pub(super) const TEXT_WEIGHT: f64 = 0.1;
/// Weight of what a vector's place is to know.
pub(super) const TITLE_WEIGHT: f64 = 0.3;
/// Weight of where to look.
pub(super) const LOOK_WEIGHT: f64 = 1.0;
/// Weight of a token at which candidates part, among those of an answer.
const PARTING_WEIGHT: f64 = 4.0;

/// Texts whose vectors are drawn and whose choices are made.
struct Written<'a> {
    texts: &'a [&'a Text],
    /// The number of each text's choice among all; `None` where its answer is said.
    numbers: Vec<Option<usize>>,
    /// All choices; `None` where there is none.
    made: Option<Made>,
    /// Input vectors [length, W] of each text but its last token.
    rows: Vec<Tensor>,
    /// The first token of each text among all.
    starts: Vec<u32>,
}

/// Which tokens are to be predicted, and in front of them where.
#[derive(Default)]
struct Aims {
    places: Vec<u32>,
    tokens: Vec<u32>,
}

impl Aims {
    /// The token at `place` is this.
    fn push(&mut self, place: u32, token: u32) {
        self.places.push(place);
        self.tokens.push(token);
    }

    /// Sum of cross-entropies, of states [N, W].
    fn sum(&self, states: &Tensor, logits: impl Fn(&Tensor) -> Tensor) -> Tensor {
        let device = states.device();
        if self.places.is_empty() {
            return Tensor::zeros([], (Kind::Float, device));
        }
        let states = states.index_select(0, &indices(&self.places, device));
        let logits = logits(&states).to_kind(Kind::Float);
        let all = logits.log_softmax(-1, Kind::Float).view([-1]);
        let width = logits.size()[1];
        let entries = self.tokens.iter().enumerate();
        let entries: Vec<i64> = entries
            .map(|(row, &token)| row as i64 * width + i64::from(token))
            .collect();
        let entries = to_device_async(&Tensor::from_slice(&entries), device);
        -all.index_select(0, &entries).sum(Kind::Float)
    }

    /// Mean cross-entropy a place, of states [N, W].
    fn mean(&self, states: &Tensor, logits: impl Fn(&Tensor) -> Tensor) -> Tensor {
        self.sum(states, logits) / self.places.len().max(1) as f64
    }
}

impl PretrainTask<'_> {
    pub(super) fn loss_of(&self, texts: &[&Text]) -> Loss {
        let lm = &self.loaded.lm;
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
                    prompts.push(start + place as u32, *token);
                }
            }
            if let Answer::Said(answer) = &text.answer {
                let first = start + text.prompt.len() as u32 - 1;
                let said = answer.iter().enumerate();
                said.for_each(|(place, &token)| answers.push(first + place as u32, token));
            }
            for &(place, token) in &text.titled {
                titles.push(start + place as u32, token);
            }
        }
        let logits = |states: &Tensor| lm.logits(states);
        let answer = self.answers(&written, &hidden, &answers);
        let text = prompts.mean(&hidden, logits);
        let title = titles.mean(&before, |states| lm.early_logits(states));
        let [look, again] = self.look(&written, &before, layer);
        let mut mean = &answer + &text * TEXT_WEIGHT + &title * TITLE_WEIGHT + &look * LOOK_WEIGHT;
        let mut parts = vec![
            ("answer", answer),
            ("text", text),
            ("title", title),
            ("look", look),
        ];
        if self.writer.settings.look == Look::Every {
            mean += &again * LOOK_WEIGHT;
            parts.push(("look_again", again));
        }
        Loss {
            mean,
            parts,
            tokens: hidden.size()[0] as u64,
        }
    }

    /// Mean cross-entropy a token of the answers: of those said, and of the choices against how
    /// likely each token is.
    fn answers(&self, written: &Written<'_>, hidden: &Tensor, said: &Aims) -> Tensor {
        let logits = |states: &Tensor| self.loaded.lm.logits(states);
        let sum = said.sum(hidden, logits);
        let count = said.places.len() as f64;
        let Some(made) = &written.made else {
            return sum / count.max(1.0);
        };
        let device = hidden.device();
        let [choices, candidates, length] = made.answers.size()[..] else {
            unreachable!("answers have three dimensions")
        };
        // Places of the longest answers among all tokens, and in [M, L].
        let (mut places, mut rows) = (Vec::new(), Vec::new());
        for (start, text, number, choice) in written.choices() {
            let first = start + text.prompt.len() as u32 - 1;
            for place in 0..choice.longest() as u32 {
                places.push(first + place);
                rows.push(number as u32 * length as u32 + place);
            }
        }
        let rows = indices(&rows, device);
        let by_place = |of: &Tensor| {
            let rows_of = of.transpose(1, 2).reshape([choices * length, candidates]);
            rows_of.index_select(0, &rows)
        };
        let states = hidden.index_select(0, &indices(&places, device));
        let all = logits(&states).log_softmax(-1, Kind::Float);
        let weights = &made.parting * (PARTING_WEIGHT - 1.0) + 1.0;
        let weights = by_place(&(&made.chances * weights.unsqueeze(1)));
        let chosen = all.gather(1, &by_place(&made.answers), false);
        (sum - (chosen * weights).sum(Kind::Float)) / (made.said.sum(Kind::Float) + count)
    }

    /// Draws the texts' vectors and makes their choices.
    fn written<'a>(&self, texts: &'a [&'a Text]) -> Written<'a> {
        let lm = &self.loaded.lm;
        let mut gathered = Gathered::default();
        // Numbers of the vectors of a text's prompt, and pairs of those that its choice compares.
        let mut placed: Vec<Vec<u32>> = Vec::with_capacity(texts.len());
        let [mut asked, mut offered] = [Vec::new(), Vec::new()];
        let (mut choices, mut numbers) = (Vec::new(), Vec::new());
        for text in texts {
            gathered.begin(text.random);
            let vectors = text.prompt.iter().filter_map(|place| match place {
                Place::Token(_) => None,
                Place::Vector(told) => Some(told),
            });
            placed.push(vectors.map(|told| gathered.take(told)).collect());
            let Answer::Choice(choice) = &text.answer else {
                numbers.push(None);
                continue;
            };
            numbers.push(Some(choices.len()));
            choices.push(choice);
            if let Some(told) = &choice.asked {
                let number = gathered.take(told);
                for told in &choice.offered {
                    asked.push(number);
                    offered.push(gathered.take(told));
                }
            }
        }
        let vectors = gathered.draw(lm);
        let pick = |numbers: &[u32]| vectors.index_select(0, &indices(numbers, lm.device()));
        let cosines = Tensor::cosine_similarity(&pick(&asked), &pick(&offered), 1, 1e-8);
        let made = (!choices.is_empty()).then(|| Made::of(&choices, &cosines));
        let mut written = Written {
            texts,
            numbers,
            made,
            rows: Vec::new(),
            starts: Vec::new(),
        };
        self.fill(&mut written, &placed, &vectors);
        written
    }

    /// Input vectors of each text, and the first token of each among all.
    fn fill(&self, written: &mut Written<'_>, placed: &[Vec<u32>], vectors: &Tensor) {
        let lm = &self.loaded.lm;
        let mut tokens = Vec::new();
        // Where each place's vector comes from, and its number there.
        let mut order: Vec<(Origin, u32)> = Vec::new();
        let mut lengths = Vec::new();
        let chosen = written.made.as_ref().map(|made| &made.chosen);
        let longest = chosen.map_or(0, |chosen| chosen.size()[1] as u32);
        for ((text, number), placed) in written.texts.iter().zip(&written.numbers).zip(placed) {
            written.starts.push(order.len() as u32);
            let mut placed = placed.iter();
            let mut token = |order: &mut Vec<(Origin, u32)>, token: u32| {
                order.push((Origin::Token, tokens.len() as u32));
                tokens.push(token);
            };
            for place in &text.prompt {
                match place {
                    Place::Token(it) => token(&mut order, *it),
                    Place::Vector(_) => {
                        let number = placed.next().expect("every vector was gathered");
                        order.push((Origin::Vector, *number));
                    }
                }
            }
            let answer = text.answer.longest() - 1;
            match (&text.answer, number) {
                (Answer::Said(said), _) => {
                    said[..answer].iter().for_each(|&it| token(&mut order, it));
                }
                (Answer::Choice(_), number) => {
                    let first = number.expect("a choice has a number") as u32 * longest;
                    order.extend((first..first + answer as u32).map(|at| (Origin::Chosen, at)));
                }
            }
            lengths.push((text.prompt.len() + answer) as i64);
        }
        let device = lm.device();
        let embedded = lm.embed(&indices(&tokens, device));
        let vectors = vectors.to_kind(embedded.kind());
        let chosen = chosen.map(|chosen| lm.embed(&chosen.reshape([-1])));
        let behind = [
            tokens.len() as u32,
            tokens.len() as u32 + vectors.size()[0] as u32,
        ];
        let mut parts = vec![embedded, vectors];
        parts.extend(chosen);
        let order = order.iter().map(|&(origin, at)| match origin {
            Origin::Token => at,
            Origin::Vector => behind[0] + at,
            Origin::Chosen => behind[1] + at,
        });
        let order = indices(&order.collect::<Vec<_>>(), device);
        let all = Tensor::cat(&parts, 0).index_select(0, &order);
        written.rows = all.split_with_sizes(lengths, 0);
    }

    /// Mean cross-entropy between the attention of half of the heads of block `layer` and the
    /// chances of the candidates' vectors.
    ///
    /// Attention is from the places up to the token at which candidates first differ. Later places
    /// count where candidates differ that begin like the answer.
    fn look(&self, written: &Written<'_>, before: &Tensor, layer: usize) -> [Tensor; 2] {
        let device = before.device();
        let zero = || Tensor::zeros([], (Kind::Float, device));
        let looks = Looks::of(written, self.writer.settings.look);
        let Some(made) = written.made.as_ref().filter(|_| !looks.texts.is_empty()) else {
            return [zero(), zero()];
        };
        let width = looks.width();
        let logarithms = self.looked(&looks, before, layer).view([-1]);
        let expected = |entries: &[Entry], chances: &Tensor| {
            let places = entries.iter().map(|entry| entry.look * width + entry.slot);
            let places = indices(&places.collect::<Vec<_>>(), device);
            let numbers: Vec<u32> = entries.iter().map(|entry| entry.chance).collect();
            let chances = chances
                .reshape([-1])
                .index_select(0, &indices(&numbers, device));
            -(logarithms.index_select(0, &places) * chances).sum(Kind::Float)
        };
        let first = expected(&looks.first, &made.chances) / looks.first_places as f64;
        if looks.again.is_empty() {
            return [first, zero()];
        }
        let parting = indices(&looks.again_places, device);
        let count = made.parting.reshape([-1]).index_select(0, &parting);
        let chances = &made.chances * made.parting.unsqueeze(1);
        let again = expected(&looks.again, &chances) / count.sum(Kind::Float).clamp_min(1.0);
        [first, again]
    }

    /// Mean logarithm of the attention of half of the heads of block `layer`: [texts, places with
    /// queries, places attended to].
    fn looked(&self, looks: &Looks, before: &Tensor, layer: usize) -> Tensor {
        let device = before.device();
        let config = self.loaded.lm.config();
        let (heads, size) = ((config.heads / 2).max(1), config.head_size);
        let [query, key] = self.loaded.lm.queries_and_keys(layer, before);
        let texts = looks.texts.len() as i64;
        let of = |x: &Tensor, places: &Tensor| {
            let x = x
                .narrow(1, 0, heads * size)
                .index_select(0, &places.reshape([-1]));
            x.view([texts, -1, heads, size]).transpose(1, 2)
        };
        let starts: Vec<i64> = looks
            .texts
            .iter()
            .map(|text| i64::from(text.start))
            .collect();
        let starts = to_device_async(&Tensor::from_slice(&starts), device).unsqueeze(1);
        // Texts with fewer places that look do so from their last one again, which no loss reads.
        let count = looks.count();
        let places = looks.texts.iter().flat_map(|text| {
            let last = text
                .places
                .last()
                .expect("a text looks from its first place");
            let places = text.places.iter().chain(std::iter::repeat(last));
            places.take(count as usize).map(|&place| i64::from(place))
        });
        let places = to_device_async(&Tensor::from_slice(&places.collect::<Vec<_>>()), device);
        let places = places.view([texts, i64::from(count)]);
        let steps = Tensor::arange(i64::from(looks.width()), (Kind::Int64, device)).unsqueeze(0);
        let later = steps.unsqueeze(0).greater_tensor(&places.unsqueeze(2));
        let query = of(&query, &(&starts + &places));
        let key = of(&key, &(&starts + &steps).clamp_max(before.size()[0] - 1));
        let scores = query.matmul(&key.transpose(2, 3)) / (size as f64).sqrt();
        let scores = scores.masked_fill(&later.unsqueeze(1), f64::NEG_INFINITY);
        scores
            .log_softmax(-1, Kind::Float)
            .mean_dim(1, false, Kind::Float)
    }
}

/// Where the input vector of a place comes from.
#[derive(Clone, Copy)]
enum Origin {
    Token,
    Vector,
    Chosen,
}

impl Written<'_> {
    /// The choices: the first token of each text among all, the text, the choice's number, the
    /// choice.
    fn choices(&self) -> impl Iterator<Item = (u32, &Text, usize, &Choice)> {
        let texts = self.starts.iter().zip(self.texts).zip(&self.numbers);
        texts.filter_map(|((&start, text), &number)| match &text.answer {
            Answer::Said(_) => None,
            Answer::Choice(choice) => Some((start, *text, number?, choice)),
        })
    }
}

/// That a place may look at a candidate's vector.
struct Entry {
    /// The number of the place among all that look, with those that fill up texts.
    look: u32,
    /// The place of the vector in the text.
    slot: u32,
    /// The number of its chance in [M, C, L].
    chance: u32,
}

/// A text that looks from these of its places, from the first token `start` on.
struct Looking {
    start: u32,
    places: Vec<u32>,
}

/// Where to look from, and where to.
#[derive(Default)]
struct Looks {
    texts: Vec<Looking>,
    /// From places up to the first token at which the candidates part.
    first: Vec<Entry>,
    /// How many places those are.
    first_places: usize,
    /// From later places at which some candidates part that have begun alike.
    again: Vec<Entry>,
    /// The numbers of those places in [M, L].
    again_places: Vec<u32>,
}

impl Looks {
    fn of(written: &Written<'_>, look: Look) -> Self {
        let mut looks = Self::default();
        let Some(made) = &written.made else {
            return looks;
        };
        let (candidates, length) = (made.answers.size()[1] as u32, made.answers.size()[2] as u32);
        // The first token's place, and those after it.
        let mut told = Vec::new();
        for (start, text, number, choice) in written.choices() {
            if choice.slots.is_empty() {
                continue;
            }
            let partings = choice.partings();
            let first = partings.first().copied().unwrap_or(0);
            let later = match look {
                Look::First => &[],
                Look::Every => partings.get(1..).unwrap_or(&[]),
            };
            let places: Vec<usize> = (0..=first).chain(later.iter().copied()).collect();
            let end = text.prompt.len() - 1;
            looks.texts.push(Looking {
                start,
                places: places.iter().map(|place| (end + place) as u32).collect(),
            });
            told.push((number as u32, choice, first, places));
        }
        let count = looks.count();
        for (text, (number, choice, first, places)) in told.iter().enumerate() {
            for (at, &place) in places.iter().enumerate() {
                let slots = choice.slots.iter().zip(0u32..);
                let entries = slots.map(|(&slot, candidate)| Entry {
                    look: text as u32 * count + at as u32,
                    slot: slot as u32,
                    chance: (number * candidates + candidate) * length + place as u32,
                });
                if place <= *first {
                    looks.first.extend(entries);
                    looks.first_places += 1;
                } else {
                    looks.again.extend(entries);
                    looks.again_places.push(number * length + place as u32);
                }
            }
        }
        looks
    }

    /// Places of the text that looks from most.
    fn count(&self) -> u32 {
        let counts = self.texts.iter().map(|text| text.places.len() as u32);
        counts.max().unwrap_or(0)
    }

    /// Places up to the last one that looks.
    fn width(&self) -> u32 {
        let last = self.texts.iter().flat_map(|text| &text.places).max();
        last.map_or(0, |last| last + 1)
    }
}
