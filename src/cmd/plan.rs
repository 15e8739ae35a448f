//! `allround plan`: stages with keys, which are in the store, which run alone, and the stages of
//! each cell.

use comfy_table::{Table, presets};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Exit, count, output, planned, print};
use crate::cli::{Common, Plan as Arguments, PlanFormat};
use crate::plan::{self, Cell, Graph, Node, NodeId, StageLabel};
use crate::run::Planned;
use crate::store::{Presence, Store};

/// Prints a plan.
pub(crate) fn run(arguments: &Arguments, common: &Common) -> anyhow::Result<Exit> {
    let store = Store::at(&common.store);
    let planned = planned(&arguments.spec, &store)?;
    match arguments.format {
        PlanFormat::Text => print(&text(&planned, &store))?,
        PlanFormat::Csv => print(&csv(&planned, &store)?)?,
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
    let lines = lines(planned, store);
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(["stage", "key", "state", "model", "for"]);
    for line in &lines {
        let state = match line.alone && line.state != "cached" {
            true => format!("{}, alone", line.state),
            false => line.state.to_owned(),
        };
        table.add_row([
            line.label.kind,
            &line.node.key.short(),
            &state,
            &line.label.trained_model(),
            &line.label.users(),
        ]);
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
        "{}\n\n{searches}{}, {}: {cached} in the store, {} to run{alone}\n",
        table.trim_fmt(),
        count(planned.plan.cells.len(), "cell"),
        count(lines.len(), "stage"),
        lines.len() - cached,
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
}

fn csv(planned: &Planned, store: &Store) -> anyhow::Result<String> {
    let row = |line: &Line| Row {
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
