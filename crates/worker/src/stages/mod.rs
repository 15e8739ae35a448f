//! One file per stage kind: inputs are artefacts of earlier stages, the result is an artefact in
//! the job's output folder. [`run`] is the entry point.

mod align;
mod backbone;
mod candidates;
mod contrast;
mod encode_text;
mod evaluate;
mod prepare;
mod pretrain;
mod project;
mod prompted_lm;
mod recformer;
pub mod report;
mod represent;
mod saved_lm;
mod tune;
mod validation;

use std::path::Path;

use crate::torch_ext::device;
use crate::train::trainer::resumed;
use allround_core::event::{Event, PROTOCOL, Started};
use allround_core::program::Program;
use allround_core::stage::{Job, PretrainLm, Settings};
pub use report::StageError;
pub use saved_lm::save_opt;
use tch::Device;

/// Runs `pretrain-lm` on a device: the package `allround-small-lm` has this stage, which is apart
/// from everything else.
pub type Pretrain = fn(&Job, &PretrainLm, Device, &mut dyn FnMut(Event)) -> Result<(), StageError>;

/// Runs `job` and reports its events to `observe`; `pretrain` runs the stage `pretrain-lm`.
///
/// # Errors
/// When the stage cannot be done; the error says what is wrong and what to do.
pub fn run(
    job: &Job,
    pretrain: Pretrain,
    observe: &mut dyn FnMut(Event),
) -> Result<(), StageError> {
    let device = device::named(&job.device)?;
    tch::set_num_threads(i32::try_from(job.threads).unwrap_or(i32::MAX));
    // Sized once a process; a test that runs several stages keeps the first size.
    let _ = rayon::ThreadPoolBuilder::new()
        .num_threads(job.threads)
        .build_global();
    let settings = &job.stage.settings;
    let (resumed_epoch, resumed_step) = match settings {
        Settings::Backbone(_)
        | Settings::Contrast(_)
        | Settings::Pretrain(_)
        | Settings::PretrainLm(_)
        | Settings::Align(_)
        | Settings::Project(_)
        | Settings::Tune(_)
        | Settings::Represent(_) => resumed(&job.checkpoint),
        Settings::Prepare(_)
        | Settings::Candidates(_)
        | Settings::EncodeText(_)
        | Settings::Evaluate(_) => (0, 0),
    };
    observe(Event::Started(Started {
        device: job.device.clone(),
        device_name: report::device_name(device),
        libtorch: Some(device::LIBTORCH.to_owned()),
        threads: job.threads,
        resumed_epoch,
        resumed_step,
        protocol: PROTOCOL,
        program: Program::this(),
    }));
    let observe = &mut |event| observe(report::with_peaks(event, device));
    match settings {
        Settings::Prepare(settings) => prepare::run(job, settings, observe),
        Settings::Candidates(settings) => candidates::run(job, settings, observe),
        Settings::Backbone(settings) => backbone::run(job, settings, device, observe),
        Settings::EncodeText(settings) => encode_text::run(job, settings, device, observe),
        Settings::Contrast(settings) => contrast::run(job, settings, device, observe),
        Settings::Pretrain(settings) => pretrain::run(job, settings, device, observe),
        Settings::Align(settings) => align::run(job, settings, device, observe),
        Settings::Project(settings) => project::run(job, settings, device, observe),
        Settings::PretrainLm(settings) => pretrain(job, settings, device, observe),
        Settings::Tune(settings) => tune::run(job, settings, device, observe),
        Settings::Represent(settings) => represent::run(job, settings, device, observe),
        Settings::Evaluate(settings) => evaluate::run(job, settings, device, observe),
    }
}

/// The folder of what the stage needs in the role `role`.
///
/// # Errors
/// When the job names none.
pub fn need<'a>(job: &'a Job, role: &str) -> Result<&'a Path, StageError> {
    let folder = job.needs.get(role);
    folder
        .map(AsRef::as_ref)
        .ok_or_else(|| StageError::new(format!("the job names no `{role}`")))
}

#[cfg(test)]
mod tests;
