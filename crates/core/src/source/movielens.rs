//! MovieLens 100K (`u.data`, `u.item`), 1M and 10M (`ratings.dat`, `movies.dat`) and latest
//! (`ratings.csv`, `movies.csv`).
//!
//! 10M has the files of 1M, with half stars, and is UTF-8, as its readme states. 100K and 1M are
//! published in latin-1, but copies are often UTF-8. The encoding is therefore detected from each
//! file's bytes.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::raw::Text;
use super::read::encoding::{Encoding, encoding};
use super::read::ids::Ids;
use super::read::join::Join;
use super::read::lines::Lines;
use super::read::table::Table;
use super::read::times::Times;
use super::read::{filled, identity, number};
use super::{DataError, DataSource, RawData, SourceFile};
use crate::problem::Problem;

/// All settings are required.
pub const DEFAULTS: &str = "";

/// A MovieLens folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MovielensSource {
    /// Folder with `u.data` and `u.item` (100K), `ratings.dat` and `movies.dat` (1M, and 10M with
    /// half stars), or `ratings.csv` and `movies.csv` (latest, 20M and later). The form is detected
    /// from the files. A file that is valid UTF-8 is read as UTF-8, any other as latin-1; `allround
    /// data stats` reports which.
    pub folder: String,
}

/// How the files of a MovieLens folder are written.
#[derive(Clone, Copy)]
enum Form {
    /// 100K.
    HundredK,
    /// 1M, and 10M with its half stars.
    OneM,
    /// Latest, 20M and later.
    Latest,
}

impl Form {
    const ALL: [Form; 3] = [Form::HundredK, Form::OneM, Form::Latest];

    /// Names of the files of ratings and of titles.
    fn files(self) -> [&'static str; 2] {
        match self {
            Form::HundredK => ["u.data", "u.item"],
            Form::OneM => ["ratings.dat", "movies.dat"],
            Form::Latest => ["ratings.csv", "movies.csv"],
        }
    }

    /// The form of a folder.
    fn of(folder: &Path) -> Option<Form> {
        let has_ratings = |form: &Form| folder.join(form.files()[0]).is_file();
        Form::ALL.into_iter().find(has_ratings)
    }
}

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

/// Expected content of a folder, for messages.
const EXPECTED: &str =
    "expected `u.data` (100K), `ratings.dat` (1M, 10M) or `ratings.csv` (latest) in it";

/// The two files that are read in a MovieLens folder; `None` for any other folder.
pub(super) fn files_in(folder: &Path) -> Option<Vec<PathBuf>> {
    let names = Form::of(folder)?.files();
    let files = names.map(|name| folder.join(name)).into_iter();
    Some(files.filter(|file| file.exists()).collect())
}

impl DataSource for MovielensSource {
    fn kind(&self) -> &'static str {
        "movielens"
    }

    fn files(&self) -> Vec<SourceFile<'_>> {
        vec![SourceFile {
            is_folder: true,
            ..SourceFile::required("folder", &self.folder)
        }]
    }

    fn problems(&self, base: &Path) -> Vec<Problem> {
        let folder = base.join(&self.folder);
        if self.folder.is_empty() || !folder.is_dir() || Form::of(&folder).is_some() {
            return Vec::new();
        }
        let message = format!("`{}` holds no MovieLens ratings", self.folder);
        vec![
            Problem::at("folder", message)
                .label(EXPECTED)
                .hint(format!("looked into `{}`", folder.display())),
        ]
    }

    fn read(&self, base: &Path) -> Result<RawData, DataError> {
        read(&base.join(&self.folder))
    }
}

/// The files with ratings and titles of a folder.
struct Files {
    ratings: EncodedFile,
    movies: EncodedFile,
}

/// A file and its encoding.
struct EncodedFile {
    path: PathBuf,
    encoding: Encoding,
}

impl EncodedFile {
    fn open(path: PathBuf) -> Result<Self, DataError> {
        let encoding = encoding(&path)?;
        Ok(Self { path, encoding })
    }
}

