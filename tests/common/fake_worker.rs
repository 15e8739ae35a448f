//! A worker that implements the protocol without computing, so that tests of the command take
//! milliseconds.
//!
//! `FAKE_WORKER` has rules `KIND[/MODEL]=ACTION`, separated by semicolons. The first rule that
//! matches a stage applies:
//!
//! - `sleep:MS`: sleep before every epoch and before the end
//! - `crash`, `kill`, `hang`: panic, die of a signal, never end
//! - `nan`, `full`: fail as if the loss were NaN, or the disk full
//! - `silent`: end without the last event
//! - `print`: print a line that is not an event
//! - `flood`, `line`, `shout`: print endlessly: lines, one line, or on standard error
//! - `once`: fail at the first attempt only
//! - `old`: report another version of the protocol, then hang
//! - `commit:NAME`: report another commit
//!
//! A line per start is appended to the file `FAKE_WORKER_LOG`.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use allround_core::data::scores::Scored;
use allround_core::data::{
    self, Answer, Answers, CandidateLists, Likes, Part, Prepared, Ranks, Scores, candidates,
    fusion, genres, given,
};
use allround_core::event::{Counted, Epoch, Event, Failure, PROTOCOL, Phase, Started, Validation};
use allround_core::fs;
use allround_core::metric::Metric;
use allround_core::models::llm_method::Accept;
use allround_core::models::llm_method::Inference;
use allround_core::program::Program;
use allround_core::stage::{
    Evaluate, FusionRanking, GivenScores, LlmRanking, Ranking, source_role,
};
use allround_core::stage::{Job, Settings};
use allround_core::text::{Titles, audit};

fn main() {
    let path = std::env::args().nth(1).expect("a job file");
    let bytes = fs::read(Path::new(&path)).expect("a readable job");
    let job: Job = serde_json::from_slice(&bytes).expect("a job");
    log_start(&job);
    let action = action(&job);
    match work(&job, &action) {
        Ok(()) if action == "silent" => {}
        Ok(()) => send(&Event::Finished),
        Err(error) => {
            let hint = Some("this worker is a fake".to_owned());
            send(&Event::Failed(Failure { error, hint }));
            std::process::exit(1);
        }
    }
}

fn send(event: &Event) {
    let mut line = serde_json::to_string(event).expect("an event is plain data");
    line.push('\n');
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(line.as_bytes())
        .and_then(|()| stdout.flush())
        .expect("a reader");
}

fn log_start(job: &Job) {
    if let Some(path) = std::env::var_os("FAKE_WORKER_LOG") {
        let line = format!("{} {}\n", job.stage.settings.kind(), job.key.short());
        let mut file = fs::append(Path::new(&path)).expect("a log");
        file.write_all(line.as_bytes()).expect("a log line");
    }
}

fn action(job: &Job) -> String {
    let kind = job.stage.settings.kind();
    let model = match &job.stage.settings {
        Settings::Backbone(settings) => settings.model.kind(),
        Settings::Evaluate(settings) if settings.ranking.prompted_llm().is_some() => "llm",
        _ => "",
    };
    let rules = std::env::var("FAKE_WORKER").unwrap_or_default();
    let found = rules
        .split(';')
        .filter_map(|rule| rule.split_once('='))
        .find(|(name, _)| {
            *name == kind.as_str() || *name == "all" || *name == format!("{kind}/{model}")
        });
    found
        .map(|(_, action)| action.to_owned())
        .unwrap_or_default()
}

fn work(job: &Job, action: &str) -> Result<(), String> {
    let marker = job.checkpoint.join("epoch");
    let done: u32 = fs::read_to_string(&marker)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    send(&Event::Started(Started {
        device: job.device.clone(),
        device_name: "fake".to_owned(),
        libtorch: None,
        threads: job.threads,
        resumed_epoch: done,
        resumed_step: 0,
        protocol: match action {
            "old" => 0,
            _ => PROTOCOL,
        },
        program: match action.strip_prefix("commit:") {
            Some(commit) => Program {
                commit: Some(commit.to_owned()),
                ..Program::this()
            },
            None => Program::this(),
        },
    }));
    misbehave(job, action)?;
    let mut loss = f64::from(job.key.bytes()[0]);
    validation(job, 0);
    for epoch in 1..=epochs(job) {
        loss *= 0.9;
        let is_new = epoch > done;
        if is_new {
            pause(action);
        }
        send(&Event::Epoch(epoch_event(epoch, loss)));
        validation(job, epoch);
        if is_new {
            fs::write_atomic(&marker, epoch.to_string().as_bytes())
                .map_err(|error| error.to_string())?;
        }
    }
    pause(action);
    send(&Event::Phase(Phase {
        phase: phase(job).to_owned(),
        wall_s: 0.5,
        examples: Some(10),
        tokens: reads_prompts(job).then_some(1000),
        trained_params: (epochs(job) > 0).then_some(100),
        params: Some(1000),
        ..Phase::default()
    }));
    if let Settings::Project(_) = job.stage.settings {
        send(&Event::Remark {
            text: "micro-batch 2 of 4 after out of memory".to_owned(),
        });
        send(&Event::Counted(Counted {
            what: "titles cut".to_owned(),
            count: 3,
        }));
    }
    if let Some(file) = imported(job) {
        let text = format!("weights imported from {file}, not trained here");
        send(&Event::Remark { text });
    }
    artefact(job, loss)
}

