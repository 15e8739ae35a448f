//! Checks of `[run]`: names must be declared.

use super::Check;
use crate::experiment::config::Alone;

pub(super) fn check(check: &mut Check<'_>) {
    let Alone::Of(names) = &check.spec.run.alone else {
        return;
    };
    let known = check.model_names();
    for (at, name) in names.iter().enumerate() {
        check.known("model", name, &known, &["run", "alone", &at.to_string()]);
    }
    check.no_repeats(names, &["run", "alone"]);
}
