//! A file of candidates becomes lists, or the error names its line.

use super::*;
use crate::config::protocol::{Candidates, Seen, Ties};
use crate::data::candidates::make;
use crate::data::{DrawCandidates, Item, SliceUsers};

/// Users `ann`, `bob` and `cat` with test targets i3, i5 and i1. `dan` has one item and is not
/// measured. Items i1 to i9.
fn data() -> Prepared {
    Prepared {
        users: ["ann", "bob", "cat", "dan"].map(str::to_owned).to_vec(),
        items: (1..=9)
            .map(|item| Item {
                id: format!("i{item}"),
                ..Item::default()
            })
            .collect(),
        offsets: vec![0, 3, 6, 9, 10],
        sequence: vec![1, 2, 3, 3, 4, 5, 2, 3, 1, 9],
        train_end: vec![1; 4],
        valid_end: vec![2, 2, 2, 1],
        trained: vec![true; 4],
        aligned: vec![true; 4],
        measured: vec![true, true, true, false],
        in_training: vec![true; 9],
        in_candidates: vec![true; 9],
        row: (1..=9).collect(),
        facts: crate::data::Facts::default(),
    }
}

struct Desk {
    folder: tempfile::TempDir,
    settings: DrawCandidates,
    source: CandidatesFile,
}

impl Desk {
    fn new(form: NegativesForm, text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("negatives.txt"), text).unwrap();
        let source = CandidatesFile {
            path: "negatives.txt".to_owned(),
            form,
            valid: String::new(),
            users: ListedUsers::All,
        };
        let settings = DrawCandidates {
            candidates: Candidates::Full {
                seen: Seen::Exclude,
            },
            rules: Rules::Strict,
            ties: Ties::TargetFirst,
            class: None,
            max_users: 0,
            slices: SliceUsers::default(),
            seed: 0,
        };
        Self {
            folder,
            settings,
            source,
        }
    }

    fn make(&self, part: Part) -> (Result<CandidateLists, DataError>, Vec<(String, u64)>) {
        let mut counted = Vec::new();
        let mut observe = |event| match event {
            Event::Counted(Counted { what, count }) if count > 0 => counted.push((what, count)),
            _ => {}
        };
        let settings = DrawCandidates {
            candidates: Candidates::File(self.source.clone()),
            ..self.settings.clone()
        };
        let made = make(&data(), &settings, part, self.folder.path(), &mut observe);
        (made, counted)
    }

    fn lists(&self) -> CandidateLists {
        self.make(Part::Test).0.unwrap()
    }

    /// The message, without the folder, and the hint.
    fn refusal(&self) -> (String, String) {
        let error = self.make(Part::Test).0.unwrap_err();
        let folder = format!("{}/", self.folder.path().display());
        let hint = error.remedy().unwrap_or_default().to_owned();
        (error.to_string().replace(&folder, ""), hint)
    }
}

fn expected() -> CandidateLists {
    let (users, targets) = (vec![0, 1, 2], vec![3, 5, 1]);
    let negatives = vec![7, 8, 9, 1, 8, 9, 4, 5, 6];
    CandidateLists {
        ties: Ties::TargetFirst,
        ..CandidateLists::listed(Part::Test, users, targets, 3, negatives)
    }
}

#[test]
fn the_three_forms_of_the_field_give_the_same_lists_in_the_order_of_users() {
    use NegativesForm::{PairNegatives, UserItemNegatives, UserNegatives};
    let plain = "bob i1 i8 i9\nann i7 i8 i9\n\ncat i4 i5 i6\n";
    assert_eq!(Desk::new(UserNegatives, plain).lists(), expected());
    let tabs = "ann\ti3\ti7\ti8\ti9\r\ncat\ti1\ti4\ti5\ti6\r\nbob\ti5\ti1\ti8\ti9\r\n";
    assert_eq!(Desk::new(UserItemNegatives, tabs).lists(), expected());
    let pairs = "(ann,i3)\ti7\ti8\ti9\n(bob, i5)\ti1\ti8\ti9\n(cat,i1)\ti4\ti5\ti6";
    assert_eq!(Desk::new(PairNegatives, pairs).lists(), expected());
}

#[test]
fn validation_is_ranked_against_the_same_negatives_or_a_file_of_its_own() {
    let mut desk = Desk::new(
        NegativesForm::UserItemNegatives,
        "ann i3 i7 i8 i9\nbob i5 i1 i8 i9\ncat i1 i4 i5 i6\n",
    );
    let lists = desk.make(Part::Valid).0.unwrap();
    assert_eq!(lists.targets, [2, 4, 3]);
    assert_eq!(lists.negatives, expected().negatives);
    let valid = desk.folder.path().join("valid.txt");
    std::fs::write(&valid, "ann i2 i9\nbob i4 i8\ncat i3 i7\n").unwrap();
    desk.source.valid = "valid.txt".to_owned();
    let lists = desk.make(Part::Valid).0.unwrap();
    assert_eq!((lists.n, lists.negatives), (Some(1), vec![9, 8, 7]));
    std::fs::write(&valid, "ann i3 i9\n").unwrap();
    let error = desk.make(Part::Valid).0.unwrap_err().to_string();
    assert!(
        error.ends_with(
            "valid.txt:1: the line's validation target of user `ann` is `i3`, that of the data set's split is `i2`"
        ),
        "{error}"
    );
}

