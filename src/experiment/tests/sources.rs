//! Messages about settings that do not fit the header of their file.

use super::*;

/// Message, label and hint of every fault of a data set in a folder with these files.
fn faults(files: &[(&str, &str)], dataset: &str) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let text =
        format!("spec_version = 1\nname = \"s\"\n[dataset.d]\n{dataset}\n[model.m.popularity]\n");
    let faults = match load_text("s.toml", &text, dir.path(), &[]) {
        Ok(_) => return Vec::new(),
        Err(faults) => faults,
    };
    let line = |fault: FaultLine| {
        let text = fault.to_string();
        let message = text
            .splitn(4, ':')
            .nth(3)
            .unwrap_or(&text)
            .trim()
            .to_owned();
        format!(
            "{message} | {} | {}",
            fault.expected,
            fault.hint.unwrap_or_default()
        )
    };
    faults.iter().map(line).collect()
}

const INTER: &str = "user_id:token\titem_id:token\tlabel:float\ttime:float\nu\ta\t1\t2\n";
const RATED: &str = "user,item,rating,timestamp\nu,a,5,1\n";
const BY_RATING: &str = "filter = [{ rating = { minimum = 1.0 } }]\n";
const BY_COUNT: &str = "filter = [{ published = { threshold = 1, count_rating = 3.0 } }]\n";
const BY_TIME: &str = "split.global_time = {}\n";

#[test]
fn rating_filters_of_every_tabular_source_need_a_column_in_the_file() {
    let expected = "data set `d` has no ratings to filter by | needs ratings | name the column: `rating = \"label\"` in the source; the columns are `user_id`, `item_id`, `label`, `time`";
    for filter in [BY_RATING, BY_COUNT] {
        let dataset = format!("{filter}source.atomic = {{ inter = \"x.inter\" }}");
        assert_eq!(faults(&[("x.inter", INTER)], &dataset), [expected]);
        let named =
            format!("{filter}source.atomic = {{ inter = \"x.inter\", rating = \"label\" }}");
        assert_eq!(faults(&[("x.inter", INTER)], &named), [""; 0]);
        let csv = format!("{filter}source.csv = {{ interactions = \"x.csv\" }}");
        assert_eq!(faults(&[("x.csv", RATED)], &csv), [""; 0]);
        let unrated = RATED.replace("rating", "stars");
        let found = faults(&[("x.csv", &unrated)], &csv);
        assert!(
            found[0].contains("`rating = \"stars\"` in the source"),
            "{found:?}"
        );
        let pairs = format!("{filter}source.sequences = {{ path = \"x\" }}");
        let found = faults(&[("x", "1 2\n")], &pairs);
        assert!(
            found[0].contains("are read by `form = \"ratings\"`"),
            "{found:?}"
        );
        let ratings = format!("{filter}source.sequences = {{ path = \"x\", form = \"ratings\" }}");
        assert_eq!(faults(&[("x", "1 2 3 4\n")], &ratings), [""; 0]);
        let rows =
            "user_id:token\titem_id_list:token_seq\titem_id:token\trating:float\nu\ta\tb\t1\n";
        let found = faults(&[("x.inter", rows)], &dataset);
        assert!(
            found[0].ends_with("a row is a whole sequence, whose items have no separate rating"),
            "{found:?}"
        );
    }
}

#[test]
fn a_split_by_time_needs_a_column_of_times_in_the_file() {
    let atomic = format!("{BY_TIME}source.atomic = {{ inter = \"x.inter\" }}");
    assert_eq!(
        faults(&[("x.inter", INTER)], &atomic),
        [
            "data set `d` has no times to split by | needs times | name the column: `timestamp = \"time\"` in the source; the columns are `user_id`, `item_id`, `label`, `time`"
        ]
    );
    let csv = format!("{BY_TIME}source.csv = {{ interactions = \"x.csv\", timestamp = \"\" }}");
    assert_eq!(faults(&[("x.csv", RATED)], &csv).len(), 1);
    let pairs = format!("{BY_TIME}source.sequences = {{ path = \"x\" }}");
    assert_eq!(faults(&[("x", "1 2\n")], &pairs).len(), 1);
    let times = format!("{BY_TIME}source.sequences = {{ path = \"x\", form = \"times\" }}");
    assert_eq!(faults(&[("x", "1 2 3\n")], &times), [""; 0]);
}

