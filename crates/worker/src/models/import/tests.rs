//! What is imported and what is refused, word by word.

use allround_core::models::Model;
use allround_core::models::train::Loss;
use tch::Device;

use super::super::behaviour::{SIZES, configurations};
use super::super::{Sizes, build};
use super::*;
use crate::data::Histories;

/// A folder with a file of weights.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("w.safetensors")
    }

    /// Imports the file, planned as it is, into `weights`.
    fn import(&self, kind: &'static str, weights: &[(String, Tensor)]) -> Result<(), ImportError> {
        let import = Import {
            path: &self.file(),
            planned: digest::of_bytes(&std::fs::read(self.file()).unwrap_or_default()),
            model: &model(kind),
            prepared: Path::new("PREPARED"),
        };
        import.fill(weights)
    }

    /// What is said of the file, and what is advised, with `DIR` for the folder.
    fn refused(&self, kind: &'static str, weights: &[(String, Tensor)]) -> [String; 2] {
        let error = self.import(kind, weights).unwrap_err();
        let hint = error.hint().unwrap_or_default();
        let folder = self.0.path().display().to_string();
        [error.to_string(), hint].map(|text| text.replace(&folder, "DIR"))
    }
}

/// The model of a kind among the tests' configurations.
fn model(kind: &str) -> Model {
    let all = configurations(&Loss::FullSoftmax {}, 0.0);
    let mut found = all.into_iter().filter(|model| model.kind() == kind);
    found.next().unwrap()
}

/// Its weights, fresh: no test depends on their values.
fn weights_of(kind: &str) -> Vec<(String, Tensor)> {
    build(&model(kind), SIZES, Device::Cpu).unwrap().weights()
}

/// Writes a GRU4Rec's weights after `change`, and gives what is said of them.
fn gru4rec_with(change: impl FnOnce(&mut BTreeMap<String, Tensor>)) -> [String; 2] {
    let desk = Desk::new();
    let mut tensors: BTreeMap<String, Tensor> = weights_of("gru4rec").into_iter().collect();
    change(&mut tensors);
    let tensors: Vec<(String, Tensor)> = tensors.into_iter().collect();
    weights::write(&desk.file(), &tensors).unwrap();
    desk.refused("gru4rec", &weights_of("gru4rec"))
}

#[test]
fn missing_and_surplus_tensors_are_refused_by_name_and_shape() {
    let missing = gru4rec_with(|tensors| drop(tensors.remove("dense.bias")));
    assert_eq!(
        missing,
        [
            "`DIR/w.safetensors` lacks tensors that a `gru4rec` of these settings has: `dense.bias` [8]",
            "docs/WEIGHTS.md lists every name and shape; how many layers there are follows from the model's settings"
        ]
    );
    let surplus = gru4rec_with(|tensors| {
        tensors.insert("h2o.bias".to_owned(), Tensor::from_slice(&[1.0f32, 2.0]));
    });
    assert_eq!(
        surplus,
        [
            "`DIR/w.safetensors` has tensors that are not part of a `gru4rec` with these settings: `h2o.bias` [2]",
            "leave them out when saving, or give the model the settings that the weights were trained with"
        ]
    );
    let prefixed = gru4rec_with(|tensors| {
        let named = std::mem::take(tensors).into_iter();
        tensors.extend(named.map(|(name, tensor)| (format!("module.{name}"), tensor)));
    });
    assert_eq!(
        prefixed[0],
        "`DIR/w.safetensors` lacks tensors that a `gru4rec` of these settings has: `look_up.weight` [13, 8], `gru.weight_ih_l0` [18, 8], `gru.weight_hh_l0` [18, 6], `gru.bias_ih_l0` [18] and 7 more; it holds others: `module.dense.bias` [8], `module.dense.weight` [8, 6], `module.gru.bias_hh_l0` [18], `module.gru.bias_hh_l1` [18] and 7 more"
    );
}

