//! The prompt of E4SRec, in which each item of the history is a vector, without its title.
//!
//! Wording of HestiaSky/E4SRec, with Alpaca's template. What is read is the position at its end.

use super::Piece;

/// The prompt of a user with this history, oldest item first.
pub fn of_sequence(history: &[u32]) -> Vec<Piece> {
    let before = "Below is an instruction that describes a task, paired with an input that provides further context. Write a \
                  response that appropriately completes the request.\n\n### Instruction:\nGiven the user's purchase history, \
                  predict next possible item to be purchased.\n\n### Input:\n";
    let items = history.iter().map(|&item| Piece::HistoryItem(item));
    std::iter::once(Piece::Text(before.to_owned()))
        .chain(items)
        .chain([Piece::Text("\n### Response:\n".to_owned())])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_vectors_between_the_instruction_and_the_response() {
        let pieces = of_sequence(&[4, 2]);
        let [
            Piece::Text(before),
            Piece::HistoryItem(4),
            Piece::HistoryItem(2),
            Piece::Text(after),
        ] = &pieces[..]
        else {
            panic!("{pieces:?}");
        };
        assert!(before.ends_with("item to be purchased.\n\n### Input:\n"));
        assert_eq!(after, "\n### Response:\n");
        // A user without a history has the same text.
        assert_eq!(of_sequence(&[]).len(), 2);
    }
}
