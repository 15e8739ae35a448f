//! E4SRec: a tuned language model reads one vector for each item of a history, and its state at the
//! end scores the whole catalogue.
//!
//! Paper: Li et al. 2023 (arXiv 2312.02443), section 3. Upstream: `model.py` at HestiaSky/E4SRec
//! 4756e5f, whose names the weights keep (`input_proj`, `score`). Deviations:
//! - the tokens that begin a text are in front of the prompt, where the tokenizer has some;
//! - histories of different lengths are computed without padding between instruction and items;
//! - the first item of a sequence is not a target, unless it is the only one (`one_item`);
//! - padding has no score, and neither has an item that training does not know;
//! - the language model is held in 8 bits only with `int8`.
//!
//! Letters: B prompts, V items, n of them known to training. D width of the CF model, W width of
//! the language model.

use allround_core::data::Prepared;
use allround_core::models::represent::AdaptedRepresent;
use tch::{Device, Kind, Tensor};

use super::prompted_lm::{PromptEncoder, PromptedLm, PromptedLmError, Slot};
use super::represent::{Inputs, Represents, STAGE, Side};
use super::sequences::{Sequences, Target};
use crate::models::weights;
use crate::nn::embedding::{self, indices};
use crate::nn::linear::{Linear, Start};
use crate::nn::{Parameters, parameters};
use crate::torch_ext::product;
use crate::train::BoxError;
use crate::train::limit::SampleLimit;
use crate::train::task::{Loss, Source, Steps, Task};
use crate::train::trainer::EpochSeed;

/// What is trained next to the adapters: a layer in front of the language model, and one after it.
#[derive(Debug)]
pub struct Catalogue {
    parameters: Parameters,
    projection: Linear,
    /// Rows of the items that training knows, [n, W].
    head: Tensor,
    /// These items, ascending.
    items: Vec<u32>,
    /// The frozen item vectors of the CF model, [V + 1, D].
    table: Tensor,
}

impl Catalogue {
    /// Fresh layers, as PyTorch starts them, for a language model of width `lm`. `table` [V + 1, D]
    /// has the frozen item vectors of the CF model. `items` are those that training knows,
    /// ascending. The caller has seeded LibTorch's generator from the `init` stream.
    pub fn new(table: Tensor, items: &[u32], lm: i64, device: Device) -> Self {
        let mut parameters = Parameters::new(device);
        let inputs = table.size()[1];
        let projection = Linear::new(&mut parameters, "input_proj", inputs, lm, Start::Pytorch);
        let start = parameters::uniform(&[items.len() as i64, lm], 1.0 / (lm as f64).sqrt());
        Self {
            projection,
            head: parameters.add("score.weight", start),
            items: items.to_vec(),
            table,
            parameters,
        }
    }

    /// The adapters of the language model under peft's names, then the layers under upstream's.
    pub fn weights(&self, prompted_lm: &PromptedLm) -> Vec<(String, Tensor)> {
        let adapters = prompted_lm.lm().trained().into_iter();
        adapters.chain(self.parameters.named()).collect()
    }

    /// States [B, W] at the end of prompts.
    pub fn states(&self, prompted_lm: &PromptedLm, prompts: &[impl AsRef<[Slot]>]) -> Tensor {
        let rows = prompted_lm.rows(prompts, None, &|items| {
            let items = indices(items, self.table.device());
            self.projection
                .forward(&embedding::rows(&self.table, &items))
        });
        let ends = prompts.iter().map(|prompt| prompt.as_ref().len());
        let ends: Vec<_> = ends.map(|end| end - 1..end).collect();
        prompted_lm.lm().hidden(&rows, &ends).to_kind(Kind::Float)
    }

    /// Logits [B, n] of states [B, W], in the order of the items that training knows.
    pub fn logits(&self, states: &Tensor) -> Tensor {
        product::linear(states, &self.head, None)
    }

    /// The column of an item that training knows.
    fn place(&self, item: u32) -> u32 {
        let place = self.items.binary_search(&item);
        place.expect("targets are items that training knows") as u32
    }
}

impl Represents for Catalogue {
    fn user_prompt(
        &self,
        encoder: &PromptEncoder,
        history: &[u32],
    ) -> Result<Vec<Slot>, PromptedLmError> {
        encoder.sequence(history)
    }

    fn vectors(&self, prompted_lm: &PromptedLm, prompts: &[Vec<Slot>], _side: Side) -> Tensor {
        self.states(prompted_lm, prompts)
    }

    /// Rows of the head. Items that training does not know have zeros, so that all score alike.
    fn item_vectors(&self) -> Option<Tensor> {
        let (rows, width) = (self.table.size()[0], self.head.size()[1]);
        let all = Tensor::zeros([rows, width], (Kind::Float, self.head.device()));
        let items = indices(&self.items, self.head.device());
        Some(all.index_copy(0, &items, &self.head.detach()))
    }
}

