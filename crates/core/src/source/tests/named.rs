//! Columns by name and number, whole sequences of tables, and the files of a split.

use super::*;
use crate::source::raw::Given;

/// Reads `text` in a file with this name, with additional `settings`.
pub(super) fn of(kind: &str, name: &str, text: &str, settings: &str) -> Result<RawData, DataError> {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), name, text.as_bytes());
    let key = match kind {
        "csv" | "json" => "interactions",
        "atomic" => "inter",
        _ => "path",
    };
    read(
        &source(kind, &format!("{key} = \"{name}\"\n{settings}")),
        dir.path(),
    )
}

/// The error message without the folder, and its hint.
pub(super) fn refusal(kind: &str, name: &str, text: &str, settings: &str) -> (String, String) {
    let error = of(kind, name, text, settings).unwrap_err();
    let message = error.to_string();
    // The folder's random name may contain that of the file.
    let at = message.find(&format!("/{name}")).map_or(0, |at| at + 1);
    (message[at..].to_owned(), error.remedy().unwrap().to_owned())
}

const SHUFFLED: &str = "user_id:token\titem_id:token\tstars:float\ttime:float\nu\ta\t5\t30.5\nu\tb\t4\t10.25\nu\tc\t3\t20\n";

#[test]
fn a_time_of_another_name_is_refused_where_the_order_of_the_file_is_another_one() {
    let (message, hint) = refusal("atomic", "x.inter", SHUFFLED, "");
    assert_eq!(
        message,
        "x.inter:3: column `time` looks like a time and is not used, and the rows of a user are not in its order"
    );
    assert_eq!(
        hint,
        "`timestamp = \"time\"` orders by it; `timestamp = \"\"` takes the order of the file; the columns are `user_id`, `item_id`, `stars`, `time`"
    );
    let timed = of("atomic", "x.inter", SHUFFLED, "timestamp = \"time\"").unwrap();
    assert_eq!(timed.time, [3050, 1025, 2000]);
    let untimed = of("atomic", "x.inter", SHUFFLED, "timestamp = \"\"").unwrap();
    assert!(untimed.time.is_empty());
    // The same applies to CSV, and to a column of numbers that only its values reveal.
    let csv = SHUFFLED
        .replace(":token", "")
        .replace(":float", "")
        .replace('\t', ",");
    let settings = "user = \"user_id\"\nitem = \"item_id\"";
    let (message, _) = refusal("csv", "x.csv", &csv, settings);
    assert!(
        message.contains("`time` looks like a time and is not used"),
        "{message}"
    );
    let nameless = "user_id:token\titem_id:token\tx:float\nu\ta\t1404776209\nu\tb\t1404776100\n";
    let (message, _) = refusal("atomic", "x.inter", nameless, "");
    assert!(
        message.starts_with("x.inter:3: column `x` looks like a time"),
        "{message}"
    );
    let dated = "user_id:token\titem_id:token\tdate:token\nu\ta\t07/07/2014\n";
    let (message, _) = refusal("atomic", "x.inter", dated, "");
    assert!(
        message.contains("`date` looks like a time") && message.contains("no number"),
        "{message}"
    );
}

#[test]
fn columns_that_look_meant_and_change_nothing_are_counted() {
    let sorted = "user_id:token\titem_id:token\tstars:float\ttime:float\nu\ta\t5\t10\nv\ta\t4\t5\nu\tc\t3\t20\n";
    let raw = of("atomic", "x.inter", sorted, "").unwrap();
    let notes: Vec<&str> = raw.notes.iter().map(|note| note.what.as_str()).collect();
    assert_eq!(
        notes,
        [
            "columns that look like a time and are not used (`time` of x.inter)",
            "columns that look like a rating and are not used (`stars` of x.inter)",
        ]
    );
    let named = of(
        "atomic",
        "x.inter",
        sorted,
        "timestamp = \"time\"\nrating = \"stars\"",
    )
    .unwrap();
    assert!(named.notes.is_empty());
    assert_eq!(named.rating, [5.0, 4.0, 3.0]);
}

