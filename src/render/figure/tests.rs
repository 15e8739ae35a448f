//! The bytes of figures. A change here changes every user's figures: look at them before you accept
//! it.

use super::bars::{Bar, BarGroup, BarPanel, Bars};
use super::curves::{Curve, CurvePanel, Curves, Level};
use super::scatter::{Scatter, ScatterPanel, ScatterPoint};
use super::{Name, Series, bars, curves, scatter};
use crate::analysis::curves::CurvePoint;
use crate::experiment::config::outputs::CurveAxis;
use allround_core::models::Hue;

fn model(position: usize) -> Series {
    Series {
        name: Name::plain(["SASRec", "GRU4Rec & <co>"][position]),
        position,
        hue: [Hue::Blue, Hue::Red][position],
    }
}

fn two_groups() -> Bars {
    let bar = |position, value| Bar {
        model: model(position),
        value: Some(value),
        interval: Some((value - 0.05, value + 0.05)),
    };
    let group = |name: &str| BarGroup {
        name: Name::plain(name),
        bars: vec![bar(0, 0.4), bar(1, 0.25)],
    };
    Bars {
        title: "Hit@1 by scenario".to_owned(),
        value: "Hit@1".to_owned(),
        panels: vec![BarPanel {
            title: Name::plain("toys"),
            groups: vec![group("overall"), group("cold")],
            chance: Some(0.05),
        }],
    }
}

#[test]
fn bars_have_not_changed() {
    let drawn = bars::draw(&two_groups());
    insta::assert_snapshot!("bars", drawn.svg);
    insta::assert_snapshot!("bars_csv", String::from_utf8(drawn.csv).unwrap());
}

#[test]
fn a_bar_axis_starts_at_zero_and_bars_are_as_high_as_their_values() {
    let svg = bars::draw(&two_groups()).svg;
    let heights: Vec<f64> = svg
        .lines()
        .filter(|line| line.starts_with("<rect") && line.contains("#005FB6"))
        .filter_map(|line| {
            line.split("height=\"")
                .nth(1)?
                .split('"')
                .next()?
                .parse()
                .ok()
        })
        .collect();
    let others: Vec<f64> = svg
        .lines()
        .filter(|line| line.starts_with("<rect") && line.contains("#BF1310"))
        .filter_map(|line| {
            line.split("height=\"")
                .nth(1)?
                .split('"')
                .next()?
                .parse()
                .ok()
        })
        .collect();
    // The first of each is its key in the legend.
    assert!(
        (heights[1] / others[1] - 0.4 / 0.25).abs() < 0.01,
        "{heights:?} {others:?}"
    );
}

#[test]
fn curves_have_not_changed() {
    let point = |at: u64, shift: f64| {
        let mean = shift + 1.0 / at as f64;
        CurvePoint {
            at,
            mean,
            low: mean - 0.1,
            high: mean + 0.1,
            seeds: 3,
        }
    };
    let curve = |position: usize| Curve {
        model: model(position),
        points: (1..=6)
            .map(|epoch| point(epoch, position as f64 * 0.3))
            .collect(),
    };
    let panel = |title: &str| CurvePanel {
        title: Name::plain(title),
        curves: vec![curve(0), curve(1)],
        reference: None,
    };
    let drawn = curves::draw(&Curves {
        title: "Training loss".to_owned(),
        value: "loss".to_owned(),
        panels: vec![panel("games"), panel("toys")],
        ..Curves::default()
    });
    insta::assert_snapshot!("curves", drawn.svg);
}

