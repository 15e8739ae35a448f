//! Data sets: filters, splits and files.

use super::Case;

pub(super) const CASES: &[Case] = &[
    Case {
        what: "shares that leave no test period",
        old: "[dataset.other.source.synthetic]",
        new: "[dataset.other]\nsplit.global_time = { train_share = 0.9, valid_share = 0.1 }\n\n[dataset.other.source.synthetic]",
        faults: &[
            "13:37: `train_share` and `valid_share` sum to 1, which leaves no test period | expected a sum below 1 | for example `train_share = 0.8` and `valid_share = 0.1`",
        ],
    },
    Case {
        what: "a filter by ratings without ratings",
        old: "[{ k_core = { users = 5, items = 5 } }]",
        new: "[{ rating = { minimum = 3 } }]",
        faults: &[
            "6:11: data set `small` has no ratings to filter by | needs ratings | remove the filter",
        ],
    },
    Case {
        what: "a filter that drops all users",
        old: "[{ k_core = { users = 5, items = 5 } }]",
        new: "[{ length = { minimum = 9, maximum = 5 } }]",
        faults: &[
            "6:11: no user has at least 9 and at most 5 interactions | this filter drops all users | `maximum = 0` means no maximum",
        ],
    },
    Case {
        what: "an unknown filter",
        old: "[{ k_core = { users = 5, items = 5 } }]",
        new: "[{ kcore = { users = 5 } }]",
        faults: &[
            "6:13: unknown kind `kcore` in `dataset.small.filter[0]` | not a kind of filter | did you mean `k_core`?",
        ],
    },
    Case {
        what: "a source file that is not there",
        old: "[dataset.other.source.synthetic]\ndomain = 2",
        new: r#"[dataset.other.source.sequences]
path = "nowhere.txt""#,
        faults: &[
            "13:8: `nowhere.txt` does not exist | not found | paths are relative to the spec's folder; looked for `ROOT/nowhere.txt`",
        ],
    },
    Case {
        what: "a folder where a file belongs",
        old: "[dataset.other.source.synthetic]\ndomain = 2",
        new: r#"[dataset.other.source.sequences]
path = "src""#,
        faults: &[
            "13:8: `src` is a folder | expected a file | paths are relative to the spec's folder; looked for `ROOT/src`",
        ],
    },
    Case {
        what: "a source without its file",
        old: "[dataset.other.source.synthetic]\ndomain = 2",
        new: "[dataset.other.source.amazon]",
        faults: &[
            "12:1: missing field `reviews` in `dataset.other.source.amazon` | `reviews` has no default | `reviews`: Reviews as JSON or Python literals, one per line or in a list, `.gz` or plain",
        ],
    },
    Case {
        what: "a title column without a file of items",
        old: "[dataset.other.source.synthetic]\ndomain = 2",
        new: r#"[dataset.other.source.csv]
interactions = "Cargo.toml"
title = "name"
user = "[workspace]"
item = "[workspace]""#,
        faults: &[
            r#"14:9: column `name` is read from `items`, which is not given | needs `items` | add `items = "..."`, the file with one line an item"#,
        ],
    },
    Case {
        what: "records whose ids have no field",
        old: "[dataset.other.source.synthetic]\ndomain = 2",
        new: r#"[dataset.other.source.json]
interactions = "Cargo.toml"
item = "id"
title = "name"
time_format = "day""#,
        faults: &[
            r#"12:1: field `user` has no name | expected the name of a field of the records | name it, or say whose files these are: `form = "yelp"`, `"goodreads"` or `"steam"`"#,
            r#"15:9: field `name` is read from `items`, which is not given | needs `items` | add `items = "..."`, the file with one record an item"#,
            "16:15: `day` is not a date format | expected the letters of `strftime` | for example `%Y-%m-%d` or `%a %b %d %H:%M:%S %z %Y`",
            r#"16:15: `time_format` is given, and no field of times | needs `timestamp` | name the field: `timestamp = "..."`"#,
        ],
    },
    Case {
        what: "a filter by ratings of records without any",
        old: "[dataset.other.source.synthetic]\ndomain = 2",
        new: r#"[dataset.other]
filter = [{ rating = { minimum = 3 } }]
source.json = { form = "steam", interactions = "Cargo.toml" }"#,
        faults: &[
            "13:11: data set `other` has no ratings to filter by | needs ratings | name the field: `rating = \"...\"` in the source, or remove the filter",
        ],
    },
    Case {
        what: "a source by a publisher's name",
        old: "[dataset.other.source.synthetic]\ndomain = 2",
        new: "[dataset.other]\nsource.yelp = { path = \"review.json\" }",
        faults: &[
            r#"13:8: unknown kind `yelp` in `dataset.other.source` | not a kind of source | write `source.json = { form = "yelp", interactions = "...", items = "..." }`"#,
        ],
    },
    Case {
        what: "a data set without a source",
        old: "[dataset.other.source.synthetic]\ndomain = 2",
        new: "[dataset.other]",
        faults: &[
            "12:1: missing field `source` in `dataset.other` | `source` has no default | `source`: Where the interactions and texts come from",
        ],
    },
    Case {
        what: "more generated data than fit in memory",
        old: "users = 100\nitems = 60\n",
        new: "users = 10_000_000\nitems = 60\nmean_length = 50\n",
        faults: &[
            "9:9: about 453000000 interactions would be generated: 10000000 users of 45.3 on average | expected at most 200000000 interactions | lower `mean_length`, or generate at most 4415011 users of this length",
        ],
    },
];
