//! Messages of refusals of methods that query a language model.

use super::bad::{Case, faults_of, refused};

/// A file without faults; the cases replace a part of it.
const GOOD: &str = r#"spec_version = 1
name = "methods"

[dataset.small.source.synthetic]
users = 100
items = 60

[protocol.strict]
metrics = ["hit@1", "hit@5"]

[encoder.hashed.hashed]

[llm.little.small]
num_heads = 4

[llm.shape.random]
shape = "opt-125m"
tokenizer = "TOKENIZER"

[prompt.plain]
template = "{user}{history} {candidates} "

[model.sasrec.sasrec]

[model.naive.popularity]

[model.full.allmrec]
backbone = "sasrec"
encoder = "hashed"
llm = "little"
align.train_encoder = false
prompt = "plain"
inference.score = {}

[model.mlp.mlp_llm]
backbone = "sasrec"
llm = "little"
prompt = "plain"

[model.tallrec.tallrec]
llm = "little"
tune.lora.targets = ["q_proj"]
prompt = "plain"
"#;

/// The good file, and the folder of its tokenizer.
fn good() -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("vocab.json"), "{}").unwrap();
    let text = GOOD.replace("TOKENIZER", &dir.path().display().to_string());
    (dir, text)
}

#[test]
fn the_good_file_is_good() {
    let (_dir, text) = good();
    assert_eq!(faults_of(&text, &[]), Vec::<String>::new());
}

#[test]
fn every_bad_method_is_refused_with_these_messages() {
    let (_dir, text) = good();
    refused(&text, CASES);
}

#[test]
fn vectors_can_rank_every_item_and_prompts_cannot() {
    let (_dir, text) = good();
    let (models, _) = text.split_once("[model.full.allmrec]").unwrap();
    let full = models.replace(
        "metrics = [\"hit@1\", \"hit@5\"]",
        "metrics = [\"hit@1\"]\ncandidates.full = {}",
    );
    let names = "backbone = \"sasrec\"\nllm = \"little\"\nprompt = \"plain\"\n";
    let vectors = format!("{full}[model.srec.llm_srec]\n{names}");
    assert_eq!(faults_of(&vectors, &[]), Vec::<String>::new());
    let targets = "represent.lora.targets = [\"fc1\"]\n";
    let head = format!("{full}[model.head.e4srec]\n{names}{targets}");
    assert_eq!(faults_of(&head, &[]), Vec::<String>::new());
    let prompts = format!("{full}[model.mlp.mlp_llm]\n{names}");
    assert!(faults_of(&prompts, &[])[0].contains("a prompt cannot list them all"));
}

