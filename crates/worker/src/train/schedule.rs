//! The learning rate of each step: linear warm-up, then the decay of the settings.

use allround_core::models::train::{Decay, Train};

/// The learning rate after `done` of `all` steps.
///
/// It rises linearly over `train.warmup` steps. Then it stays or falls, as [`Decay`] says.
pub(super) fn learning_rate(train: &Train, done: u64, all: u64) -> f64 {
    let Train {
        lr, warmup, decay, ..
    } = *train;
    if done < warmup {
        return lr * (done + 1) as f64 / warmup as f64;
    }
    let falling = all.saturating_sub(warmup).max(1);
    let share = ((done - warmup) as f64 / falling as f64).min(1.0);
    match decay {
        Decay::None => lr,
        Decay::Linear => lr * (1.0 - share),
        Decay::Stepwise => {
            let tenths = share * 10.0 * f64::from(train.epochs);
            // A step that begins a tenth is in it, whatever the division has rounded.
            lr * 0.95_f64.powf((tenths + 1e-9).floor())
        }
        Decay::Cosine => lr * cosine(0.1, share),
        Decay::CosineToHundredth => lr * cosine(0.01, share),
    }
}

/// Half a cosine from 1 to `end`, after a share of its way.
fn cosine(end: f64, share: f64) -> f64 {
    end + 0.5 * (1.0 - end) * (1.0 + (std::f64::consts::PI * share).cos())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::training;

    #[test]
    fn the_rate_falls_in_steps_by_a_twentieth_after_every_tenth_of_an_epoch() {
        let train = Train {
            lr: 1.0,
            decay: Decay::Stepwise,
            ..training(2, 1)
        };
        // Two epochs of thirty steps.
        for (done, tenths) in [(0, 0), (2, 0), (3, 1), (29, 9), (30, 10), (59, 19)] {
            let rate = learning_rate(&train, done, 60);
            assert!(
                (rate - 0.95_f64.powi(tenths)).abs() < 1e-12,
                "{done}: {rate}"
            );
        }
    }
}