#[test]
fn a_column_that_the_file_does_not_have_is_a_fault_of_its_setting() {
    let atomic = "source.atomic = { inter = \"x.inter\", timestamp = \"when\" }";
    assert_eq!(
        faults(&[("x.inter", INTER)], atomic),
        [
            "`x.inter` has no column `when` | the column of the time | is it `timestamp = \"time\"`? The columns are `user_id`, `item_id`, `label`, `time`"
        ]
    );
    let csv = "source.csv = { interactions = \"x.csv\" }";
    let semicolons = RATED.replace(',', ";");
    let found = faults(&[("x.csv", &semicolons)], csv);
    assert!(
        found[0].ends_with("line 1 is one cell with semicolons in it: set `delimiter = \";\"`"),
        "{found:?}"
    );
    let found = faults(&[("x.csv", "u,a,5,1\nu,b,5,2\n")], csv);
    assert!(found[0].contains("set `header = false`"), "{found:?}");
    let wide = "source.csv = { interactions = \"x.csv\", delimiter = \"::\" }";
    let found = faults(&[("x.csv", RATED)], wide);
    assert_eq!(
        found,
        [
            "`::` cannot separate the cells of a CSV file | expected one ASCII character, no quote and no line break | read the file as `source.sequences` with `delimiter = \"::\"`"
        ]
    );
}

#[test]
fn files_of_a_split_and_the_split_that_takes_them_need_each_other() {
    let files = &[("a.csv", RATED), ("b.csv", RATED), ("c.csv", RATED)][..];
    let source = "source.csv = { interactions = \"a.csv\", valid = \"b.csv\", test = \"c.csv\" }";
    assert_eq!(
        faults(files, &format!("split.given = {{}}\n{source}")),
        [""; 0]
    );
    assert_eq!(
        faults(files, source),
        [
            "data set `d` has the files of a split, and splits otherwise | `valid` and `test` are files of a split | write `split.given = {}`, or name all interactions in one file"
        ]
    );
    let alone = "split.given = {}\nsource.csv = { interactions = \"a.csv\" }";
    assert_eq!(
        faults(files, alone),
        [
            "data set `d` does not have the files of a split | needs `valid` and `test` | name `valid` and `test` in the source"
        ]
    );
    let sequences = "split.given = {}\nsource.sequences = { path = \"a.csv\" }";
    assert!(faults(files, sequences)[0].contains("CSV and atomic sources have files of a split"));
}

#[test]
fn settings_of_the_items_without_a_file_of_items_have_no_effect() {
    let dataset = "source.csv = { interactions = \"x.csv\", items_delimiter = \";\", items_item = \"id\", items_header = false }";
    let found = faults(&[("x.csv", RATED)], dataset);
    for key in ["items_delimiter", "items_item", "items_header"] {
        let expected = format!(
            "`{key}` is about `items`, which is not given | has no effect | add `items = \"...\"`, or remove `{key}`"
        );
        assert!(found.contains(&expected), "{found:?}");
    }
    assert_eq!(found.len(), 3);
}

#[test]
fn hints_about_the_items_name_the_settings_of_the_items() {
    let csv = "source.csv = { interactions = \"x.csv\", items = \"i.csv\" }";
    let with_items = |items: &str| faults(&[("x.csv", RATED), ("i.csv", items)], csv);
    let found = with_items("item;title\na;Heat\n");
    assert!(
        found[0]
            .ends_with("line 1 is one cell with semicolons in it: set `items_delimiter = \";\"`"),
        "{found:?}"
    );
    let found = with_items("1,Heat\n2,Alien\n");
    assert!(found[0].contains("set `items_header = false`"), "{found:?}");
    let wide = csv.replace(" }", ", items_delimiter = \"::\" }");
    assert_eq!(
        faults(&[("x.csv", RATED), ("i.csv", RATED)], &wide),
        [
            "`::` cannot separate the cells of a CSV file | expected one ASCII character, no quote and no line break | read the file as `source.sequences` with `delimiter = \"::\"`"
        ]
    );
}

#[test]
fn a_rule_for_repeated_users_has_no_effect_where_a_row_is_one_interaction() {
    let expected = "`repeated_users` is about whole-sequence rows, and here a row is one interaction | has no effect | remove it";
    let sources = [
        ("x.inter", INTER, "source.atomic = { inter = \"x.inter\""),
        ("x.csv", RATED, "source.csv = { interactions = \"x.csv\""),
        ("x", "1 2\n", "source.sequences = { path = \"x\""),
    ];
    for (name, text, source) in sources {
        let dataset = format!("{source}, repeated_users = \"join\" }}");
        assert_eq!(faults(&[(name, text)], &dataset), [expected]);
    }
}

#[test]
fn an_atomic_file_with_other_separators_is_read_as_csv() {
    let found = faults(
        &[("x.inter", "user_id,item_id\nu,a\n")],
        "source.atomic = { inter = \"x.inter\" }",
    );
    assert!(
        found[0].ends_with("read it as `source.csv` with `delimiter = \",\"`"),
        "{found:?}"
    );
}
