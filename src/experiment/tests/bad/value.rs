//! Values with the wrong type, format or range.

use super::Case;

pub(super) const CASES: &[Case] = &[
    Case {
        what: "a text where a number belongs",
        old: "dropout = 0.2",
        new: r#"dropout = "high""#,
        faults: &[
            "18:11: `model.tiny.sasrec.dropout` must be a number from 0 to 0.99, found the string `high` | expected a number from 0 to 0.99",
        ],
    },
    Case {
        what: "a number in quotes",
        old: "dropout = 0.2",
        new: r#"dropout = "0.2""#,
        faults: &[
            "18:11: `model.tiny.sasrec.dropout` must be a number from 0 to 0.99, found the string `0.2` | expected a number from 0 to 0.99 | write it without quotes: `0.2`",
        ],
    },
    Case {
        what: "a number out of range",
        old: "dropout = 0.2",
        new: "dropout = 1.5",
        faults: &[
            "18:11: `model.tiny.sasrec.dropout` must be a number from 0 to 0.99, found `1.5` | expected a number from 0 to 0.99",
        ],
    },
    Case {
        what: "a number that is not one",
        old: "dropout = 0.2",
        new: "dropout = nan",
        faults: &[
            "18:11: `model.tiny.sasrec.dropout` must be a number from 0 to 0.99, found `NaN` | expected a number from 0 to 0.99",
        ],
    },
    Case {
        what: "an infinite number",
        old: "value = 0.5",
        new: "value = inf",
        faults: &["46:9: `expected[0].value` must be a number, found `inf` | expected a number"],
    },
    Case {
        what: "unknown names next to a wrong value",
        old: "dataset = \"small\"\nmodel = \"tiny\"\nprotocol = \"strict\"\nmetric = \"hit@1\"\nvalue = 0.5",
        new: "dataset = \"smal\"\nmodel = \"tini\"\nprotocol = \"strict\"\nmetric = \"hit@1\"\nvalue = inf",
        faults: &[
            "42:11: no data set is called `smal` | expected the name of a data set | did you mean `small`?",
            "43:9: no model is called `tini` | expected the name of a model | did you mean `tiny`?",
            "46:9: `expected[0].value` must be a number, found `inf` | expected a number",
        ],
    },
    Case {
        what: "a fraction where a whole number belongs",
        old: "train.epochs = 4",
        new: "train.epochs = 4.5",
        faults: &[
            "20:16: `model.tiny.sasrec.train.epochs` must be a whole number from 1 to 1000000, found `4.5` | expected a whole number from 1 to 1000000",
        ],
    },
    Case {
        what: "zero epochs",
        old: "train.epochs = 4",
        new: "train.epochs = 0",
        faults: &[
            "20:16: `model.tiny.sasrec.train.epochs` must be a whole number from 1 to 1000000, found `0` | expected a whole number from 1 to 1000000",
        ],
    },
    Case {
        what: "a negative size",
        old: "users = 100",
        new: "users = -100",
        faults: &[
            "9:9: `dataset.small.source.synthetic.users` must be a whole number from 1 to 10000000, found `-100` | expected a whole number from 1 to 10000000",
        ],
    },
    Case {
        what: "an integer beyond 64 bits",
        old: "users = 100",
        new: "users = 99999999999999999999999999",
        faults: &[
            "9:9: `dataset.small.source.synthetic.users` must be a whole number from 1 to 10000000, found `99999999999999999999999999` | expected a whole number from 1 to 10000000",
        ],
    },
    Case {
        what: "an integer beyond its field",
        old: "train.epochs = 4",
        new: "train.epochs = 5000000000",
        faults: &[
            "20:16: `model.tiny.sasrec.train.epochs` must be a whole number from 1 to 1000000, found `5000000000` | expected a whole number from 1 to 1000000",
        ],
    },
    Case {
        what: "a learning rate of zero",
        old: "train.epochs = 4",
        new: "train.lr = 0",
        faults: &[
            "20:12: `model.tiny.sasrec.train.lr` must be a number above 0 and at most 100, found `0` | expected a number above 0 and at most 100",
        ],
    },
    Case {
        what: "a date",
        old: r#"name = "bad""#,
        new: "name = 2024-01-01",
        faults: &[
            "2:8: `name` must be a string in quotes, found `2024-01-01` | expected a string in quotes",
        ],
    },
    Case {
        what: "a truth value as a text",
        old: "[dataset.small]\n",
        new: r#"[run]
alone = "true"

[dataset.small]
"#,
        faults: &[
            "6:9: `run.alone` must be `true` or `false`, or a list, each element a string in quotes, found the string `true` | expected `true` or `false`, or a list, each element a string in quotes | write it without quotes: `true`",
        ],
    },
    Case {
        what: "a model alone without brackets",
        old: "[dataset.small]\n",
        new: r#"[run]
alone = "tiny"

[dataset.small]
"#,
        faults: &[
            "6:9: `run.alone` must be `true` or `false`, or a list, each element a string in quotes, found the string `tiny` | expected `true` or `false`, or a list, each element a string in quotes | write a list in brackets, even with one element",
        ],
    },
    Case {
        what: "a number where a model runs alone",
        old: "[dataset.small]\n",
        new: r#"[run]
alone = ["tiny", 1]

[dataset.small]
"#,
        faults: &[
            "6:18: `run.alone[1]` must be a string in quotes, found `1` | expected a string in quotes",
        ],
    },
    Case {
        what: "a single value where a list belongs",
        old: "seeds = [1, 2]",
        new: "seeds = 1",
        faults: &[
            "3:9: `seeds` must be a list, each element a whole number of at least 0, found `1` | expected a list, each element a whole number of at least 0 | write a list in brackets, even with one element",
        ],
    },
    Case {
        what: "no seeds",
        old: "seeds = [1, 2]",
        new: "seeds = []",
        faults: &[
            "3:9: `seeds` is empty, so nothing would run | expected at least one seed | write `seeds = [1, 2, 3]`",
        ],
    },
    Case {
        what: "a seed twice",
        old: "seeds = [1, 2]",
        new: "seeds = [1, 2, 1]",
        faults: &["3:16: `1` is in `seeds` twice | again here | remove one of the two"],
    },
    Case {
        what: "a negative seed",
        old: "seeds = [1, 2]",
        new: "seeds = [1, -2]",
        faults: &[
            "3:13: `seeds[1]` must be a whole number of at least 0, found `-2` | expected a whole number of at least 0",
        ],
    },
    Case {
        what: "one beta of two",
        old: "train.epochs = 4",
        new: "train.optimizer.adam.betas = [0.9]",
        faults: &[
            "20:30: `model.tiny.sasrec.train.optimizer.adam.betas` must be a list of 2, each a number, found a list of one element | expected a list of 2, each a number",
        ],
    },
    Case {
        what: "a beta of one",
        old: "train.epochs = 4",
        new: "train.optimizer.adam.betas = [0.9, 1.0]",
        faults: &["20:36: `1` is not a decay rate | expected a number of at least 0 and below 1"],
    },
    Case {
        what: "an unknown device",
        old: "[dataset.small]\n",
        new: r#"[run]
device = "gpu"

[dataset.small]
"#,
        faults: &[
            "6:10: `run.device` must be `cpu` or `cuda:N`, found the string `gpu` | expected `cpu` or `cuda:N`",
        ],
    },
];
