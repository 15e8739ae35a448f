//! What a comparison shows.

use super::*;
use crate::experiment::config::Table;
use crate::experiment::config::outputs::TableWidth;
use crate::render::fixture;
use crate::render::table::{Drawn, draw};
use crate::render::terminal::{self, Look};
use allround_core::fs;
use allround_core::metric::Metric;

/// The fixture without ranks, with some labels.
fn context() -> Context {
    let folder = fixture::results();
    fs::remove_dir_all(&folder.path().join("ranks")).unwrap();
    let labels = "[labels.model]\nsasrec = \"SASRec_2\"\npopularity = \"Most popular\"\n\
                  [labels.scenario]\ncold = \"Cold items\"\n[labels.dataset]\ntoys = \"Toys\"\n";
    let spec = folder.path().join("spec.toml");
    let text = fs::read_to_string(&spec).unwrap();
    fs::write_atomic(&spec, format!("{text}\n{labels}").as_bytes()).unwrap();
    Context::read(folder.path()).unwrap()
}

/// The settings of the fixture's table `main`: six columns of two metrics, in two data sets.
fn settings(context: &Context) -> ComparisonTable {
    match &context.results.spec.table["main"] {
        Table::Comparison(settings) => ComparisonTable {
            title: "Everything".to_owned(),
            ..settings.clone()
        },
        other => panic!("{other:?}"),
    }
}

fn drawn(context: &Context, settings: ComparisonTable) -> Drawn {
    draw(context, "main", &Table::Comparison(settings)).unwrap()
}

fn only(settings: ComparisonTable, metrics: &[Metric], scenarios: &[&str]) -> ComparisonTable {
    ComparisonTable {
        metrics: metrics.to_vec(),
        datasets: vec!["toys".to_owned()],
        scenarios: scenarios.iter().map(|&name| name.to_owned()).collect(),
        ..settings
    }
}

/// The rows of a LaTeX table between `\midrule` and `\bottomrule`.
fn body(latex: &str) -> Vec<&str> {
    let lines = latex.lines().map(str::trim);
    let after = lines.skip_while(|line| *line != "\\midrule").skip(1);
    after.take_while(|line| *line != "\\bottomrule").collect()
}

#[test]
fn the_number_of_users_is_above_each_group_of_columns_in_every_format() {
    let context = context();
    let Drawn { grid, latex } = drawn(&context, settings(&context));
    let markdown = grid.markdown();
    let head = "| games, Cold items, n = 0, Hit@1 |";
    assert!(markdown.contains(head), "{markdown}");
    let head = "| Toys, warm, n = 60, Hit@1 |";
    assert!(markdown.contains(head), "{markdown}");
    assert!(latex.contains("\\multicolumn{2}{c}{n = 60}"), "{latex}");
    let csv = String::from_utf8(grid.csv()).unwrap();
    assert!(csv.lines().next().unwrap().contains(",n_users,"), "{csv}");
    let look = Look {
        width: 500,
        styled: false,
    };
    let text = terminal::text(&grid, look);
    assert!(text.contains("n = 60"), "{text}");
}

#[test]
fn labels_are_in_every_format_but_csv() {
    let context = context();
    let Drawn { grid, latex } = drawn(&context, settings(&context));
    assert!(latex.contains("SASRec\\_2 &"), "{latex}");
    assert!(latex.contains("{Cold items}") && latex.contains("{Toys}"));
    let markdown = grid.markdown();
    assert!(markdown.contains("| SASRec\\_2 |"), "{markdown}");
    assert!(markdown.contains("change against Most popular."));
    let csv = String::from_utf8(grid.csv()).unwrap();
    assert!(csv.contains("\nsasrec,toys,cold,") && !csv.contains("SASRec"));
    assert!(csv.contains(",hit@1,") && !csv.contains("Hit@1"));
}

#[test]
fn a_narrow_latex_table_shows_everything_in_a_column_of_the_page() {
    let context = context();
    let settings = only(settings(&context), &[Metric::Hit(1)], &["overall"]);
    let latex = drawn(&context, settings).latex;
    assert!(latex.contains("\\begin{table}[t]"), "{latex}");
    assert!(latex.contains("\\caption{Everything (made-up data).}\n"));
    assert!(latex.contains("\\label{tab:fixture-main}"));
    let sasrec = body(&latex)[0];
    assert!(sasrec.starts_with("SASRec\\_2 & \\textbf{0."), "{latex}");
    assert!(sasrec.contains("{\\scriptsize\\,$\\pm$ 0."), "{sasrec}");
    assert!(sasrec.contains("{\\scriptsize (+"), "{sasrec}");
    // How numbers were computed is below the table.
    let (_, notes) = latex.split_once("\\begin{minipage}").unwrap();
    assert!(notes.contains("Mean $\\pm$ standard deviation"), "{notes}");
    assert!(notes.contains("The program generated the data"), "{notes}");
}

