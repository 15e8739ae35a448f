//! The audit of a generated answer: which title it contains, by which rule, and whether a candidate
//! has this title.
//!
//! The A-LLMRec code (`eval.py` at e216bbc) takes the text between the first and the last double
//! quote of the first line, in lower case. It counts a hit if the target's title is anywhere in it.
//! A list of titles is therefore a hit, "Cars" is found in "Cars 2", and an empty title is always
//! found. That rule is kept as `substring`, next to stricter ones.

use crate::models::llm_method::Accept;

/// The audit of one generated answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// The title in the answer: the text in its first pair of quotes, or its first line if it has
    /// none.
    pub extracted: String,
    /// Whether that is exactly the target's title.
    pub exact: bool,
    /// Whether it is the target's title in lower case, without punctuation and repeated white
    /// space.
    pub normalised: bool,
    /// Whether the authors' rule finds the target's title. Here, an empty title is never found.
    pub substring: bool,
    /// Whether it is the title of a candidate, after normalisation.
    pub valid: bool,
    /// Position in the prompt, from 1, of the candidate with this title; the first of those that
    /// share it.
    pub position: Option<u32>,
    /// Number of different candidates' titles in the whole answer. "Cars" as a part of "Cars 2"
    /// does not count.
    pub named: u32,
    /// Whether the target's title is the only one of them.
    pub alone: bool,
}

impl Audit {
    /// Whether the answer counts as a hit.
    pub fn is_hit(&self, accept: Accept) -> bool {
        match accept {
            Accept::Exact => self.exact,
            Accept::Normalised => self.normalised,
            Accept::Substring => self.substring,
            Accept::Alone => self.alone,
        }
    }

    /// The target's rank among `candidates`: 1 for a hit, else the last. Only hit@1 can be computed
    /// from it, since one answer does not order other candidates.
    pub fn rank(&self, accept: Accept, candidates: usize) -> f64 {
        if self.is_hit(accept) {
            1.0
        } else {
            candidates as f64
        }
    }
}

/// Audits the generated text `raw`, given the titles of the target and the candidates in the
/// prompt.
pub fn audit(raw: &str, target: &str, candidates: &[&str]) -> Audit {
    let extracted = extract(raw);
    let wanted = normalise(target);
    let found = normalise(extracted);
    let same = |title: &str| !found.is_empty() && normalise(title) == found;
    let exactly = candidates.iter().position(|&title| title == extracted);
    let position = exactly.or_else(|| candidates.iter().position(|&title| same(title)));
    let published = extract_as_published(raw);
    let exact = !target.is_empty() && extracted == target;
    let named = named(raw, candidates);
    Audit {
        exact,
        normalised: exact || (!wanted.is_empty() && found == wanted),
        substring: !target.is_empty() && published.contains(&target.to_lowercase()),
        valid: position.is_some(),
        position: position.map(|at| u32::try_from(at + 1).expect("candidates fit in memory")),
        alone: named == [wanted.as_str()],
        named: u32::try_from(named.len()).expect("candidates fit in memory"),
        extracted: extracted.to_owned(),
    }
}

/// The first line that is not blank.
fn first_line(raw: &str) -> &str {
    let mut lines = raw.lines().map(str::trim);
    lines.find(|line| !line.is_empty()).unwrap_or_default()
}

/// The text in the first pair of double quotes of the first line. With only one quote, the text
/// after it; without quotes, the whole line.
fn extract(raw: &str) -> &str {
    let line = first_line(raw);
    let inside = match line.split_once('"') {
        Some((_, after)) => after.split('"').next().unwrap_or_default(),
        None => line,
    };
    inside.trim()
}

/// Text that the authors' rule removes wherever it occurs in an answer.
const FIELD_NAME: &str = "\"item title\" : ";

/// The text that the authors' rule reads, in lower case. It is between the first and last quote of
/// the first line of the stripped text. Without quotes it is the line, with one quote it is empty.
fn extract_as_published(raw: &str) -> String {
    let line = raw.trim().split(['\n', '\r']).next().unwrap_or_default();
    let line = line.to_lowercase().replace(FIELD_NAME, "");
    match (line.find('"'), line.rfind('"')) {
        (Some(first), Some(last)) if first < last => line[first + 1..last].to_owned(),
        (Some(_), _) => String::new(),
        _ => line,
    }
}

