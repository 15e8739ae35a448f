//! What can be typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use allround_core::data::Part;

/// Reproducible experiments with A-LLMRec and the recommenders it is compared with.
///
/// An experiment is one TOML file. `allround run FILE` trains its models, measures them and leaves CSV files, tables,
/// figures and a report in `results/NAME/`; the same command continues what was interrupted and repeats nothing.
///
/// Exit codes: 0 all well, 1 a cell failed, 2 bad usage or a bad file, 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "allround", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Options of every command.
    #[command(flatten)]
    pub common: Common,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub struct Common {
    /// Folder of finished artefacts and checkpoints.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "ALLROUND_STORE",
        default_value = ".allround"
    )]
    pub store: PathBuf,
    /// The worker program [default: `allround-worker` beside this program, then on the PATH].
    #[arg(long, global = true, value_name = "PATH", env = "ALLROUND_WORKER")]
    pub worker: Option<PathBuf>,
    /// Say less: no progress.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more: notes of the workers and what rules have counted.
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run an experiment, or what is left of it.
    Run(Run),
    /// Check an experiment file and say what it would run.
    #[command(visible_alias = "validate")]
    Check(Check),
    /// Show the stages and cells of an experiment, and what is in the store.
    Plan(Plan),
    /// List the experiments that the store knows.
    #[command(visible_alias = "ls")]
    List,
    /// Print the numbers of a results folder.
    Show(Show),
    /// Draw figures, tables and the report of a results folder again.
    #[command(visible_alias = "plot")]
    Report(Report),
    /// Compare the numbers of two results folders.
    #[command(visible_aliases = ["diff", "cmp"])]
    Compare(Compare),
    /// Write top lists, ranks or candidates of a results folder, for other programs.
    Export(Export),
    /// Count how often the answers in a file name their targets, by the published rule and by stricter ones.
    Audit(Audit),
    /// Count, prepare, make or fetch data.
    #[command(subcommand)]
    Data(Data),
    /// Look at the worker, the devices and the store, and say what is wrong.
    Doctor(Doctor),
    /// Remove artefacts that no experiment with a results folder needs.
    Clean(Clean),
    /// Print the completions of a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// An experiment file with changes.
#[derive(Clone, Debug, Args)]
pub struct SpecArgs {
    /// The experiment file.
    #[arg(value_name = "SPEC")]
    pub path: PathBuf,
    /// Set a value of the file, for example `--set model.sasrec.sasrec.train.lr=0.01`; may be repeated. Results of other
    /// values go to a folder of their own, which `--set name=NAME` names.
    #[arg(short = 'S', long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Run this seed in place of the file's, into the folder NAME-seeds-N; may be repeated. As `--set seeds=[N]`.
    #[arg(long = "seed", value_name = "N")]
    pub seeds: Vec<u64>,
    /// Where to compute: `cpu` or `cuda:N`. Where the file says another, results go to NAME-cuda or NAME-cpu. As `--set
    /// run.device=...`.
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,
    /// Keep at most N users of each data set, to try whether everything runs; results go to the folder NAME-limit-N. As
    /// `--set run.limit=N`.
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
}

impl SpecArgs {
    /// All changes, as `--set` would have them.
    pub fn overrides(&self) -> Vec<String> {
        let mut all = self.set.clone();
        all.extend(
            self.device
                .iter()
                .map(|device| format!("run.device={device:?}")),
        );
        if !self.seeds.is_empty() {
            all.push(format!("seeds={:?}", self.seeds));
        }
        all.extend(self.limit.iter().map(|limit| format!("run.limit={limit}")));
        all
    }
}

/// `run`.
#[derive(Clone, Debug, Args)]
pub struct Run {
    /// The experiment.
    #[command(flatten)]
    pub spec: SpecArgs,
    /// Only show what would run.
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Most stages at a time [default: as many as the cores have threads for; 1 on a GPU].
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Start nothing more after the first failure.
    #[arg(long)]
    pub fail_fast: bool,
    /// Folder in which the experiment's results folder is made.
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub out: PathBuf,
    /// Kill a worker that is silent for so long: `90s`, `10m`, `2h`.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub timeout: Option<Duration>,
}

