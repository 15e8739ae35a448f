//! Messages of refusals of CF models that read texts of items.

use super::bad::{Case, faults_of, refused};

/// A file without faults; the cases replace a part of it.
const GOOD: &str = r#"spec_version = 1
name = "texts"

[dataset.small.source.synthetic]
users = 100
items = 60

[protocol.strict]
metrics = ["hit@1", "hit@5"]

[encoder.hashed.hashed]

[model.morec.morec]
encoder = "hashed"
num_heads = 2

[model.start.morec]
encoder = "hashed"
reading = "initial"

[model.ctrl.ctrl]
encoder = "hashed"
contrast.train_encoder = false

[model.reader.recformer]
attributes = ["title"]
"#;

#[test]
fn the_good_file_is_good() {
    assert_eq!(faults_of(GOOD, &[]), Vec::<String>::new());
}

#[test]
fn every_fault_of_texts_is_refused_with_its_remedy() {
    refused(GOOD, CASES);
}

const CASES: &[Case] = &[
    Case {
        what: "an unknown encoder",
        old: "encoder = \"hashed\"",
        new: "encoder = \"hased\"",
        faults: &[
            "14:11: no text encoder is called `hased` | expected the name of a text encoder | did you mean `hashed`?",
        ],
    },
    Case {
        what: "an encoder without weights that is to be trained",
        old: "num_heads = 2",
        new: "reading = \"end_to_end\"",
        faults: &[
            "15:11: encoder `hashed` is `hashed`, which has nothing to train | trains the encoder | write `reading = \"features\"`, or name a `pretrained` encoder",
        ],
    },
    Case {
        what: "a rate of an encoder that is not trained",
        old: "num_heads = 2",
        new: "encoder_lr = 1e-5",
        faults: &[
            "15:14: `encoder_lr` has no effect: the text encoder is not trained | expected `reading = \"end_to_end\"` with it | remove `encoder_lr`, or write `reading = \"end_to_end\"`",
        ],
    },
    Case {
        what: "layers of a map that is not trained",
        old: "reading = \"initial\"",
        new: "reading = \"initial\"\nmap_layers = 2",
        faults: &[
            "20:14: `map_layers` has no effect: `reading = \"initial\"` has no trained map | expected 0 | remove `map_layers`, or write `reading = \"features\"`",
        ],
    },
    Case {
        what: "heads that do not divide the width",
        old: "num_heads = 2",
        new: "num_heads = 3",
        faults: &[
            "15:13: 3 heads do not divide `hidden_units` 50 | expected a divisor of 50 | the divisors are `1`, `2`, `5`, `10`, `25`, `50`",
        ],
    },
    Case {
        what: "a data set without titles",
        old: "[dataset.small.source.synthetic]\nusers = 100\nitems = 60\n",
        new: "[dataset.small.source.sequences]\npath = \"Cargo.toml\"\nform = \"pairs\"\n",
        faults: &[
            "4:1: data set `small` has no titles, and `ctrl` reads texts of items | no titles here | leave this data set to CF models with `[matrix] exclude`",
            "4:1: data set `small` has no titles, and `morec` reads texts of items | no titles here | leave this data set to CF models with `[matrix] exclude`",
            "4:1: data set `small` has no titles, and `reader` reads texts of items | no titles here | leave this data set to CF models with `[matrix] exclude`",
            "4:1: data set `small` has no titles, and `start` reads texts of items | no titles here | leave this data set to CF models with `[matrix] exclude`",
        ],
    },
    Case {
        what: "an encoder without weights that stage 1 is to train",
        old: "contrast.train_encoder = false",
        new: "contrast.train_encoder = true",
        faults: &[
            "23:26: encoder `hashed` is `hashed`, which has nothing to train | expected `contrast.train_encoder = false` | write `contrast.train_encoder = false`, or name a `pretrained` encoder",
        ],
    },
    Case {
        what: "chunks of one pair",
        old: "contrast.train_encoder = false",
        new: "contrast = { train_encoder = false, chunk = 1 }",
        faults: &[
            "23:45: a chunk of one pair has nothing to compare it with | expected at least 2, or 0 for the whole batch | the published code has 32",
        ],
    },
    Case {
        what: "batches without a pair of another user",
        old: "contrast.train_encoder = false",
        new: "contrast = { train_encoder = false, own_negatives = false, train.batch_size = 1 }",
        faults: &[
            "23:53: a batch of one sequence has no pair of another user | leaves nothing to compare | raise `contrast.train.batch_size`, or write `own_negatives = true`",
        ],
    },
    Case {
        what: "a prompt that is not there",
        old: "contrast.train_encoder = false",
        new: "contrast.train_encoder = false\nprompt = \"mine\"",
        faults: &[
            "24:10: no prompt is called `mine` | expected the name of a prompt | the prompts are `default`",
        ],
    },
    Case {
        what: "a window without halves",
        old: "attributes = [\"title\"]",
        new: "window = 33",
        faults: &[
            "26:10: a window of 33 has no two equal halves | expected an even number | the published code has 64: 32 tokens to each side",
        ],
    },
    Case {
        what: "fewer tokens than an item has",
        old: "attributes = [\"title\"]",
        new: "max_tokens = 64",
        faults: &[
            "26:14: an item may have 97 tokens with `<s>`, and `max_tokens` is 64 | expected at least 97 | raise `max_tokens`, or read fewer `attributes`",
        ],
    },
    Case {
        what: "an attribute that is read twice",
        old: "attributes = [\"title\"]",
        new: "attributes = [\"title\", \"title\"]",
        faults: &[
            "26:14: an attribute is read twice | expected different attributes | `title`, `brand` and `category` are known",
        ],
    },
    Case {
        what: "a start without an encoder",
        old: "attributes = [\"title\"]",
        new: "start = \"encoder\"",
        faults: &[
            "26:9: there is no `encoder` to start from | needs the name of an encoder | write `encoder = \"NAME\"`, or `start = \"scratch\"`",
        ],
    },
    Case {
        what: "a start from an encoder without weights",
        old: "attributes = [\"title\"]",
        new: "start = \"weights\"\nencoder = \"hashed\"",
        faults: &[
            "27:11: encoder `hashed` is `hashed`, which has no weights | expected a `pretrained` encoder | name a `pretrained` encoder, or write `start = \"scratch\"`",
        ],
    },
    Case {
        what: "a second phase that nothing begins",
        old: "attributes = [\"title\"]",
        new: "table = \"fixed\"\nfinetune.train.stop.fixed = {}",
        faults: &[
            "26:9: `table = \"fixed\"` has no effect: training never stops early | a second phase follows early stopping | write `table = \"epoch\"`, or `finetune.train.stop.early = {}`",
        ],
    },
    Case {
        what: "pre-training that compares a pair with nothing, and a data set that is not there",
        old: "attributes = [\"title\"]",
        new: "pretrain = { datasets = [\"smal\"], train.batch_size = 1 }",
        faults: &[
            "26:26: no data set is called `smal` | expected the name of a data set | did you mean `small`?",
            "26:54: a batch of one pair has no other items to compare with | expected at least 2 | the published code has 64",
        ],
    },
];
