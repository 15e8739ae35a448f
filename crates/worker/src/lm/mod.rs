//! A decoder-only language model over rows of input vectors: OPT, Llama, Mistral, Qwen 2 and 3,
//! Gemma 3.
//!
//! Papers: Zhang et al. 2022, OPT; Touvron et al. 2023, Llama; Jiang et al. 2023, Mistral. Reports:
//! Qwen Team 2024 and 2025, Qwen2.5 and Qwen3; Gemma Team 2025, Gemma 3. Upstream: the
//! `modeling_*.py` of transformers, whose names the weights keep. Deviations: no dropout in the
//! model itself; tokens are computed, padding is not; the last block computes only the states that
//! are requested.
//!
//! Letters: N tokens of a pass, D width of states, W width of input vectors, V vocabulary.

mod adapter;
mod attention;
mod cache;
mod error;
mod generate;
mod gguf;
mod int8;
mod layers;
mod loader;
mod merged;
mod rope;
mod score;
#[cfg(test)]
mod tests;
mod trie;

use std::cell::Cell;
use std::ops::Range;

use tch::{Device, Kind, Tensor};

use adapter::Adapter;
pub use allround_core::lm_config::{Activation, ConfigError, Family, LmConfig, Rope, RopeScaling};
use allround_core::models::llm_method::Lora;
use attention::{Causal, Pattern};
pub use error::LmError;
pub use generate::{Generation, NotFinite, QuoteRule};
pub use gguf::GgufWeights;
use layers::{Block, Linear, Matrix, Norm, Pass};
pub use loader::{Holding, WeightSource};
use loader::{Loader, Source};
pub use merged::{Merged, MergedError};
use rope::{Angles, frequencies};
pub use trie::Trie;

use crate::torch_ext::transfer::to_device_async;

/// Positions of OPT start here in its table.
const OPT_OFFSET: i64 = 2;

/// Most tokens of several rows that the CPU computes together.
const CACHED_TOKENS: usize = 1024;

/// The model. Its weights are frozen unless it was made trainable or given adapters.
#[derive(Debug)]
pub struct Lm {
    config: LmConfig,
    holding: Holding,
    /// [V, W].
    table: Tensor,
    /// `lm_head.weight` [V, W]; the table where tied.
    head: Linear,
    /// OPT's learned positions, [P + 2, D].
    positions: Option<Tensor>,
    /// OPT-350m's way from W to D and back.
    project: Option<[Linear; 2]>,
    /// Rotary frequencies, [head size / 2], and those of layers with a window.
    frequencies: Option<Tensor>,
    local_frequencies: Option<Tensor>,
    /// What token embeddings are multiplied by, in the model's number type as upstream.
    embedding_scale: f64,
    blocks: Vec<Block>,
    final_norm: Option<Norm>,
    named: Vec<(String, Tensor)>,
    train: Cell<bool>,
}

impl Lm {
    /// A model with the weights of `source` under their upstream names.
    ///
    /// # Errors
    /// When a weight is missing, cannot be read, or has another shape than `config` says. Also when
    /// `source` holds weights that `config` has no place for.
    pub fn from_weights(
        config: LmConfig,
        source: &dyn WeightSource,
        holding: Holding,
    ) -> Result<Self, LmError> {
        Self::build(config, Source::Held(source), holding)
    }

    /// A model with random weights, as upstream starts them. The caller has seeded LibTorch's
    /// generator.
    pub fn random(config: LmConfig, holding: Holding) -> Self {
        let deviation = config.init_std;
        Self::build(config, Source::Drawn(deviation), holding)
            .expect("drawn weights have the expected shape")
    }

