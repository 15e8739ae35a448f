//! Titles as they appear in prompts.

use std::collections::HashSet;

use crate::data::Item;

/// The title of an item that has none, as in the A-LLMRec code.
pub const NO_TITLE: &str = "No Title";

/// The titles of V items, cleaned by rules that are counted. A title is never read as a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Titles {
    titles: Vec<String>,
    /// Number of items without a title, or with an empty one, which get [`NO_TITLE`].
    pub missing: usize,
    /// Number of titles whose double quotes became single ones, since double quotes enclose a
    /// title.
    pub quoted: usize,
    /// Number of titles in which line breaks, control characters or surplus blanks became one
    /// blank, or none at an end.
    pub folded: usize,
    /// Number of items that share their title with another item, so that an answer cannot
    /// distinguish them.
    pub shared: usize,
    /// Number of titles that [`Titles::cut`] shortened.
    pub cut: usize,
    /// Number of titles that [`Titles::fit`] shortened.
    pub fitted: usize,
}

impl Titles {
    /// The titles of items 1 to V (`items[i - 1]` is item i).
    ///
    /// Line breaks and repeated blanks become one blank, since an answer is read to the end of its
    /// line.
    pub fn new(items: &[Item]) -> Self {
        let mut titles = Self {
            titles: Vec::with_capacity(items.len()),
            missing: 0,
            quoted: 0,
            folded: 0,
            shared: 0,
            cut: 0,
            fitted: 0,
        };
        for item in items {
            let raw = item.title.as_deref().unwrap_or_default();
            titles.quoted += usize::from(raw.contains(is_double_quote));
            let single = single_quotes(raw);
            let clean = fold(&single);
            titles.folded += usize::from(!clean.is_empty() && clean != single);
            titles.missing += usize::from(clean.is_empty());
            titles.titles.push(if clean.is_empty() {
                NO_TITLE.to_owned()
            } else {
                clean
            });
        }
        titles.count_shared();
        titles
    }

    /// The title of item `item` (1 to V). Padding (0) has [`NO_TITLE`], as in the A-LLMRec code.
    pub fn of(&self, item: u32) -> &str {
        match item {
            0 => NO_TITLE,
            item => &self.titles[item as usize - 1],
        }
    }

    /// Number of items V.
    pub fn len(&self) -> usize {
        self.titles.len()
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.titles.is_empty()
    }

    /// All titles, item 1 first.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.titles.iter().map(String::as_str)
    }

    /// Replaces each title for which `shorten` has a shorter one, and counts it. This applies a
    /// limit that the settings have. The caller knows the tokenizer.
    pub fn cut(&mut self, shorten: impl FnMut(&str) -> Option<String>) {
        self.cut += self.shortened(shorten);
    }

    /// As [`Titles::cut`], for a limit that comes from the language model's positions.
    pub fn fit(&mut self, shorten: impl FnMut(&str) -> Option<String>) {
        self.fitted += self.shortened(shorten);
    }

    /// How many titles became shorter.
    fn shortened(&mut self, mut shorten: impl FnMut(&str) -> Option<String>) -> usize {
        let mut count = 0;
        for title in &mut self.titles {
            if let Some(shorter) = shorten(title) {
                let clean = fold(&single_quotes(&shorter));
                *title = if clean.is_empty() {
                    NO_TITLE.to_owned()
                } else {
                    clean
                };
                count += 1;
            }
        }
        self.count_shared();
        count
    }

    /// The rules that changed titles or made them ambiguous, each with its count. Rules without
    /// effect are left out.
    pub fn counted(&self) -> Vec<(&'static str, usize)> {
        let all = [
            ("items without a title, called `No Title`", self.missing),
            ("titles whose double quotes became single ones", self.quoted),
            (
                "titles whose line breaks, control characters or surplus blanks became one blank",
                self.folded,
            ),
            ("items that share their title with another", self.shared),
            ("titles cut to the bound of tokens", self.cut),
            (
                "titles cut to fit the language model's positions",
                self.fitted,
            ),
        ];
        all.into_iter().filter(|&(_, count)| count > 0).collect()
    }

    fn count_shared(&mut self) {
        let mut once = HashSet::new();
        let mut twice = HashSet::new();
        for title in &self.titles {
            if !once.insert(title.as_str()) {
                twice.insert(title.as_str());
            }
        }
        let shared = self
            .titles
            .iter()
            .filter(|title| twice.contains(title.as_str()));
        self.shared = shared.count();
    }
}

fn is_double_quote(character: char) -> bool {
    matches!(character, '"' | '\u{201c}' | '\u{201d}' | '\u{201e}')
}

fn single_quotes(raw: &str) -> String {
    raw.replace(is_double_quote, "'")
}

/// Replaces all characters between two words by one blank, and removes those at the ends. NUL and
/// similar characters would end or break a line of text.
fn fold(text: &str) -> String {
    let words = text.split(|character: char| character.is_whitespace() || character.is_control());
    let words = words.filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn titles(raw: &[Option<&str>]) -> Titles {
        let item = |title: &Option<&str>| Item {
            title: title.map(str::to_owned),
            ..Item::default()
        };
        Titles::new(&raw.iter().map(item).collect::<Vec<_>>())
    }

    #[test]
    fn titles_are_cleaned_by_counted_rules() {
        let cases: [(&str, &str); 6] = [
            ("Heat", "Heat"),
            ("The \"Burbs\"", "The 'Burbs'"),
            ("\u{201c}Up\u{201d}", "'Up'"),
            ("  two\n lines\t", "two lines"),
            ("[HistoryEmb] {user}", "[HistoryEmb] {user}"),
            ("nul\0byte", "nul byte"),
        ];
        for (raw, wanted) in cases {
            assert_eq!(titles(&[Some(raw)]).of(1), wanted);
        }
        let all = titles(&[Some("a"), None, Some(" \n"), Some("\"a\""), Some("a")]);
        assert_eq!(
            all.iter().collect::<Vec<_>>(),
            ["a", NO_TITLE, NO_TITLE, "'a'", "a"]
        );
        assert_eq!((all.missing, all.quoted, all.shared, all.cut), (2, 1, 4, 0));
    }

    #[test]
    fn line_breaks_control_characters_and_surplus_blanks_are_counted_under_their_own_rule() {
        let changed = ["two\nlines", "nul\0byte", "a  run", "end "].map(Some);
        let all = titles(&[&changed[..], &[Some("a \"b\""), Some(" \n"), None]].concat());
        assert_eq!((all.folded, all.quoted, all.missing), (4, 1, 2));
        let counted = all.counted();
        let folded = counted
            .iter()
            .find(|(rule, _)| rule.contains("line breaks"));
        assert_eq!(folded.map(|&(_, count)| count), Some(4), "{counted:?}");
    }

    #[test]
    fn a_cut_title_is_counted_and_may_become_a_shared_one() {
        let mut all = titles(&[Some("a b c"), Some("a b d"), Some("e")]);
        all.cut(|title| (title.len() > 3).then(|| title[..3].to_owned()));
        assert_eq!(all.iter().collect::<Vec<_>>(), ["a b", "a b", "e"]);
        assert_eq!((all.cut, all.shared), (2, 2));
        assert_eq!(all.counted().len(), 2);
    }
}
