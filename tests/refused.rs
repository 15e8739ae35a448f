//! Refusals of the command and their messages, with the fake worker.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

mod common;
#[path = "common/desk.rs"]
mod desk;

use desk::{Desk, SPEC, err};

#[test]
fn an_invalid_file_is_refused_before_anything_is_written() {
    let desk = Desk::new();
    for (from, to, word) in [
        ("name = \"small\"", "name = \"../x\"", "../x"),
        (
            "[model.gru4rec.gru4rec]",
            "[model.gru4rec.gru4rek]",
            "gru4rek",
        ),
        ("seeds = [1, 2]", "seeds = [1", "spec.toml"),
    ] {
        std::fs::write(desk.path().join("spec.toml"), SPEC.replace(from, to)).unwrap();
        for command in ["run", "check", "plan"] {
            let output = desk.run(&format!("{command} spec.toml"));
            assert_eq!(output.status.code(), Some(2), "{command} {to}");
            assert!(err(&output).contains(word), "{}", err(&output));
        }
    }
    assert!(!desk.path().join(".allround").exists() && !desk.path().join("results").exists());
}

#[test]
fn a_missing_input_names_data_set_and_file() {
    let desk = Desk::new();
    let spec = SPEC.replace(
        "[dataset.toys.source.synthetic]\nusers = 60\nitems = 90",
        "[dataset.toys.source.sequences]\npath = \"gone.txt\"\nform = \"pairs\"",
    );
    std::fs::write(desk.path().join("spec.toml"), spec).unwrap();
    let output = desk.run("run spec.toml");
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
    assert!(err(&output).contains("gone.txt"), "{}", err(&output));
}

#[test]
fn a_missing_worker_is_named_with_a_hint() {
    let desk = Desk::new();
    let output = desk
        .command("run spec.toml")
        .env("ALLROUND_WORKER", "/nowhere")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        err(&output).contains("no worker at `/nowhere`") && err(&output).contains("hint: "),
        "{}",
        err(&output)
    );
}

#[test]
fn a_results_folder_that_cannot_be_written_is_named() {
    let desk = Desk::new();
    // With a file in its place, even the superuser cannot write.
    std::fs::write(desk.path().join("results"), "").unwrap();
    let output = desk.run("run spec.toml");
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("results/small"), "{}", err(&output));
}

#[test]
fn a_full_disk_fails_the_stage_and_leaves_earlier_results() {
    let desk = Desk::new();
    let path = desk.path().join("spec.toml");
    std::fs::write(&path, SPEC.replace("seeds = [1, 2]", "seeds = [1]")).unwrap();
    desk.run("run spec.toml");
    std::fs::write(&path, SPEC).unwrap();
    let output = desk.run_with("backbone=full", "run spec.toml");
    assert_eq!(output.status.code(), Some(1));
    let (metrics, cells) = (desk.metrics(), desk.cells());
    assert!(cells.contains("no space left on device"), "{cells}");
    assert!(
        metrics.contains(",gru4rec,1,test,hit,1,"),
        "seed 1 keeps its numbers: {metrics}"
    );
}

#[test]
fn bad_usage_has_exit_code_two() {
    let desk = Desk::new();
    for line in [
        "",
        "fly",
        "run",
        "run spec.toml --timeout never",
        "run spec.toml -j 0",
        "show nowhere",
    ] {
        assert_eq!(desk.run(line).status.code(), Some(2), "{line}");
    }
}

#[test]
fn more_threads_than_cores_are_refused_if_stages_are_left_to_run() {
    let desk = Desk::new();
    let cores = std::thread::available_parallelism().unwrap();
    for field in ["threads", "cf_threads"] {
        let output = desk.run(&format!("run spec.toml --set run.{field}=1000"));
        assert_eq!(output.status.code(), Some(2));
        let printed = err(&output);
        assert!(
            printed.contains(&format!(
                "`run.{field}` is 1000, but this machine has {cores} cores"
            )) && printed.contains(&format!("--set run.{field}={cores}")),
            "{printed}"
        );
    }
    assert!(!desk.path().join("results/small/metrics.csv").exists());
}

#[test]
fn only_replacing_results_of_another_file_prints_a_note() {
    let desk = Desk::new();
    desk.run("run spec.toml");
    let again = desk.run("run ./spec.toml --set run.retries=1");
    assert!(!err(&again).contains("same name"), "{}", err(&again));
    std::fs::copy(
        desk.path().join("spec.toml"),
        desk.path().join("other.toml"),
    )
    .unwrap();
    let other = desk.run("run other.toml");
    assert_eq!(other.status.code(), Some(0));
    assert!(
        err(&other).contains("holds the results of `")
            && err(&other).contains("spec.toml`, another experiment of the same name"),
        "{}",
        err(&other)
    );
}

