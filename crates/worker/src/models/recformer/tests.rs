use super::*;
use crate::models::behaviour::SIZES;
use crate::testing;
use allround_core::models::Model;

fn config() -> Config {
    match testing::model("recformer") {
        Model::Recformer(config) => config,
        other => panic!("{other:?}"),
    }
}

fn model(config: &Config) -> Recformer {
    tch::manual_seed(5);
    Recformer::of_ids(config, SIZES, Device::Cpu)
}

#[test]
fn histories_are_read_newest_first_and_cut_at_the_end() {
    let mut items = ItemTokens::new();
    for item in 0..3 {
        items.add(&[10 + item], 1);
        items.add(&[20 + item, 30 + item], 2);
        items.end_item();
    }
    let reader = Reader {
        items,
        begin: 7,
        max_tokens: 6,
        max_items: 2,
    };
    let sequence = reader.read(&[1, 2, 3]);
    assert_eq!(sequence.ids, [7, 12, 22, 32, 11, 21]);
    assert_eq!(sequence.types, [0, 1, 2, 2, 1, 2]);
    assert_eq!(sequence.items, [0, 1, 1, 1, 2, 2]);
    assert!(reader.cuts(&[2, 3]) && !reader.cuts(&[3]));
    assert_eq!(reader.read(&[]).ids, [7]);
}

#[test]
fn scores_are_cosines_divided_by_the_temperature() {
    let config = config();
    let model = model(&config);
    let histories = Histories::from_rows(&[&[1, 2, 3], &[], &[4]]);
    let scores = model.score_all(&histories).narrow(1, 1, 12) * config.temperature;
    assert!(scores.abs().max().double_value(&[]) < 1.0 + 1e-5);
    // A history of one item is read as the item alone.
    let own = scores.double_value(&[2, 3]);
    assert!((own - 1.0).abs() < 1e-5, "{own}");
    let candidates = indices(&[1, 4, 12, 2, 2, 2], Device::Cpu).view([3, 2]);
    let some = model.score(&histories, &candidates) * config.temperature;
    let expected = scores.gather(1, &(candidates - 1), false);
    assert!(some.allclose(&expected, 1e-5, 1e-6, false));
}

#[test]
fn the_loss_reads_drawn_prefixes_and_a_table_that_no_gradient_moves() {
    for negatives in [0, 5] {
        let mut config = config();
        config.dropout = 0.0;
        config.finetune.negatives = negatives;
        let model = model(&config);
        let batch = TrainingBatch {
            users: vec![0, 1],
            offsets: vec![0, 0, 3],
            inputs: vec![1, 2, 7],
            targets: vec![2, 8],
            last_only: true,
            noise: 1,
            ..TrainingBatch::default()
        };
        let first = model.loss(&batch).double_value(&[]);
        for _ in 0..20 {
            model.loss(&batch).backward();
            tch::no_grad(|| {
                for (_, weight) in model.trained() {
                    let mut gradient = weight.grad();
                    if gradient.defined() {
                        let _ = weight.shallow_clone().g_sub_(&(&gradient * 0.02));
                        let _ = gradient.zero_();
                    }
                }
            });
        }
        let last = model.loss(&batch).double_value(&[]);
        assert!(last < first - 0.01, "{negatives}: {first} to {last}");
        assert!(!model.item_table().grad().defined());
    }
}

#[test]
fn a_model_is_read_back_with_the_tokens_of_its_items() {
    let config = config();
    let model = model(&config);
    let tensors = model.weights().into_iter().collect();
    let read = Recformer::from_tensors(&config, &tensors, Device::Cpu).unwrap();
    let histories = Histories::from_rows(&[&[3, 9], &[]]);
    assert_eq!(read.score_all(&histories), model.score_all(&histories));
    read.begin_epoch();
    assert_eq!(read.item_table(), model.item_table());
    let states = model.token_states(&histories, false);
    let last = model.user_states(&histories).narrow(0, 0, 1);
    assert!(states.narrow(0, 1, 1).allclose(&last, 1e-5, 1e-6, false));
    let names = |list: Vec<(String, Vec<i64>)>| {
        let mut list = list;
        list.sort();
        list
    };
    use allround_core::models::CfModel;
    use allround_core::models::weights::Size;
    let expected = config.tensors().into_iter().map(|weight| {
        let size = |size: &Size| size.known().map_or(SIZES.items as i64 + 1, |it| it as i64);
        (weight.name, weight.shape.iter().map(size).collect())
    });
    let found = model.trained().into_iter();
    let found = found.map(|(name, weight)| (name, weight.size()));
    assert_eq!(names(expected.collect()), names(found.collect()));
}
