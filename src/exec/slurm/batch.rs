//! The files of a submission: what each task of an array runs.
//!
//! ```text
//! STORE/slurm/ID/
//!   submission.json     who submitted it, for which results folder
//!   arrays.jsonl        a line per array: job id, and number, kind and key of each task
//!   0003.sh             script of an array
//!   0003.jsonl          its stages: how stages are run, then a line per task
//!   failed/KEY.json     why a task failed, written by the task
//! ```

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::client::Task;
use crate::plan::{Node, Stage};
use crate::store::Store;
use allround_core::digest::Key;
use allround_core::fs::{self, FsError};
use allround_core::stage::StageKind;

/// Who submitted what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Submission {
    /// Name of the executor.
    pub executor: String,
    /// The results folder, absolute.
    pub results: PathBuf,
    /// When, in local time.
    pub submitted: String,
    /// The machine that submitted it.
    pub host: String,
}

/// A submitted array.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Submitted {
    /// Its name in the folder, such as `0003`.
    pub array: String,
    /// Its job id.
    pub job: u64,
    /// Number, kind and key of each task.
    pub tasks: Vec<(u32, String, Key)>,
}

/// How the stages of an array are run: the first line of its file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Version and commit of the program that submitted it.
    pub program: String,
    /// The store.
    pub store: PathBuf,
    /// The worker program on the nodes.
    pub worker: PathBuf,
    /// Folder that relative paths of the spec refer to.
    pub base: PathBuf,
    /// Folder for the standard error of workers.
    pub logs: PathBuf,
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// How often a failed stage is retried.
    pub retries: u32,
    /// Seconds that a worker may report nothing.
    pub timeout_s: Option<f64>,
    /// Epochs between two checkpoints.
    pub checkpoint_every: u32,
    /// Minutes between two checkpoints within an epoch.
    pub checkpoint_minutes: f64,
}

/// One task of an array: a line of its file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Number in the array. The first field, so that a task finds its line without parsing all.
    pub index: u32,
    /// The stage's key.
    pub key: Key,
    /// The stage.
    pub stage: Stage,
    /// Kinds of the artefacts that it reads, by role.
    pub kinds: BTreeMap<String, String>,
    /// CPU threads.
    pub threads: usize,
}

/// Why a task failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// The task as Slurm names it, such as `12_3`.
    pub job: String,
    /// Its node.
    pub host: String,
    /// The reason, in one line.
    pub error: String,
}

impl Line {
    /// The stage as a node of a graph, without the nodes that it needs.
    pub fn node(&self) -> Node {
        Node {
            stage: self.stage.clone(),
            key: self.key,
            needs: BTreeMap::new(),
        }
    }

    /// Kind, key and role of each artefact that it reads.
    pub fn needs(&self) -> impl Iterator<Item = (&str, &Key, &String)> {
        let kind = |role: &String| self.kinds.get(role).map(String::as_str);
        let needs = self.stage.needs.iter();
        needs.filter_map(move |(role, key)| Some((kind(role)?, key, role)))
    }
}

