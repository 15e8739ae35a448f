//! Places of the rows in a column, and which rows are compared.

use super::table::{Place, SummaryRow, SummaryTable};

/// The place of each row in column `at`.
pub(super) fn places(table: &SummaryTable, at: usize) -> Vec<Place> {
    let ranked = |row: &SummaryRow| {
        let mean = row.summaries[at].mean.filter(|_| row.is_ranked);
        mean.map(rounded)
    };
    let means: Vec<Option<f64>> = table.rows.iter().map(ranked).collect();
    let largest = |below: f64| {
        means
            .iter()
            .flatten()
            .copied()
            .filter(|mean| *mean < below)
            .max_by(f64::total_cmp)
    };
    let best = largest(f64::INFINITY);
    let second = best.and_then(largest);
    let place = |mean: &Option<f64>| match mean {
        None => Place::Other,
        mean if *mean == best => Place::Best,
        mean if *mean == second => Place::Second,
        Some(_) => Place::Other,
    };
    means.iter().map(place).collect()
}

/// A mean without its last bits, which depend on the order of summation.
fn rounded(mean: f64) -> f64 {
    format!("{mean:.12e}").parse().unwrap_or(mean)
}

/// The compared rows of column `at`: each row with its baseline.
pub(super) fn opponents(
    table: &SummaryTable,
    at: usize,
    places: &[Place],
    baseline: &str,
) -> Vec<(usize, usize)> {
    let is_there = |row: &usize| {
        let row = &table.rows[*row];
        row.summaries[at].mean.is_some() && row.is_ranked
    };
    let rows = 0..table.rows.len();
    if baseline.is_empty() {
        let at_place = |wanted| places.iter().position(|place| *place == wanted);
        return at_place(Place::Best)
            .zip(at_place(Place::Second))
            .into_iter()
            .collect();
    }
    match rows.clone().find(|row| table.rows[*row].name == baseline) {
        Some(base) if is_there(&base) => rows
            .filter(|row| *row != base && is_there(row))
            .map(|row| (row, base))
            .collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_that_differ_by_the_order_of_summation_share_a_place() {
        let (one, other) = (
            (1.0 / 12.0 + 4.0 / 12.0 + 3.0 / 12.0) / 3.0,
            (3.0 / 12.0 + 5.0 / 12.0) / 3.0,
        );
        assert_eq!(rounded(one), rounded(other));
        assert_ne!(rounded(0.25), rounded(0.250_000_1));
    }
}
