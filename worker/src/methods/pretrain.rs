//! A small language model of one's own, trained on item texts and on instructions made from item texts alone.
//!
//! It never sees an interaction. What it must learn is to read a prompt: to copy and to choose titles, and to follow what
//! stands in the place of the user's vector. There stands, by turns, a word of the answer's text, the mean of the
//! embeddings of such words, or a random vector that lies near the one behind the answer's title; so the frozen model can
//! later compare whatever vectors a projection puts there. Lists are short at first: a model that is shown twenty titles from
//! the start does not find out how to choose among them.
//!
//! Letters: N tokens, W width.

use allround::data::{Item, Prepared};
use allround::seed::{Stream, stream};
use allround::spec::config::llm::{SmallLlm, Wording, Words};
use allround::spec::config::method::{Fit, OutOfMemory};
use allround::spec::config::train::Optimizer;
use allround::text::{Asked, Piece, Titles, Vectors, answer_of, render};
use rand::RngExt;
use rand::seq::{IndexedRandom, SliceRandom, index};
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};

use super::reader::Opened;
use crate::nn::embedding::indices;
use crate::train::fit::{self, Loss, Task, Wrong};

/// This stage's number among random streams.
pub const STAGE: u64 = 4;
/// Steps of what the loop calls an epoch.
pub const STEPS_AN_EPOCH: u64 = 100;
/// Deviation of the weights that the model starts from: wider than OPT's, since it is narrow.
pub const INIT_STD: f64 = 0.05;
/// Weight of the prompts' own tokens beside the answers'.
const TEXT_WEIGHT: f64 = 0.1;
/// Most items of a history.
const HISTORY: usize = 10;
/// Largest noise on a random vector that the answer's must be told from, against a length of 1 per dimension.
const NOISE: f64 = 2.0;

/// The settings of the training loop that the small model's come to.
pub fn fit_of(llm: &SmallLlm) -> Fit {
    Fit {
        epochs: u32::try_from(llm.steps.div_ceil(STEPS_AN_EPOCH)).unwrap_or(u32::MAX),
        batch_size: llm.batch_size,
        lr: llm.lr,
        optimizer: Optimizer::Adam { betas: [0.9, 0.98], eps: 1e-8, weight_decay: 0.0 },
        clip_norm: 1.0,
        warmup: llm.warmup,
        out_of_memory: OutOfMemory::Fail,
    }
}

/// What the tokenizer is trained on: every item's texts, and the words of the instructions as often as it takes to keep
/// them whole.
pub fn corpus(prepared: &Prepared, words: &Words) -> Vec<String> {
    let titles = Titles::new(&prepared.items);
    let mut texts = Vec::new();
    for (at, item) in prepared.items.iter().enumerate() {
        texts.push(answer_of(&titles, at as u32 + 1));
        texts.push(said(&titles, at as u32 + 1, item));
    }
    let told = Vectors { user: true, item: false };
    for _ in 0..texts.len().div_ceil(8) {
        for wording in [Wording::PublishedCode, Wording::Paper] {
            let pieces = render(&asked(wording, words), told, &[], &[], &titles);
            texts.extend(pieces.into_iter().filter_map(|piece| match piece {
                Piece::Text(text) => Some(text),
                _ => None,
            }));
        }
    }
    texts
}

fn asked(wording: Wording, words: &Words) -> Asked {
    Asked {
        wording,
        template: String::new(),
        words: words.clone(),
        history: HISTORY,
        candidates: 2,
        title_tokens: 0,
    }
}

/// An item in a few sentences.
fn said(titles: &Titles, number: u32, item: &Item) -> String {
    let mut text = answer_of(titles, number);
    if !item.categories.is_empty() {
        text.push_str(&format!(" is of the kind {}.", item.categories.join(", ")));
    }
    if let Some(description) = item.description.as_deref() {
        let description: String = description.chars().take(400).collect();
        text.push(' ');
        text.push_str(&description);
    }
    text
}