#[test]
fn other_shapes_are_refused_with_what_the_rows_are() {
    let shorter = gru4rec_with(|tensors| {
        let table = tensors["look_up.weight"].narrow(0, 1, 12).copy();
        tensors.insert("look_up.weight".to_owned(), table);
    });
    assert_eq!(
        shorter,
        [
            "`DIR/w.safetensors`: tensor `look_up.weight` has shape [12, 8]; expected [13, 8]",
            "row 0 is padding, and the other 12 are the items of `PREPARED/items.csv` in its order; filters, scenarios and `--limit` decide which these are"
        ]
    );
    let narrower = gru4rec_with(|tensors| {
        let table = tensors["look_up.weight"].narrow(1, 0, 4).copy();
        tensors.insert("look_up.weight".to_owned(), table);
    });
    assert_eq!(
        narrower,
        [
            "`DIR/w.safetensors`: tensor `look_up.weight` has shape [13, 4]; expected [13, 8]",
            "the shape follows from the model's settings: give it those that the weights were trained with"
        ]
    );
    let desk = Desk::new();
    let sizes = Sizes { users: 5, ..SIZES };
    let others = build(&model("ncf"), sizes, Device::Cpu).unwrap().weights();
    weights::write(&desk.file(), &others).unwrap();
    assert_eq!(
        desk.refused("ncf", &weights_of("ncf")),
        [
            "`DIR/w.safetensors`: tensor `user_embedding.weight` has shape [5, 8]; expected [4, 8]",
            "the 4 rows are the users of `PREPARED/users.csv` in its order; filters, scenarios and `--limit` decide which these are"
        ]
    );
}

#[test]
fn other_number_types_and_numbers_that_are_none_are_refused() {
    let half = gru4rec_with(|tensors| {
        let bias = tensors["dense.bias"].to_kind(Kind::BFloat16);
        tensors.insert("dense.bias".to_owned(), bias);
    });
    assert_eq!(
        half,
        [
            "`DIR/w.safetensors`: tensor `dense.bias` holds BF16; expected F32",
            "convert before saving: `{name: tensor.float() for name, tensor in model.state_dict().items()}`"
        ]
    );
    for value in [f64::NAN, f64::NEG_INFINITY] {
        let diverged = gru4rec_with(|tensors| {
            let _ = tch::no_grad(|| tensors["dense.weight"].get(2).get(5).fill_(value));
        });
        assert_eq!(
            diverged,
            [
                "`DIR/w.safetensors`: tensor `dense.weight` of shape [8, 6] holds NaN or infinity, first at [2, 5]",
                "its training has diverged: train it again with a lower learning rate"
            ]
        );
    }
}

#[test]
fn absent_damaged_and_foreign_files_are_refused_by_their_path() {
    let desk = Desk::new();
    let weights = weights_of("gru4rec");
    assert_eq!(
        desk.refused("gru4rec", &weights)[0],
        "cannot read `DIR/w.safetensors`: no such file or directory"
    );
    weights::write(&desk.file(), &weights).unwrap();
    let bytes = std::fs::read(desk.file()).unwrap();
    let advice = "write it with `safetensors.torch.save_file`; where it was copied, copy it again";
    for damaged in [&bytes[..bytes.len() - 1], &bytes[..100], b"PK\x03\x04", b""] {
        std::fs::write(desk.file(), damaged).unwrap();
        let [error, hint] = desk.refused("gru4rec", &weights);
        let begin = "`DIR/w.safetensors` is not a whole safetensors file: ";
        assert!(error.starts_with(begin), "{error}");
        assert_eq!(hint, advice);
    }
}

#[test]
fn nothing_is_taken_from_a_file_whose_last_tensor_does_not_fit() {
    let desk = Desk::new();
    let mut others = weights_of("gru4rec");
    for (_, weight) in &mut others {
        *weight = weight.detach() + 1.0;
    }
    let last = others.last_mut().unwrap();
    last.1 = last.1.narrow(0, 0, 2).copy();
    weights::write(&desk.file(), &others).unwrap();
    let weights = weights_of("gru4rec");
    let before: Vec<Tensor> = weights.iter().map(|(_, weight)| weight.copy()).collect();
    desk.import("gru4rec", &weights).unwrap_err();
    for ((name, now), before) in weights.iter().zip(&before) {
        assert_eq!(now, before, "{name}");
    }
}

