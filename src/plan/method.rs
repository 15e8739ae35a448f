//! The stages of a model: what is trained, and what an evaluation then reads.

use std::collections::BTreeMap;

use allround_core::config::llm::Llm;
use allround_core::config::{Encoder, Scenario};
use allround_core::digest::Key;
use allround_core::models::llm_method::StageContext;
use allround_core::models::{Ctrl, Fusion, LlmMethod, Model, Recformer, Scores, TextSimilarity};
use allround_core::stage::{
    Compute, EncodeText, FusionRanking, LlmRanking, PretrainLm, PromptedLlm, Ranking, Settings,
    TextRanking, TrainBackbone, VectorRanking, pretrained_role,
};

use super::graph::NodeId;
use super::{PlanError, Planner, find, inputs, roles, unknown};

/// What a cell's stages have in common.
pub(super) struct CellContext<'a> {
    /// Name of the data set.
    pub dataset: &'a String,
    /// Whether the scenario adds items to those of the data set.
    pub changes_items: bool,
    /// The data that later stages train on.
    pub prepared: NodeId,
    /// The data that the CF model trains on.
    pub backbone_data: NodeId,
    /// The cell's seed.
    pub seed: u64,
}

/// What the stages of a model leave to its evaluation.
#[derive(Clone, Default)]
pub(super) struct ModelStages {
    /// What the evaluation reads besides data and candidates, by role.
    pub reads: BTreeMap<String, NodeId>,
    /// The stages that train something for this cell, in graph order.
    pub trained: Vec<NodeId>,
    /// What ranks the candidates. For scores of another program it depends on the part, see
    /// `given`.
    pub ranking: Ranking,
    /// Scores of another program; `None` for everything that is computed here.
    pub given: Option<Scores>,
    /// The models that a fusion combines; empty for all others.
    pub sources: Vec<ModelStages>,
    /// Digests of the files that the language model is read from.
    pub inputs: BTreeMap<String, Key>,
    /// Kind of the CF model; empty where none is read.
    pub backbone: String,
}