/// A vector in a prompt.
#[derive(Clone, Debug, PartialEq)]
enum Told {
    /// The random vector of this number, with noise of its own.
    Random { number: u32, noise: f64 },
    /// The mean of these tokens' embeddings, with noise.
    Bag { tokens: Vec<u32>, noise: f64 },
}

#[derive(Clone, Debug, PartialEq)]
enum Place {
    Token(u32),
    Vector(Told),
}

/// A text with its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    prompt: Vec<Place>,
    answer: Vec<u32>,
    /// Random vectors that the prompt names.
    random: u32,
}

/// What stands where the user's vector will.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hint {
    /// A vector near the answer's own.
    Near,
    /// The mean of words of the answer.
    Bag,
    /// Words of the answer.
    Words,
    /// Nothing; the history's vectors lie near the answer's.
    History,
    /// Nothing at all: any candidate is right.
    Nothing,
}

/// A small model in training.
#[derive(Debug)]
pub struct Pretraining<'a> {
    settings: &'a SmallLlm,
    words: &'a Words,
    prepared: &'a Prepared,
    titles: Titles,
    /// The tokens of each item's title, and of its other words.
    spelled: Vec<[Vec<u32>; 2]>,
    /// The model and its tokenizer.
    pub opened: Opened,
}

impl<'a> Pretraining<'a> {
    /// `opened` holds a trainable model.
    pub fn new(
        settings: &'a SmallLlm,
        words: &'a Words,
        prepared: &'a Prepared,
        opened: Opened,
    ) -> Self {
        let titles = Titles::new(&prepared.items);
        let spell = |at: usize| {
            let number = at as u32 + 1;
            let text = said(&titles, number, &prepared.items[at]);
            let other = text[answer_of(&titles, number).len()..].to_owned();
            let title = format!(" {}", titles.of(number));
            [title, other].map(|text| opened.tokenizer.encode(&text))
        };
        let spelled = (0..prepared.items.len()).map(spell).collect();
        Self { settings, words, prepared, titles, spelled, opened }
    }

    fn text(&self, random: &mut ChaCha8Rng, length: usize, history: usize) -> Text {
        let hint = match random.random_range(0..100) {
            0..40 => Hint::Near,
            40..65 => Hint::Bag,
            65..75 => Hint::Words,
            75..83 => Hint::History,
            83..88 => Hint::Nothing,
            88..92 => return self.copying(random, length),
            92..96 => return self.kind(random),
            _ => return self.plain(random),
        };
        let (mut length, mut history) = (length, history);
        loop {
            let text = self.choosing(random, hint, (length, history));
            // Long titles leave room for fewer of them.
            if text.prompt.len() + text.answer.len() <= self.settings.positions {
                return text;
            }
            if length <= 2 && history == 0 {
                return self.plain(random);
            }
            (length, history) = (length.div_ceil(2).max(2), history / 2);
        }
    }

    /// Several titles, and the same again.
    fn copying(&self, random: &mut ChaCha8Rng, length: usize) -> Text {
        let items = self.items(random, length.min(6));
        let list: Vec<String> = items.iter().map(|&item| answer_of(&self.titles, item)).collect();
        let list = list.join(",");
        self.spelled_out(&format!("The titles are {list}. Once more: "), &list)
    }

    /// An item and its kind.
    fn kind(&self, random: &mut ChaCha8Rng) -> Text {
        let item = self.items(random, 1)[0];
        let categories = &self.prepared.items[item as usize - 1].categories;
        let title = answer_of(&self.titles, item);
        match categories.first() {
            Some(kind) => self.spelled_out(&format!("{title} is of the kind "), kind),
            None => self.plain(random),
        }
    }

    /// An item's text.
    fn plain(&self, random: &mut ChaCha8Rng) -> Text {
        let item = self.items(random, 1)[0];
        let text = said(&self.titles, item, &self.prepared.items[item as usize - 1]);
        self.spelled_out("", &text)
    }

