//! The results folder that the user names.

use std::path::Path;

use super::advise;
use crate::results::Results;

/// Checks that this is a results folder.
pub(crate) fn of_a_run(results: &Path) -> anyhow::Result<()> {
    for name in ["spec.toml", "metrics.csv"] {
        if !results.join(name).exists() {
            return Err(advise(
                format!(
                    "`{}` is not a results folder: it has no `{name}`",
                    results.display()
                ),
                "pass a folder that `allround run` has written, such as `results/quickstart`",
            ));
        }
    }
    Ok(())
}

/// A results folder that a run has written.
pub(crate) fn read(folder: &Path) -> anyhow::Result<Results> {
    of_a_run(folder)?;
    Ok(Results::read(folder)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_results_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |what: &str| {
            let error = read(folder.path()).unwrap_err().to_string();
            let expected = format!("is not a results folder: it has no `{what}`");
            assert!(error.contains(&expected), "{error}");
        };
        refused("spec.toml");
        allround_core::fs::write_atomic(&folder.path().join("spec.toml"), b"").unwrap();
        refused("metrics.csv");
    }
}
