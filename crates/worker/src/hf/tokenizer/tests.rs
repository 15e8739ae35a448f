//! Real tokenizers, which `ALLROUND_TEST_DATA` names, and one trained here.

mod folders;
#[path = "../../../../../tests/common/test_data.rs"]
mod test_data;

use test_data::test_data;

use super::*;

const TEXTS: [&str; 5] = [
    "Toy Story (1995), a film about toys",
    "Stanley TRA708T Sharpshooter 1/2-Inch Leg Length Staples, Steel",
    "Toy Story 2 (1999), a film about toys and friends",
    "ÅNGSTRÖM naïve façade \u{1f9ea} 試験",
    "Staples of steel, a film about staples",
];

/// The real tokenizer called `name`; `None` where the data sets are missing.
fn real(name: &str) -> Option<Tokenizer> {
    let folder = test_data(&format!("tokenizers/{name}"))?;
    Some(Tokenizer::open(&folder).unwrap())
}

fn trained() -> Tokenizer {
    Tokenizer::train_byte_level(&TEXTS.map(str::to_owned), 300).unwrap()
}

#[test]
fn opt_spells_as_its_makers_do() {
    let Some(opt) = real("opt") else { return };
    assert_eq!(opt.encode("A photo of a cat"), [250, 1345, 9, 10, 4758]);
    // The two files alone say nothing of what begins a text; published folders have
    // `add_bos_token`.
    assert_eq!(
        (opt.front(), opt.eos(), opt.pad()),
        (&[][..], Some(2), Some(1))
    );
    assert_eq!(opt.vocab_size(), 50265);
    for text in TEXTS {
        assert_eq!(opt.decode(&opt.encode(text)), text);
    }
}

#[test]
fn texts_with_unknown_pieces_or_lost_letters_are_misspelled() {
    assert_eq!(trained().lossy(&TEXTS), 0);
    for (name, strange) in [("opt", 0), ("bert", 1)] {
        let Some(real) = real(name) else { continue };
        let texts = ["Toy Story (1995), a façade", "a fish \u{1f9ea}"];
        assert_eq!(real.lossy(&texts), strange, "{name}");
    }
    // Bytes without an `e`: a byte-level vocabulary leaves out what it does not have.
    let folder = tempfile::tempdir().unwrap();
    trained().save(folder.path()).unwrap();
    let path = folder.path().join("tokenizer.json");
    let text = fs::read_to_string(&path).unwrap();
    let mut description: Value = serde_json::from_str(&text).unwrap();
    let model = description["model"].as_object_mut().unwrap();
    model["merges"] = json!([]);
    let pieces = model["vocab"].as_object_mut().unwrap();
    pieces.retain(|piece, _| !piece.contains('e'));
    fs::write_atomic(&path, description.to_string().as_bytes()).unwrap();
    let lacking = Tokenizer::open(folder.path()).unwrap();
    let texts = ["a film about toys", "Staples of steel"];
    assert_eq!(lacking.lossy(&texts), 1);
}

#[test]
fn bert_spells_as_its_makers_do() {
    let Some(bert) = real("bert") else { return };
    assert_eq!(bert.vocab_size(), 30522);
    assert_eq!(
        (bert.front(), bert.back(), bert.pad()),
        (&[101][..], &[102][..], Some(0))
    );
    assert_eq!(
        bert.encode("A photo of a CAT"),
        [1037, 6302, 1997, 1037, 4937]
    );
    assert_eq!(bert.decode(&bert.encode("Naïve façade")), "naive facade");
}

#[test]
fn a_special_piece_written_in_a_title_is_only_words() {
    if let Some(opt) = real("opt") {
        assert!(!opt.encode("the </s> title").contains(&2));
        assert_eq!(opt.decode(&opt.encode("the </s> title")), "the </s> title");
    }
    let own = trained();
    assert_eq!(own.decode(&own.encode("a </s><pad> b")), "a </s><pad> b");
    assert_eq!(own.decode(&[2, own.encode("a")[0], 2, 1]), "a");
}