    fn spelled_out(&self, prompt: &str, answer: &str) -> Text {
        let tokenizer = &self.opened.tokenizer;
        let begin = std::iter::once(self.opened.eos);
        let prompt = begin.chain(tokenizer.encode(prompt)).map(Place::Token);
        let mut answer = tokenizer.encode(answer);
        answer.truncate(self.settings.positions / 4);
        answer.push(self.opened.eos);
        Text { prompt: prompt.collect(), answer, random: 0 }
    }

    fn items(&self, random: &mut ChaCha8Rng, count: usize) -> Vec<u32> {
        let all = self.prepared.n_items();
        let drawn = index::sample(random, all, count.min(all));
        drawn.into_iter().map(|at| at as u32 + 1).collect()
    }

    /// One of `length` titles, by a hint.
    fn choosing(
        &self,
        random: &mut ChaCha8Rng,
        hint: Hint,
        (length, history): (usize, usize),
    ) -> Text {
        let drawn = self.items(random, length + history);
        let (history, candidates) = drawn.split_at(drawn.len().saturating_sub(length));
        let chosen = random.random_range(0..candidates.len());
        let target = candidates[chosen];
        let vectors = match hint {
            Hint::Near => Vectors { user: true, item: true },
            Hint::Bag => Vectors { user: true, item: random.random_bool(0.6) },
            Hint::Words => Vectors { user: true, item: false },
            Hint::History => Vectors { user: false, item: true },
            Hint::Nothing => Vectors { user: false, item: random.random_bool(0.5) },
        };
        let wording = [Wording::PublishedCode, Wording::Paper];
        let wording = *wording.choose(random).expect("there are two");
        let pieces = render(&asked(wording, self.words), vectors, history, candidates, &self.titles);
        let mut text = Text { prompt: Vec::new(), answer: Vec::new(), random: drawn.len() as u32 };
        let noise = random.random_range(0.0..NOISE);
        // An item's random vector has the item's place among those drawn.
        let number = |item: u32| drawn.iter().position(|&other| other == item).unwrap_or(0) as u32;
        for (place, piece) in pieces.iter().enumerate() {
            match piece {
                Piece::Text(piece) => {
                    if place == 0 {
                        text.prompt.push(Place::Token(self.opened.eos));
                    }
                    let tokens = self.opened.tokenizer.encode(piece);
                    text.prompt.extend(tokens.into_iter().map(Place::Token));
                }
                Piece::User => {
                    self.hint(random, hint, (target, number(target), noise), &mut text.prompt);
                    text.prompt.push(Place::Token(self.opened.eos));
                }
                Piece::HistoryItem(item) => {
                    let number = if hint == Hint::History { number(target) } else { number(*item) };
                    let noise = if hint == Hint::History { noise } else { 0.0 };
                    text.prompt.push(Place::Vector(Told::Random { number, noise }));
                }
                Piece::CandidateItem(item) => {
                    let told = match hint {
                        Hint::Bag => Told::Bag {
                            tokens: self.spelled[*item as usize - 1].concat(),
                            noise: 0.5,
                        },
                        _ => Told::Random { number: number(*item), noise: 0.0 },
                    };
                    text.prompt.push(Place::Vector(told));
                }
            }
        }
        text.answer = self.opened.tokenizer.encode(&answer_of(&self.titles, target));
        text.answer.push(self.opened.eos);
        text
    }

    fn hint(
        &self,
        random: &mut ChaCha8Rng,
        hint: Hint,
        (target, number, noise): (u32, u32, f64),
        prompt: &mut Vec<Place>,
    ) {
        let [title, other] = &self.spelled[target as usize - 1];
        match hint {
            Hint::Bag => {
                let mut tokens = if random.random_bool(0.7) { title.clone() } else { other.clone() };
                if random.random_bool(0.5) && !tokens.is_empty() {
                    tokens.shuffle(random);
                    tokens.truncate(random.random_range(1..=tokens.len()));
                }
                let noise = noise * 0.5;
                prompt.push(Place::Vector(Told::Bag { tokens, noise }));
            }
            Hint::Words => {
                let title = self.titles.of(target);
                let mut words: Vec<&str> = title.split_whitespace().collect();
                words.shuffle(random);
                let kept = random.random_range(1..=words.len().max(1));
                words.truncate(kept);
                let tokens = self.opened.tokenizer.encode(&format!(" {}", words.join(" ")));
                prompt.extend(tokens.into_iter().map(Place::Token));
            }
            _ => prompt.push(Place::Vector(Told::Random { number, noise })),
        }
    }

