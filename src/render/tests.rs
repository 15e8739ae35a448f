//! What rendering a results folder gives.

use std::sync::OnceLock;

use super::*;

fn text(folder: &Path, file: &str) -> String {
    fs::read_to_string(&folder.join(file)).unwrap()
}

/// The fixture, rendered once for all tests that only read it. `scripts/check-report.sh` reads it
/// too.
fn rendered() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let render = || {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/report-fixture");
        fixture::write(&folder);
        all(&folder).unwrap();
        folder
    };
    FOLDER.get_or_init(render)
}

/// The fixture without ranks, which spares the tests' time: means without intervals.
fn without_ranks() -> tempfile::TempDir {
    let folder = fixture::results();
    fs::remove_dir_all(&folder.path().join("ranks")).unwrap();
    folder
}

#[test]
fn rendering_twice_gives_the_same_bytes() {
    let again = fixture::results();
    for path in all(again.path()).unwrap() {
        let other = rendered().join(path.strip_prefix(again.path()).unwrap());
        assert_eq!(
            fs::read(&path).unwrap(),
            fs::read(&other).unwrap(),
            "{}",
            path.display()
        );
    }
}

#[test]
fn results_without_ranks_show_the_intervals_and_tests_that_were_computed_from_them() {
    let folder = tempfile::tempdir().unwrap();
    for path in fs::walk(rendered()).unwrap() {
        let below = path.strip_prefix(rendered()).unwrap();
        if !below.starts_with("ranks") {
            let copy = folder.path().join(below);
            fs::create_dir_all(copy.parent().unwrap()).unwrap();
            fs::write_atomic(&copy, &fs::read(&path).unwrap()).unwrap();
        }
    }
    assert_eq!(stale(folder.path()).unwrap(), Vec::<PathBuf>::new());
    let absence = |folder: &Path| Results::read(folder).unwrap().without_ranks();
    assert_eq!(absence(folder.path()), absence(rendered()));
    for name in ["intervals.csv", "tests.csv"] {
        let text = text(folder.path(), name);
        let mut rows = text.lines().skip(1);
        assert!(rows.clone().count() > 5, "{name}");
        assert!(rows.all(|row| row.contains("made-up data")), "{name}");
    }
}

#[test]
fn rendered_results_are_not_stale() {
    let folder = without_ranks();
    assert_eq!(all(folder.path()).unwrap().len(), 4 * 2 + 4 * 3 + 3);
    assert_eq!(stale(folder.path()).unwrap(), Vec::<PathBuf>::new());
}

#[test]
fn a_changed_missing_or_leftover_file_is_stale_and_is_put_right() {
    let folder = without_ranks();
    all(folder.path()).unwrap();
    let changed = folder.path().join("tables/main.md");
    let missing = folder.path().join("figures/quality.csv");
    let leftover = folder.path().join("figures/gone.svg");
    let mine = folder.path().join("figures/notes.txt");
    fs::write_atomic(&changed, b"x").unwrap();
    fs::remove_file(&missing).unwrap();
    fs::write_atomic(&leftover, b"x").unwrap();
    fs::write_atomic(&mine, b"x").unwrap();
    assert_eq!(
        stale(folder.path()).unwrap(),
        [leftover.clone(), missing, changed]
    );
    all(folder.path()).unwrap();
    assert!(stale(folder.path()).unwrap().is_empty() && !leftover.exists() && mine.exists());
}

#[test]
fn no_text_from_data_becomes_markup_in_the_report() {
    let folder = rendered();
    let report = text(folder, "report.html");
    assert_eq!(
        report.matches("<script").count(),
        1,
        "only the report's own script"
    );
    assert!(!report.contains("alert('x')</script>") && !report.contains("href=\"javascript"));
    assert!(report.contains("&lt;script&gt;alert("));
    assert!(report.contains("loss is NaN at step 17"));
    for verdict in ["within", "outside", "missing", "not comparable"] {
        assert!(report.contains(&format!(">{verdict}</span>")), "{verdict}");
    }
    // Nothing is loaded: the only addresses are relative links and the SVG's name space.
    let foreign = report.replace("http://www.w3.org/2000/svg", "");
    assert!(!foreign.contains("http://") && !foreign.contains("https://"));
}

#[test]
fn the_report_begins_with_the_answer_and_its_figure() {
    let report = text(rendered(), "report.html");
    let place = |words: &str| report.find(words).unwrap_or_else(|| panic!("{words}"));
    let first_screen = [
        "<h1>fixture</h1>",
        // The figure shows `toys`, which has ranks; table `main` has the baseline.
        "<p class=\"answer\"><strong>sasrec</strong> has the highest Hit@1 on toys, overall: 0.",
        " above ",
        "SASRec leads on both data sets, and every model falls on cold items. <a",
        "The program generated the data",
        "id=\"figure-models\"",
        "<nav",
        "<section id=\"results\">",
    ];
    for pair in first_screen.windows(2) {
        assert!(
            place(pair[0]) < place(pair[1]),
            "{} before {}",
            pair[0],
            pair[1]
        );
    }
}

