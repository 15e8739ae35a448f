//! `evaluate`: the rank of every measured user's target in one part of the split.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Instant;

use allround_core::data::{
    self, CandidateLists, Genres, Part, Prepared, Ranks, Scores, fusion, genres, given,
};
use allround_core::event::{Counted, Event, Phase, Progress};
use allround_core::fs;
use allround_core::models::llm_method::Inference;
use allround_core::stage::Job;
use allround_core::stage::{
    Evaluate, FusionRanking, GenreRule, GivenScores, LlmRanking, PromptedLlm, Ranking, TextRanking,
    source_role,
};
use tch::Device;

use super::encode_text::embeddings;
use super::prompted_lm::ProjectionInputs;
use super::report::{StageError, phase_of, timed};
use super::{need, prompted_lm, represent};
use crate::eval;
use crate::methods::project::Projections;
use crate::methods::prompted_lm::{ContextNeeds, PromptedLm};
use crate::methods::rank::{LlmRanker, RankedUsers, Reading};
use crate::models::text_similarity::TextSimilarity;
use crate::models::{Backbone, Scorer, artefact, weights};
use crate::torch_ext::memory;
use crate::torch_ext::timer::{Elapsed, Timer};
use crate::train::checkpoint::AT_MOST;

pub(super) fn run(
    job: &Job,
    settings: &Evaluate,
    device: Device,
    observe: &mut dyn FnMut(Event),
) -> Result<(), StageError> {
    let mut prepared = Prepared::load(need(job, "prepared")?)?;
    if let Some(folder) = job.needs.get("backbone") {
        prepared = artefact::with_rows(folder, prepared)?;
    }
    let lists = CandidateLists::load(need(job, "candidates")?, settings.part)?;
    let measured = Measured {
        prepared: &prepared,
        lists: &lists,
    };
    let keep = settings.keep_scores;
    match &settings.ranking {
        Ranking::Cf => {
            let scorer = artefact::load(need(job, "backbone")?, device)?;
            score(job, scorer.as_ref(), keep, measured, observe)
        }
        Ranking::Llm(answering) => ask(job, answering, keep, measured, device, observe),
        Ranking::Vectors(vectors) => represent::rank(job, vectors, keep, measured, device, observe),
        Ranking::Given(given) => read(job, given, keep, measured, observe),
        Ranking::Texts(texts) => compare(job, texts, keep, measured, device, observe),
        Ranking::Fusion(ranking) => fuse(job, ranking, keep, measured, observe),
        Ranking::Genres(rule) => answer_by_rule(job, *rule, measured, observe),
    }
}

/// What is ranked.
#[derive(Clone, Copy)]
pub(super) struct Measured<'a> {
    /// The data set.
    pub(super) prepared: &'a Prepared,
    /// Measured users with their candidates.
    pub(super) lists: &'a CandidateLists,
}

/// Users whose ranks are computed once beforehand, so that the timed pass finds caches and kernels
/// warm.
const WARM_UP: usize = 64;

/// What the pass over `part` is called: only that over the test counts as the cost of an
/// evaluation.
pub(super) fn phase_name(part: Part) -> &'static str {
    match part {
        Part::Valid => "evaluate_valid",
        Part::Test => "evaluate",
    }
}

/// The lists of the first `users` users.
fn first(lists: &CandidateLists, users: usize) -> CandidateLists {
    let users = users.min(lists.users.len());
    CandidateLists {
        users: lists.users[..users].to_vec(),
        targets: lists.targets[..users].to_vec(),
        negatives: lists.negatives[..users * lists.n.unwrap_or(0)].to_vec(),
        among: lists.among.clone(),
        ..*lists
    }
}

