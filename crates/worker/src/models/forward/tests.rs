//! What a forward pass of somebody else's says about imported weights.

use allround_core::models::train::Loss;

use super::super::behaviour::{SIZES, configurations};
use super::*;

const MAXLEN: usize = 10;

/// A SASRec of this form.
fn model(form: SasrecForm) -> Model {
    let all = configurations(&Loss::FullSoftmax {}, 0.0).into_iter();
    let is_it = |model: &Model| matches!(model, Model::Sasrec(sasrec) if sasrec.form == form);
    all.into_iter().find(is_it).unwrap()
}

fn net(form: SasrecForm) -> Box<dyn Backbone> {
    tch::manual_seed(4);
    build(&model(form), SIZES, Device::Cpu).unwrap()
}

/// Two sequences, padded on either side.
fn sequences() -> Tensor {
    Tensor::from_slice(&[0i64, 0, 3, 1, 4, 7, 2, 0, 0, 0]).view([2, 5])
}

/// What the net gives for them.
fn states(net: &dyn Backbone) -> Tensor {
    let histories = histories(&sequences(), SIZES, MAXLEN).unwrap();
    tch::no_grad(|| net.user_states(&histories))
}

/// Writes these tensors and reads them as a forward pass.
fn read(tensors: &[(&str, Tensor)]) -> Result<Forward, ForwardError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("forward.safetensors");
    let named: Vec<(String, Tensor)> = tensors
        .iter()
        .map(|(name, tensor)| ((*name).to_owned(), tensor.shallow_clone()))
        .collect();
    weights::write(&path, &named).unwrap();
    let planned = digest::of_bytes(&std::fs::read(&path).unwrap());
    Forward::read(&path, planned, SIZES, MAXLEN)
}

/// What is wrong with these tensors.
fn refused(tensors: &[(&str, Tensor)]) -> String {
    let error = read(tensors).unwrap_err().to_string();
    error.split("`: ").nth(1).unwrap_or(&error).to_owned()
}

#[test]
fn the_forward_pass_of_the_same_network_verifies_states_and_scores() {
    for form in SasrecForm::ALL {
        let net = net(form);
        let states = states(net.as_ref());
        let all = states.mm(&net.item_table().tr());
        let items = Tensor::from_slice(&[5i64, 12]);
        let some = all.index_select(1, &items);
        for tensors in [
            vec![("states", states.shallow_clone())],
            vec![("scores", all)],
            vec![("scores", some), ("items", items), ("states", states)],
        ] {
            let mut tensors = tensors;
            tensors.push(("sequences", sequences()));
            let forward = read(&tensors).unwrap();
            forward.verify(&model(form), SIZES, net.as_ref()).unwrap();
        }
    }
}

#[test]
fn weights_of_another_network_with_the_same_shapes_are_refused_with_the_form_that_fits() {
    let theirs = net(SasrecForm::PmixerPostNorm);
    let forward = read(&[
        ("sequences", sequences()),
        ("states", states(theirs.as_ref())),
    ])
    .unwrap();
    let stated = net(SasrecForm::PmixerPreNorm);
    let held: BTreeMap<String, Tensor> = theirs.weights().into_iter().collect();
    weights::fill(&stated.weights(), &held).unwrap();
    let error = forward
        .verify(&model(SasrecForm::PmixerPreNorm), SIZES, stated.as_ref())
        .unwrap_err();
    let ForwardError::Differs {
        difference,
        fitting,
        ..
    } = &error
    else {
        panic!("{error}");
    };
    assert!(
        difference.by > 0.01 && (difference.found - difference.expected).abs() == difference.by
    );
    assert_eq!(fitting, &["pmixer_post_norm"]);
    assert_eq!(
        error.hint().unwrap(),
        "`form = \"pmixer_post_norm\"` gives these numbers: write that"
    );
    let text = error.to_string();
    assert!(
        text.contains("give other numbers than the forward pass in"),
        "{text}"
    );
    assert!(text.contains("the largest difference is"), "{text}");
}

#[test]
fn a_number_that_is_none_is_a_difference() {
    let net = net(SasrecForm::Kang);
    let mut states = states(net.as_ref());
    let _ = states.get(1).get(2).fill_(f64::NAN);
    let forward = read(&[
        ("sequences", sequences()),
        ("states", states.shallow_clone()),
    ])
    .unwrap();
    let error = forward
        .verify(&model(SasrecForm::Kang), SIZES, net.as_ref())
        .unwrap_err();
    assert!(matches!(error, ForwardError::Differs { .. }), "{error}");
    states = states.nan_to_num(0.0, 0.0, 0.0) + 1e-3;
    let forward = read(&[("sequences", sequences()), ("states", states)]).unwrap();
    assert!(
        forward
            .verify(&model(SasrecForm::Kang), SIZES, net.as_ref())
            .is_err()
    );
}

#[test]
fn a_file_that_holds_no_forward_pass_is_refused_in_words() {
    let states = Tensor::zeros([2, 8], (Kind::Float, Device::Cpu));
    let long = Tensor::ones([2, 11], (Kind::Int64, Device::Cpu));
    let far = Tensor::from_slice(&[13i64, 1]).view([2, 1]);
    let cases = [
        (
            vec![("states", states.shallow_clone())],
            "there is no tensor `sequences`",
        ),
        (
            vec![("sequences", sequences())],
            "there is neither `states` nor `scores`",
        ),
        (
            vec![
                ("sequences", sequences()),
                ("state", states.shallow_clone()),
            ],
            "tensor `state` is none of `sequences`, `users`, `items`, `states` and `scores`",
        ),
        (
            vec![("sequences", long), ("states", states.shallow_clone())],
            "sequence 0 has 11 items; the model reads 10",
        ),
        (
            vec![("sequences", far), ("states", states.shallow_clone())],
            "sequence 0 holds item 13; the table has the rows 1 to 12",
        ),
        (
            vec![
                ("sequences", sequences()),
                ("states", states.narrow(0, 0, 1)),
            ],
            "`states` has shape [1, 8]; expected a row for each of the 2 sequences",
        ),
        (
            vec![
                ("sequences", sequences()),
                ("scores", states.shallow_clone()),
            ],
            "`scores` has 8 columns; expected 13",
        ),
        (
            vec![
                ("sequences", sequences().to_kind(Kind::Float)),
                ("states", states),
            ],
            "`sequences` holds Float; expected whole numbers (int64)",
        ),
    ];
    for (tensors, expected) in cases {
        assert_eq!(refused(&tensors), expected);
    }
}
