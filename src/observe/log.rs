//! The log of a run: JSON lines with the time, the stage and what happened.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::exec::{Happening, Outcome};
use allround_core::event::Event;
use allround_core::fs::{self, FsError};

pub(super) struct Log {
    path: PathBuf,
    file: Box<dyn Write>,
    trouble: Option<std::io::Error>,
}

impl Log {
    pub(super) fn open(path: &Path) -> Result<Log, FsError> {
        Ok(Log {
            path: path.to_owned(),
            file: Box::new(fs::append(path)?),
            trouble: None,
        })
    }

    /// Adds a line; progress and what was in the store are left out. The first trouble is kept for [`Log::close`].
    pub(super) fn write(&mut self, label: &str, happening: &Happening) {
        let Some(what) = value(happening) else { return };
        let time = jiff::Timestamp::now().to_string();
        let line = format!(
            "{}\n",
            json!({ "time": time, "stage": label, "what": what })
        );
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            self.trouble.get_or_insert(error);
        }
    }

    pub(super) fn close(self) -> Result<(), FsError> {
        match self.trouble {
            Some(error) => Err(FsError::new(&self.path, "write", error)),
            None => Ok(()),
        }
    }
}

fn value(happening: &Happening) -> Option<Value> {
    Some(match happening {
        Happening::Reported(Event::Progress(_)) | Happening::Ended(Outcome::Cached) => return None,
        Happening::Begun => json!("begun"),
        Happening::Waiting => json!("waiting"),
        Happening::Damaged(why) => json!({ "damaged": why }),
        Happening::Retried(why) => json!({ "retried": why }),
        Happening::Reported(event) => json!(event),
        Happening::Ended(Outcome::Made) => json!("made"),
        Happening::Ended(Outcome::Failed(why)) => json!({ "failed": why }),
        Happening::Ended(Outcome::Blocked(_)) => json!("blocked"),
        Happening::Ended(Outcome::Interrupted) => json!("interrupted"),
    })
}
