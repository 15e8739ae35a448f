//! Records of items and the items of interactions: what matches, what is counted, what is refused.

use super::*;
use crate::source::raw::RecordCounts;

/// Two CSV files whose items have these ids.
fn csv_ids(items: &[&str], records: &[&str]) -> Result<RawData, DataError> {
    let dir = tempfile::tempdir().unwrap();
    let mut interactions = "user,item,timestamp\n".to_owned();
    for (at, id) in items.iter().enumerate() {
        interactions.push_str(&format!("u{at},{id},1\n"));
    }
    let mut lines = "item,title\n".to_owned();
    records
        .iter()
        .for_each(|id| lines.push_str(&format!("{id},T\n")));
    csv_files(dir.path(), &interactions, &lines)
}

fn csv_files(dir: &Path, interactions: &str, items: &str) -> Result<RawData, DataError> {
    let Source::Csv(mut files) = csv_source(&put(dir, "buys.csv", interactions.as_bytes())) else {
        panic!("a CSV source");
    };
    files.items = put(dir, "items.csv", items.as_bytes());
    files.title = "title".to_owned();
    read(&Source::Csv(files), dir)
}

#[test]
fn ids_that_never_meet_are_refused_with_one_of_each_side_and_the_cause() {
    for (items, records, cause) in [
        (
            ["0108775000", "0108775007"],
            ["108775000", "108775007"],
            "leading zeros are lost",
        ),
        (["7", "8"], ["7.0", "8.0"], "`7.0` for `7`"),
        (["B01X", "B02X"], ["b01x", "b02x"], "upper and lower case"),
        (["a b", "c"], [" c", "x"], "white space"),
        (
            ["x1", "x2"],
            ["u0", "u1"],
            "columns of users and items swapped",
        ),
        (["x1", "x2"], ["y1", "y2"], "by the same id"),
    ] {
        let error = csv_ids(&items, &records).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("items.csv: no record belongs to any of the 2 items of the interactions"),
            "{text}"
        );
        let hint = error.remedy().unwrap();
        assert!(hint.contains(cause), "{items:?}: {hint}");
        let is_told = |ids: [&str; 2]| ids.iter().any(|id| text.contains(&format!("`{id}`")));
        assert!(is_told(items) && is_told(records), "{text}");
    }
}

#[test]
fn a_file_of_items_without_a_record_is_refused() {
    let error = csv_ids(&["a"], &[]).unwrap_err().to_string();
    assert!(
        error.contains("items.csv: the file holds no record of an item"),
        "{error}"
    );
}

#[test]
fn what_does_not_meet_is_counted_and_a_low_rate_has_examples() {
    let raw = csv_ids(&["a", "b", "c"], &["a", "x", "y"]).unwrap();
    let joined = raw.joined.unwrap();
    assert_eq!(joined.has_record, [true, false, false]);
    let expected = RecordCounts {
        records: 3,
        without_item: 2,
        ..RecordCounts::default()
    };
    assert_eq!(
        (joined.file.as_str(), joined.counts),
        ("items.csv", expected)
    );
    let doubt = joined.doubt.unwrap();
    assert!(doubt.contains("`b`") && doubt.contains("`x`"), "{doubt}");
    // One missing record of three does not raise a doubt, unless the ids show a cause.
    assert_eq!(
        csv_ids(&["a", "b", "c"], &["a", "b"])
            .unwrap()
            .joined
            .unwrap()
            .doubt,
        None
    );
    let zeros = csv_ids(&["a", "b", "07"], &["a", "b", "7"]).unwrap();
    let doubt = zeros.joined.unwrap().doubt.unwrap();
    assert!(doubt.contains("leading zeros"), "{doubt}");
}

#[test]
fn a_second_record_fills_gaps_erases_nothing_and_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let second = REVIEW.replace("I1", "I2");
    let reviews = put(dir.path(), "r", format!("{REVIEW}\n{second}").as_bytes());
    let meta = "{\"asin\": \"I1\", \"title\": \"T1\", \"description\": [\"d1\"]}\n\
        {\"asin\": \"I2\", \"title\": \"\", \"description\": [\"d2\"]}\n\
        {\"asin\": \"I1\"}\n\
        {\"asin\": \"I1\", \"title\": \"Other\", \"category\": [\"C\"]}\n\
        {\"asin\": \"I2\", \"title\": \"T2\", \"description\": [\"d2\"]}\n\
        {\"asin\": \"I3\", \"title\": \"no item's\"}\n";
    let meta = put(dir.path(), "meta.json", meta.as_bytes());
    let raw = read(&amazon(&reviews, &meta, AmazonText::Full), dir.path()).unwrap();
    let title = |at: usize| raw.texts[at].title.as_deref();
    assert_eq!((title(0), title(1)), (Some("T1"), Some("T2")));
    assert_eq!(raw.texts[0].description.as_deref(), Some("d1"));
    assert_eq!(raw.texts[0].categories, ["C"]);
    assert_eq!(
        raw.joined.unwrap().counts,
        RecordCounts {
            records: 6,
            items_without: 0,
            without_item: 1,
            repeated: 3,
            conflicting: 1,
        }
    );
}

#[test]
fn every_source_with_texts_counts_its_records() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("ml")).unwrap();
    put(dir.path(), "ml/ratings.dat", b"1::2::4::9\n1::3::4::9\n");
    put(
        dir.path(),
        "ml/movies.dat",
        b"2::Heat::Action\n2::Other::Action\n9::Casino::Drama\n",
    );
    put(
        dir.path(),
        "a.inter",
        b"user_id:token\titem_id:token\n1\t2\n1\t3\n",
    );
    put(
        dir.path(),
        "a.item",
        b"item_id:token\ttitle:token_seq\n2\tHeat\n2\tOther\n9\tCasino\n",
    );
    let movies = Source::Movielens(MovielensSource {
        folder: "ml".to_owned(),
    });
    let atomic = atomic("a.inter", "a.item", "");
    let plain = csv_files(
        dir.path(),
        "user,item,timestamp\n1,2,1\n1,3,1\n",
        "item,title\n2,Heat\n2,Other\n9,Casino\n",
    );
    for raw in [read(&movies, dir.path()), read(&atomic, dir.path()), plain] {
        let raw = raw.unwrap();
        assert_eq!(raw.texts[0].title.as_deref(), Some("Heat"));
        let joined = raw.joined.unwrap();
        assert_eq!(joined.has_record, [true, false]);
        let counts = joined.counts;
        assert_eq!(
            (
                counts.records,
                counts.without_item,
                counts.repeated,
                counts.conflicting
            ),
            (3, 1, 1, 1)
        );
    }
}
