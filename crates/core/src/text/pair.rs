//! Texts of histories for CTRL.

use super::item::title_of;
use crate::config::llm::Words;
use crate::data::Item;
use crate::models::ctrl::PairText;

/// What texts of histories are made of.
#[derive(Clone, Copy, Debug)]
pub struct PairTexts<'a> {
    /// What a text says.
    pub form: PairText,
    /// The words of the data set.
    pub words: &'a Words,
    /// Whether titles are followed by descriptions.
    pub descriptions: bool,
}

impl PairTexts<'_> {
    /// The text of a history, oldest item first, and the next item.
    pub fn text(&self, history: &[&Item], next: &Item) -> String {
        let Words { past, noun, .. } = self.words;
        let listed = |separator: &str| {
            let items: Vec<String> = history.iter().map(|item| self.named(item)).collect();
            items.join(separator)
        };
        let history = listed("|");
        match self.form {
            PairText::HistoryAndTarget => {
                let next = self.named(next);
                format!(
                    "This is a user, who has recently {past} {history}. This is a {noun}, title is {next}"
                )
            }
            PairText::HistoryTwice => {
                let again = listed(",");
                format!(
                    "This is a a user, who has recently {past}  {history}. This is a {noun}, title is {again}"
                )
            }
        }
    }

    /// The published code has `Title:` before every title.
    fn named(&self, item: &Item) -> String {
        let title = title_of(item);
        let label = match self.form {
            PairText::HistoryAndTarget => "",
            PairText::HistoryTwice => "Title:",
        };
        let description = item.description.as_deref().unwrap_or_default().trim();
        match self.descriptions && !description.is_empty() {
            true => format!("{label}{title}, {description}"),
            false => format!("{label}{title}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(title: &str, description: &str) -> Item {
        Item {
            title: Some(title.to_owned()).filter(|title| !title.is_empty()),
            description: Some(description.to_owned()),
            ..Item::default()
        }
    }

    #[test]
    fn texts_name_history_and_target_or_the_history_twice() {
        let words = Words {
            past: "watched".to_owned(),
            verb: "watch".to_owned(),
            noun: "movie".to_owned(),
        };
        let (heat, none, next) = (item("Heat", "Cops."), item("", ""), item("Ran", "War."));
        let text = |form, descriptions| {
            let texts = PairTexts {
                form,
                words: &words,
                descriptions,
            };
            texts.text(&[&heat, &none], &next)
        };
        assert_eq!(
            text(PairText::HistoryAndTarget, false),
            "This is a user, who has recently watched Heat|No Title. This is a movie, title is Ran"
        );
        assert_eq!(
            text(PairText::HistoryTwice, true),
            "This is a a user, who has recently watched  Title:Heat, Cops.|Title:No Title. This is a movie, title is Title:Heat, Cops.,Title:No Title"
        );
    }
}
