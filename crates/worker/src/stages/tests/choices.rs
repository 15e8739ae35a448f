//! What the paper leaves open, both ways.

use super::*;

/// The settings of `project` with these changes.
pub(super) fn projected(item: ItemEmbedding, change: impl Fn(&mut Project)) -> Settings {
    let Settings::Project(mut settings) = project(true, item) else {
        unreachable!("project gives its own settings")
    };
    change(&mut settings.project);
    Settings::Project(settings)
}

#[test]
fn projections_of_any_depth_are_read_back_as_they_were_trained() {
    let desk = aligned();
    let needs = ["prepared", "backbone", "align", "llm"];
    for (depth, tensors) in [(0, 4), (1, 12), (2, 20)] {
        let name = format!("deep-{depth}");
        let settings = projected(ItemEmbedding::Joint, |project| {
            project.hidden_layers = depth;
        });
        desk.run(&name, settings, &needs);
        assert_eq!(weights_of(&desk.folder(&name)).len(), tensors);
        let need = format!("project={name}");
        let prompted_lm = reading(true, ItemEmbedding::Joint);
        let answered = format!("{name}-ranks");
        desk.run(
            &answered,
            evaluate(prompted_lm, SCORE, None),
            &answer_needs(&need),
        );
        assert_eq!(desk.ranks(&answered).len(), 4);
    }
}

/// A choice; examples of stage 2 under it; what is counted in words.
type OneItemCase = (&'static str, OneItem, u64, &'static [(&'static str, u64)]);

const NO_ITEM: (&str, u64) = (
    "users with no training item, who give nothing to project on",
    0,
);

const ONE_ITEM: [OneItemCase; 3] = [
    (
        "skip",
        OneItem::Skip,
        9,
        &[(
            "users with fewer than two training items, who give nothing to project on",
            1,
        )],
    ),
    (
        "empty-history",
        OneItem::EmptyHistory,
        12,
        &[
            NO_ITEM,
            (
                "users with one training item, which is their target without a history",
                1,
            ),
        ],
    ),
    (
        "padding",
        OneItem::Padding,
        12,
        &[
            NO_ITEM,
            (
                "users with one training item, whose target is padding, as in the A-LLMRec code",
                1,
            ),
        ],
    ),
];

#[test]
fn a_user_with_one_item_is_skipped_or_kept_and_counted_in_words() {
    let desk = aligned();
    let counts = |events: &[Event]| -> Vec<(String, u64)> {
        let counted = events.iter().filter_map(|event| match event {
            Event::Counted(counted) if counted.what.starts_with("users with") => {
                Some((counted.what.clone(), counted.count))
            }
            _ => None,
        });
        counted.collect()
    };
    let needs = ["prepared", "backbone", "align", "llm"];
    for (name, one_item, examples, expected) in ONE_ITEM {
        let settings = projected(ItemEmbedding::Joint, |project| project.one_item = one_item);
        let events = desk.run(name, settings, &needs);
        let expected: Vec<_> = expected
            .iter()
            .map(|&(what, count)| (what.to_owned(), count))
            .collect();
        assert_eq!(counts(&events), expected);
        let trained = events.iter().find_map(|event| match event {
            Event::Phase(phase) if phase.phase == "train" => phase.examples,
            _ => None,
        });
        assert_eq!(trained, Some(examples), "{name}");
        let Settings::Align(mut settings) = align() else {
            unreachable!("align gives its own settings")
        };
        settings.align.one_item = one_item;
        let name = format!("align-{name}");
        let events = desk.run(
            &name,
            Settings::Align(settings),
            &["prepared", "backbone", "encoded"],
        );
        let counts: Vec<u64> = counts(&events)
            .into_iter()
            .map(|(_, count)| count)
            .collect();
        let expected: Vec<u64> = expected.into_iter().map(|(_, count)| count).collect();
        assert_eq!(counts, expected, "{name}");
    }
}
