//! Training losses over packed tokens: a state, its next item, and the items that it is compared
//! with.
//!
//! Every loss is a mean over the T tokens of a batch. Checked against PyTorch in the tests below.

use allround_core::models::train::Loss;
use tch::{Kind, Tensor};

use super::embedding::indices;
use crate::data::TrainingBatch;
use crate::torch_ext::product;

mod catalogue;

use catalogue::{Catalogue, Compare};

/// Most logits that the full softmax holds at once: a chunk that stays in the processor's cache.
const CHUNK_LOGITS: i64 = 1 << 19;

/// Item rows with the score that belongs to the item alone.
#[derive(Debug)]
pub struct Items {
    /// Rows [N, D].
    pub rows: Tensor,
    /// Scores `[N]`; `None` for a model without item bias.
    pub bias: Option<Tensor>,
}

impl Items {
    /// Items without a bias.
    pub fn plain(rows: Tensor) -> Self {
        Self { rows, bias: None }
    }
}

/// What a sampled loss compares.
#[derive(Debug)]
pub struct Sampled<'a> {
    /// States [T, D].
    pub states: &'a Tensor,
    /// Target of each token, T of them.
    pub targets: Items,
    /// Negatives: T x n of them, or n that the batch shares.
    pub negatives: Items,
    /// Item of each target, `[T]`: a shared negative that is the target does not count.
    pub target_items: &'a Tensor,
    /// Item of each negative.
    pub negative_items: &'a Tensor,
    /// Tokens of each step in time-major order; sums to T.
    pub running: &'a [u32],
}

/// A batch whose states are computed, and which still needs its loss.
#[derive(Debug)]
pub struct BatchLoss<'a> {
    /// Which loss.
    pub loss: &'a Loss,
    /// States [T, D], in the order of the batch's targets.
    pub states: &'a Tensor,
    /// The batch, with T targets.
    pub batch: &'a TrainingBatch,
    /// Tokens of each step in time-major order; sums to T.
    pub running: &'a [u32],
}

impl BatchLoss<'_> {
    /// The loss, a scalar with gradient.
    ///
    /// `table` returns the item table [V + 1, D] with the scores [V + 1] of items alone, for losses
    /// that read it ([`reads_table`]). `rows` returns targets and negatives for their indices; all
    /// other losses need them.
    pub fn finish(
        self,
        table: impl FnOnce() -> (Tensor, Option<Tensor>),
        rows: impl FnOnce(&Tensor, &Tensor) -> [Items; 2],
    ) -> Tensor {
        let device = self.states.device();
        let target_items = indices(&self.batch.targets, device);
        if let Loss::FullSoftmax {} = self.loss {
            let (table, bias) = table();
            let classes = self.batch.classes.as_deref();
            return full_softmax(self.states, &table, bias.as_ref(), &target_items, classes);
        }
        let negative_items = indices(&self.batch.negatives, device);
        if let Some(compare) = Compare::of(self.loss) {
            let (table, bias) = table();
            let classes = self.batch.classes.as_ref();
            let catalogue = Catalogue {
                states: self.states,
                table: &table,
                bias: bias.as_ref(),
                targets: &target_items,
                negatives: &negative_items,
                items: classes.map_or(table.size()[0] - 1, |classes| classes.len() as i64),
            };
            return catalogue.loss(compare);
        }
        let [targets, negatives] = rows(&target_items, &negative_items);
        let batch = Sampled {
            states: self.states,
            targets,
            negatives,
            target_items: &target_items,
            negative_items: &negative_items,
            running: self.running,
        };
        sampled(self.loss, &batch)
    }
}

/// The negatives of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Negatives {
    /// This number, shared by all targets.
    Shared(usize),
    /// This number for each target, from items that the user does not have in training.
    Unseen(usize),
    /// This number for each target, from all items.
    PerTarget(usize),
}

impl Negatives {
    /// Those that `loss` needs.
    pub fn of(loss: &Loss) -> Self {
        match *loss {
            Loss::Bce { negatives } | Loss::Bpr { negatives } => Self::Unseen(negatives),
            Loss::FullSoftmax {} => Self::Shared(0),
            Loss::Gbce { negatives, .. }
            | Loss::SampledSoftmax {
                negatives,
                per_target: true,
            } => Self::PerTarget(negatives),
            Loss::SampledSoftmax {
                negatives,
                per_target: false,
            }
            | Loss::Top1Max { negatives } => Self::Shared(negatives),
        }
    }

    /// The number for each target; `None` where a batch shares them.
    pub fn each(self) -> Option<usize> {
        match self {
            Self::Shared(_) => None,
            Self::Unseen(count) | Self::PerTarget(count) => Some(count),
        }
    }
}

