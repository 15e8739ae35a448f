//! Joins records of items to the items of interactions, for all sources with texts.
//!
//! A later record of an item fills gaps of the first one and never overwrites it. Records and items
//! that do not match are counted. If none match, the source is refused with an example of each side
//! and the likely cause.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::ids::Ids;
use crate::source::raw::{Joined, RecordCounts, Text};
use crate::source::{DataError, RawData};

/// Number of ids of unmatched records that are kept to find the cause.
const KEPT: usize = 1000;

/// A join in progress.
pub(crate) struct Join<'a> {
    items: &'a Ids,
    path: PathBuf,
    texts: Vec<Text>,
    has_record: Vec<bool>,
    counts: RecordCounts,
    strays: Vec<String>,
}

impl<'a> Join<'a> {
    /// Starts a join of the records in the file at `path` to `items`.
    pub(crate) fn new(items: &'a Ids, path: &Path) -> Self {
        Self {
            items,
            path: path.to_owned(),
            texts: Vec::new(),
            has_record: vec![false; items.len()],
            counts: RecordCounts::default(),
            strays: Vec::new(),
        }
    }

    /// Adds the record of item `id`.
    pub(crate) fn add(&mut self, id: &str, text: Text) {
        self.counts.records += 1;
        let Some(number) = self.items.get(id) else {
            self.counts.without_item += 1;
            if self.strays.len() < KEPT {
                self.strays.push(id.to_owned());
            }
            return;
        };
        let slot = number as usize;
        if self.texts.len() <= slot {
            self.texts.resize_with(slot + 1, Text::default);
        }
        if !std::mem::replace(&mut self.has_record[slot], true) {
            self.texts[slot] = text;
            return;
        }
        self.counts.repeated += 1;
        self.counts.conflicting += u64::from(fill(&mut self.texts[slot], text));
    }

    /// Adds texts and counts to `raw`, whose users and interactions are complete.
    ///
    /// # Errors
    /// When the file has no record, or no record belongs to an item.
    pub(crate) fn finish(self, raw: &mut RawData) -> Result<(), DataError> {
        if self.counts.records == 0 {
            return Err(DataError::new("the file holds no record of an item")
                .at(&self.path)
                .hint("name another file, or remove the key to read no texts"));
        }
        let missing = self.missing();
        let (n, all) = (missing.len(), self.has_record.len());
        let doubt = (n > 0).then(|| self.doubt(&missing, raw));
        if n == all {
            let Doubt {
                examples, cause, ..
            } = doubt.unwrap_or_default();
            let what = format!(
                "no record belongs to any of the {n} items of the interactions: {examples}"
            );
            return Err(DataError::new(what).at(&self.path).hint(cause));
        }
        let is_told = |doubt: &Doubt| doubt.is_certain || 2 * n > all;
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        raw.joined = Some(Joined {
            doubt: doubt.filter(is_told).map(
                |Doubt {
                     examples, cause, ..
                 }| format!("{examples}; {cause}"),
            ),
            file: name.into_owned(),
            has_record: self.has_record,
            counts: self.counts,
        });
        raw.texts = self.texts;
        Ok(())
    }

    /// Why items in `missing` may have no record.
    fn doubt(&self, missing: &[&str], raw: &RawData) -> Doubt {
        let found = KINDS
            .iter()
            .find_map(|kind| Some((kind.cause, kind.pair(missing, &self.strays)?)));
        if let Some((cause, (item, stray))) = found {
            return Doubt {
                examples: examples(item, stray),
                cause: cause.to_owned(),
                is_certain: true,
            };
        }
        let item = missing.first().copied().unwrap_or_default();
        let users: HashSet<&str> = raw.users.iter().map(String::as_str).collect();
        let is_swapped = self.strays.iter().any(|stray| users.contains(&**stray));
        let cause = match self.strays.is_empty() {
            true => "the file of records was cut off, or is of another collection",
            false if is_swapped => {
                "the records' ids are users of the interactions: are the columns of users and items swapped?"
            }
            false => {
                "both files must name an item by the same id: check which column holds it, and that the files belong together"
            }
        };
        Doubt {
            examples: match self.strays.first() {
                Some(stray) => examples(item, stray),
                None => format!("an item without a record is `{item}`"),
            },
            cause: cause.to_owned(),
            is_certain: is_swapped,
        }
    }

