//! Settings of `evaluate`: what ranks the candidates.

use serde::{Deserialize, Serialize};

use super::{LlmRanking, PromptedLlm};
use crate::config::protocol::Part;
use crate::models::fusion::FusionRule;
use crate::models::llm_method::Inference;
use crate::models::scores::{Missing, ScoresForm, Unknown};

/// Settings of `evaluate`: needs `prepared` and `candidates`, and what its [`Ranking`] needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluate {
    /// The part of the split.
    pub part: Part,
    /// Whether the scores of candidates are written next to the ranks.
    pub keep_scores: bool,
    /// What ranks the candidates.
    pub ranking: Ranking,
}

/// What ranks the candidates of an evaluation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
// As with `Settings`, boxing is not worthwhile.
#[expect(clippy::large_enum_variant)]
pub enum Ranking {
    /// A CF model. Needs `backbone`.
    #[default]
    Cf,
    /// A language model.
    Llm(LlmRanking),
    /// Vectors of users and items that a language model makes. Needs `backbone`, `represent` and
    /// the needs of the language model.
    Vectors(VectorRanking),
    /// Scores from another program.
    Given(GivenScores),
    /// Vectors of texts. Needs `encoded`.
    Texts(TextRanking),
    /// Scores of other evaluations. Needs each of them, under the role [`source_role`].
    Fusion(FusionRanking),
}

impl Ranking {
    /// How the answers of a language model rank; `None` for everything else.
    pub fn llm(&self) -> Option<&LlmRanking> {
        match self {
            Ranking::Llm(ranking) => Some(ranking),
            Ranking::Cf
            | Ranking::Vectors(_)
            | Ranking::Given(_)
            | Ranking::Texts(_)
            | Ranking::Fusion(_) => None,
        }
    }

    /// The language model that the evaluation runs, with its prompt.
    pub fn prompted_llm(&self) -> Option<&PromptedLlm> {
        match self {
            Ranking::Llm(ranking) => Some(&ranking.llm),
            Ranking::Vectors(ranking) => Some(&ranking.llm),
            Ranking::Cf | Ranking::Given(_) | Ranking::Texts(_) | Ranking::Fusion(_) => None,
        }
    }

    /// Whether every candidate has a score. An answer of one title scores none.
    pub fn has_scores(&self) -> bool {
        let inference = self.llm().and_then(|by| by.inference.as_ref());
        inference.and_then(Inference::one_title).is_none()
    }

    /// Whether texts of items decide the order.
    pub fn reads_texts(&self) -> bool {
        match self {
            Ranking::Llm(_) | Ranking::Vectors(_) | Ranking::Texts(_) => true,
            Ranking::Cf | Ranking::Given(_) | Ranking::Fusion(_) => false,
        }
    }
}

/// How vectors of users and items rank: by their dot products.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VectorRanking {
    /// The language model, and the numbers of its prompt.
    pub llm: PromptedLlm,
    /// Maximum number of prompt tokens in a forward pass. A longer prompt is a forward pass alone.
    pub token_budget: usize,
}

/// How vectors of texts rank.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TextRanking {
    /// Number of last items of the history whose vectors are averaged; 0 is all items.
    pub last: usize,
}

/// How the scores of other evaluations are combined.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FusionRanking {
    /// The rule.
    pub by: FusionRule,
    /// Training interactions at which both models have the same weight; 0 is the mean of an item.
    pub pivot: f64,
}

/// The role of the evaluation with index `at` among those that a fusion combines.
pub fn source_role(at: usize) -> String {
    format!("source-{at}")
}

/// A file with scores for one part of the split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GivenScores {
    /// The file, as written in the spec. It is among the stage's inputs.
    pub file: String,
    /// Its form.
    pub form: ScoresForm,
    /// What happens to candidates without a score.
    pub missing: Missing,
    /// What happens to users and items that are not in the data set.
    pub unknown: Unknown,
}
