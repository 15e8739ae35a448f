//! Texts that choose nothing: lists that are copied, items and their kinds, item texts.

use allround_core::text::answer_of;
use rand_chacha::ChaCha8Rng;

use super::texts::{Answer, Text};
use super::vectors::Place;
use super::{Writer, said};

impl Writer<'_> {
    /// Several titles, and the same again; fewer of them where they are long.
    pub(super) fn copying(&self, random: &mut ChaCha8Rng, length: usize) -> Text {
        let items = self.items(random, length.min(6));
        let list: Vec<String> = items
            .iter()
            .map(|&item| answer_of(&self.titles, item))
            .collect();
        for count in (1..=list.len()).rev() {
            let list = list[..count].join(",");
            let prompt = format!("The titles are {list}. Once more: ");
            let whole = self.tokenizer.encode(&list).len() <= self.most_said();
            let text = self.spelled_out(&prompt, &list);
            if count == 1 || whole && self.fits(&text) {
                let fitted = text.fitted || count < items.len();
                return self.or_plain(random, Text { fitted, ..text });
            }
        }
        self.instead(random)
    }

    /// The text, or where the positions cannot hold it an item's own, which is cut.
    fn or_plain(&self, random: &mut ChaCha8Rng, text: Text) -> Text {
        if self.fits(&text) {
            text
        } else {
            self.instead(random)
        }
    }

    /// An item's own text in the place of one that does not fit.
    pub(super) fn instead(&self, random: &mut ChaCha8Rng) -> Text {
        Text {
            fitted: true,
            ..self.plain(random)
        }
    }

    /// Most tokens that a text says.
    fn most_said(&self) -> usize {
        self.settings.positions / 4
    }

    /// An item and its kind.
    pub(super) fn kind(&self, random: &mut ChaCha8Rng) -> Text {
        let item = self.items(random, 1)[0];
        let categories = &self.prepared.items[item as usize - 1].categories;
        let title = answer_of(&self.titles, item);
        match categories.first() {
            Some(kind) => {
                let text = self.spelled_out(&format!("{title} is of the kind "), kind);
                self.or_plain(random, text)
            }
            None => self.plain(random),
        }
    }

    /// An item's text.
    pub(super) fn plain(&self, random: &mut ChaCha8Rng) -> Text {
        let item = self.items(random, 1)[0];
        let text = said(&self.titles, item, &self.prepared.items[item as usize - 1]);
        self.spelled_out("", &text)
    }

    fn spelled_out(&self, prompt: &str, answer: &str) -> Text {
        let tokenizer = &self.tokenizer;
        let begin = std::iter::once(self.eos);
        let prompt = begin.chain(tokenizer.encode(prompt)).map(Place::Token);
        let mut answer = tokenizer.encode(answer);
        let fitted = answer.len() > self.most_said();
        answer.truncate(self.most_said());
        answer.push(self.eos);
        Text {
            prompt: prompt.collect(),
            answer: Answer::Said(answer),
            titled: Vec::new(),
            random: 0,
            fitted,
        }
    }
}
