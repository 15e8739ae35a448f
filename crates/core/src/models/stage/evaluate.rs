//! Settings of `evaluate`: what ranks the candidates.

use serde::{Deserialize, Serialize};

use super::{LlmRanking, PromptedLlm};
use crate::config::protocol::Part;
use crate::models::Model;
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
    /// A rule that answers the question about favourite genres.
    Genres(GenreRule),
}

/// A rule that ranks the genres of the data set without a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GenreRule {
    /// By the number of training interactions with items of the genre.
    Majority,
    /// By the number of items of the genre in the user's history. Of equal genres the one that
    /// occurs last is first.
    History,
}

impl GenreRule {
    /// The rule that `model` becomes when the question is about genres.
    pub fn of(model: &Model) -> Option<Self> {
        if matches!(model, Model::Popularity(_)) {
            return Some(Self::Majority);
        }
        matches!(model, Model::Repeat(_)).then_some(Self::History)
    }
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
            | Ranking::Fusion(_)
            | Ranking::Genres(_) => None,
        }
    }

    /// The language model that the evaluation runs, with its prompt.
    pub fn prompted_llm(&self) -> Option<&PromptedLlm> {
        match self {
            Ranking::Llm(ranking) => Some(&ranking.llm),
            Ranking::Vectors(ranking) => Some(&ranking.llm),
            Ranking::Cf
            | Ranking::Given(_)
            | Ranking::Texts(_)
            | Ranking::Fusion(_)
            | Ranking::Genres(_) => None,
        }
    }

    /// Whether every candidate has a score. An answer of one title scores none.
    pub fn has_scores(&self) -> bool {
        let inference = self.llm().and_then(|by| by.inference.as_ref());
        let is_rule = matches!(self, Ranking::Genres(_));
        !is_rule && inference.and_then(Inference::one_title).is_none()
    }

    /// Whether texts of items decide the order.
    pub fn reads_texts(&self) -> bool {
        match self {
            Ranking::Llm(_) | Ranking::Vectors(_) | Ranking::Texts(_) => true,
            Ranking::Cf | Ranking::Given(_) | Ranking::Fusion(_) | Ranking::Genres(_) => false,
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
