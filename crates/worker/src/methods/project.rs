//! A-LLMRec's stage 2, MLP-LLM and LLaRA: projections of users and items into the input space of a
//! language model. It is frozen, or has adapters that are trained with them.
//!
//! Paper: Kim et al. 2024, equations 7 and 8. Upstream: `A_llmrec_model.pre_train_phase2` at
//! ghdtjr/A-LLMRec e216bbc, whose names the weights keep (`log_emb_proj`, `item_emb_proj`).
//! Settings choose what the paper leaves open. One is users with one training item: upstream trains
//! them to answer "No Title". Another is whether the target may be drawn again among its
//! candidates. Deviation: padding's vector is zero.
//!
//! LLaRA. Paper: Liao et al. 2024 (arXiv 2312.02445). Upstream: ljy0ustc/LLaRA at 9733f73.
//! Deviations:
//! - the placeholder in place of a vector is one of the vocabulary, and its embedding is frozen;
//! - the share of steps that read vectors rises over all steps of a training; upstream divides by
//!   the number of its data loader's processes.
//!
//! Letters: N examples, D width of the CF model, J width of item codes, W width of the language
//! model's inputs.

use allround_core::data::Prepared;
use allround_core::event::Event;
use allround_core::models::llm_method::{ItemEmbedding, Project};
use tch::{Device, Kind, Tensor};

mod curriculum;
mod ranking;

use super::mlp::{Mlp, MlpShape};
use super::prompted_lm::{EncodedPrompt, PromptEncoder, PromptedLm, PromptedLmError, Slot};
use super::ranking_examples::{RankingExample, RankingExamples};
use super::sequences::{Pool, Sequences, Target, user_states};
use super::tables::{Tables, frozen_rows};
use crate::data::row;
use crate::models::{Backbone, weights};
use crate::nn::Parameters;
use crate::nn::embedding::{self, indices};
use crate::train::BoxError;
use crate::train::limit::SampleLimit;
use crate::train::task::{Loss, Source, Steps, Task};
use crate::train::trainer::EpochSeed;
use curriculum::Rising;
use ranking::Ranking;

/// This stage's number among random streams.
pub const STAGE: u64 = 2;

/// F_U and F_I, with the item vectors that F_I reads.
#[derive(Debug)]
pub struct Projections {
    parameters: Parameters,
    user: Option<Mlp>,
    item: Option<Mlp>,
    /// What F_I reads, [V + 1, J].
    table: Option<Tensor>,
    /// Whether the table is random and not trained: it is then saved next to the weights.
    frozen_random: bool,
}

/// Which vectors the projections read, where their results go, and how deep they are.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Width D of user states.
    pub states: i64,
    /// Whether the prompt has the user's vector.
    pub user: bool,
    /// Width W of the language model's inputs and of hidden layers.
    pub lm: i64,
    /// Hidden layers of each projection.
    pub hidden_layers: usize,
    /// Whether these have a norm.
    pub layer_norm: bool,
}

impl Shape {
    /// A projection of vectors of width `inputs`.
    fn of_mlp(self, inputs: i64) -> MlpShape {
        MlpShape {
            inputs,
            hidden: self.lm,
            layers: self.hidden_layers,
            outputs: self.lm,
            norm: self.layer_norm,
        }
    }
}

/// The table's name among the weights.
const RANDOM: &str = "random";

