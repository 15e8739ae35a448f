//! A-LLMRec from its stages' jobs to ranks, on a data set and a language model that take no time.

mod choices;
mod contrast;
mod genres;
mod kept;
mod morec;
mod recformer;
mod refused;
mod represent;
mod resumed;
mod scores;
mod untrained;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use allround_core::config::Encoder;
use allround_core::config::encoder::{HashedEncoder, PretrainedEncoder};
use allround_core::config::llm::{Dtype, Llm};
use allround_core::config::protocol::{Candidates, Rules, Ties};
use allround_core::data::{
    Answers, CandidateLists, DrawCandidates, Likes, Part, Ranks, SliceUsers, candidates,
};
use allround_core::event::Event;
use allround_core::models::allmrec::{Align, ItemText, UserOrder};
use allround_core::models::llm_method::{
    Accept, Drawn, Exclude, Inference, ItemEmbedding, Lora, OneItem, Project, ProjectionStart,
    ScoreBy, Targets, TrainingCandidates,
};
use allround_core::models::{Tune, TuneForm};
use allround_core::stage::{
    Compute, EncodeText, Evaluate, GenreRule, Job, LlmRanking, PromptedLlm, Ranking, Settings,
    Stage, TrainAlign, TrainBackbone, TrainProject, TrainTune,
};

use super::*;
use crate::methods::fixtures::{loaded_with, texts};
use crate::methods::tests::{backbone, data, prompt, sasrec, small, training_candidates};
use crate::models::Sizes;
use crate::models::artefact::{self, Description};
use crate::testing::{training, unvalidated};

/// Runs a job of any stage but `pretrain-lm`.
pub(super) fn run(job: &Job, observe: &mut dyn FnMut(Event)) -> Result<(), StageError> {
    let pretrain: Pretrain = |_, _, _, _| Err(StageError::new("another package has `pretrain-lm`"));
    super::run(job, pretrain, observe)
}

/// A folder in which stages leave their artefacts by name.
pub(super) struct Desk(tempfile::TempDir);

impl Desk {
    /// With the data set, candidate lists and a CF model of random weights.
    pub(super) fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        let prepared = data();
        std::fs::create_dir(desk.folder("prepared")).unwrap();
        prepared.save(&desk.folder("prepared")).unwrap();
        let settings = DrawCandidates {
            candidates: Candidates::Uniform { n: 5 },
            rules: Rules::Strict,
            ties: Ties::Half,
            class: None,
            max_users: 0,
            slices: SliceUsers::default(),
            seed: 1,
        };
        std::fs::create_dir(desk.folder("candidates")).unwrap();
        for part in [Part::Valid, Part::Test] {
            let lists = candidates::draw(&prepared, &settings, part).unwrap();
            lists.save(&desk.folder("candidates")).unwrap();
        }
        std::fs::create_dir(desk.folder("backbone")).unwrap();
        let sizes = Sizes {
            users: 4,
            items: 12,
        };
        let description = Description {
            model: sasrec(),
            sizes,
        };
        artefact::save(&desk.folder("backbone"), &description, backbone().as_ref()).unwrap();
        desk
    }

    pub(super) fn folder(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The job that leaves `name` and reads artefacts by the role that they are named after, or by
    /// `role=name`.
    pub(super) fn job(&self, name: &str, settings: Settings, needs: &[&str]) -> Job {
        let folder = |need: &&str| {
            let (role, name) = need.split_once('=').unwrap_or((need, need));
            (role.to_owned(), self.folder(name))
        };
        let stage = Stage {
            settings,
            compute: Some(Compute {
                device: "cpu".to_owned(),
                threads: 1,
            }),
            needs: BTreeMap::new(),
            inputs: BTreeMap::new(),
        };
        std::fs::create_dir_all(self.folder(name)).unwrap();
        Job {
            key: stage.key(),
            stage,
            needs: needs.iter().map(folder).collect(),
            output: self.folder(name),
            checkpoint: self.folder(&format!("{name}.checkpoint")),
            base: self.0.path().to_owned(),
            device: "cpu".to_owned(),
            threads: 1,
            checkpoint_every: 1,
            checkpoint_minutes: 10.0,
        }
    }

    pub(super) fn run(&self, name: &str, settings: Settings, needs: &[&str]) -> Vec<Event> {
        let mut events = Vec::new();
        let job = self.job(name, settings, needs);
        run(&job, &mut |event| events.push(event))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        events
    }

    /// Leaves a tiny language model with random weights in `llm`.
    pub(super) fn save_lm(&self) {
        std::fs::create_dir_all(self.folder("llm")).unwrap();
        let loaded = loaded_with(&texts(), 512, false);
        save_opt(&self.folder("llm"), &loaded, Dtype::Fp32).unwrap();
    }

    pub(super) fn ranks(&self, name: &str) -> Vec<f64> {
        Ranks::load(&self.folder(name), Part::Test).unwrap().ranks
    }
}

fn encoder() -> Encoder {
    Encoder::Hashed(HashedEncoder { width: 32, seed: 1 })
}

