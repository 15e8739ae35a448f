//! Sources, filters, splits, scenarios, candidates.
//!
//! Every source yields [`RawData`]; filters turn it into less of the same; the split turns it into a [`Prepared`] data
//! set, on which scenarios and candidate lists work. Item 0 is padding everywhere: items are numbered from 1.

pub mod answers;
pub mod arrays;
pub mod candidates;
pub mod error;
pub mod filter;
pub mod given;
pub mod prepared;
pub mod ranks;
pub mod raw;
pub mod scenario;
pub mod scores;
pub mod settings;
pub mod source;
pub mod split;
pub mod stats;

use std::path::Path;

pub use answers::{Answer, Answers, Likes};
pub use candidates::{CandidateLists, Part};
pub use error::DataError;
pub use prepared::{Item, Prepared};
pub use ranks::Ranks;
pub use raw::RawData;
pub use scores::Scores;
pub use settings::{DrawCandidates, Prepare};

use crate::event::{Counted, Event};
use crate::spec::config::dataset::Dataset;

/// Reads, filters and splits the data set of `settings`, and applies its scenario.
///
/// # Errors
/// When a source cannot be read, nothing is left after filtering, or the scenario asks for more users than there are.
pub fn prepare(
    settings: &Prepare,
    base: &Path,
    observe: &mut dyn FnMut(Event),
) -> Result<Prepared, DataError> {
    let mut load = |dataset: &Dataset| load(dataset, settings.limit, base, observe);
    let prepared = load(&settings.dataset)?;
    let target = settings.target.as_ref().map(&mut load).transpose()?;
    match &settings.scenario {
        None => Ok(prepared),
        Some(scenario) => scenario::apply(
            prepared,
            target,
            scenario,
            settings.seed.unwrap_or_default(),
        ),
    }
}

fn load(
    dataset: &Dataset,
    limit: Option<u64>,
    base: &Path,
    observe: &mut dyn FnMut(Event),
) -> Result<Prepared, DataError> {
    let mut raw = source::read(&dataset.source, base)?;
    for text in std::mem::take(&mut raw.read_as) {
        observe(Event::Note { text });
    }
    for note in std::mem::take(&mut raw.notes) {
        observe(Event::Counted(note));
    }
    for rule in &dataset.filter {
        let before = raw.user.len();
        filter::apply(&mut raw, rule);
        observe(Event::Counted(Counted {
            what: format!("interactions dropped by filter `{}`", filter::name(rule)),
            count: (before - raw.user.len()) as u64,
        }));
    }
    if let Some(limit) = limit {
        filter::first_users(&mut raw, limit);
    }
    if raw.user.is_empty() {
        return Err(DataError::new("no interaction is left after filtering")
            .hint("loosen the filters of this data set, or look at its file"));
    }
    let prepared = split::split(raw, &dataset.split)?;
    let short = (0..prepared.n_users()).filter(|&user| !prepared.measured[user]);
    observe(Event::Counted(Counted {
        what: "users without a test target (too few interactions)".to_owned(),
        count: short.count() as u64,
    }));
    Ok(prepared)
}
