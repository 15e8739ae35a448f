//! Models and variants: settings that contradict each other.

use std::path::Path;

use super::answer::train_of;
use super::data::{cut_off, is_there, sizes};
use super::weights;
use super::{Check, protocol};
use crate::experiment::fault::Fault;
use crate::experiment::shape::either;
use crate::experiment::variant::nested;
use crate::experiment::written::Node;
use allround_core::config::Model;
use allround_core::config::model::{PaddingSide, Sasrec, SasrecForm};
use allround_core::config::protocol::Part;
use allround_core::config::train::{Loss, Optimizer, Sequences, Stop, Train};

pub(super) fn check(check: &mut Check<'_>, base: &Path) {
    let spec = check.spec;
    for (name, model) in &spec.model {
        let path = ["model", name, model.kind()];
        one(check, model, &path);
        early(check, name, model, &path);
        imported(check, model, &path, base);
        given(check, name, model, &path, base);
        let tables = written(check, name, model);
        stated(check, model, &path, &tables);
        untrained(check, &tables);
    }
    let known = check.names("model");
    for (name, variant) in &spec.variant {
        let is_known = check.known("model", &variant.of, &known, &["variant", name, "of"]);
        let path = ["variant", name.as_str(), "set"];
        let lost = check.layers.iter().any(|layer| {
            layer
                .at(&path)
                .and_then(Node::table)
                .is_some_and(|set| !set.is_empty())
        });
        if is_known && variant.set.is_empty() && !lost {
            let place = check.place(&["variant", name]);
            check.push(
                Fault::at(place, format!("variant `{name}` changes nothing"))
                    .label("expected `set` with at least one key")
                    .hint("for example `set = { dropout = 0.0 }`"),
            );
        }
        if let Some(model) = &variant.resolved {
            let path = ["variant", name, "resolved", model.kind()];
            one(check, model, &path);
            // What it has of its model is told of that.
            let stop = |model: &Model| train_of(model).map(|train| train.stop.clone());
            if spec.model.get(&variant.of).and_then(stop) != stop(model) {
                early(check, name, model, &path);
            }
            imported(check, model, &path, base);
            given(check, name, model, &path, base);
            let sets = check
                .layers
                .iter()
                .filter_map(|layer| layer.at(&["variant", name, "set"]));
            let mut tables: Vec<Node> = sets.map(nested).collect();
            tables.extend(written(check, &variant.of, model));
            stated(check, model, &path, &tables);
            untrained(check, &tables);
        }
    }
}

/// More candidates to stop early by than there are items.
fn early(check: &mut Check<'_>, name: &str, model: &Model, path: &[&str]) {
    if let Some(Stop::Early { candidates, .. }) = train_of(model).map(|train| &train.stop) {
        let ranked_by = format!("the early stopping of `{name}`");
        let path = [path, &["train", "stop", "early"]].concat();
        sizes(check, &ranked_by, candidates, &path);
    }
}

/// The tables that are written of a model, the strongest first.
fn written(check: &Check<'_>, name: &str, model: &Model) -> Vec<Node> {
    let path = ["model", name, model.kind()];
    let tables = check.layers.iter().filter_map(|layer| layer.at(&path));
    tables.cloned().collect()
}

/// The file of weights must be there and fit, and so must what it is verified with.
fn imported(check: &mut Check<'_>, model: &Model, path: &[&str], base: &Path) {
    if let Some(file) = model.weights() {
        let path = [path, &["weights"]].concat();
        if is_there(check, file, (base, false), &path) {
            let place = check.place(&path);
            weights::file(check, model, place, base, file);
        }
    }
    if let Some(file) = model.weights_check() {
        let path = [path, &["weights_check"]].concat();
        is_there(check, file, (base, false), &path);
        if model.weights().is_none() {
            let place = check.place(&path);
            check.push(
                Fault::at(
                    place,
                    "`weights_check` verifies imported weights, and there are none",
                )
                .label("has no effect")
                .hint("add `weights`, or remove `weights_check`"),
            );
        }
    }
}

/// Files of several forms of SASRec have the same names and shapes, so that the form must be written, not left to a preset.
fn stated(check: &mut Check<'_>, model: &Model, path: &[&str], tables: &[Node]) {
    let Model::Sasrec(sasrec) = model else {
        return;
    };
    let says = |table: &Node| table.get("form").is_some();
    if sasrec.weights.is_none() || tables.iter().any(says) {
        return;
    }
    let place = place(check, path, "weights");
    let forms = SasrecForm::ALL.map(|form| format!("form = \"{}\"", form.name()));
    check.push(
        Fault::at(place, "`weights` of a `sasrec` need `form` next to them")
            .label("which network were they trained in?")
            .hint(format!(
                "several networks have these names and shapes and give other scores: write {}; docs/WEIGHTS.md says which code \
                 computes which, and `weights_check` verifies it",
                either(&forms.each_ref().map(String::as_str))
            )),
    );
}

