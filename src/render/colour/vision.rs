//! How far apart two colours are, also for people with colour blindness.
//!
//! Simulation: Machado, Oliveira and Fernandes, "A physiologically-based model for simulation of
//! color vision deficiency", IEEE TVCG 15, 2009, at severity 1. Distance: CIEDE2000 as in Sharma,
//! Wu and Dalal, "The CIEDE2000 color-difference formula", Color Research and Application 30(1),
//! 2005. Contrast: WCAG 2.2.

use crate::render::style::Colour;

type Triple = [f64; 3];

/// How somebody sees colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vision {
    Normal,
    Protanopia,
    Deuteranopia,
    Tritanopia,
}

impl Vision {
    pub const ALL: [Vision; 4] = [
        Vision::Normal,
        Vision::Protanopia,
        Vision::Deuteranopia,
        Vision::Tritanopia,
    ];

    /// From linear RGB to linear RGB.
    fn matrix(self) -> [Triple; 3] {
        match self {
            Vision::Normal => [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            Vision::Protanopia => [
                [0.152286, 1.052583, -0.204868],
                [0.114503, 0.786281, 0.099216],
                [-0.003882, -0.048116, 1.051998],
            ],
            Vision::Deuteranopia => [
                [0.367322, 0.860646, -0.227968],
                [0.280085, 0.672501, 0.047413],
                [-0.011820, 0.042940, 0.968881],
            ],
            Vision::Tritanopia => [
                [1.255528, -0.076749, -0.178779],
                [-0.078411, 0.930809, 0.147602],
                [0.004733, 0.691367, 0.303900],
            ],
        }
    }
}

/// Linear RGB to XYZ, sRGB primaries and white D65.
const XYZ: [Triple; 3] = [
    [0.4124564, 0.3575761, 0.1804375],
    [0.2126729, 0.7151522, 0.0721750],
    [0.0193339, 0.1191920, 0.9503041],
];
const WHITE: Triple = [0.95047, 1.0, 1.08883];

fn times(matrix: [Triple; 3], vector: Triple) -> Triple {
    matrix.map(|row| row.iter().zip(vector).map(|(a, b)| a * b).sum())
}

fn linear((red, green, blue): Colour) -> Triple {
    [red, green, blue].map(|part| match f64::from(part) / 255.0 {
        part if part <= 0.04045 => part / 12.92,
        part => ((part + 0.055) / 1.055).powf(2.4),
    })
}

/// CIELAB of linear RGB.
fn lab(linear: Triple) -> Triple {
    let xyz = times(XYZ, linear.map(|part| part.clamp(0.0, 1.0)));
    let curve = |value: f64| match value > 216.0 / 24389.0 {
        true => value.cbrt(),
        false => (24389.0 / 27.0 * value + 16.0) / 116.0,
    };
    let [x, y, z] = [0, 1, 2].map(|at| curve(xyz[at] / WHITE[at]));
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

/// CIEDE2000 between two colours for somebody with this vision; 1 is just visible side by side.
pub fn distance(a: Colour, b: Colour, vision: Vision) -> f64 {
    let seen = |colour: Colour| lab(times(vision.matrix(), linear(colour)));
    ciede2000(seen(a), seen(b))
}

/// Contrast of two colours, 1 to 21.
pub fn contrast(a: Colour, b: Colour) -> f64 {
    let luminance = |colour: Colour| times(XYZ, linear(colour))[1] + 0.05;
    let (a, b) = (luminance(a), luminance(b));
    a.max(b) / a.min(b)
}

fn sin(degrees: f64) -> f64 {
    degrees.to_radians().sin()
}

fn cos(degrees: f64) -> f64 {
    degrees.to_radians().cos()
}

fn ciede2000([l1, a1, b1]: Triple, [l2, a2, b2]: Triple) -> f64 {
    let seventh = |chroma: f64| (chroma.powi(7) / (chroma.powi(7) + 25f64.powi(7))).sqrt();
    let stretch = 1.5 - 0.5 * seventh((a1.hypot(b1) + a2.hypot(b2)) / 2.0);
    let (a1, a2) = (a1 * stretch, a2 * stretch);
    let (c1, c2) = (a1.hypot(b1), a2.hypot(b2));
    let hue = |a: f64, b: f64| b.atan2(a).to_degrees().rem_euclid(360.0);
    let (h1, h2) = (hue(a1, b1), hue(a2, b2));
    let turn = match (c1 * c2 == 0.0, h2 - h1) {
        (true, _) => 0.0,
        (false, turn) if turn > 180.0 => turn - 360.0,
        (false, turn) if turn < -180.0 => turn + 360.0,
        (false, turn) => turn,
    };
    let mean_hue = match (c1 * c2 == 0.0, (h1 - h2).abs() <= 180.0) {
        (true, _) => h1 + h2,
        (false, true) => (h1 + h2) / 2.0,
        (false, false) if h1 + h2 < 360.0 => (h1 + h2 + 360.0) / 2.0,
        (false, false) => (h1 + h2 - 360.0) / 2.0,
    };
    let (mean_l, mean_c) = ((l1 + l2) / 2.0, (c1 + c2) / 2.0);
    let t = 1.0 - 0.17 * cos(mean_hue - 30.0)
        + 0.24 * cos(2.0 * mean_hue)
        + 0.32 * cos(3.0 * mean_hue + 6.0)
        - 0.20 * cos(4.0 * mean_hue - 63.0);
    let from_grey = (mean_l - 50.0).powi(2);
    let light = (l2 - l1) / (1.0 + 0.015 * from_grey / (20.0 + from_grey).sqrt());
    let chroma = (c2 - c1) / (1.0 + 0.045 * mean_c);
    let hue = 2.0 * (c1 * c2).sqrt() * sin(turn / 2.0) / (1.0 + 0.015 * mean_c * t);
    let rotation = 60.0 * (-((mean_hue - 275.0) / 25.0).powi(2)).exp();
    let rotated = -2.0 * seventh(mean_c) * sin(rotation) * chroma * hue;
    (light.powi(2) + chroma.powi(2) + hue.powi(2) + rotated).sqrt()
}

#[test]
fn distances_are_those_of_the_published_test_data() {
    // Table 1 of Sharma, Wu and Dalal.
    let pairs = [
        ([50.0, 2.6772, -79.7751], [50.0, 0.0, -82.7485], 2.0425),
        ([50.0, 0.0, 0.0], [50.0, -1.0, 2.0], 2.3669),
        ([50.0, 2.49, -0.001], [50.0, -2.49, 0.0009], 7.1792),
        (
            [90.8027, -2.0831, 1.441],
            [91.1528, -1.6435, 0.0447],
            1.4441,
        ),
        ([2.0776, 0.0795, -1.135], [0.9033, -0.0636, -0.5514], 0.9082),
    ];
    for (a, b, expected) in pairs {
        let found = ciede2000(a, b);
        assert!((found - expected).abs() < 1e-4, "{found} {expected}");
    }
}
