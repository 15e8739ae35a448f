//! When stages start, without workers: a stage ends when a clock says so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use allround_core::config::protocol::{Candidates, Rules, Seen, Ties};
use allround_core::stage::{Compute, DrawCandidates, SliceUsers};

/// A graph of one-thread stages, each with the stages that it needs.
fn graph(needs: &[Vec<NodeId>]) -> Graph {
    let mut graph = Graph::default();
    for (seed, needs) in (0..).zip(needs) {
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
        let roles = needs.iter().map(|&need| (format!("n{need}"), need));
        graph.add(draw, None, roles.collect(), BTreeMap::new());
    }
    graph
}

fn options(alone: &[NodeId]) -> Options {
    Options {
        worker: PathBuf::new(),
        base: PathBuf::new(),
        logs: PathBuf::new(),
        device: "cpu".to_owned(),
        gpus: Vec::new(),
        sharing: crate::site::LocalSettings::default(),
        cores: 3,
        jobs: 3,
        alone: alone.iter().copied().collect(),
        retries: 0,
        fail_fast: false,
        timeout: None,
        checkpoint_every: 1,
        checkpoint_minutes: 10.0,
    }
}

/// What the clock showed when each stage started and ended, where it did; stage `id` runs for
/// `lasts[id]` and fails where `failed` has it.
fn spans(
    (graph, options): (&Graph, &Options),
    lasts: &[u32],
    failed: &BTreeSet<NodeId>,
) -> BTreeMap<NodeId, (u32, u32)> {
    let mut pool = Pool::new(graph, options);
    let mut spans = BTreeMap::new();
    let mut clock = 0;
    loop {
        while let Some((id, threads)) = pool.next(&Stop::default(), &mut |_, _| {}) {
            pool.running.push((id, threads));
            spans.insert(id, (clock, clock + lasts[id]));
        }
        let ends = pool.running.iter().map(|&(id, _)| (spans[&id].1, id));
        let Some((end, id)) = ends.min() else {
            return spans;
        };
        clock = end;
        let outcome = match failed.contains(&id) {
            true => Outcome::Failed("as asked".to_owned()),
            false => Outcome::Made,
        };
        pool.end(id, outcome, &mut |_, _| {});
    }
}

fn overlap(one: (u32, u32), other: (u32, u32)) -> bool {
    one.0 < other.1 && other.0 < one.1
}

#[test]
fn a_stage_that_runs_alone_waits_for_those_that_run_and_is_overtaken_by_none() {
    let graph = graph(&vec![Vec::new(); 6]);
    let spans = spans(
        (&graph, &options(&[2])),
        &[5, 1, 4, 1, 1, 1],
        &BTreeSet::new(),
    );
    let expected = [(0, 5), (0, 1), (5, 9), (9, 10), (9, 10), (9, 10)];
    assert_eq!(spans.into_values().collect::<Vec<_>>(), expected);
}

#[test]
fn an_endless_queue_of_short_stages_does_not_starve_one_that_runs_alone() {
    let mut needs = vec![Vec::new()];
    needs.resize(50, vec![0]);
    let graph = graph(&needs);
    let mut lasts = vec![1; 50];
    lasts[3] = 7;
    let spans = spans((&graph, &options(&[4])), &lasts, &BTreeSet::new());
    assert_eq!((spans[&3], spans[&4]), ((1, 8), (8, 9)));
    assert!((5..50).all(|later| spans[&later].0 >= 9), "{spans:?}");
}

/// Stages that compute on a GPU, of which two share each of `gpus`.
fn on_gpus(count: u64, gpus: &[u32], alone: &[NodeId]) -> (Graph, Options) {
    let mut all = Graph::default();
    for node in graph(&vec![Vec::new(); usize::try_from(count).unwrap()]).nodes {
        let compute = Compute {
            device: "cuda".to_owned(),
            threads: 1,
        };
        all.add(
            node.stage.settings,
            Some(compute),
            BTreeMap::new(),
            BTreeMap::new(),
        );
    }
    let sharing = crate::site::LocalSettings {
        per_device: 2,
        retry_alone: true,
        ..crate::site::LocalSettings::default()
    };
    let options = Options {
        gpus: gpus.to_vec(),
        sharing,
        cores: 8,
        jobs: 8,
        ..options(alone)
    };
    (all, options)
}

/// Starts every stage that may start, and returns the GPU of each.
fn started(pool: &mut Pool<'_>) -> Vec<(NodeId, u32)> {
    let mut found = Vec::new();
    while let Some((id, threads)) = pool.next(&Stop::default(), &mut |_, _| {}) {
        pool.running.push((id, threads));
        found.push((id, pool.gpus[&id]));
    }
    found
}

#[test]
fn stages_share_gpus_and_one_that_runs_alone_has_its_gpu_for_itself() {
    let (graph, options) = on_gpus(6, &[0, 1], &[3]);
    let mut pool = Pool::new(&graph, &options);
    assert_eq!(
        started(&mut pool),
        [(0, 0), (1, 1), (2, 0)],
        "no stage overtakes 3"
    );
    pool.finish(1, Outcome::Made, &mut |_, _| {});
    assert_eq!(started(&mut pool), [(3, 1)]);
    pool.finish(3, Outcome::Made, &mut |_, _| {});
    assert_eq!(started(&mut pool), [(4, 1), (5, 1)]);
}

