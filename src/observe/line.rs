//! Stage events as lines of text.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::Verbosity;
use crate::exec::{Outcome, StageEvent};
use allround_core::event::{Epoch, Event, Phase, Started, Validation};
use allround_core::metric::Metric;

/// The line for an event; `None` when this verbosity leaves it out.
pub(super) fn of(label: &str, event: &StageEvent, verbosity: Verbosity) -> Option<String> {
    let text = match event {
        StageEvent::Ended(Outcome::Failed(error)) => {
            return Some(format!("{label}: failed: {error}"));
        }
        StageEvent::Damaged(why) => return Some(format!("{label}: damaged, rebuilding: {why}")),
        _ if verbosity == Verbosity::Quiet => return None,
        StageEvent::Started => "started".to_owned(),
        StageEvent::Waiting => "waiting for another run that is making it".to_owned(),
        StageEvent::Queued(job) if verbosity == Verbosity::Verbose => {
            format!("queued as job {job}")
        }
        StageEvent::Queued(_) => return None,
        StageEvent::Retried(error) => format!("retrying after: {error}"),
        StageEvent::Reported(event) => event_text(event, verbosity)?,
        StageEvent::Ended(Outcome::Made) => "done".to_owned(),
        StageEvent::Ended(Outcome::Cached) if verbosity == Verbosity::Verbose => {
            "in the store".to_owned()
        }
        StageEvent::Ended(Outcome::Blocked(_)) if verbosity == Verbosity::Verbose => {
            "blocked by a failure".to_owned()
        }
        StageEvent::Ended(_) => return None,
    };
    Some(format!("{label}: {text}"))
}

fn event_text(event: &Event, verbosity: Verbosity) -> Option<String> {
    match event {
        Event::Epoch(epoch) => Some(epoch_text(epoch)),
        Event::Validation(validation) => Some(validation_text(validation)),
        Event::Reference { metrics } => Some(format!("CF model{}", metrics_text(metrics))),
        Event::Started(started) if started.resumed_epoch > 0 || started.resumed_step > 0 => {
            Some(continues(started))
        }
        Event::Remark { text } => Some(text.clone()),
        _ if verbosity != Verbosity::Verbose => None,
        Event::Phase(phase) => Some(phase_text(phase)),
        Event::Counted(counted) => Some(format!("{}: {}", counted.what, counted.count)),
        Event::Note { text } => Some(text.clone()),
        Event::Started(_) | Event::Progress(_) | Event::Failed(_) | Event::Finished => None,
    }
}

/// In the wording of RecBole, so that tools that search its logs find these lines.
fn epoch_text(epoch: &Epoch) -> String {
    let mut text = format!(
        "epoch {} training [time: {:.2}s, train loss: {:.4}]",
        epoch.epoch, epoch.wall_s, epoch.loss
    );
    text += &metrics_text(&epoch.validation);
    text
}

/// In RecBole's wording too, with the samples seen.
fn validation_text(validation: &Validation) -> String {
    format!(
        "epoch {} evaluating [time: {:.2}s, samples: {}]{}",
        validation.epoch,
        validation.wall_s,
        validation.samples,
        metrics_text(&validation.metrics)
    )
}

fn metrics_text(metrics: &BTreeMap<Metric, f64>) -> String {
    let metrics = metrics.iter();
    metrics
        .map(|(metric, value)| format!(" valid {metric}: {value:.4}"))
        .collect()
}

/// Where a resumed training continues.
fn continues(started: &Started) -> String {
    let epoch = started.resumed_epoch;
    match started.resumed_step {
        0 => format!("continues after epoch {epoch}"),
        step => format!("continues after step {step} of epoch {}", epoch + 1),
    }
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

    fn epoch() -> StageEvent {
        StageEvent::Reported(Event::Epoch(Epoch {
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
            of("backbone a.b.c.s1", &epoch(), Verbosity::Normal).unwrap(),
            "backbone a.b.c.s1: epoch 3 training [time: 14.42s, train loss: 0.7265] valid ndcg@10: 0.1235"
        );
    }

    #[test]
    fn a_validation_has_the_samples_that_were_seen() {
        let validation = StageEvent::Reported(Event::Validation(Validation {
            epoch: 1,
            samples: 2000,
            metrics: BTreeMap::from([(Metric::Hit(1), 0.25), (Metric::Mrr, 0.4)]),
            wall_s: 3.0,
        }));
        assert_eq!(
            of("project x", &validation, Verbosity::Normal).unwrap(),
            "project x: epoch 1 evaluating [time: 3.00s, samples: 2000] valid hit@1: 0.2500 valid mrr: 0.4000"
        );
    }

    #[test]
    fn quiet_prints_failures_and_damage_only() {
        assert_eq!(of("x", &epoch(), Verbosity::Quiet), None);
        let failed = StageEvent::Ended(Outcome::Failed("why".into()));
        assert_eq!(
            of("x", &failed, Verbosity::Quiet).unwrap(),
            "x: failed: why"
        );
        assert!(of("x", &StageEvent::Damaged("cut".into()), Verbosity::Quiet).is_some());
    }

    #[test]
    fn a_phase_has_its_speed() {
        let phase = StageEvent::Reported(Event::Phase(Phase {
            phase: "train".into(),
            wall_s: 2.0,
            examples: Some(10),
            tokens: Some(5000),
            ..Phase::default()
        }));
        assert_eq!(
            of("project x", &phase, Verbosity::Verbose).unwrap(),
            "project x: train 2.00s, 10 examples, 5/s, 2500 tokens/s"
        );
    }

    #[test]
    fn a_remark_is_printed_at_normal_verbosity() {
        let text = "micro-batch 2 of 4 after out of memory".to_owned();
        let remark = StageEvent::Reported(Event::Remark { text });
        assert_eq!(
            of("project x", &remark, Verbosity::Normal).unwrap(),
            "project x: micro-batch 2 of 4 after out of memory"
        );
    }

    #[test]
    fn notes_are_printed_when_verbose() {
        let note = StageEvent::Reported(Event::Note {
            text: "hello".into(),
        });
        assert_eq!(of("x", &note, Verbosity::Normal), None);
        assert_eq!(of("x", &note, Verbosity::Verbose).unwrap(), "x: hello");
    }
}
