//! Lines of ids: forms, delimiters, headers, comments, repeated users.

use super::named::{of, refusal};

#[test]
fn lines_with_ratings_and_times_are_a_form_of_their_own_in_any_delimiter() {
    let tabs = "1\t9\t5\t1409433955.5\n1\t8\t4\t1409433954\n";
    for (delimiter, text) in [
        ("", tabs.to_owned()),
        ("::", tabs.replace('\t', "::")),
        (",", tabs.replace('\t', ",")),
    ] {
        let settings = format!("form = \"ratings\"\ndelimiter = \"{delimiter}\"");
        let raw = of("sequences", "x", &text, &settings).unwrap();
        assert_eq!(
            (&raw.rating[..], &raw.time[..]),
            (&[5.0, 4.0][..], &[14_094_339_555, 14_094_339_540][..])
        );
    }
    let (message, hint) = refusal("sequences", "x", tabs, "");
    assert_eq!(message, "x:1: expected `user item`, found 4 cells");
    assert!(
        hint.starts_with("the line looks like `user item rating time`: set `form = \"ratings\"`"),
        "{hint}"
    );
    let (message, hint) = refusal("sequences", "x", tabs, "form = \"rows\"");
    assert_eq!(message, "x:2: user `1` has a row already, on line 1");
    assert_eq!(
        hint,
        "the lines look like `user item rating time`: set `form = \"ratings\"`"
    );
    let (message, _) = refusal(
        "sequences",
        "x",
        tabs,
        "form = \"rows\"\nrepeated_users = \"join\"",
    );
    assert!(
        message.contains("every line looks like `user item rating time`, and `form` is `rows`"),
        "{message}"
    );
    let (_, hint) = refusal("sequences", "x", &tabs.replace('\t', "::"), "");
    assert!(hint.starts_with("set `delimiter = \"::\"`"), "{hint}");
    let (_, hint) = refusal("sequences", "x", "1 9 1409433955\n", "");
    assert!(
        hint.starts_with("the line looks like `user item time`: set `form = \"times\"`"),
        "{hint}"
    );
    let times = of("sequences", "x", "1 9 1409433955\n", "form = \"times\"").unwrap();
    assert_eq!(times.time, [1_409_433_955]);
}

#[test]
fn headers_and_comments_among_lines_of_ids_are_refused_or_skipped() {
    let (message, hint) = refusal("sequences", "x", "user_id item_id\n1 9\n", "");
    assert_eq!(
        message,
        "x:1: `user_id item_id` looks like a header, not a record"
    );
    assert_eq!(hint, "set `header = true`, or remove the line");
    let read = of("sequences", "x", "user_id item_id\n1 9\n", "header = true").unwrap();
    assert_eq!(read.items, ["9"]);
    // Words above lines of numbers are a header, whatever the words are.
    let (message, _) = refusal("sequences", "x", "from to\n1 9\n2 9\n", "");
    assert_eq!(message, "x:1: `from to` looks like a header, not a record");
    // Ids may be words.
    assert_eq!(
        of("sequences", "x", "anna apple\nbert 9\n", "")
            .unwrap()
            .users,
        ["anna", "bert"]
    );
    for mark in ["#", "%"] {
        let text = format!("{mark} a graph\n1 9\n");
        let (message, hint) = refusal("sequences", "x", &text, "");
        assert_eq!(
            message,
            format!("x:1: the line begins with `{mark}`, as a comment does")
        );
        assert!(hint.contains(&format!("`comment = \"{mark}\"`")), "{hint}");
        let read = of("sequences", "x", &text, &format!("comment = \"{mark}\"")).unwrap();
        assert_eq!((read.users.len(), read.notes[0].count), (1, 1));
    }
}

#[test]
fn rows_of_one_user_on_several_lines_are_refused_or_joined() {
    let text = "1 9 8\n2 9 7\n1 7 6\n";
    let (message, _) = refusal("sequences", "x", text, "form = \"rows\"");
    assert_eq!(message, "x:3: user `1` has a row already, on line 1");
    let raw = of(
        "sequences",
        "x",
        text,
        "form = \"rows\"\nrepeated_users = \"join\"",
    )
    .unwrap();
    assert_eq!(raw.user, [0, 0, 1, 1, 0, 0]);
    let (_, hint) = refusal("sequences", "x", "1 9\n1 8\n", "form = \"rows\"");
    assert_eq!(hint, "lines of `user item` need `form = \"pairs\"`");
}

#[test]
fn ratings_are_not_taken_for_times_or_items() {
    let lines: String = (0..30)
        .map(|at| format!("{} i{} {}\n", at / 6, at % 6, 1 + at % 5 / 2))
        .collect();
    let (_, hint) = refusal("sequences", "x", &lines, "");
    assert!(
        hint.starts_with("if the third cell is a rating, no form has this order"),
        "{hint}"
    );
    for (settings, taken) in [
        ("form = \"times\"", "times"),
        ("form = \"rows\"\nrepeated_users = \"join\"", "items"),
    ] {
        let (message, hint) = refusal("sequences", "x", &lines, settings);
        assert_eq!(
            message,
            format!(
                "x: every line looks like `user item rating`, and the ratings are taken for {taken}"
            )
        );
        assert!(
            hint.contains("header = false") && hint.contains("rating = \"3\""),
            "{hint}"
        );
    }
    // Positions in each user's sequence are small numbers too.
    let positions: String = (0..30)
        .map(|at| format!("{} i{} {}\n", at / 6, at % 6, at % 6))
        .collect();
    assert!(of("sequences", "x", &positions, "form = \"times\"").is_ok());
    let (message, _) = refusal("sequences", "x", "1 9 1409433955 5\n", "form = \"ratings\"");
    assert_eq!(
        message,
        "x:1: the third cell, `1409433955`, looks like a time, and the fourth, `5`, does not"
    );
}