fn reads_prompts(job: &Job) -> bool {
    match &job.stage.settings {
        Settings::Project(_) | Settings::Tune(_) | Settings::Represent(_) => true,
        Settings::Evaluate(settings) => settings.ranking.prompted_llm().is_some(),
        _ => false,
    }
}

/// The name of the file whose weights a stage imports.
fn imported(job: &Job) -> Option<&str> {
    match &job.stage.settings {
        Settings::Backbone(settings) => settings.model.weights(),
        _ => None,
    }
}

fn phase(job: &Job) -> &'static str {
    match job.stage.settings {
        Settings::Prepare(_) => "read",
        Settings::Candidates(_) => "draw",
        Settings::Backbone(_) if imported(job).is_some() => "import",
        Settings::Backbone(_)
        | Settings::Contrast(_)
        | Settings::Pretrain(_)
        | Settings::PretrainLm(_)
        | Settings::Align(_)
        | Settings::Project(_)
        | Settings::Tune(_)
        | Settings::Represent(_) => "train",
        Settings::EncodeText(_) => "encode",
        Settings::Evaluate(Evaluate {
            part: Part::Valid, ..
        }) => "evaluate_valid",
        Settings::Evaluate(Evaluate {
            ranking: Ranking::Fusion(_),
            ..
        }) => "fuse",
        Settings::Evaluate(_) => "evaluate",
    }
}

fn epochs(job: &Job) -> u32 {
    match &job.stage.settings {
        _ if imported(job).is_some() => 0,
        Settings::Backbone(settings) => {
            let model = serde_json::to_value(&settings.model).expect("plain data");
            let kind = &model[settings.model.kind()];
            let train = kind.get("finetune").unwrap_or(kind);
            let epochs = train["train"]["epochs"].as_u64();
            epochs
                .and_then(|epochs| u32::try_from(epochs).ok())
                .unwrap_or(0)
        }
        Settings::Contrast(settings) => settings.contrast.train.epochs,
        Settings::Pretrain(settings) => settings.model.pretrain.train.epochs,
        Settings::Align(settings) => settings.align.train.epochs,
        Settings::Project(settings) => settings.project.train.epochs,
        Settings::Tune(settings) => settings.tune.train.epochs,
        Settings::Represent(settings) => settings.represent.training().train.epochs,
        _ => 0,
    }
}

fn epoch_event(epoch: u32, loss: f64) -> Epoch {
    Epoch {
        epoch,
        loss,
        losses: BTreeMap::new(),
        validation: BTreeMap::new(),
        wall_s: 0.25,
        examples: 10,
    }
}

/// The validation after an epoch, of a stage 2 that is validated.
fn validation(job: &Job, epoch: u32) {
    let Settings::Project(settings) = &job.stage.settings else {
        return;
    };
    if settings.ranking.is_none() {
        return;
    }
    let metrics = |value| BTreeMap::from([(Metric::Mrr, value)]);
    if epoch == 0 {
        let metrics = metrics(0.5);
        send(&Event::Reference { metrics });
    }
    send(&Event::Validation(Validation {
        epoch,
        samples: 10 * u64::from(epoch),
        metrics: metrics(0.25 + 0.125 * f64::from(epoch)),
        wall_s: 0.5,
    }));
}

fn pause(action: &str) {
    if let Some(ms) = action.strip_prefix("sleep:").and_then(|ms| ms.parse().ok()) {
        std::thread::sleep(Duration::from_millis(ms));
    }
}

