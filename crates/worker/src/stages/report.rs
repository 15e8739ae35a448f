//! What a stage reports: failures with advice, timed phases, names of devices.

use allround_core::data::DataError;
use allround_core::event::{Event, Failure, Phase};
use allround_core::fs;
use tch::Device;

use crate::encoder::bert::BertError;
use crate::encoder::sentence::SentenceError;
use crate::eval::NotANumber;
use crate::hf::checkpoint::CheckpointError;
use crate::hf::hub::HubError;
use crate::hf::tokenizer::TokenizerError;
use crate::lm::LmError;
use crate::methods::prompted_lm::PromptedLmError;
use crate::methods::rank::RankError;
use crate::methods::sequences::TooFew;
use crate::models::artefact::ArtefactError;
use crate::models::forward::ForwardError;
use crate::models::import::ImportError;
use crate::models::weights::WeightsError;
use crate::torch_ext::board;
use crate::torch_ext::device::DeviceError;
use crate::torch_ext::timer::{Elapsed, Timer, peak_bytes};
use crate::train::TrainError;

/// Why a stage failed.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct StageError {
    text: String,
    hint: Option<String>,
}

impl StageError {
    /// A failure without advice.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            hint: None,
        }
    }

    /// The same, with advice.
    pub fn with_hint(mut self, hint: &str) -> Self {
        self.hint = Some(hint.to_owned());
        self
    }

    /// Memory ran out: `when`, such as `with up to 64 users computed together`; `message` is
    /// LibTorch's, `remedy` what else than more memory helps.
    pub fn memory(when: &str, message: &str, remedy: &str) -> Self {
        Self {
            text: format!("memory ran out {when}: {message}"),
            hint: Some(format!(
                "use a device with more memory, free it of other programs, or {remedy}"
            )),
        }
    }

    /// The same, message of what was being made.
    pub fn within(mut self, what: &str) -> Self {
        self.text = format!("{what}: {}", self.text);
        self
    }

    /// The failure as an event's content.
    pub fn failure(self) -> Failure {
        Failure {
            error: self.text,
            hint: self.hint,
        }
    }
}

macro_rules! from {
    ($($kind:ty => $hint:expr),+ $(,)?) => {$(
        impl From<$kind> for StageError {
            fn from(error: $kind) -> Self {
                let hint: fn(&$kind) -> Option<String> = $hint;
                Self { hint: hint(&error), text: error.to_string() }
            }
        }
    )+};
}

from! {
    DataError => |error| error.remedy().map(str::to_owned),
    DeviceError => |error| Some(error.hint().to_owned()),
    TrainError => |error| error.hint().or_else(|| of_source(error)).map(str::to_owned),
    ArtefactError => |_| None,
    WeightsError => |_| None,
    ImportError => |error| error.hint(),
    ForwardError => |error| error.hint(),
    PromptedLmError => |error| error.hint().map(str::to_owned),
    RankError => |error| match error {
        RankError::PromptedLm(error) => error.hint().map(str::to_owned),
        RankError::Kept(_) => None,
        RankError::Full => Some("give the protocol `candidates.uniform` or `candidates.popularity`".to_owned()),
        RankError::NotANumber { .. } => Some("training has diverged (train with a lower `lr`), or the language model's weights are broken or too large for their `dtype` (hold it in fp32)".to_owned()),
    },
    SentenceError => |_| None,
    BertError => |_| None,
    CheckpointError => |_| None,
    HubError => |_| None,
    LmError => |_| None,
    TokenizerError => |_| None,
    fs::FsError => |error| error.hint().map(str::to_owned),
    NotANumber => |_| Some("the model has diverged: train it with a lower `lr`".to_owned()),
}

/// Advice for an example or a validation that cannot be computed, which training knows nothing of.
fn of_source(error: &TrainError) -> Option<&str> {
    match error {
        TrainError::Example(wrong) => match wrong.downcast_ref::<TooFew>() {
            Some(_) => Some("use fewer candidates in training (`prompt.NAME.candidates`)"),
            None => wrong.downcast_ref::<PromptedLmError>()?.hint(),
        },
        TrainError::Validation { source, .. } => {
            source.downcast_ref::<StageError>()?.hint.as_deref()
        }
        TrainError::Loss { .. }
        | TrainError::Empty
        | TrainError::NoNegative { .. }
        | TrainError::Weights(_)
        | TrainError::Memory { .. } => None,
    }
}

/// Runs `work` and times it as phase `name`; `on` is the device that computes it, if one does.
pub fn timed<T>(
    name: &str,
    on: Option<Device>,
    examples: impl FnOnce(&T) -> Option<u64>,
    work: impl FnOnce() -> T,
) -> (T, Phase) {
    let timer = Timer::begin(on.unwrap_or(Device::Cpu));
    let done = work();
    let phase = phase_of(name, on, timer.end());
    let examples = examples(&done);
    (done, Phase { examples, ..phase })
}

/// The phase `name` with its measured time; `on` is the device that computed it, if one did.
pub fn phase_of(name: &str, on: Option<Device>, elapsed: Elapsed) -> Phase {
    Phase {
        phase: name.to_owned(),
        wall_s: elapsed.wall_s,
        device_s: on.map(|_| elapsed.device_s),
        energy_j: elapsed.energy_j,
        flops: on.map(|_| elapsed.flops),
        ..Phase::default()
    }
}

/// `event` with the memory held so far, where it is a phase: of this process, and of `device` where
/// a device computed it.
pub fn with_peaks(mut event: Event, device: Device) -> Event {
    if let Event::Phase(phase) = &mut event {
        phase.peak_rss_bytes = peak_rss_bytes();
        phase.peak_device_bytes = phase.device_s.and_then(|_| peak_bytes(device));
    }
    event
}

/// Most resident memory of this process so far; `None` where the system does not report it.
pub fn peak_rss_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status".as_ref()).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// The device's name for people.
pub fn device_name(device: Device) -> String {
    match device {
        Device::Cpu => {
            let text = fs::read_to_string("/proc/cpuinfo".as_ref()).unwrap_or_default();
            let name = text
                .lines()
                .find_map(|line| line.strip_prefix("model name"));
            name.and_then(|name| name.split_once(':'))
                .map_or_else(|| "CPU".to_owned(), |(_, name)| name.trim().to_owned())
        }
        other => board::name(other).unwrap_or_else(|| format!("{other:?}")),
    }
}
