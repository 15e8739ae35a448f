//! Training batches of one epoch; the items are training sequences.

use allround_worker::data::TrainingSet;
use allround_worker::train::batches::{Recipe, Sampler};
use divan::Bencher;
use divan::counter::ItemsCount;

use super::{Fixture, MAX_TIME};

#[divan::bench(max_time = MAX_TIME, args = ["sasrec", "gru4rec", "nextitnet", "ncf", "bert4rec", "hstu"])]
fn epoch(bencher: Bencher, model: &str) {
    let fixture = Fixture::of(model);
    let set = TrainingSet::of(&fixture.prepared);
    let training = fixture.model.training().expect("the model is trained");
    let sampler = Sampler::new(&set, Recipe::new(1, &training));
    let sampler = sampler.expect("every user can be given a negative");
    let sequences = || -> usize { sampler.epoch(1).map(|batch| batch.users.len()).sum() };
    bencher
        .counter(ItemsCount::new(sampler.sequences()))
        .bench_local(sequences);
}
