//! Stages in worker processes: order, reuse, failures, locks, threads. The worker is the fake one.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use allround::exec::{self, Options, Outcome, StageEvent, Stop};
use allround::plan::{Graph, NodeId, Settings};
use allround::site::LocalSettings;
use allround::store::{Presence, Store};
use allround_core::config::protocol::{Candidates, Rules, Seen, Ties};
use allround_core::data::Part;
use allround_core::stage::{Compute, DrawCandidates, Evaluate, Ranking, SliceUsers};

/// A graph with a `candidates` stage per seed, and an `evaluate` stage for each of them.
fn graph(seeds: u64) -> Graph {
    let mut graph = Graph::default();
    for seed in 0..seeds {
        let draw = Settings::Candidates(DrawCandidates {
            candidates: Candidates::Full {
                seen: Seen::Exclude,
            },
            rules: Rules::Strict,
            ties: Ties::Half,
            class: None,
            max_users: 0,
            slices: SliceUsers::default(),
            seed,
        });
        let draw = graph.add(draw, None, BTreeMap::new(), BTreeMap::new());
        let evaluate = Settings::Evaluate(Evaluate {
            part: Part::Test,
            keep_scores: false,
            ranking: Ranking::Cf,
        });
        graph.add(
            evaluate,
            compute(),
            BTreeMap::from([("candidates".into(), draw)]),
            BTreeMap::new(),
        );
    }
    graph
}

fn compute() -> Option<Compute> {
    Some(Compute {
        device: "cpu".to_owned(),
        threads: 1,
    })
}

struct Bench {
    dir: tempfile::TempDir,
    store: Store,
    options: Options,
}

impl Bench {
    /// `rules` are those of the fake worker. A script sets them, since tests share one environment.
    fn new(rules: &str) -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let logs = dir.path().join("logs");
        std::fs::create_dir_all(&logs).unwrap();
        let script = dir.path().join("worker.sh");
        let lines = format!(
            "#!/bin/sh\nFAKE_WORKER='{rules}' FAKE_WORKER_LOG='{}' exec '{}' \"$@\"\n",
            dir.path().join("starts").display(),
            common::fake_worker().display(),
        );
        std::fs::write(&script, lines).unwrap();
        make_executable(&script);
        Bench {
            store: Store::open(&dir.path().join("store")).unwrap(),
            options: Options {
                worker: script,
                base: dir.path().to_owned(),
                logs,
                device: "cpu".into(),
                gpus: Vec::new(),
                sharing: LocalSettings::default(),
                cores: 4,
                jobs: 4,
                alone: BTreeSet::new(),
                retries: 0,
                fail_fast: false,
                timeout: None,
                checkpoint_every: 1,
                checkpoint_minutes: 10.0,
            },
            dir,
        }
    }

    fn run(&self, graph: &Graph) -> Vec<Outcome> {
        self.run_with(graph, &Stop::default(), &mut |_, _| {})
    }

    fn run_with(
        &self,
        graph: &Graph,
        stop: &Stop,
        listen: &mut dyn FnMut(NodeId, &StageEvent),
    ) -> Vec<Outcome> {
        exec::execute(graph, &self.store, &self.options, stop, listen)
    }

    fn starts(&self) -> usize {
        let log = std::fs::read_to_string(self.dir.path().join("starts")).unwrap_or_default();
        log.lines().count()
    }
}