/// By the scores of a CF model, or of another model that scores items for histories.
fn score(
    job: &Job,
    scorer: &dyn Scorer,
    keep_scores: bool,
    measured: Measured<'_>,
    observe: &mut dyn FnMut(Event),
) -> Result<(), StageError> {
    let Measured { prepared, lists } = measured;
    scored(scorer, prepared, &first(lists, WARM_UP))?;
    let users = Some(lists.users.len() as u64);
    let (ranked, phase) = timed(
        phase_name(lists.part),
        Some(scorer.device()),
        |_| users,
        || kept(scorer, measured, keep_scores),
    );
    let (ranks, scores) = ranked?;
    ranks.save(&job.output)?;
    if let Some(scores) = scores {
        scores.save(&job.output)?;
    }
    observe(Event::Phase(phase));
    Ok(())
}

/// By the texts of candidates and history.
fn compare(
    job: &Job,
    settings: &TextRanking,
    keep_scores: bool,
    measured: Measured<'_>,
    device: Device,
    observe: &mut dyn FnMut(Event),
) -> Result<(), StageError> {
    let Measured { prepared, lists } = measured;
    let items = prepared.n_items();
    let scorer = TextSimilarity::new(embeddings(job, items, device)?, settings.last);
    let prepared = &prepared.clone().with_a_row_for_each_item();
    let measured = Measured { prepared, lists };
    score(job, &scorer, keep_scores, measured, observe)
}

/// By the scores of other evaluations. The phase has a separate name, since the models themselves
/// are evaluated in those.
fn fuse(
    job: &Job,
    settings: &FusionRanking,
    keep_scores: bool,
    measured: Measured<'_>,
    observe: &mut dyn FnMut(Event),
) -> Result<(), StageError> {
    let Measured { prepared, lists } = measured;
    let mut sources = Vec::new();
    while let Some(folder) = job.needs.get(&source_role(sources.len())) {
        let scores = Scores::load(folder, lists.part)?.ok_or_else(|| {
            let folder = folder.display();
            StageError::new(format!("`{folder}` holds no scores of candidates"))
                .with_hint("run the experiment again with this version of the program")
        })?;
        sources.push(scores);
    }
    let users = Some(lists.users.len() as u64);
    let (fused, phase) = timed(
        fused_phase_name(lists.part),
        None,
        |_| users,
        || fusion::fuse(settings, &sources, prepared, lists),
    );
    let fused = fused?;
    fused.ranks.save(&job.output)?;
    if keep_scores {
        fused.scores.save(&job.output)?;
    }
    observe(Event::Phase(phase));
    Ok(())
}

/// What the combination of other evaluations is called.
fn fused_phase_name(part: Part) -> &'static str {
    match part {
        Part::Valid => "fuse_valid",
        Part::Test => "fuse",
    }
}

/// By a rule that gives genres.
fn answer_by_rule(
    job: &Job,
    rule: GenreRule,
    measured: Measured<'_>,
    observe: &mut dyn FnMut(Event),
) -> Result<(), StageError> {
    let Measured { prepared, lists } = measured;
    let users = Some(lists.users.len() as u64);
    let (ranks, phase) = timed(
        phase_name(lists.part),
        None,
        |_| users,
        || genres::ranks(rule, prepared, lists),
    );
    ranks.save(&job.output)?;
    observe(Event::Phase(phase));
    Ok(())
}

/// By scores that another program has made. They cost nothing here, so that the phase is not an
/// evaluation's.
fn read(
    job: &Job,
    given: &GivenScores,
    keep_scores: bool,
    measured: Measured<'_>,
    observe: &mut dyn FnMut(Event),
) -> Result<(), StageError> {
    let Measured { prepared, lists } = measured;
    let path = job.base.join(&given.file);
    let planned = job.stage.inputs.get(&given.file);
    if planned != Some(&fs::digest(&path)?) {
        let what = format!("`{}` is not the file that was planned with", given.file);
        return Err(
            StageError::new(what).with_hint("it was changed since: run the experiment again")
        );
    }
    let settings = given::Settings {
        form: given.form,
        missing: given.missing,
        unknown: given.unknown,
        keep_scores,
    };
    let users = Some(lists.users.len() as u64);
    let (measured, phase) = timed(
        "read_scores",
        None,
        |_| users,
        || given::measure(&path, settings, prepared, lists),
    );
    let measured = measured?;
    measured.ranks.save(&job.output)?;
    if let Some(scores) = measured.scores {
        scores.save(&job.output)?;
    }
    observe(Event::Phase(phase));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    observe(Event::Remark {
        text: format!("scores from {name}, not computed here"),
    });
    for counted in measured.counted {
        observe(Event::Counted(counted));
    }
    Ok(())
}

