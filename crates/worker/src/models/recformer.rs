//! RECFORMER: a Longformer that reads the texts of a history and of items.
//!
//! Paper: Li et al. 2023, Text Is All You Need: Learning Language Representations for Sequential
//! Recommendation. Code: AaronHeee/RecFormer at 26b00a5, whose names the weights have. The network
//! is in `nn/longformer.rs`. Deviations:
//! - rows are padded by a quarter at most, which changes nothing;
//! - a user with one training item is not an example. Upstream's has an empty history.
//!
//! Letters: B batch, D width, V items (0 is padding), N sequences.

use std::collections::BTreeMap;

use allround_core::models::recformer::{ItemTable, Recformer as Config};
use allround_core::models::train::Loss;
use allround_core::seed::{Stream, stream};
use rand::RngExt;
use tch::{Device, Kind, Reduction, Tensor};

use super::weights::{self, WeightsError};
use super::{Backbone, Scorer, Sizes};
use crate::data::{Histories, TrainingBatch};
use crate::nn::Parameters;
use crate::nn::embedding::{self, indices};
use crate::nn::longformer::{Longformer, Packed, Sequence, Shape};
use crate::nn::loss::BatchLoss;

/// Tokens that are read at once where no gradient is kept.
const TOKENS_AT_ONCE: usize = 8192;
/// Validations without an improvement that end training with a fixed table.
const SECOND_PATIENCE: u32 = 3;
/// The table of items, by its upstream name.
const TABLE: &str = "item_embedding.weight";
/// What the weights do not say of a network.
const FORM: &str = "longformer.form";
/// Tokens of items: their ids and types, item after item, and where each item starts.
const ITEMS: [&str; 3] = [
    "item_tokens.ids",
    "item_tokens.types",
    "item_tokens.offsets",
];

/// What the weights of a network do not say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Form {
    /// Heads.
    pub heads: i64,
    /// Position of the first token.
    pub first_position: i64,
    /// Term under the root of norms.
    pub eps: f64,
    /// The token that begins every sequence.
    pub begin: u32,
}

impl Form {
    /// The form as a tensor, by name.
    pub fn named(&self) -> (String, Tensor) {
        let heads = self.heads as f64;
        let values = [
            heads,
            self.first_position as f64,
            self.eps,
            f64::from(self.begin),
        ];
        (FORM.to_owned(), Tensor::from_slice(&values))
    }

    /// The shape of the network that `tensors` are the weights of, and its form; `None` if they
    /// are others'.
    pub fn shape(config: &Config, tensors: &BTreeMap<String, Tensor>) -> Option<(Shape, Self)> {
        let values = Vec::<f64>::try_from(tensors.get(FORM)?).ok()?;
        let &[heads, first_position, eps, begin] = values.as_slice() else {
            return None;
        };
        let form = Self {
            heads: heads as i64,
            first_position: first_position as i64,
            eps,
            begin: begin as u32,
        };
        let rows = |name: &str| {
            let table = tensors.get(&format!("embeddings.{name}_embeddings.weight"))?;
            table.size().first().copied()
        };
        let layers = (0..)
            .take_while(|layer| {
                tensors.contains_key(&format!("encoder.layer.{layer}.output.dense.weight"))
            })
            .count() as i64;
        let inner = tensors.get("encoder.layer.0.intermediate.dense.bias")?;
        let shape = Shape {
            vocabulary: rows("word")?,
            positions: rows("position")?,
            types: rows("token_type")?,
            item_positions: rows("item_position")?,
            width: tensors.get("embeddings.LayerNorm.bias")?.size()[0],
            layers,
            heads: form.heads,
            inner: inner.size()[0],
            half_window: config.window as i64 / 2,
            first_position: form.first_position,
            eps: form.eps,
            dropout: config.dropout,
        };
        Some((shape, form))
    }
}

/// Tokens of every item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ItemTokens {
    /// Start of items 1 to V, and the end; item i has `offsets[i - 1]..offsets[i]`.
    pub offsets: Vec<u32>,
    /// Tokens.
    pub ids: Vec<u32>,
    /// Their types: 1 in the name of an attribute, 2 in its value.
    pub types: Vec<u32>,
}

