//! A-LLMRec's stage 2 and MLP-LLM: projections of users and items into the input space of a frozen language model.
//!
//! Paper: Kim et al. 2024, equations 7 and 8. Upstream: `A_llmrec_model.pre_train_phase2` at ghdtjr/A-LLMRec e216bbc,
//! whose names the weights keep (`log_emb_proj`, `item_emb_proj`). Deviations:
//! - candidates are drawn without the user's training items, so that the target is among them once (upstream's draw can
//!   hold it twice);
//! - users with one training item are skipped (upstream trains them to answer "No Title").
//!
//! Letters: N examples, D width of the CF model, J width of item codes, W width of the language model's inputs.

use allround::data::Prepared;
use allround::seed::{Stream, stream};
use allround::spec::config::method::{ItemEmbedding, Project};
use rand::seq::SliceRandom;
use tch::{Device, Kind, Tensor};

use super::reader::{Reader, ReaderError, Slot, Speller, Told};
use super::sequences::{Pool, Sequences, Target, user_states};
use super::tables::Tables;
use crate::data::row;
use crate::models::Backbone;
use crate::nn::Parameters;
use crate::nn::embedding::{self, indices};
use crate::nn::linear::{Linear, Norm, Start};
use crate::train::fit::{self, Loss, Source, Steps, Task, Wrong};

/// This stage's number among random streams.
pub const STAGE: u64 = 2;

/// Linear, norm, a bend, linear.
#[derive(Debug)]
struct Mlp {
    first: Linear,
    norm: Norm,
    leaky: bool,
    second: Linear,
}

impl Mlp {
    fn new(parameters: &mut Parameters, name: &str, sizes: (i64, i64), leaky: bool) -> Self {
        let (inputs, outputs) = sizes;
        let start = Start::XavierNormal;
        Self {
            first: Linear::new(parameters, &format!("{name}.0"), (inputs, outputs), start),
            norm: Norm::new(parameters, &format!("{name}.1"), outputs),
            leaky,
            second: Linear::new(parameters, &format!("{name}.3"), (outputs, outputs), start),
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let x = self.norm.forward(&self.first.forward(x));
        let x = if self.leaky {
            x.leaky_relu()
        } else {
            x.gelu("none")
        };
        self.second.forward(&x)
    }
}

/// F_U and F_I, with the item vectors that F_I reads.
#[derive(Debug)]
pub struct Projections {
    parameters: Parameters,
    user: Option<Mlp>,
    item: Option<Mlp>,
    /// What F_I reads, [V + 1, J].
    table: Option<Tensor>,
    /// The random table, where it is one: it is saved with the weights.
    random: bool,
}

/// Which vectors the projections read, and where their results go.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Width D of user states; `None` without user vectors.
    pub user: Option<i64>,
    /// Width W of the language model's inputs.
    pub lm: i64,
}

impl Projections {
    /// Fresh projections. `table` [V + 1, J] is what F_I reads; `random` replaces its values by normal ones of the same
    /// shape. The caller has seeded LibTorch's generator from the `init` stream.
    pub fn new(shape: Shape, table: Option<Tensor>, random: bool, device: Device) -> Self {
        let mut parameters = Parameters::new(device);
        let user = shape
            .user
            .map(|width| Mlp::new(&mut parameters, "log_emb_proj", (width, shape.lm), true));
        let item = table.as_ref().map(|table| {
            Mlp::new(
                &mut parameters,
                "item_emb_proj",
                (table.size()[1], shape.lm),
                false,
            )
        });
        let drawn = |table: Tensor| {
            Tensor::randn(table.size(), (Kind::Float, Device::Cpu)).to_device(device)
        };
        let table = table.map(|table| if random { drawn(table) } else { table });
        Self {
            parameters,
            user,
            item,
            table,
            random,
        }
    }

    /// Trained weights by upstream name.
    pub fn weights(&self) -> Vec<(String, Tensor)> {
        self.parameters.named()
    }

    /// What an artefact holds: the weights, and the random table where there is one.
    pub fn saved(&self) -> Vec<(String, Tensor)> {
        let random = self.table.iter().filter(|_| self.random);
        let random = random.map(|table| ("random".to_owned(), table.shallow_clone()));
        self.weights().into_iter().chain(random).collect()
    }

    /// O_u [N, W] of user states [N, D].
    pub fn users(&self, states: &Tensor) -> Option<Tensor> {
        self.user.as_ref().map(|user| user.forward(states))
    }

    /// O_i [I, W] of items (1 to V).
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

/// The vectors that F_I reads for `item`, [V + 1, J]: codes of stage 1, or without it the CF model's own rows.
pub fn item_table(
    item: ItemEmbedding,
    tables: Option<Tables>,
    backbone: &dyn Backbone,
    prepared: &Prepared,
) -> Option<Tensor> {
    match (item, tables) {
        (ItemEmbedding::None, _) => None,
        (ItemEmbedding::Text, Some(tables)) => Some(tables.text),
        (_, Some(tables)) => Some(tables.joint),
        (_, None) => {
            let rows = (1..=prepared.n_items() as u32).map(|item| row(prepared, item));
            let rows: Vec<u32> = std::iter::once(0).chain(rows).collect();
            let table = tch::no_grad(|| backbone.item_table());
            Some(embedding::rows(&table, &indices(&rows, backbone.device())))
        }
    }
}

/// A target among its candidates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The target.
    pub target: Target,
    /// Items told as candidates, in the order told; the target among them.
    pub candidates: Vec<u32>,
}