/// The files of scores must be there, one for every part of the split that is measured.
fn given(check: &mut Check<'_>, name: &str, model: &Model, path: &[&str], base: &Path) {
    let Model::Scores(scores) = model else {
        return;
    };
    is_there(
        check,
        &scores.file,
        (base, false),
        &[path, &["file"]].concat(),
    );
    if !scores.valid.is_empty() {
        is_there(
            check,
            &scores.valid,
            (base, false),
            &[path, &["valid"]].concat(),
        );
        return;
    }
    for (protocol, settings) in &check.spec.protocol {
        if settings.splits.contains(&Part::Valid) {
            let place = check.place(&["protocol", protocol, "splits"]);
            let related = check.place(path);
            let message = format!(
                "protocol `{protocol}` measures validation, and `{name}` has no scores of it"
            );
            check.push(
                Fault::at(place, message)
                    .label("validation is measured here")
                    .related(related, "scores of the test alone")
                    .hint("name the file of validation scores: `valid = \"...\"`, or measure the test alone"),
            );
        }
    }
}

/// Settings of a training that never happens: those that are written where `weights` is, or over it. Those below it are
/// of the model that a variant or a flag gives weights to.
fn untrained(check: &mut Check<'_>, tables: &[Node]) {
    let found = tables.iter().enumerate();
    let mut found = found.filter_map(|(at, table)| Some((at, table.get("weights")?)));
    let Some((last, weights)) = found.next() else {
        return;
    };
    for table in &tables[..=last] {
        for field in ["loss", "train"] {
            let Some(entry) = table.table().and_then(|table| table.get(field)) else {
                continue;
            };
            let message = format!("`{field}` is for training, and `weights` are imported instead");
            check.push(
                Fault::at(entry.key, message)
                    .label("has no effect")
                    .related(weights.place, "imported here")
                    .hint(format!(
                        "remove `{field}`, or remove `weights` to train the model"
                    )),
            );
        }
    }
}

/// Messages name no model: a fault that a variant has from its model stands at the same place and is said once.
fn one(check: &mut Check<'_>, model: &Model, path: &[&str]) {
    match model {
        Model::Sasrec(m) => {
            sasrec(check, m, path);
            trained(check, &m.loss, &m.train, path);
            windows(check, &m.train, m.maxlen, path);
        }
        Model::Gru4rec(m) => {
            trained(check, &m.loss, &m.train, path);
            windows(check, &m.train, m.maxlen, path);
        }
        Model::Nextitnet(m) => {
            widths(check, &m.dilations, path, "dilations");
            if m.dilations.is_empty() {
                let place = place(check, path, "dilations");
                check.push(
                    Fault::at(place, "`dilations` is empty, so the net has no block")
                        .label("expected one dilation a block")
                        .hint("for example `dilations = [1, 4]`"),
                );
            }
            trained(check, &m.loss, &m.train, path);
            windows(check, &m.train, m.maxlen, path);
        }
        Model::Ncf(m) => {
            widths(check, &m.layers, path, "layers");
            if matches!(m.loss, Loss::Top1Max { .. }) {
                let place = place(check, path, "loss");
                check.push(
                    Fault::at(
                        place,
                        "`ncf` cannot use the loss `top1_max`, which is defined over sessions",
                    )
                    .label("not for `ncf`")
                    .hint("use `bce`, `bpr`, `full_softmax` or `sampled_softmax`"),
                );
            }
            if m.train.sequences != (Sequences::Whole {}) {
                let place = place(check, path, "train.sequences");
                check.push(
                    Fault::at(
                        place,
                        "`ncf` reads no sequences: every training item is a target of its user",
                    )
                    .label("has no effect")
                    .hint("remove `train.sequences`"),
                );
            }
            trained(check, &m.loss, &m.train, path);
        }
        Model::Popularity(_) | Model::Markov(_) | Model::Scores(_) => {}
        // `method` checks them.
        Model::Allmrec(_) | Model::LlmOnly(_) | Model::MlpLlm(_) | Model::Tallrec(_) => {}
    }
}

