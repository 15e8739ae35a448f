//! How a RECFORMER starts: tokenizer, weights, and the tokens of items.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use allround_core::config::Encoder;
use allround_core::data::{Item, Prepared};
use allround_core::event::{Counted, Event};
use allround_core::fs;
use allround_core::models::recformer::{
    ATTRIBUTE_TOKENS, Attribute, FIRST_POSITION, Recformer as Config, StartFrom, TOKEN_TYPES,
};
use allround_core::seed::{Stream, foreign};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

use super::report::StageError;
use crate::encoder::bert::{Activation, Bert, BertConfig};
use crate::hf::checkpoint::Checkpoint;
use crate::hf::hub;
use crate::hf::tokenizer::Tokenizer;
use crate::models::recformer::{Form, ItemTokens, Recformer, scratch};
use crate::models::weights;
use crate::nn::Parameters;
use crate::nn::longformer::{Longformer, Shape};

/// What a network starts from.
pub(super) struct Opened {
    /// The tokenizer.
    pub tokenizer: Tokenizer,
    /// The token that hides another one.
    pub mask: u32,
    /// Shape of the network.
    pub shape: Shape,
    /// What its weights do not say.
    pub form: Form,
    /// Weights by their names in the network; those that are missing start at random.
    pub tensors: BTreeMap<String, Tensor>,
    /// Whether the table of tokens has been trained on other texts.
    pub has_words: bool,
}

impl Opened {
    /// The network on `device`, with draws of `stage` for what starts at random.
    pub fn network(&self, seed: u64, stage: u64, device: Device) -> (Parameters, Longformer) {
        tch::manual_seed(foreign(seed, Stream::Init, stage));
        let mut parameters = Parameters::new(device);
        let net = Longformer::new(&mut parameters, self.shape);
        tch::no_grad(|| {
            for (name, weight) in parameters.named() {
                if let Some(tensor) = self.tensors.get(&name) {
                    weight.shallow_clone().copy_(tensor);
                }
            }
        });
        (parameters, net)
    }
}

/// Opens what `config` starts from. `items` are the items whose texts a tokenizer may be made from.
pub(super) fn open<'a>(
    config: &Config,
    encoder: Option<&Encoder>,
    items: impl Iterator<Item = &'a Item>,
    base: &Path,
) -> Result<Opened, StageError> {
    match (config.start, encoder) {
        (StartFrom::Scratch, _) => {
            let texts = |item: &Item| -> Vec<String> {
                let attributes = config.attributes.iter();
                let parts = attributes.flat_map(|&it| [it.name().to_owned(), value(it, item)]);
                parts.filter(|text| !text.is_empty()).collect()
            };
            let texts: Vec<String> = items.flat_map(texts).collect();
            let tokenizer = Tokenizer::train_byte_level(&texts, config.vocab_size)?;
            Ok(from_scratch(config, tokenizer))
        }
        (StartFrom::Encoder, Some(Encoder::Pretrained(named))) => {
            of_bert(config, &folder(&named.folder, &named.hub, base)?)
        }
        (StartFrom::Weights, Some(Encoder::Pretrained(named))) => {
            of_longformer(config, &folder(&named.folder, &named.hub, base)?)
        }
        (StartFrom::Encoder | StartFrom::Weights, Some(Encoder::Hashed(_)) | None) => Err(
            StageError::new("the job names no pretrained encoder to start from"),
        ),
    }
}

/// What the stage `pretrain` left in `folder`, with the tokenizer of `encoder` where it made none.
pub(super) fn pretrained(
    config: &Config,
    encoder: Option<&Encoder>,
    artefact: &Path,
    base: &Path,
) -> Result<Opened, StageError> {
    let path = artefact.join(crate::models::artefact::WEIGHTS);
    let tensors = weights::read_tensors(&path)?;
    let (shape, form) = Form::shape(config, &tensors).ok_or_else(|| {
        StageError::new(format!(
            "`{}` has no weights of a RECFORMER",
            path.display()
        ))
    })?;
    let tokenizer = match encoder {
        Some(Encoder::Pretrained(named)) => {
            Tokenizer::open(&folder(&named.folder, &named.hub, base)?)?
        }
        Some(Encoder::Hashed(_)) | None => Tokenizer::open(artefact)?,
    };
    Ok(Opened {
        tokenizer,
        mask: 0,
        shape,
        form,
        tensors,
        has_words: true,
    })
}

