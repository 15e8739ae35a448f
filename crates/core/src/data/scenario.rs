//! Scenarios: which users train, which targets are measured (A-LLMRec paper, section 5.2).
//!
//! | scenario | trained | aligned | measured |
//! |---|---|---|---|
//! | overall, cold and warm items, repeat and new targets | all | all | a slice of those with a test target |
//! | cold users | all but the sampled users | the same | the sampled users |
//! | shuffled histories | all, or those of overall | the same | those with a test target |
//! | few-shot | the K users, or all when `backbone` is false | the K users | all, the K, or the others |
//! | cross-domain | users of the source | the same | users of the target |

use rand::seq::{SliceRandom, index};

use super::{DataError, Part, Prepared};
use crate::config::Scenario;
use crate::config::scenario::{CountedOn, FewShotUsers, ItemShare, ShareOf, UnseenItems};
use crate::seed::{Stream, stream};

/// Applies a scenario that changes training. A slice changes nothing.
///
/// # Errors
/// When the scenario needs more users than the data set has, or the target data set is missing.
pub fn apply(
    prepared: Prepared,
    target: Option<Prepared>,
    scenario: &Scenario,
    seed: u64,
) -> Result<Prepared, DataError> {
    match *scenario {
        Scenario::Overall {}
        | Scenario::ColdItems(_)
        | Scenario::WarmItems(_)
        | Scenario::RepeatTargets {}
        | Scenario::NewTargets {} => Ok(prepared),
        Scenario::ColdUsers { length, users } => cold_users(prepared, length, users, seed),
        Scenario::ShuffledHistories { .. } => Ok(shuffled(prepared, seed)),
        Scenario::FewShot {
            users,
            evaluate,
            backbone,
        } => few_shot(prepared, users, evaluate, backbone, seed),
        Scenario::CrossDomain { unseen, .. } => {
            let target = target.ok_or_else(|| DataError::new("cross-domain without a target"))?;
            Ok(cross_domain(prepared, target, unseen))
        }
    }
}

/// Whether each of U users has a target of `part` that the scenario measures. Cold and warm, repeat
/// and new refer to the target of this part.
pub fn slice(prepared: &Prepared, scenario: &Scenario, part: Part) -> Vec<bool> {
    match (scenario, class(prepared, scenario)) {
        (_, Some(class)) => by_target(prepared, part, |_, target| class[target as usize - 1]),
        (Scenario::RepeatTargets {}, None) => {
            by_target(prepared, part, |history, target| history.contains(&target))
        }
        (Scenario::NewTargets {}, None) => {
            by_target(prepared, part, |history, target| !history.contains(&target))
        }
        (
            Scenario::Overall {}
            | Scenario::ColdItems(_)
            | Scenario::WarmItems(_)
            | Scenario::ColdUsers { .. }
            | Scenario::ShuffledHistories { .. }
            | Scenario::FewShot { .. }
            | Scenario::CrossDomain { .. },
            None,
        ) => prepared.measured.clone(),
    }
}

/// Whether each of U users is measured and has a target of `part` that `selects` accepts, given
/// the history before the target.
fn by_target(prepared: &Prepared, part: Part, selects: impl Fn(&[u32], u32) -> bool) -> Vec<bool> {
    let is_selected = |user: usize| {
        let items = prepared.items_of(user);
        let target = part.target_at(prepared, user);
        target.is_some_and(|at| selects(&items[..at], items[at]))
    };
    (0..prepared.n_users())
        .map(|user| prepared.measured[user] && is_selected(user))
        .collect()
}

/// Whether item i (at `i - 1`) is in the scenario's class, cold or warm; `None` for a scenario
/// without classes of items.
pub fn class(prepared: &Prepared, scenario: &Scenario) -> Option<Vec<bool>> {
    match scenario {
        Scenario::ColdItems(share) => Some(share_of_items(prepared, share, true)),
        Scenario::WarmItems(share) => Some(share_of_items(prepared, share, false)),
        Scenario::Overall {}
        | Scenario::RepeatTargets {}
        | Scenario::NewTargets {}
        | Scenario::ColdUsers { .. }
        | Scenario::ShuffledHistories { .. }
        | Scenario::FewShot { .. }
        | Scenario::CrossDomain { .. } => None,
    }
}