#[test]
fn a_file_that_breaks_a_rule_is_refused_with_its_line() {
    use NegativesForm::{PairNegatives, UserItemNegatives, UserNegatives};
    for (form, text, what, hint) in [
        (
            UserNegatives,
            "ann i7 i8\neve i7 i8\n",
            "negatives.txt:2: user `eve` is not in the data set",
            "ids are those of the data set's own files",
        ),
        (
            UserNegatives,
            "ann i7 8\n",
            "negatives.txt:1: item `8` is not in the data set",
            "cannot be ranked",
        ),
        (
            UserNegatives,
            "ann i7 i8\nbob i8 i9\n",
            "negatives.txt: 1 of 3 measured users have no line; the first is `cat`",
            "`users = \"listed\"`",
        ),
        (
            UserNegatives,
            "ann i7 i8\nbob i1\n",
            "negatives.txt:2: 1 negatives, where line 1 has 2",
            "equally long",
        ),
        (
            UserNegatives,
            "ann i7 i8\nann i8 i9\n",
            "negatives.txt:2: user `ann` has a line already: line 1",
            "remove one of the lines",
        ),
        (
            UserNegatives,
            "ann i7 i7\n",
            "negatives.txt:1: negative `i7` is there twice",
            "`rules = \"published\"`",
        ),
        (
            UserNegatives,
            "ann i7 i1\n",
            "negatives.txt:1: negative `i1` is in the sequence of user `ann`",
            "`rules = \"published\"`",
        ),
        (
            UserNegatives,
            "ann i7 i3\n",
            "negatives.txt:1: the target `i3` is among its own negatives",
            "`rules = \"published\"`",
        ),
        (
            UserNegatives,
            "ann i3 i7\n",
            "negatives.txt:1: the target `i3` is among its own negatives",
            "`form = \"user_item_negatives\"`",
        ),
        (
            UserItemNegatives,
            "ann i7 i8 i9\n",
            "negatives.txt:1: the line's target of user `ann` is `i7`, that of the data set's split is `i3`",
            "`form = \"user_negatives\"`",
        ),
        (
            UserItemNegatives,
            "ann i3\n",
            "negatives.txt:1: expected `user item neg1 ... negN`, found `ann i3`",
            "`pair_negatives`",
        ),
        (
            PairNegatives,
            "ann i3 i7\n",
            "negatives.txt:1: expected `(user,item) neg1 ... negN`, found `ann i3 i7`",
            "`user_negatives`",
        ),
    ] {
        let (error, advice) = Desk::new(form, text).refusal();
        assert_eq!(error, what);
        assert!(advice.contains(hint), "{advice}");
    }
}

#[test]
fn by_the_published_rules_a_file_is_taken_as_it_is_and_counted() {
    let mut desk = Desk::new(
        NegativesForm::UserNegatives,
        "ann i7 i7 i3\nbob i3 i8 i9\neve i1 i2 i3\ndan i1 i2 i3\ncat i4 i5 i6\n",
    );
    desk.settings.rules = Rules::Published;
    let (lists, counted) = desk.make(Part::Test);
    assert_eq!(lists.unwrap().negatives, [7, 7, 3, 3, 8, 9, 4, 5, 6]);
    let counted: Vec<(&str, u64)> = counted
        .iter()
        .map(|(what, n)| (what.as_str(), *n))
        .collect();
    assert_eq!(
        counted,
        [
            (
                "lines of candidates for users that the data set does not have",
                1
            ),
            ("lines of candidates for users that are not measured", 1),
            ("negatives of the file that repeat in a user's list", 1),
            (
                "negatives of the file that are in the user's own sequence",
                1
            ),
            ("users whose target is among the negatives of the file", 1),
        ]
    );
    // Validation with the same file does not count again.
    assert!(desk.make(Part::Valid).1.is_empty());
}

#[test]
fn the_published_rules_do_not_hide_a_wrong_form() {
    let mut desk = Desk::new(
        NegativesForm::UserNegatives,
        "ann i3 i7\nbob i5 i1\ncat i1 i4\n",
    );
    desk.settings.rules = Rules::Published;
    let (error, hint) = desk.refusal();
    assert_eq!(
        error,
        "negatives.txt: the second column of every line is the user's target"
    );
    assert_eq!(hint, "write `form = \"user_item_negatives\"`");
}

#[test]
fn listed_users_alone_are_measured_where_that_is_asked_for() {
    let mut desk = Desk::new(NegativesForm::UserNegatives, "cat i4 i5\nann i7 i8\n");
    desk.source.users = ListedUsers::Listed;
    let (lists, counted) = desk.make(Part::Test);
    let lists = lists.unwrap();
    assert_eq!((lists.users, lists.targets), (vec![0, 2], vec![3, 1]));
    assert_eq!(
        counted,
        [(
            "measured users without a line of candidates, left out".to_owned(),
            1
        )]
    );
}
