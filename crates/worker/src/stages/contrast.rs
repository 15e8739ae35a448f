//! `contrast`: CTRL's first stage. Leaves the weights of the network and of what aligned it.

use allround_core::config::Encoder;
use allround_core::data::{Item, Prepared};
use allround_core::event::{Counted, Event};
use allround_core::models::CfModel;
use allround_core::seed::{Stream, foreign};
use allround_core::stage::Job;
use allround_core::stage::TrainContrast;
use allround_core::text::PairTexts;
use tch::{Device, Tensor};

use super::report::{StageError, timed};
use super::{encode_text, need};
use crate::data::TrainingSet;
use crate::encoder::sentence::{self, TextEncoder};
use crate::methods::contrast::{ContrastTask, Maps, PairSource, PairVectors, STAGE};
use crate::models::sasrec::Sasrec;
use crate::models::{Backbone, Sizes, artefact, weights};
use crate::nn::Parameters;
use crate::train::batches::{NoNegative, Recipe, Sampler};
use crate::train::checkpoint::CheckpointPlan;
use crate::train::task::Task;
use crate::train::trainer::{self, Plan, no_validation};

pub(super) fn run(
    job: &Job,
    settings: &TrainContrast,
    device: Device,
    observe: &mut dyn FnMut(Event),
) -> Result<(), StageError> {
    let prepared = Prepared::load(need(job, "prepared")?)?;
    let set = TrainingSet::of(&prepared);
    observe(Event::Counted(Counted {
        what: "users with fewer than two training items, who give nothing to align on".to_owned(),
        count: set.skipped,
    }));
    let training = settings.network.training();
    let training = training.ok_or_else(|| StageError::new("the network is not trained"))?;
    let sampler = Sampler::new(&set, Recipe::new(settings.seed, &training));
    let sampler =
        sampler.map_err(|NoNegative { .. }| StageError::new("stage 1 draws no negatives"))?;
    let encoder = sentence::open(&settings.encoder, &job.base, device)?;
    let texts = texts(settings, &prepared, encoder.as_ref(), observe);
    let trained =
        settings.contrast.train_encoder && !matches!(settings.encoder, Encoder::Hashed(_));
    let source = match trained {
        true => PairSource::Trained(encoder.as_ref(), texts.all),
        false => PairSource::Frozen(encoded(encoder.as_ref(), &texts.all, device, observe)?),
    };
    tch::manual_seed(foreign(settings.seed, Stream::Init, STAGE));
    let sizes = Sizes {
        users: prepared.n_users() as u64,
        items: prepared.n_items() as u64,
    };
    let net = Sasrec::new(&settings.network, sizes, device);
    let mut parameters = Parameters::new(device);
    let texts = PairVectors {
        first: texts.first,
        source,
    };
    let maps = Maps::new(
        &mut parameters,
        &settings.contrast,
        net.width(),
        texts.width(),
    );
    let task = ContrastTask {
        settings: &settings.contrast,
        net: &net,
        sampler: &sampler,
        texts,
        parameters,
        maps,
    };
    let plan = Plan {
        train: &settings.contrast.train,
        seed: settings.seed,
        stage: STAGE,
        validation: None,
        checkpoint: CheckpointPlan::of(job),
    };
    for phase in trainer::train(&plan, &task, &mut no_validation, observe)? {
        observe(Event::Phase(phase));
    }
    weights::write(&job.output.join(artefact::WEIGHTS), &task.weights())?;
    let text = serde_json::to_vec_pretty(settings).expect("settings are plain data");
    let path = job.output.join(artefact::DESCRIPTION);
    Ok(allround_core::fs::write_atomic(&path, &text)?)
}

/// Texts of pairs, user after user.
struct Texts {
    all: Vec<String>,
    /// First text of each user, by user number.
    first: Vec<u32>,
}

/// The text of every pair of a training user. Texts that the encoder would cut lose their oldest
/// items.
fn texts(
    settings: &TrainContrast,
    prepared: &Prepared,
    encoder: &dyn TextEncoder,
    observe: &mut dyn FnMut(Event),
) -> Texts {
    let form = PairTexts {
        form: settings.contrast.text,
        words: &settings.words,
        descriptions: settings.contrast.descriptions,
    };
    let item = |&item: &u32| &prepared.items[item as usize - 1];
    let (mut all, mut shortened, mut cut) = (Vec::new(), 0, 0);
    let mut first = Vec::with_capacity(prepared.n_users());
    for user in 0..prepared.n_users() {
        first.push(all.len() as u32);
        if !prepared.trained[user] {
            continue;
        }
        let items = prepared.train_of(user);
        let start = items.len().saturating_sub(settings.network.maxlen + 1);
        let items: Vec<&Item> = items[start..].iter().map(item).collect();
        for end in 1..items.len() {
            let (history, next) = (&items[..end], items[end]);
            let text = |newest: usize| form.text(&history[end - newest..], next);
            let kept = fitting(end, |newest| encoder.cut(&[&text(newest)]) == 0);
            shortened += u64::from(kept < end);
            let text = text(kept);
            cut += encoder.cut(&[&text]) as u64;
            all.push(text);
        }
    }
    let mut count = |what: &str, count| {
        let what = what.to_owned();
        observe(Event::Counted(Counted { what, count }));
    };
    count("pairs of a history and its text", all.len() as u64);
    count(
        "texts of histories without their oldest items, to fit the encoder",
        shortened,
    );
    count(
        "texts of one item that are longer than what the encoder reads of them",
        cut,
    );
    let undescribed = settings.contrast.descriptions;
    if undescribed {
        let lacks = |item: &&Item| {
            let text = item.description.as_deref().unwrap_or_default();
            text.trim().is_empty()
        };
        let items = prepared.items.iter().filter(lacks).count() as u64;
        count(
            "items without a description, which are titles alone in texts",
            items,
        );
    }
    for text in encoder.remarks() {
        observe(Event::Remark { text });
    }
    Texts { all, first }
}

/// The largest number from 1 to `most` that fits; 1 if none does.
fn fitting(most: usize, fits: impl Fn(usize) -> bool) -> usize {
    if fits(most) {
        return most;
    }
    let (mut fitting, mut above) = (1, most);
    while above - fitting > 1 {
        let middle = fitting.midpoint(above);
        match fits(middle) {
            true => fitting = middle,
            false => above = middle,
        }
    }
    fitting
}

/// Vectors of all texts with a frozen encoder.
fn encoded(
    encoder: &dyn TextEncoder,
    texts: &[String],
    device: Device,
    observe: &mut dyn FnMut(Event),
) -> Result<Tensor, StageError> {
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let (vectors, phase) = timed(
        "encode",
        Some(device),
        |_| Some(texts.len() as u64),
        || encode_text::encoded(encoder, &texts),
    );
    observe(Event::Phase(phase));
    vectors
}

#[cfg(test)]
mod tests {
    use super::fitting;

    #[test]
    fn as_many_items_as_fit_are_kept() {
        for (most, bound) in [(9, 9), (9, 12), (9, 4), (9, 1), (9, 0), (1, 0), (2, 1)] {
            let expected = bound.clamp(1, most);
            assert_eq!(fitting(most, |count| count <= bound), expected);
        }
    }
}
