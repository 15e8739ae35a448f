//! `[dataset.NAME]`: a source, filters in order, a split.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One data set: where it comes from, what is kept of it, how it is split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dataset {
    /// Where the interactions and texts come from.
    pub source: Source,
    /// Filters, applied in the order written.
    pub filter: Vec<Filter>,
    /// How each user's sequence is split.
    pub split: Split,
}

/// A data source: one file in `data/source/` each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Source {
    /// The publishers' Amazon reviews and metadata (forms of 2014, 2018 and 2023), plain or gzip.
    /// The form is detected from the records. In that of 2023 the item is `parent_asin`, under
    /// which colours and sizes of a product are one.
    Amazon(AmazonSource),
    /// MovieLens 100K, 1M, 10M or latest.
    Movielens(MovielensSource),
    /// RecBole atomic files and UniSRec whole-sequence rows.
    Atomic(AtomicSource),
    /// Records with named fields: JSON or Python literals, of Yelp, Goodreads, Steam or anybody.
    Json(super::json::JsonSource),
    /// Lines of `user item`, `user item item ...`, `user item time` or `user item rating time`, plain or gzip.
    Sequences(SequencesSource),
    /// CSV files of interactions and items.
    Csv(CsvSource),
    /// Generated data of known structure.
    Synthetic(SyntheticSource),
}

impl Source {
    /// The kind's name in the file.
    pub fn kind(&self) -> &'static str {
        match self {
            Source::Amazon(_) => "amazon",
            Source::Movielens(_) => "movielens",
            Source::Atomic(_) => "atomic",
            Source::Json(_) => "json",
            Source::Sequences(_) => "sequences",
            Source::Csv(_) => "csv",
            Source::Synthetic(_) => "synthetic",
        }
    }

    /// The files that the source reads, as written in the experiment file.
    pub fn files(&self) -> Vec<&str> {
        let paths = match self {
            Source::Amazon(files) => vec![&files.reviews, &files.metadata],
            Source::Movielens(files) => vec![&files.folder],
            Source::Atomic(files) => {
                vec![
                    &files.inter,
                    &files.valid,
                    &files.test,
                    &files.item,
                    &files.item_index,
                ]
            }
            Source::Json(files) => vec![&files.interactions, &files.items],
            Source::Sequences(files) => vec![&files.path],
            Source::Csv(files) => {
                vec![&files.interactions, &files.valid, &files.test, &files.items]
            }
            Source::Synthetic(_) => Vec::new(),
        };
        let given = paths.into_iter().filter(|path| !path.is_empty());
        given.map(String::as_str).collect()
    }

    /// What to write so that items have titles; `None` where they have.
    pub fn missing_titles(&self) -> Option<&'static str> {
        let (is_missing, hint) = match self {
            Source::Sequences(_) => (
                true,
                "leave this data set to CF models with `[matrix] exclude`",
            ),
            Source::Amazon(source) => (
                source.metadata.is_empty(),
                "name the file of titles: `metadata = \"...\"`",
            ),
            Source::Atomic(source) => (
                source.item.is_empty(),
                "name the file of titles: `item = \"...\"`",
            ),
            Source::Json(source) => (
                source.items.is_empty() || super::json::Form::of(source).title[0].is_empty(),
                "name the file of titles and its field: `items = \"...\"`, `title = \"...\"`",
            ),
            Source::Csv(source) => (
                source.items.is_empty() || source.title.is_empty(),
                "name the file of titles and its column: `items = \"...\"`, `title = \"...\"`",
            ),
            Source::Movielens(_) | Source::Synthetic(_) => (false, ""),
        };
        is_missing.then_some(hint)
    }
}

/// Files of an Amazon category.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AmazonSource {
    /// Reviews, JSON or Python literals, one a line or in a list, `.gz` or plain.
    pub reviews: String,
    /// Metadata of the same form, in the same notations. Empty: no texts.
    pub metadata: String,
    /// `published`: as the A-LLMRec code reads texts (an item without the `description` key gets no title either; only the
    /// first description is kept). `full`: title and every description that is there.
    pub text: AmazonText,
}

/// How an Amazon item's text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AmazonText {
    /// The A-LLMRec code's rule.
    Published,
    /// Everything there is.
    Full,
}

/// A MovieLens folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MovielensSource {
    /// Folder with `u.data` and `u.item` (100K), `ratings.dat` and `movies.dat` (1M, and 10M with
    /// its half stars), or `ratings.csv` and `movies.csv` (latest, 20M and later); the form is
    /// detected from the files. A file is read as UTF-8 where all of it is valid UTF-8, else as
    /// latin-1; `allround data stats` says which.
    pub folder: String,
}

