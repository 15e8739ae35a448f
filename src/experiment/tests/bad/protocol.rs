//! Candidates from a file, ties, and candidates of a class.

use super::Case;

const DRAWN: &str = "candidates.uniform = { n = 19 }";

pub(super) const CASES: &[Case] = &[
    Case {
        what: "a file of candidates that is not there",
        old: DRAWN,
        new: r#"candidates.file = { path = "none.txt", form = "user_negatives" }"#,
        faults: &[
            "34:28: `none.txt` does not exist | not found | paths are relative to the spec's folder; looked for `ROOT/none.txt`",
        ],
    },
    Case {
        what: "a file of candidates without its form",
        old: DRAWN,
        new: r#"candidates.file = { path = "Cargo.toml" }"#,
        faults: &[
            "34:19: missing field `form` in `protocol.strict.candidates.file` | `form` has no default | `form`: Content of a line: `user_item_negatives`, `user_negatives` or `pair_negatives`",
        ],
    },
    Case {
        // The first line of the file is `MIT License`: one negative after the user.
        what: "a cut-off that is longer than a file's first list of candidates",
        old: DRAWN,
        new: r#"candidates.file = { path = "LICENSE-MIT", form = "user_negatives" }"#,
        faults: &[
            "35:21: `ndcg@10` has a cut-off beyond the list of 2 candidates | expected a cut-off below 2 | lower k, or draw more candidates",
        ],
    },
    Case {
        what: "a limit on data whose candidates are fixed",
        old: DRAWN,
        new: "candidates.file = { path = \"Cargo.lock\", form = \"pair_negatives\" }\n\n[run]\nlimit = 10\n\n[protocol.other]",
        faults: &[
            "34:19: protocol `strict` reads its candidates from a file, and the data are limited to 10 users | needs the whole data set | run without a limit, or with a protocol that draws its candidates; `max_users` measures fewer users",
        ],
    },
    Case {
        what: "users for slices where all users are measured",
        old: DRAWN,
        new: "users_per_slice = 100",
        faults: &[
            "34:19: `users_per_slice` has no effect: all users are measured (`max_users = 0`) | expected 0 | remove it, or set `max_users`",
        ],
    },
    Case {
        what: "a class of items and candidates of a file",
        old: "share = 0.35\n\n[protocol.strict]\ncandidates.uniform = { n = 19 }",
        new: "candidates = \"class\"\n\n[protocol.strict]\ncandidates.file = { path = \"Cargo.lock\", form = \"pair_negatives\" }",
        faults: &[
            "31:14: scenario `cold` ranks among items of its class, and the candidates of protocol `strict` are fixed by a file | expected `all` | write `candidates = \"all\"`, or draw the candidates",
        ],
    },
    Case {
        what: "more negatives than the class has items",
        old: "share = 0.35",
        new: "share = 0.3\ncandidates = \"class\"",
        faults: &[
            "30:1: protocol `strict` draws 19 negatives from the class of scenario `cold`, which has at most 18 items of data set `small` | expected more than 19 items | lower `n`, raise `share`, or write `candidates = \"all\"`",
        ],
    },
    Case {
        what: "an unknown rule for ties",
        old: DRAWN,
        new: "ties = \"first\"",
        faults: &[
            "34:8: `protocol.strict.ties` must be `half`, `target_first` or `target_last`, found the string `first` | expected `half`, `target_first` or `target_last`",
        ],
    },
    Case {
        what: "early stopping on candidates of a file",
        old: "train.epochs = 4",
        new: "train.epochs = 4\ntrain.stop.early = { every = 1, candidates = { file = { path = \"Cargo.lock\", form = \"pair_negatives\" } } }",
        faults: &[
            "21:46: early stopping cannot read candidates from a file | expected `full`, `uniform` or `popularity` | a file of candidates belongs to a protocol: `protocol.NAME.candidates.file`",
        ],
    },
    Case {
        what: "a question about genres to CF models, with a list of items, scores and a rank",
        old: "candidates.uniform = { n = 19 }\n",
        new: "candidates.favourite_genre = { answer = \"text\", by = \"gain\", template = \"{history} {candidates}\" }\nkeep_scores = true\n",
        faults: &[
            "15:8: `tiny` has no language model that answers, and protocol `strict` is a question about genres | cannot answer | leave it out with `matrix.model`, or put the question into a separate experiment; methods may still read its vectors",
            "24:1: `flat` has no language model that answers, and protocol `strict` is a question about genres | cannot answer | leave it out with `matrix.model`, or put the question into a separate experiment; methods may still read its vectors",
            "34:54: a generated answer has no likelihoods to combine | has no effect | remove `by`, or write `answer = \"likelihood\"`",
            "34:73: the question has no candidate items to list | remove `{candidates}` | `{genres}` lists the genres",
            "35:15: `keep_scores` keeps scores of items, and the candidates are genres | expected `false` | ranks of the favourite genres are always kept",
            "36:21: a generated genre does not give `ndcg@10` | expected `hit@1` alone | write `metrics = [\"hit@1\"]`, or `answer = \"likelihood\"`",
        ],
    },
];
