//! The stages of a model: what is trained, and what an evaluation then reads.

use std::collections::BTreeMap;

use super::graph::NodeId;
use super::{PlanError, Planner, device_kind, draws_nothing, find, inputs, roles};
use allround_core::config::llm::{Llm, Prompt, Words};
use allround_core::config::method::{Allmrec, Inference, ItemEmbedding, LlmOnly, MlpLlm, Tallrec};
use allround_core::config::model::Scores;
use allround_core::config::{Encoder, Model, Scenario};
use allround_core::digest::Key;
use allround_core::stage::{
    Answering, Asked, EncodeText, PretrainLm, Reader, Settings, TrainAlign, TrainBackbone,
    TrainProject, TrainTune,
};

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
    /// `run.answer_token_budget`.
    pub answer_token_budget: usize,
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
    /// Scores that another program has made; `None` for everything that is computed here.
    pub given: Option<Scores>,
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
    text_below: u64,
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
            Model::Scores(scores) => Ok(Learned {
                given: Some(scores.clone()),
                ..Learned::default()
            }),
            Model::Sasrec(_)
            | Model::Gru4rec(_)
            | Model::Nextitnet(_)
            | Model::Ncf(_)
            | Model::Popularity(_)
            | Model::Markov(_) => {
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
            text_below: method.text_below,
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
            given: None,
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
            text_below: 0,
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
            given: None,
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
            text_below: 0,
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
            text_below: 0,
        };
        let (reader, llm) = self.reader(ground, &asks)?;
        let mut reads: BTreeMap<_, _> =
            llm.map(|llm| ("llm".to_owned(), llm)).into_iter().collect();
        let settings = Settings::Tune(TrainTune {
            reader: reader.clone(),
            form: method.form,
            lora: method.lora.clone(),
            train_on_inputs: method.train_on_inputs,
            one_item: method.one_item,
            candidates: method.candidates,
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
            given: None,
            inputs: self.files_of_llm(asks.name),
            backbone: String::new(),
        })
    }

    /// The training of a CF model, or the import of its weights.
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
            // What only counts interactions or reads a file is the same on any number of threads.
            threads: match draws_nothing(model) {
                true => 1,
                false => self.spec.run.cf_threads,
            },
        });
        let needs = roles([("prepared", ground.taught)]);
        let mut weights = self.inputs.of_model(model.weights());
        weights.extend(self.inputs.of_model(model.weights_check()));
        let node = self.graph.add(settings, needs, weights);
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
                // Hashed vectors are the same on any number of threads, which therefore stays out of the key.
                threads: match encoder {
                    Encoder::Hashed(_) => 1,
                    Encoder::Pretrained(_) => self.spec.run.threads,
                },
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
        project: &allround_core::config::method::Project,
        reads: &BTreeMap<String, NodeId>,
    ) -> NodeId {
        let settings = Settings::Project(TrainProject {
            reader: Reader {
                // q replaces e only in reading: both are trained as one.
                item: match reader.item {
                    ItemEmbedding::Text => ItemEmbedding::Joint,
                    item => item,
                },
                text_below: 0,
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
            text_below: asks.text_below,
        };
        Ok((reader, trained))
    }

    /// The data set by itself, whatever the scenario.
    fn alone(&mut self, ground: &Ground<'_>) -> Result<NodeId, PlanError> {
        self.prepare(ground.dataset, "", &Scenario::Overall {}, ground.seed)
    }

    fn files_of_llm(&self, name: &str) -> BTreeMap<String, Key> {
        let folder = self.spec.llm.get(name).and_then(inputs::folder_of_llm);
        self.inputs.of_model(folder)
    }

    fn files_of_encoder(&self, name: &str) -> BTreeMap<String, Key> {
        let folder = self.spec.encoder.get(name);
        self.inputs
            .of_model(folder.and_then(inputs::folder_of_encoder))
    }
}

fn answering(reader: Reader, inference: &Inference, ground: &Ground<'_>) -> Option<Answering> {
    Some(Answering {
        reader,
        inference: inference.clone(),
        tuned: None,
        seed: ground.seed,
        token_budget: ground.answer_token_budget,
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
mod tests;
