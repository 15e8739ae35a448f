//! The learning rate of each step: linear warm-up, then the decay of the settings.

use allround_core::models::train::{Decay, Train};

/// The learning rate after `done` of `all` steps.
///
/// It rises linearly over `train.warmup` steps. Then it stays, falls linearly to 0, or falls along
/// half a cosine wave to a tenth.
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
        Decay::Cosine => lr * (0.1 + 0.45 * (1.0 + (std::f64::consts::PI * share).cos())),
    }
}
