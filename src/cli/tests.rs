//! How arguments are read.

use super::*;
use clap::CommandFactory;

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn commands_have_the_names_that_other_programs_give_them() {
    let command = |line: &str| Cli::try_parse_from(line.split(' ')).unwrap().command;
    assert!(matches!(
        command("allround validate a.toml"),
        Command::Check(_)
    ));
    assert!(matches!(command("allround ls"), Command::List(_)));
    assert!(matches!(command("allround diff a b"), Command::Compare(_)));
    assert!(matches!(command("allround cmp a b"), Command::Compare(_)));
    assert!(matches!(command("allround plot a"), Command::Report(_)));
}

#[test]
fn flags_are_changes_of_the_file_in_their_order_of_strength() {
    let line = "allround run a.toml -S run.threads=2 --seed 4 --seed 7 --limit 9 --device cuda:1";
    let Command::Run(run) = Cli::try_parse_from(line.split(' ')).unwrap().command else {
        panic!("`run` is a run");
    };
    let changes = [
        "run.threads=2",
        "run.device=\"cuda:1\"",
        "seeds=[4, 7]",
        "run.limit=9",
    ];
    assert_eq!(run.spec.changes.overrides(), changes);
}

#[test]
fn a_time_has_a_unit_or_is_in_seconds_and_is_not_zero() {
    for (text, seconds) in [
        ("90", 90),
        ("90s", 90),
        ("1.5m", 90),
        ("2h", 7200),
        ("1h 30m", 5400),
    ] {
        assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
    }
    for text in ["", "s", "x", "-1s", "-1h", "1d", "nan", "1e300h"] {
        let message = duration(text).unwrap_err();
        assert!(message.contains("is not a time"), "{message}");
    }
    for text in ["0", "0s"] {
        assert!(
            duration(text).unwrap_err().contains("more than 0"),
            "{text}"
        );
    }
}
