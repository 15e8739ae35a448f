//! Real data for tests, which is not in the repository. Every package's tests include this file.

use std::path::{Path, PathBuf};

/// The file or folder `name` of the real data sets. `None` if it is missing, with a message on
/// standard error.
///
/// The environment variable `ALLROUND_TEST_DATA` names their folder; the default is
/// `../shared/data` next to the repository.
pub fn test_data(name: &str) -> Option<PathBuf> {
    let folder = match std::env::var_os("ALLROUND_TEST_DATA") {
        Some(folder) => PathBuf::from(folder),
        None => repository().join("../shared/data"),
    };
    let path = folder.join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!(
        "SKIPPED: {} does not exist; set ALLROUND_TEST_DATA to the folder of the data sets",
        path.display()
    );
    None
}

/// The repository's root: the nearest folder above the package with a `Cargo.lock`.
fn repository() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = package.ancestors();
    folders
        .find(|folder| folder.join("Cargo.lock").exists())
        .unwrap_or(package)
}
