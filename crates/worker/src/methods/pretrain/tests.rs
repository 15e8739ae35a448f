use super::*;
use crate::models::recformer::ItemTokens;

/// Three items of four tokens, of which the last two are one word.
fn pairs() -> Pairs {
    let mut items = ItemTokens::new();
    for item in 0..3 {
        items.add(&[9], 1);
        items.add(&[1 + 2 * item, 2 + 2 * item, 8], 2);
        items.end_item();
    }
    Pairs {
        reader: Reader {
            items,
            begin: 0,
            max_tokens: 40,
            max_items: 5,
        },
        sequences: vec![vec![1, 2, 3], vec![2, 3], vec![3, 1, 1, 2]],
        batch_size: 2,
        words: Words {
            continues: (0..10).map(|id| id == 8).collect(),
            mask: 10,
        },
        seed: 4,
    }
}

#[test]
fn an_epoch_has_a_pair_of_every_user_whose_target_is_in_the_second_half() {
    let pairs = pairs();
    let steps = |epoch| -> Vec<Vec<Pair>> {
        let steps = pairs.steps(epoch).unwrap();
        assert_eq!(steps.count, 2);
        steps.made.map(Result::unwrap).collect()
    };
    assert_eq!(steps(1), steps(1));
    assert_ne!(steps(1), steps(2));
    for epoch in 1..20 {
        for pair in steps(epoch).concat() {
            let items = pair.whole[0].items.last().copied().unwrap_or(0);
            assert!(items <= 3, "{pair:?}");
            assert_eq!(pair.whole[1].ids.len(), 5);
        }
    }
}

#[test]
fn whole_words_are_hidden_and_their_tokens_are_the_labels() {
    let pairs = pairs();
    let sequence = pairs.reader.read(&[1, 2, 3]);
    assert_eq!(sequence.ids[..5], [0, 9, 5, 6, 8]);
    assert_eq!(sequence.items[4..6], [1, 2]);
    for seed in 0..50 {
        let mut random = stream(seed, Stream::Masks, 0);
        let masked = pairs.words.hide(&sequence, &mut random);
        assert!(!masked.places.is_empty() && !masked.places.contains(&0));
        for (&place, &label) in masked.places.iter().zip(&masked.labels) {
            assert_eq!(sequence.ids[place as usize], label);
            // Token 8 continues the word before it.
            let partner = match label {
                8 => place - 1,
                2 | 4 | 6 => place + 1,
                _ => place,
            };
            assert!(masked.places.contains(&partner), "{masked:?}");
        }
        let hidden = masked.sequence.ids.iter().zip(&sequence.ids);
        let changed = hidden.filter(|(one, other)| one != other).count();
        assert!(changed <= masked.places.len());
    }
    let empty = pairs.reader.read(&[]);
    let masked = pairs.words.hide(&empty, &mut stream(1, Stream::Masks, 0));
    assert_eq!((masked.places.len(), masked.sequence), (0, empty));
}
