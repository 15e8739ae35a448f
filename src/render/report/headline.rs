//! The first words of the report: the answer in a sentence, and the figure that shows it.

use serde::Serialize;

use crate::analysis::headline::{Headline, Lead, Wanted, headline};
use crate::analysis::summary::SummaryQuery;
use crate::experiment::config::outputs::{Axis, Figure, FigureReads, Measured, Table};
use crate::render::table::comparison;
use crate::render::{Context, NamedFigure, RenderError, style};
use allround_core::data::Part;

/// The answer, in parts that the template escapes.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Answer {
    /// `SASRec`, or several names.
    best: String,
    /// ` has the highest Hit@1 on toys, overall: 0.5 (...).`
    rest: String,
    /// In how many columns it leads, where there are several.
    more: String,
}

/// Place of the figure that shows the answer: the first bar chart of test numbers, else the first
/// figure of test numbers, else the first.
pub fn main_figure(context: &Context, figures: &[NamedFigure]) -> Option<usize> {
    let spec = |figure: &NamedFigure| context.results.spec.figure.get(&figure.name);
    let is_tested = |figure: &Figure| match figure.reads() {
        FigureReads::Numbers(numbers) => numbers.split == Part::Test,
        FigureReads::Epochs { .. } => false,
    };
    let is_bars = |figure: &Figure| matches!(figure, Figure::Bars(_)) && is_tested(figure);
    let find = |wanted: &dyn Fn(&Figure) -> bool| {
        figures
            .iter()
            .position(|figure| spec(figure).is_some_and(wanted))
    };
    find(&is_bars)
        .or_else(|| find(&is_tested))
        .or((!figures.is_empty()).then_some(0))
}

/// The answer; `None` where nothing was measured.
///
/// # Errors
/// When the statistics cannot be computed.
pub fn answer(
    context: &Context,
    figure: Option<&NamedFigure>,
) -> Result<Option<Answer>, RenderError> {
    let figure = figure.and_then(|figure| context.results.spec.figure.get(&figure.name));
    let Some((query, wanted)) = main(context, figure) else {
        return Ok(None);
    };
    let table = context.summary(query)?;
    Ok(headline(&table, &wanted).map(|found| words(context, &found)))
}

/// What the answer is about: the numbers of the main figure, or of the first comparison table, or
/// of the first protocol. A table with the same numbers gives the tests, so that both agree.
fn main(context: &Context, figure: Option<&Figure>) -> Option<(SummaryQuery, Wanted)> {
    let spec = &context.results.spec;
    let tables = || {
        let queries = spec.tables().filter_map(|(_, table)| of_table(table));
        queries.filter(|query| query.part == Part::Test)
    };
    let first_metric = |query: &SummaryQuery| {
        let of_protocol = || spec.protocol.get(&query.protocol)?.metrics.first();
        query.metrics.first().or_else(of_protocol).copied()
    };
    let shown = match figure.map(Figure::reads) {
        Some(FigureReads::Numbers(numbers)) => Some(numbers),
        Some(FigureReads::Epochs { .. }) | None => None,
    };
    let query = match shown {
        Some(numbers) => tables()
            .find(|query| has(query, &numbers))
            .unwrap_or_else(|| of_figure(&numbers)),
        None => match tables().next() {
            Some(query) => query,
            None => SummaryQuery {
                protocol: spec.protocol.keys().next()?.clone(),
                ..SummaryQuery::default()
            },
        },
    };
    let only = |name: fn(&Measured<'_>) -> String| shown.as_ref().map(name).unwrap_or_default();
    let wanted = Wanted {
        metric: match &shown {
            Some(numbers) => numbers.metric,
            None => first_metric(&query)?,
        },
        dataset: only(|numbers| numbers.dataset.to_owned()),
        scenario: only(|numbers| numbers.scenario.to_owned()),
        baseline: query.baseline.clone(),
    };
    Some((query, wanted))
}

/// Whether a table has the numbers of a figure.
fn has(query: &SummaryQuery, numbers: &Measured<'_>) -> bool {
    let shows =
        |shown: &[String], name: &str| shown.is_empty() || shown.iter().any(|shown| shown == name);
    query.protocol == numbers.protocol
        && query.part == numbers.split
        && (query.metrics.is_empty() || query.metrics.contains(&numbers.metric))
        && (numbers.dataset.is_empty() || shows(&query.datasets, numbers.dataset))
        && (numbers.scenario.is_empty() || shows(&query.scenarios, numbers.scenario))
}

fn of_figure(numbers: &Measured<'_>) -> SummaryQuery {
    SummaryQuery {
        protocol: numbers.protocol.to_owned(),
        part: numbers.split,
        metrics: vec![numbers.metric],
        ..SummaryQuery::default()
    }
}

/// The numbers of a comparison table.
fn of_table(table: &Table) -> Option<SummaryQuery> {
    match table {
        Table::Comparison(settings) => Some(comparison::query(settings)),
        Table::Cost(_)
        | Table::Equal(_)
        | Table::Answers(_)
        | Table::Data(_)
        | Table::Lists(_)
        | Table::Search(_) => None,
    }
}

fn words(context: &Context, found: &Headline) -> Answer {
    let name = |model: &String| match context.stand_ins.of_model(model) {
        Some(stand_in) => format!(
            "{} ({})",
            context.label(Axis::Model, model),
            stand_in.short()
        ),
        None => context.label(Axis::Model, model).to_owned(),
    };
    let best: Vec<String> = found.best.iter().map(name).collect();
    let column = &found.column;
    let place = format!(
        "{}, {}",
        context.label(Axis::Dataset, &column.dataset),
        context.label(Axis::Scenario, &column.scenario)
    );
    let metric = column.metric.title();
    let verb = if best.len() == 1 { "has" } else { "have" };
    let interval = found.interval.map(|interval| {
        let (low, high) = (style::metric(interval.low), style::metric(interval.high));
        format!(" (95 % interval {low} to {high})")
    });
    let lead = found
        .lead
        .as_ref()
        .map(|lead| lead_words(lead, &name(&lead.over)));
    Answer {
        rest: format!(
            " {verb} the highest {metric} on {place}: {}{}{}.",
            style::metric(found.mean),
            interval.unwrap_or_default(),
            lead.unwrap_or_default()
        ),
        more: match found.columns {
            0 | 1 => String::new(),
            columns => format!(
                "Highest in {} of {columns} combinations of data set and scenario.",
                found.columns_led
            ),
        },
        best: style::list(&best),
    }
}

/// `, 0.07 above GRU4Rec, the second best (significant)`.
fn lead_words(lead: &Lead, over: &str) -> String {
    let role = if lead.is_baseline {
        "baseline"
    } else {
        "second best"
    };
    let test = match lead.is_significant {
        Some(true) => " (significant)",
        Some(false) => " (not significant)",
        None => "",
    };
    let difference = style::metric(lead.difference);
    format!(", {difference} above {over}, the {role}{test}")
}
