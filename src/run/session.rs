//! Runs a planned experiment and writes its results folder. Only stages that are missing in the
//! store are run.

mod options;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use super::place::Place;
use super::planned::{Planned, absolute};
use super::writer::{ResultsWriter, has_numbers, write_trials};
use crate::exec::{Executor, Options, Outcome, StageEvent, Stop, Work};
use crate::observe::{Observer, Verbosity, print_message};
use crate::plan::{Cell, NodeId};
use crate::render;
use crate::site;
use crate::store::{self, Experiment, Presence, Store};
use allround_core::digest::Key;
use allround_core::fs;
use allround_core::program::Program;

pub use options::default_jobs;

/// How an experiment is run. Nothing here changes a result.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The experiment file.
    pub spec: &'a Path,
    /// Folder of finished artefacts.
    pub store: &'a Path,
    /// The worker program; `None` searches for it.
    pub worker: Option<&'a Path>,
    /// How much is printed.
    pub verbosity: Verbosity,
    /// Most stages at a time; `None` means as many as the cores allow, or one on a GPU.
    pub jobs: Option<u16>,
    /// Whether the first failure ends the run.
    pub fail_fast: bool,
    /// How long a worker may be silent before it is killed.
    pub timeout: Option<Duration>,
    /// Where stages run.
    pub place: Place<'a>,
    /// Makes the summary of a results folder that is printed.
    pub summarize: &'a dyn Fn(&Path) -> anyhow::Result<String>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Every cell has its numbers.
    Success,
    /// A cell has no numbers.
    Failed,
    /// The run was stopped; the same command resumes.
    Interrupted,
    /// Stages are in the queue of a cluster; the same command collects them.
    Detached,
}

/// The outcome of a run.
pub struct Ended {
    /// How it ended.
    pub ending: Ending,
    /// The summary of the results folder; `None` if this run has no numbers and earlier ones were
    /// kept.
    pub summary: Option<String>,
}

/// Requests a stop at Ctrl-C or SIGTERM from the first call on. All runs of a process share it: a
/// stop of one run of a suite ends the next ones too.
pub fn interrupts() -> Result<Stop, ctrlc::Error> {
    static STOP: OnceLock<Stop> = OnceLock::new();
    if let Some(stop) = STOP.get() {
        return Ok(stop.clone());
    }
    let stop = Stop::default();
    let handler = stop.clone();
    ctrlc::set_handler(move || handler.request())?;
    Ok(STOP.get_or_init(|| stop).clone())
}

/// One run of one experiment.
pub struct Session<'a> {
    /// The experiment.
    pub planned: Planned,
    /// The results folder, absolute.
    pub results: &'a Path,
    /// How it is run.
    pub request: Request<'a>,
}