#[test]
fn flags_replace_neither_results_of_the_file_nor_their_artefacts() {
    let desk = Desk::new();
    desk.run("run spec.toml");
    let before = desk.metrics();
    for (flags, folder) in [
        ("--set seeds=[1]", "small-seeds-1"),
        ("--seed 3 --seed 4", "small-seeds-3-4"),
        (
            "--set name=mine --set model.gru4rec.gru4rec.train.epochs=1",
            "mine",
        ),
    ] {
        let output = desk.run(&format!("run spec.toml {flags}"));
        assert_eq!(output.status.code(), Some(0), "{flags}: {}", err(&output));
        let metrics = desk.path().join("results").join(folder).join("metrics.csv");
        assert!(metrics.exists(), "{flags}");
    }
    let changed = desk.run("run spec.toml --set model.gru4rec.gru4rec.train.epochs=1");
    let words = "results/small-with-model.gru4rec.gru4rec.train.epochs-1-";
    assert!(err(&changed).contains(words), "{}", err(&changed));
    assert_eq!(desk.metrics(), before);
    // `clean` keeps the artefacts of every folder.
    assert!(desk.run("clean").status.success());
    std::fs::remove_dir_all(desk.path().join("results/small")).unwrap();
    let again = desk.run_with("all=crash", "run spec.toml");
    assert_eq!(again.status.code(), Some(0), "{}", err(&again));
    assert_eq!(desk.metrics(), before);
}

#[test]
fn a_killed_run_keeps_the_artefacts_of_earlier_numbers() {
    let desk = Desk::new();
    desk.run("run spec.toml");
    let before = desk.metrics();
    let path = desk.path().join("spec.toml");
    std::fs::write(&path, SPEC.replace("epochs = 2", "epochs = 3")).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_allround"));
    command
        .args(["run", "spec.toml"])
        .current_dir(desk.path())
        .env("ALLROUND_WORKER", common::fake_worker())
        .env("FAKE_WORKER", "backbone=hang")
        .stderr(std::process::Stdio::null());
    let mut run = command.spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_secs(2));
    run.kill().unwrap();
    run.wait().unwrap();
    assert!(desk.run("clean").status.success());
    assert_eq!(desk.metrics(), before);
    std::fs::write(&path, SPEC).unwrap();
    std::fs::remove_dir_all(desk.path().join("results")).unwrap();
    let again = desk.run_with("all=crash", "run spec.toml");
    assert_eq!(again.status.code(), Some(0), "{}", err(&again));
    assert_eq!(desk.metrics(), before);
}

