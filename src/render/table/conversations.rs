//! Questions about genres with their answers, of a few users of each model.

use super::{Cell, Grid, Head, Row};
use crate::experiment::config::outputs::Axis;
use crate::render::Context;
use crate::results::{self, CellRow, ConversationRow};
use allround_core::config::protocol::Candidates;
use allround_core::data::Part;

/// What the report shows: a table for each protocol that is a question about genres, with the first
/// seed of every cell. A file that is missing or damaged has no rows.
pub(in crate::render) fn defaults(context: &Context) -> Vec<Grid> {
    let protocols = context.results.spec.protocol.iter();
    let questions =
        protocols.filter(|(_, it)| matches!(it.candidates, Candidates::FavouriteGenre(_)));
    let grids = questions.map(|(name, _)| grid(context, name).marked(context));
    grids.filter(|grid| !grid.rows.is_empty()).collect()
}

fn grid(context: &Context, protocol: &str) -> Grid {
    let results = &context.results;
    let first = results.spec.seeds.first().copied().unwrap_or_default();
    let mut cells: Vec<&CellRow> = results.cells.values().collect();
    cells.retain(|cell| cell.seed == first);
    cells.sort_by_key(|cell| {
        (
            results.place(Axis::Dataset, &cell.dataset),
            results.place(Axis::Scenario, &cell.scenario),
            results.position(&cell.name),
        )
    });
    let conversations = cells.into_iter().flat_map(|cell| {
        let split = Part::Test.name();
        let path = results::conversations::path(&results.folder, &cell.cell, protocol, split);
        let rows = results::conversations::read(&path).unwrap_or_default();
        rows.into_iter().map(move |row| (cell, row))
    });
    let conversations: Vec<(&CellRow, ConversationRow)> = conversations.collect();
    let row = |(cell, row): &(&CellRow, ConversationRow)| {
        let mark = match (row.correct, row.valid) {
            (true, _) => "correct",
            (false, true) => "wrong",
            (false, false) => "not valid",
        };
        let texts = [
            row.user.as_str(),
            row.prompt.as_str(),
            row.answer.as_str(),
            row.favourite.as_str(),
            mark,
        ];
        Row::of_model(context, &cell.name, texts.map(Cell::text).to_vec())
    };
    Grid {
        title: format!("Conversations: {protocol}"),
        notes: vec![format!(
            "The first measured users, seed {first}. Places of vectors are in brackets. All numbers: metrics.csv, protocol {protocol}."
        )],
        header: vec![
            ["Model", "User", "Prompt", "Answer", "Favourite", ""]
                .map(Head::text)
                .to_vec(),
        ],
        rows: conversations.iter().map(row).collect(),
        ..Grid::default()
    }
}
