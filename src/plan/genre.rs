//! The question about favourite genres: the stages of a model, with another prompt.

use allround_core::config::protocol::{Candidates, FavouriteGenre, GenreAnswer};
use allround_core::models::Model;
use allround_core::models::llm_method::{Accept, Inference};
use allround_core::stage::{GenreRule, LlmRanking, Ranking};

use super::method::ModelStages;

/// What answers the question of a protocol; `None` for protocols that rank items, and for models
/// with neither a language model nor a rule.
pub(super) fn question(
    candidates: &Candidates,
    model: &Model,
    stages: &ModelStages,
) -> Option<ModelStages> {
    let Candidates::FavouriteGenre(question) = candidates else {
        return None;
    };
    if let Some(rule) = GenreRule::of(model) {
        return Some(ModelStages {
            ranking: Ranking::Genres(rule),
            ..ModelStages::default()
        });
    }
    let ranking = stages.ranking.llm()?;
    Some(ModelStages {
        ranking: Ranking::Llm(ranking_of(question, ranking)),
        ..stages.clone()
    })
}

/// The model's ranking with the prompt and the answer of the question. Its form of training has no
/// effect: yes-or-no models give the same answers.
fn ranking_of(question: &FavouriteGenre, ranking: &LlmRanking) -> LlmRanking {
    let mut posed = ranking.clone();
    posed.llm.prompt.template.clone_from(&question.template);
    posed.llm.prompt.list = false;
    posed.genres = true;
    posed.inference = Some(match question.answer {
        GenreAnswer::Likelihood => Inference::Score {
            by: question.by,
            orders: 1,
        },
        GenreAnswer::Text => Inference::Generate {
            max_new_tokens: question.max_new_tokens,
            repetition_penalty: 1.0,
            penalise_eos: false,
            stop_at_quote: false,
            accept: Accept::Alone,
        },
    });
    posed
}