impl ItemTokens {
    /// No items yet.
    pub fn new() -> Self {
        Self {
            offsets: vec![0],
            ..Self::default()
        }
    }

    /// Adds tokens to the item under way.
    pub fn add(&mut self, ids: &[u32], kind: u32) {
        self.ids.extend_from_slice(ids);
        self.types.resize(self.ids.len(), kind);
    }

    /// Ends the item under way.
    pub fn end_item(&mut self) {
        self.offsets.push(self.ids.len() as u32);
    }

    /// Places of the tokens of `item` (1 to V).
    pub fn of(&self, item: u32) -> std::ops::Range<usize> {
        let item = item as usize;
        self.offsets[item - 1] as usize..self.offsets[item] as usize
    }

    fn named(&self) -> Vec<(String, Tensor)> {
        let parts = [&self.ids, &self.types, &self.offsets];
        let named = ITEMS.iter().zip(parts);
        named
            .map(|(name, part)| ((*name).to_owned(), indices(part, Device::Cpu)))
            .collect()
    }

    fn from_tensors(tensors: &BTreeMap<String, Tensor>) -> Option<Self> {
        let numbers = |name: &str| {
            let numbers = Vec::<i64>::try_from(tensors.get(name)?).ok()?;
            Some(numbers.iter().map(|&number| number as u32).collect())
        };
        let [ids, types, offsets] = ITEMS.map(numbers);
        Some(Self {
            ids: ids?,
            types: types?,
            offsets: offsets?,
        })
    }
}

/// How histories become sequences.
#[derive(Clone, Debug)]
pub struct Reader {
    /// Tokens of items.
    pub items: ItemTokens,
    /// The token that begins every sequence.
    pub begin: u32,
    /// Most tokens of a sequence.
    pub max_tokens: usize,
    /// Most items of a sequence.
    pub max_items: usize,
}

impl Reader {
    /// The sequence of `history`, oldest item first; it is read newest first.
    pub fn read(&self, history: &[u32]) -> Sequence {
        let mut sequence = Sequence {
            ids: vec![self.begin],
            types: vec![0],
            items: vec![0],
        };
        for (place, &item) in history.iter().rev().take(self.max_items).enumerate() {
            let room = self.max_tokens - sequence.ids.len();
            let tokens = self.items.of(item);
            let tokens = tokens.start..tokens.end.min(tokens.start + room);
            sequence.ids.extend(&self.items.ids[tokens.clone()]);
            sequence.types.extend(&self.items.types[tokens]);
            sequence.items.resize(sequence.ids.len(), place as u32 + 1);
        }
        sequence
    }

    /// Whether the sequence of `history` is cut.
    pub fn cuts(&self, history: &[u32]) -> bool {
        let newest = history.iter().rev().take(self.max_items);
        let tokens = newest.map(|&item| self.items.of(item).len());
        1 + tokens.sum::<usize>() > self.max_tokens
    }
}

/// The model.
#[derive(Debug)]
pub struct Recformer {
    config: Config,
    parameters: Parameters,
    net: Longformer,
    form: Form,
    reader: Reader,
    /// Unit vectors of items, [V + 1, D]; row 0 is zero.
    table: Tensor,
}

impl Recformer {
    /// A model whose table is not computed yet.
    pub fn new(
        config: &Config,
        parameters: Parameters,
        net: Longformer,
        form: Form,
        items: ItemTokens,
    ) -> Self {
        let size = [items.offsets.len() as i64, net.shape().width];
        Self {
            table: Tensor::zeros(size, (Kind::Float, parameters.device())),
            reader: Reader {
                items,
                begin: form.begin,
                max_tokens: config.max_tokens,
                max_items: config.max_items,
            },
            config: config.clone(),
            parameters,
            net,
            form,
        }
    }

    /// How it reads histories.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// A network from scratch for tests: each item is one token.
    pub fn of_ids(config: &Config, sizes: Sizes, device: Device) -> Self {
        let mut items = ItemTokens::new();
        for item in 1..=sizes.items as u32 {
            items.add(&[1 + (item - 1) % (config.vocab_size as u32 - 1)], 2);
            items.end_item();
        }
        let mut parameters = Parameters::new(device);
        let (shape, form) = scratch(config, config.vocab_size as i64);
        let net = Longformer::new(&mut parameters, shape);
        let model = Self::new(config, parameters, net, form, items);
        model.begin_epoch();
        model
    }

