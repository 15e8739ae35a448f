//! Runs on a Slurm without jobs (`scripts/fake-slurm`): what is submitted, what is refused, and how
//! the ends of jobs are collected.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

mod common;
#[path = "common/desk.rs"]
mod desk;

use std::path::PathBuf;
use std::process::Output;

use desk::{Desk, err};

const SITE: &str = "site_version = 1\n[executor.uni.slurm]\npoll_s = 0.1\ntime = \"10\"\n";

/// A folder with a site file, a fake Slurm in front of the PATH, and its records.
struct Cluster(Desk);

impl Cluster {
    fn new() -> Cluster {
        let desk = Desk::new();
        desk.put("allround.site.toml", SITE);
        std::fs::create_dir(desk.path().join("fake")).unwrap();
        Cluster(desk)
    }

    fn run(&self, line: &str, variables: &[(&str, &str)]) -> Output {
        let path = std::env::var("PATH").unwrap_or_default();
        let fake = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/fake-slurm");
        let mut command = self.0.command(line);
        command
            .env("PATH", format!("{fake}:{path}"))
            .env("FAKE_SLURM", self.0.path().join("fake"));
        for (name, value) in variables {
            command.env(name, value);
        }
        command.output().unwrap()
    }

    /// Calls of a command of Slurm.
    fn calls(&self, program: &str) -> Vec<String> {
        let text = self.0.read("fake/calls");
        let lines = text.lines().filter(|line| line.starts_with(program));
        lines.map(str::to_owned).collect()
    }

    /// The folder of the only submission.
    fn submission(&self) -> PathBuf {
        let folder = std::fs::read_dir(self.0.path().join(".allround/slurm")).unwrap();
        let mut all = folder.map(|entry| entry.unwrap().path());
        all.find(|path| path.is_dir()).expect("a submission")
    }
}

#[test]
fn stages_that_are_alike_are_one_array_and_wait_for_what_they_need() {
    let cluster = Cluster::new();
    let output = cluster.run("run spec.toml --on uni --detach", &[]);
    assert!(output.status.success(), "{}", err(&output));
    assert!(
        err(&output).contains("10 stages are in the queue"),
        "{}",
        err(&output)
    );
    let calls = cluster.calls("sbatch");
    assert_eq!(calls.len(), 5, "{calls:?}");
    assert!(calls[0].contains("--array=0%64") && !calls[0].contains("--dependency"));
    assert!(
        calls[1].contains("--array=0-1%64 --dependency=afterok:1_0"),
        "{}",
        calls[1]
    );
    // An evaluation waits for its own training.
    let after = "--array=0-2%64 --dependency=afterok:1_0,afterany:2,aftercorr:3";
    assert!(calls[3].contains(after), "{}", calls[3]);
    let script = std::fs::read_to_string(cluster.submission().join("0002.sh")).unwrap();
    for line in [
        "#SBATCH --time=10\n",
        "#SBATCH --requeue\n",
        "#SBATCH --job-name=allround-",
    ] {
        assert!(script.contains(line), "{script}");
    }
    // The same command finds them in the queue.
    let output = cluster.run("run spec.toml --on uni --detach", &[]);
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(cluster.calls("sbatch").len(), 5);
    let output = cluster.run("watch results/small", &[]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("small: 0 of 4 cells"), "{text}");
    assert!(text.contains("queued: Priority (10)"), "{text}");
    let output = cluster.run("cancel results/small", &[]);
    assert!(
        err(&output).contains("cancelled 5 job arrays"),
        "{}",
        err(&output)
    );
    assert_eq!(cluster.calls("scancel"), ["scancel --quiet 1 2 3 4 5"]);
}

#[test]
fn arrays_fit_the_limit_of_the_cluster() {
    let cluster = Cluster::new();
    let variables = [("FAKE_MAX_ARRAY", "2")];
    let output = cluster.run("run spec.toml --on uni --detach", &variables);
    assert!(output.status.success(), "{}", err(&output));
    let calls = cluster.calls("sbatch");
    assert_eq!(calls.len(), 7, "{calls:?}");
    assert!(calls.iter().all(|call| !call.contains("0-2")), "{calls:?}");
}

#[test]
fn what_slurm_says_of_a_job_becomes_a_row_and_a_rerun_submits_it_again() {
    for (state, words) in [
        ("TIMEOUT", "reached its time limit of 1:00:00 (TIMEOUT)"),
        ("OUT_OF_MEMORY", "exceeded its memory (OUT_OF_MEMORY)"),
        ("NODE_FAIL", "failed (NODE_FAIL)"),
        ("PREEMPTED", "was preempted and not requeued (PREEMPTED)"),
        ("FAILED", "its node may not see this folder"),
    ] {
        let cluster = Cluster::new();
        cluster.run("run spec.toml --on uni --detach", &[]);
        cluster.0.put("fake/state", state);
        let output = cluster.run("run spec.toml --on uni -q", &[]);
        assert_eq!(output.status.code(), Some(1), "{}", err(&output));
        assert!(err(&output).contains(words), "{words}: {}", err(&output));
        assert_eq!(
            cluster.calls("sbatch").len(),
            5,
            "collected, not submitted again"
        );
        cluster.0.put("fake/state", "PENDING");
        cluster.run("run spec.toml --on uni --detach", &[]);
        assert_eq!(cluster.calls("sbatch").len(), 10);
    }
}

