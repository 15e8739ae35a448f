//! `tune`: TALLRec. Leaves the adapters under peft's names.

use allround_core::data::Prepared;
use allround_core::event::Event;
use allround_core::models::allmrec::UserOrder;
use allround_core::models::llm_method::Targets;
use allround_core::models::tallrec::TallrecForm;
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
use crate::train::task::Task;
use crate::train::trainer::{self, Plan, no_validation};

pub(super) fn run(
    job: &Job,
    settings: &TrainTune,
    device: Device,
    observe: &mut dyn FnMut(Event),
) -> Result<(), StageError> {
    let prepared = Prepared::load(need(job, "prepared")?)?;
    let room = match settings.tune.form {
        TallrecForm::Title => reading::training_room(&settings.llm),
        TallrecForm::YesNo => Room::Question,
    };
    let mut reader = reading::reader(job, &settings.llm, (&prepared, room), device)?;
    tch::manual_seed(foreign(settings.seed, Stream::Init, STAGE));
    reader.opened.lm.add_lora(&settings.tune.lora)?;
    reader.opened.lm.set_train(true);
    let wanted = Wanted {
        targets: Targets::Last,
        one_item: settings.tune.one_item,
        order: UserOrder::Shuffled,
    };
    let sequences = Sequences::of(&prepared, wanted);
    sequences.tell("tune", observe);
    let tuning = Tuning::new(settings, &prepared, &sequences, &reader);
    let plan = Plan {
        train: &settings.tune.train,
        seed: settings.seed,
        stage: STAGE,
        checkpoint: &job.checkpoint,
        checkpoint_every: job.checkpoint_every,
    };
    for phase in trainer::train(&plan, &tuning, &mut no_validation, observe)? {
        observe(Event::Phase(phase));
    }
    reader.tell(observe);
    weights::write(&job.output.join(artefact::WEIGHTS), &tuning.weights())?;
    let text = serde_json::to_vec_pretty(settings).expect("settings are plain data");
    Ok(allround_core::fs::write_atomic(
        &job.output.join(artefact::DESCRIPTION),
        &text,
    )?)
}
