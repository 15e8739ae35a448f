//! Losses whose targets have their own negatives from the whole catalogue.
//!
//! With hundreds of them a step reads nearly every row of the table. Rows are gathered chunk by
//! chunk, and the gradient is made in the same pass: the T x n rows never exist at once. Checked
//! against PyTorch in `tests.rs`.

use allround_core::models::train::Loss;
use tch::{Kind, Tensor};

use super::with_gradient;
use crate::torch_ext::product;

/// Most numbers of gathered rows that exist at once.
const CHUNK_NUMBERS: i64 = 1 << 21;
/// What gSASRec's code adds to or takes from the bounds of its probabilities.
const EPSILON: f64 = 1e-10;

/// What is done with the logits of a target and its negatives.
#[derive(Clone, Copy, Debug)]
pub(super) enum Compare {
    /// Cross-entropy of the target.
    Softmax,
    /// Binary cross-entropy with the target's logit calibrated by `t`.
    Calibrated {
        /// 0 is plain binary cross-entropy.
        t: f64,
    },
}

impl Compare {
    /// That of `loss`; `None` for a loss without own negatives from the whole catalogue.
    pub(super) fn of(loss: &Loss) -> Option<Self> {
        match *loss {
            Loss::Gbce { t, .. } => Some(Self::Calibrated { t }),
            Loss::SampledSoftmax {
                per_target: true, ..
            } => Some(Self::Softmax),
            Loss::SampledSoftmax {
                per_target: false, ..
            }
            | Loss::Bce { .. }
            | Loss::Bpr { .. }
            | Loss::FullSoftmax {}
            | Loss::Top1Max { .. } => None,
        }
    }

    /// The loss of each row of `logits` [N, 1 + n], whose first column is the target's; n negatives
    /// were drawn from `items`.
    fn terms(self, logits: &Tensor, items: i64) -> Tensor {
        let target = logits.narrow(1, 0, 1);
        let negatives = logits.size()[1] - 1;
        let t = match self {
            Self::Softmax => {
                return logits.logsumexp([1], false) - target.squeeze_dim(-1);
            }
            Self::Calibrated { t } => t,
        };
        let rate = negatives as f64 / (items - 1).max(1) as f64;
        let target = calibrated(&target, 1.0 + t * (rate - 1.0));
        let others = logits.narrow(1, 1, negatives).to_kind(Kind::Double);
        // -ln sigmoid(target), -ln (1 - sigmoid(other)).
        Tensor::cat(&[target.neg().softplus(), others.softplus()], 1).mean_dim(
            [1].as_slice(),
            false,
            Kind::Double,
        )
    }
}

/// ln(1 / (sigmoid(x)^-beta - 1)) with the bounds of gSASRec's code, in 64 bits. With `beta` 1 it
/// is x.
fn calibrated(logits: &Tensor, beta: f64) -> Tensor {
    let probability = logits.to_kind(Kind::Double).sigmoid();
    let probability = probability.clamp(EPSILON, 1.0 - EPSILON);
    let adjusted = probability
        .pow_tensor_scalar(-beta)
        .clamp_min(1.0 + EPSILON);
    (adjusted - 1.0).reciprocal().clamp_min(EPSILON).log()
}

/// Targets, their own negatives, and the table that both are rows of.
#[derive(Debug)]
pub(super) struct Catalogue<'a> {
    /// States [T, D].
    pub(super) states: &'a Tensor,
    /// Item table [V + 1, D].
    pub(super) table: &'a Tensor,
    /// Scores of items alone, [V + 1].
    pub(super) bias: Option<&'a Tensor>,
    /// Rows of the targets, `[T]`.
    pub(super) targets: &'a Tensor,
    /// Rows of the negatives, n for each target: [T n].
    pub(super) negatives: &'a Tensor,
    /// Items that negatives are drawn from.
    pub(super) items: i64,
}

/// A sum of losses with its gradients.
struct Parts {
    value: Tensor,
    states: Tensor,
    table: Tensor,
    bias: Option<Tensor>,
}

impl Catalogue<'_> {
    /// The mean loss, a scalar.
    pub(super) fn loss(&self, compare: Compare) -> Tensor {
        let parts = tch::no_grad(|| self.parts(compare));
        let mut paired = vec![
            (self.states.shallow_clone(), parts.states),
            (self.table.shallow_clone(), parts.table),
        ];
        paired.extend(self.bias.map(Tensor::shallow_clone).zip(parts.bias));
        with_gradient(parts.value, &paired)
    }

    fn parts(&self, compare: Compare) -> Parts {
        let (tokens, width) = self.states.size2().expect("states are [T, D]");
        let rows = self.table.size()[0];
        let negatives = self.negatives.view([tokens, -1]);
        let each = negatives.size()[1] + 1;
        let step = (CHUNK_NUMBERS / (each * width)).clamp(1, tokens.max(1));
        let mut parts = Parts {
            value: Tensor::zeros([], (Kind::Double, self.states.device())),
            states: self.states.zeros_like(),
            table: self.table.zeros_like(),
            bias: self.bias.map(Tensor::zeros_like),
        };
        let scale = 1.0 / tokens as f64;
        let mut start = 0;
        while start < tokens {
            let size = step.min(tokens - start);
            let part = |tensor: &Tensor| tensor.narrow(0, start, size);
            let (states, target) = (part(self.states), part(self.targets).unsqueeze(-1));
            let ids = Tensor::cat(&[target, part(&negatives)], 1); // [N, 1 + n]
            let flat = ids.view([-1]);
            let items = self.table.index_select(0, &flat).view([size, each, width]);
            let mut logits = items.bmm(&states.unsqueeze(-1)).squeeze_dim(-1);
            // With the two products of the gradient below.
            product::count(size * each * width, 3);
            if let Some(bias) = self.bias {
                logits += bias.index_select(0, &flat).view([size, each]);
            }
            let (value, gradient) = with_slope(&logits, |logits| {
                compare.terms(logits, self.items).sum(Kind::Double) * scale
            });
            parts.value += value;
            let of_states = gradient.unsqueeze(1).bmm(&items).squeeze_dim(1);
            part(&parts.states).copy_(&of_states);
            let of_rows = gradient.unsqueeze(-1) * states.unsqueeze(1);
            parts.table += Tensor::embedding_dense_backward(&of_rows, &ids, rows, -1, false);
            if let Some(bias) = &mut parts.bias {
                let _ = bias.index_add_(0, &flat, &gradient.reshape([-1]));
            }
            start += size;
        }
        parts.value = parts.value.to_kind(Kind::Float);
        parts
    }
}

/// The value of `function` at `x` and its gradient.
fn with_slope(x: &Tensor, function: impl FnOnce(&Tensor) -> Tensor) -> (Tensor, Tensor) {
    tch::with_grad(|| {
        let leaf = x.detach().set_requires_grad(true);
        let value = function(&leaf);
        let gradient = Tensor::run_backward(&[&value], &[&leaf], false, false);
        let [gradient]: [Tensor; 1] = gradient.try_into().expect("one input has one gradient");
        (value.detach(), gradient)
    })
}