/// The ranks, or where memory ran out how much was tried.
pub(super) fn scored(
    scorer: &dyn Scorer,
    prepared: &Prepared,
    lists: &CandidateLists,
) -> Result<Ranks, StageError> {
    Ok(kept(scorer, Measured { prepared, lists }, false)?.0)
}

/// The same, with the scores of the candidates where they are kept.
fn kept(
    scorer: &dyn Scorer,
    measured: Measured<'_>,
    keep_scores: bool,
) -> Result<(Ranks, Option<Scores>), StageError> {
    let Measured { prepared, lists } = measured;
    let together = eval::users_at_once(prepared, lists);
    let ranked = memory::caught(|| eval::ranked(scorer, prepared, lists, keep_scores));
    Ok(ranked.map_err(|message| {
        let when = format!("with up to {together} users computed together");
        StageError::memory(&when, &message, "rank fewer candidates")
    })??)
}

/// Reports items whose title exceeds the length of a generated answer.
fn report_unanswerable(
    prompted_lm: &PromptedLm,
    items: RangeInclusive<u32>,
    most: usize,
    observe: &mut dyn FnMut(Event),
) {
    // The end of text need not be written.
    let longer = |item: &u32| prompted_lm.encoder.answer(*item).len() - 1 > most;
    let count = items.filter(longer).count() as u64;
    if count > 0 {
        let what = format!("titles longer than the {most} tokens of a generated answer");
        observe(Event::Counted(Counted { what, count }));
    }
}

/// The question about genres: its prompt, and the data with genres after the items.
fn question(settings: &LlmRanking, prepared: &Prepared) -> (PromptedLlm, Prepared) {
    let genres = Genres::of(prepared);
    let mut llm = settings.llm.clone();
    llm.prompt.template = genres.fill(&llm.prompt.template);
    (llm, genres.after_items(prepared))
}

/// By a language model's answers.
fn ask(
    job: &Job,
    settings: &LlmRanking,
    keep_scores: bool,
    measured: Measured<'_>,
    device: Device,
    observe: &mut dyn FnMut(Event),
) -> Result<(), StageError> {
    let Measured { prepared, lists } = measured;
    let form = settings.tuned.as_ref().map(|tune| tune.form);
    let reading = Reading::of(settings.inference.as_ref(), form);
    let candidates = lists.n.map_or(0, |others| others + 1);
    let needs = match reading {
        Reading::YesNo => ContextNeeds::YesNo,
        Reading::Letters => ContextNeeds::Letters(candidates),
        Reading::Titles(inference) => ContextNeeds::List {
            candidates,
            answer: match inference {
                Inference::Generate { max_new_tokens, .. } => *max_new_tokens,
                Inference::Score { .. } | Inference::Constrained {} => 0,
            },
        },
    };
    let question = settings.genres.then(|| question(settings, prepared));
    let (llm, shown) = match &question {
        Some((llm, shown)) => (llm, shown),
        None => (&settings.llm, prepared),
    };
    let mut prompted_lm = prompted_lm::open(job, llm, shown, needs, device)?;
    if let Some(Inference::Generate { max_new_tokens, .. }) = &settings.inference {
        let first = if settings.genres {
            prepared.n_items() + 1
        } else {
            1
        };
        let titles = first as u32..=shown.n_items() as u32;
        report_unanswerable(&prompted_lm, titles, *max_new_tokens, observe);
    }
    prompted_lm::adapt(job, settings, &mut prompted_lm)?;
    let projected = projected(job, settings, prepared, &prompted_lm, device)?;
    let ranker = LlmRanker {
        prepared,
        prompted_lm: &prompted_lm,
        encoder: &prompted_lm.encoder,
        projected: projected
            .as_ref()
            .map(|(backbone, projections)| (backbone.as_ref(), projections)),
        reading,
        seed: settings.seed,
        token_budget: settings.token_budget,
        keep_scores,
    };
    let (answers, elapsed) = answered(&ranker, lists, device, &job.checkpoint, observe)?;
    let phase = Phase {
        examples: Some(lists.users.len() as u64),
        tokens: Some(answers.tokens),
        params: Some(prompted_lm.loaded.params()),
        ..phase_of(phase_name(lists.part), Some(device), elapsed)
    };
    answers.ranks.save(&job.output)?;
    if !answers.generated.is_empty() {
        let rows = answers.generated;
        data::Answers {
            part: lists.part,
            rows,
        }
        .save(&job.output)?;
    }
    if let Some(likes) = answers.likes {
        likes.save(&job.output)?;
    }
    if let Some(scores) = answers.scores {
        scores.save(&job.output)?;
    }
    observe(Event::Phase(phase));
    prompted_lm.encoder.report(observe);
    Ok(())
}

