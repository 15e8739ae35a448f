//! `allround audit`: applies the hit rules for generated answers to a file of answers.

use serde_json::json;

use super::{Exit, count, print};
use crate::cli::{AnswerForm, Audit, OutputFormat};
use crate::observe::print_message;
use allround_core::fs;
use allround_core::text::answer_file::{self, AnswerFile, Columns, Form};
use allround_core::text::{self, answer};

/// How often answers are hits by one rule.
struct Share {
    rule: &'static str,
    hits: usize,
    /// Answers that the rule applies to.
    n: usize,
}

impl Share {
    fn value(&self) -> Option<f64> {
        (self.n > 0).then(|| self.hits as f64 / self.n as f64)
    }
}

/// The shares of a file of answers.
struct Audited {
    shares: Vec<Share>,
    n: usize,
    /// Empty targets: the published code counts each as a hit.
    empty_targets: usize,
    /// Answers with candidates.
    with_candidates: usize,
}

/// Prints the shares.
pub(crate) fn run(arguments: &Audit) -> anyhow::Result<Exit> {
    let text = fs::read_to_string(&arguments.file)?;
    let form = match arguments.form {
        None => Form::of(&text),
        Some(AnswerForm::Csv) => Form::Csv,
        Some(AnswerForm::Jsonl) => Form::JsonLines,
        Some(AnswerForm::Allmrec) => Form::Allmrec,
    };
    let columns = Columns {
        answer: arguments.answer.clone(),
        target: arguments.target.clone(),
        candidates: arguments.candidates.clone().unwrap_or("candidates".into()),
        named: arguments.candidates.is_some(),
    };
    let file = answer_file::read(&arguments.file, &text, form, &columns)?;
    let audited = audited(&file);
    print(&match arguments.format {
        OutputFormat::Text => table(&audited, form),
        OutputFormat::Csv => csv(&audited),
        OutputFormat::Json => format!("{}\n", json(&audited, form)),
    })?;
    notes(&audited, &file);
    Ok(Exit::Success)
}

fn audited(file: &AnswerFile) -> Audited {
    let audits = file.answers.iter().map(|given| {
        let candidates = given.candidates.iter().flatten();
        let candidates: Vec<&str> = candidates.map(String::as_str).collect();
        let audit = text::audit(&given.answer, &given.target, &candidates);
        (audit, given.candidates.is_some())
    });
    let audits: Vec<(answer::Audit, bool)> = audits.collect();
    let with_candidates = audits.iter().filter(|(_, listed)| *listed).count();
    let share = |rule, n, is: fn(&answer::Audit) -> bool| Share {
        rule,
        hits: audits.iter().filter(|(audit, _)| is(audit)).count(),
        n,
    };
    let n = audits.len();
    let empty = |given: &&answer_file::Given| given.target.trim().is_empty();
    Audited {
        shares: vec![
            share("published", n, |audit| audit.substring),
            share("exact", n, |audit| audit.exact),
            share("normalised", n, |audit| audit.normalised),
            share("valid", with_candidates, |audit| audit.valid),
            share("several", with_candidates, |audit| audit.named > 1),
        ],
        n,
        empty_targets: file.answers.iter().filter(empty).count(),
        with_candidates,
    }
}

fn table(audited: &Audited, form: Form) -> String {
    let mut text = format!(
        "{}, {}\n{:<12}{:>8}{:>9}{:>9}\n",
        count(audited.n, "answer"),
        form.name(),
        "rule",
        "share",
        "hits",
        "n"
    );
    for share in &audited.shares {
        let value = share
            .value()
            .map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"));
        text.push_str(&format!(
            "{:<12}{value:>8}{:>9}{:>9}\n",
            share.rule, share.hits, share.n
        ));
    }
    text
}

fn csv(audited: &Audited) -> String {
    let mut text = "rule,share,hits,n\n".to_owned();
    for share in &audited.shares {
        let value = share.value().map(|value| value.to_string());
        let value = value.unwrap_or_default();
        text.push_str(&format!(
            "{},{value},{},{}\n",
            share.rule, share.hits, share.n
        ));
    }
    text
}

fn json(audited: &Audited, form: Form) -> serde_json::Value {
    let rule = |share: &Share| json!({ "rule": share.rule, "share": share.value(), "hits": share.hits, "n": share.n });
    json!({
        "form": form.name(),
        "answers": audited.n,
        "with_candidates": audited.with_candidates,
        "empty_targets": audited.empty_targets,
        "rules": audited.shares.iter().map(rule).collect::<Vec<_>>(),
    })
}

/// Prints notes on the shares.
fn notes(audited: &Audited, file: &AnswerFile) {
    if audited.empty_targets > 0 {
        print_message(&format!(
            "note: {} no title: the published code counts each as a hit, this audit does not",
            match audited.empty_targets {
                1 => "1 target has".to_owned(),
                targets => format!("{targets} targets have"),
            }
        ));
    }
    if audited.with_candidates < audited.n {
        print_message(&format!(
            "note: {} without candidates; `valid` and `several` are over the other {}",
            count(audited.n - audited.with_candidates, "answer"),
            audited.with_candidates
        ));
    }
    if file.repeated > 0 {
        print_message(&format!(
            "note: {} repeated: the A-LLMRec code appends to its output file, so it may hold several runs",
            count(file.repeated, "prompt")
        ));
    }
}
