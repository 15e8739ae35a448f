//! Hashes bytes into keys. No other module hashes.
//!
//! A [`Key`] is a BLAKE3 digest. Settings are hashed as canonical JSON, with sorted object keys.
//! The order of fields in a struct or a TOML file therefore never changes a key.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A BLAKE3 digest, written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key([u8; 32]);

impl Key {
    /// The first 12 hexadecimal digits, which are enough for display.
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }

    /// The raw 32 bytes, for deriving seeds.
    pub fn bytes(&self) -> [u8; 32] {
        self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Key({})", self.short())
    }
}

/// A text that is not 64 hexadecimal digits.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a key: expected 64 hexadecimal digits")]
pub struct KeyError(String);

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let hash = blake3::Hash::from_hex(text).map_err(|_| KeyError(text.to_owned()))?;
        Ok(Key(*hash.as_bytes()))
    }
}

impl Serialize for Key {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// The key of some bytes.
pub fn of_bytes(bytes: &[u8]) -> Key {
    Key(*blake3::hash(bytes).as_bytes())
}

/// The key of everything that `reader` yields, in constant memory.
pub fn of_reader(reader: impl std::io::Read) -> std::io::Result<Key> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(reader)?;
    Ok(Key(*hasher.finalize().as_bytes()))
}

/// The key of a value's canonical JSON.
///
/// # Panics
/// When `value` cannot be written as JSON, such as a map whose keys are not strings. Settings never
/// contain one.
pub fn of_value(value: &impl Serialize) -> Key {
    of_bytes(canonical_json(value).as_bytes())
}

/// JSON with sorted object keys and no white space.
///
/// # Panics
/// See [`of_value`].
pub fn canonical_json(value: &impl Serialize) -> String {
    // `serde_json::Value` keeps objects in a BTreeMap, so going through it sorts the keys.
    let value = serde_json::to_value(value).expect("settings are plain data");
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_order_does_not_change_a_key() {
        #[derive(Serialize)]
        struct Forward {
            a: u32,
            b: u32,
        }
        #[derive(Serialize)]
        struct Backward {
            b: u32,
            a: u32,
        }
        assert_eq!(
            of_value(&Forward { a: 1, b: 2 }),
            of_value(&Backward { b: 2, a: 1 })
        );
        assert_ne!(
            of_value(&Forward { a: 1, b: 2 }),
            of_value(&Forward { a: 2, b: 1 })
        );
    }

    #[test]
    fn a_key_is_read_back_from_its_text() {
        let key = of_bytes(b"allround");
        assert_eq!(key.to_string().parse::<Key>().unwrap(), key);
        assert!("xyz".parse::<Key>().is_err());
    }
}