impl Projections {
    /// Fresh projections. `table` [V + 1, J] is what F_I reads; where `item` is random, normal
    /// values of the same shape replace it. The caller has seeded LibTorch's generator from the
    /// `init` stream.
    pub fn new(shape: Shape, table: Option<Tensor>, item: ItemEmbedding, device: Device) -> Self {
        let mut parameters = Parameters::new(device);
        // Drawn where it is not wanted too, so that F_I starts alike with and without it.
        let mut discarded = Parameters::new(device);
        let into = if shape.user {
            &mut parameters
        } else {
            &mut discarded
        };
        let user = Mlp::new(into, "log_emb_proj", shape.of_mlp(shape.states), true);
        let user = shape.user.then_some(user);
        let projection = table.as_ref().map(|table| {
            let inputs = table.size()[1];
            Mlp::new(
                &mut parameters,
                "item_emb_proj",
                shape.of_mlp(inputs),
                false,
            )
        });
        let drawn = |table: Tensor| Tensor::randn(table.size(), (Kind::Float, Device::Cpu));
        let table = table.map(|table| match item {
            ItemEmbedding::Random => drawn(table).to_device(device),
            ItemEmbedding::RandomTrained => parameters.add(RANDOM, drawn(table)),
            ItemEmbedding::Joint | ItemEmbedding::Text | ItemEmbedding::None => table,
        });
        Self {
            parameters,
            user,
            item: projection,
            table,
            frozen_random: item == ItemEmbedding::Random,
        }
    }

    /// Multiplies the outputs of both projections by a factor, before they are trained.
    pub fn shrink(&self, factor: f64) {
        for mlp in self.user.iter().chain(&self.item) {
            mlp.scale(factor);
        }
    }

    /// Trained weights by upstream name, the random table among them where it is trained.
    pub fn weights(&self) -> Vec<(String, Tensor)> {
        self.parameters.named()
    }

    /// What an artefact holds: the weights, and the random table where there is one that is not
    /// trained.
    pub fn saved(&self) -> Vec<(String, Tensor)> {
        let random = self.table.iter().filter(|_| self.frozen_random);
        let random = random.map(|table| (RANDOM.to_owned(), table.shallow_clone()));
        self.weights().into_iter().chain(random).collect()
    }

    /// O_u [N, W] of user states [N, D].
    pub fn users(&self, states: &Tensor) -> Option<Tensor> {
        self.user.as_ref().map(|user| user.forward(states))
    }

    /// O_i [I, W] of items (0 to V).
    ///
    /// # Panics
    /// When the prompt has no item vectors: it then has no place for them.
    pub fn items(&self, items: &[u32]) -> Tensor {
        let (item, table) = self
            .item
            .as_ref()
            .zip(self.table.as_ref())
            .expect("a prompt with item vectors has a table of them");
        item.forward(&embedding::rows(table, &indices(items, table.device())))
    }
}

/// The vectors that F_I reads for `item`, [V + 1, J].
///
/// They are codes of stage 1, or without stage 1 the CF model's own rows. Items with fewer than
/// `text_below` training interactions have the code of their text in place of the joint one.
pub fn item_table(
    item: ItemEmbedding,
    text_below: u64,
    tables: Option<Tables>,
    backbone: &dyn Backbone,
    prepared: &Prepared,
) -> Option<Tensor> {
    match (item, tables) {
        (ItemEmbedding::None, _) => None,
        (ItemEmbedding::Text, Some(tables)) => Some(tables.text),
        (ItemEmbedding::Joint, Some(tables)) if text_below > 0 => {
            let seldom = prepared.train_counts().into_iter();
            let seldom = seldom.map(|count| count < text_below);
            let seldom: Vec<bool> = std::iter::once(false).chain(seldom).collect();
            let seldom = Tensor::from_slice(&seldom).to_device(tables.joint.device());
            Some(tables.text.where_self(&seldom.unsqueeze(1), &tables.joint))
        }
        (_, Some(tables)) => Some(tables.joint),
        (_, None) => {
            let rows = (1..=prepared.n_items() as u32).map(|item| row(prepared, item));
            let rows: Vec<u32> = std::iter::once(0).chain(rows).collect();
            let table = frozen_rows(backbone);
            Some(embedding::rows(&table, &indices(&rows, backbone.device())))
        }
    }
}

/// What stage 2 reads.
#[derive(Debug)]
pub struct Inputs<'a> {
    /// The data set.
    pub prepared: &'a Prepared,
    /// Its training sequences.
    pub sequences: &'a Sequences,
    /// The frozen CF model.
    pub backbone: &'a dyn Backbone,
    /// The frozen language model.
    pub prompted_lm: &'a PromptedLm,
}

