//! `allround plan`: stages with keys, which are in the store, which run alone, and the stages of
//! each cell.

use comfy_table::{Table, presets};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Exit, count, output, planned, print};
use crate::cli::{Common, Plan as Arguments, PlanFormat};
use crate::plan::{self, Cell, Graph, Node, NodeId, StageLabel};
use crate::render::style;
use crate::run::{Estimates, Planned, default_jobs, estimates};
use crate::store::{Presence, Store};

/// Prints a plan.
pub(crate) fn run(arguments: &Arguments, common: &Common) -> anyhow::Result<Exit> {
    let store = Store::at(&common.store);
    let planned = planned(&arguments.spec, &store)?;
    let jobs = default_jobs(&planned.checked.spec.run);
    let estimates = match arguments.estimate {
        true => Some(estimates(&planned, &store, jobs)?),
        false => None,
    };
    match arguments.format {
        PlanFormat::Text => print(&shown(&planned, &store, estimates.as_ref()))?,
        PlanFormat::Csv => print(&csv(&planned, &store, estimates.as_ref())?)?,
        PlanFormat::Json => print(&format!("{:#}\n", json(&planned, &store)))?,
        PlanFormat::Toml => print(planned.checked.resolved_toml())?,
    }
    if store.root().exists() {
        planned.inputs.save()?;
    }
    Ok(Exit::Success)
}

/// One stage of a plan with its state in the store.
struct Line<'a> {
    id: NodeId,
    node: &'a Node,
    label: StageLabel,
    /// `cached`, `to run` or `damaged`.
    state: &'static str,
    /// Whether it runs while no other stage runs.
    alone: bool,
}

fn lines<'a>(planned: &'a Planned, store: &Store) -> Vec<Line<'a>> {
    let alone = planned.alone();
    let nodes = planned.plan.graph.nodes.iter().enumerate();
    let line = |((id, node), label): ((NodeId, &'a Node), StageLabel)| Line {
        id,
        node,
        label,
        state: state(store, node),
        alone: alone.contains(&id),
    };
    nodes.zip(plan::labels(&planned.plan)).map(line).collect()
}

/// The plan as text: a row per stage, and a summary.
pub(crate) fn text(planned: &Planned, store: &Store) -> String {
    shown(planned, store, None)
}

/// What all stages to run take together.
fn sum(estimates: &Estimates, planned: &Planned) -> String {
    let mut text = format!(
        "estimate: {} of stages, a run of about {}, {} of disk space\n",
        style::seconds(estimates.seconds),
        style::seconds(estimates.wall_seconds),
        style::bytes(estimates.bytes)
    );
    if estimates.unknown > 0 {
        let unknown = count(estimates.unknown, "stage");
        text.push_str(&format!(
            "no estimate for {unknown}: the store has none of this kind\n"
        ));
    }
    if planned.is_searching() {
        text.push_str("searches will add trials, and the cells of their best ones\n");
    }
    text
}

fn shown(planned: &Planned, store: &Store, estimates: Option<&Estimates>) -> String {
    let lines = lines(planned, store);
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(["stage", "key", "state", "model", "for"]);
    if estimates.is_some() {
        table.set_header(["stage", "key", "state", "time", "from", "model", "for"]);
    }
    for line in &lines {
        let state = match line.alone && line.state != "cached" {
            true => format!("{}, alone", line.state),
            false => line.state.to_owned(),
        };
        let mut row = vec![line.label.kind.to_owned(), line.node.key.short(), state];
        if let Some(estimates) = estimates {
            let estimate = estimates.stages.get(&line.id);
            let time = estimate.map(|it| style::seconds(it.seconds));
            row.push(time.unwrap_or_default());
            row.push(estimate.map_or_else(String::new, |it| it.basis.words().to_owned()));
        }
        row.extend([line.label.trained_model(), line.label.users()]);
        table.add_row(row);
    }
    let cached = lines.iter().filter(|line| line.state == "cached").count();
    let alone = lines
        .iter()
        .filter(|line| line.alone && line.state != "cached");
    let alone = match alone.count() {
        0 => String::new(),
        alone => format!(", {alone} of them alone"),
    };
    let searches: String = planned
        .searches()
        .iter()
        .map(|line| format!("{line}\n"))
        .collect();
    format!(
        "{}\n\n{searches}{}, {}: {cached} in the store, {} to run{alone}\n{}",
        table.trim_fmt(),
        count(planned.plan.cells.len(), "cell"),
        count(lines.len(), "stage"),
        lines.len() - cached,
        estimates.map_or_else(String::new, |it| sum(it, planned)),
    )
}