impl Session<'_> {
    /// Runs the missing stages and writes the results folder. Does nothing if the folder already
    /// has the results of this very run.
    ///
    /// # Errors
    /// When the store or the results folder cannot be used, or the worker is missing.
    pub fn run(&mut self, store: &Store) -> anyhow::Result<Ended> {
        match self.last(store) {
            Some(last) => Ok(unchanged(last)),
            None => self.work(),
        }
    }

    /// The last run into the results folder, if it was identical, succeeded, and its artefacts and
    /// files still exist.
    fn last(&self, store: &Store) -> Option<Experiment> {
        let last = store.experiment(self.results)?;
        let is_whole = |(kind, key): &(String, allround_core::digest::Key)| {
            store.look(kind, key) == Presence::Whole
        };
        let is_done = last.identity == self.planned.identity()
            && last.is_complete()
            && last.files_are_untouched()
            && last.artefacts.iter().all(is_whole);
        is_done.then_some(last)
    }

    fn work(&mut self) -> anyhow::Result<Ended> {
        let place = self.place()?;
        let logs = self.results.join("logs");
        fs::create_dir_all(&logs)?;
        let _lock = self.lock()?;
        let store = Store::open(self.request.store)?;
        // Another run may have made the results while this one waited for the lock.
        if let Some(last) = self.last(&store) {
            return Ok(unchanged(last));
        }
        if self.request.verbosity != Verbosity::Quiet {
            print_message(&self.planned.description());
            for note in self.planned.notes() {
                print_message(&format!("note: {note}"));
            }
        }
        store.sweep()?;
        self.planned.inputs.save()?;
        let earlier = store.experiment(self.results);
        self.warn_replaced(earlier.as_ref())?;
        // `clean` must remove neither the artefacts of a failed or stopped run nor those of the
        // numbers in the folder.
        let mut begun = self.experiment(None);
        if let Some(earlier) = &earlier {
            begun.add_artefacts(&earlier.artefacts);
        }
        store.remember(&begun)?;
        let stop = interrupts()?;
        let searched = self.search(&store, &logs, &stop, &place)?;
        if searched == Ending::Detached {
            return Ok(self.detached(&[]));
        }
        if searched != Ending::Success {
            return self.keep(&store, earlier, searched);
        }
        let without_result = self.planned.without_result();
        for line in &without_result {
            print_message(&format!("failed: {line}"));
        }
        let mut writer = ResultsWriter::open(&self.planned, &store, self.results)?;
        let options = self.options(&store, &logs, &place)?;
        let executor = self.executor(&place);
        let work = self.to_do(&store, &options, &stop);
        let outcomes = self.execute(executor.as_ref(), &work, &mut writer)?;
        if self.is_detached(&outcomes, &stop) {
            return Ok(self.detached(&outcomes));
        }
        writer.finish_run()?;
        let ending = match ending(&outcomes, self, &writer) {
            Ending::Success if !without_result.is_empty() => Ending::Failed,
            ending => ending,
        };
        warn_of_other_workers(&writer);
        match writer.keeps_earlier() {
            true => self.keep(&store, earlier, ending),
            false => self.publish(&store, &writer, ending),
        }
    }

    /// Runs the trials of all searches, round by round, until every search is over.
    fn search(
        &mut self,
        store: &Store,
        logs: &Path,
        stop: &Stop,
        place: &site::Executor,
    ) -> anyhow::Result<Ending> {
        let executor = self.executor(place);
        while let Some(round) = self.planned.round()? {
            let options = Options {
                alone: round.alone(&self.planned.checked.spec.run.alone),
                ..self.options(store, logs, place)?
            };
            let mut observer = Observer::new(&round, self.request.verbosity, logs)?;
            let work = Work {
                graph: &round.graph,
                ..self.to_do(store, &options, stop)
            };
            let outcomes = executor.execute(&work, &mut |id, event| observer.event(id, event))?;
            observer.close()?;
            if self.is_detached(&outcomes, stop) {
                return Ok(Ending::Detached);
            }
            self.planned.advance(store, &round, &outcomes)?;
            // `clean` must not remove the trials of a search that continues.
            let mut begun = self.experiment(None);
            if let Some(earlier) = store.experiment(self.results) {
                begun.add_artefacts(&earlier.artefacts);
            }
            store.remember(&begun)?;
            if !has_numbers(self.results) {
                write_trials(self.results, &self.planned.trials())?;
            }
            self.print_searches();
            if stop.is_requested() {
                return Ok(Ending::Interrupted);
            }
            if outcomes.contains(&Outcome::Interrupted) {
                // The first failure ends the run.
                return Ok(Ending::Failed);
            }
        }
        Ok(Ending::Success)
    }

    fn print_searches(&self) {
        if self.request.verbosity != Verbosity::Quiet {
            for line in self.planned.searches() {
                print_message(&line);
            }
        }
    }

    /// Draws figures, tables and the report, and records the run.
    fn publish(
        &self,
        store: &Store,
        writer: &ResultsWriter<'_>,
        ending: Ending,
    ) -> anyhow::Result<Ended> {
        let summary = match ending {
            // A stopped run ends at once, without figures.
            Ending::Interrupted => String::new(),
            Ending::Success | Ending::Failed | Ending::Detached => {
                render::all(self.results)?;
                (self.request.summarize)(self.results)?
            }
        };
        let mut experiment = self.experiment(Some(writer));
        experiment.files = store::experiment::stamps(self.results)?;
        experiment.summary.clone_from(&summary);
        store.remember(&experiment)?;
        Ok(Ended {
            ending,
            summary: Some(summary),
        })
    }

    /// Ends a run without numbers. The folder has earlier numbers and is not changed.
    fn keep(
        &self,
        store: &Store,
        earlier: Option<Experiment>,
        ending: Ending,
    ) -> anyhow::Result<Ended> {
        if let Some(mut earlier) = earlier {
            // `clean` must remove neither the artefacts of the numbers nor those of this run.
            earlier.add_artefacts(&self.experiment(None).artefacts);
            store.remember(&earlier)?;
        }
        print_message(&format!(
            "no cell of this run has a value: the earlier results in {} are unchanged",
            self.results.display()
        ));
        print_message(match ending {
            Ending::Interrupted => "interrupted; the same command resumes",
            Ending::Success | Ending::Failed | Ending::Detached => {
                "hint: fix the failures above (or the empty scenario) and rerun; to record the failures instead, pass `--out DIR`"
            }
        });
        Ok(Ended {
            ending,
            summary: None,
        })
    }

    /// Waits until no other run writes into the results folder.
    fn lock(&self) -> anyhow::Result<fs::Lock> {
        let path = self.results.join(".lock");
        if let Some(lock) = fs::try_lock(&path)? {
            return Ok(lock);
        }
        print_message(&format!(
            "waiting for another run that writes to `{}`",
            self.results.display()
        ));
        Ok(fs::lock(&path)?)
    }

    /// Where the stages run.
    fn place(&self) -> anyhow::Result<site::Executor> {
        let checked = &self.planned.checked;
        let on = checked.spec.run.on.as_deref();
        self.request.place.settings(on, &checked.base)
    }

    fn executor(&self, place: &site::Executor) -> Box<dyn Executor> {
        let on = self.planned.checked.spec.run.on.as_deref();
        self.request.place.executor(on, place, self.results)
    }

    /// The stages of all cells.
    fn to_do<'w>(&'w self, store: &'w Store, options: &'w Options, stop: &'w Stop) -> Work<'w> {
        Work {
            graph: &self.planned.plan.graph,
            store,
            options,
            stop,
            note: &|text| print_message(&format!("note: {text}")),
        }
    }

    /// Whether stages were left in the queue of a cluster.
    fn is_detached(&self, outcomes: &[Outcome], stop: &Stop) -> bool {
        let is_open = outcomes.contains(&Outcome::Interrupted);
        self.request.place.detach && is_open && !stop.is_requested()
    }

    /// Ends a run whose stages are in the queue. The results folder is not changed.
    fn detached(&self, outcomes: &[Outcome]) -> Ended {
        let open = outcomes.iter().filter(|it| **it == Outcome::Interrupted);
        let open = match outcomes {
            [] => "stages of a search are".to_owned(),
            _ => format!("{} stages are", open.count()),
        };
        let results = self.results.display();
        print_message(&format!(
            "{open} in the queue; the same command collects them later, `allround watch {results}` shows how far they are, and `allround cancel {results}` cancels them"
        ));
        Ended {
            ending: Ending::Detached,
            summary: None,
        }
    }

    fn execute(
        &self,
        executor: &dyn Executor,
        work: &Work<'_>,
        writer: &mut ResultsWriter<'_>,
    ) -> anyhow::Result<Vec<Outcome>> {
        let plan = &self.planned.plan;
        let mut observer = Observer::new(plan, self.request.verbosity, &work.options.logs)?;
        let mut failure = None;
        let mut observe = |id: NodeId, event: &StageEvent| {
            observer.event(id, event);
            if let StageEvent::Ended(outcome) = event
                && let Err(error) = writer.record_outcome(id, outcome)
            {
                // The run ends if results cannot be written. Its artefacts stay in the store.
                failure.get_or_insert(error);
                work.stop.request();
            }
        };
        let outcomes = executor.execute(work, &mut observe)?;
        observer.close()?;
        match failure {
            Some(error) => Err(error),
            None => Ok(outcomes),
        }
    }

    /// Prints a note if the folder has the results of another experiment with the same name.
    fn warn_replaced(&self, earlier: Option<&Experiment>) -> anyhow::Result<()> {
        let own = absolute(self.request.spec)?;
        let Some(earlier) = earlier else {
            return Ok(());
        };
        let other = absolute(&earlier.spec)?;
        if other != own {
            print_message(&format!(
                "note: {} holds the results of `{}`, another experiment of the same name; this run replaces them (to keep both, rename one experiment or pass `--out DIR`)",
                self.results.display(),
                other.display()
            ));
        }
        Ok(())
    }

    /// The evaluations of each cell.
    fn roots(&self) -> Vec<Vec<Key>> {
        let plan = &self.planned.plan;
        let keys = |cell: &Cell| cell.roots().map(|id| plan.graph.nodes[id].key).collect();
        plan.cells.iter().map(keys).collect()
    }

    fn experiment(&self, writer: Option<&ResultsWriter<'_>>) -> Experiment {
        let graph = &self.planned.plan.graph;
        let artefact =
            |node: &crate::plan::Node| (node.stage.settings.kind().as_str().to_owned(), node.key);
        Experiment {
            name: self.planned.checked.spec.name.clone(),
            spec: self.request.spec.to_owned(),
            results: self.results.to_owned(),
            artefacts: graph.nodes.iter().map(artefact).collect(),
            roots: self.roots(),
            identity: self.planned.identity(),
            cells: self.planned.plan.cells.len(),
            finished: writer.map_or(0, ResultsWriter::finished),
            failed: writer.map_or(0, ResultsWriter::failed),
            ended: jiff::Zoned::now().strftime("%Y-%m-%d %H:%M").to_string(),
            files: BTreeMap::new(),
            summary: String::new(),
        }
    }
}

