//! Records with named fields: all notations, layouts and publishers' forms.

use super::*;
use crate::source::json::JsonForm;

/// A source of this form without files.
pub(super) fn source(form: JsonForm) -> JsonSource {
    let none = String::new;
    JsonSource {
        interactions: none(),
        items: none(),
        form,
        user: none(),
        item: none(),
        items_item: none(),
        timestamp: "auto".to_owned(),
        time_format: none(),
        rating: none(),
        title: none(),
        description: none(),
        category: none(),
    }
}

/// Reads a `json` source of this form from files with these texts.
fn files(form: JsonForm, interactions: &str, items: &str) -> RawData {
    let dir = tempfile::tempdir().unwrap();
    let source = JsonSource {
        interactions: put(dir.path(), "interactions", interactions.as_bytes()),
        items: match items {
            "" => String::new(),
            items => put(dir.path(), "items", items.as_bytes()),
        },
        ..source(form)
    };
    read(&Source::Json(source), dir.path()).unwrap()
}

/// Reads an Amazon source from reviews and metadata with these texts. The error includes the hint.
fn amazon_files(reviews: &str, metadata: &str) -> Result<RawData, String> {
    let dir = tempfile::tempdir().unwrap();
    let reviews = put(dir.path(), "reviews", reviews.as_bytes());
    let metadata = match metadata {
        "" => String::new(),
        metadata => put(dir.path(), "meta", metadata.as_bytes()),
    };
    let source = amazon(&reviews, &metadata, AmazonText::Full);
    read(&source, dir.path())
        .map_err(|error| format!("{error}\n{}", error.remedy().unwrap_or_default()))
}

const NEW: &str = r#"{"rating": 4.0, "title": "Nice", "asin": "B1", "parent_asin": "P1", "user_id": "u", "timestamp": 1409433955123, "images": []}"#;

#[test]
fn amazon_reviews_of_2023_are_read_by_their_parent() {
    let old = NEW
        .replace("1409433955123", "-4000000000")
        .replace("P1", "P2");
    let meta = r#"{"parent_asin": "P1", "title": "Blue Kettle", "description": ["a", "b"], "categories": ["Home"], "price": null, "details": {"x": [1]}}"#;
    let raw = amazon_files(&format!("{NEW}\n{old}\n"), meta).unwrap();
    assert_eq!(raw.items, ["P1", "P2"]);
    assert_eq!(raw.time, [1_409_433_955_123, -4_000_000_000]);
    assert_eq!(raw.rating, [4.0, 4.0]);
    assert_eq!(raw.texts[0].title.as_deref(), Some("Blue Kettle"));
    assert_eq!(raw.texts[0].description.as_deref(), Some("a b"));
    assert_eq!(raw.texts[0].categories, ["Home"]);
    assert!(
        raw.read_as[0].contains("Amazon reviews of 2023"),
        "{:?}",
        raw.read_as
    );
}

#[test]
fn amazon_forms_are_not_mixed() {
    let words = amazon_files(&format!("{REVIEW}\n{NEW}\n"), "").unwrap_err();
    assert!(
        words.contains(
            "reviews:2: one of Amazon reviews of 2023 among Amazon reviews of 2014 or 2018"
        ),
        "{words}"
    );
    let words = amazon_files(
        REVIEW,
        r#"{"parent_asin": "I1", "average_rating": 1, "title": "T"}"#,
    )
    .unwrap_err();
    assert!(
        words.contains("meta:1: no field `asin`: this is one of metadata of Amazon items (2023)"),
        "{words}"
    );
}

#[test]
fn python_literals_and_json_are_the_same_reviews() {
    let python = "{'overall': 5.0, 'verified': True, 'reviewerID': 'A', 'asin': 'I1', 'reviewText': \"it's\", 'unixReviewTime': 7}";
    let plain = amazon_files(REVIEW, "").unwrap();
    assert_eq!(amazon_files(python, "").unwrap(), plain);
    for list in [
        format!("[{REVIEW}]"),
        format!("[\n  {REVIEW}\n]\n"),
        format!("\u{feff} [{python}]"),
        REVIEW.replace(", \"", ",\n  \""),
        format!("[{}]", REVIEW.replace(": ", ":\n")),
    ] {
        assert_eq!(amazon_files(&list, "").unwrap(), plain, "{list}");
    }
}

