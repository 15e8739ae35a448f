//! Recognises files of kinds that a source does not read by their first bytes, and says how to
//! convert them.

use std::path::Path;

use super::record::Record;
use crate::source::DataError;

/// A kind of file that no source reads.
struct Other {
    /// Offset of its signature, in bytes.
    at: usize,
    /// Its signatures.
    begins: &'static [&'static [u8]],
    what: &'static str,
    hint: &'static str,
}

const PANDAS: &str = "convert it with pandas, for example `pandas.read_parquet(\"x.parquet\").to_csv(\"x.csv\", index=False)`, \
    and read it by `source.csv`";
const UNPACK: &str =
    "unpack it and name the file inside; gzip (`.gz`) is the one compression that is read as it is";
const FETCH: &str =
    "the download failed or needs a login: fetch the file again, and look at what was sent";

const OTHERS: [Other; 21] = [
    other(&[b"PAR1"], "a Parquet file", PANDAS),
    other(
        &[b"ARROW1", b"FEA1"],
        "an Arrow or Feather file",
        "convert it with pandas, for example `pandas.read_feather(\"x.feather\").to_csv(\"x.csv\", index=False)`",
    ),
    other(
        &[b"ORC"],
        "an ORC file",
        "convert it with pandas: `pandas.read_orc(\"x.orc\").to_csv(\"x.csv\", index=False)`",
    ),
    other(
        &[b"Obj\x01"],
        "an Avro file",
        "convert it to CSV or to JSON lines",
    ),
    other(
        &[b"PK\x03\x04", b"PK\x05\x06"],
        "a zip archive (or `.npz`, `.xlsx`)",
        UNPACK,
    ),
    other(
        &[b"\x28\xb5\x2f\xfd"],
        "compressed with zstd",
        "unpack it: `zstd -d FILE`",
    ),
    other(
        &[b"BZh"],
        "compressed with bzip2",
        "unpack it: `bunzip2 FILE`",
    ),
    other(
        &[b"\xfd7zXZ\x00"],
        "compressed with xz",
        "unpack it: `unxz FILE`",
    ),
    other(&[b"7z\xbc\xaf\x27\x1c"], "a 7z archive", UNPACK),
    other(&[b"Rar!"], "a RAR archive", UNPACK),
    other(
        &[b"\x04\x22\x4d\x18"],
        "compressed with lz4",
        "unpack it: `lz4 -d FILE`",
    ),
    other(
        &[b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"],
        "a Python pickle",
        "a pickle can run code and is not read: load it in Python where you trust it, and write CSV or JSON lines",
    ),
    other(
        &[b"\x93NUMPY"],
        "a NumPy array",
        "write its rows as text, for example `numpy.savetxt(\"x.csv\", array, delimiter=\",\", fmt=\"%d\")`",
    ),
    other(
        &[b"\x89HDF"],
        "an HDF5 file",
        "convert it with pandas: `pandas.read_hdf(\"x.h5\").to_csv(\"x.csv\", index=False)`",
    ),
    other(
        &[b"SQLite format 3"],
        "an SQLite database",
        "write the table as CSV: `sqlite3 -header -csv FILE \"select * from TABLE\"`",
    ),
    other(
        &[b"MATLAB 5.0"],
        "a MATLAB file",
        "load it with `scipy.io.loadmat` and write its rows as CSV",
    ),
    other(
        &[b"\xff\xfe", b"\xfe\xff"],
        "text in UTF-16",
        "convert it: `iconv -f UTF-16 -t UTF-8 FILE`",
    ),
    other(
        &[b"version https://git-lfs"],
        "a Git LFS pointer, not the file itself",
        "fetch the file: `git lfs pull`",
    ),
    other(&[b"%PDF"], "a PDF file", "name a file of records"),
    other(
        &[b"\x1f\x8b"],
        "compressed twice with gzip",
        "unpack it once: `gunzip FILE`",
    ),
    Other {
        at: 257,
        begins: &[b"ustar"],
        what: "a tar archive",
        hint: "unpack it and name the file inside: `tar -xf FILE`",
    },
];

const fn other(begins: &'static [&'static [u8]], what: &'static str, hint: &'static str) -> Other {
    Other {
        at: 0,
        begins,
        what,
        hint,
    }
}

/// Refuses a folder, which would otherwise give an error of the operating system.
pub(crate) fn refuse_folder(path: &Path) -> Result<(), DataError> {
    match path.is_dir() {
        true => Err(DataError::new("is a folder, expected a file")
            .at(path)
            .hint("name the file inside it")),
        false => Ok(()),
    }
}