/// A target with its prompt, tokenized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueExample {
    /// The prompt.
    pub prompt: Vec<Slot>,
    /// The item (1 to V).
    pub item: u32,
}

/// Draws targets and tokenizes their prompts.
#[derive(Debug)]
struct CatalogueExamples<'a> {
    prepared: &'a Prepared,
    sequences: &'a Sequences,
    encoder: &'a PromptEncoder,
    batch_size: usize,
    limit: SampleLimit,
    seed: u64,
}

impl CatalogueExamples<'_> {
    /// The targets of an epoch by steps.
    fn targets(&self, epoch: u32) -> Vec<Vec<Target>> {
        let draw = EpochSeed {
            seed: self.seed,
            stage: STAGE,
            epoch,
        };
        self.sequences.steps(self.prepared, self.batch_size, draw)
    }

    fn example(&self, target: Target) -> Result<CatalogueExample, PromptedLmError> {
        let prompt = self.encoder.sequence(target.history(self.prepared));
        Ok(CatalogueExample {
            prompt: prompt.map_err(|error| error.of_user(self.prepared, target.user))?,
            item: target.item(self.prepared),
        })
    }
}

impl Source for CatalogueExamples<'_> {
    type Example = CatalogueExample;

    fn steps(&self, epoch: u32) -> Result<Steps<'_, CatalogueExample>, BoxError> {
        let mut steps = self.targets(epoch);
        self.limit.cut(epoch, &mut steps);
        let made = |step: Vec<Target>| {
            let targets = step.into_iter();
            targets.map(|target| Ok(self.example(target)?)).collect()
        };
        Ok(Steps {
            count: steps.len(),
            made: Box::new(steps.into_iter().map(made)),
        })
    }

    fn in_all(&self, epochs: u32) -> Option<u64> {
        self.limit.steps(epochs, |epoch| self.targets(epoch))
    }

    fn samples(&self, epochs: u32) -> Option<u64> {
        Some(self.limit.samples(epochs))
    }

    fn changed(&self) -> u64 {
        self.encoder.shortened()
    }

    fn count_from(&self, changed: u64) {
        self.encoder.count_from(changed);
    }
}

/// Adapters and layers in training.
#[derive(Debug)]
pub struct CatalogueTask<'a> {
    inputs: Inputs<'a>,
    /// What is trained next to the adapters.
    pub catalogue: Catalogue,
    examples: CatalogueExamples<'a>,
}

impl<'a> CatalogueTask<'a> {
    /// `catalogue` for `inputs`, whose language model has been given adapters.
    pub fn new(
        settings: &AdaptedRepresent,
        inputs: Inputs<'a>,
        catalogue: Catalogue,
        seed: u64,
    ) -> Self {
        let Inputs {
            prepared,
            sequences,
            prompted_lm,
            ..
        } = inputs;
        let examples = CatalogueExamples {
            prepared,
            sequences,
            encoder: &prompted_lm.encoder,
            batch_size: settings.train.batch_size,
            limit: SampleLimit::new(settings.max_samples, sequences.count(prepared)),
            seed,
        };
        Self {
            inputs,
            catalogue,
            examples,
        }
    }
}

impl Task for CatalogueTask<'_> {
    type Example = CatalogueExample;

    fn source(&self) -> &dyn Source<Example = CatalogueExample> {
        &self.examples
    }

    fn weights(&self) -> Vec<(String, Tensor)> {
        self.catalogue.weights(self.inputs.prompted_lm)
    }

    fn params(&self) -> u64 {
        let Inputs {
            backbone,
            prompted_lm,
            ..
        } = self.inputs;
        weights::count(&self.weights())
            + weights::count(&backbone.weights())
            + prompted_lm.loaded.params()
    }

    fn weight(&self, _example: &CatalogueExample) -> u64 {
        1
    }

    fn length(&self, example: &CatalogueExample) -> usize {
        example.prompt.len()
    }

    fn loss(&self, examples: &[&CatalogueExample], _states: Option<&Tensor>) -> Loss {
        let prompts: Vec<&[Slot]> = examples.iter().map(|example| &example.prompt[..]).collect();
        let states = self.catalogue.states(self.inputs.prompted_lm, &prompts);
        let targets = examples.iter();
        let targets = targets.map(|example| self.catalogue.place(example.item));
        let targets = indices(&targets.collect::<Vec<_>>(), states.device());
        let logits = self.catalogue.logits(&states);
        Loss {
            mean: logits.cross_entropy_for_logits(&targets),
            parts: Vec::new(),
            tokens: prompts.iter().map(|prompt| prompt.len() as u64).sum(),
        }
    }
}

#[cfg(test)]
mod tests;
