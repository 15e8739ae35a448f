//! Loading of files and flags, and of resolved specs.

use super::*;

#[test]
fn the_resolved_quickstart_round_trips() {
    let path = root().join("experiments/quickstart.toml");
    let checked = load(&path, &[]).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(checked.spec.selected().len(), 3 * 12);
    let back = resolved_from_text("spec.toml", checked.resolved_toml());
    assert_eq!(
        back.unwrap_or_else(|faults| panic!("{faults}")),
        checked.spec
    );
}

#[test]
fn a_flag_overrides_the_file_and_says_so() {
    let flags = [
        "run.device=cuda:0",
        "model.sasrec.sasrec.train.epochs=3",
        "seeds=[7]",
    ];
    let checked = quickstart_with(&[
        "model.sasrec.sasrec.train.stop.fixed={}",
        flags[0],
        flags[1],
        flags[2],
    ]);
    // Other models still record the validation curve of the figure.
    let checked = checked.unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(checked.spec.run.device, "cuda:0");
    assert_eq!(checked.spec.seeds, [7]);
    let allround_core::models::Model::Sasrec(sasrec) = &checked.spec.model["sasrec"] else {
        panic!("the file says sasrec");
    };
    assert_eq!(sasrec.train.epochs, 3);
    assert_eq!(
        sasrec.train.stop,
        allround_core::models::train::Stop::Fixed { validate_every: 0 }
    );
    let origin = |path: &str| checked.origins[path].to_string();
    assert_eq!(origin("run.device"), "--set 2");
    assert_eq!(origin("run.threads"), "default");
    assert_eq!(origin("model.sasrec.sasrec.num_heads"), "preset paper");
    assert!(origin("model.sasrec.sasrec.hidden_units").starts_with("line "));
}

#[test]
fn a_wrong_flag_is_refused_where_it_is_wrong() {
    for (flag, line) in [
        (
            "model.sasrec.sasrec.dropuot=0.1",
            "--set 1:1:21: unknown field `dropuot` in `model.sasrec.sasrec`",
        ),
        (
            "model.sasrce.sasrec.dropout=0.1",
            "--set 1:1:7: no model is called `sasrce`",
        ),
        (
            "run.threads=many",
            "--set 1:1:13: `run.threads` must be a whole number from 1 to 1024, found the string `many`",
        ),
        ("run.threads", "--set 1:1:1: `run.threads` has no value"),
        ("seeds=[1", "--set 1:1:9: not TOML: unclosed array"),
        (
            "matrix.model=[\"gru\"]",
            "--set 1:1:15: no model is called `gru`",
        ),
    ] {
        let faults = quickstart_with(&[flag]).expect_err(flag);
        assert_eq!(faults.lines().trim_end(), line);
    }
}

#[test]
fn a_hint_shows_what_to_write() {
    let hint = |flag: &str| {
        let faults = quickstart_with(&[flag]).expect_err(flag);
        faults
            .iter()
            .find_map(|fault| fault.hint.clone())
            .unwrap_or_default()
    };
    for (flag, expected) in [
        ("model.sasrec.sasrec.dropout=.3", "write `0.3`"),
        ("model.sasrec.sasrec.dropout=\".3\"", "write `0.3`"),
        ("model.sasrec.sasrec.dropout=0,3", "write `0.3`"),
        ("model.sasrec.sasrec.dropout=+.5", "write `0.5`"),
        (
            "model.sasrec.sasrec.dropout='0.3'",
            "write it without quotes: `0.3`",
        ),
        ("model.sasrec.sasrec.train.epochs=\"1e3\"", "write `1000`"),
        ("run.alone=True", "write it without quotes: `true`"),
        // No hint where the value would be refused again.
        ("model.sasrec.sasrec.dropout='7.5'", ""),
        ("model.sasrec.sasrec.dropout='nan'", ""),
        ("model.sasrec.sasrec.train.epochs='1.5'", ""),
        ("model.sasrec.lr=0.01", "write `model.sasrec.train.lr`"),
        (
            "model.sasrec.sasrec.lr=0.01",
            "write `model.sasrec.sasrec.train.lr`",
        ),
        (
            "model.gru4rec.epochs=1",
            "write `model.gru4rec.train.epochs`",
        ),
        (
            "model.popularity.dropout=0.1",
            "the kind `popularity` has no `dropout`; it is a field of `bert4rec`, `ctrl`, `gru4rec`, `hstu`, `morec`, `ncf`, `nextitnet`, `recformer` and `sasrec`",
        ),
        (
            "dataset.synthetic.source.users=9",
            "write `dataset.synthetic.source.synthetic.users`",
        ),
        (
            "dataset.synthetic.users=9",
            "write `dataset.synthetic.source.synthetic.users`",
        ),
        ("threads=2", "write `run.threads`"),
        ("limit=2", "write `run.limit`"),
    ] {
        assert_eq!(hint(flag), expected, "{flag}");
    }
}

