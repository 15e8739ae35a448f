//! Validation within training: whose targets are ranked among which candidates.

use std::collections::{BTreeMap, HashMap};

use allround_core::config::protocol::{Candidates, Rules, Ties};
use allround_core::data::{
    CandidateLists, DataError, DrawCandidates, Part, Prepared, SliceUsers, candidates,
};
use allround_core::event::{Event, Progress};
use allround_core::metric::Metric;
use allround_core::models::TuneForm;
use allround_core::models::llm_method::Validation;
use allround_core::stage::ValidationRanking;

use super::evaluate::scored;
use super::prompted_lm::out_of_memory;
use super::report::StageError;
use crate::eval;
use crate::methods::project::Projections;
use crate::methods::prompted_lm::{PromptEncoder, PromptedLm, PromptedLmError};
use crate::methods::rank::{LlmRanker, RankedUsers, Reading};
use crate::methods::represent::{Represents, VectorTable, Vectors, ranked_items};
use crate::models::Backbone;
use crate::torch_ext::memory;

/// Log-likelihoods of items' titles without a user.
type Likelihoods = HashMap<u32, f64>;

/// What validation ranks.
pub(super) struct ListSettings<'a> {
    /// The candidates.
    pub(super) candidates: Candidates,
    /// Most users; 0: all.
    pub(super) max_users: u64,
    /// Whether each user of the data set is trained on. Cold users and those of a target domain
    /// have no say in when to stop.
    pub(super) trained: &'a [bool],
    /// The cell's seed.
    pub(super) seed: u64,
}

/// The lists of the validation targets of users of a training.
pub(super) fn lists(
    prepared: &Prepared,
    settings: ListSettings<'_>,
) -> Result<CandidateLists, DataError> {
    let mut prepared = prepared.clone();
    prepared.measured = settings.trained.to_vec();
    prepared.in_candidates.clone_from(&prepared.in_training);
    let draw = DrawCandidates {
        candidates: settings.candidates,
        rules: Rules::Strict,
        ties: Ties::Half,
        class: None,
        max_users: settings.max_users,
        slices: SliceUsers::default(),
        seed: settings.seed,
    };
    candidates::draw(&prepared, &draw, Part::Valid)
}

/// What the validation of an LLM method reads.
#[derive(Clone, Copy)]
pub(super) struct ValidationInputs<'a> {
    /// Users, candidates and metric.
    pub(super) settings: &'a Validation,
    /// How a language model ranks; `None` without validation.
    pub(super) ranking: Option<&'a ValidationRanking>,
    /// The data set.
    pub(super) prepared: &'a Prepared,
    /// The language model.
    pub(super) prompted_lm: &'a PromptedLm,
    /// The form of its adapters; `None` where it is frozen.
    pub(super) form: Option<TuneForm>,
    /// The cell's seed.
    pub(super) seed: u64,
    /// Dotted key of the settings.
    pub(super) key: &'static str,
}

/// Validation of an LLM method while it is trained.
pub(super) struct LlmValidation<'a> {
    inputs: ValidationInputs<'a>,
    ranking: &'a ValidationRanking,
    lists: CandidateLists,
    /// Prompts of validation do not count among those of training that were shortened.
    encoder: PromptEncoder,
    /// Likelihoods of titles without a user, where the language model stays as it is.
    likelihoods: Option<Likelihoods>,
}

impl<'a> LlmValidation<'a> {
    /// Draws users and candidates; `None` without validation.
    pub(super) fn new(inputs: ValidationInputs<'a>) -> Result<Option<Self>, StageError> {
        let Some(ranking) = inputs.ranking else {
            return Ok(None);
        };
        let ValidationInputs {
            settings,
            prepared,
            seed,
            key,
            ..
        } = inputs;
        let wanted = ListSettings {
            candidates: settings.candidates.clone(),
            max_users: settings.users,
            trained: &prepared.aligned,
            seed,
        };
        let lists = lists(prepared, wanted);
        let lists = lists.map_err(|error| {
            StageError::from(error).within(&format!("the lists of `{key}.candidates`"))
        })?;
        if lists.users.is_empty() {
            let message = format!(
                "`{key}` has no user to validate on: no training user has an item in the validation part"
            );
            let remedy =
                "train without validation (`every = 0`), or split so that validation has a share";
            return Err(StageError::new(message).with_hint(remedy));
        }
        Ok(Some(Self {
            encoder: inputs.prompted_lm.encoder.with_own_count(),
            inputs,
            ranking,
            lists,
            likelihoods: None,
        }))
    }

    /// The level of the frozen CF model on the same users and candidates.
    pub(super) fn reference(&self, backbone: &dyn Backbone) -> Result<Event, StageError> {
        let ranks = scored(backbone, self.inputs.prepared, &self.lists)?;
        let metrics = eval::means(&ranks, &self.inputs.settings.metrics());
        Ok(Event::Reference { metrics })
    }

