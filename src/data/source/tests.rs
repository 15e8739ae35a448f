//! Every source on a small file, on what it must refuse, and on real files where they are at hand.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::*;
use crate::data::{filter, split};
use crate::spec::config::dataset::{
    AmazonSource, AmazonText, AtomicSource, CsvSource, Filter, MovielensSource, SequenceForm,
    SequencesSource, Split, SyntheticSource,
};

fn put(dir: &Path, name: &str, bytes: &[u8]) -> String {
    std::fs::write(dir.join(name), bytes).unwrap();
    name.to_owned()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut sink = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    sink.write_all(bytes).unwrap();
    sink.finish().unwrap()
}

fn amazon(reviews: &str, metadata: &str, text: AmazonText) -> Source {
    Source::Amazon(AmazonSource {
        reviews: reviews.into(),
        metadata: metadata.into(),
        text,
    })
}

fn sequences(path: &str, form: SequenceForm) -> Source {
    Source::Sequences(SequencesSource {
        path: path.into(),
        form,
    })
}

fn csv_source(interactions: &str) -> Source {
    let text = |text: &str| text.to_owned();
    Source::Csv(CsvSource {
        interactions: text(interactions),
        items: String::new(),
        user: text("user"),
        item: text("item"),
        timestamp: text("timestamp"),
        rating: String::new(),
        title: String::new(),
        description: String::new(),
        category: String::new(),
    })
}

/// The real data folder; `None`, said loudly, where it is absent.
fn real(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("ALLROUND_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    let path = folder.join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!(
        "SKIPPED: no {} (set ALLROUND_DATA to the data folder)",
        path.display()
    );
    None
}

const REVIEW: &str = r#"{"overall": 5.0, "reviewerID": "A", "asin": "I1", "reviewText": "a \"b\"", "unixReviewTime": 7}"#;

#[test]
fn amazon_reviews_of_both_forms_are_read_plain_and_gzip() {
    let dir = tempfile::tempdir().unwrap();
    let second = REVIEW.replace("I1", "I2");
    let reviews = format!("{REVIEW}\n{second}");
    let meta = "{\"asin\": \"I1\", \"title\": \"T1\", \"description\": [\"d1\", \"d2\"], \"category\": [\"C\"]}\n\
        {'asin': 'I2', 'title': \"T'2\", 'categories': [['X', 'Y']]}\n{\"asin\": \"unknown\"}";
    let plain = amazon(
        &put(dir.path(), "r", reviews.as_bytes()),
        &put(dir.path(), "m", meta.as_bytes()),
        AmazonText::Full,
    );
    let raw = read(&plain, dir.path()).unwrap();
    assert_eq!(
        (raw.users.len(), &raw.items[..]),
        (1, &["I1".to_owned(), "I2".to_owned()][..])
    );
    assert_eq!(raw.texts[0].description.as_deref(), Some("d1 d2"));
    assert_eq!(raw.texts[1].title.as_deref(), Some("T'2"));
    assert_eq!(raw.texts[1].categories, ["X", "Y"]);
    let zipped = amazon(
        &put(dir.path(), "r.gz", &gzip(reviews.as_bytes())),
        &put(dir.path(), "m.gz", &gzip(meta.as_bytes())),
        AmazonText::Published,
    );
    let published = read(&zipped, dir.path()).unwrap();
    assert_eq!(published.user, raw.user);
    assert_eq!(published.texts[0].description.as_deref(), Some("d1"));
    // No `description` key: the published rule gives no title either.
    assert_eq!(published.texts[1].title, None);
}

#[test]
fn lines_of_pairs_and_of_rows_are_the_same_data() {
    let dir = tempfile::tempdir().unwrap();
    let pairs = read(
        &sequences(
            &put(dir.path(), "p", b"1 9\n1 8\n2 9\n"),
            SequenceForm::Pairs,
        ),
        dir.path(),
    )
    .unwrap();
    let rows = read(
        &sequences(
            &put(dir.path(), "r", &gzip(b"1 9 8\n2 9")),
            SequenceForm::Rows,
        ),
        dir.path(),
    )
    .unwrap();
    assert_eq!(pairs, rows);
}

