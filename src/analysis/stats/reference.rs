//! Comparison with SciPy and statsmodels, whose numbers `scripts/make-statistics-fixture.py`
//! writes.

use serde::Deserialize;

use super::{effect, holm, power, randomisation, wilcoxon};

#[derive(Deserialize)]
struct Fixture {
    paired: Vec<Paired>,
    signs: Vec<Signs>,
    holm: Adjusted,
    power: Vec<Power>,
}

#[derive(Deserialize)]
struct Paired {
    name: String,
    differences: Vec<f64>,
    wilcoxon_p: f64,
    statistic: f64,
    randomisation_p: Option<f64>,
    dz: f64,
}

#[derive(Deserialize)]
struct Signs {
    plus: usize,
    minus: usize,
    p: f64,
}

#[derive(Deserialize)]
struct Adjusted {
    p: Vec<f64>,
    adjusted: Vec<f64>,
}

#[derive(Deserialize)]
struct Power {
    effect: f64,
    n: u64,
    power: f64,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("../../../tests/fixtures/statistics.json")).unwrap()
}

fn near(found: f64, expected: f64, what: &str) {
    assert!(
        (found - expected).abs() < 1e-9 * expected.abs().max(1e-3),
        "{what}: {found}, expected {expected}"
    );
}

#[test]
fn paired_tests_and_effects_are_scipys() {
    for case in fixture().paired {
        let test = wilcoxon::test(&case.differences);
        near(test.p, case.wilcoxon_p, &case.name);
        near(test.plus.min(test.minus), case.statistic, &case.name);
        near(
            effect::cohen_dz(&case.differences).unwrap(),
            case.dz,
            &case.name,
        );
        if let Some(expected) = case.randomisation_p {
            near(
                randomisation::test(&case.differences, 0, 1),
                expected,
                &case.name,
            );
        }
    }
}

#[test]
fn p_values_too_small_for_flips_are_those_of_scipys_binomial_test() {
    for Signs { plus, minus, p } in fixture().signs {
        let differences = [vec![1.0; plus], vec![-1.0; minus]].concat();
        let ratio = randomisation::test(&differences, 10_000, 1) / p;
        assert!(
            p < 0.005 && (0.98..1.02).contains(&ratio),
            "{plus} and {minus}: {ratio} times {p:e}"
        );
    }
}

#[test]
fn holms_adjustment_is_that_of_statsmodels() {
    let Adjusted { p, adjusted } = fixture().holm;
    assert_eq!(p.len(), adjusted.len());
    for (found, expected) in holm::adjust(&p).into_iter().zip(adjusted) {
        near(found, expected, "holm");
    }
}

#[test]
fn power_is_that_of_statsmodels() {
    for case in fixture().power {
        let found = power::power(case.effect, case.n);
        assert!(
            (found - case.power).abs() < 1e-6,
            "{found}, expected {}",
            case.power
        );
    }
}
