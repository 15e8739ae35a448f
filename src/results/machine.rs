//! `machine.toml`: the machine and the program that made the results.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

use super::file::wrong;
use allround_core::event::Started;
use allround_core::fs::{self, FsError};
use allround_core::program::Program;

/// The program and the machine of the latest run. Unknown values are absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// The experiment that was run.
    #[serde(default)]
    pub experiment: Experiment,
    /// The program.
    pub program: Program,
    /// The computer.
    pub system: SystemFacts,
    /// Devices that stages ran on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub device: Vec<Device>,
    /// Programs that made the stages. Stages from the store may have been made by an earlier one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<MadeBy>,
}

/// Stages that one program made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MadeBy {
    /// The program, from the manifests of the stages' artefacts.
    pub made_by: String,
    /// Number of stages.
    pub count: u64,
}

/// The experiment that was run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Digest of everything that determines the results ([`crate::plan::Plan::digest`]). If the
    /// plan of an experiment file has another digest, that file did not make these results. Titles
    /// and descriptions have no effect on it.
    pub digest: String,
}

/// The computer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemFacts {
    /// Operating system with its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
    /// Version of the kernel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// Model of the CPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    /// Cores that the process may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cores: Option<u64>,
    /// Main memory in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Version of the NVIDIA driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nvidia_driver: Option<String>,
}

/// A device that stages ran on.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// Model of the CPU or GPU.
    pub name: String,
    /// LibTorch's version; absent for stages without tensors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub libtorch: Option<String>,
    /// CPU threads of a stage.
    pub threads: u64,
}

impl Machine {
    /// This machine, for the experiment with this digest. `started` are the devices that stages
    /// reported; `makers` are the programs that made them, one per stage.
    pub fn here<'a>(
        digest: String,
        started: impl IntoIterator<Item = &'a Started>,
        makers: impl IntoIterator<Item = String>,
    ) -> Machine {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for made_by in makers {
            *counts.entry(made_by).or_default() += 1;
        }
        let stages = counts.into_iter();
        let stages = stages.map(|(made_by, count)| MadeBy { made_by, count });
        let mut device: Vec<Device> = started.into_iter().map(Device::of).collect();
        device.sort();
        device.dedup();
        Machine {
            experiment: Experiment { digest },
            program: Program::this(),
            system: SystemFacts::here(),
            device,
            stages: stages.collect(),
        }
    }

    /// Writes `machine.toml` into a results folder, unless it has the same contents.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, results: &Path) -> Result<(), FsError> {
        let text = toml::to_string(self).expect("a machine is tables of plain values");
        fs::write_if_changed(&results.join("machine.toml"), text.as_bytes())
    }

    /// The machine of a results folder.
    ///
    /// # Errors
    /// When `machine.toml` cannot be read or has other keys.
    pub fn load(results: &Path) -> Result<Machine, FsError> {
        let path = results.join("machine.toml");
        toml::from_str(&fs::read_to_string(&path)?).map_err(|error| wrong(&path, error.message()))
    }
}

impl Device {
    fn of(started: &Started) -> Device {
        Device {
            device: started.device.clone(),
            name: started.device_name.clone(),
            libtorch: started.libtorch.clone(),
            threads: started.threads as u64,
        }
    }
}

impl SystemFacts {
    fn here() -> SystemFacts {
        let wanted = RefreshKind::nothing()
            .with_cpu(CpuRefreshKind::nothing())
            .with_memory(MemoryRefreshKind::nothing().with_ram());
        let system = System::new_with_specifics(wanted);
        let brand = system
            .cpus()
            .first()
            .map(|cpu| cpu.brand().trim().to_owned());
        let cores = std::thread::available_parallelism().ok();
        SystemFacts {
            os: System::long_os_version(),
            kernel: System::kernel_version(),
            cpu: brand.filter(|brand| !brand.is_empty()),
            cores: cores.map(|cores| cores.get() as u64),
            memory_bytes: Some(system.total_memory()).filter(|bytes| *bytes > 0),
            nvidia_driver: nvidia_driver(),
        }
    }
}

/// The version in the driver's file; absent without a driver.
fn nvidia_driver() -> Option<String> {
    let text = fs::read_to_string(Path::new("/proc/driver/nvidia/version")).ok()?;
    version_of_driver(&text)
}

/// The first word of digits and points in
/// `NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue ...`.
fn version_of_driver(text: &str) -> Option<String> {
    let is_version = |word: &&str| {
        word.contains('.')
            && word
                .chars()
                .all(|letter| letter.is_ascii_digit() || letter == '.')
    };
    text.lines()
        .next()?
        .split_whitespace()
        .find(is_version)
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(threads: usize) -> Started {
        Started {
            device: "cpu".to_owned(),
            device_name: "A \"quoted\" CPU".to_owned(),
            libtorch: Some("2.11.0".to_owned()),
            threads,
            resumed_epoch: 0,
            resumed_step: 0,
            protocol: allround_core::event::PROTOCOL,
            program: allround_core::program::Program::this(),
        }
    }

    #[test]
    fn a_machine_is_read_back_and_names_each_device_once() {
        let dir = tempfile::tempdir().unwrap();
        let makers = ["0.1.0 b", "0.1.0 a", "0.1.0 b"].map(str::to_owned);
        let starts = [started(2), started(1), started(2)];
        let machine = Machine::here("d1".to_owned(), &starts, makers);
        assert_eq!(machine.device.len(), 2);
        let stages = machine.stages.iter();
        let stages: Vec<(&str, u64)> = stages.map(|it| (it.made_by.as_str(), it.count)).collect();
        assert_eq!(stages, [("0.1.0 a", 1), ("0.1.0 b", 2)]);
        assert!(machine.system.cores.unwrap() > 0 && !machine.program.version.is_empty());
        machine.save(dir.path()).unwrap();
        assert_eq!(Machine::load(dir.path()).unwrap(), machine);
    }

    #[test]
    fn another_key_is_refused_with_the_file() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("machine.toml"), "[system]\nspeed = 1\n").unwrap();
        let text = Machine::load(dir.path()).unwrap_err().to_string();
        assert!(
            text.contains("machine.toml") && text.contains("speed"),
            "{text}"
        );
    }

    #[test]
    fn the_driver_version_is_found_in_its_file() {
        let open = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (root)  Sun\nGCC version: 12.2.0";
        assert_eq!(version_of_driver(open).unwrap(), "580.65.06");
        assert_eq!(version_of_driver("nothing"), None);
    }
}