/// A training example of stage 2, tokenized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectExample {
    /// The target.
    pub target: Target,
    /// The prompt, and the target's title as answer.
    pub prompt: EncodedPrompt,
    /// The items that the target is ranked among; none where its title's likelihood is trained.
    pub negatives: Vec<Negative>,
}

/// An item that a target is ranked among.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negative {
    /// The item.
    pub item: u32,
    /// Its title in tokens, with the end of text.
    pub title: Vec<u32>,
}

impl ProjectExample {
    fn count(&self, one: impl Fn(&EncodedPrompt) -> usize) -> usize {
        let negatives = self.negatives.iter().map(|negative| negative.title.len());
        one(&self.prompt) + negatives.sum::<usize>()
    }

    /// The target's title, then those of the negatives.
    fn titles(&self) -> Vec<Vec<u32>> {
        let negatives = self.negatives.iter();
        let negatives = negatives.map(|negative| negative.title.clone());
        std::iter::once(self.prompt.answer.clone())
            .chain(negatives)
            .collect()
    }
}

/// Draws the examples of stage 2 and tokenizes them.
#[derive(Debug)]
struct ProjectExamples<'a> {
    ranking: RankingExamples<'a>,
    encoder: &'a PromptEncoder,
    ranks: bool,
    seed: u64,
    limit: SampleLimit,
    curriculum: Option<Rising>,
}

impl ProjectExamples<'_> {
    /// What the draws of `epoch` depend on.
    fn draw(&self, epoch: u32) -> EpochSeed {
        EpochSeed {
            seed: self.seed,
            stage: STAGE,
            epoch,
        }
    }

    /// `placeholder` is in place of vectors.
    fn example(
        &self,
        example: &RankingExample,
        placeholder: Option<u32>,
    ) -> Result<ProjectExample, PromptedLmError> {
        let (target, prepared) = (example.target, self.ranking.prepared);
        let item = target.item(prepared);
        let answer = self.encoder.answer(item);
        let negatives = example.candidates.iter().copied();
        let negatives = negatives.filter(|&other| self.ranks && other != item);
        let negatives: Vec<Negative> = negatives
            .map(|item| Negative {
                item,
                title: self.encoder.answer(item),
            })
            .collect();
        let titles = negatives.iter().map(|negative| negative.title.len());
        let longest = titles.chain([answer.len()]).max().unwrap_or_default();
        let history = target.history(prepared);
        let prompt = self.encoder.prompt(history, &example.candidates, longest);
        let mut prompt = prompt.map_err(|error| error.of_user(prepared, target.user))?;
        if let Some(placeholder) = placeholder {
            let vectors = prompt.iter_mut();
            let vectors = vectors.filter(|slot| !matches!(slot, Slot::Token(_)));
            vectors.for_each(|slot| *slot = Slot::Token(placeholder));
        }
        Ok(ProjectExample {
            target,
            prompt: EncodedPrompt { prompt, answer },
            negatives,
        })
    }
}

impl Source for ProjectExamples<'_> {
    type Example = ProjectExample;

    fn steps(&self, epoch: u32) -> Result<Steps<'_, ProjectExample>, BoxError> {
        let mut steps = self.ranking.steps(self.draw(epoch))?;
        let whole = steps.len();
        self.limit.cut(epoch, &mut steps);
        let placeholders = match &self.curriculum {
            Some(rising) => {
                let all = self.in_all(rising.epochs);
                rising.placeholders(self.draw(epoch), whole, all, steps.len())
            }
            None => vec![None; steps.len()],
        };
        let example = |(step, placeholder): (Vec<RankingExample>, Option<u32>)| {
            step.iter()
                .map(|example| Ok(self.example(example, placeholder)?))
                .collect()
        };
        Ok(Steps {
            count: steps.len(),
            made: Box::new(steps.into_iter().zip(placeholders).map(example)),
        })
    }

    fn in_all(&self, epochs: u32) -> Option<u64> {
        let RankingExamples {
            prepared,
            sequences,
            batch_size,
            ..
        } = self.ranking;
        self.limit.steps(epochs, |epoch| {
            sequences.steps(prepared, batch_size, self.draw(epoch))
        })
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

/// Stage 2 in training.
#[derive(Debug)]
pub struct ProjectTask<'a> {
    settings: &'a Project,
    inputs: Inputs<'a>,
    /// What is trained.
    pub projections: Projections,
    examples: ProjectExamples<'a>,
    ranking: Option<Ranking>,
}

