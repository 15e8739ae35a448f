//! `allround check`: all faults of an experiment file, or what it would run. `--data` also reads
//! the data sets.

use std::collections::BTreeSet;

use super::{Exit, data, planned, print};
use crate::cli::{Check, Common, FaultFormat};
use crate::experiment::Faults;
use crate::observe::print_message;
use crate::plan::{self, NodeId, Settings};
use crate::run::{Planned, absolute};
use crate::store::Store;
use allround_core::data::{CandidateLists, DataError, DrawCandidates, Part, Prepare, Prepared};
use allround_core::data::{candidates, nobody, scenario, stats};
use allround_core::event::Event;

/// Checks an experiment file.
pub(crate) fn run(arguments: &Check, common: &Common) -> anyhow::Result<Exit> {
    // The store is only read: a check writes no file.
    let store = Store::at(&common.store);
    let planned = match planned(&arguments.spec, &store) {
        Ok(planned) => planned,
        Err(error) if arguments.format == FaultFormat::Lines => return lines(error),
        Err(error) => return Err(error),
    };
    for note in planned.notes() {
        print_message(&format!("note: {note}"));
    }
    if arguments.data {
        let faults = read_data(&planned)?;
        if !faults.is_empty() {
            faults.iter().for_each(|fault| print_message(fault));
            return Ok(Exit::UsageError);
        }
    }
    super::weights::check_rows(&planned)?;
    print(&format!("ok: {}\n", planned.description()))?;
    for line in planned.searches() {
        print(&format!("{line}\n"))?;
    }
    Ok(Exit::Success)
}

fn lines(error: anyhow::Error) -> anyhow::Result<Exit> {
    let faults = error.downcast::<Faults>()?;
    print_message(faults.lines().trim_end());
    Ok(Exit::UsageError)
}

/// Reads, filters and splits every data set as a run would, draws its candidates, and prints
/// counts. Returns what would fail.
fn read_data(planned: &Planned) -> anyhow::Result<Vec<String>> {
    let base = absolute(&planned.checked.base)?;
    let mut faults = Vec::new();
    let labels = plan::labels(&planned.plan);
    for (id, node) in planned.plan.graph.nodes.iter().enumerate() {
        let Settings::Prepare(settings) = &node.stage.settings else {
            continue;
        };
        let check = PreparedCheck {
            planned,
            id,
            name: name(planned, id, &labels[id].to_string()),
        };
        let mut events = Vec::new();
        let prepared = check.read(settings, &base, &mut events);
        check.report(&events)?;
        match prepared {
            Ok(prepared) => faults.extend(check.measure(&prepared)?),
            Err(error) => faults.push(check.fault(&error)),
        }
    }
    Ok(faults)
}

/// Name of a prepared data set: data set, and scenario and seed where they change the data.
fn name(planned: &Planned, id: NodeId, label: &str) -> String {
    let mut cells = planned.plan.cells.iter();
    let Some(cell) = cells.find(|cell| cell.prepared == id) else {
        return label.to_owned();
    };
    match planned.checked.spec.scenario[&cell.scenario].is_slice() {
        true => cell.dataset.clone(),
        false => format!("{}, {}, seed {}", cell.dataset, cell.scenario, cell.seed),
    }
}

/// One prepared data set of a plan.
struct PreparedCheck<'a> {
    planned: &'a Planned,
    id: NodeId,
    name: String,
}

impl PreparedCheck<'_> {
    fn fault(&self, error: &DataError) -> String {
        let hint = error.remedy().map(|hint| format!("\nhint: {hint}"));
        format!("error: {}: {error}{}", self.name, hint.unwrap_or_default())
    }

    fn read(
        &self,
        settings: &Prepare,
        base: &std::path::Path,
        events: &mut Vec<Event>,
    ) -> Result<Prepared, DataError> {
        allround_core::data::prepare(settings, base, &mut |event| events.push(event))
    }

    /// Prints how the files were read and what was dropped.
    fn report(&self, events: &[Event]) -> anyhow::Result<()> {
        for event in events {
            match event {
                Event::Counted(counted) if counted.count > 0 => {
                    print(&format!(
                        "{}: {}: {}\n",
                        self.name, counted.what, counted.count
                    ))?;
                }
                Event::Note { text } => print(&format!("{}: {text}\n", self.name))?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Prints counts and notes, and returns what cannot be measured.
    fn measure(&self, prepared: &Prepared) -> anyhow::Result<Vec<String>> {
        let counts = stats::counts(prepared);
        let mut text = format!(
            "{}: {} users, {} items, {} interactions",
            self.name, counts.users, counts.items, counts.interactions
        );
        if let Some(records) = prepared.facts.record_counts() {
            text.push_str(&format!(
                "; items without a record: {}, records without an item: {}, records of an item that has one already: {}, \
                 records that contradict an earlier one: {}",
                records.items_without, records.without_item, records.repeated, records.conflicting
            ));
        }
        print(&format!("{text}\n"))?;
        let mut faults = self.scenarios(prepared)?;
        if prepared.facts.nobody.is_none() {
            for note in data::notes(prepared) {
                print_message(&format!("note: {}: {note}", self.name));
            }
        }
        faults.extend(self.candidates(prepared)?);
        Ok(faults)
    }

    /// Prints the measured users of each scenario, and returns the scenarios without any.
    fn scenarios(&self, prepared: &Prepared) -> anyhow::Result<Vec<String>> {
        let cells = self.planned.plan.cells.iter();
        let cells = cells.filter(|cell| cell.prepared == self.id);
        let scenarios: BTreeSet<&str> = cells.map(|cell| cell.scenario.as_str()).collect();
        let mut faults = Vec::new();
        for name in scenarios {
            let config = &self.planned.checked.spec.scenario[name];
            let mask = scenario::slice(prepared, config, Part::Test);
            let measured = (0..prepared.n_users())
                .filter(|&user| mask[user] && stats::is_measured(prepared, user))
                .count();
            print(&format!("  {name}: {measured} users are measured\n"))?;
            // If the data set has no user to measure, drawing candidates reports it.
            if measured == 0 && prepared.facts.nobody.is_none() {
                let all = stats::counts(prepared).measured_users;
                let why = nobody::of_slice(config, all);
                faults.push(format!(
                    "error: {}, scenario `{name}`: no user is measured: {why}",
                    self.name
                ));
            }
        }
        Ok(faults)
    }

    /// Draws the candidates of every protocol, and returns the errors.
    fn candidates(&self, prepared: &Prepared) -> anyhow::Result<Vec<String>> {
        let base = absolute(&self.planned.checked.base)?;
        let mut events = Vec::new();
        let mut draw = |settings: &DrawCandidates| -> Result<CandidateLists, DataError> {
            candidates::make(prepared, settings, Part::Test, &base, &mut |event| {
                events.push(event)
            })
        };
        let nodes = self.planned.plan.graph.nodes.iter();
        let errors = nodes.filter_map(|node| match &node.stage.settings {
            Settings::Candidates(settings) if node.needs.get("prepared") == Some(&self.id) => {
                draw(settings).err()
            }
            _ => None,
        });
        let faults: BTreeSet<String> = errors.map(|error| self.fault(&error)).collect();
        self.report(&events)?;
        Ok(faults.into_iter().collect())
    }
}
