//! Progress bars: one for all stages, one for each that runs.

use std::collections::HashMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::exec::StageEvent;
use crate::plan::NodeId;
use allround_core::event::{Event, Progress};

pub(super) struct Bars {
    screen: MultiProgress,
    total: ProgressBar,
    running: HashMap<NodeId, ProgressBar>,
}

impl Bars {
    pub(super) fn new(stages: usize) -> Bars {
        let screen = MultiProgress::new();
        let total = screen.add(ProgressBar::new(stages as u64));
        total.set_style(style(
            "{bar:30} {pos}/{len} stages, {elapsed} elapsed, {eta} left",
        ));
        total.enable_steady_tick(Duration::from_millis(500));
        Bars {
            screen,
            total,
            running: HashMap::new(),
        }
    }

    pub(super) fn event(
        &mut self,
        (id, label): (NodeId, &str),
        event: &StageEvent,
        line: Option<&str>,
    ) {
        match event {
            StageEvent::Started => self.begin(id, label),
            StageEvent::Reported(Event::Progress(progress)) => self.progress(id, progress),
            StageEvent::Reported(Event::Epoch(epoch)) => {
                if let Some(bar) = self.running.get(&id) {
                    bar.set_message(format!("epoch {}, loss {:.4}", epoch.epoch, epoch.loss));
                }
            }
            StageEvent::Ended(_) => {
                if let Some(bar) = self.running.remove(&id) {
                    bar.finish_and_clear();
                }
                self.total.inc(1);
            }
            _ => {}
        }
        let is_printed = !matches!(
            event,
            StageEvent::Started | StageEvent::Reported(Event::Epoch(_) | Event::Progress(_))
        );
        if let Some(line) = line.filter(|_| is_printed) {
            // The run continues when the terminal is gone.
            drop(self.screen.println(line));
        }
    }

    fn begin(&mut self, id: NodeId, label: &str) {
        let bar = self
            .screen
            .insert_before(&self.total, ProgressBar::new_spinner());
        bar.set_style(style("{spinner} {prefix} {elapsed} {msg}"));
        bar.set_prefix(label.to_owned());
        bar.enable_steady_tick(Duration::from_millis(250));
        self.running.insert(id, bar);
    }

    fn progress(&mut self, id: NodeId, progress: &Progress) {
        let Some(bar) = self.running.get(&id) else {
            return;
        };
        if let Some(total) = progress.total {
            bar.set_style(style("{bar:20} {prefix} {pos}/{len} {msg}, {eta} left"));
            bar.set_length(total);
        }
        bar.set_position(progress.done);
        bar.set_message(format!(
            "{} ({}) {}",
            progress.unit, progress.phase, progress.remark
        ));
    }

    pub(super) fn close(self) {
        self.running
            .into_values()
            .for_each(|bar| bar.finish_and_clear());
        self.total.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates in this file are valid")
}
