//! A drawing surface in pixels on plotters' SVG back end.
//!
//! Text is measured with the committed font, so that the bytes are the same on every machine.

use ab_glyph::{Font, FontRef, PxScale, ScaleFont};
use plotters::backend::{DrawingBackend, SVGBackend};
use plotters::style::{FontFamily, FontStyle, FontTransform, RGBColor, ShapeStyle, text_anchor};
use plotters_backend::{BackendColor, BackendTextStyle};

use crate::render::style::{self, Colour};

const REGULAR: &[u8] = include_bytes!("../../../assets/fonts/DejaVuSans.subset.ttf");
const BOLD: &[u8] = include_bytes!("../../../assets/fonts/DejaVuSans-Bold.subset.ttf");

/// Device units of a pixel: plotters draws on whole units, which are finer than pixels here.
const UNITS: f64 = 8.0;

/// Which part of a text is at its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// The text starts there.
    Start,
    /// The text is centred there.
    Middle,
    /// The text ends there.
    End,
}

/// A text's look. Its point lies on the base line.
#[derive(Clone, Copy, Debug)]
pub struct Ink {
    /// Size in pixels.
    pub size: f64,
    /// Colour.
    pub colour: Colour,
    /// Which part of the text is at its point.
    pub anchor: Anchor,
    /// Whether it is bold.
    pub bold: bool,
    /// Whether it runs upwards.
    pub upwards: bool,
}

impl Ink {
    /// Plain text.
    pub fn new(size: f64, colour: Colour, anchor: Anchor) -> Self {
        Ink {
            size,
            colour,
            anchor,
            bold: false,
            upwards: false,
        }
    }

    /// The same in bold.
    pub fn bold(self) -> Self {
        Ink { bold: true, ..self }
    }

    /// The same, running upwards.
    pub fn upwards(self) -> Self {
        Ink {
            upwards: true,
            ..self
        }
    }
}

/// A point in pixels from the upper left corner.
pub type Point = (f64, f64);

fn font(bold: bool) -> FontRef<'static> {
    let bytes = if bold { BOLD } else { REGULAR };
    FontRef::try_from_slice(bytes).expect("the committed fonts are well formed")
}

/// Scale at which an em of the font has `size` pixels. ab_glyph counts heights from ascent to
/// descent instead.
fn scale(font: &FontRef<'_>, size: f64) -> PxScale {
    let units = font.units_per_em().expect("the committed fonts have an em");
    PxScale::from(size as f32 * font.height_unscaled() / units)
}

/// Width of a text in pixels.
pub fn width_of(text: &str, size: f64, bold: bool) -> f64 {
    let font = font(bold);
    let scaled = font.as_scaled(scale(&font, size));
    let glyphs: Vec<_> = printable(text).chars().map(|c| font.glyph_id(c)).collect();
    let advances: f32 = glyphs.iter().map(|&glyph| scaled.h_advance(glyph)).sum();
    let kerns: f32 = glyphs
        .windows(2)
        .map(|pair| scaled.kern(pair[0], pair[1]))
        .sum();
    f64::from(advances + kerns)
}

/// The text, cut with an ellipsis so that it is at most `room` pixels wide.
pub fn fitted(text: &str, room: f64, size: f64, bold: bool) -> String {
    if width_of(text, size, bold) <= room {
        return text.to_owned();
    }
    let mut kept: Vec<char> = text.chars().collect();
    while kept.pop().is_some() {
        let cut: String = kept.iter().collect::<String>().trim_end().to_owned() + "…";
        if width_of(&cut, size, bold) <= room {
            return cut;
        }
    }
    "…".to_owned()
}

/// The text in lines of at most `room` pixels, broken at blanks; a word that is wider is cut.
pub fn wrapped(text: &str, room: f64, size: f64, bold: bool) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let longer = lines.last().map(|line| format!("{line} {word}"));
        match longer.filter(|line| width_of(line, size, bold) <= room) {
            Some(line) => *lines.last_mut().expect("the longer line came from one") = line,
            None => lines.push(fitted(word, room, size, bold)),
        }
    }
    lines
}

/// XML cannot hold control characters, and no font draws them.
fn printable(text: &str) -> String {
    let visible = |c: char| if c.is_control() { ' ' } else { c };
    text.chars()
        .map(visible)
        .filter(|c| !matches!(c, '\u{fffe}' | '\u{ffff}'))
        .collect()
}