    /// Ids of the items without a record, ordered by number.
    fn missing(&self) -> Vec<&str> {
        let mut found: Vec<(u32, &str)> = self
            .items
            .iter()
            .filter(|(number, _)| !self.has_record[*number as usize])
            .collect();
        found.sort_unstable();
        found.into_iter().map(|(_, id)| id).collect()
    }
}

/// Why records and items may not match.
#[derive(Default)]
struct Doubt {
    /// An id of each side.
    examples: String,
    /// The likely cause, and what to do.
    cause: String,
    /// Whether ids of both sides show that cause.
    is_certain: bool,
}

fn examples(item: &str, stray: &str) -> String {
    format!("an item of the interactions is `{item}`, a record is of `{stray}`")
}

/// Fills gaps of `text` from `later`. Returns whether the two contradict each other.
fn fill(text: &mut Text, later: Text) -> bool {
    let mut conflicts = false;
    let pairs = [
        (&mut text.title, later.title),
        (&mut text.description, later.description),
    ];
    for (first, later) in pairs {
        let is_blank = |text: &Option<String>| text.as_ref().is_none_or(|it| it.trim().is_empty());
        if is_blank(&later) {
            continue;
        }
        if is_blank(first) {
            *first = later;
        } else {
            conflicts |= *first != later;
        }
    }
    if text.categories.is_empty() {
        text.categories = later.categories;
    } else if !later.categories.is_empty() {
        conflicts |= text.categories != later.categories;
    }
    conflicts
}

/// A difference between ids of two files that mean the same item.
struct Kind {
    cause: &'static str,
    /// The form that is equal on both sides.
    form: fn(&str) -> String,
}

const KINDS: [Kind; 5] = [
    Kind {
        cause: "the ids differ in white space or quotes around them: remove these from one of the files",
        form: trimmed,
    },
    Kind {
        cause: "the ids differ in upper and lower case: make them alike in one of the files",
        form: |id| trimmed(id).to_lowercase(),
    },
    Kind {
        cause: "one side has ids as numbers with a fraction, such as `7.0` for `7`: write ids as whole numbers or texts \
                (pandas: `dtype=str`)",
        form: whole,
    },
    Kind {
        cause: "leading zeros are lost on one side: read and write ids as texts (pandas: `dtype=str`)",
        form: |id| unpadded(&trimmed(id)),
    },
    Kind {
        cause: "the ids differ in more than one way (zeros, fractions, case, white space): write them alike as texts",
        form: |id| unpadded(&whole(id).to_lowercase()),
    },
];

impl Kind {
    /// An item and a record whose ids have the same form.
    fn pair<'a>(&self, items: &[&'a str], strays: &'a [String]) -> Option<(&'a str, &'a str)> {
        let forms: std::collections::HashMap<String, &str> = strays
            .iter()
            .rev()
            .map(|id| ((self.form)(id), id.as_str()))
            .collect();
        items
            .iter()
            .find_map(|id| Some((*id, *forms.get(&(self.form)(id))?)))
    }
}

fn trimmed(id: &str) -> String {
    let is_around = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '\u{feff}');
    id.trim_matches(is_around).to_owned()
}

fn whole(id: &str) -> String {
    let id = trimmed(id);
    match id.split_once('.') {
        Some((number, zeros)) if !number.is_empty() && zeros.bytes().all(|byte| byte == b'0') => {
            number.to_owned()
        }
        _ => id,
    }
}

fn unpadded(id: &str) -> String {
    match id.trim_start_matches('0') {
        "" => "0".to_owned(),
        rest => rest.to_owned(),
    }
}
