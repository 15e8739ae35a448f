//! The script of a job array: options by stage kind, and the command that a task runs.

use std::path::Path;

use super::client::JOB_NAME;
use crate::site::{Resources, SlurmSettings};
use allround_core::stage::StageKind;

/// What decides on the options of a stage's job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Class {
    /// The stage's kind.
    pub kind: StageKind,
    /// CPU threads.
    pub threads: usize,
    /// Whether it computes on a GPU.
    pub computes: bool,
    /// Whether its node runs nothing else, so that its times are those of the stage alone.
    pub alone: bool,
}

impl Class {
    /// Options of `sbatch`, without array and dependency.
    pub fn options(&self, settings: &SlurmSettings, logs: &Path) -> Vec<String> {
        let of_kind = settings.stage.get(self.kind.as_str());
        let none = Resources::default();
        let own = of_kind.unwrap_or(&none);
        let gres = settings.gres.as_ref().filter(|_| self.computes);
        let log = logs.join("slurm").join(format!("{}-%A_%a.log", self.kind));
        let mut options = vec![
            format!("--job-name={JOB_NAME}{}", self.kind),
            format!("--output={}", log.display()),
            "--open-mode=append".to_owned(),
            // A job whose node fails, or that is preempted, continues from its checkpoint.
            "--requeue".to_owned(),
            "--kill-on-invalid-dep=yes".to_owned(),
            "--nodes=1".to_owned(),
            "--ntasks=1".to_owned(),
            format!("--cpus-per-task={}", self.threads),
        ];
        for (name, value) in [
            (
                "partition",
                own.partition.as_ref().or(settings.partition.as_ref()),
            ),
            (
                "account",
                own.account.as_ref().or(settings.account.as_ref()),
            ),
            ("qos", own.qos.as_ref().or(settings.qos.as_ref())),
            (
                "constraint",
                own.constraint.as_ref().or(settings.constraint.as_ref()),
            ),
            ("time", own.time.as_ref().or(settings.time.as_ref())),
            ("mem", own.memory.as_ref().or(settings.memory.as_ref())),
            ("gres", own.gres.as_ref().or(gres)),
        ] {
            options.extend(value.map(|value| format!("--{name}={value}")));
        }
        if self.alone {
            options.push("--exclusive".to_owned());
        }
        options.extend(settings.extra.iter().chain(&own.extra).cloned());
        options
    }
}

/// The script of an array.
pub fn text(options: &[String], setup: &[String], program: &Path, batch: &Path) -> String {
    let mut text = String::from("#!/bin/sh\n");
    for option in options {
        text.push_str(&format!("#SBATCH {}\n", in_quotes(option)));
    }
    for line in setup {
        text.push_str(line);
        text.push('\n');
    }
    let (program, batch) = (quoted(program), quoted(batch));
    text.push_str(&format!(
        "if [ ! -x {program} ] || [ ! -r {batch} ]; then\n  \
           echo \"allround: node $(hostname) cannot read {program} or {batch}\" >&2\n  exit 127\nfi\n\
         exec {program} stage {batch} \"${{SLURM_ARRAY_TASK_ID:-0}}\"\n",
    ));
    text
}

/// An option in the quotes of `#SBATCH` lines, where it needs them.
fn in_quotes(option: &str) -> String {
    match option.split_once('=') {
        Some((name, value)) if value.contains(char::is_whitespace) => format!("{name}=\"{value}\""),
        _ => option.to_owned(),
    }
}

/// A path as a word of the shell.
pub(super) fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site;

    #[test]
    fn resources_are_those_of_the_kind_and_gpus_are_for_stages_that_use_them() {
        let site = site::read(
            "site.toml",
            "site_version = 1\n[executor.uni.slurm]\npartition = \"cpu\"\ngres = \"gpu:1\"\n\
             extra = [\"--mail-type=FAIL\"]\n[executor.uni.slurm.stage.project]\ntime = \"10\"\n\
             partition = \"gpu\"\n",
        );
        let Ok(site::Executor::Slurm(settings)) = site.unwrap().executor("uni", None) else {
            panic!("another kind")
        };
        let class = |kind, computes| Class {
            kind,
            threads: 4,
            computes,
            alone: !computes,
        };
        let logs = Path::new("/r/logs");
        let project = class(StageKind::Project, true)
            .options(&settings, logs)
            .join(" ");
        for option in [
            "--job-name=allround-project",
            "--output=/r/logs/slurm/project-%A_%a.log",
            "--partition=gpu",
            "--time=10",
            "--gres=gpu:1",
            "--cpus-per-task=4",
            "--mail-type=FAIL",
        ] {
            assert!(project.contains(option), "{option}: {project}");
        }
        let prepare = class(StageKind::Prepare, false)
            .options(&settings, logs)
            .join(" ");
        assert!(prepare.contains("--partition=cpu") && prepare.contains("--exclusive"));
        assert!(
            !prepare.contains("gres") && !prepare.contains("time"),
            "{prepare}"
        );
    }

    #[test]
    fn paths_with_spaces_stay_whole() {
        let options = ["--output=/my results/a.log".to_owned()];
        let script = text(
            &options,
            &[],
            Path::new("/my bin/allround"),
            Path::new("/s/0.jsonl"),
        );
        assert!(
            script.contains("#SBATCH --output=\"/my results/a.log\"\n"),
            "{script}"
        );
        assert!(
            script.contains("exec '/my bin/allround' stage '/s/0.jsonl'"),
            "{script}"
        );
    }
}
