//! Why no user is measured: which filter, split or scenario leaves no user.

use super::{DataError, Prepared, RawData, stats};
use crate::config::Scenario;
use crate::config::dataset::Split;
use crate::config::scenario::FewShotUsers;

/// Minimum number of interactions of a user that `leave_one_out` measures.
pub const LEAVE_ONE_OUT: u64 = 3;

/// What is left after one step from the files to the split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Name of the step, such as "the filter `rating`".
    name: String,
    /// Number of users with an interaction.
    users: u64,
    /// Number of interactions.
    interactions: u64,
    /// Maximum number of interactions of a user.
    longest: u64,
}

impl Step {
    /// Counts `raw` after the step `name`.
    pub fn new(name: impl Into<String>, raw: &RawData) -> Self {
        let mut lengths = vec![0_u64; raw.users.len()];
        for &user in &raw.user {
            lengths[user as usize] += 1;
        }
        Self {
            name: name.into(),
            users: lengths.iter().filter(|&&length| length > 0).count() as u64,
            interactions: raw.user.len() as u64,
            longest: lengths.iter().copied().max().unwrap_or_default(),
        }
    }
}

/// The error of a data set in which nothing is left.
pub fn nothing_left(steps: &[Step]) -> DataError {
    let culprit = steps.iter().position(|step| step.interactions == 0);
    let pair = culprit.and_then(|at| Some((steps.get(at.checked_sub(1)?)?, &steps[at])));
    let what = match pair {
        Some((before, step)) => format!(
            "no interaction is left after filtering: {} drops all {} interactions",
            step.name, before.interactions
        ),
        None => "no interaction is left after filtering".to_owned(),
    };
    DataError::new(what).hint("loosen the filters of this data set, or look at its file")
}

/// Why no user of `data` is measured; `None` where some users are. `steps` and `split` are those of
/// the measured data set, and `scenario` is the one that `data` was made with.
pub fn reason(
    data: &Prepared,
    steps: &[Step],
    split: &Split,
    scenario: Option<&Scenario>,
) -> Option<String> {
    if (0..data.n_users()).any(|user| stats::is_measured(data, user)) {
        return None;
    }
    Some(match scenario {
        Some(Scenario::ColdUsers { length, .. }) => {
            format!("no user has exactly {length} interactions, as `cold_users` with `length = {length}` needs")
        }
        Some(Scenario::FewShot { evaluate, .. }) => match evaluate {
            _ if steps.last().is_some_and(|last| last.longest < LEAVE_ONE_OUT) => {
                of_split(steps, split)?
            }
            FewShotUsers::Others => {
                "`few_shot` trains on every user with a test target, so that `evaluate = \"others\"` leaves no user".to_owned()
            }
            FewShotUsers::All | FewShotUsers::Training => {
                "no user whom `few_shot` trains on has a test target".to_owned()
            }
        },
        Some(Scenario::CrossDomain { .. }) => match of_split(steps, split) {
            Some(reason) => format!("in the target data set {reason}"),
            None => "the target data set has no test target".to_owned(),
        },
        Some(
            Scenario::Overall {}
            | Scenario::ColdItems(_)
            | Scenario::WarmItems(_)
            | Scenario::RepeatTargets {}
            | Scenario::NewTargets {}
            | Scenario::ShuffledHistories { .. },
        )
        | None => of_split(steps, split).unwrap_or_else(|| "no user has a test target".to_owned()),
    })
}

/// Why a split gives no user a test target; `None` if it gives one to some users.
fn of_split(steps: &[Step], split: &Split) -> Option<String> {
    let last = steps.last()?;
    match split {
        Split::LeaveOneOut {} => {
            if last.longest >= LEAVE_ONE_OUT {
                return None;
            }
            let needs = format!("`leave_one_out` needs {LEAVE_ONE_OUT}");
            let at = steps.iter().position(|step| step.longest < LEAVE_ONE_OUT)?;
            let step = &steps[at];
            let left = match step.longest {
                1 => format!("every one of the {} users has 1 interaction", step.users),
                n => format!("none of the {} users has more than {n} interactions", step.users),
            };
            Some(match at.checked_sub(1).map(|before| &steps[before]) {
                None => format!("{left}; {needs}"),
                Some(before) => format!(
                    "after {} {left} (up to {} before); {needs}",
                    step.name, before.longest
                ),
            })
        }
        Split::Given {} => Some("no row of the test file is left".to_owned()),
        Split::GlobalTime { .. } => Some(
            "no interaction lies in the test part of `global_time`; lower `train_share` or `valid_share`".to_owned(),
        ),
    }
}

/// The error of candidate lists without users. `class` is the scenario whose class of items they
/// are drawn for.
pub fn refusal(data: &Prepared, class: Option<&Scenario>) -> DataError {
    let why = match (&data.facts.nobody, class) {
        (Some(why), _) => why.clone(),
        (None, Some(class)) => of_slice(class, stats::counts(data).measured_users),
        (None, None) => "no measured user has candidates".to_owned(),
    };
    DataError::new(format!("no user is measured: {why}")).hint(
        "loosen the filters, choose another split or scenario, or read the file with every interaction",
    )
}