#[test]
fn all_three_forms_of_movielens_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let source = |sub: &str| {
        std::fs::create_dir_all(dir.path().join(sub)).unwrap();
        Source::Movielens(MovielensSource {
            folder: sub.to_owned(),
        })
    };
    let (first, second, third) = (source("100k"), source("1m"), source("latest"));
    put(dir.path(), "100k/u.data", b"1\t2\t4\t9\n");
    put(
        dir.path(),
        "100k/u.item",
        b"2|Caf\xe9 (1990)|||u|0|1|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|1\n",
    );
    put(dir.path(), "1m/ratings.dat", b"1::2::4::9\n");
    put(
        dir.path(),
        "1m/movies.dat",
        b"2::Caf\xe9 (1990)::Action|Western\n",
    );
    put(
        dir.path(),
        "latest/ratings.csv",
        b"userId,movieId,rating,timestamp\n1,2,4.0,9\n",
    );
    put(
        dir.path(),
        "latest/movies.csv",
        "movieId,title,genres\n2,Caf\u{e9} (1990),Action|Western\n".as_bytes(),
    );
    let raw = read(&first, dir.path()).unwrap();
    assert_eq!(raw.texts[0].title.as_deref(), Some("Caf\u{e9} (1990)"));
    assert_eq!(raw.texts[0].categories, ["Action", "Western"]);
    assert_eq!(read(&second, dir.path()).unwrap(), raw);
    assert_eq!(read(&third, dir.path()).unwrap(), raw);
}

#[test]
fn atomic_files_of_recbole_and_unisrec_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let source = |inter: String, item: String, item_index: String| {
        Source::Atomic(AtomicSource {
            inter,
            item,
            item_index,
        })
    };
    let recbole = source(
        put(
            dir.path(),
            "a.inter",
            b"user_id:token\titem_id:token\trating:float\ttimestamp:float\nu\tx\t4\t9.0\n",
        ),
        put(
            dir.path(),
            "a.item",
            b"item_id:token\ttitle:token_seq\nx\tThe X\n",
        ),
        String::new(),
    );
    let raw = read(&recbole, dir.path()).unwrap();
    assert_eq!(
        (raw.time[0], raw.texts[0].title.as_deref()),
        (9, Some("The X"))
    );
    let unisrec = source(
        put(
            dir.path(),
            "b.inter",
            b"user_id:token\titem_id_list:token_seq\titem_id:token\n0\t0 1\t2\n",
        ),
        put(
            dir.path(),
            "b.text",
            b"item_id:token\ttext:token_seq\nX2\tTwo. Second. \n",
        ),
        put(dir.path(), "b.index", b"X0\t0\nX1\t1\nX2\t2\n"),
    );
    let raw = read(&unisrec, dir.path()).unwrap();
    assert_eq!(raw.items, ["X0", "X1", "X2"]);
    assert_eq!(raw.texts[2].title.as_deref(), Some("Two"));
}

