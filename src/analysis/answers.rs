//! Metrics of generated answers and of yes-or-no answers.

use super::stats::{auc, mean};
use crate::results::{MetricRow, Status, TextRow};
use allround_core::data::Likes;

/// A rule by which an answer counts, with its metric's name.
type Rule = (&'static str, fn(&TextRow) -> bool);

/// Audit metrics of the answers of a slice's users.
///
/// `exact`, `normalised` and `substring` are the shares of answers that name the target by that
/// rule. `valid` is the share that names a candidate, `several` the share that names more than one.
/// `position` is the mean position of the chosen candidates in their prompts, from 1.
pub fn metric_rows(blank: &MetricRow, answers: &[TextRow]) -> Vec<MetricRow> {
    let share = |is: fn(&TextRow) -> bool| {
        let hits = answers.iter().filter(|row| is(row)).count();
        (!answers.is_empty()).then(|| hits as f64 / answers.len() as f64)
    };
    let rules: [Rule; 5] = [
        ("exact", |row| row.exact),
        ("normalised", |row| row.normalised),
        ("substring", |row| row.substring),
        ("valid", |row| row.valid),
        ("several", |row| row.named > 1),
    ];
    let places: Vec<f64> = answers
        .iter()
        .filter_map(|row| row.position.map(f64::from))
        .collect();
    rules
        .into_iter()
        .map(|(name, is)| row(blank, name, share(is), answers.len()))
        .chain([row(blank, "position", mean(&places), places.len())])
        .collect()
}

/// The AUC over the pooled candidates of a slice's users: targets are positives, all other
/// candidates are negatives.
pub fn auc_row(blank: &MetricRow, likes: &Likes, mask: &[bool]) -> MetricRow {
    let users = likes.users.iter().enumerate();
    let sliced: Vec<usize> = users
        .filter(|(_, user)| mask[**user as usize])
        .map(|(at, _)| at)
        .collect();
    let positives: Vec<f64> = sliced.iter().map(|&at| likes.target[at]).collect();
    let negatives: Vec<f64> = sliced
        .iter()
        .flat_map(|&at| likes.others_of(at))
        .copied()
        .collect();
    row(blank, "auc", auc(&positives, &negatives), sliced.len())
}

fn row(blank: &MetricRow, metric: &str, value: Option<f64>, n_users: usize) -> MetricRow {
    MetricRow {
        metric: metric.to_owned(),
        value,
        n_users: Some(n_users as u64),
        status: match value {
            Some(_) => Status::Ok,
            None => Status::Empty,
        },
        ..blank.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use allround_core::data::Part;

    fn text(exact: bool, valid: bool) -> TextRow {
        TextRow {
            exact,
            valid,
            ..TextRow::default()
        }
    }

    #[test]
    fn each_rule_has_its_share_and_an_empty_slice_has_none() {
        let blank = MetricRow::default();
        let chosen = |position, named| TextRow {
            position: Some(position),
            named,
            ..text(position == 4, true)
        };
        let rows = metric_rows(
            &blank,
            &[
                chosen(4, 1),
                chosen(1, 2),
                text(false, false),
                text(false, false),
            ],
        );
        assert_eq!(rows.last().unwrap().n_users, Some(2));
        let shares: Vec<(&str, Option<f64>)> = rows
            .iter()
            .map(|row| (row.metric.as_str(), row.value))
            .collect();
        assert_eq!(
            shares,
            [
                ("exact", Some(0.25)),
                ("normalised", Some(0.0)),
                ("substring", Some(0.0)),
                ("valid", Some(0.5)),
                ("several", Some(0.25)),
                ("position", Some(2.5)),
            ]
        );
        assert!(
            metric_rows(&blank, &[])
                .iter()
                .all(|row| row.status == Status::Empty && row.value.is_none())
        );
    }

    #[test]
    fn the_auc_pools_the_users_of_the_slice() {
        let likes = Likes {
            part: Part::Test,
            users: vec![0, 1, 2],
            target: vec![0.9, 0.2, 0.0],
            others: vec![0.1, 0.1, 0.3, 0.3, 1.0, 1.0],
        };
        let row = auc_row(&MetricRow::default(), &likes, &[true, true, false]);
        assert_eq!(
            (row.metric.as_str(), row.value, row.n_users),
            ("auc", Some(0.75), Some(2))
        );
        let none = auc_row(&MetricRow::default(), &likes, &[false; 3]);
        assert_eq!((none.value, none.status), (None, Status::Empty));
    }
}
