//! The artefact store, from key to finished folder: locks, publication by rename, damage detection.
//!
//! ```text
//! .allround/
//!   artefacts/KIND/KEY/        finished, never changed; manifest.json has the size and digest of every file
//!   work/KEY/output/           output of a running worker; published by rename
//!   work/KEY/checkpoint/       survives a killed worker
//!   work/KEY/events.jsonl      events of the attempts so far
//!   locks/KEY                  held by this process and its worker while a stage runs
//!   locks/KEY.lease            the same between machines, in a store that several of them use
//!   shared                     marks such a store
//!   slurm/ID/                  a submission to a cluster
//!   inputs.json                digests of input files by path, size, times and inode
//!   experiments/ID.json        which results folder uses which artefacts
//! ```

pub mod clean;
pub mod experiment;
pub mod inputs;
mod lease;
pub mod manifest;

use std::path::{Path, PathBuf};

pub use experiment::Experiment;
pub use manifest::Manifest;

pub use lease::Holder;
use lease::{Lease, SHARED, STALE};

use allround_core::digest::Key;
use allround_core::fs::{self, FsError, Lock};
use allround_core::program::Program;

/// Name of the manifest inside an artefact folder.
pub const MANIFEST: &str = "manifest.json";

/// Name of the events file inside an artefact folder and a work folder.
pub const EVENTS: &str = "events.jsonl";

/// Name of the file inside an artefact folder that says which stage made it.
pub const STAGE: &str = "stage.json";

/// A store of artefacts.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

/// State of a key in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// There is no artefact.
    Absent,
    /// There is a finished artefact.
    Whole,
    /// The files of the artefact do not match its manifest. Holds the difference.
    Damaged(String),
}

impl Store {
    /// The store in folder `root`, created if it does not exist, and ignored by git.
    ///
    /// # Errors
    /// When the folder cannot be made or written.
    pub fn open(root: &Path) -> Result<Store, FsError> {
        let store = Store::at(root);
        for part in ["artefacts", "work", "locks", "experiments"] {
            fs::create_dir_all(&root.join(part))?;
        }
        fs::write_if_changed(&root.join(".gitignore"), b"*\n")?;
        Ok(store)
    }

    /// The store in folder `root`, which may not exist yet; for reading only.
    pub fn at(root: &Path) -> Store {
        // Absolute, since jobs name paths inside it. Only an empty path has no absolute form.
        Store {
            root: std::path::absolute(root).unwrap_or_else(|_| root.to_owned()),
        }
    }

    /// The store's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The artefact folder of a key, whether or not it exists.
    pub fn folder(&self, kind: &str, key: &Key) -> PathBuf {
        self.root.join("artefacts").join(kind).join(key.to_string())
    }

    /// State of an artefact by file sizes: cheap, done on every use.
    pub fn look(&self, kind: &str, key: &Key) -> Presence {
        self.inspect(kind, key, Manifest::check_sizes)
    }

    /// State of an artefact by file sizes and the digest of its events.
    pub fn look_into(&self, kind: &str, key: &Key) -> Presence {
        self.inspect(kind, key, Manifest::check_events)
    }

    /// State of an artefact by the digests of all files: reads everything, done before a worker
    /// reads it.
    pub fn verify(&self, kind: &str, key: &Key) -> Presence {
        self.inspect(kind, key, Manifest::check_digests)
    }

    fn inspect(
        &self,
        kind: &str,
        key: &Key,
        check: fn(&Manifest, &Path) -> Result<(), String>,
    ) -> Presence {
        let folder = self.folder(kind, key);
        if !folder.exists() {
            return Presence::Absent;
        }
        let checked =
            Manifest::load(&folder).and_then(|manifest| manifest.check(key, &folder, check));
        match checked {
            Ok(()) => Presence::Whole,
            Err(damage) => Presence::Damaged(damage),
        }
    }

