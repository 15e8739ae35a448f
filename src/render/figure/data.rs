//! What figures share in reading results.

use allround_core::config::protocol::Protocol;
use allround_core::data::Part;
use allround_core::metric::Metric;

use super::Series;
use crate::analysis::summary::{Summary, SummaryQuery, SummaryTable};
use crate::experiment::config::outputs::Measured;
use crate::render::{Context, RenderError};

/// What a uniformly random ranking gets on average; `None` when the number of candidates is not in the spec.
pub fn chance(protocol: &Protocol, metric: Metric) -> Option<f64> {
    let n = protocol.candidates.n()?;
    let ranks: Vec<f64> = (1..=n + 1).map(|rank| rank as f64).collect();
    metric.mean(&ranks)
}

/// A name with what the model's language model is, where it is a stand-in.
pub(super) fn shown(context: &Context, model: &str, name: &str) -> String {
    match context.stand_ins.of_model(model) {
        Some(stand_in) => format!("{name} ({})", stand_in.short()),
        None => name.to_owned(),
    }
}

/// A model as a figure shows it.
pub(super) fn series(context: &Context, model: &str) -> Series {
    Series {
        name: shown(context, model, model),
        position: context.results.position(model),
        colour: context.colour(model),
    }
}

/// What a figure's values are called: the metric, and the split where it is not the test.
pub(super) fn axis_of(numbers: &Measured<'_>) -> String {
    let metric = numbers.metric;
    match numbers.split {
        Part::Test => metric.to_string(),
        Part::Valid => format!("{metric} (validation)"),
    }
}

/// `[name]`, or nothing for "all".
fn only(name: &str) -> Vec<String> {
    if name.is_empty() {
        Vec::new()
    } else {
        vec![name.to_owned()]
    }
}

/// The table of the numbers that a figure shows.
pub(super) fn summarize(
    context: &Context,
    numbers: &Measured<'_>,
) -> Result<SummaryTable, RenderError> {
    context.summary(SummaryQuery {
        protocol: numbers.protocol.to_owned(),
        part: numbers.split,
        metrics: vec![numbers.metric],
        datasets: only(numbers.dataset),
        scenarios: only(numbers.scenario),
        ..SummaryQuery::default()
    })
}

/// The ends of an interval.
pub(super) fn interval(summary: &Summary) -> Option<(f64, f64)> {
    summary
        .interval
        .map(|interval| (interval.low, interval.high))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::fixture;

    #[test]
    fn figures_say_which_models_have_random_weights() {
        let folder = fixture::results();
        fixture::write_spec(
            folder.path(),
            "[llm.opt.random]\nshape = \"opt-1.3b\"\ntokenizer = \"assets/small-lm\"\n\
             [model.llm-only.llm_only]\nllm = \"opt\"\n",
        );
        let context = Context::read(folder.path()).unwrap();
        let name = |model: &str| series(&context, model).name;
        assert_eq!(name("llm-only"), "llm-only (random weights)");
        assert_eq!(name("sasrec"), "sasrec");
    }
}
