//! The prompt of LlamaRec, in which each candidate has a letter.
//!
//! Wording of Yueeeeeeee/LlamaRec, with its short Alpaca template. The answer is a letter.

use super::{Piece, Titles};
use crate::config::llm::Prompt;
use crate::models::tune::LETTERS;

/// The prompt for one user: the last `prompt.history` items of `history`, oldest first, and all of
/// `candidates`, in the given order. Candidates beyond the last letter are left out.
pub fn render_letters(
    prompt: &Prompt,
    history: &[u32],
    candidates: &[u32],
    titles: &Titles,
) -> Vec<Piece> {
    let recent = &history[history.len().saturating_sub(prompt.history)..];
    let line = |(mark, &item): (String, &u32)| format!("({mark}) {}", titles.of(item));
    let numbers = (1..).map(|number: usize| number.to_string());
    let letters = LETTERS.chars().map(String::from);
    let history: Vec<String> = numbers.zip(recent).map(line).collect();
    let candidates: Vec<String> = letters.zip(candidates).map(line).collect();
    vec![Piece::Text(format!(
        "### Instruction:\nGiven user history in chronological order, recommend an item from the candidate pool with its \
         index letter.\n\n### Input:\nUser history: {}; \n Candidate pool: {}\n\n### Response:\n",
        history.join(" \n "),
        candidates.join(" \n "),
    ))]
}

#[cfg(test)]
mod tests {
    use super::super::prompt::tests::prompt;
    use super::super::titles::tests::titles;
    use super::*;
    use crate::config::llm::Wording;

    #[test]
    fn history_has_numbers_and_candidates_have_letters() {
        let titles = titles(&[Some("A"), Some("B"), Some("C")]);
        let prompt = prompt(Wording::Paper, "");
        let [Piece::Text(text)] = &render_letters(&prompt, &[1, 2, 3], &[1, 3], &titles)[..] else {
            panic!("one text");
        };
        assert_eq!(
            text,
            "### Instruction:\nGiven user history in chronological order, recommend an item from the candidate pool \
             with its index letter.\n\n### Input:\nUser history: (1) B \n (2) C; \n Candidate pool: (A) A \n (B) C\n\n\
             ### Response:\n"
        );
    }
}
