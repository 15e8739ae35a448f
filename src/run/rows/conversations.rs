//! Questions about genres with their answers, of the first measured users of a cell.

use super::RowSource;
use crate::plan::{Measure, Settings};
use crate::results::ConversationRow;
use allround_core::config::protocol::{Candidates, FavouriteGenre};
use allround_core::data::candidates::in_prompt;
use allround_core::data::{Answers, CandidateLists, DataError, Genres, Prepared, Ranks, Scores};
use allround_core::models::llm_method::ItemEmbedding;
use allround_core::stage::LlmRanking;
use allround_core::text::{Titles, Vectors, prompt};

impl RowSource<'_> {
    /// The question about genres, where the protocol is one.
    pub(super) fn question(&self, measure: &Measure) -> Option<&FavouriteGenre> {
        match &self.spec.protocol[&measure.name].candidates {
            Candidates::FavouriteGenre(question) => Some(question),
            Candidates::Full { .. }
            | Candidates::Uniform { .. }
            | Candidates::Popularity { .. }
            | Candidates::File(_) => None,
        }
    }

    /// The conversations of the first `count` users with `mask`. `data` has the genres after its
    /// items.
    pub(super) fn conversations(
        &self,
        measure: &Measure,
        (data, mask): (&Prepared, &[bool]),
        count: usize,
    ) -> Result<Vec<ConversationRow>, DataError> {
        let nodes = &self.plan.graph.nodes;
        let node = &nodes[measure.evaluate];
        let ranking = match &node.stage.settings {
            Settings::Evaluate(evaluate) => evaluate.ranking.llm(),
            _ => None,
        };
        let Some(ranking) = ranking else {
            return Ok(Vec::new());
        };
        let lists = CandidateLists::load(&self.folder(&nodes[measure.candidates]), measure.part)?;
        let folder = self.folder(node);
        let read = Read {
            ranks: Ranks::load(&folder, measure.part)?,
            answers: Answers::load(&folder, measure.part)?,
            scores: Scores::load(&folder, measure.part)?,
        };
        let titles = Titles::new(&data.items);
        let users = lists.users.iter().enumerate();
        let chosen = users.filter(|(_, user)| mask[**user as usize]).take(count);
        let row = |(place, &user): (usize, &u32)| {
            let favourite = data.items[lists.targets[place] as usize - 1].id.clone();
            let (answer, valid, correct) = read.answer(place, data);
            ConversationRow {
                user: data.users[user as usize].clone(),
                prompt: shown(ranking, data, &lists, (place, &titles)),
                answer,
                favourite,
                valid,
                correct,
            }
        };
        Ok(chosen.map(row).collect())
    }
}

/// What an evaluation left.
struct Read {
    ranks: Ranks,
    answers: Option<Answers>,
    scores: Option<Scores>,
}

impl Read {
    /// The answer to the user at `place` of the lists, whether it is valid, and whether it is
    /// correct.
    fn answer(&self, place: usize, data: &Prepared) -> (String, bool, bool) {
        let correct = self.ranks.ranks[place] < 1.5;
        if let Some(row) = self.answers.as_ref().and_then(|all| all.rows.get(place)) {
            return (row.raw.clone(), row.valid, correct);
        }
        // Scores are in descending order.
        let best = self.scores.as_ref().and_then(|all| all.row(place).next());
        let name = best.map(|best| data.items[best.item as usize - 1].id.clone());
        (name.unwrap_or_default(), best.is_some(), correct)
    }
}

/// The prompt of the user at a place of the lists.
fn shown(
    ranking: &LlmRanking,
    data: &Prepared,
    lists: &CandidateLists,
    (place, titles): (usize, &Titles),
) -> String {
    let mut settings = ranking.llm.prompt.clone();
    settings.template = Genres::of(data).fill(&settings.template);
    let vectors = Vectors {
        user: ranking.llm.user,
        item: ranking.llm.item != ItemEmbedding::None,
    };
    let history = data.history(lists.users[place] as usize, lists.part);
    let order = in_prompt(lists, place, ranking.seed, 0);
    let pieces = prompt::render(&settings, vectors, &history, &order, titles);
    prompt::shown(&pieces, &|item| data.items[item as usize - 1].id.clone())
}
