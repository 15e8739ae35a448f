//! The stages of a model: what is trained, and what an evaluation then reads.

use std::collections::BTreeMap;

use super::graph::NodeId;
use super::stage::{
    Answering, Asked, EncodeText, PretrainLm, Reader, Settings, TrainAlign, TrainBackbone,
    TrainProject, TrainTune,
};
use super::{PlanError, Planner, device_kind, draws_nothing, find, inputs, roles};
use crate::digest::Key;
use crate::spec::config::llm::{Llm, Prompt, Words};
use crate::spec::config::method::{Allmrec, Inference, ItemEmbedding, LlmOnly, MlpLlm, Tallrec};
use crate::spec::config::{Encoder, Model, Scenario};

/// Where a cell's stages find their data.
pub(super) struct Ground<'a> {
    /// Name of the data set.
    pub dataset: &'a String,
    /// Whether the scenario adds items to those of the data set.
    pub changes_items: bool,
    /// The data that the scenario makes: what later stages are trained on and what is measured.
    pub prepared: NodeId,
    /// The data that the CF model is trained on.
    pub taught: NodeId,
    /// The cell's seed.
    pub seed: u64,
}

/// What the stages of a model leave to its evaluation.
#[derive(Default)]
pub(super) struct Learned {
    /// What the evaluation reads beside data and candidates, by role.
    pub reads: BTreeMap<String, NodeId>,
    /// The stages that train something for this cell, in graph order.
    pub trained: Vec<NodeId>,
    /// How a language model answers; `None` for a CF model.
    pub answering: Option<Answering>,
    /// Digests of the files that the language model is read from.
    pub inputs: BTreeMap<String, Key>,
    /// Kind of the CF model; empty where none is read.
    pub backbone: String,
}

/// A language model that is asked, before it is known what is shown to it.
struct Asks<'a> {
    name: &'a str,
    prompt: &'a str,
    user: bool,
    item: ItemEmbedding,
}

