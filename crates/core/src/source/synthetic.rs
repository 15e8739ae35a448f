//! Generated data with known structure, to test models and to run without a download.
//!
//! Domains with the same `world_seed` share `genres` latent genres and their words.
//!
//! An item has a main genre and a weight within it, (rank + 1)^-skew. Its title and description
//! consist of words of its genre and common words. Some items are cold: they have a tenth of the
//! weight and enter sequences late. Mostly their text shows which users like them.
//!
//! A user has a taste over genres, most of it for two favourites. Each step first draws a genre.
//! With probability `habit`, it is the neighbour of the last item's genre: genre g is followed by g
//! or g + 1. Otherwise it comes from the user's taste with probability `taste`, else from
//! popularity. An item of the genre is then drawn by its weight, without repeating an item. Lengths
//! are 3 plus a geometric tail; cold users have exactly three interactions.

use std::path::Path;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::raw::Text;
use super::{DataError, DataSource, Generated, Provided, RawData};
use crate::problem::Problem;
use crate::seed::{Stream, stream};

/// Defaults of its settings.
pub const DEFAULTS: &str = r#"
# Small enough to train every model in seconds, structured enough that models differ.
[default.source.synthetic]
users = 600
items = 300
genres = 8
mean_length = 9.0
taste = 0.8
habit = 0.5
popularity_skew = 1.0
cold_items = 0.2
cold_users = 0.1
domain = 0
world_seed = 1
"#;

/// Maximum number of interactions to generate.
pub const MOST_GENERATED: f64 = 200e6;

/// Generated users, items and texts; `crates/core/src/source/synthetic.rs` describes the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SyntheticSource {
    /// Number of users. Together with the lengths, at most 200 million interactions are generated.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub users: u64,
    /// Number of items.
    #[schemars(range(min = 2, max = 10_000_000))]
    pub items: u64,
    /// Number of latent genres.
    #[schemars(range(min = 1, max = 10_000))]
    pub genres: u64,
    /// Mean interactions of a user. Each has at least 3, and the distribution has a long tail.
    #[schemars(range(min = 3.0, max = 10_000.0))]
    pub mean_length: f64,
    /// Weight of a user's taste against popularity (0 to 1).
    #[schemars(range(min = 0.0, max = 1.0))]
    pub taste: f64,
    /// Weight of the last item in the choice of the next one (0 to 1).
    #[schemars(range(min = 0.0, max = 1.0))]
    pub habit: f64,
    /// Exponent of the popularity law within a genre (0: uniform).
    #[schemars(range(min = 0.0, max = 5.0))]
    pub popularity_skew: f64,
    /// Share of items that are rare in training, so that only their text explains them.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub cold_items: f64,
    /// Share of users with exactly three interactions.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub cold_users: f64,
    /// Number of the domain. Domains with the same `world_seed` share only genres and their words.
    pub domain: u64,
    /// Seed of genres, words, items and users. It is not the cell's seed: the data are the same for
    /// all seeds of a spec.
    pub world_seed: u64,
}

impl SyntheticSource {
    /// Expected interactions of a user. A user has each item at most once.
    pub fn length(&self) -> f64 {
        let cold = self.cold_users;
        let length = cold * 3.0 + (1.0 - cold) * self.mean_length;
        length.min(self.items as f64)
    }

    /// Expected interactions of all users. If there are more than [`MOST_GENERATED`], none are
    /// generated.
    pub fn interactions(&self) -> f64 {
        self.users as f64 * self.length()
    }
}

impl DataSource for SyntheticSource {
    fn kind(&self) -> &'static str {
        "synthetic"
    }

    fn ratings(&self, _base: &Path) -> Provided {
        Provided::No("remove the filter".to_owned())
    }

    fn generated(&self) -> Option<Generated> {
        Some(Generated {
            users: self.users,
            items: self.items,
        })
    }

    fn problems(&self, _base: &Path) -> Vec<Problem> {
        let (length, expected) = (self.length(), self.interactions());
        if expected <= MOST_GENERATED {
            return Vec::new();
        }
        // The data are held in memory.
        let message = format!(
            "about {expected:.0} interactions would be generated: {} users of {length:.1} on average",
            self.users
        );
        vec![
            Problem::at("users", message)
                .label(format!("expected at most {MOST_GENERATED} interactions"))
                .related("mean_length", "interactions of a user")
                .hint(format!(
                    "lower `mean_length`, or generate at most {:.0} users of this length",
                    (MOST_GENERATED / length).floor()
                )),
        ]
    }

    fn read(&self, _base: &Path) -> Result<RawData, DataError> {
        Ok(generate(self))
    }
}

