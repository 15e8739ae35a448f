//! `allround run`: what is not done yet, then the results.

mod book;
mod rows;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::planning::{self, Planned};
use super::{Exit, advise, plan as plan_command, print, show};
use crate::cli::{Common, Run};
use crate::exec::{self, Options, Outcome, StageEvent, Stop, locate};
use crate::observe::{Observer, Verbosity, print_message};
use crate::plan::NodeId;
use crate::record;
use crate::render;
use crate::store::{self, Experiment, Presence, Store};
use allround_core::fs;
use allround_core::program::Program;
use book::Book;

/// Runs an experiment.
pub(crate) fn run(arguments: &Run, common: &Common) -> anyhow::Result<Exit> {
    let store = Store::at(&planning::base(&common.store)?);
    let planned = planning::plan(&arguments.spec, &store)?;
    if arguments.dry_run {
        print(&plan_command::text(&planned, &store))?;
        return Ok(Exit::Success);
    }
    let results = planning::base(&arguments.out)?.join(&planned.checked.folder);
    let session = Session {
        arguments,
        common,
        planned: &planned,
        results,
    };
    match session.done(&store) {
        Some(last) => session.print_results(&last.answer, Exit::Success),
        None => session.work(),
    }
}

/// One run of one experiment.
struct Session<'a> {
    arguments: &'a Run,
    common: &'a Common,
    planned: &'a Planned,
    results: PathBuf,
}

