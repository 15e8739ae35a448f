//! `machine.toml`: what the numbers were computed on.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Serialize;

use crate::event::Started;
use crate::fs::{self, FsError};

/// The machine and the program, as `machine.toml` has them. What is not known is left out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Machine {
    /// Version of the program.
    allround: &'static str,
    /// Commit that the working folder is at, with `-dirty` where files differ from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
    /// Versions of LibTorch that stages used.
    libtorch: BTreeSet<String>,
    /// Names of the devices that stages used.
    devices: BTreeSet<String>,
    /// Operating system and kernel.
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<String>,
    /// Name of the CPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu: Option<String>,
    /// Cores that this process may use.
    cores: usize,
    /// Memory in bytes.
    memory_bytes: u64,
}

impl Machine {
    /// This machine, with what the stages said of theirs.
    pub(super) fn here<'a>(starts: impl Iterator<Item = &'a Started>) -> Machine {
        let (mut libtorch, mut devices) = (BTreeSet::new(), BTreeSet::new());
        for start in starts {
            libtorch.extend(start.libtorch.clone());
            devices.insert(start.device_name.clone());
        }
        let kinds = sysinfo::RefreshKind::nothing()
            .with_memory(sysinfo::MemoryRefreshKind::everything())
            .with_cpu(sysinfo::CpuRefreshKind::nothing());
        let system = sysinfo::System::new_with_specifics(kinds);
        let cpu = system
            .cpus()
            .first()
            .map(|cpu| cpu.brand().trim().to_owned());
        Machine {
            allround: env!("CARGO_PKG_VERSION"),
            commit: commit(),
            libtorch,
            devices,
            system: sysinfo::System::long_os_version(),
            cpu: cpu.filter(|name| !name.is_empty()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: system.total_memory(),
        }
    }

    /// Writes `machine.toml` into a results folder.
    pub(super) fn save(&self, results: &Path) -> Result<(), FsError> {
        let text = toml::to_string(self).expect("a machine is plain data");
        fs::write_if_changed(&results.join("machine.toml"), text.as_bytes())
    }
}

fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(arguments)
            .stderr(Stdio::null())
            .output()
            .ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changes = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Some(if changes.is_empty() {
        commit
    } else {
        format!("{commit}-dirty")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_and_libraries_are_named_once() {
        let start = |name: &str| Started {
            device: "cpu".into(),
            device_name: name.into(),
            libtorch: Some("2.11.0".into()),
            threads: 1,
            resumed_epoch: 0,
        };
        let machine = Machine::here([start("x"), start("y"), start("x")].iter());
        let text = toml::to_string(&machine).unwrap();
        assert!(text.contains("devices = [\"x\", \"y\"]"), "{text}");
        assert!(text.contains("libtorch = [\"2.11.0\"]"), "{text}");
        assert!(machine.cores > 0 && machine.memory_bytes > 0);
    }
}
