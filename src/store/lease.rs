//! Leases: locks that hold between machines.
//!
//! The locks of a file system hold between the processes of one machine, and between machines only
//! where the file system passes them on. In a shared store, a claim therefore also has a lease.
//! This is a file with host and job, which only one process can create. The holder renews the file;
//! a lease that was not renewed for [`STALE`] belongs to a process that is gone.
//! Ages are differences of two times of the file system, so clocks of nodes need not agree.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use allround_core::fs::{self, FsError};

/// Name of the file that marks a store as shared by machines.
pub const SHARED: &str = "shared";

/// How often a holder renews its lease.
const RENEWAL: Duration = Duration::from_secs(20);

/// Age at which a lease is void.
pub const STALE: Duration = Duration::from_secs(120);

/// A process that holds a lease, or runs a task of a job array.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The machine.
    pub host: String,
    /// The process.
    pub process: u32,
    /// The job, such as `12_3`; empty outside of a cluster.
    pub job: String,
}

impl Holder {
    /// This process.
    pub fn this() -> Holder {
        let variable = |name| std::env::var(name).unwrap_or_default();
        let (array, task) = (
            variable("SLURM_ARRAY_JOB_ID"),
            variable("SLURM_ARRAY_TASK_ID"),
        );
        Holder {
            host: sysinfo::System::host_name().unwrap_or_else(|| "unknown".to_owned()),
            process: std::process::id(),
            job: match array.is_empty() {
                true => variable("SLURM_JOB_ID"),
                false => format!("{array}_{task}"),
            },
        }
    }

    /// Whether a lease of this holder is surely void: an earlier run of this very job, or a process
    /// of this machine. That the lock of the machine was taken shows that such a process is gone.
    fn is_gone(&self, own: &Holder) -> bool {
        self.host == own.host || (!own.job.is_empty() && self.job == own.job)
    }
}

/// A lease, renewed until it is dropped.
#[derive(Debug)]
pub struct Lease {
    path: PathBuf,
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Lease {
    /// Takes the lease at `path`; `None` while another machine holds it. Where the file system has
    /// locks, that of this machine must be held.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn take(path: &Path, own: &Holder, stale: Duration) -> Result<Option<Lease>, FsError> {
        let text = serde_json::to_vec(own).expect("a holder is plain data");
        for _ in 0..2 {
            if fs::create_new(path, &text)? {
                return Ok(Some(Lease::renewed(path, text)));
            }
            let Ok(found) = fs::read_text(path) else {
                continue;
            };
            let holder: Holder = serde_json::from_slice(&found).unwrap_or_default();
            if !holder.is_gone(own) && age(path)? < stale {
                return Ok(None);
            }
            // Of several machines that find a void lease, one moves it away.
            let name = format!("void-{}-{}", own.host, own.process);
            let void = path.with_extension(name);
            if fs::rename(path, &void).is_err() {
                return Ok(None);
            }
            let moved = fs::read_text(&void).unwrap_or_default();
            fs::remove_file(&void)?;
            if moved != found {
                // Another machine had taken it meanwhile: it gets its lease back.
                fs::create_new(path, &moved)?;
                return Ok(None);
            }
        }
        Ok(None)
    }

    fn renewed(path: &Path, text: Vec<u8>) -> Lease {
        let (end, ended) = mpsc::channel();
        let file = path.to_owned();
        let thread = std::thread::spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(RENEWAL) {
                // A lease that another has taken is not renewed: this process was suspended.
                let is_own = fs::read_text(&file).is_ok_and(|found| found == text);
                if !is_own || fs::write_atomic(&file, &text).is_err() {
                    return;
                }
            }
        });
        Lease {
            path: path.to_owned(),
            end: Some(end),
            thread: Some(thread),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // The thread does not panic; a lease that stays becomes void by itself.
            drop(thread.join());
        }
        drop(fs::remove_file(&self.path));
    }
}

/// Age of a file by the clock of its file system.
fn age(path: &Path) -> Result<Duration, FsError> {
    let probe = path.with_extension(format!("now-{}", std::process::id()));
    fs::write_atomic(&probe, b"")?;
    let now = fs::stamp(&probe)?.modified_ns;
    fs::remove_file(&probe)?;
    // A lease that was removed meanwhile is old enough.
    let then = fs::stamp(path).map_or(0, |stamp| stamp.modified_ns);
    Ok(Duration::from_nanos(now.saturating_sub(then)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(host: &str, job: &str) -> Holder {
        Holder {
            host: host.to_owned(),
            process: 7,
            job: job.to_owned(),
        }
    }

    fn take(path: &Path, own: &Holder) -> Option<Lease> {
        Lease::take(path, own, STALE).unwrap()
    }

    #[test]
    fn a_lease_is_held_by_one_machine_and_freed_by_drop() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.lease");
        let held = take(&path, &holder("n1", "5_0")).unwrap();
        assert!(take(&path, &holder("n2", "6_0")).is_none());
        drop(held);
        assert!(take(&path, &holder("n2", "6_0")).is_some());
        assert_eq!(fs::list(folder.path()).unwrap(), Vec::<PathBuf>::new());
    }

    #[test]
    fn a_requeued_job_takes_its_own_lease_and_a_stale_one_is_void() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.lease");
        let leave = |own: &Holder| {
            let text = serde_json::to_vec(own).unwrap();
            fs::write_atomic(&path, &text).unwrap();
        };
        leave(&holder("n1", "5_0"));
        drop(take(&path, &holder("n2", "5_0")).expect("the same job on another node"));
        leave(&holder("n1", "5_0"));
        drop(take(&path, &holder("n1", "6_0")).expect("its process on this machine is gone"));
        leave(&holder("n1", "5_0"));
        assert!(take(&path, &holder("n2", "6_0")).is_none());
        let other = holder("n2", "6_0");
        assert!(
            Lease::take(&path, &other, Duration::ZERO)
                .unwrap()
                .is_some()
        );
    }
}
