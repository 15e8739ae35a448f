use std::cell::Cell;

use allround_core::models::train::Decay;
use tch::Kind;

use crate::testing::training;
use crate::train::checkpoint::checkpoints;
use crate::train::task::{Loss, Source};

use super::*;

mod validated;

/// Examples of [`Centre`].
#[derive(Default)]
struct Others {
    /// What the first example of the second epoch's second step is made to do, where it is not
    /// made.
    fault: Option<Fault>,
    /// Steps that the last epoch lacks.
    lacking: u64,
}

#[derive(Clone, Copy)]
enum Fault {
    Error,
    Panic,
}

impl Source for Others {
    type Example = [f32; 2];

    fn steps(&self, epoch: u32) -> Result<Steps<'_, [f32; 2]>, BoxError> {
        let example = move |n: u32| [(n + epoch) as f32, 1.0];
        let steps = [0..5u32, 5..7].map(|step| step.map(example).collect::<Vec<_>>());
        let made = steps.into_iter().enumerate().map(move |(place, step)| {
            match self.fault.filter(|_| (epoch, place) == (2, 1)) {
                Some(Fault::Error) => Err(BoxError::from("example 5 cannot be spelled")),
                Some(Fault::Panic) => panic!("example 5 breaks its maker"),
                None => Ok(step),
            }
        });
        Ok(Steps {
            count: 2,
            made: Box::new(made),
        })
    }

    fn in_all(&self, epochs: u32) -> Option<u64> {
        (self.lacking > 0).then(|| 2 * u64::from(epochs) - self.lacking)
    }
}

/// What `task` is given in an epoch, step by step.
pub(crate) fn drawn<T: Task>(task: &T, epoch: u32) -> Vec<Vec<T::Example>> {
    let steps = task.source().steps(epoch).unwrap();
    let made: Vec<Vec<T::Example>> = steps.made.map(Result::unwrap).collect();
    assert_eq!(made.len(), steps.count);
    made
}

/// Learns a vector from examples of other vectors: its loss is the mean squared distance.
struct Centre {
    others: Others,
    weight: Tensor,
    /// Most examples that fit the pretended memory.
    room: usize,
    /// Whether the second epoch's first loss is not a number.
    broken: bool,
    /// Whether the weight passes through dropout.
    has_dropout: bool,
    calls: Cell<usize>,
}

impl Centre {
    fn new(room: usize) -> Self {
        Self {
            others: Others::default(),
            weight: Tensor::zeros([2], (Kind::Float, Device::Cpu)).set_requires_grad(true),
            room,
            broken: false,
            has_dropout: true,
            calls: Cell::new(0),
        }
    }

    fn values(&self) -> Vec<f32> {
        Vec::try_from(&self.weight.detach()).unwrap()
    }
}

impl Task for Centre {
    type Example = [f32; 2];

    fn source(&self) -> &dyn Source<Example = [f32; 2]> {
        &self.others
    }

    fn weights(&self) -> Vec<(String, Tensor)> {
        vec![("centre".to_owned(), self.weight.shallow_clone())]
    }

    fn params(&self) -> u64 {
        2
    }

    fn weight(&self, _example: &[f32; 2]) -> u64 {
        1
    }

    /// The first number, as if it were a text's tokens.
    fn length(&self, example: &[f32; 2]) -> usize {
        example[0] as usize
    }

    fn loss(&self, examples: &[&[f32; 2]], _states: Option<&Tensor>) -> Loss {
        self.calls.set(self.calls.get() + 1);
        assert!(
            examples.len() <= self.room,
            "CUDA out of memory. Tried to allocate 2 GiB\\nand more"
        );
        let examples: Vec<[f32; 2]> = examples.iter().map(|example| **example).collect();
        let there = Tensor::from_slice(examples.as_flattened()).view([-1, 2]);
        // Dropout noise, so that resuming is only exact when the generator is where it was.
        let noise = self.weight.ones_like().dropout(0.5, self.has_dropout);
        let noisy = noise * &self.weight;
        let mean = (noisy - there).square().mean(Kind::Float);
        let broken = self.broken && self.calls.get() == 3;
        Loss {
            mean: if broken {
                &mean * f64::NAN
            } else {
                mean.shallow_clone()
            },
            parts: vec![("square", mean)],
            tokens: 3 * examples.len() as u64,
        }
    }
}

