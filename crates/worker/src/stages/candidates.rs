//! `candidates`: the frozen candidate lists of validation and test.

use allround_core::data::{CandidateLists, DrawCandidates, Part, Prepared, candidates};
use allround_core::event::Event;
use allround_core::stage::Job;

use super::need;
use super::report::{StageError, timed};

pub(super) fn run(
    job: &Job,
    settings: &DrawCandidates,
    observe: &mut dyn FnMut(Event),
) -> Result<(), StageError> {
    let prepared = Prepared::load(need(job, "prepared")?)?;
    for part in [Part::Valid, Part::Test] {
        let count = |lists: &Result<CandidateLists, _>| {
            lists.as_ref().ok().map(|lists| lists.users.len() as u64)
        };
        let (lists, phase) = timed("draw", None, count, || {
            candidates::make(&prepared, settings, part, &job.base, observe)
        });
        lists?.save(&job.output)?;
        observe(Event::Phase(phase));
    }
    Ok(())
}