#[test]
fn a_list_of_many_records_is_read_in_order_and_its_faults_are_placed() {
    let row = |at: usize| {
        format!(
            "{{\"reviewerID\": \"A{}\", \"asin\": \"I{at}\", \"overall\": 1, \"unixReviewTime\": {at}, \"reviewText\": \"] }} \\\" {}\"}}",
            at % 7,
            "x".repeat(at % 300)
        )
    };
    let rows: Vec<String> = (0..30_000).map(row).collect();
    let lines = amazon_files(&rows.join("\n"), "").unwrap();
    assert_eq!(lines.items.len(), 30_000);
    assert_eq!(
        amazon_files(&format!("[{}]", rows.join(",")), "").unwrap(),
        lines
    );
    let wrong = [&rows[..2], &["{\"asin\": \"I\"}".to_owned()]].concat();
    let words = amazon_files(&format!("[\n{}]", wrong.join(",\n")), "").unwrap_err();
    assert!(
        words.contains("reviews:4: record 3: no field `reviewerID`"),
        "{words}"
    );
    for (text, expected) in [
        (
            format!("[{REVIEW}, {REVIEW}"),
            "reviews:1: the list is not closed with `]`: the file is cut off",
        ),
        (
            format!("[\n{REVIEW},\n{}", &REVIEW[..40]),
            "reviews:3: the record that begins here is not closed: the file is cut off",
        ),
        (
            format!("[{REVIEW}]\n{REVIEW}"),
            "reviews:2: `{` after the end of the list",
        ),
        (
            "[[\"A\", \"I1\", 5.0, 7]]".to_owned(),
            "reviews:1: expected a record in braces `{...}`, found `[`",
        ),
        (
            "[1, 2]".to_owned(),
            "reviews:1: expected a record in braces `{...}`, found `1`",
        ),
        ("[]".to_owned(), "reviews: the file holds no record"),
    ] {
        let words = amazon_files(&text, "").unwrap_err();
        assert!(words.contains(expected), "{words}\nexpected: {expected}");
    }
}

#[test]
fn records_inside_a_table_are_named_with_the_way_out() {
    let words = amazon_files(&format!("{{\"status\": 1, \"data\": [{REVIEW}]}}"), "").unwrap_err();
    assert!(
        words.contains("no field `reviewerID`") && words.contains("jq -c '.data[]' FILE"),
        "{words}"
    );
    let words = amazon_files("{\"a\": 1, \"b\": 2}", "").unwrap_err();
    assert!(
        words.contains("the record's fields are `a`, `b`"),
        "{words}"
    );
}

#[test]
fn a_field_that_nobody_reads_stops_no_file() {
    let deep = "[".repeat(300) + &"]".repeat(300);
    for odd in [
        "nan",
        "NaN",
        "-Infinity",
        "None",
        "True",
        "(1, 'a')",
        "{1, 2}",
        "datetime.datetime(2014, 1, 2)",
        "1e999",
        "0x1F",
        "{'a': {'b': (1, [nan])}}",
        "{\"x\": \"}\"}",
        "12345678901234567890123",
        "1L",
        "",
        &deep,
    ] {
        let json = REVIEW.replace("\"overall\"", &format!("\"odd\": {odd}, \"overall\""));
        let python = format!("{{'odd': {odd}, 'asin': 'I1', 'title': 'T', 'more': {odd}}}");
        let raw = amazon_files(&json, &python).unwrap_or_else(|error| panic!("{odd}: {error}"));
        assert_eq!(raw.texts[0].title.as_deref(), Some("T"), "{odd}");
    }
    // Invalid strings: a single surrogate, an unknown name, bytes that are not UTF-8.
    for odd in [r#""\ud83d""#, r#""\q""#, "\"\u{0}\""] {
        let json = REVIEW.replace("\"overall\"", &format!("\"odd\": {odd}, \"overall\""));
        amazon_files(&json, "").unwrap();
    }
    let python = r"{'asin': 'I1', 'odd': '\N{BULLET} \ud83d', 'title': 'T'}";
    assert_eq!(
        amazon_files(REVIEW, python).unwrap().texts[0]
            .title
            .as_deref(),
        Some("T")
    );
}

