//! Effect sizes of paired differences.

use super::wilcoxon::Wilcoxon;
use super::{mean, standard_deviation};

/// Matched-pairs rank-biserial correlation (Kerby 2014), -1 to 1: the share of the positive rank
/// sum minus that of the negative one. 0 when every difference is 0.
pub fn rank_biserial(test: &Wilcoxon) -> f64 {
    let total = test.plus + test.minus;
    if total == 0.0 {
        return 0.0;
    }
    (test.plus - test.minus) / total
}

/// Cohen's dz: the mean difference divided by the standard deviation of differences. `None` with
/// fewer than two differences, or when all are equal.
pub fn cohen_dz(differences: &[f64]) -> Option<f64> {
    let sd = standard_deviation(differences).filter(|sd| *sd > 0.0)?;
    Some(mean(differences)? / sd)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::stats::wilcoxon;

    #[test]
    fn effects_have_the_sign_of_the_difference_and_their_bounds() {
        assert_eq!(rank_biserial(&wilcoxon::test(&[1.0, 2.0])), 1.0);
        assert_eq!(rank_biserial(&wilcoxon::test(&[-1.0, -2.0])), -1.0);
        assert_eq!(rank_biserial(&wilcoxon::test(&[0.0])), 0.0);
        assert!((cohen_dz(&[1.0, 3.0]).unwrap() - 2f64.sqrt()).abs() < 1e-12);
        assert_eq!((cohen_dz(&[1.0]), cohen_dz(&[1.0, 1.0])), (None, None));
    }
}