#[test]
fn figures_and_the_report_show_labels_and_csv_files_have_names() {
    let folder = without_ranks();
    let path = folder.path().join("spec.toml");
    let spec = fs::read_to_string(&path).unwrap();
    let labels = "[labels.model]\nsasrec = \"Self-attention\"\n\
                  [labels.dataset]\ntoys = \"Toys & games\"\n\
                  [labels.scenario]\noverall = \"All users\"\n";
    fs::write_atomic(&path, format!("{spec}\n{labels}").as_bytes()).unwrap();
    all(folder.path()).unwrap();
    for figure in ["quality", "models", "learning", "cost"] {
        let svg = text(folder.path(), &format!("figures/{figure}.svg"));
        let csv = text(folder.path(), &format!("figures/{figure}.csv"));
        for (label, name) in [("Self-attention", "sasrec"), ("Toys &amp; games", "toys")] {
            assert!(
                svg.contains(label) && !csv.contains(label),
                "{figure}: {label}"
            );
            assert!(csv.contains(name), "{figure}: {name}");
        }
    }
    let report = text(folder.path(), "report.html");
    let answer =
        "<strong>Self-attention</strong> has the highest Hit@1 on Toys &amp; games, All users:";
    assert!(report.contains(answer));
}

#[test]
fn markdown_of_the_spec_is_rendered_and_cannot_run_anything() {
    let folder = without_ranks();
    let path = folder.path().join("spec.toml");
    let spec = fs::read_to_string(&path).unwrap();
    let attack =
        "**Bold** [web](https://a.b/c) [x](javascript:alert(1)) <img src=x onerror=alert(2)> end.";
    let mut value: toml::Table = spec.parse().unwrap();
    for key in ["question", "expectation", "analysis"] {
        value.insert(key.to_owned(), attack.into());
    }
    fs::write_atomic(&path, toml::to_string(&value).unwrap().as_bytes()).unwrap();
    all(folder.path()).unwrap();
    let report = text(folder.path(), "report.html");
    // Each of the three, and the first sentence of the analysis.
    assert_eq!(report.matches("<strong>Bold</strong>").count(), 4);
    assert_eq!(
        report.matches("<a href=\"https://a.b/c\">web</a>").count(),
        4
    );
    assert!(!report.contains("href=\"javascript") && !report.contains("<img"));
    // The resolved spec is at the end.
    assert_eq!(report.matches("&lt;img src=x onerror").count(), 4 + 3);
}

#[test]
fn latex_tables_have_balanced_braces_and_as_many_cells_in_every_row() {
    let folder = rendered();
    for name in ["main", "best", "cost", "data"] {
        let tex = text(folder, &format!("tables/{name}.tex"));
        let bare = tex.replace("\\{", "").replace("\\}", "").replace("\\&", "");
        assert_eq!(
            bare.matches('{').count(),
            bare.matches('}').count(),
            "{tex}"
        );
        for tabular in bare.split("\\begin{tabular}{@{}").skip(1) {
            let columns = tabular.split('@').next().unwrap().len();
            for line in tabular.lines().filter(|line| line.ends_with("\\\\")) {
                assert_eq!(cells_of(line), columns, "{name}: {line}");
            }
        }
    }
}

/// Cells of a row, a `\multicolumn` counted as what it spans.
fn cells_of(line: &str) -> usize {
    let spans = line.split("\\multicolumn{").skip(1);
    let more: usize = spans
        .map(|rest| rest.split('}').next().unwrap().parse::<usize>().unwrap() - 1)
        .sum();
    line.matches('&').count() + 1 + more
}

#[test]
fn markdown_tables_have_as_many_cells_in_every_row() {
    let folder = rendered();
    let markdown = text(folder, "tables/main.md").replace("\\|", "");
    let rows: Vec<usize> = markdown
        .lines()
        .filter(|line| line.starts_with('|'))
        .map(|line| line.matches('|').count())
        .collect();
    assert!(
        rows.len() > 5 && rows.iter().all(|&bars| bars == rows[0]),
        "{markdown}"
    );
    assert!(markdown.contains("**") && markdown.contains("<u>") && !markdown.contains("<script"));
}

#[test]
fn missing_ranks_are_told_in_the_report_and_below_every_table_that_would_have_intervals() {
    let words = "The per-user ranks of every cell are missing (folder ranks)";
    let intervals = "Intervals: 95 % percentile bootstrap";
    let folder = without_ranks();
    all(folder.path()).unwrap();
    let count = |folder: &Path, file: &str, words: &str| text(folder, file).matches(words).count();
    // A banner, and a note below each of the two comparisons.
    let report = text(folder.path(), "report.html");
    assert!(report.contains(&format!("<p class=\"banner\" role=\"note\">{words}")));
    assert_eq!(report.matches(words).count(), 3);
    for (file, is_comparison) in [("main", 1), ("best", 1), ("cost", 0), ("data", 0)] {
        let file = format!("tables/{file}.md");
        let told = |folder: &Path| [words, intervals].map(|words| count(folder, &file, words));
        assert_eq!(told(folder.path()), [is_comparison, 0], "{file}");
        assert_eq!(told(rendered()), [0, is_comparison], "{file}");
    }
    assert_eq!(count(rendered(), "report.html", words), 0);
    let look = terminal::Look {
        width: 200,
        styled: false,
    };
    assert!(
        terminal::summary(folder.path(), look)
            .unwrap()
            .contains(words)
    );
    let absence = Results::read(folder.path()).unwrap().without_ranks();
    assert!(absence.unwrap().starts_with(words));
}

