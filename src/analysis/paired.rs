//! Per-user ranks of several cells, from which intervals and paired tests are computed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rayon::prelude::*;

use super::stats::bootstrap::Resampling;
use super::stats::{Panel, effect, mean, power, randomisation, wilcoxon};
use super::summary::PairedTest;
use crate::results::{RankRow, ranks};
use allround_core::fs::FsError;
use allround_core::metric::Metric;

/// Settings of the bootstrap, the same for every table: a number has one interval.
pub(super) const RESAMPLING: Resampling = Resampling {
    confidence: 0.95,
    times: 2_000,
    seed: 0,
};

/// Random sign patterns of a randomisation test. Smaller p values come from a saddlepoint
/// approximation.
pub(super) const FLIPS: usize = 10_000;

/// A test over fewer users has no star, since single users would decide it.
pub const FEWEST_STARRED: usize = 30;

/// Error rate of a table's family of tests.
pub(super) const ALPHA: f64 = 0.05;

/// Ranks of one model by seed: (user number, rank), by user.
pub(super) type BySeed = BTreeMap<u64, Vec<(u32, f64)>>;

/// A rank file: cell, protocol, split.
pub(super) type File<'a> = (&'a str, &'a str, &'a str);

/// Rows of the rank files of cells, by cell. Missing files are left out.
///
/// # Errors
/// When a file is damaged.
pub(super) fn read(
    results: &Path,
    cells: &BTreeSet<File<'_>>,
) -> Result<BTreeMap<String, Vec<RankRow>>, FsError> {
    let there = |(cell, protocol, split): &File<'_>| {
        let path = ranks::path(results, cell, protocol, split);
        path.exists().then(|| (String::from(*cell), path))
    };
    let paths: Vec<_> = cells.iter().filter_map(there).collect();
    paths
        .into_par_iter()
        .map(|(cell, path)| Ok((cell, ranks::read(&path)?)))
        .collect()
}

/// Numbers of user ids, in the order of the ids.
pub(super) struct Users<'a>(BTreeMap<&'a str, u32>);

impl<'a> Users<'a> {
    /// The users of some rank files.
    pub(super) fn of(files: impl Iterator<Item = &'a Vec<RankRow>>) -> Self {
        let ids: BTreeSet<&str> = files.flatten().map(|row| row.user.as_str()).collect();
        Users(ids.into_iter().zip(0..).collect())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// A file's ranks by user number.
    pub(super) fn number(&self, rows: &[RankRow]) -> Vec<(u32, f64)> {
        let number = |row: &RankRow| (self.0[row.user.as_str()], row.rank);
        let mut numbered: Vec<(u32, f64)> = rows.iter().map(number).collect();
        numbered.sort_by_key(|(user, _)| *user);
        numbered
    }
}

/// Values of a metric for a model's users, as the bootstrap reads them.
pub(super) fn panel(metric: Metric, ranks: &BySeed) -> Panel {
    let values = |ranks: &Vec<(u32, f64)>| {
        ranks
            .iter()
            .map(|(user, rank)| (*user, metric.of_rank(*rank)))
            .collect()
    };
    Panel {
        seeds: ranks
            .values()
            .filter(|ranks| !ranks.is_empty())
            .map(values)
            .collect(),
    }
}

/// Paired tests of `ours - theirs` over users that both models measured under a common seed.
///
/// `None` with fewer than two such users. The p values are not adjusted yet ([`adjust`]).
pub(super) fn paired_test(
    metric: Metric,
    ours: &BySeed,
    theirs: &BySeed,
    n_users: usize,
) -> Option<PairedTest> {
    let mut sums = vec![(0.0, 0u32); n_users];
    let mut by_seed = Vec::new();
    for (seed, ours) in ours {
        let Some(theirs) = theirs.get(seed) else {
            continue;
        };
        let differences = differences(metric, ours, theirs);
        let plain: Vec<f64> = differences
            .iter()
            .map(|(_, difference)| *difference)
            .collect();
        by_seed.extend(mean(&plain));
        for (user, difference) in differences {
            let sum = &mut sums[user as usize];
            *sum = (sum.0 + difference, sum.1 + 1);
        }
    }
    let users: Vec<f64> = sums
        .into_iter()
        .filter(|(_, n)| *n > 0)
        .map(|(sum, n)| sum / f64::from(n))
        .collect();
    if users.len() < 2 {
        return None;
    }
    let signed_rank = wilcoxon::test(&users);
    let randomisation_p = randomisation::test(&users, FLIPS, RESAMPLING.seed);
    Some(PairedTest {
        n_pairs: users.len(),
        randomisation_p,
        randomisation_p_holm: randomisation_p,
        wilcoxon_p: signed_rank.p,
        wilcoxon_p_holm: signed_rank.p,
        rank_biserial: effect::rank_biserial(&signed_rank),
        cohen_dz: effect::cohen_dz(&users),
        seeds_needed: power::seeds_needed(&by_seed),
    })
}

/// Differences of the users that are in both lists, which are sorted by user.
fn differences(metric: Metric, ours: &[(u32, f64)], theirs: &[(u32, f64)]) -> Vec<(u32, f64)> {
    let pair = |(user, rank): &(u32, f64)| {
        let at = theirs.binary_search_by_key(user, |(user, _)| *user).ok()?;
        Some((*user, metric.of_rank(*rank) - metric.of_rank(theirs[at].1)))
    };
    ours.iter().filter_map(pair).collect()
}

/// Sets the Holm-adjusted p values of a family of tests.
pub(super) fn adjust(tests: &mut [&mut PairedTest]) {
    let adjust = |of: fn(&PairedTest) -> f64, tests: &[&mut PairedTest]| {
        let plain: Vec<f64> = tests.iter().map(|test| of(test)).collect();
        super::stats::holm::adjust(&plain)
    };
    let randomisation = adjust(|test| test.randomisation_p, tests);
    let wilcoxon = adjust(|test| test.wilcoxon_p, tests);
    for (test, (flips, ranks)) in tests
        .iter_mut()
        .zip(randomisation.into_iter().zip(wilcoxon))
    {
        test.randomisation_p_holm = flips;
        test.wilcoxon_p_holm = ranks;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_paired_by_seed_and_averaged_over_seeds() {
        let ours = BySeed::from([
            (1, vec![(0, 1.0), (1, 1.0), (2, 1.0)]),
            (2, vec![(0, 1.0), (3, 1.0)]),
        ]);
        let theirs = BySeed::from([
            (1, vec![(0, 2.0), (1, 1.0)]),
            (2, vec![(0, 1.0)]),
            (3, vec![(3, 5.0)]),
        ]);
        let test = paired_test(Metric::Hit(1), &ours, &theirs, 4).unwrap();
        // User 0 differs by 1 and by 0, user 1 by 0; users 2 and 3 have no partner.
        assert_eq!(test.n_pairs, 2);
        assert_eq!(test.randomisation_p, 1.0);
        assert_eq!(test.rank_biserial, 1.0);
        assert!(paired_test(Metric::Mrr, &ours, &BySeed::new(), 4).is_none());
    }
}