    fn build(config: LmConfig, source: Source, holding: Holding) -> Result<Self, LmError> {
        assert!(
            !(holding.int8 && holding.trainable),
            "eight-bit weights cannot be trained"
        );
        let mut loader = Loader::new(source, holding, &config);
        let (width, inputs) = (config.hidden_size, config.embedding_size);
        let table = loader.take(loader::table_name(&config), &[config.vocab_size, inputs])?;
        let positions = (config.family == Family::Opt).then(|| {
            let rows = config.positions + OPT_OFFSET;
            loader.take("model.decoder.embed_positions.weight", &[rows, width])
        });
        let positions = positions.transpose()?;
        let project = (inputs != width).then(|| {
            let into = loader.full_linear("model.decoder.project_in", [width, inputs], false)?;
            let out = loader.full_linear("model.decoder.project_out", [inputs, width], false)?;
            Ok([into, out])
        });
        let project = project.transpose()?;
        let blocks = (0..config.layers).map(|number| loader.block(number, &config));
        let blocks = blocks.collect::<Result<Vec<_>, _>>()?;
        let name = match config.family {
            Family::Opt => "model.decoder.final_layer_norm",
            Family::Llama => "model.norm",
        };
        let final_norm = config
            .final_norm
            .then(|| loader.norm(name, &config))
            .transpose()?;
        let head = if config.tied {
            Linear::of_weight("lm_head", table.shallow_clone(), loader.pack)
        } else {
            loader.full_linear("lm_head", [config.vocab_size, inputs], false)?
        };
        loader.check_all_taken(&config)?;
        let frequencies = |rope| frequencies(rope, config.head_size, holding.device);
        let embedding_scale = Tensor::from(config.embedding_scale).to_kind(holding.kind);
        Ok(Self {
            frequencies: config.rope.map(frequencies),
            local_frequencies: config.local.as_ref().map(|local| frequencies(local.rope)),
            embedding_scale: embedding_scale.double_value(&[]),
            named: loader.named,
            config,
            holding,
            table,
            head,
            positions,
            project,
            blocks,
            final_norm,
            train: Cell::new(false),
        })
    }

    /// The model's shape.
    pub fn config(&self) -> &LmConfig {
        &self.config
    }

    /// Number type of weights and states.
    pub fn kind(&self) -> Kind {
        self.holding.kind
    }

    /// Where the weights live.
    pub fn device(&self) -> Device {
        self.holding.device
    }

    /// Width W of input vectors and of what `hidden` returns.
    pub fn width(&self) -> i64 {
        self.config.embedding_size
    }

    /// Turns the adapters' dropout on or off; it is off at first.
    pub fn set_train(&self, train: bool) {
        self.train.set(train);
    }

    /// Input vectors [N, W] of tokens `[N]` (whole numbers), in the model's number type.
    pub fn embed(&self, ids: &Tensor) -> Tensor {
        let vectors = Tensor::embedding(&self.table, ids, -1, false, false);
        match self.embedding_scale {
            1.0 => vectors,
            scale => vectors * scale,
        }
    }

    /// Tokens that a token sees in layers with a window.
    fn window(&self) -> Option<usize> {
        self.config.local.as_ref().map(|local| local.window)
    }

    /// Rows of these lengths, each causal.
    fn causal(&self, lengths: &[usize], wanted: &[Range<usize>]) -> Causal {
        Causal::new(lengths, wanted, self.window(), self.device())
    }

    /// Root mean square of the token embeddings.
    pub fn token_scale(&self) -> f64 {
        let squares = self.all_tokens().square();
        squares.mean(Kind::Float).sqrt().double_value(&[])
    }

    /// Mean and standard deviation of the numbers of the token embeddings.
    pub fn token_moments(&self) -> [f64; 2] {
        let all = self.all_tokens();
        [all.mean(Kind::Float), all.std(true)].map(|moment| moment.double_value(&[]))
    }

    /// Input vectors [V, W] of all tokens.
    fn all_tokens(&self) -> Tensor {
        let rows = Tensor::arange(self.config.vocab_size, (Kind::Int64, self.device()));
        self.embed(&rows).to_kind(Kind::Float)
    }

    /// States [sum of wanted, W] after the last block and norm, for the `wanted` places of each
    /// row.
    ///
    /// `rows` are input vectors [t, W] of any number type, and may carry gradients. Rows never see
    /// each other. A place sees itself and the places before it.
    ///
    /// # Panics
    /// When a row is longer than the model's positions or a wanted place lies outside its row:
    /// callers check.
    pub fn hidden(&self, rows: &[Tensor], wanted: &[Range<usize>]) -> Tensor {
        self.states(rows, wanted, None).0
    }

    /// What [`Lm::hidden`] gives, and next to it the states [sum of lengths, D] of all places in
    /// front of block `layer`.
    ///
    /// # Panics
    /// As [`Lm::hidden`], and when there is no such block.
    pub fn hidden_and_before(
        &self,
        rows: &[Tensor],
        wanted: &[Range<usize>],
        layer: usize,
    ) -> (Tensor, Tensor) {
        assert!(layer < self.blocks.len(), "the model has no block {layer}");
        let (hidden, before) = self.states(rows, wanted, Some(layer));
        (hidden, before.expect("states in front of a block are kept"))
    }

