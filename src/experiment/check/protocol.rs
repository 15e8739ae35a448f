//! Checks of candidates from a file, and of candidates of a class.

use std::io::{BufRead, Read};

use super::data::is_there;
use super::{Check, genre};
use crate::experiment::fault::Fault;
use allround_core::config::protocol::{Candidates, CandidatesFile, NegativesForm, Protocol, Rules};
use allround_core::config::scenario::{ItemShare, Scenario, ShareOf};
use allround_core::fs;

/// Most bytes of a file's first line that are read.
const FIRST_LINE: u64 = 1 << 20;

pub(super) fn check(check: &mut Check<'_>, name: &str, protocol: &Protocol) {
    slices(check, name, protocol);
    if let Candidates::File(file) = &protocol.candidates {
        files(check, name, file);
        limit(check, name);
    }
    if let Candidates::FavouriteGenre(question) = &protocol.candidates {
        genre::check(check, name, protocol, question);
    }
    for (scenario, axis) in &check.spec.scenario {
        if let Some((kind, share)) = class(axis) {
            match &protocol.candidates {
                Candidates::File(_) => given(check, name, (scenario, kind)),
                Candidates::Uniform { n } if protocol.rules == Rules::Strict => {
                    class_size(check, (name, *n), (scenario, kind), share);
                }
                Candidates::FavouriteGenre(_) => genre::class(check, name, (scenario, kind)),
                Candidates::Full { .. }
                | Candidates::Uniform { .. }
                | Candidates::Popularity { .. } => {}
            }
        }
    }
}

/// Reports users for slices where all users are measured, or no scenario is a slice.
fn slices(check: &mut Check<'_>, name: &str, protocol: &Protocol) {
    let has_slice = check.spec.scenario.values().any(Scenario::is_part);
    let (why, hint) = match (protocol.users_per_slice, protocol.max_users) {
        (0, _) => return,
        (_, 0) => (
            "all users are measured (`max_users = 0`)",
            "remove it, or set `max_users`",
        ),
        _ if !has_slice => (
            "no scenario is a slice",
            "remove it, or declare a scenario such as `[scenario.cold.cold_items]`",
        ),
        _ => return,
    };
    let place = check.place(&["protocol", name, "users_per_slice"]);
    check.push(
        Fault::at(place, format!("`users_per_slice` has no effect: {why}"))
            .label("expected 0")
            .hint(hint),
    );
}

/// Kind and share of a scenario that ranks within its class of items.
fn class(scenario: &Scenario) -> Option<(&'static str, &ItemShare)> {
    let found = match scenario {
        Scenario::ColdItems(share) => ("cold_items", share),
        Scenario::WarmItems(share) => ("warm_items", share),
        Scenario::Overall {}
        | Scenario::RepeatTargets {}
        | Scenario::NewTargets {}
        | Scenario::ColdUsers { .. }
        | Scenario::ShuffledHistories { .. }
        | Scenario::FewShot { .. }
        | Scenario::CrossDomain { .. } => return None,
    };
    scenario.ranks_within_class().then_some(found)
}

fn files(check: &mut Check<'_>, name: &str, file: &CandidatesFile) {
    let base = check.base;
    let path = |field| ["protocol", name, "candidates", "file", field];
    is_there(check, &file.path, (base, false), &path("path"));
    if !file.valid.is_empty() {
        is_there(check, &file.valid, (base, false), &path("valid"));
    }
}

/// Reports a limit on users together with candidates of a file: items that it names may be missing.
fn limit(check: &mut Check<'_>, name: &str) {
    let limit = check.spec.run.limit;
    if limit == 0 {
        return;
    }
    let place = check.place(&["protocol", name, "candidates", "file"]);
    check.push(
        Fault::at(
            place,
            format!(
                "protocol `{name}` reads its candidates from a file, and the data are limited to {limit} users"
            ),
        )
        .label("needs the whole data set")
        .hint("run without a limit, or with a protocol that draws its candidates; `max_users` measures fewer users"),
    );
}

fn given(check: &mut Check<'_>, name: &str, (scenario, kind): (&str, &str)) {
    let place = check.place(&["scenario", scenario, kind, "candidates"]);
    let related = check.place(&["protocol", name, "candidates", "file"]);
    let message = format!(
        "scenario `{scenario}` ranks among items of its class, and the candidates of protocol `{name}` are fixed by a file"
    );
    check.push(
        Fault::at(place, message)
            .label("expected `all`")
            .related(related, "fixed here")
            .hint("write `candidates = \"all\"`, or draw the candidates"),
    );
}

/// Reports more negatives than the class has items, if their number is known before data are
/// prepared.
fn class_size(
    check: &mut Check<'_>,
    (protocol, n): (&str, usize),
    (scenario, kind): (&str, &str),
    share: &ItemShare,
) {
    if share.by != ShareOf::Items {
        return;
    }
    for (name, dataset) in &check.spec.dataset {
        let Some(generated) = dataset.source.generated() else {
            continue;
        };
        let class = (share.share * generated.items as f64) as u64;
        if (n as u64) < class {
            continue;
        }
        let place = check.place(&["scenario", scenario, kind]);
        let message = format!(
            "protocol `{protocol}` draws {n} negatives from the class of scenario `{scenario}`, which has at most {class} items of data set `{name}`"
        );
        check.push(
            Fault::at(place, message)
                .label(format!("expected more than {n} items"))
                .hint("lower `n`, raise `share`, or write `candidates = \"all\"`"),
        );
    }
}

/// Checks the candidates of early stopping, which cannot come from a file.
pub(super) fn stopping(check: &mut Check<'_>, candidates: &Candidates, path: &[&str]) {
    if matches!(candidates, Candidates::FavouriteGenre(_)) {
        let place = check.place(path);
        check.push(
            Fault::at(place, "early stopping recommends items, not genres")
                .label("expected `full`, `uniform` or `popularity`")
                .hint("the question about genres belongs to a protocol"),
        );
    }
    if matches!(candidates, Candidates::File(_)) {
        let place = check.place(path);
        check.push(
            Fault::at(place, "early stopping cannot read candidates from a file")
                .label("expected `full`, `uniform` or `popularity`")
                .hint(
                    "a file of candidates belongs to a protocol: `protocol.NAME.candidates.file`",
                ),
        );
    }
}

/// Number of negatives of each target, if it is known before data are prepared. For a file it is
/// that of its first line.
pub(super) fn n(check: &Check<'_>, candidates: &Candidates) -> Option<usize> {
    let Candidates::File(file) = candidates else {
        return candidates.n();
    };
    let path = check.base.join(&file.path);
    if file.path.is_empty() || !path.is_file() {
        return None;
    }
    let mut line = Vec::new();
    let mut bytes = fs::open(&path).ok()?.take(FIRST_LINE);
    bytes.read_until(b'\n', &mut line).ok()?;
    // A line that is too long or compressed is not counted here.
    let text = std::str::from_utf8(&line)
        .ok()
        .filter(|_| line.len() < FIRST_LINE as usize)?;
    let ids = match file.form {
        NegativesForm::UserItemNegatives => text.split_whitespace().count().checked_sub(2)?,
        NegativesForm::UserNegatives => text.split_whitespace().count().checked_sub(1)?,
        NegativesForm::PairNegatives => text.split_once(')')?.1.split_whitespace().count(),
    };
    Some(ids).filter(|&ids| ids > 0)
}
