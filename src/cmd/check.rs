//! `allround check`: every fault of a file, or what it would run; with `--data` also what is in its data.

use std::collections::BTreeSet;

use super::planning::{self, Planned};
use super::{Exit, data, print};
use crate::cli::{Check, Common, FaultFormat};
use crate::experiment::{self, Faults};
use crate::observe::{labels, say};
use crate::plan::{NodeId, Settings};
use crate::store::Store;
use allround_core::data::{CandidateLists, DataError, DrawCandidates, Part, Prepare, Prepared};
use allround_core::data::{candidates, nobody, scenario, stats};
use allround_core::event::Event;

/// Checks an experiment file.
pub(crate) fn run(arguments: &Check, common: &Common) -> anyhow::Result<Exit> {
    // The store is only read: a check leaves no trace.
    let store = Store::at(&common.store);
    let planned = match planning::plan(&arguments.spec, &store) {
        Ok(planned) => planned,
        Err(error) if arguments.format == FaultFormat::Lines => return lines(error),
        Err(error) => return Err(error),
    };
    let checked = &planned.checked;
    for note in experiment::lone_blanks(&checked.spec, &checked.base) {
        say(&format!("warning: {note}"));
    }
    for note in planned.notes() {
        say(&format!("note: {note}"));
    }
    if arguments.data {
        let faults = read_data(&planned)?;
        if !faults.is_empty() {
            faults.iter().for_each(|fault| say(fault));
            return Ok(Exit::Bad);
        }
    }
    super::weights::check_rows(&planned)?;
    print(&format!("ok: {}\n", planned.description()))?;
    Ok(Exit::Well)
}

fn lines(error: anyhow::Error) -> anyhow::Result<Exit> {
    let faults = error.downcast::<Faults>()?;
    say(faults.lines().trim_end());
    Ok(Exit::Bad)
}

/// Reads, filters and splits every data set as the run would, draws its candidates, prints what is there, and returns what would
/// fail.
fn read_data(planned: &Planned) -> anyhow::Result<Vec<String>> {
    let base = planning::base(&planned.checked.base)?;
    let mut faults = Vec::new();
    let labels = labels(&planned.plan);
    for (id, node) in planned.plan.graph.nodes.iter().enumerate() {
        let Settings::Prepare(settings) = &node.stage.settings else {
            continue;
        };
        let look = Look {
            planned,
            id,
            name: name(planned, id, &labels[id]),
        };
        let mut events = Vec::new();
        let prepared = look.read(settings, (&base, &mut events));
        look.report(&events)?;
        match prepared {
            Ok(prepared) => faults.extend(look.measure(&prepared)?),
            Err(error) => faults.push(look.fault(&error)),
        }
    }
    Ok(faults)
}

/// Data set and scenario of a prepared data set, for people.
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
struct Look<'a> {
    planned: &'a Planned,
    id: NodeId,
    name: String,
}

impl Look<'_> {
    fn fault(&self, error: &DataError) -> String {
        let hint = error.remedy().map(|hint| format!("\nhint: {hint}"));
        format!("error: {}: {error}{}", self.name, hint.unwrap_or_default())
    }

    fn read(
        &self,
        settings: &Prepare,
        (base, events): (&std::path::Path, &mut Vec<Event>),
    ) -> Result<Prepared, DataError> {
        allround_core::data::prepare(settings, base, &mut |event| events.push(event))
    }

    /// Prints how the files were read, and what was dropped.
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

    /// Prints counts and notes, and returns what no cell could measure.
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
                say(&format!("note: {}: {note}", self.name));
            }
        }
        faults.extend(self.candidates(prepared)?);
        Ok(faults)
    }

    /// Prints the measured users of each scenario, and returns those that measure nobody.
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
            // Where nobody at all is measured, the candidates say so.
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

    /// What drawing the candidates of every protocol says against it.
    fn candidates(&self, prepared: &Prepared) -> anyhow::Result<Vec<String>> {
        let base = planning::base(&self.planned.checked.base)?;
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
