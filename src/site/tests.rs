//! Site files, and their faults.

use super::*;

const UNIVERSITY: &str = r#"
site_version = 1

[executor.uni.slurm]
partition = "cpu"
account = "recsys"
time = "04:00:00"
memory = "8G"
gres = "gpu:1"
setup = ["module load cuda/12.4"]

[executor.uni.slurm.stage.project]
partition = "gpu"
time = "1-00:00:00"

[executor.gpus.local]
devices = ["cuda:0", "cuda:1"]
per_device_of = { backbone = 4 }
"#;

#[test]
fn a_site_has_executors_by_name_and_local_is_always_there() {
    let site = read("site.toml", UNIVERSITY).unwrap();
    let Executor::Slurm(uni) = site.executor("uni", None).unwrap() else {
        panic!("another kind")
    };
    assert_eq!(uni.stage["project"].time.as_deref(), Some("1-00:00:00"));
    assert_eq!((uni.at_once, uni.array, uni.queued), (64, 1000, 5000));
    let local = Site::default().executor(LOCAL, None).unwrap();
    assert!(matches!(local, Executor::Local(local) if local.devices.is_empty()));
}

#[test]
fn a_fault_has_its_line_and_a_remedy() {
    let faults = |text: &str| {
        let text = format!("site_version = 1\n{text}");
        let faults = read("site.toml", &text).unwrap_err();
        faults.render(false)
    };
    for (text, words) in [
        (
            "[executor.uni.slrum]",
            vec!["slrum", "did you mean `slurm`"],
        ),
        (
            "[executor.uni.slurm]\npartion = \"gpu\"",
            vec![
                "site.toml:3:1",
                "unknown field `partion`",
                "did you mean `partition`",
            ],
        ),
        (
            "[executor.uni.slurm]\ntime = \"4h\"",
            vec!["site.toml:3:8", "04:00:00"],
        ),
        (
            "[executor.uni.slurm]\nmemory = \"much\"",
            vec!["site.toml:3:10", "16G"],
        ),
        (
            "[executor.uni.slurm.stage.backbon]\ntime = \"10\"",
            vec!["unknown stage kind `backbon`", "did you mean `backbone`"],
        ),
        (
            "[executor.here.local]\ndevices = [\"gpu0\"]",
            vec!["`gpu0` is not a GPU", "cuda:0"],
        ),
        ("[executor.uni.slurm]\nat_once = 0", vec!["at_once"]),
    ] {
        let found = faults(text);
        for word in words {
            assert!(found.contains(word), "{word}: {found}");
        }
    }
    let version = read("site.toml", "site_version = 2\n").unwrap_err();
    assert!(version.render(false).contains("reads version 1"));
}

#[test]
fn an_unknown_executor_is_refused_with_the_names_that_exist() {
    let site = read("site.toml", UNIVERSITY).unwrap();
    let text = |name: &str, file: Option<&Path>| {
        let error = site.executor(name, file).unwrap_err();
        let advice = error.downcast_ref::<crate::advice::Advice>().unwrap();
        format!("{error}; {}", advice.hint)
    };
    assert!(text("unni", None).contains("did you mean `uni`?"));
    let file = Path::new("allround.site.toml");
    assert!(text("horeka", Some(file)).contains("has gpus, uni, local"));
}

#[test]
fn a_site_file_is_found_in_a_folder_above_the_experiment() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("a/b");
    fs::create_dir_all(&below).unwrap();
    let file = folder.path().join("a").join(FILE);
    fs::write_atomic(&file, UNIVERSITY.as_bytes()).unwrap();
    assert_eq!(find(&below), Some(file));
}
