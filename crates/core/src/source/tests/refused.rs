//! Files that each source refuses, with place and remedy.

use super::*;

/// Checks that each source is refused with this message and a hint.
fn refused<'a>(folder: &Path, cases: impl IntoIterator<Item = (Source, &'a str)>) {
    for (source, expected) in cases {
        let error = read(&source, folder).unwrap_err();
        assert!(
            error.to_string().contains(expected),
            "{error}\nexpected: {expected}"
        );
        assert!(
            error.remedy().is_some(),
            "{error} says nothing about what to do"
        );
    }
}

fn pairs(folder: &Path, name: &str, bytes: &[u8]) -> Source {
    sequences(&put(folder, name, bytes), SequenceForm::Pairs)
}

fn reviews(folder: &Path, name: &str, bytes: &[u8]) -> Source {
    amazon(&put(folder, name, bytes), "", AmazonText::Full)
}

fn table(folder: &Path, name: &str, bytes: &[u8]) -> Source {
    csv_source(&put(folder, name, bytes))
}

fn inter(folder: &Path, name: &str, bytes: &[u8]) -> Source {
    atomic(&put(folder, name, bytes), "", "")
}

#[test]
fn files_that_are_not_as_expected_are_refused_with_place_and_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let cut = gzip(REVIEW.repeat(2000).as_bytes());
    // Rows that do not compress, so that half of the stream contains many of them.
    let rows =
        (0..4000u64).map(|row| format!("u{},i{},{row}\n", row * row % 9973, row * 7919 % 9973));
    let rows = gzip(("user,item,timestamp\n".to_owned() + &rows.collect::<String>()).as_bytes());
    let reviews = |name: &str, bytes: &[u8]| reviews(dir.path(), name, bytes);
    let pairs = |name: &str, bytes: &[u8]| pairs(dir.path(), name, bytes);
    let table = table(dir.path(), "rows.gz", &rows[..rows.len() / 2]);
    let error = read(&table, dir.path()).unwrap_err().to_string();
    let told = error
        .split_once("rows.gz:")
        .and_then(|(_, rest)| rest.split_once(": "));
    let (line, what) = told.unwrap();
    assert!(
        (1000..3999).contains(&line.parse::<u32>().unwrap()),
        "{error}"
    );
    assert!(what.starts_with("the gzip stream is cut off"), "{error}");
    let cases = [
        (sequences("absent", SequenceForm::Pairs), "absent"),
        (pairs("empty", b""), "empty: the file is empty"),
        (
            reviews("cut.gz", &cut[..cut.len() / 2]),
            "cut.gz:1: the gzip stream is cut off",
        ),
        (
            pairs("latin1", b"a b\n\xe9 c\n"),
            "latin1:2: byte 1 of the line is not UTF-8",
        ),
        (
            pairs("nul", b"a b\nc\0 d\n"),
            "nul:2: byte 2 of the line is NUL",
        ),
        (
            pairs("three", b"a b\na b c\n"),
            "three:2: expected `user item`, found 3 cells",
        ),
        (
            Source::Movielens(MovielensSource {
                folder: String::new(),
            }),
            "no MovieLens ratings here",
        ),
    ];
    refused(dir.path(), cases);
}

#[test]
fn records_of_another_form_are_refused_with_place_and_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let reviews = |name: &str, bytes: &[u8]| reviews(dir.path(), name, bytes);
    let table = |name: &str, bytes: &[u8]| table(dir.path(), name, bytes);
    let cases = [
        (
            reviews(
                "keyless",
                format!(
                    "{REVIEW}\n{{\"reviewerID\": \"A\", \"overall\": 1, \"unixReviewTime\": 1}}"
                )
                .as_bytes(),
            ),
            "keyless:2: no field `asin`",
        ),
        (
            reviews("texted", REVIEW.replace("5.0", "\"five\"").as_bytes()),
            "texted:1: field `overall` is the text \"five\", expected a number",
        ),
        (
            reviews(
                "timeless",
                REVIEW.replace("unixReviewTime", "time").as_bytes(),
            ),
            "timeless:1: no field `unixReviewTime`",
        ),
        (
            table("cells", b"user,item,timestamp\na,b,1\na,b\n"),
            "cells:3: the row has 2 cells, the header 3",
        ),
        (
            table("column", b"user,thing,timestamp\na,b,1\n"),
            "column:1: no column `item`",
        ),
        (
            table("word", b"user,item,timestamp\na,b,noon\n"),
            "word:2: `noon` in column `timestamp` is not a number",
        ),
        (
            table("nameless", b"user,item,timestamp\n,b,1\n"),
            "nameless:2: an id is empty",
        ),
    ];
    refused(dir.path(), cases);
}

#[test]
fn files_without_records_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let pairs = |name: &str, bytes: &[u8]| pairs(dir.path(), name, bytes);
    let reviews = |name: &str, bytes: &[u8]| reviews(dir.path(), name, bytes);
    let table = |name: &str, bytes: &[u8]| table(dir.path(), name, bytes);
    let inter = |name: &str, bytes: &[u8]| inter(dir.path(), name, bytes);
    let head = "user_id:token\titem_id:token\ttimestamp:float\n";
    let cases = [
        (pairs("blank", b"\n\n"), "blank: the file holds no record"),
        (pairs("zip", &gzip(b"")), "zip: the file holds no record"),
        (reviews("none", b"\n \n"), "none: the file holds no record"),
        (
            table("head", b"user,item,timestamp\n"),
            "head: the file holds no record",
        ),
        (
            table("zip.csv", &gzip(b"")),
            "zip.csv: the file holds no record",
        ),
        (
            inter("rowless", head.as_bytes()),
            "rowless: the file holds no record",
        ),
        (inter("line", b"\n"), "line: the file holds no record"),
    ];
    refused(dir.path(), cases);
}

#[test]
fn ids_times_headers_and_nesting_without_meaning_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let reviews = |name: &str, bytes: &[u8]| reviews(dir.path(), name, bytes);
    let table = |name: &str, bytes: &[u8]| table(dir.path(), name, bytes);
    let inter = |name: &str, bytes: &[u8]| inter(dir.path(), name, bytes);
    let deep = "[".repeat(100_000);
    let nested = REVIEW.replace("\"a ", &format!("\"{}\", \"more\": {deep}\"", "(["));
    let head = "user_id:token\titem_id:token\ttimestamp:float\n";
    let cases = [
        (
            inter("user", format!("{head}\tx\t1\n").as_bytes()),
            "user:2: an id is empty",
        ),
        (
            inter("item", format!("{head}u\t\t1\n").as_bytes()),
            "item:2: an id is empty",
        ),
        (
            inter("late", format!("{head}u\tx\t1e300\n").as_bytes()),
            "late:2: `1e300` in column `timestamp` needs more digits than 64 bits hold",
        ),
        (
            table("twice", b"user,item,user,timestamp\na,b,c,1\n"),
            "twice:1: column `user` is in the header twice",
        ),
        (
            inter("again", b"user_id\titem_id\titem_id\nu\tx\ty\n"),
            "again:1: column `item_id` is in the header twice",
        ),
        (
            reviews("deep", format!("{REVIEW}\n{nested}").as_bytes()),
            "deep:2: not a record of this form: the record is cut off: no closing `}`",
        ),
    ];
    refused(dir.path(), cases);
    // Brackets in a string do not nest.
    let long = REVIEW.replace("\"a ", &format!("\"{deep} "));
    let read = read(&reviews("long", long.as_bytes()), dir.path()).unwrap();
    assert_eq!(read.user, [0]);
}
