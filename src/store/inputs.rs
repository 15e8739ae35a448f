//! Cache of input file digests by path, size, times and inode, so that a large file is read once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Store;
use allround_core::digest::Key;
use allround_core::fs::{self, FsError, Stamp};
use allround_core::source;

/// The cache.
#[derive(Debug)]
pub struct Inputs {
    path: PathBuf,
    known: BTreeMap<PathBuf, Known>,
    changed: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Known {
    stamp: Stamp,
    digest: Key,
}

impl Inputs {
    /// The cache of `store`. Empty if its file is missing or damaged, since it can be rebuilt.
    pub fn load(store: &Store) -> Inputs {
        let path = store.root().join("inputs.json");
        let bytes = fs::read(&path).unwrap_or_default();
        Inputs {
            path,
            known: serde_json::from_slice(&bytes).unwrap_or_default(),
            changed: false,
        }
    }

    /// The digest of a file, or of the files of a folder with their names. Hidden files, such as
    /// notes of a download, do not count. Of a published data set, only the files that are
    /// read count.
    ///
    /// # Errors
    /// When a file is missing or cannot be read.
    pub fn digest(&mut self, path: &Path) -> Result<Key, FsError> {
        if path.is_dir() {
            let mut parts = Vec::new();
            for file in read_of(path)? {
                let name = file
                    .strip_prefix(path)
                    .unwrap_or(&file)
                    .to_string_lossy()
                    .into_owned();
                if name.split('/').any(|part| part.starts_with('.')) {
                    continue;
                }
                parts.push((name, self.digest(&file)?));
            }
            return Ok(allround_core::digest::of_value(&parts));
        }
        let stamp = fs::stamp(path)?;
        let path = std::path::absolute(path).map_err(|error| FsError::new(path, "find", error))?;
        if let Some(known) = self.known.get(&path).filter(|known| known.stamp == stamp) {
            return Ok(known.digest);
        }
        let now = fs::now_ns();
        let digest = fs::digest(&path)?;
        // A file that changed while it was read, or just before, may change again without another
        // size or time.
        if stamp.is_settled(now) && fs::stamp(&path)? == stamp {
            self.known.insert(path, Known { stamp, digest });
            self.changed = true;
        }
        Ok(digest)
    }

    /// Writes new digests to disk.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self) -> Result<(), FsError> {
        if !self.changed {
            return Ok(());
        }
        let text = serde_json::to_vec(&self.known).expect("digests are plain data");
        fs::write_atomic(&self.path, &text)
    }
}

/// The files of a folder that count.
fn read_of(folder: &Path) -> Result<Vec<PathBuf>, FsError> {
    if let Some(mut files) = source::files_in(folder) {
        files.sort();
        return Ok(files);
    }
    fs::walk(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_follows_the_contents_and_is_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let file = dir.path().join("reviews.json");
        fs::write_atomic(&file, b"one").unwrap();
        let mut inputs = Inputs::load(&store);
        wait_until_settled(&file);
        assert_eq!(
            inputs.digest(&file).unwrap(),
            allround_core::digest::of_bytes(b"one")
        );
        inputs.save().unwrap();
        let mut again = Inputs::load(&store);
        again.digest(&file).unwrap();
        assert!(!again.changed, "the file was read a second time");
        fs::write_atomic(&file, b"three").unwrap();
        assert_eq!(
            again.digest(&file).unwrap(),
            allround_core::digest::of_bytes(b"three")
        );
    }

    fn wait_until_settled(file: &Path) {
        while !fs::stamp(file).unwrap().is_settled(fs::now_ns()) {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    #[test]
    fn other_contents_of_the_same_size_and_time_of_modification_have_another_digest() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        for name in ["plays.csv", "model/model.safetensors"] {
            let file = dir.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, "user,item\na,x\n").unwrap();
            let asked = if name.contains('/') {
                dir.path().join("model")
            } else {
                file.clone()
            };
            let digest = || {
                let mut inputs = Inputs::load(&store);
                let digest = inputs.digest(&asked).unwrap();
                inputs.save().unwrap();
                digest
            };
            wait_until_settled(&file);
            let first = digest();
            let modified = std::fs::metadata(&file).unwrap().modified().unwrap();
            let put_back = |file: &Path| {
                let open = std::fs::File::options().write(true).open(file).unwrap();
                open.set_modified(modified).unwrap();
            };
            // Written over in place, as `flip.py` or `rsync --inplace -t` do.
            std::fs::write(&file, "user,item\na,y\n").unwrap();
            put_back(&file);
            let second = digest();
            assert_ne!(second, first, "{name}");
            // Replaced by another file, as `cp -p` and `mv` do.
            let other = dir.path().join("other");
            std::fs::write(&other, "user,item\na,z\n").unwrap();
            put_back(&other);
            std::fs::rename(&other, &file).unwrap();
            assert!(![first, second].contains(&digest()), "{name}");
        }
    }

    #[test]
    fn a_file_that_changed_this_moment_is_not_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let file = dir.path().join("plays.csv");
        std::fs::write(&file, "one").unwrap();
        let stamp = fs::stamp(&file).unwrap();
        assert!(!stamp.is_settled(stamp.changed_ns) && !stamp.is_settled(stamp.changed_ns + 1));
        assert!(stamp.is_settled(stamp.changed_ns + 1_000_000_000));
        wait_until_settled(&file);
        let mut inputs = Inputs::load(&store);
        inputs.digest(&file).unwrap();
        assert!(inputs.changed);
    }

    #[test]
    fn of_a_movielens_folder_only_the_files_of_its_form_count() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let folder = dir.path().join("ml");
        fs::create_dir_all(&folder).unwrap();
        let write = |name: &str, text: &[u8]| fs::write_atomic(&folder.join(name), text).unwrap();
        write("u.data", b"1\t1\t5\t1");
        write("u.item", b"1|Heat");
        let digest = || Inputs::load(&store).digest(&folder).unwrap();
        let before = digest();
        write("README", b"read me");
        assert_eq!(digest(), before);
        write("u.item", b"1|Heat (1995)");
        assert_ne!(digest(), before);
    }

    #[test]
    fn a_folder_counts_by_names_and_contents_without_hidden_files() {
        let dir = tempfile::tempdir().unwrap();
        let model = dir.path().join("model");
        fs::create_dir_all(&model.join(".cache")).unwrap();
        fs::write_atomic(&model.join("config.json"), b"{}").unwrap();
        let digest = || Inputs::load(&Store::at(dir.path())).digest(&model).unwrap();
        let before = digest();
        fs::write_atomic(&model.join(".cache/fetched"), b"today").unwrap();
        assert_eq!(digest(), before);
        fs::write_atomic(&model.join("model.safetensors"), b"weights").unwrap();
        let with_weights = digest();
        assert_ne!(with_weights, before);
        fs::write_atomic(&model.join("model.safetensors"), b"others!").unwrap();
        assert_ne!(digest(), with_weights);
    }

    #[test]
    fn a_missing_input_is_refused_with_its_path() {
        let dir = tempfile::tempdir().unwrap();
        let mut inputs = Inputs::load(&Store::at(dir.path()));
        let text = inputs
            .digest(&dir.path().join("gone.gz"))
            .unwrap_err()
            .to_string();
        assert!(text.contains("gone.gz"), "{text}");
    }
}
