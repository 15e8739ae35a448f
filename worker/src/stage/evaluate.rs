//! `evaluate`: the rank of every measured user's target, for validation and test.

use allround::data::{CandidateLists, Part, Prepared, Ranks};
use allround::event::Event;
use allround::plan::Job;
use tch::Device;

use super::report::{StageError, timed};
use super::{need, synchronise};
use crate::eval::{self, NotANumber};
use crate::models::artefact;

pub(super) fn run(
    job: &Job,
    device: Device,
    observe: &mut dyn FnMut(Event),
) -> Result<(), StageError> {
    let prepared = Prepared::load(need(job, "prepared")?)?;
    let scorer = artefact::load(need(job, "backbone")?, device)?;
    for part in [Part::Valid, Part::Test] {
        let lists = CandidateLists::load(need(job, "candidates")?, part)?;
        let count = |ranks: &Result<Ranks, NotANumber>| {
            ranks.as_ref().ok().map(|ranks| ranks.users.len() as u64)
        };
        let (ranks, mut phase) = timed("evaluate", count, || {
            let ranks = eval::ranks(scorer.as_ref(), &prepared, &lists);
            synchronise(device);
            ranks
        });
        ranks?.save(&job.output)?;
        // The validation pass comes first and warms up caches and kernels; the test pass is the one that counts.
        if part == Part::Valid {
            phase.phase = "evaluate_valid".to_owned();
        }
        phase.device_s = Some(phase.wall_s);
        observe(Event::Phase(phase));
    }
    Ok(())
}
