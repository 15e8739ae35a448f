//! `encode-text`: a frozen text encoder's vector of every item.

use allround_core::config::Encoder;
use allround_core::data::{Item, Prepared};
use allround_core::event::{Counted, Event};
use allround_core::models::allmrec::ItemText;
use allround_core::stage::EncodeText;
use allround_core::stage::Job;
use allround_core::text::{NO_DESCRIPTION, item_text};
use tch::{Device, Kind, Tensor};

use super::need;
use super::report::{StageError, timed};
use crate::encoder::sentence::{self, TextEncoder};
use crate::encoder::texts::Texts;
use crate::models::weights;
use crate::torch_ext::memory;

/// The vectors' file, with one tensor `embeddings` [V + 1, W]; row 0 is zero.
const EMBEDDINGS: &str = "embeddings.safetensors";

pub(super) fn run(
    job: &Job,
    settings: &EncodeText,
    device: Device,
    observe: &mut dyn FnMut(Event),
) -> Result<(), StageError> {
    let prepared = Prepared::load(need(job, "prepared")?)?;
    let encoder = sentence::open(&settings.encoder, &job.base, device)?;
    let text = |item: &Item| item_text(settings.text, item);
    let texts: Vec<String> = prepared.items.iter().map(text).collect();
    let borrowed: Vec<&str> = texts.iter().map(String::as_str).collect();
    let (vectors, mut phase) = timed(
        "encode",
        Some(device),
        |_| Some(texts.len() as u64),
        || encoded(encoder.as_ref(), &borrowed),
    );
    let vectors = vectors?;
    let params = encoder.weights();
    // A fixed map has no tokens.
    let read = encoder.lengths(&borrowed).iter().sum::<usize>() as u64;
    phase.tokens = (!params.is_empty()).then_some(read);
    phase.params = Some(weights::count(&params));
    phase.trained_params = Some(0);
    observe(Event::Phase(phase));
    report_unread(encoder.as_ref(), &texts, observe);
    report_undescribed(&prepared, settings.text, observe);
    let padding = Tensor::zeros([1, encoder.width()], (Kind::Float, device));
    let vectors = Tensor::cat(&[padding, vectors], 0);
    let named = [("embeddings".to_owned(), vectors)];
    Ok(weights::write(&job.output.join(EMBEDDINGS), &named)?)
}

/// The frozen encoder's vectors [V + 1, W] of the data set's V items, for a stage that needs
/// `encoded`.
pub(super) fn embeddings(job: &Job, items: usize, device: Device) -> Result<Tensor, StageError> {
    let path = need(job, "encoded")?.join(EMBEDDINGS);
    let mut tensors = weights::read_tensors(&path)?;
    let vectors = tensors.remove("embeddings");
    let vectors = vectors.filter(|vectors| vectors.size()[0] == items as i64 + 1);
    vectors
        .map(|vectors| vectors.to_device(device))
        .ok_or_else(|| {
            StageError::new(format!(
                "`{}` holds no `embeddings` of {items} items",
                path.display()
            ))
        })
}

/// The texts of all items, for a stage that reads their vectors: those of the encoder `trained`.
/// Without it, the stage needs the vectors of a frozen one as `encoded`.
pub(super) fn texts(
    job: &Job,
    trained: Option<&Encoder>,
    form: ItemText,
    prepared: &Prepared,
    device: Device,
    observe: &mut dyn FnMut(Event),
) -> Result<Texts, StageError> {
    let Some(encoder) = trained else {
        let vectors = embeddings(job, prepared.n_items(), device)?;
        return Ok(Texts::Frozen(vectors));
    };
    let encoder = sentence::open(encoder, &job.base, device)?;
    let padding = Item::default();
    let items = std::iter::once(&padding).chain(&prepared.items);
    let texts: Vec<String> = items.map(|item| item_text(form, item)).collect();
    report_unread(encoder.as_ref(), &texts[1..], observe);
    report_undescribed(prepared, form, observe);
    Ok(Texts::Trained(encoder.into(), texts))
}

/// The vectors, or where memory ran out how much was tried.
pub(super) fn encoded(encoder: &dyn TextEncoder, texts: &[&str]) -> Result<Tensor, StageError> {
    memory::caught(|| encoder.encode(texts, false)).map_err(|message| {
        let when = format!("while {} texts were encoded", texts.len());
        let remedy = "let the encoder read less of them (`max_length`)";
        StageError::memory(&when, &message, remedy)
    })
}

/// Reports how many items have no description; their texts say `Empty description`, unless they are
/// titles alone.
fn report_undescribed(prepared: &Prepared, form: ItemText, observe: &mut dyn FnMut(Event)) {
    match form {
        ItemText::Quoted | ItemText::Labelled => {}
        ItemText::Title => return,
    }
    let undescribed = prepared.items.iter().filter(|item| {
        let text = item.description.as_deref().unwrap_or_default();
        text.trim().is_empty()
    });
    observe(Event::Counted(Counted {
        what: format!("items without a description, whose texts say `{NO_DESCRIPTION}`"),
        count: undescribed.count() as u64,
    }));
}

/// Reports how many item texts exceed the encoder's length, and how many it cannot represent whole.
fn report_unread(encoder: &dyn TextEncoder, texts: &[String], observe: &mut dyn FnMut(Event)) {
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for text in encoder.remarks() {
        observe(Event::Remark { text });
    }
    observe(Event::Counted(Counted {
        what: "item texts longer than what the encoder reads of them".to_owned(),
        count: encoder.cut(&texts) as u64,
    }));
    let count = encoder.lossy(&texts) as u64;
    if count > 0 {
        let what = "item texts that the encoder's tokenizer cannot represent whole".to_owned();
        observe(Event::Counted(Counted { what, count }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An encoder that LibTorch has no memory for.
    struct Full;

    impl TextEncoder for Full {
        fn width(&self) -> i64 {
            1
        }

        fn encode(&self, _texts: &[&str], _train: bool) -> Tensor {
            panic!("CUDA out of memory.\\nand more")
        }

        fn weights(&self) -> Vec<(String, Tensor)> {
            Vec::new()
        }

        fn cut(&self, _texts: &[&str]) -> usize {
            0
        }

        fn lossy(&self, _texts: &[&str]) -> usize {
            0
        }

        fn lengths(&self, texts: &[&str]) -> Vec<usize> {
            vec![1; texts.len()]
        }
    }

    #[test]
    fn memory_that_runs_out_is_told_with_the_texts_tried_and_advice() {
        let failure = encoded(&Full, &["a red ball", "a blue one"]).unwrap_err();
        let failure = failure.failure();
        assert_eq!(
            failure.error,
            "memory ran out while 2 texts were encoded: CUDA out of memory."
        );
        assert!(failure.hint.unwrap().contains("`max_length`"));
    }
}
