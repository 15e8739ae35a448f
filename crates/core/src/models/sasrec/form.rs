//! The networks published under the name SASRec, and what they differ in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Networks published as SASRec. They differ in where a block normalises, and in how padding is
/// treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SasrecForm {
    /// As in A-LLMRec's code: queries are normalised, and residuals start from the normalised
    /// query. Padding is a key like any other.
    Allmrec,
    /// As in kang205/SASRec, the paper's code: queries are normalised, and residuals start from the
    /// normalised query. Padded keys are masked. There is no projection after attention.
    Kang,
    /// As in SASRec.pytorch with `--norm_first`: layer norm before attention and feed-forward.
    /// Padding is a key, and its states change from block to block.
    PmixerPreNorm,
    /// As in SASRec.pytorch without `--norm_first`, its default: layer norm after each residual.
    /// Padding is a key, and its states change from block to block.
    PmixerPostNorm,
    /// As in RecBole, and with `padding = "left"` in S3-Rec and STOSA. Layer norm on the embeddings
    /// and after each residual; padded keys are masked; there is no last norm.
    Recbole,
    /// LiGR layers as in RecTools, the network of eSASRec: layer norm before attention and SwiGLU
    /// feed-forward, each residual gated by its input. Padded keys are masked; there is no last
    /// norm, and positions count back from the newest item.
    Ligr,
    /// The user encoder of IDvs.MoRec: as `recbole` with padding on the left, attention without
    /// biases, ReLU and an epsilon of 1e-6.
    Morec,
}

/// Where a block normalises, and where its residuals start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkOrder {
    /// Queries and the feed-forward input are normalised, and residuals start after the norm.
    NormalisedQuery,
    /// Inputs of attention and feed-forward are normalised, and residuals start before the norm.
    PreNorm,
    /// The sum of each residual is normalised.
    PostNorm,
    /// As `PreNorm`, and each part's output is multiplied with a gate before it is added.
    Gated,
}

impl SasrecForm {
    /// Every form.
    pub const ALL: [Self; 7] = [
        Self::Allmrec,
        Self::Kang,
        Self::PmixerPreNorm,
        Self::PmixerPostNorm,
        Self::Recbole,
        Self::Ligr,
        Self::Morec,
    ];

    /// The form's name in the experiment file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Allmrec => "allmrec",
            Self::Kang => "kang",
            Self::PmixerPreNorm => "pmixer_pre_norm",
            Self::PmixerPostNorm => "pmixer_post_norm",
            Self::Recbole => "recbole",
            Self::Ligr => "ligr",
            Self::Morec => "morec",
        }
    }

    /// Where a block normalises.
    pub fn order(self) -> NetworkOrder {
        match self {
            Self::Allmrec | Self::Kang => NetworkOrder::NormalisedQuery,
            Self::PmixerPreNorm => NetworkOrder::PreNorm,
            Self::PmixerPostNorm | Self::Recbole | Self::Morec => NetworkOrder::PostNorm,
            Self::Ligr => NetworkOrder::Gated,
        }
    }

    /// Whether padded positions take part in attention as keys.
    pub fn attends_padding(self) -> bool {
        match self {
            Self::Allmrec | Self::PmixerPreNorm | Self::PmixerPostNorm => true,
            Self::Kang | Self::Recbole | Self::Ligr | Self::Morec => false,
        }
    }

    /// Whether padded positions have separate states after the first block, and row 0 of the
    /// position table belongs to padding.
    pub fn padding_evolves(self) -> bool {
        match self {
            Self::PmixerPreNorm | Self::PmixerPostNorm => true,
            Self::Allmrec | Self::Kang | Self::Recbole | Self::Ligr | Self::Morec => false,
        }
    }

    /// Whether row 0 of the position table is the newest item's.
    pub fn counts_back(self) -> bool {
        self == Self::Ligr
    }

    /// Whether a norm follows the last block.
    pub fn has_last_norm(self) -> bool {
        match self {
            Self::Allmrec | Self::Kang | Self::PmixerPreNorm | Self::PmixerPostNorm => true,
            Self::Recbole | Self::Ligr | Self::Morec => false,
        }
    }

    /// Name of the norm on the embeddings; `None` in forms without one.
    pub fn input_norm(self) -> Option<&'static str> {
        match self {
            Self::Recbole => Some("LayerNorm"),
            Self::Morec => Some("user_encoder.transformer_encoder.layer_norm"),
            Self::Allmrec
            | Self::Kang
            | Self::PmixerPreNorm
            | Self::PmixerPostNorm
            | Self::Ligr => None,
        }
    }

    /// Names of the item table and the position table.
    pub fn tables(self) -> [&'static str; 2] {
        match self {
            Self::Allmrec | Self::Kang | Self::PmixerPreNorm | Self::PmixerPostNorm => {
                ["item_emb.weight", "pos_emb.weight"]
            }
            Self::Recbole => ["item_embedding.weight", "position_embedding.weight"],
            Self::Ligr => [
                "item_model.item_net_blocks.0.ids_emb.weight",
                "pos_encoding_layer.pos_emb.weight",
            ],
            Self::Morec => [
                "id_embedding.weight",
                "user_encoder.transformer_encoder.position_embedding.weight",
            ],
        }
    }
}

/// Activations of the feed-forward layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// max(0, x).
    Relu,
    /// x Phi(x), with the error function (Hendrycks and Gimpel 2016).
    Gelu,
    /// x sigmoid(x), called `swish` as in RecBole.
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
