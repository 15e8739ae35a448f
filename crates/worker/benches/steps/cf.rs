//! Steps of CF models: training of one batch, and ranking of every user's target among 101 items.

use allround_core::data::{Part, candidates};
use allround_worker::data::TrainingSet;
use allround_worker::eval;
use allround_worker::models::{self, Backbone, Sizes};
use allround_worker::train::batches::{Recipe, Sampler};
use allround_worker::train::optimizer::Optimizer;
use divan::Bencher;
use divan::counter::ItemsCount;
use tch::Device;

use super::{Fixture, MAX_TIME};

/// A freshly initialised net.
fn net(fixture: &Fixture) -> Box<dyn Backbone> {
    let sizes = Sizes {
        users: fixture.prepared.n_users() as u64,
        items: fixture.prepared.n_items() as u64,
    };
    tch::manual_seed(1);
    models::build(&fixture.model, sizes, Device::Cpu).expect("the model is trained")
}

/// Loss, gradients and the optimizer's step; the items are training sequences.
#[divan::bench(max_time = MAX_TIME, args = ["sasrec", "gru4rec", "nextitnet", "ncf", "bert4rec", "hstu"])]
fn train(bencher: Bencher, model: &str) {
    let fixture = Fixture::of(model);
    let net = net(&fixture);
    let set = TrainingSet::of(&fixture.prepared);
    let training = fixture.model.training().expect("the model is trained");
    let sampler = Sampler::new(&set, Recipe::new(1, &training));
    let sampler = sampler.expect("every user can be given a negative");
    let batch = sampler.epoch(1).next().expect("an epoch has a batch");
    let mut optimizer = Optimizer::new(&training.train.optimizer, training.train.lr, net.weights());
    bencher
        .counter(ItemsCount::new(batch.users.len()))
        .bench_local(|| {
            net.loss(&batch).backward();
            optimizer.step();
        });
}

/// Ranks among 1 + 100 candidates; the items are users.
#[divan::bench(max_time = MAX_TIME, args = ["sasrec", "gru4rec", "nextitnet", "ncf", "bert4rec", "hstu"])]
fn rank(bencher: Bencher, model: &str) {
    let fixture = Fixture::of(model);
    let net = net(&fixture);
    let lists = candidates::draw(&fixture.prepared, &fixture.candidates, Part::Test);
    let lists = lists.expect("there are enough items");
    bencher
        .counter(ItemsCount::new(lists.users.len()))
        .bench_local(|| eval::ranks(net.as_ref(), &fixture.prepared, &lists));
}