#[test]
fn files_that_are_not_as_expected_are_refused_with_place_and_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let cut = gzip(REVIEW.repeat(2000).as_bytes());
    let reviews =
        |name: &str, bytes: &[u8]| amazon(&put(dir.path(), name, bytes), "", AmazonText::Full);
    let pairs =
        |name: &str, bytes: &[u8]| sequences(&put(dir.path(), name, bytes), SequenceForm::Pairs);
    let table = |name: &str, bytes: &[u8]| csv_source(&put(dir.path(), name, bytes));
    let cases: Vec<(Source, &str)> = vec![
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
            "three:2: expected `user item`, found 3 ids",
        ),
        (
            reviews(
                "keyless",
                format!(
                    "{REVIEW}\n{{\"reviewerID\": \"A\", \"overall\": 1, \"unixReviewTime\": 1}}"
                )
                .as_bytes(),
            ),
            "keyless:2: not a record of this form: missing field `asin` before byte ",
        ),
        (
            reviews("texted", REVIEW.replace("5.0", "\"five\"").as_bytes()),
            "texted:1: not a record of this form",
        ),
        (
            reviews(
                "timeless",
                REVIEW.replace("unixReviewTime", "time").as_bytes(),
            ),
            "timeless:1: no `unixReviewTime`",
        ),
        (
            table("cells", b"user,item,timestamp\na,b,1\na,b\n"),
            "cells:3:",
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
        (
            Source::Movielens(MovielensSource {
                folder: String::new(),
            }),
            "no MovieLens ratings here",
        ),
    ];
    for (source, expected) in cases {
        let error = read(&source, dir.path()).unwrap_err();
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

#[test]
fn ids_times_headers_and_files_without_meaning_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let inter = |name: &str, bytes: &[u8]| {
        Source::Atomic(AtomicSource {
            inter: put(dir.path(), name, bytes),
            item: String::new(),
            item_index: String::new(),
        })
    };
    let pairs =
        |name: &str, bytes: &[u8]| sequences(&put(dir.path(), name, bytes), SequenceForm::Pairs);
    let reviews =
        |name: &str, bytes: &[u8]| amazon(&put(dir.path(), name, bytes), "", AmazonText::Full);
    let table = |name: &str, bytes: &[u8]| csv_source(&put(dir.path(), name, bytes));
    let deep = "[".repeat(100_000);
    let nested = REVIEW.replace("\"a ", &format!("\"{}\", \"more\": {deep}\"", "(["));
    let head = "user_id:token\titem_id:token\ttimestamp:float\n";
    for (source, expected) in [
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
            "late:2: `1e300` in column `timestamp` is not a whole",
        ),
        (
            table("part", b"user,item,timestamp\na,b,1.5\n"),
            "part:2: `1.5` in column `timestamp` is not a whole",
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
            "deep:2: more than 256 brackets are open at a time",
        ),
    ] {
        let error = read(&source, dir.path()).unwrap_err();
        assert!(
            error.to_string().contains(expected),
            "{error}\nexpected: {expected}"
        );
        assert!(
            error.remedy().is_some(),
            "{error} says nothing about what to do"
        );
    }
    // Brackets in a text are no nesting.
    let long = REVIEW.replace("\"a ", &format!("\"{deep} "));
    assert_eq!(
        read(&reviews("long", long.as_bytes()), dir.path())
            .unwrap()
            .user,
        [0]
    );
}

#[test]
fn a_byte_order_mark_is_no_part_of_any_source() {
    let dir = tempfile::tempdir().unwrap();
    let marked =
        |name: &str, text: &str| put(dir.path(), name, format!("\u{feff}{text}").as_bytes());
    let atomic = Source::Atomic(AtomicSource {
        inter: marked("i", "user_id\titem_id\na\tx\na\ty\n"),
        item: String::new(),
        item_index: String::new(),
    });
    let second = REVIEW.replace("I1", "I2");
    for source in [
        sequences(&marked("s", "a x\na y\n"), SequenceForm::Pairs),
        amazon(
            &marked("r", &format!("{REVIEW}\n{second}")),
            "",
            AmazonText::Full,
        ),
        csv_source(&marked("c", "user,item,timestamp\na,x,1\na,y,2\n")),
        atomic,
    ] {
        let raw = read(&source, dir.path()).unwrap();
        assert_eq!((raw.users.len(), raw.items.len()), (1, 2));
        assert!(raw.users[0].eq_ignore_ascii_case("a"));
    }
}

#[test]
fn a_line_of_a_hundred_megabytes_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let line = format!("{{\"asin\": \"{}\"}}", "x".repeat(100 << 20));
    let error = read(
        &amazon(
            &put(dir.path(), "long", line.as_bytes()),
            "",
            AmazonText::Full,
        ),
        dir.path(),
    )
    .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("long:1: the line is longer than 64 MiB"),
        "{error}"
    );
}

#[test]
fn quoted_ids_with_spaces_quotes_and_newlines_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = b"user,item,timestamp\n\"a \"\"b\"\"\",\"x\ny\",1\n";
    let raw = read(&csv_source(&put(dir.path(), "odd", bytes)), dir.path()).unwrap();
    assert_eq!(
        (raw.users[0].as_str(), raw.items[0].as_str()),
        ("a \"b\"", "x\ny")
    );
}

fn synthetic() -> SyntheticSource {
    SyntheticSource {
        users: 500,
        items: 200,
        genres: 8,
        mean_length: 9.0,
        taste: 0.7,
        habit: 0.5,
        popularity_skew: 0.8,
        cold_items: 0.2,
        cold_users: 0.1,
        domain: 0,
        world_seed: 1,
    }
}

