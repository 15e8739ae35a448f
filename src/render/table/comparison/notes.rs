//! The sentences below a comparison.

use super::{Seeds, View, measured_users};
use crate::analysis::FEWEST_STARRED;
use crate::analysis::summary::State;
use crate::experiment::config::outputs::{Axis, Shown};
use crate::render::style;
use allround_core::data::Part;

/// What the marks of a comparison mean, where letters can be bold and underlined.
pub const MARKS: &str = "best bold, second best underlined";
/// How the note on changes in smaller letters begins.
pub const IN_SMALL: &str = "In small:";

impl View<'_> {
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = vec![self.measured()];
        let baseline = self.context.label(Axis::Model, self.baseline);
        if self.shows(Shown::Change) && self.shows(Shown::Mean) && !baseline.is_empty() {
            notes.push(format!("{IN_SMALL} change against {baseline}."));
        }
        notes.extend(self.stars(baseline));
        notes.extend(self.method(baseline));
        notes.extend(self.chosen());
        notes.extend(self.table.coverage.absence());
        let mut summaries = self.table.rows.iter().flat_map(|row| &row.summaries);
        if summaries.any(|summary| summary.state == State::Partial) {
            let words = "Where seeds failed, the number is of the others; see the failures.";
            notes.push(words.to_owned());
        }
        notes
    }

    /// What a star means, and where there is none.
    fn stars(&self, baseline: &str) -> Vec<String> {
        let mut notes = Vec::new();
        let table = self.table;
        let mut summaries = table.rows.iter().flat_map(|row| &row.summaries);
        if summaries.any(|summary| self.is_starred(summary)) {
            let against = match (baseline, self.is_transposed) {
                ("", false) => "the second best of its column",
                ("", true) => "the second best of its row",
                (name, _) => name,
            };
            notes.push(format!(
                "* differs from {against} (paired randomisation test over users, two-sided, p < {} after Holm's adjustment over the {} tests of this table).",
                table.alpha, table.n_tests
            ));
        }
        let is_small = |column| measured_users(table, column).any(|n| n < FEWEST_STARRED as u64);
        let has_small = (0..table.columns.len()).any(is_small);
        if self.shows(Shown::Star) && table.n_tests > 0 && has_small {
            notes.push(format!(
                "No star where fewer than {FEWEST_STARRED} users are measured (n)."
            ));
        }
        notes
    }

    /// Which rows are of settings that were chosen by the users of this table.
    fn chosen(&self) -> Option<String> {
        let searches = &self.context.results.spec.search;
        let rows = self.table.rows.iter();
        let chosen = rows.filter(|row| searches.contains_key(&row.name));
        let labels = chosen.map(|row| self.context.label(Axis::Model, &row.name).to_owned());
        let labels: Vec<String> = labels.collect();
        let is_biased = self.table.part == Part::Valid && !labels.is_empty();
        is_biased.then(|| {
            format!(
                "Validation chose the settings of {}, so these numbers are too high; those of the test are not.",
                style::list(&labels)
            )
        })
    }

    /// How intervals and tests were computed. A paper's table shows no intervals, and its note on
    /// stars names the test.
    fn method(&self, baseline: &str) -> Option<String> {
        let table = self.table;
        if self.is_paper || table.method.is_empty() || table.coverage.is_none() {
            return None;
        }
        let named = format!("`{}`", self.baseline);
        let method = table.method.replace(&named, baseline).replace('`', "");
        let of_seeds = "Mean and standard deviation over seeds. ";
        let method = match self.seeds.most {
            1 => method.strip_prefix(of_seeds).unwrap_or(&method),
            _ => &method,
        };
        Some(method.to_owned())
    }

    /// What the numbers are, and of which data.
    fn measured(&self) -> String {
        let what = match (self.shows(Shown::Mean), self.shows(Shown::Deviation)) {
            (true, true) => "Mean ± standard deviation",
            (true, false) => "Mean",
            (false, _) => "Change of the mean against the baseline",
        };
        let Seeds { fewest, most } = self.seeds;
        let seeds = match (most, fewest < most) {
            (1, _) => "one seed".to_owned(),
            (most, false) => format!("{most} seeds"),
            (most, true) => format!("{most} seeds, fewer where a number is in brackets"),
        };
        let what = match most == 1 && self.shows(Shown::Mean) {
            true => "One seed".to_owned(),
            false => format!("{what} ({seeds})"),
        };
        let columns = 0..self.table.columns.len();
        let same_dataset = columns
            .clone()
            .all(|at| self.dataset(at) == self.dataset(0));
        let same_scenario = columns
            .clone()
            .all(|at| self.scenario(at) == self.scenario(0));
        let dataset = match same_dataset && !columns.is_empty() {
            true => format!(", data set {}", self.dataset(0)),
            false => String::new(),
        };
        let scenario = match same_scenario && !columns.is_empty() {
            true => format!(", scenario {}", self.scenario(0)),
            false => String::new(),
        };
        let split = match self.table.part {
            Part::Test => "",
            Part::Valid => ", validation split",
        };
        let protocol = &self.table.protocol;
        format!("{what}, protocol {protocol}{split}{dataset}{scenario}; {MARKS}.")
    }
}
