//! The texts that a small language model is trained on: what is asked, and what stands where vectors will.

use allround::spec::config::llm::Wording;
use allround::text::{Piece, Vectors, answer_of, render};
use rand::RngExt;
use rand::seq::{IndexedRandom, SliceRandom, index};
use rand_chacha::ChaCha8Rng;

use super::vectors::{Place, Told};
use super::{HISTORY, Pretraining, asked, said};

/// A text with its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    pub(super) prompt: Vec<Place>,
    pub(super) answer: Vec<u32>,
    /// Random vectors that the prompt names.
    pub(super) random: u32,
}

/// What stands where the user's vector will.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    /// A vector near the one behind the answer's title.
    Near,
    /// The mean of words of the answer.
    Mean,
    /// Words of the answer.
    Words,
    /// Nothing; the history's vectors lie near the answer's.
    History,
    /// Nothing at all: any candidate is right.
    Nothing,
}

/// How hard the texts are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Lesson {
    /// Titles of a list, at least and at most.
    pub(super) titles: (usize, usize),
    /// Most items of a history.
    pub(super) history: usize,
    /// Largest random share of the vectors behind titles, whose other part is the mean of the title's words.
    share: f64,
    /// Most noise on the vector that is to be found again, against a size of 1.
    noise: f64,
    /// Share of prompts that are a list and nothing else: short, and so many in little time.
    bare: f64,
}

impl Lesson {
    /// The lesson when this share of the training is done, with lists of `most` titles in the end.
    pub(super) fn at(done: f64, most: usize) -> Self {
        let lesson = |least: usize, longest: usize, history, share, noise, bare| Self {
            titles: (least.min(most), longest.min(most)),
            history,
            share,
            noise,
            bare,
        };
        match done {
            ..0.3 => lesson(2, 4, 0, 0.1, 0.3, 0.8),
            ..0.5 => lesson(4, 8, 0, 0.3, 0.6, 0.5),
            ..0.7 => lesson(8, 14, HISTORY / 2, 0.5, 0.8, 0.2),
            _ => lesson(12, usize::MAX, HISTORY, 0.7, 1.0, 0.05),
        }
    }
}

impl Pretraining<'_> {
    pub(super) fn text(
        &self,
        random: &mut ChaCha8Rng,
        lesson: Lesson,
        sizes: (usize, usize),
    ) -> Text {
        let (length, history) = sizes;
        let hint = match random.random_range(0..100) {
            0..50 => Hint::Near,
            50..78 => Hint::Mean,
            78..84 => Hint::Words,
            84..87 if history > 0 => Hint::History,
            84..88 => Hint::Nothing,
            88..92 => return self.copying(random, length),
            92..96 => return self.kind(random),
            _ => return self.plain(random),
        };
        let (mut length, mut history) = (length, history);
        loop {
            let text = self.choosing(random, hint, lesson, (length, history));
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
        let list: Vec<String> = items
            .iter()
            .map(|&item| answer_of(&self.titles, item))
            .collect();
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
        Text {
            prompt: prompt.collect(),
            answer,
            random: 0,
        }
    }

    fn items(&self, random: &mut ChaCha8Rng, count: usize) -> Vec<u32> {
        let all = self.prepared.n_items();
        let drawn = index::sample(random, all, count.min(all));
        drawn.into_iter().map(|at| at as u32 + 1).collect()
    }

    /// One of `length` titles, by a hint.
    pub(super) fn choosing(
        &self,
        random: &mut ChaCha8Rng,
        hint: Hint,
        lesson: Lesson,
        (length, history): (usize, usize),
    ) -> Text {
        let drawn = self.items(random, length + history);
        let (history, candidates) = drawn.split_at(drawn.len().saturating_sub(length));
        let chosen = random.random_range(0..candidates.len());
        let target = candidates[chosen];
        let vectors = match hint {
            Hint::Near => Vectors {
                user: true,
                item: true,
            },
            Hint::Mean => Vectors {
                user: true,
                item: random.random_bool(0.6),
            },
            Hint::Words => Vectors {
                user: true,
                item: false,
            },
            Hint::History => Vectors {
                user: false,
                item: true,
            },
            Hint::Nothing => Vectors {
                user: false,
                item: random.random_bool(0.5),
            },
        };
        let wording = [Wording::PublishedCode, Wording::Paper];
        let wording = *wording.choose(random).expect("there are two");
        let mut asked = asked(wording, self.words);
        let bare = random.random_bool(lesson.bare);
        if bare {
            asked.template = "{candidates}. ".to_owned();
        }
        let mut pieces = render(&asked, vectors, history, candidates, &self.titles);
        if bare && vectors.user {
            pieces.insert(0, Piece::User);
        }
        let mut text = Text {
            prompt: Vec::new(),
            answer: Vec::new(),
            random: drawn.len() as u32,
        };
        let noise = random.random_range(0.0..lesson.noise);
        let share = random.random_range(0.0..lesson.share);
        // An item's random part has the item's place among those drawn.
        let told = |item: u32, noise: f64| Told {
            tokens: self.spelled[item as usize - 1].clone(),
            number: drawn.iter().position(|&other| other == item).unwrap_or(0) as u32,
            share,
            noise,
        };
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
                    self.hint(random, hint, told(target, noise), &mut text.prompt);
                    text.prompt.push(Place::Token(self.opened.eos));
                }
                Piece::HistoryItem(_) if hint == Hint::History => {
                    text.prompt.push(Place::Vector(told(target, noise)));
                }
                Piece::HistoryItem(item) | Piece::CandidateItem(item) => {
                    text.prompt.push(Place::Vector(told(*item, 0.0)));
                }
            }
        }
        text.answer = self
            .opened
            .tokenizer
            .encode(&answer_of(&self.titles, target));
        text.answer.push(self.opened.eos);
        text
    }

    /// What stands where the user's vector will, made of `near`, the vector behind the answer's title with noise.
    fn hint(&self, random: &mut ChaCha8Rng, hint: Hint, near: Told, prompt: &mut Vec<Place>) {
        let some = |tokens: &mut Vec<u32>, random: &mut ChaCha8Rng| {
            if random.random_bool(0.5) && !tokens.is_empty() {
                tokens.shuffle(random);
                tokens.truncate(random.random_range(1..=tokens.len()));
            }
        };
        match hint {
            Hint::Mean => {
                let mut tokens = near.tokens;
                some(&mut tokens, random);
                prompt.push(Place::Vector(Told {
                    tokens,
                    share: 0.0,
                    noise: near.noise * 0.5,
                    ..near
                }));
            }
            Hint::Words => {
                let mut tokens = near.tokens;
                some(&mut tokens, random);
                prompt.extend(tokens.into_iter().map(Place::Token));
            }
            _ => prompt.push(Place::Vector(near)),
        }
    }
}