    /// The exclusive right to make the artefact of `key`, or `None` while another run has it.
    ///
    /// # Errors
    /// When the lock file cannot be made.
    pub fn try_claim(&self, key: &Key) -> Result<Option<Claim>, FsError> {
        let path = self.root.join("locks").join(key.to_string());
        let is_shared = self.is_shared();
        let lock = match fs::try_lock(&path) {
            Ok(Some(lock)) => lock,
            Ok(None) => return Ok(None),
            // The file system has no locks: the lease is enough.
            Err(error) if is_shared && error.action == "lock" => fs::without_lock(&path)?,
            Err(error) => return Err(error),
        };
        let lease = match is_shared {
            true => Lease::take(&path.with_extension("lease"), &Holder::this(), STALE)?,
            false => None,
        };
        if is_shared && lease.is_none() {
            return Ok(None);
        }
        Ok(Some(Claim {
            work: self.root.join("work").join(key.to_string()),
            lock,
            _lease: lease,
        }))
    }

    /// Marks the store as used by several machines: claims then have leases.
    ///
    /// # Errors
    /// When the mark cannot be written.
    pub fn share(&self) -> Result<(), FsError> {
        fs::write_if_changed(&self.root.join(SHARED), b"")
    }

    fn is_shared(&self) -> bool {
        self.root.join(SHARED).exists()
    }

    /// Removes the output folders of killed runs; checkpoints stay.
    ///
    /// # Errors
    /// When a folder cannot be removed.
    pub fn sweep(&self) -> Result<(), FsError> {
        for work in fs::list(&self.root.join("work"))? {
            let name = work.file_name().unwrap_or_default().to_string_lossy();
            let output = work.join("output");
            let Ok(key) = name.parse::<Key>() else {
                continue;
            };
            if output.exists() && self.try_claim(&key)?.is_some() {
                fs::remove_dir_all(&output)?;
            }
        }
        Ok(())
    }
}

/// The exclusive right to make one artefact, released on drop.
#[derive(Debug)]
pub struct Claim {
    work: PathBuf,
    // Dropped before the lock: whoever gets the lock next finds no lease.
    _lease: Option<Lease>,
    lock: Lock,
}

impl Claim {
    /// Creates the work folders and empties the output folder.
    ///
    /// # Errors
    /// When a folder cannot be made or emptied.
    pub fn begin(&self) -> Result<(), FsError> {
        fs::remove_dir_all(&self.output())?;
        fs::create_dir_all(&self.output())?;
        fs::create_dir_all(&self.checkpoint())
    }

    /// Folder for the output of the worker.
    pub fn output(&self) -> PathBuf {
        self.work.join("output")
    }

    /// Folder for checkpoints.
    pub fn checkpoint(&self) -> PathBuf {
        self.work.join("checkpoint")
    }

    /// The events of all attempts so far.
    pub fn events(&self) -> PathBuf {
        self.work.join(EVENTS)
    }

    /// The work folder itself.
    pub fn work(&self) -> &Path {
        &self.work
    }

    /// The open lock file, inherited by the worker: the lock is released when both have ended.
    pub fn descriptor(&self) -> std::os::fd::RawFd {
        self.lock.descriptor()
    }