/// Whether item i (at `i - 1`) is in the least (`cold`) or most popular share of the candidate
/// items.
///
/// Items are sorted by count, ties by number. By items, the first `floor(share * n)` are chosen. By
/// interactions, items are chosen while their summed counts stay within the share.
fn share_of_items(prepared: &Prepared, share: &ItemShare, cold: bool) -> Vec<bool> {
    let counts = match share.counted_on {
        CountedOn::Train => prepared.train_counts(),
        CountedOn::All => {
            let mut counts = vec![0; prepared.n_items()];
            prepared
                .sequence
                .iter()
                .for_each(|&item| counts[item as usize - 1] += 1);
            counts
        }
    };
    let mut order: Vec<usize> = (0..prepared.n_items())
        .filter(|&at| prepared.in_candidates[at])
        .collect();
    order.sort_by_key(|&at| (counts[at], at));
    if !cold {
        order.reverse();
    }
    let wanted = match share.by {
        ShareOf::Items => (share.share * order.len() as f64) as usize,
        ShareOf::Interactions => {
            let total: u64 = order.iter().map(|&at| counts[at]).sum();
            let bound = share.share * total as f64;
            let mut sum = 0;
            order
                .iter()
                .take_while(|&&at| {
                    sum += counts[at];
                    sum as f64 <= bound
                })
                .count()
        }
    };
    let mut chosen = vec![false; prepared.n_items()];
    order[..wanted].iter().for_each(|&at| chosen[at] = true);
    chosen
}

fn sample(among: &[usize], users: u64, seed: u64, what: &str) -> Result<Vec<usize>, DataError> {
    let wanted = usize::try_from(users).unwrap_or(usize::MAX);
    if wanted > among.len() {
        return Err(DataError::new(format!(
            "the scenario needs {wanted} {what}, and the data set has {}",
            among.len()
        ))
        .hint("lower `users`, or loosen the filters"));
    }
    let mut rng = stream(seed, Stream::Scenario, 0);
    let mut drawn: Vec<usize> = index::sample(&mut rng, among.len(), wanted)
        .into_iter()
        .map(|at| among[at])
        .collect();
    drawn.sort_unstable();
    Ok(drawn)
}

/// Measures users with exactly `length` interactions; with 0 `users`, all of them. Their last item
/// is the target.
fn cold_users(
    mut data: Prepared,
    length: u64,
    users: u64,
    seed: u64,
) -> Result<Prepared, DataError> {
    let eligible: Vec<usize> = (0..data.n_users())
        .filter(|&user| data.items_of(user).len() as u64 == length)
        .collect();
    let drawn = if users == 0 {
        eligible
    } else {
        sample(&eligible, users, seed, "cold users")?
    };
    data.measured = vec![false; data.n_users()];
    for user in drawn {
        let n = u32::try_from(length).unwrap_or(u32::MAX);
        data.measured[user] = true;
        data.trained[user] = false;
        data.aligned[user] = false;
        data.train_end[user] = n.saturating_sub(2);
        data.valid_end[user] = n - 1;
    }
    Ok(data)
}

/// Shuffles the training items of every user. The history before a test target also has the
/// validation item, which keeps its place: it is shuffled when it is read.
fn shuffled(mut data: Prepared, seed: u64) -> Prepared {
    for user in 0..data.n_users() {
        let start = usize::try_from(data.offsets[user]).expect("offsets index memory");
        let end = start + data.train_end[user] as usize;
        let mut random = stream(seed, Stream::Histories, user as u64);
        data.sequence[start..end].shuffle(&mut random);
    }
    data.facts.shuffled = Some(seed);
    data
}