#[test]
fn jobs_that_slurm_has_lost_are_submitted_again() {
    let cluster = Cluster::new();
    cluster.0.put("fake/forgets", "");
    let output = cluster.run("run spec.toml --on uni -q", &[]);
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    let text = err(&output);
    assert!(
        text.contains("Slurm has lost 10 jobs; they are submitted again"),
        "{text}"
    );
    assert!(text.contains("Slurm no longer knows job"), "{text}");
    assert_eq!(cluster.calls("sbatch").len(), 15, "three times");
}

#[test]
fn another_build_on_a_node_is_refused_with_both_versions() {
    let cluster = Cluster::new();
    cluster.run("run spec.toml --on uni --detach", &[]);
    let batch = cluster.submission().join("0000.jsonl");
    let text = std::fs::read_to_string(&batch).unwrap();
    let (header, rest) = text.split_once('\n').unwrap();
    let mut header: serde_json::Value = serde_json::from_str(header).unwrap();
    header["program"] = "9.9.9".into();
    std::fs::write(&batch, format!("{header}\n{rest}")).unwrap();
    let output = cluster.run(&format!("stage {} 0", batch.display()), &[]);
    assert_eq!(output.status.code(), Some(1));
    cluster.0.put("fake/state", "FAILED");
    let output = cluster.run("run spec.toml --on uni -q", &[]);
    let text = err(&output);
    assert!(
        text.contains("but allround 9.9.9 submitted this job"),
        "{text}"
    );
    assert!(
        text.contains("install the same build on all nodes"),
        "{text}"
    );
}

#[test]
fn a_task_publishes_its_artefact_and_the_next_run_finds_it() {
    let cluster = Cluster::new();
    cluster.run("run spec.toml --on uni --detach", &[]);
    let batch = cluster.submission().join("0000.jsonl");
    let output = cluster.run(&format!("stage {} 0", batch.display()), &[]);
    assert!(output.status.success(), "{}", err(&output));
    let artefacts = cluster.0.path().join(".allround/artefacts/prepare");
    assert_eq!(std::fs::read_dir(artefacts).unwrap().count(), 1);
    // A stage whose needs are not in the store says so.
    let batch = cluster.submission().join("0003.jsonl");
    let output = cluster.run(&format!("stage {} 0", batch.display()), &[]);
    assert!(
        err(&output).contains("which it needs, is not in the store"),
        "{}",
        err(&output)
    );
}

#[test]
fn a_machine_without_slurm_and_an_unknown_executor_are_refused() {
    let cluster = Cluster::new();
    let refused = |line: &str, path: &str| {
        let output = cluster.0.command(line).env("PATH", path).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{line}: {}", err(&output));
        err(&output)
    };
    let text = refused("run spec.toml --on uni", "/nowhere");
    assert!(
        text.contains("is not on the PATH: this machine has no Slurm"),
        "{text}"
    );
    assert!(
        text.contains("hint: log in to a node of the cluster"),
        "{text}"
    );
    let text = refused("run spec.toml --on unni", "/nowhere");
    assert!(
        text.contains("no executor is named `unni`") && text.contains("`uni`"),
        "{text}"
    );
    let text = refused("run spec.toml --detach", "/nowhere");
    assert!(text.contains("`--detach` needs a cluster"), "{text}");
    cluster.0.put(
        "allround.site.toml",
        "site_version = 1\n[executor.uni.slurm]\nqueu = 1\n",
    );
    let text = refused("run spec.toml --on uni", "/nowhere");
    assert!(
        text.contains("allround.site.toml:3:1") && text.contains("queu"),
        "{text}"
    );
    let text = refused("watch results/other", "/nowhere");
    assert!(text.contains("no run into"), "{text}");
}

#[test]
fn stages_share_the_gpus_of_one_machine_and_their_rows_say_which() {
    let desk = Desk::new();
    let line = "run spec.toml -q --device cuda:0 --devices cuda:0,cuda:1";
    let output = desk.run_with("backbone=sleep:20", line);
    assert!(output.status.success(), "{}", err(&output));
    let stages = desk.read("results/small-cuda/stages.csv");
    assert!(
        stages.contains("cuda:0") && stages.contains("cuda:1"),
        "{stages}"
    );
    let refused = |line: &str| {
        let output = desk.command(line).env("PATH", "/nowhere").output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{line}");
        err(&output)
    };
    let text = refused("run spec.toml --devices cuda:0");
    assert!(
        text.contains("`run.device` is `cpu`") && text.contains("--device cuda:0"),
        "{text}"
    );
    let text = refused("run spec.toml --device cuda:0 --devices all --seed 9");
    assert!(
        text.contains("NVIDIA's driver reports none on this machine"),
        "{text}"
    );
    let text = refused("run spec.toml --device cuda:0 --devices gpu0 --seed 9");
    assert!(
        text.contains("`gpu0` is not a GPU of this machine"),
        "{text}"
    );
}
