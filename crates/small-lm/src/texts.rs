//! The texts that a small language model is trained on: prompts, and what takes the places of
//! vectors.

use allround_core::config::llm::Wording;
use allround_core::text::{Piece, Vectors, render};
use rand::RngExt;
use rand::seq::{IndexedRandom, SliceRandom, index};
use rand_chacha::ChaCha8Rng;

use super::choice::Choice;
use super::vectors::{Place, VectorRecipe};
use super::{HISTORY, Writer, asked};

/// A text with its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    pub(super) prompt: Vec<Place>,
    pub(super) answer: Answer,
    /// Places of vectors in the prompt that are after a title, each with the title's first token.
    pub(super) titled: Vec<(usize, u32)>,
    /// How many random vectors the text names.
    pub(super) random: u32,
    /// Whether it was shortened, or took the place of another, since the positions could not hold
    /// what was drawn.
    pub(super) fitted: bool,
}

/// How a text continues after its prompt.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    /// With these tokens.
    Said(Vec<u32>),
    /// With one of some titles.
    Choice(Choice),
}

/// What says which candidate is requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    /// The user's vector is like one candidate's.
    Near,
    /// The user's vector is a weighted sum of all candidates' vectors; weights may be negative.
    Leaning,
    /// The user's vector is the mean of words of a candidate.
    Mean,
    /// Words of a candidate are in the place of the user's vector.
    Words,
    /// No user's vector; those of the history are like a candidate's.
    History,
    /// Nothing at all.
    Nothing,
}

/// How hard the texts are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Lesson {
    /// Titles of a list, at least and at most.
    pub(super) titles: (usize, usize),
    /// Most items of a history.
    pub(super) history: usize,
    /// Share of prompts that are a list and nothing else: short, hence many in little time.
    pub(super) bare: f64,
    /// Whether vectors hold words. Words are the easier part to find again: a model that has them
    /// from the start never learns to compare vectors.
    pub(super) words: bool,
}

impl Lesson {
    /// The lesson when this share of the training is done, with lists of `most` titles in the end.
    pub(super) fn at(done: f64, most: usize) -> Self {
        let lesson = |(least, longest): (usize, usize), history, bare, words| Self {
            titles: (least.min(most), longest.min(most)),
            history,
            bare,
            words,
        };
        match done {
            ..0.15 => lesson((2, 3), 0, 1.0, false),
            ..0.25 => lesson((3, 8), 0, 0.8, true),
            ..0.4 => lesson((6, 14), HISTORY / 2, 0.5, true),
            _ => lesson((12, usize::MAX), HISTORY, 0.2, true),
        }
    }
}

/// The number of an item's random part, and its title's tokens.
type Named = (u32, Vec<u32>);

/// How the vectors of one text are made. An item's random part has the item's place among those
/// drawn.
struct Scene<'a> {
    drawn: &'a [u32],
    tokenized: &'a [Vec<u32>],
    /// Deviation of items' vectors and of the user's: as large as projections make them, next to
    /// smaller embeddings.
    sizes: [f64; 2],
    /// Random share of items' vectors; the rest are their titles' words.
    share: f64,
    /// Random vectors so far.
    count: u32,
}

impl Scene<'_> {
    fn named(&self, item: u32) -> Named {
        let number = self.drawn.iter().position(|&other| other == item);
        let number = number.expect("items of the prompt were drawn") as u32;
        (number, self.tokenized[item as usize - 1].clone())
    }

    /// The vector after an item's title.
    fn item(&self, item: u32) -> VectorRecipe {
        self.sum(self.sizes[0], &[(self.named(item), 1.0)])
    }

    /// Items' own vectors with these weights, whose squares should sum to 1.
    fn sum(&self, size: f64, items: &[(Named, f64)]) -> VectorRecipe {
        let (random, words) = (self.share.sqrt() * size, (1.0 - self.share).sqrt() * size);
        let bags = items.iter().filter(|_| words > 0.0);
        let parts = items.iter().filter(|_| random > 0.0);
        VectorRecipe {
            words: bags
                .map(|((_, tokens), weight)| (tokens.clone(), weight * words))
                .collect(),
            random: parts
                .map(|((number, _), weight)| (*number, weight * random))
                .collect(),
        }
    }

    /// A vector at this cosine to `told`; its other part is its own.
    fn like(&mut self, told: &VectorRecipe, cosine: f64) -> VectorRecipe {
        let scaled = |weight: f64| weight * cosine;
        let words = told.words.iter();
        let random = told.random.iter();
        let other = (1.0 - cosine * cosine).sqrt() * self.sizes[1];
        self.count += 1;
        VectorRecipe {
            words: words
                .map(|(tokens, weight)| (tokens.clone(), scaled(*weight)))
                .collect(),
            random: random
                .map(|&(number, weight)| (number, scaled(weight)))
                .chain(std::iter::once((self.count - 1, other)))
                .collect(),
        }
    }
}

