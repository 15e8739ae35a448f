//! Refusals, word by word: each case changes the good file in one place and lists every fault that follows.

use super::*;

/// A file without faults; the cases replace a part of it.
const GOOD: &str = r#"spec_version = 1
name = "bad"
seeds = [1, 2]

[dataset.small]
filter = [{ k_core = { users = 5, items = 5 } }]

[dataset.small.source.synthetic]
users = 100
items = 60

[dataset.other.source.synthetic]
domain = 2

[model.tiny.sasrec]
hidden_units = 8
num_heads = 2
dropout = 0.2
loss.bce = { negatives = 1 }
train.epochs = 4

[model.floor.popularity]

[variant.flat]
of = "tiny"
set = { num_blocks = 1 }

[scenario.overall.overall]

[scenario.cold.cold_items]
share = 0.35

[protocol.strict]
candidates.uniform = { n = 19 }
metrics = ["hit@1", "ndcg@10"]

[matrix]
dataset = ["small"]
exclude = [{ model = "floor", scenario = "cold" }]

[[expected]]
dataset = "small"
model = "tiny"
protocol = "strict"
metric = "hit@1"
value = 0.5
tolerance = 0.1
source = "a guess"

[figure.quality.bars]
metric = "hit@1"
protocol = "strict"

[figure.loss.curves]
value = "loss"

[table.main.comparison]
protocol = "strict"
baseline = "floor"
"#;

pub(super) struct Case {
    pub(super) what: &'static str,
    pub(super) old: &'static str,
    pub(super) new: &'static str,
    /// Per fault: `line:column: message`, then what was expected and the hint where there are.
    pub(super) faults: &'static [&'static str],
}

pub(super) fn said(text: &str, overrides: &[String]) -> Vec<String> {
    let faults = match load_text("bad.toml", text, root(), overrides) {
        Ok(_) => return Vec::new(),
        Err(faults) => faults,
    };
    let line = |fault: FaultLine| {
        let text = fault.to_string();
        let text = text.strip_prefix("bad.toml:").unwrap_or(&text).to_owned();
        let hint = fault.hint.unwrap_or_default();
        let parts = [text, fault.expected, hint]
            .map(|part| part.replace(env!("CARGO_MANIFEST_DIR"), "ROOT"));
        let parts: Vec<&str> = parts
            .iter()
            .map(String::as_str)
            .filter(|part| !part.is_empty())
            .collect();
        parts.join(" | ")
    };
    faults.iter().map(line).collect()
}

#[test]
fn the_good_file_is_good() {
    assert_eq!(said(GOOD, &[]), Vec::<String>::new());
}

#[test]
fn every_bad_file_is_refused_in_these_words() {
    refused(GOOD, CASES);
}

