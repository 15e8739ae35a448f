//! `allround run`: what is not done yet, then the results.

mod book;
mod rows;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::planning::{self, Planned};
use super::{Exit, advise, plan as plan_command, print, show};
use crate::cli::{Common, Run};
use crate::exec::{self, Happening, Options, Outcome, Stop, locate};
use crate::observe::{Observer, Volume, say};
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
        return Ok(Exit::Well);
    }
    let results = planning::base(&arguments.out)?.join(&planned.checked.folder);
    let session = Session {
        arguments,
        common,
        planned: &planned,
        results,
    };
    match session.done(&store) {
        Some(last) => session.tell(&last.answer, Exit::Well),
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
    /// The last run into the results folder, if it was this very one, ended well, and everything is still there.
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
        // Another run may have done it all while this one waited.
        if let Some(last) = self.done(&store) {
            return self.tell(&last.answer, Exit::Well);
        }
        if self.volume() != Volume::Quiet {
            say(&self.planned.description());
            for note in self.planned.notes() {
                say(&format!("note: {note}"));
            }
        }
        store.sweep()?;
        self.planned.inputs.save()?;
        let earlier = store.experiment(&self.results);
        self.tell_replaced(earlier.as_ref())?;
        // A failed or stopped run needs its artefacts, too, and the numbers in the folder need theirs: `clean` must take none.
        let mut begun = self.experiment(None);
        if let Some(earlier) = &earlier {
            begun.add_artefacts(&earlier.artefacts);
        }
        store.remember(&begun)?;
        let mut book = Book::open(self.planned, &store, &self.results)?;
        let options = self.options(&store, &logs)?;
        let stop = Stop::default();
        let wish = stop.clone();
        ctrlc::set_handler(move || wish.ask())?;
        let outcomes = self.execute(&store, (&options, &stop), &mut book)?;
        book.close()?;
        let exit = verdict(&outcomes, self, &book);
        for (made_by, stages) in book.other_workers() {
            say(&format!(
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
        self.tell(&answer, exit)
    }

    /// Ends a run without a number over a folder that has some: the folder stays, and so does what is known of it.
    fn keep(&self, store: &Store, earlier: Option<Experiment>, exit: Exit) -> anyhow::Result<Exit> {
        if let Some(mut earlier) = earlier {
            // `clean` must take neither the artefacts of the numbers nor those of this run.
            earlier.add_artefacts(&self.experiment(None).artefacts);
            store.remember(&earlier)?;
        }
        say(&format!(
            "no cell of this run has a number: the earlier results in {} are left as they are",
            self.results.display()
        ));
        say(match exit {
            Exit::Interrupted => "interrupted; the same command continues",
            _ => {
                "hint: mend what failed or left nobody to measure, and run again; to have the failures as results, choose another folder with `--out DIR`"
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
        say(&format!(
            "waiting for another run that writes into `{}`",
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
        let mut observer = Observer::new(plan, self.volume(), &run.0.logs)?;
        let mut trouble = None;
        let outcomes = exec::execute(
            &plan.graph,
            store,
            run,
            &mut |id: NodeId, happening: &Happening| {
                observer.listen(id, happening);
                if let Happening::Ended(outcome) = happening
                    && let Err(error) = book.settle(id, outcome)
                {
                    // Results that cannot be written end the run; what was computed stays in the store.
                    trouble.get_or_insert(error);
                    run.1.ask();
                }
            },
        );
        observer.close()?;
        match trouble {
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
                    format!("`run.{field}` is {threads}, and this machine has {cores} cores"),
                    format!(
                        "write at most {cores}, or give `--set run.{field}={cores}`: the count is part of the stages' keys, since it may change the last bits"
                    ),
                ));
            }
        }
        // Stages would fight for a GPU's memory, unless somebody says that they fit.
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
                "build it with `cargo build --release`, or name it with `--worker PATH` or ALLROUND_WORKER",
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

    /// Says so where the folder holds what another file's experiment of the same name left.
    fn tell_replaced(&self, earlier: Option<&Experiment>) -> anyhow::Result<()> {
        let own = planning::base(&self.arguments.spec.path)?;
        let Some(earlier) = earlier else {
            return Ok(());
        };
        let other = planning::base(&earlier.spec)?;
        if other != own {
            say(&format!(
                "note: {} holds the results of `{}`, an experiment of the same name; these take their place (to keep both, give this one another name or `--out DIR`)",
                self.results.display(),
                other.display()
            ));
        }
        Ok(())
    }

    fn volume(&self) -> Volume {
        match (self.common.quiet, self.common.verbose) {
            (true, _) => Volume::Quiet,
            (_, true) => Volume::Verbose,
            _ => Volume::Usual,
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
    fn tell(&self, answer: &str, exit: Exit) -> anyhow::Result<Exit> {
        print(answer)?;
        for note in record::notes(&self.results)? {
            say(&format!("note: {note}"));
        }
        let limit = self.planned.checked.spec.run.limit;
        if limit > 0 {
            say(&format!(
                "limited to {limit} users: a test of the program, not a result, and so in a folder of its own"
            ));
        }
        match exit {
            Exit::Interrupted => say("interrupted; the same command continues"),
            _ => say(&format!(
                "results are in {}, to be read in report.html",
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
        say(&format!("failed: {first}{others}: {error}"));
    }
    let failures = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Outcome::Failed(_)))
        .count();
    if failures > 0 {
        let labels = crate::observe::labels(&session.planned.plan);
        for (outcome, label) in outcomes.iter().zip(labels) {
            if let Outcome::Failed(error) = outcome {
                say(&format!("failed: {label}: {error}"));
            }
        }
        return Exit::Failed;
    }
    match outcomes.contains(&Outcome::Interrupted) {
        true => Exit::Interrupted,
        false if unmeasured.is_empty() => Exit::Well,
        false => Exit::Failed,
    }
}