fn unchanged(last: Experiment) -> Ended {
    Ended {
        ending: Ending::Success,
        summary: Some(last.summary),
    }
}

fn warn_of_other_workers(writer: &ResultsWriter<'_>) {
    for (made_by, stages) in writer.other_workers() {
        print_message(&format!(
            "warning: {} made by the worker {made_by}, and this program is {}: build both from the same commit (`machine.toml` has both)",
            match stages {
                1 => "1 stage was".to_owned(),
                stages => format!("{stages} stages were"),
            },
            Program::this()
        ));
    }
}

/// How the run ended. Prints every failure.
fn ending(outcomes: &[Outcome], session: &Session<'_>, writer: &ResultsWriter<'_>) -> Ending {
    let unmeasured = writer.unmeasured();
    for (error, cells) in &unmeasured {
        let others = match cells.len() {
            0 | 1 => String::new(),
            n => format!(" (+{})", n - 1),
        };
        let first = cells.first().copied().unwrap_or_default();
        print_message(&format!("failed: {first}{others}: {error}"));
    }
    let failures = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Outcome::Failed(_)))
        .count();
    if failures > 0 {
        let labels = crate::plan::labels(&session.planned.plan);
        for (outcome, label) in outcomes.iter().zip(labels) {
            if let Outcome::Failed(error) = outcome {
                print_message(&format!("failed: {label}: {error}"));
            }
        }
        return Ending::Failed;
    }
    match outcomes.contains(&Outcome::Interrupted) {
        true => Ending::Interrupted,
        false if unmeasured.is_empty() => Ending::Success,
        false => Ending::Failed,
    }
}