impl Writer<'_> {
    pub(super) fn text(
        &self,
        random: &mut ChaCha8Rng,
        lesson: Lesson,
        sizes: (usize, usize),
    ) -> Text {
        let (length, history) = sizes;
        let hint = match random.random_range(0..100) {
            0..40 => Hint::Leaning,
            40..70 => Hint::Near,
            70..80 if lesson.words => Hint::Mean,
            80..84 if lesson.words => Hint::Words,
            84..87 if history > 0 => Hint::History,
            84..88 => Hint::Nothing,
            88..92 => return self.copying(random, length),
            92..96 => return self.kind(random),
            96..100 => return self.plain(random),
            _ => Hint::Near,
        };
        let (mut length, mut history) = (length, history);
        loop {
            let fitted = (length, history) != sizes;
            let text = self.choosing(random, hint, lesson, (length, history));
            // Long titles leave space for fewer of them.
            if self.fits(&text) {
                return Text { fitted, ..text };
            }
            if length <= 2 && history == 0 {
                return self.instead(random);
            }
            (length, history) = (length.div_ceil(2).max(2), history / 2);
        }
    }

    /// Whether the positions hold the text.
    pub(super) fn fits(&self, text: &Text) -> bool {
        text.prompt.len() + text.answer.longest() <= self.settings.positions
    }

    pub(super) fn items(&self, random: &mut ChaCha8Rng, count: usize) -> Vec<u32> {
        let all = self.prepared.n_items();
        let drawn = index::sample(random, all, count.min(all));
        drawn.into_iter().map(|at| at as u32 + 1).collect()
    }

    /// Replaces every second of the last `length` items by one whose title begins like that of the
    /// item before it. Items are replaced only if such an item is left.
    fn pair(&self, random: &mut ChaCha8Rng, drawn: &mut [u32], length: usize) {
        let first = drawn.len().saturating_sub(length);
        for at in (first + 1..drawn.len()).step_by(2) {
            let begins = self.first_token(drawn[at - 1]);
            let alike =
                (1..=self.answers.len() as u32).filter(|&item| self.first_token(item) == begins);
            let new: Vec<u32> = alike.filter(|item| !drawn.contains(item)).collect();
            if let Some(&item) = new.choose(random) {
                drawn[at] = item;
            }
        }
        drawn[first..].shuffle(random);
    }

    /// One of `length` titles, by a hint.
    pub(super) fn choosing(
        &self,
        random: &mut ChaCha8Rng,
        hint: Hint,
        lesson: Lesson,
        (length, history): (usize, usize),
    ) -> Text {
        let mut drawn = self.items(random, length + history);
        // Nothing is drawn where there is nothing to decide: texts are then those of before.
        if self.settings.alike > 0.0 && lesson.words && random.random_bool(self.settings.alike) {
            self.pair(random, &mut drawn, length);
        }
        let (history, candidates) = drawn.split_at(drawn.len().saturating_sub(length));
        let mut scene = self.scene(random, hint, lesson, &drawn);
        let vectors = Vectors {
            user: !matches!(hint, Hint::History | Hint::Nothing),
            item: match hint {
                Hint::Near | Hint::Leaning | Hint::History => true,
                Hint::Mean | Hint::Nothing => random.random_bool(0.5),
                Hint::Words => false,
            },
        };
        let target = *candidates.choose(random).expect("there are two at least");
        let taste = self.taste(random, hint, &scene, (candidates, target));
        let pieces = self.pieces(random, lesson, vectors, (history, candidates));
        let writing = self.placed(random, hint, (&mut scene, &taste), &pieces);
        let choice = Choice {
            asked: match hint {
                Hint::History => Some(taste),
                _ => writing.asked,
            },
            offered: candidates.iter().map(|&item| scene.item(item)).collect(),
            answers: candidates.iter().map(|&item| self.answer(item)).collect(),
            slots: writing.slots,
            draw: random.random_range(0.0..1.0),
        };
        Text {
            prompt: writing.prompt,
            answer: Answer::Choice(choice),
            titled: writing.titled,
            random: scene.count,
            fitted: false,
        }
    }

    /// The tokens as places of a prompt. What is random in them is drawn in the order of the
    /// tokens.
    fn placed(
        &self,
        random: &mut ChaCha8Rng,
        hint: Hint,
        (scene, taste): (&mut Scene<'_>, &VectorRecipe),
        pieces: &[Piece],
    ) -> Writing {
        let mut writing = Writing::default();
        for piece in pieces {
            match piece {
                Piece::Text(text) => {
                    if writing.prompt.is_empty() {
                        writing.token(self.eos);
                    }
                    writing.tokens(self.tokenizer.encode(text));
                }
                Piece::User if hint == Hint::Words => {
                    let words = taste.words.iter().flat_map(|(words, _)| words.clone());
                    writing.tokens(words.collect());
                    writing.asked = Some(taste.clone());
                    writing.token(self.eos);
                }
                Piece::User => {
                    let user = scene.like(taste, random.random_range(0.3..1.0));
                    writing.asked = Some(user.clone());
                    writing.prompt.push(Place::Vector(user));
                    writing.token(self.eos);
                }
                Piece::HistoryItem(item) => {
                    let told = match hint {
                        Hint::History => scene.like(taste, random.random_range(0.5..1.0)),
                        // Some histories are like the user: the target is among the candidates all
                        // the same.
                        Hint::Near if random.random_bool(0.5) => {
                            scene.like(taste, random.random_range(0.0..0.9))
                        }
                        _ => scene.item(*item),
                    };
                    writing.titled(told, self.first_token(*item));
                }
                Piece::CandidateItem(item) => {
                    writing.slots.push(writing.prompt.len());
                    writing.titled(scene.item(*item), self.first_token(*item));
                }
            }
        }
        writing
    }

    fn scene<'a>(
        &'a self,
        random: &mut ChaCha8Rng,
        hint: Hint,
        lesson: Lesson,
        drawn: &'a [u32],
    ) -> Scene<'a> {
        let share = match random.random_range(0..3) {
            _ if matches!(hint, Hint::Mean | Hint::Words) => 0.0,
            _ if !lesson.words => 1.0,
            0 => 1.0,
            1 => 0.0,
            _ => random.random_range(0.0..1.0),
        };
        let size = random.random_range(0.35..0.9);
        Scene {
            drawn,
            tokenized: &self.tokenized,
            sizes: [size, size * random.random_range(0.8..1.25)],
            share,
            count: drawn.len() as u32,
        }
    }

    /// What the user likes, before anything is added to it.
    fn taste(
        &self,
        random: &mut ChaCha8Rng,
        hint: Hint,
        scene: &Scene<'_>,
        (candidates, target): (&[u32], u32),
    ) -> VectorRecipe {
        let size = scene.sizes[1];
        match hint {
            Hint::Mean | Hint::Words => {
                let words = some(random, &self.tokenized[target as usize - 1]);
                scene.sum(size, &[((0, words), 1.0)])
            }
            Hint::Leaning => {
                let weights: Vec<f64> = candidates.iter().map(|_| normal(random)).collect();
                let length = weights.iter().map(|weight| weight * weight).sum::<f64>();
                let items = candidates.iter().zip(weights);
                let items =
                    items.map(|(&item, weight)| (scene.named(item), weight / length.sqrt()));
                scene.sum(size, &items.collect::<Vec<_>>())
            }
            _ => scene.sum(size, &[(scene.named(target), 1.0)]),
        }
    }

    /// The prompt in one of both wordings, or the list alone with the user's vector in front.
    fn pieces(
        &self,
        random: &mut ChaCha8Rng,
        lesson: Lesson,
        vectors: Vectors,
        (history, candidates): (&[u32], &[u32]),
    ) -> Vec<Piece> {
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
        pieces
    }

    /// An item's title as an answer.
    pub(super) fn answer(&self, item: u32) -> Vec<u32> {
        self.answers[item as usize - 1].clone()
    }

    /// The first token of an item's title after the quote; the end of the text where quotes and
    /// title are one token.
    fn first_token(&self, item: u32) -> u32 {
        self.answers[item as usize - 1][1]
    }
}