impl Planner<'_> {
    /// The stages that make `model` (called `name`) ready to be evaluated.
    pub(super) fn learn(
        &mut self,
        ground: &Ground<'_>,
        name: &str,
        model: &Model,
    ) -> Result<Learned, PlanError> {
        match model {
            Model::Allmrec(method) => self.allmrec(ground, method),
            Model::MlpLlm(method) => self.mlp_llm(ground, method),
            Model::LlmOnly(method) => self.llm_only(ground, method),
            Model::Tallrec(method) => self.tallrec(ground, method),
            _ => {
                let backbone = self.backbone(ground, name, model);
                Ok(Learned {
                    reads: roles([("backbone", backbone)]),
                    trained: vec![backbone],
                    backbone: model.kind().to_owned(),
                    ..Learned::default()
                })
            }
        }
    }

    fn allmrec(&mut self, ground: &Ground<'_>, method: &Allmrec) -> Result<Learned, PlanError> {
        let asks = Asks {
            name: &method.llm,
            prompt: &method.prompt,
            user: method.user,
            item: method.item,
        };
        let (reader, llm) = self.reader(ground, &asks)?;
        let (backbone, kind) = self.read_backbone(ground, &method.backbone)?;
        let align = self.align(ground, backbone, method)?;
        let mut needs = roles([("backbone", backbone), ("align", align)]);
        needs.extend(llm.map(|llm| ("llm".to_owned(), llm)));
        let project = self.project(ground, (&asks, reader.clone()), &method.project, &needs);
        needs.insert("project".to_owned(), project);
        Ok(Learned {
            reads: needs,
            trained: vec![backbone, align, project],
            answering: answering(reader, &method.inference, ground),
            inputs: self.files_of_llm(asks.name),
            backbone: kind,
        })
    }

    fn mlp_llm(&mut self, ground: &Ground<'_>, method: &MlpLlm) -> Result<Learned, PlanError> {
        let asks = Asks {
            name: &method.llm,
            prompt: &method.prompt,
            user: true,
            item: ItemEmbedding::Joint,
        };
        let (reader, llm) = self.reader(ground, &asks)?;
        let (backbone, kind) = self.read_backbone(ground, &method.backbone)?;
        let mut needs = roles([("backbone", backbone)]);
        needs.extend(llm.map(|llm| ("llm".to_owned(), llm)));
        let project = self.project(ground, (&asks, reader.clone()), &method.project, &needs);
        needs.insert("project".to_owned(), project);
        Ok(Learned {
            reads: needs,
            trained: vec![backbone, project],
            answering: answering(reader, &method.inference, ground),
            inputs: self.files_of_llm(asks.name),
            backbone: kind,
        })
    }

    fn llm_only(&mut self, ground: &Ground<'_>, method: &LlmOnly) -> Result<Learned, PlanError> {
        let asks = Asks {
            name: &method.llm,
            prompt: &method.prompt,
            user: false,
            item: ItemEmbedding::None,
        };
        let (reader, llm) = self.reader(ground, &asks)?;
        Ok(Learned {
            reads: llm.map(|llm| ("llm".to_owned(), llm)).into_iter().collect(),
            answering: answering(reader, &method.inference, ground),
            inputs: self.files_of_llm(asks.name),
            ..Learned::default()
        })
    }

    fn tallrec(&mut self, ground: &Ground<'_>, method: &Tallrec) -> Result<Learned, PlanError> {
        let asks = Asks {
            name: &method.llm,
            prompt: &method.prompt,
            user: false,
            item: ItemEmbedding::None,
        };
        let (reader, llm) = self.reader(ground, &asks)?;
        let mut reads: BTreeMap<_, _> =
            llm.map(|llm| ("llm".to_owned(), llm)).into_iter().collect();
        let settings = Settings::Tune(TrainTune {
            reader: reader.clone(),
            form: method.form,
            lora: method.lora.clone(),
            train_on_inputs: method.train_on_inputs,
            train: method.train.clone(),
            seed: ground.seed,
            device: device_kind(&self.spec.run.device),
            threads: self.spec.run.threads,
        });
        let mut needs = reads.clone();
        needs.insert("prepared".to_owned(), ground.prepared);
        let tune = self
            .graph
            .add(settings, needs, self.files_of_llm(asks.name));
        reads.insert("tune".to_owned(), tune);
        let answering = answering(reader, &method.inference, ground).map(|answering| Answering {
            tuned: Some((method.form, method.lora.clone())),
            ..answering
        });
        Ok(Learned {
            reads,
            trained: vec![tune],
            answering,
            inputs: self.files_of_llm(asks.name),
            backbone: String::new(),
        })
    }

    /// The training of a CF model.
    fn backbone(&mut self, ground: &Ground<'_>, name: &str, model: &Model) -> NodeId {
        let seed = if draws_nothing(model) { 0 } else { ground.seed };
        let id = (ground.taught, name.to_owned(), seed);
        if let Some(&node) = self.trained.get(&id) {
            return node;
        }
        let settings = Settings::Backbone(TrainBackbone {
            model: model.clone(),
            seed,
            device: device_kind(&self.spec.run.device),
            threads: self.spec.run.threads,
        });
        let needs = roles([("prepared", ground.taught)]);
        let node = self.graph.add(settings, needs, BTreeMap::new());
        self.trained.insert(id, node);
        node
    }

    /// The CF model that a method names, with its kind.
    fn read_backbone(
        &mut self,
        ground: &Ground<'_>,
        name: &str,
    ) -> Result<(NodeId, String), PlanError> {
        let (_, _, model) = self.model(name)?;
        Ok((self.backbone(ground, name, &model), model.kind().to_owned()))
    }

    fn align(
        &mut self,
        ground: &Ground<'_>,
        backbone: NodeId,
        method: &Allmrec,
    ) -> Result<NodeId, PlanError> {
        let encoder = find(&self.spec.encoder, "encoder", &method.encoder)?.clone();
        let files = self.files_of_encoder(&method.encoder);
        let mut needs = roles([("prepared", ground.prepared), ("backbone", backbone)]);
        let is_frozen = matches!(encoder, Encoder::Hashed(_)) || !method.align.train_encoder;
        if is_frozen {
            let settings = Settings::EncodeText(EncodeText {
                encoder: encoder.clone(),
                text: method.align.text,
                device: device_kind(&self.spec.run.device),
                threads: self.spec.run.threads,
            });
            // Texts are read from data that as many cells as possible share.
            let texts = match ground.changes_items {
                true => ground.prepared,
                false => self.alone(ground)?,
            };
            let texts = roles([("prepared", texts)]);
            let encoded = self.graph.add(settings, texts, files.clone());
            needs.insert("encoded".to_owned(), encoded);
        }
        let settings = Settings::Align(TrainAlign {
            align: method.align.clone(),
            encoder,
            seed: ground.seed,
            device: device_kind(&self.spec.run.device),
            threads: self.spec.run.threads,
        });
        Ok(self.graph.add(settings, needs, files))
    }

    fn project(
        &mut self,
        ground: &Ground<'_>,
        (asks, reader): (&Asks<'_>, Reader),
        project: &crate::spec::config::method::Project,
        reads: &BTreeMap<String, NodeId>,
    ) -> NodeId {
        let settings = Settings::Project(TrainProject {
            reader: Reader {
                // q replaces e only in reading: both are trained as one.
                item: match reader.item {
                    ItemEmbedding::Text => ItemEmbedding::Joint,
                    item => item,
                },
                ..reader
            },
            project: project.clone(),
            seed: ground.seed,
            device: device_kind(&self.spec.run.device),
            threads: self.spec.run.threads,
        });
        let mut needs = reads.clone();
        needs.insert("prepared".to_owned(), ground.prepared);
        self.graph
            .add(settings, needs, self.files_of_llm(asks.name))
    }

    /// The language model with its prompt in the words of the data set, and the stage that trains it where it is a small one.
    fn reader(
        &mut self,
        ground: &Ground<'_>,
        asks: &Asks<'_>,
    ) -> Result<(Reader, Option<NodeId>), PlanError> {
        let llm = find(&self.spec.llm, "language model", asks.name)?.clone();
        let prompt = find(&self.spec.prompt, "prompt", asks.prompt)?;
        let asked = asked(prompt, ground.dataset);
        let trained = match &llm {
            Llm::Small(small) => {
                let settings = Settings::PretrainLm(PretrainLm {
                    llm: small.clone(),
                    words: asked.words.clone(),
                    device: device_kind(&self.spec.run.device),
                    threads: self.spec.run.threads,
                });
                let needs = roles([("prepared", self.alone(ground)?)]);
                Some(self.graph.add(settings, needs, BTreeMap::new()))
            }
            Llm::Pretrained(_) | Llm::Random(_) => None,
        };
        let reader = Reader {
            llm,
            asked,
            user: asks.user,
            item: asks.item,
        };
        Ok((reader, trained))
    }

    /// The data set by itself, whatever the scenario.
    fn alone(&mut self, ground: &Ground<'_>) -> Result<NodeId, PlanError> {
        self.prepare(ground.dataset, "", &Scenario::Overall {}, ground.seed)
    }

    fn files_of_llm(&self, name: &str) -> BTreeMap<String, Key> {
        let folder = self.spec.llm.get(name).and_then(inputs::folder_of_llm);
        self.inputs.folder(folder)
    }

    fn files_of_encoder(&self, name: &str) -> BTreeMap<String, Key> {
        let folder = self.spec.encoder.get(name);
        self.inputs
            .folder(folder.and_then(inputs::folder_of_encoder))
    }
}

