//! Every source on a small file, on files that it must refuse, and on real files if they are
//! available.

mod forms;
mod generated;
mod joined;
mod json;
mod kinds;
mod lines_of_ids;
mod movielens;
mod named;
mod real;
mod refused;

use std::io::Write;
use std::path::Path;

use super::amazon::AmazonText;
use super::sequences::SequenceForm;
use super::*;

/// Reads a source whose paths start at `base`.
fn read(source: &Source, base: &Path) -> Result<RawData, DataError> {
    source.read(base)
}

fn put(dir: &Path, name: &str, bytes: &[u8]) -> String {
    std::fs::write(dir.join(name), bytes).unwrap();
    name.to_owned()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut sink = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    sink.write_all(bytes).unwrap();
    sink.finish().unwrap()
}

fn amazon(reviews: &str, metadata: &str, text: AmazonText) -> Source {
    Source::Amazon(AmazonSource {
        reviews: reviews.into(),
        metadata: metadata.into(),
        text,
    })
}

/// The source `kind` with these settings, as in an experiment file. Others have their defaults.
fn source(kind: &str, settings: &str) -> Source {
    let defaults: toml::Table = DEFAULTS.join("\n").parse().unwrap();
    let mut table = defaults["default"]["source"][kind]
        .as_table()
        .unwrap()
        .clone();
    table.extend(settings.parse::<toml::Table>().unwrap());
    toml::Table::from_iter([(kind.to_owned(), toml::Value::Table(table))])
        .try_into()
        .unwrap()
}

fn sequences(path: &str, form: SequenceForm) -> Source {
    let Source::Sequences(files) = source("sequences", &format!("path = \"{path}\"")) else {
        unreachable!("the kind is `sequences`");
    };
    Source::Sequences(SequencesSource { form, ..files })
}

/// A CSV source with columns `user`, `item` and `timestamp`, all of which are required.
fn csv_source(interactions: &str) -> Source {
    source(
        "csv",
        &format!("interactions = \"{interactions}\"\ntimestamp = \"timestamp\""),
    )
}

fn atomic(inter: &str, item: &str, item_index: &str) -> Source {
    source(
        "atomic",
        &format!("inter = \"{inter}\"\nitem = \"{item}\"\nitem_index = \"{item_index}\""),
    )
}

const REVIEW: &str = r#"{"overall": 5.0, "reviewerID": "A", "asin": "I1", "reviewText": "a \"b\"", "unixReviewTime": 7}"#;
