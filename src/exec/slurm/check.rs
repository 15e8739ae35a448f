//! Checks of a cluster: its commands and its partitions. A small job in each partition then looks
//! at the store, the programs and the clock of its node.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::client::{self, SlurmError};
use super::{batch, script};
use crate::site::SlurmSettings;
use crate::store::Holder;
use crate::store::Store;
use allround_core::fs::{self, FsError};
use allround_core::program::Program;

/// How long a job of the check may take to start and end.
const WAIT: Duration = Duration::from_secs(300);

/// How far clocks may differ.
const SKEW: f64 = 5.0;

/// A line of the check: well, or wrong with its remedy.
pub type Finding = Result<String, String>;

/// The programs on the nodes.
pub struct Programs {
    /// `allround`.
    pub program: PathBuf,
    /// `allround-worker`; `None` if it is not known here.
    pub worker: Option<PathBuf>,
}

/// Checks a cluster.
///
/// # Errors
/// When the store cannot be written.
pub fn check(
    settings: &SlurmSettings,
    programs: &Programs,
    store: &Store,
) -> Result<Vec<Finding>, FsError> {
    let mut findings = Vec::new();
    match commands() {
        Ok(text) => findings.push(Ok(text)),
        Err(error) => {
            let hint = error.hint();
            findings.push(Err(format!("slurm: {error}\n      hint: {hint}")));
            return Ok(findings);
        }
    }
    let known = client::run("sinfo", &["-h", "-o", "%R"]).unwrap_or_default();
    let known: BTreeSet<&str> = known.lines().map(str::trim).collect();
    for partition in partitions(settings) {
        if let Some(name) = partition
            && !known.is_empty()
            && !known.contains(name)
        {
            let names = Vec::from_iter(known.iter().copied()).join(", ");
            findings.push(Err(format!(
                "partition `{name}` does not exist\n      hint: correct `partition` in the site file; Slurm has {names}"
            )));
            continue;
        }
        let probe = Probe {
            settings,
            programs,
            partition,
            folder: batch::root(store).join(format!(".check-{}", std::process::id())),
        };
        findings.extend(probe.run()?);
        fs::remove_dir_all(&probe.folder)?;
    }
    Ok(findings)
}

/// The partitions that stages use; `None` is Slurm's choice.
fn partitions(settings: &SlurmSettings) -> BTreeSet<Option<&str>> {
    let of_kinds = settings.stage.values();
    let of_kinds = of_kinds.filter_map(|resources| resources.partition.as_deref());
    let all = of_kinds.map(Some);
    all.chain([settings.partition.as_deref()]).collect()
}

fn commands() -> Result<String, SlurmError> {
    let version = client::run("sbatch", &["--version"])?;
    let version = version.trim().trim_start_matches("slurm ").to_owned();
    for program in ["squeue", "scancel"] {
        client::run(program, &["--version"])?;
    }
    let arrays = match client::limits()?.array {
        0 => "no job arrays, so each stage is a call of sbatch".to_owned(),
        most => format!("arrays of at most {most} stages"),
    };
    let accounting = match client::run("sacct", &["-n", "-X", "-j", "1"]) {
        Ok(_) => "accounting",
        Err(_) => "no accounting (why a job ended is known for some minutes only)",
    };
    Ok(format!("slurm: version {version}, {arrays}, {accounting}"))
}

/// A job that looks around on its node.
struct Probe<'a> {
    settings: &'a SlurmSettings,
    programs: &'a Programs,
    partition: Option<&'a str>,
    folder: PathBuf,
}

