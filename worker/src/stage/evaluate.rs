//! `evaluate`: the rank of every measured user's target; by a CF model's scores for validation as well.

use std::path::Path;
use std::time::Instant;

use allround::data::{self, CandidateLists, Part, Prepared, Ranks};
use allround::event::{Counted, Event, Phase, Progress};
use allround::plan::Job;
use allround::plan::stage::{Answering, Evaluate};
use allround::spec::config::method::{Inference, TallrecForm};
use tch::Device;

use super::report::{StageError, phase_of, timed};
use super::{need, reading};
use crate::eval;
use crate::methods::answer::{Answerer, Answers, USERS_AT_ONCE};
use crate::methods::project::Projections;
use crate::methods::reader::{Reader, Room};
use crate::models::{Backbone, Scorer, artefact, weights};
use crate::torch_ext::memory;
use crate::torch_ext::region::{Region, Took};
use crate::train::checkpoint::AT_MOST;

pub(super) fn run(
    job: &Job,
    settings: &Evaluate,
    device: Device,
    observe: &mut dyn FnMut(Event),
) -> Result<(), StageError> {
    let prepared = Prepared::load(need(job, "prepared")?)?;
    match &settings.answering {
        Some(answering) => ask(job, answering, &prepared, device, observe),
        None => score(job, &prepared, device, observe),
    }
}

/// The validation pass comes first and warms up caches and kernels; the test pass is the one that counts.
fn tell(mut phase: Phase, part: Part, observe: &mut dyn FnMut(Event)) {
    if part == Part::Valid {
        phase.phase = "evaluate_valid".to_owned();
    }
    observe(Event::Phase(phase));
}

/// By a CF model's scores.
fn score(
    job: &Job,
    prepared: &Prepared,
    device: Device,
    observe: &mut dyn FnMut(Event),
) -> Result<(), StageError> {
    let scorer = artefact::load(need(job, "backbone")?, device)?;
    for part in [Part::Valid, Part::Test] {
        let lists = CandidateLists::load(need(job, "candidates")?, part)?;
        let count = |ranks: &Result<Ranks, StageError>| {
            ranks.as_ref().ok().map(|ranks| ranks.users.len() as u64)
        };
        let (ranks, phase) = timed("evaluate", Some(device), count, || {
            scored(scorer.as_ref(), prepared, &lists)
        });
        ranks?.save(&job.output)?;
        tell(phase, part, observe);
    }
    Ok(())
}

/// The ranks, or where memory ran out how much was tried.
pub(super) fn scored(
    scorer: &dyn Scorer,
    prepared: &Prepared,
    lists: &CandidateLists,
) -> Result<Ranks, StageError> {
    let together = eval::users_at_once(prepared, lists);
    let ranks = memory::caught(|| eval::ranks(scorer, prepared, lists));
    Ok(ranks.map_err(|told| {
        let when = format!("with up to {together} users computed together");
        StageError::memory(&when, &told, "rank fewer candidates")
    })??)
}

/// Tells how many of so many items have a title of more tokens than a generated answer may have.
fn tell_unanswerable(
    reader: &Reader,
    (items, most): (usize, usize),
    observe: &mut dyn FnMut(Event),
) {
    // The end of text need not be written.
    let longer = |item: &u32| reader.answer(*item).len() - 1 > most;
    let count = (1..=items as u32).filter(longer).count() as u64;
    if count > 0 {
        let what = format!("titles longer than the {most} tokens of a generated answer");
        observe(Event::Counted(Counted { what, count }));
    }
}