#[test]
fn python_texts_are_read_as_python_reads_them() {
    let meta = r"{'asin': 'I1', 'title': 'Smile \U0001f600 \101 ' 'and \d', 'description': (u'one', 'two'), 'categories': [['Home']], 'price': nan}";
    let raw = amazon_files(REVIEW, meta).unwrap();
    assert_eq!(raw.texts[0].title.as_deref(), Some(r"Smile 😀 A and \d"));
    assert_eq!(raw.texts[0].description.as_deref(), Some("one two"));
    let words = amazon_files(REVIEW, r"{'asin': 'I1', 'title': '\N{BULLET}'}").unwrap_err();
    assert!(words.contains(r"meta:1: field `title` holds the escape `\N{BULLET}`: characters by name are not supported"), "{words}");
}

#[test]
fn values_of_another_kind_in_fields_that_are_read_are_refused() {
    for (from, to, expected) in [
        (
            "5.0",
            "\"five\"",
            "field `overall` is the text \"five\", expected a number",
        ),
        (
            "5.0",
            "1e999",
            "field `overall` is the number 1e999, expected a number",
        ),
        ("5.0", "[5]", "field `overall` is a list, expected a number"),
        ("5.0", "null", "field `overall` is null"),
        ("\"I1\"", "{}", "field `asin` is a table, expected an id"),
        (
            "\"I1\"",
            "\"\"",
            "the id in field `asin` is empty or holds a NUL",
        ),
        (
            "\"I1\"",
            "\"\\ud83d\"",
            "field `asin` holds a text with a wrong escape",
        ),
        (
            "\"I1\"",
            "nonsense",
            "field `asin` holds `nonsense`, which is not a value of this form",
        ),
        (
            ": 7",
            ": \"noon\"",
            "field `unixReviewTime` is `noon`, which is not a time of this form",
        ),
        (
            ": 7",
            ": true",
            "field `unixReviewTime` is the truth `true`, expected a text",
        ),
        (
            "\"asin\"",
            "asin",
            "expected the name of a field in quotes after byte",
        ),
        ("}", "} x", "more text after the record after byte"),
        ("7}", "7", "the record is cut off: no closing `}`"),
    ] {
        let words = amazon_files(&REVIEW.replace(from, to), "").unwrap_err();
        assert!(
            words.contains("reviews:1: ") && words.contains(expected),
            "{words}\nexpected: {expected}"
        );
    }
}

#[test]
fn ids_and_numbers_may_be_written_either_way() {
    let raw = amazon_files(
        &REVIEW.replace("\"I1\"", "17").replace("5.0", "\"5.0\""),
        "{\"asin\": 17, \"title\": 300}",
    )
    .unwrap();
    assert_eq!((raw.items[0].as_str(), raw.rating[0]), ("17", 5.0));
    assert_eq!(raw.texts[0].title.as_deref(), Some("300"));
}

#[test]
fn a_record_that_only_lacks_a_field_is_not_taken_for_another_ones() {
    for (rows, expected) in [
        (
            NEW.replace("\"timestamp\"", "\"sort_timestamp\""),
            "reviews:1: no field `timestamp`\nthe record's fields are",
        ),
        (
            REVIEW.replace("unixReviewTime", "reviewTime"),
            "reviews:1: no field `unixReviewTime`\nthe record's fields are",
        ),
        ("\u{0}\u{1b}[31m".to_owned(), "found `\u{fffd}\u{fffd}[31m`"),
    ] {
        let words = amazon_files(&rows, "").unwrap_err();
        assert!(words.contains(expected), "{words}");
    }
}