/// `check`.
#[derive(Clone, Debug, Args)]
pub struct Check {
    /// The experiment.
    #[command(flatten)]
    pub spec: SpecArgs,
    /// How faults are written.
    #[arg(long, value_enum, default_value_t = FaultFormat::Text)]
    pub format: FaultFormat,
    /// Read the data sets, too: counts, records without an item, and what would leave no user to measure.
    #[arg(long)]
    pub data: bool,
}

/// How faults are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FaultFormat {
    /// With the lines they are on.
    Text,
    /// `file:line:column: message`, for editors.
    Lines,
}

/// `plan`.
#[derive(Clone, Debug, Args)]
pub struct Plan {
    /// The experiment.
    #[command(flatten)]
    pub spec: SpecArgs,
    /// How the plan is written.
    #[arg(long, value_enum, default_value_t = PlanFormat::Text)]
    pub format: PlanFormat,
}

/// How a plan is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// The resolved experiment file, each value with where it comes from.
    Toml,
}

/// `show`.
#[derive(Clone, Debug, Args)]
pub struct Show {
    /// The results folder.
    #[arg(value_name = "RESULTS")]
    pub results: PathBuf,
    /// Only this metric, such as `ndcg@10` or `valid`.
    #[arg(long, value_name = "METRIC")]
    pub metric: Option<String>,
    /// Only this part of the split, every metric.
    #[arg(long, value_enum)]
    pub split: Option<Split>,
}

/// A part of the split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Split {
    /// Validation.
    Valid,
    /// Test.
    Test,
}

impl Split {
    /// As the data have it.
    pub fn part(self) -> Part {
        match self {
            Split::Valid => Part::Valid,
            Split::Test => Part::Test,
        }
    }
}

/// `report`.
#[derive(Clone, Debug, Args)]
pub struct Report {
    /// The results folder.
    #[arg(value_name = "RESULTS")]
    pub results: PathBuf,
    /// Write nothing; exit with 1 when a file would change.
    #[arg(long)]
    pub check: bool,
}

/// `compare`.
#[derive(Clone, Debug, Args)]
pub struct Compare {
    /// The results folder to compare with.
    #[arg(value_name = "A")]
    pub before: PathBuf,
    /// The results folder to compare.
    #[arg(value_name = "B")]
    pub after: PathBuf,
}

/// `export`.
#[derive(Clone, Debug, Args)]
pub struct Export {
    /// The results folder.
    #[arg(value_name = "RESULTS")]
    pub results: PathBuf,
    /// How many of each user's best candidates; needs `protocol.NAME.keep_scores`.
    #[arg(long, value_name = "K", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    pub top: u16,
    /// The rank of each user's target in place of lists.
    #[arg(long, conflicts_with_all = ["candidates", "titles", "top"])]
    pub ranks: bool,
    /// What is to be scored in place of lists: each user's history and candidates. Reads the store.
    #[arg(long, conflicts_with_all = ["titles", "top"])]
    pub candidates: bool,
    /// Titles of the items, too. Reads the store.
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
    /// Which part of the split.
    #[arg(long, value_enum, default_value_t = Split::Test)]
    pub split: Split,
    /// CSV with a header line, or JSON lines.
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
    /// How the answers are written [default: told from the contents].
    #[arg(long, value_enum)]
    pub form: Option<AnswerForm>,
    /// Column or field of the generated text.
    #[arg(long, value_name = "COLUMN", default_value = "answer")]
    pub answer: String,
    /// Column or field of the target's title.
    #[arg(long, value_name = "COLUMN", default_value = "target")]
    pub target: String,
    /// Column or field of the candidates' titles, a JSON list [default: `candidates`, where it is there].
    #[arg(long, value_name = "COLUMN")]
    pub candidates: Option<String>,
    /// For programs; a table for people otherwise.
    #[arg(long, value_enum)]
    pub format: Option<DataFormat>,
}

/// How a file of answers is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AnswerForm {
    /// A header line and a row an answer.
    Csv,
    /// An object a line.
    Jsonl,
    /// Prompt, `Answer: "TITLE"` and `LLM: TEXT`, as the A-LLMRec code writes them.
    Allmrec,
}

