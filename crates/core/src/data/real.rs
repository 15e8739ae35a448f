//! Known counts of filtered real files in the folder that `ALLROUND_TEST_DATA` names.

use std::path::Path;

use super::{filter, split};
use crate::config::dataset::{Filter, Split};
use crate::source::DataSource;
use crate::source::amazon::{AmazonSource, AmazonText};
use crate::test_data::test_data;

#[test]
fn the_published_filter_gives_the_published_codes_counts() {
    let cases = [
        ("amazon2018/Gift_Cards_5.json.gz", 5, 0.0, (458, 147, 2968)),
        ("amazon2018/All_Beauty_5.json.gz", 4, 3.0, (957, 56, 5040)),
    ];
    for (file, threshold, count_rating, expected) in cases {
        let Some(path) = test_data(file) else {
            continue;
        };
        let source = AmazonSource {
            reviews: path.to_str().unwrap().to_owned(),
            metadata: String::new(),
            text: AmazonText::Published,
        };
        let mut raw = source.read(Path::new("")).unwrap();
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