#[test]
fn item_records_without_an_id_are_counted() {
    let raw = amazon_files(
        REVIEW,
        "{\"title\": \"?\"}\n{\"asin\": \"I1\", \"title\": \"T\"}\n{\"asin\": null}",
    )
    .unwrap();
    assert_eq!(raw.texts[0].title.as_deref(), Some("T"));
    assert_eq!(
        (raw.notes[0].what.as_str(), raw.notes[0].count),
        ("records without `asin`, which are not used", 2)
    );
}

#[test]
fn fields_that_look_as_if_they_were_meant_are_noted() {
    let dir = tempfile::tempdir().unwrap();
    let rows = r#"{"u": 1, "i": 2, "when_time": 7, "stars": 3}"#;
    let text = |text: &str| text.to_owned();
    let mut named = JsonSource {
        timestamp: String::new(),
        interactions: put(dir.path(), "rows", rows.as_bytes()),
        items: put(dir.path(), "things", br#"{"i": 2, "thing_name": "T"}"#),
        user: text("u"),
        item: text("i"),
        ..source(JsonForm::Named)
    };
    let notes = |source: &JsonSource| -> Vec<String> {
        let raw = read(&Source::Json(source.clone()), dir.path()).unwrap();
        raw.notes.into_iter().map(|note| note.what).collect()
    };
    assert_eq!(
        notes(&named),
        [
            "fields that look like a rating and are not used (`stars` of rows)",
            "fields that look like a title and are not used (`thing_name` of things)",
        ]
    );
    named.timestamp = text("when_time");
    named.rating = text("stars");
    named.title = text("thing_name");
    assert!(notes(&named).is_empty());
    named.timestamp = text("tine");
    let error = read(&Source::Json(named), dir.path()).unwrap_err();
    assert!(
        error.to_string().ends_with("rows:1: no field `tine`"),
        "{error}"
    );
    assert_eq!(
        error.remedy(),
        Some("the record's fields are `u`, `i`, `when_time`, `stars`")
    );
}

#[test]
fn yelp_files_are_read() {
    let review = r#"{"review_id": "r", "user_id": "u", "business_id": "b1", "stars": 3.0, "useful": 0, "text": "x", "date": "2018-07-07 22:09:11"}"#;
    let earlier = review.replace("b1", "b2").replace("22:09:11", "22:09:10");
    let business = r#"{"business_id": "b1", "name": "Caf\u00e9", "stars": 4.0, "attributes": {"x": "u'free'"}, "categories": "Doctors, Traditional Medicine", "hours": null}"#;
    let raw = files(JsonForm::Yelp, &format!("{review}\n{earlier}"), business);
    assert_eq!(raw.time, [1_531_001_351, 1_531_001_350]);
    assert_eq!(raw.rating, [3.0, 3.0]);
    assert_eq!(raw.texts[0].title.as_deref(), Some("Café"));
    assert_eq!(raw.texts[0].categories, ["Doctors", "Traditional Medicine"]);
}

#[test]
fn goodreads_files_are_read() {
    let row = r#"{"user_id": "8842", "book_id": "1", "review_id": "r", "is_read": true, "rating": 0, "date_added": "Fri Sep 01 00:00:00 -0700 2017", "read_at": ""}"#;
    let book = r#"{"isbn": "", "book_id": "1", "title": "T", "description": "D", "popular_shelves": [{"count": "3", "name": "to-read"}]}"#;
    let raw = files(JsonForm::Goodreads, row, book);
    assert_eq!((raw.time[0], raw.rating[0]), (1_504_249_200, 0.0));
    assert_eq!(
        (
            raw.texts[0].title.as_deref(),
            raw.texts[0].description.as_deref()
        ),
        (Some("T"), Some("D"))
    );
}

#[test]
fn steam_files_are_read() {
    let review = "{u'username': u'it\\'s me', u'hours': 5.1, u'product_id': u'10', u'date': u'2017-12-17', u'text': u'ok', u'early_access': False}";
    let games = "{u'app_name': u'Counter-Strike', u'genres': [u'Action'], u'title': u'CS', u'id': u'10', u'price': 9.99}\n{u'app_name': u'no id'}";
    let raw = files(JsonForm::Steam, review, games);
    assert_eq!(
        (raw.users[0].as_str(), raw.items[0].as_str()),
        ("it's me", "10")
    );
    assert_eq!(raw.time, [1_513_468_800]);
    assert!(raw.rating.is_empty());
    assert_eq!(raw.texts[0].title.as_deref(), Some("Counter-Strike"));
    assert_eq!(raw.texts[0].categories, ["Action"]);
    assert_eq!(
        raw.notes[0].what,
        "records of items without `id`, which are not used"
    );
}

#[test]
fn times_in_many_forms_are_in_order() {
    let read_times = |times: [&str; 2], format: &str| {
        let dir = tempfile::tempdir().unwrap();
        let row = |time: &str| format!("{{\"u\": 1, \"i\": 2, \"t\": {time}}}");
        let rows = times.map(row).join("\n");
        let text = |text: &str| text.to_owned();
        let source = JsonSource {
            interactions: put(dir.path(), "rows", rows.as_bytes()),
            user: text("u"),
            item: text("i"),
            timestamp: text("t"),
            time_format: text(format),
            ..source(JsonForm::Named)
        };
        read(&Source::Json(source), dir.path())
            .map(|raw| raw.time)
            .map_err(|error| format!("{error}\n{}", error.remedy().unwrap_or_default()))
    };
    for (times, format) in [
        (["1404776209", "1404776210"], ""),
        (["1404776209123", "1404776209124"], ""),
        (["1404776209.25", "1404776209.5"], ""),
        (["\"1404776209\"", "1404776210"], ""),
        (["\"2014-07-07\"", "\"2014-07-08\""], ""),
        (["\"2014-07-07 22:09:11\"", "\"2014-07-07T22:09:12\""], ""),
        (
            ["\"2014-07-07T22:09:11+02:00\"", "\"2014-07-07T22:09:11Z\""],
            "",
        ),
        (
            [
                "\"2014-07-07T22:09:11.250Z\"",
                "\"2014-07-07T22:09:11.500Z\"",
            ],
            "",
        ),
        (
            ["\"1931-07-07T22:09:11.750Z\"", "\"1931-07-07T22:09:12Z\""],
            "",
        ),
        (["\"31/12/2014\"", "\"01/01/2015\""], "%d/%m/%Y"),
        (
            [
                "\"Mon Jul 07 23:00:00 -0700 2014\"",
                "\"Tue Jul 08 05:00:00 -0200 2014\"",
            ],
            "%a %b %d %H:%M:%S %z %Y",
        ),
    ] {
        let read = read_times(times, format).unwrap();
        assert!(read[0] < read[1], "{times:?}: {read:?}");
    }
    let words = read_times(["1", "\"2014-07-07\""], "").unwrap_err();
    assert!(
        words.contains("rows:2: times are dates in some records and numbers in others: field `t`"),
        "{words}"
    );
    let words = read_times(["\"31/12/2014\"", "1"], "").unwrap_err();
    assert!(
        words.contains("rows:1: field `t` is `31/12/2014`, which is not a time of this form")
            && words.contains("time_format = "),
        "{words}"
    );
}

#[test]
fn an_endless_line_or_record_is_refused_in_bounded_memory() {
    let dir = tempfile::tempdir().unwrap();
    let long = "x".repeat(100 << 20);
    for (text, expected) in [
        (
            format!("{{\"asin\": \"{long}\"}}"),
            "long:1: the line is longer than 64 MiB",
        ),
        (
            format!("[\n{{\"asin\": \"{long}\"}}]"),
            "long:2: the record that begins here is longer than 64 MiB",
        ),
    ] {
        let source = amazon(
            &put(dir.path(), "long", text.as_bytes()),
            "",
            AmazonText::Full,
        );
        let error = read(&source, dir.path()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