    fn states(
        &self,
        rows: &[Tensor],
        wanted: &[Range<usize>],
        kept: Option<usize>,
    ) -> (Tensor, Option<Tensor>) {
        let lengths: Vec<usize> = rows.iter().map(|row| row.size()[0] as usize).collect();
        assert_eq!(
            lengths.len(),
            wanted.len(),
            "each row says what is wanted of it"
        );
        for (length, wanted) in lengths.iter().zip(wanted) {
            assert!(
                wanted.end <= *length,
                "place {} is wanted of a row of {length}",
                wanted.end
            );
        }
        let states = self.groups(&lengths).into_iter().map(|group| {
            let (lengths, wanted) = (&lengths[group.clone()], &wanted[group.clone()]);
            let mut pattern = self.causal(lengths, wanted);
            let chosen = chosen(lengths, wanted);
            let rows = &rows[group];
            self.pass_keeping(rows, &places(lengths), &mut pattern, Some(&chosen), kept)
        });
        let (states, before): (Vec<Tensor>, Vec<Option<Tensor>>) = states.unzip();
        let before: Option<Vec<Tensor>> = before.into_iter().collect();
        (attention::cat(states), before.map(attention::cat))
    }

    /// Queries and keys [N, D] (keys narrower with grouped queries) that block `layer` makes of
    /// states [N, D] in front of it. Norms of heads and rotation are not applied.
    pub fn queries_and_keys(&self, layer: usize, states: &Tensor) -> [Tensor; 2] {
        let block = &self.blocks[layer];
        let read = if self.config.norm_first {
            block.norm.forward(states)
        } else {
            states.shallow_clone()
        };
        [&block.query, &block.key].map(|linear| linear.forward(&read, self.train.get()))
    }

    /// Logits [N, V] of states [N, D] between two blocks, as if no block came after.
    pub fn early_logits(&self, states: &Tensor) -> Tensor {
        self.logits(&self.leave(states))
    }

    /// Neighbouring rows that are computed together. On the CPU a group is so small that the states
    /// between two layers stay in the cache. Rows never see each other, so nothing else depends on
    /// it.
    fn groups(&self, lengths: &[usize]) -> Vec<Range<usize>> {
        if self.device().is_cuda() {
            return std::iter::once(0..lengths.len()).collect();
        }
        let mut groups: Vec<Range<usize>> = Vec::new();
        let mut tokens = 0;
        for (row, &length) in lengths.iter().enumerate() {
            tokens += length;
            match groups.last_mut() {
                Some(group) if tokens <= CACHED_TOKENS => group.end = row + 1,
                _ => {
                    groups.push(row..row + 1);
                    tokens = length;
                }
            }
        }
        groups
    }

    /// Logits [N, V] of states [N, W], in the model's number type.
    pub fn logits(&self, hidden: &Tensor) -> Tensor {
        self.head.forward(hidden, false)
    }

    /// One pass of packed `rows`, whose tokens have these places in their texts; `wanted` are
    /// tokens of the pass.
    fn pass(
        &self,
        rows: &[Tensor],
        places: &[i64],
        pattern: &mut dyn Pattern,
        wanted: Option<&[i64]>,
    ) -> Tensor {
        self.pass_keeping(rows, places, pattern, wanted, None).0
    }