/// The ranks and their time, over all processes. A killed evaluation continues from folder `kept`.
/// If memory runs out, the error says how much was tried.
fn answered(
    ranker: &LlmRanker,
    lists: &CandidateLists,
    device: Device,
    kept: &Path,
    observe: &mut dyn FnMut(Event),
) -> Result<(RankedUsers, Elapsed), StageError> {
    let (start, mut elapsed) = ranker
        .go_on(kept, lists)
        .unwrap_or_else(|| (ranker.nothing(lists), Elapsed::default()));
    let (mut timer, mut saved) = (Timer::begin(device), Instant::now());
    let mut done = |answers: &RankedUsers| {
        observe(Event::Progress(Progress {
            phase: phase_name(lists.part).to_owned(),
            done: answers.ranks.ranks.len() as u64,
            total: Some(lists.users.len() as u64),
            unit: "users".to_owned(),
            remark: String::new(),
        }));
        if saved.elapsed() >= AT_MOST {
            elapsed += std::mem::replace(&mut timer, Timer::begin(device)).end();
            ranker.keep(kept, answers, elapsed)?;
            saved = Instant::now();
        }
        Ok(())
    };
    let answers = memory::caught(|| ranker.answer(lists, start, &mut done));
    elapsed += timer.end();
    let answers =
        answers.map_err(|message| prompted_lm::out_of_memory(ranker.token_budget, &message))??;
    Ok((answers, elapsed))
}

/// A frozen CF model with trained projections of its users and items.
type Projected = (Box<dyn Backbone>, Projections);

/// The projections and their CF model, if the method has projections.
fn projected(
    job: &Job,
    settings: &LlmRanking,
    prepared: &Prepared,
    prompted_lm: &PromptedLm,
    device: Device,
) -> Result<Option<Projected>, StageError> {
    let Some(folder) = job.needs.get("project") else {
        return Ok(None);
    };
    let backbone = artefact::load_backbone(need(job, "backbone")?, device)?;
    let project = prompted_lm::project_of(folder)?;
    let inputs = ProjectionInputs {
        settings: &settings.llm,
        project: &project,
        prepared,
        backbone: backbone.as_ref(),
        prompted_lm,
    };
    let projections = prompted_lm::projections(job, &inputs, device)?;
    let trained = weights::read_tensors(&folder.join(artefact::WEIGHTS))?;
    weights::fill(&projections.saved(), &trained)?;
    Ok(Some((backbone, projections)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::tests::data;
    use crate::train::cf::tests::Full;

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