    /// The model that `tensors` are the weights of.
    ///
    /// # Errors
    /// When they are another's.
    pub fn from_tensors(
        config: &Config,
        tensors: &BTreeMap<String, Tensor>,
        device: Device,
    ) -> Result<Self, WeightsError> {
        let shape = Form::shape(config, tensors).zip(ItemTokens::from_tensors(tensors));
        let Some(((shape, form), items)) = shape else {
            return Err(WeightsError::Missing {
                name: FORM.to_owned(),
                found: tensors.keys().cloned().collect::<Vec<_>>().join(", "),
            });
        };
        let mut parameters = Parameters::new(device);
        let net = Longformer::new(&mut parameters, shape);
        let model = Self::new(config, parameters, net, form, items);
        weights::fill(&model.trained(), tensors)?;
        Ok(model)
    }

    /// Unit vectors [N, D] of sequences, with gradient; `train` turns dropout on.
    pub fn vectors(&self, sequences: &[&Sequence], train: bool) -> Tensor {
        unit(
            &self
                .net
                .first(&Packed::new(sequences, self.device()), train),
        )
    }

    /// Unit vectors [N, D] of any number of sequences without gradient, some at a time.
    fn frozen(&self, sequences: &[Sequence], train: bool) -> Tensor {
        let _guard = tch::no_grad_guard();
        let mut order: Vec<usize> = (0..sequences.len()).collect();
        order.sort_by_key(|&place| std::cmp::Reverse(sequences[place].ids.len()));
        let mut parts = vec![Tensor::zeros(
            [0, self.width()],
            (Kind::Float, self.device()),
        )];
        let (mut chunk, mut tokens): (Vec<&Sequence>, usize) = (Vec::new(), 0);
        for &place in &order {
            let length = sequences[place].ids.len();
            if tokens + length > TOKENS_AT_ONCE && !chunk.is_empty() {
                parts.push(self.vectors(&chunk, train));
                (chunk, tokens) = (Vec::new(), 0);
            }
            chunk.push(&sequences[place]);
            tokens += length;
        }
        if !chunk.is_empty() {
            parts.push(self.vectors(&chunk, train));
        }
        let mut back = vec![0; sequences.len()];
        for (place, &sequence) in order.iter().enumerate() {
            back[sequence] = place as u32;
        }
        Tensor::cat(&parts, 0).index_select(0, &indices(&back, self.device()))
    }

    /// The sequence before each target of a batch.
    fn sequences(&self, batch: &TrainingBatch) -> Vec<Sequence> {
        let rows = batch.offsets.windows(2);
        let rows = rows.map(|bounds| &batch.inputs[bounds[0] as usize..bounds[1] as usize]);
        match batch.last_only {
            true => rows.map(|row| self.reader.read(row)).collect(),
            false => rows
                .flat_map(|row| (1..=row.len()).map(|end| self.reader.read(&row[..end])))
                .collect(),
        }
    }

    /// Cross-entropy of states [B, D] among sampled items, which the target precedes.
    fn sampled(&self, states: &Tensor, batch: &TrainingBatch) -> Tensor {
        let mut random = stream(batch.noise, Stream::Negatives, 0);
        let items = self.table.size()[0] as u32 - 1;
        let mut draw = || match &batch.classes {
            Some(classes) => classes[random.random_range(0..classes.len())],
            None => random.random_range(1..=items),
        };
        let count = self.config.finetune.negatives;
        let candidates: Vec<u32> = batch
            .targets
            .iter()
            .flat_map(|&target| {
                let drawn: Vec<u32> = (0..count).map(|_| draw()).collect();
                std::iter::once(target).chain(drawn)
            })
            .collect();
        let candidates = indices(&candidates, self.device()).view([-1, count as i64 + 1]);
        let logits = embedding::scores(states, &self.table, None, &candidates);
        let right = Tensor::zeros([logits.size()[0]], (Kind::Int64, self.device()));
        logits.cross_entropy_loss::<Tensor>(&right, None, Reduction::Mean, -100, 0.0)
    }
}