fn answering(reader: Reader, inference: &Inference, ground: &Ground<'_>) -> Option<Answering> {
    Some(Answering {
        reader,
        inference: inference.clone(),
        tuned: None,
        seed: ground.seed,
    })
}

/// A prompt in the words of `dataset`.
fn asked(prompt: &Prompt, dataset: &str) -> Asked {
    let words = prompt.words.get(dataset).cloned();
    Asked {
        wording: prompt.wording,
        template: prompt.template.clone(),
        words: words.unwrap_or_else(|| Words {
            past: prompt.past.clone(),
            verb: prompt.verb.clone(),
            noun: prompt.noun.clone(),
        }),
        history: prompt.history,
        candidates: prompt.candidates,
        title_tokens: prompt.title_tokens,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{cell, plan_of};
    use super::super::{Cell, Plan, Settings, plan};
    use crate::digest::Key;
    use crate::spec;

    const SPEC: &str = r#"
spec_version = 1
name = "methods"
seeds = [1]

[dataset.toys.source.synthetic]
users = 60
items = 30

[dataset.games.source.synthetic]
users = 60
items = 30
world_seed = 2

[scenario.overall.overall]
[scenario.cold.cold_items]
[scenario.few.few_shot]
users = 20
backbone = false
[scenario.cross.cross_domain]
target = "games"

[matrix]
exclude = [{ dataset = "games", scenario = "cross" }]

[protocol.strict]
metrics = ["hit@1"]

[encoder.hashed.hashed]
[llm.small.small]
[prompt.default]
words.games = { past = "played", verb = "play", noun = "game" }

[model.sasrec.sasrec]
[model.allmrec.allmrec]
backbone = "sasrec"
encoder = "hashed"
llm = "small"
align.train_encoder = false
[model.mlp.mlp_llm]
backbone = "sasrec"
llm = "small"
[model.only.llm_only]
llm = "small"
[model.tallrec.tallrec]
llm = "small"

[variant]
text = { of = "allmrec", set = { item = "text" } }
none = { of = "allmrec", set = { item = "none" } }
random = { of = "allmrec", set = { item = "random" } }
userless = { of = "allmrec", set = { user = false } }
unmatched = { of = "allmrec", set = { align.matching = 0.0 } }
constrained = { of = "allmrec", set = { inference.constrained = {} } }
"#;

    /// The key of a cell's stage of a kind; `None` where it has none, a failure where it has several.
    fn key(plan: &Plan, cell: &Cell, kind: &str) -> Option<Key> {
        let stages = cell.stages(&plan.graph).into_iter();
        let nodes = stages.map(|id| &plan.graph.nodes[id]);
        let mut found = nodes.filter(|node| node.stage.settings.kind() == kind);
        let key = found.next().map(|node| node.key);
        assert!(found.next().is_none(), "{}: {kind} twice", cell.name);
        key
    }

    #[test]
    fn cells_share_exactly_the_stages_that_are_the_same_work() {
        let plan = plan_of(SPEC, &[]);
        let kinds = [
            "encode-text",
            "pretrain-lm",
            "backbone",
            "align",
            "project",
            "tune",
            "evaluate",
        ];
        // Two cells, and of which kinds both have the same stage.
        let table: [(&str, &str, &[&str]); 13] = [
            ("toys.overall.allmrec", "toys.overall.sasrec", &["backbone"]),
            (
                "toys.overall.allmrec",
                "toys.cold.allmrec",
                &[
                    "encode-text",
                    "pretrain-lm",
                    "backbone",
                    "align",
                    "project",
                    "evaluate",
                ],
            ),
            (
                "toys.overall.allmrec",
                "toys.few.allmrec",
                &["encode-text", "pretrain-lm", "backbone"],
            ),
            (
                "toys.overall.allmrec",
                "toys.cross.allmrec",
                &["pretrain-lm"],
            ),
            ("toys.overall.allmrec", "games.overall.allmrec", &[]),
            (
                "toys.overall.allmrec",
                "toys.overall.text",
                &["encode-text", "pretrain-lm", "backbone", "align", "project"],
            ),
            (
                "toys.overall.allmrec",
                "toys.overall.constrained",
                &["encode-text", "pretrain-lm", "backbone", "align", "project"],
            ),
            (
                "toys.overall.allmrec",
                "toys.overall.none",
                &["encode-text", "pretrain-lm", "backbone", "align"],
            ),
            (
                "toys.overall.random",
                "toys.overall.none",
                &["encode-text", "pretrain-lm", "backbone", "align"],
            ),
            (
                "toys.overall.allmrec",
                "toys.overall.userless",
                &["encode-text", "pretrain-lm", "backbone", "align"],
            ),
            (
                "toys.overall.allmrec",
                "toys.overall.unmatched",
                &["encode-text", "pretrain-lm", "backbone"],
            ),
            (
                "toys.overall.allmrec",
                "toys.overall.mlp",
                &["pretrain-lm", "backbone"],
            ),
            (
                "toys.overall.tallrec",
                "toys.overall.only",
                &["pretrain-lm"],
            ),
        ];
        for (one, two, shared) in table {
            let [a, b] = [one, two].map(|name| cell(&plan, &format!("{name}.s1")));
            for kind in kinds {
                let (a, b) = (key(&plan, a, kind), key(&plan, b, kind));
                assert_eq!(
                    a.is_some() && a == b,
                    shared.contains(&kind),
                    "{one}, {two}: {kind}"
                );
            }
        }
    }

    #[test]
    fn a_cell_knows_what_is_trained_for_it_and_which_cf_model_it_reads() {
        let plan = plan_of(SPEC, &[]);
        let table: [(&str, &[&str], &str, &[&str]); 5] = [
            ("sasrec", &["backbone"], "sasrec", &["backbone"]),
            (
                "allmrec",
                &["backbone", "align", "project"],
                "sasrec",
                &["align", "backbone", "llm", "project"],
            ),
            (
                "mlp",
                &["backbone", "project"],
                "sasrec",
                &["backbone", "llm", "project"],
            ),
            ("only", &[], "", &["llm"]),
            ("tallrec", &["tune"], "", &["llm", "tune"]),
        ];
        for (model, trained, backbone, reads) in table {
            let cell = cell(&plan, &format!("toys.overall.{model}.s1"));
            let kind = |id: &usize| plan.graph.nodes[*id].stage.settings.kind();
            assert_eq!(
                cell.trained.iter().map(kind).collect::<Vec<_>>(),
                trained,
                "{model}"
            );
            assert_eq!(cell.backbone, backbone, "{model}");
            let evaluate = &plan.graph.nodes[cell.measures[0].evaluate];
            let roles: Vec<&str> = evaluate.needs.keys().map(String::as_str).collect();
            let data = ["candidates", "prepared"];
            let read: Vec<&str> = roles
                .into_iter()
                .filter(|role| !data.contains(role))
                .collect();
            assert_eq!(read, reads, "{model}");
        }
    }

    #[test]
    fn a_prompt_has_the_words_of_the_data_set() {
        let plan = plan_of(SPEC, &[]);
        for (dataset, noun) in [("toys", "item"), ("games", "game")] {
            let cell = cell(&plan, &format!("{dataset}.overall.only.s1"));
            let settings = &plan.graph.nodes[cell.measures[0].evaluate].stage.settings;
            let Settings::Evaluate(evaluate) = settings else {
                panic!("{settings:?}");
            };
            let answering = evaluate.answering.as_ref().unwrap();
            assert_eq!(answering.reader.asked.words.noun, noun);
        }
    }

    #[test]
    fn a_trained_encoder_is_read_by_the_alignment_itself() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("minilm")).unwrap();
        for file in ["config.json", "model.safetensors", "tokenizer.json"] {
            std::fs::write(dir.path().join("minilm").join(file), "x").unwrap();
        }
        let text = SPEC
            .replace(
                "[encoder.hashed.hashed]",
                "[encoder.hashed.pretrained]\nfolder = \"minilm\"",
            )
            .replace("train_encoder = false", "train_encoder = true");
        let spec = |text: &str| {
            let checked = spec::load_text("spec.toml", text, dir.path(), &[]);
            checked.unwrap_or_else(|faults| panic!("{faults}")).spec
        };
        let with = |text: &str, digest: &str| {
            let spec = spec(text);
            plan(&spec, &mut |_| {
                Ok(crate::digest::of_bytes(digest.as_bytes()))
            })
            .unwrap()
        };
        let (trained, other) = (with(&text, "weights"), with(&text, "others"));
        let name = "toys.overall.allmrec.s1";
        assert_eq!(key(&trained, cell(&trained, name), "encode-text"), None);
        // The folder's contents are in the keys of what reads it, and of what reads that.
        for (kind, changes) in [
            ("backbone", false),
            ("pretrain-lm", false),
            ("align", true),
            ("project", true),
        ] {
            let keys = [&trained, &other].map(|plan| key(plan, cell(plan, name), kind));
            assert_eq!(keys[0] != keys[1], changes, "{kind}");
        }
        let frozen = with(
            &text.replace("train_encoder = true", "train_encoder = false"),
            "weights",
        );
        assert!(key(&frozen, cell(&frozen, name), "encode-text").is_some());
    }
}