impl Text {
    /// Tokens that are computed with the longest answer there can be.
    pub(super) fn longest(&self) -> usize {
        self.prompt.len() + self.answer.longest() - 1
    }
}

impl Answer {
    /// Tokens of the longest there can be.
    pub(super) fn longest(&self) -> usize {
        match self {
            Answer::Said(answer) => answer.len(),
            Answer::Choice(choice) => choice.longest(),
        }
    }
}

/// A prompt as far as it is written.
#[derive(Default)]
struct Writing {
    prompt: Vec<Place>,
    titled: Vec<(usize, u32)>,
    slots: Vec<usize>,
    /// What the user likes, as the prompt has it.
    asked: Option<VectorRecipe>,
}

impl Writing {
    fn token(&mut self, token: u32) {
        self.prompt.push(Place::Token(token));
    }

    fn tokens(&mut self, tokens: Vec<u32>) {
        self.prompt.extend(tokens.into_iter().map(Place::Token));
    }

    /// A vector after a title that begins with `first`.
    fn titled(&mut self, told: VectorRecipe, first: u32) {
        self.titled.push((self.prompt.len(), first));
        self.prompt.push(Place::Vector(told));
    }
}

/// All words of a title, or some in another order.
fn some(random: &mut ChaCha8Rng, tokens: &[u32]) -> Vec<u32> {
    let mut tokens = tokens.to_vec();
    if random.random_bool(0.5) && !tokens.is_empty() {
        tokens.shuffle(random);
        tokens.truncate(random.random_range(1..=tokens.len()));
    }
    tokens
}

/// A number of a normal distribution, near enough: twelve uniform ones sum to it.
fn normal(random: &mut ChaCha8Rng) -> f64 {
    (0..12).map(|_| random.random_range(-0.5..0.5)).sum()
}