    /// The same, and the states [N, D] of all tokens in front of block `kept`.
    fn pass_keeping(
        &self,
        rows: &[Tensor],
        places: &[i64],
        pattern: &mut dyn Pattern,
        wanted: Option<&[i64]>,
        kept: Option<usize>,
    ) -> (Tensor, Option<Tensor>) {
        let longest = places.iter().max().map_or(0, |&place| place + 1);
        let limit = self.config.positions;
        assert!(
            longest <= limit,
            "a row of {longest} tokens is longer than the model's {limit} positions"
        );
        let there = |list: &[i64]| to_device_async(&Tensor::from_slice(list), self.device());
        let rows: Vec<Tensor> = rows.iter().map(|row| row.to_kind(self.kind())).collect();
        let mut x = attention::cat(rows);
        if let Some([into, _]) = &self.project {
            x = into.forward(&x, self.train.get());
        }
        let places = there(places);
        if let Some(table) = &self.positions {
            // Never in place: a single row is the caller's own.
            x = Tensor::embedding(table, &(&places + OPT_OFFSET), -1, false, false) + x;
        }
        let all = wanted.is_none_or(|wanted| wanted.len() as i64 == x.size()[0]);
        let angles = |frequencies: &Tensor| Angles::new(frequencies, &places, self.kind());
        let mut pass = Pass {
            pattern,
            angles: self.frequencies.as_ref().map(angles),
            local_angles: self.local_frequencies.as_ref().map(angles),
            wanted: wanted.filter(|_| !all).map(there),
            train: self.train.get(),
        };
        let mut before = None;
        for (layer, block) in self.blocks.iter().enumerate() {
            if kept == Some(layer) {
                before = Some(x.shallow_clone());
            }
            x = block.forward(&x, layer, &self.config, &mut pass);
        }
        (self.leave(&x), before)
    }

    /// States [N, D] after the last block to [N, W].
    fn leave(&self, x: &Tensor) -> Tensor {
        let x = match &self.final_norm {
            Some(norm) => norm.forward(x),
            None => x.shallow_clone(),
        };
        match &self.project {
            Some([_, out]) => out.forward(&x, self.train.get()),
            None => x,
        }
    }

    /// All weights by upstream name, in a stable order; matrices held in eight bits as the numbers
    /// computed with.
    pub fn weights(&self) -> Vec<(String, Tensor)> {
        let named = self
            .named
            .iter()
            .map(|(name, weight)| (name.clone(), weight.shallow_clone()));
        let linears = self.blocks.iter().flat_map(Block::linears);
        let rounded = linears.filter_map(|linear| match &linear.matrix {
            Matrix::Full(_) | Matrix::Packed { .. } => None,
            Matrix::Int8(matrix) => Some((format!("{}.weight", linear.name), matrix.widened())),
        });
        named.chain(rounded).collect()
    }

    /// The weights that are trained: all of a trainable model, else the adapters', by peft's names.
    pub fn trained(&self) -> Vec<(String, Tensor)> {
        if self.holding.trainable {
            return self.weights();
        }
        let linears = self.blocks.iter().flat_map(Block::linears);
        let adapted = linears.filter_map(|linear| Some((&linear.name, linear.adapter.as_ref()?)));
        let named = adapted.flat_map(|(name, adapter)| {
            let [down, up] =
                ["lora_A", "lora_B"].map(|part| format!("base_model.model.{name}.{part}.weight"));
            [
                (down, adapter.down.shallow_clone()),
                (up, adapter.up.shallow_clone()),
            ]
        });
        named.collect()
    }

    /// Puts an adapter next to every linear layer of the blocks whose last name is among the
    /// targets. The caller has seeded LibTorch's generator.
    ///
    /// # Errors
    /// When a target is the name of no layer.
    pub fn add_lora(&mut self, settings: &Lora) -> Result<(), LmError> {
        let last = |linear: &Linear| {
            linear
                .name
                .rsplit('.')
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        let known: Vec<String> = self
            .blocks
            .iter()
            .take(1)
            .flat_map(Block::linears)
            .map(last)
            .collect();
        for target in &settings.targets {
            if !known.contains(target) {
                return Err(LmError::Target {
                    target: target.clone(),
                    known: known.join(", "),
                });
            }
        }
        for linear in self.blocks.iter_mut().flat_map(Block::linears_mut) {
            if settings.targets.contains(&last(linear)) {
                let (inputs, outputs) = linear.sizes();
                let device = self.holding.device;
                linear.adapter = Some(Adapter::new(settings, inputs, outputs, device));
            }
        }
        Ok(())
    }
}

/// Places in their texts of the tokens of rows of these lengths.
fn places(lengths: &[usize]) -> Vec<i64> {
    let rows = lengths.iter();
    rows.flat_map(|&length| 0..length as i64).collect()
}

/// Tokens of the pass that are wanted of rows of these lengths.
fn chosen(lengths: &[usize], wanted: &[Range<usize>]) -> Vec<i64> {
    let rows = attention::ranges(lengths).into_iter().zip(wanted);
    let chosen =
        rows.flat_map(|(row, wanted)| wanted.clone().map(move |place| (row.start + place) as i64));
    chosen.collect()
}
