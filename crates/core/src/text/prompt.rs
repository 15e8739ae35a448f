//! Prompts of a language model, as text with places for vectors.
//!
//! The two wordings are those of the A-LLMRec code (`a_llmrec_model.py` at e216bbc) and of the
//! paper's figure 3, with verbs and nouns as settings. The question of TALLRec is that of its
//! repository. A prompt is a list of [`Piece`]s, so that titles are text whatever they contain, and
//! are never parsed.

use super::Titles;
use crate::config::llm::{Prompt, TEMPLATE_PLACES, Wording};

/// Part of a prompt.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Piece {
    /// Text; two text parts never follow each other.
    Text(String),
    /// The vector of the user representation.
    User,
    /// The vector of an item (1 to V) of the history, after its title.
    HistoryItem(u32),
    /// The vector of a candidate (1 to V), after its title.
    CandidateItem(u32),
}

/// The vectors in a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vectors {
    /// Whether the prompt begins with the user representation. Without it, the sentence about it is
    /// left out.
    pub user: bool,
    /// Whether each title is followed by a vector. Without it, the marker is left out.
    pub item: bool,
}

/// The A-LLMRec code's wording. As there, a blank comes before the first sentence and none after
/// it.
const PUBLISHED_CODE: &str = "{user}This user has {past} {history} in the previous. Recommend one next {noun} for this \
    user to {verb} next from the following {noun} title set, {candidates}. The recommendation is ";

/// The same without the list of candidates.
const PUBLISHED_CODE_WITHOUT_LIST: &str = "{user}This user has {past} {history} in the previous. Recommend one next \
    {noun} for this user to {verb} next. The recommendation is ";

/// The wording of the paper's figure 3.
const PAPER: &str = "{user}This user has {past} {history} in the past. Recommend {article} {noun} for this user to {verb} \
    next from the following set of {noun} titles, {candidates}. The recommendation is ";

/// The same without the list of candidates.
const PAPER_WITHOUT_LIST: &str = "{user}This user has {past} {history} in the past. Recommend {article} {noun} for this \
    user to {verb} next. The recommendation is ";

/// The template of a prompt.
fn template(prompt: &Prompt) -> &str {
    match (prompt.template.as_str(), prompt.wording, prompt.list) {
        ("", Wording::PublishedCode, true) => PUBLISHED_CODE,
        ("", Wording::PublishedCode, false) => PUBLISHED_CODE_WITHOUT_LIST,
        ("", Wording::Paper, true) => PAPER,
        ("", Wording::Paper, false) => PAPER_WITHOUT_LIST,
        (own, Wording::PublishedCode | Wording::Paper, _) => own,
    }
}

/// The prompt for one user: the last `prompt.history` items of `history`, oldest first, and all of
/// `candidates`, in the given order. It ends right before the answer, which is [`answer_of`].
///
/// `{user}` is the user's vector and the sentence about it; `{article}` is `a` or `an`, to fit the
/// noun.
pub fn render(
    prompt: &Prompt,
    vectors: Vectors,
    history: &[u32],
    candidates: &[u32],
    titles: &Titles,
) -> Vec<Piece> {
    let recent = &history[history.len().saturating_sub(prompt.history)..];
    let mut pieces = Pieces::default();
    for part in parts(template(prompt)) {
        match part {
            Part::Text(text) => pieces.text(text),
            Part::Place("user") if vectors.user => {
                pieces.0.push(Piece::User);
                pieces.text(" is a user representation.");
                if !(prompt.template.is_empty() && prompt.wording == Wording::PublishedCode) {
                    pieces.text(" ");
                }
            }
            Part::Place("user") => {}
            Part::Place("history") => pieces.list(recent, titles, vectors.item, Piece::HistoryItem),
            Part::Place("candidates") => {
                pieces.list(candidates, titles, vectors.item, Piece::CandidateItem);
            }
            Part::Place(name) => pieces.text(word(prompt, name)),
        }
    }
    pieces.0
}

