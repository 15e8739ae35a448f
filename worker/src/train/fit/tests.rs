use std::cell::Cell;

use allround::spec::config::train::Optimizer;

use super::*;

/// Learns a vector from examples of other vectors: its loss is the mean squared distance.
struct Centre {
    weight: Tensor,
    /// Most examples that fit the pretended memory.
    room: usize,
    /// Whether the second epoch's first loss is no number.
    broken: bool,
    calls: Cell<usize>,
}

impl Centre {
    fn new(room: usize) -> Self {
        Self {
            weight: Tensor::zeros([2], (Kind::Float, Device::Cpu)).set_requires_grad(true),
            room,
            broken: false,
            calls: Cell::new(0),
        }
    }

    fn values(&self) -> Vec<f32> {
        Vec::try_from(&self.weight.detach()).unwrap()
    }
}

impl Task for Centre {
    type Example = [f32; 2];

    fn weights(&self) -> Vec<(String, Tensor)> {
        vec![("centre".to_owned(), self.weight.shallow_clone())]
    }

    fn params(&self) -> u64 {
        2
    }

    fn steps(&self, epoch: u32) -> Result<Vec<Vec<[f32; 2]>>, Wrong> {
        let example = |n: u32| [(n + epoch) as f32, 1.0];
        Ok(vec![
            (0..5).map(example).collect(),
            (5..7).map(example).collect(),
        ])
    }

    fn weight(&self, _example: &[f32; 2]) -> u64 {
        1
    }

    fn loss(&self, examples: &[[f32; 2]]) -> Result<Loss, Wrong> {
        self.calls.set(self.calls.get() + 1);
        assert!(
            examples.len() <= self.room,
            "CUDA out of memory. Tried to allocate 2 GiB\\nand more"
        );
        let there = Tensor::from_slice(examples.as_flattened()).view([-1, 2]);
        // Dropout noise, so that resuming is only exact when the generator is where it was.
        let noisy = self.weight.ones_like().dropout(0.5, true) * &self.weight;
        let mean = (noisy - there).square().mean(Kind::Float);
        let broken = self.broken && self.calls.get() == 3;
        Ok(Loss {
            mean: if broken {
                &mean * f64::NAN
            } else {
                mean.shallow_clone()
            },
            parts: vec![("square", mean)],
            tokens: 3 * examples.len() as u64,
        })
    }
}

fn settings(epochs: u32, out_of_memory: OutOfMemory) -> Fit {
    Fit {
        epochs,
        batch_size: 5,
        lr: 0.1,
        optimizer: Optimizer::Adam {
            betas: [0.9, 0.98],
            eps: 1e-8,
            weight_decay: 0.0,
        },
        clip_norm: 1.0,
        warmup: 3,
        decay: Decay::Cosine,
        out_of_memory,
    }
}

fn trained(task: &Centre, fit: &Fit, folder: &Path) -> Result<(Phase, Vec<Event>), TrainError> {
    let plan = FitPlan {
        fit,
        seed: 1,
        stage: 9,
        checkpoint: folder,
        checkpoint_every: 1,
    };
    let mut events = Vec::new();
    let phase = super::fit(&plan, task, &mut |event| events.push(event))?;
    Ok((phase, events))
}

/// Runs the ignored test `name` in a process of its own: LibTorch's generator is the process's, and other tests would draw
/// from it in between.
pub(crate) fn alone(name: &str) {
    let program = std::env::current_exe().unwrap();
    let run = std::process::Command::new(program)
        .args(["--exact", name, "--ignored"])
        .output();
    let run = run.unwrap();
    let told = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && told.contains("1 passed"), "{told}");
}

#[test]
fn a_resumed_run_ends_with_the_same_weights() {
    alone("train::fit::tests::resumed_alone");
}

#[test]
#[ignore = "runs in a process of its own, started by the test above"]
fn resumed_alone() {
    let [whole, halves] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let four = settings(4, OutOfMemory::Fail);
    let task = Centre::new(9);
    let (phase, events) = trained(&task, &four, whole.path()).unwrap();
    assert_eq!((phase.examples, phase.tokens), (Some(28), Some(84)));
    let epochs = events
        .iter()
        .filter(|event| matches!(event, Event::Epoch(_)));
    assert_eq!(epochs.count(), 4);
    // A run that is killed behind its second epoch leaves the checkpoint of a run that has four before it.
    trained(&Centre::new(9), &four, halves.path()).unwrap();
    let mut checkpoint = Checkpoint::load(halves.path()).unwrap();
    assert!(checkpoint.progress.ended);
    let killed = Centre::new(9);
    let plan = FitPlan {
        fit: &four,
        seed: 1,
        stage: 9,
        checkpoint: Path::new("/nowhere"),
        checkpoint_every: 1,
    };
    let mut fitting = Fitting::begin(&plan, &killed).unwrap();
    for _ in 0..2 {
        fitting.epoch(&mut |_| {}).unwrap();
    }
    checkpoint = Checkpoint {
        progress: fitting.progress.clone(),
        ..Checkpoint::default()
    };
    checkpoint.put("weights", killed.weights());
    checkpoint.put("optimizer", fitting.optimizer.state());
    checkpoint.save(halves.path()).unwrap();
    let resumed = Centre::new(9);
    trained(&resumed, &four, halves.path()).unwrap();
    assert_eq!(resumed.values(), task.values());
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
    assert_eq!(counted.unwrap().count, 2);
}

#[test]
fn parts_add_up_to_the_steps_gradient() {
    let gradient = |part: usize| {
        let task = Centre::new(9);
        let fit = settings(1, OutOfMemory::Halve);
        let plan = FitPlan {
            fit: &fit,
            seed: 1,
            stage: 1,
            checkpoint: Path::new("/nowhere"),
            checkpoint_every: 1,
        };
        let fitting = Fitting::begin(&plan, &task).unwrap();
        let steps = task.steps(1).unwrap();
        let _ = tch::no_grad(|| task.weight.shallow_clone().fill_(0.0));
        let seen = fitting.gradients(&steps[0], part).unwrap();
        (task.weight.grad(), seen.mean, seen.tokens)
    };
    let (whole, parts) = (gradient(5), gradient(2));
    // At a weight of 0 dropout changes the gradient's scale alone, so compare the losses and the tokens.
    assert!(whole.1.allclose(&parts.1, 1e-6, 1e-6, false));
    assert_eq!(whole.2, parts.2);
    assert!(whole.0.defined() && parts.0.defined());
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

/// The learning rates of eleven steps, two an epoch, three of them warm-up.
fn rates(decay: Decay) -> Vec<f64> {
    let task = Centre::new(9);
    let fit = Fit {
        decay,
        ..settings(5, OutOfMemory::Fail)
    };
    let plan = FitPlan {
        fit: &fit,
        seed: 1,
        stage: 1,
        checkpoint: Path::new("/nowhere"),
        checkpoint_every: 1,
    };
    let mut fitting = Fitting::begin(&plan, &task).unwrap();
    let rates = (0..=10).map(|done| {
        fitting.progress.steps = done;
        fitting.lr(2)
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
        let rates = rates(decay);
        assert!((rates[0] - 0.1 / 3.0).abs() < 1e-12 && (rates[3] - 0.1).abs() < 1e-12);
        assert!(rates[3..].is_sorted_by(|a, b| a >= b), "{decay:?}");
        assert!((rates[10] - last).abs() < 1e-12, "{decay:?}: {rates:?}");
    }
    let line = rates(Decay::Linear);
    assert!((line[5] - (0.1 - 0.1 * 2.0 / 7.0)).abs() < 1e-12);
}