/// Leaves a tokenizer that was made from texts next to the weights.
pub(super) fn save_tokenizer(
    config: &Config,
    tokenizer: &Tokenizer,
    output: &Path,
) -> Result<(), StageError> {
    match config.start {
        StartFrom::Scratch => Ok(tokenizer.save(output)?),
        StartFrom::Encoder | StartFrom::Weights => Ok(()),
    }
}

fn folder(folder: &str, name: &str, base: &Path) -> Result<std::path::PathBuf, StageError> {
    Ok(match folder {
        "" => hub::folder(name)?,
        folder => base.join(folder),
    })
}

fn from_scratch(config: &Config, tokenizer: Tokenizer) -> Opened {
    let vocabulary = tokenizer.vocab_size();
    let (shape, form) = scratch(config, vocabulary as i64);
    Opened {
        mask: vocabulary as u32,
        form: Form {
            begin: tokenizer.id_of("<s>").unwrap_or_default(),
            ..form
        },
        shape,
        tokenizer,
        tensors: BTreeMap::new(),
        has_words: false,
    }
}

/// The token called by one of `names`.
fn token(tokenizer: &Tokenizer, names: [&str; 2], folder: &Path) -> Result<u32, StageError> {
    let found = names.iter().find_map(|name| tokenizer.id_of(name));
    found.ok_or_else(|| {
        let names = names.join("` or `");
        let folder = folder.display();
        StageError::new(format!(
            "the tokenizer in `{folder}` has no token `{names}`"
        ))
    })
}

/// Refuses more tokens than a network has positions for.
fn check_positions(config: &Config, most: i64, folder: &Path) -> Result<(), StageError> {
    if config.max_tokens as i64 <= most {
        return Ok(());
    }
    let message = format!(
        "`{}` has positions for {most} tokens, and `max_tokens` is {}",
        folder.display(),
        config.max_tokens
    );
    Err(StageError::new(message).with_hint(&format!("write `max_tokens = {most}`")))
}

/// A BERT or DistilBERT. The maps of the first token start as copies of the others, and rows of
/// token types as copies of the first segment's.
fn of_bert(config: &Config, folder: &Path) -> Result<Opened, StageError> {
    let bert = BertConfig::open(folder)?;
    if bert.activation != Activation::Gelu {
        let folder = folder.display();
        let message = format!("the encoder in `{folder}` has an activation other than `gelu`");
        return Err(StageError::new(message));
    }
    check_positions(config, bert.positions, folder)?;
    let tokenizer = Tokenizer::open(folder)?;
    tokenizer.check_fits(bert.vocab_size, folder)?;
    let checkpoint = Checkpoint::open(folder)?;
    let mut tensors = BTreeMap::new();
    for (name, tensor) in Bert::new(bert.clone(), &checkpoint, Device::Cpu)?.weights() {
        let tensor = tensor.detach();
        let name = of_distilbert(&name);
        for part in ["query", "key", "value"] {
            let local = format!("attention.self.{part}.");
            if name.contains(&local) {
                let global = name.replace(&local, &format!("attention.self.{part}_global."));
                tensors.insert(global, tensor.copy());
            }
        }
        tensors.insert(name, tensor);
    }
    let types = "embeddings.token_type_embeddings.weight".to_owned();
    let row = match tensors.remove(&types) {
        Some(rows) => rows.narrow(0, 0, 1),
        None => Tensor::zeros([1, bert.width], (Kind::Float, Device::Cpu)),
    };
    tensors.insert(types, row.repeat([TOKEN_TYPES as i64, 1]));
    let begin = token(&tokenizer, ["[CLS]", "<s>"], folder)?;
    Ok(Opened {
        mask: token(&tokenizer, ["[MASK]", "<mask>"], folder)?,
        form: Form {
            heads: bert.heads,
            first_position: 0,
            eps: bert.eps,
            begin,
        },
        shape: Shape {
            vocabulary: bert.vocab_size,
            positions: bert.positions,
            types: TOKEN_TYPES as i64,
            item_positions: config.max_items as i64 + 1,
            width: bert.width,
            layers: bert.layers,
            heads: bert.heads,
            inner: bert.inner,
            half_window: config.window as i64 / 2,
            first_position: 0,
            eps: bert.eps,
            dropout: config.dropout,
        },
        tokenizer,
        tensors,
        has_words: true,
    })
}

