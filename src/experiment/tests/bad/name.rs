//! The version, names, and variants.

use super::Case;

pub(super) const CASES: &[Case] = &[
    Case {
        what: "another version",
        old: "spec_version = 1",
        new: "spec_version = 2",
        faults: &[
            "1:16: spec_version `2` is unknown: this program reads version 1 | expected 1 | the file was written for a newer allround: update the program",
        ],
    },
    Case {
        what: "no version",
        old: "spec_version = 1\n",
        new: "",
        faults: &["1:1: missing field `spec_version` | write `spec_version = 1` as the first line"],
    },
    Case {
        what: "no name",
        old: r#"name = "bad"
"#,
        new: "",
        faults: &[
            r#"1:1: missing field `name` | write `name = "..."`: it names the results folder"#,
        ],
    },
    Case {
        what: "a path as a name",
        old: r#"name = "bad""#,
        new: r#"name = "../x""#,
        faults: &[
            "2:8: the experiment name `../x` has characters other than letters, digits, `-` and `_` | expected letters, digits, `-` and `_`: it becomes a file name | for example `x`",
        ],
    },
    Case {
        what: "an empty name",
        old: r#"name = "bad""#,
        new: r#"name = """#,
        faults: &[
            "2:8: the experiment name `` is empty | expected letters, digits, `-` and `_`: it becomes a file name",
        ],
    },
    Case {
        what: "a space in a name",
        old: "[figure.loss.curves]",
        new: r#"[figure."my loss".curves]"#,
        faults: &[
            "54:9: the figure name `my loss` has characters other than letters, digits, `-` and `_` | expected letters, digits, `-` and `_`: it becomes a file name | for example `my-loss`",
        ],
    },
    Case {
        what: "a dot in a data set's name",
        old: "[dataset.other.source.synthetic]",
        new: r#"[dataset."o.ther".source.synthetic]"#,
        faults: &[
            "12:10: the data set name `o.ther` has characters other than letters, digits, `-` and `_` | expected letters, digits, `-` and `_`: it becomes a file name | for example `o-ther`",
        ],
    },
    Case {
        what: "one name for a model and a variant",
        old: "[variant.flat]",
        new: "[variant.tiny]",
        faults: &[
            "24:10: `tiny` names a model and a variant | the variant | results identify both by name only: rename the variant",
        ],
    },
    Case {
        what: "a variant of nothing",
        old: r#"of = "tiny""#,
        new: r#"of = "tyni""#,
        faults: &[
            "25:6: no model is called `tyni` | expected the name of a model | did you mean `tiny`?",
        ],
    },
    Case {
        what: "an unknown key in a variant",
        old: "set = { num_blocks = 1 }",
        new: "set = { num_block = 1 }",
        faults: &[
            "26:9: unknown field `num_block` in `variant.flat.set` | not a field of this table | did you mean `num_blocks`?",
        ],
    },
    Case {
        what: "a wrong value in a variant's dotted key",
        old: "set = { num_blocks = 1 }",
        new: r#"set = { "train.epochs" = "many" }"#,
        faults: &[
            "26:26: `variant.flat.set.train.epochs` must be a whole number from 1 to 1000000, found the string `many` | expected a whole number from 1 to 1000000",
        ],
    },
    Case {
        what: "a variant that breaks its model",
        old: "set = { num_blocks = 1 }",
        new: "set = { num_heads = 3 }",
        faults: &[
            "26:21: 3 heads do not divide `hidden_units` 8 | expected a divisor of 8 | the divisors are `1`, `2`, `4`, `8`",
        ],
    },
    Case {
        what: "a variant that changes nothing",
        old: "set = { num_blocks = 1 }",
        new: "set = {}",
        faults: &[
            "24:1: variant `flat` changes nothing | expected `set` with at least one key | for example `set = { dropout = 0.0 }`",
        ],
    },
    Case {
        what: "an unknown model that runs alone",
        old: "[dataset.small]\n",
        new: r#"[run]
alone = ["tiny", "naivt"]

[dataset.small]
"#,
        faults: &[
            "6:18: no model is called `naivt` | expected the name of a model | did you mean `naive`?",
        ],
    },
    Case {
        what: "a variant that runs alone twice",
        old: "[dataset.small]\n",
        new: r#"[run]
alone = ["flat", "flat"]

[dataset.small]
"#,
        faults: &["6:18: `flat` is in `run.alone` twice | again here | remove one of the two"],
    },
];
