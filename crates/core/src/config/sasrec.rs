//! `[model.NAME.sasrec]`: SASRec and the networks that are published under its name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::train::{Loss, Train};

/// SASRec. The A-LLMRec paper's settings are `preset = "paper"`; those of pmixer/SASRec.pytorch are `preset = "upstream"`.
///
/// Several published networks have this name. `form` says which one is computed; docs/METHODOLOGY.md compares them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sasrec {
    /// Width D of item embeddings and states.
    #[schemars(range(min = 1, max = 8192))]
    pub hidden_units: usize,
    /// Self-attention blocks.
    #[schemars(range(min = 1, max = 64))]
    pub num_blocks: usize,
    /// Attention heads; must divide `hidden_units`.
    #[schemars(range(min = 1, max = 64))]
    pub num_heads: usize,
    /// Dropout probability, of embeddings, attention weights and feed-forward layers alike.
    #[schemars(range(min = 0.0, max = 0.99))]
    pub dropout: f64,
    /// Slots of the input: the last `maxlen` items of a history count.
    #[schemars(range(min = 1, max = 4096))]
    pub maxlen: usize,
    /// Which of the published networks is computed.
    pub form: SasrecForm,
    /// Inner width of the feed-forward part. Left out: `hidden_units`; in the form `recbole` four times that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65536))]
    pub inner_units: Option<usize>,
    /// Activation of the feed-forward part. Left out: `relu`; in the form `recbole` `gelu`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation: Option<Activation>,
    /// Epsilon of every layer norm. Left out: 1e-8; in the form `recbole` 1e-12. PyTorch's own default, as in gSASRec, is 1e-5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub norm_eps: Option<f64>,
    /// Whether item embeddings are multiplied by the square root of `hidden_units` at the input. Left out: `true`; in the form
    /// `recbole` `false`. gSASRec does not scale them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_items: Option<bool>,
    /// Side of the padding, which decides the positions: `left` gives the newest item the last position, `right` gives the
    /// oldest one the first. Left out: `left`; in the form `recbole` `right`. S3-Rec and STOSA pad on the left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub padding: Option<PaddingSide>,
    /// Whether states are compared with a table of their own (`output_embedding.weight`) instead of the input embeddings, as in
    /// gSASRec and LLaRA.
    pub output_table: bool,
    /// Whether the output table has a bias for each item (`output_embedding.bias`), as in LLaRA.
    pub output_bias: bool,
    /// The training loss.
    pub loss: Loss,
    /// Optimiser, epochs, stopping.
    pub train: Train,
    /// A safetensors file with weights from elsewhere, under the upstream names (docs/WEIGHTS.md): the model is then not trained.
    /// `form` must be written next to it, since files of several forms look alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
    /// A safetensors file with sequences and what the author's own forward pass gives for them (docs/WEIGHTS.md):
    /// imported weights that give other numbers are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights_check: Option<String>,
}

/// Networks that are published as SASRec. Blocks differ in where they normalise, and in what padding does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SasrecForm {
    /// As in A-LLMRec's code: queries normalised, residual from the normalised query, padding is a key like any other.
    Allmrec,
    /// As in kang205/SASRec, the paper's code: queries normalised, residual from the normalised query, padded keys masked, no
    /// projection after attention.
    Kang,
    /// As in SASRec.pytorch with `--norm_first`: layer norm before attention and feed-forward; padding is a key and
    /// changes from block to block.
    PmixerPreNorm,
    /// As in SASRec.pytorch without `--norm_first`, its default: layer norm after each residual; padding is a key and
    /// changes from block to block.
    PmixerPostNorm,
    /// As in RecBole, and with `padding = "left"` in S3-Rec and STOSA: layer norm on the embeddings and after each residual, padded keys
    /// masked, no last norm.
    Recbole,
}

/// Where a block normalises and where its residuals start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkOrder {
    /// Queries and the feed-forward input are normalised, and residuals start after the norm.
    NormalisedQuery,
    /// Inputs of attention and feed-forward are normalised, and residuals start before the norm.
    PreNorm,
    /// The sum of each residual is normalised.
    PostNorm,
}

impl SasrecForm {
    /// Every form.
    pub const ALL: [Self; 5] = [
        Self::Allmrec,
        Self::Kang,
        Self::PmixerPreNorm,
        Self::PmixerPostNorm,
        Self::Recbole,
    ];

    /// The form's name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Allmrec => "allmrec",
            Self::Kang => "kang",
            Self::PmixerPreNorm => "pmixer_pre_norm",
            Self::PmixerPostNorm => "pmixer_post_norm",
            Self::Recbole => "recbole",
        }
    }

    /// Where a block normalises.
    pub fn order(self) -> NetworkOrder {
        match self {
            Self::Allmrec | Self::Kang => NetworkOrder::NormalisedQuery,
            Self::PmixerPreNorm => NetworkOrder::PreNorm,
            Self::PmixerPostNorm | Self::Recbole => NetworkOrder::PostNorm,
        }
    }

    /// Whether padded slots take part in attention as keys.
    pub fn attends_padding(self) -> bool {
        match self {
            Self::Allmrec | Self::PmixerPreNorm | Self::PmixerPostNorm => true,
            Self::Kang | Self::Recbole => false,
        }
    }

    /// Whether padded slots have states of their own after the first block, and row 0 of the position table belongs to padding.
    pub fn padding_evolves(self) -> bool {
        match self {
            Self::PmixerPreNorm | Self::PmixerPostNorm => true,
            Self::Allmrec | Self::Kang | Self::Recbole => false,
        }
    }
}

/// Activations of the feed-forward part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// max(0, x).
    Relu,
    /// x Phi(x), with the error function (Hendrycks and Gimpel 2016).
    Gelu,
    /// x sigmoid(x); RecBole's name is kept.
    Swish,
    /// Hyperbolic tangent.
    Tanh,
    /// Logistic function.
    Sigmoid,
}

/// Sides of padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaddingSide {
    /// Before the oldest item.
    Left,
    /// After the newest item.
    Right,
}

impl Sasrec {
    /// Inner width of the feed-forward part.
    pub fn inner(&self) -> usize {
        let own = match self.form {
            SasrecForm::Recbole => 4 * self.hidden_units,
            _ => self.hidden_units,
        };
        self.inner_units.unwrap_or(own)
    }

    /// Activation of the feed-forward part.
    pub fn activation(&self) -> Activation {
        let own = match self.form {
            SasrecForm::Recbole => Activation::Gelu,
            _ => Activation::Relu,
        };
        self.activation.unwrap_or(own)
    }

    /// Epsilon of the layer norms.
    pub fn norm_eps(&self) -> f64 {
        let own = match self.form {
            SasrecForm::Recbole => 1e-12,
            _ => 1e-8,
        };
        self.norm_eps.unwrap_or(own)
    }

    /// Whether item embeddings are scaled at the input.
    pub fn scales_items(&self) -> bool {
        self.scale_items.unwrap_or(self.form != SasrecForm::Recbole)
    }

    /// Side of the padding.
    pub fn padding(&self) -> PaddingSide {
        let own = match self.form {
            SasrecForm::Recbole => PaddingSide::Right,
            _ => PaddingSide::Left,
        };
        self.padding.unwrap_or(own)
    }

    /// Rows of the position table.
    pub fn position_rows(&self) -> usize {
        self.maxlen + usize::from(self.form.padding_evolves())
    }
}