impl Probe<'_> {
    fn name(&self) -> String {
        match self.partition {
            Some(name) => format!("partition `{name}`"),
            None => "partition of Slurm's choice".to_owned(),
        }
    }

    fn run(&self) -> Result<Vec<Finding>, FsError> {
        fs::create_dir_all(&self.folder)?;
        let path = self.folder.join("check.sh");
        fs::write_atomic(&path, self.script().as_bytes())?;
        let name = self.name();
        let job = match client::submit(&path, "0", "") {
            Ok(job) => job,
            Err(error) => {
                let hint = error.hint();
                return Ok(vec![Err(format!("{name}: {error}\n      hint: {hint}"))]);
            }
        };
        let result = self.folder.join("result");
        let start = Instant::now();
        while !result.exists() && start.elapsed() < WAIT && is_queued(job, start.elapsed()) {
            std::thread::sleep(Duration::from_millis(300));
        }
        // Clients of NFS see a new file late.
        let late = Instant::now();
        while !result.exists() && late.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(100));
        }
        if result.exists() {
            return self.findings(&result);
        }
        let state = client::states_of(job);
        drop(client::cancel(&[job.to_string()]));
        Ok(vec![Err(match state {
            Some(state) if state.is_alive() => format!(
                "{name}: job {job} has not ended after {} s ({}, {})\n      hint: `squeue -j {job}` has the reason; try again when the partition is free",
                start.elapsed().as_secs(),
                state.name,
                state.reason
            ),
            _ => format!(
                "{name}: job {job} ended and left no file in `{}`\n      hint: its node does not see the store: use a folder of a shared file system with `--store DIR`",
                self.folder.display()
            ),
        })])
    }

    fn script(&self) -> String {
        let mut text = "#!/bin/sh\n#SBATCH --job-name=allround-check\n#SBATCH --time=5\n\
            #SBATCH --output=/dev/null\n"
            .to_owned();
        for (name, value) in [
            ("partition", self.partition),
            ("account", self.settings.account.as_deref()),
            ("qos", self.settings.qos.as_deref()),
        ] {
            if let Some(value) = value {
                text.push_str(&format!("#SBATCH --{name}={value}\n"));
            }
        }
        for option in &self.settings.extra {
            text.push_str(&format!("#SBATCH {option}\n"));
        }
        text.push_str(&self.settings.setup.join("\n"));
        let folder = script::quoted(&self.folder);
        let version =
            |program: &Path| format!("{} --version 2>&1 | head -n 1", script::quoted(program));
        let worker = self
            .programs
            .worker
            .as_deref()
            .map_or_else(|| "echo".to_owned(), version);
        text.push_str(&format!(
            "\ncd {folder} || exit 1\n{{ hostname; {}; {worker}; date +%s.%N; }} > part && mv part result\n",
            version(&self.programs.program)
        ));
        text
    }

    fn findings(&self, result: &Path) -> Result<Vec<Finding>, FsError> {
        let text = fs::read_to_string(result)?;
        let mut lines = text.lines();
        let mut next = || lines.next().unwrap_or_default().trim().to_owned();
        let (node, program, worker, time) = (next(), next(), next(), next());
        let mut findings = vec![Ok(format!("{}: node {node} sees the store", self.name()))];
        let own = format!("allround {}", Program::this());
        findings.push(match program.starts_with("allround ") {
            true => Ok(format!("node {node} runs {program}")),
            false => Err(format!(
                "node {node} does not run `{}`: {program}\n      hint: install {own} where nodes see it, or set `program` in the site file",
                self.programs.program.display()
            )),
        });
        if let Some(path) = &self.programs.worker {
            findings.push(match worker.starts_with("allround-worker ") {
                true => Ok(format!("node {node} runs {worker}")),
                false => Err(format!(
                    "node {node} does not run `{}`: {worker}\n      hint: install it where nodes see it, load its libraries in `setup`, or set `worker` in the site file",
                    path.display()
                )),
            });
        }
        findings.extend(self.clocks(&node, &time, result)?);
        Ok(findings)
    }

    /// Compares the clocks of node and this machine, each with that of the file system.
    fn clocks(&self, node: &str, time: &str, result: &Path) -> Result<Option<Finding>, FsError> {
        let Ok(node_time) = time.parse::<f64>() else {
            return Ok(None);
        };
        let seconds = |nanoseconds: u64| nanoseconds as f64 / 1e9;
        let node_ahead = node_time - seconds(fs::stamp(result)?.modified_ns);
        let here = self.folder.join("here");
        let now = fs::now_ns();
        fs::write_atomic(&here, b"")?;
        let own_ahead = seconds(now) - seconds(fs::stamp(&here)?.modified_ns);
        let apart = (node_ahead - own_ahead).abs();
        Ok(Some(match apart < SKEW {
            true => Ok(format!(
                "clocks of {node} and {} agree to {apart:.1} s",
                Holder::this().host
            )),
            false => Err(format!(
                "clocks of {node} and {} differ by {apart:.0} s; times in logs are not comparable\n      hint: ask the administrators for NTP; locks and leases do not use these clocks",
                Holder::this().host
            )),
        }))
    }
}

/// Whether a job waits or runs. A new job may be unknown for a moment.
fn is_queued(job: u64, age: Duration) -> bool {
    let state = client::states_of(job);
    state.map_or(age < Duration::from_secs(3), |state| state.is_alive())
}
