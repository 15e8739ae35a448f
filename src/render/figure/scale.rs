//! From values to pixels, and the values that deserve a tick.

use crate::render::style;

/// One axis: an interval of values on an interval of pixels.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    low: f64,
    high: f64,
    log: bool,
    start: f64,
    end: f64,
}

/// A tick: its value and its label.
pub type Tick = (f64, String);

impl Scale {
    /// A linear axis from 0 to above `highest`, its ends on ticks.
    pub fn from_zero(highest: f64) -> Self {
        let highest = if highest > 0.0 { highest } else { 1.0 };
        let step = nice_step(highest / 5.0);
        Scale::new(0.0, (highest / step).ceil() * step, false)
    }

    /// A linear axis around all of `values`, its ends on ticks.
    pub fn around(values: impl Iterator<Item = f64> + Clone) -> Self {
        let (low, high) = bounds(values);
        let spread = if high > low {
            high - low
        } else {
            high.abs().max(1.0) * 0.1
        };
        let step = nice_step(spread / 4.0);
        let low_tick = ((low - 0.05 * spread) / step).floor() * step;
        // A loss or a metric is never negative: white space must not suggest that it is.
        let low_tick = if low >= 0.0 {
            low_tick.max(0.0)
        } else {
            low_tick
        };
        let high_tick = ((high + 0.05 * spread) / step).ceil() * step;
        Scale::new(low_tick, high_tick, false)
    }

    /// A linear axis with exactly these ends.
    pub fn between(low: f64, high: f64) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        Scale::new(low, high, false)
    }

    /// A logarithmic axis around all of `values`, which are above 0, with about a third of a decade
    /// of white on each side.
    pub fn logarithmic(values: impl Iterator<Item = f64> + Clone) -> Self {
        let (low, high) = bounds(values.filter(|&value| value > 0.0).map(f64::log10));
        Scale::new(low - 0.3, high + 0.3, true)
    }

    fn new(low: f64, high: f64, log: bool) -> Self {
        Scale {
            low,
            high,
            log,
            start: 0.0,
            end: 1.0,
        }
    }

    /// The same axis drawn from pixel `start` to pixel `end`.
    pub fn on(self, start: f64, end: f64) -> Self {
        Scale { start, end, ..self }
    }

    /// The pixel of a value.
    pub fn at(&self, value: f64) -> f64 {
        let value = if self.log { value.log10() } else { value };
        self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)
    }

    /// Values worth a tick, lowest first: about five, of 1, 2 or 5 times a power of ten.
    pub fn ticks(&self) -> Vec<Tick> {
        if self.log {
            self.log_ticks()
        } else {
            self.linear_ticks(nice_step((self.high - self.low) / 5.0))
        }
    }

    /// As [`Scale::ticks`], on whole numbers only.
    pub fn whole_ticks(&self) -> Vec<Tick> {
        self.linear_ticks(nice_step((self.high - self.low) / 5.0).max(1.0).round())
    }

    fn linear_ticks(&self, step: f64) -> Vec<Tick> {
        let first = (self.low / step - 1e-9).ceil() as i64;
        let last = (self.high / step + 1e-9).floor() as i64;
        let decimals = (-step.log10().floor()).max(0.0) as usize;
        let tick = |index: i64| {
            let value = index as f64 * step;
            let label = match decimals {
                0 => style::significant(value)
                    .trim_end_matches(".00")
                    .trim_end_matches(".0")
                    .to_owned(),
                _ => format!("{value:.decimals$}"),
            };
            (value, label.replace('-', "−"))
        };
        (first..=last).map(tick).collect()
    }

    fn log_ticks(&self) -> Vec<Tick> {
        let decades = (self.low.floor() as i32)..=(self.high.ceil() as i32);
        let with = |factors: &[f64]| -> Vec<Tick> {
            let of_decade = |decade: i32| {
                factors
                    .iter()
                    .map(move |factor| factor * 10f64.powi(decade))
            };
            let inside = |value: &f64| (self.low..=self.high).contains(&value.log10());
            let all = decades.clone().flat_map(of_decade).filter(inside);
            all.map(|value| (value, plain(value))).collect()
        };
        // Powers of ten alone where there are enough of them; else finer steps.
        let sets: [&[f64]; 3] = [&[1.0], &[1.0, 3.0], &[1.0, 2.0, 5.0]];
        let mut ticks = Vec::new();
        for set in sets {
            ticks = with(set);
            if ticks.len() >= 3 {
                break;
            }
        }
        ticks
    }
}

/// A tick's label on a logarithmic axis: plain digits where they are short, k, M, G, T, P above.
fn plain(value: f64) -> String {
    let (scaled, unit) = match value {
        v if v >= 1e15 => (v / 1e15, "P"),
        v if v >= 1e12 => (v / 1e12, "T"),
        v if v >= 1e9 => (v / 1e9, "G"),
        v if v >= 1e6 => (v / 1e6, "M"),
        v if v >= 1e4 => (v / 1e3, "k"),
        v => (v, ""),
    };
    let decimals = (-scaled.log10().floor()).max(0.0) as usize;
    if decimals > 4 {
        return format!("{value:.0e}").replace('-', "−");
    }
    format!("{scaled:.decimals$}{unit}")
}

fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let widen = |(low, high): (f64, f64), value: f64| (low.min(value), high.max(value));
    let (low, high) = values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), widen);
    if low <= high { (low, high) } else { (0.0, 1.0) }
}

/// The smallest of 1, 2, 5 times a power of ten that is at least `step`.
fn nice_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|factor| factor * power >= step * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: Scale) -> Vec<String> {
        scale.ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn an_axis_from_zero_ends_on_a_tick_above_the_highest_value() {
        let scale = Scale::from_zero(0.43).on(0.0, 100.0);
        assert_eq!(labels(scale), ["0.0", "0.1", "0.2", "0.3", "0.4", "0.5"]);
        assert_eq!(scale.at(0.0), 0.0);
        assert!((scale.at(0.5) - 100.0).abs() < 1e-9);
    }

    #[test]
    fn a_logarithmic_axis_has_at_least_three_ticks_or_all_there_are() {
        let wide = Scale::logarithmic([0.1, 1000.0].into_iter());
        assert_eq!(labels(wide), ["0.1", "1", "10", "100", "1000"]);
        let narrow = Scale::logarithmic([3.0, 4.0].into_iter());
        assert_eq!(labels(narrow), ["2", "5"]);
    }

    #[test]
    fn constant_and_absent_values_still_make_an_axis() {
        for scale in [
            Scale::around([2.0].into_iter()),
            Scale::around(std::iter::empty()),
            Scale::from_zero(0.0),
        ] {
            assert!(scale.ticks().len() >= 2, "{scale:?}");
            assert!(
                scale
                    .ticks()
                    .iter()
                    .all(|(value, _)| scale.at(*value).is_finite())
            );
        }
    }

    #[test]
    fn values_far_from_one_have_readable_ticks() {
        assert_eq!(
            labels(Scale::from_zero(1500.0)),
            ["0", "500", "1,000", "1,500"]
        );
        assert_eq!(plain(2e6), "2M");
        assert_eq!(plain(1e12), "1T");
        assert_eq!(plain(0.002), "0.002");
    }
}
