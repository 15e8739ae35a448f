//! Where the worker program is.

use std::path::{Path, PathBuf};

/// Name of the worker program.
pub const WORKER: &str = "allround-worker";

/// No worker program was found.
#[derive(Debug, thiserror::Error)]
pub enum LocateError {
    /// The given path is not a file.
    #[error("no worker at `{}`", .0.display())]
    Given(PathBuf),
    /// Not next to this program and not on the PATH.
    #[error("no `{WORKER}` in `{}` or on the PATH", .0.display())]
    Nowhere(PathBuf),
}

/// The worker program: the given path, else the file next to this program, else the first on the
/// PATH.
///
/// # Errors
/// When there is no such file.
pub fn worker(given: Option<&Path>) -> Result<PathBuf, LocateError> {
    if let Some(path) = given {
        return if path.is_file() {
            std::path::absolute(path).map_err(|_| LocateError::Given(path.to_owned()))
        } else {
            Err(LocateError::Given(path.to_owned()))
        };
    }
    let program = std::env::current_exe().unwrap_or_default();
    let folder = program.parent().unwrap_or(Path::new("."));
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::iter::once(folder.to_owned())
        .chain(std::env::split_paths(&path))
        .map(|folder| folder.join(WORKER))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| LocateError::Nowhere(folder.to_owned()))
}