/// Lower case, with single blanks for everything but letters and digits.
pub fn normalise(text: &str) -> String {
    let lower = text.to_lowercase();
    let words = lower.split(|character: char| !character.is_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// The different titles that `raw` contains as whole words, normalised. Longer titles are matched
/// first, and each word of the answer is used once.
fn named(raw: &str, candidates: &[&str]) -> Vec<String> {
    let mut titles: Vec<String> = candidates.iter().map(|title| normalise(title)).collect();
    titles.retain(|title| !title.is_empty());
    titles.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    titles.dedup();
    let mut rest = format!(" {} ", normalise(raw));
    let mut found = Vec::new();
    for title in titles {
        let spaced = format!(" {title} ");
        if rest.contains(&spaced) {
            rest = rest.replace(&spaced, " \n ");
            found.push(title);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANDIDATES: [&str; 5] = ["Cars 2", "Cars", "Heat", "Spider-Man", "No Title"];

    /// Raw text, target; extracted, exact, normalised, substring, position, named.
    type Row<'a> = (&'a str, &'a str, &'a str, [bool; 3], Option<u32>, u32);

    const ROWS: [Row; 15] = [
        // The authors' code removes the name of the field.
        (
            "\"item title\" : \"Heat\"",
            "Heat",
            "item title",
            [false, false, true],
            None,
            1,
        ),
        ("\"Heat\"", "Heat", "Heat", [true, true, true], Some(3), 1),
        (
            "  \"Heat\" and more",
            "Heat",
            "Heat",
            [true, true, true],
            Some(3),
            1,
        ),
        ("Heat", "Heat", "Heat", [true, true, true], Some(3), 1),
        (
            "\"heat.\"",
            "Heat",
            "heat.",
            [false, true, true],
            Some(3),
            1,
        ),
        (
            "\"Spider man\"",
            "Spider-Man",
            "Spider man",
            [false, true, false],
            Some(4),
            1,
        ),
        // Run-ons: the authors' rule counts them, but the answer is the first title.
        (
            "\"Cars\", but it could be \"Heat\"",
            "Heat",
            "Cars",
            [false, false, true],
            Some(2),
            2,
        ),
        // "Cars" in "Cars 2".
        (
            "\"Cars 2\"",
            "Cars",
            "Cars 2",
            [false, false, true],
            Some(1),
            1,
        ),
        // One quote: the authors' code extracts an empty text.
        ("\"Heat", "Heat", "Heat", [true, true, false], Some(3), 1),
        // The authors' code strips the text before it reads the first line.
        ("\n\"Heat\"", "Heat", "Heat", [true, true, true], Some(3), 1),
        // It reads only that line.
        (
            "It is\n\"Heat\"",
            "Heat",
            "It is",
            [false, false, false],
            None,
            1,
        ),
        ("\"Alien\"", "Heat", "Alien", [false, false, false], None, 0),
        ("", "Heat", "", [false, false, false], None, 0),
        ("\"\"", "Heat", "", [false, false, false], None, 0),
        // Every text contains an empty title, which is not a hit.
        ("\"Heat\"", "", "Heat", [false, false, false], Some(3), 1),
    ];

    #[test]
    fn an_answer_is_read_by_every_rule() {
        for (raw, target, extracted, hits, position, named) in ROWS {
            let audit = audit(raw, target, &CANDIDATES);
            assert_eq!(audit.extracted, extracted, "{raw:?}");
            assert_eq!(
                [audit.exact, audit.normalised, audit.substring],
                hits,
                "{raw:?} for {target:?}"
            );
            assert_eq!(
                (audit.position, audit.valid),
                (position, position.is_some()),
                "{raw:?}"
            );
            assert_eq!(audit.named, named, "{raw:?}");
        }
    }

    #[test]
    fn titles_of_nothing_but_signs_are_matched_by_their_letters() {
        let audit = audit("\"!!!\"", "!!!", &["???", "!!!"]);
        assert!(audit.exact && audit.normalised && audit.valid);
        assert_eq!(audit.position, Some(2));
    }

    #[test]
    fn an_exact_title_goes_before_one_that_is_only_alike() {
        assert_eq!(
            audit("\"heat\"", "heat", &["HEAT", "heat"]).position,
            Some(2)
        );
        assert_eq!(
            audit("\"Heat\"", "Heat", &["Heat", "Heat"]).position,
            Some(1)
        );
    }

    #[test]
    fn titles_are_named_as_whole_words_and_once() {
        assert_eq!(
            audit("Cars 2, Cars, cars; Heated", "", &CANDIDATES).named,
            2
        );
    }

    #[test]
    fn a_hit_is_first_and_everything_else_is_last() {
        let hit = audit("\"heat\"", "Heat", &CANDIDATES);
        assert_eq!(hit.rank(Accept::Exact, 20), 20.0);
        assert_eq!(hit.rank(Accept::Normalised, 20), 1.0);
        assert_eq!(hit.rank(Accept::Substring, 20), 1.0);
    }

    #[test]
    fn a_title_counts_alone_only_without_another_candidates_title() {
        let alone = |raw: &str| audit(raw, "Heat", &CANDIDATES).is_hit(Accept::Alone);
        assert!(alone("I would say heat."));
        assert!(!alone("Heat or Cars"));
        assert!(!alone("Cars 2"));
        assert!(!alone("Reheated"));
    }
}
