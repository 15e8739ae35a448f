//! Checking and planning of an experiment with 1,000 cells.

use divan::Bencher;
use divan::counter::ItemsCount;

use super::{MAX_TIME, plan, resolved};

const CELLS: usize = 1000;

/// An experiment of 5 data sets, 4 scenarios, 5 models and 10 seeds.
fn thousand_cells() -> String {
    let mut text =
        "spec_version = 1\nname = \"thousand\"\nseeds = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\n"
            .to_owned();
    for number in 1..=5 {
        text += &format!(
            "[dataset.d{number}.source.synthetic]\nusers = 100\nitems = 200\nworld_seed = {number}\n"
        );
    }
    text += "[scenario.overall.overall]\n[scenario.cold.cold_items]\n[scenario.warm.warm_items]\n";
    text += "[scenario.few.few_shot]\nusers = 20\n";
    for model in ["sasrec", "gru4rec", "nextitnet", "ncf"] {
        text += &format!("[model.{model}.{model}]\ntrain.epochs = 1\ntrain.stop.fixed = {{}}\n");
    }
    text + "[model.popularity.popularity]\n"
}

/// Parsing, checking and resolving the file.
#[divan::bench(max_time = MAX_TIME)]
fn check(bencher: Bencher) {
    let text = thousand_cells();
    bencher
        .counter(ItemsCount::new(CELLS))
        .bench(|| resolved(divan::black_box(&text)));
}

/// Cells, stages and keys of the resolved experiment.
#[divan::bench(max_time = MAX_TIME)]
fn plan_stages(bencher: Bencher) {
    let spec = resolved(&thousand_cells());
    let cells = || plan::plan(&spec, &mut |_| unreachable!("built-in data has no files"));
    assert_eq!(
        cells().expect("the experiment can be planned").cells.len(),
        CELLS
    );
    bencher.counter(ItemsCount::new(CELLS)).bench(cells);
}