/// Whether a loss reads the whole item table, so that the table's gradient is dense.
pub fn reads_table(loss: &Loss) -> bool {
    matches!(loss, Loss::FullSoftmax {}) || Compare::of(loss).is_some()
}

/// A sampled loss, a scalar.
///
/// # Panics
/// For a loss that reads the whole table: see [`reads_table`].
pub fn sampled(loss: &Loss, batch: &Sampled) -> Tensor {
    match loss {
        Loss::Bce { .. } => bce(batch),
        Loss::Bpr { .. } => bpr(batch),
        Loss::SampledSoftmax { .. } => sampled_softmax(batch),
        Loss::Top1Max { .. } => top1_max(batch),
        Loss::FullSoftmax {} | Loss::Gbce { .. } => unreachable!("the loss reads the table"),
    }
}

/// Mean of -ln sigmoid over targets plus mean of -ln(1 - sigmoid) over negatives, as SASRec's code
/// does.
fn bce(batch: &Sampled) -> Tensor {
    let negatives = own_scores(batch);
    target_scores(batch).neg().softplus().mean(Kind::Float) + negatives.softplus().mean(Kind::Float)
}

/// Mean of -ln sigmoid(target - negative) (Rendle et al. 2009).
fn bpr(batch: &Sampled) -> Tensor {
    let difference = own_scores(batch) - target_scores(batch).unsqueeze(-1); // [T, n]
    difference.softplus().mean(Kind::Float)
}

/// Cross-entropy of the target among itself and the shared negatives.
fn sampled_softmax(batch: &Sampled) -> Tensor {
    let target = target_scores(batch).unsqueeze(-1); // [T, 1]
    let hit = batch
        .target_items
        .unsqueeze(-1)
        .eq_tensor(&batch.negative_items.unsqueeze(0)); // [T, n]
    let negatives = shared_scores(batch).masked_fill(&hit, f64::NEG_INFINITY);
    let logits = Tensor::cat(&[&target, &negatives], 1);
    (logits.logsumexp([1], false) - target.squeeze_dim(-1)).mean(Kind::Float)
}

/// Hidasi and Karatzoglou 2018, equation 8: negatives r_j, weighted by their softmax s_j, against
/// the target r_i: the sum of s_j (sigmoid(r_j - r_i) + sigmoid(r_j^2)).
///
/// A token's negatives are the shared ones and the targets of the other rows at its step, as in
/// upstream's session-parallel batches. Negatives equal to the target do not count.
fn top1_max(batch: &Sampled) -> Tensor {
    let target = target_scores(batch);
    let shared = (batch.negative_items.size()[0] > 0).then(|| shared_scores(batch));
    let mut sum = Tensor::zeros([], (Kind::Float, target.device()));
    let mut start = 0;
    for &count in batch.running {
        let count = i64::from(count);
        let step = |tensor: &Tensor| tensor.narrow(0, start, count);
        let mut others = product::mm(&step(batch.states), &step(&batch.targets.rows).tr());
        if let Some(bias) = &batch.targets.bias {
            others += step(bias).unsqueeze(0);
        }
        let items = step(batch.target_items);
        let mut same = items.unsqueeze(-1).eq_tensor(&items.unsqueeze(0));
        if let Some(shared) = &shared {
            let hit = items
                .unsqueeze(-1)
                .eq_tensor(&batch.negative_items.unsqueeze(0));
            others = Tensor::cat(&[others, step(shared)], 1);
            same = Tensor::cat(&[same, hit], 1);
        }
        sum += top1_max_step(&step(&target), &others, &same);
        start += count;
    }
    sum / target.size()[0] as f64
}

/// The sum over one step's tokens; a token all of whose `others` are masked adds nothing.
fn top1_max_step(target: &Tensor, others: &Tensor, masked: &Tensor) -> Tensor {
    // A finite lower bound instead of minus infinity: a row without negatives must not become NaN.
    let weights = others.masked_fill(masked, -1e30).softmax(-1, Kind::Float);
    let above = (others - target.unsqueeze(-1)).sigmoid();
    let terms = weights * (above + others.square().sigmoid());
    terms.masked_fill(masked, 0.0).sum(Kind::Float)
}

/// Scores of targets, `[T]`.
fn target_scores(batch: &Sampled) -> Tensor {
    let scores = product::dots(batch.states, &batch.targets.rows);
    match &batch.targets.bias {
        Some(bias) => scores + bias,
        None => scores,
    }
}

/// Scores of each target's own negatives, [T, n].
fn own_scores(batch: &Sampled) -> Tensor {
    let (tokens, width) = batch.states.size2().expect("states are [T, D]");
    let rows = batch.negatives.rows.view([tokens, -1, width]);
    let scores = product::dots(&rows, &batch.states.unsqueeze(1));
    match &batch.negatives.bias {
        Some(bias) => scores + bias.view([tokens, -1]),
        None => scores,
    }
}

