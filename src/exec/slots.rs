//! GPU slots: how many stages share a GPU of this machine, and which.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use crate::plan::NodeId;
use crate::site::LocalSettings;
use allround_core::stage::StageKind;

/// Free memory of GPUs.
pub trait Memory {
    /// Free bytes of the GPU with this number; `None` if the driver does not say.
    fn free(&self, gpu: u32) -> Option<u64>;
}

/// Free memory as NVIDIA's driver reports it, through `nvidia-smi`.
pub struct Driver;

impl Driver {
    /// Free memory in bytes by the number of the GPU; empty without a driver.
    pub fn gpus(&self) -> BTreeMap<u32, u64> {
        let query = [
            "--query-gpu=index,memory.free",
            "--format=csv,noheader,nounits",
        ];
        let output = Command::new("nvidia-smi")
            .args(query)
            .stdin(Stdio::null())
            .output();
        let output = output.ok().filter(|output| output.status.success());
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        free_memory(&text.unwrap_or_default())
    }
}

/// Lines of number and free MiB.
fn free_memory(text: &str) -> BTreeMap<u32, u64> {
    let line = |line: &str| {
        let (gpu, free) = line.split_once(',')?;
        let free: u64 = free.trim().parse().ok()?;
        Some((gpu.trim().parse().ok()?, free << 20))
    };
    text.lines().filter_map(line).collect()
}

impl Memory for Driver {
    fn free(&self, gpu: u32) -> Option<u64> {
        self.gpus().get(&gpu).copied()
    }
}

/// Why GPUs cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SlotError {
    /// Not a name of a GPU.
    #[error("`{0}` is not a GPU of this machine; expected `cuda:N`, or `all`")]
    Unknown(String),
    /// `all`, and there is none.
    #[error("`all` names no GPU: NVIDIA's driver reports none on this machine")]
    None,
    /// The same GPU twice.
    #[error("`{0}` is named twice")]
    Twice(String),
}

/// The GPUs that `names` means, of the `count` GPUs of this machine (0 if unknown).
///
/// # Errors
/// When a name is not that of a GPU.
pub fn gpus(names: &[String], count: u32) -> Result<Vec<u32>, SlotError> {
    let mut gpus = Vec::new();
    for name in names {
        if name == "all" {
            if count == 0 {
                return Err(SlotError::None);
            }
            return Ok((0..count).collect());
        }
        let number = name.strip_prefix("cuda:").and_then(|it| it.parse().ok());
        let number: u32 = number.ok_or_else(|| SlotError::Unknown(name.clone()))?;
        if count > 0 && number >= count {
            return Err(SlotError::Unknown(name.clone()));
        }
        if gpus.contains(&number) {
            return Err(SlotError::Twice(name.clone()));
        }
        gpus.push(number);
    }
    Ok(gpus)
}

/// A stage that needs a GPU.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// The stage.
    pub id: NodeId,
    /// Its kind.
    pub kind: StageKind,
    /// Whether it shares its GPU with no other stage.
    pub alone: bool,
}

/// Whether a stage may start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// It needs no GPU.
    Unneeded,
    /// On the GPU with this number.
    Start(u32),
    /// When another stage has ended.
    Wait,
    /// Never: holds what is missing.
    Refuse(String),
}

/// GPUs with the stages that use them.
pub struct Slots {
    settings: LocalSettings,
    used: BTreeMap<u32, Vec<Wish>>,
    memory: Box<dyn Memory>,
}

impl Slots {
    /// Free slots of `gpus`.
    pub fn new(settings: LocalSettings, gpus: &[u32], memory: Box<dyn Memory>) -> Slots {
        Slots {
            settings,
            used: gpus.iter().map(|&gpu| (gpu, Vec::new())).collect(),
            memory,
        }
    }

    /// Gives a stage the GPU with the fewest stages among those with space for it.
    pub fn take(&mut self, wish: Wish) -> Grant {
        let mut lacks = Vec::new();
        let mut open: Vec<u32> = Vec::new();
        for (&gpu, stages) in &self.used {
            if !self.has_slot(stages, wish) {
                continue;
            }
            let needed = self.settings.free_bytes();
            let free = match needed {
                0 => None,
                _ => self.memory.free(gpu),
            };
            match free {
                Some(free) if free < needed => lacks.push((gpu, free)),
                Some(_) | None => open.push(gpu),
            }
        }
        if let Some(gpu) = open.into_iter().min_by_key(|gpu| self.used[gpu].len()) {
            self.used.entry(gpu).or_default().push(wish);
            return Grant::Start(gpu);
        }
        // Stages of this run may free memory when they end; other programs need not.
        let is_idle = self.used.values().all(Vec::is_empty);
        match lacks.is_empty() || !is_idle {
            true => Grant::Wait,
            false => Grant::Refuse(self.refusal(&lacks)),
        }
    }

    fn has_slot(&self, stages: &[Wish], wish: Wish) -> bool {
        let most = |kind: StageKind| {
            let most = self.settings.per_device_of.get(kind.as_str());
            let most = *most.unwrap_or(&self.settings.per_device);
            usize::try_from(most).unwrap_or(usize::MAX)
        };
        match wish.alone || stages.iter().any(|other| other.alone) {
            true => stages.is_empty(),
            false => {
                let mut kinds = stages.iter().map(|other| other.kind).chain([wish.kind]);
                kinds.all(|kind| stages.len() < most(kind))
            }
        }
    }

