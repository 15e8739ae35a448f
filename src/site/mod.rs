//! The site file `allround.site.toml`: where stages can run at a site. Experiment files stay free of
//! partitions and accounts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use layered_toml::place::Place;
use layered_toml::written::{Node, Value};
use layered_toml::{Fault, Faults, Format, RequiredField, Rules, TextFormat, VersionRule, suggest};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use allround_core::fs;
use allround_core::stage::StageKind;

/// Name of a site file.
pub const FILE: &str = "allround.site.toml";

/// Name of the executor that exists without a site file.
pub const LOCAL: &str = "local";

/// Defaults of every field, as commented TOML.
pub const DEFAULTS: &str = r#"
# Defaults of the site file.
executor = {}

[default.executor.local]
devices = []
per_device = 1
per_device_of = {}
retry_alone = false

[default.executor.slurm]
setup = []
extra = []
at_once = 64
queued = 5000
array = 1000
poll_s = 5.0
stage = {}

[default.resources]
extra = []
"#;

/// The executors of a site.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// Version of the file format; this program reads 1.
    pub site_version: u32,
    /// Executors by name, each a table named after its kind.
    pub executor: BTreeMap<String, Executor>,
}

/// Where stages run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Executor {
    /// This machine and its GPUs.
    Local(LocalSettings),
    /// A cluster with Slurm.
    Slurm(Box<SlurmSettings>),
}

/// Worker processes on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LocalSettings {
    /// GPUs that stages use, such as `cuda:0`; `["all"]` uses every GPU of the machine. Empty: the
    /// device of the experiment.
    pub devices: Vec<String>,
    /// Stages at a time on one GPU.
    #[schemars(range(min = 1, max = 64))]
    pub per_device: u32,
    /// Stages at a time on one GPU by stage kind, where it differs.
    pub per_device_of: BTreeMap<String, u32>,
    /// Memory that a GPU must have free before a stage starts on it, such as `8G`. A stage waits for
    /// other stages of the run to end, and fails if other programs have the memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = MEMORY))]
    pub free_memory: Option<String>,
    /// Whether a stage that ran out of memory on a shared GPU is tried once more, alone on it. The
    /// stage's events count it.
    pub retry_alone: bool,
}

impl LocalSettings {
    /// Most stages on one GPU, of any kind.
    pub fn most_per_device(&self) -> u32 {
        let kinds = self.per_device_of.values().copied();
        kinds.chain([self.per_device]).max().unwrap_or(1)
    }

    /// Free bytes that a GPU must have.
    pub fn free_bytes(&self) -> u64 {
        let text = self.free_memory.as_deref().unwrap_or("0");
        let number = text.trim_end_matches(['K', 'M', 'G', 'T']);
        let shift = match text.as_bytes().last() {
            Some(b'K') => 10,
            Some(b'G') => 30,
            Some(b'T') => 40,
            // As in Slurm, a number without a unit is in MiB.
            Some(_) | None => 20,
        };
        number.parse().unwrap_or(0_u64) << shift
    }
}

/// Jobs of Slurm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlurmSettings {
    /// The program `allround` on the nodes. Default: the path of the program that submits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// The program `allround-worker` on the nodes. Default: as on this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// Shell commands that a job runs first, such as `module load cuda`.
    pub setup: Vec<String>,
    /// Partition of all stages, unless `stage` has another. Default: Slurm's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// Account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Quality of service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qos: Option<String>,
    /// Features that a node must have, in Slurm's syntax.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraint: Option<String>,
    /// Time limit of a stage in Slurm's syntax, such as `04:00:00` or `1-00:00:00`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = TIME))]
    pub time: Option<String>,
    /// Main memory of a stage, such as `16G`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = MEMORY))]
    pub memory: Option<String>,
    /// Generic resources of stages that compute on a GPU, such as `gpu:1`. Stages on the CPU
    /// request none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gres: Option<String>,
    /// More options of `sbatch`, such as `--mail-type=FAIL`.
    pub extra: Vec<String>,
    /// Most stages of a job array that run at the same time.
    #[schemars(range(min = 1))]
    pub at_once: u32,
    /// Most stages in Slurm's queue at the same time.
    #[schemars(range(min = 1))]
    pub queued: u32,
    /// Most stages of a job array. Slurm's `MaxArraySize` also limits it.
    #[schemars(range(min = 1))]
    pub array: u32,
    /// Seconds between two queries of the queue.
    #[schemars(range(min = 0.1))]
    pub poll_s: f64,
    /// Resources by stage kind, where they differ.
    pub stage: BTreeMap<String, Resources>,
}