#[test]
fn a_stage_without_memory_on_a_shared_gpu_runs_once_more_alone() {
    let (graph, options) = on_gpus(2, &[0], &[]);
    let mut pool = Pool::new(&graph, &options);
    assert_eq!(started(&mut pool), [(0, 0), (1, 0)]);
    let full = || Outcome::Failed("CUDA out of memory. Tried to allocate 2 GiB".to_owned());
    let mut events = Vec::new();
    pool.finish(1, full(), &mut |id, event| {
        events.push((id, format!("{event:?}")))
    });
    assert!(events[0].1.starts_with("Retried"), "{events:?}");
    assert_eq!(started(&mut pool), [], "it waits for the GPU");
    pool.finish(0, Outcome::Made, &mut |_, _| {});
    assert_eq!(started(&mut pool), [(1, 0)]);
    pool.finish(1, full(), &mut |_, _| {});
    assert!(
        matches!(pool.outcomes[1], Some(Outcome::Failed(_))),
        "alone, it failed"
    );
}

#[test]
fn a_stage_that_is_not_ready_delays_no_other() {
    // Stage 2 runs alone and needs 0, which takes long.
    let graph = graph(&[vec![], vec![], vec![0], vec![], vec![]]);
    let spans = spans((&graph, &options(&[2])), &[9, 1, 1, 1, 1], &BTreeSet::new());
    assert_eq!((spans[&3].0, spans[&4].0, spans[&2].0), (0, 1, 9));
}

#[test]
fn a_failed_stage_that_ran_alone_lets_the_others_go_on() {
    let graph = graph(&[vec![], vec![0], vec![], vec![]]);
    let spans = spans(
        (&graph, &options(&[0])),
        &[2, 1, 1, 1],
        &BTreeSet::from([0]),
    );
    assert_eq!(
        spans,
        BTreeMap::from([(0, (0, 2)), (2, (2, 3)), (3, (2, 3))])
    );
}

/// Stages that need one or two earlier ones or none, how long each lasts, and which run alone.
fn work() -> impl Strategy<Value = (Vec<Vec<NodeId>>, Vec<u32>, Vec<NodeId>)> {
    let stage = (
        any::<[prop::sample::Index; 2]>(),
        0..3usize,
        1..6u32,
        any::<bool>(),
    );
    prop::collection::vec(stage, 1..14).prop_map(|stages| {
        let needs =
            |(at, (picks, n, ..)): (usize, &([prop::sample::Index; 2], usize, u32, bool))| {
                let picks = picks.iter().take(if at == 0 { 0 } else { *n });
                let needs: BTreeSet<NodeId> = picks.map(|pick| pick.index(at)).collect();
                needs.into_iter().collect()
            };
        let all = stages.iter().enumerate();
        let alone = all.clone().filter(|(_, (.., alone))| *alone);
        (
            all.clone().map(needs).collect(),
            stages.iter().map(|(_, _, lasts, _)| *lasts).collect(),
            alone.map(|(id, _)| id).collect(),
        )
    })
}

proptest! {
    #[test]
    fn whatever_the_graph_every_stage_runs_and_those_that_run_alone_overlap_nothing(
        (needs, lasts, alone) in work()
    ) {
        let graph = graph(&needs);
        let spans = spans((&graph, &options(&alone)), &lasts, &BTreeSet::new());
        prop_assert_eq!(spans.len(), needs.len());
        for id in alone {
            let others = spans.iter().filter(|(other, _)| **other != id);
            for (other, span) in others {
                prop_assert!(!overlap(spans[&id], *span), "{} and {}", id, other);
            }
        }
    }
}

#[test]
fn a_stage_whose_thread_panics_has_failed_and_is_not_waited_for() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let graph = graph(&[vec![]]);
    // A job cannot be written with such a path; commands refuse it before they come here.
    let base = PathBuf::from(std::ffi::OsStr::from_bytes(b"\xff"));
    let options = Options {
        base,
        logs: folder.path().to_owned(),
        ..options(&[])
    };
    let outcomes = execute(&graph, &store, &options, &Stop::default(), &mut |_, _| {});
    let [Outcome::Failed(error)] = &outcomes[..] else {
        panic!("{outcomes:?}")
    };
    assert!(error.starts_with("internal error: "), "{error}");
}

#[test]
fn a_panic_of_who_listens_ends_the_workers_and_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let graph = graph(&[vec![], vec![]]);
    let options = Options {
        worker: script(folder.path(), "sleep 600"),
        base: folder.path().to_owned(),
        logs: folder.path().to_owned(),
        ..options(&[])
    };
    let stop = Stop::default();
    let run = std::panic::AssertUnwindSafe(|| {
        execute(&graph, &store, &options, &stop, &mut |_, event| {
            assert!(!matches!(event, StageEvent::Started), "as asked");
        })
    });
    assert!(std::panic::catch_unwind(run).is_err());
    assert!(stop.is_urgent());
}

fn script(folder: &std::path::Path, text: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join("worker");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}
