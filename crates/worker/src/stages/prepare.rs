//! `prepare`: source files to a filtered, split, indexed data set.

use allround_core::data::{self, Prepare};
use allround_core::event::Event;
use allround_core::stage::Job;

use super::report::{StageError, timed};

pub(super) fn run(
    job: &Job,
    settings: &Prepare,
    observe: &mut dyn FnMut(Event),
) -> Result<(), StageError> {
    let count = |prepared: &Result<data::Prepared, _>| {
        prepared
            .as_ref()
            .ok()
            .map(|data| data.sequence.len() as u64)
    };
    let (prepared, phase) = timed("read", None, count, || {
        data::prepare(settings, &job.base, observe)
    });
    let prepared = prepared?;
    observe(Event::Phase(phase));
    let (saved, phase) = timed("save", None, |_| None, || prepared.save(&job.output));
    saved?;
    observe(Event::Phase(phase));
    Ok(())
}