#[test]
fn a_label_of_0_is_no_interaction_unless_somebody_says_so() {
    let text =
        "user_id:token\titem_id:token\tlabel:float\ttimestamp:float\nu\ta\t1\t1\nu\tb\t0\t2\n";
    let (message, hint) = refusal("atomic", "x.inter", text, "");
    assert_eq!(
        message,
        "x.inter:3: column `label` is 0 here and is not used: the row would count like those with 1"
    );
    assert!(
        hint.starts_with("`rating = \"label\"` with `filter = [{ rating = { minimum = 1.0 } }]`"),
        "{hint}"
    );
    assert_eq!(
        of("atomic", "x.inter", text, "rating = \"label\"")
            .unwrap()
            .rating,
        [1.0, 0.0]
    );
    assert_eq!(
        of("atomic", "x.inter", text, "rating = \"\"")
            .unwrap()
            .user
            .len(),
        2
    );
}

#[test]
fn a_named_column_that_is_not_there_is_refused_with_those_that_are() {
    let (message, hint) = refusal("atomic", "x.inter", SHUFFLED, "timestamp = \"when\"");
    assert_eq!(message, "x.inter:1: no column `when`");
    assert_eq!(
        hint,
        "is it `timestamp = \"time\"`? The columns are `user_id`, `item_id`, `stars`, `time`"
    );
}

#[test]
fn titles_of_atomic_files_have_a_name_or_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    put(
        dir.path(),
        "x.inter",
        b"user_id:token\titem_id:token\nu\ta\n",
    );
    put(
        dir.path(),
        "film.item",
        b"item_id:token\tfilm_title:token_seq\tyear:float\na\tA Film\t1990\n",
    );
    put(
        dir.path(),
        "movie.item",
        b"item_id:token\tmovie_name:token_seq\tyear:float\na\tA Film\t1990\n",
    );
    put(
        dir.path(),
        "words.item",
        b"item_id:token\twords:token_seq\tyear:float\na\tA Film\t1999\n",
    );
    let with = |item: &str, settings: &str| {
        let files = format!("inter = \"x.inter\"\nitem = \"{item}\"\n{settings}");
        read(&source("atomic", &files), dir.path())
    };
    let title = |raw: RawData| raw.texts[0].title.clone();
    assert_eq!(
        title(with("movie.item", "").unwrap()).as_deref(),
        Some("A Film")
    );
    assert_eq!(
        title(with("film.item", "title = \"film_title\"").unwrap()).as_deref(),
        Some("A Film")
    );
    assert_eq!(title(with("film.item", "title = \"\"").unwrap()), None);
    let error = with("film.item", "").unwrap_err();
    assert!(
        error.to_string().ends_with(
            "film.item:1: column `film_title` looks like a title and is not used, so that no item has one"
        ),
        "{error}"
    );
    assert_eq!(
        error.remedy().unwrap(),
        "`title = \"film_title\"` uses it; `title = \"\"` leaves items without titles; the columns are `item_id`, `film_title`, `year`"
    );
    let noted = with("words.item", "").unwrap();
    assert_eq!(
        noted.notes[0].what,
        "columns of texts that are not used, where no title is (`words` of words.item)"
    );
}

