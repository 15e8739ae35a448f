//! The log of a run: JSON lines with time, stage and event.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::exec::{Outcome, StageEvent};
use allround_core::event::Event;
use allround_core::fs::{self, FsError};

pub(super) struct Log {
    path: PathBuf,
    file: Box<dyn Write>,
    error: Option<std::io::Error>,
}

impl Log {
    pub(super) fn open(path: &Path) -> Result<Log, FsError> {
        Ok(Log {
            path: path.to_owned(),
            file: Box::new(fs::append(path)?),
            error: None,
        })
    }

    /// Appends a line, except for progress and stages found in the store. The first error is kept
    /// for [`Log::close`].
    pub(super) fn write(&mut self, label: &str, event: &StageEvent) {
        let Some(value) = value(event) else { return };
        let time = jiff::Timestamp::now().to_string();
        let line = format!(
            "{}\n",
            json!({ "time": time, "stage": label, "event": value })
        );
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            self.error.get_or_insert(error);
        }
    }

    pub(super) fn close(self) -> Result<(), FsError> {
        match self.error {
            Some(error) => Err(FsError::new(&self.path, "write", error)),
            None => Ok(()),
        }
    }
}

fn value(event: &StageEvent) -> Option<Value> {
    Some(match event {
        StageEvent::Reported(Event::Progress(_)) | StageEvent::Ended(Outcome::Cached) => {
            return None;
        }
        StageEvent::Started => json!("started"),
        StageEvent::Waiting => json!("waiting"),
        StageEvent::Queued(job) => json!({ "queued": job }),
        StageEvent::Damaged(why) => json!({ "damaged": why }),
        StageEvent::Retried(why) => json!({ "retried": why }),
        StageEvent::Reported(event) => json!(event),
        StageEvent::Ended(Outcome::Made) => json!("made"),
        StageEvent::Ended(Outcome::Failed(why)) => json!({ "failed": why }),
        StageEvent::Ended(Outcome::Blocked(_)) => json!("blocked"),
        StageEvent::Ended(Outcome::Interrupted) => json!("interrupted"),
    })
}
