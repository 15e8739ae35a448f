//! Successive halving (Jamieson and Talwalkar 2016): the best trials of a round train longer.

use std::collections::BTreeMap;

use super::{Settings, Tried};

/// The rounds.
#[derive(Debug)]
pub(super) struct Halving {
    resource: String,
    /// The resource of each round, ascending; the last is the model's own.
    levels: Vec<u64>,
    factor: usize,
    /// The running round.
    round: usize,
}

impl Halving {
    /// Rounds from at least `least` to `full`, each with `factor` times the resource of the one
    /// before.
    pub(super) fn new(resource: &str, (least, full): (u64, u64), factor: u64) -> Self {
        let factor = factor.max(2);
        let mut levels = vec![full];
        let mut level = full;
        while level / factor >= least.max(1) {
            level /= factor;
            levels.insert(0, level);
        }
        Halving {
            resource: resource.to_owned(),
            levels,
            factor: usize::try_from(factor).unwrap_or(usize::MAX),
            round: 0,
        }
    }

    /// The setting that bounds training, with its value in the running round.
    pub(super) fn resource(&self) -> (String, u64) {
        (self.resource.clone(), self.levels[self.round])
    }

    /// The best settings of the running round, for the next one. None after the last.
    pub(super) fn promoted(&mut self, tried: &[Tried]) -> Vec<(Settings, Option<(String, u64)>)> {
        if self.round + 1 >= self.levels.len() {
            return Vec::new();
        }
        let (_, level) = self.resource();
        let of_round = tried.iter().filter(|it| it.proposed.level() == level);
        let n = of_round.clone().count();
        let mut best: Vec<(f64, &BTreeMap<_, _>)> = of_round
            .filter_map(|it| Some((it.value?, &it.proposed.set)))
            .collect();
        // A stable sort: of equal values, the earlier trial is kept.
        best.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        best.truncate((n / self.factor).max(1));
        self.round += 1;
        let resource = self.resource();
        best.into_iter()
            .map(|(_, set)| (set.clone(), Some(resource.clone())))
            .collect()
    }
}