/// The prompt as one text, with places of vectors in brackets; `id` is the id of an item.
pub fn shown(pieces: &[Piece], id: &dyn Fn(u32) -> String) -> String {
    let part = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::User => "[user]".to_owned(),
        Piece::HistoryItem(item) | Piece::CandidateItem(item) => format!("[item {}]", id(*item)),
    };
    pieces.iter().map(part).collect()
}

/// The answer to train on for item `item`: its title in double quotes.
pub fn answer_of(titles: &Titles, item: u32) -> String {
    format!("\"{}\"", titles.of(item))
}

/// TALLRec's positive answer.
pub const YES: &str = "Yes.";
/// TALLRec's negative answer.
pub const NO: &str = "No.";

/// TALLRec's question: whether the user will like item `target`, given the last `prompt.history`
/// items of `history`.
///
/// The data have no dislikes, so the prompt lists only preferences. The answers are [`YES`] and
/// [`NO`].
pub fn render_yes_no(prompt: &Prompt, history: &[u32], target: u32, titles: &Titles) -> Vec<Piece> {
    let recent = &history[history.len().saturating_sub(prompt.history)..];
    let quoted: Vec<String> = recent.iter().map(|&item| answer_of(titles, item)).collect();
    let noun = &prompt.noun;
    vec![Piece::Text(format!(
        "Below is an instruction that describes a task, paired with an input that provides further context. Write a \
         response that appropriately completes the request.\n\n### Instruction:\nGiven the user's preference, identify \
         whether the user will like the target {noun} by answering \"{YES}\" or \"{NO}\".\n\n### Input:\nUser \
         Preference: {}\nWhether the user will like the target {noun} {}?\n\n### Response:\n",
        quoted.join(", "),
        answer_of(titles, target),
    ))]
}

/// Part of a template.
#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    Place(&'a str),
}

/// The parts of a template. A name in braces that is not in [`TEMPLATE_PLACES`] is text.
fn parts(template: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some((at, name)) = next_place(rest) {
        parts.push(Part::Text(&rest[..at]));
        parts.push(Part::Place(name));
        rest = &rest[at + name.len() + 2..];
    }
    parts.push(Part::Text(rest));
    parts
}

fn next_place(text: &str) -> Option<(usize, &'static str)> {
    let found = TEMPLATE_PLACES.iter().filter_map(|&name| {
        let at = text.find(&format!("{{{name}}}"))?;
        Some((at, name))
    });
    found.min()
}

fn word<'a>(prompt: &'a Prompt, place: &str) -> &'a str {
    match place {
        "past" => &prompt.past,
        "verb" => &prompt.verb,
        "noun" => &prompt.noun,
        _ if prompt.noun.starts_with(['a', 'e', 'i', 'o', 'u']) => "an",
        _ => "a",
    }
}

/// A prompt under construction; adjacent texts are joined.
#[derive(Default)]
struct Pieces(Vec<Piece>);

impl Pieces {
    fn text(&mut self, text: &str) {
        match self.0.last_mut() {
            _ if text.is_empty() => {}
            Some(Piece::Text(before)) => before.push_str(text),
            _ => self.0.push(Piece::Text(text.to_owned())),
        }
    }

