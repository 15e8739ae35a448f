//! Filters, splits, scenarios, candidates.
//!
//! Every source yields [`RawData`], and filters drop some of it. The split turns it into a
//! [`Prepared`] data set, from which scenarios and candidate lists are made. Item 0 is always
//! padding: items are numbered from 1.

pub mod answers;
pub mod arrays;
pub mod candidates;
pub mod filter;
pub mod fusion;
pub mod genres;
pub mod given;
mod needs;
pub mod nobody;
pub mod prepared;
pub mod ranks;
#[cfg(test)]
mod real;
pub mod scenario;
pub mod scores;
pub mod split;
pub mod stats;

use std::path::Path;

pub use crate::models::stage::{DrawCandidates, Prepare, SliceUsers};
pub use crate::source::{DataError, RawData, raw};
pub use answers::{Answer, Answers, Likes};
pub use candidates::{CandidateLists, Part};
pub use genres::Genres;
pub use prepared::{Facts, Item, Prepared, Records};
pub use ranks::Ranks;
pub use raw::RecordCounts;
pub use scores::Scores;

use nobody::Step;

use crate::config::dataset::{Dataset, Split};
use crate::event::{Counted, Event};

/// Reads, filters and splits the data set of `settings`, and applies its scenario.
///
/// # Errors
/// When a source cannot be read, nothing is left after filtering, or the scenario needs more users
/// than there are.
pub fn prepare(
    settings: &Prepare,
    base: &Path,
    observe: &mut dyn FnMut(Event),
) -> Result<Prepared, DataError> {
    let mut load = |dataset: &Dataset| load(dataset, settings.limit, base, observe);
    let (prepared, mut steps) = load(&settings.dataset)?;
    let mut measured_set = &settings.dataset;
    let mut target = None;
    if let Some(dataset) = &settings.target {
        let (prepared, target_steps) = load(dataset)?;
        (measured_set, steps, target) = (dataset, target_steps, Some(prepared));
    }
    let mut prepared = match &settings.scenario {
        None => prepared,
        Some(scenario) => scenario::apply(
            prepared,
            target,
            scenario,
            settings.seed.unwrap_or_default(),
        )?,
    };
    prepared.facts.nobody = nobody::reason(
        &prepared,
        &steps,
        &measured_set.split,
        settings.scenario.as_ref(),
    );
    Ok(prepared)
}

fn load(
    dataset: &Dataset,
    limit: Option<u64>,
    base: &Path,
    observe: &mut dyn FnMut(Event),
) -> Result<(Prepared, Vec<Step>), DataError> {
    let mut raw = dataset.source.read(base)?;
    for text in std::mem::take(&mut raw.read_as) {
        observe(Event::Note { text });
    }
    needs::check(dataset, &raw)?;
    for note in std::mem::take(&mut raw.notes) {
        observe(Event::Counted(note));
    }
    let mut steps = vec![Step::new("the source", &raw)];
    for rule in &dataset.filter {
        let before = raw.user.len();
        filter::apply(&mut raw, rule);
        steps.push(Step::new(
            format!("the filter `{}`", filter::name(rule)),
            &raw,
        ));
        observe(Event::Counted(Counted {
            what: format!("interactions dropped by filter `{}`", filter::name(rule)),
            count: (before - raw.user.len()) as u64,
        }));
    }
    let repeated = filter::repeated(&raw);
    if repeated > 0 {
        observe(Event::Counted(Counted {
            what: "interactions that repeat the user, item and time of another one; `filter = [{ duplicates = { keep = \"first\" } }]` leaves them out".to_owned(),
            count: repeated,
        }));
    }
    if let Some(limit) = limit {
        filter::first_users(&mut raw, limit);
        steps.push(Step::new(format!("the limit of {limit} users"), &raw));
    }
    if raw.user.is_empty() {
        return Err(nobody::nothing_left(&steps));
    }
    let prepared = split::split(raw, &dataset.split)?;
    if dataset.split == (Split::Given {}) {
        let later = |user| {
            (prepared.items_of(user).len() as u64)
                .saturating_sub(u64::from(prepared.valid_end[user]) + 1)
        };
        observe(Event::Counted(Counted {
            what: "test rows after the first of their user, not measured".to_owned(),
            count: (0..prepared.n_users()).map(later).sum(),
        }));
    }
    let short = (0..prepared.n_users()).filter(|&user| !prepared.measured[user]);
    observe(Event::Counted(Counted {
        what: "users without a test target (too few interactions)".to_owned(),
        count: short.count() as u64,
    }));
    for records in &prepared.facts.records {
        // Reported during the run, since results contain only the counts.
        if records.doubt.is_some() {
            let texts = records.notes().into_iter();
            texts.for_each(|text| observe(Event::Remark { text }));
        }
    }
    Ok((prepared, steps))
}
