//! A line a minute about each stage that takes long, where there are no bars.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::exec::StageEvent;
use crate::plan::NodeId;
use allround_core::event::{Event, Progress};

/// Time between two lines about a phase.
const EVERY: Duration = Duration::from_secs(60);

/// What was reported of the phases of running stages.
#[derive(Default)]
pub(super) struct Minutes {
    running: HashMap<(NodeId, String), Seen>,
}

/// Progress of one phase.
struct Seen {
    /// When it was first reported, and what was done then.
    first: (Instant, u64),
    /// What was done at the last report.
    done: u64,
    /// When the last line was printed.
    printed: Instant,
}

impl Minutes {
    /// The line about an event that comes `now`, if a minute has passed since the last one.
    pub(super) fn line(&mut self, id: NodeId, event: &StageEvent, now: Instant) -> Option<String> {
        let progress = match event {
            StageEvent::Reported(Event::Progress(progress)) => progress,
            StageEvent::Started | StageEvent::Ended(_) => {
                self.running.retain(|(other, _), _| *other != id);
                return None;
            }
            StageEvent::Reported(_)
            | StageEvent::Waiting
            | StageEvent::Queued(_)
            | StageEvent::Damaged(_)
            | StageEvent::Retried(_) => return None,
        };
        let fresh = || Seen {
            first: (now, progress.done),
            done: progress.done,
            printed: now,
        };
        let key = (id, progress.phase.clone());
        let seen = self.running.entry(key).or_insert_with(fresh);
        if progress.done < seen.done {
            // The phase has begun again.
            *seen = fresh();
        }
        seen.done = progress.done;
        if now.duration_since(seen.printed) < EVERY {
            return None;
        }
        seen.printed = now;
        let (begun, before) = seen.first;
        let seconds = now.duration_since(begun).as_secs_f64();
        Some(text(progress, (progress.done - before) as f64 / seconds))
    }
}

/// What is done, at `rate` units per second.
fn text(progress: &Progress, rate: f64) -> String {
    let Progress {
        phase,
        done,
        total,
        unit,
        remark,
    } = progress;
    let mut text = match total {
        Some(total) => format!("{phase}: {done} of {total} {unit}"),
        None => format!("{phase}: {done} {unit}"),
    };
    if rate > 0.0 {
        let digits = usize::from(rate < 10.0) + usize::from(rate < 1.0);
        text += &format!(", {rate:.digits$} {unit}/s");
        if let Some(total) = total {
            let left = total.saturating_sub(*done) as f64 / rate;
            text += &format!(", {} left", duration(left));
        }
    }
    if !remark.is_empty() {
        text += &format!(" ({remark})");
    }
    text
}

/// A time in minutes, and hours from one hour on.
fn duration(seconds: f64) -> String {
    let minutes = (seconds / 60.0).ceil() as u64;
    match minutes {
        0..60 => format!("{minutes} min"),
        _ => format!("{} h {:02} min", minutes / 60, minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(phase: &str, done: u64) -> StageEvent {
        StageEvent::Reported(Event::Progress(Progress {
            phase: phase.to_owned(),
            done,
            total: Some(16_000),
            unit: "samples".to_owned(),
            remark: "epoch 1".to_owned(),
        }))
    }

    #[test]
    fn a_long_stage_has_a_line_a_minute_with_its_speed_and_the_time_left() {
        let start = Instant::now();
        let mut minutes = Minutes::default();
        let mut at = |seconds, event: &StageEvent| {
            minutes.line(3, event, start + Duration::from_secs(seconds))
        };
        assert_eq!(at(0, &progress("train", 1000)), None);
        assert_eq!(at(59, &progress("train", 1050)), None);
        assert_eq!(
            at(80, &progress("train", 1100)).unwrap(),
            "train: 1100 of 16000 samples, 1.2 samples/s, 3 h 19 min left (epoch 1)"
        );
        assert_eq!(at(100, &progress("train", 1130)), None);
        // Another phase has its own clock, and so has one that begins again.
        assert_eq!(at(110, &progress("validate", 500)), None);
        assert_eq!(at(200, &progress("validate", 64)), None);
        assert_eq!(
            at(260, &progress("validate", 15_994)).unwrap(),
            "validate: 15994 of 16000 samples, 266 samples/s, 1 min left (epoch 1)"
        );
        assert!(at(270, &progress("train", 1140)).is_some());
        assert_eq!(at(271, &StageEvent::Started), None);
        assert_eq!(at(400, &progress("train", 1140)), None);
    }
}