fn misbehave(job: &Job, action: &str) -> Result<(), String> {
    match action {
        "crash" => panic!("the fake worker crashes on request"),
        "kill" => {
            // SAFETY: a signal to this very process.
            unsafe { libc::raise(libc::SIGKILL) };
            Ok(())
        }
        "hang" | "old" => loop {
            std::thread::sleep(Duration::from_secs(1));
        },
        "nan" => Err("the loss is NaN at step 3 of epoch 1".to_owned()),
        "full" => {
            let mut file = fs::create(Path::new("/dev/full")).map_err(|error| error.to_string())?;
            let written = file.write_all(b"weights").and_then(|()| file.flush());
            let path = Path::new("/dev/full");
            written.map_err(|error| fs::FsError::new(path, "write", error).to_string())
        }
        "once" if !job.checkpoint.join("tried").exists() => {
            fs::write_atomic(&job.checkpoint.join("tried"), b"")
                .map_err(|error| error.to_string())?;
            Err("the first attempt fails".to_owned())
        }
        "print" => {
            let said = writeln!(std::io::stdout(), "a library says hello");
            said.map_err(|error| error.to_string())
        }
        "flood" => without_end(&mut std::io::stdout(), b"a library says hello, and again\n"),
        "line" => without_end(&mut std::io::stdout(), b"a line that does not end, "),
        "shout" => without_end(&mut std::io::stderr(), b"a warning, and again\n"),
        _ => Ok(()),
    }
}

/// Writes the same text until writing fails.
fn without_end(out: &mut dyn Write, text: &[u8]) -> Result<(), String> {
    let text = text.repeat(1000);
    loop {
        out.write_all(&text).map_err(|error| error.to_string())?;
    }
}

/// Writes the artefact of a stage. Data and candidates are real, models are a text file, and ranks
/// are a function of the key. A stage without prepared data only writes the text file.
fn artefact(job: &Job, loss: f64) -> Result<(), String> {
    let text = format!("{} {loss}\n", job.key);
    fs::write_atomic(&job.output.join("fake.txt"), text.as_bytes())
        .map_err(|error| error.to_string())?;
    let prepared = job
        .needs
        .get("prepared")
        .map(|folder| Prepared::load(folder));
    let prepared = prepared.transpose().map_err(|error| error.to_string())?;
    let saved = match (&job.stage.settings, prepared) {
        (Settings::Prepare(settings), _) => {
            data::prepare(settings, &job.base, &mut |event| send(&event))
                .and_then(|prepared| prepared.save(&job.output))
        }
        (Settings::Candidates(settings), Some(prepared)) => {
            [Part::Valid, Part::Test].into_iter().try_for_each(|part| {
                candidates::make(&prepared, settings, part, &job.base, &mut |event| {
                    send(&event)
                })
                .and_then(|lists| lists.save(&job.output))
            })
        }
        (Settings::Evaluate(settings), Some(prepared)) => {
            CandidateLists::load(&job.needs["candidates"], settings.part)
                .and_then(|lists| evaluate(job, settings, &prepared, lists))
        }
        _ => Ok(()),
    };
    saved.map_err(|error| error.to_string())
}

/// Imported scores and fusions are real, all other ranks are a function of the key.
fn evaluate(
    job: &Job,
    settings: &Evaluate,
    prepared: &Prepared,
    lists: CandidateLists,
) -> Result<(), data::DataError> {
    let keeps = settings.keep_scores;
    match &settings.ranking {
        Ranking::Given(given) => return read_scores(job, (given, keeps), (prepared, &lists)),
        Ranking::Fusion(ranking) => return fuse(job, ranking, (prepared, &lists)),
        Ranking::Genres(rule) => {
            return Ok(genres::ranks(*rule, prepared, &lists).save(&job.output)?);
        }
        Ranking::Cf | Ranking::Llm(_) | Ranking::Vectors(_) | Ranking::Texts(_) => {}
    }
    if keeps {
        scores(prepared, &lists).save(&job.output)?;
    }
    match &settings.ranking {
        Ranking::Llm(ranking) => answer(job, (ranking, prepared), lists),
        _ => Ok(ranks(job, lists).save(&job.output)?),
    }
}

/// Combines scores as the real worker does.
fn fuse(
    job: &Job,
    ranking: &FusionRanking,
    (prepared, lists): (&Prepared, &CandidateLists),
) -> Result<(), data::DataError> {
    let folders = (0..).map_while(|at| job.needs.get(&source_role(at)));
    let sources = folders.map(|folder| Scores::load(folder, lists.part));
    let sources = sources.collect::<Result<Option<Vec<Scores>>, _>>()?;
    let sources = sources.expect("the models of a fusion keep their scores");
    fusion::fuse(ranking, &sources, prepared, lists)?
        .ranks
        .save(&job.output)?;
    Ok(())
}