#[test]
fn csv_with_tabs_semicolons_or_no_header_is_read_as_told_and_its_kind_is_recognised() {
    let rows = [
        ["u", "a", "5.0", "1409265541.5"],
        ["u", "b", "1.0", "1409433955"],
    ];
    let plain: String = rows.iter().map(|row| row.join(",") + "\n").collect();
    let head = "user,item,rating,timestamp\n";
    let comma = of("csv", "x.csv", &format!("{head}{plain}"), "").unwrap();
    assert_eq!(comma.time, [14_092_655_415, 14_094_339_550]);
    assert_eq!(comma.rating, [5.0, 1.0]);

    let tabs = format!("{head}{plain}").replace(',', "\t");
    assert_eq!(
        of("csv", "x.tsv", &tabs, "delimiter = \"\\t\"").unwrap(),
        comma
    );
    let (message, hint) = refusal("csv", "x.tsv", &tabs, "");
    assert_eq!(message, "x.tsv:1: no column `user`");
    assert_eq!(
        hint,
        "line 1 is one cell with tabs in it: set `delimiter = \"\\t\"`"
    );

    let in_quotes = |line: &str| format!("\"{}\"\n", line.replace(',', "\";\""));
    let quoted: String = format!("{head}{plain}").lines().map(in_quotes).collect();
    assert_eq!(
        of("csv", "x.csv", &quoted, "delimiter = \";\"").unwrap(),
        comma
    );
    let (_, hint) = refusal("csv", "x.csv", &quoted, "");
    assert_eq!(
        hint,
        "line 1 is one cell with semicolons in it: set `delimiter = \";\"`"
    );

    let numbered = "header = false\nuser = \"1\"\nitem = \"2\"\nrating = \"3\"\ntimestamp = \"4\"";
    assert_eq!(of("csv", "x.csv", &plain, numbered).unwrap(), comma);
    let (message, hint) = refusal("csv", "x.csv", &plain, "");
    assert_eq!(message, "x.csv:1: no column `user`");
    assert!(
        hint.starts_with(
            "line 1 looks like a record: for a file without a header set `header = false`"
        ),
        "{hint}"
    );
    let (message, hint) = refusal("csv", "x.csv", &plain, "header = false");
    assert_eq!(message, "x.csv:1: no column `user`");
    assert_eq!(
        hint,
        "without a header, columns are numbers from 1 to 4, such as `user = \"1\"`; line 1 holds `u`, `a`, `5.0`, `1409265541.5`"
    );
    let (message, _) = refusal(
        "csv",
        "x.csv",
        &plain,
        "header = false\nuser = \"1\"\nitem = \"2\"",
    );
    assert_eq!(
        message,
        "x.csv:1: the file has 4 columns and no header, and `timestamp` does not say which is the time"
    );
    let (message, _) = refusal("csv", "x.csv", &format!("{head}{plain}"), numbered);
    assert_eq!(
        message,
        "x.csv:1: line 1 names columns, and `header` is false"
    );
    let (_, hint) = refusal("csv", "x.csv", "1::a::5::9\n", "");
    assert!(
        hint.contains("`source.sequences` with `delimiter = \"::\"`"),
        "{hint}"
    );
}

#[test]
fn items_have_a_delimiter_header_and_id_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "x.csv", b"u,a\nu,b\n");
    put(dir.path(), "items.csv", b"isbn;title\na;\"A; title\"\n");
    let settings = "interactions = \"x.csv\"\nheader = false\nuser = \"1\"\nitem = \"2\"\nitems = \"items.csv\"\nitems_delimiter = \";\"\nitems_item = \"isbn\"";
    let raw = read(&source("csv", settings), dir.path()).unwrap();
    assert_eq!(raw.texts[0].title.as_deref(), Some("A; title"));
}

#[test]
fn cells_that_nobody_reads_stop_no_file() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "x.csv", b"user,item,n\xe9\nu,a,\xe9\n");
    put(
        dir.path(),
        "x.inter",
        b"user_id:token\titem_id:token\tn\xe9:token\tx\tx\nu\ta\t\xe9\t1\t2\n",
    );
    for (kind, key, name) in [
        ("csv", "interactions", "x.csv"),
        ("atomic", "inter", "x.inter"),
    ] {
        let source = source(kind, &format!("{key} = \"{name}\""));
        assert_eq!(read(&source, dir.path()).unwrap().items, ["a"]);
    }
}

