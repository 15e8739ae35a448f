//! Reading, filtering, splitting, saving and loading of a data set; the items are interactions.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use allround_core::data::Prepared;
use divan::Bencher;
use divan::counter::ItemsCount;

use super::{MAX_TIME, built_in, prepare_settings, prepared};

/// Built-in data, generated and prepared.
#[divan::bench(max_time = MAX_TIME)]
fn built_in_data(bencher: Bencher) {
    let settings = prepare_settings(&built_in("full = {}"));
    let interactions = prepared(&settings).sequence.len();
    bencher
        .counter(ItemsCount::new(interactions))
        .bench(|| prepared(&settings));
}

/// MovieLens' `ratings.csv` and `movies.csv`, read and prepared.
#[divan::bench(max_time = MAX_TIME)]
fn movielens(bencher: Bencher) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_movielens(folder.path());
    let text = format!(
        r#"
spec_version = 1
name = "bench"
[dataset.movies]
source.movielens = {{ folder = "{}" }}
filter = [{{ k_core = {{ users = 5, items = 5 }} }}]
[model.popularity.popularity]
"#,
        folder.path().display()
    );
    let settings = prepare_settings(&text);
    bencher
        .counter(ItemsCount::new(USERS * RATINGS_OF_A_USER))
        .bench(|| prepared(&settings));
}

/// A prepared data set to disk.
#[divan::bench(max_time = MAX_TIME)]
fn save(bencher: Bencher) {
    let data = prepared(&prepare_settings(&built_in("full = {}")));
    let folder = tempfile::tempdir().expect("a temporary folder");
    bencher
        .counter(ItemsCount::new(data.sequence.len()))
        .bench(|| data.save(folder.path()).expect("the folder can be written"));
}

/// A prepared data set from disk.
#[divan::bench(max_time = MAX_TIME)]
fn load(bencher: Bencher) {
    let data = prepared(&prepare_settings(&built_in("full = {}")));
    let folder = tempfile::tempdir().expect("a temporary folder");
    data.save(folder.path()).expect("the folder can be written");
    bencher
        .counter(ItemsCount::new(data.sequence.len()))
        .bench(|| Prepared::load(folder.path()).expect("the folder holds a data set"));
}

const USERS: usize = 1000;
const RATINGS_OF_A_USER: usize = 100;
const MOVIES: usize = 2000;

/// 100,000 ratings in the form of MovieLens latest, the size of MovieLens 100K.
fn write_movielens(folder: &Path) {
    let mut ratings = "userId,movieId,rating,timestamp\n".to_owned();
    for user in 0..USERS {
        for place in 0..RATINGS_OF_A_USER {
            // Steps of a prime number: no user rates a movie twice, and movies are rated about
            // equally often.
            let movie = (user * 7 + place * 37) % MOVIES;
            let time = 1_000_000_000 + user + place * 60;
            let line = writeln!(ratings, "{},{},4.0,{time}", user + 1, movie + 1);
            line.expect("a string grows");
        }
    }
    let mut movies = "movieId,title,genres\n".to_owned();
    for movie in 1..=MOVIES {
        let line = writeln!(movies, "{movie},\"Movie {movie}, The (1995)\",Drama|Comedy");
        line.expect("a string grows");
    }
    fs::write(folder.join("ratings.csv"), ratings).expect("the folder can be written");
    fs::write(folder.join("movies.csv"), movies).expect("the folder can be written");
}
