//! `allround plan`: stages with keys, what is in the store, what runs alone, and each cell's keys.

use comfy_table::{Table, presets};
use serde_json::{Value, json};

use super::planning::{self, Planned};
use super::{Exit, count, print};
use crate::cli::{Common, Plan as Arguments, PlanFormat};
use crate::observe::labels;
use crate::plan::{Cell, Graph, Node, NodeId};
use crate::store::{Presence, Store};

/// Prints a plan.
pub(crate) fn run(arguments: &Arguments, common: &Common) -> anyhow::Result<Exit> {
    let store = Store::at(&common.store);
    let planned = planning::plan(&arguments.spec, &store)?;
    match arguments.format {
        PlanFormat::Text => print(&text(&planned, &store))?,
        PlanFormat::Json => print(&format!("{:#}\n", json(&planned, &store)))?,
        PlanFormat::Toml => print(planned.checked.resolved_toml())?,
    }
    if store.root().exists() {
        planned.inputs.save()?;
    }
    Ok(Exit::Success)
}

/// The plan as text: what is to do, stage by stage, and a summary.
pub(crate) fn text(planned: &Planned, store: &Store) -> String {
    let plan = &planned.plan;
    let alone = planned.alone();
    let (mut cached, mut quiet) = (0, 0);
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(["stage", "key", "state", "for"]);
    for (id, (node, label)) in plan.graph.nodes.iter().zip(labels(plan)).enumerate() {
        let mut state = state(store, node).to_owned();
        if state == "cached" {
            cached += 1;
        } else if alone.contains(&id) {
            quiet += 1;
            state.push_str(", alone");
        }
        let kind = node.stage.settings.kind();
        let cells = label.strip_prefix(kind).unwrap_or(&label).trim();
        table.add_row([kind, &node.key.short(), &state, cells]);
    }
    let quiet = match quiet {
        0 => String::new(),
        quiet => format!(", {quiet} of them alone"),
    };
    let stages = plan.graph.nodes.len();
    format!(
        "{}\n\n{}, {}: {cached} in the store, {} to run{quiet}\n",
        table.trim_fmt(),
        count(plan.cells.len(), "cell"),
        count(stages, "stage"),
        stages - cached,
    )
}

fn state(store: &Store, node: &Node) -> &'static str {
    match store.look(node.stage.settings.kind(), &node.key) {
        Presence::Whole => "cached",
        Presence::Absent => "to run",
        Presence::Damaged(_) => "damaged",
    }
}

fn json(planned: &Planned, store: &Store) -> Value {
    let graph = &planned.plan.graph;
    let alone = planned.alone();
    let stage = |(id, node): (usize, &Node)| {
        json!({
            "kind": node.stage.settings.kind(),
            "key": node.key,
            "state": state(store, node),
            "alone": alone.contains(&id),
            "needs": node.stage.needs,
        })
    };
    let stages: Vec<Value> = graph.nodes.iter().enumerate().map(stage).collect();
    let cells: Vec<Value> = planned
        .plan
        .cells
        .iter()
        .map(|each| cell(each, graph))
        .collect();
    json!({ "experiment": planned.checked.spec.name, "cells": cells, "stages": stages })
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
