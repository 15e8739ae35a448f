//! Trainings that are validated by samples, and killed within an epoch.

use super::*;
use crate::testing::unvalidated;

/// Trains with a checkpoint after every step, and a validation after every three samples.
fn validated(
    task: &Centre,
    train: &Train,
    folder: &Path,
    patience: u32,
    validate: &mut Validate,
) -> Result<Vec<Event>, TrainError> {
    let validation = Validation {
        every: 3,
        patience,
        ..unvalidated()
    };
    let plan = Plan {
        train,
        seed: 1,
        stage: 9,
        validation: Some(&validation),
        checkpoint: CheckpointPlan {
            within: Duration::ZERO,
            ..checkpoints(folder, 1)
        },
    };
    let mut events = Vec::new();
    super::train(&plan, task, validate, &mut |event| events.push(event))?;
    Ok(events)
}

/// Validations: the samples and the metric that decides; and the losses of epochs.
fn results(events: &[Event]) -> (Vec<(u64, f64)>, Vec<f64>) {
    let validations = events.iter().filter_map(|event| match event {
        Event::Validation(it) => Some((it.samples, it.metrics[&Metric::Mrr])),
        _ => None,
    });
    let losses = events.iter().filter_map(|event| match event {
        Event::Epoch(epoch) => Some(epoch.loss),
        _ => None,
    });
    (validations.collect(), losses.collect())
}

#[test]
fn a_run_killed_within_an_epoch_ends_with_the_same_numbers() {
    let three = settings(3, OutOfMemory::Fail);
    // Any function of the weights that does not rise.
    let quality = |task: &Centre| {
        let values = task.values();
        let mrr = f64::from(values[0] - 3.0 * values[1]).sin();
        Ok(BTreeMap::from([(Metric::Mrr, mrr)]))
    };
    let [whole, killed] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let task = Centre::new(9);
    let events = validated(&task, &three, whole.path(), 0, &mut |_| quality(&task)).unwrap();
    let (validations, losses) = results(&events);
    let samples: Vec<u64> = validations.iter().map(|it| it.0).collect();
    assert_eq!(samples, [0, 5, 7, 12, 19, 21]);
    // The second epoch's second step cannot be made.
    let mut broken = Centre::new(9);
    broken.others.fault = Some(Fault::Error);
    let error = validated(&broken, &three, killed.path(), 0, &mut |_| quality(&broken));
    assert!(matches!(error.unwrap_err(), TrainError::Example(_)));
    assert_eq!(resumed(killed.path()), (1, 1));
    let resumed = Centre::new(9);
    let mut calls = 0;
    let events = validated(&resumed, &three, killed.path(), 0, &mut |_| {
        calls += 1;
        quality(&resumed)
    });
    // Those at 0 to 12 samples are in the checkpoint.
    assert_eq!(calls, 2);
    assert_eq!(resumed.values(), task.values());
    let (again, same) = results(&events.unwrap());
    // JSON parsers may round the last digit of what is reported again.
    let is_near = |(one, other): (&f64, &f64)| (one - other).abs() < 1e-14;
    assert!(losses.iter().zip(&same).all(is_near) && same[1..] == losses[1..]);
    assert_eq!(again[4..], validations[4..]);
    let is_same = |(one, other): (&(u64, f64), &(u64, f64))| {
        one.0 == other.0 && (one.1 - other.1).abs() < 1e-14
    };
    assert!(again.len() == 6 && again.iter().zip(&validations).all(is_same));
}

#[test]
fn the_best_weights_are_kept_and_training_ends_when_they_are_no_longer_beaten() {
    let folder = tempfile::tempdir().unwrap();
    let task = Centre::new(9);
    let mut seen = Vec::new();
    let events = validated(
        &task,
        &settings(9, OutOfMemory::Fail),
        folder.path(),
        2,
        &mut |_| {
            let quality = [0.1, 0.5, 0.3, 0.5][seen.len()];
            seen.push(task.values());
            Ok(BTreeMap::from([(Metric::Mrr, quality)]))
        },
    );
    let events = events.unwrap();
    let (validations, losses) = results(&events);
    // An equal value is not an improvement.
    assert_eq!(validations, [(0, 0.1), (5, 0.5), (7, 0.3), (12, 0.5)]);
    assert_eq!(losses.len(), 2);
    assert_eq!(task.values(), seen[1]);
    let remarks = events.iter().filter_map(|event| match event {
        Event::Remark { text } => Some(text.as_str()),
        _ => None,
    });
    assert_eq!(
        remarks.collect::<Vec<_>>(),
        ["weights after 5 of 12 samples, the best in validation (mrr 0.5000)"]
    );
}