const CASES: &[Case] = &[
    Case {
        what: "vectors whose training has settings without an effect, and a target without a vector",
        old: "[model.mlp.mlp_llm]\nbackbone = \"sasrec\"\nllm = \"little\"\nprompt = \"plain\"\n",
        new: "[model.mlp.llm_srec]\nbackbone = \"sasrec\"\nllm = \"little\"\nprompt = \"plain\"\nrepresent.one_item = \"padding\"\nrepresent.train = { batch_size = 1, token_budget = 64 }\nrepresent.uniformity = 0.5\n",
        faults: &[
            "39:22: padding has no title, so it has no vector to be a target with | expected `skip` or `empty_history` | write `one_item = \"skip\"`",
            "40:52: `token_budget` splits steps, and the users of a step are compared with one another | has no effect | remove `token_budget`, or lower `batch_size`",
            "41:24: `uniformity` compares the users of a batch, and `batch_size` is 1 | has no effect | raise `train.batch_size`, or write `uniformity = 0`",
        ],
    },
    Case {
        what: "a head over the catalogue with padding as target, and adapters of no module and of modules of Llama",
        old: "[model.mlp.mlp_llm]\nbackbone = \"sasrec\"\nllm = \"little\"\nprompt = \"plain\"\n",
        new: "[model.mlp.e4srec]\nbackbone = \"sasrec\"\nllm = \"little\"\nprompt = \"plain\"\nrepresent.one_item = \"padding\"\nrepresent.lora.targets = [\"fc1\", \"up_proj\"]\nrepresent.validate = { every = 9, candidates.full = {} }\nrepresent.train.stop.early = {}\n[model.none.e4srec]\nbackbone = \"naive\"\nllm = \"little\"\nprompt = \"plain\"\nrepresent.lora.targets = []\n",
        faults: &[
            "39:22: padding is not in the catalogue, so it has no score to be a target with | expected `skip` or `empty_history` | write `one_item = \"skip\"`",
            "40:34: language model `little` has no module `up_proj` | expected a module of its blocks | the modules are `q_proj`, `k_proj`, `v_proj`, `out_proj`, `fc1`, `fc2`",
            "41:53: a language model ranks lists of candidates | expected `uniform` or `popularity` | for example `candidates.uniform = { n = 19 }`",
            "42:17: `stop` counts epochs of CF models, and this is a stage of an LLM method | expected `stop.fixed = {}` | remove `stop`; `project.validate` and `tune.validate` validate by samples",
            "44:12: `naive` is of kind `popularity`, which has no vector for a user | expected the name of a trained CF model | the CF models are `sasrec`",
            "47:26: `lora.targets` is empty, so nothing would be trained | expected at least one module | for example `targets = [\"q_proj\", \"v_proj\"]`",
        ],
    },
    Case {
        what: "LLaRA with adapters of another family, and with a ranking loss",
        old: "[model.mlp.mlp_llm]\nbackbone = \"sasrec\"\nllm = \"little\"\nprompt = \"plain\"\n",
        new: "[model.mlp.llara]\npreset = \"paper\"\nbackbone = \"sasrec\"\nllm = \"little\"\nprompt = \"bare\"\ninference.score.by = \"gain\"\nproject.adapters.lora.targets = [\"q_proj\", \"up_proj\"]\nproject.ranking_loss = { negatives = 7, temperature = 1 }\n[prompt.bare]\nlist = false\n",
        faults: &[
            "41:44: language model `little` has no module `up_proj` | expected a module of its blocks | the modules are `q_proj`, `k_proj`, `v_proj`, `out_proj`, `fc1`, `fc2`",
            "42:24: the ranking loss compares with titles that a frozen language model has read, and `adapters` train it | expected no adapters with it | remove `ranking_loss`, or `project.adapters`",
        ],
    },
    Case {
        what: "a validation that ranks every item",
        old: "prompt = \"plain\"\ninference.score = {}\n",
        new: "prompt = \"plain\"\ninference.score = {}\nproject.validate = { every = 100, candidates.full = {} }\n",
        faults: &[
            "34:53: a language model ranks lists of candidates | expected `uniform` or `popularity` | for example `candidates.uniform = { n = 19 }`",
        ],
    },
    Case {
        what: "a ranking loss with a list of candidates, and an inference by the plain likelihood",
        old: "prompt = \"plain\"\ninference.score = {}\n",
        new: "prompt = \"plain\"\ninference.score = {}\nproject.ranking_loss = { negatives = 7, temperature = 1 }\n",
        faults: &[
            "34:24: the ranking loss compares titles after one prompt, and the prompt lists the candidates | expected a prompt without a list | write `list = false` in the prompt, or remove `ranking_loss`",
            "34:24: the ranking loss trains gains, and `inference` ranks by something else | expected an inference by `gain` | write `inference.score = { by = \"gain\" }`, or remove `ranking_loss`",
        ],
    },
    Case {
        what: "letters for more candidates than there are, in training, validation and a protocol",
        old: "[model.tallrec.tallrec]\nllm = \"little\"\ntune.lora.targets = [\"q_proj\"]\nprompt = \"plain\"\n",
        new: "[model.letters.llamarec]\nllm = \"little\"\nprompt = \"long\"\ntune.lora.targets = [\"q_proj\"]\ntune.one_item = \"padding\"\ntune.validate = { every = 9, candidates.uniform = { n = 26 } }\n[protocol.many]\nmetrics = [\"hit@1\"]\ncandidates.uniform = { n = 26 }\n[prompt.long]\ncandidates = 27\n",
        faults: &[
            "40:1: protocol `many` ranks 27 candidates, and this kind names each by one of 26 letters | names candidates by letters | draw fewer, such as `candidates.uniform = { n = 19 }`",
            "42:10: prompt `long` has 27 candidates, and there are 26 letters | expected a list of at most 26 candidates | name a prompt with `list = true` and `candidates = 20`",
            "44:17: padding is not in the list of candidates, so it has no letter | expected `skip` or `empty_history` | write `one_item = \"skip\"`",
            "45:57: validation ranks 27 candidates, and there are 26 letters | expected a number below 26 | for example `candidates.uniform = { n = 19 }`",
        ],
    },
    Case {
        what: "letters without a list, and in the form of TALLRec",
        old: "[model.tallrec.tallrec]\nllm = \"little\"\ntune.lora.targets = [\"q_proj\"]\nprompt = \"plain\"\n",
        new: "[model.letters.llamarec]\nllm = \"little\"\nprompt = \"bare\"\ntune.lora.targets = [\"q_proj\"]\n[prompt.bare]\nlist = false\n[model.tallrec.tallrec]\nllm = \"little\"\ntune.lora.targets = [\"q_proj\"]\ntune.form = \"letter\"\nprompt = \"plain\"\n",
        faults: &[
            "42:10: an answer is the letter of a candidate, and prompt `bare` lists none | expected a list of at most 26 candidates | name a prompt with `list = true` and `candidates = 20`",
            "49:13: `model.tallrec.tallrec.tune.form` must be `title` or `yes_no`, found the string `letter` | expected `title` or `yes_no`",
        ],
    },
    Case {
        what: "patience without validation",
        old: "tune.lora.targets = [\"q_proj\"]\n",
        new: "tune.lora.targets = [\"q_proj\"]\ntune.validate.patience = 3\n",
        faults: &[
            "43:26: `patience` has no effect: training is not validated | expected `every` above 0 with it | write for example `every = 1000`, the prompts between two validations",
        ],
    },
    Case {
        what: "a validation with more candidates than items, and a cut-off beyond them",
        old: "tune.lora.targets = [\"q_proj\"]\n",
        new: "tune.lora.targets = [\"q_proj\"]\ntune.validate = { every = 9, metric = \"hit@80\", candidates.uniform = { n = 70 } }\n",
        faults: &[
            "43:39: `hit@80` is always 1 in a list of 71 candidates | expected a cut-off below 71 | lower k, or draw more candidates",
            "43:76: the validation of `tallrec` ranks 71 candidates, data set `small` has 60 items | expected fewer than 60 | write fewer, for example `tune.validate.candidates.uniform.n = 30`",
        ],
    },
    Case {
        what: "a misspelt backbone",
        old: "[model.full.allmrec]\nbackbone = \"sasrec\"",
        new: "[model.full.allmrec]\nbackbone = \"sasrek\"",
        faults: &[
            "28:12: no CF model is called `sasrek` | expected the name of a CF model | did you mean `sasrec`?",
        ],
    },
    Case {
        what: "a backbone without a vector for a user",
        old: "[model.mlp.mlp_llm]\nbackbone = \"sasrec\"",
        new: "[model.mlp.mlp_llm]\nbackbone = \"naive\"",
        faults: &[
            "36:12: `naive` is of kind `popularity`, which has no vector for a user | expected the name of a trained CF model | the CF models are `sasrec`",
        ],
    },
    Case {
        what: "a backbone that is not a CF model",
        old: "[model.mlp.mlp_llm]\nbackbone = \"sasrec\"",
        new: "[model.mlp.mlp_llm]\nbackbone = \"full\"",
        faults: &[
            "36:12: `full` is of kind `allmrec`, which reads a CF model itself | expected the name of a trained CF model | the CF models are `sasrec`",
        ],
    },
    Case {
        what: "an unknown encoder",
        old: "encoder = \"hashed\"",
        new: "encoder = \"hash\"",
        faults: &[
            "29:11: no text encoder is called `hash` | expected the name of a text encoder | did you mean `hashed`?",
        ],
    },
    Case {
        what: "joint vectors to replace where there are none",
        old: "align.train_encoder = false",
        new: "align.train_encoder = false\nitem = \"random\"\ntext_below = 5",
        faults: &[
            "33:14: `text_below` has no effect: it replaces joint item vectors, and `item` is not \"joint\" | expected 0, or `item = \"joint\"` | `item = \"text\"` uses the text vector of every item already",
        ],
    },
    Case {
        what: "neither a user vector nor item vectors",
        old: "align.train_encoder = false",
        new: "align.train_encoder = false\nuser = false\nitem = \"none\"",
        faults: &[
            "33:8: without a user vector and item vectors, stage 2 has nothing to train | expected vectors here, or `user = true` | to measure prompts of titles alone, use `llm_only`",
        ],
    },
    Case {
        what: "stage 1 without any loss",
        old: "align.train_encoder = false",
        new: "align = { train_encoder = false, matching = 0.0, item_recon = 0.0, text_recon = 0.0, rec = 0.0 }",
        faults: &[
            "31:9: every loss of stage 1 has weight 0, so it has nothing to train | expected a weight above 0 | raise `matching`, `item_recon`, `text_recon` or `rec`; MLP-LLM is A-LLMRec without stage 1",
        ],
    },
    Case {
        what: "an unknown language model",
        old: "[model.tallrec.tallrec]\nllm = \"little\"",
        new: "[model.tallrec.tallrec]\nllm = \"litle\"",
        faults: &[
            "41:7: no language model is called `litle` | expected the name of a language model | did you mean `little`?",
        ],
    },
    Case {
        what: "unknown names next to a missing field",
        old: "backbone = \"sasrec\"\nencoder = \"hashed\"\nllm = \"little\"",
        new: "backbone = \"sasrek\"\nllm = \"litle\"",
        faults: &[
            "27:1: missing field `encoder` in `model.full.allmrec` | `encoder` has no default | `encoder`: Name of the text encoder",
            "28:12: no CF model is called `sasrek` | expected the name of a CF model | did you mean `sasrec`?",
            "29:7: no language model is called `litle` | expected the name of a language model | did you mean `little`?",
        ],
    },
    Case {
        what: "an unknown prompt",
        old: "prompt = \"plain\"\ninference",
        new: "prompt = \"plane\"\ninference",
        faults: &[
            "32:10: no prompt is called `plane` | expected the name of a prompt | did you mean `plain`?",
        ],
    },
    Case {
        what: "an encoder with nothing to train",
        old: "align.train_encoder = false",
        new: "align.train_encoder = true",
        faults: &[
            "31:23: encoder `hashed` is `hashed`, which has nothing to train | expected `align.train_encoder = false` | write `align.train_encoder = false`, or name a `pretrained` encoder",
        ],
    },
    Case {
        what: "a ranking from one generated title",
        old: "inference.score = {}",
        new: "inference.generate = {}",
        faults: &[
            "33:22: `generate` answers with one title, and protocol `strict` measures `hit@5` | only `hit@1` can be read from one title | write `metrics = [\"hit@1\"]`, or rank all candidates with `inference.score = {}`",
        ],
    },
    Case {
        what: "a ranking from one constrained title",
        old: "inference.score = {}",
        new: "inference.constrained = {}",
        faults: &[
            "33:25: `constrained` answers with one title, and protocol `strict` measures `hit@5` | only `hit@1` can be read from one title | write `metrics = [\"hit@1\"]`, or rank all candidates with `inference.score = {}`",
        ],
    },
    Case {
        what: "heads that do not divide",
        old: "num_heads = 4",
        new: "num_heads = 5",
        faults: &[
            "14:13: 5 heads do not divide `hidden_units` 128 | expected a divisor of 128 | the divisors are `1`, `2`, `4`, `8`, `16`, `32`, `64`",
        ],
    },
    Case {
        what: "too few positions",
        old: "num_heads = 4",
        new: "positions = 96",
        faults: &[
            "14:13: 96 positions cannot hold the 20 titles that protocol `strict` queries | expected at least 112, and more for long titles | raise `positions`, or draw fewer candidates",
        ],
    },
    Case {
        what: "too few positions for long answers",
        old: "inference.score = {}",
        new: "inference.generate = { max_new_tokens = 1000 }",
        faults: &[
            "13:1: 1024 positions cannot hold the 20 titles that protocol `strict` queries and an answer of 1000 tokens | expected at least 1112, and more for long titles | raise `positions`, draw fewer candidates, or lower `max_new_tokens`",
            "33:22: `generate` answers with one title, and protocol `strict` measures `hit@5` | only `hit@1` can be read from one title | write `metrics = [\"hit@1\"]`, or rank all candidates with `inference.score = {}`",
        ],
    },
    Case {
        what: "too many hidden layers of a projection",
        old: "inference.score = {}",
        new: "inference.score = {}\nproject.hidden_layers = 17",
        faults: &[
            "34:25: `model.full.allmrec.project.hidden_layers` must be a whole number from 0 to 16, found `17` | expected a whole number from 0 to 16",
        ],
    },
    Case {
        what: "an unknown rule for users with one item",
        old: "inference.score = {}",
        new: "inference.score = {}\nproject.one_item = \"keep\"",
        faults: &[
            "34:20: `model.full.allmrec.project.one_item` must be `skip`, `empty_history` or `padding`, found the string `keep` | expected `skip`, `empty_history` or `padding`",
        ],
    },
    Case {
        what: "candidates that are left out by an unknown rule",
        old: "inference.score = {}",
        new: "inference.score = {}\nproject.candidates = { drawn = \"each_epoch\", exclude = \"target\" }",
        faults: &[
            "34:56: `model.full.allmrec.project.candidates.exclude` must be `training` or `history`, found the string `target` | expected `training` or `history`",
        ],
    },
    Case {
        what: "a random table of an unknown kind",
        old: "inference.score = {}",
        new: "inference.score = {}\nitem = \"random_frozen\"",
        faults: &[
            "34:8: `model.full.allmrec.item` must be `joint`, `text`, `none`, `random` or `random_trained`, found the string `random_frozen` | expected `joint`, `text`, `none`, `random` or `random_trained`",
        ],
    },
    Case {
        what: "an unknown shape",
        old: "opt-125m",
        new: "opt-125",
        faults: &[
            "17:9: no language model has the shape `opt-125` | expected the name of a published shape | did you mean `opt-125m`?",
        ],
    },
    Case {
        what: "weights without a folder or a hub name",
        old: "[llm.little.small]\nnum_heads = 4",
        new: "[llm.little.pretrained]",
        faults: &[
            "13:1: `llm.little.pretrained` does not say where its weights are | expected `folder`, `gguf` or `hub` | write `folder = \"...\"` for a folder on this machine, or `hub = \"OWNER/NAME\"` for one to be fetched",
        ],
    },
    Case {
        what: "weights that are not on disk",
        old: "[encoder.hashed.hashed]",
        new: "[encoder.hashed.pretrained]\nfolder = \"models/minilm\"",
        faults: &[
            "12:10: `models/minilm` is not on this machine | expected a folder | put `config.json`, `model.safetensors` and `tokenizer.json` into `ROOT/models/minilm`",
        ],
    },
    Case {
        what: "a folder without weights",
        old: "[llm.little.small]\nnum_heads = 4",
        new: "[llm.little.pretrained]\nfolder = \"src/results\"",
        faults: &[
            "14:10: `src/results` lacks a tokenizer | expected `tokenizer.json`, `vocab.json` or `vocab.txt` in it | looked into `ROOT/src/results`",
            "14:10: `src/results` lacks the configuration | expected `config.json` in it | looked into `ROOT/src/results`",
            "14:10: `src/results` lacks weights | expected `model.safetensors`, `model.safetensors.index.json`, `pytorch_model.bin` or `pytorch_model.bin.index.json` in it | looked into `ROOT/src/results`",
        ],
    },
    Case {
        what: "adapters without modules",
        old: "tune.lora.targets = [\"q_proj\"]",
        new: "tune.lora.targets = []",
        faults: &[
            "42:21: `lora.targets` is empty, so nothing would be trained | expected at least one module | for example `targets = [\"q_proj\", \"v_proj\"]`",
        ],
    },
    Case {
        what: "adapters at a module that an OPT lacks",
        old: "tune.lora.targets = [\"q_proj\"]",
        new: "tune.lora.targets = [\"q_proj\", \"o_proj\"]",
        faults: &[
            "42:32: language model `little` has no module `o_proj` | expected a module of its blocks | the modules are `q_proj`, `k_proj`, `v_proj`, `out_proj`, `fc1`, `fc2`",
        ],
    },
    Case {
        what: "too few positions of a published shape",
        old: "llm = \"little\"\ntune.lora.targets",
        new: "llm = \"shape\"\ninference.generate = { max_new_tokens = 2000 }\ntune.lora.targets",
        faults: &[
            "17:9: 2048 positions cannot hold the 20 titles that protocol `strict` queries and an answer of 2000 tokens | expected at least 2112, and more for long titles | name a language model with more positions, draw fewer candidates, or lower `max_new_tokens`",
            "42:22: `generate` answers with one title, and protocol `strict` measures `hit@5` | only `hit@1` can be read from one title | write `metrics = [\"hit@1\"]`, or rank all candidates with `inference.score = {}`",
        ],
    },
    Case {
        what: "prompts with one title each, which fit with any number of candidates",
        old: "[model.tallrec.tallrec]\nllm = \"little\"",
        new: "[llm.tiny.small]\npositions = 96\n\n[model.tallrec.tallrec]\ntune.form = \"yes_no\"\nllm = \"tiny\"",
        faults: &[],
    },
    Case {
        what: "too few positions of a model in a folder",
        old: "metrics = [\"hit@1\", \"hit@5\"]\n\n[encoder.hashed.hashed]\n\n[llm.little.small]\nnum_heads = 4",
        new: "candidates.uniform = { n = 149 }\n\n[encoder.hashed.hashed]\n\n[llm.little.pretrained]\nfolder = \"assets/small-lm\"",
        faults: &[
            "9:28: protocol `strict` ranks 150 candidates, data set `small` has 60 items | expected fewer than 60 | lower `n`, or use `candidates.full = {}`",
            "14:10: 512 positions cannot hold the 150 titles that protocol `strict` queries | expected at least 632, and more for long titles | name a language model with more positions, or draw fewer candidates",
        ],
    },
    Case {
        what: "a template with an unknown placeholder",
        old: "{user}{history} {candidates} ",
        new: "{user}{histroy} {candidates} ",
        faults: &[
            "21:12: `{histroy}` is not a placeholder of a template | unknown placeholder | did you mean `history`?",
        ],
    },
    Case {
        what: "a template without candidates",
        old: "{user}{history} {candidates} ",
        new: "{history}",
        faults: &[
            "21:12: the template does not list the candidates | expected `{candidates}` in it | for example `{user}This user has {past} {history}. Choose the next from {candidates}: `; or set `list = false` to rank without the list",
        ],
    },
    Case {
        what: "a template with candidates, and no list",
        old: "{user}{history} {candidates} \"",
        new: "{user}{history} {candidates} \"\nlist = false",
        faults: &[
            "22:8: `list = false`, but the template lists the candidates | contradicts `template` | remove `{candidates}` from the template, or set `list = true`",
        ],
    },
    Case {
        what: "settings that need the list, and no list",
        old: "template = \"{user}{history} {candidates} \"\n\n[model.sasrec.sasrec]\n\n[model.naive.popularity]\n\n[model.full.allmrec]\nbackbone = \"sasrec\"\nencoder = \"hashed\"\nllm = \"little\"\nalign.train_encoder = false\nprompt = \"plain\"\ninference.score = {}",
        new: "list = false\n\n[model.sasrec.sasrec]\n\n[model.naive.popularity]\n\n[model.full.allmrec]\nbackbone = \"sasrec\"\nencoder = \"hashed\"\nllm = \"little\"\nalign.train_encoder = false\nprompt = \"plain\"\ninference.score.orders = 2\n\n[model.generated.llm_only]\nllm = \"little\"\nprompt = \"plain\"\ninference.generate = {}",
        faults: &[
            "33:26: `orders = 2` has no effect: prompt `plain` lists no candidates | orders of the list | remove `orders`",
            "38:22: `generate` answers with one title, and protocol `strict` measures `hit@5` | only `hit@1` can be read from one title | write `metrics = [\"hit@1\"]`, or rank all candidates with `inference.score = {}`",
            "38:22: an answer names a title of the list, and prompt `plain` lists no candidates | needs the list | rank the candidates with `inference.score = {}`",
        ],
    },
    Case {
        what: "a data set without titles",
        old: "[dataset.small.source.synthetic]\nusers = 100\nitems = 60",
        new: "[dataset.small.source.sequences]\npath = \"Cargo.toml\"",
        faults: &[
            "4:1: data set `small` has no titles, and `full` queries a language model about titles | no titles here | leave this data set to CF models with `[matrix] exclude`",
            "4:1: data set `small` has no titles, and `mlp` queries a language model about titles | no titles here | leave this data set to CF models with `[matrix] exclude`",
            "4:1: data set `small` has no titles, and `tallrec` queries a language model about titles | no titles here | leave this data set to CF models with `[matrix] exclude`",
        ],
    },
    Case {
        what: "every item in a prompt",
        old: "[protocol.strict]",
        new: "[protocol.strict]\ncandidates.full = {}",
        faults: &[
            "28:1: protocol `strict` ranks every item, and a prompt cannot list them all | queries a language model | draw candidates, such as `candidates.uniform = { n = 19 }`",
            "36:1: protocol `strict` ranks every item, and a prompt cannot list them all | queries a language model | draw candidates, such as `candidates.uniform = { n = 19 }`",
            "41:1: protocol `strict` ranks every item, and a prompt cannot list them all | queries a language model | draw candidates, such as `candidates.uniform = { n = 19 }`",
        ],
    },
];
