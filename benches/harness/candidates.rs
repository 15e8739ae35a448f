//! Drawing of candidate lists; the items are users.

use allround_core::data::{Part, candidates};
use divan::Bencher;
use divan::counter::ItemsCount;

use super::{MAX_TIME, built_in, candidate_settings, prepare_settings, prepared};

#[divan::bench(
    max_time = MAX_TIME,
    args = ["uniform = { n = 19 }", "uniform = { n = 100 }", "popularity = { n = 100 }"]
)]
fn draw(bencher: Bencher, drawn: &str) {
    let text = built_in(drawn);
    let (data, settings) = (
        prepared(&prepare_settings(&text)),
        candidate_settings(&text),
    );
    let lists = || candidates::draw(&data, &settings, Part::Test).expect("there are enough items");
    let users = lists().users.len();
    bencher.counter(ItemsCount::new(users)).bench(lists);
}
