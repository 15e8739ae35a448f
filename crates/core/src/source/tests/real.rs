//! Known counts of real files in the folder that `ALLROUND_TEST_DATA` names.

use super::*;
use crate::test_data::test_data;

#[test]
fn real_files_have_their_known_counts() {
    let counts = |source: &Source, base: &Path| {
        let raw = read(source, base).unwrap();
        (raw.users.len(), raw.items.len(), raw.user.len())
    };
    if let Some(base) = test_data("ml-100k") {
        let source = Source::Movielens(MovielensSource {
            folder: String::new(),
        });
        assert_eq!(counts(&source, &base), (943, 1682, 100_000));
    }
    if let Some(base) = test_data("ml-latest-small") {
        let source = Source::Movielens(MovielensSource {
            folder: String::new(),
        });
        assert_eq!(counts(&source, &base), (671, 9066, 100_004));
    }
    if let Some(base) = test_data("sequences") {
        let source = sequences("video-games-2014.txt.gz", SequenceForm::Pairs);
        assert_eq!(counts(&source, &base), (31_013, 23_715, 287_107));
    }
    if let Some(base) = test_data("scientific") {
        let name = |end: &str| format!("Scientific.{end}");
        let source = atomic(&name("test.inter"), &name("text"), &name("item2index"));
        assert_eq!(counts(&source, &base), (2928, 1585, 19_712));
    }
}
