//! One set of tensors in every file form, and files that must be refused.

use super::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/encoders")
        .join(name)
}

/// A folder that a test may damage, with the files of a fixture.
fn copy(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(fixture(name)).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
    }
    folder
}

fn refusal(folder: &Path) -> String {
    Checkpoint::open(folder).unwrap_err().to_string()
}

#[test]
fn every_file_form_holds_the_same_tensors() {
    let whole = Checkpoint::open(&fixture("weights/whole")).unwrap();
    let kinds = [
        ("bfloat", Kind::BFloat16),
        ("bool", Kind::Bool),
        ("byte", Kind::Uint8),
        ("double", Kind::Double),
        ("float", Kind::Float),
        ("half", Kind::Half),
        ("int", Kind::Int),
        ("long", Kind::Int64),
    ];
    for (name, kind) in kinds {
        assert_eq!(whole.tensor(name).unwrap().kind(), kind, "{name}");
    }
    assert_eq!(
        whole.tensor("long").unwrap(),
        Tensor::from_slice(&[-3i64, -2, -1, 0, 1, 2])
    );
    assert_eq!(whole.tensor("empty").unwrap().size(), [0, 3]);
    assert_eq!(whole.tensor("scalar").unwrap().double_value(&[]), 2.5);
    for form in ["sharded", "bin", "old-bin", "sharded-bin"] {
        let other = Checkpoint::open(&fixture(&format!("weights/{form}"))).unwrap();
        assert!(whole.names().eq(other.names()), "{form}");
        for name in whole.names() {
            let (one, two) = (whole.tensor(name).unwrap(), other.tensor(name).unwrap());
            assert_eq!(
                (one.kind(), one.size()),
                (two.kind(), two.size()),
                "{form} {name}"
            );
            assert!(one == two, "{form} {name}");
        }
    }
}

#[test]
fn a_missing_tensor_is_refused_with_names_that_are_there_and_a_shape_with_both() {
    let whole = Checkpoint::open(&fixture("bert")).unwrap();
    assert!(whole.contains("embeddings.LayerNorm.bias"));
    let refusal = whole
        .tensor("bert.embeddings.LayerNorm.bias")
        .unwrap_err()
        .to_string();
    assert!(
        refusal.contains("no tensor `bert.embeddings.LayerNorm.bias`"),
        "{refusal}"
    );
    assert!(
        refusal.contains("it holds `embeddings.LayerNorm.bias`"),
        "{refusal}"
    );
    assert!(refusal.contains("more"), "{refusal}");
    assert_eq!(
        whole
            .shaped("embeddings.LayerNorm.bias", &[24])
            .unwrap()
            .size(),
        [24]
    );
    let refusal = whole
        .shaped("embeddings.LayerNorm.bias", &[25])
        .unwrap_err()
        .to_string();
    assert!(
        refusal.contains("has shape [24]") && refusal.contains("says [25]"),
        "{refusal}"
    );
}

#[test]
fn a_missing_shard_is_named() {
    for (form, shard) in [
        ("weights/sharded", "model-00002-of-00002.safetensors"),
        ("weights/sharded-bin", "pytorch_model-00001-of-00002.bin"),
    ] {
        let folder = copy(form);
        std::fs::remove_file(folder.path().join(shard)).unwrap();
        let refusal = refusal(folder.path());
        assert!(
            refusal.contains(&format!("shard `{shard}` is missing")),
            "{refusal}"
        );
        assert!(refusal.contains("2 shards"), "{refusal}");
    }
}

#[test]
fn an_index_that_leads_outside_its_folder_is_refused() {
    let folder = copy("weights/sharded");
    let index = folder.path().join("model.safetensors.index.json");
    std::fs::write(
        &index,
        r#"{"weight_map": {"w": "../elsewhere/model.safetensors"}}"#,
    )
    .unwrap();
    assert!(refusal(folder.path()).contains("`w` is not in a file next to it"));
    std::fs::write(&index, "{}").unwrap();
    assert!(refusal(folder.path()).contains("no table `weight_map`"));
}

#[test]
fn truncated_files_are_refused_with_their_size_wherever_they_end() {
    for (form, file) in [
        ("weights/whole", "model.safetensors"),
        ("weights/bin", "pytorch_model.bin"),
        ("weights/old-bin", "pytorch_model.bin"),
    ] {
        let folder = copy(form);
        let path = folder.path().join(file);
        let bytes = std::fs::read(&path).unwrap();
        for end in (0..bytes.len()).step_by(7) {
            std::fs::write(&path, &bytes[..end]).unwrap();
            let refusal = refusal(folder.path());
            assert!(
                refusal.contains(file) && refusal.contains(&format!("({end} bytes)")),
                "{refusal}"
            );
        }
    }
}