/// Refuses a file that does not contain text, by the bytes in `start`: its first ones, after
/// decompression with gzip.
///
/// # Errors
/// When the kind is known; the error names it, and how to convert it.
pub(crate) fn refuse_other(start: &[u8], path: &Path) -> Result<(), DataError> {
    let begins = |other: &Other| {
        let start = start.get(other.at..).unwrap_or_default();
        other.begins.iter().any(|bytes| start.starts_with(bytes))
    };
    let found = OTHERS.iter().find(|other| begins(other));
    if let Some(other) = found {
        return Err(DataError::new(format!("the file is {}", other.what))
            .at(path)
            .hint(other.hint));
    }
    let text = start.trim_ascii_start();
    let head = text[..text.len().min(64)].to_ascii_lowercase();
    let is_page = [&b"<!doctype html"[..], b"<html", b"<head", b"<body"];
    let what = match () {
        () if is_page.iter().any(|tag| head.starts_with(tag)) => {
            "an HTML page, such as an error of the server"
        }
        () if head.starts_with(b"<?xml") || head.starts_with(b"<error") => {
            "XML, such as an error of the server"
        }
        () => return Ok(()),
    };
    Err(DataError::new(format!("the file is {what}"))
        .at(path)
        .hint(FETCH))
}

/// The error of a file that was given to a source of JSON records and contains something else.
pub(crate) fn no_records(start: &[u8], path: &Path) -> DataError {
    let line = start
        .split(|&byte| byte == b'\n')
        .next()
        .unwrap_or_default();
    let line = &line[..line.len().min(400)];
    let text = shown(String::from_utf8_lossy(line).trim_end());
    let hint = match () {
        () if line.contains(&b',') || line.contains(&b';') => {
            "this looks like CSV, such as ratings without texts: read it by `source.csv`"
        }
        () if line.contains(&b'\t') => {
            "this looks like a table with tabs: read it by `source.csv`, or by `source.atomic` if it is RecBole's"
        }
        () => "expected JSON objects or Python dictionaries, one a line or in one list",
    };
    DataError::new(format!(
        "expected records in braces `{{...}}`, found `{text}`"
    ))
    .at(path)
    .line(1)
    .hint(hint)
}

/// Refuses a file of JSON records that was given to a source of tables or lines. `start` has its
/// first bytes.
///
/// # Errors
/// When the file has records; the error describes them, and names the source that reads them.
pub(crate) fn refuse_records(start: &[u8], path: &Path) -> Result<(), DataError> {
    let text = start.trim_ascii_start();
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
    let inner = text.strip_prefix(b"[").unwrap_or(text).trim_ascii_start();
    let is_record = inner.strip_prefix(b"{").is_some_and(|fields| {
        let fields = fields.trim_ascii_start();
        fields.starts_with(b"\"") || fields.starts_with(b"'") || fields.starts_with(b"u'")
    });
    if !is_record {
        return Ok(());
    }
    let has = |name: &str| {
        let quoted = |quote: char| format!("{quote}{name}{quote}").into_bytes();
        [quoted('"'), quoted('\'')]
            .iter()
            .any(|name| memchr::memmem::find(inner, name).is_some())
    };
    let fault = DataError::new("the file holds JSON records, not rows")
        .at(path)
        .line(1);
    Err(match known(has) {
        Some(known) => fault.hint(format!("these are {}; {}", known.what, known.hint)),
        None => fault.hint(
            "read them by `source.json = { interactions = \"...\", user = \"...\", item = \"...\" }`, which names the fields",
        ),
    })
}

/// Records of a publisher.
#[derive(Debug)]
pub(crate) struct Known {
    /// Fields that distinguish them from others.
    fields: &'static [&'static str],
    /// Their name, in the plural.
    what: &'static str,
    /// How to read them.
    hint: &'static str,
}

const AMAZON: &str = "read them by `source.amazon = { reviews = \"...\" }`";
const AMAZON_ITEMS: &str = "they are the `metadata` of `source.amazon`";
const OLD_METADATA: &str = "metadata of Amazon items (2014 or 2018)";
const YELP_ITEMS: &str = "they are the `items` of `source.json = { form = \"yelp\", ... }`";
const GOODREADS_ITEMS: &str =
    "they are the `items` of `source.json = { form = \"goodreads\", ... }`";
const STEAM_ITEMS: &str = "they are the `items` of `source.json = { form = \"steam\", ... }`";

