use super::*;
use crate::data::{Item, Part};

/// Users `u0` to `u2` with items `a` to `e`. Each has training, validation and test items.
fn prepared() -> Prepared {
    let item = |id: &str| Item {
        id: id.to_owned(),
        ..Item::default()
    };
    Prepared {
        users: ["u0", "u1", "=u2"].map(str::to_owned).to_vec(),
        items: ["a", "b", "c", "d", "e"].map(item).to_vec(),
        offsets: vec![0, 3, 6, 9],
        sequence: vec![1, 2, 3, 2, 3, 1, 3, 1, 2],
        train_end: vec![1; 3],
        valid_end: vec![2; 3],
        trained: vec![true; 3],
        aligned: vec![true; 3],
        measured: vec![true; 3],
        in_training: vec![true; 5],
        in_candidates: vec![true; 5],
        row: vec![1, 2, 3, 4, 5],
        facts: crate::data::Facts::default(),
    }
}

/// The first two users with two negatives each: target `c` with `d`, `e`; target `a` with `d`, `e`.
fn lists() -> CandidateLists {
    CandidateLists::listed(Part::Test, vec![0, 1], vec![3, 1], 2, vec![4, 5, 4, 5])
}

fn settings(form: ScoresForm) -> Settings {
    Settings {
        form,
        missing: Missing::Refuse,
        unknown: Unknown::Refuse,
        keep_scores: true,
    }
}

fn of(text: &str, settings: Settings) -> Result<Measured, DataError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.csv");
    std::fs::write(&path, text).unwrap();
    measure(&path, settings, &prepared(), &lists())
}

fn counts(measured: &Measured) -> Vec<u64> {
    measured.counted.iter().map(|it| it.count).collect()
}

const WHOLE: &str = "user,item,score,note\nu0,c,0.5,x\nu0,d,0.5,\nu0,e,-1,\nu1,e,3,\nu1,d,2,\nu1,a,1e-3,\nu1,b,9,\n=u2,a,1,\n";

#[test]
fn ranks_follow_from_scores_and_what_nobody_needs_is_counted() {
    let measured = of(WHOLE, settings(ScoresForm::Scores)).unwrap();
    assert_eq!(measured.ranks.ranks, [1.5, 3.0]);
    // `b` is not a candidate of `u1`, and the third user is not measured.
    assert_eq!(counts(&measured), [0, 0, 0, 2]);
    let scores = measured.scores.unwrap();
    let first: Vec<(u32, f64)> = scores.row(0).map(|it| (it.item, it.score)).collect();
    assert_eq!(first, [(3, 0.5), (4, 0.5), (5, -1.0)]);
    let marked = WHOLE.replace("\n=u2", "\n'=u2");
    assert!(of(&marked, settings(ScoresForm::Scores)).is_ok());
}

#[test]
fn ranked_lists_rank_what_they_do_not_hold_last() {
    let ranks = "user,rank,item\nu0,2,c\nu0,1,d\nu1,1,d\n";
    let lists = "u0 d\tc\n\nu1 d\n";
    for (text, form) in [(ranks, ScoresForm::Ranks), (lists, ScoresForm::Lists)] {
        let measured = of(text, settings(form)).unwrap();
        // `a` and `e` tie after `d`.
        assert_eq!(measured.ranks.ranks, [2.0, 2.5], "{form:?}");
        assert_eq!(counts(&measured), [3, 0, 0, 0], "{form:?}");
    }
}

#[test]
fn missing_and_unknown_are_counted_where_the_settings_allow_them() {
    let text = "user,item,score\nu0,c,1\nu0,x,5\nnobody,a,5\n";
    let lenient = Settings {
        missing: Missing::Last,
        unknown: Unknown::Ignore,
        ..settings(ScoresForm::Scores)
    };
    let measured = of(text, lenient).unwrap();
    assert_eq!(measured.ranks.ranks, [1.0, 2.0]);
    assert_eq!(counts(&measured), [2, 1, 2, 0]);
}

const LAST: &str = "`missing = \"last\"` ranks those without a score last";
const IGNORE: &str = "`unknown = \"ignore\"` leaves such entries out";
const SCORES: ScoresForm = ScoresForm::Scores;

/// Form, contents, message, remedy.
const REFUSED: &[(ScoresForm, &str, &str, &str)] = &[
    (
        SCORES,
        "user,item,score\nu0,c,1\nu0,d,2\n",
        "s.csv: user `u0` has no score of the candidate `e`",
        LAST,
    ),
    (
        SCORES,
        "user,item,score\nu0,c,1\n",
        "s.csv: user `u0` has no score of the candidate `d` and of 1 more",
        LAST,
    ),
    (
        SCORES,
        "user,item,score\nu1,a,1\n",
        "s.csv: user `u0` is measured and not in the file",
        LAST,
    ),
    (
        ScoresForm::Lists,
        "u0 c\n",
        "s.csv: user `u1` is measured and not in the file",
        LAST,
    ),
    (
        SCORES,
        "user,item,score\nu0,x,1\n",
        "s.csv:2: the data set has no item `x`",
        IGNORE,
    ),
    (
        SCORES,
        "user,item,score\nu9,a,1\n",
        "s.csv:2: the data set has no user `u9`",
        IGNORE,
    ),
    (
        SCORES,
        "user,item,score\nu0,c,nan\n",
        "s.csv:2: `nan` in column `score` is not a number",
        "correct the row",
    ),
    (
        SCORES,
        "user,item,score\nu0,c,inf\n",
        "s.csv:2: `inf` in column `score` is not a number",
        "correct the row",
    ),
    (
        SCORES,
        "user,item,score\nu0,c,1\nu0,d,1\nu0,c,2\n",
        "s.csv:4: item `c` is given for user `u0` a second time, first on line 2",
        "remove one of the two",
    ),
    (
        SCORES,
        "user,item,rating\nu0,c,1\n",
        "s.csv:1: no column `score`",
        "the columns are `user`, `item`, `rating`",
    ),
    (
        ScoresForm::Lists,
        "u0 c d\nu0 e\n",
        "s.csv:2: user `u0` has a second list, the first is on line 1",
        "one list for each user",
    ),
    (
        ScoresForm::Lists,
        "u0 c d c\n",
        "s.csv:1: item `c` is given for user `u0` a second time, first on line 1",
        "remove one",
    ),
    (
        ScoresForm::Lists,
        "u0,c,d\n",
        "s.csv:1: `u0,c,d` has no item after it",
        "a CSV file is `form = \"scores\"`",
    ),
    (
        ScoresForm::Lists,
        "u0\n",
        "s.csv:1: `u0` has no item after it",
        "expected `user item item ...`",
    ),
    (
        SCORES,
        "user,item,score\n",
        "s.csv: the file scores no item of this data set",
        "ids must be those of the source",
    ),
];

#[test]
fn a_file_that_does_not_fit_is_refused_with_line_value_and_remedy() {
    for &(form, text, expected, remedy) in REFUSED {
        let error = of(text, settings(form)).unwrap_err();
        let said = error.to_string();
        assert!(said.ends_with(expected), "{said}\n{expected}");
        let hint = error.remedy().unwrap_or_default();
        assert!(hint.contains(remedy), "{said}: {hint}");
    }
}
