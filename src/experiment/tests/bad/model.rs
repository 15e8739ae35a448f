//! Models whose settings do not go together.

use super::Case;

pub(super) const CASES: &[Case] = &[
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
        new: r#"form = "pmixer_prenorm""#,
        faults: &[
            "18:8: `model.tiny.sasrec.form` must be `allmrec`, `kang`, `pmixer_pre_norm`, `pmixer_post_norm`, `recbole`, `ligr` or `morec`, found the string `pmixer_prenorm` | expected `allmrec`, `kang`, `pmixer_pre_norm`, `pmixer_post_norm`, `recbole`, `ligr` or `morec` | did you mean `pmixer_pre_norm`?",
        ],
    },
    Case {
        what: "an output bias without an output table",
        old: "dropout = 0.2",
        new: "output_bias = true",
        faults: &[
            "18:15: `output_bias` belongs to an output table, and there is none | has no effect | add `output_table = true`, or remove `output_bias`",
        ],
    },
    Case {
        what: "padding on the right in a network that attends to padding on the left",
        old: "dropout = 0.2",
        new: r#"padding = "right""#,
        faults: &[
            "18:11: the form `allmrec` is defined with padding on the left | expected `left` | remove `padding`, or choose the form `kang`, `recbole`, `ligr` or `morec`, which mask padding",
        ],
    },
    Case {
        what: "an unknown activation",
        old: "dropout = 0.2",
        new: r#"activation = "gelo""#,
        faults: &[
            "18:14: `model.tiny.sasrec.activation` must be `relu`, `gelu`, `swish`, `tanh` or `sigmoid`, found the string `gelo` | expected `relu`, `gelu`, `swish`, `tanh` or `sigmoid` | did you mean `gelu`?",
        ],
    },
    Case {
        what: "windows that leave items out",
        old: "dropout = 0.2",
        new: "sequences.windows = { stride = 51 }",
        faults: &[
            "18:32: windows of 50 items, 51 apart, leave items out | expected at most `maxlen`, 50 | 0 puts one window after the other",
        ],
    },
    Case {
        what: "sequences of a model that reads none",
        old: "[model.naive.popularity]",
        new: "[model.naive.ncf]\ntrain.stop.fixed = {}\nsequences.prefixes = {}",
        faults: &[
            "24:1: unknown field `sequences` in `model.naive.ncf` | not a field of this table | the kind `ncf` has no `sequences`; it is a field of `bert4rec`, `ctrl`, `gru4rec`, `hstu`, `morec`, `nextitnet` and `sasrec`",
        ],
    },
    Case {
        what: "an unknown preset",
        old: "dropout = 0.2",
        new: r#"preset = "papers""#,
        faults: &[
            "18:10: unknown preset `papers` in `model.tiny.sasrec.preset` | expected `esasrec`, `gsasrec`, `paper` or `upstream` | did you mean `paper`?",
        ],
    },
    Case {
        what: "a preset of a model without any",
        old: "[model.naive.popularity]",
        new: r#"[model.naive.popularity]
preset = "paper""#,
        faults: &[
            "23:1: unknown field `preset` in `model.naive.popularity` | not a field of this table | there are no fields here",
        ],
    },
    Case {
        what: "more candidates to stop by than items",
        old: "[model.naive.popularity]",
        new: "[model.naive.gru4rec]",
        faults: &[
            "22:1: the early stopping of `naive` ranks 101 candidates, data set `small` has 60 items | expected fewer than 60 | write fewer, for example `train.stop.early.candidates.uniform.n = 30`",
        ],
    },
    Case {
        what: "no dilations",
        old: "[model.naive.popularity]",
        new: "[model.naive.nextitnet]\ntrain.stop.fixed = {}\ndilations = []",
        faults: &[
            "24:13: `dilations` is empty, so the network has no block | expected one dilation a block | for example `dilations = [1, 4]`",
        ],
    },
    Case {
        what: "a dilation of zero",
        old: "[model.naive.popularity]",
        new: "[model.naive.nextitnet]\ntrain.stop.fixed = {}\ndilations = [1, 0]",
        faults: &["24:17: `dilations` contains `0` | expected a whole number from 1 to 65536"],
    },
    Case {
        what: "a loss that a model cannot use",
        old: "[model.naive.popularity]",
        new: "[model.naive.ncf]\ntrain.stop.fixed = {}\nloss.top1_max = {}",
        faults: &[
            "24:1: `ncf` cannot use the loss `top1_max`, which is defined over sessions | not for `ncf` | use `bce`, `bpr`, `full_softmax` or `sampled_softmax`",
        ],
    },
    Case {
        what: "heads of a BERT4Rec that do not divide the width",
        old: "[model.naive.popularity]",
        new: "[model.naive.bert4rec]\ntrain.stop.fixed = {}\nnum_heads = 3",
        faults: &[
            "24:13: 3 heads do not divide `hidden_units` 64 | expected a divisor of 64 | the divisors are `1`, `2`, `4`, `8`, `16`, `32`, `64`",
        ],
    },
    Case {
        what: "shares of hidden items above one",
        old: "[model.naive.popularity]",
        new: "[model.naive.bert4rec]\ntrain.stop.fixed = {}\nrandom_prob = 0.5\nkeep_prob = 0.75",
        faults: &[
            "25:13: `random_prob` and `keep_prob` add up to 1.25 | expected a sum of at most 1 | they are shares of the chosen items; the others are masked",
        ],
    },
    Case {
        what: "a penalty on vectors whose length does not matter",
        old: "[model.naive.popularity]",
        new: "[model.naive.hstu]\nl2_emb = 0.5",
        faults: &[
            "23:10: `l2_emb` penalises the length of item vectors, which is 1 here | has no effect | remove `l2_emb`, or write `similarity = \"dot\"`",
        ],
    },
    Case {
        what: "a validation that never happens",
        old: "train.epochs = 4",
        new: "train.epochs = 4\ntrain.stop.early = { every = 5, candidates.uniform.n = 20 }",
        faults: &[
            "21:30: a validation every 5 epochs never happens in 4 epochs | `train.stop.early.every` is 5: expected at most 4 | lower `train.stop.early.every`, or raise `train.epochs`",
        ],
    },
    Case {
        what: "early stopping on a cut-off after the end of the list",
        old: "train.epochs = 4",
        new: r#"train.epochs = 4
train.stop.early = { every = 1, metric = "hit@10", candidates.uniform = { n = 9 } }"#,
        faults: &[
            "21:42: `hit@10` is always 1 in a list of 10 candidates | expected a cut-off below 10 | lower k, or draw more candidates",
        ],
    },
];
