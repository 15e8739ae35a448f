//! Statistics, checked against SciPy and statsmodels (`tests/fixtures/statistics.json`).

pub mod auc;
pub mod bootstrap;
pub mod effect;
pub mod holm;
pub mod power;
pub mod randomisation;
pub mod rank;
pub mod spread;
pub mod wilcoxon;

pub use auc::auc;
pub use bootstrap::{Interval, Panel};
pub use spread::{mean, standard_deviation};

#[cfg(test)]
mod reference;