impl<'a> ProjectTask<'a> {
    /// `projections` for `inputs`. A ranking loss needs the likelihoods of all titles without a
    /// user, which are computed here.
    pub fn new(
        settings: &'a Project,
        inputs: Inputs<'a>,
        projections: Projections,
        seed: u64,
        observe: &mut dyn FnMut(Event),
    ) -> Self {
        let prompted_lm = inputs.prompted_lm;
        let pool = Pool::of(inputs.prepared);
        let ranking = settings.ranking_loss;
        let ranking = ranking.map(|loss| Ranking::new(loss, prompted_lm, pool.items(), observe));
        let in_prompt = prompted_lm.encoder.prompt_settings().training_candidates();
        let candidates = match settings.ranking_loss {
            Some(loss) => 1 + loss.negatives,
            None => in_prompt,
        };
        let examples = ProjectExamples {
            ranking: RankingExamples {
                prepared: inputs.prepared,
                sequences: inputs.sequences,
                pool,
                batch_size: settings.train.batch_size,
                candidates,
                rule: settings.candidates,
            },
            encoder: &prompted_lm.encoder,
            ranks: ranking.is_some(),
            seed,
            limit: SampleLimit::new(
                settings.max_samples,
                inputs.sequences.count(inputs.prepared),
            ),
            curriculum: Rising::of(settings, prompted_lm),
        };
        Self {
            settings,
            inputs,
            projections,
            examples,
            ranking,
        }
    }
}

impl Task for ProjectTask<'_> {
    type Example = ProjectExample;

    fn source(&self) -> &dyn Source<Example = ProjectExample> {
        &self.examples
    }

    fn weights(&self) -> Vec<(String, Tensor)> {
        let adapters = self.inputs.prompted_lm.lm().trained();
        self.projections
            .weights()
            .into_iter()
            .chain(adapters)
            .collect()
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

    fn weight(&self, example: &ProjectExample) -> u64 {
        match self.ranking {
            Some(_) => 1,
            None => example.prompt.answer.len() as u64,
        }
    }

    fn length(&self, example: &ProjectExample) -> usize {
        example.count(EncodedPrompt::computed)
    }

    fn states(&self, examples: &[&ProjectExample]) -> Option<Tensor> {
        self.projections.user.as_ref()?;
        let Inputs {
            prepared, backbone, ..
        } = self.inputs;
        let histories = examples.iter().map(|example| {
            let history = example.target.history(prepared);
            (example.target.user, history)
        });
        let histories: Vec<(u32, &[u32])> = histories.collect();
        let dropout = self.settings.backbone_dropout;
        Some(user_states(backbone, prepared, &histories, dropout))
    }

    fn loss(&self, examples: &[&ProjectExample], states: Option<&Tensor>) -> Loss {
        let prompted_lm = self.inputs.prompted_lm;
        let encoded = examples.iter().map(|example| &example.prompt);
        let prompts: Vec<&[Slot]> = encoded.clone().map(|encoded| &encoded.prompt[..]).collect();
        let users = states.and_then(|states| self.projections.users(states));
        let rows = prompted_lm.rows(&prompts, users.as_ref(), &|items| {
            self.projections.items(items)
        });
        let mean = match &self.ranking {
            Some(ranking) => ranking.loss(prompted_lm.lm(), examples, &rows, self.inputs.prepared),
            None => {
                let answers: Vec<&[u32]> = encoded.map(|encoded| &encoded.answer[..]).collect();
                prompted_lm.loss(&prompts, &answers, rows, false).0
            }
        };
        let tokens = examples.iter();
        let tokens = tokens.map(|example| example.count(EncodedPrompt::tokens) as u64);
        Loss {
            mean,
            parts: Vec::new(),
            tokens: tokens.sum(),
        }
    }
}

#[cfg(test)]
mod tests;
