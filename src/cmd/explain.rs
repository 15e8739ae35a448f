//! `allround explain`: one user of a results folder: history, candidates with their scores, prompts
//! and answers.

use std::collections::BTreeMap;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::kept::Kept;
use super::{Exit, advise, print};
use crate::cli::{Common, Explain, ExplainFormat};
use crate::plan::{Cell, Measure};
use crate::render::style;
use allround_core::data::candidates::in_prompt;
use allround_core::data::{Answers, CandidateLists, Genres, Part, Prepared, Ranks, Scores, scores};
use allround_core::models::llm_method::ItemEmbedding;
use allround_core::stage::{LlmRanking, Settings};
use allround_core::text::Titles;
use allround_core::text::prompt::{self, Vectors};

/// Most candidates of a full ranking that are printed, besides the target.
const MOST: usize = 20;

/// One user, and what each model did with it.
#[derive(Debug, Serialize)]
struct Case {
    dataset: String,
    scenario: String,
    protocol: String,
    split: String,
    seed: u64,
    user: String,
    target: ItemText,
    /// What models may read, the oldest first.
    history: Vec<ItemText>,
    candidates: Vec<Candidate>,
    /// Whether there are more candidates than these.
    is_cut: bool,
    models: Vec<Verdict>,
}

/// An item.
#[derive(Clone, Debug, Serialize)]
struct ItemText {
    item: String,
    title: Option<String>,
}

/// A candidate with the score of each model that has one, by model.
#[derive(Debug, Serialize)]
struct Candidate {
    #[serde(flatten)]
    item: ItemText,
    target: bool,
    scores: BTreeMap<String, f64>,
}

/// What a model did.
#[derive(Debug, Serialize)]
struct Verdict {
    model: String,
    /// The rank of the target.
    rank: f64,
    /// The prompt as text, with places of vectors in brackets; `None` for models without one.
    prompt: Option<String>,
    /// The generated answer; `None` where none is generated.
    answer: Option<String>,
    /// What was read from the answer.
    extracted: Option<String>,
}

/// Prints a user.
pub(crate) fn run(arguments: &Explain, common: &Common) -> anyhow::Result<Exit> {
    let kept = Kept::of(&arguments.results, common)?;
    let measured = Measured::chosen(&kept, arguments)?;
    let case = measured.case(&arguments.user)?;
    match arguments.format {
        ExplainFormat::Text => print(&text(&case))?,
        ExplainFormat::Json => print(&format!("{}\n", serde_json::to_string_pretty(&case)?))?,
    }
    Ok(Exit::Success)
}

/// The cells of one data set, scenario and seed under one protocol: one for each model.
struct Measured<'a> {
    kept: &'a Kept,
    cells: Vec<(&'a Cell, &'a Measure)>,
    part: Part,
}

impl<'a> Measured<'a> {
    /// The first data set, scenario, protocol and seed that pass the filters, with all their models
    /// that do.
    fn chosen(kept: &'a Kept, arguments: &Explain) -> anyhow::Result<Self> {
        let part = arguments.split.part();
        let is_named = |filter: &Option<String>, name: &str| {
            filter.as_ref().is_none_or(|filter| filter == name)
        };
        let mut cells: Vec<(&Cell, &Measure)> = Vec::new();
        for cell in &kept.plan.cells {
            for measure in &cell.measures {
                let is_meant = is_named(&arguments.dataset, &cell.dataset)
                    && is_named(&arguments.scenario, &cell.scenario)
                    && is_named(&arguments.protocol, &measure.name)
                    && arguments.seed.is_none_or(|seed| seed == cell.seed)
                    && (arguments.models.is_empty()
                        || arguments
                            .models
                            .iter()
                            .any(|name| name == cell.shown_name()))
                    && measure.part == part;
                let is_alike = cells.first().is_none_or(|(first, other)| {
                    (&first.dataset, &first.scenario, first.seed)
                        == (&cell.dataset, &cell.scenario, cell.seed)
                        && other.name == measure.name
                });
                if is_meant && is_alike {
                    cells.push((cell, measure));
                }
            }
        }
        match cells.is_empty() {
            true => Err(advise(
                format!(
                    "no measured cell of `{}` matches these options",
                    arguments.results.display()
                ),
                "`allround show RESULTS` lists data sets, scenarios, models, protocols and splits",
            )),
            false => Ok(Measured { kept, cells, part }),
        }
    }

