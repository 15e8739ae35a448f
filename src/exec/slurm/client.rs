//! Slurm's commands.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};

use allround_core::stage::StageKind;
use serde::{Deserialize, Serialize};

/// Prefix of the names of jobs.
pub const JOB_NAME: &str = "allround-";

/// A task of a job array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Task {
    /// Job id of the array.
    pub job: u64,
    /// Number in the array.
    pub index: u32,
}

impl fmt::Display for Task {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}_{}", self.job, self.index)
    }
}

/// What Slurm knows of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// `PENDING`, `RUNNING`, `COMPLETED`, `FAILED`, `TIMEOUT` and so on.
    pub name: String,
    /// Why it is pending or how it ended.
    pub reason: String,
    /// Its node; empty before it starts.
    pub node: String,
    /// Its time limit.
    pub limit: String,
}

impl State {
    /// Whether the task waits or runs.
    pub fn is_alive(&self) -> bool {
        self.is_running()
            || matches!(
                self.name.as_str(),
                "PENDING"
                    | "CONFIGURING"
                    | "COMPLETING"
                    | "REQUEUED"
                    | "REQUEUE_FED"
                    | "REQUEUE_HOLD"
                    | "SPECIAL_EXIT"
                    | "RESV_DEL_HOLD"
                    | "SIGNALING"
                    | "STAGE_OUT"
            )
    }

    /// Whether it has a node.
    pub fn is_running(&self) -> bool {
        matches!(
            self.name.as_str(),
            "RUNNING" | "SUSPENDED" | "STOPPED" | "RESIZING"
        )
    }
}

/// A command of Slurm failed.
#[derive(Debug, thiserror::Error)]
pub enum SlurmError {
    /// There is no such program.
    #[error("`{0}` is not on the PATH: this machine has no Slurm, or it must be loaded first")]
    Missing(&'static str),
    /// The controller does not answer.
    #[error("Slurm's controller does not answer ({0})")]
    Unreachable(String),
    /// Slurm refused.
    #[error("`{command}` failed: {message}")]
    Refused {
        /// The program.
        command: &'static str,
        /// Its message, in one line.
        message: String,
    },
}

impl SlurmError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            SlurmError::Missing(_) => "log in to a node of the cluster where `sbatch` works, load its module, or run with `--on local`".to_owned(),
            SlurmError::Unreachable(_) => "jobs that were submitted continue; run the same command again when `scontrol ping` succeeds".to_owned(),
            SlurmError::Refused { message, .. } => refusal_hint(message),
        }
    }
}

/// What to change in the site file after a message of `sbatch`.
fn refusal_hint(message: &str) -> String {
    let text = message.to_lowercase();
    let has = |word: &str| text.contains(word);
    let hint = match () {
        () if has("partition") => {
            "correct `partition` in the site file; `sinfo -s` lists partitions"
        }
        () if has("array") => {
            "lower `array` in the site file; `scontrol show config` has MaxArraySize"
        }
        () if has("account") => {
            "correct `account` in the site file; `sacctmgr show assoc user=$USER` lists accounts"
        }
        () if has("gres") => "correct `gres` in the site file; `sinfo -o %G` lists resources",
        () if has("memory") => {
            "lower `memory` in the site file; `sinfo -o %m` has the memory of nodes"
        }
        () if has("feature") => {
            "correct `constraint` in the site file; `sinfo -o %f` lists features"
        }
        () if has("time limit") => {
            "lower `time` in the site file; `sinfo -s` has limits of partitions"
        }
        () if has("qos") => "correct `qos` in the site file; `sacctmgr show qos` lists them",
        () if has("limit") || has("policy") || has("temporarily unable") => {
            "lower `queued` in the site file: Slurm accepts no more jobs of you"
        }
        () if has("node configuration") => {
            "no node has these resources: correct memory, gres or cpus in the site file; `sinfo -N -l` lists nodes"
        }
        () => "correct the site file; `allround doctor --on NAME` checks it",
    };
    hint.to_owned()
}

/// Limits of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Arrays have fewer tasks and lower numbers than this; 0 means no arrays.
    pub array: u32,
}

/// Runs a command of Slurm and returns its standard output.
///
/// # Errors
/// When it is missing or fails.
pub fn run(program: &'static str, arguments: &[&str]) -> Result<String, SlurmError> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => SlurmError::Missing(program),
            _ => SlurmError::Refused {
                command: program,
                message: error.to_string(),
            },
        })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let lines = text.lines().map(|line| {
        let line = line.strip_prefix(program).unwrap_or(line);
        line.trim_start_matches(": ")
            .trim_start_matches("error: ")
            .trim()
    });
    let message = lines
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("; ");
    let is_away = [
        "contact slurm controller",
        "Connection refused",
        "Socket timed out",
        "Zero Bytes",
    ];
    Err(match is_away.iter().any(|words| message.contains(words)) {
        true => SlurmError::Unreachable(message),
        false => SlurmError::Refused {
            command: program,
            message,
        },
    })
}