#[test]
fn a_csv_record_of_a_hundred_megabytes_is_refused() {
    let open_quote = format!("user,item\nu,a\nu,\"{}", "x\n".repeat(50 << 20));
    let (message, hint) = refusal("csv", "long.csv", &open_quote, "");
    assert_eq!(message, "long.csv:3: the record is longer than 64 MiB");
    assert!(hint.contains("a quote that is not closed"), "{hint}");
}

const HISTORY: &str = "user_id,parent_asin,rating,timestamp,history\nu,c,5.0,1700000000000,a b\nv,a,4.0,1700000000001,\n";
const IDS: &str = "user = \"user_id\"\nitem = \"parent_asin\"\n";

#[test]
fn a_history_is_read_as_a_whole_sequence_when_the_spec_says_so() {
    let (message, hint) = refusal("csv", "x.csv", HISTORY, IDS);
    assert_eq!(
        message,
        "x.csv:1: column `history` looks like the items before the one of its row"
    );
    assert_eq!(
        hint,
        "`history = \"history\"` reads each row as a whole sequence; `history = \"\"` reads it as one interaction"
    );
    let whole = of(
        "csv",
        "x.csv",
        HISTORY,
        &format!("{IDS}history = \"history\""),
    )
    .unwrap();
    assert_eq!(whole.items, ["a", "b", "c"]);
    assert_eq!(
        (&whole.user[..], &whole.item[..]),
        (&[0, 0, 0, 1][..], &[0, 1, 2, 0][..])
    );
    assert!(whole.time.is_empty() && whole.rating.is_empty());
    let single = of("csv", "x.csv", HISTORY, &format!("{IDS}history = \"\"")).unwrap();
    assert_eq!(single.time, [1_700_000_000_000, 1_700_000_000_001]);
}

/// The files of a split: training, validation, test.
fn of_split(files: [&str; 3], settings: &str) -> Result<RawData, DataError> {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in ["train.csv", "valid.csv", "test.csv"].iter().zip(files) {
        put(dir.path(), name, text.as_bytes());
    }
    let names = "interactions = \"train.csv\"\nvalid = \"valid.csv\"\ntest = \"test.csv\"\n";
    read(&source("csv", &format!("{names}{settings}")), dir.path())
}

#[test]
fn the_ready_made_splits_of_amazon_2023_keep_their_parts_with_and_without_histories() {
    use Given::{Test, Train, Valid};
    let head = "user_id,parent_asin,rating,timestamp,history\n";
    let train = format!("{head}u,a,5.0,10,\nu,b,4.0,20,a\n");
    let valid = format!("{head}u,c,3.0,30,a b\n");
    let test = format!("{head}u,d,3.0,40,a b c\n");
    let files = [&train[..], &valid, &test];
    let with = of_split(files, &format!("{IDS}history = \"history\"")).unwrap();
    assert_eq!(with.items, ["a", "b", "c", "d"]);
    assert_eq!(with.part, [Train, Train, Valid, Test]);
    let without = of_split(files, &format!("{IDS}history = \"\"")).unwrap();
    assert_eq!((&without.item, &without.part), (&with.item, &with.part));
    assert_eq!(without.time, [10, 20, 30, 40]);

    let lost = format!("{head}u,d,3.0,40,a b\n");
    let error = of_split(
        [&train, &valid, &lost],
        &format!("{IDS}history = \"history\""),
    )
    .unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("test.csv:2: the row of user `u` does not continue its rows before it"),
        "{error}"
    );
    let untimed = "user_id,parent_asin\nu,d\n";
    let error = of_split([&train, &valid, untimed], &format!("{IDS}history = \"\"")).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the files before it have a column for the rating, this one does not"),
        "{error}"
    );
}

