//! The projections and what they read, before anything is trained.

use std::collections::BTreeMap;

use super::*;

fn states(count: i64) -> Tensor {
    tch::manual_seed(10);
    Tensor::randn([count, 8], (Kind::Float, Device::Cpu))
}

#[test]
fn a_random_table_starts_alike_whether_it_is_trained_or_not() {
    let [frozen, trained] = [ItemEmbedding::Random, ItemEmbedding::RandomTrained]
        .map(|item| projections(true, 1, item));
    assert_eq!(frozen.saved().len(), 13);
    assert_eq!(frozen.saved(), trained.saved());
    assert_eq!(frozen.items(&[1, 4]), trained.items(&[1, 4]));
}

#[test]
fn projections_have_upstreams_names_and_no_user_where_none_is_told() {
    let names = |user: bool| {
        let projections = projections(user, 1, ItemEmbedding::Joint);
        assert_eq!(projections.users(&states(2)).is_some(), user);
        projections
            .weights()
            .into_iter()
            .map(|(name, _)| name)
            .collect::<Vec<_>>()
    };
    let item = [
        "item_emb_proj.0.weight",
        "item_emb_proj.0.bias",
        "item_emb_proj.1.weight",
    ];
    assert_eq!(names(false)[..3], item);
    assert_eq!(names(false).len(), 6);
    assert_eq!(names(true)[0], "log_emb_proj.0.weight");
    assert_eq!(names(true).len(), 12);
}

#[test]
fn the_projection_of_items_starts_alike_with_and_without_the_user() {
    for item in [ItemEmbedding::Joint, ItemEmbedding::Random] {
        let saved = [true, false].map(|user| projections(user, 1, item).saved());
        let [both, alone] = saved.map(BTreeMap::from_iter);
        assert!(both.len() > alone.len() && alone.len() >= 6);
        for (name, weight) in &alone {
            assert_eq!(both.get(name), Some(weight), "{name}");
        }
    }
}

#[test]
fn padding_has_a_vector_of_zeros_whatever_the_cf_model_has() {
    let own = backbone();
    tch::no_grad(|| {
        let _ = own.item_table().get(0).fill_(3.0);
    });
    let table = item_table(ItemEmbedding::Joint, 0, None, own.as_ref(), &data()).unwrap();
    assert_eq!(
        table.get(0),
        Tensor::zeros([own.width()], (Kind::Float, Device::Cpu))
    );
    // The CF model keeps its own.
    assert_eq!(own.item_table().get(0).double_value(&[0]), 3.0);
}

#[test]
fn projections_are_as_deep_as_they_are_asked_to_be() {
    let own = |depth| -> Vec<(String, Vec<i64>)> {
        let weights = projections(true, depth, ItemEmbedding::Joint).weights();
        let sized = weights
            .into_iter()
            .map(|(name, weight)| (name, weight.size()));
        sized
            .filter(|(name, size)| name.starts_with("item") && size.len() == 2)
            .collect()
    };
    let layer = |part: usize, inputs| (format!("item_emb_proj.{part}.weight"), vec![16, inputs]);
    assert_eq!(own(0), [layer(0, 5)]);
    assert_eq!(own(1), [layer(0, 5), layer(3, 16)]);
    assert_eq!(
        own(3),
        [layer(0, 5), layer(3, 16), layer(6, 16), layer(9, 16)]
    );
    // Without a hidden layer the map is linear: the mean of states maps to the mean of results.
    for (depth, linear) in [(0, true), (1, false), (2, false)] {
        let projections = projections(true, depth, ItemEmbedding::Joint);
        let users = |states: &Tensor| projections.users(states).unwrap();
        let mean = |x: &Tensor| x.mean_dim(0, true, Kind::Float);
        let states = states(5);
        let (before, behind) = (users(&mean(&states)), mean(&users(&states)));
        assert_eq!(
            before.allclose(&behind, 1e-4, 1e-4, false),
            linear,
            "{depth}"
        );
    }
}

#[test]
fn shrunk_projections_give_outputs_that_are_smaller_by_the_factor() {
    let states = Tensor::ones([2, 8], (Kind::Float, Device::Cpu));
    let outputs = |factor: Option<f64>| {
        let projections = projections(true, 1, ItemEmbedding::Joint);
        factor
            .into_iter()
            .for_each(|factor| projections.shrink(factor));
        let users = projections.users(&states).unwrap();
        Tensor::cat(&[users, projections.items(&[1, 2])], 0)
    };
    let gap = outputs(None) * 0.25 - outputs(Some(0.25));
    assert!(gap.abs().max().double_value(&[]) < 1e-6);
    assert!(outputs(None).abs().max().double_value(&[]) > 0.1);
}