/// Fails with every case that says something else than it should.
pub(super) fn refused(good: &str, cases: &[Case]) {
    let mut wrong = Vec::new();
    for case in cases {
        assert!(good.contains(case.old), "{}", case.what);
        let faults = said(&good.replacen(case.old, case.new, 1), &[]);
        if faults != case.faults {
            wrong.push(format!(
                "{}\n{faults:#?}\nexpected {:#?}",
                case.what, case.faults
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

const CASES: &[Case] = &[
    Case {
        what: "a misspelt field of a model",
        old: "dropout = 0.2",
        new: "dropuot = 0.2",
        faults: &[
            "18:1: unknown field `dropuot` in `model.tiny.sasrec` | not a field of this table | did you mean `dropout`?",
        ],
    },
    Case {
        what: "a field that nothing resembles",
        old: "dropout = 0.2",
        new: "temperature = 0.2",
        faults: &[
            "18:1: unknown field `temperature` in `model.tiny.sasrec` | not a field of this table | the fields are `dropout`, `form`, `hidden_units`, `loss`, `maxlen`, `num_blocks`, `num_heads`, `train`, `weights` and `preset`",
        ],
    },
    Case {
        what: "a misspelt section",
        old: "[matrix]",
        new: "[matirx]",
        faults: &[
            "37:2: unknown field `matirx` at the top of the file | not a field of this table | did you mean `matrix`?",
        ],
    },
    Case {
        what: "a misspelt kind",
        old: "[model.tiny.sasrec]",
        new: "[model.tiny.sasrek]",
        faults: &[
            "15:13: unknown kind `sasrek` in `model.tiny` | not a kind of model | did you mean `sasrec`?",
        ],
    },
    Case {
        what: "a kind as a text",
        old: "[model.floor.popularity]",
        new: r#"[model.floor]
kind = "popularity""#,
        faults: &[
            r#"23:1: unknown kind `kind` in `model.floor` | not a kind of model | kinds are table names: write `[model.floor.popularity]` instead of `kind = "popularity"`"#,
        ],
    },
    Case {
        what: "fields without a kind",
        old: "[model.floor.popularity]",
        new: "[model.floor]\nsmoothing = 1.0",
        faults: &[
            "23:1: unknown kind `smoothing` in `model.floor` | not a kind of model | `smoothing` is a field of `markov`: put it into a table named after the kind, such as `[model.floor.markov]`",
        ],
    },
    Case {
        what: "a model without a kind",
        old: "[model.floor.popularity]",
        new: "[model.floor]",
        faults: &[
            "22:1: `model.floor` has no kind | expected one of `allmrec`, `gru4rec`, `llm_only`, `markov`, `mlp_llm`, `ncf`, `nextitnet`, `popularity`, `sasrec` or `tallrec` | name the table after its kind, such as `[model.floor.allmrec]`",
        ],
    },
    Case {
        what: "two kinds in one model",
        old: "[model.floor.popularity]",
        new: "[model.floor.popularity]\n[model.floor.markov]",
        faults: &[
            "23:14: `model.floor` has two kinds: `popularity` and `markov` | the second kind | keep one of them, or give each a name of its own",
        ],
    },
    Case {
        what: "two losses",
        old: "loss.bce = { negatives = 1 }",
        new: "loss.bce = {}\nloss.bpr = {}",
        faults: &[
            "20:6: `model.tiny.sasrec.loss` has two kinds: `bce` and `bpr` | the second kind | keep one of them, or give each a name of its own",
        ],
    },
    Case {
        what: "a loss as a text",
        old: "loss.bce = { negatives = 1 }",
        new: r#"loss = "bce""#,
        faults: &[
            "19:8: `model.tiny.sasrec.loss` must be a table named after its kind: `bce`, `bpr`, `full_softmax`, `sampled_softmax` or `top1_max`, found the text `bce` | expected a table named after its kind: `bce`, `bpr`, `full_softmax`, `sampled_softmax` or `top1_max` | kinds are table names: write `model.tiny.sasrec.loss.bce = {}`",
        ],
    },
    Case {
        what: "an unknown loss",
        old: "loss.bce = { negatives = 1 }",
        new: "loss.bcee = {}",
        faults: &[
            "19:6: unknown kind `bcee` in `model.tiny.sasrec.loss` | not a kind of loss | did you mean `bce`?",
        ],
    },
    Case {
        what: "a text where a number belongs",
        old: "dropout = 0.2",
        new: r#"dropout = "high""#,
        faults: &[
            "18:11: `model.tiny.sasrec.dropout` must be a number from 0 to 0.99, found the text `high` | expected a number from 0 to 0.99",
        ],
    },
    Case {
        what: "a number in quotes",
        old: "dropout = 0.2",
        new: r#"dropout = "0.2""#,
        faults: &[
            "18:11: `model.tiny.sasrec.dropout` must be a number from 0 to 0.99, found the text `0.2` | expected a number from 0 to 0.99 | write it without quotes: `0.2`",
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
        what: "unknown names beside a wrong value",
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
            "2:8: `name` must be a text in quotes, found `2024-01-01` | expected a text in quotes",
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
            "6:9: `run.alone` must be `true` or `false`, found the text `true` | expected `true` or `false` | write it without quotes: `true`",
        ],
    },
    Case {
        what: "a single value where a list belongs",
        old: "seeds = [1, 2]",
        new: "seeds = 1",
        faults: &[
            "3:9: `seeds` must be a list, each element a whole number of at least 0, found `1` | expected a list, each element a whole number of at least 0 | a list stands in brackets, also when it has one element",
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
        what: "another version",
        old: "spec_version = 1",
        new: "spec_version = 2",
        faults: &[
            "1:16: spec_version `2` is not known to this program, which reads version 1 | expected 1 | the file was written for a newer allround: update the program",
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
            "2:8: the experiment name `../x` holds more than letters, digits, `-` and `_` | expected letters, digits, `-` and `_`: it becomes a file name | for example `x`",
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
            "54:9: the figure name `my loss` holds more than letters, digits, `-` and `_` | expected letters, digits, `-` and `_`: it becomes a file name | for example `my-loss`",
        ],
    },
    Case {
        what: "a dot in a data set's name",
        old: "[dataset.other.source.synthetic]",
        new: r#"[dataset."o.ther".source.synthetic]"#,
        faults: &[
            "12:10: the data set name `o.ther` holds more than letters, digits, `-` and `_` | expected letters, digits, `-` and `_`: it becomes a file name | for example `o-ther`",
        ],
    },
    Case {
        what: "one name for a model and a variant",
        old: "[variant.flat]",
        new: "[variant.tiny]",
        faults: &[
            "24:10: `tiny` names a model and a variant | the variant | the results tell them apart by name alone: rename the variant",
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
            "26:26: `variant.flat.set.train.epochs` must be a whole number from 1 to 1000000, found the text `many` | expected a whole number from 1 to 1000000",
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
        what: "heads that do not divide the width",
        old: "num_heads = 2",
        new: "num_heads = 3",
        faults: &[
            "17:13: 3 heads do not divide `hidden_units` 8 | expected a divisor of 8 | the divisors are `1`, `2`, `4`, `8`",
        ],
    },
    Case {
        what: "an unknown form",
        old: "dropout = 0.2",
        new: r#"form = "prenorm""#,
        faults: &[
            "18:8: `model.tiny.sasrec.form` must be `allmrec` or `pre_norm`, found the text `prenorm` | expected `allmrec` or `pre_norm` | did you mean `pre_norm`?",
        ],
    },
    Case {
        what: "an unknown preset",
        old: "dropout = 0.2",
        new: r#"preset = "papers""#,
        faults: &[
            "18:10: unknown preset `papers` in `model.tiny.sasrec.preset` | expected `paper` or `upstream` | did you mean `paper`?",
        ],
    },
    Case {
        what: "a preset of a model without any",
        old: "[model.floor.popularity]",
        new: r#"[model.floor.popularity]
preset = "paper""#,
        faults: &[
            "23:1: unknown field `preset` in `model.floor.popularity` | not a field of this table | there are no fields here",
        ],
    },
    Case {
        what: "no dilations",
        old: "[model.floor.popularity]",
        new: "[model.floor.nextitnet]\ndilations = []",
        faults: &[
            "23:13: `dilations` is empty, so the net has no block | expected one dilation a block | for example `dilations = [1, 4]`",
        ],
    },
    Case {
        what: "a dilation of zero",
        old: "[model.floor.popularity]",
        new: "[model.floor.nextitnet]\ndilations = [1, 0]",
        faults: &["23:17: `dilations` holds `0` | expected a whole number from 1 to 65536"],
    },
    Case {
        what: "a loss that a model cannot use",
        old: "[model.floor.popularity]",
        new: "[model.floor.ncf]\nloss.top1_max = {}",
        faults: &[
            "23:1: `ncf` cannot use the loss `top1_max`, which is defined over sessions | not for `ncf` | use `bce`, `bpr`, `full_softmax` or `sampled_softmax`",
        ],
    },
    Case {
        what: "a validation that never happens",
        old: "train.epochs = 4",
        new: "train.epochs = 4\ntrain.stop.early = { every = 5 }",
        faults: &[
            "21:30: a validation every 5 epochs never happens in 4 epochs | expected at most 4 | lower it, or raise `train.epochs`",
        ],
    },
    Case {
        what: "early stopping on a cut-off behind the list",
        old: "train.epochs = 4",
        new: r#"train.epochs = 4
train.stop.early = { every = 1, metric = "hit@10", candidates.uniform = { n = 9 } }"#,
        faults: &[
            "21:42: `hit@10` is always 1 in a list of 10 candidates | expected a cut-off below 10 | lower k, or draw more candidates",
        ],
    },
    Case {
        what: "an unknown metric",
        old: r#"metrics = ["hit@1", "ndcg@10"]"#,
        new: r#"metrics = ["hit@1", "ndgc@10"]"#,
        faults: &[
            "35:21: `protocol.strict.metrics[1]` must be `hit@k`, `ndcg@k` with k of at least 1, or `mrr`, found the text `ndgc@10` | expected `hit@k`, `ndcg@k` with k of at least 1, or `mrr` | did you mean `ndcg@10`?",
        ],
    },
    Case {
        what: "another field's word for a metric",
        old: r#"metrics = ["hit@1", "ndcg@10"]"#,
        new: r#"metrics = ["hit@1", "ndcg@10", "HR@10"]"#,
        faults: &[
            "35:32: `protocol.strict.metrics[2]` must be `hit@k`, `ndcg@k` with k of at least 1, or `mrr`, found the text `HR@10` | expected `hit@k`, `ndcg@k` with k of at least 1, or `mrr` | did you mean `hit@10`?",
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
        what: "a hit that is always one",
        old: r#"metrics = ["hit@1", "ndcg@10"]"#,
        new: r#"metrics = ["hit@1", "hit@20"]"#,
        faults: &[
            "35:21: `hit@20` is always 1 in a list of 20 candidates | expected a cut-off below 20 | lower k, or draw more candidates",
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
        old: r#"exclude = [{ model = "floor", scenario = "cold" }]"#,
        new: r#"exclude = [{ model = "flor" }]"#,
        faults: &[
            "39:22: no model is called `flor` | expected the name of a model | did you mean `floor`?",
        ],
    },
    Case {
        what: "an exclude that matches nothing",
        old: r#"exclude = [{ model = "floor", scenario = "cold" }]"#,
        new: r#"exclude = [{ dataset = "other" }]"#,
        faults: &[
            "39:12: this `exclude` matches nothing | no combination of the matrix has these names | remove it, or correct its names",
        ],
    },
    Case {
        what: "an exclude of everything",
        old: r#"exclude = [{ model = "floor", scenario = "cold" }]"#,
        new: r#"exclude = [{ dataset = "small" }]
model = ["floor"]"#,
        faults: &[
            "37:1: the matrix is empty, so nothing would run | exclude less, or include a combination",
        ],
    },
    Case {
        what: "an incomplete include",
        old: r#"exclude = [{ model = "floor", scenario = "cold" }]"#,
        new: r#"include = [{ dataset = "other" }]"#,
        faults: &[
            "39:12: this `include` names no scenario and no model | expected a data set, a scenario and a model | an `include` adds one combination; leave names out only in `exclude`",
        ],
    },
    Case {
        what: "an include of what is there",
        old: r#"exclude = [{ model = "floor", scenario = "cold" }]"#,
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
            "46:9: `25.7` is no value of `hit@1` | expected a number from 0 to 1 | percentages are written as shares: 25.7 % is 0.257",
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
        what: "a curve of nothing known",
        old: r#"value = "loss""#,
        new: r#"value = "los""#,
        faults: &[
            "55:9: `los` is neither `loss` nor a metric | expected `loss`, `hit@k`, `ndcg@k` or `mrr` | did you mean `loss`?",
        ],
    },
    Case {
        what: "a table with an unknown baseline",
        old: r#"baseline = "floor""#,
        new: r#"baseline = "floors""#,
        faults: &[
            "59:12: no model is called `floors` | expected the name of a model | did you mean `floor`?",
        ],
    },
    Case {
        what: "a table of an unknown scenario",
        old: r#"baseline = "floor""#,
        new: r#"scenarios = ["warm"]"#,
        faults: &[
            "59:14: no scenario is called `warm` | expected the name of a scenario | the scenarios are `cold` and `overall`",
        ],
    },
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
        what: "a filter that drops everybody",
        old: "[{ k_core = { users = 5, items = 5 } }]",
        new: "[{ length = { minimum = 9, maximum = 5 } }]",
        faults: &[
            "6:11: no user has at least 9 and at most 5 interactions | this filter drops everybody | `maximum = 0` is no bound",
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
            "12:1: missing field `reviews` in `dataset.other.source.amazon` | `reviews` has no default | `reviews`: Reviews, JSON lines, `.gz` or plain",
        ],
    },
    Case {
        what: "a title column without a file of items",
        old: "[dataset.other.source.synthetic]\ndomain = 2",
        new: r#"[dataset.other.source.csv]
interactions = "Cargo.toml"
title = "name""#,
        faults: &[
            r#"14:9: column `name` is read from `items`, which is not given | needs `items` | add `items = "..."`, the file with one line an item"#,
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
        what: "an unknown device",
        old: "[dataset.small]\n",
        new: r#"[run]
device = "gpu"

[dataset.small]
"#,
        faults: &[
            "6:10: `run.device` must be `cpu` or `cuda:N`, found the text `gpu` | expected `cpu` or `cuda:N`",
        ],
    },
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
            r#"2:8: not TOML: string values must be quoted | expected literal string | write `"bad"` if it is meant as text"#,
        ],
    },
    Case {
        what: "a key twice",
        old: "dropout = 0.2",
        new: "dropout = 0.2\ndropout = 0.3",
        faults: &[
            "19:1: not TOML: duplicate key | `dropout` is already there above; keep one of the two",
        ],
    },
    Case {
        what: "a table twice",
        old: "[matrix]",
        new: "[scenario.overall.overall]\n\n[matrix]",
        faults: &[
            "37:19: not TOML: duplicate key | `overall` is already there above; keep one of the two",
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
        what: "faults of every sort at once",
        old: "num_heads = 2\ndropout = 0.2",
        new: r#"num_heads = 3
dropuot = 0.2
maxlen = "long""#,
        faults: &[
            "17:13: 3 heads do not divide `hidden_units` 8 | expected a divisor of 8 | the divisors are `1`, `2`, `4`, `8`",
            "18:1: unknown field `dropuot` in `model.tiny.sasrec` | not a field of this table | did you mean `dropout`?",
            "19:10: `model.tiny.sasrec.maxlen` must be a whole number from 1 to 4096, found the text `long` | expected a whole number from 1 to 4096",
        ],
    },
];
