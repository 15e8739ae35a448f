//! The texts that a small language model is trained on: what is asked, and what stands where vectors will.

use allround::spec::config::llm::Wording;
use allround::text::{Piece, Vectors, answer_of, render};
use rand::RngExt;
use rand::seq::{IndexedRandom, SliceRandom, index};
use rand_chacha::ChaCha8Rng;

use super::vectors::{Place, Random, Told};
use super::{HISTORY, Pretraining, asked, said};

/// A text with its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    pub(super) prompt: Vec<Place>,
    pub(super) answer: Vec<u32>,
    /// The random vectors that the prompt names.
    pub(super) random: Random,
}

/// What stands where the user's vector will.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    /// A vector like the one behind the answer's title.
    Near,
    /// A vector that leans to every candidate more or less; the answer is drawn as it leans.
    Leaning,
    /// The mean of words of the answer.
    Mean,
    /// Words of the answer.
    Words,
    /// Nothing; the history's vectors lie near the answer's.
    History,
    /// Nothing at all: any candidate is right.
    Nothing,
}

/// Deviation of the scores of candidates to which a vector leans.
const SCORE_DEVIATION: f64 = 2.0;

/// How hard the texts are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Lesson {
    /// Titles of a list, at least and at most.
    pub(super) titles: (usize, usize),
    /// Most items of a history.
    pub(super) history: usize,
    /// Least likeness of the vector that is to be found again, as a cosine.
    likeness: f64,
    /// Whether there are vectors that lean to every candidate.
    leans: bool,
    /// Largest share of an offset that all vectors of a text have in common.
    offset: f64,
    /// Share of prompts that are a list and nothing else: short, and so many in little time.
    bare: f64,
}

impl Lesson {
    /// The lesson when this share of the training is done, with lists of `most` titles in the end.
    pub(super) fn at(done: f64, most: usize) -> Self {
        let lesson =
            |(least, longest): (usize, usize), history, [likeness, offset, bare]: [f64; 3]| Self {
                titles: (least.min(most), longest.min(most)),
                history,
                likeness,
                leans: likeness < 0.7,
                offset,
                bare,
            };
        match done {
            ..0.15 => lesson((2, 4), 0, [0.9, 0.0, 0.9]),
            ..0.3 => lesson((4, 8), 0, [0.8, 0.2, 0.6]),
            ..0.45 => lesson((8, 14), HISTORY / 2, [0.6, 0.4, 0.3]),
            _ => lesson((12, usize::MAX), HISTORY, [0.2, 0.7, 0.1]),
        }
    }

    /// Dimensions of a text's random vectors, up to `width`: few once likenesses fade.
    fn rank(self, random: &mut ChaCha8Rng, width: u32) -> u32 {
        match self.likeness {
            ..0.5 => random.random_range(12.min(width)..=width),
            _ => width,
        }
    }
}

/// How the vectors of one text are drawn.
#[derive(Clone, Copy, Debug)]
struct Scene {
    /// Their deviation: as large as projections make it, beside smaller embeddings.
    size: f64,
    /// Random share of the vectors behind titles.
    share: f64,
    /// Cosine of the vector that is to be found again and the one behind the answer's title, their offsets aside.
    likeness: f64,
    /// Share of the common offset in items' vectors, and in the user's.
    offsets: [f64; 2],
    /// Items drawn: their random vectors come first, then the offset's, then others.
    items: u32,
}

impl Scene {
    fn draw(random: &mut ChaCha8Rng, lesson: Lesson, items: usize) -> Self {
        let offset = |random: &mut ChaCha8Rng| match lesson.offset {
            most if most > 0.0 => random.random_range(0.0..most),
            _ => 0.0,
        };
        Self {
            size: random.random_range(0.35..0.9),
            // Words are the easier part to find again; a quarter of the texts have none of them.
            share: if random.random_bool(0.25) {
                1.0
            } else {
                random.random_range(0.0..1.0)
            },
            likeness: random.random_range(lesson.likeness..1.0),
            offsets: [offset(random), offset(random)],
            items: items as u32,
        }
    }

    /// The vector behind an item's title.
    fn item(self, named: Named) -> Told {
        self.told(self.offsets[0], &[(named, 1.0)], None)
    }

    /// A vector whose likeness to that of the item is `likeness`; its other part has the number `noise`.
    fn like(self, named: Named, (likeness, noise): (f64, u32)) -> Told {
        let other = (noise, (1.0 - likeness * likeness).sqrt());
        self.told(self.offsets[1], &[(named, likeness)], Some(other))
    }

    /// A vector of items' own vectors with these weights, of another random part, and of the common offset.
    fn told(self, offset: f64, items: &[(Named, f64)], other: Option<(u32, f64)>) -> Told {
        let own = (1.0 - offset).sqrt() * self.size;
        let (random, words) = (self.share.sqrt() * own, (1.0 - self.share).sqrt() * own);
        let parts = items
            .iter()
            .map(|((number, _), weight)| (*number, weight * random));
        let others = other
            .into_iter()
            .map(|(number, weight)| (number, weight * own));
        let offset = std::iter::once((self.items, offset.sqrt() * self.size));
        let bags = items.iter().filter(|_| words > 0.0);
        Told {
            words: bags
                .map(|((_, tokens), weight)| (tokens.clone(), weight * words))
                .collect(),
            random: parts.chain(others).chain(offset).collect(),
        }
    }
}

/// The number of an item's random part, and its title's tokens.
type Named = (u32, Vec<u32>);