fn reading(user: bool, item: ItemEmbedding) -> PromptedLlm {
    PromptedLlm {
        llm: Llm::Small(small()),
        prompt: prompt(),
        user,
        item,
        text_below: 0,
    }
}

fn encode() -> Settings {
    Settings::EncodeText(EncodeText {
        encoder: encoder(),
        text: ItemText::Quoted,
    })
}

fn align() -> Settings {
    Settings::Align(TrainAlign {
        align: Align {
            hidden_units: 6,
            matching: 1.0,
            item_recon: 0.5,
            text_recon: 0.2,
            rec: 1.0,
            rec_score: allround_core::models::allmrec::RecScore::Mean,
            negatives: true,
            sigmoid: true,
            train_encoder: false,
            targets: Targets::Last,
            one_item: OneItem::Skip,
            order: UserOrder::Shuffled,
            backbone_dropout: true,
            text: ItemText::Quoted,
            train: training(3, 2),
        },
        encoder: encoder(),
        seed: 1,
    })
}

fn project(user: bool, item: ItemEmbedding) -> Settings {
    Settings::Project(TrainProject {
        ranking: None,
        llm: reading(user, item),
        project: Project {
            ranking_loss: None,
            targets: Targets::Last,
            one_item: OneItem::Skip,
            candidates: training_candidates(),
            max_samples: 0,
            validate: unvalidated(),
            hidden_layers: 1,
            layer_norm: true,
            adapters: None,
            start: ProjectionStart::TokenScale,
            backbone_dropout: true,
            train: training(3, 2),
        },
        seed: 1,
    })
}

fn evaluate(
    llm: PromptedLlm,
    inference: impl Into<Option<Inference>>,
    tuned: Option<Tune>,
) -> Settings {
    Settings::Evaluate(Evaluate {
        part: Part::Test,
        keep_scores: false,
        ranking: Ranking::Llm(LlmRanking {
            llm,
            inference: inference.into(),
            tuned,
            seed: 1,
            token_budget: 16_384,
            genres: false,
        }),
    })
}

const SCORE: Inference = Inference::Score {
    by: ScoreBy::Sum,
    orders: 1,
};

/// Runs what every A-LLMRec cell reads.
fn aligned() -> Desk {
    let desk = Desk::new();
    desk.save_lm();
    desk.run("encoded", encode(), &["prepared"]);
    desk.run("align", align(), &["prepared", "backbone", "encoded"]);
    desk
}

fn answer_needs(project: &str) -> Vec<&str> {
    vec![
        "prepared",
        "candidates",
        "backbone",
        "align",
        "llm",
        project,
    ]
}

#[test]
fn allmrec_runs_from_its_first_stage_to_ranks_by_every_inference() {
    let desk = aligned();
    let needs = ["prepared", "backbone", "align", "llm"];
    let events = desk.run("project", project(true, ItemEmbedding::Joint), &needs);
    let train = events.iter().find_map(|event| match event {
        Event::Phase(phase) if phase.phase == "train" => Some(phase),
        _ => None,
    });
    let train = train.unwrap();
    // Three users have a target; one has a single training item.
    assert_eq!(train.examples, Some(9));
    assert!(train.tokens > Some(100) && train.params > train.trained_params);
    assert!(train.flops > Some(100_000), "{train:?}");
    let generate = Inference::Generate {
        max_new_tokens: 8,
        repetition_penalty: 1.5,
        penalise_eos: true,
        stop_at_quote: true,
        accept: Accept::Exact,
    };
    let thrice = Inference::Score {
        by: ScoreBy::Sum,
        orders: 3,
    };
    let ways = [
        ("score", SCORE),
        ("thrice", thrice),
        ("generate", generate),
        ("constrained", Inference::Constrained {}),
    ];
    let mut tokens = BTreeMap::new();
    for (name, inference) in ways {
        let prompted_lm = reading(true, ItemEmbedding::Joint);
        let settings = evaluate(prompted_lm, inference, None);
        let events = desk.run(name, settings, &answer_needs("project"));
        tokens.insert(name, tokens_of(&events));
        let lists = CandidateLists::load(&desk.folder("candidates"), Part::Test).unwrap();
        let ranks = Ranks::load(&desk.folder(name), Part::Test).unwrap();
        assert_eq!(ranks.users, lists.users);
        assert!(ranks.ranks.iter().all(|&rank| (1.0..=6.0).contains(&rank)));
        let answers = Answers::load(&desk.folder(name), Part::Test).unwrap();
        assert_eq!(answers.is_some(), !["score", "thrice"].contains(&name));
        if name == "constrained" {
            assert!(answers.unwrap().rows.iter().all(|answer| answer.valid));
        }
    }
    assert!(tokens["score"] > 100);
    assert_eq!(tokens["thrice"], 3 * tokens["score"]);
}

/// Tokens that evaluation has read and written.
fn tokens_of(events: &[Event]) -> u64 {
    let of_phase = |event: &Event| match event {
        Event::Phase(phase) if phase.phase == "evaluate" => phase.tokens,
        _ => None,
    };
    events.iter().filter_map(of_phase).sum()
}