impl Session<'_> {
    /// The last run into the results folder, if it was the same, succeeded, and is unchanged.
    fn done(&self, store: &Store) -> Option<Experiment> {
        let last = store.experiment(&self.results)?;
        let is_whole = |(kind, key): &(String, allround_core::digest::Key)| {
            store.look(kind, key) == Presence::Whole
        };
        let is_done = last.identity == self.planned.identity()
            && last.is_complete()
            && last.files_are_untouched()
            && last.artefacts.iter().all(is_whole);
        is_done.then_some(last)
    }

    fn work(&self) -> anyhow::Result<Exit> {
        let logs = self.results.join("logs");
        fs::create_dir_all(&logs)?;
        let _lock = self.lock()?;
        let store = Store::open(&self.common.store)?;
        // Another run may have finished while this one waited.
        if let Some(last) = self.done(&store) {
            return self.print_results(&last.answer, Exit::Success);
        }
        if self.verbosity() != Verbosity::Quiet {
            print_message(&self.planned.description());
            for note in self.planned.notes() {
                print_message(&format!("note: {note}"));
            }
        }
        store.sweep()?;
        self.planned.inputs.save()?;
        let earlier = store.experiment(&self.results);
        self.note_replaced(earlier.as_ref())?;
        // `clean` must keep the artefacts of a failed or stopped run, and those of earlier results.
        let mut begun = self.experiment(None);
        if let Some(earlier) = &earlier {
            begun.add_artefacts(&earlier.artefacts);
        }
        store.remember(&begun)?;
        let mut book = Book::open(self.planned, &store, &self.results)?;
        let options = self.options(&store, &logs)?;
        let stop = Stop::default();
        let on_signal = stop.clone();
        ctrlc::set_handler(move || on_signal.request())?;
        let outcomes = self.execute(&store, (&options, &stop), &mut book)?;
        book.close()?;
        let exit = verdict(&outcomes, self, &book);
        for (made_by, stages) in book.other_workers() {
            print_message(&format!(
                "warning: {} made by the worker {made_by}, and this program is {}: build both from the same commit (`machine.toml` has both)",
                match stages {
                    1 => "1 stage was".to_owned(),
                    stages => format!("{stages} stages were"),
                },
                Program::this()
            ));
        }
        if book.keeps_earlier() {
            return self.keep(&store, earlier, exit);
        }
        let answer = match exit {
            // Whoever stops a run does not want to wait for figures.
            Exit::Interrupted => String::new(),
            _ => {
                render::all(&self.results)?;
                show::answer(&self.results)?
            }
        };
        let mut experiment = self.experiment(Some(&book));
        experiment.files = store::experiment::stamps(&self.results)?;
        experiment.answer.clone_from(&answer);
        store.remember(&experiment)?;
        self.print_results(&answer, exit)
    }

    /// Ends a run without any metric value in a folder that has some: the folder is left unchanged.
    fn keep(&self, store: &Store, earlier: Option<Experiment>, exit: Exit) -> anyhow::Result<Exit> {
        if let Some(mut earlier) = earlier {
            // `clean` must take neither the artefacts of the numbers nor those of this run.
            earlier.add_artefacts(&self.experiment(None).artefacts);
            store.remember(&earlier)?;
        }
        print_message(&format!(
            "no cell of this run has a value: the earlier results in {} are unchanged",
            self.results.display()
        ));
        print_message(match exit {
            Exit::Interrupted => "interrupted; the same command resumes",
            _ => {
                "hint: fix the failures above (or the empty scenario) and rerun; to record the failures instead, pass `--out DIR`"
            }
        });
        Ok(exit)
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

    fn execute(
        &self,
        store: &Store,
        run: (&Options, &Stop),
        book: &mut Book<'_>,
    ) -> anyhow::Result<Vec<Outcome>> {
        let plan = &self.planned.plan;
        let mut observer = Observer::new(plan, self.verbosity(), &run.0.logs)?;
        let mut write_error = None;
        let outcomes = exec::execute(
            &plan.graph,
            store,
            run,
            &mut |id: NodeId, event: &StageEvent| {
                observer.event(id, event);
                if let StageEvent::Ended(outcome) = event
                    && let Err(error) = book.settle(id, outcome)
                {
                    // The run ends if results cannot be written; finished stages stay in the store.
                    write_error.get_or_insert(error);
                    run.1.request();
                }
            },
        );
        observer.close()?;
        match write_error {
            Some(error) => Err(error),
            None => Ok(outcomes),
        }
    }

    fn options(&self, store: &Store, logs: &Path) -> anyhow::Result<Options> {
        let spec = &self.planned.checked.spec;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let counts = [
            ("threads", spec.run.threads),
            ("cf_threads", spec.run.cf_threads),
        ];
        for (field, threads) in counts {
            if threads > cores && self.is_work_left(store) {
                return Err(advise(
                    format!("`run.{field}` is {threads}, but this machine has {cores} cores"),
                    format!(
                        "write at most {cores}, or pass `--set run.{field}={cores}`; the thread count is part of the stage keys, since it may change the last bits of a result"
                    ),
                ));
            }
        }
        // Several stages may not fit in the memory of a GPU; `--jobs` overrides this.
        let most = match spec.run.device.as_str() {
            // The pool never gives out more threads than there are cores.
            "cpu" => (cores / spec.run.threads.min(spec.run.cf_threads).max(1)).max(1),
            _ => 1,
        };
        Ok(Options {
            worker: self.worker(store)?,
            base: planning::base(&self.planned.checked.base)?,
            logs: logs.to_owned(),
            device: spec.run.device.clone(),
            cores,
            jobs: self.arguments.jobs.map_or(most, usize::from),
            alone: self.planned.alone(),
            retries: spec.run.retries,
            fail_fast: self.arguments.fail_fast,
            timeout: self.arguments.timeout,
            checkpoint_every: spec.run.checkpoint_every,
        })
    }

    /// The worker program; it may be missing where nothing is left to run.
    fn worker(&self, store: &Store) -> anyhow::Result<PathBuf> {
        let found = locate::worker(self.common.worker.as_deref());
        match found {
            Ok(path) => Ok(path),
            Err(error) if self.is_work_left(store) => Err(advise(
                error.to_string(),
                "build it with `cargo build --release`, or set its path with `--worker PATH` or ALLROUND_WORKER",
            )),
            Err(_) => Ok(PathBuf::new()),
        }
    }

    /// Whether a stage is not in the store.
    fn is_work_left(&self, store: &Store) -> bool {
        exec::pool::survey(&self.planned.plan.graph, store)
            .iter()
            .any(|state| *state != Presence::Whole)
    }

    /// Prints a note if the folder holds results of another experiment file.
    fn note_replaced(&self, earlier: Option<&Experiment>) -> anyhow::Result<()> {
        let own = planning::base(&self.arguments.spec.path)?;
        let Some(earlier) = earlier else {
            return Ok(());
        };
        let other = planning::base(&earlier.spec)?;
        if other != own {
            print_message(&format!(
                "note: {} holds the results of `{}`, another experiment of the same name; this run replaces them (to keep both, rename one experiment or pass `--out DIR`)",
                self.results.display(),
                other.display()
            ));
        }
        Ok(())
    }

    fn verbosity(&self) -> Verbosity {
        match (self.common.quiet, self.common.verbose) {
            (true, _) => Verbosity::Quiet,
            (_, true) => Verbosity::Verbose,
            _ => Verbosity::Normal,
        }
    }

    fn experiment(&self, book: Option<&Book<'_>>) -> Experiment {
        let graph = &self.planned.plan.graph;
        let artefact = |node: &crate::plan::Node| (node.stage.settings.kind().to_owned(), node.key);
        Experiment {
            name: self.planned.checked.spec.name.clone(),
            spec: self.arguments.spec.path.clone(),
            results: self.results.clone(),
            artefacts: graph.nodes.iter().map(artefact).collect(),
            identity: self.planned.identity(),
            cells: self.planned.plan.cells.len(),
            finished: book.map_or(0, Book::finished),
            failed: book.map_or(0, Book::failed),
            ended: jiff::Zoned::now().strftime("%Y-%m-%d %H:%M").to_string(),
            files: BTreeMap::new(),
            answer: String::new(),
        }
    }

    /// The answer on standard output, and where the rest is.
    fn print_results(&self, answer: &str, exit: Exit) -> anyhow::Result<Exit> {
        print(answer)?;
        for note in record::notes(&self.results)? {
            print_message(&format!("note: {note}"));
        }
        let limit = self.planned.checked.spec.run.limit;
        if limit > 0 {
            print_message(&format!(
                "limited to {limit} users: a trial run, not a result"
            ));
        }
        match exit {
            Exit::Interrupted => print_message("interrupted; the same command resumes"),
            _ => print_message(&format!(
                "results are in {}; open report.html there",
                self.results.display()
            )),
        }
        Ok(exit)
    }
}

fn verdict(outcomes: &[Outcome], session: &Session<'_>, book: &Book<'_>) -> Exit {
    let unmeasured = book.unmeasured();
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
        return Exit::Failed;
    }
    match outcomes.contains(&Outcome::Interrupted) {
        true => Exit::Interrupted,
        false if unmeasured.is_empty() => Exit::Success,
        false => Exit::Failed,
    }
}