#[test]
fn pickles_that_want_to_call_something_are_refused_by_its_name_and_nothing_runs() {
    let calls = [
        ("system", "posix.system"),
        ("eval", ".eval"),
        ("getattr", ".getattr"),
    ];
    for (name, called) in calls {
        for form in ["new", "old"] {
            let refusal = refusal(&fixture(&format!("evil/{name}-{form}")));
            assert!(
                refusal.contains("wants to call") && refusal.contains(called),
                "{refusal}"
            );
        }
    }
    assert!(!Path::new("/tmp/allround-was-here").exists());
}

#[test]
fn a_folder_without_weights_says_what_was_expected() {
    let folder = tempfile::tempdir().unwrap();
    assert!(refusal(folder.path()).contains("expected `model.safetensors` or `pytorch_model.bin`"));
}

#[test]
fn a_value_that_is_nan_or_infinite_is_refused_by_file_and_tensor() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.safetensors");
    for kind in [Kind::Float, Kind::Half, Kind::BFloat16, Kind::Double] {
        let broken = Tensor::from_slice(&[0.5, f64::NAN, f64::NEG_INFINITY]).to_kind(kind);
        let whole = Tensor::from_slice(&[0.5, -1.0]).to_kind(kind);
        let named = [("fc1".to_owned(), broken), ("fc2".to_owned(), whole)];
        crate::models::weights::write(&file, &named).unwrap();
        let opened = Checkpoint::open(folder.path()).unwrap();
        assert_eq!(opened.tensor("fc2").unwrap().size(), [2]);
        let refusal = opened.tensor("fc1").unwrap_err().to_string();
        let start = format!(
            "`{}`: tensor `fc1` holds 2 values that are NaN",
            file.display()
        );
        assert!(
            refusal.starts_with(&start) && refusal.contains("fetch the file again"),
            "{refusal}"
        );
    }
}

/// Writes a safetensors file with these tensors, all of them this number.
fn write(folder: &Path, file: &str, names: &[&str], value: f32) {
    let named: Vec<(String, Tensor)> = names
        .iter()
        .map(|name| ((*name).to_owned(), Tensor::from_slice(&[value])))
        .collect();
    crate::models::weights::write(&folder.join(file), &named).unwrap();
}

fn index(folder: &Path, places: &[(&str, &str)]) {
    let map: serde_json::Map<String, serde_json::Value> = places
        .iter()
        .map(|(name, file)| ((*name).to_owned(), (*file).into()))
        .collect();
    let index = serde_json::json!({ "weight_map": map }).to_string();
    std::fs::write(folder.join("model.safetensors.index.json"), index).unwrap();
}

#[test]
fn a_whole_file_wins_over_an_index_beside_it_which_is_remarked() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "model-1.safetensors", &["w"], 1.0);
    index(folder.path(), &[("w", "model-1.safetensors")]);
    let value = || {
        let opened = Checkpoint::open(folder.path()).unwrap();
        let value = opened.tensor("w").unwrap().double_value(&[0]);
        (value, opened.remarks().join("; "))
    };
    assert_eq!(value(), (1.0, String::new()));
    write(folder.path(), "model.safetensors", &["w"], 2.0);
    let (found, remark) = value();
    assert_eq!(found, 2.0);
    assert!(
        remark.contains(
            "`model.safetensors`; `model.safetensors.index.json` and its shards are ignored"
        ),
        "{remark}"
    );
}

#[test]
fn safetensors_in_shards_win_over_a_whole_pytorch_file() {
    let folder = copy("weights/bin");
    write(folder.path(), "model-1.safetensors", &["w"], 1.0);
    index(folder.path(), &[("w", "model-1.safetensors")]);
    let opened = Checkpoint::open(folder.path()).unwrap();
    assert!(opened.names().eq(["w"]));
}

#[test]
fn an_index_and_shards_that_contradict_each_other_are_refused_by_tensor() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = ("model-1.safetensors", "model-2.safetensors");
    write(folder.path(), one, &["a"], 1.0);
    write(folder.path(), two, &["b"], 1.0);
    index(folder.path(), &[("a", one), ("b", two)]);
    assert_eq!(Checkpoint::open(folder.path()).unwrap().names().count(), 2);
    index(folder.path(), &[("a", one), ("b", two), ("c", two)]);
    let text = refusal(folder.path());
    assert!(
        text.contains("tensor `c` in `model-2.safetensors`, but no shard holds it"),
        "{text}"
    );
    index(folder.path(), &[("a", two), ("b", one)]);
    let text = refusal(folder.path());
    assert!(
        text.contains("but `model-1.safetensors` holds it"),
        "{text}"
    );
    write(folder.path(), two, &["a", "b"], 1.0);
    index(folder.path(), &[("a", one), ("b", two)]);
    let text = refusal(folder.path());
    assert!(
        text.contains("tensor `a` is in") && text.contains("model-1") && text.contains("model-2"),
        "{text}"
    );
}
