//! `allround watch`: how far a run is, here or on a cluster.

use std::fmt::Write;
use std::io::IsTerminal;
use std::time::Duration;

use super::{Exit, count, print};
use crate::cli::{Common, Watch};
use crate::run::{Progress, absolute, progress};
use crate::store::Store;

/// Cells of the bar.
const BAR: usize = 30;

/// Most failures that are printed.
const MOST_FAILURES: usize = 5;

/// Prints the progress of a run, again and again on a terminal until it has ended.
pub(crate) fn run(arguments: &Watch, common: &Common) -> anyhow::Result<Exit> {
    let results = absolute(&arguments.results)?;
    let store = Store::at(&absolute(&common.store)?);
    let repeats = std::io::stdout().is_terminal() && !arguments.once;
    loop {
        let progress = progress(&store, &results)?;
        let text = text(&progress);
        if repeats {
            // Clears the screen.
            print("\u{1b}[2J\u{1b}[H")?;
        }
        print(&text)?;
        if !repeats || progress.left() == 0 {
            return Ok(Exit::Success);
        }
        std::thread::sleep(arguments.every);
    }
}

fn text(progress: &Progress) -> String {
    let mut text = String::new();
    let (done, cells) = progress.cells;
    let mut line = |words: String| {
        writeln!(text, "{words}").expect("a string takes everything");
    };
    line(format!(
        "{}: {done} of {}",
        progress.name,
        count(cells, "cell")
    ));
    for (kind, counts) in &progress.kinds {
        let filled = match counts.all {
            0 => 0,
            all => counts.done * BAR / all,
        };
        let bar = format!("{}{}", "#".repeat(filled), ".".repeat(BAR - filled));
        let mut words = format!("{kind:12} {bar} {}/{}", counts.done, counts.all);
        if counts.running > 0 {
            words += &format!(", {} running", counts.running);
        }
        if counts.queued > 0 {
            words += &format!(", {} queued", counts.queued);
        }
        line(words);
    }
    if !progress.reasons.is_empty() {
        let reasons = progress.reasons.iter();
        let reasons = reasons.map(|(reason, tasks)| format!("{reason} ({tasks})"));
        line(format!(
            "queued: {}",
            reasons.collect::<Vec<_>>().join(", ")
        ));
    }
    if let Some(error) = &progress.queue_error {
        line(format!("the queue is not known: {error}"));
    }
    for it in &progress.running {
        let node = match it.node.as_str() {
            "" => String::new(),
            node => format!(" on {node}"),
        };
        line(format!(
            "{}{node}: {} ({:.0} s ago)",
            it.label, it.last, it.age_s
        ));
    }
    for failure in progress.failures.iter().take(MOST_FAILURES) {
        line(format!("failed: {failure}"));
    }
    if progress.failures.len() > MOST_FAILURES {
        let more = progress.failures.len() - MOST_FAILURES;
        line(format!("failed: {more} more"));
    }
    line(left(progress));
    text
}

/// What is left, in words.
fn left(progress: &Progress) -> String {
    let open = progress.left();
    match (open, progress.seconds_left()) {
        (0, _) => "all stages are in the store".to_owned(),
        (_, _) if !progress.is_active() => {
            format!(
                "{} left; none runs or is queued: `allround run` continues",
                count(open, "stage")
            )
        }
        (_, Some(seconds)) => format!(
            "{} left, {:.1} a minute, about {}",
            count(open, "stage"),
            progress.rate.unwrap_or_default(),
            time(seconds)
        ),
        (_, None) => format!("{} left", count(open, "stage")),
    }
}

fn time(seconds: f64) -> String {
    let time = Duration::from_secs_f64(seconds.clamp(0.0, 1e9));
    match time.as_secs() / 60 {
        0 => format!("{} s", time.as_secs()),
        minutes @ 1..120 => format!("{minutes} min"),
        minutes => format!("{} h", minutes / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Counts, Running};

    #[test]
    fn a_view_has_cells_kinds_reasons_and_what_is_left() {
        let counts = Counts {
            all: 20,
            done: 10,
            running: 1,
            queued: 9,
        };
        let progress = Progress {
            name: "small".to_owned(),
            cells: (4, 30),
            kinds: vec![("backbone".to_owned(), counts)],
            running: vec![Running {
                label: "backbone 1a2b".to_owned(),
                node: "n1".to_owned(),
                last: "epoch 3, loss 0.5000".to_owned(),
                age_s: 12.4,
            }],
            rate: Some(2.0),
            reasons: [("Priority".to_owned(), 9)].into(),
            failures: vec!["evaluate 77: no memory (job 3_1)".to_owned()],
            queue_error: None,
        };
        insta::assert_snapshot!(text(&progress), @r"
        small: 4 of 30 cells
        backbone     ###############............... 10/20, 1 running, 9 queued
        queued: Priority (9)
        backbone 1a2b on n1: epoch 3, loss 0.5000 (12 s ago)
        failed: evaluate 77: no memory (job 3_1)
        10 stages left, 2.0 a minute, about 5 min
        ");
    }
}
