//! The data that every source yields.

use crate::event::Counted;
use serde::{Deserialize, Serialize};

/// Interactions in file order with interned ids, and the texts of items.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawData {
    /// Raw user ids; the index is the user number.
    pub users: Vec<String>,
    /// Raw item ids; the index is the item number, from 0 here.
    pub items: Vec<String>,
    /// User number of each interaction.
    pub user: Vec<u32>,
    /// Item number of each interaction.
    pub item: Vec<u32>,
    /// Rating of each interaction; empty when the source has no ratings.
    pub rating: Vec<f32>,
    /// Time of each interaction, in any unit; larger is later. Empty when the file's order is the
    /// time order.
    pub time: Vec<i64>,
    /// Part of each interaction in a ready-made split; empty when the source has no split.
    pub part: Vec<Given>,
    /// Texts by item number; empty when the source has no texts.
    pub texts: Vec<Text>,
    /// Description of how the files were read: their form and encoding.
    pub read_as: Vec<String>,
    /// Counts of what the reader left out or did not use.
    pub notes: Vec<Counted>,
    /// How the records of items match the interactions; `None` when the source has no records.
    pub joined: Option<Joined>,
}

/// How the records of items match the items of the interactions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Joined {
    /// Name of the file of records.
    pub file: String,
    /// Whether an item has a record, by item number.
    pub has_record: Vec<bool>,
    /// Counts over the whole file. `items_without` is counted later, for the items that filters
    /// leave.
    pub counts: RecordCounts,
    /// Examples of ids that do not match, and the likely cause; `None` when every item has a
    /// record.
    pub doubt: Option<String>,
}

/// Counts of the records of items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordCounts {
    /// Records in the file.
    pub records: u64,
    /// Items of the data set without a record.
    pub items_without: u64,
    /// Records with an id that no interaction has.
    pub without_item: u64,
    /// Records of an item that has an earlier record.
    pub repeated: u64,
    /// Repeated records that contradict an earlier one. The first value is used.
    pub conflicting: u64,
}

/// The part of an interaction in a ready-made split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Given {
    /// Training.
    Train,
    /// Validation.
    Valid,
    /// Test.
    Test,
}

/// An item's texts. `None`: the source does not have the field for this item.
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
    /// Adds a note about something that the reader left out or did not use.
    pub fn note(&mut self, what: impl Into<String>, count: u64) {
        if count > 0 {
            let what = what.into();
            self.notes.push(Counted { what, count });
        }
    }

    /// Drops every interaction for which `keep` is false. Users, items and texts stay.
    pub fn retain(&mut self, keep: &[bool]) {
        fn retain<T: Copy>(values: &mut Vec<T>, keep: &[bool]) {
            let mut kept = keep.iter();
            values.retain(|_| *kept.next().unwrap_or(&true));
        }
        retain(&mut self.user, keep);
        retain(&mut self.item, keep);
        retain(&mut self.rating, keep);
        retain(&mut self.time, keep);
        retain(&mut self.part, keep);
    }
}
