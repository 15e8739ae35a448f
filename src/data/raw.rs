//! What every source yields.

use crate::event::Counted;

/// Interactions in file order with interned ids, and the texts of items.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawData {
    /// Raw user ids, by user number.
    pub users: Vec<String>,
    /// Raw item ids, by item number (from 0 here).
    pub items: Vec<String>,
    /// User number of each interaction.
    pub user: Vec<u32>,
    /// Item number of each interaction.
    pub item: Vec<u32>,
    /// Rating of each interaction; empty when the source has none.
    pub rating: Vec<f32>,
    /// Time of each interaction, any unit, larger is later; empty when the file's order is the time order.
    pub time: Vec<i64>,
    /// Texts by item number; empty when the source has none.
    pub texts: Vec<Text>,
    /// How the files were read, in words, for a reader of the counts: their form and encoding.
    pub read_as: Vec<String>,
    /// What the reader left out or did not use, with how often.
    pub notes: Vec<Counted>,
}

/// An item's texts. `None`: the source has no such field for the item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// Title.
    pub title: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Categories or genres, in the source's order.
    pub categories: Vec<String>,
}

impl RawData {
    /// Notes something that the reader left out or did not use.
    pub fn note(&mut self, what: impl Into<String>, count: u64) {
        if count > 0 {
            let what = what.into();
            self.notes.push(Counted { what, count });
        }
    }

    /// Drops every interaction whose place in `keep` is false; users, items and texts stay.
    pub fn retain(&mut self, keep: &[bool]) {
        fn retain<T: Copy>(values: &mut Vec<T>, keep: &[bool]) {
            let mut kept = keep.iter();
            values.retain(|_| *kept.next().unwrap_or(&true));
        }
        retain(&mut self.user, keep);
        retain(&mut self.item, keep);
        retain(&mut self.rating, keep);
        retain(&mut self.time, keep);
    }
}
