use super::*;
use tch::Device;

fn shape(half_window: i64) -> Shape {
    Shape {
        vocabulary: 20,
        positions: 200,
        types: 4,
        item_positions: 9,
        width: 8,
        layers: 2,
        heads: 2,
        inner: 16,
        half_window,
        first_position: 2,
        eps: 1e-5,
        dropout: 0.0,
    }
}

fn sequence(length: u32) -> Sequence {
    Sequence {
        ids: (0..length).map(|place| (place * 7 + length) % 20).collect(),
        types: (0..length).map(|place| u32::from(place > 0)).collect(),
        items: (0..length).map(|place| place.div_ceil(20)).collect(),
    }
}

/// Wider weights than those of a start, so that differences are seen.
fn network(half_window: i64) -> (Parameters, Longformer) {
    tch::manual_seed(2);
    let mut parameters = Parameters::new(Device::Cpu);
    let net = Longformer::new(&mut parameters, shape(half_window));
    for (_, weight) in parameters.named() {
        let _ = tch::no_grad(|| weight.shallow_clone().normal_(0.0, 0.3));
    }
    (parameters, net)
}

#[test]
fn blocks_read_what_the_band_of_all_pairs_reads() {
    // With a half window of 3, rows above 30 tokens are cut into blocks; the group is ragged.
    let (_parameters, net) = network(3);
    let sequences = [sequence(64), sequence(59), sequence(1), sequence(4)];
    let packed = Packed::new(&sequences.each_ref(), Device::Cpu);
    for (group, part) in packed.texts.groups.iter().zip(
        Tensor::randn([128, 24], (Kind::Float, Device::Cpu))
            .split_with_sizes(packed.texts.sizes(), 0),
    ) {
        let blocks = band::mix(net.shape(), group, &part, false);
        let dense = band::dense_for_tests(net.shape(), group, &part);
        assert!(blocks.allclose(&dense, 1e-5, 1e-6, false));
    }
}

#[test]
fn neighbours_change_nothing_and_the_first_states_are_those_of_all_tokens() {
    for half_window in [3, 8] {
        let (_parameters, net) = network(half_window);
        let sequences = [sequence(2), sequence(64), sequence(50), sequence(1)];
        let packed = Packed::new(&sequences.each_ref(), Device::Cpu);
        let together = net.first(&packed, false);
        let all = net.all(&packed, false).index_select(0, &packed.starts());
        assert!(together.allclose(&all, 1e-5, 1e-6, false));
        for (row, sequence) in sequences.iter().enumerate() {
            let alone = net.first(&Packed::new(&[sequence], Device::Cpu), false);
            let row = together.narrow(0, row as i64, 1);
            assert!(alone.allclose(&row, 1e-5, 1e-5, false));
        }
    }
}

#[test]
fn dropout_gives_every_weight_but_one_bias_a_finite_gradient() {
    let (parameters, net) = network(3);
    let net = Longformer {
        shape: *net.shape(),
        layers: net
            .layers
            .into_iter()
            .map(|layer| Layer {
                shape: Shape {
                    dropout: 0.3,
                    ..layer.shape
                },
                ..layer
            })
            .collect(),
        ..net
    };
    let sequences = [sequence(60), sequence(9)];
    let packed = Packed::new(&sequences.each_ref(), Device::Cpu);
    tch::manual_seed(3);
    let read = net.all(&packed, true).square().sum(Kind::Float);
    (read + net.first(&packed, true).sum(Kind::Float)).backward();
    for (name, weight) in parameters.named() {
        let gradient = weight.grad();
        // It adds the same to every score of a query.
        assert_eq!(
            gradient.defined(),
            !name.ends_with("key_global.bias"),
            "{name}"
        );
        if gradient.defined() {
            assert!(bool::try_from(gradient.isfinite().all()).unwrap(), "{name}");
        }
    }
}

#[test]
fn counted_operations_are_those_of_pytorchs_counter() {
    let all: serde_json::Value =
        serde_json::from_str(include_str!("../../../tests/fixtures/flops.json")).unwrap();
    let (_parameters, net) = network(8);
    let sequence = sequence(12);
    let packed = Packed::new(&[&sequence], Device::Cpu);
    let before = product::counted();
    tch::no_grad(|| drop(net.all(&packed, false)));
    let found = product::counted() - before;
    assert_eq!(found, all["longformer"].as_u64().unwrap());
}