    /// Input vectors [sum of lengths, W] of prompts and answers but the last token of each.
    fn inputs(&self, texts: &[Text]) -> Vec<Tensor> {
        let lm = &self.opened.lm;
        let mut gathered = Gathered::default();
        let mut lengths = Vec::with_capacity(texts.len());
        for text in texts {
            for place in &text.prompt {
                gathered.take(place);
            }
            for &token in &text.answer[..text.answer.len() - 1] {
                gathered.take(&Place::Token(token));
            }
            gathered.first_random += text.random;
            lengths.push((text.prompt.len() + text.answer.len() - 1) as i64);
        }
        let all = gathered.tensor(lm);
        all.split_with_sizes(lengths, 0)
    }
}

/// What a batch's places ask for.
#[derive(Default)]
struct Gathered {
    tokens: Vec<u32>,
    /// Number of each vector's random part among those of the batch, and how much noise is added.
    random: Vec<(u32, f64)>,
    /// Tokens of means, with the number of the mean.
    bags: Vec<(u32, u32)>,
    bag_noise: Vec<f64>,
    /// Each place as a token, a vector or a mean.
    order: Vec<(u8, u32)>,
    first_random: u32,
}

impl Gathered {
    fn take(&mut self, place: &Place) {
        match place {
            Place::Token(token) => {
                self.order.push((0, self.tokens.len() as u32));
                self.tokens.push(*token);
            }
            Place::Vector(Told::Random { number, noise }) => {
                self.order.push((1, self.random.len() as u32));
                self.random.push((self.first_random + number, *noise));
            }
            Place::Vector(Told::Bag { tokens, noise }) => {
                let number = self.bag_noise.len() as u32;
                self.order.push((2, number));
                self.bags.extend(tokens.iter().map(|&token| (number, token)));
                self.bag_noise.push(*noise);
            }
        }
    }

    /// All places' vectors, in order.
    fn tensor(&self, lm: &crate::llm::lm::Lm) -> Tensor {
        let (device, width) = (lm.device(), lm.width());
        let options = (Kind::Float, device);
        let mut parts = vec![lm.embed(&indices(&self.tokens, device))];
        if !self.random.is_empty() {
            let numbers: Vec<u32> = self.random.iter().map(|(number, _)| *number).collect();
            let noise: Vec<f64> = self.random.iter().map(|(_, noise)| *noise).collect();
            let base = Tensor::randn([i64::from(self.first_random), width], options);
            let base = base.index_select(0, &indices(&numbers, device));
            parts.push(with_noise(&base, &noise));
        }
        if !self.bag_noise.is_empty() {
            let (owners, tokens): (Vec<u32>, Vec<u32>) = self.bags.iter().copied().unzip();
            let words = lm.embed(&indices(&tokens, device)).detach().to_kind(Kind::Float);
            let sums = Tensor::zeros([self.bag_noise.len() as i64, width], options);
            let sums = sums.index_add(0, &indices(&owners, device), &words);
            let size = sums.square().mean_dim(1, true, Kind::Float).sqrt();
            parts.push(with_noise(&(sums / (size + 1e-6)), &self.bag_noise));
        }
        let starts = parts.iter().scan(0, |start, part| {
            let here = *start;
            *start += part.size()[0] as u32;
            Some(here)
        });
        let mut starts: Vec<u32> = starts.collect();
        if self.random.is_empty() {
            starts.insert(1, 0);
        }
        let order = self.order.iter().map(|&(kind, at)| starts[kind as usize] + at);
        Tensor::cat(&parts, 0).index_select(0, &indices(&order.collect::<Vec<_>>(), device))
    }
}