#[test]
fn the_cost_table_tells_which_models_ran_alone() {
    let folder = without_ranks();
    let spec = text(folder.path(), "spec.toml");
    let note = |alone: &str| {
        let (old, new) = ("alone = false", format!("alone = {alone}"));
        assert!(spec.contains(old));
        let spec = spec.replacen(old, &new, 1);
        fs::write_atomic(&folder.path().join("spec.toml"), spec.as_bytes()).unwrap();
        all(folder.path()).unwrap();
        text(folder.path(), "tables/cost.md")
    };
    let plain = note("false");
    assert!(!plain.contains("ran alone") && !plain.contains("one at a time"));
    assert_eq!(note("[]"), plain);
    assert!(note("true").contains("Stages that this run made itself ran one at a time."));
    let some = note("[\"sasrec\", \"popularity\"]");
    assert!(
        some.contains("those of sasrec and popularity ran alone"),
        "{some}"
    );
}

#[test]
fn the_cost_table_shows_published_times_beside_the_measured_ones() {
    let folder = without_ranks();
    let table = |name: &str| {
        all(folder.path()).unwrap();
        text(folder.path(), &format!("tables/cost.{name}"))
    };
    assert!(!table("md").to_lowercase().contains("published:"));
    let spec = text(folder.path(), "spec.toml");
    let old = "[table.cost.cost]";
    assert!(spec.contains(old));
    let new = "[table.cost.cost]\npublished = [{ model = \"sasrec\", train_seconds = 13950.0, \
               evaluate_seconds = 1.98, source = \"A paper, table 10\" }]";
    // What the file says of it already would be said twice.
    let spec = spec
        .replacen(old, new, 1)
        .replace("\npublished = [] # default", "");
    fs::write_atomic(&folder.path().join("spec.toml"), spec.as_bytes()).unwrap();
    let told = table("md");
    assert!(told.contains("Published: A paper, table 10. "), "{told}");
    let of = |model: &str| {
        let row = told
            .lines()
            .find(|line| line.starts_with(&format!("| {model} | toys")));
        row.unwrap().to_owned()
    };
    // Each right of what it is compared with.
    let heads = "| Training | Training, published | Sequences/s | Evaluation/user | \
                 Evaluation of a batch, published |";
    assert!(told.contains(heads), "{told}");
    assert!(of("sasrec").contains(" s | 3 h 53 min | "), "{told}");
    assert!(of("sasrec").contains(" µs | 1.98 s | "), "{told}");
    assert!(of("gru4rec").contains(" s | – | "), "{told}");
    let csv = table("csv");
    assert!(
        csv.lines()
            .any(|line| line.starts_with("sasrec,toys") && line.contains(",13950,1.98"))
    );
}

#[test]
fn a_run_without_results_is_named_with_its_file() {
    let folder = tempfile::TempDir::new().unwrap();
    let error = all(folder.path()).unwrap_err().to_string();
    assert!(error.contains("spec.toml"), "{error}");
}

#[test]
fn the_terminal_table_fits_any_width_and_names_failures() {
    let folder = without_ranks();
    for width in [60, 100, 200] {
        let look = terminal::Look {
            width,
            styled: false,
        };
        let text = terminal::summary(folder.path(), look).unwrap();
        let table_lines = text
            .lines()
            .filter(|line| line.contains('─') || line.contains("0."));
        for line in table_lines {
            assert!(
                line.chars().count() <= usize::from(width),
                "{width}: {line}"
            );
        }
        assert!(
            text.contains("cells failed") && text.contains('^') && !text.contains('\u{1b}'),
            "{text}"
        );
    }
}

#[test]
fn the_report_begins_with_the_first_bar_chart_of_its_order() {
    let folder = without_ranks();
    let path = folder.path().join("spec.toml");
    let mut spec: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
    for (first, second) in [("models", "quality"), ("quality", "models")] {
        let order = toml::Value::from(vec!["learning", first, second, "cost"]);
        spec["report"]["figures"] = order;
        fs::write_atomic(&path, spec.to_string().as_bytes()).unwrap();
        all(folder.path()).unwrap();
        let report = text(folder.path(), "report.html");
        let place = |figure: &str| report.find(&format!("id=\"figure-{figure}\"")).unwrap();
        assert!(place(first) < place("learning") && place("learning") < place(second));
    }
}