/// Entries with more specific fields come first.
const KNOWN: [Known; 20] = [
    of(
        &["reviewerID", "asin"],
        "Amazon reviews of 2014 or 2018",
        AMAZON,
    ),
    of(
        &["parent_asin", "user_id"],
        "Amazon reviews of 2023",
        AMAZON,
    ),
    of(
        &["parent_asin", "average_rating"],
        "metadata of Amazon items (2023)",
        AMAZON_ITEMS,
    ),
    of(
        &["parent_asin", "main_category"],
        "metadata of Amazon items (2023)",
        AMAZON_ITEMS,
    ),
    of(&["asin", "imUrl"], OLD_METADATA, AMAZON_ITEMS),
    of(&["asin", "also_buy"], OLD_METADATA, AMAZON_ITEMS),
    of(&["asin", "categories"], OLD_METADATA, AMAZON_ITEMS),
    of(&["asin", "title"], OLD_METADATA, AMAZON_ITEMS),
    of(
        &["business_id", "user_id", "stars"],
        "Yelp reviews",
        "read them by `source.json = { form = \"yelp\", interactions = \"...\" }`",
    ),
    of(
        &["business_id", "user_id", "compliment_count"],
        "Yelp tips, not reviews",
        "read `review.json`, or name the fields: `source.json = { interactions = \"...\", user = \"user_id\", item = \"business_id\", \
         timestamp = \"date\" }`",
    ),
    of(
        &["business_id", "review_count"],
        "Yelp businesses",
        YELP_ITEMS,
    ),
    of(
        &["yelping_since"],
        "Yelp users",
        "they hold no interactions: read `review.json`",
    ),
    of(
        &["book_id", "user_id"],
        "Goodreads interactions",
        "read them by `source.json = { form = \"goodreads\", interactions = \"...\" }`",
    ),
    of(&["book_id", "work_id"], "Goodreads books", GOODREADS_ITEMS),
    of(&["book_id", "isbn"], "Goodreads books", GOODREADS_ITEMS),
    of(
        &["steam_id", "items_count"],
        "Steam users with their lists of games (`australian_users_items`), which are not supported",
        "write a line for each game of a user, in Python: `for line in open(FILE): u = ast.literal_eval(line); [print(json.dumps(\
         {\"user_id\": u[\"user_id\"], \"item_id\": g[\"item_id\"]})) for g in u[\"items\"]]`, and read it by `source.json`; \
         these lists have no times",
    ),
    of(
        &["user_url", "reviews"],
        "Steam users with their lists of reviews (`australian_user_reviews`), which are not supported",
        "write a line for each review, in Python: `for line in open(FILE): u = ast.literal_eval(line); [print(json.dumps(\
         {\"user_id\": u[\"user_id\"], \"item_id\": r[\"item_id\"]})) for r in u[\"reviews\"]]`, and read it by `source.json`",
    ),
    of(
        &["product_id", "username"],
        "Steam reviews",
        "read them by `source.json = { form = \"steam\", interactions = \"...\" }`",
    ),
    of(&["app_name"], "Steam games", STEAM_ITEMS),
    of(&["reviews_url"], "Steam games", STEAM_ITEMS),
];

const fn of(fields: &'static [&'static str], what: &'static str, hint: &'static str) -> Known {
    Known { fields, what, hint }
}

/// The publisher of records with these fields.
pub(crate) fn known(has: impl Fn(&str) -> bool) -> Option<&'static Known> {
    KNOWN
        .iter()
        .find(|known| known.fields.iter().all(|field| has(field)))
}

/// Message and hint for a record that lacks field `name`. They name the publisher if the record is
/// not one of `own`, or else the fields that it has.
pub(crate) fn missing(record: &Record<'_>, name: &str, own: &str) -> (String, String) {
    let mut names = record.names();
    if let Some(known) = known(|field| record.has(field)).filter(|known| known.what != own) {
        let what = format!("no field `{name}`: this is one of {}", known.what);
        return (what, format!("{}; {}", list(&mut names), known.hint));
    }
    if record.has(name) {
        let hint = "correct the record, or name another field".to_owned();
        return (format!("field `{name}` is null"), hint);
    }
    let what = format!("no field `{name}`");
    let hint = match record.inner_list() {
        Some(inner) => format!(
            "the records lie in field `{inner}`: take them out, for example with `jq -c '.{inner}[]' FILE`"
        ),
        None => list(&mut names),
    };
    (what, hint)
}

/// A text of a file for messages: its beginning, without control characters.
pub(crate) fn shown(text: &str) -> String {
    const SHOWN: usize = 60;
    let mut short: String = (text.chars().take(SHOWN))
        .map(|character| {
            if character.is_control() {
                '\u{fffd}'
            } else {
                character
            }
        })
        .collect();
    if text.chars().nth(SHOWN).is_some() {
        short.push_str("...");
    }
    short
}

fn list(names: &mut Vec<String>) -> String {
    const SHOWN: usize = 12;
    let more = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    let names: Vec<String> = names.iter().map(|name| shown(name)).collect();
    let shown = names.join("`, `");
    match (names.is_empty(), more) {
        (true, _) => "the record has no fields".to_owned(),
        (false, 0) => format!("the record's fields are `{shown}`"),
        (false, more) => format!("the record's fields are `{shown}` and {more} more"),
    }
}
