//! Files of kinds and forms that a source does not read. The error names each, with what to do.

use super::*;
use crate::source::json::JsonForm;

fn json(name: String, form: JsonForm) -> Source {
    Source::Json(JsonSource {
        interactions: name,
        ..super::json::source(form)
    })
}

/// The error message with its hint.
fn refusal(source: &Source, dir: &Path) -> String {
    let error = read(source, dir).unwrap_err();
    format!("{error}\n{}", error.remedy().unwrap_or_default())
}

#[test]
fn binary_files_and_pages_are_named_by_every_source() {
    let dir = tempfile::tempdir().unwrap();
    let mut tar = vec![b'a'; 600];
    tar[257..262].copy_from_slice(b"ustar");
    let files: [(&str, &[u8], &str, &str); 12] = [
        (
            "parquet",
            b"PAR1\x15\x04",
            "the file is a Parquet file",
            "read_parquet",
        ),
        (
            "zip",
            b"PK\x03\x04\x14",
            "the file is a zip archive",
            "unpack it",
        ),
        (
            "zst",
            b"\x28\xb5\x2f\xfd\x04",
            "the file is compressed with zstd",
            "zstd -d",
        ),
        (
            "bz2",
            b"BZh91AY",
            "the file is compressed with bzip2",
            "bunzip2",
        ),
        (
            "xz",
            b"\xfd7zXZ\x00\x00",
            "the file is compressed with xz",
            "unxz",
        ),
        (
            "pkl",
            b"\x80\x04\x95\x10",
            "the file is a Python pickle",
            "can run code",
        ),
        (
            "npy",
            b"\x93NUMPY\x01",
            "the file is a NumPy array",
            "numpy.savetxt",
        ),
        ("h5", b"\x89HDF\r\n", "the file is an HDF5 file", "read_hdf"),
        (
            "page",
            b"\n<!DOCTYPE html><html>",
            "the file is an HTML page",
            "fetch the file again",
        ),
        (
            "lfs",
            b"version https://git-lfs.github.com/spec/v1\n",
            "a Git LFS pointer",
            "git lfs pull",
        ),
        (
            "utf16",
            b"\xff\xfeu\0s\0",
            "the file is text in UTF-16",
            "iconv -f UTF-16",
        ),
        ("tar", &tar, "the file is a tar archive", "tar -xf"),
    ];
    for (name, bytes, what, hint) in files {
        let plain = put(dir.path(), name, bytes);
        let zipped = put(dir.path(), &format!("{name}.gz"), &gzip(bytes));
        for name in [&plain, &zipped] {
            for source in [
                amazon(name, "", AmazonText::Full),
                json(name.clone(), JsonForm::Yelp),
                csv_source(name),
                sequences(name, SequenceForm::Pairs),
            ] {
                let words = refusal(&source, dir.path());
                assert!(words.contains(what) && words.contains(hint), "{words}");
            }
        }
    }
    let folder = dir.path().join("folder");
    std::fs::create_dir(&folder).unwrap();
    for source in [amazon("folder", "", AmazonText::Full), csv_source("folder")] {
        assert!(refusal(&source, dir.path()).contains("is a folder, expected a file"));
    }
}

#[test]
fn records_of_one_publisher_given_as_another_ones_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| put(dir.path(), name, text.as_bytes());
    let old = put("old", REVIEW);
    let new = put(
        "new",
        r#"{"rating": 5, "parent_asin": "P", "user_id": "u", "timestamp": 1}"#,
    );
    let yelp = put(
        "yelp",
        r#"{"review_id": "r", "user_id": "u", "business_id": "b", "stars": 5.0, "date": "2018-07-07"}"#,
    );
    let books = put("books", r#"{"book_id": "1", "work_id": "2", "title": "T"}"#);
    let lists = put(
        "lists",
        "{'user_id': 'u', 'items_count': 1, 'steam_id': '7', 'items': [{'item_id': '10'}]}",
    );
    let meta = put(
        "meta",
        r#"{"parent_asin": "P", "average_rating": 4.1, "title": "T"}"#,
    );
    for (source, what, hint) in [
        (
            json(old.clone(), JsonForm::Yelp),
            "old:1: no field `user_id`: this is one of Amazon reviews of 2014 or 2018",
            "`source.amazon = { reviews",
        ),
        (
            json(new, JsonForm::Steam),
            "no field `username`: this is one of Amazon reviews of 2023",
            "`source.amazon",
        ),
        (
            amazon(&yelp, "", AmazonText::Full),
            "yelp:1: no field `reviewerID`: this is one of Yelp reviews",
            "form = \"yelp\"",
        ),
        (
            amazon(&meta, "", AmazonText::Full),
            "one of metadata of Amazon items (2023)",
            "the `metadata` of `source.amazon`",
        ),
        (
            json(books, JsonForm::Goodreads),
            "no field `user_id`: this is one of Goodreads books",
            "they are the `items`",
        ),
        (
            json(lists, JsonForm::Steam),
            "`australian_users_items`), which are not supported",
            "write a line for each game",
        ),
        (
            csv_source(&old),
            "old:1: the file holds JSON records, not rows",
            "these are Amazon reviews of 2014 or 2018; read them by `source.amazon",
        ),
        (
            sequences(&yelp, SequenceForm::Pairs),
            "yelp:1: the file holds JSON records, not rows",
            "form = \"yelp\"",
        ),
    ] {
        let words = refusal(&source, dir.path());
        assert!(
            words.contains(what) && words.contains(hint),
            "{words}\nexpected: {what} / {hint}"
        );
    }
}

#[test]
fn rows_given_as_records_are_named() {
    let dir = tempfile::tempdir().unwrap();
    for (text, what, hint) in [
        (
            "A1,B1,5.0,1400000000\n",
            "rows:1: expected records in braces `{...}`, found `A1,B1,5.0,1400000000`",
            "`source.csv`",
        ),
        (
            "u\ti\t1\n",
            "rows:1: expected records in braces",
            "table with tabs",
        ),
        (
            "\"text\"\n",
            "rows:1: expected records in braces",
            "expected JSON objects",
        ),
    ] {
        let name = put(dir.path(), "rows", text.as_bytes());
        let words = refusal(&amazon(&name, "", AmazonText::Full), dir.path());
        assert!(words.contains(what) && words.contains(hint), "{words}");
    }
}
