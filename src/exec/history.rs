//! The events of a stage over all attempts. A resumed stage keeps the epochs of the killed attempt.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use allround_core::event::{Epoch, Event};
use allround_core::fs::{self, FsError};

/// Appends an event to a file of JSON lines; progress events are not kept.
///
/// # Errors
/// When the file cannot be written.
pub fn append(path: &Path, event: &Event) -> Result<(), FsError> {
    if matches!(event, Event::Progress(_)) {
        return Ok(());
    }
    let mut line = serde_json::to_vec(event).expect("an event is plain data");
    line.push(b'\n');
    fs::append(path)?
        .write_all(&line)
        .map_err(|error| FsError::new(path, "write", error))
}

/// The events of a file of JSON lines, in order. The incomplete last line of a killed writer is
/// skipped.
///
/// # Errors
/// When the file cannot be read.
pub fn read(path: &Path) -> Result<Vec<Event>, FsError> {
    let text = String::from_utf8_lossy(&fs::read_text(path)?).into_owned();
    Ok(text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect())
}

/// The events of the last attempt, and the epochs of earlier attempts up to the checkpoint it
/// resumed from.
pub fn whole(events: &[Event]) -> Vec<Event> {
    let is_start = |event: &Event| matches!(event, Event::Started(_));
    let start = events.iter().rposition(is_start).unwrap_or(0);
    let (earlier, last) = events.split_at(start);
    let resumed = match last.first() {
        Some(Event::Started(started)) => started.resumed_epoch,
        _ => 0,
    };
    let mut epochs: BTreeMap<u32, Epoch> = BTreeMap::new();
    for event in earlier {
        if let Event::Epoch(epoch) = event {
            epochs.insert(epoch.epoch, epoch.clone());
        }
    }
    epochs.retain(|&epoch, _| epoch <= resumed);
    for event in last {
        if let Event::Epoch(epoch) = event {
            epochs.insert(epoch.epoch, epoch.clone());
        }
    }
    let others = last
        .iter()
        .filter(|event| !matches!(event, Event::Epoch(_)));
    let (first, rest): (Vec<Event>, Vec<Event>) = others.cloned().partition(is_start);
    first
        .into_iter()
        .chain(epochs.into_values().map(Event::Epoch))
        .chain(rest)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use allround_core::event::Started;

    fn started(resumed_epoch: u32) -> Event {
        Event::Started(Started {
            device: "cpu".into(),
            device_name: String::new(),
            libtorch: None,
            threads: 1,
            resumed_epoch,
            resumed_step: 0,
            protocol: allround_core::event::PROTOCOL,
            program: allround_core::program::Program::this(),
        })
    }

    fn epoch(epoch: u32, loss: f64) -> Event {
        Event::Epoch(Epoch {
            epoch,
            loss,
            losses: BTreeMap::new(),
            validation: BTreeMap::new(),
            wall_s: 1.0,
            examples: 1,
        })
    }

    #[test]
    fn a_resumed_stage_keeps_the_epochs_before_its_checkpoint_only() {
        let events = [
            started(0),
            epoch(1, 0.9),
            epoch(2, 0.8),
            epoch(3, 0.7),
            started(2),
            epoch(3, 0.7),
            epoch(4, 0.6),
            Event::Finished,
        ];
        let merged = whole(&events);
        let numbers: Vec<u32> = merged
            .iter()
            .filter_map(|event| match event {
                Event::Epoch(epoch) => Some(epoch.epoch),
                _ => None,
            })
            .collect();
        assert_eq!(numbers, [1, 2, 3, 4]);
        assert_eq!(merged.first(), Some(&started(2)));
        assert_eq!(merged.last(), Some(&Event::Finished));
    }

    #[test]
    fn a_stage_that_starts_afresh_forgets_the_attempts_before() {
        let events = [
            started(0),
            epoch(1, 0.9),
            epoch(2, 0.8),
            started(0),
            epoch(1, 0.9),
        ];
        assert_eq!(whole(&events), [started(0), epoch(1, 0.9)]);
    }

    #[test]
    fn half_a_line_and_progress_are_not_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        append(&path, &epoch(1, 0.5)).unwrap();
        std::io::Write::write_all(&mut fs::append(&path).unwrap(), b"{\"event\":\"ep").unwrap();
        assert_eq!(read(&path).unwrap(), [epoch(1, 0.5)]);
    }
}