/// A folder of a submission.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// All submissions of a store.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn all(store: &Store) -> Result<Vec<Folder>, FsError> {
        let all = fs::list(&root(store))?.into_iter();
        Ok(all.filter(|path| path.is_dir()).map(Folder).collect())
    }

    /// A new folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(store: &Store, submission: &Submission) -> Result<Folder, FsError> {
        let time = jiff::Zoned::now().strftime("%Y%m%d-%H%M%S");
        let name = format!("{time}-{}-{}", submission.host, std::process::id());
        let mut path = root(store).join(&name);
        for number in 2.. {
            if !path.exists() {
                break;
            }
            path = root(store).join(format!("{name}-{number}"));
        }
        fs::create_dir_all(&path.join("failed"))?;
        let text = serde_json::to_vec_pretty(submission).expect("plain data");
        fs::write_atomic(&path.join("submission.json"), &text)?;
        Ok(Folder(path))
    }

    /// The folder of an array's file.
    pub fn of_batch(batch: &Path) -> Folder {
        Folder(batch.parent().unwrap_or(Path::new(".")).to_owned())
    }

    /// Who submitted it; `None` if the file cannot be read.
    pub fn submission(&self) -> Option<Submission> {
        let bytes = fs::read_text(&self.0.join("submission.json")).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// The arrays that were submitted.
    pub fn arrays(&self) -> Vec<Submitted> {
        let bytes = fs::read_text(&self.0.join("arrays.jsonl")).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let lines = text.lines();
        lines
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Path of an array's script, or of its stages.
    pub fn file(&self, array: &str, ending: &str) -> PathBuf {
        self.0.join(format!("{array}.{ending}"))
    }

    /// Writes the stages of an array.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, array: &str, header: &Header, lines: &[Line]) -> Result<PathBuf, FsError> {
        let path = self.file(array, "jsonl");
        let mut text = serde_json::to_vec(header).expect("a header is plain data");
        text.push(b'\n');
        for line in lines {
            serde_json::to_writer(&mut text, line).expect("a stage is plain data");
            text.push(b'\n');
        }
        fs::write_atomic(&path, &text)?;
        Ok(path)
    }

    /// Records a submitted array.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn record(&self, submitted: &Submitted) -> Result<(), FsError> {
        let path = self.0.join("arrays.jsonl");
        let mut text = serde_json::to_vec(submitted).expect("plain data");
        text.push(b'\n');
        fs::append(&path)?
            .write_all(&text)
            .map_err(|error| FsError::new(&path, "write", error))
    }

    /// Records why a task failed.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_failure(&self, key: &Key, ended: &Ended) -> Result<(), FsError> {
        let text = serde_json::to_vec(ended).expect("plain data");
        fs::write_atomic(&self.failure(key), &text)
    }

    /// Removes the record of an earlier failure.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn forget_failure(&self, key: &Key) -> Result<(), FsError> {
        fs::remove_file(&self.failure(key))
    }

    /// Why a task failed, as it recorded it.
    pub fn read_failure(&self, key: &Key) -> Option<Ended> {
        serde_json::from_slice(&fs::read_text(&self.failure(key)).ok()?).ok()
    }

    fn failure(&self, key: &Key) -> PathBuf {
        self.0.join("failed").join(format!("{key}.json"))
    }

    /// Removes the folder.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self) -> Result<(), FsError> {
        fs::remove_dir_all(&self.0)
    }
}

/// The folder of all submissions.
pub fn root(store: &Store) -> PathBuf {
    store.root().join("slurm")
}

/// Slurm's log of a task, in the folder of logs.
pub fn log(logs: &Path, kind: &str, task: Task) -> PathBuf {
    logs.join("slurm").join(format!("{kind}-{task}.log"))
}

/// Header and line of a task.
///
/// # Errors
/// When the file cannot be read or has no such task. Holds the message.
pub fn read(batch: &Path, index: u32) -> Result<(Header, Line), String> {
    let bytes = fs::read_text(batch).map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&bytes);
    let damaged = |error: serde_json::Error| format!("`{}` is damaged: {error}", batch.display());
    let mut lines = text.lines();
    let header = serde_json::from_str(lines.next().unwrap_or_default()).map_err(damaged)?;
    let start = format!("{{\"index\":{index},");
    let line = lines.find(|line| line.starts_with(&start));
    let line = line.ok_or_else(|| format!("`{}` has no task {index}", batch.display()))?;
    Ok((header, serde_json::from_str(line).map_err(damaged)?))
}

/// Whether a kind's stages compute, so that they may have a GPU.
pub fn computes(stage: &Stage) -> bool {
    let compute = stage.compute.as_ref();
    compute.is_some_and(|compute| compute.device != "cpu")
}

/// The kind of a stage.
pub fn kind(stage: &Stage) -> StageKind {
    stage.settings.kind()
}
