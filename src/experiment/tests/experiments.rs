//! The committed experiments.

use super::*;

#[test]
fn committed_experiments_have_no_faults_except_missing_data() {
    // Data and weights that the user has to download.
    let absent_endings = ["does not exist", "is not on this machine"];
    let mut checked = 0;
    for path in allround_core::fs::walk(&root().join("experiments")).unwrap() {
        if path.extension().is_none_or(|end| end != "toml") {
            continue;
        }
        checked += 1;
        if let Err(faults) = load(&path, &[]) {
            let absent = faults.iter().all(|fault| {
                absent_endings
                    .iter()
                    .any(|end| fault.message.ends_with(end))
            });
            assert!(absent, "{faults}");
            eprintln!("data absent: {}", path.display());
        }
    }
    assert!(checked >= 9, "{checked} experiments");
}

#[test]
fn every_experiment_of_the_paper_runs_offline_in_its_profile() {
    let papers = allround_core::fs::list(&root().join("experiments/paper")).unwrap();
    assert!(papers.len() >= 5, "{papers:?}");
    for path in papers {
        let checked = load(&path, &["profile=offline".to_owned()]);
        let checked = checked.unwrap_or_else(|faults| panic!("{faults}"));
        let spec = &checked.spec;
        assert_eq!((spec.profile.as_str(), spec.profiles.len()), ("offline", 0));
        let synthetic = |dataset: &allround_core::config::Dataset| {
            matches!(dataset.source, allround_core::source::Source::Synthetic(_))
        };
        assert!(spec.dataset.values().all(synthetic), "{}", path.display());
        // Trained here, or the committed one.
        let small = |llm: &allround_core::config::Llm| match llm {
            allround_core::config::Llm::Small(_) => true,
            allround_core::config::Llm::Pretrained(llm) => llm.folder == "../../assets/small-lm",
            allround_core::config::Llm::Random(_) => false,
        };
        assert!(spec.llm.values().all(small), "{}", path.display());
    }
}