#[test]
fn the_level_of_a_reference_is_a_dashed_line_with_a_key_and_a_row() {
    let panel = CurvePanel {
        title: Name::plain("toys"),
        curves: vec![Curve {
            model: model(1),
            points: [1000, 2000].map(straight).to_vec(),
        }],
        reference: Some(Level {
            model: model(0),
            value: 1.25,
        }),
    };
    let drawn = curves::draw(&Curves {
        axis: CurveAxis::Samples,
        panels: vec![panel],
        ..Curves::default()
    });
    let is_dash = |line: &&str| line.starts_with("<polyline") || line.starts_with("<line");
    let dashes = drawn.svg.lines().filter(|line| line.contains("#005FB6"));
    assert!(dashes.filter(is_dash).count() > 10);
    let texts = texts(&drawn.svg);
    for wanted in ["SASRec", "samples"] {
        assert!(texts.iter().any(|(text, _)| text == wanted), "{texts:?}");
    }
    assert_eq!(
        String::from_utf8(drawn.csv).unwrap(),
        "panel,model,samples,mean,low,high,n_seeds\n\
         toys,GRU4Rec & <co>,1000,1,1,1,1\n\
         toys,GRU4Rec & <co>,2000,1,1,1,1\n\
         toys,SASRec,,1.25,,,\n"
    );
}

#[test]
fn the_second_curve_of_a_model_is_dashed_in_the_same_colour() {
    let curve = |name: &str| Curve {
        model: Series {
            name: Name::plain(name),
            ..model(0)
        },
        points: [1, 2].map(straight).to_vec(),
    };
    let drawn = |names: &[&str]| {
        let curves = names.iter().map(|name| curve(name)).collect();
        let panel = CurvePanel {
            curves,
            ..CurvePanel::default()
        };
        let svg = curves::draw(&Curves {
            panels: vec![panel],
            ..Curves::default()
        });
        let lines = svg.svg.lines().filter(|line| line.contains("#005FB6"));
        lines
            .filter(|line| line.starts_with("<polyline") || line.starts_with("<line"))
            .count()
    };
    // The curve and its key.
    let alone = drawn(&["allmrec, align"]);
    assert_eq!(alone, 2);
    let dashes = drawn(&["allmrec, align", "allmrec, project"]) - alone;
    assert!(dashes > 10, "{dashes} dashes");
}

fn straight(at: u64) -> CurvePoint {
    CurvePoint {
        at,
        mean: 1.0,
        low: 1.0,
        high: 1.0,
        seeds: 1,
    }
}

fn points(costs: [f64; 2], values: [f64; 2]) -> Scatter {
    let point = |position: usize| ScatterPoint {
        model: model(position),
        cost: costs[position],
        value: values[position],
        interval: None,
    };
    Scatter {
        title: "Quality against training time".to_owned(),
        value: "NDCG@10".to_owned(),
        cost: "training time (s)".to_owned(),
        panels: vec![ScatterPanel {
            title: Name::plain("toys"),
            points: vec![point(0), point(1)],
        }],
    }
}

#[test]
fn points_with_their_names_have_not_changed() {
    let drawn = scatter::draw(&points([12.0, 340.0], [0.4, 0.3]));
    insta::assert_snapshot!("scatter", drawn.svg);
}

#[test]
fn nothing_measured_is_said_and_not_drawn_as_zero() {
    let empty = Scatter {
        panels: vec![ScatterPanel::default()],
        ..Scatter::default()
    };
    assert!(scatter::draw(&empty).svg.contains("nothing measured"));
    let mut bars = two_groups();
    for bar in bars.panels[0]
        .groups
        .iter_mut()
        .flat_map(|group| &mut group.bars)
    {
        (bar.value, bar.interval) = (None, None);
    }
    let svg = bars::draw(&bars).svg;
    // Only the keys of the legend have a model's colour.
    assert_eq!(svg.matches("#005FB6").count(), 1, "{svg}");
}

/// Models of which some share a colour.
fn many(count: usize) -> Vec<Series> {
    let series = |position: usize| Series {
        name: Name {
            plain: format!("m{position}"),
            label: format!("Model {position}"),
        },
        position,
        hue: Hue::ALL[position % Hue::ALL.len()],
    };
    (0..count).map(series).collect()
}

fn bars_of(count: usize) -> Bars {
    let bar = |model: Series| Bar {
        value: Some(0.1 + model.position as f64 / 100.0),
        interval: Some((0.05, 0.3)),
        model,
    };
    let group = |name: &str| BarGroup {
        name: Name::plain(name),
        bars: many(count).into_iter().map(bar).collect(),
    };
    Bars {
        panels: vec![BarPanel {
            groups: vec![group("overall"), group("cold")],
            ..BarPanel::default()
        }],
        ..Bars::default()
    }
}

