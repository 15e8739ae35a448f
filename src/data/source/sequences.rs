//! Lines of ids in time order: `user item`, or `user item item ...`.

use std::path::Path;

use super::ids::Ids;
use super::lines::Lines;
use crate::data::{DataError, RawData};
use crate::spec::config::dataset::SequenceForm;

pub(super) fn read(path: &Path, form: SequenceForm) -> Result<RawData, DataError> {
    let mut lines = Lines::open_rows(path)?;
    let (mut users, mut items, mut raw) = (Ids::default(), Ids::default(), RawData::default());
    while let Some((number, line)) = lines.text()? {
        let mut words = line.split_ascii_whitespace();
        let Some(user) = words.next() else { continue };
        let user = users.number(user);
        let before = raw.item.len();
        for item in words {
            raw.user.push(user);
            raw.item.push(items.number(item));
        }
        let found = raw.item.len() - before;
        if found == 0 || (form == SequenceForm::Pairs && found != 1) {
            let expected = match form {
                SequenceForm::Pairs => "`user item`",
                SequenceForm::Rows => "`user item item ...`",
            };
            return Err(
                DataError::new(format!("expected {expected}, found {} ids", found + 1))
                    .at(path)
                    .line(number)
                    .hint("`form` is `pairs` or `rows`; ids hold no white space"),
            );
        }
    }
    raw.users = users.into_names();
    raw.items = items.into_names();
    super::filled(raw, path)
}