    fn list(&mut self, items: &[u32], titles: &Titles, vector: bool, marker: fn(u32) -> Piece) {
        for (at, &item) in items.iter().enumerate() {
            self.text(if at == 0 { "\"" } else { ",\"" });
            self.text(titles.of(item));
            self.text("\"");
            if vector {
                self.0.push(marker(item));
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::titles::tests::titles;
    use super::*;
    use crate::config::llm::FinalBlank;

    pub(in crate::text) fn prompt(wording: Wording, template: &str) -> Prompt {
        Prompt {
            wording,
            template: template.to_owned(),
            list: true,
            chat: false,
            system: String::new(),
            final_blank: FinalBlank::Auto,
            past: "watched".to_owned(),
            verb: "watch".to_owned(),
            noun: "movie".to_owned(),
            words: std::collections::BTreeMap::new(),
            history: 2,
            candidates: 3,
            title_tokens: 0,
        }
    }

    /// A prompt as one line, with each vector as the code's marker and the item's number.
    fn shown(pieces: &[Piece]) -> String {
        let show = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::User => "[U]".to_owned(),
            Piece::HistoryItem(item) => format!("[H{item}]"),
            Piece::CandidateItem(item) => format!("[C{item}]"),
        };
        pieces.iter().map(show).collect()
    }

    const BOTH: Vectors = Vectors {
        user: true,
        item: true,
    };
    const NEITHER: Vectors = Vectors {
        user: false,
        item: false,
    };

    #[test]
    fn both_wordings_are_rendered_with_and_without_vectors() {
        let titles = titles(&[Some("A"), Some("B"), Some("{verb} [U]")]);
        let render = |wording, vectors| {
            shown(&render(
                &prompt(wording, ""),
                vectors,
                &[2, 1, 2],
                &[3, 1],
                &titles,
            ))
        };
        assert_eq!(
            render(Wording::PublishedCode, BOTH),
            "[U] is a user representation.This user has watched \"A\"[H1],\"B\"[H2] in the previous. Recommend one next \
             movie for this user to watch next from the following movie title set, \"{verb} [U]\"[C3],\"A\"[C1]. The \
             recommendation is "
        );
        assert_eq!(
            render(Wording::PublishedCode, NEITHER),
            "This user has watched \"A\",\"B\" in the previous. Recommend one next movie for this user to watch next from \
             the following movie title set, \"{verb} [U]\",\"A\". The recommendation is "
        );
        assert_eq!(
            render(
                Wording::Paper,
                Vectors {
                    user: true,
                    item: false
                }
            ),
            "[U] is a user representation. This user has watched \"A\",\"B\" in the past. Recommend a movie for this user \
             to watch next from the following set of movie titles, \"{verb} [U]\",\"A\". The recommendation is "
        );
    }

    #[test]
    fn a_prompt_without_the_list_has_the_history_alone() {
        let titles = titles(&[Some("A"), Some("B")]);
        let shown = |wording| {
            let prompt = Prompt {
                list: false,
                ..prompt(wording, "")
            };
            shown(&render(&prompt, BOTH, &[1], &[1, 2], &titles))
        };
        assert_eq!(
            shown(Wording::PublishedCode),
            "[U] is a user representation.This user has watched \"A\"[H1] in the previous. Recommend one next movie for \
             this user to watch next. The recommendation is "
        );
        assert_eq!(
            shown(Wording::Paper),
            "[U] is a user representation. This user has watched \"A\"[H1] in the past. Recommend a movie for this user \
             to watch next. The recommendation is "
        );
    }

    #[test]
    fn texts_that_touch_are_one_piece_and_no_piece_is_empty() {
        let titles = titles(&[Some("A"), Some("B")]);
        for vectors in [BOTH, NEITHER] {
            let pieces = render(&prompt(Wording::Paper, ""), vectors, &[], &[1, 2], &titles);
            let text = |piece: &Piece| matches!(piece, Piece::Text(_));
            assert!(
                !pieces.windows(2).any(|two| two.iter().all(text)),
                "{pieces:?}"
            );
            assert!(!pieces.contains(&Piece::Text(String::new())), "{pieces:?}");
        }
    }

    #[test]
    fn a_template_of_ones_own_knows_every_place_and_leaves_other_braces() {
        let titles = titles(&[Some("A")]);
        let own = prompt(
            Wording::Paper,
            "{user}{past}/{verb}/{noun}/{article} {x} {history}: {candidates}",
        );
        let text = shown(&render(&own, BOTH, &[1], &[1], &titles));
        assert_eq!(
            text,
            "[U] is a user representation. watched/watch/movie/a {x} \"A\"[H1]: \"A\"[C1]"
        );
    }

    #[test]
    fn tallrecs_question_tells_preferences_and_one_target() {
        let titles = titles(&[Some("A"), Some("B"), Some("C")]);
        let text = shown(&render_yes_no(
            &prompt(Wording::Paper, ""),
            &[1, 2, 3],
            1,
            &titles,
        ));
        assert!(text.contains("User Preference: \"B\", \"C\"\n"), "{text}");
        assert!(text.contains("like the target movie \"A\"?\n"), "{text}");
        assert!(text.ends_with("### Response:\n"), "{text}");
    }
}