#[test]
fn generated_data_never_replace_a_file() {
    let desk = Desk::new();
    let line = "data make --users 50 --items 20 --out made";
    assert_eq!(desk.run(line).status.code(), Some(0));
    let file = desk.path().join("made/reviews.json.gz");
    let before = std::fs::read(&file).unwrap();
    let again = desk.run(&format!("{line} --seed 2"));
    assert_eq!(again.status.code(), Some(2));
    assert!(
        err(&again).contains("made/reviews.json.gz` exists already"),
        "{}",
        err(&again)
    );
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn a_failure_of_all_cells_is_printed_once_with_their_number() {
    let desk = Desk::new();
    let output = desk.run_with("prepare=nan", "run spec.toml");
    assert_eq!(output.status.code(), Some(1));
    let printed = String::from_utf8(output.stdout.clone()).unwrap();
    let lines: Vec<&str> = printed
        .lines()
        .filter(|line| line.contains("blocked"))
        .collect();
    assert_eq!(lines.len(), 1, "{printed}");
    assert!(
        lines[0].contains(" and 3 other cells blocked: prepare"),
        "{printed}"
    );
    assert!(!err(&output).contains("blocked by a failure"));
}

#[test]
fn another_program_instead_of_the_worker_is_reported() {
    let desk = Desk::new();
    let mut command = desk.command("doctor");
    let output = command.env("ALLROUND_WORKER", "/bin/cat").output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned() + &err(&output);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert!(
        printed.contains("worker `/bin/cat` is another program"),
        "{printed}"
    );
}

#[test]
fn too_much_generated_data_is_refused() {
    let desk = Desk::new();
    for (arguments, word) in [
        ("--users 99999999999", "99999999999"),
        (
            "--users 10000000 --items 1000 --mean-length 100",
            "at most 200000000",
        ),
        ("--mean-length inf", "from 3 to 10000"),
    ] {
        let output = desk.run(&format!("data make {arguments} --out made"));
        assert_eq!(output.status.code(), Some(2), "{arguments}");
        assert!(err(&output).contains(word), "{}", err(&output));
        assert!(!desk.path().join("made").exists());
    }
}

#[test]
fn unknown_names_and_values_without_a_source_are_refused() {
    let desk = Desk::new();
    let spec = format!(
        "{SPEC}\n[prompt.default]\nwords.nowhere = {{ past = \"used\", verb = \"use\", noun = \"tool\" }}\n\
        [scenario.rare.cold_items]\n[[expected]]\ndataset = \"toys\"\nmodel = \"gru4rec\"\nprotocol = \"strict\"\n\
        metric = \"hit@1\"\nvalue = 0.5\ntolerance = 0.1\nsource = \"\"\n"
    );
    std::fs::write(desk.path().join("spec.toml"), spec).unwrap();
    let output = desk.run("check spec.toml");
    assert_eq!(output.status.code(), Some(2));
    for word in [
        "no data set is called `nowhere`",
        "no scenario is called `overall`",
        "declare `overall` too",
        "the expected value has no source",
    ] {
        assert!(err(&output).contains(word), "{word}: {}", err(&output));
    }
}

#[test]
fn an_empty_run_keeps_earlier_numbers_and_cannot_be_compared() {
    let desk = Desk::new();
    let spec = SPEC.replace(
        "[dataset.toys.source.synthetic]\nusers = 60\nitems = 90",
        "[dataset.toys.source.sequences]\npath = \"pairs.txt\"\nform = \"pairs\"",
    );
    let spec = format!("{spec}\n[protocol.strict]\ncandidates.full = {{}}\nmetrics = [\"mrr\"]\n");
    std::fs::write(desk.path().join("spec.toml"), spec).unwrap();
    let pairs = |users: u32, items: u32| {
        let pairs = (0..users).flat_map(|user| (0..items).map(move |item| (user, user + item)));
        let lines: String = pairs
            .map(|(user, item)| format!("{user} {item}\n"))
            .collect();
        std::fs::write(desk.path().join("pairs.txt"), lines).unwrap();
    };
    let metrics =
        || std::fs::read_to_string(desk.path().join("results/small/metrics.csv")).unwrap();
    pairs(20, 6);
    assert!(desk.run("run spec.toml").status.success());
    let earlier = metrics();
    assert!(earlier.contains(",ok\n"), "{earlier}");
    // Users with two interactions have no test target.
    pairs(20, 2);
    let output = desk.run("run spec.toml");
    assert_eq!(metrics(), earlier, "{}", err(&output));
    // A run without measured users fails.
    let status = desk.run("run spec.toml --out empty").status;
    assert_eq!(status.code(), Some(1));
    let output = desk.run("compare empty/small results/small");
    assert!(
        err(&output).contains("`empty/small` has no metric values"),
        "{}",
        err(&output)
    );
}

#[test]
fn only_regular_files_of_a_bounded_size_are_read_as_specs() {
    let desk = Desk::new();
    let pipe = desk.path().join("pipe.toml");
    let name = std::ffi::CString::new(pipe.to_str().unwrap()).unwrap();
    // SAFETY: `name` is a NUL-terminated path.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    let large = desk.path().join("large.toml");
    let file = std::fs::File::create(&large).unwrap();
    file.set_len(1 << 34).unwrap();
    for (path, words) in [
        (
            "/dev/zero",
            "cannot read `/dev/zero`: it is a device, not a regular file",
        ),
        (
            "pipe.toml",
            "cannot read `pipe.toml`: it is a pipe, not a regular file",
        ),
        (".", "is a folder, expected a TOML file"),
        (
            "large.toml",
            "it has more than 16 MiB, the most that is read here",
        ),
    ] {
        let output = desk.run(&format!("check {path}"));
        assert_eq!(output.status.code(), Some(2), "{path}");
        assert!(err(&output).contains(words), "{path}: {}", err(&output));
    }
    let spec = SPEC.replace(
        "[dataset.toys.source.synthetic]\nusers = 60\nitems = 90",
        "[dataset.toys.source.sequences]\npath = \"pipe.toml\"\nform = \"pairs\"",
    );
    std::fs::write(desk.path().join("spec.toml"), spec).unwrap();
    let printed = err(&desk.run("run spec.toml"));
    assert!(
        printed.contains("it is a pipe, not a regular file"),
        "{printed}"
    );
}

#[test]
fn names_that_make_a_file_name_too_long_are_refused() {
    let desk = Desk::new();
    let [dataset, model] = ["d", "m"].map(|letter| letter.repeat(100));
    let spec = SPEC
        .replace("seeds = [1, 2]", "seeds = [1, 2000]")
        .replace("dataset.toys", &format!("dataset.{dataset}"))
        .replace("[model.gru4rec.", &format!("[model.{model}."));
    let write = |text: &str| std::fs::write(desk.path().join("spec.toml"), text).unwrap();
    write(&spec);
    let printed = err(&desk.run("check spec.toml"));
    let words = "make a file name of 222 characters; the limit is 220";
    assert!(printed.contains(words), "{printed}");
    assert!(printed.contains("shorten some of `ddd"), "{printed}");
    // A file with a name of the longest accepted length can be written.
    write(&spec.replace(&model, &model[2..]));
    let output = desk.run("run spec.toml");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
}

#[test]
fn a_damaged_file_of_the_store_is_named_and_left_out() {
    let desk = Desk::new();
    desk.run("run spec.toml");
    let damaged = desk.path().join(".allround/experiments/damaged.json");
    std::fs::write(&damaged, "{").unwrap();
    std::fs::write(desk.path().join(".allround/artefacts/stray"), "").unwrap();
    let list = desk.run("list");
    assert_eq!(list.status.code(), Some(1));
    let out = |output: &std::process::Output| String::from_utf8(output.stdout.clone()).unwrap();
    assert!(out(&list).contains("small") && err(&list).contains("damaged.json"));
    let doctor = desk.run("doctor");
    assert_eq!(doctor.status.code(), Some(1));
    let printed = out(&doctor);
    assert!(
        printed.contains("wrong cannot read `") && printed.contains("damaged.json"),
        "{printed}"
    );
    assert!(
        printed.contains("stray` is not a folder of artefacts"),
        "{printed}"
    );
    assert!(printed.contains("in the store: 1 experiment"), "{printed}");
    // The artefacts of the damaged record are unknown, so nothing in the store is removed.
    std::fs::remove_dir_all(desk.path().join("results")).unwrap();
    let clean = desk.run("clean");
    assert_eq!(clean.status.code(), Some(1));
    assert_eq!(out(&clean), "freed 0 B\n");
    let printed = err(&clean);
    assert!(
        printed.contains("damaged.json") && printed.contains("nothing is removed"),
        "{printed}"
    );
    let clean = desk.run("clean --skip-damaged --dry-run");
    assert!(out(&clean).contains("evaluate: 4 folders") && damaged.exists());
    let clean = desk.run("clean --skip-damaged");
    assert_eq!(clean.status.code(), Some(0));
    assert!(out(&clean).contains("evaluate: 4 folders"));
    assert!(err(&clean).contains("damaged.json") && !damaged.exists());
    assert_eq!(out(&desk.run("clean")), "freed 0 B\n");
}

#[test]
fn a_full_standard_output_is_an_error() {
    let desk = Desk::new();
    for line in [
        "--help",
        "--version",
        "check spec.toml",
        "completions bash",
        "plan spec.toml",
    ] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_allround"));
        let full = std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let output = command
            .args(line.split(' '))
            .current_dir(desk.path())
            .stdout(full)
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{line}: {printed}");
        let words = "cannot write `standard output`: no space left on device";
        assert!(printed.contains(words), "{line}: {printed}");
        let hint = "hint: free some space on the disk that standard output is written to";
        assert!(printed.contains(hint), "{line}: {printed}");
    }
}

