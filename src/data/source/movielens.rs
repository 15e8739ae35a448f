//! MovieLens 100K (`u.data`, `u.item`), 1M (`ratings.dat`, `movies.dat`) and latest (`ratings.csv`, `movies.csv`).
//!
//! 100K and 1M are latin-1, as their readme files say.

use std::path::Path;

use super::csv::{Table, identity, number, time};
use super::ids::Ids;
use super::lines::Lines;
use crate::data::raw::Text;
use crate::data::{DataError, RawData};
use crate::spec::config::dataset::MOVIELENS_FILES;

/// Genre columns of `u.item`, in its order (its readme's `u.genre`).
const GENRES: [&str; 19] = [
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
];

pub(super) fn read(folder: &Path) -> Result<RawData, DataError> {
    let here = |name: &str| folder.join(name);
    let mut items = Ids::default();
    let form = MOVIELENS_FILES
        .iter()
        .position(|[ratings, _]| here(ratings).is_file());
    let file = |form: usize, at: usize| here(MOVIELENS_FILES[form][at]);
    let (mut raw, texts) = match form {
        Some(form @ 0) => {
            let raw = ratings(&file(form, 0), "\t", &mut items)?;
            (raw, movies(&file(form, 1), &items, hundred_k)?)
        }
        Some(form @ 1) => {
            let raw = ratings(&file(form, 0), "::", &mut items)?;
            (raw, movies(&file(form, 1), &items, one_m)?)
        }
        Some(form) => {
            let raw = latest(&file(form, 0), &mut items)?;
            (raw, latest_movies(&file(form, 1), &items)?)
        }
        None => {
            return Err(DataError::new("no MovieLens ratings here").at(folder).hint(
                "expected `u.data` (100K), `ratings.dat` (1M) or `ratings.csv` (latest) in this folder",
            ));
        }
    };
    raw.texts = texts;
    raw.items = items.into_names();
    Ok(raw)
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

/// `user item rating timestamp`, separated by `between`.
fn ratings(path: &Path, between: &str, items: &mut Ids) -> Result<RawData, DataError> {
    let mut lines = Lines::open(path)?;
    let (mut users, mut raw) = (Ids::default(), RawData::default());
    while let Some((line, bytes)) = lines.bytes()? {
        let text = latin1(bytes);
        if text.trim().is_empty() {
            continue;
        }
        let cells: Vec<&str> = text.split(between).collect();
        let [user, item, rating, timestamp] = cells[..] else {
            return Err(
                DataError::new(format!("expected 4 cells, found {}", cells.len()))
                    .at(path)
                    .line(line)
                    .hint("a row is user, item, rating, timestamp"),
            );
        };
        raw.user.push(users.number(identity(user, (path, line))?));
        raw.item.push(items.number(identity(item, (path, line))?));
        raw.rating
            .push(number(rating.as_bytes(), (path, line), "rating")? as f32);
        raw.time
            .push(time(timestamp.as_bytes(), (path, line), "timestamp")?);
    }
    raw.users = users.into_names();
    super::filled(raw, path)
}

fn movies(
    path: &Path,
    items: &Ids,
    parse: fn(&str) -> Option<(&str, Text)>,
) -> Result<Vec<Text>, DataError> {
    let mut lines = Lines::open(path)?;
    let mut texts = Vec::new();
    while let Some((line, bytes)) = lines.bytes()? {
        let row = latin1(bytes);
        if row.is_empty() {
            continue;
        }
        let (id, text) = parse(&row).ok_or_else(|| {
            DataError::new("not a movie's row")
                .at(path)
                .line(line)
                .hint("fetch the data set again")
        })?;
        put(&mut texts, items.get(id), text);
    }
    Ok(texts)
}

fn put(texts: &mut Vec<Text>, number: Option<u32>, text: Text) {
    if let Some(number) = number {
        if texts.len() <= number as usize {
            texts.resize_with(number as usize + 1, Text::default);
        }
        texts[number as usize] = text;
    }
}

/// `id|title|release|video release|url|19 genre flags`.
fn hundred_k(row: &str) -> Option<(&str, Text)> {
    let cells: Vec<&str> = row.split('|').collect();
    let flags = cells.get(5..24)?;
    let named = flags.iter().zip(GENRES).filter(|(flag, _)| **flag == "1");
    let categories = named.map(|(_, genre)| genre.to_owned()).collect();
    Some((
        cells[0],
        Text {
            title: Some(cells[1].to_owned()),
            description: None,
            categories,
        },
    ))
}

/// `id::title::genre|genre`.
fn one_m(row: &str) -> Option<(&str, Text)> {
    let (id, rest) = row.split_once("::")?;
    let (title, genres) = rest.rsplit_once("::")?;
    Some((
        id,
        Text {
            title: Some(title.to_owned()),
            description: None,
            categories: split_genres(genres),
        },
    ))
}

fn split_genres(genres: &str) -> Vec<String> {
    genres
        .split('|')
        .filter(|genre| *genre != "(no genres listed)")
        .map(str::to_owned)
        .collect()
}

fn latest(path: &Path, items: &mut Ids) -> Result<RawData, DataError> {
    let mut table = Table::open(path)?;
    let columns = ["userId", "movieId", "rating", "timestamp"].map(|name| table.column(name));
    let [user, item, rating, timestamp] = columns;
    let places = [user?, item?, rating?, timestamp?]
        .map(|at| at.expect("a named column is found or refused"));
    let (mut users, mut raw) = (Ids::default(), RawData::default());
    while let Some((line, row)) = table.next()? {
        let (user, item) = (latin1(&row[places[0]]), latin1(&row[places[1]]));
        raw.user.push(users.number(identity(&user, (path, line))?));
        raw.item.push(items.number(identity(&item, (path, line))?));
        raw.rating
            .push(number(&row[places[2]], (path, line), "rating")? as f32);
        raw.time
            .push(time(&row[places[3]], (path, line), "timestamp")?);
    }
    raw.users = users.into_names();
    super::filled(raw, path)
}

fn latest_movies(path: &Path, items: &Ids) -> Result<Vec<Text>, DataError> {
    let mut table = Table::open(path)?;
    let [id, title, genres] = ["movieId", "title", "genres"].map(|name| table.column(name));
    let places = [id?, title?, genres?].map(|at| at.expect("a named column is found or refused"));
    let mut texts = Vec::new();
    while let Some((line, row)) = table.next()? {
        let cell = |at: usize| super::lines::text(&row[places[at]], path, line);
        let text = Text {
            title: Some(cell(1)?.to_owned()),
            description: None,
            categories: split_genres(cell(2)?),
        };
        put(&mut texts, items.get(cell(0)?), text);
    }
    Ok(texts)
}
