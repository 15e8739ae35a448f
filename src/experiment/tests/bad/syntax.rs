//! Files that are not TOML, and several kinds of faults at once.

use super::Case;

pub(super) const CASES: &[Case] = &[
    Case {
        what: "a missing value",
        old: "dropout = 0.2",
        new: "dropout =",
        faults: &[
            "18:10: not TOML: string values must be quoted | expected literal string | write a value after the `=`",
        ],
    },
    Case {
        what: "a text without quotes",
        old: r#"name = "bad""#,
        new: "name = bad",
        faults: &[
            r#"2:8: not TOML: string values must be quoted | expected literal string | write `"bad"` if it is a string"#,
        ],
    },
    Case {
        what: "a key twice",
        old: "dropout = 0.2",
        new: "dropout = 0.2\ndropout = 0.3",
        faults: &[
            "19:1: not TOML: duplicate key | `dropout` is already set above; keep one of the two",
        ],
    },
    Case {
        what: "a table twice",
        old: "[matrix]",
        new: "[scenario.overall.overall]\n\n[matrix]",
        faults: &[
            "37:19: not TOML: duplicate key | `overall` is already set above; keep one of the two",
        ],
    },
    Case {
        what: "an open bracket",
        old: "seeds = [1, 2]",
        new: "seeds = [1, 2",
        faults: &[
            "5:1: not TOML: missing comma between array elements | expected `,` | is the list before it closed with `]`?",
        ],
    },
    Case {
        what: "several syntax faults",
        old: "dropout = 0.2\nloss.bce = { negatives = 1 }",
        new: "dropout = \nloss.bce = { negatives 1 }",
        faults: &[
            "18:11: not TOML: string values must be quoted | expected literal string | write a value after the `=`",
            "19:24: not TOML: missing assignment between key-value pairs | expected `=`",
        ],
    },
    Case {
        what: "several kinds of faults at once",
        old: "num_heads = 2\ndropout = 0.2",
        new: r#"num_heads = 3
dropuot = 0.2
maxlen = "long""#,
        faults: &[
            "17:13: 3 heads do not divide `hidden_units` 8 | expected a divisor of 8 | the divisors are `1`, `2`, `4`, `8`",
            "18:1: unknown field `dropuot` in `model.tiny.sasrec` | not a field of this table | did you mean `dropout`?",
            "19:10: `model.tiny.sasrec.maxlen` must be a whole number from 1 to 4096, found the string `long` | expected a whole number from 1 to 4096",
        ],
    },
];