#[test]
fn generated_data_have_the_structure_that_is_asked_for() {
    let settings = synthetic();
    let raw = read(&Source::Synthetic(settings.clone()), Path::new("")).unwrap();
    assert_eq!(
        read(&Source::Synthetic(settings.clone()), Path::new("")).unwrap(),
        raw
    );
    let mean = raw.user.len() as f64 / 500.0;
    assert!((mean - 9.0).abs() < 1.5, "mean length {mean}");
    let data = split::split(raw, &Split::LeaveOneOut {}).unwrap();
    let three = (0..data.n_users())
        .filter(|&user| data.items_of(user).len() == 3)
        .count();
    assert!(three >= 40, "{three} users of three items");
    for user in 0..data.n_users() {
        let row: std::collections::HashSet<u32> = data.items_of(user).iter().copied().collect();
        assert_eq!(
            row.len(),
            data.items_of(user).len(),
            "an item is not repeated"
        );
    }
    // Genre words name the genre: items of one category share the words of their titles.
    let second = SyntheticSource {
        domain: 1,
        ..settings
    };
    let other = read(&Source::Synthetic(second), Path::new("")).unwrap();
    let genres = |texts: &[crate::data::raw::Text]| -> std::collections::BTreeSet<String> {
        texts
            .iter()
            .flat_map(|text| text.categories.clone())
            .collect()
    };
    let first = read(&Source::Synthetic(synthetic()), Path::new("")).unwrap();
    assert_eq!(
        genres(&first.texts),
        genres(&other.texts),
        "domains share genres"
    );
    assert_ne!(first.item, other.item);
}

#[test]
fn made_files_are_read_back_as_the_data_they_were_made_from() {
    let dir = tempfile::tempdir().unwrap();
    let n = make::write(&synthetic(), dir.path()).unwrap();
    let raw = read(
        &amazon(make::FILES[0], make::FILES[1], AmazonText::Full),
        dir.path(),
    )
    .unwrap();
    let origin = read(&Source::Synthetic(synthetic()), dir.path()).unwrap();
    assert_eq!(
        (raw.user.len() as u64, raw.users.len()),
        (n, origin.users.len())
    );
    let title = |raw: &RawData, id: &str| {
        let at = raw.items.iter().position(|item| item == id).unwrap();
        raw.texts[at].clone()
    };
    assert_eq!(title(&raw, "d0i7"), title(&origin, "d0i7"));
}

#[test]
fn the_published_filter_gives_the_published_codes_counts() {
    let cases = [
        ("amazon2018/Gift_Cards_5.json.gz", 5, 0.0, (458, 147, 2968)),
        ("amazon2018/All_Beauty_5.json.gz", 4, 3.0, (957, 56, 5040)),
    ];
    for (file, threshold, count_rating, expected) in cases {
        let Some(path) = real(file) else { continue };
        let mut raw = read(
            &amazon(path.to_str().unwrap(), "", AmazonText::Published),
            Path::new(""),
        )
        .unwrap();
        filter::apply(
            &mut raw,
            &Filter::Published {
                threshold,
                count_rating,
            },
        );
        let data = split::split(raw, &Split::LeaveOneOut {}).unwrap();
        assert_eq!(
            (data.n_users(), data.n_items(), data.sequence.len()),
            expected,
            "{file}"
        );
    }
}

#[test]
fn real_files_have_their_known_counts() {
    let counts = |source: &Source, base: &Path| {
        let raw = read(source, base).unwrap();
        (raw.users.len(), raw.items.len(), raw.user.len())
    };
    if let Some(base) = real("ml-100k") {
        let source = Source::Movielens(MovielensSource {
            folder: String::new(),
        });
        assert_eq!(counts(&source, &base), (943, 1682, 100_000));
    }
    if let Some(base) = real("sequences") {
        let source = sequences("video-games-2014.txt.gz", SequenceForm::Pairs);
        assert_eq!(counts(&source, &base), (31_013, 23_715, 287_107));
    }
    if let Some(base) = real("scientific") {
        let name = |end: &str| format!("Scientific.{end}");
        let source = Source::Atomic(AtomicSource {
            inter: name("test.inter"),
            item: name("text"),
            item_index: name("item2index"),
        });
        assert_eq!(counts(&source, &base), (2928, 1585, 19_712));
    }
}
