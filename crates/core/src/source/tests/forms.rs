//! Every source on a small file.

use super::*;

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
fn atomic_files_of_recbole_and_unisrec_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let recbole = atomic(
        &put(
            dir.path(),
            "a.inter",
            b"user_id:token\titem_id:token\trating:float\ttimestamp:float\nu\tx\t4\t9.0\n",
        ),
        &put(
            dir.path(),
            "a.item",
            b"item_id:token\ttitle:token_seq\nx\tThe X\n",
        ),
        "",
    );
    let raw = read(&recbole, dir.path()).unwrap();
    assert_eq!(
        (raw.time[0], raw.texts[0].title.as_deref()),
        (9, Some("The X"))
    );
    let unisrec = atomic(
        &put(
            dir.path(),
            "b.inter",
            b"user_id:token\titem_id_list:token_seq\titem_id:token\n0\t0 1\t2\n",
        ),
        &put(
            dir.path(),
            "b.text",
            b"item_id:token\ttext:token_seq\nX2\tTwo. Second. \n",
        ),
        &put(dir.path(), "b.index", b"X0\t0\nX1\t1\nX2\t2\n"),
    );
    let raw = read(&unisrec, dir.path()).unwrap();
    assert_eq!(raw.items, ["X0", "X1", "X2"]);
    assert_eq!(raw.texts[2].title.as_deref(), Some("Two"));
}

#[test]
fn a_byte_order_mark_is_no_part_of_any_source() {
    let dir = tempfile::tempdir().unwrap();
    let marked =
        |name: &str, text: &str| put(dir.path(), name, format!("\u{feff}{text}").as_bytes());
    let atomic = atomic(&marked("i", "user_id\titem_id\na\tx\na\ty\n"), "", "");
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
fn quoted_ids_with_spaces_quotes_and_newlines_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = b"user,item,timestamp\n\"a \"\"b\"\"\",\"x\ny\",1\n";
    let raw = read(&csv_source(&put(dir.path(), "odd", bytes)), dir.path()).unwrap();
    assert_eq!(
        (raw.users[0].as_str(), raw.items[0].as_str()),
        ("a \"b\"", "x\ny")
    );
}
