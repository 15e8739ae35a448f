//! A drawing surface in pixels, once as SVG and once as PNG, on plotters' two back ends.
//!
//! Text is measured with the committed font for both. In the PNG its glyphs are drawn from their outlines here: no font
//! of the system is looked for, so the bytes are the same on every machine.

use ab_glyph::{Font, FontRef, PxScale, ScaleFont};
use plotters::backend::{BitMapBackend, DrawingBackend, SVGBackend};
use plotters::style::{FontFamily, FontStyle, FontTransform, RGBColor, ShapeStyle, text_anchor};
use plotters_backend::{BackendColor, BackendTextStyle};

use crate::render::style::{self, Colour};

const REGULAR: &[u8] = include_bytes!("../../../assets/fonts/DejaVuSans.subset.ttf");
const BOLD: &[u8] = include_bytes!("../../../assets/fonts/DejaVuSans-Bold.subset.ttf");

/// Device units of a pixel: back ends draw on whole units, so the SVG gets finer ones than its pixels.
const SVG_UNITS: f64 = 8.0;
/// Pixels of the PNG for a pixel of the SVG.
const PNG_UNITS: f64 = 2.0;

/// Where a text stands against its point.
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

/// What figures are drawn on. Every coordinate is in pixels of the SVG.
pub trait Canvas {
    /// Fills the rectangle between two corners.
    fn rectangle(&mut self, from: Point, to: Point, colour: Colour, opacity: f64);
    /// Draws lines from point to point.
    fn line(&mut self, points: &[Point], colour: Colour, width: f64);
    /// Fills a polygon.
    fn polygon(&mut self, points: &[Point], colour: Colour, opacity: f64);
    /// Fills a disc.
    fn disc(&mut self, centre: Point, radius: f64, colour: Colour);
    /// Writes a text.
    fn text(&mut self, text: &str, at: Point, ink: Ink);
}

fn font(bold: bool) -> FontRef<'static> {
    let bytes = if bold { BOLD } else { REGULAR };
    FontRef::try_from_slice(bytes).expect("the committed fonts are well formed")
}

/// Scale at which an em of the font has `size` pixels; ab_glyph counts heights from ascent to descent instead.
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

/// Draws once as SVG and once as PNG.
pub fn paint(size: (f64, f64), draw: impl Fn(&mut dyn Canvas)) -> (String, Vec<u8>) {
    (vector(size, &draw), raster(size, &draw))
}

fn units(size: (f64, f64), per_pixel: f64) -> (u32, u32) {
    let whole = |length: f64| (length * per_pixel).round() as u32;
    (whole(size.0), whole(size.1))
}

fn vector(size: (f64, f64), draw: &dyn Fn(&mut dyn Canvas)) -> String {
    let mut text = String::new();
    let (wide, high) = units(size, SVG_UNITS);
    let mut surface = Surface {
        backend: SVGBackend::with_string(&mut text, (wide, high)),
        units: SVG_UNITS,
        write: write_vector,
    };
    draw(&mut surface);
    surface
        .backend
        .present()
        .expect("an SVG in memory has no device that can fail");
    drop(surface);
    let drawn = format!("width=\"{wide}\" height=\"{high}\"");
    let shown = format!("width=\"{}\" height=\"{}\"", size.0.round(), size.1.round());
    text.replacen(&drawn, &shown, 1)
}

fn raster(size: (f64, f64), draw: &dyn Fn(&mut dyn Canvas)) -> Vec<u8> {
    let (wide, high) = units(size, PNG_UNITS);
    let mut pixels = vec![0xFF; wide as usize * high as usize * 3];
    let mut surface = Surface {
        backend: BitMapBackend::with_buffer(&mut pixels, (wide, high)),
        units: PNG_UNITS,
        write: write_raster,
    };
    draw(&mut surface);
    drop(surface);
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, wide, high);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let dots = Some(png::PixelDimensions {
        xppu: 7559,
        yppu: 7559,
        unit: png::Unit::Meter,
    });
    encoder.set_pixel_dims(dots);
    let written = encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(&pixels));
    written.expect("a buffer in memory takes every byte");
    bytes
}

/// How a back end gets a text: the back end, the text, its point and look, and the units of a pixel.
type WriteText<B> = fn(&mut B, &str, Point, Ink, f64);

struct Surface<B: DrawingBackend> {
    backend: B,
    units: f64,
    write: WriteText<B>,
}

impl<B: DrawingBackend> Surface<B> {
    fn unit(&self, point: Point) -> (i32, i32) {
        let whole = |length: f64| (length * self.units).round() as i32;
        (whole(point.0), whole(point.1))
    }

    fn shape(&self, colour: Colour, opacity: f64, width: f64) -> ShapeStyle {
        let rgb = RGBColor(colour.0, colour.1, colour.2);
        ShapeStyle {
            color: plotters::style::Color::mix(&rgb, opacity),
            filled: true,
            stroke_width: (width * self.units).round().max(1.0) as u32,
        }
    }
}