fn read(folder: &Path) -> Result<RawData, DataError> {
    let mut items = Ids::default();
    let form = Form::of(folder).ok_or_else(|| {
        DataError::new("no MovieLens ratings here")
            .at(folder)
            .hint(EXPECTED)
    })?;
    let [ratings_name, movies_name] = form.files();
    let files = Files {
        ratings: EncodedFile::open(folder.join(ratings_name))?,
        movies: EncodedFile::open(folder.join(movies_name))?,
    };
    let (mut raw, join) = match form {
        Form::HundredK => {
            let raw = ratings(&files.ratings, "\t", &mut items)?;
            (raw, movies(&files.movies, &items, hundred_k)?)
        }
        Form::OneM => {
            let raw = ratings(&files.ratings, "::", &mut items)?;
            (raw, movies(&files.movies, &items, one_m)?)
        }
        Form::Latest => {
            let raw = latest(&files.ratings, &mut items)?;
            (raw, latest_movies(&files.movies, &items)?)
        }
    };
    join.finish(&mut raw)?;
    let has_halves = raw.rating.iter().any(|rating| rating.fract() != 0.0);
    let form = match (form, has_halves) {
        (Form::HundredK, _) => "100K",
        (Form::OneM, false) => "1M",
        (Form::OneM, true) => "10M (`ratings.dat` with half stars)",
        (Form::Latest, _) => "latest, 20M and later",
    };
    raw.read_as.push(format!(
        "MovieLens in the form of {form}; `{movies_name}` is read as {}",
        files.movies.encoding
    ));
    raw.items = items.into_names();
    Ok(raw)
}

/// Reads rows of `user item rating timestamp`, separated by `between`.
fn ratings(file: &EncodedFile, between: &str, items: &mut Ids) -> Result<RawData, DataError> {
    let path = file.path.as_path();
    let mut lines = Lines::open(path)?;
    let (mut users, mut raw, mut times) = (Ids::default(), RawData::default(), Times::default());
    while let Some((line, bytes)) = lines.bytes()? {
        let text = file.encoding.decode(bytes);
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
        raw.user.push(users.number(identity(user, path, line)?));
        raw.item.push(items.number(identity(item, path, line)?));
        raw.rating
            .push(number(rating.as_bytes(), path, line, "rating")? as f32);
        times.push(timestamp.as_bytes(), path, line, "timestamp")?;
    }
    raw.users = users.into_names();
    raw.time = times.into_values();
    filled(raw, path)
}

fn movies<'i>(
    file: &EncodedFile,
    items: &'i Ids,
    parse: fn(&str) -> Option<(&str, Text)>,
) -> Result<Join<'i>, DataError> {
    let path = file.path.as_path();
    let mut lines = Lines::open(path)?;
    let mut join = Join::new(items, path);
    while let Some((line, bytes)) = lines.bytes()? {
        let row = file.encoding.decode(bytes);
        if row.trim().is_empty() {
            continue;
        }
        let (id, text) = parse(&row).ok_or_else(|| {
            DataError::new("not a movie's row")
                .at(path)
                .line(line)
                .hint("fetch the data set again")
        })?;
        join.add(id, text);
    }
    Ok(join)
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

fn latest(file: &EncodedFile, items: &mut Ids) -> Result<RawData, DataError> {
    let path = file.path.as_path();
    let mut table = Table::open(path)?;
    let columns = ["userId", "movieId", "rating", "timestamp"].map(|name| table.column(name));
    let [user, item, rating, timestamp] = columns;
    let places = [user?, item?, rating?, timestamp?]
        .map(|at| at.expect("a named column is found or refused"));
    let (mut users, mut raw, mut times) = (Ids::default(), RawData::default(), Times::default());
    while let Some((line, row)) = table.next()? {
        let [user, item] = [0, 1].map(|at: usize| file.encoding.decode(&row[places[at]]));
        raw.user.push(users.number(identity(&user, path, line)?));
        raw.item.push(items.number(identity(&item, path, line)?));
        raw.rating
            .push(number(&row[places[2]], path, line, "rating")? as f32);
        times.push(&row[places[3]], path, line, "timestamp")?;
    }
    raw.users = users.into_names();
    raw.time = times.into_values();
    filled(raw, path)
}

fn latest_movies<'i>(file: &EncodedFile, items: &'i Ids) -> Result<Join<'i>, DataError> {
    let mut table = Table::open(&file.path)?;
    let [id, title, genres] = ["movieId", "title", "genres"].map(|name| table.column(name));
    let places = [id?, title?, genres?].map(|at| at.expect("a named column is found or refused"));
    let mut join = Join::new(items, &file.path);
    while let Some((_, row)) = table.next()? {
        let cell = |at: usize| file.encoding.decode(&row[places[at]]);
        let text = Text {
            title: Some(cell(1).into_owned()),
            description: None,
            categories: split_genres(&cell(2)),
        };
        join.add(&cell(0), text);
    }
    Ok(join)
}
