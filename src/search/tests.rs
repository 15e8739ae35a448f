use super::*;
use crate::experiment::config::search::{Budget, Range, Values};

fn search(method: Method) -> Search {
    Search {
        of: "sasrec".into(),
        method,
        space: BTreeMap::new(),
        metric: "ndcg@10".parse().unwrap(),
        protocol: "strict".into(),
        scenario: "overall".into(),
        seeds: Vec::new(),
        draw_seed: 1,
        at_once: 4,
        budget: Budget {
            cells: 0,
            minutes: 0.0,
        },
        best: BTreeMap::new(),
    }
}

fn list(key: &str, values: &[f64]) -> Parameter {
    Parameter {
        key: key.into(),
        values: Values::List(values.iter().map(|&value| Value::from(value)).collect()),
        is_whole: false,
    }
}

fn range(key: &str, range: Range, is_whole: bool) -> Parameter {
    Parameter {
        key: key.into(),
        values: Values::Range(range),
        is_whole,
    }
}

const LR: Range = Range {
    from: 1e-4,
    to: 1e-1,
    log: true,
    step: None,
};

const UNITS: Range = Range {
    from: 8.0,
    to: 64.0,
    log: false,
    step: Some(8.0),
};

fn parameters() -> Vec<Parameter> {
    vec![
        range("lr", LR, false),
        range("units", UNITS, true),
        list("dropout", &[0.1, 0.5]),
    ]
}

/// Best at a rate of 0.01, 32 units and a dropout of 0.1.
fn quality(set: &Settings) -> f64 {
    let number = |key: &str| set[key].as_f64().unwrap();
    1.0 - (number("lr").log10() + 2.0).abs() / 4.0
        - (number("units") - 32.0).abs() / 100.0
        - number("dropout") / 10.0
}

/// Runs a search to its end, each trial taking a minute; returns all trials.
fn run(driver: &mut Driver, quality: impl Fn(&Proposed) -> Option<f64>) -> Vec<Tried> {
    loop {
        let proposed = driver.propose();
        if proposed.is_empty() {
            return driver.tried().to_vec();
        }
        for proposed in proposed {
            let value = quality(&proposed);
            driver.record(Tried { proposed, value }, 60.0);
        }
    }
}

fn value(proposed: &Proposed) -> Option<f64> {
    Some(quality(&proposed.set))
}