impl Planner<'_> {
    /// The stages that make `model` (called `name`) ready to be evaluated.
    pub(super) fn model_stages(
        &mut self,
        cell: &CellContext<'_>,
        name: &str,
        model: &Model,
    ) -> Result<ModelStages, PlanError> {
        if let Some(method) = model.llm_method() {
            return self.method_stages(cell, method);
        }
        if let Model::Scores(scores) = model {
            return Ok(ModelStages {
                given: Some(scores.clone()),
                ..ModelStages::default()
            });
        }
        if let Model::TextSimilarity(model) = model {
            return self.text_stages(cell, model);
        }
        if let Model::Fusion(fusion) = model {
            return self.fusion_stages(cell, fusion);
        }
        let backbone = self.backbone(cell, name, model)?;
        Ok(ModelStages {
            reads: roles([("backbone", backbone)]),
            trained: self.with_contrast(backbone),
            backbone: model.kind().to_owned(),
            ..ModelStages::default()
        })
    }

    fn text_stages(
        &mut self,
        cell: &CellContext<'_>,
        model: &TextSimilarity,
    ) -> Result<ModelStages, PlanError> {
        let encoder = find(&self.spec.encoder, "encoder", &model.encoder)?.clone();
        let text = model.text;
        let encoded = self.encoded(cell, EncodeText { encoder, text })?;
        Ok(ModelStages {
            reads: roles([("encoded", encoded)]),
            ranking: Ranking::Texts(TextRanking { last: model.last }),
            ..ModelStages::default()
        })
    }

    fn fusion_stages(
        &mut self,
        cell: &CellContext<'_>,
        fusion: &Fusion,
    ) -> Result<ModelStages, PlanError> {
        let mut found = ModelStages {
            ranking: Ranking::Fusion(FusionRanking {
                by: fusion.by,
                pivot: fusion.pivot,
            }),
            ..ModelStages::default()
        };
        for name in &fusion.models {
            let (_, _, model) = self.model(name, cell.dataset)?;
            // The check of a spec finds this first. A fusion of itself would never end.
            if let Model::Fusion(_) = model {
                return Err(unknown("model", name));
            }
            let source = self.model_stages(cell, name, &model)?;
            found.trained.extend(&source.trained);
            if found.backbone.is_empty() {
                found.backbone.clone_from(&source.backbone);
            }
            found.sources.push(source);
        }
        found.trained.sort_unstable();
        found.trained.dedup();
        Ok(found)
    }

    fn method_stages(
        &mut self,
        cell: &CellContext<'_>,
        method: &dyn LlmMethod,
    ) -> Result<ModelStages, PlanError> {
        let (llm, trained_llm) = self.prompted_llm(cell, method)?;
        let mut found = ModelStages::default();
        found
            .reads
            .extend(trained_llm.map(|node| ("llm".to_owned(), node)));
        if let Some(name) = method.backbone() {
            let (_, _, model) = self.model(name, cell.dataset)?;
            let node = self.backbone(cell, name, &model)?;
            found.reads.insert("backbone".to_owned(), node);
            found.trained.extend(self.with_contrast(node));
            found.backbone = model.kind().to_owned();
        }
        let encoder = match method.encoder() {
            Some(name) => Some(find(&self.spec.encoder, "encoder", name)?),
            None => None,
        };
        let context = StageContext {
            llm: &llm,
            encoder,
            seed: cell.seed,
            token_budget: self.spec.run.answer_token_budget,
        };
        for settings in method.stages(&context) {
            let role = settings.kind().as_str().to_owned();
            let needs = self.needs(cell, &found.reads, &settings)?;
            let files = self.files(&settings);
            let node = self.add(settings, needs, files);
            found.reads.insert(role, node);
            found.trained.push(node);
        }
        found.inputs = self.inputs.of_model(inputs::folder_of_llm(&llm.llm));
        let token_budget = self.spec.run.answer_token_budget;
        found.ranking = match method.ranks_by_vectors() {
            true => Ranking::Vectors(VectorRanking { llm, token_budget }),
            false => Ranking::Llm(LlmRanking {
                llm,
                inference: method.inference().cloned(),
                tuned: method.tuned(),
                seed: cell.seed,
                token_budget,
                genres: false,
            }),
        };
        Ok(found)
    }

    /// What a method's stage reads: data, encoded texts, and those of its roles that are `made`.
    fn needs(
        &mut self,
        cell: &CellContext<'_>,
        made: &BTreeMap<String, NodeId>,
        settings: &Settings,
    ) -> Result<BTreeMap<String, NodeId>, PlanError> {
        let mut needs = roles([("prepared", cell.prepared)]);
        for &role in settings.reads() {
            let node = made.get(role).copied();
            needs.extend(node.map(|node| (role.to_owned(), node)));
        }
        if let Some(encode) = settings.encoded_texts() {
            let node = self.encoded(cell, encode)?;
            needs.insert("encoded".to_owned(), node);
        }
        Ok(needs)
    }

    /// The vectors of a frozen text encoder.
    fn encoded(&mut self, cell: &CellContext<'_>, encode: EncodeText) -> Result<NodeId, PlanError> {
        // Texts are read from data that as many cells as possible share.
        let texts = match cell.changes_items {
            true => cell.prepared,
            false => self.unchanged(cell)?,
        };
        let settings = Settings::EncodeText(encode);
        let files = self.files(&settings);
        Ok(self.add(settings, roles([("prepared", texts)]), files))
    }

    /// Digests of the files of the stage's text encoder and language model.
    fn files(&self, settings: &Settings) -> BTreeMap<String, Key> {
        let encoder = settings.encoder().and_then(inputs::folder_of_encoder);
        let llm = settings.llm().and_then(inputs::folder_of_llm);
        let mut files = self.inputs.of_model(encoder);
        files.extend(self.inputs.of_model(llm));
        files
    }

    /// The training of a CF model, or the import of its weights.
    fn backbone(
        &mut self,
        cell: &CellContext<'_>,
        name: &str,
        model: &Model,
    ) -> Result<NodeId, PlanError> {
        let seed = if model.is_deterministic() {
            0
        } else {
            cell.seed
        };
        let id = (cell.backbone_data, name.to_owned(), seed);
        if let Some(&node) = self.trained.get(&id) {
            return Ok(node);
        }
        let mut needs = roles([("prepared", cell.backbone_data)]);
        let mut trained_encoder = None;
        if let Some(texts) = model.texts()
            && let Some(encoder) = texts.encoder
        {
            let encoder = find(&self.spec.encoder, "encoder", encoder)?.clone();
            if texts.is_trained {
                trained_encoder = Some(encoder);
            } else {
                let text = texts.form;
                let encoded = self.encoded(cell, EncodeText { encoder, text })?;
                needs.insert("encoded".to_owned(), encoded);
            }
        }
        if let Some(model) = model.contrasted() {
            needs.insert("contrast".to_owned(), self.contrast(cell, model, seed)?);
        }
        if let Model::Recformer(model) = model
            && model.pretrain.enabled
        {
            let encoder = trained_encoder.clone();
            let node = self.pretrain(cell, model, encoder, seed)?;
            needs.insert("pretrain".to_owned(), node);
        }
        let settings = Settings::Backbone(TrainBackbone {
            model: model.clone(),
            encoder: trained_encoder,
            seed,
        });
        let mut files = self.files(&settings);
        for file in model.files() {
            files.extend(self.inputs.of_model(Some(file)));
        }
        let node = self.add(settings, needs, files);
        self.trained.insert(id, node);
        self.backbones
            .entry(node)
            .or_default()
            .insert(name.to_owned());
        Ok(node)
    }

    /// CTRL's stage 1.
    fn contrast(
        &mut self,
        cell: &CellContext<'_>,
        model: &Ctrl,
        seed: u64,
    ) -> Result<NodeId, PlanError> {
        let encoder = find(&self.spec.encoder, "encoder", &model.encoder)?.clone();
        let prompt = find(&self.spec.prompt, "prompt", &model.prompt)?.of_dataset(cell.dataset);
        let settings = Settings::Contrast(model.contrast_stage(encoder, prompt.own_words(), seed));
        let files = self.files(&settings);
        Ok(self.add(settings, roles([("prepared", cell.backbone_data)]), files))
    }

    /// RECFORMER's pre-training, on the cell's data or on the training parts of others.
    fn pretrain(
        &mut self,
        cell: &CellContext<'_>,
        model: &Recformer,
        encoder: Option<Encoder>,
        seed: u64,
    ) -> Result<NodeId, PlanError> {
        let datasets = &model.pretrain.datasets;
        let mut needs = BTreeMap::new();
        if datasets.is_empty() {
            needs.insert(pretrained_role(0), cell.backbone_data);
        }
        for (place, name) in datasets.iter().enumerate() {
            let node = self.prepare(name, "", &Scenario::Overall {}, cell.seed)?;
            needs.insert(pretrained_role(place), node);
        }
        let settings = Settings::Pretrain(model.pretrain_stage(encoder, seed));
        let files = self.files(&settings);
        Ok(self.add(settings, needs, files))
    }

    /// The stages that train a CF model: CTRL and RECFORMER have two.
    fn with_contrast(&self, backbone: NodeId) -> Vec<NodeId> {
        let needs = &self.graph.nodes[backbone].needs;
        let first = needs.get("contrast").or(needs.get("pretrain")).copied();
        first.into_iter().chain([backbone]).collect()
    }

    /// The language model with its prompt in the words of the data set, and the stage that trains
    /// it if it is a small one.
    fn prompted_llm(
        &mut self,
        cell: &CellContext<'_>,
        method: &dyn LlmMethod,
    ) -> Result<(PromptedLlm, Option<NodeId>), PlanError> {
        let llm = find(&self.spec.llm, "language model", method.llm())?.clone();
        let prompt = find(&self.spec.prompt, "prompt", method.prompt())?.of_dataset(cell.dataset);
        let trained = match &llm {
            Llm::Small(small) => {
                let settings = Settings::PretrainLm(PretrainLm {
                    llm: small.clone(),
                    words: prompt.own_words(),
                });
                let needs = roles([("prepared", self.unchanged(cell)?)]);
                Some(self.add(settings, needs, BTreeMap::new()))
            }
            Llm::Pretrained(_) | Llm::Random(_) => None,
        };
        let vectors = method.vectors();
        let llm = PromptedLlm {
            llm,
            prompt,
            user: vectors.user,
            item: vectors.item,
            text_below: vectors.text_below,
        };
        Ok((llm, trained))
    }

    /// The data set without the scenario.
    fn unchanged(&mut self, cell: &CellContext<'_>) -> Result<NodeId, PlanError> {
        self.prepare(cell.dataset, "", &Scenario::Overall {}, cell.seed)
    }

    /// Adds a stage that runs where the experiment says, as far as its result depends on that.
    pub(super) fn add(
        &mut self,
        settings: Settings,
        needs: BTreeMap<String, NodeId>,
        inputs: BTreeMap<String, Key>,
    ) -> NodeId {
        let compute = self.compute(&settings);
        self.graph.add(settings, compute, needs, inputs)
    }

    fn compute(&self, settings: &Settings) -> Option<Compute> {
        let run = &self.spec.run;
        let threads = match settings {
            // The same on any device and any number of threads.
            Settings::Prepare(_) | Settings::Candidates(_) => return None,
            Settings::Backbone(training) if training.model.is_deterministic() => {
                return None;
            }
            Settings::EncodeText(encode) if matches!(encode.encoder, Encoder::Hashed(_)) => {
                return None;
            }
            Settings::Evaluate(evaluate) => match evaluate.ranking {
                Ranking::Given(_) | Ranking::Fusion(_) | Ranking::Genres(_) => return None,
                Ranking::Cf | Ranking::Texts(_) => run.cf_threads,
                Ranking::Llm(_) | Ranking::Vectors(_) => run.threads,
            },
            Settings::Backbone(_) => run.cf_threads,
            Settings::Contrast(_)
            | Settings::Pretrain(_)
            | Settings::EncodeText(_)
            | Settings::PretrainLm(_)
            | Settings::Align(_)
            | Settings::Project(_)
            | Settings::Tune(_)
            | Settings::Represent(_) => run.threads,
        };
        // Which of several equal devices runs a stage does not change its result.
        let device = run.device.split(':').next().unwrap_or(&run.device);
        Some(Compute {
            device: device.to_owned(),
            threads,
        })
    }
}

#[cfg(test)]
mod tests;