fn settings(epochs: u32, out_of_memory: OutOfMemory) -> Train {
    Train {
        lr: 0.1,
        clip_norm: 1.0,
        warmup: 3,
        decay: Decay::Cosine,
        out_of_memory,
        ..training(epochs, 5)
    }
}

fn trained(task: &Centre, train: &Train, folder: &Path) -> Result<(Phase, Vec<Event>), TrainError> {
    let plan = Plan {
        train,
        seed: 1,
        stage: 9,
        validation: None,
        checkpoint: checkpoints(folder, 1),
    };
    let mut events = Vec::new();
    let mut observe = |event| events.push(event);
    let mut phases = super::train(&plan, task, &mut no_validation, &mut observe)?;
    Ok((phases.remove(0), events))
}

/// The first step's loss, the gradients of all weights, and the parts that a budget of tokens cuts
/// it into.
fn first_step<T: Task>(task: &T, token_budget: usize) -> (f64, Vec<Tensor>, Vec<Vec<usize>>) {
    let fit = Train {
        token_budget,
        ..settings(1, OutOfMemory::Fail)
    };
    let plan = Plan {
        train: &fit,
        seed: 1,
        stage: 1,
        validation: None,
        checkpoint: checkpoints(Path::new("/nowhere"), 1),
    };
    let mut trainer = Trainer::begin(&plan, task).unwrap();
    let step = drawn(task, 1).remove(0);
    let parts = trainer.parts(&step);
    for part in parts.iter().filter(|_| token_budget > 0) {
        let longest = part.iter().map(|&place| task.length(&step[place])).max();
        let computed = longest.unwrap() * part.len();
        assert!(computed <= token_budget || part.len() == 1, "{parts:?}");
    }
    tch::manual_seed(3);
    let seen = gradients(task, &step, &parts);
    let weights = task.weights().into_iter();
    let gradients = weights.map(|(_, weight)| weight.grad().copy()).collect();
    trainer.optimizer.clear();
    (seen.mean.double_value(&[]), gradients, parts)
}

/// Asserts that a step which `token_budget` cuts has the loss and the gradients of the whole one.
pub(crate) fn assert_cut_like_whole<T: Task>(task: &T, token_budget: usize) {
    let (loss, gradients, parts) = first_step(task, 0);
    assert_eq!(parts.len(), 1);
    let (cut_loss, cut_gradients, parts) = first_step(task, token_budget);
    assert!(parts.len() > 1, "{token_budget} tokens do not cut the step");
    assert!((loss - cut_loss).abs() < 1e-5, "{loss} against {cut_loss}");
    for (one, other) in gradients.iter().zip(&cut_gradients) {
        let difference = (one - other).abs().max().double_value(&[]);
        assert!(difference < 1e-5, "{difference}");
    }
    let moved = gradients
        .iter()
        .any(|one| one.abs().max().double_value(&[]) > 1e-4);
    assert!(moved, "gradients of nothing would be alike too");
    // A budget that holds the whole step changes no bit of it.
    let (same_loss, same_gradients, _) = first_step(task, usize::MAX >> 16);
    assert_eq!((loss, gradients), (same_loss, same_gradients));
}

#[test]
fn a_resumed_run_ends_with_the_same_weights() {
    let [whole, halves] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let four = settings(4, OutOfMemory::Fail);
    let task = Centre::new(9);
    let (phase, events) = trained(&task, &four, whole.path()).unwrap();
    assert_eq!((phase.examples, phase.tokens), (Some(28), Some(84)));
    let epochs = events
        .iter()
        .filter(|event| matches!(event, Event::Epoch(_)));
    assert_eq!(epochs.count(), 4);
    // A run that is killed after its second epoch leaves the checkpoint of a run that has four
    // before it.
    trained(&Centre::new(9), &four, halves.path()).unwrap();
    let mut checkpoint = Checkpoint::load(halves.path()).unwrap();
    assert!(checkpoint.progress.ended);
    let killed = Centre::new(9);
    let plan = Plan {
        train: &four,
        seed: 1,
        stage: 9,
        validation: None,
        checkpoint: checkpoints(Path::new("/nowhere"), 1),
    };
    let mut trainer = Trainer::begin(&plan, &killed).unwrap();
    for _ in 0..2 {
        trainer.epoch(&mut no_validation, &mut |_| {}).unwrap();
    }
    checkpoint = Checkpoint {
        progress: trainer.progress.clone(),
        ..Checkpoint::default()
    };
    checkpoint.put("weights", killed.weights());
    checkpoint.put("optimizer", trainer.optimizer.state());
    checkpoint.save(halves.path()).unwrap();
    let resumed = Centre::new(9);
    trained(&resumed, &four, halves.path()).unwrap();
    assert_eq!(resumed.values(), task.values());
}

