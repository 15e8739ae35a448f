//! Command-line arguments.

mod data;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use allround_core::data::Part;
pub use data::{AnswerForm, Audit, Data, DataFormat, Explain, ExplainFormat, Export, Init, Public};

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
    /// The site file with the executors for `--on`. Default: `allround.site.toml` in or above the
    /// folder of the experiment or this one, or in `~/.config/allround`.
    #[arg(long, global = true, value_name = "FILE", env = "ALLROUND_SITE")]
    pub site: Option<PathBuf>,
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
    /// Run all experiments of a suite, and compare them with the published numbers in one report.
    Reproduce(Reproduce),
    /// Check an experiment file and print what it would run.
    #[command(visible_alias = "validate")]
    Check(Check),
    /// Print the stages and cells of an experiment, and which are in the store.
    Plan(Plan),
    /// Print how far a run is: cells, stages, rate and time left, also of a detached run.
    Watch(Watch),
    /// Cancel the jobs of a run on a cluster.
    Cancel(Cancel),
    /// Run one stage of a job array; jobs of a cluster call it.
    #[command(hide = true)]
    Stage(StageTask),
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
    /// Print what models did with one user: history, candidates, scores, prompts and answers.
    Explain(Explain),
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
    /// Values other than those of the file.
    #[command(flatten)]
    pub changes: Changes,
}

/// Values other than those of an experiment file.
#[derive(Clone, Debug, Args)]
pub struct Changes {
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

impl Changes {
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
    /// How it runs.
    #[command(flatten)]
    pub execution: Execution,
}

/// How stages are run. Nothing here changes a result.
#[derive(Clone, Debug, Args)]
pub struct Execution {
    /// Maximum number of stages that run at the same time [default: as many as fit the cores; 1 on
    /// a GPU].
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Start no further stage after the first failure.
    #[arg(long)]
    pub fail_fast: bool,
    /// Folder for the results folders of experiments.
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub out: PathBuf,
    /// Where stages run: an executor of the site file, or `local` [default: `run.on` of the
    /// experiment].
    #[arg(long, value_name = "NAME")]
    pub on: Option<String>,
    /// GPUs of this machine that stages share: `cuda:0,cuda:1`, or `all`. The device of the
    /// experiment must be a GPU.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub devices: Vec<String>,
    /// Submit the stages to a cluster and return. The same command collects them later.
    #[arg(long)]
    pub detach: bool,
    /// Kill a worker that reports nothing for this long, such as `90s`, `10m` or `1h 30m`.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub timeout: Option<Duration>,
}

/// `watch`.
#[derive(Clone, Debug, Args)]
pub struct Watch {
    /// The results folder of the run.
    #[arg(value_name = "RESULTS")]
    pub results: PathBuf,
    /// Print once, also on a terminal.
    #[arg(long)]
    pub once: bool,
    /// Time between two views.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "2s")]
    pub every: Duration,
}

/// `cancel`.
#[derive(Clone, Debug, Args)]
pub struct Cancel {
    /// The results folder of the run.
    #[arg(value_name = "RESULTS")]
    pub results: PathBuf,
}

/// `stage`.
#[derive(Clone, Debug, Args)]
pub struct StageTask {
    /// The stages of the array.
    #[arg(value_name = "FILE")]
    pub batch: PathBuf,
    /// Number of the stage in the array.
    #[arg(value_name = "N")]
    pub index: u32,
}

/// `reproduce`.
#[derive(Clone, Debug, Args)]
pub struct Reproduce {
    /// The suite file, or NAME for `suites/NAME.toml`.
    #[arg(value_name = "SUITE")]
    pub suite: PathBuf,
    /// Values other than those of the experiment files.
    #[command(flatten)]
    pub changes: Changes,
    /// Only print what would run.
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// How it runs.
    #[command(flatten)]
    pub execution: Execution,
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
    /// Also estimate time and disk space of the stages to run, from stages in the store.
    #[arg(long)]
    pub estimate: bool,
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

/// `doctor`.
#[derive(Clone, Debug, Args)]
pub struct Doctor {
    /// Read every artefact and compare it with its digests.
    #[arg(long)]
    pub full: bool,
    /// Also check an executor of the site file. A small job looks at the store, the programs and
    /// the clock of a node.
    #[arg(long, value_name = "NAME")]
    pub on: Option<String>,
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