fn state(store: &Store, node: &Node) -> &'static str {
    match store.look(node.stage.settings.kind().as_str(), &node.key) {
        Presence::Whole => "cached",
        Presence::Absent => "to run",
        Presence::Damaged(_) => "damaged",
    }
}

/// A row of CSV output.
#[derive(Clone, Debug, Default, Serialize)]
struct Row {
    stage: usize,
    kind: String,
    key: String,
    state: String,
    alone: bool,
    model: String,
    seed: Option<u64>,
    cells: usize,
    first_cell: String,
    /// Numbers of the stages that it needs, separated by blanks.
    needs: String,
    /// Estimated seconds; empty without `--estimate` and for stages in the store.
    seconds: Option<f64>,
    /// Estimated bytes of the artefact.
    bytes: Option<f64>,
    /// What the estimate follows from.
    basis: String,
}

fn csv(planned: &Planned, store: &Store, estimates: Option<&Estimates>) -> anyhow::Result<String> {
    let estimate = |line: &Line| estimates.and_then(|it| it.stages.get(&line.id));
    let row = |line: &Line| Row {
        seconds: estimate(line).map(|it| it.seconds),
        bytes: estimate(line).map(|it| it.bytes),
        basis: estimate(line).map_or_else(String::new, |it| it.basis.words().to_owned()),
        stage: line.id,
        kind: line.label.kind.to_owned(),
        key: line.node.key.to_string(),
        state: line.state.to_owned(),
        alone: line.alone,
        model: line.label.model.clone().unwrap_or_default(),
        seed: line.label.seed,
        cells: line.label.cells.len(),
        first_cell: line.label.cells.first().cloned().unwrap_or_default(),
        needs: Vec::from_iter(line.node.needs.values().map(ToString::to_string)).join(" "),
    };
    let rows: Vec<Row> = lines(planned, store).iter().map(row).collect();
    output::csv(&rows)
}

fn json(planned: &Planned, store: &Store) -> Value {
    let graph = &planned.plan.graph;
    let stage = |line: &Line| {
        json!({
            "kind": line.label.kind,
            "key": line.node.key,
            "state": line.state,
            "alone": line.alone,
            "model": line.label.model,
            "seed": line.label.seed,
            "cells": line.label.cells,
            "needs": line.node.stage.needs,
        })
    };
    let stages: Vec<Value> = lines(planned, store).iter().map(stage).collect();
    let cells = planned.plan.cells.iter().map(|each| cell(each, graph));
    json!({
        "experiment": planned.checked.spec.name,
        "cells": cells.collect::<Vec<_>>(),
        "stages": stages,
    })
}

fn cell(cell: &Cell, graph: &Graph) -> Value {
    let key = |id: NodeId| graph.nodes[id].key;
    let measures = cell.measures.iter().map(|measure| {
        json!({
            "protocol": measure.protocol,
            "split": measure.part.name(),
            "candidates": key(measure.candidates),
            "evaluate": key(measure.evaluate),
        })
    });
    json!({
        "cell": cell.name,
        "prepare": key(cell.prepared),
        "trained": cell.trained.iter().map(|&id| key(id)).collect::<Vec<_>>(),
        "measures": measures.collect::<Vec<_>>(),
    })
}