/// Draws a figure of this size in pixels and returns it as SVG.
pub fn paint(size: Point, draw: impl FnOnce(&mut Canvas<'_>)) -> String {
    let mut text = String::new();
    let (wide, high) = (unit(size.0), unit(size.1));
    let mut canvas = Canvas {
        backend: SVGBackend::with_string(&mut text, (wide as u32, high as u32)),
    };
    draw(&mut canvas);
    canvas.backend.present().expect(IN_MEMORY);
    drop(canvas);
    let drawn = format!("width=\"{wide}\" height=\"{high}\"");
    let shown = format!("width=\"{}\" height=\"{}\"", size.0.round(), size.1.round());
    text.replacen(&drawn, &shown, 1)
}

fn unit(length: f64) -> i32 {
    (length * UNITS).round() as i32
}

fn units(point: Point) -> (i32, i32) {
    (unit(point.0), unit(point.1))
}

fn shape(colour: Colour, opacity: f64, width: f64) -> ShapeStyle {
    let rgb = RGBColor(colour.0, colour.1, colour.2);
    ShapeStyle {
        color: plotters::style::Color::mix(&rgb, opacity),
        filled: true,
        stroke_width: unit(width).max(1) as u32,
    }
}

/// plotters only reports errors of devices.
const IN_MEMORY: &str = "drawing in memory has no device that can fail";

/// What figures are drawn on. Every coordinate is in pixels.
pub struct Canvas<'a> {
    backend: SVGBackend<'a>,
}

impl Canvas<'_> {
    /// Fills the rectangle between two corners.
    pub fn rectangle(&mut self, from: Point, to: Point, colour: Colour, opacity: f64) {
        let (from, to) = (units(from), units(to));
        let corners = (
            (from.0.min(to.0), from.1.min(to.1)),
            (from.0.max(to.0), from.1.max(to.1)),
        );
        let style = shape(colour, opacity, 1.0);
        self.backend
            .draw_rect(corners.0, corners.1, &style, true)
            .expect(IN_MEMORY);
    }

    /// Draws lines from point to point.
    pub fn line(&mut self, points: &[Point], colour: Colour, width: f64) {
        let points: Vec<_> = points.iter().map(|&point| units(point)).collect();
        self.backend
            .draw_path(points, &shape(colour, 1.0, width))
            .expect(IN_MEMORY);
    }

    /// Fills a polygon.
    pub fn polygon(&mut self, points: &[Point], colour: Colour, opacity: f64) {
        let points: Vec<_> = points.iter().map(|&point| units(point)).collect();
        self.backend
            .fill_polygon(points, &shape(colour, opacity, 1.0))
            .expect(IN_MEMORY);
    }

    /// Fills a disc.
    pub fn disc(&mut self, centre: Point, radius: f64, colour: Colour) {
        let style = shape(colour, 1.0, 1.0);
        self.backend
            .draw_circle(units(centre), unit(radius) as u32, &style, true)
            .expect(IN_MEMORY);
    }

    /// Writes a text.
    pub fn text(&mut self, text: &str, at: Point, ink: Ink) {
        // plotters moves a text anchored at its top down by 0.76 em. Taking it back puts the point
        // on the base line.
        let up = 0.76 * ink.size;
        let point = match ink.upwards {
            true => (at.0 - up, at.1),
            false => (at.0, at.1 - up),
        };
        self.backend
            .draw_text(&printable(text), &SvgText(ink), units(point))
            .expect(IN_MEMORY);
    }
}

/// A text's look in the form that plotters' SVG back end needs.
struct SvgText(Ink);

impl BackendTextStyle for SvgText {
    type FontError = std::convert::Infallible;

    fn color(&self) -> BackendColor {
        BackendColor {
            alpha: 1.0,
            rgb: self.0.colour,
        }
    }

    fn size(&self) -> f64 {
        // plotters divides by this to get from a line's height to an em.
        self.0.size * UNITS * 1.24
    }

    fn transform(&self) -> FontTransform {
        match self.0.upwards {
            true => FontTransform::Rotate270,
            false => FontTransform::None,
        }
    }

    fn style(&self) -> FontStyle {
        match self.0.bold {
            true => FontStyle::Bold,
            false => FontStyle::Normal,
        }
    }

    fn anchor(&self) -> text_anchor::Pos {
        let across = match self.0.anchor {
            Anchor::Start => text_anchor::HPos::Left,
            Anchor::Middle => text_anchor::HPos::Center,
            Anchor::End => text_anchor::HPos::Right,
        };
        text_anchor::Pos::new(across, text_anchor::VPos::Top)
    }

    fn family(&self) -> FontFamily<'_> {
        FontFamily::Name(style::FONT_FAMILY)
    }

    fn layout_box(&self, _: &str) -> Result<((i32, i32), (i32, i32)), Self::FontError> {
        Ok(((0, 0), (0, 0)))
    }

    fn draw<E, F: FnMut(i32, i32, BackendColor) -> Result<(), E>>(
        &self,
        _: &str,
        _: (i32, i32),
        _: F,
    ) -> Result<Result<(), E>, Self::FontError> {
        Ok(Ok(()))
    }
}
