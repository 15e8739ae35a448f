//! How everything looks: colours, sizes, fonts, and numbers and lists written for people.

use crate::analysis::OverSeeds;

/// An RGB colour.
pub type Colour = (u8, u8, u8);

/// Background of figures. In dark mode the report's style sheet replaces it, [`INK`], [`QUIET`] and
/// [`GRID`].
pub const PAPER: Colour = (0xFF, 0xFF, 0xFF);
/// Titles, whiskers and axes.
pub const INK: Colour = (0x1F, 0x25, 0x2B);
/// Tick labels and notes.
pub const QUIET: Colour = (0x56, 0x5F, 0x69);
/// Grid lines.
pub const GRID: Colour = (0xE3, 0xE6, 0xE9);

/// Font of all figures: the committed one first, then one of the same widths for viewers without
/// it.
pub const FONT_FAMILY: &str = "DejaVu Sans, Verdana, sans-serif";
/// Size of a figure's title in pixels.
pub const TITLE_SIZE: f64 = 15.0;
/// Size of axis names, legends and panel titles in pixels.
pub const LABEL_SIZE: f64 = 12.0;
/// Size of tick labels in pixels.
pub const TICK_SIZE: f64 = 11.0;
/// Width of every figure in pixels.
pub const FIGURE_WIDTH: f64 = 760.0;
/// Height of one panel's plotting area in pixels.
pub const PANEL_HEIGHT: f64 = 260.0;
/// White space around a figure in pixels.
pub const MARGIN: f64 = 16.0;

/// The text for a value that is not known.
pub const UNKNOWN: &str = "–";

/// A metric's value: four decimals, as the field prints them.
pub fn metric(value: f64) -> String {
    format!("{value:.4}")
}

/// A difference of two values of a metric, with its sign.
pub fn signed(difference: f64) -> String {
    let sign = if difference < 0.0 { "−" } else { "+" };
    format!("{sign}{}", metric(difference.abs()))
}

/// A p-value: three decimals, never a false zero.
pub fn p_value(value: f64) -> String {
    if value < 0.001 {
        "< 0.001".to_owned()
    } else {
        format!("{value:.3}")
    }
}

/// A change in percent with its sign, a real minus.
pub fn percent(change: f64) -> String {
    let sign = if change < 0.0 { "−" } else { "+" };
    format!("{sign}{:.1} %", (change * 100.0).abs())
}

/// A count with thin groups of three: `12,345`.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut grouped = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 cell`, `2 cells`.
pub fn counted(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// A mean over seeds: `0.1234 ± 0.0012`, or the mean alone for one seed.
pub fn over_seeds(number: &OverSeeds) -> String {
    match number.sd {
        Some(sd) => format!("{} ± {}", metric(number.mean), metric(sd)),
        None => metric(number.mean),
    }
}

/// Seconds with a sensible number of digits; hours and minutes from an hour on.
pub fn seconds(value: f64) -> String {
    if value >= 3600.0 {
        let minutes = (value / 60.0).round();
        format!(
            "{:.0} h {:02.0} min",
            (minutes / 60.0).floor(),
            minutes % 60.0
        )
    } else {
        format!("{} s", significant(value))
    }
}

/// Bytes in binary units.
pub fn bytes(value: f64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut scaled = value;
    let mut unit = 0;
    while scaled >= 1024.0 && unit + 1 < UNITS.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    if unit == 0 {
        return format!("{value:.0} B");
    }
    format!("{} {}", significant(scaled), UNITS[unit])
}

/// About three significant digits, without an exponent where people read it easily.
pub fn significant(value: f64) -> String {
    let size = value.abs();
    if (100.0..1e15).contains(&size) {
        let rounded = value.round();
        let sign = if rounded < 0.0 { "−" } else { "" };
        format!("{sign}{}", count(rounded.abs() as u64))
    } else if size >= 10.0 {
        format!("{value:.1}")
    } else if size >= 1.0 || size == 0.0 {
        format!("{value:.2}")
    } else if size >= 0.01 {
        format!("{value:.3}")
    } else {
        format!("{value:.1e}")
    }
}

/// A number of operations in powers of thousand: `1.23 T`.
pub fn operations(value: f64) -> String {
    const UNITS: [&str; 7] = ["", " k", " M", " G", " T", " P", " E"];
    let mut scaled = value;
    let mut unit = 0;
    while scaled >= 1000.0 && unit + 1 < UNITS.len() {
        scaled /= 1000.0;
        unit += 1;
    }
    format!("{}{}", significant(scaled), UNITS[unit])
}

/// `a, b and c`.
pub fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(999), "999");
        assert_eq!(
            (counted(1, "cell"), counted(0, "cell")),
            ("1 cell".into(), "0 cells".into())
        );
        assert_eq!(seconds(7260.0), "2 h 01 min");
        assert_eq!(seconds(7199.0), "2 h 00 min");
        assert_eq!(seconds(12.34), "12.3 s");
        assert_eq!(bytes(1536.0), "1.50 KiB");
        assert_eq!(percent(-0.123), "−12.3 %");
        assert_eq!(p_value(0.0), "< 0.001");
        assert_eq!(significant(0.0012), "1.2e-3");
        assert_eq!(operations(2.5e12), "2.50 T");
        assert_eq!(operations(12.0), "12.0");
    }
}