#[test]
fn a_wide_latex_table_spans_the_page_and_leaves_out_changes_then_deviations() {
    let context = context();
    let of = |scenarios: &[&str]| {
        let metrics = [Metric::Hit(1), Metric::Ndcg(10)];
        drawn(&context, only(settings(&context), &metrics, scenarios)).latex
    };
    let page = "\\begin{table*}[t]";
    let has = |latex: &str| {
        let [changes, deviations] =
            ["\\%)", "\\scriptsize\\,$\\pm$"].map(|text| latex.contains(text));
        (changes, deviations)
    };
    let (one, two, three) = (
        of(&["overall"]),
        of(&["overall", "warm"]),
        of(&["overall", "warm", "cold"]),
    );
    assert!(
        [&one, &two, &three]
            .iter()
            .all(|latex| latex.contains(page))
    );
    assert_eq!(
        [has(&one), has(&two), has(&three)],
        [(true, true), (false, true), (false, false)]
    );
    let comment = "% Left out because the table would be wider than a page: ";
    assert!(!one.contains(comment));
    assert!(two.contains(&format!("{comment}change. The setting `show` chooses.")));
    assert!(three.contains(&format!("{comment}deviation and change.")));
    assert!(three.contains("Mean (3 seeds, fewer where a number is in brackets)"));
}

#[test]
fn a_table_that_fits_no_page_is_cut_between_data_sets() {
    let context = context();
    let settings = ComparisonTable {
        show: vec![Shown::Mean, Shown::Deviation],
        metrics: vec![Metric::Hit(1)],
        ..settings(&context)
    };
    let latex = drawn(&context, settings).latex;
    assert_eq!(latex.matches("\\begin{tabular}").count(), 2, "{latex}");
    let (toys, games) = latex.split_once("\\par\\medskip").unwrap();
    assert!(games.contains("{games}") && !games.contains("{Toys}"));
    assert!(toys.contains("{Toys}") && !toys.contains("{games}"));
    assert_eq!(body(games).len(), body(toys).len());
    assert_eq!(latex.matches("\\caption").count(), 1);
}

#[test]
fn parts_digits_and_width_are_those_of_the_settings() {
    let context = context();
    let settings = ComparisonTable {
        show: vec![Shown::Mean],
        digits: 2,
        width: TableWidth::Page,
        ..only(settings(&context), &[Metric::Hit(1)], &["overall"])
    };
    let Drawn { grid, latex } = drawn(&context, settings);
    assert!(latex.contains("\\begin{table*}"), "{latex}");
    let row = body(&latex)[0];
    assert!(!row.contains("\\pm") && !row.contains("\\%"), "{row}");
    assert!(row.starts_with("SASRec\\_2 & \\textbf{0.51}"), "{row}");
    let markdown = grid.markdown();
    let row = markdown.lines().find(|line| line.contains("SASRec"));
    assert!(row.unwrap().ends_with(" **0.51** |"), "{markdown}");
}

#[test]
fn changes_alone_are_against_the_baseline() {
    let context = context();
    let settings = ComparisonTable {
        show: vec![Shown::Change],
        ..only(settings(&context), &[Metric::Hit(1)], &["overall"])
    };
    let latex = drawn(&context, settings).latex;
    assert!(body(&latex)[0].contains("\\textbf{+"), "{latex}");
    assert!(body(&latex)[2].starts_with("Most popular & --"), "{latex}");
}

#[test]
fn models_are_columns_of_a_transposed_table() {
    let context = context();
    let settings = ComparisonTable {
        transposed: true,
        show: vec![Shown::Mean],
        ..only(
            settings(&context),
            &[Metric::Hit(1), Metric::Ndcg(10)],
            &["overall", "warm"],
        )
    };
    let Drawn { grid, latex } = drawn(&context, settings);
    let names: Vec<&str> = grid.header[0].iter().map(|head| &*head.text).collect();
    assert_eq!(names[3..6], ["SASRec_2", "gru4rec", "Most popular"]);
    let rows = body(&latex);
    assert!(
        rows[0].starts_with("overall & n = 60 & Hit@1 & "),
        "{latex}"
    );
    assert!(rows[1].starts_with("&  & NDCG@10 & "), "{latex}");
    assert_eq!(rows[2], "\\addlinespace");
    assert!(rows[3].starts_with("warm & n = 60 & Hit@1 & "), "{latex}");
    let markdown = grid.markdown();
    assert!(
        markdown.contains("\n| warm | n = 60 | NDCG@10 |"),
        "{markdown}"
    );
}

#[test]
fn users_that_differ_between_rows_are_a_range_and_few_of_them_have_no_star() {
    let context = context();
    let query = SummaryQuery {
        protocol: "strict".to_owned(),
        metrics: vec![Metric::Hit(1)],
        ..SummaryQuery::default()
    };
    let mut table = context.summary(query).unwrap();
    table.n_tests = 3;
    let shown = |table: &SummaryTable| {
        let view = View {
            context: &context,
            table,
            baseline: "",
            show: &Shown::ALL,
            digits: 4,
            is_transposed: false,
            is_paper: false,
            seeds: Seeds::of(table),
        };
        view.grid("Title")
    };
    let note = "No star where fewer than 30 users are measured";
    let has_note = |grid: &Grid| grid.notes.iter().any(|text| text.contains(note));
    assert!(!has_note(&shown(&table)));
    let summaries = table.rows.iter_mut().flat_map(|row| &mut row.summaries);
    let mut measured = summaries.filter(|summary| summary.mean.is_some());
    measured.next().unwrap().n_users = Some(12);
    let grid = shown(&table);
    assert!(has_note(&grid));
    let texts: Vec<&str> = grid
        .header
        .iter()
        .flatten()
        .map(|head| &*head.text)
        .collect();
    assert!(texts.contains(&"n = 12 to 60"), "{texts:?}");
}