/// Settings of the network that contradict each other.
fn sasrec(check: &mut Check<'_>, m: &Sasrec, path: &[&str]) {
    if !m.hidden_units.is_multiple_of(m.num_heads) {
        let place = place(check, path, "num_heads");
        let (heads, width) = (m.num_heads, m.hidden_units);
        check.push(
            Fault::at(
                place,
                format!("{heads} heads do not divide `hidden_units` {width}"),
            )
            .label(format!("expected a divisor of {width}"))
            .hint(format!("the divisors are {}", divisors(width))),
        );
    }
    if m.output_bias && !m.output_table {
        let place = place(check, path, "output_bias");
        check.push(
            Fault::at(
                place,
                "`output_bias` belongs to an output table, and there is none",
            )
            .label("has no effect")
            .hint("add `output_table = true`, or remove `output_bias`"),
        );
    }
    if m.form.attends_padding() && m.padding() == PaddingSide::Right {
        let place = place(check, path, "padding");
        check.push(
            Fault::at(
                place,
                format!(
                    "the form `{}` is defined with padding on the left",
                    m.form.name()
                ),
            )
            .label("expected `left`")
            .hint("remove `padding`, or choose the form `kang` or `recbole`, which mask padding"),
        );
    }
}

/// Windows further apart than they are long would leave items out.
fn windows(check: &mut Check<'_>, train: &Train, maxlen: usize, path: &[&str]) {
    if let Sequences::Windows { stride } = train.sequences
        && stride > maxlen
    {
        let place = place(check, path, "train.sequences.windows.stride");
        check.push(
            Fault::at(
                place,
                format!("windows of {maxlen} items, {stride} apart, leave items out"),
            )
            .label(format!("expected at most `maxlen`, {maxlen}"))
            .hint("0 puts one window after the other"),
        );
    }
}

fn place(check: &Check<'_>, path: &[&str], field: &str) -> crate::experiment::place::Place {
    let mut path = path.to_vec();
    path.extend(field.split('.'));
    check.place(&path)
}

pub(super) fn divisors(width: usize) -> String {
    let divisors = (1..=width.min(64)).filter(|heads| width.is_multiple_of(*heads));
    let texts: Vec<String> = divisors.map(|heads| format!("`{heads}`")).collect();
    texts.join(", ")
}

fn widths(check: &mut Check<'_>, widths: &[usize], path: &[&str], field: &str) {
    for (at, width) in widths.iter().enumerate() {
        if !(1..=65536).contains(width) {
            let place = place(check, path, &format!("{field}.{at}"));
            check.push(
                Fault::at(place, format!("`{field}` holds `{width}`"))
                    .label("expected a whole number from 1 to 65536"),
            );
        }
    }
}

fn trained(check: &mut Check<'_>, loss: &Loss, train: &Train, path: &[&str]) {
    if matches!(loss, Loss::Top1Max { negatives: 0 }) && train.batch_size == 1 {
        let place = place(check, path, "train.batch_size");
        check.push(
            Fault::at(
                place,
                "`top1_max` compares with the other targets of a batch, and a batch of 1 has none",
            )
            .label("expected at least 2")
            .hint("raise `batch_size`, or sample `negatives`"),
        );
    }
    let (Optimizer::Adam { betas, .. } | Optimizer::Adamw { betas, .. }) = &train.optimizer else {
        return stopping(check, train, path);
    };
    for (at, beta) in betas.iter().enumerate() {
        if !(0.0..1.0).contains(beta) {
            let kind = if matches!(train.optimizer, Optimizer::Adam { .. }) {
                "adam"
            } else {
                "adamw"
            };
            let place = place(check, path, &format!("train.optimizer.{kind}.betas.{at}"));
            check.push(
                Fault::at(place, format!("`{beta}` is not a decay rate"))
                    .label("expected a number of at least 0 and below 1"),
            );
        }
    }
    stopping(check, train, path);
}

fn stopping(check: &mut Check<'_>, train: &Train, path: &[&str]) {
    let (field, every) = match &train.stop {
        Stop::Fixed { validate_every } => ("train.stop.fixed.validate_every", *validate_every),
        Stop::Early {
            metric,
            every,
            candidates,
            ..
        } => {
            let mut metric_path = path.to_vec();
            metric_path.extend(["train", "stop", "early", "metric"]);
            cut_off(check, *metric, candidates, &metric_path);
            let mut own_path = path.to_vec();
            own_path.extend(["train", "stop", "early", "candidates"]);
            protocol::stopping(check, candidates, &own_path);
            ("train.stop.early.every", *every)
        }
    };
    if every > train.epochs {
        let place = place(check, path, field);
        let message = format!(
            "a validation every {every} epochs never happens in {} epochs",
            train.epochs
        );
        check.push(
            Fault::at(place, message)
                .label(format!(
                    "`{field}` is {every}: expected at most {}",
                    train.epochs
                ))
                .hint(format!("lower `{field}`, or raise `train.epochs`")),
        );
    }
}
