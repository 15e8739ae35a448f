//! How a CF model is trained, and which texts it reads.

use super::allmrec::ItemText;
use super::problem::Problem;
use super::train::{Loss, Sequences, Stop, Train};

/// Texts that a CF model reads.
#[derive(Clone, Copy, Debug)]
pub struct ItemTexts<'a> {
    /// Name of the text encoder; `None` for a model with its own.
    pub encoder: Option<&'a str>,
    /// How title and description are combined into one text.
    pub form: ItemText,
    /// Whether the encoder is trained with the model.
    pub is_trained: bool,
    /// Its learning rate, where that is not the model's.
    pub lr: Option<f64>,
}

/// How a CF model is trained.
#[derive(Clone, Copy, Debug)]
pub struct Training<'a> {
    /// The loss.
    pub loss: &'a Loss,
    /// Optimizer, epochs, early stopping.
    pub train: &'a Train,
    /// What one example is; `None` for a model that does not read sequences.
    pub sequences: Option<&'a Sequences>,
    /// Maximum number of items in an example; `None` for a model that does not read sequences.
    pub maxlen: Option<usize>,
    /// L2 penalty on the item embeddings.
    pub l2_emb: f64,
    /// File of weights that are imported in place of training, as written in the experiment file.
    pub weights: Option<&'a str>,
    /// File that imported weights are verified with.
    pub weights_check: Option<&'a str>,
}

impl Training<'_> {
    /// Settings that contradict each other, or that a CF model does not support.
    /// `key` is the dotted key of `train`.
    pub fn problems(&self, key: &str) -> Vec<Problem> {
        let mut found = self.train.problems_of_cf_model(key);
        if matches!(self.loss, Loss::Top1Max { negatives: 0 }) && self.train.batch_size == 1 {
            let message =
                "`top1_max` compares with the other targets of a batch, and a batch of 1 has none";
            found.push(
                Problem::at(format!("{key}.batch_size"), message)
                    .label("expected at least 2")
                    .hint("raise `batch_size`, or sample `negatives`"),
            );
        }
        if let (Some(Sequences::Windows { stride }), Some(maxlen)) = (self.sequences, self.maxlen)
            && *stride > maxlen
        {
            let message = format!("windows of {maxlen} items, {stride} apart, leave items out");
            found.push(
                Problem::at("sequences.windows.stride", message)
                    .label(format!("expected at most `maxlen`, {maxlen}"))
                    .hint("0 puts one window after the other"),
            );
        }
        let (field, every) = match &self.train.stop {
            Stop::Fixed { validate_every } => ("stop.fixed.validate_every", *validate_every),
            Stop::Early { every, .. } => ("stop.early.every", *every),
        };
        let epochs = self.train.epochs;
        if every > epochs {
            let field = format!("{key}.{field}");
            let message =
                format!("a validation every {every} epochs never happens in {epochs} epochs");
            found.push(
                Problem::at(&field, message)
                    .label(format!("`{field}` is {every}: expected at most {epochs}"))
                    .hint(format!("lower `{field}`, or raise `{key}.epochs`")),
            );
        }
        found
    }
}
