//! The answer of an experiment in one line: which model leads on the main metric, and by how much.

use super::stats::Interval;
use super::summary::{Column, Place, Summary, SummaryRow, SummaryTable};
use allround_core::metric::Metric;

/// The model with the highest mean in the first wanted column.
#[derive(Clone, Debug, PartialEq)]
pub struct Headline {
    /// What the number is of.
    pub column: Column,
    /// Names of the models with the highest mean; several where they are equal.
    pub best: Vec<String>,
    /// The highest mean.
    pub mean: f64,
    /// Its interval; `None` where no interval is known.
    pub interval: Option<Interval>,
    /// The model that the best is compared with; `None` where there is no other.
    pub lead: Option<Lead>,
    /// Wanted columns in which one of `best` has the highest mean.
    pub columns_led: usize,
    /// Wanted columns with a number.
    pub columns: usize,
}

/// How far the best model is ahead of another.
#[derive(Clone, Debug, PartialEq)]
pub struct Lead {
    /// Name of the other model.
    pub over: String,
    /// Whether that is the baseline; else it is the second best.
    pub is_baseline: bool,
    /// Difference of the means.
    pub difference: f64,
    /// Whether the table has a star for it; `None` where nothing was tested.
    pub is_significant: Option<bool>,
}

/// What a headline is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// The metric.
    pub metric: Metric,
    /// Only this data set; empty: all.
    pub dataset: String,
    /// Only this scenario; empty: all.
    pub scenario: String,
    /// Model to compare with; empty: the second best.
    pub baseline: String,
}

impl Wanted {
    fn has(&self, column: &Column) -> bool {
        let is = |wanted: &str, name: &str| wanted.is_empty() || wanted == name;
        column.metric == self.metric
            && is(&self.dataset, &column.dataset)
            && is(&self.scenario, &column.scenario)
    }
}

/// The headline of a table; `None` where no wanted column has a number.
pub fn headline(table: &SummaryTable, wanted: &Wanted) -> Option<Headline> {
    let is_wanted = |at: &usize| wanted.has(&table.columns[*at]);
    let columns: Vec<usize> = (0..table.columns.len()).filter(is_wanted).collect();
    let has_best = |at: &&usize| best(table, **at).next().is_some();
    let first = *columns.iter().find(has_best)?;
    let names: Vec<String> = best(table, first).map(|row| row.name.clone()).collect();
    let leads = |at: &&usize| best(table, **at).any(|row| names.contains(&row.name));
    let summary = &best(table, first).next()?.summaries[first];
    Some(Headline {
        column: table.columns[first].clone(),
        mean: summary.mean?,
        interval: summary.interval,
        lead: match names.as_slice() {
            [only] => lead(table, first, only, &wanted.baseline),
            _ => None,
        },
        columns_led: columns.iter().filter(leads).count(),
        columns: columns.iter().filter(has_best).count(),
        best: names,
    })
}

fn best(table: &SummaryTable, at: usize) -> impl Iterator<Item = &SummaryRow> {
    with_place(table, at, Place::Best)
}

fn with_place(table: &SummaryTable, at: usize, place: Place) -> impl Iterator<Item = &SummaryRow> {
    let rows = table.rows.iter();
    rows.filter(move |row| row.summaries[at].place == place)
}

/// The lead over the baseline, or over the second best where the baseline itself is the best or has
/// no number.
fn lead(table: &SummaryTable, at: usize, best: &str, baseline: &str) -> Option<Lead> {
    let find = |name: &str| table.rows.iter().find(|row| row.name == name);
    let ours = &find(best)?.summaries[at];
    let base = find(baseline).filter(|row| row.name != best && row.summaries[at].mean.is_some());
    let other = base.or_else(|| with_place(table, at, Place::Second).next())?;
    let theirs = &other.summaries[at];
    let tested = |summary: &Summary, against: &str| {
        let found = summary.against.as_ref()?;
        let test = found.test.as_ref().filter(|_| found.baseline == against)?;
        Some(test.is_significant(table.alpha))
    };
    Some(Lead {
        over: other.name.clone(),
        is_baseline: base.is_some(),
        difference: ours.mean? - theirs.mean?,
        is_significant: tested(ours, &other.name).or_else(|| tested(theirs, best)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::summary::tests::table;

    fn of(baseline: &str) -> Headline {
        let wanted = Wanted {
            metric: Metric::Hit(1),
            dataset: String::new(),
            scenario: String::new(),
            baseline: baseline.to_owned(),
        };
        headline(&table(baseline), &wanted).unwrap()
    }

    #[test]
    fn the_best_model_is_compared_with_the_second_best_without_a_baseline() {
        let found = of("");
        assert_eq!((found.best, found.mean), (vec!["good".to_owned()], 0.8));
        assert_eq!((found.columns_led, found.columns), (1, 1));
        let lead = found.lead.unwrap();
        assert_eq!((lead.over.as_str(), lead.is_baseline), ("plain", false));
        assert!((lead.difference - 0.4).abs() < 1e-12);
        assert_eq!(lead.is_significant, Some(true));
    }

    #[test]
    fn it_is_compared_with_the_baseline_where_that_is_another_model() {
        let lead = of("broken").lead.unwrap();
        assert_eq!((lead.over.as_str(), lead.is_baseline), ("broken", true));
        assert_eq!(lead.is_significant, Some(true));
        // The baseline is the best itself: the test is that of the second best against it.
        let lead = of("good").lead.unwrap();
        assert_eq!((lead.over.as_str(), lead.is_baseline), ("plain", false));
        assert_eq!(lead.is_significant, Some(true));
    }
}