#[test]
fn files_that_are_not_text_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let message = |name: &str, bytes: Option<&[u8]>| {
        let path = folder.path().join(name);
        if let Some(bytes) = bytes {
            allround_core::fs::write_atomic(&path, bytes).unwrap();
        }
        let faults = load(&path, &[]).expect_err(name);
        assert_eq!(faults.count(), 1);
        let line = faults.lines();
        line.trim_end().split_once(name).unwrap().1.to_owned()
    };
    assert_eq!(message("absent.toml", None), ": file not found");
    assert_eq!(message("empty.toml", Some(b"\n \n")), ": the file is empty");
    assert_eq!(
        message(
            "latin.toml",
            Some(b"spec_version = 1\nname = \"caf\xe9\"\n")
        ),
        ":2:12: not UTF-8: byte 0xE9 at offset 28"
    );
    assert_eq!(
        message(
            "suite.toml",
            Some(b"suite_version = 1\nexperiments = [\"a.toml\"]\n")
        ),
        ": is a suite of experiments, expected one experiment"
    );
    let faults = load(folder.path(), &[]).expect_err("a folder");
    assert!(
        faults
            .lines()
            .ends_with(": is a folder, expected a TOML file\n")
    );
}

#[test]
fn a_fault_is_printed_with_its_line_and_its_hint() {
    let text = "spec_version = 1\nname = \"x\"\n[dataset.d.source.synthetic]\n[model.m.sasrec]\ndropuot = 0.1\n";
    let faults = load_text("x.toml", text, root(), &[]).expect_err("a misspelt field");
    insta::assert_snapshot!(faults.render(false), @r"
    error: unknown field `dropuot` in `model.m.sasrec`
     --> x.toml:5:1
      |
    5 | dropuot = 0.1
      | ^^^^^^^ not a field of this table
      |
      = help: did you mean `dropout`?

    1 fault in `x.toml`
    ");
}

#[test]
fn a_chosen_kind_replaces_the_default_one() {
    let text = "spec_version = 1\nname = \"x\"\n[dataset.d.source.synthetic]\n[model.m.sasrec]\nloss.bpr = {}\n\
                [variant.v]\nof = \"m\"\nset = { \"loss.sampled_softmax.negatives\" = 9 }\n";
    let checked =
        load_text("x.toml", text, root(), &[]).unwrap_or_else(|faults| panic!("{faults}"));
    let loss = |name: &str| match checked.spec.model_named(name) {
        Some(allround_core::models::Model::Sasrec(model)) => model.loss.clone(),
        _ => panic!("{name} is a sasrec"),
    };
    assert_eq!(
        loss("m"),
        allround_core::models::train::Loss::Bpr { negatives: 1 }
    );
    assert_eq!(
        loss("v"),
        allround_core::models::train::Loss::SampledSoftmax {
            negatives: 9,
            per_target: false,
        }
    );
    assert_eq!(checked.spec.protocol.keys().collect::<Vec<_>>(), ["strict"]);
    assert_eq!(
        checked.spec.scenario.keys().collect::<Vec<_>>(),
        ["overall"]
    );
}

#[test]
fn run_alone_is_a_boolean_or_a_list_and_round_trips() {
    use config::Alone;
    let names = Alone::Of(vec!["sasrec".to_owned(), "sasrec-1block".to_owned()]);
    for (flag, expected) in [
        ("run.alone=true", Alone::All(true)),
        ("run.alone=false", Alone::All(false)),
        ("run.alone=[\"sasrec\", \"sasrec-1block\"]", names),
    ] {
        let checked = quickstart_with(&[flag]).unwrap_or_else(|faults| panic!("{faults}"));
        assert_eq!(checked.spec.run.alone, expected);
        let back = resolved_from_text("spec.toml", checked.resolved_toml());
        assert_eq!(
            back.unwrap_or_else(|faults| panic!("{faults}")),
            checked.spec
        );
    }
}

#[test]
fn exclude_removes_and_include_adds_combinations() {
    let text = "spec_version = 1\nname = \"x\"\n[dataset.a.source.synthetic]\n[dataset.b.source.synthetic]\n\
                [model.m.sasrec]\n[model.p.popularity]\n\
                [matrix]\ndataset = [\"a\"]\nexclude = [{ model = \"p\" }]\n\
                include = [{ dataset = \"b\", scenario = \"overall\", model = \"p\" }]\n";
    let checked =
        load_text("x.toml", text, root(), &[]).unwrap_or_else(|faults| panic!("{faults}"));
    let cells: Vec<String> = checked
        .spec
        .selected()
        .iter()
        .map(|cell| format!("{}.{}.{}", cell.dataset, cell.scenario, cell.model))
        .collect();
    assert_eq!(cells, ["a.overall.m", "b.overall.p"]);
}

proptest::proptest! {
    #[test]
    fn every_resolved_spec_round_trips(
        question in "\\PC{0,40}",
        analysis in proptest::collection::vec("[ -~\"'\\\\é]{0,30}", 0..4),
        seeds in proptest::collection::btree_set(0u64..i64::MAX as u64, 1..4),
        dropout in 0.0f64..0.99,
        lr in 1e-12f64..1.0,
        heads in 1usize..4,
        kind in 0usize..4,
        tolerance in 0.0f64..1.0,
    ) {
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let loss = ["bce", "bpr", "full_softmax", "top1_max"][kind];
        let text = format!(
            "spec_version = 1\nname = \"x\"\nquestion = {}\nanalysis = {}\nseeds = [{}]\n\
             [dataset.d]\nfilter = [{{ duplicates = {{}} }}, {{ k_core = {{ users = 2 }} }}]\n[dataset.d.source.synthetic]\n\
             [model.m.sasrec]\nhidden_units = {}\nnum_heads = {heads}\ndropout = {dropout:?}\nloss.{loss} = {{}}\ntrain.lr = {lr:?}\n\
             [variant.v]\nof = \"m\"\nset = {{ \"train.lr\" = {lr:?}, maxlen = 9 }}\n\
             [[expected]]\ndataset = \"d\"\nmodel = \"v\"\nprotocol = \"strict\"\nmetric = \"mrr\"\nvalue = 0.5\n\
             tolerance = {tolerance:?}\nsource = \"a table\"\n",
            quoted(&question), quoted(&analysis.join("\n")),
            seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", "), heads * 8,
        );
        let checked = load_text("x.toml", &text, root(), &[]).unwrap_or_else(|faults| panic!("{faults}"));
        let back = resolved_from_text("spec.toml", checked.resolved_toml());
        proptest::prop_assert_eq!(back.unwrap_or_else(|faults| panic!("{faults}")), checked.spec);
    }

    #[test]
    fn no_text_makes_the_loader_panic(text in "(\\[[a-z.]{0,9}\\]|[a-z_.]{1,9} = ([0-9]{1,4}|\"[a-z]{0,5}\"|\\{\\}|\\[\\])|\\PC{0,12}|\n){0,20}") {
        let _ = load_text("x.toml", &text, root(), &[]).map_err(|faults| faults.render(true));
    }
}

#[test]
fn a_resolved_spec_whose_name_leads_out_of_the_folder_is_refused() {
    let checked = quickstart_with(&[]).unwrap_or_else(|faults| panic!("{faults}"));
    let text = checked.resolved_toml();
    // A copy of the first section of a kind, under the other name.
    let renamed = |kind: &str| {
        let section = text.find(kind).map_or("", |start| &text[start..]);
        let end = section[1..].find("\n[").map_or(section.len(), |at| at + 1);
        let name = section[kind.len()..]
            .split(['.', ']'])
            .next()
            .unwrap_or_default();
        let copy = section[..end].replacen(name, "\"../../out\"", 1);
        format!("{text}\n{copy}\n")
    };
    let name = text.replacen("name = \"quickstart\"", "name = \"../../out\"", 1);
    for (what, changed) in [
        ("figure", renamed("[figure.")),
        ("table", renamed("[table.")),
        ("experiment", name),
    ] {
        let lines = resolved_from_text("spec.toml", &changed)
            .expect_err(what)
            .lines();
        let expected = format!("the {what} name `../../out` has characters other than letters");
        assert!(lines.contains(&expected), "{lines}");
    }
}