#[test]
fn control_characters_are_printed_visibly() {
    let desk = Desk::new();
    let spec = SPEC.replace(
        "[model.popularity.popularity]",
        "[model.popularity.popularity]\n[table.main.comparison]\ntitle = \"a\\u202Eb\\u001B[2Jc\"\nprotocol = \"strict\"",
    );
    std::fs::write(desk.path().join("spec.toml"), spec).unwrap();
    let output = desk.run("run spec.toml --verbose");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let mut texts = vec![
        String::from_utf8(output.stdout.clone()).unwrap(),
        err(&output),
    ];
    for file in ["tables/main.md", "tables/main.tex", "report.html"] {
        let path = desk.path().join("results/small").join(file);
        texts.push(std::fs::read_to_string(path).unwrap());
    }
    for text in &texts {
        assert!(!text.contains(['\u{202e}', '\u{1b}']), "{text}");
    }
    assert!(texts[0].contains("a[U+202E]b[U+001B][2Jc"), "{}", texts[0]);
}

#[test]
fn a_path_that_is_not_unicode_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let desk = Desk::new();
    let store = std::ffi::OsStr::from_bytes(b"st\xffre");
    let mut command = desk.command("run spec.toml --store");
    let output = command.arg(store).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
    assert!(err(&output).contains("is not UTF-8"), "{}", err(&output));
}
