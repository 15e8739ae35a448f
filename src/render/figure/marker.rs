//! Marks of points. Each colour has its own shape, so that no figure depends on colour alone.

use super::canvas::{Canvas, Point};
use crate::render::colour;
use allround_core::models::Hue;

/// Draws the mark of a colour, which covers about the area of a disc of this radius.
pub fn draw(canvas: &mut Canvas<'_>, hue: Hue, centre: Point, radius: f64) {
    let colour = colour::light(hue);
    match outline(hue) {
        None => canvas.disc(centre, radius, colour),
        Some(outline) => {
            let at = |(x, y): Point| (centre.0 + x * radius, centre.1 + y * radius);
            let points: Vec<Point> = outline.into_iter().map(at).collect();
            canvas.polygon(&points, colour, 1.0);
        }
    }
}

/// The outline around 0 for a radius of 1; `None` for a disc.
fn outline(hue: Hue) -> Option<Vec<Point>> {
    Some(match hue {
        Hue::Blue => return None,
        Hue::Red => regular(4, 0.125, 1.25),
        Hue::Green => regular(3, 0.0, 1.4),
        Hue::Amber => regular(4, 0.0, 1.3),
        Hue::Pink => regular(3, 0.5, 1.4),
        Hue::Sky => star(5, 1.5, 0.65),
        Hue::Indigo => cross(0.0),
        Hue::Wine => cross(0.125),
        Hue::Grey => regular(6, 0.0, 1.15),
    })
}

/// A point at a share of a full turn, clockwise from the top.
fn turned(turn: f64, radius: f64) -> Point {
    let angle = turn * std::f64::consts::TAU;
    (angle.sin() * radius, -angle.cos() * radius)
}

fn regular(corners: usize, turn: f64, radius: f64) -> Vec<Point> {
    let corner = |index: usize| turned(turn + index as f64 / corners as f64, radius);
    (0..corners).map(corner).collect()
}

fn star(tips: usize, outer: f64, inner: f64) -> Vec<Point> {
    let corner = |index: usize| {
        let radius = if index.is_multiple_of(2) {
            outer
        } else {
            inner
        };
        turned(index as f64 / (2 * tips) as f64, radius)
    };
    (0..2 * tips).map(corner).collect()
}

/// A plus sign, turned.
fn cross(turn: f64) -> Vec<Point> {
    const ARM: f64 = 1.35;
    const HALF: f64 = 0.45;
    let quarter = [(-HALF, -HALF), (-HALF, -ARM), (HALF, -ARM), (HALF, -HALF)];
    let rotated = |(x, y): Point, turn: f64| {
        let (sin, cos) = (turn * std::f64::consts::TAU).sin_cos();
        (x * cos - y * sin, x * sin + y * cos)
    };
    let side = |index: usize| {
        let turn = turn + index as f64 / 4.0;
        quarter[..3].iter().map(move |&point| rotated(point, turn))
    };
    (0..4).flat_map(side).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_colour_has_its_own_mark_of_about_the_same_area() {
        let outlines: Vec<Option<Vec<Point>>> = Hue::ALL.into_iter().map(outline).collect();
        for (at, first) in outlines.iter().enumerate() {
            assert!(!outlines[at + 1..].contains(first), "{at}");
        }
        for outline in outlines.iter().flatten() {
            let next = outline.iter().cycle().skip(1);
            let pairs = outline.iter().zip(next);
            let area = pairs.map(|(a, b)| a.0 * b.1 - b.0 * a.1).sum::<f64>() / 2.0;
            assert!((1.8..4.2).contains(&area.abs()), "{area} {outline:?}");
        }
    }
}