/// The questions of an epoch in steps: each target with `count` - 1 items that its user does not know, shuffled.
///
/// # Errors
/// When a user does not know too few items.
pub fn questions(
    prepared: &Prepared,
    (sequences, pool): (&Sequences, &Pool),
    (batch_size, count): (usize, usize),
    (seed, stage, epoch): (u64, u64, u32),
) -> Result<Vec<Vec<Question>>, Wrong> {
    let mut random = stream(seed, Stream::Prompt, fit::index(stage, epoch, 0));
    let mut question = |target: Target| -> Result<Question, Wrong> {
        let mut candidates = pool.draw(prepared, target.user, count - 1, &mut random)?;
        candidates.push(target.item(prepared));
        candidates.shuffle(&mut random);
        Ok(Question { target, candidates })
    };
    let steps = sequences
        .steps(prepared, batch_size, (seed, stage, epoch))
        .into_iter();
    steps
        .map(|step| step.into_iter().map(&mut question).collect())
        .collect()
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
    pub reader: &'a Reader,
}

/// A question in the language model's tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posed {
    /// The target.
    pub target: Target,
    /// What is asked, and the target's title.
    pub told: Told,
}

/// Draws the questions of stage 2 and spells them.
#[derive(Debug)]
struct Posing<'a> {
    prepared: &'a Prepared,
    sequences: &'a Sequences,
    speller: &'a Speller,
    pool: Pool,
    batch_size: usize,
    seed: u64,
}

impl Posing<'_> {
    fn posed(&self, question: &Question) -> Result<Posed, ReaderError> {
        let target = question.target;
        let answer = self.speller.answer(target.item(self.prepared));
        let history = target.history(self.prepared);
        let prompt = self
            .speller
            .prompt(history, &question.candidates, answer.len());
        let prompt = prompt.map_err(|error| error.of_user(self.prepared, target.user))?;
        let told = Told { prompt, answer };
        Ok(Posed { target, told })
    }
}

impl Source for Posing<'_> {
    type Example = Posed;

    fn steps(&self, epoch: u32) -> Result<Steps<'_, Posed>, Wrong> {
        let sizes = (self.batch_size, self.speller.asked().candidates);
        let from = (self.sequences, &self.pool);
        let steps = questions(self.prepared, from, sizes, (self.seed, STAGE, epoch))?;
        let posed = |step: Vec<Question>| step.iter().map(|asked| Ok(self.posed(asked)?)).collect();
        Ok(Steps {
            count: steps.len(),
            made: Box::new(steps.into_iter().map(posed)),
        })
    }
}

/// Stage 2 in training.
#[derive(Debug)]
pub struct Projecting<'a> {
    settings: &'a Project,
    inputs: Inputs<'a>,
    /// What is trained.
    pub projections: Projections,
    posing: Posing<'a>,
}

impl<'a> Projecting<'a> {
    /// `projections` for `inputs`.
    pub fn new(
        settings: &'a Project,
        inputs: Inputs<'a>,
        projections: Projections,
        seed: u64,
    ) -> Self {
        let posing = Posing {
            prepared: inputs.prepared,
            sequences: inputs.sequences,
            speller: &inputs.reader.speller,
            pool: Pool::of(inputs.prepared),
            batch_size: settings.train.batch_size,
            seed,
        };
        Self {
            settings,
            inputs,
            projections,
            posing,
        }
    }
}

impl Task for Projecting<'_> {
    type Example = Posed;

    fn source(&self) -> &dyn Source<Example = Posed> {
        &self.posing
    }

    fn weights(&self) -> Vec<(String, Tensor)> {
        self.projections.weights()
    }

    fn params(&self) -> u64 {
        let own = self.weights();
        let frozen = self.inputs.backbone.weights();
        let count = own
            .iter()
            .chain(&frozen)
            .map(|(_, weight)| weight.numel() as u64);
        count.sum::<u64>() + self.inputs.reader.opened.params()
    }

    fn weight(&self, example: &Posed) -> u64 {
        example.told.answer.len() as u64
    }

    fn length(&self, example: &Posed) -> usize {
        example.told.computed()
    }

    fn states(&self, examples: &[&Posed]) -> Option<Tensor> {
        self.projections.user.as_ref()?;
        let Inputs {
            prepared, backbone, ..
        } = self.inputs;
        let histories = examples.iter().map(|posed| {
            let history = posed.target.history(prepared);
            (posed.target.user, history)
        });
        let histories: Vec<(u32, &[u32])> = histories.collect();
        let dropout = self.settings.backbone_dropout;
        Some(user_states(backbone, prepared, &histories, dropout))
    }

    fn loss(&self, examples: &[&Posed], states: Option<&Tensor>) -> Loss {
        let reader = self.inputs.reader;
        let told = examples.iter().map(|posed| &posed.told);
        let prompts: Vec<&[Slot]> = told.clone().map(|told| &told.prompt[..]).collect();
        let answers: Vec<&[u32]> = told.clone().map(|told| &told.answer[..]).collect();
        let users = states.and_then(|states| self.projections.users(states));
        let rows = reader.rows(&prompts, users.as_ref(), &|items| {
            self.projections.items(items)
        });
        let (mean, _) = reader.loss(&prompts, &answers, rows, false);
        Loss {
            mean,
            parts: Vec::new(),
            tokens: told.map(|told| told.tokens() as u64).sum(),
        }
    }
}

#[cfg(test)]
mod tests;
