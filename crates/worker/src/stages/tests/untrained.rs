//! Evaluations that train nothing: similarity of texts, and fusions of other evaluations.

use super::*;
use allround_core::data::{Prepared, Scores};
use allround_core::models::fusion::FusionRule;
use allround_core::stage::{FusionRanking, TextRanking};

use crate::models::weights;

const PART: Part = Part::Test;

fn by(ranking: Ranking) -> Settings {
    Settings::Evaluate(Evaluate {
        part: PART,
        keep_scores: true,
        ranking,
    })
}

fn texts(last: usize) -> Settings {
    by(Ranking::Texts(TextRanking { last }))
}

const READS: [&str; 3] = ["prepared", "candidates", "encoded"];

/// Scores of the candidates of the user with index `place`, by item.
fn row(desk: &Desk, name: &str, place: usize) -> BTreeMap<u32, f64> {
    let scores = Scores::load(&desk.folder(name), PART).unwrap().unwrap();
    scores.row(place).map(|it| (it.item, it.score)).collect()
}

#[test]
fn candidates_rank_by_the_cosine_of_their_text_to_the_mean_of_the_last_items() {
    let desk = Desk::new();
    desk.run("encoded", encode(), &["prepared"]);
    desk.run("texts", texts(2), &READS);
    let prepared = Prepared::load(&desk.folder("prepared")).unwrap();
    let lists = CandidateLists::load(&desk.folder("candidates"), PART).unwrap();
    let file = desk.folder("encoded").join("embeddings.safetensors");
    let vectors = &weights::read_tensors(&file).unwrap()["embeddings"];
    let vector = |item: u32| -> Vec<f32> { Vec::try_from(vectors.get(i64::from(item))).unwrap() };
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    for (place, &user) in lists.users.iter().enumerate() {
        let history = prepared.history(user as usize, PART);
        let last = &history[history.len().saturating_sub(2)..];
        let mut mean = vec![0.0; vector(1).len()];
        for &item in last {
            let parts = mean.iter_mut().zip(vector(item));
            parts.for_each(|(sum, part)| *sum += part / last.len() as f32);
        }
        let found = row(&desk, "texts", place);
        assert_eq!(found.len(), 6);
        for (item, score) in found {
            let own = vector(item);
            let cosine = dot(&mean, &own) / (dot(&mean, &mean) * dot(&own, &own)).sqrt();
            assert!((score - f64::from(cosine)).abs() < 1e-5, "{user} {item}");
        }
    }
    desk.run("all", texts(0), &READS);
    let rows = |name: &str| {
        (0..lists.users.len())
            .map(|at| row(&desk, name, at))
            .collect::<Vec<_>>()
    };
    assert_ne!(rows("all"), rows("texts"));
}

#[test]
fn texts_belong_to_items_also_where_items_share_a_row_of_the_tables() {
    let desk = Desk::new();
    desk.run("encoded", encode(), &["prepared"]);
    desk.run("texts", texts(0), &READS);
    let before = desk.ranks("texts");
    let mut prepared = Prepared::load(&desk.folder("prepared")).unwrap();
    prepared.row.fill(1);
    prepared.save(&desk.folder("prepared")).unwrap();
    desk.run("shared", texts(0), &READS);
    assert_eq!(desk.ranks("shared"), before);
}

#[test]
fn a_fusion_combines_the_scores_that_its_models_have_kept() {
    let desk = Desk::new();
    desk.run("encoded", encode(), &["prepared"]);
    desk.run("texts", texts(0), &READS);
    desk.run(
        "cf",
        by(Ranking::Cf),
        &["prepared", "candidates", "backbone"],
    );
    let fusion = by(Ranking::Fusion(FusionRanking {
        by: FusionRule::MeanRank,
        pivot: 0.0,
    }));
    let needs = ["prepared", "candidates", "source-0=cf", "source-1=texts"];
    let events = desk.run("fusion", fusion.clone(), &needs);
    let phases = events.iter().filter_map(|event| match event {
        Event::Phase(phase) => Some((phase.phase.as_str(), phase.examples)),
        _ => None,
    });
    assert_eq!(phases.collect::<Vec<_>>(), [("fuse", Some(4))]);
    for place in 0..4 {
        let [cf, texts, fused] = ["cf", "texts", "fusion"].map(|name| row(&desk, name, place));
        let rank = |row: &BTreeMap<u32, f64>, item: u32| {
            let greater = row.values().filter(|score| **score > row[&item]).count();
            let equal = row.values().filter(|score| **score == row[&item]).count();
            greater as f64 + (equal as f64 + 1.0) / 2.0
        };
        for (&item, &score) in &fused {
            assert_eq!(-score, (rank(&cf, item) + rank(&texts, item)) / 2.0);
        }
    }

    std::fs::remove_file(desk.folder("cf").join("scores.test.safetensors")).unwrap();
    let job = desk.job("fusion", fusion, &needs);
    let failure = run(&job, &mut |_| {}).unwrap_err().failure();
    assert!(
        failure.error.ends_with("cf` holds no scores of candidates"),
        "{}",
        failure.error
    );
    assert!(failure.hint.is_some());
}
