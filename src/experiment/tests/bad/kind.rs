//! Fields, sections and kinds that are unknown, missing or repeated.

use super::Case;

pub(super) const CASES: &[Case] = &[
    Case {
        what: "a misspelt field of a model",
        old: "dropout = 0.2",
        new: "dropuot = 0.2",
        faults: &[
            "18:1: unknown field `dropuot` in `model.tiny.sasrec` | not a field of this table | did you mean `dropout`?",
        ],
    },
    Case {
        what: "a field that is similar to no other",
        old: "dropout = 0.2",
        new: "gravity = 0.2",
        faults: &[
            "18:1: unknown field `gravity` in `model.tiny.sasrec` | not a field of this table | the fields are `activation`, `dropout`, `form`, `hidden_units`, `inner_units`, `l2_emb`, `loss`, `maxlen`, `norm_eps`, `num_blocks`, `num_heads`, `output_bias`, `output_table`, `padding`, `scale_items`, `sequences`, `train`, `weights`, `weights_check` and `preset`",
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
        old: "[model.naive.popularity]",
        new: r#"[model.naive]
kind = "popularity""#,
        faults: &[
            r#"23:1: unknown kind `kind` in `model.naive` | not a kind of model | a kind is a table name: write `[model.naive.popularity]` instead of `kind = "popularity"`"#,
        ],
    },
    Case {
        what: "fields without a kind",
        old: "[model.naive.popularity]",
        new: "[model.naive]\nsmoothing = 1.0",
        faults: &[
            "23:1: unknown kind `smoothing` in `model.naive` | not a kind of model | `smoothing` is a field of `markov`: put it into a table named after the kind, such as `[model.naive.markov]`",
        ],
    },
    Case {
        what: "a model without a kind",
        old: "[model.naive.popularity]",
        new: "[model.naive]",
        faults: &[
            "22:1: `model.naive` has no kind | expected one of `allmrec`, `bert4rec`, `ctrl`, `e4srec`, `fusion`, `gru4rec`, `hstu`, `llamarec`, `llara`, `llm_only`, `llm_srec`, `markov`, `mlp_llm`, `morec`, `ncf`, `nextitnet`, `popularity`, `recformer`, `repeat`, `sasrec`, `scores`, `tallrec` or `text_similarity` | name the table after its kind, such as `[model.naive.allmrec]`",
        ],
    },
    Case {
        what: "two kinds in one model",
        old: "[model.naive.popularity]",
        new: "[model.naive.popularity]\n[model.naive.markov]",
        faults: &[
            "23:14: `model.naive` has two kinds: `popularity` and `markov` | the second kind | keep one of them, or give each its own name",
        ],
    },
    Case {
        what: "two losses",
        old: "loss.bce = { negatives = 1 }",
        new: "loss.bce = {}\nloss.bpr = {}",
        faults: &[
            "20:6: `model.tiny.sasrec.loss` has two kinds: `bce` and `bpr` | the second kind | keep one of them, or give each its own name",
        ],
    },
    Case {
        what: "a loss as a text",
        old: "loss.bce = { negatives = 1 }",
        new: r#"loss = "bce""#,
        faults: &[
            "19:8: `model.tiny.sasrec.loss` must be a table named after its kind: `bce`, `bpr`, `full_softmax`, `gbce`, `sampled_softmax` or `top1_max`, found the string `bce` | expected a table named after its kind: `bce`, `bpr`, `full_softmax`, `gbce`, `sampled_softmax` or `top1_max` | a kind is a table name: write `model.tiny.sasrec.loss.bce = {}`",
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
];