/// Ratings and titles of the MovieLens forms, by file name: 100K, 1M and 10M, latest.
pub const MOVIELENS_FILES: [[&str; 2]; 3] = [
    ["u.data", "u.item"],
    ["ratings.dat", "movies.dat"],
    ["ratings.csv", "movies.csv"],
];

/// RecBole's atomic files: tab-separated, with a header of `name:type` cells.
///
/// A column setting of `"auto"` takes a column of the usual name where the file has one. `""` uses no column. Any other
/// text must be in the header, without its type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AtomicSource {
    /// The `.inter` file: one interaction a row, or, with a column `item_id_list`, a whole sequence a row (UniSRec).
    pub inter: String,
    /// The validation rows of a ready-made split, such as `X.valid.inter`. Empty: none. Needs `split.given`.
    pub valid: String,
    /// The test rows of a ready-made split, such as `X.test.inter`. Empty: none. Needs `split.given`.
    pub test: String,
    /// The `.item` file, or UniSRec's `.text`. Empty: no texts.
    pub item: String,
    /// UniSRec's `.item2index`, which maps raw ids to the indices in `inter`. Empty: ids are used as they are.
    pub item_index: String,
    /// Column of the user id.
    pub user: String,
    /// Column of the item id, in `inter` and in `item`. The column of the same name with `_list` at its end holds the
    /// items before it, if there is one.
    pub item_id: String,
    /// Column of the time, any unit, fractions included; larger is later. `"auto"`: `timestamp`. Empty: file order.
    pub timestamp: String,
    /// Column of the rating. `"auto"`: `rating`. Empty: no ratings.
    pub rating: String,
    /// Column of the title in `item`. `"auto"`: `title`, `movie_title`, `movie_name`, `item_name` or `name`.
    pub title: String,
    /// Column of the description in `item`. `"auto"`: `description`.
    pub description: String,
    /// Column of the categories in `item`. `"auto"`: `categories`, `category`, `class`, `genre` or `genres`.
    pub category: String,
    /// What several whole-sequence rows of one user mean.
    pub repeated_users: RepeatedUsers,
}

/// What several whole-sequence rows of one user mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RepeatedUsers {
    /// Such a file is refused.
    Refuse,
    /// The longest row of a user is its sequence. Its other rows are dropped and counted.
    Longest,
    /// The rows are the growing beginnings of one sequence, as in UniSRec's `train.inter`; histories may be cut to a
    /// greatest length. The sequence is put together again. A row that does not continue it is refused.
    AllPrefixes,
    /// The rows are parts of one sequence, such as sessions, in file order.
    Join,
}

/// Lines of ids.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SequencesSource {
    /// The file, `.gz` or plain.
    pub path: String,
    /// What a line holds.
    pub form: SequenceForm,
    /// What separates the cells of a line, such as `","`, `"\t"` or `"::"`. Empty: white space.
    pub delimiter: String,
    /// Whether the first line is a header, which is not read.
    pub header: bool,
    /// Lines that begin with this text, such as `"#"`, are skipped and counted. Empty: none.
    pub comment: String,
    /// What several `rows` of one user mean.
    pub repeated_users: RepeatedUsers,
}

/// What a line of a sequences file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SequenceForm {
    /// `user item`, one interaction a line, in time order.
    Pairs,
    /// `user item item ...`, one user a line, in time order.
    Rows,
    /// `user item time`, one interaction a line.
    Times,
    /// `user item rating time`, one interaction a line.
    Ratings,
}

/// CSV files of interactions and items.
///
/// A column setting of `"auto"` takes a column of the usual name where the file has one. `""` uses no column. Any other
/// text must be in the header. Without a header, columns are numbers from 1, written as texts: `user = "1"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CsvSource {
    /// The interactions, or the training part of a ready-made split. `.gz` or plain.
    pub interactions: String,
    /// The validation rows of a ready-made split. Empty: none. Needs `split.given`.
    pub valid: String,
    /// The test rows of a ready-made split. Empty: none. Needs `split.given`.
    pub test: String,
    /// The items with their texts. Empty: no texts.
    pub items: String,
    /// What separates the cells of a row: one ASCII character such as `","`, `";"` or `"\t"`.
    pub delimiter: String,
    /// Whether the first line of the interactions names the columns.
    pub header: bool,
    /// As `delimiter`, in `items`. Empty: the same.
    pub items_delimiter: String,
    /// As `header`, in `items`.
    pub items_header: bool,
    /// Column of the user id.
    pub user: String,
    /// Column of the item id.
    pub item: String,
    /// Column of the item id in `items`. Empty: as `item`.
    pub items_item: String,
    /// Column of the time, any unit, fractions included; larger is later. `"auto"`: `timestamp`. Empty: file order.
    pub timestamp: String,
    /// Column of the rating. `"auto"`: `rating`. Empty: no ratings.
    pub rating: String,
    /// Column with the user's items before this one, oldest first, separated by blanks (Amazon Reviews 2023). A row is
    /// then a whole sequence; ratings and times of its last item are not used. `"auto"`: refuse a file that seems to have
    /// such a column. Empty: rows are single interactions.
    pub history: String,
    /// What several whole-sequence rows of one user mean.
    pub repeated_users: RepeatedUsers,
    /// Column of the title in `items`. `"auto"`: `title`, `movie_title`, `movie_name`, `item_name` or `name`.
    pub title: String,
    /// Column of the description in `items`. `"auto"`: `description`.
    pub description: String,
    /// Column of the categories in `items`. `"auto"`: `categories`, `category`, `class`, `genre` or `genres`.
    pub category: String,
}

