//! Scores of candidates: kept next to the ranks, and read from a file that another program has
//! made.

use allround_core::data::{Prepared, Scores};
use allround_core::event::Counted;
use allround_core::models::scores::Missing;
use allround_core::models::scores::ScoresForm;
use allround_core::models::scores::Unknown;
use allround_core::stage::GivenScores;

use super::*;

/// The evaluation of `part` by a CF model, or by what is given.
fn of(part: Part, given: Option<GivenScores>) -> Settings {
    Settings::Evaluate(Evaluate {
        part,
        keep_scores: true,
        ranking: given.map_or(Ranking::Cf, Ranking::Given),
    })
}

/// Checks that the ranks are what the kept scores give.
fn agree(desk: &Desk, name: &str, part: Part) {
    let ranks = Ranks::load(&desk.folder(name), part).unwrap();
    let scores = Scores::load(&desk.folder(name), part).unwrap().unwrap();
    assert_eq!(
        (&scores.users, &scores.targets),
        (&ranks.users, &ranks.targets)
    );
    assert!(!ranks.ranks.is_empty());
    for (place, rank) in ranks.ranks.iter().enumerate() {
        let row: Vec<_> = scores.row(place).collect();
        // Five were drawn.
        assert_eq!(row.len(), 6, "{name}");
        let own = row
            .iter()
            .find(|it| it.item == ranks.targets[place])
            .unwrap();
        let greater = row.iter().filter(|it| it.score > own.score).count();
        let equal = row.iter().filter(|it| it.score == own.score).count() - 1;
        assert_eq!(*rank, 1.0 + greater as f64 + equal as f64 / 2.0, "{name}");
    }
}

#[test]
fn kept_scores_of_a_cf_model_and_of_a_language_model_give_the_ranks() {
    let desk = Desk::new();
    desk.save_lm();
    for part in [Part::Valid, Part::Test] {
        let name = format!("cf-{part}");
        desk.run(
            &name,
            of(part, None),
            &["prepared", "candidates", "backbone"],
        );
        agree(&desk, &name, part);
    }
    let settings = evaluate(reading(false, ItemEmbedding::None), SCORE, None);
    let Settings::Evaluate(mut settings) = settings else {
        panic!("an evaluation")
    };
    settings.keep_scores = true;
    for part in [Part::Valid, Part::Test] {
        settings.part = part;
        let name = format!("lm-{part}");
        let settings = Settings::Evaluate(settings.clone());
        desk.run(&name, settings, &["prepared", "candidates", "llm"]);
        agree(&desk, &name, part);
        // Each part is a separate evaluation.
        for other in [Part::Valid, Part::Test] {
            let is_there = Ranks::load(&desk.folder(&name), other).is_ok();
            assert_eq!(is_there, other == part, "{name} {other}");
        }
    }
}

#[test]
fn scores_of_a_file_are_ranked_and_remarked_and_a_changed_file_is_refused() {
    let desk = Desk::new();
    desk.run(
        "cf",
        of(Part::Test, None),
        &["prepared", "candidates", "backbone"],
    );
    let prepared = Prepared::load(&desk.folder("prepared")).unwrap();
    let kept = Scores::load(&desk.folder("cf"), Part::Test)
        .unwrap()
        .unwrap();
    let mut text = "user,item,score\n".to_owned();
    for (place, &user) in kept.users.iter().enumerate() {
        for it in kept.row(place) {
            let item = &prepared.items[it.item as usize - 1].id;
            text += &format!("{},{item},{}\n", prepared.users[user as usize], it.score);
        }
    }
    let file = desk.folder("s.csv");
    std::fs::write(&file, &text).unwrap();
    let given = GivenScores {
        file: "s.csv".to_owned(),
        form: ScoresForm::Scores,
        missing: Missing::Refuse,
        unknown: Unknown::Refuse,
    };
    let settings = of(Part::Test, Some(given));
    let mut job = desk.job("given", settings, &["prepared", "candidates"]);
    let planned = allround_core::digest::of_bytes(text.as_bytes());
    job.stage.inputs.insert("s.csv".to_owned(), planned);
    let mut events = Vec::new();
    run(&job, &mut |event| events.push(event)).unwrap();
    assert_eq!(desk.ranks("given"), desk.ranks("cf"));
    agree(&desk, "given", Part::Test);
    let remark = "scores from s.csv, not computed here".to_owned();
    assert!(
        events.contains(&Event::Remark { text: remark }),
        "{events:?}"
    );
    let dropped =
        |event: &&Event| matches!(event, Event::Counted(Counted { count, .. }) if *count > 0);
    assert_eq!(events.iter().find(dropped), None);

    std::fs::write(&file, text.replace("score", "Score")).unwrap();
    let error = run(&job, &mut |_| {}).unwrap_err().failure();
    assert_eq!(error.error, "`s.csv` is not the file that was planned with");
    assert!(error.hint.unwrap().contains("run the experiment again"));
}