/// Why none of the `measured` users of `data` is in a scenario that selects users by their targets.
pub fn of_slice(scenario: &Scenario, measured: u64) -> String {
    let among = |kind: &str, share: f64| {
        format!(
            "none of the {measured} measured users has a target among the {kind} items (`{kind}_items` with `share = {share}`)"
        )
    };
    match scenario {
        Scenario::ColdItems(share) => among("cold", share.share),
        Scenario::WarmItems(share) => among("warm", share.share),
        Scenario::RepeatTargets {} => format!(
            "none of the {measured} measured users has a target that is in the user's history (`repeat_targets`)"
        ),
        Scenario::NewTargets {} => format!(
            "each of the {measured} measured users has a target that is in the user's history, and `new_targets` leaves these out"
        ),
        Scenario::Overall {}
        | Scenario::ColdUsers { .. }
        | Scenario::ShuffledHistories { .. }
        | Scenario::FewShot { .. }
        | Scenario::CrossDomain { .. } => "no user has a test target".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::dataset::Filter;
    use crate::config::protocol::{Candidates, Rules, Seen, Ties};
    use crate::data::{DrawCandidates, Part, Prepare, SliceUsers, candidates, prepare};

    /// Four users with `each` interactions of rising time; the first of each has rating 5, the
    /// others 1.
    fn made(each: usize, change: impl FnOnce(&mut Prepare)) -> Result<Prepared, DataError> {
        let dir = tempfile::tempdir().unwrap();
        let mut rows = "user,item,time,rating\n".to_owned();
        for user in 0..4 {
            for at in 0..each {
                let rating = if at == 0 { 5 } else { 1 };
                rows.push_str(&format!("u{user},i{at},{},{rating}\n", at * 10 + user));
            }
        }
        std::fs::write(dir.path().join("p.csv"), rows).unwrap();
        let defaults: toml::Table = crate::defaults::DEFAULTS.parse().unwrap();
        let mut csv = defaults["default"]["source"]["csv"]
            .as_table()
            .unwrap()
            .clone();
        for (key, value) in [
            ("interactions", "p.csv"),
            ("timestamp", "time"),
            ("rating", "rating"),
        ] {
            csv.insert(key.to_owned(), value.into());
        }
        let mut dataset = defaults["default"]["dataset"].as_table().unwrap().clone();
        dataset.insert(
            "source".to_owned(),
            toml::Table::from_iter([("csv".to_owned(), csv.into())]).into(),
        );
        let mut settings = Prepare {
            dataset: toml::Value::Table(dataset).try_into().unwrap(),
            scenario: None,
            target: None,
            seed: Some(1),
            limit: None,
        };
        change(&mut settings);
        prepare(&settings, dir.path(), &mut |_| {})
    }

    /// The error of drawing candidates for a data set without measured users.
    fn refusal(each: usize, change: impl FnOnce(&mut Prepare)) -> String {
        let prepared = made(each, change).unwrap();
        let settings = DrawCandidates {
            candidates: Candidates::Full {
                seen: Seen::Exclude,
            },
            rules: Rules::Strict,
            ties: Ties::Half,
            class: None,
            max_users: 0,
            slices: SliceUsers::default(),
            seed: 1,
        };
        let base = std::path::Path::new(".");
        let made = candidates::make(&prepared, &settings, Part::Test, base, &mut |_| {});
        let error = made.unwrap_err();
        assert!(error.remedy().is_some());
        error.to_string()
    }

    #[test]
    fn the_reason_names_the_filter_split_or_scenario_that_leaves_nobody() {
        let rating = |settings: &mut Prepare| {
            settings.dataset.filter = vec![
                Filter::KCore { users: 2, items: 2 },
                Filter::Rating { minimum: 4.0 },
            ];
        };
        let scenario = |scenario: Scenario| {
            move |settings: &mut Prepare| settings.scenario = Some(scenario.clone())
        };
        for (said, reason) in [
            (
                refusal(1, |_| {}),
                "every one of the 4 users has 1 interaction; `leave_one_out` needs 3",
            ),
            (
                refusal(2, |_| {}),
                "none of the 4 users has more than 2 interactions; `leave_one_out` needs 3",
            ),
            (
                refusal(5, rating),
                "after the filter `rating` every one of the 4 users has 1 interaction (up to 5 before)",
            ),
            (
                refusal(
                    5,
                    scenario(Scenario::ColdUsers {
                        length: 3,
                        users: 0,
                    }),
                ),
                "no user has exactly 3 interactions, as `cold_users` with `length = 3` needs",
            ),
            (
                refusal(
                    5,
                    scenario(Scenario::FewShot {
                        users: 4,
                        evaluate: FewShotUsers::Others,
                        backbone: true,
                    }),
                ),
                "`evaluate = \"others\"` leaves no user",
            ),
        ] {
            let whole = format!("no user is measured: {said}");
            assert!(said.starts_with("no user is measured: "), "{whole}");
            assert!(said.contains(reason), "{said}");
        }
    }

    #[test]
    fn a_data_set_of_which_nothing_is_left_names_the_filter() {
        let error = made(2, |settings| {
            settings.dataset.filter = vec![Filter::KCore { users: 3, items: 1 }];
        });
        let text = error.unwrap_err().to_string();
        assert!(
            text.contains("the filter `k_core` drops all 8 interactions"),
            "{text}"
        );
    }

    #[test]
    fn where_somebody_is_measured_there_is_no_reason_and_facts_are_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut prepared = made(3, |_| {}).unwrap();
        assert_eq!(prepared.facts.nobody, None);
        prepared.facts.nobody = Some("why".to_owned());
        prepared.facts.records = vec![crate::data::Records::default()];
        prepared.save(dir.path()).unwrap();
        assert_eq!(Prepared::load(dir.path()).unwrap(), prepared);
    }

    #[test]
    fn users_of_a_split_by_time_without_any_history_are_counted() {
        let prepared = made(1, |settings| {
            settings.dataset.split = Split::GlobalTime {
                train_share: 0.5,
                valid_share: 0.25,
            };
        });
        let counts = stats::counts(&prepared.unwrap());
        assert_eq!((counts.measured_users, counts.without_history), (1, 1));
    }
}