/// The texts of an SVG with their height, in the order of drawing.
fn texts(svg: &str) -> Vec<(String, f64)> {
    let elements = svg.split("<text ").skip(1);
    let text = |element: &str| {
        let y = element
            .split("y=\"")
            .nth(1)?
            .split('"')
            .next()?
            .parse()
            .ok()?;
        let words = element.split('>').nth(1)?.split('<').next()?;
        Some((words.trim().to_owned(), y))
    };
    elements.filter_map(text).collect()
}

#[test]
fn ten_models_are_a_dot_plot_with_a_row_for_each_and_nine_are_bars() {
    let named = |count: usize| {
        let texts = texts(&bars::draw(&bars_of(count)).svg);
        let names = texts
            .into_iter()
            .filter(|(text, _)| text.starts_with("Model"));
        names.collect::<Vec<_>>()
    };
    let names = named(10);
    let expected: Vec<String> = (0..10).map(|at| format!("Model {at}")).collect();
    let shown: Vec<&String> = names.iter().map(|(name, _)| name).collect();
    assert_eq!(
        shown,
        expected.iter().collect::<Vec<_>>(),
        "each once, in declared order"
    );
    assert!(
        names.windows(2).all(|pair| pair[1].1 > pair[0].1),
        "one below the other"
    );
    // A legend has several names in a line.
    let legend = named(9);
    assert!(
        legend.windows(2).any(|pair| pair[1].1 == pair[0].1),
        "{legend:?}"
    );
}

#[test]
fn a_dot_plot_has_the_csv_file_of_the_bar_chart() {
    let csv = |count: usize| String::from_utf8(bars::draw(&bars_of(count)).csv).unwrap();
    let (nine, ten) = (csv(9), csv(10));
    assert!(nine.lines().all(|line| ten.contains(line)));
    assert_eq!(
        (nine.lines().count(), ten.lines().count()),
        (1 + 18, 1 + 20)
    );
}

#[test]
fn ten_curves_are_small_multiples_with_their_names_as_titles() {
    let curve = |model: Series| Curve {
        model,
        points: (1..=3).map(straight).collect(),
    };
    let drawn = |count: usize| {
        let panel = CurvePanel {
            curves: many(count).into_iter().map(curve).collect(),
            ..CurvePanel::default()
        };
        let svg = curves::draw(&Curves {
            panels: vec![panel],
            ..Curves::default()
        });
        texts(&svg.svg)
    };
    let epochs = |texts: &[(String, f64)]| texts.iter().filter(|(text, _)| text == "epoch").count();
    let (nine, ten) = (drawn(9), drawn(10));
    assert_eq!((epochs(&nine), epochs(&ten)), (1, 10));
    for at in 0..10 {
        assert!(
            ten.iter().any(|(text, _)| *text == format!("Model {at}")),
            "{at}"
        );
    }
}

#[test]
fn points_of_ten_models_without_room_for_names_have_numbers() {
    let point = |model: Series| ScatterPoint {
        cost: 1.0,
        value: 0.5,
        interval: None,
        model,
    };
    let drawn = |count: usize| {
        let panel = ScatterPanel {
            points: many(count).into_iter().map(point).collect(),
            ..ScatterPanel::default()
        };
        let svg = scatter::draw(&Scatter {
            panels: vec![panel],
            ..Scatter::default()
        });
        texts(&svg.svg)
    };
    let has = |texts: &[(String, f64)], wanted: &str| texts.iter().any(|(text, _)| text == wanted);
    let (nine, twelve) = (drawn(9), drawn(12));
    assert!(
        has(&twelve, "12") && has(&twelve, "12 Model 11"),
        "{twelve:?}"
    );
    assert!(has(&nine, "Model 8") && !has(&nine, "9"), "{nine:?}");
}
