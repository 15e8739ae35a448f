//! Ranks of users' targets: the output of an `evaluate` stage.

use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use super::Part;
use crate::fs::{self, FsError};

/// Ranks of M users' targets in one part of the split.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranks {
    /// The part of the split.
    pub part: Part,
    /// User numbers of the prepared data set, ascending, M of them.
    pub users: Vec<u32>,
    /// Target items (1 to V), M of them.
    pub targets: Vec<u32>,
    /// 1 + greater scores + a share of the equal ones, M of them; never NaN.
    pub ranks: Vec<f64>,
}

/// The file of a part inside an artefact folder.
fn file(part: Part) -> &'static str {
    match part {
        Part::Valid => "ranks.valid.safetensors",
        Part::Test => "ranks.test.safetensors",
    }
}

impl Ranks {
    /// Writes the ranks into folder `dir`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, dir: &Path) -> Result<(), FsError> {
        let path = dir.join(file(self.part));
        let users = words(&self.users);
        let targets = words(&self.targets);
        let ranks: Vec<u8> = self
            .ranks
            .iter()
            .flat_map(|rank| rank.to_le_bytes())
            .collect();
        let view = |dtype, bytes| TensorView::new(dtype, vec![self.users.len()], bytes);
        let tensors = [
            ("users", Dtype::U32, &users),
            ("targets", Dtype::U32, &targets),
            ("ranks", Dtype::F64, &ranks),
        ];
        let views = tensors.map(|(name, dtype, bytes)| view(dtype, bytes).map(|view| (name, view)));
        let bytes = views
            .into_iter()
            .collect::<Result<Vec<_>, _>>()
            .and_then(|views| serialize(views, None))
            .map_err(|error| wrong(&path, "write", &error.to_string()))?;
        fs::write_atomic(&path, &bytes)
    }

    /// Reads the ranks of `part` in folder `dir`.
    ///
    /// # Errors
    /// When the file is missing or damaged, its arrays differ in length, or a rank is invalid.
    pub fn load(dir: &Path, part: Part) -> Result<Ranks, FsError> {
        let path = dir.join(file(part));
        let bytes = fs::read(&path)?;
        let wrong = |what: &str| wrong(&path, "read", what);
        let tensors =
            SafeTensors::deserialize(&bytes).map_err(|error| wrong(&error.to_string()))?;
        let tensor = |name| {
            tensors
                .tensor(name)
                .map_err(|error| wrong(&error.to_string()))
        };
        let (users, targets, ranks) = (tensor("users")?, tensor("targets")?, tensor("ranks")?);
        if (users.dtype(), targets.dtype(), ranks.dtype()) != (Dtype::U32, Dtype::U32, Dtype::F64) {
            return Err(wrong("expected u32 `users` and `targets`, f64 `ranks`"));
        }
        let ranks = Ranks {
            part,
            users: chunks(users.data(), u32::from_le_bytes),
            targets: chunks(targets.data(), u32::from_le_bytes),
            ranks: chunks(ranks.data(), f64::from_le_bytes),
        };
        if ranks.users.len() != ranks.ranks.len() || ranks.targets.len() != ranks.ranks.len() {
            return Err(wrong("`users`, `targets` and `ranks` differ in length"));
        }
        match ranks
            .ranks
            .iter()
            .find(|rank| !rank.is_finite() || **rank < 1.0)
        {
            Some(rank) => Err(wrong(&format!("`{rank}` is not a rank"))),
            None => Ok(ranks),
        }
    }
}

fn words(values: &[u32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

fn chunks<const N: usize, T>(bytes: &[u8], read: fn([u8; N]) -> T) -> Vec<T> {
    let (chunks, _) = bytes.as_chunks::<N>();
    chunks.iter().map(|chunk| read(*chunk)).collect()
}

fn wrong(path: &Path, action: &'static str, what: &str) -> FsError {
    let error = std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_owned());
    FsError::new(path, action, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranks(rank: f64) -> Ranks {
        Ranks {
            part: Part::Test,
            users: vec![0, 3],
            targets: vec![7, 1],
            ranks: vec![1.5, rank],
        }
    }

    #[test]
    fn ranks_are_read_back() {
        let dir = tempfile::tempdir().unwrap();
        ranks(20.0).save(dir.path()).unwrap();
        assert_eq!(Ranks::load(dir.path(), Part::Test).unwrap(), ranks(20.0));
        assert!(Ranks::load(dir.path(), Part::Valid).is_err());
    }

    #[test]
    fn what_is_no_rank_is_refused_with_the_file() {
        let dir = tempfile::tempdir().unwrap();
        for rank in [f64::NAN, 0.5, f64::INFINITY] {
            ranks(rank).save(dir.path()).unwrap();
            let text = Ranks::load(dir.path(), Part::Test).unwrap_err().to_string();
            assert!(
                text.contains("is not a rank") && text.contains("ranks.test"),
                "{text}"
            );
        }
        std::fs::write(dir.path().join("ranks.test.safetensors"), b"cut").unwrap();
        assert!(Ranks::load(dir.path(), Part::Test).is_err());
    }
}
