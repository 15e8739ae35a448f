//! Joins records of items to the items of the interactions.

use std::path::Path;

use super::ids::Ids;
use crate::data::raw::Text;
use crate::data::{DataError, RawData};

/// Records of items on their way to a data set.
pub(super) struct Join<'a> {
    items: &'a Ids,
    texts: Vec<Text>,
}

impl<'a> Join<'a> {
    /// A join of the records of the file at `path` to `items`.
    pub(super) fn new(items: &'a Ids, _path: &Path) -> Self {
        Self {
            items,
            texts: Vec::new(),
        }
    }

    /// Takes in the record of item `id`.
    pub(super) fn add(&mut self, id: &str, text: Text) {
        if let Some(number) = self.items.get(id) {
            let slot = number as usize;
            if self.texts.len() <= slot {
                self.texts.resize_with(slot + 1, Text::default);
            }
            self.texts[slot] = text;
        }
    }

    /// Gives the texts to `raw`, whose users and interactions are read already.
    ///
    /// # Errors
    /// None yet.
    #[allow(clippy::unnecessary_wraps)]
    pub(super) fn finish(self, raw: &mut RawData) -> Result<(), DataError> {
        raw.texts = self.texts;
        Ok(())
    }
}
