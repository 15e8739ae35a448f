//! Arguments of the commands that read or write data: `init`, `explain`, `export`, `audit` and
//! `data`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{OutputFormat, SpecArgs, Split};

/// `init`.
#[derive(Clone, Debug, Args)]
pub struct Init {
    /// The file of interactions: CSV with a header line, or a RecBole `.inter` file.
    #[arg(value_name = "DATA")]
    pub data: PathBuf,
    /// The file of items with their titles, in the same format.
    #[arg(value_name = "ITEMS")]
    pub items: Option<PathBuf>,
    /// File to write [default: the name of DATA with `.toml`, in the current folder].
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Column of the user id [default: recognised by its name].
    #[arg(long, value_name = "COLUMN")]
    pub user: Option<String>,
    /// Column of the item id [default: recognised by its name].
    #[arg(long, value_name = "COLUMN")]
    pub item: Option<String>,
    /// Replace an existing file.
    #[arg(long)]
    pub force: bool,
}

/// `explain`. Reads the store.
#[derive(Clone, Debug, Args)]
pub struct Explain {
    /// The results folder.
    #[arg(value_name = "RESULTS")]
    pub results: PathBuf,
    /// The user's id in the source.
    #[arg(long, value_name = "ID")]
    pub user: String,
    /// Only this model or variant; may be repeated.
    #[arg(long = "model", value_name = "NAME")]
    pub models: Vec<String>,
    /// The data set [default: the first].
    #[arg(long, value_name = "NAME")]
    pub dataset: Option<String>,
    /// The scenario [default: the first].
    #[arg(long, value_name = "NAME")]
    pub scenario: Option<String>,
    /// The protocol [default: the first].
    #[arg(long, value_name = "NAME")]
    pub protocol: Option<String>,
    /// The seed [default: the first].
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Part of the split.
    #[arg(long, value_enum, default_value_t = Split::Test)]
    pub split: Split,
    /// Output format.
    #[arg(long, value_enum, default_value_t = ExplainFormat::Text)]
    pub format: ExplainFormat,
}

/// Output format of `explain`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExplainFormat {
    /// Formatted text.
    Text,
    /// One JSON object.
    Json,
}

/// `export`.
#[derive(Clone, Debug, Args)]
pub struct Export {
    /// The results folder.
    #[arg(value_name = "RESULTS")]
    pub results: PathBuf,
    /// Number of best candidates per user; needs `protocol.NAME.keep_scores`.
    #[arg(long, value_name = "K", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    pub top: u16,
    /// Write the rank of each user's target instead of lists.
    #[arg(long, conflicts_with_all = ["candidates", "titles", "top"])]
    pub ranks: bool,
    /// Write each user's history and candidates instead of lists, for scoring elsewhere. Reads the
    /// store.
    #[arg(long, conflicts_with_all = ["titles", "top"])]
    pub candidates: bool,
    /// Include item titles. Reads the store.
    #[arg(long)]
    pub titles: bool,
    /// Only this model or variant.
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Only this data set.
    #[arg(long, value_name = "NAME")]
    pub dataset: Option<String>,
    /// Only this scenario.
    #[arg(long, value_name = "NAME")]
    pub scenario: Option<String>,
    /// Only this protocol.
    #[arg(long, value_name = "NAME")]
    pub protocol: Option<String>,
    /// Only this seed.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Part of the split.
    #[arg(long, value_enum, default_value_t = Split::Test)]
    pub split: Split,
    /// Output format: CSV with a header line, or JSON lines.
    #[arg(long, value_enum, default_value_t = DataFormat::Csv)]
    pub format: DataFormat,
    /// File to write to [default: standard output].
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `audit`.
#[derive(Clone, Debug, Args)]
pub struct Audit {
    /// The file of answers: CSV, JSON lines, or the output file of the A-LLMRec code.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Format of the file [default: recognised by its contents].
    #[arg(long, value_enum)]
    pub form: Option<AnswerForm>,
    /// Column or field of the generated text.
    #[arg(long, value_name = "COLUMN", default_value = "answer")]
    pub answer: String,
    /// Column or field of the target's title.
    #[arg(long, value_name = "COLUMN", default_value = "target")]
    pub target: String,
    /// Column or field of the candidates' titles, a JSON list [default: `candidates`, if it
    /// exists].
    #[arg(long, value_name = "COLUMN")]
    pub candidates: Option<String>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = OutputFormat::Text)]
    pub format: OutputFormat,
}

/// Format of a file of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AnswerForm {
    /// A header line and a row per answer.
    Csv,
    /// JSON lines: an object per line.
    Jsonl,
    /// Output file of the A-LLMRec code: prompt, `Answer: "TITLE"` and `LLM: TEXT`.
    Allmrec,
}

/// Output format of exported data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DataFormat {
    /// CSV with a header line.
    Csv,
    /// JSON lines: an object per line.
    Json,
}

/// `data`.
#[derive(Clone, Debug, Subcommand)]
pub enum Data {
    /// Print statistics of every data set of a file: users, items, lengths, scenarios, items with
    /// text.
    Stats(SpecArgs),
    /// Read, filter and split one data set of a file into a folder.
    Prepare {
        /// The experiment.
        #[command(flatten)]
        spec: SpecArgs,
        /// Name of the data set; optional if the file has only one.
        #[arg(long, value_name = "NAME")]
        dataset: Option<String>,
        /// Folder to write to.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Generate a data set in the format of Amazon reviews and metadata: JSON lines, gzip.
    Make {
        /// Number of users.
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
        users: u64,
        /// Number of items.
        #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(2..=10_000_000))]
        items: u64,
        /// Mean number of reviews per user.
        #[arg(long, default_value_t = 9.0)]
        mean_length: f64,
        /// Random seed.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Folder to write to.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Download a public data set, or print where to put its files.
    Fetch {
        /// The data set.
        #[arg(value_enum)]
        name: Public,
        /// Folder to write to [default: data/amazon or data/movielens, where the experiments look
        /// for it].
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

/// Public data sets that `data fetch` knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Public {
    /// MovieLens 100K.
    Movielens100k,
    /// MovieLens 1M.
    Movielens1m,
    /// Amazon 2018, Movies_and_TV, 5-core (the paper's Movies and TV).
    AmazonMoviesAndTv,
    /// Amazon 2018, Video_Games, all reviews (the paper's Video Games).
    AmazonVideoGames,
    /// Amazon 2018, Luxury_Beauty, all reviews (the paper's Beauty).
    AmazonLuxuryBeauty,
    /// Amazon 2018, Toys_and_Games, all reviews (the paper's Toys).
    AmazonToysAndGames,
}
