//! The bytes of figures: a change here is a change of every user's figures, to be looked at before it is accepted.

use super::bars::{Bar, BarGroup, BarPanel, Bars};
use super::curves::{Curve, CurvePanel, Curves};
use super::scatter::{Scatter, ScatterPanel, ScatterPoint};
use super::{Series, bars, curves, scatter};
use crate::analysis::curves::CurvePoint;

fn model(position: usize) -> Series {
    Series {
        name: ["SASRec", "GRU4Rec & <co>"][position].to_owned(),
        position,
        colour: [(0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)][position],
    }
}

fn two_groups() -> Bars {
    let bar = |position, value| Bar {
        model: model(position),
        value: Some(value),
        interval: Some((value - 0.05, value + 0.05)),
    };
    let group = |name: &str| BarGroup {
        name: name.to_owned(),
        bars: vec![bar(0, 0.4), bar(1, 0.25)],
    };
    Bars {
        title: "Hit@1 by scenario".to_owned(),
        value: "hit@1".to_owned(),
        panels: vec![BarPanel {
            title: "toys".to_owned(),
            groups: vec![group("overall"), group("cold")],
            chance: Some(0.05),
        }],
    }
}

#[test]
fn bars_are_drawn_as_ever() {
    let drawn = bars::draw(&two_groups());
    insta::assert_snapshot!("bars", drawn.svg);
    insta::assert_snapshot!("bars_csv", String::from_utf8(drawn.csv).unwrap());
}

#[test]
fn a_bar_axis_starts_at_zero_and_bars_are_as_high_as_their_values() {
    let svg = bars::draw(&two_groups()).svg;
    let heights: Vec<f64> = svg
        .lines()
        .filter(|line| line.starts_with("<rect") && line.contains("#0072B2"))
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
        .filter(|line| line.starts_with("<rect") && line.contains("#D55E00"))
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
fn curves_are_drawn_as_ever() {
    let point = |epoch: u32, shift: f64| {
        let mean = shift + 1.0 / f64::from(epoch);
        CurvePoint {
            epoch,
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
        title: title.to_owned(),
        curves: vec![curve(0), curve(1)],
    };
    let drawn = curves::draw(&Curves {
        title: "Training loss".to_owned(),
        value: "loss".to_owned(),
        panels: vec![panel("games"), panel("toys")],
    });
    insta::assert_snapshot!("curves", drawn.svg);
}

#[test]
fn the_second_curve_of_a_model_is_dashed_in_the_same_colour() {
    let curve = |name: &str| Curve {
        model: Series {
            name: name.to_owned(),
            ..model(0)
        },
        points: [1, 2].map(straight).to_vec(),
    };
    let drawn = |names: &[&str]| {
        let curves = names.iter().map(|name| curve(name)).collect();
        let panel = CurvePanel {
            title: String::new(),
            curves,
        };
        let svg = curves::draw(&Curves {
            panels: vec![panel],
            ..Curves::default()
        });
        let lines = svg.svg.lines().filter(|line| line.contains("#0072B2"));
        lines
            .filter(|line| line.starts_with("<polyline") || line.starts_with("<line"))
            .count()
    };
    let alone = drawn(&["allmrec, align"]);
    assert_eq!(alone, 1);
    let dashes = drawn(&["allmrec, align", "allmrec, project"]) - alone;
    assert!(dashes > 10, "{dashes} dashes");
}

fn straight(epoch: u32) -> CurvePoint {
    CurvePoint {
        epoch,
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
        value: "ndcg@10".to_owned(),
        cost: "training time (s)".to_owned(),
        panels: vec![ScatterPanel {
            title: "toys".to_owned(),
            points: vec![point(0), point(1)],
        }],
    }
}

#[test]
fn points_are_drawn_as_ever_with_their_names_beside_them() {
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
    assert_eq!(svg.matches("#0072B2").count(), 1, "{svg}");
}
