//! The question about favourite genres.

use super::*;
use allround_core::config::protocol::{FavouriteGenre, GenreAnswer};
use allround_core::data::{Genres, Prepared, Scores};

/// The data set with two genres, and the lists of the question.
fn asked(desk: &Desk) {
    let mut prepared = Prepared::load(&desk.folder("prepared")).unwrap();
    for (at, item) in prepared.items.iter_mut().enumerate() {
        let genre = ["Comedy", "Drama", "Western"][at % 3];
        item.categories = vec![genre.to_owned()];
    }
    std::fs::create_dir(desk.folder("movies")).unwrap();
    prepared.save(&desk.folder("movies")).unwrap();
    let settings = DrawCandidates {
        candidates: Candidates::FavouriteGenre(FavouriteGenre {
            answer: GenreAnswer::Likelihood,
            by: ScoreBy::Mean,
            template: String::new(),
            max_new_tokens: 4,
            conversations: 0,
        }),
        rules: Rules::Strict,
        ties: Ties::Half,
        class: None,
        max_users: 0,
        slices: SliceUsers::default(),
        seed: 1,
    };
    let settings = Settings::Candidates(settings);
    desk.run("genres", settings, &["prepared=movies"]);
}

/// The evaluation of the question by a prompt with or without vectors.
fn answered(mut llm: PromptedLlm, inference: Inference, keep_scores: bool) -> Settings {
    llm.prompt.list = false;
    llm.prompt.template = "{user}{history}; of {genres} the best is ".to_owned();
    let Settings::Evaluate(mut settings) = evaluate(llm, inference, None) else {
        unreachable!("an evaluation is made")
    };
    settings.keep_scores = keep_scores;
    if let Ranking::Llm(ranking) = &mut settings.ranking {
        ranking.genres = true;
    }
    Settings::Evaluate(settings)
}

#[test]
fn models_with_and_without_vectors_rank_the_genres_of_a_data_set() {
    let desk = aligned();
    asked(&desk);
    let needs = ["prepared", "backbone", "align", "llm"];
    desk.run("project", project(true, ItemEmbedding::Joint), &needs);
    let needs = answer_needs("project");
    let needs: Vec<&str> = needs
        .iter()
        .map(|&need| match need {
            "prepared" => "prepared=movies",
            "candidates" => "candidates=genres",
            other => other,
        })
        .collect();
    let lists = CandidateLists::load(&desk.folder("genres"), Part::Test).unwrap();
    assert_eq!(lists.n, Some(2));
    let vectors = reading(true, ItemEmbedding::Joint);
    let mean = Inference::Score {
        by: ScoreBy::Mean,
        orders: 1,
    };
    desk.run("by-vectors", answered(vectors, mean.clone(), true), &needs);
    let titles = reading(false, ItemEmbedding::None);
    let needs = ["prepared=movies", "candidates=genres", "llm"];
    desk.run("by-titles", answered(titles.clone(), mean, true), &needs);
    let gain = Inference::Score {
        by: ScoreBy::Gain,
        orders: 1,
    };
    desk.run("by-gain", answered(titles.clone(), gain, true), &needs);
    for name in ["by-vectors", "by-titles", "by-gain"] {
        let ranks = desk.ranks(name);
        assert_eq!(ranks.len(), lists.users.len());
        assert!(
            ranks.iter().all(|rank| (1.0..=3.0).contains(rank)),
            "{ranks:?}"
        );
        let scores = Scores::load(&desk.folder(name), Part::Test)
            .unwrap()
            .unwrap();
        // Twelve items come before the genres.
        assert!(scores.row(0).all(|scored| (13..=15).contains(&scored.item)));
    }
    let text = Inference::Generate {
        max_new_tokens: 4,
        repetition_penalty: 1.0,
        penalise_eos: false,
        stop_at_quote: false,
        accept: Accept::Alone,
    };
    desk.run("by-text", answered(titles, text, false), &needs);
    let answers = Answers::load(&desk.folder("by-text"), Part::Test).unwrap();
    let rows = answers.unwrap().rows;
    assert_eq!(rows.len(), lists.users.len());
    assert!(rows.iter().all(|row| row.valid == (row.named == 1)));
    let rule = |rule| {
        Settings::Evaluate(Evaluate {
            part: Part::Test,
            keep_scores: false,
            ranking: Ranking::Genres(rule),
        })
    };
    desk.run("by-history", rule(GenreRule::History), &needs[..2]);
    assert!(desk.ranks("by-history").iter().all(|rank| *rank == 1.0));
    desk.run("by-majority", rule(GenreRule::Majority), &needs[..2]);
    assert!(desk.ranks("by-majority").iter().any(|rank| *rank > 1.0));
    let prepared = Prepared::load(&desk.folder("movies")).unwrap();
    let names = Genres::of(&prepared).fill("{genres}");
    assert_eq!(names, "Comedy, Drama, Western");
}