/// Weight of a cold item relative to a warm one of equal rank.
const COLD_WEIGHT: f64 = 0.1;
/// Syllables of made-up words.
const SYLLABLES: [&str; 24] = [
    "ba", "ce", "di", "fo", "gu", "ha", "ke", "li", "mo", "nu", "pa", "re", "si", "to", "vu", "wa",
    "ye", "zi", "bra", "cle", "dri", "flo", "gru", "sta",
];
const COMMON: [&str; 12] = [
    "new", "classic", "deluxe", "edition", "pack", "mini", "original", "set", "pro", "plus",
    "series", "kit",
];

struct World {
    words: Vec<Vec<String>>,
    genre: Vec<usize>,
    /// Items of each genre with cumulative weights.
    shelves: Vec<(Vec<u32>, Vec<f64>)>,
    /// Cumulative weights of the genres.
    genres: Vec<f64>,
}

/// Generates the data of `settings`, the same in every run.
pub(super) fn generate(settings: &SyntheticSource) -> RawData {
    let world = World::new(settings);
    let rows: Vec<Vec<u32>> = (0..settings.users)
        .into_par_iter()
        .map(|user| world.sequence(settings, user))
        .collect();
    let mut raw = RawData {
        users: (0..settings.users).map(|user| format!("u{user}")).collect(),
        items: (0..settings.items)
            .map(|item| format!("d{}i{item}", settings.domain))
            .collect(),
        texts: (0..settings.items)
            .map(|item| world.text(settings, item))
            .collect(),
        ..RawData::default()
    };
    for (user, row) in rows.into_iter().enumerate() {
        for (at, item) in row.into_iter().enumerate() {
            raw.user
                .push(u32::try_from(user).expect("fewer users than 32 bits hold"));
            raw.item.push(item);
            raw.rating.push(5.0);
            raw.time
                .push(1_500_000_000 + 86_400 * at as i64 + (user % 1000) as i64);
        }
    }
    raw
}

/// A random stream of one domain. `what` is 0 for words, 1 for items, 2 for users, 3 for texts.
fn draw(settings: &SyntheticSource, what: u64, index: u64) -> ChaCha8Rng {
    let domain = if what == 0 { 0 } else { settings.domain + 1 };
    stream(
        settings.world_seed,
        Stream::Synthetic,
        (domain << 56) | (what << 48) | index,
    )
}

fn pick(cumulative: &[f64], rng: &mut ChaCha8Rng) -> usize {
    let total = cumulative.last().copied().unwrap_or_default();
    let mark = rng.random::<f64>() * total;
    cumulative
        .partition_point(|&sum| sum <= mark)
        .min(cumulative.len() - 1)
}

fn cumulate(weights: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut sum = 0.0;
    weights
        .map(|weight| {
            sum += weight;
            sum
        })
        .collect()
}

impl World {
    fn new(settings: &SyntheticSource) -> Self {
        let n = usize::try_from(settings.genres).expect("genres fit in memory");
        let mut rng = draw(settings, 0, 0);
        let mut word = || -> String {
            (0..3)
                .map(|_| SYLLABLES[rng.random_range(0..SYLLABLES.len())])
                .collect()
        };
        let words = (0..n).map(|_| (0..8).map(|_| word()).collect()).collect();
        let mut rng = draw(settings, 1, 0);
        let mut genre = Vec::new();
        let mut shelves: Vec<(Vec<u32>, Vec<f64>)> = vec![Default::default(); n];
        for item in 0..settings.items {
            // Every genre gets one item before the others are drawn.
            let at = if item < settings.genres {
                item as usize
            } else {
                rng.random_range(0..n)
            };
            let cold = rng.random::<f64>() < settings.cold_items;
            let rank = shelves[at].0.len() as f64;
            let weight =
                (rank + 1.0).powf(-settings.popularity_skew) * if cold { COLD_WEIGHT } else { 1.0 };
            shelves[at]
                .0
                .push(u32::try_from(item).expect("fewer items than 32 bits hold"));
            shelves[at].1.push(weight);
            genre.push(at);
        }
        shelves.retain(|(items, _)| !items.is_empty());
        for (_, weights) in &mut shelves {
            *weights = cumulate(std::mem::take(weights).into_iter());
        }
        let genres = cumulate(
            shelves
                .iter()
                .map(|(_, sums)| sums.last().copied().unwrap_or_default()),
        );
        Self {
            words,
            genre,
            shelves,
            genres,
        }
    }

