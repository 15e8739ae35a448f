//! Every source on a small file, on what it must refuse, and on real files where they are at hand.

mod forms;
mod generated;
mod joined;
mod json;
mod kinds;
mod movielens;
mod real;
mod refused;

use std::io::Write;
use std::path::Path;

use super::*;
use crate::spec::config::dataset::{
    AmazonSource, AmazonText, AtomicSource, CsvSource, MovielensSource, SequenceForm,
    SequencesSource,
};

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

fn sequences(path: &str, form: SequenceForm) -> Source {
    Source::Sequences(SequencesSource {
        path: path.into(),
        form,
    })
}

fn csv_source(interactions: &str) -> Source {
    let text = |text: &str| text.to_owned();
    Source::Csv(CsvSource {
        interactions: text(interactions),
        items: String::new(),
        user: text("user"),
        item: text("item"),
        timestamp: text("timestamp"),
        rating: String::new(),
        title: String::new(),
        description: String::new(),
        category: String::new(),
    })
}

const REVIEW: &str = r#"{"overall": 5.0, "reviewerID": "A", "asin": "I1", "reviewText": "a \"b\"", "unixReviewTime": 7}"#;
