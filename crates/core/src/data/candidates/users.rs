//! Measured users: a random sample, and more users of slices that have too few in it.
//!
//! Users that are drawn for a slice count in its numbers alone. With them, a sample of all users
//! would have too many of the slice.

use rand::seq::{SliceRandom, index};

use super::Part;
use crate::config::Scenario;
use crate::data::{DrawCandidates, Prepared, scenario};
use crate::seed::{Stream, stream};

/// Measured users, ascending: at most `max_users` of those with a target. With a class of items,
/// only users whose target is in it. Further users are those that slices need.
pub(crate) fn measured(data: &Prepared, settings: &DrawCandidates, part: Part) -> Vec<u32> {
    let sample = Sample::draw(data, settings, part);
    if let Some(class) = &settings.class {
        return sample.of_slice(&scenario::slice(data, class, part));
    }
    let mut users = sample.users.clone();
    for slice in &settings.slices.scenarios {
        users.extend(sample.of_slice(&scenario::slice(data, slice, part)));
    }
    users.sort_unstable();
    users.dedup();
    users
}

/// Whether each of U users counts in the numbers of a scenario, given that it has a list.
pub fn counted(
    data: &Prepared,
    settings: &DrawCandidates,
    measured: &Scenario,
    part: Part,
) -> Vec<bool> {
    let slice = scenario::slice(data, measured, part);
    if settings.slices.least == 0 || settings.class.is_some() {
        return slice;
    }
    let sample = Sample::draw(data, settings, part);
    let is_drawn_for = settings.slices.scenarios.contains(measured);
    let users = match is_drawn_for {
        true => sample.of_slice(&slice),
        false => sample.users,
    };
    let mut counted = vec![false; data.n_users()];
    for user in users {
        counted[user as usize] = slice[user as usize];
    }
    counted
}

/// A random sample of the users with a target.
struct Sample {
    /// The sample, ascending.
    users: Vec<u32>,
    /// All others, in random order.
    others: Vec<u32>,
    /// Least number of users of a slice.
    least: usize,
}

impl Sample {
    fn draw(data: &Prepared, settings: &DrawCandidates, part: Part) -> Self {
        let has = |user: &usize| data.measured[*user] && part.target_at(data, *user).is_some();
        let word = |user| u32::try_from(user).expect("fewer users than 32 bits hold");
        let users: Vec<u32> = (0..data.n_users()).filter(has).map(word).collect();
        let most = usize::try_from(settings.max_users).unwrap_or(usize::MAX);
        let least = usize::try_from(settings.slices.least).unwrap_or(usize::MAX);
        if most == 0 || users.len() <= most {
            let others = Vec::new();
            return Self {
                users,
                others,
                least,
            };
        }
        let mut random = stream(settings.seed, Stream::Candidates, 0);
        let mut is_drawn = vec![false; users.len()];
        for at in index::sample(&mut random, users.len(), most) {
            is_drawn[at] = true;
        }
        let (drawn, others): (Vec<_>, Vec<_>) = users
            .into_iter()
            .zip(is_drawn)
            .partition(|(_, drawn)| *drawn);
        let user = |(user, _): (u32, bool)| user;
        let mut others: Vec<u32> = others.into_iter().map(user).collect();
        // The draws of candidates have the numbers of users.
        others.shuffle(&mut stream(settings.seed, Stream::Candidates, u64::MAX));
        Self {
            users: drawn.into_iter().map(user).collect(),
            others,
            least,
        }
    }

    /// The users of a slice: those of the sample, and others until there are enough.
    fn of_slice(&self, slice: &[bool]) -> Vec<u32> {
        let is_in = |user: &&u32| slice[**user as usize];
        let mut users: Vec<u32> = self.users.iter().filter(is_in).copied().collect();
        let lacking = self.least.saturating_sub(users.len());
        users.extend(self.others.iter().filter(is_in).take(lacking));
        users.sort_unstable();
        users
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::protocol::{Candidates, Rules, Ties};
    use crate::config::scenario::{CandidatesOf, CountedOn, ItemShare, ShareOf};
    use crate::data::SliceUsers;
    use crate::data::prepared::tests::sample_data;

    fn share(share: f64) -> ItemShare {
        ItemShare {
            share,
            by: ShareOf::Items,
            counted_on: CountedOn::Train,
            candidates: CandidatesOf::All,
        }
    }

    fn settings(max_users: u64, least: u64) -> DrawCandidates {
        DrawCandidates {
            candidates: Candidates::Uniform { n: 3 },
            rules: Rules::Strict,
            ties: Ties::Half,
            class: None,
            max_users,
            slices: SliceUsers {
                least,
                scenarios: vec![
                    Scenario::ColdItems(share(0.4)),
                    // It has all users of the other slice, too.
                    Scenario::ColdItems(share(0.9)),
                ],
            },
            seed: 5,
        }
    }

    #[test]
    fn a_slice_with_too_few_users_has_more_of_its_own_and_no_other_number_counts_them() {
        let data = sample_data(400, 30);
        let plain = measured(&data, &settings(40, 0), Part::Test);
        let more = settings(40, 45);
        let users = measured(&data, &more, Part::Test);
        assert!(plain.len() == 40 && plain.iter().all(|user| users.contains(user)));
        assert!(users.is_sorted() && users.len() > 60);
        let of = |scenario: &Scenario| {
            let counted = counted(&data, &more, scenario, Part::Test);
            let is_counted = |user: &&u32| counted[**user as usize];
            users.iter().filter(is_counted).copied().collect::<Vec<_>>()
        };
        assert_eq!(of(&Scenario::Overall {}), plain);
        for slice in &more.slices.scenarios {
            let is_in = scenario::slice(&data, slice, Part::Test);
            let counted = of(slice);
            assert_eq!(counted.len(), 45);
            assert!(counted.iter().all(|&user| is_in[user as usize]));
            // Those of the common draw are among them.
            let common = plain.iter().filter(|&&user| is_in[user as usize]);
            assert!(common.clone().all(|user| counted.contains(user)));
        }
        // A scenario that nothing was drawn for has the users of the common draw.
        let other = Scenario::WarmItems(share(0.5));
        assert!(of(&other).iter().all(|user| plain.contains(user)));
    }

    #[test]
    fn a_slice_that_is_too_small_has_all_its_users() {
        let data = sample_data(400, 30);
        let more = settings(40, 10_000);
        let slice = &more.slices.scenarios[0];
        let is_in = scenario::slice(&data, slice, Part::Test);
        let all = is_in.iter().filter(|&&is_in| is_in).count();
        let counted = counted(&data, &more, slice, Part::Test);
        assert_eq!(counted.iter().filter(|&&counted| counted).count(), all);
        let class = DrawCandidates {
            class: Some(slice.clone()),
            ..settings(40, 10_000)
        };
        assert_eq!(measured(&data, &class, Part::Test).len(), all);
    }
}