#[test]
fn ablations_change_what_is_read() {
    let desk = aligned();
    let needs = ["prepared", "backbone", "align", "llm"];
    let ablations = [
        ("whole", true, ItemEmbedding::Joint),
        ("no-user", false, ItemEmbedding::Joint),
        ("no-item", true, ItemEmbedding::None),
        ("random", true, ItemEmbedding::Random),
        ("random-trained", true, ItemEmbedding::RandomTrained),
    ];
    let mut sizes = Vec::new();
    for (name, user, item) in ablations {
        desk.run(name, project(user, item), &needs);
        let tensors = weights_of(&desk.folder(name));
        sizes.push(tensors.len());
        let need = format!("project={name}");
        let answered = format!("{name}-ranks");
        desk.run(
            &answered,
            evaluate(reading(user, item), SCORE, None),
            &answer_needs(&need),
        );
        assert_eq!(desk.ranks(&answered).len(), 4);
    }
    // Six tensors a projection, and the random table.
    assert_eq!(sizes, [12, 6, 6, 13, 13]);
    let [frozen, trained] = ["random", "random-trained"]
        .map(|name| weights_of(&desk.folder(name)).remove("random").unwrap());
    assert_eq!(frozen.get(0), trained.get(0));
    assert_ne!(frozen, trained);
    // Read with q instead of e, from the same weights.
    let text = reading(true, ItemEmbedding::Text);
    desk.run(
        "text",
        evaluate(text, SCORE, None),
        &answer_needs("project=whole"),
    );
    // MLP-LLM has no stage 1.
    let needs = ["prepared", "backbone", "llm"];
    desk.run("mlp", project(true, ItemEmbedding::Joint), &needs);
    let shape = weights_of(&desk.folder("mlp"))["item_emb_proj.0.weight"].size();
    assert_eq!(shape, [16, 8]);
    // The language model alone needs nothing but titles.
    let alone = reading(false, ItemEmbedding::None);
    desk.run(
        "alone",
        evaluate(alone, SCORE, None),
        &["prepared", "candidates", "llm"],
    );
}

#[test]
fn a_tuned_language_model_answers_in_each_form() {
    let desk = Desk::new();
    desk.save_lm();
    let lora = Lora {
        rank: 2,
        alpha: 4.0,
        dropout: 0.1,
        targets: vec!["q_proj".to_owned(), "v_proj".to_owned()],
    };
    for (name, form, train_on_inputs) in [
        ("title", TuneForm::Title, false),
        ("yes-no", TuneForm::YesNo, true),
        ("letter", TuneForm::Letter, false),
    ] {
        let tune = Tune {
            form,
            lora: lora.clone(),
            train_on_inputs,
            targets: Targets::Last,
            one_item: OneItem::Skip,
            candidates: training_candidates(),
            max_samples: 0,
            validate: unvalidated(),
            train: training(2, 2),
        };
        let settings = Settings::Tune(TrainTune {
            ranking: None,
            llm: reading(false, ItemEmbedding::None),
            tune: tune.clone(),
            seed: 1,
        });
        desk.run(name, settings, &["prepared", "llm"]);
        let tuned = weights_of(&desk.folder(name));
        assert!(
            tuned
                .keys()
                .all(|name| name.starts_with("base_model.model.")),
            "{tuned:?}"
        );
        let settings = evaluate(
            reading(false, ItemEmbedding::None),
            (form == TuneForm::Title).then_some(SCORE),
            Some(tune),
        );
        let need = format!("tune={name}");
        let answered = format!("{name}-ranks");
        desk.run(
            &answered,
            settings,
            &["prepared", "candidates", "llm", &need],
        );
        let likes = allround_core::data::Likes::load(&desk.folder(&answered), Part::Test).unwrap();
        assert_eq!(likes.is_some(), form == TuneForm::YesNo);
    }
}

/// Stage 1 with a tiny BERT that is trained, and reads four tokens.
fn trained_encoder() -> Settings {
    let Settings::Align(mut settings) = align() else {
        unreachable!("align gives its own settings")
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/encoders/bert");
    settings.align.train_encoder = true;
    settings.encoder = Encoder::Pretrained(PretrainedEncoder {
        folder: folder.display().to_string(),
        hub: String::new(),
        max_length: 4,
        pooling: None,
    });
    Settings::Align(settings)
}

#[test]
fn texts_that_a_trained_encoder_cuts_are_counted() {
    let desk = Desk::new();
    let events = desk.run("align", trained_encoder(), &["prepared", "backbone"]);
    let cut = events.iter().find_map(|event| match event {
        Event::Counted(counted) if counted.what.contains("encoder reads") => Some(counted.count),
        _ => None,
    });
    assert_eq!(cut, Some(12));
}

fn weights_of(folder: &Path) -> BTreeMap<String, tch::Tensor> {
    crate::models::weights::read_tensors(&folder.join(artefact::WEIGHTS)).unwrap()
}