/// Rows divided by their norms.
pub fn unit(rows: &Tensor) -> Tensor {
    let norms = rows.norm_scalaropt_dim(2.0, [1], true);
    rows / norms.clamp_min(1e-8)
}

/// Shape and form of a network that starts from scratch, with `vocabulary` tokens and a mask.
pub fn scratch(config: &Config, vocabulary: i64) -> (Shape, Form) {
    use allround_core::models::recformer::{FIRST_POSITION, TOKEN_TYPES};
    let width = config.hidden_units as i64;
    let form = Form {
        heads: config.num_heads as i64,
        first_position: FIRST_POSITION as i64,
        eps: 1e-5,
        begin: 0,
    };
    let shape = Shape {
        vocabulary: vocabulary + 1,
        positions: (config.max_tokens + FIRST_POSITION) as i64,
        types: TOKEN_TYPES as i64,
        item_positions: config.max_items as i64 + 1,
        width,
        layers: config.num_blocks as i64,
        heads: form.heads,
        inner: 4 * width,
        half_window: config.window as i64 / 2,
        first_position: form.first_position,
        eps: form.eps,
        dropout: config.dropout,
    };
    (shape, form)
}

impl Scorer for Recformer {
    fn maxlen(&self) -> usize {
        self.reader.max_items
    }

    fn device(&self) -> Device {
        self.parameters.device()
    }

    fn score(&self, histories: &Histories, candidates: &Tensor) -> Tensor {
        self.score_candidates(histories, candidates)
    }

    fn score_all(&self, histories: &Histories) -> Tensor {
        self.score_table(histories)
    }

    fn weights(&self) -> Vec<(String, Tensor)> {
        let mut weights = self.trained();
        weights.extend(self.reader.items.named());
        weights.push(self.form.named());
        weights
    }
}

impl Backbone for Recformer {
    /// The network, and its table of items, which no gradient moves.
    fn trained(&self) -> Vec<(String, Tensor)> {
        let mut weights = self.parameters.named();
        weights.push((TABLE.to_owned(), self.table.shallow_clone()));
        weights
    }

    fn begin_epoch(&self) {
        let items = 1..self.reader.items.offsets.len() as u32;
        let alone: Vec<Sequence> = items.map(|item| self.reader.read(&[item])).collect();
        let vectors = self.frozen(&alone, false);
        let count = alone.len() as i64;
        tch::no_grad(|| self.table.narrow(0, 1, count).copy_(&vectors));
    }

    fn second_phase(&self) -> Option<u32> {
        match self.config.table {
            ItemTable::Epoch => None,
            ItemTable::Fixed => Some(SECOND_PATIENCE),
        }
    }

    fn width(&self) -> i64 {
        self.net.shape().width
    }

    fn user_states(&self, histories: &Histories) -> Tensor {
        let rows = (0..histories.len()).map(|row| self.reader.read(histories.row(row)));
        self.frozen(&rows.collect::<Vec<_>>(), false) / self.config.temperature
    }

    fn token_states(&self, histories: &Histories, dropout: bool) -> Tensor {
        let prefixes = (0..histories.len()).flat_map(|row| {
            let items = histories.row(row);
            (1..=items.len()).map(move |end| self.reader.read(&items[..end]))
        });
        self.frozen(&prefixes.collect::<Vec<_>>(), dropout) / self.config.temperature
    }

    fn item_table(&self) -> Tensor {
        self.table.shallow_clone()
    }

    fn loss(&self, batch: &TrainingBatch) -> Tensor {
        let sequences = self.sequences(batch);
        let sequences: Vec<&Sequence> = sequences.iter().collect();
        let states = self.vectors(&sequences, true) / self.config.temperature;
        if self.config.finetune.negatives > 0 {
            return self.sampled(&states, batch);
        }
        let whole = BatchLoss {
            loss: &Loss::FullSoftmax {},
            states: &states,
            batch,
            running: &[],
        };
        whole.finish(
            || (self.table.shallow_clone(), None),
            |_, _| unreachable!("the loss reads the table"),
        )
    }
}

#[cfg(test)]
mod tests;
