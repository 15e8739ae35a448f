//! Real files, where they are at hand.

use std::path::PathBuf;

use super::*;
use crate::config::dataset::{Filter, Split};
use crate::data::{filter, split};

/// The real data folder; `None`, said loudly, where it is absent.
fn real(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("ALLROUND_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let path = folder.join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!(
        "SKIPPED: no {} (set ALLROUND_DATA to the data folder)",
        path.display()
    );
    None
}

#[test]
fn the_published_filter_gives_the_published_codes_counts() {
    let cases = [
        ("amazon2018/Gift_Cards_5.json.gz", 5, 0.0, (458, 147, 2968)),
        ("amazon2018/All_Beauty_5.json.gz", 4, 3.0, (957, 56, 5040)),
    ];
    for (file, threshold, count_rating, expected) in cases {
        let Some(path) = real(file) else { continue };
        let mut raw = read(
            &amazon(path.to_str().unwrap(), "", AmazonText::Published),
            Path::new(""),
        )
        .unwrap();
        filter::apply(
            &mut raw,
            &Filter::Published {
                threshold,
                count_rating,
            },
        );
        let data = split::split(raw, &Split::LeaveOneOut {}).unwrap();
        assert_eq!(
            (data.n_users(), data.n_items(), data.sequence.len()),
            expected,
            "{file}"
        );
    }
}

#[test]
fn real_files_have_their_known_counts() {
    let counts = |source: &Source, base: &Path| {
        let raw = read(source, base).unwrap();
        (raw.users.len(), raw.items.len(), raw.user.len())
    };
    if let Some(base) = real("ml-100k") {
        let source = Source::Movielens(MovielensSource {
            folder: String::new(),
        });
        assert_eq!(counts(&source, &base), (943, 1682, 100_000));
    }
    if let Some(base) = real("ml-latest-small") {
        let source = Source::Movielens(MovielensSource {
            folder: String::new(),
        });
        assert_eq!(counts(&source, &base), (671, 9066, 100_004));
    }
    if let Some(base) = real("sequences") {
        let source = sequences("video-games-2014.txt.gz", SequenceForm::Pairs);
        assert_eq!(counts(&source, &base), (31_013, 23_715, 287_107));
    }
    if let Some(base) = real("scientific") {
        let name = |end: &str| format!("Scientific.{end}");
        let source = atomic(&name("test.inter"), &name("text"), &name("item2index"));
        assert_eq!(counts(&source, &base), (2928, 1585, 19_712));
    }
}