/// Most interactions that a generator is asked for.
pub const MOST_GENERATED: f64 = 200e6;

/// Generated users, items and texts; see `data/source/synthetic.rs` for the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SyntheticSource {
    /// Users to generate. With the lengths they make at most 200 million interactions.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub users: u64,
    /// Items to generate.
    #[schemars(range(min = 2, max = 10_000_000))]
    pub items: u64,
    /// Latent genres.
    #[schemars(range(min = 1, max = 10_000))]
    pub genres: u64,
    /// Mean interactions of a user (at least 3 each; a long right tail).
    #[schemars(range(min = 3.0, max = 10_000.0))]
    pub mean_length: f64,
    /// How strongly a user's taste decides, against popularity (0 to 1).
    #[schemars(range(min = 0.0, max = 1.0))]
    pub taste: f64,
    /// How strongly the last item decides the next one (0 to 1).
    #[schemars(range(min = 0.0, max = 1.0))]
    pub habit: f64,
    /// Exponent of the popularity law inside a genre (0: uniform).
    #[schemars(range(min = 0.0, max = 5.0))]
    pub popularity_skew: f64,
    /// Share of items that are rare in training and that only their text explains.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub cold_items: f64,
    /// Share of users with exactly three interactions.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub cold_users: f64,
    /// Which domain: domains with one `world_seed` share genres and their words, and nothing else.
    pub domain: u64,
    /// Seed of genres, words, items and users. Not the cell's seed: the data are the same for every seed of a spec.
    pub world_seed: u64,
}

impl SyntheticSource {
    /// Interactions of a user to expect: nobody has an item twice.
    pub fn length(&self) -> f64 {
        let cold = self.cold_users;
        let length = cold * 3.0 + (1.0 - cold) * self.mean_length;
        length.min(self.items as f64)
    }

    /// Interactions of all users to expect; more than [`MOST_GENERATED`] are not generated.
    pub fn interactions(&self) -> f64 {
        self.users as f64 * self.length()
    }
}

/// One filter rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Filter {
    /// The A-LLMRec code's single pass: users and items whose raw counts reach `threshold` stay.
    /// With `count_rating` above 0, only reviews with at least that rating are counted; lower ones
    /// stay in the sequences.
    Published {
        /// Least count of a user and of an item.
        #[schemars(range(min = 1))]
        threshold: u64,
        /// Least rating that is counted; 0 counts all.
        count_rating: f64,
    },
    /// Repeated until every user has `users` and every item has `items` interactions.
    KCore {
        /// Least interactions of a user.
        #[schemars(range(min = 1))]
        users: u64,
        /// Least interactions of an item.
        #[schemars(range(min = 1))]
        items: u64,
    },
    /// Interactions with a lower rating are dropped.
    Rating {
        /// Least rating kept.
        minimum: f64,
    },
    /// Repeated (user, item) pairs.
    Duplicates {
        /// Which of the repeats stays.
        keep: Keep,
    },
    /// Users with fewer or more interactions are dropped.
    Length {
        /// Least interactions of a user.
        minimum: u64,
        /// Most interactions of a user; 0: no bound.
        maximum: u64,
    },
}

/// Which of several equal interactions stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// The earliest.
    First,
    /// The latest.
    Last,
}

/// How a user's time-ordered sequence is split. Ties in time keep the order of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Split {
    /// Last item test, second last validation, rest training; users with fewer than three items only train.
    LeaveOneOut {},
    /// One moment for all users: a user's first item at or after `test_share`'s moment is its test target.
    GlobalTime {
        /// Share of all interactions (by time) that come before the validation period.
        #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
        train_share: f64,
        /// Share of all interactions in the validation period.
        #[schemars(range(min = 0.0, max = 1.0))]
        valid_share: f64,
    },
    /// The parts that the source's files give: `valid` and `test` of CSV and atomic sources. A user's first row in each
    /// is its target, after all earlier rows.
    Given {},
}
