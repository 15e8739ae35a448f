//! Messages of refusals of text similarity and fusions.

use super::bad::{Case, faults_of, refused};

/// A file without faults; the cases replace a part of it.
const GOOD: &str = r#"spec_version = 1
name = "fused"

[dataset.d.source.synthetic]
users = 100
items = 60

[encoder.hashed.hashed]
[llm.small.small]

[model.sasrec.sasrec]
[model.similar.text_similarity]
encoder = "hashed"
[model.llm.llm_only]
llm = "small"
inference.score = {}
[model.gate.fusion]
models = ["sasrec", "similar"]
by = "popularity_gate"
[model.ranks.fusion]
models = ["sasrec", "similar", "llm"]
by = "mean_rank"

[protocol.p]
metrics = ["hit@1"]
"#;

#[test]
fn every_bad_fusion_is_refused_with_these_messages() {
    assert_eq!(faults_of(GOOD, &[]), Vec::<String>::new());
    refused(GOOD, CASES);
}

#[test]
fn a_model_that_only_a_fusion_runs_is_checked_too() {
    let text = GOOD.replace(
        "metrics = [\"hit@1\"]",
        "metrics = [\"hit@1\"]\ncandidates.full = {}",
    );
    let matrix = "[matrix]\nmodel = [\"ranks\"]\n";
    let faults = faults_of(&format!("{text}{matrix}"), &[]).join("\n");
    assert!(faults.contains("a prompt cannot list them all"), "{faults}");
}

const CASES: &[Case] = &[
    Case {
        what: "no encoder",
        old: "encoder = \"hashed\"",
        new: "",
        faults: &[
            "12:1: missing field `encoder` in `model.similar.text_similarity` | `encoder` has no default | `encoder`: Name of the text encoder",
        ],
    },
    Case {
        what: "an unknown encoder",
        old: "encoder = \"hashed\"",
        new: "encoder = \"minilm\"",
        faults: &[
            "13:11: no text encoder is called `minilm` | expected the name of a text encoder | the text encoders are `hashed`",
        ],
    },
    Case {
        what: "an unknown model",
        old: "models = [\"sasrec\", \"similar\"]",
        new: "models = [\"sasrek\", \"similar\"]",
        faults: &[
            "18:11: no model is called `sasrek` | expected the name of a model | did you mean `sasrec`?",
        ],
    },
    Case {
        what: "a fusion of itself",
        old: "models = [\"sasrec\", \"similar\"]",
        new: "models = [\"gate\", \"similar\"]",
        faults: &[
            "18:11: the fusion `gate` combines itself | expected the name of another model | name the models whose scores it combines",
        ],
    },
    Case {
        what: "fusions of each other",
        old: "models = [\"sasrec\", \"similar\"]\nby = \"popularity_gate\"\n[model.ranks.fusion]\nmodels = [\"sasrec\", \"similar\", \"llm\"]",
        new: "models = [\"sasrec\", \"ranks\"]\nby = \"popularity_gate\"\n[model.ranks.fusion]\nmodels = [\"sasrec\", \"gate\"]",
        faults: &[
            "18:21: `ranks` is a fusion, and a fusion cannot combine another one | expected another kind of model | name the models that `ranks` combines",
            "21:21: `gate` is a fusion, and a fusion cannot combine another one | expected another kind of model | name the models that `gate` combines",
        ],
    },
    Case {
        what: "a model twice",
        old: "models = [\"sasrec\", \"similar\"]",
        new: "models = [\"sasrec\", \"sasrec\"]",
        faults: &[
            "18:21: `sasrec` is in `model.gate.fusion.models` twice | again here | remove one of the two",
        ],
    },
    Case {
        what: "a gate of three models",
        old: "models = [\"sasrec\", \"similar\"]",
        new: "models = [\"sasrec\", \"similar\", \"llm\"]",
        faults: &[
            "18:10: `popularity_gate` combines two models, and 3 are named | expected two names | name the model for popular items first, then the one for rare items; `by = \"mean_rank\"` combines any number",
        ],
    },
    Case {
        what: "mean ranks of one model",
        old: "models = [\"sasrec\", \"similar\", \"llm\"]",
        new: "models = [\"llm\"]",
        faults: &[
            "21:10: a fusion needs at least two models, and 1 is named | expected at least two names | name the models to combine: `models = [\"a\", \"b\"]`",
        ],
    },
    Case {
        what: "a pivot of mean ranks",
        old: "by = \"mean_rank\"",
        new: "by = \"mean_rank\"\npivot = 3.0",
        faults: &[
            "23:9: `pivot` has no effect: ranks are averaged without weights | only for `popularity_gate` | remove `pivot`, or write `by = \"popularity_gate\"`",
        ],
    },
    Case {
        what: "no rule",
        old: "by = \"mean_rank\"",
        new: "",
        faults: &[
            "20:1: missing field `by` in `model.ranks.fusion` | `by` has no default | `by`: How their scores are combined",
        ],
    },
    Case {
        what: "answers of one title",
        old: "inference.score = {}",
        new: "inference.generate = {}",
        faults: &[
            "21:32: `llm` answers with one title (`generate`), and a fusion combines scores | scores no candidate | let `llm` rank all candidates with `inference.score = {}`, or name another model",
        ],
    },
    Case {
        what: "a full ranking",
        old: "models = [\"sasrec\", \"similar\", \"llm\"]\nby = \"mean_rank\"\n\n[protocol.p]",
        new: "models = [\"sasrec\", \"similar\"]\nby = \"mean_rank\"\n[matrix]\nmodel = [\"gate\"]\n[protocol.p]\ncandidates.full = {}",
        faults: &[
            "18:10: protocol `p` ranks every item, and `gate` needs the scores of all candidates | combines scores, of which a full ranking keeps the best | draw candidates, such as `candidates.uniform = { n = 19 }`, or put the fusion into a separate experiment",
            "21:10: protocol `p` ranks every item, and `ranks` needs the scores of all candidates | combines scores, of which a full ranking keeps the best | draw candidates, such as `candidates.uniform = { n = 19 }`, or put the fusion into a separate experiment",
        ],
    },
];