/// `vectors` [N, W] with normal noise of these sizes, scaled back to their own size.
fn with_noise(vectors: &Tensor, noise: &[f64]) -> Tensor {
    let noise: Vec<f32> = noise.iter().map(|&noise| noise as f32).collect();
    let noise = Tensor::from_slice(&noise).to_device(vectors.device()).unsqueeze(1);
    let noisy = vectors + vectors.randn_like() * &noise;
    noisy / (noise.square() + 1.0).sqrt()
}

impl Task for Pretraining<'_> {
    type Example = Text;

    fn weights(&self) -> Vec<(String, Tensor)> {
        self.opened.lm.trained()
    }

    fn params(&self) -> u64 {
        self.opened.params()
    }

    fn steps(&self, epoch: u32) -> Result<Vec<Vec<Text>>, Wrong> {
        let mut random = stream(self.settings.seed, Stream::Prompt, fit::index(STAGE, epoch, 0));
        let first = u64::from(epoch - 1) * STEPS_AN_EPOCH;
        let last = (first + STEPS_AN_EPOCH).min(self.settings.steps);
        let most = self.settings.list.min(self.prepared.n_items());
        let steps = (first..last).map(|step| {
            let done = step as f64 / self.settings.steps as f64;
            let (least, length) = lengths(done, most);
            let length = random.random_range(least..=length);
            let history = if done < 0.5 { 0 } else { random.random_range(0..=HISTORY) };
            let history = history.min(self.prepared.n_items() - length);
            // Short texts fill a step with more of them.
            let count = self.settings.batch_size * (most / length).clamp(1, 2);
            (0..count).map(|_| self.text(&mut random, length, history)).collect()
        });
        Ok(steps.collect())
    }

    fn weight(&self, _example: &Text) -> u64 {
        1
    }

    fn loss(&self, examples: &[Text]) -> Result<Loss, Wrong> {
        let lm = &self.opened.lm;
        let rows = self.inputs(examples);
        let (mut wanted, mut expected) = (Vec::new(), Vec::new());
        // Places of answers and of prompts' tokens among the wanted states, with what follows them.
        let mut follows: [Vec<u32>; 2] = Default::default();
        let mut place = 0;
        for text in examples {
            let prompt = text.prompt.iter().skip(1).map(|place| match place {
                Place::Token(token) => Some(*token),
                Place::Vector(_) => None,
            });
            let answer = text.answer.iter().map(|&token| Some(token));
            let next: Vec<Option<u32>> = prompt.chain(answer).collect();
            wanted.push(0..next.len());
            for (at, next) in next.into_iter().enumerate() {
                if let Some(next) = next {
                    let is_answer = at + 1 >= text.prompt.len();
                    follows[usize::from(!is_answer)].push(expected.len() as u32);
                    expected.push((place, next));
                }
                place += 1;
            }
        }
        let (places, expected): (Vec<u32>, Vec<u32>) = expected.into_iter().unzip();
        let device = lm.device();
        let hidden = lm.hidden(&rows, &wanted).index_select(0, &indices(&places, device));
        let logits = lm.logits(&hidden).to_kind(Kind::Float);
        let next = indices(&expected, device);
        let losses = logits.cross_entropy_loss::<Tensor>(&next, None, tch::Reduction::None, -100, 0.0);
        let [answer, text] = follows.map(|places| {
            let chosen = losses.index_select(0, &indices(&places, device));
            chosen.sum(Kind::Float) / places.len().max(1) as f64
        });
        Ok(Loss {
            mean: &answer + &text * TEXT_WEIGHT,
            parts: vec![("answer", answer), ("text", text)],
            tokens: u64::from(place),
        })
    }
}

/// Least and most titles of a list when this share of the training is done.
fn lengths(done: f64, most: usize) -> (usize, usize) {
    let upto = |length: usize| length.min(most);
    match done {
        ..0.3 => (upto(2), upto(4)),
        ..0.5 => (upto(4), upto(8)),
        ..0.7 => (upto(8), upto(14)),
        _ => (upto(10), most),
    }
}


#[cfg(test)]
mod tests;
