//! Command-line arguments.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use allround_core::data::Part;

/// Reproducible experiments with A-LLMRec and the recommenders it is compared with.
///
/// An experiment is one TOML file. `allround run FILE` trains and evaluates its models, and writes
/// CSV files, tables, figures and a report to `results/NAME/`. After an interruption the same
/// command resumes; finished work is never repeated.
///
/// Exit codes: 0 success, 1 a cell failed or a check found a difference, 2 bad usage or an invalid
/// file, 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "allround", version, max_term_width = 100)]
pub struct Cli {
    /// The subcommand.
    #[command(subcommand)]
    pub command: Command,
    /// Options of every command.
    #[command(flatten)]
    pub common: Common,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub struct Common {
    /// Folder of cached artefacts and checkpoints.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "ALLROUND_STORE",
        default_value = ".allround"
    )]
    pub store: PathBuf,
    /// The worker program [default: `allround-worker` next to this program, then on the PATH].
    #[arg(long, global = true, value_name = "PATH", env = "ALLROUND_WORKER")]
    pub worker: Option<PathBuf>,
    /// Print no progress.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Also print worker notes and rule counts.
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run an experiment, or resume it.
    Run(Run),
    /// Check an experiment file and print what it would run.
    #[command(visible_alias = "validate")]
    Check(Check),
    /// Print the stages and cells of an experiment, and which are in the store.
    Plan(Plan),
    /// List the experiments in the store.
    #[command(visible_alias = "ls")]
    List(List),
    /// Print the metrics of a results folder.
    Show(Show),
    /// Redraw the figures, tables and report of a results folder.
    #[command(visible_alias = "plot")]
    Report(Report),
    /// Compare the metrics of two results folders.
    #[command(visible_aliases = ["diff", "cmp"])]
    Compare(Compare),
    /// Write top lists, ranks or candidates of a results folder for other programs.
    Export(Export),
    /// Count how often LLM answers in a file name their targets, by the published rule and by
    /// stricter rules.
    Audit(Audit),
    /// Count, prepare, generate or download data.
    #[command(subcommand)]
    Data(Data),
    /// Check the worker, its devices, the store and the disk.
    Doctor(Doctor),
    /// Remove cached artefacts that no results folder uses.
    Clean(Clean),
    /// Write a starter experiment file for a data file.
    Init(Init),
    /// Print shell completions.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write a page per subcommand to a folder.
    Man {
        /// Folder to write to, such as `~/.local/share/man/man1` [default: print allround.1].
        #[arg(value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

/// An experiment file with overrides.
#[derive(Clone, Debug, Args)]
pub struct SpecArgs {
    /// The experiment file.
    #[arg(value_name = "SPEC")]
    pub path: PathBuf,
    /// Set a value of the file, such as `--set model.sasrec.sasrec.train.lr=0.01`; may be repeated.
    /// Results go to a separate folder, which `--set name=NAME` names.
    #[arg(short = 'S', long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Run this seed instead of those in the file, into the folder NAME-seeds-N; may be repeated.
    /// Same as `--set seeds=[N]`.
    #[arg(long = "seed", value_name = "N")]
    pub seeds: Vec<u64>,
    /// Device: `cpu` or `cuda:N`. If the file has another, results go to NAME-cuda or NAME-cpu.
    /// Same as `--set run.device=...`.
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,
    /// Keep at most N users of each data set, for a trial run; results go to the folder
    /// NAME-limit-N. Same as `--set run.limit=N`.
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
}

impl SpecArgs {
    /// All overrides in the syntax of `--set`.
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
    /// Only print what would run.
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Maximum number of stages that run at the same time [default: as many as fit the cores; 1 on
    /// a GPU].
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Start no further stage after the first failure.
    #[arg(long)]
    pub fail_fast: bool,
    /// Folder for the results folder of the experiment.
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub out: PathBuf,
    /// Kill a worker that reports nothing for this long, such as `90s`, `10m` or `1h 30m`.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub timeout: Option<Duration>,
}

/// `check`.
#[derive(Clone, Debug, Args)]
pub struct Check {
    /// The experiment.
    #[command(flatten)]
    pub spec: SpecArgs,
    /// Format of faults.
    #[arg(long, value_enum, default_value_t = FaultFormat::Text)]
    pub format: FaultFormat,
    /// Also read the data sets: print counts, and refuse a scenario without users to measure.
    #[arg(long)]
    pub data: bool,
}

/// Format of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FaultFormat {
    /// With the lines of the file.
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
    /// Output format.
    #[arg(long, value_enum, default_value_t = PlanFormat::Text)]
    pub format: PlanFormat,
}

/// Output format of `plan`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    /// A table of stages.
    Text,
    /// A row per stage.
    Csv,
    /// An object with all cells and stages.
    Json,
    /// The resolved experiment file with the origin of each value.
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
    /// Only this part of the split.
    #[arg(long, value_enum)]
    pub split: Option<Split>,
    /// Output format. Columns of `csv`, and keys of `json`: dataset, scenario, protocol, split,
    /// model, metric, mean, sd, seeds, users, failed, error, stand_in, fingerprint.
    #[arg(long, value_enum, default_value_t = OutputFormat::Text)]
    pub format: OutputFormat,
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
    /// The part of the split.
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
    /// Write nothing; exit with code 1 if a file would change.
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
    /// Only this metric, such as `ndcg@10`; may be repeated.
    #[arg(long = "metric", value_name = "METRIC")]
    pub metrics: Vec<String>,
    /// Only rows that differ.
    #[arg(long)]
    pub differences: bool,
    /// Output format. Columns of `csv`, and keys of `json`: dataset, scenario, protocol, split,
    /// model, metric, status, a, a_sd, b, b_sd, difference, p, significant, seeds,
    /// a_stand_in, b_stand_in. `status` is compared, not_comparable, only_a or only_b.
    #[arg(long, value_enum, default_value_t = OutputFormat::Text)]
    pub format: OutputFormat,
}

