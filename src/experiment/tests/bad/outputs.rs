//! Expected values, figures and tables.

use super::Case;

pub(super) const CASES: &[Case] = &[
    Case {
        what: "an expected value of an unknown protocol",
        old: r#"protocol = "strict"
metric = "hit@1"
value"#,
        new: r#"protocol = "stricd"
metric = "hit@1"
value"#,
        faults: &[
            "44:12: no protocol is called `stricd` | expected the name of a protocol | did you mean `strict`?",
        ],
    },
    Case {
        what: "an expected value of a metric that is not measured",
        old: r#"metric = "hit@1"
value"#,
        new: r#"metric = "hit@5"
value"#,
        faults: &[
            "45:10: protocol `strict` does not measure `hit@5` | expected one of `hit@1` or `ndcg@10` | add `hit@5` to `protocol.strict.metrics`",
        ],
    },
    Case {
        what: "an expected value of a combination that is not run",
        old: r#"dataset = "small"
model"#,
        new: r#"dataset = "other"
model"#,
        faults: &[
            "41:1: this expected value is for a combination that the matrix does not run | never measured | add the combination to the matrix, or remove the expected value",
        ],
    },
    Case {
        what: "an expected value in per cent",
        old: "value = 0.5",
        new: "value = 25.7",
        faults: &[
            "46:9: `25.7` is not a value of `hit@1` | expected a number from 0 to 1 | percentages are written as shares: 25.7 % is 0.257",
        ],
    },
    Case {
        what: "an expected value without a source",
        old: r#"source = "a guess"
"#,
        new: "",
        faults: &[
            "41:1: missing field `source` in `expected[0]` | `source` has no default | `source`: Where the value comes from",
        ],
    },
    Case {
        what: "a published table without tolerance, with an unknown model and a share above 1",
        old: "[[expected]]",
        new: "[published.t]\nsource = \"a paper\"\nprotocol = \"strict\"\nmetric = \"hit@1\"\nusers.other = 9\nvalues.naives = { small = 0.5 }\nvalues.naive = { small = 1.5 }\n[[expected]]",
        faults: &[
            "41:1: the values of `small` have no tolerance | expected `users` or `tolerance` | write `users.small = 10000`, the users that the source measured, or `tolerance = 0.01`",
            "45:15: `other` has a number of users, and no value | expected a data set of `values` | remove it, or add the values",
            "46:17: no model is called `naives` | expected the name of a model | did you mean `naive`?",
            "47:26: `1.5` is not a value of `hit@1` | expected a number from 0 to 1 | percentages are written as shares: 25.7 % is 0.257",
        ],
    },
    Case {
        what: "a published table of a metric whose noise does not follow from users",
        old: "[[expected]]",
        new: "[published.t]\nsource = \" \"\nprotocol = \"strict\"\nmetric = \"ndcg@10\"\nusers.small = 9\nvalues.naive.small = 0.5\n[[expected]]",
        faults: &[
            "42:10: the expected value has no source | expected where the value comes from, such as `Kim et al. 2024, table 1`",
            "45:1: the tolerance of `ndcg@10` does not follow from the number of users | only for hit@k | write `tolerance` instead",
        ],
    },
    Case {
        what: "a figure of a metric that is not measured",
        old: r#"metric = "hit@1"
protocol = "strict"

[figure.loss"#,
        new: r#"metric = "mrr"
protocol = "strict"

[figure.loss"#,
        faults: &[
            "51:10: protocol `strict` does not measure `mrr` | expected one of `hit@1` or `ndcg@10` | add `mrr` to `protocol.strict.metrics`",
        ],
    },
    Case {
        what: "a figure without a metric",
        old: r#"metric = "hit@1"
protocol = "strict"

[figure.loss"#,
        new: r#"protocol = "strict"

[figure.loss"#,
        faults: &[
            "50:1: missing field `metric` in `figure.quality.bars` | `metric` has no default | `metric`: What the bars show",
        ],
    },
    Case {
        what: "a curve that no model records",
        old: r#"value = "loss""#,
        new: r#"value = "ndcg@10""#,
        faults: &[
            r#"55:9: no model of the matrix records `ndcg@10` while it trains | nothing to draw | give a model `train.stop.early = { metric = "ndcg@10" }`, or draw `loss`"#,
        ],
    },
    Case {
        what: "a curve of an unknown value",
        old: r#"value = "loss""#,
        new: r#"value = "los""#,
        faults: &[
            "55:9: `los` is neither `loss` nor a metric | expected `loss`, `hit@k`, `recall@k`, `precision@k`, `ndcg@k`, `map@k`, `mrr@k` with k of at least 1, or `mrr` | did you mean `loss`?",
        ],
    },
    Case {
        what: "a reference that no validated model reads",
        old: r#"value = "loss""#,
        new: r#"value = "loss"
reference = "naive""#,
        faults: &[
            "56:13: no model of the matrix reads `naive` and is validated by `loss` while it trains | nothing to draw | set `project.validate` of a model with this `backbone`, or remove `reference`",
        ],
    },
    Case {
        what: "a table with an unknown baseline",
        old: r#"baseline = "naive""#,
        new: r#"baseline = "naives""#,
        faults: &[
            "59:12: no model is called `naives` | expected the name of a model | did you mean `naive`?",
        ],
    },
    Case {
        what: "published costs of an unknown model, and without a source",
        old: r#"baseline = "naive""#,
        new: r#"baseline = "naive"

[table.cost.cost]
published = [{ model = "naives", train_seconds = 1.0, evaluate_seconds = 1.0, source = " " }]"#,
        faults: &[
            "62:24: no model is called `naives` | expected the name of a model | did you mean `naive`?",
            "62:88: the published cost has no source | expected where it comes from, such as `Kim et al. 2024, table 10, 4 A6000`",
        ],
    },
    Case {
        what: "two published costs of a model",
        old: r#"baseline = "naive""#,
        new: r#"baseline = "naive"

[table.cost.cost]
published = [
  { model = "naive", train_seconds = 1.0, evaluate_seconds = 1.0, source = "a paper" },
  { model = "naive", train_seconds = 2.0, evaluate_seconds = 1.0, source = "a paper" },
]"#,
        faults: &[
            "64:3: `naive` is in `table.cost.cost.published` twice | again here | remove one of the two",
        ],
    },
    Case {
        what: "a published cost of zero",
        old: r#"baseline = "naive""#,
        new: r#"baseline = "naive"

[table.cost.cost]
published = [{ model = "naive", train_seconds = 0.0, evaluate_seconds = 1.0, source = "a paper" }]"#,
        faults: &[
            "62:49: `table.cost.cost.published[0].train_seconds` must be a number above 0, found `0.0` | expected a number above 0",
        ],
    },
    Case {
        what: "a table of an unknown scenario",
        old: r#"baseline = "naive""#,
        new: r#"scenarios = ["warm"]"#,
        faults: &[
            "59:14: no scenario is called `warm` | expected the name of a scenario | the scenarios are `cold` and `overall`",
        ],
    },
    Case {
        what: "metrics next to costs without their protocol",
        old: r#"baseline = "naive""#,
        new: r#"baseline = "naive"

[table.cost.cost]
metrics = ["hit@1"]"#,
        faults: &[
            "61:1: no protocol is called `` | expected the name of a protocol | the protocols are `strict`",
        ],
    },
    Case {
        what: "a comparison of trainings of which one is not validated",
        old: r#"baseline = "naive""#,
        new: r#"baseline = "naive"

[table.race.equal]
metric = "hit@10"
models = ["naive"]
baseline = "tiny""#,
        faults: &[
            "62:10: no model of the matrix records `hit@10` while it trains | nothing to draw | give a model `train.stop.early = { metric = \"hit@10\" }`, or draw `loss`",
            "63:10: the baseline `tiny` is not among the models of the table | add `tiny`",
            "63:10: the table compares a model with itself alone | expected two models or more | add a model, or leave `models` out for all that are validated",
            "63:11: `naive` does not record `hit@10` while it trains | has no curve to compare | validate it by `hit@10` (`train.stop.early`, or `project.validate` and `tune.validate` of LLM methods)",
        ],
    },
];