/// By a language model's answers, for the test alone: nothing reads those for validation, and they cost minutes.
fn ask(
    job: &Job,
    settings: &Answering,
    prepared: &Prepared,
    device: Device,
    observe: &mut dyn FnMut(Event),
) -> Result<(), StageError> {
    let part = Part::Test;
    let lists = CandidateLists::load(need(job, "candidates")?, part)?;
    let room = match settings.tuned {
        Some((TallrecForm::YesNo, _)) => Room::Question,
        _ => Room::List {
            candidates: lists.n.map_or(0, |others| others + 1),
            answer: match settings.inference {
                Inference::Generate { max_new_tokens, .. } => max_new_tokens,
                _ => 0,
            },
        },
    };
    let mut reader = reading::reader(job, &settings.reader, (prepared, room), device)?;
    if let (Room::List { .. }, Inference::Generate { max_new_tokens, .. }) =
        (room, &settings.inference)
    {
        tell_unanswerable(&reader, (prepared.n_items(), *max_new_tokens), observe);
    }
    if settings.tuned.is_some() {
        reading::adapt(job, settings, &mut reader)?;
    }
    let projected = projected(job, settings, (prepared, &reader), device)?;
    let answerer = Answerer {
        prepared,
        reader: &reader,
        projected: projected
            .as_ref()
            .map(|(backbone, projections)| (backbone.as_ref(), projections)),
        inference: &settings.inference,
        form: settings.tuned.as_ref().map(|(form, _)| *form),
        seed: settings.seed,
        token_budget: settings.token_budget,
    };
    let (answers, took) = answered(&answerer, &lists, (device, &job.checkpoint), observe)?;
    let phase = Phase {
        examples: Some(lists.users.len() as u64),
        tokens: Some(answers.tokens),
        params: Some(reader.opened.params()),
        ..phase_of("evaluate", Some(device), took)
    };
    answers.ranks.save(&job.output)?;
    if !answers.generated.is_empty() {
        let rows = answers.generated;
        data::Answers { part, rows }.save(&job.output)?;
    }
    if let Some(likes) = answers.likes {
        likes.save(&job.output)?;
    }
    tell(phase, part, observe);
    reader.tell(observe);
    Ok(())
}

/// The answers and what they took, in all processes; they go on where a killed one has left them in folder `kept`. Where memory
/// runs out, how much was tried.
fn answered(
    answerer: &Answerer,
    lists: &CandidateLists,
    (device, kept): (Device, &Path),
    observe: &mut dyn FnMut(Event),
) -> Result<(Answers, Took), StageError> {
    let (start, mut took) = answerer
        .go_on(kept, lists)
        .unwrap_or_else(|| (answerer.nothing(lists), Took::default()));
    let (mut region, mut saved) = (Region::begin(device), Instant::now());
    let mut done = |answers: &Answers| {
        observe(Event::Progress(Progress {
            phase: "evaluate".to_owned(),
            done: answers.ranks.ranks.len() as u64,
            total: Some(lists.users.len() as u64),
            unit: "users".to_owned(),
            remark: String::new(),
        }));
        if saved.elapsed() >= AT_MOST {
            took += std::mem::replace(&mut region, Region::begin(device)).end();
            answerer.keep(kept, answers, took)?;
            saved = Instant::now();
        }
        Ok(())
    };
    let answers = memory::caught(|| answerer.answer(lists, start, &mut done));
    took += region.end();
    let answers = answers.map_err(|told| {
        let budget = answerer.token_budget;
        let when =
            format!("with up to {budget} prompt tokens of {USERS_AT_ONCE} users computed together");
        StageError::memory(&when, &told, "lower `run.answer_token_budget`")
    })??;
    Ok((answers, took))
}

/// A frozen CF model with trained projections of its users and items.
type Projected = (Box<dyn Backbone>, Projections);

/// They, where the method has them.
fn projected(
    job: &Job,
    settings: &Answering,
    (prepared, reader): (&Prepared, &Reader),
    device: Device,
) -> Result<Option<Projected>, StageError> {
    let Some(folder) = job.needs.get("project") else {
        return Ok(None);
    };
    let backbone = artefact::load_backbone(need(job, "backbone")?, device)?;
    let from = (prepared, backbone.as_ref(), reader);
    let depth = reading::hidden_layers(folder)?;
    let projections = reading::projections(job, (&settings.reader, depth), from, device)?;
    let trained = weights::read_tensors(&folder.join(artefact::WEIGHTS))?;
    weights::fill(&projections.saved(), &trained)?;
    Ok(Some((backbone, projections)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::tests::data;
    use crate::train::run::tests::Full;

    #[test]
    fn memory_that_runs_out_is_told_with_the_users_tried_and_advice() {
        let prepared = data();
        let lists = eval::full_lists(&prepared, Part::Test);
        let failure = scored(&Full, &prepared, &lists).unwrap_err().failure();
        assert_eq!(
            failure.error,
            "memory ran out with up to 2048 users computed together: CUDA out of memory."
        );
        assert!(failure.hint.is_some());
    }
}