/// `list`.
#[derive(Clone, Debug, Args)]
pub struct List {
    /// Output format. Columns of `csv`, and keys of `json`: experiment, state, cells, finished,
    /// failed, ended, spec, results.
    #[arg(long, value_enum, default_value_t = OutputFormat::Text)]
    pub format: OutputFormat,
}

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

/// Output format of a command that prints a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// Formatted text.
    Text,
    /// CSV with a header line.
    Csv,
    /// One JSON document.
    Json,
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
    /// Only print what would be removed.
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Also remove damaged experiment records, and artefacts that only they may use.
    #[arg(long)]
    pub skip_damaged: bool,
}

/// A time such as `90s`, `10m` or `1h 30m`; a plain number is in seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let invalid =
        |_| format!("`{text}` is not a time: expected for example `90s`, `10m` or `1h 30m`");
    let time = match text.parse::<f64>() {
        Ok(seconds) => {
            Duration::try_from_secs_f64(seconds).map_err(|error| invalid(error.to_string()))?
        }
        Err(_) => text
            .parse::<jiff::SignedDuration>()
            .and_then(Duration::try_from)
            .map_err(|error| invalid(error.to_string()))?,
    };
    if time.is_zero() {
        return Err(format!("`{text}` is too short: expected more than 0"));
    }
    Ok(time)
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
        assert!(matches!(command("allround ls"), Command::List(_)));
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
    fn a_time_has_a_unit_or_is_in_seconds_and_is_not_zero() {
        for (text, seconds) in [
            ("90", 90),
            ("90s", 90),
            ("1.5m", 90),
            ("2h", 7200),
            ("1h 30m", 5400),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "s", "x", "-1s", "-1h", "1d", "nan", "1e300h"] {
            let message = duration(text).unwrap_err();
            assert!(message.contains("is not a time"), "{message}");
        }
        for text in ["0", "0s"] {
            assert!(
                duration(text).unwrap_err().contains("more than 0"),
                "{text}"
            );
        }
    }
}
