//! The MovieLens forms and their encodings.

use super::*;

const FLAGS: &str = "0|1|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|1";

/// A folder of one of the forms, with a film whose title has these bytes.
fn folder(dir: &Path, form: &str, title: &[u8]) -> Source {
    let name = format!("{form}-{}", title.len());
    std::fs::create_dir_all(dir.join(&name)).unwrap();
    let with = |before: &str, after: &str| [before.as_bytes(), title, after.as_bytes()].concat();
    let (ratings, rows, movies, titles) = match form {
        "100k" => (
            "u.data",
            "1\t2\t4\t9\n",
            "u.item",
            with("2|", &format!("|||u|{FLAGS}\n")),
        ),
        "1m" => (
            "ratings.dat",
            "1::2::4::9\n",
            "movies.dat",
            with("2::", "::Action|Western\n"),
        ),
        "10m" => (
            "ratings.dat",
            "1::2::4.5::9\n",
            "movies.dat",
            with("2::", "::Action|Western\n"),
        ),
        _ => (
            "ratings.csv",
            "userId,movieId,rating,timestamp\n1,2,4.0,9\n",
            "movies.csv",
            with("movieId,title,genres\n2,", ",Action|Western\n"),
        ),
    };
    put(dir, &format!("{name}/{ratings}"), rows.as_bytes());
    put(dir, &format!("{name}/{movies}"), &titles);
    Source::Movielens(MovielensSource { folder: name })
}

#[test]
fn every_form_of_movielens_is_utf_8_where_it_is_valid_and_latin_1_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    for form in ["100k", "1m", "10m", "latest"] {
        for (bytes, title, encoding) in [
            (
                "Am\u{e9}lie \u{4e03}".as_bytes(),
                "Am\u{e9}lie \u{4e03}",
                "read as UTF-8",
            ),
            (b"Am\xe9lie", "Am\u{e9}lie", "read as latin-1, since line "),
            (b"Amelie", "Amelie", "read as ASCII"),
        ] {
            let raw = read(&folder(dir.path(), form, bytes), dir.path()).unwrap();
            assert_eq!(raw.texts[0].title.as_deref(), Some(title), "{form}");
            assert_eq!(raw.texts[0].categories, ["Action", "Western"], "{form}");
            assert!(
                raw.read_as[0].contains(encoding),
                "{form}: {:?}",
                raw.read_as
            );
        }
    }
}

#[test]
fn half_stars_tell_10m_from_1m() {
    let dir = tempfile::tempdir().unwrap();
    let form = |form: &str| read(&folder(dir.path(), form, b"T"), dir.path()).unwrap();
    let (one, ten) = (form("1m"), form("10m"));
    assert_eq!((one.rating[0], ten.rating[0]), (4.0, 4.5));
    assert!(one.read_as[0].contains("form of 1M;"), "{:?}", one.read_as);
    assert!(
        ten.read_as[0].contains("form of 10M ("),
        "{:?}",
        ten.read_as
    );
}

#[test]
fn bytes_that_latin_1_has_no_letters_for_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let raw = read(
        &folder(dir.path(), "1m", b"Rock \x92n\x92 Roll"),
        dir.path(),
    )
    .unwrap();
    assert!(
        raw.read_as[0].contains("if it is Windows-1252"),
        "{:?}",
        raw.read_as
    );
}

#[test]
fn one_damaged_byte_does_not_pass_for_a_latin_1_file_without_a_word() {
    let dir = tempfile::tempdir().unwrap();
    let title = "Am\u{e9}lie::Drama\n3::B\u{fc}ro::Drama\n4::\u{fc}".as_bytes();
    let damaged = [title, b"\xff"].concat();
    let raw = read(&folder(dir.path(), "1m", &damaged), dir.path()).unwrap();
    let words = &raw.read_as[0];
    assert!(
        words.contains("line 3 is not valid UTF-8 (it has bytes from 0x80"),
        "{words}"
    );
}