    fn case(&self, user: &str) -> anyhow::Result<Case> {
        let (first, measure) = self.cells[0];
        let prepared = Prepared::load(&self.kept.folder(first.prepared)?)?;
        let Some(number) = prepared.users.iter().position(|id| id == user) else {
            let examples: Vec<String> = prepared.users.iter().take(3).cloned().collect();
            return Err(advise(
                format!("data set `{}` has no user `{user}`", first.dataset),
                format!(
                    "ids are those of the source, such as {}; filters may have dropped this user",
                    style::list(&examples)
                ),
            ));
        };
        let lists = CandidateLists::load(&self.kept.folder(measure.candidates)?, self.part)?;
        let is_genre = |item: &u32| *item as usize > prepared.n_items();
        let prepared = match lists.targets.iter().any(is_genre) {
            true => Genres::of(&prepared).after_items(&prepared),
            false => prepared,
        };
        let place = lists.users.iter().position(|&it| it as usize == number);
        let Some(place) = place else {
            return Err(advise(
                format!(
                    "user `{user}` is not measured under protocol `{}`: {}",
                    measure.name,
                    match self.part.target_at(&prepared, number) {
                        Some(_) => "the protocol draws other users",
                        None => "there is no target in this part of the split",
                    }
                ),
                "`allround export RESULTS --ranks` lists the measured users",
            ));
        };
        let reader = Reader {
            kept: self.kept,
            prepared: &prepared,
            lists: &lists,
            place,
        };
        let mut models = Vec::new();
        let mut scored = BTreeMap::new();
        for (cell, measure) in &self.cells {
            models.push(reader.verdict(cell, measure)?);
            if let Some(row) = reader.scores(measure)? {
                scored.insert(cell.shown_name().to_owned(), row);
            }
        }
        let (candidates, is_cut) = reader.candidates(&scored);
        let history = prepared.history(number, self.part);
        Ok(Case {
            dataset: first.dataset.clone(),
            scenario: first.scenario.clone(),
            protocol: measure.name.clone(),
            split: self.part.name().to_owned(),
            seed: first.seed,
            user: user.to_owned(),
            target: reader.item(lists.targets[place]),
            history: history.iter().map(|&item| reader.item(item)).collect(),
            candidates,
            is_cut,
            models,
        })
    }
}

/// Reads one user's part of the artefacts.
struct Reader<'a> {
    kept: &'a Kept,
    prepared: &'a Prepared,
    lists: &'a CandidateLists,
    /// Index of the user in the lists.
    place: usize,
}

impl Reader<'_> {
    fn user(&self) -> u32 {
        self.lists.users[self.place]
    }

    fn item(&self, item: u32) -> ItemText {
        let item = &self.prepared.items[item as usize - 1];
        ItemText {
            item: item.id.clone(),
            title: item.title.clone(),
        }
    }

    /// The model's scores of the user's candidates; `None` where none were kept.
    fn scores(&self, measure: &Measure) -> anyhow::Result<Option<BTreeMap<u32, f64>>> {
        let folder = self.kept.folder(measure.evaluate)?;
        let Some(scores) = Scores::load(&folder, measure.part)? else {
            return Ok(None);
        };
        let place = scores.users.iter().position(|&user| user == self.user());
        let row = place.map(|place| scores.row(place).map(|it| (it.item, it.score)).collect());
        Ok(row)
    }

    /// The candidates by descending score of the first model that has scores. Of a full ranking,
    /// those that a model has among its best.
    fn candidates(&self, scored: &BTreeMap<String, BTreeMap<u32, f64>>) -> (Vec<Candidate>, bool) {
        let target = self.lists.targets[self.place];
        let mut items = scores::candidates(self.lists, self.prepared, self.place);
        items.sort_unstable();
        items.dedup();
        let all = items.len();
        if self.lists.n.is_none() && all > MOST {
            let mut best = std::collections::BTreeSet::from([target]);
            for row in scored.values() {
                let mut row: Vec<(&u32, &f64)> = row.iter().collect();
                row.sort_by(|one, other| other.1.total_cmp(one.1));
                best.extend(row.iter().take(MOST).map(|(item, _)| **item));
            }
            items.retain(|item| best.contains(item));
        }
        if let Some(first) = scored.values().next() {
            let score = |item: &u32| first.get(item).copied().unwrap_or(f64::NEG_INFINITY);
            items.sort_by(|one, other| score(other).total_cmp(&score(one)));
        }
        let candidate = |&item: &u32| Candidate {
            item: self.item(item),
            target: item == target,
            scores: scored
                .iter()
                .filter_map(|(model, row)| Some((model.clone(), *row.get(&item)?)))
                .collect(),
        };
        (items.iter().map(candidate).collect(), items.len() < all)
    }

    fn verdict(&self, cell: &Cell, measure: &Measure) -> anyhow::Result<Verdict> {
        let folder = self.kept.folder(measure.evaluate)?;
        let ranks = Ranks::load(&folder, measure.part)?;
        let place = ranks.users.iter().position(|&user| user == self.user());
        let rank = place.map_or(f64::NAN, |place| ranks.ranks[place]);
        let answers = Answers::load(&folder, measure.part)?;
        let answer = answers.and_then(|answers| {
            let mut rows = answers.rows.into_iter();
            rows.find(|row| row.user == self.user())
        });
        let settings = &self.kept.plan.graph.nodes[measure.evaluate].stage.settings;
        let ranking = match settings {
            Settings::Evaluate(evaluate) => evaluate.ranking.llm(),
            _ => None,
        };
        Ok(Verdict {
            model: cell.shown_name().to_owned(),
            rank,
            prompt: ranking.map(|ranking| self.prompt(ranking)),
            extracted: answer.as_ref().map(|row| row.extracted.clone()),
            answer: answer.map(|row| row.raw),
        })
    }

    /// The first prompt of the user.
    fn prompt(&self, ranking: &LlmRanking) -> String {
        let titles = Titles::new(&self.prepared.items);
        let mut settings = ranking.llm.prompt.clone();
        if ranking.genres {
            settings.template = Genres::of(self.prepared).fill(&settings.template);
        }
        let settings = &settings;
        let history = self.prepared.history(self.user() as usize, self.lists.part);
        let pieces = match &ranking.inference {
            Some(_) => {
                let vectors = Vectors {
                    user: ranking.llm.user,
                    item: ranking.llm.item != ItemEmbedding::None,
                };
                let order = in_prompt(self.lists, self.place, ranking.seed, 0);
                prompt::render(settings, vectors, &history, &order, &titles)
            }
            None => {
                let target = self.lists.targets[self.place];
                prompt::render_yes_no(settings, &history, target, &titles)
            }
        };
        prompt::shown(&pieces, &|item| self.item(item).item)
    }
}