    fn refusal(&self, lacks: &[(u32, u64)]) -> String {
        let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
        let gpus = lacks.iter();
        let gpus = gpus.map(|&(gpu, free)| format!("cuda:{gpu} has {:.1} GiB", gib(free)));
        format!(
            "no GPU has {:.1} GiB free: {}; hint: other programs use them (`nvidia-smi`); end these, name other GPUs with `--devices`, or lower `free_memory` in the site file",
            gib(self.settings.free_bytes()),
            gpus.collect::<Vec<_>>().join(", ")
        )
    }

    /// Frees the slot of a stage. Returns whether it shared its GPU.
    pub fn release(&mut self, id: NodeId) -> bool {
        for stages in self.used.values_mut() {
            if let Some(at) = stages.iter().position(|stage| stage.id == id) {
                let was_shared = !stages[at].alone && stages.len() > 1;
                stages.remove(at);
                return was_shared;
            }
        }
        false
    }
}

/// Whether a failure is that of a GPU without enough memory.
pub fn is_out_of_memory(error: &str) -> bool {
    let error = error.to_lowercase();
    error.contains("out of memory") && error.contains("cuda")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// GPUs with this much free memory each, in GiB.
    struct Fake(Vec<u64>);

    impl Memory for Fake {
        fn free(&self, gpu: u32) -> Option<u64> {
            self.0.get(usize::try_from(gpu).ok()?).map(|gib| gib << 30)
        }
    }

    fn slots(per_device: u32, free: &[u64]) -> Slots {
        let settings = LocalSettings {
            per_device,
            per_device_of: BTreeMap::from([("project".to_owned(), 1)]),
            free_memory: Some("8G".to_owned()),
            ..LocalSettings::default()
        };
        let gpus: Vec<u32> = (0..).zip(free).map(|(gpu, _)| gpu).collect();
        Slots::new(settings, &gpus, Box::new(Fake(free.to_vec())))
    }

    fn wish(id: NodeId, kind: StageKind, alone: bool) -> Wish {
        Wish { id, kind, alone }
    }

    #[test]
    fn stages_spread_over_gpus_and_wait_for_a_slot() {
        let mut slots = slots(2, &[80, 80]);
        let mut take = |id| slots.take(wish(id, StageKind::Backbone, false));
        let granted: Vec<Grant> = (0..5).map(&mut take).collect();
        let gpus = [0, 1, 0, 1].map(Grant::Start);
        assert_eq!(granted[..4], gpus);
        assert_eq!(granted[4], Grant::Wait);
        assert!(slots.release(1), "it shared its GPU");
        let next = slots.take(wish(4, StageKind::Backbone, false));
        assert_eq!(next, Grant::Start(1));
    }

    #[test]
    fn a_kind_with_fewer_slots_shares_with_no_more_stages() {
        let mut slots = slots(3, &[80]);
        assert_eq!(
            slots.take(wish(0, StageKind::Project, false)),
            Grant::Start(0)
        );
        assert_eq!(slots.take(wish(1, StageKind::Backbone, false)), Grant::Wait);
        assert!(!slots.release(0));
    }

    #[test]
    fn a_stage_of_cost_is_alone_on_its_gpu() {
        let mut slots = slots(4, &[80, 80]);
        assert_eq!(
            slots.take(wish(0, StageKind::Backbone, false)),
            Grant::Start(0)
        );
        assert_eq!(
            slots.take(wish(1, StageKind::Backbone, true)),
            Grant::Start(1)
        );
        assert_eq!(slots.take(wish(2, StageKind::Backbone, true)), Grant::Wait);
        assert_eq!(
            slots.take(wish(3, StageKind::Backbone, false)),
            Grant::Start(0)
        );
    }

    #[test]
    fn memory_is_waited_for_while_stages_run_and_refused_by_name_otherwise() {
        let mut slots = slots(2, &[4, 80]);
        assert_eq!(
            slots.take(wish(0, StageKind::Backbone, false)),
            Grant::Start(1)
        );
        assert_eq!(slots.take(wish(1, StageKind::Project, false)), Grant::Wait);
        let mut full = super::tests::slots(2, &[4]);
        let Grant::Refuse(text) = full.take(wish(0, StageKind::Backbone, false)) else {
            panic!("granted")
        };
        assert!(
            text.contains("cuda:0 has 4.0 GiB") && text.contains("8.0 GiB"),
            "{text}"
        );
    }

    #[test]
    fn free_memory_is_read_as_the_driver_prints_it() {
        let found = free_memory("0, 81000\n1, 512\n[Unknown Error]\n");
        assert_eq!(found, BTreeMap::from([(0, 81_000 << 20), (1, 512 << 20)]));
    }

    #[test]
    fn names_of_gpus_are_checked() {
        let names = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(gpus(&names("cuda:1,cuda:0"), 0), Ok(vec![1, 0]));
        assert_eq!(gpus(&names("all"), 3), Ok(vec![0, 1, 2]));
        assert_eq!(gpus(&names("all"), 0), Err(SlotError::None));
        let unknown = |name: &str| Err(SlotError::Unknown(name.to_owned()));
        assert_eq!(gpus(&names("cuda:2"), 2), unknown("cuda:2"));
        assert_eq!(gpus(&names("gpu0"), 2), unknown("gpu0"));
        let twice = Err(SlotError::Twice("cuda:0".to_owned()));
        assert_eq!(gpus(&names("cuda:0,cuda:0"), 2), twice);
    }
}
