//! Makes hidden characters visible: control characters, which a terminal executes, and characters
//! that change the direction of writing.

use std::borrow::Cow;

/// The text with hidden characters written as `[U+202E]`. Line ends and tabs stay.
pub fn lines(text: &str) -> Cow<'_, str> {
    let must_be_shown = |letter: char| is_hidden(letter) && !matches!(letter, '\n' | '\t');
    if !text.contains(must_be_shown) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match must_be_shown(letter) {
            // Part of a Windows line end.
            true if letter == '\r' => {}
            true => shown.push_str(&format!("[U+{:04X}]", u32::from(letter))),
            false => shown.push(letter),
        }
    }
    Cow::Owned(shown)
}

/// The text in one line, with single blanks.
pub fn one_line(text: &str) -> String {
    let spaced = text.split_whitespace().collect::<Vec<_>>().join(" ");
    lines(&spaced).into_owned()
}

/// Alternatives in an English sentence: `a, b or c`.
pub fn either(words: &[String]) -> String {
    match words {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        words => words.concat(),
    }
}

/// Whether a character is a control character, one of Unicode's `Bidi_Control`, or a deprecated one
/// of this kind.
fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{206F}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_a_terminal_obeys_or_that_turn_the_text_are_shown() {
        assert_eq!(lines("a\u{1b}[2Jb"), "a[U+001B][2Jb");
        assert_eq!(
            one_line("evil\u{202e}txt\r\n \t\u{7}x"),
            "evil[U+202E]txt [U+0007]x"
        );
        assert_eq!(
            lines("\u{2066}x\u{2069}\u{200f}"),
            "[U+2066]x[U+2069][U+200F]"
        );
    }

    #[test]
    fn other_texts_stay_as_they_are() {
        let text = "Amélie, עברית, 日本語, 👩\u{200d}👩,\n\tnext";
        assert!(matches!(lines(text), Cow::Borrowed(same) if same == text));
        assert_eq!(lines("one\r\ntwo"), "one\ntwo");
    }
}