fn text(case: &Case) -> String {
    let Case {
        dataset,
        scenario,
        protocol,
        split,
        seed,
        user,
        ..
    } = case;
    let mut text = format!(
        "user {user}: data set {dataset}, scenario {scenario}, protocol {protocol}, {split}, seed {seed}\n"
    );
    let n = style::counted(case.history.len(), "item");
    text.push_str(&format!("\nHistory, {n}, the oldest first:\n"));
    for (at, item) in case.history.iter().enumerate() {
        text.push_str(&format!("  {:>3}  {}\n", at + 1, shown(item)));
    }
    text.push_str(&format!("\nTarget: {}\n", shown(&case.target)));
    text.push_str(&format!(
        "\nCandidates and scores (* the target):\n{}\n",
        table(case)
    ));
    if case.is_cut {
        text.push_str("Full ranking: the best of each model and the target.\n");
    }
    text.push_str("\nRank of the target:\n");
    for verdict in &case.models {
        text.push_str(&format!("  {}: {}\n", verdict.model, verdict.rank));
    }
    for verdict in &case.models {
        if let Some(prompt) = &verdict.prompt {
            text.push_str(&format!("\nPrompt of {}:\n{prompt}\n", verdict.model));
        }
        if let Some(answer) = &verdict.answer {
            text.push_str(&format!("\nAnswer of {}:\n{answer}\n", verdict.model));
        }
        if let Some(extracted) = &verdict.extracted {
            text.push_str(&format!("Read from it: {extracted}\n"));
        }
    }
    text
}

fn shown(item: &ItemText) -> String {
    match &item.title {
        Some(title) => format!("{}  {title}", item.item),
        None => item.item.clone(),
    }
}

fn table(case: &Case) -> String {
    let mut models: Vec<&String> = case.models.iter().map(|verdict| &verdict.model).collect();
    models.retain(|model| {
        let mut all = case.candidates.iter();
        all.any(|candidate| candidate.scores.contains_key(*model))
    });
    let mut table = Table::new();
    let fixed = ["", "item", "title"].map(str::to_owned);
    let header = fixed
        .into_iter()
        .chain(models.iter().map(|model| (*model).clone()));
    table.load_style(presets::NOTHING).set_header(header);
    for candidate in &case.candidates {
        let mark = if candidate.target { "*" } else { "" };
        let title = candidate.item.title.clone().unwrap_or_default();
        let score = |model: &&String| {
            let score = candidate.scores.get(*model);
            score.map_or_else(|| style::UNKNOWN.to_owned(), |score| format!("{score:.4}"))
        };
        let fixed = [mark.to_owned(), candidate.item.item.clone(), title];
        table.add_row(fixed.into_iter().chain(models.iter().map(score)));
    }
    for at in 3..3 + models.len() {
        if let Some(column) = table.column_mut(at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}