    /// The metrics of a language model with projections and adapters as they are.
    pub(super) fn of_projections(
        &mut self,
        backbone: &dyn Backbone,
        projections: &Projections,
        observe: &mut dyn FnMut(Event),
    ) -> Result<BTreeMap<Metric, f64>, StageError> {
        let lm = self.inputs.prompted_lm.lm();
        let is_tuned = !lm.trained().is_empty();
        lm.set_train(false);
        let known = self.likelihoods.take();
        let found = self.metrics(Some((backbone, projections)), known, observe);
        lm.set_train(is_tuned);
        let (metrics, known) = found?;
        // With adapters, likelihoods are others after every step.
        self.likelihoods = (!is_tuned).then_some(known);
        Ok(metrics)
    }

    /// The metrics of a language model with adapters as they are.
    pub(super) fn of_adapters(
        &self,
        observe: &mut dyn FnMut(Event),
    ) -> Result<BTreeMap<Metric, f64>, StageError> {
        let lm = self.inputs.prompted_lm.lm();
        lm.set_train(false);
        let metrics = self.metrics(None, None, observe);
        lm.set_train(true);
        Ok(metrics?.0)
    }

    /// The metrics of vectors as they are, without dropout. `rows` is the data set with a row for
    /// each item.
    pub(super) fn of_vectors(
        &self,
        representer: &dyn Represents,
        rows: &Prepared,
        observe: &mut dyn FnMut(Event),
    ) -> Result<BTreeMap<Metric, f64>, StageError> {
        let lm = self.inputs.prompted_lm.lm();
        lm.set_train(false);
        let metrics = self.ranked_vectors(representer, rows, observe);
        lm.set_train(true);
        metrics
    }

    fn ranked_vectors(
        &self,
        representer: &dyn Represents,
        rows: &Prepared,
        observe: &mut dyn FnMut(Event),
    ) -> Result<BTreeMap<Metric, f64>, StageError> {
        let vectors = Vectors {
            representer,
            prompted_lm: self.inputs.prompted_lm,
            encoder: &self.encoder,
            token_budget: self.ranking.token_budget,
        };
        let (lists, total) = (&self.lists, self.lists.users.len() as u64);
        let items = ranked_items(lists, rows);
        let mut done = |users: usize| {
            observe(Event::Progress(Progress {
                phase: "validate".to_owned(),
                done: users as u64,
                total: Some(total),
                unit: "users".to_owned(),
                remark: String::new(),
            }));
        };
        let table = memory::caught(|| {
            let items = vectors.of_items(rows, &items, &mut |_| {})?;
            let users = vectors.of_users(rows, lists, &mut done)?;
            Ok::<_, PromptedLmError>(VectorTable::new(lists, users.rows, items.rows))
        });
        let table =
            table.map_err(|message| out_of_memory(self.ranking.token_budget, &message))??;
        let ranks = scored(&table, rows, lists)?;
        Ok(eval::means(&ranks, &self.inputs.settings.metrics()))
    }

    /// The metrics, and the likelihoods of titles without a user.
    fn metrics(
        &self,
        projected: Option<(&dyn Backbone, &Projections)>,
        known: Option<Likelihoods>,
        observe: &mut dyn FnMut(Event),
    ) -> Result<(BTreeMap<Metric, f64>, Likelihoods), StageError> {
        let ranker = LlmRanker {
            prepared: self.inputs.prepared,
            prompted_lm: self.inputs.prompted_lm,
            encoder: &self.encoder,
            projected,
            reading: Reading::of(self.ranking.inference.as_ref(), self.inputs.form),
            seed: self.inputs.seed,
            token_budget: self.ranking.token_budget,
            keep_scores: false,
        };
        let total = self.lists.users.len() as u64;
        let mut done = |answers: &RankedUsers| {
            observe(Event::Progress(Progress {
                phase: "validate".to_owned(),
                done: answers.ranks.ranks.len() as u64,
                total: Some(total),
                unit: "users".to_owned(),
                remark: String::new(),
            }));
            Ok(())
        };
        let ranked = memory::caught(|| {
            let mut answers = ranker.nothing(&self.lists);
            let known = known.unwrap_or_else(|| ranker.without_history(&self.lists, &mut answers));
            let answers = ranker.answer_given(&self.lists, &known, answers, &mut done);
            answers.map(|answers| (answers, known))
        });
        let ranked = ranked.map_err(|message| out_of_memory(self.ranking.token_budget, &message));
        let (answers, known) = ranked??;
        let metrics = eval::means(&answers.ranks, &self.inputs.settings.metrics());
        Ok((metrics, known))
    }
}
