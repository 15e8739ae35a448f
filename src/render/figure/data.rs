//! What figures share in reading results.

use allround_core::config::protocol::Protocol;
use allround_core::data::Part;
use allround_core::metric::Metric;

use super::{Name, Series};
use crate::analysis::summary::{Summary, SummaryQuery, SummaryTable};
use crate::experiment::config::outputs::{Axis, Measured};
use crate::render::{Context, RenderError};

/// What a uniformly random ranking gets on average; `None` when the number of candidates is not in
/// the spec.
pub fn chance(protocol: &Protocol, metric: Metric) -> Option<f64> {
    let n = protocol.candidates.n()?;
    let ranks: Vec<f64> = (1..=n + 1).map(|rank| rank as f64).collect();
    metric.mean(&ranks)
}

/// A name of a model with what its language model is, where that is a stand-in. `stage` follows the
/// model's name where the model has several curves.
pub(super) fn model_name(context: &Context, model: &str, stage: &str) -> Name {
    let suffix = match context.stand_ins.of_model(model) {
        Some(stand_in) => format!("{stage} ({})", stand_in.short()),
        None => stage.to_owned(),
    };
    Name {
        plain: format!("{model}{suffix}"),
        label: format!("{}{suffix}", context.label(Axis::Model, model)),
    }
}

/// A model as a figure shows it.
pub(super) fn series(context: &Context, model: &str) -> Series {
    Series {
        name: model_name(context, model, ""),
        position: context.results.position(model),
        hue: context.hue(model),
    }
}

/// The name of a data set or scenario.
pub(super) fn name(context: &Context, axis: Axis, name: &str) -> Name {
    Name {
        plain: name.to_owned(),
        label: context.label(axis, name).to_owned(),
    }
}

/// What a figure's values are called: the metric, and the split where it is not the test.
pub(super) fn axis_of(numbers: &Measured<'_>) -> String {
    let metric = numbers.metric.title();
    match numbers.split {
        Part::Test => metric,
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
        let name = |model: &str| series(&context, model).name.plain;
        assert_eq!(name("llm-only"), "llm-only (random weights)");
        assert_eq!(name("sasrec"), "sasrec");
    }
}