/// Resources of a stage kind. What is left out is as for all kinds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// Partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// Account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Quality of service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qos: Option<String>,
    /// Features that a node must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraint: Option<String>,
    /// Time limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = TIME))]
    pub time: Option<String>,
    /// Main memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = MEMORY))]
    pub memory: Option<String>,
    /// Generic resources, also if the stage computes on the CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gres: Option<String>,
    /// More options of `sbatch`.
    pub extra: Vec<String>,
}

/// Slurm's form of a time.
const TIME: &str = r"^([0-9]+|[0-9]+:[0-9]{2}(:[0-9]{2})?|[0-9]+-[0-9]{1,2}(:[0-9]{2}){0,2})$";

/// Slurm's form of a size.
const MEMORY: &str = r"^[0-9]+[KMGT]?$";

static FORMAT: LazyLock<Format> = LazyLock::new(|| {
    Format::of::<Site>("site-defaults.toml", DEFAULTS, rules())
        .unwrap_or_else(|faults| unreachable!("the tests check the defaults: {faults}"))
});

fn rules() -> Rules {
    let text = |pattern: &str, words: &str, accepts, remedy| TextFormat {
        pattern: pattern.to_owned(),
        words: words.to_owned(),
        accepts,
        remedy,
    };
    Rules {
        title: "The executors of a site",
        texts: vec![
            text(
                TIME,
                "a time such as `30` (minutes), `04:00:00` or `1-12:00:00`",
                is_time,
                |_| Some("Slurm reads minutes, HOURS:MINUTES:SECONDS or DAYS-HOURS".to_owned()),
            ),
            text(MEMORY, "a size such as `16G`", is_memory, |_| {
                Some("write a whole number with K, M, G or T".to_owned())
            }),
        ],
        version: Some(VersionRule {
            field: "site_version",
            number: 1,
            program: "allround",
        }),
        required: vec![RequiredField {
            field: "site_version",
            stand_in: Value::Integer(1),
            hint: "write `site_version = 1` as the first line",
        }],
        empty_file_hint: "a site file begins with `site_version = 1` and has tables such as \
                          `[executor.cluster.slurm]`; docs/CLUSTERS.md has an example",
        ..Rules::default()
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_time(text: &str) -> bool {
    let (days, rest) = match text.split_once('-') {
        Some((days, rest)) => (Some(days), rest),
        None => (None, text),
    };
    let parts: Vec<&str> = rest.split(':').collect();
    days.is_none_or(is_number) && parts.len() <= 3 && parts.iter().all(|part| is_number(part))
}

fn is_memory(text: &str) -> bool {
    is_number(text.strip_suffix(['K', 'M', 'G', 'T']).unwrap_or(text))
}

impl Default for Site {
    fn default() -> Self {
        Site {
            site_version: 1,
            executor: BTreeMap::new(),
        }
    }
}

impl Site {
    /// The executor `name`. `local` is always there.
    ///
    /// # Errors
    /// When the site has no such executor. Holds the remedy.
    pub fn executor(&self, name: &str, file: Option<&Path>) -> anyhow::Result<Executor> {
        if let Some(executor) = self.executor.get(name) {
            return Ok(executor.clone());
        }
        if name == LOCAL {
            return Ok(Executor::Local(LocalSettings {
                per_device: 1,
                ..LocalSettings::default()
            }));
        }
        let names = self.executor.keys().map(String::as_str);
        let names: Vec<&str> = names.chain([LOCAL]).collect();
        let hint = match (file, suggest::nearest(name, names.iter().copied())) {
            (_, Some(near)) => format!("did you mean `{near}`?"),
            (Some(file), None) => format!(
                "`{}` has {}; add `[executor.{name}.slurm]` there",
                file.display(),
                names.join(", ")
            ),
            (None, None) => format!(
                "write `[executor.{name}.slurm]` into `{FILE}` next to the experiment, in a folder \
                 above it, or in `~/.config/allround`; docs/CLUSTERS.md has an example"
            ),
        };
        let message = format!("no executor is named `{name}`");
        Err(crate::advice::advise(message, hint))
    }
}

/// Reads a site file.
///
/// # Errors
/// Every fault of the file, with line and remedy.
pub fn load(path: &Path) -> anyhow::Result<Site> {
    let text = fs::read_to_string(path)?;
    Ok(read(&path.display().to_string(), &text)?)
}

/// [`load`] for a text.
///
/// # Errors
/// See [`load`].
pub fn read(name: &str, text: &str) -> Result<Site, Faults> {
    let mut reading = FORMAT.read(name, text, &[])?;
    let site: Site = reading.value()?;
    let mut faults = Vec::new();
    check(&site, &reading.tree, &mut faults);
    reading.faults.append(&mut faults);
    reading.finish()?;
    Ok(site)
}

/// The site file for an experiment in the folder `base`: the first of `allround.site.toml` there, in
/// a folder above it, in the current folder or above it, and in the user's configuration folder.
pub fn find(base: &Path) -> Option<PathBuf> {
    let base = std::path::absolute(base).unwrap_or_else(|_| base.to_owned());
    let here = std::env::current_dir().unwrap_or_default();
    let above = base.ancestors().chain(here.ancestors());
    let user = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
    let user = user.filter(|path| path.is_absolute()).or_else(home);
    above
        .map(|folder| folder.join(FILE))
        .chain(user.map(|folder| folder.join("allround").join(FILE)))
        .find(|path| path.is_file())
}

/// What types cannot express: names of stage kinds and of devices.
fn check(site: &Site, tree: &Node, faults: &mut Vec<Fault>) {
    let kinds: Vec<&str> = StageKind::ALL.iter().map(|kind| kind.as_str()).collect();
    for (name, executor) in &site.executor {
        let (table, field, used): (_, _, Vec<&String>) = match executor {
            Executor::Local(local) => (
                "local",
                "per_device_of",
                local.per_device_of.keys().collect(),
            ),
            Executor::Slurm(slurm) => ("slurm", "stage", slurm.stage.keys().collect()),
        };
        let place = |path: &[&str]| {
            let path = [&["executor", name.as_str(), table], path].concat();
            tree.at(&path).map_or(Place::top(), |node| node.place)
        };
        for kind in used
            .into_iter()
            .filter(|kind| !kinds.contains(&kind.as_str()))
        {
            let message =
                format!("unknown stage kind `{kind}` in `executor.{name}.{table}.{field}`");
            let near = suggest::nearest(kind, kinds.iter().copied());
            let hint = near.map(|near| format!("did you mean `{near}`?"));
            let hint = hint.unwrap_or_else(|| format!("the kinds are {}", kinds.join(", ")));
            faults.push(Fault::at(place(&[field, kind]), message).hint(hint));
        }
        if let Executor::Local(local) = executor {
            for (at, device) in local.devices.iter().enumerate() {
                if !is_device(device) {
                    let message = format!("`{device}` is not a GPU");
                    let place = place(&["devices", &at.to_string()]);
                    let hint = "write `cuda:0`, or `devices = [\"all\"]`";
                    faults.push(Fault::at(place, message).hint(hint));
                }
            }
        }
    }
}

fn is_device(name: &str) -> bool {
    name == "all" || name.strip_prefix("cuda:").is_some_and(is_number)
}

#[cfg(test)]
mod tests;