#[test]
fn a_trained_tokenizer_spells_every_text_and_has_opts_special_pieces() {
    let own = trained();
    let ids = ["<s>", "<pad>", "</s>", "<unk>"].map(|piece| own.id_of(piece).unwrap());
    assert_eq!(ids, [0, 1, 2, 3]);
    assert_eq!(
        (own.front(), own.eos(), own.pad()),
        (&[2][..], Some(2), Some(1))
    );
    assert!(own.back().is_empty());
    assert!(own.vocab_size() > 260 && own.vocab_size() <= 300);
    for text in TEXTS.iter().chain(&["", " two  spaces\n", "Ünseen 漢字"]) {
        assert_eq!(&own.decode(&own.encode(text)), text);
    }
    assert!(own.encode("Staples").len() < "Staples".len());
    let all = own.encode_all(&TEXTS);
    assert_eq!(all, TEXTS.map(|text| own.encode(text)));
}

#[test]
fn training_twice_gives_the_same_bytes_and_they_read_back() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let files = folders.each_ref().map(|folder| {
        trained().save(folder.path()).unwrap();
        std::fs::read(folder.path().join("tokenizer.json")).unwrap()
    });
    assert_eq!(files[0], files[1]);
    let digest = allround_core::digest::of_bytes(&files[0]).to_string();
    assert_eq!(
        digest, "725e47713adef3f5cd965d12be0bd811c749815a73bbea033448c144db07a99f",
        "other processes and machines have trained another one"
    );
    let back = Tokenizer::open(folders[0].path()).unwrap();
    let own = trained();
    assert_eq!(
        (back.front(), back.eos(), back.pad()),
        (own.front(), own.eos(), own.pad())
    );
    assert_eq!(back.encode(TEXTS[1]), own.encode(TEXTS[1]));
    back.save(folders[1].path()).unwrap();
    let again = std::fs::read(folders[1].path().join("tokenizer.json")).unwrap();
    assert_eq!(again, files[0]);
}

#[test]
fn a_vocabulary_with_merges_spells_as_the_same_tokenizer_in_one_file() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    trained().save(one.path()).unwrap();
    let text = std::fs::read_to_string(one.path().join("tokenizer.json")).unwrap();
    let whole: serde_json::Value = serde_json::from_str(&text).unwrap();
    let vocabulary = whole["model"]["vocab"].to_string();
    std::fs::write(two.path().join("vocab.json"), vocabulary).unwrap();
    let pair = |merge: &serde_json::Value| match merge {
        serde_json::Value::Array(parts) => {
            let parts = parts.iter().map(|part| part.as_str().unwrap());
            parts.collect::<Vec<_>>().join(" ")
        }
        pair => pair.as_str().unwrap().to_owned(),
    };
    let merges = whole["model"]["merges"].as_array().unwrap();
    assert!(merges.len() > 10);
    let lines = std::iter::once("#version: 0.2".to_owned()).chain(merges.iter().map(pair));
    let lines: Vec<String> = lines.collect();
    std::fs::write(two.path().join("merges.txt"), lines.join("\n")).unwrap();
    let [whole, split] = [one, two].map(|folder| Tokenizer::open(folder.path()).unwrap());
    for text in TEXTS {
        assert_eq!(split.encode(text), whole.encode(text));
        assert_eq!(split.decode(&split.encode(text)), text);
    }
}

#[test]
fn a_vocabulary_without_room_for_bytes_is_refused() {
    let error = Tokenizer::train_byte_level(&[], 200).unwrap_err();
    assert!(error.to_string().contains("260"), "{error}");
}

#[test]
fn a_piece_without_a_row_is_named() {
    let own = trained();
    let rows = own.vocab_size() as i64;
    own.check_fits(rows, Path::new("m")).unwrap();
    let error = own.check_fits(rows - 1, Path::new("m"));
    let error = error.unwrap_err().to_string();
    assert!(error.contains(&format!("has id {}", rows - 1)), "{error}");
    assert!(
        error.starts_with("`m`: ") && error.contains("from the same model"),
        "{error}"
    );
}

#[test]
fn a_folder_without_a_tokenizer_and_damaged_files_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let refuse = || Tokenizer::open(folder.path()).unwrap_err().to_string();
    assert!(refuse().contains("holds no tokenizer"));
    std::fs::write(folder.path().join("tokenizer.model"), "x").unwrap();
    assert!(refuse().contains("SentencePiece"));
    std::fs::write(folder.path().join("vocab.json"), r#"{"a": 0, "b": 1}"#).unwrap();
    std::fs::write(folder.path().join("merges.txt"), "#version: 0.2\na b c\n").unwrap();
    let text = refuse();
    assert!(
        text.contains("merges.txt") && text.contains("line 2"),
        "{text}"
    );
    std::fs::write(folder.path().join("tokenizer.json"), "{").unwrap();
    assert!(refuse().contains("tokenizer.json"));
}