/// The name in a BERT of a weight of DistilBERT.
fn of_distilbert(name: &str) -> String {
    let Some(rest) = name.strip_prefix("transformer.layer.") else {
        return name.to_owned();
    };
    let pairs = [
        ("attention.q_lin", "attention.self.query"),
        ("attention.k_lin", "attention.self.key"),
        ("attention.v_lin", "attention.self.value"),
        ("attention.out_lin", "attention.output.dense"),
        ("sa_layer_norm", "attention.output.LayerNorm"),
        ("ffn.lin1", "intermediate.dense"),
        ("ffn.lin2", "output.dense"),
        ("output_layer_norm", "output.LayerNorm"),
    ];
    let renamed = pairs.iter().find_map(|(theirs, ours)| {
        let part = format!(".{theirs}.");
        rest.contains(&part)
            .then(|| rest.replace(&part, &format!(".{ours}.")))
    });
    format!(
        "encoder.layer.{}",
        renamed.unwrap_or_else(|| rest.to_owned())
    )
}

/// A Longformer, whose token types have one row, or a RECFORMER.
fn of_longformer(config: &Config, folder: &Path) -> Result<Opened, StageError> {
    let path = folder.join("config.json");
    let wrong = |reason: String| StageError::new(format!("`{}`: {reason}", path.display()));
    let json: Value = serde_json::from_str(&fs::read_to_string(&path)?)
        .map_err(|error| wrong(error.to_string()))?;
    match json["model_type"].as_str() {
        Some("longformer" | "recformer") => {}
        other => {
            let other = other.unwrap_or("nothing");
            let message = format!("`model_type` is `{other}`; expected `longformer`");
            let hint = "a BERT or DistilBERT is read with `start = \"encoder\"`";
            return Err(wrong(message).with_hint(hint));
        }
    }
    let number = |name: &str| {
        let found = json[name].as_i64().filter(|&found| found > 0);
        found.ok_or_else(|| {
            wrong(format!(
                "`{name}` is {}; expected a number above 0",
                json[name]
            ))
        })
    };
    if let Some(other) = json["hidden_act"].as_str().filter(|&name| name != "gelu") {
        return Err(wrong(format!("`hidden_act` is `{other}`; expected `gelu`")));
    }
    let first_position = json["pad_token_id"].as_i64().unwrap_or(1) + 1;
    let tokenizer = Tokenizer::open(folder)?;
    let form = Form {
        heads: number("num_attention_heads")?,
        first_position,
        eps: json["layer_norm_eps"].as_f64().unwrap_or(1e-5),
        begin: token(&tokenizer, ["<s>", "[CLS]"], folder)?,
    };
    let shape = Shape {
        vocabulary: number("vocab_size")?,
        positions: number("max_position_embeddings")?,
        types: TOKEN_TYPES as i64,
        item_positions: config.max_items as i64 + 1,
        width: number("hidden_size")?,
        layers: number("num_hidden_layers")?,
        heads: form.heads,
        inner: number("intermediate_size")?,
        half_window: config.window as i64 / 2,
        first_position,
        eps: form.eps,
        dropout: config.dropout,
    };
    if shape.width % shape.heads != 0 {
        let (width, heads) = (shape.width, shape.heads);
        return Err(wrong(format!(
            "{heads} heads do not divide a width of {width}"
        )));
    }
    check_positions(config, shape.positions - FIRST_POSITION as i64, folder)?;
    tokenizer.check_fits(shape.vocabulary, folder)?;
    let checkpoint = Checkpoint::open(folder)?;
    Ok(Opened {
        mask: token(&tokenizer, ["<mask>", "[MASK]"], folder)?,
        tensors: longformer_tensors(&checkpoint, &shape)?,
        tokenizer,
        shape,
        form,
        has_words: true,
    })
}

/// The weights of a Longformer by their names in the network. All but the item positions must be
/// there.
fn longformer_tensors(
    checkpoint: &Checkpoint,
    shape: &Shape,
) -> Result<BTreeMap<String, Tensor>, StageError> {
    let words = "embeddings.word_embeddings.weight";
    let mut prefixes = ["longformer.", ""].into_iter();
    let prefix = prefixes.find(|prefix| checkpoint.contains(&format!("{prefix}{words}")));
    let prefix = prefix.unwrap_or_default();
    let mut parameters = Parameters::new(Device::Cpu);
    Longformer::new(&mut parameters, *shape);
    let mut tensors = BTreeMap::new();
    for (name, weight) in parameters.named() {
        let there = format!("{prefix}{name}");
        let tensor = match name.as_str() {
            "embeddings.item_position_embeddings.weight" if !checkpoint.contains(&there) => {
                continue;
            }
            "embeddings.token_type_embeddings.weight" => {
                let rows = checkpoint.tensor(&there)?;
                match rows.size().first() {
                    Some(1) => rows.repeat([TOKEN_TYPES as i64, 1]),
                    _ => checkpoint.shaped(&there, &weight.size())?,
                }
            }
            _ => checkpoint.shaped(&there, &weight.size())?,
        };
        tensors.insert(name, tensor.to_kind(Kind::Float));
    }
    for name in checkpoint
        .names()
        .filter(|name| name.starts_with("lm_head."))
    {
        let tensor = checkpoint.tensor(name)?.to_kind(Kind::Float);
        tensors.insert(name.to_owned(), tensor);
    }
    Ok(tensors)
}