/// Scores of shared negatives, [T, n].
fn shared_scores(batch: &Sampled) -> Tensor {
    let rows = batch.negatives.rows.tr();
    match &batch.negatives.bias {
        Some(bias) => product::addmm(bias, batch.states, &rows),
        None => product::mm(batch.states, &rows),
    }
}

/// Cross-entropy of `targets` `[T]` among items of `table` [V + 1, D], whose row 0 is padding. The
/// items are 1 to V, or the rows `classes`, ascending, with all targets among them.
///
/// The gradient is made in the same pass, chunk by chunk, so that no more than a chunk of the T x V
/// logits exists.
pub fn full_softmax(
    states: &Tensor,
    table: &Tensor,
    bias: Option<&Tensor>,
    targets: &Tensor,
    classes: Option<&[u32]>,
) -> Tensor {
    let (rows, _) = table.size2().expect("a table is [V + 1, D]");
    let classes = classes.map(|classes| indices(classes, table.device()));
    let chosen = |tensor: &Tensor| match &classes {
        Some(classes) => tensor.index_select(0, classes),
        None => tensor.narrow(0, 1, rows - 1),
    };
    let places = match &classes {
        Some(classes) => targets.searchsorted(classes, false, false, "left", None::<&Tensor>),
        None => targets - 1,
    };
    let (items, bias) = (chosen(table), bias.map(chosen));
    let parts = tch::no_grad(|| softmax_parts(states, &items, bias.as_ref(), &places));
    let mut paired = vec![(states.shallow_clone(), parts.states), (items, parts.items)];
    paired.extend(bias.zip(parts.bias));
    with_gradient(parts.value, &paired)
}

/// Mean cross-entropy and its gradients.
struct SoftmaxParts {
    value: Tensor,
    states: Tensor,
    items: Tensor,
    bias: Option<Tensor>,
}

fn softmax_parts(
    states: &Tensor,
    items: &Tensor,
    bias: Option<&Tensor>,
    targets: &Tensor,
) -> SoftmaxParts {
    let (tokens, width) = states.size2().expect("states are [T, D]");
    let count = items.size()[0];
    // Logits, and the gradients of states and items.
    product::count(tokens * count * width, 3);
    let columns = items.tr();
    let state_gradient = states.zeros_like();
    let mut item_gradient = items.zeros_like();
    let mut bias_gradient = bias.map(Tensor::zeros_like);
    let mut value = Tensor::zeros([], (Kind::Double, states.device()));
    let step = (CHUNK_LOGITS / count).clamp(1, tokens.max(1));
    let logits = Tensor::empty([step, count], (Kind::Float, states.device()));
    let mut start = 0;
    while start < tokens {
        let size = step.min(tokens - start);
        let chunk = states.narrow(0, start, size);
        let target = targets.narrow(0, start, size).unsqueeze(-1);
        let logits = logits.narrow(0, 0, size);
        let _ = match bias {
            Some(bias) => bias.addmm_out(&logits, &chunk, &columns),
            None => chunk.mm_out(&logits, &columns),
        };
        let mut probabilities = logits.log_softmax(-1, Kind::Float);
        value -= probabilities.gather(1, &target, false).sum(Kind::Double);
        let _ = probabilities.exp_();
        let minus_one = target.ones_like().to_kind(Kind::Float).neg();
        let _ = probabilities.scatter_add_(1, &target, &minus_one);
        let _ = probabilities.mm_out(&state_gradient.narrow(0, start, size), items);
        let _ = item_gradient.addmm_(&probabilities.tr(), &chunk);
        if let Some(gradient) = &mut bias_gradient {
            *gradient += probabilities.sum_dim_intlist(0, false, Kind::Float);
        }
        start += size;
    }
    let scale = 1.0 / tokens as f64;
    SoftmaxParts {
        value: (value * scale).to_kind(Kind::Float),
        states: state_gradient * scale,
        items: item_gradient * scale,
        bias: bias_gradient.map(|gradient| gradient * scale),
    }
}

/// A scalar with this `value` whose gradient with respect to each tensor is the one paired with it.
fn with_gradient(value: Tensor, paired: &[(Tensor, Tensor)]) -> Tensor {
    paired
        .iter()
        .filter(|(tensor, _)| tensor.requires_grad())
        .fold(value, |sum, (tensor, gradient)| {
            let linear = (tensor * gradient).sum(Kind::Float);
            let offset = linear.detach();
            sum + (linear - offset)
        })
}

#[cfg(test)]
mod tests;
