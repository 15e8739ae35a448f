//! Writes a synthetic data set in Amazon's form: reviews and metadata as JSON lines, gzip.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use rand::RngExt;
use serde_json::json;

use super::synthetic::{self, SyntheticSource};
use crate::fs;
use crate::seed::{Stream, stream};
use crate::source::{DataError, RawData};

/// Names of the files that [`write()`] creates in its folder.
pub const FILES: [&str; 2] = ["reviews.json.gz", "meta.json.gz"];

/// Sentences of reviews, joined at random to a realistic length.
const SENTENCES: [&str; 8] = [
    "Works as described and arrived on time.",
    "I bought this for my brother and he uses it every day.",
    "The quality is better than I expected for the price.",
    "Not sure that I would buy it again, but it does its job.",
    "After three months it still looks like new.",
    "The instructions could be clearer.",
    "My second one; the first was a gift.",
    "Would recommend it to anybody who likes this kind of thing.",
];

/// Writes [`FILES`] into `folder` and returns the number of reviews.
///
/// # Errors
/// When a file cannot be written.
pub fn write(settings: &SyntheticSource, folder: &Path) -> Result<u64, DataError> {
    fs::create_dir_all(folder)?;
    let raw = synthetic::generate(settings);
    gzip(&folder.join(FILES[0]), |sink| {
        reviews(&raw, settings.world_seed, sink)
    })?;
    gzip(&folder.join(FILES[1]), |sink| metadata(&raw, sink))?;
    Ok(raw.user.len() as u64)
}

fn gzip(
    path: &Path,
    body: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<(), DataError> {
    let mut sink = GzEncoder::new(fs::create(path)?, Compression::fast());
    let done = body(&mut sink)
        .and_then(|()| sink.finish())
        .and_then(|mut file| file.flush());
    done.map_err(|error| {
        DataError::new(error.to_string())
            .at(path)
            .hint("check the free space on the disk")
    })
}

fn reviews(raw: &RawData, seed: u64, sink: &mut dyn Write) -> std::io::Result<()> {
    let mut rng = stream(seed, Stream::Synthetic, u64::MAX);
    let mut order: Vec<usize> = (0..raw.user.len()).collect();
    // The publisher's files are sorted by item, not by user or time.
    order.sort_by_key(|&at| raw.item[at]);
    for at in order {
        let words = rng.random_range(1..6);
        let text: Vec<&str> = (0..words)
            .map(|_| SENTENCES[rng.random_range(0..SENTENCES.len())])
            .collect();
        let (user, item) = (
            &raw.users[raw.user[at] as usize],
            &raw.items[raw.item[at] as usize],
        );
        let time = raw.time[at];
        let day = jiff::Timestamp::from_second(time).map_err(std::io::Error::other)?;
        let day = day.strftime("%m %d, %Y");
        writeln!(
            sink,
            "{{\"overall\": {:.1}, \"verified\": true, \"reviewTime\": \"{day}\", \"reviewerID\": \"{user}\", \"asin\": \"{item}\", \"style\": {{\"Format:\": \" Standard\"}}, \"reviewerName\": \"Reader {user}\", \"reviewText\": \"{}\", \"summary\": \"{}\", \"unixReviewTime\": {time}}}",
            raw.rating[at],
            text.join(" "),
            text[0],
        )?;
    }
    Ok(())
}

fn metadata(raw: &RawData, sink: &mut dyn Write) -> std::io::Result<()> {
    for (item, text) in raw.items.iter().zip(&raw.texts) {
        let description: Vec<&String> = text.description.iter().collect();
        let record = json!({
            "category": text.categories, "description": description, "title": text.title,
            "also_buy": [], "brand": "", "feature": [], "rank": [], "asin": item, "price": "",
        });
        writeln!(sink, "{record}")?;
    }
    Ok(())
}