/// The value of an attribute; empty where the item has none.
fn value(attribute: Attribute, item: &Item) -> String {
    match attribute {
        Attribute::Title => item.title.as_deref().unwrap_or_default().trim().to_owned(),
        Attribute::Brand => String::new(),
        Attribute::Category => item.categories.join(" "),
    }
}

/// Tokens of all items, and reports of what they lack.
pub(super) fn item_tokens(
    config: &Config,
    tokenizer: &Tokenizer,
    items: &[Item],
    observe: &mut dyn FnMut(Event),
) -> ItemTokens {
    let mut count = |what: String, count| observe(Event::Counted(Counted { what, count }));
    let mut parts = Vec::new();
    let mut cut = 0;
    for &attribute in &config.attributes {
        let values: Vec<String> = items.iter().map(|item| value(attribute, item)).collect();
        let name = tokenizer.encode(attribute.name());
        let room = ATTRIBUTE_TOKENS.saturating_sub(name.len());
        let empty = values.iter().filter(|value| value.is_empty()).count();
        let what = attribute.name();
        let what = format!("items without a {what}, whose texts have the word `{what}` alone");
        count(what, empty as u64);
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let mut values = tokenizer.encode_all(&values);
        for tokens in &mut values {
            cut += u64::from(tokens.len() > room);
            tokens.truncate(room);
        }
        parts.push((name, values));
    }
    count(
        format!("attributes of items cut to {ATTRIBUTE_TOKENS} tokens"),
        cut,
    );
    let mut tokens = ItemTokens::new();
    for item in 0..items.len() {
        for (name, values) in &parts {
            tokens.add(name, 1);
            tokens.add(&values[item], 2);
        }
        tokens.end_item();
    }
    let mut counts: HashMap<&[u32], u64> = HashMap::new();
    let of = |item: u32| &tokens.ids[tokens.of(item)];
    for item in 1..=items.len() as u32 {
        *counts.entry(of(item)).or_default() += 1;
    }
    count(
        "items whose text, and so its vector, is that of another item too".to_owned(),
        counts.values().filter(|&&count| count > 1).sum(),
    );
    tokens
}

/// The network that is fine-tuned, with the tokens of the items of `prepared`.
pub(super) fn network(
    job: &allround_core::stage::Job,
    settings: &allround_core::stage::TrainBackbone,
    config: &Config,
    prepared: &Prepared,
    device: Device,
    observe: &mut dyn FnMut(Event),
) -> Result<Recformer, StageError> {
    let encoder = settings.encoder.as_ref();
    let opened = match job.needs.get("pretrain") {
        Some(artefact) => pretrained(config, encoder, artefact, &job.base)?,
        None => open(config, encoder, training_items(prepared), &job.base)?,
    };
    for text in opened.tokenizer.remarks() {
        let text = text.clone();
        observe(Event::Remark { text });
    }
    let items = item_tokens(config, &opened.tokenizer, &prepared.items, observe);
    let (parameters, net) = opened.network(settings.seed, 0, device);
    let model = Recformer::new(config, parameters, net, opened.form, items);
    let cut = (0..prepared.n_users())
        .filter(|&user| prepared.trained[user])
        .filter(|&user| model.reader().cuts(prepared.train_of(user)));
    observe(Event::Counted(Counted {
        what: format!(
            "training sequences longer than {} tokens, whose oldest items are cut",
            config.max_tokens
        ),
        count: cut.count() as u64,
    }));
    Ok(model)
}

/// Items that are trained on.
pub(super) fn training_items(prepared: &Prepared) -> impl Iterator<Item = &Item> {
    let items = prepared.items.iter().zip(&prepared.in_training);
    items.filter_map(|(item, &trained)| trained.then_some(item))
}