/// The limits of the cluster.
///
/// # Errors
/// When Slurm does not answer.
pub fn limits() -> Result<Limits, SlurmError> {
    let text = run("scontrol", &["show", "config"])?;
    let value = |name: &str| {
        let line = text
            .lines()
            .find(|line| line.trim_start().starts_with(name))?;
        line.split_once('=')?.1.trim().parse().ok()
    };
    Ok(Limits {
        array: value("MaxArraySize").unwrap_or(1001),
    })
}

/// Submits a script as an array, and returns its job id.
///
/// # Errors
/// When Slurm refuses or does not answer.
pub fn submit(script: &Path, array: &str, dependency: &str) -> Result<u64, SlurmError> {
    let script = script.display().to_string();
    let array = format!("--array={array}");
    let dependency = format!("--dependency={dependency}");
    let mut arguments = vec!["--parsable", array.as_str()];
    if dependency != "--dependency=" {
        arguments.push(&dependency);
    }
    arguments.push(&script);
    let text = run("sbatch", &arguments)?;
    // `JOB` or `JOB;CLUSTER`.
    let job = text.trim().split(';').next().unwrap_or_default();
    job.parse().map_err(|_| SlurmError::Refused {
        command: "sbatch",
        message: format!("it printed `{}`, expected a job id", text.trim()),
    })
}

/// The state of every task in the queue, and of those that have ended lately.
///
/// # Errors
/// When Slurm does not answer.
pub fn states() -> Result<HashMap<Task, State>, SlurmError> {
    let names: Vec<String> = StageKind::ALL
        .iter()
        .map(|kind| format!("{JOB_NAME}{kind}"))
        .collect();
    let names = format!("--name={}", names.join(","));
    let format = "--format=%F|%K|%T|%r|%N|%l";
    let text = run("squeue", &["-h", "-r", "-t", "all", &names, format])?;
    Ok(text.lines().filter_map(state).collect())
}

/// The state of a job that is one task; `None` where Slurm does not know it.
pub fn states_of(job: u64) -> Option<State> {
    let format = "--format=%F|%K|%T|%r|%N|%l";
    let job = format!("--jobs={job}");
    let text = run("squeue", &["-h", "-r", "-t", "all", &job, format]).ok()?;
    text.lines().find_map(state).map(|(_, state)| state)
}

fn state(line: &str) -> Option<(Task, State)> {
    let mut fields = line.split('|');
    let mut next = || fields.next().map(str::trim);
    let (job, index) = (next()?.parse().ok()?, next()?.parse().unwrap_or(0));
    let state = State {
        name: next()?.to_owned(),
        reason: next()?.to_owned(),
        node: next()?.to_owned(),
        limit: next().unwrap_or_default().to_owned(),
    };
    Some((Task { job, index }, state))
}

/// The state of one task in the accounting database; `None` where there is none.
pub fn accounted(task: Task) -> Option<State> {
    let job = task.to_string();
    let format = "--format=State,NodeList,Timelimit,Reason";
    let text = run("sacct", &["-n", "-X", "-P", "-j", &job, format]).ok()?;
    let line = text.lines().next_back()?;
    let mut fields = line.split('|').map(str::trim);
    // `CANCELLED by 1000`.
    let state = fields.next().filter(|state| !state.is_empty())?;
    let (name, by) = state.split_once(' ').unwrap_or((state, ""));
    let (node, limit) = (fields.next(), fields.next());
    let reason = match by {
        "" => fields.next().unwrap_or_default(),
        by => by,
    };
    Some(State {
        name: name.to_owned(),
        reason: reason.to_owned(),
        node: node.unwrap_or_default().to_owned(),
        limit: limit.unwrap_or_default().to_owned(),
    })
}

/// Cancels jobs or tasks (`12` or `12_3`). Those that have ended are skipped.
///
/// # Errors
/// When Slurm does not answer.
pub fn cancel(jobs: &[String]) -> Result<(), SlurmError> {
    // A command line has a maximum length.
    for jobs in jobs.chunks(1000) {
        let mut arguments = vec!["--quiet"];
        arguments.extend(jobs.iter().map(String::as_str));
        match run("scancel", &arguments) {
            Ok(_) => {}
            Err(SlurmError::Refused { message, .. }) if message.contains("Invalid job id") => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_queue_is_read() {
        let (task, state) = state("12|3|PENDING|Priority||4:00:00").unwrap();
        assert_eq!(task.to_string(), "12_3");
        assert!(state.is_alive() && !state.is_running());
        assert_eq!(
            (state.reason.as_str(), state.limit.as_str()),
            ("Priority", "4:00:00")
        );
        let (_, ended) = super::state("12|4|OUT_OF_MEMORY|OutOfMemory|n1|4:00:00").unwrap();
        assert!(!ended.is_alive());
    }

    #[test]
    fn a_refusal_names_what_to_change() {
        for (message, word) in [
            ("invalid partition specified: nope", "`partition`"),
            (
                "Batch job submission failed: Invalid job array specification",
                "`array`",
            ),
            (
                "Invalid account or account/partition combination specified",
                "`partition`",
            ),
            ("Invalid generic resource (gres) specification", "`gres`"),
            ("Memory specification can not be satisfied", "`memory`"),
            (
                "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
                "`",
            ),
        ] {
            assert!(refusal_hint(message).contains(word), "{message}");
        }
    }
}