#[test]
fn tables_are_known_from_the_models_own_list_of_tensors() {
    for model in configurations(&Loss::FullSoftmax {}, 0.0) {
        let shapes = |users, items| {
            let net = build(&model, Sizes { users, items }, Device::Cpu).unwrap();
            let shape = |(name, weight): (String, Tensor)| (name, weight.size());
            net.weights().into_iter().map(shape).collect::<Vec<_>>()
        };
        let all = shapes(4, 12).into_iter();
        for (at, (name, shape)) in all.enumerate() {
            let rows = match (shapes(4, 13)[at].1 != shape, shapes(5, 12)[at].1 != shape) {
                (true, false) => Some(Size::Items),
                (false, true) => Some(Size::Users),
                _ => None,
            };
            let import = Import {
                path: Path::new("FILE"),
                planned: digest::of_bytes(&[]),
                model: &model,
                prepared: Path::new("PREPARED"),
            };
            let listed = import.rows(&name);
            let listed = listed.filter(|rows| matches!(rows, Size::Items | Size::Users));
            assert_eq!(listed, rows, "{name}");
        }
    }
}

#[test]
fn weights_that_pytorch_wrote_are_imported_and_give_its_states() {
    for kind in ["gru4rec", "nextitnet"] {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        let fixture = fixture.join(format!("{kind}.safetensors"));
        let desk = Desk::new();
        std::fs::copy(&fixture, desk.file()).unwrap();
        let net = build(&model(kind), SIZES, Device::Cpu).unwrap();
        let [error, _] = desk.refused(kind, &net.weights());
        assert_eq!(
            error,
            format!(
                "`DIR/w.safetensors` has tensors that are not part of a `{kind}` with these settings: `history` [8], `state` [8]"
            )
        );
        let mut tensors = weights::read_tensors(&fixture).unwrap();
        let [history, state] = ["history", "state"].map(|name| tensors.remove(name).unwrap());
        let tensors: Vec<(String, Tensor)> = tensors.into_iter().collect();
        weights::write(&desk.file(), &tensors).unwrap();
        desk.import(kind, &net.weights()).unwrap();
        let history = Vec::<i64>::try_from(&history).unwrap();
        let history: Vec<u32> = history.iter().map(|&item| item as u32).collect();
        let states = net.user_states(&Histories::from_rows(&[&history]));
        assert!(states.get(0).allclose(&state, 1e-5, 1e-6, false), "{kind}");
    }
}

#[test]
fn the_manual_lists_the_name_and_the_dimensions_of_every_tensor() {
    let manual = include_str!("../../../../../docs/WEIGHTS.md");
    for model in configurations(&Loss::FullSoftmax {}, 0.0) {
        let section = manual.split(&format!("### `{}`", model.kind())).nth(1);
        let section = section.unwrap_or_else(|| panic!("{}", model.kind()));
        let section = section.split("\n### ").next().unwrap_or_default();
        let net = build(&model, SIZES, Device::Cpu).unwrap();
        for (own, weight) in net.weights() {
            // Numbers of layers are written N.
            let name: String = own
                .split('.')
                .map(|part| match part.parse::<u32>() {
                    Ok(_) => "N".to_owned(),
                    Err(_) => part.replace("_l0", "_lN").replace("_l1", "_lN"),
                })
                .collect::<Vec<_>>()
                .join(".");
            let row = section.lines().find(|line| {
                [&name, &own]
                    .iter()
                    .any(|name| line.contains(&format!("`{name}`")))
            });
            let row = row.unwrap_or_else(|| panic!("{}: {name}", model.kind()));
            let shape = row.split('|').nth(2).unwrap_or_default();
            let dimensions = shape.matches(',').count() + 1;
            assert_eq!(dimensions, weight.dim(), "{}: {row}", model.kind());
        }
    }
}
