//! Metrics and candidates, the matrix, and scenarios.

use super::Case;

pub(super) const CASES: &[Case] = &[
    Case {
        what: "an unknown metric",
        old: r#"metrics = ["hit@1", "ndcg@10"]"#,
        new: r#"metrics = ["hit@1", "ndgc@10"]"#,
        faults: &[
            "35:21: `protocol.strict.metrics[1]` must be `hit@k`, `recall@k`, `precision@k`, `ndcg@k`, `map@k`, `mrr@k` with k of at least 1, or `mrr`, found the string `ndgc@10` | expected `hit@k`, `recall@k`, `precision@k`, `ndcg@k`, `map@k`, `mrr@k` with k of at least 1, or `mrr` | did you mean `ndcg@10`?",
        ],
    },
    Case {
        what: "another name for a metric",
        old: r#"metrics = ["hit@1", "ndcg@10"]"#,
        new: r#"metrics = ["hit@1", "ndcg@10", "HR@10"]"#,
        faults: &[
            "35:32: `protocol.strict.metrics[2]` must be `hit@k`, `recall@k`, `precision@k`, `ndcg@k`, `map@k`, `mrr@k` with k of at least 1, or `mrr`, found the string `HR@10` | expected `hit@k`, `recall@k`, `precision@k`, `ndcg@k`, `map@k`, `mrr@k` with k of at least 1, or `mrr` | did you mean `hit@10`?",
        ],
    },
    Case {
        what: "a cut-off of nothing, which is one fault and not two",
        old: r#"metrics = ["hit@1", "ndcg@10"]"#,
        new: r#"metrics = ["hit@0"]"#,
        faults: &[
            "35:12: `protocol.strict.metrics[0]` must be `hit@k`, `recall@k`, `precision@k`, `ndcg@k`, `map@k`, `mrr@k` with k of at least 1, or `mrr`, found the string `hit@0` | expected `hit@k`, `recall@k`, `precision@k`, `ndcg@k`, `map@k`, `mrr@k` with k of at least 1, or `mrr`",
        ],
    },
    Case {
        what: "recall without a cut-off",
        old: r#"metrics = ["hit@1", "ndcg@10"]"#,
        new: r#"metrics = ["hit@1", "recall"]"#,
        faults: &[
            "35:21: `protocol.strict.metrics[1]` must be `hit@k`, `recall@k`, `precision@k`, `ndcg@k`, `map@k`, `mrr@k` with k of at least 1, or `mrr`, found the string `recall` | expected `hit@k`, `recall@k`, `precision@k`, `ndcg@k`, `map@k`, `mrr@k` with k of at least 1, or `mrr` | did you mean `recall@10`?",
        ],
    },
    Case {
        what: "a cut-off with a leading zero",
        old: r#"metrics = ["hit@1", "ndcg@10"]"#,
        new: r#"metrics = ["hit@1", "mrr@05"]"#,
        faults: &[
            "35:21: `protocol.strict.metrics[1]` must be `hit@k`, `recall@k`, `precision@k`, `ndcg@k`, `map@k`, `mrr@k` with k of at least 1, or `mrr`, found the string `mrr@05` | expected `hit@k`, `recall@k`, `precision@k`, `ndcg@k`, `map@k`, `mrr@k` with k of at least 1, or `mrr`",
        ],
    },
    Case {
        what: "a metric twice",
        old: r#"metrics = ["hit@1", "ndcg@10"]"#,
        new: r#"metrics = ["hit@1", "hit@1"]"#,
        faults: &[
            "35:21: `hit@1` is in `protocol.strict.metrics` twice | again here | remove one of the two",
        ],
    },
    Case {
        what: "no metrics",
        old: r#"metrics = ["hit@1", "ndcg@10"]"#,
        new: "metrics = []",
        faults: &[
            r#"35:11: protocol `strict` measures nothing | expected at least one metric | write for example `metrics = ["hit@1", "ndcg@10"]`"#,
        ],
    },
    Case {
        what: "no split",
        old: r#"metrics = ["hit@1", "ndcg@10"]"#,
        new: r#"splits = []"#,
        faults: &[
            r#"35:10: protocol `strict` measures no split | expected `test`, `valid` or both | write `splits = ["test"]`, or `["valid", "test"]` for validation numbers too"#,
        ],
    },
    Case {
        what: "a split twice",
        old: r#"metrics = ["hit@1", "ndcg@10"]"#,
        new: r#"splits = ["test", "test"]"#,
        faults: &[
            "35:19: `test` is in `protocol.strict.splits` twice | again here | remove one of the two",
        ],
    },
    Case {
        what: "a table that shows deviations without means",
        old: "[table.main.comparison]",
        new: "[table.main.comparison]\nshow = [\"deviation\", \"change\"]",
        faults: &[
            "58:8: the table shows deviations without means | add `\"mean\"` | for example `show = [\"mean\", \"star\"]`",
        ],
    },
    Case {
        what: "a table that shows neither means nor changes",
        old: "[table.main.comparison]",
        new: "[table.main.comparison]\nshow = [\"star\"]",
        faults: &[
            "58:8: the table shows neither means nor changes | add `\"mean\"` | for example `show = [\"mean\", \"star\"]`",
        ],
    },
    Case {
        what: "a table of a split that is not measured",
        old: "[table.main.comparison]",
        new: "[table.main.comparison]\nsplit = \"valid\"",
        faults: &[
            r#"58:9: protocol `strict` does not measure the split `valid` | reads numbers of `valid` | write `protocol.strict.splits = ["valid", "test"]`, or name another split here"#,
        ],
    },
    Case {
        what: "outputs that read the test where only validation is measured",
        old: r#"metrics = ["hit@1", "ndcg@10"]"#,
        new: r#"splits = ["valid"]"#,
        faults: &[
            r#"44:12: protocol `strict` does not measure the split `test` | reads numbers of `test` | write `protocol.strict.splits = ["valid", "test"]`, or name another split here"#,
            r#"50:1: protocol `strict` does not measure the split `test` | reads numbers of `test` | write `protocol.strict.splits = ["valid", "test"]`, or name another split here"#,
            r#"57:1: protocol `strict` does not measure the split `test` | reads numbers of `test` | write `protocol.strict.splits = ["valid", "test"]`, or name another split here"#,
        ],
    },
    Case {
        what: "a hit that is always one",
        old: r#"metrics = ["hit@1", "ndcg@10"]"#,
        new: r#"metrics = ["hit@1", "hit@20"]"#,
        faults: &[
            "35:21: `hit@20` is always 1 in a list of 20 candidates | expected a cut-off below 20 | lower k, or draw more candidates",
        ],
    },
    Case {
        what: "cut-offs after the end of the list",
        old: r#"metrics = ["hit@1", "ndcg@10"]"#,
        new: r#"metrics = ["hit@1", "recall@20", "mrr@21", "map@20"]"#,
        faults: &[
            "35:21: `recall@20` is always 1 in a list of 20 candidates | expected a cut-off below 20 | lower k, or draw more candidates",
            "35:34: `mrr@21` has a cut-off beyond the list of 20 candidates | expected a cut-off below 20 | lower k, or draw more candidates",
        ],
    },
    Case {
        what: "no candidates",
        old: "candidates.uniform = { n = 19 }",
        new: "candidates.uniform = { n = 0 }",
        faults: &[
            "34:28: `protocol.strict.candidates.uniform.n` must be a whole number from 1 to 10000000, found `0` | expected a whole number from 1 to 10000000",
        ],
    },
    Case {
        what: "more candidates than items",
        old: "candidates.uniform = { n = 19 }",
        new: "candidates.uniform = { n = 60 }",
        faults: &[
            "34:28: protocol `strict` ranks 61 candidates, data set `small` has 60 items | expected fewer than 60 | lower `n`, or use `candidates.full = {}`",
        ],
    },
    Case {
        what: "an unknown data set in the matrix",
        old: r#"dataset = ["small"]"#,
        new: r#"dataset = ["smal"]"#,
        faults: &[
            "38:12: no data set is called `smal` | expected the name of a data set | did you mean `small`?",
        ],
    },
    Case {
        what: "a data set in the matrix twice",
        old: r#"dataset = ["small"]"#,
        new: r#"dataset = ["small", "small"]"#,
        faults: &[
            "38:21: `small` is in `matrix.dataset` twice | again here | remove one of the two",
        ],
    },
    Case {
        what: "an exclude of an unknown name",
        old: r#"exclude = [{ model = "naive", scenario = "cold" }]"#,
        new: r#"exclude = [{ model = "nave" }]"#,
        faults: &[
            "39:22: no model is called `nave` | expected the name of a model | did you mean `naive`?",
        ],
    },
    Case {
        what: "an exclude that matches nothing",
        old: r#"exclude = [{ model = "naive", scenario = "cold" }]"#,
        new: r#"exclude = [{ dataset = "other" }]"#,
        faults: &[
            "39:12: this `exclude` matches nothing | no combination of the matrix has these names | remove it, or correct its names",
        ],
    },
    Case {
        what: "an exclude of everything",
        old: r#"exclude = [{ model = "naive", scenario = "cold" }]"#,
        new: r#"exclude = [{ dataset = "small" }]
model = ["naive"]"#,
        faults: &[
            "37:1: the matrix is empty, so nothing would run | exclude less, or include a combination",
        ],
    },
    Case {
        what: "an incomplete include",
        old: r#"exclude = [{ model = "naive", scenario = "cold" }]"#,
        new: r#"include = [{ dataset = "other" }]"#,
        faults: &[
            "39:12: this `include` names no scenario and no model | expected a data set, a scenario and a model | an `include` adds one combination; leave names out only in `exclude`",
        ],
    },
    Case {
        what: "an include of what is there",
        old: r#"exclude = [{ model = "naive", scenario = "cold" }]"#,
        new: r#"include = [{ dataset = "small", scenario = "cold", model = "tiny" }]"#,
        faults: &[
            "39:12: this `include` adds what the matrix already has | already there | remove it",
        ],
    },
    Case {
        what: "a cross-domain scenario on an unknown data set",
        old: "[scenario.cold.cold_items]\nshare = 0.35",
        new: r#"[scenario.cold.cross_domain]
target = "there""#,
        faults: &[
            "31:10: no data set is called `there` | expected the name of a data set | did you mean `other`?",
        ],
    },
    Case {
        what: "a cross-domain scenario on the data set itself",
        old: "[scenario.cold.cold_items]\nshare = 0.35",
        new: r#"[scenario.cold.cross_domain]
target = "small""#,
        faults: &[
            r#"31:10: scenario `cold` measures `small` on models trained on `small` | expected another data set than the one that is trained on | leave it out: `[matrix] exclude = [{ dataset = "small", scenario = "cold" }]`"#,
        ],
    },
    Case {
        what: "candidates by training counts where nothing was trained on",
        old: "[scenario.cold.cold_items]\nshare = 0.35\n\n[protocol.strict]\ncandidates.uniform = { n = 19 }",
        new: r#"[scenario.cold.cross_domain]
target = "other"

[protocol.strict]
candidates.popularity = { n = 19 }"#,
        faults: &[
            "34:25: protocol `strict` draws candidates by training counts, and scenario `cold` measures items that were not trained on | nothing to draw from there | use `candidates.uniform`, or put the scenario into a separate experiment",
        ],
    },
    Case {
        what: "a cross-domain scenario without a target",
        old: "[scenario.cold.cold_items]\nshare = 0.35",
        new: "[scenario.cold.cross_domain]",
        faults: &[
            "30:1: missing field `target` in `scenario.cold.cross_domain` | `target` has no default | `target`: Name of the data set that is measured",
        ],
    },
    Case {
        what: "a scenario that its data set cannot have",
        old: "[scenario.cold.cold_items]\nshare = 0.35",
        new: "[scenario.cold.cold_users]\nlength = 3",
        faults: &[
            "31:10: scenario `cold` measures users of 3 interactions, the filters of data set `small` keep only users of at least 5 | no such user is left | raise `length`, or filter less",
        ],
    },
    Case {
        what: "more few-shot users than users",
        old: "[scenario.cold.cold_items]\nshare = 0.35",
        new: "[scenario.cold.few_shot]\nusers = 256",
        faults: &[
            "31:9: 256 training users, data set `small` has 100 users | expected at most 100",
        ],
    },
    Case {
        what: "a share of nothing",
        old: "share = 0.35",
        new: "share = 0.0",
        faults: &[
            "31:9: `scenario.cold.cold_items.share` must be a number above 0 and at most 1, found `0.0` | expected a number above 0 and at most 1",
        ],
    },
];
