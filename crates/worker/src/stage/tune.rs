//! `tune`: TALLRec. Leaves the adapters under peft's names.

use allround_core::config::method::TallrecForm;
use allround_core::config::method::{Targets, UserOrder};
use allround_core::data::Prepared;
use allround_core::event::Event;
use allround_core::seed::{Stream, foreign};
use allround_core::stage::Job;
use allround_core::stage::TrainTune;
use tch::Device;

use super::report::StageError;
use super::{need, reading};
use crate::methods::reader::Room;
use crate::methods::sequences::{Sequences, Wanted};
use crate::methods::tune::{STAGE, Tuning};
use crate::models::{artefact, weights};
use crate::train::fit::{self, FitPlan, Task};

pub(super) fn run(
    job: &Job,
    settings: &TrainTune,
    device: Device,
    observe: &mut dyn FnMut(Event),
) -> Result<(), StageError> {
    let prepared = Prepared::load(need(job, "prepared")?)?;
    let room = match settings.form {
        TallrecForm::Title => reading::training_room(&settings.reader),
        TallrecForm::YesNo => Room::Question,
    };
    let mut reader = reading::reader(job, &settings.reader, (&prepared, room), device)?;
    tch::manual_seed(foreign(settings.seed, Stream::Init, STAGE));
    reader
        .opened
        .lm
        .add_lora(&reading::lora_settings(&settings.lora))?;
    reader.opened.lm.set_train(true);
    let wanted = Wanted {
        targets: Targets::Last,
        one_item: settings.one_item,
        order: UserOrder::Shuffled,
    };
    let sequences = Sequences::of(&prepared, wanted);
    sequences.tell("tune", observe);
    let tuning = Tuning::new(settings, &prepared, &sequences, &reader);
    let plan = FitPlan {
        fit: &settings.train,
        seed: settings.seed,
        stage: STAGE,
        checkpoint: &job.checkpoint,
        checkpoint_every: job.checkpoint_every,
    };
    let phase = fit::fit(&plan, &tuning, observe)?;
    observe(Event::Phase(phase));
    reader.tell(observe);
    weights::write(&job.output.join(artefact::WEIGHTS), &tuning.weights())?;
    let text = serde_json::to_vec_pretty(settings).expect("settings are plain data");
    Ok(allround_core::fs::write_atomic(
        &job.output.join(artefact::DESCRIPTION),
        &text,
    )?)
}
