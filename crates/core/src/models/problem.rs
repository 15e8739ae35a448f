//! Checks that several models share.

pub use crate::problem::Problem;

/// The divisors of `width` up to 64, for messages.
pub fn divisors(width: usize) -> String {
    let divisors = (1..=width.min(64)).filter(|heads| width.is_multiple_of(*heads));
    let texts: Vec<String> = divisors.map(|heads| format!("`{heads}`")).collect();
    texts.join(", ")
}

/// Problems of a list of widths: entries that are out of range.
pub fn widths(key: &str, widths: &[usize]) -> Vec<Problem> {
    let wrong = widths
        .iter()
        .enumerate()
        .filter(|(_, width)| !(1..=65536).contains(*width));
    let problem = |(at, width): (usize, &usize)| {
        Problem::at(format!("{key}.{at}"), format!("`{key}` contains `{width}`"))
            .label("expected a whole number from 1 to 65536")
    };
    wrong.map(problem).collect()
}