/// Writes answers like those of a language model: one title per user, or scores of yes, depending
/// on the settings.
fn answer(
    job: &Job,
    (ranking, prepared): (&LlmRanking, &Prepared),
    lists: CandidateLists,
) -> Result<(), data::DataError> {
    let accept = match &ranking.inference {
        Some(Inference::Generate { accept, .. }) => *accept,
        Some(Inference::Constrained {}) => Accept::Exact,
        None => {
            likes(&lists).save(&job.output)?;
            return Ok(ranks(job, lists).save(&job.output)?);
        }
        Some(Inference::Score { .. }) => {
            return Ok(ranks(job, lists).save(&job.output)?);
        }
    };
    let titles = Titles::new(&prepared.items);
    let n = lists
        .n
        .expect("a prompt lists a fixed number of candidates");
    let mut rows = Vec::new();
    let mut found = Vec::new();
    for (at, (&user, &target)) in lists.users.iter().zip(&lists.targets).enumerate() {
        let mut listed = vec![titles.of(target)];
        let negatives = &lists.negatives[at * n..(at + 1) * n];
        listed.extend(negatives.iter().map(|&item| titles.of(item)));
        // Every third answer names the target, and every fifth of the others no candidate.
        let raw = match at % 15 {
            at if at % 3 == 0 => format!("\"{}\" of course", listed[0]),
            at if at % 5 == 0 => "=\"Nothing".to_owned(),
            at => format!("\"{}\"", listed[at % listed.len()]),
        };
        let audit = audit(&raw, listed[0], &listed);
        found.push(audit.rank(accept, listed.len()));
        rows.push(Answer {
            user,
            target,
            raw,
            extracted: audit.extracted,
            exact: audit.exact,
            normalised: audit.normalised,
            substring: audit.substring,
            valid: audit.valid,
            position: audit.position,
            named: audit.named,
        });
    }
    let part = lists.part;
    Answers { part, rows }.save(&job.output)?;
    let (users, targets) = (lists.users, lists.targets);
    let ranks = Ranks {
        part,
        users,
        targets,
        ranks: found,
    };
    Ok(ranks.save(&job.output)?)
}

fn likes(lists: &CandidateLists) -> Likes {
    let n = lists
        .n
        .expect("a prompt lists a fixed number of candidates");
    let others = 0..lists.users.len() * n;
    Likes {
        part: lists.part,
        users: lists.users.clone(),
        target: lists.users.iter().map(|user| f64::from(user % 2)).collect(),
        others: others.map(|_| 0.5).collect(),
    }
}

/// Scores that equal the numbers of the candidates.
fn scores(prepared: &Prepared, lists: &CandidateLists) -> Scores {
    let mut scores = Scores::nothing(lists.part);
    let most = data::scores::bound(lists, prepared.n_items());
    for (place, (&user, &target)) in lists.users.iter().zip(&lists.targets).enumerate() {
        let candidates = data::scores::candidates(lists, prepared, place).into_iter();
        let scored = candidates.map(|item| Scored {
            item,
            score: f64::from(item),
        });
        scores.push(user, target, scored.collect(), most);
    }
    scores
}

/// Reads imported scores as the real worker does.
fn read_scores(
    job: &Job,
    (given, keep_scores): (&GivenScores, bool),
    (prepared, lists): (&Prepared, &CandidateLists),
) -> Result<(), data::DataError> {
    let settings = given::Settings {
        form: given.form,
        missing: given.missing,
        unknown: given.unknown,
        keep_scores,
    };
    let measured = given::measure(&job.base.join(&given.file), settings, prepared, lists)?;
    measured.ranks.save(&job.output)?;
    if let Some(scores) = measured.scores {
        scores.save(&job.output)?;
    }
    for counted in measured.counted {
        send(&Event::Counted(counted));
    }
    Ok(())
}

fn ranks(job: &Job, lists: CandidateLists) -> Ranks {
    let key = job.key.bytes();
    let rank =
        |&user: &u32| f64::from((u32::from(key[user as usize % key.len()]) + user) % 20) + 1.0;
    Ranks {
        part: lists.part,
        ranks: lists.users.iter().map(rank).collect(),
        users: lists.users,
        targets: lists.targets,
    }
}