impl Pretraining<'_> {
    pub(super) fn text(
        &self,
        random: &mut ChaCha8Rng,
        lesson: Lesson,
        sizes: (usize, usize),
    ) -> Text {
        let (length, history) = sizes;
        let hint = match random.random_range(0..100) {
            0..45 if lesson.leans => Hint::Leaning,
            0..60 => Hint::Near,
            60..80 => Hint::Mean,
            80..84 => Hint::Words,
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
            random: Random { count: 0, rank: 1 },
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
        let (scored, leant) = scores(random, candidates);
        let chosen = match hint {
            Hint::Leaning => leant,
            _ => random.random_range(0..candidates.len()),
        };
        let target = candidates[chosen];
        let vectors = match hint {
            Hint::Near | Hint::Leaning => Vectors {
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
        let scene = Scene::draw(random, lesson, drawn.len());
        let mut told = Telling {
            scene,
            // Of the items, the offset, and what each vector that is like another has of its own.
            count: drawn.len() as u32 + 1,
            drawn: &drawn,
            spelled: &self.spelled,
        };
        // Some histories are like the user as well: what is asked for stands among the candidates all the same.
        let tempting = hint == Hint::Near && random.random_bool(0.5);
        let mut prompt = Vec::new();
        for (place, piece) in pieces.iter().enumerate() {
            match piece {
                Piece::Text(piece) => {
                    if place == 0 {
                        prompt.push(Place::Token(self.opened.eos));
                    }
                    let tokens = self.opened.tokenizer.encode(piece);
                    prompt.extend(tokens.into_iter().map(Place::Token));
                }
                Piece::User => {
                    match hint {
                        Hint::Words => {
                            let words = some(random, &self.spelled[target as usize - 1]);
                            prompt.extend(words.into_iter().map(Place::Token));
                        }
                        Hint::Mean => {
                            let words = some(random, &self.spelled[target as usize - 1]);
                            // Words are harder to find again than vectors.
                            let near = told.words(words, scene.likeness.sqrt());
                            prompt.push(Place::Vector(near));
                        }
                        Hint::Leaning => {
                            let near = told.leaning(&scored, scene.likeness.sqrt());
                            prompt.push(Place::Vector(near));
                        }
                        _ => prompt.push(Place::Vector(told.like(target, scene.likeness))),
                    }
                    prompt.push(Place::Token(self.opened.eos));
                }
                Piece::HistoryItem(_) if hint == Hint::History => {
                    prompt.push(Place::Vector(told.like(target, scene.likeness)));
                }
                Piece::HistoryItem(_) if tempting => {
                    let likeness = random.random_range(0.0..1.0) * scene.likeness;
                    prompt.push(Place::Vector(told.like(target, likeness)));
                }
                Piece::HistoryItem(item) | Piece::CandidateItem(item) => {
                    prompt.push(Place::Vector(told.item(*item)));
                }
            }
        }
        let mut answer = self
            .opened
            .tokenizer
            .encode(&answer_of(&self.titles, target));
        answer.push(self.opened.eos);
        let rank = lesson.rank(random, self.opened.lm.width() as u32);
        Text {
            prompt,
            answer,
            random: Random {
                count: told.count,
                rank,
            },
        }
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

/// A score for each candidate, and the place of the one that is chosen: as often as a softmax over the scores says.
fn scores(random: &mut ChaCha8Rng, candidates: &[u32]) -> (Vec<(u32, f64)>, usize) {
    // Twelve uniform numbers sum to a normal one.
    let mut normal = || (0..12).map(|_| random.random_range(-0.5..0.5)).sum::<f64>();
    let scored: Vec<(u32, f64)> = candidates
        .iter()
        .map(|&item| (item, normal() * SCORE_DEVIATION))
        .collect();
    let weights: Vec<f64> = scored.iter().map(|(_, score)| score.exp()).collect();
    let mut left = random.random_range(0.0..weights.iter().sum());
    for (place, weight) in weights.iter().enumerate() {
        left -= weight;
        if left < 0.0 {
            return (scored, place);
        }
    }
    (scored, candidates.len() - 1)
}

/// The vectors of one text as they are told.
struct Telling<'a> {
    scene: Scene,
    /// Random vectors so far.
    count: u32,
    drawn: &'a [u32],
    spelled: &'a [Vec<u32>],
}

impl Telling<'_> {
    /// An item's random part has the item's place among those drawn; beside it, its tokens.
    fn of(&self, item: u32) -> Named {
        let number = self.drawn.iter().position(|&other| other == item);
        let number = number.expect("told items were drawn") as u32;
        (number, self.spelled[item as usize - 1].clone())
    }

    fn item(&self, item: u32) -> Told {
        self.scene.item(self.of(item))
    }

    fn like(&mut self, item: u32, likeness: f64) -> Told {
        let named = self.of(item);
        self.count += 1;
        self.scene.like(named, (likeness, self.count - 1))
    }

    /// A vector like the mean of some words.
    fn words(&mut self, tokens: Vec<u32>, likeness: f64) -> Told {
        let scene = Scene {
            share: 0.0,
            ..self.scene
        };
        self.count += 1;
        scene.like((0, tokens), (likeness, self.count - 1))
    }

    /// A vector that leans to each item as far as its score says, and the more to all of them the less it leans elsewhere.
    fn leaning(&mut self, scored: &[(u32, f64)], likeness: f64) -> Told {
        let mean = scored.iter().map(|(_, score)| score).sum::<f64>() / scored.len() as f64;
        let square = |(_, score): &(u32, f64)| (score - mean).powi(2);
        let size = scored.iter().map(square).sum::<f64>().sqrt().max(1e-9);
        let items: Vec<(Named, f64)> = scored
            .iter()
            .map(|&(item, score)| (self.of(item), (score - mean) / size * likeness))
            .collect();
        self.count += 1;
        let other = (self.count - 1, (1.0 - likeness * likeness).sqrt());
        self.scene.told(self.scene.offsets[1], &items, Some(other))
    }
}