#[test]
fn steps_made_ahead_are_those_made_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let three = settings(3, OutOfMemory::Fail);
    let ahead = Centre::new(9);
    trained(&ahead, &three, folder.path()).unwrap();
    let by_hand = Centre::new(9);
    let plan = Plan {
        train: &three,
        seed: 1,
        stage: 9,
        validation: None,
        checkpoint: checkpoints(Path::new("/nowhere"), 1),
    };
    let mut trainer = Trainer::begin(&plan, &by_hand).unwrap();
    trainer.epoch_steps = 2;
    for epoch in 1..=3 {
        let steps = drawn(&by_hand, epoch);
        for (place, step) in steps.iter().enumerate() {
            let at = StepPlace {
                epoch,
                step: place + 1,
            };
            trainer.step(step, at, &mut |_| {}).unwrap();
        }
    }
    assert_eq!(by_hand.values(), ahead.values());
}

#[test]
fn a_step_that_cannot_be_made_fails_the_stage_at_its_turn() {
    let folder = tempfile::tempdir().unwrap();
    let mut task = Centre::new(9);
    task.others.fault = Some(Fault::Error);
    let error = trained(&task, &settings(3, OutOfMemory::Fail), folder.path()).unwrap_err();
    assert!(matches!(error, TrainError::Example(_)));
    assert_eq!(error.to_string(), "example 5 cannot be spelled");
    // Two steps of the first epoch, and one of the second.
    assert_eq!(task.calls.get(), 3);
    let checkpoint = Checkpoint::load(folder.path()).unwrap();
    assert_eq!(checkpoint.progress.epoch, 1);
}

#[test]
fn a_panic_where_steps_are_made_is_the_stages_own() {
    let folder = tempfile::tempdir().unwrap();
    let mut task = Centre::new(9);
    task.others.fault = Some(Fault::Panic);
    let run = std::panic::AssertUnwindSafe(|| {
        trained(&task, &settings(3, OutOfMemory::Fail), folder.path())
    });
    let told = std::panic::catch_unwind(run).unwrap_err();
    assert_eq!(
        told.downcast_ref::<&str>(),
        Some(&"example 5 breaks its maker")
    );
    assert_eq!(task.calls.get(), 3);
}

#[test]
fn a_budget_cuts_a_step_by_length_and_memory_cuts_it_further() {
    let folder = tempfile::tempdir().unwrap();
    let bounded = |token_budget, out_of_memory| Train {
        token_budget,
        ..settings(1, out_of_memory)
    };
    // Lengths are 1 to 5 and 6 to 7: [5] [4] [3, 2] [1], and each of the second step alone.
    let task = Centre::new(9);
    trained(&task, &bounded(6, OutOfMemory::Fail), folder.path()).unwrap();
    assert_eq!(task.calls.get(), 6);
    // [5, 4] does not fit; from there on every example is alone.
    let folder = tempfile::tempdir().unwrap();
    let error = trained(
        &Centre::new(1),
        &bounded(10, OutOfMemory::Fail),
        folder.path(),
    );
    let told = error.unwrap_err().to_string();
    assert!(told.contains("3 of the step's 5 examples"), "{told}");
    let task = Centre::new(1);
    let (phase, events) = trained(&task, &bounded(10, OutOfMemory::Halve), folder.path()).unwrap();
    assert_eq!(phase.tokens, Some(21));
    let notes = events.iter().filter_map(|event| match event {
        Event::Note { text } => Some(text.as_str()),
        _ => None,
    });
    let notes: Vec<&str> = notes.collect();
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes[1].contains("1 at once from here on"), "{notes:?}");
}

