//! Interactions and items from records with named fields.

use std::path::Path;

use super::ids::Ids;
use super::join::Join;
use super::kinds;
use super::record::{Place, Record, each_record};
use super::times::{Times, iso, seconds};
use crate::source::raw::Text;
use crate::source::{DataError, RawData};

/// The fields of an interaction in a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'f> {
    /// Name of the records, in the plural, for messages.
    pub what: &'f str,
    /// The user's id.
    pub user: &'f str,
    /// The item's id.
    pub item: &'f str,
    /// The rating; `None` if there is none.
    pub rating: Option<&'f str>,
    /// The time; `None` if the file is in time order.
    pub time: Option<&'f str>,
    /// Format of dates as in `strftime`. Empty: numbers, or dates of ISO 8601.
    pub format: &'f str,
}

/// Ids and time of a record, in one text, so that a row needs only one allocation.
struct Parsed {
    packed: Box<str>,
    user_length: usize,
    item_length: usize,
    rating: f32,
    form: usize,
    is_date: bool,
}

/// Reads interactions whose records have one of `forms`: the first whose ids a record has.
///
/// # Errors
/// When a record has none of the forms, or another form than earlier records.
pub(crate) fn interactions(
    path: &Path,
    items: &mut Ids,
    forms: &[Fields<'_>],
) -> Result<(RawData, usize), DataError> {
    let (mut users, mut raw) = (Ids::default(), RawData::default());
    let mut times = Times::default();
    let mut first: Option<(usize, bool)> = None;
    let parse = |record: &Record<'_>, place: Place<'_>| {
        let is_form = |form: &Fields| record.has(form.user) && record.has(form.item);
        let form = forms.iter().position(is_form).unwrap_or_default();
        row(record, place, form, &forms[form]).map(Some)
    };
    each_record(path, parse, |row, place| {
        let (form, is_date) = *first.get_or_insert((row.form, row.is_date));
        if form != row.form {
            return Err(place
                .wrong(format!(
                    "one of {} among {}",
                    forms[row.form].what, forms[form].what
                ))
                .hint("a file holds one form: split it, or fetch it again"));
        }
        if is_date != row.is_date {
            return Err(place
                .wrong(format!(
                    "times are dates in some records and numbers in others: field `{}`",
                    forms[form].time.unwrap_or_default()
                ))
                .hint("write all of them in one form"));
        }
        let (user, rest) = row.packed.split_at(row.user_length);
        let (item, time) = rest.split_at(row.item_length);
        raw.user.push(users.number(user));
        raw.item.push(items.number(item));
        if forms[form].rating.is_some() {
            raw.rating.push(row.rating);
        }
        if let Some(name) = forms[form].time {
            times.push(time.as_bytes(), path, place.line, name)?;
        }
        Ok(())
    })?;
    raw.time = times.into_values();
    raw.users = users.into_names();
    Ok((super::filled(raw, path)?, first.unwrap_or_default().0))
}

fn row(
    record: &Record<'_>,
    place: Place<'_>,
    form: usize,
    fields: &Fields<'_>,
) -> Result<Parsed, DataError> {
    let odd = |what: String| {
        place
            .wrong(what)
            .hint("correct the record, or name another field")
    };
    let absent = |name: &str| {
        let (what, hint) = kinds::missing(record, name, fields.what);
        place.wrong(what).hint(hint)
    };
    let id = |name: &str| record.id(name).map_err(odd)?.ok_or_else(|| absent(name));
    let (user, item) = (id(fields.user)?, id(fields.item)?);
    let rating = match fields.rating {
        Some(name) => record
            .number(name)
            .map_err(odd)?
            .ok_or_else(|| absent(name))?,
        None => 0.0,
    };
    let (mut time, mut is_date) = (String::new(), false);
    if let Some(name) = fields.time {
        let written = record
            .text(name)
            .map_err(odd)?
            .ok_or_else(|| absent(name))?;
        (time, is_date) = moment(written.trim(), fields.format).ok_or_else(|| {
            let expected = match fields.format {
                "" => "expected a number, such as seconds or milliseconds since 1970, or a date such as `2018-07-07 22:09:11`; \
                       for other dates name the form, such as `time_format = \"%d/%m/%Y\"`".to_owned(),
                format => format!("expected a time of the form `{format}`; `time_format` names another one"),
            };
            place.wrong(format!("field `{name}` is `{}`, which is not a time of this form", kinds::shown(&written))).hint(expected)
        })?;
    }
    Ok(Parsed {
        user_length: user.len(),
        item_length: item.len(),
        packed: format!("{user}{item}{time}").into(),
        rating: rating as f32,
        form,
        is_date,
    })
}

/// A time as a decimal number, and whether it was a date. A date is converted to seconds since
/// 1970; without an offset, it is in UTC.
fn moment(written: &str, format: &str) -> Option<(String, bool)> {
    if format.is_empty() {
        let is_number = written.parse::<f64>().is_ok_and(f64::is_finite);
        return match is_number {
            true => Some((written.to_owned(), false)),
            false => iso(written).map(|time| (seconds(time), true)),
        };
    }
    let parsed = jiff::fmt::strtime::parse(format, written).ok()?;
    let utc = jiff::tz::TimeZone::UTC;
    let time = parsed.to_timestamp().ok().or_else(|| {
        let civil = parsed
            .to_datetime()
            .or_else(|_| parsed.to_date().map(|date| date.at(0, 0, 0, 0)));
        civil
            .ok()?
            .to_zoned(utc)
            .ok()
            .map(|zoned| zoned.timestamp())
    });
    time.map(|time| (seconds(time), true))
}

/// Reads the records of items. `what` is their name in the plural. `parse` returns an item's id and
/// text; the id is `None` if the record has none.
///
/// # Errors
/// When no record has an id.
pub(crate) fn items<'i>(
    path: &Path,
    items: &'i Ids,
    what: &str,
    id: &str,
    parse: impl Fn(&Record<'_>) -> Result<Text, String> + Sync,
) -> Result<(Join<'i>, u64), DataError> {
    let mut join = Join::new(items, path);
    let (mut without, mut with, mut example) = (0, false, None);
    let read = |record: &Record<'_>, place: Place<'_>| {
        let odd = |what: String| {
            place
                .wrong(what)
                .hint("correct the record, or name another field")
        };
        let Some(found) = record.id(id).map_err(odd)? else {
            let (what, hint) = kinds::missing(record, id, what);
            return Ok(Some(Err(place.wrong(what).hint(hint))));
        };
        // Most files contain many items that do not occur in this data set.
        let text = match items.get(&found) {
            Some(_) => parse(record).map_err(odd)?,
            None => Text::default(),
        };
        Ok(Some(Ok((found.into_owned(), text))))
    };
    each_record(path, read, |record, _| {
        match record {
            Ok((id, text)) => {
                with = true;
                join.add(&id, text);
            }
            Err(fault) => {
                without += 1;
                example.get_or_insert(fault);
            }
        }
        Ok(())
    })?;
    match example {
        Some(fault) if !with => Err(fault),
        _ => Ok((join, without)),
    }
}