    /// Publishes the output under its kind and key, with the worker `made_by` in its manifest, and
    /// removes the work folder.
    ///
    /// # Errors
    /// When the manifest cannot be written or the folder cannot be renamed.
    pub fn publish(
        self,
        store: &Store,
        kind: &str,
        key: &Key,
        made_by: &Program,
    ) -> Result<PathBuf, FsError> {
        let output = self.output();
        Manifest::of_folder(kind, key, made_by, &output)?.save(&output)?;
        let folder = store.folder(kind, key);
        fs::create_dir_all(folder.parent().unwrap_or(store.root()))?;
        fs::remove_dir_all(&folder)?;
        fs::rename(&output, &folder)?;
        fs::remove_dir_all(&self.work)?;
        Ok(folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(store: &Store, key: &Key) -> PathBuf {
        let claim = store.try_claim(key).unwrap().unwrap();
        claim.begin().unwrap();
        fs::create_dir_all(&claim.output().join("deep")).unwrap();
        fs::write_atomic(&claim.output().join("deep/a"), b"first").unwrap();
        fs::write_atomic(&claim.output().join("b"), b"second").unwrap();
        let made_by = Program::this();
        claim.publish(store, "prepare", key, &made_by).unwrap()
    }

    #[test]
    fn a_published_artefact_is_whole_and_leaves_no_work() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let key = allround_core::digest::of_bytes(b"x");
        assert_eq!(store.look("prepare", &key), Presence::Absent);
        make(&store, &key);
        assert_eq!(store.look("prepare", &key), Presence::Whole);
        assert_eq!(store.verify("prepare", &key), Presence::Whole);
        assert!(fs::list(&dir.path().join("work")).unwrap().is_empty());
    }

    #[test]
    fn damage_is_detected_and_names_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let key = allround_core::digest::of_bytes(b"x");
        let folder = make(&store, &key);
        let damage = |presence| match presence {
            Presence::Damaged(why) => why,
            other => panic!("{other:?}"),
        };
        std::fs::write(folder.join("deep/a"), b"First").unwrap();
        assert_eq!(store.look("prepare", &key), Presence::Whole);
        let why = damage(store.verify("prepare", &key));
        assert!(why.contains("deep/a") && why.contains("contents"), "{why}");
        std::fs::write(folder.join("deep/a"), b"cut").unwrap();
        let why = damage(store.look("prepare", &key));
        assert!(why.contains("deep/a` has 3 bytes, not 5"), "{why}");
        std::fs::remove_file(folder.join("deep/a")).unwrap();
        assert!(damage(store.look("prepare", &key)).contains("deep/a"));
        std::fs::write(folder.join(MANIFEST), b"{").unwrap();
        assert!(damage(store.look("prepare", &key)).contains("manifest"));
        make(&store, &key);
        assert_eq!(store.verify("prepare", &key), Presence::Whole);
    }

    #[test]
    fn an_artefact_under_a_wrong_key_is_damage() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let (key, other) = (
            allround_core::digest::of_bytes(b"x"),
            allround_core::digest::of_bytes(b"y"),
        );
        let folder = make(&store, &key);
        fs::rename(&folder, &store.folder("prepare", &other)).unwrap();
        assert!(matches!(
            store.look("prepare", &other),
            Presence::Damaged(_)
        ));
    }

    #[test]
    fn a_claim_in_a_shared_store_has_a_lease_with_its_holder() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        store.share().unwrap();
        let key = allround_core::digest::of_bytes(b"x");
        let path = dir.path().join(format!("locks/{key}.lease"));
        let claim = store.try_claim(&key).unwrap().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            serde_json::from_str::<Holder>(&text).unwrap(),
            Holder::this()
        );
        drop(claim);
        assert!(!path.exists());
        // Another machine holds it.
        std::fs::write(&path, r#"{"host":"n2","process":1,"job":"5_0"}"#).unwrap();
        assert!(store.try_claim(&key).unwrap().is_none());
    }

    #[test]
    fn a_claim_is_held_by_one_run_and_its_leftovers_are_swept() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let key = allround_core::digest::of_bytes(b"x");
        let claim = store.try_claim(&key).unwrap().unwrap();
        claim.begin().unwrap();
        fs::write_atomic(&claim.checkpoint().join("epoch"), b"3").unwrap();
        assert!(store.try_claim(&key).unwrap().is_none());
        store.sweep().unwrap();
        assert!(claim.output().exists(), "a living run keeps its output");
        let (output, checkpoint) = (claim.output(), claim.checkpoint());
        drop(claim);
        store.sweep().unwrap();
        assert!(!output.exists() && checkpoint.join("epoch").exists());
    }
}
