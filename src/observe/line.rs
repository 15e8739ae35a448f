//! Happenings as lines.

use std::fmt::Write;

use super::Volume;
use crate::exec::{Happening, Outcome};
use allround_core::event::{Epoch, Event, Phase};

/// The line of a happening; `None` for what this volume leaves out.
pub(super) fn of(label: &str, happening: &Happening, volume: Volume) -> Option<String> {
    let text = match happening {
        Happening::Ended(Outcome::Failed(error)) => {
            return Some(format!("{label}: failed: {error}"));
        }
        Happening::Damaged(why) => return Some(format!("{label}: damaged, made anew: {why}")),
        _ if volume == Volume::Quiet => return None,
        Happening::Begun => "started".to_owned(),
        Happening::Waiting => "waiting for another run that makes it".to_owned(),
        Happening::Retried(error) => format!("tried again after: {error}"),
        Happening::Reported(event) => event_text(event, volume)?,
        Happening::Ended(Outcome::Made) => "done".to_owned(),
        Happening::Ended(Outcome::Cached) if volume == Volume::Verbose => "in the store".to_owned(),
        Happening::Ended(Outcome::Blocked(_)) if volume == Volume::Verbose => {
            "blocked by a failure".to_owned()
        }
        Happening::Ended(_) => return None,
    };
    Some(format!("{label}: {text}"))
}

fn event_text(event: &Event, volume: Volume) -> Option<String> {
    match event {
        Event::Epoch(epoch) => Some(epoch_text(epoch)),
        Event::Started(started) if started.resumed_epoch > 0 => {
            Some(format!("continues after epoch {}", started.resumed_epoch))
        }
        Event::Remark { text } => Some(text.clone()),
        _ if volume != Volume::Verbose => None,
        Event::Phase(phase) => Some(phase_text(phase)),
        Event::Counted(counted) => Some(format!("{}: {}", counted.what, counted.count)),
        Event::Note { text } => Some(text.clone()),
        Event::Started(_) | Event::Progress(_) | Event::Failed(_) | Event::Finished => None,
    }
}

/// RecBole's words, which people search logs for.
fn epoch_text(epoch: &Epoch) -> String {
    let mut text = format!(
        "epoch {} training [time: {:.2}s, train loss: {:.4}]",
        epoch.epoch, epoch.wall_s, epoch.loss
    );
    for (metric, value) in &epoch.validation {
        write!(text, " valid {metric}: {value:.4}").expect("a string takes everything");
    }
    text
}

fn phase_text(phase: &Phase) -> String {
    match phase.examples {
        Some(examples) if phase.wall_s > 0.0 => {
            let speed = |count: u64| count as f64 / phase.wall_s;
            let mut text = format!(
                "{} {:.2}s, {examples} examples, {:.0}/s",
                phase.phase,
                phase.wall_s,
                speed(examples)
            );
            if let Some(tokens) = phase.tokens {
                write!(text, ", {:.0} tokens/s", speed(tokens)).expect("a string takes everything");
            }
            text
        }
        _ => format!("{} {:.2}s", phase.phase, phase.wall_s),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn epoch() -> Happening {
        Happening::Reported(Event::Epoch(Epoch {
            epoch: 3,
            loss: 0.72654,
            losses: BTreeMap::new(),
            validation: BTreeMap::from([("ndcg@10".parse().unwrap(), 0.12345)]),
            wall_s: 14.423,
            examples: 10,
        }))
    }

    #[test]
    fn an_epoch_has_time_and_loss_on_one_line() {
        assert_eq!(
            of("backbone a.b.c.s1", &epoch(), Volume::Usual).unwrap(),
            "backbone a.b.c.s1: epoch 3 training [time: 14.42s, train loss: 0.7265] valid ndcg@10: 0.1235"
        );
    }

    #[test]
    fn quiet_tells_failures_and_damage_only() {
        assert_eq!(of("x", &epoch(), Volume::Quiet), None);
        let failed = Happening::Ended(Outcome::Failed("why".into()));
        assert_eq!(of("x", &failed, Volume::Quiet).unwrap(), "x: failed: why");
        assert!(of("x", &Happening::Damaged("cut".into()), Volume::Quiet).is_some());
    }

    #[test]
    fn a_phase_tells_its_speed() {
        let phase = Happening::Reported(Event::Phase(Phase {
            phase: "train".into(),
            wall_s: 2.0,
            examples: Some(10),
            tokens: Some(5000),
            ..Phase::default()
        }));
        assert_eq!(
            of("project x", &phase, Volume::Verbose).unwrap(),
            "project x: train 2.00s, 10 examples, 5/s, 2500 tokens/s"
        );
    }

    #[test]
    fn a_remark_is_told_at_once() {
        let text = "micro-batch 2 of 4 after out of memory".to_owned();
        let remark = Happening::Reported(Event::Remark { text });
        assert_eq!(
            of("project x", &remark, Volume::Usual).unwrap(),
            "project x: micro-batch 2 of 4 after out of memory"
        );
    }

    #[test]
    fn notes_are_told_when_asked_for() {
        let note = Happening::Reported(Event::Note {
            text: "hello".into(),
        });
        assert_eq!(of("x", &note, Volume::Usual), None);
        assert_eq!(of("x", &note, Volume::Verbose).unwrap(), "x: hello");
    }
}