#[test]
fn memory_that_runs_out_fails_by_name_or_halves_the_step() {
    let folder = tempfile::tempdir().unwrap();
    let error = trained(
        &Centre::new(2),
        &settings(1, OutOfMemory::Fail),
        folder.path(),
    );
    let error = error.unwrap_err();
    assert_eq!(
        error.to_string(),
        "memory ran out at epoch 1, step 1, with 5 of the step's 5 examples computed together: \
         CUDA out of memory. Tried to allocate 2 GiB"
    );
    assert!(error.hint().unwrap().contains("halve"));
    let (_, events) = trained(
        &Centre::new(2),
        &settings(2, OutOfMemory::Halve),
        folder.path(),
    )
    .unwrap();
    let notes = events
        .iter()
        .filter(|event| matches!(event, Event::Note { .. }));
    assert_eq!(notes.count(), 2);
    let counted = events.iter().find_map(|event| match event {
        Event::Counted(counted) => Some(counted),
        _ => None,
    });
    let counted = counted.unwrap();
    assert_eq!(counted.count, 2);
    assert!(
        counted.what.contains("parts of 2 examples or fewer"),
        "{counted:?}"
    );
    // What the method's rows say.
    let remarks = events.iter().filter_map(|event| match event {
        Event::Remark { text } => Some(text.as_str()),
        _ => None,
    });
    let told = "memory ran out: steps of 2 examples or fewer, added up";
    assert_eq!(remarks.collect::<Vec<_>>(), [told]);
}

#[test]
fn parts_add_up_to_the_steps_gradient() {
    let gradient = |part: usize| {
        let mut task = Centre::new(9);
        task.has_dropout = false;
        let step = drawn(&task, 1).remove(0);
        let loss = gradients(&task, &step, &microbatch::parts(&[1; 5], part, 0));
        (task.weight.grad(), loss.mean, loss.tokens)
    };
    let (whole, parts) = (gradient(5), gradient(2));
    assert!(whole.1.allclose(&parts.1, 1e-6, 1e-6, false));
    assert_eq!(whole.2, parts.2);
    assert!(whole.0.allclose(&parts.0, 1e-6, 1e-6, false));
    // The examples' means are 3 and 1, and the weight is 0.
    assert_eq!(Vec::<f32>::try_from(&whole.0).unwrap(), [-3.0, -1.0]);
}

#[test]
fn a_loss_that_is_no_number_is_named_with_its_step() {
    let folder = tempfile::tempdir().unwrap();
    let mut task = Centre::new(9);
    task.broken = true;
    let error = trained(&task, &settings(2, OutOfMemory::Fail), folder.path()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the loss is `NaN` at epoch 2, step 1 of 2"
    );
}

/// The learning rates of eleven steps, two an epoch but for what the last one lacks, three of them
/// warm-up.
fn rates(decay: Decay, lacking: u64) -> Vec<f64> {
    let mut task = Centre::new(9);
    task.others.lacking = lacking;
    let fit = Train {
        decay,
        ..settings(5, OutOfMemory::Fail)
    };
    let plan = Plan {
        train: &fit,
        seed: 1,
        stage: 1,
        validation: None,
        checkpoint: checkpoints(Path::new("/nowhere"), 1),
    };
    let mut trainer = Trainer::begin(&plan, &task).unwrap();
    trainer.epoch_steps = 2;
    let rates = (0..=10).map(|done| {
        trainer.progress.steps = done;
        trainer.lr()
    });
    rates.collect()
}

#[test]
fn the_learning_rate_rises_and_then_stays_or_falls_to_a_tenth_or_to_nothing() {
    for (decay, last) in [
        (Decay::None, 0.1),
        (Decay::Cosine, 0.01),
        (Decay::Linear, 0.0),
    ] {
        let rates = rates(decay, 0);
        assert!((rates[0] - 0.1 / 3.0).abs() < 1e-12 && (rates[3] - 0.1).abs() < 1e-12);
        assert!(rates[3..].is_sorted_by(|a, b| a >= b), "{decay:?}");
        assert!((rates[10] - last).abs() < 1e-12, "{decay:?}: {rates:?}");
    }
    let line = rates(Decay::Linear, 0);
    assert!((line[5] - (0.1 - 0.1 * 2.0 / 7.0)).abs() < 1e-12);
    // A last epoch of one step: the line ends a step earlier, and is straight.
    let line = rates(Decay::Linear, 1);
    for (step, rate) in line[3..=9].iter().enumerate() {
        assert!(
            (rate - 0.1 * (6 - step) as f64 / 6.0).abs() < 1e-12,
            "{line:?}"
        );
    }
}