fn few_shot(
    mut data: Prepared,
    users: u64,
    evaluate: FewShotUsers,
    backbone: bool,
    seed: u64,
) -> Result<Prepared, DataError> {
    // A user with one training item has no (history, next item) pair to train on.
    let eligible: Vec<usize> = (0..data.n_users())
        .filter(|&user| data.train_end[user] >= 2)
        .collect();
    let mut drawn = vec![false; data.n_users()];
    for user in sample(&eligible, users, seed, "training users")? {
        drawn[user] = true;
    }
    match evaluate {
        FewShotUsers::All => {}
        FewShotUsers::Training => data
            .measured
            .iter_mut()
            .zip(&drawn)
            .for_each(|(m, &d)| *m &= d),
        FewShotUsers::Others => data
            .measured
            .iter_mut()
            .zip(&drawn)
            .for_each(|(m, &d)| *m &= !d),
    }
    if backbone {
        data.trained.clone_from(&drawn);
    }
    data.aligned = drawn;
    Ok(data)
}

/// Joins source and target: equal raw ids in the two are different users and items.
fn cross_domain(source: Prepared, target: Prepared, unseen: UnseenItems) -> Prepared {
    let (users, items) = (source.n_users(), source.n_items());
    let shift = u32::try_from(items).expect("fewer items than 32 bits hold");
    let base = source.sequence.len() as u64;
    let mut both = source;
    let (more_users, more_items) = (target.n_users(), target.n_items());
    both.users.extend(target.users);
    both.items.extend(target.items);
    both.offsets
        .extend(target.offsets[1..].iter().map(|offset| offset + base));
    both.sequence
        .extend(target.sequence.iter().map(|item| item + shift));
    both.train_end.extend(target.train_end);
    both.valid_end.extend(target.valid_end);
    both.trained.resize(users + more_users, false);
    both.aligned.resize(users + more_users, false);
    both.measured = vec![false; users];
    both.measured.extend(target.measured);
    both.facts.records.extend(target.facts.records);
    both.in_training.resize(items + more_items, false);
    both.in_candidates = vec![false; items];
    both.in_candidates.resize(items + more_items, true);
    let more = u32::try_from(more_items).expect("fewer items than 32 bits hold");
    both.row.extend((0..more).map(|at| match unseen {
        UnseenItems::Untrained => shift + at + 1,
        UnseenItems::Reindexed => at % shift + 1,
    }));
    both
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::scenario::CandidatesOf;
    use crate::data::prepared::tests::sample_data;

    #[test]
    fn cold_and_warm_items_are_opposite_ends_of_the_training_counts() {
        let data = sample_data(40, 12);
        let share = ItemShare {
            share: 0.25,
            by: ShareOf::Items,
            counted_on: CountedOn::Train,
            candidates: CandidatesOf::All,
        };
        let cold = share_of_items(&data, &share, true);
        let warm = share_of_items(&data, &share, false);
        let counts = data.train_counts();
        let of = |mask: &[bool]| -> Vec<u64> {
            (0..12)
                .filter(|&at| mask[at])
                .map(|at| counts[at])
                .collect()
        };
        assert_eq!((of(&cold).len(), of(&warm).len()), (3, 3));
        assert!(of(&cold).iter().max() <= of(&warm).iter().min());
        let users = slice(&data, &Scenario::ColdItems(share.clone()), Part::Test);
        for user in (0..data.n_users()).filter(|&user| users[user]) {
            let target = data.items_of(user)[data.valid_end[user] as usize];
            assert!(cold[target as usize - 1]);
        }
        // Validation has other targets, and therefore another slice.
        let valid = slice(&data, &Scenario::ColdItems(share), Part::Valid);
        assert_ne!(valid, users);
        for user in (0..data.n_users()).filter(|&user| valid[user]) {
            let target = data.items_of(user)[data.train_end[user] as usize];
            assert!(cold[target as usize - 1]);
        }
    }

    #[test]
    fn repeat_and_new_targets_divide_the_measured_users_by_the_history_of_each_part() {
        let mut data = sample_data(2, 5);
        // Both users have two training items, one for validation and one for the test.
        data.sequence = vec![1, 2, 1, 3, 4, 5, 2, 2];
        data.offsets = vec![0, 4, 8];
        data.train_end = vec![2, 2];
        data.valid_end = vec![3, 3];
        data.measured = vec![true, true];
        let slices = |part| {
            [Scenario::RepeatTargets {}, Scenario::NewTargets {}]
                .map(|scenario| slice(&data, &scenario, part))
        };
        assert_eq!(slices(Part::Valid), [[true, false], [false, true]]);
        assert_eq!(slices(Part::Test), [[false, true], [true, false]]);
        data.measured[1] = false;
        let repeat = slice(&data, &Scenario::RepeatTargets {}, Part::Test);
        assert_eq!(repeat, [false, false]);
    }

    #[test]
    fn cold_users_are_measured_and_not_trained() {
        let data = sample_data(40, 12);
        let lengths: Vec<usize> = (0..40).map(|user| data.items_of(user).len()).collect();
        let there = lengths.iter().filter(|&&n| n == 3).count();
        assert!(there > 2, "the sample needs some");
        let scenario = Scenario::ColdUsers {
            length: 3,
            users: 2,
        };
        let cold = apply(data.clone(), None, &scenario, 1).unwrap();
        let measured: Vec<usize> = (0..40).filter(|&user| cold.measured[user]).collect();
        assert_eq!(measured.len(), 2);
        assert!(
            measured
                .iter()
                .all(|&user| lengths[user] == 3 && !cold.trained[user])
        );
        let too_many = Scenario::ColdUsers {
            length: 3,
            users: 1000,
        };
        let error = apply(data, None, &too_many, 1).unwrap_err().to_string();
        assert!(
            error.contains("needs 1000 cold users") && error.contains(&there.to_string()),
            "{error}"
        );
    }

    #[test]
    fn shuffled_histories_have_their_items_in_another_order_and_the_same_targets() {
        let plain = sample_data(20, 30);
        let scenario = Scenario::ShuffledHistories { training: false };
        let shuffled = apply(plain.clone(), None, &scenario, 3).unwrap();
        let mut moved = 0;
        for user in 0..plain.n_users() {
            for part in [Part::Valid, Part::Test] {
                let target =
                    |data: &Prepared| part.target_at(data, user).map(|at| data.items_of(user)[at]);
                assert_eq!(target(&plain), target(&shuffled));
                let histories = [&plain, &shuffled].map(|data| data.history(user, part));
                moved += usize::from(histories[0] != histories[1]);
                let sorted = histories.map(|history| {
                    let mut items = history.into_owned();
                    items.sort_unstable();
                    items
                });
                assert_eq!(sorted[0], sorted[1]);
            }
            // The validation item is read anywhere before a test target.
            let last = shuffled.history(user, Part::Test).last().copied();
            moved += usize::from(last != plain.history(user, Part::Test).last().copied());
        }
        assert!(moved > 30, "{moved}");
        assert_eq!(shuffled, apply(plain.clone(), None, &scenario, 3).unwrap());
        assert_ne!(shuffled, apply(plain, None, &scenario, 4).unwrap());
    }

    #[test]
    fn few_shot_trains_on_exactly_k_users() {
        let data = sample_data(40, 12);
        let scenario = Scenario::FewShot {
            users: 5,
            evaluate: FewShotUsers::Others,
            backbone: true,
        };
        let few = apply(data.clone(), None, &scenario, 3).unwrap();
        assert_eq!(few.trained.iter().filter(|&&t| t).count(), 5);
        assert!((0..40).all(|user| !(few.trained[user] && few.measured[user])));
        let frozen = Scenario::FewShot {
            users: 5,
            evaluate: FewShotUsers::All,
            backbone: false,
        };
        let few = apply(data, None, &frozen, 3).unwrap();
        assert!(few.trained.iter().all(|&t| t));
        assert_eq!(few.aligned.iter().filter(|&&t| t).count(), 5);
    }

    #[test]
    fn cross_domain_trains_on_one_and_measures_the_other() {
        let (source, target) = (sample_data(10, 6), sample_data(8, 4));
        let both = cross_domain(source.clone(), target.clone(), UnseenItems::Reindexed);
        assert_eq!((both.n_users(), both.n_items()), (18, 10));
        assert!(both.items_of(10).iter().all(|&item| item > 6));
        assert_eq!(both.items_of(12).len(), target.items_of(2).len());
        assert_eq!(&both.row[6..], [1, 2, 3, 4]);
        assert!(both.trained[..10].iter().all(|&t| t) && !both.trained[10..].iter().any(|&t| t));
        assert!(!both.measured[..10].iter().any(|&m| m));
    }
}
