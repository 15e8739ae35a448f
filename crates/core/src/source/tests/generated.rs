//! The generator, and files made from its data.

use super::*;

fn synthetic() -> SyntheticSource {
    SyntheticSource {
        users: 500,
        items: 200,
        genres: 8,
        mean_length: 9.0,
        taste: 0.7,
        habit: 0.5,
        popularity_skew: 0.8,
        cold_items: 0.2,
        cold_users: 0.1,
        domain: 0,
        world_seed: 1,
    }
}

#[test]
fn generated_data_have_the_structure_that_is_asked_for() {
    let settings = synthetic();
    let raw = read(&Source::Synthetic(settings.clone()), Path::new("")).unwrap();
    assert_eq!(
        read(&Source::Synthetic(settings.clone()), Path::new("")).unwrap(),
        raw
    );
    let mean = raw.user.len() as f64 / 500.0;
    assert!((mean - 9.0).abs() < 1.5, "mean length {mean}");
    let mut rows = vec![Vec::new(); raw.users.len()];
    for (&user, &item) in raw.user.iter().zip(&raw.item) {
        rows[user as usize].push(item);
    }
    let three = rows.iter().filter(|row| row.len() == 3).count();
    assert!(three >= 40, "{three} users of three items");
    for row in rows {
        let items: std::collections::HashSet<u32> = row.iter().copied().collect();
        assert_eq!(items.len(), row.len(), "an item is not repeated");
    }
    // Genre words identify the genre: items of one category share words in their titles.
    let second = SyntheticSource {
        domain: 1,
        ..settings
    };
    let other = read(&Source::Synthetic(second), Path::new("")).unwrap();
    let genres = |texts: &[crate::source::raw::Text]| -> std::collections::BTreeSet<String> {
        texts
            .iter()
            .flat_map(|text| text.categories.clone())
            .collect()
    };
    let first = read(&Source::Synthetic(synthetic()), Path::new("")).unwrap();
    assert_eq!(
        genres(&first.texts),
        genres(&other.texts),
        "domains share genres"
    );
    assert_ne!(first.item, other.item);
}

#[test]
fn made_files_are_read_back_as_the_data_they_were_made_from() {
    let dir = tempfile::tempdir().unwrap();
    let n = make::write(&synthetic(), dir.path()).unwrap();
    let raw = read(
        &amazon(make::FILES[0], make::FILES[1], AmazonText::Full),
        dir.path(),
    )
    .unwrap();
    let origin = read(&Source::Synthetic(synthetic()), dir.path()).unwrap();
    assert_eq!(
        (raw.user.len() as u64, raw.users.len()),
        (n, origin.users.len())
    );
    let title = |raw: &RawData, id: &str| {
        let at = raw.items.iter().position(|item| item == id).unwrap();
        raw.texts[at].clone()
    };
    assert_eq!(title(&raw, "d0i7"), title(&origin, "d0i7"));
}
