//! A limit on the examples of a training.

/// How many examples a training has, over all its epochs.
#[derive(Clone, Copy, Debug)]
pub struct SampleLimit {
    /// Most examples; 0: no limit.
    most: u64,
    /// Examples of a whole epoch.
    an_epoch: u64,
}

impl SampleLimit {
    /// At most `most` examples, or any number with 0, of epochs that each have `an_epoch`.
    pub fn new(most: u64, an_epoch: u64) -> Self {
        Self { most, an_epoch }
    }

    /// Removes the examples of `epoch` (1 for the first) that are beyond the limit, and steps that
    /// are then empty.
    pub fn cut<E>(self, epoch: u32, steps: &mut Vec<Vec<E>>) {
        if self.most == 0 {
            return;
        }
        let before = u64::from(epoch - 1) * self.an_epoch;
        let mut left = self.most.saturating_sub(before);
        steps.retain_mut(|step| {
            step.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            left -= step.len() as u64;
            !step.is_empty()
        });
    }

    /// Examples of `epochs` epochs together.
    pub fn samples(self, epochs: u32) -> u64 {
        let all = self.an_epoch * u64::from(epochs);
        match self.most {
            0 => all,
            most => most.min(all),
        }
    }

    /// Steps of `epochs` epochs together, where the limit shortens them. `steps_of` gives the steps
    /// of a whole epoch; all epochs have the same number of them.
    pub fn steps<E>(self, epochs: u32, steps_of: impl Fn(u32) -> Vec<Vec<E>>) -> Option<u64> {
        let is_limited = self.samples(epochs) < self.an_epoch * u64::from(epochs);
        is_limited.then(|| {
            let whole = self.most / self.an_epoch;
            let last = whole as u32 + 1;
            let mut steps = steps_of(last);
            let before = whole * steps.len() as u64;
            self.cut(last, &mut steps);
            before + steps.len() as u64
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seven examples in steps of three or fewer.
    fn steps_of(_epoch: u32) -> Vec<Vec<u32>> {
        vec![vec![0, 1, 2], vec![3, 4, 5], vec![6]]
    }

    #[test]
    fn a_limit_cuts_the_step_that_passes_it_and_drops_later_ones() {
        let cut = |most, epoch| {
            let mut steps = steps_of(epoch);
            SampleLimit::new(most, 7).cut(epoch, &mut steps);
            steps.iter().map(Vec::len).collect::<Vec<_>>()
        };
        assert_eq!(cut(0, 9), [3, 3, 1]);
        assert_eq!(cut(4, 1), [3, 1]);
        assert_eq!(cut(4, 2), [0; 0]);
        assert_eq!(cut(7, 1), [3, 3, 1]);
        assert_eq!(cut(10, 2), [3]);
        assert_eq!(cut(13, 2), [3, 3]);
    }

    #[test]
    fn the_number_of_steps_is_known_where_a_limit_shortens_training() {
        let steps = |most, epochs| SampleLimit::new(most, 7).steps(epochs, steps_of);
        assert_eq!(steps(0, 2), None);
        assert_eq!(steps(14, 2), None);
        assert_eq!(steps(13, 2), Some(5));
        assert_eq!(steps(10, 5), Some(4));
        assert_eq!(steps(14, 5), Some(6));
        assert_eq!(steps(1, 1), Some(1));
    }
}
