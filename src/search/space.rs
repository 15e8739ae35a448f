//! What the settings of a search may be: lists and ranges.

use rand::{Rng, RngExt};
use serde_json::Value;

use super::Settings;
use crate::experiment::config::search::{Range, Values};

/// A setting that a search changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its dotted key.
    pub key: String,
    /// What it may be.
    pub values: Values,
    /// Whether values of a range are whole numbers.
    pub is_whole: bool,
}

impl Parameter {
    /// The values of a list, or of a range with a step.
    fn listed(&self) -> Vec<Value> {
        match &self.values {
            Values::List(values) => values.clone(),
            Values::Range(range) => match range.step {
                Some(step) => (0..=steps(range, step))
                    .map(|at| self.number(range.from + at as f64 * step))
                    .collect(),
                None => vec![self.number(range.from), self.number(range.to)],
            },
        }
    }

    /// The coordinates of all values: from 0 to the number of list entries or steps, or the range
    /// itself, by its logarithm with `log`. A coordinate equal to the end is not included.
    pub(super) fn coordinates(&self) -> (f64, f64) {
        match &self.values {
            Values::List(values) => (0.0, values.len() as f64),
            Values::Range(Range {
                from,
                to,
                log: true,
                ..
            }) => (from.ln(), to.ln()),
            Values::Range(range) => match range.step {
                Some(step) => (0.0, steps(range, step) as f64 + 1.0),
                None if self.is_whole => (range.from, range.to + 1.0),
                None => (range.from, range.to),
            },
        }
    }

    /// Whether neighbouring coordinates are unlike each other.
    pub(super) fn is_categorical(&self) -> bool {
        matches!(self.values, Values::List(_))
    }

    /// The value at a coordinate.
    pub(super) fn value(&self, coordinate: f64) -> Value {
        match &self.values {
            Values::List(values) => {
                let at = (coordinate.max(0.0) as usize).min(values.len().saturating_sub(1));
                values.get(at).cloned().unwrap_or_default()
            }
            Values::Range(range) if range.log => {
                self.number(coordinate.exp().clamp(range.from, range.to))
            }
            Values::Range(range) => match range.step {
                Some(step) => {
                    let at = coordinate.floor().clamp(0.0, steps(range, step) as f64);
                    self.number(range.from + at * step)
                }
                None if self.is_whole => self.number(coordinate.floor().min(range.to)),
                None => self.number(coordinate),
            },
        }
    }

    /// A coordinate with this value.
    pub(super) fn coordinate(&self, value: &Value) -> f64 {
        match &self.values {
            Values::List(values) => {
                let at = values.iter().position(|known| known == value);
                at.unwrap_or(0) as f64 + 0.5
            }
            Values::Range(range) => {
                let number = value.as_f64().unwrap_or(range.from);
                match range.step {
                    _ if range.log => number.ln(),
                    Some(step) => ((number - range.from) / step).round() + 0.5,
                    None if self.is_whole => number + 0.5,
                    None => number,
                }
            }
        }
    }

    /// A number with three significant digits, so that tables can show what was tried.
    fn number(&self, number: f64) -> Value {
        if self.is_whole {
            return Value::from(number.round() as i64);
        }
        let short: f64 = format!("{number:.2e}").parse().unwrap_or(number);
        match &self.values {
            Values::Range(range) => Value::from(short.clamp(range.from, range.to)),
            Values::List(_) => Value::from(short),
        }
    }
}

/// Number of steps that fit into a range.
fn steps(range: &Range, step: f64) -> usize {
    // Steps such as 0.1 have no exact binary form.
    ((range.to - range.from) / step + 1e-9).floor() as usize
}

/// Every combination of values; the last parameter varies fastest.
pub(super) fn combinations(parameters: &[Parameter]) -> Vec<Settings> {
    let mut all = vec![Settings::new()];
    for parameter in parameters {
        let values = parameter.listed();
        let extended = all.iter().flat_map(|set| {
            values.iter().map(|value| {
                let mut set = set.clone();
                set.insert(parameter.key.clone(), value.clone());
                set
            })
        });
        all = extended.collect();
    }
    all
}

/// Random values.
pub(super) fn draw(parameters: &[Parameter], rng: &mut impl Rng) -> Settings {
    let value = |parameter: &Parameter, rng: &mut _| {
        let (start, end) = parameter.coordinates();
        let share: f64 = RngExt::random(rng);
        parameter.value(start + share * (end - start))
    };
    let drawn = parameters
        .iter()
        .map(|parameter| (parameter.key.clone(), value(parameter, rng)));
    drawn.collect()
}
