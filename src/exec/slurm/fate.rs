//! Why a task ended without an artefact, in one line with the remedy.

use std::path::Path;

use super::batch;
use super::client::{State, Task};
use crate::exec::stage::quote;
use allround_core::fs;

/// The reason of a failed task: Slurm's state, what to do, and the end of the logs.
pub fn reason(task: Task, state: Option<&State>, kind: &str, logs: &Path, label: &str) -> String {
    let slurm_log = batch::log(logs, kind, task);
    let mut text = words(task, state, kind);
    let mut quoted = Vec::new();
    for log in [slurm_log.clone(), logs.join(format!("{label}.log"))] {
        quoted.extend(quote(&fs::tail(&log, 4096).unwrap_or_default()));
    }
    match quoted.is_empty() {
        false => text.push_str(&format!("; its log ends with: {}", quoted.join(" | "))),
        true if !slurm_log.exists() => text.push_str(&format!(
            "; it has no log at `{}`: its node may not see this folder (`allround doctor --on NAME` checks that)",
            slurm_log.display()
        )),
        true => {}
    }
    text
}

fn words(task: Task, state: Option<&State>, kind: &str) -> String {
    let Some(state) = state else {
        return format!(
            "Slurm no longer knows job {task}, and it left no artefact; hint: rerun, it continues from its checkpoint"
        );
    };
    let place = match state.node.as_str() {
        "" => String::new(),
        node => format!(" on node {node}"),
    };
    let field = |field: &str| format!("`{field}` of `stage.{kind}` in the site file");
    let name = state.name.as_str();
    match name {
        "TIMEOUT" | "DEADLINE" => format!(
            "job {task}{place} reached its time limit of {} ({name}); hint: raise {}, and rerun: it continues from its checkpoint",
            state.limit,
            field("time")
        ),
        "OUT_OF_MEMORY" => format!(
            "job {task}{place} exceeded its memory ({name}); hint: raise {}, and rerun",
            field("memory")
        ),
        "NODE_FAIL" | "BOOT_FAIL" => format!(
            "the node of job {task}{place} failed ({name}); hint: rerun, it continues from its checkpoint"
        ),
        "PREEMPTED" => format!(
            "job {task}{place} was preempted and not requeued ({name}); hint: rerun, it continues from its checkpoint, or choose another {}",
            field("partition")
        ),
        "CANCELLED" if state.reason == "DependencyNeverSatisfied" => {
            format!("job {task} was cancelled, since a job that it needs failed ({name})")
        }
        "CANCELLED" => format!(
            "job {task}{place} was cancelled ({name}{}); hint: rerun, it continues from its checkpoint",
            match state.reason.as_str() {
                "" | "None" => String::new(),
                reason => format!(", {reason}"),
            }
        ),
        "COMPLETED" => format!(
            "job {task}{place} succeeded ({name}), but its artefact is not in the store here; hint: check that the node sees the same store (`allround doctor --on NAME`)"
        ),
        _ => format!(
            "job {task}{place} failed before its stage could report why ({name}, {})",
            state.reason
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(name: &str, reason: &str) -> State {
        State {
            name: name.to_owned(),
            reason: reason.to_owned(),
            node: "n1".to_owned(),
            limit: "1:00:00".to_owned(),
        }
    }

    #[test]
    fn every_end_has_slurms_word_and_a_remedy() {
        let task = Task { job: 7, index: 2 };
        for (name, word) in [
            ("TIMEOUT", "raise `time` of `stage.backbone`"),
            ("OUT_OF_MEMORY", "raise `memory` of `stage.backbone`"),
            ("NODE_FAIL", "rerun, it continues from its checkpoint"),
            ("PREEMPTED", "was preempted"),
            ("CANCELLED", "was cancelled"),
            ("FAILED", "NonZeroExitCode"),
            ("COMPLETED", "sees the same store"),
        ] {
            let text = words(task, Some(&state(name, "NonZeroExitCode")), "backbone");
            assert!(text.contains(name) && text.contains(word), "{text}");
            assert!(text.contains("job 7_2"), "{text}");
        }
        assert!(words(task, None, "backbone").contains("no longer knows job 7_2"));
    }

    #[test]
    fn the_reason_ends_with_the_logs() {
        let folder = tempfile::tempdir().unwrap();
        let task = Task { job: 7, index: 2 };
        let log = batch::log(folder.path(), "backbone", task);
        let text = || reason(task, None, "backbone", folder.path(), "backbone-abc");
        assert!(text().contains("it has no log at"), "{}", text());
        fs::create_dir_all(log.parent().unwrap()).unwrap();
        fs::write_atomic(&log, b"one\nCUDA error\n").unwrap();
        assert!(
            text().ends_with("its log ends with: one | CUDA error"),
            "{}",
            text()
        );
    }
}
