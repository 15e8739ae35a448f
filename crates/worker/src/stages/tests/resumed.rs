//! Stages that are killed and continue.

use super::choices::projected;
use super::*;

/// Runs a stage that is killed in its second epoch, and again; both must end with the bytes of a
/// run that was not.
fn is_resumed_exactly(desk: &Desk, name: &str, settings: &Settings, needs: &[&str]) {
    let whole = format!("{name}-whole");
    desk.run(&whole, settings.clone(), needs);
    let resumed = format!("{name}-resumed");
    let job = desk.job(&resumed, settings.clone(), needs);
    let mut epochs = 0;
    let killed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        run(&job, &mut |event| {
            epochs += u32::from(matches!(event, Event::Epoch(_)));
            assert!(epochs < 2, "killed");
        })
    }));
    assert!(killed.is_err());
    assert_eq!(resumed_epoch(&job.checkpoint), 1);
    desk.run(&resumed, settings.clone(), needs);
    for file in std::fs::read_dir(desk.folder(&whole)).unwrap() {
        let file = file.unwrap().file_name();
        let bytes = |name: &str| std::fs::read(desk.folder(name).join(&file)).unwrap();
        assert!(bytes(&whole) == bytes(&resumed), "{name}: {file:?} differs");
    }
}

#[test]
fn a_killed_stage_ends_with_the_same_bytes() {
    let desk = aligned();
    let needs = ["prepared", "backbone", "align", "llm"];
    is_resumed_exactly(
        &desk,
        "align",
        &align(),
        &["prepared", "backbone", "encoded"],
    );
    is_resumed_exactly(
        &desk,
        "project",
        &project(true, ItemEmbedding::Joint),
        &needs,
    );
    // A trained table is in the checkpoint, and candidates that are drawn once are drawn alike
    // after the kill.
    let settings = projected(ItemEmbedding::RandomTrained, |project| {
        project.one_item = OneItem::Padding;
        project.candidates = TrainingCandidates {
            drawn: Drawn::Once,
            exclude: Exclude::History,
        };
    });
    is_resumed_exactly(&desk, "random-trained", &settings, &needs);
}