fn make_executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn failure(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Failed(error) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_stage_is_made_once_and_then_comes_from_the_store() {
    let bench = Bench::new("");
    let graph = graph(3);
    assert!(
        bench
            .run(&graph)
            .iter()
            .all(|outcome| *outcome == Outcome::Made)
    );
    assert_eq!(bench.starts(), 6);
    assert!(
        bench
            .run(&graph)
            .iter()
            .all(|outcome| *outcome == Outcome::Cached)
    );
    assert_eq!(bench.starts(), 6);
}

#[test]
fn a_failure_blocks_only_the_stages_that_need_it() {
    let bench = Bench::new("evaluate=nan");
    let mut graph = graph(1);
    let last = graph.nodes.len() - 1;
    let settings = Settings::Evaluate(Evaluate {
        part: Part::Test,
        keep_scores: false,
        ranking: Ranking::Cf,
    });
    graph.add(
        settings,
        compute(),
        BTreeMap::from([("prepared".into(), last)]),
        BTreeMap::new(),
    );
    let outcomes = bench.run(&graph);
    assert_eq!(outcomes[0], Outcome::Made);
    assert_eq!(
        failure(&outcomes[1]),
        "the loss is NaN at step 3 of epoch 1; hint: this worker is a fake"
    );
    assert_eq!(outcomes[2], Outcome::Blocked(1));
}

#[test]
fn fail_fast_starts_nothing_after_the_first_failure() {
    let mut bench = Bench::new("candidates=nan");
    (bench.options.jobs, bench.options.fail_fast) = (1, true);
    let outcomes = bench.run(&graph(3));
    assert_eq!(bench.starts(), 1);
    assert_eq!(outcomes[1], Outcome::Blocked(0));
    assert_eq!(outcomes[2], Outcome::Interrupted);
}

#[test]
fn the_error_of_a_dead_worker_has_cause_time_and_output() {
    let errors = |rules: &str| {
        let bench = Bench::new(rules);
        failure(&bench.run(&graph(1))[0]).to_owned()
    };
    let killed = errors("candidates=kill");
    assert!(
        killed.contains("killed by signal 9 (SIGKILL) after it started"),
        "{killed}"
    );
    assert!(killed.contains("memory"), "{killed}");
    let crashed = errors("candidates=crash");
    assert!(
        crashed.contains("exit code 101") && crashed.contains("crashes on request"),
        "{crashed}"
    );
    let silent = errors("candidates=silent");
    assert!(silent.contains("ended without finishing"), "{silent}");
    let full = errors("candidates=full");
    assert!(
        full.contains("`/dev/full`: no space left on device"),
        "{full}"
    );
}

#[test]
fn a_silent_worker_is_killed_after_the_timeout() {
    let mut bench = Bench::new("candidates=hang");
    bench.options.timeout = Some(Duration::from_millis(200));
    let outcomes = bench.run(&graph(1));
    assert!(
        failure(&outcomes[0]).contains("`--timeout`"),
        "{outcomes:?}"
    );
}

#[test]
fn a_missing_worker_program_is_a_failure_that_names_it() {
    let mut bench = Bench::new("");
    bench.options.worker = bench.dir.path().join("nowhere");
    let outcomes = bench.run(&graph(1));
    assert!(failure(&outcomes[0]).contains("nowhere"), "{outcomes:?}");
}

#[test]
fn a_retry_can_succeed() {
    let mut bench = Bench::new("candidates=once");
    bench.options.retries = 1;
    let mut retried = Vec::new();
    let outcomes = bench.run_with(&graph(1), &Stop::default(), &mut |_, event| {
        if let StageEvent::Retried(why) = event {
            retried.push(why.clone());
        }
    });
    assert_eq!(outcomes[0], Outcome::Made);
    assert!(retried[0].contains("first attempt fails"), "{retried:?}");
}

#[test]
fn output_of_a_library_is_a_note_and_not_a_failure() {
    let bench = Bench::new("candidates=print");
    let mut notes = 0;
    let outcomes = bench.run_with(&graph(1), &Stop::default(), &mut |_, event| {
        notes += usize::from(format!("{event:?}").contains("a library says hello"));
    });
    assert_eq!((outcomes[0].clone(), notes), (Outcome::Made, 1));
}

#[test]
fn a_damaged_artefact_is_reported_and_rebuilt() {
    let bench = Bench::new("");
    let graph = graph(1);
    bench.run(&graph);
    let node = &graph.nodes[1];
    let file = bench.store.folder("evaluate", &node.key).join("fake.txt");
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, vec![b'x'; whole.len()]).unwrap();
    let mut damage = String::new();
    let outcomes = bench.run_with(&graph, &Stop::default(), &mut |_, event| {
        if let StageEvent::Damaged(why) = event {
            damage.clone_from(why);
        }
    });
    assert!(damage.contains("fake.txt"), "{damage}");
    assert_eq!(outcomes, [Outcome::Cached, Outcome::Made]);
    assert_eq!(std::fs::read(&file).unwrap(), whole);
}

#[test]
fn two_concurrent_runs_do_not_make_a_stage_twice() {
    let bench = Bench::new("all=sleep:100");
    let graph = graph(3);
    let (one, two) = std::thread::scope(|scope| {
        let one = scope.spawn(|| bench.run(&graph));
        let two = scope.spawn(|| bench.run(&graph));
        (one.join().unwrap(), two.join().unwrap())
    });
    assert_eq!(bench.starts(), graph.nodes.len());
    assert!(
        one.iter().chain(&two).all(Outcome::is_good),
        "{one:?} {two:?}"
    );
}

/// The most stages that ran at a time, and the most that ran together with one of `watched`.
fn peaks(bench: &Bench, graph: &Graph, watched: &BTreeSet<NodeId>) -> (usize, usize) {
    let mut running = BTreeSet::new();
    let (mut peak, mut concurrent) = (0, 0);
    bench.run_with(graph, &Stop::default(), &mut |id, event| match event {
        StageEvent::Started => {
            running.insert(id);
            peak = peak.max(running.len());
            if !running.is_disjoint(watched) {
                concurrent = concurrent.max(running.len() - 1);
            }
        }
        StageEvent::Ended(Outcome::Made) => drop(running.remove(&id)),
        _ => {}
    });
    (peak, concurrent)
}

#[test]
fn threads_are_assigned_to_one_stage_at_a_time() {
    for (jobs, most) in [(4, 2), (1, 1)] {
        let mut bench = Bench::new("all=sleep:20");
        (bench.options.cores, bench.options.jobs) = (2, jobs);
        assert_eq!(
            peaks(&bench, &graph(3), &BTreeSet::new()).0,
            most,
            "jobs {jobs}"
        );
    }
}

#[test]
fn only_stages_that_run_alone_have_no_concurrent_stage() {
    let graph = graph(4);
    let everything: BTreeSet<NodeId> = (0..graph.nodes.len()).collect();
    // First only an evaluation in the middle, then every stage runs alone.
    for (alone, most) in [(BTreeSet::from([3]), 4), (everything, 1)] {
        let mut bench = Bench::new("all=sleep:20");
        bench.options.alone.clone_from(&alone);
        assert_eq!(peaks(&bench, &graph, &alone), (most, 0), "{alone:?}");
        assert_eq!(bench.starts(), graph.nodes.len());
    }
}

#[test]
fn a_stop_request_ends_workers_and_a_second_run_continues() {
    let bench = Bench::new("all=sleep:300");
    let graph = graph(2);
    let stop = Stop::default();
    let handle = stop.clone();
    let outcomes = bench.run_with(&graph, &stop, &mut |_, event| {
        if matches!(event, StageEvent::Started) {
            handle.request();
        }
    });
    assert!(
        outcomes
            .iter()
            .all(|outcome| *outcome == Outcome::Interrupted),
        "{outcomes:?}"
    );
    assert_eq!(
        bench.store.look("candidates", &graph.nodes[0].key),
        Presence::Absent
    );
    assert!(
        bench
            .run(&graph)
            .iter()
            .all(|outcome| *outcome == Outcome::Made)
    );
}