/// Both back ends write to memory; plotters only reports errors of devices.
const IN_MEMORY: &str = "drawing in memory has no device that can fail";

impl<B: DrawingBackend> Canvas for Surface<B> {
    fn rectangle(&mut self, from: Point, to: Point, colour: Colour, opacity: f64) {
        let (mut from, mut to) = (self.unit(from), self.unit(to));
        // plotters' bitmaps include the last row and column, its SVG does not.
        (from, to) = (
            (from.0.min(to.0), from.1.min(to.1)),
            (from.0.max(to.0), from.1.max(to.1)),
        );
        let style = self.shape(colour, opacity, 1.0);
        self.backend
            .draw_rect(from, to, &style, true)
            .expect(IN_MEMORY);
    }

    fn line(&mut self, points: &[Point], colour: Colour, width: f64) {
        let style = self.shape(colour, 1.0, width);
        let points: Vec<_> = points.iter().map(|&point| self.unit(point)).collect();
        self.backend.draw_path(points, &style).expect(IN_MEMORY);
    }

    fn polygon(&mut self, points: &[Point], colour: Colour, opacity: f64) {
        let style = self.shape(colour, opacity, 1.0);
        let points: Vec<_> = points.iter().map(|&point| self.unit(point)).collect();
        self.backend.fill_polygon(points, &style).expect(IN_MEMORY);
    }

    fn disc(&mut self, centre: Point, radius: f64, colour: Colour) {
        let style = self.shape(colour, 1.0, 1.0);
        let radius = (radius * self.units).round() as u32;
        self.backend
            .draw_circle(self.unit(centre), radius, &style, true)
            .expect(IN_MEMORY);
    }

    fn text(&mut self, text: &str, at: Point, ink: Ink) {
        (self.write)(&mut self.backend, &printable(text), at, ink, self.units);
    }
}

/// A text's look as plotters' SVG back end asks for it.
struct SvgText {
    ink: Ink,
    units: f64,
}

impl BackendTextStyle for SvgText {
    type FontError = std::convert::Infallible;

    fn color(&self) -> BackendColor {
        BackendColor {
            alpha: 1.0,
            rgb: self.ink.colour,
        }
    }

    fn size(&self) -> f64 {
        // plotters divides by this to get from a line's height to an em.
        self.ink.size * self.units * 1.24
    }

    fn transform(&self) -> FontTransform {
        match self.ink.upwards {
            true => FontTransform::Rotate270,
            false => FontTransform::None,
        }
    }

    fn style(&self) -> FontStyle {
        match self.ink.bold {
            true => FontStyle::Bold,
            false => FontStyle::Normal,
        }
    }

    fn anchor(&self) -> text_anchor::Pos {
        let across = match self.ink.anchor {
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

fn write_vector(backend: &mut SVGBackend<'_>, text: &str, at: Point, ink: Ink, units: f64) {
    // plotters moves a text anchored at its top down by 0.76 em: taken back, so that the point is the base line.
    let up = 0.76 * ink.size;
    let (x, y) = match ink.upwards {
        true => (at.0 - up, at.1),
        false => (at.0, at.1 - up),
    };
    let point = ((x * units).round() as i32, (y * units).round() as i32);
    backend
        .draw_text(text, &SvgText { ink, units }, point)
        .expect(IN_MEMORY);
}

fn write_raster(backend: &mut BitMapBackend<'_>, text: &str, at: Point, ink: Ink, units: f64) {
    let font = font(ink.bold);
    let scaled = font.as_scaled(scale(&font, ink.size * units));
    let width = width_of(text, ink.size * units, ink.bold);
    let shift = match ink.anchor {
        Anchor::Start => 0.0,
        Anchor::Middle => width / 2.0,
        Anchor::End => width,
    };
    let mut along = -shift as f32;
    let mut previous = None;
    for letter in text.chars() {
        let id = font.glyph_id(letter);
        along += previous.map_or(0.0, |previous| scaled.kern(previous, id));
        previous = Some(id);
        let glyph = id.with_scale_and_position(scaled.scale(), ab_glyph::point(along, 0.0));
        along += scaled.h_advance(id);
        let Some(outline) = font.outline_glyph(glyph) else {
            continue;
        };
        let bounds = outline.px_bounds();
        outline.draw(|x, y, coverage| {
            let (dx, dy) = (
                bounds.min.x as i32 + x as i32,
                bounds.min.y as i32 + y as i32,
            );
            let (dx, dy) = if ink.upwards { (dy, -dx) } else { (dx, dy) };
            let x = (at.0 * units).round() as i32 + dx;
            let y = (at.1 * units).round() as i32 + dy;
            let colour = BackendColor {
                alpha: f64::from(coverage.min(1.0)),
                rgb: ink.colour,
            };
            backend.draw_pixel((x, y), colour).expect(IN_MEMORY);
        });
    }
}
