//! Prompts of LLM-SRec, which end where the language model's state becomes a vector.
//!
//! Wording of Sein-Kim/LLM-SRec, without the dates of the interactions: times of a prepared data
//! set are an order. [`Piece::User`] is the trained vector at the end, of users and of items.

use super::{Piece, Titles, answer_of};

/// The prompt of a user with this history, oldest item first.
pub fn of_user(history: &[u32], titles: &Titles) -> Vec<Piece> {
    let mut text = "This user has made a series of purchases in the following order: ".to_owned();
    let mut pieces = Vec::new();
    for (number, &item) in (1..).zip(history) {
        if number > 1 {
            text.push(',');
        }
        text.push_str(&format!("Item No.{number}, {}", answer_of(titles, item)));
        pieces.push(Piece::Text(std::mem::take(&mut text)));
        pieces.push(Piece::HistoryItem(item));
    }
    text.push_str(". Based on this sequence of purchases, generate user representation token:");
    pieces.extend([Piece::Text(text), Piece::User]);
    pieces
}

/// The prompt of an item.
pub fn of_item(item: u32, titles: &Titles) -> Vec<Piece> {
    vec![
        Piece::Text(format!(
            "The item title and item embedding are as follows: {}",
            answer_of(titles, item)
        )),
        Piece::HistoryItem(item),
        Piece::Text(", then generate item representation token:".to_owned()),
        Piece::User,
    ]
}

#[cfg(test)]
mod tests {
    use super::super::titles::tests::titles;
    use super::*;

    fn shown(pieces: &[Piece]) -> String {
        let show = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::User => "[Out]".to_owned(),
            Piece::HistoryItem(item) => format!("[{item}]"),
            Piece::CandidateItem(item) => format!("[C{item}]"),
        };
        pieces.iter().map(show).collect()
    }

    #[test]
    fn prompts_name_items_with_their_vectors_and_end_in_the_trained_one() {
        let titles = titles(&[Some("A"), Some("B")]);
        assert_eq!(
            shown(&of_user(&[2, 1], &titles)),
            "This user has made a series of purchases in the following order: Item No.1, \"B\"[2],Item No.2, \"A\"[1]. \
             Based on this sequence of purchases, generate user representation token:[Out]"
        );
        assert_eq!(
            shown(&of_item(2, &titles)),
            "The item title and item embedding are as follows: \"B\"[2], then generate item representation token:[Out]"
        );
    }

    #[test]
    fn a_user_without_a_history_has_a_prompt() {
        let pieces = of_user(&[], &titles(&[]));
        assert_eq!(pieces.len(), 2);
        assert_eq!(pieces[1], Piece::User);
    }
}