#[test]
fn a_grid_tries_every_combination_once() {
    let parameters = vec![list("a", &[1.0, 2.0]), range("units", UNITS, true)];
    let mut driver = Driver::new(&search(Method::Grid {}), parameters, 0, 1);
    let tried = run(&mut driver, |proposed| proposed.set["a"].as_f64());
    assert_eq!(tried.len(), 16);
    let texts: BTreeSet<String> = tried.iter().map(|it| text(&it.proposed.set)).collect();
    assert_eq!(texts.len(), 16);
    assert_eq!(text(&tried[1].proposed.set), r#"{"a":1.0,"units":16}"#);
    // The first of equal trials is the best.
    assert_eq!(driver.best().map(|it| it.proposed.number), Some(9));
}

#[test]
fn draws_stay_in_their_ranges_and_are_those_of_the_seed() {
    let draws = |draw_seed| {
        let search = Search {
            draw_seed,
            ..search(Method::Random { trials: 200 })
        };
        let mut driver = Driver::new(&search, parameters(), 0, 1);
        run(&mut driver, value)
    };
    let tried = draws(1);
    assert_eq!(tried.len(), 200);
    for it in &tried {
        let set = &it.proposed.set;
        let (lr, units) = (set["lr"].as_f64().unwrap(), set["units"].as_u64().unwrap());
        assert!((1e-4..=1e-1).contains(&lr), "{lr}");
        assert!((8..=64).contains(&units) && units % 8 == 0, "{units}");
    }
    let below = tried
        .iter()
        .filter(|it| it.proposed.set["lr"].as_f64() < Some(1e-3));
    let below = below.count();
    assert!((40..95).contains(&below), "a third of a log range: {below}");
    assert_eq!(tried, draws(1));
    assert_ne!(tried, draws(2));
}

#[test]
fn a_small_space_ends_a_search_early() {
    for method in [
        Method::Random { trials: 50 },
        Method::Tpe {
            trials: 50,
            startup: 2,
        },
    ] {
        let parameters = vec![list("a", &[1.0, 2.0, 3.0]), list("b", &[1.0])];
        let mut driver = Driver::new(&search(method), parameters, 0, 1);
        let tried = run(&mut driver, |proposed| proposed.set["a"].as_f64());
        assert_eq!(tried.len(), 3);
        assert_eq!(driver.best().unwrap().proposed.set["a"], 3.0);
    }
}

#[test]
fn parzen_estimators_find_better_settings_than_random_draws() {
    let mut wins = 0;
    for draw_seed in 1..=10 {
        let best = |method: Method| {
            let search = Search {
                draw_seed,
                at_once: 1,
                ..search(method)
            };
            let mut driver = Driver::new(&search, parameters(), 0, 1);
            run(&mut driver, value);
            driver.best().unwrap().value
        };
        let tpe = Method::Tpe {
            trials: 40,
            startup: 10,
        };
        wins += u32::from(best(tpe) >= best(Method::Random { trials: 40 }));
    }
    assert!(wins >= 7, "{wins} of 10");
}

#[test]
fn halving_trains_the_best_third_three_times_as_long() {
    let method = Method::Halving {
        trials: 9,
        resource: "epochs".into(),
        least: 2,
        factor: 3,
    };
    let mut driver = Driver::new(&search(method), parameters(), 20, 1);
    let tried = run(&mut driver, value);
    let levels: Vec<u64> = tried.iter().map(|it| it.proposed.level()).collect();
    assert_eq!(levels, [2, 2, 2, 2, 2, 2, 2, 2, 2, 6, 6, 6, 20]);
    let best = driver.best().unwrap();
    assert_eq!(best.proposed.number, 13);
    assert_eq!(best.proposed.whole_set()["epochs"], 20);
    let highest = tried.iter().filter_map(|it| it.value).fold(0.0, f64::max);
    assert_eq!(best.value, Some(highest));
}

#[test]
fn a_search_ends_at_its_budget() {
    let with = |budget: Budget| {
        let search = Search {
            budget,
            ..search(Method::Random { trials: 40 })
        };
        run(&mut Driver::new(&search, parameters(), 0, 3), value).len()
    };
    let (cells, minutes) = (20, 6.0);
    let no_limit = Budget {
        cells: 0,
        minutes: 0.0,
    };
    assert_eq!(with(no_limit), 40);
    // Three cells a trial.
    assert_eq!(with(Budget { cells, ..no_limit }), 6);
    // Four trials at once, a minute each.
    assert_eq!(
        with(Budget {
            minutes,
            ..no_limit
        }),
        8
    );
}

#[test]
fn failed_trials_are_passed_over() {
    for method in [
        Method::Grid {},
        Method::Tpe {
            trials: 6,
            startup: 2,
        },
        Method::Halving {
            trials: 4,
            resource: "epochs".into(),
            least: 1,
            factor: 2,
        },
    ] {
        let parameters = vec![list("a", &[1.0, 2.0, 3.0, 4.0])];
        let mut driver = Driver::new(&search(method), parameters, 4, 1);
        run(&mut driver, |proposed| {
            proposed.set["a"].as_f64().filter(|&a| a < 4.0)
        });
        assert_eq!(driver.best().unwrap().proposed.set["a"], 3.0);
    }
}

#[test]
fn a_replay_of_known_values_continues_a_search() {
    let method = || Method::Tpe {
        trials: 20,
        startup: 4,
    };
    let mut whole = Driver::new(&search(method()), parameters(), 0, 1);
    let tried = run(&mut whole, value);
    let mut replayed = Driver::new(&search(method()), parameters(), 0, 1);
    let mut known = tried.iter();
    loop {
        let proposed = replayed.propose();
        if proposed.is_empty() {
            break;
        }
        for proposed in proposed {
            let tried = known.next().unwrap().clone();
            assert_eq!(proposed, tried.proposed);
            replayed.record(tried, 60.0);
        }
    }
    assert_eq!(known.next(), None);
}