/// A form of output for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DataFormat {
    /// CSV with a header line.
    Csv,
    /// JSON; an object a line where there are rows.
    Json,
}

/// `data`.
#[derive(Clone, Debug, Subcommand)]
pub enum Data {
    /// Print users, items, interactions, lengths, slice counts and share of items with text of every data set of a file.
    Stats(SpecArgs),
    /// Read, filter and split one data set of a file into a folder.
    Prepare {
        /// The experiment.
        #[command(flatten)]
        spec: SpecArgs,
        /// Name of the data set; may be left out when the file has one.
        #[arg(long, value_name = "NAME")]
        dataset: Option<String>,
        /// Folder to write to.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Write a generated data set in Amazon's form: reviews and metadata, JSON lines, gzip.
    Make {
        /// Users.
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
        users: u64,
        /// Items.
        #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(2..=10_000_000))]
        items: u64,
        /// Mean reviews of a user.
        #[arg(long, default_value_t = 9.0)]
        mean_length: f64,
        /// Seed of everything.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Folder to write to.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Download a public data set, or say what to put where.
    Fetch {
        /// Which.
        #[arg(value_enum)]
        name: Public,
        /// Folder to write to (default: where the committed experiments look for it, data/amazon or data/movielens).
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

/// `doctor`.
#[derive(Clone, Debug, Args)]
pub struct Doctor {
    /// Read every artefact and compare it with its digests.
    #[arg(long)]
    pub full: bool,
}

/// `clean`.
#[derive(Clone, Debug, Args)]
pub struct Clean {
    /// Only show what would be removed.
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Remove damaged experiment records too, and the artefacts that only they may need.
    #[arg(long)]
    pub skip_damaged: bool,
}

/// `90`, `90s`, `10m` or `2h`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no time: expected a number with `s`, `m` or `h`");
    let (number, unit) = match text.char_indices().last() {
        Some((at, 's')) => (&text[..at], 1.0),
        Some((at, 'm')) => (&text[..at], 60.0),
        Some((at, 'h')) => (&text[..at], 3600.0),
        _ => (text, 1.0),
    };
    let seconds = number.parse::<f64>().map_err(|_| wrong())? * unit;
    let time = Duration::try_from_secs_f64(seconds).map_err(|_| wrong())?;
    match time.is_zero() {
        true => Err(format!("`{text}` is no time at all: expected more than 0")),
        false => Ok(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn commands_have_the_names_that_other_programs_give_them() {
        let command = |line: &str| Cli::try_parse_from(line.split(' ')).unwrap().command;
        assert!(matches!(
            command("allround validate a.toml"),
            Command::Check(_)
        ));
        assert!(matches!(command("allround ls"), Command::List));
        assert!(matches!(command("allround diff a b"), Command::Compare(_)));
        assert!(matches!(command("allround cmp a b"), Command::Compare(_)));
        assert!(matches!(command("allround plot a"), Command::Report(_)));
    }

    #[test]
    fn flags_are_changes_of_the_file_in_their_order_of_strength() {
        let line =
            "allround run a.toml -S run.threads=2 --seed 4 --seed 7 --limit 9 --device cuda:1";
        let Command::Run(run) = Cli::try_parse_from(line.split(' ')).unwrap().command else {
            panic!("`run` is a run");
        };
        let changes = [
            "run.threads=2",
            "run.device=\"cuda:1\"",
            "seeds=[4, 7]",
            "run.limit=9",
        ];
        assert_eq!(run.spec.overrides(), changes);
    }

    #[test]
    fn a_time_has_a_unit_and_is_not_zero() {
        assert_eq!(duration("90").unwrap(), Duration::from_secs(90));
        assert_eq!(duration("1.5m").unwrap(), Duration::from_secs(90));
        assert_eq!(duration("2h").unwrap(), Duration::from_secs(7200));
        for wrong in ["", "s", "0s", "-1s", "1d", "nan", "1e300h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_time_of_nothing_is_refused_in_other_words_than_what_is_no_time() {
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        for (text, word) in [
            ("0s", "more than 0"),
            ("x", "a number with"),
            ("-1h", "a number with"),
        ] {
            assert!(duration(text).unwrap_err().contains(word), "{text}");
        }
    }
}