#[test]
fn rows_of_repeated_users_in_atomic_files_are_refused_or_put_together() {
    let train = "user_id:token\titem_id_list:token_seq\titem_id:token\n0\t38\t0\n0\t38 0\t1\n1\t11\t12\n0\t38 0 1\t3\n";
    let (message, hint) = refusal("atomic", "train.inter", train, "");
    assert_eq!(
        message,
        "train.inter:3: user `0` has a row already, on line 2"
    );
    assert!(
        hint.contains("`repeated_users = \"all_prefixes\"`") && hint.contains("`\"longest\"`"),
        "{hint}"
    );
    for rule in ["longest", "all_prefixes"] {
        let raw = of(
            "atomic",
            "train.inter",
            train,
            &format!("repeated_users = \"{rule}\""),
        )
        .unwrap();
        assert_eq!(raw.user, [0, 0, 0, 0, 1, 1], "{rule}");
        let names: Vec<&str> = raw
            .item
            .iter()
            .map(|&item| raw.items[item as usize].as_str())
            .collect();
        assert_eq!(names, ["38", "0", "1", "3", "11", "12"], "{rule}");
    }
}

#[test]
fn csv_columns_of_any_name_are_times_by_their_values() {
    let unix = "user,item,t_dat\nu,a,1409433955\nu,b,1409433940\n";
    let dates = "user,item,t_dat\nu,a,2018-09-21\nu,b,2018-09-20\n";
    let slashes = "user,item,t_dat\nu,a,21/09/2018\nu,b,20/09/2018\n";
    for (text, what) in [
        (unix, "the rows of a user are not in its order"),
        (dates, "the rows of a user are not in its order"),
    ] {
        let (message, hint) = refusal("csv", "x.csv", text, "user = \"user\"\nitem = \"item\"");
        assert!(
            message.contains(&format!(
                "column `t_dat` looks like a time and is not used, and {what}"
            )),
            "{message}"
        );
        assert!(
            hint.starts_with("`timestamp = \"t_dat\"` orders by it"),
            "{hint}"
        );
    }
    let ids = "user = \"user\"\nitem = \"item\"";
    let (message, hint) = refusal("csv", "x.csv", slashes, ids);
    assert!(
        message.ends_with("it holds no number and no date of ISO 8601 here"),
        "{message}"
    );
    assert!(hint.starts_with("write it in numbers"), "{hint}");
    let named = of(
        "csv",
        "x.csv",
        dates,
        &format!("{ids}\ntimestamp = \"t_dat\""),
    )
    .unwrap();
    assert_eq!(named.time, [1_537_488_000, 1_537_401_600]);
    // A barcode is not a time.
    let codes = "user,item,code\nu,a,9780306406157\nu,b,9780306406150\n";
    assert!(of("csv", "x.csv", codes, "user = \"user\"\nitem = \"item\"").is_ok());
}

#[test]
fn seconds_and_milliseconds_do_not_mix() {
    let mixed = "user,item,timestamp\nu,a,1409433955\nu,b,1409433940000\n";
    let (message, hint) = refusal("csv", "x.csv", mixed, "user = \"user\"\nitem = \"item\"");
    assert_eq!(
        message,
        "x.csv:3: `1409433940000` in column `timestamp` is in milliseconds, and earlier times are in seconds"
    );
    assert_eq!(hint, "write all times in one unit");
}

#[test]
fn a_json_field_that_looks_like_a_time_is_named_or_left_out_on_purpose() {
    let lines =
        "{\"u\": \"a\", \"i\": \"b\", \"time\": 2}\n{\"u\": \"a\", \"i\": \"c\", \"time\": 1}\n";
    let ids = "user = \"u\"\nitem = \"i\"";
    let (message, hint) = refusal("json", "x.json", lines, ids);
    assert_eq!(
        message,
        "x.json: field `time` looks like a time and is not used"
    );
    assert!(
        hint.starts_with("`timestamp = \"time\"` orders by it"),
        "{hint}"
    );
    let unordered = of("json", "x.json", lines, &format!("{ids}\ntimestamp = \"\"")).unwrap();
    assert!(unordered.time.is_empty());
    let timed = of(
        "json",
        "x.json",
        lines,
        &format!("{ids}\ntimestamp = \"time\""),
    )
    .unwrap();
    assert_eq!(timed.time, [2, 1]);
}