    fn sequence(&self, settings: &SyntheticSource, user: u64) -> Vec<u32> {
        let mut rng = draw(settings, 2, user);
        let n = self.shelves.len();
        let favourites = [rng.random_range(0..n), rng.random_range(0..n)];
        let taste = cumulate((0..n).map(|genre| {
            if favourites.contains(&genre) {
                1.0
            } else {
                0.1 / n as f64
            }
        }));
        let cold = rng.random::<f64>() < settings.cold_users;
        let tail = (settings.mean_length - 3.0).max(0.0);
        // A geometric tail with mean `tail`.
        let extra = -(1.0 - rng.random::<f64>()).ln() * (tail + 0.5);
        let length = if cold { 3 } else { 3 + extra as usize };
        let most = usize::try_from(settings.items).unwrap_or(usize::MAX);
        let mut row: Vec<u32> = Vec::with_capacity(length);
        while row.len() < length.min(most) {
            let genre = self.next_genre(settings, row.last().copied(), &taste, &mut rng);
            let item = self.next_item(genre, &row, &mut rng);
            row.push(item);
        }
        row
    }

    fn next_genre(
        &self,
        settings: &SyntheticSource,
        last: Option<u32>,
        taste: &[f64],
        rng: &mut ChaCha8Rng,
    ) -> usize {
        let by_habit = rng.random::<f64>() < settings.habit;
        match last {
            Some(item) if by_habit => {
                (self.genre[item as usize] + rng.random_range(0..2)) % self.shelves.len()
            }
            _ if rng.random::<f64>() < settings.taste => pick(taste, rng),
            _ => pick(&self.genres, rng),
        }
    }

    /// An item of the genre's shelf that is not in the row. After some attempts, an item of any
    /// shelf.
    fn next_item(&self, genre: usize, row: &[u32], rng: &mut ChaCha8Rng) -> u32 {
        let mut at = genre;
        for attempt in 1.. {
            let (items, sums) = &self.shelves[at];
            let item = items[pick(sums, rng)];
            if !row.contains(&item) {
                return item;
            }
            if attempt % 8 == 0 {
                at = rng.random_range(0..self.shelves.len());
            }
            if attempt > 400 {
                let all =
                    0..u32::try_from(self.genre.len()).expect("fewer items than 32 bits hold");
                return all
                    .into_iter()
                    .find(|item| !row.contains(item))
                    .unwrap_or(item);
            }
        }
        unreachable!("the loop above has no end but its returns")
    }

    fn text(&self, settings: &SyntheticSource, item: u64) -> Text {
        let mut rng = draw(settings, 3, item);
        let genre = self.genre[usize::try_from(item).expect("items fit in memory")];
        let words = &self.words[genre];
        let mut word = || words[rng.random_range(0..words.len())].clone();
        let mut title = format!("{} {}", capital(&word()), word());
        let description = format!("A {} for those who like {} and {}.", word(), word(), word());
        title.push(' ');
        title.push_str(COMMON[rng.random_range(0..COMMON.len())]);
        title.push_str(&format!(" {}", 1 + item / settings.genres));
        Text {
            title: Some(title),
            description: Some(description),
            categories: vec![capital(&words[0])],
        }
    }
}

fn capital(word: &str) -> String {
    let mut characters = word.chars();
    characters
        .next()
        .map(|first| first.to_uppercase().chain(characters).collect())
        .unwrap_or_default()
}
