//! The combinations of the matrix.

use std::collections::BTreeSet;

use crate::experiment::config::{MatrixEntry, Spec};
use allround_core::models::{LlmMethod, Model};

/// A combination that is run once for each seed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selected {
    /// Name of a data set.
    pub dataset: String,
    /// Name of a scenario.
    pub scenario: String,
    /// Name of a model or variant.
    pub model: String,
}

impl Spec {
    /// The combinations of the matrix, sorted and distinct: the product of its axes without those
    /// that `exclude` matches, and those that `include` adds.
    pub fn selected(&self) -> Vec<Selected> {
        let mut selected = self.product();
        selected.retain(|cell| !self.matrix.exclude.iter().any(|entry| entry.matches(cell)));
        let include = self.matrix.include.iter().filter_map(|entry| {
            Some(Selected {
                dataset: entry.dataset.clone()?,
                scenario: entry.scenario.clone()?,
                model: entry.model.clone()?,
            })
        });
        selected.extend(include);
        selected.sort();
        selected.dedup();
        selected
    }

    /// The product of the axes. An empty axis means everything that the file declares.
    pub(super) fn product(&self) -> Vec<Selected> {
        let all = |axis: &[String], declared: Vec<&String>| match axis {
            [] => declared.into_iter().cloned().collect(),
            axis => axis.to_vec(),
        };
        let datasets = all(&self.matrix.dataset, self.dataset.keys().collect());
        let scenarios = all(&self.matrix.scenario, self.scenario.keys().collect());
        let models = all(&self.matrix.model, self.named_models().collect());
        let mut product = Vec::new();
        for dataset in &datasets {
            for scenario in &scenarios {
                for model in &models {
                    product.push(Selected {
                        dataset: dataset.clone(),
                        scenario: scenario.clone(),
                        model: model.clone(),
                    });
                }
            }
        }
        product
    }

    /// Names of all models, variants and searches.
    pub fn named_models(&self) -> impl Iterator<Item = &String> {
        let others = self.variant.keys().chain(self.search.keys());
        self.model.keys().chain(others)
    }

    /// The whole configuration of a model or variant; `None` for an unknown name. For a search, it
    /// is the best one of a data set, or the one that it starts from.
    pub fn model_named(&self, name: &str) -> Option<&Model> {
        let of = |name: &str| {
            let variant = || self.variant.get(name)?.resolved.as_ref();
            self.model.get(name).or_else(variant)
        };
        let searched = || {
            let search = self.search.get(name)?;
            let best = search.best.values().next().map(|best| &best.resolved);
            best.or_else(|| of(&search.of))
        };
        of(name).or_else(searched)
    }

    /// The same on one data set; `None` also for a search without a result on it.
    pub fn model_on(&self, name: &str, dataset: &str) -> Option<&Model> {
        match self.search.get(name) {
            Some(search) => Some(&search.best.get(dataset)?.resolved),
            None => self.model_named(name),
        }
    }

    /// The data sets on which a search is run, sorted: those of its cells, and of models that read
    /// its result.
    pub fn datasets_of(&self, search: &str) -> BTreeSet<String> {
        let cells = self.selected().into_iter();
        let cells = cells.filter(|cell| self.searches_of(&cell.model).contains(&search));
        cells.map(|cell| cell.dataset).collect()
    }

    /// The searches whose results a model needs: the model itself, its CF model, and those of the
    /// models that a fusion combines.
    pub fn searches_of<'a>(&'a self, name: &'a str) -> BTreeSet<&'a str> {
        // A fusion reads a method, which reads a CF model: no chain of names is longer.
        let read = self.read_by(name);
        let further = read.iter().flat_map(|read| self.read_by(read));
        let all = [name]
            .into_iter()
            .chain(read.iter().copied())
            .chain(further);
        all.filter(|name| self.search.contains_key(*name)).collect()
    }

    /// The models whose results another model needs. A search reads none.
    fn read_by<'a>(&'a self, name: &str) -> Vec<&'a str> {
        let model = self
            .model_named(name)
            .filter(|_| !self.search.contains_key(name));
        let method = model.and_then(Model::llm_method);
        let sources = model.map(Model::sources).unwrap_or_default();
        let backbone = method.and_then(LlmMethod::backbone);
        sources.iter().map(String::as_str).chain(backbone).collect()
    }

    /// The methods that query a language model in a model or variant: itself, or those that a
    /// fusion combines.
    pub fn llm_methods(&self, name: &str) -> Vec<&dyn LlmMethod> {
        let Some(model) = self.model_named(name) else {
            return Vec::new();
        };
        let sources = model.sources().iter();
        let sources = sources.filter_map(|source| self.model_named(source));
        [model]
            .into_iter()
            .chain(sources)
            .filter_map(Model::llm_method)
            .collect()
    }

    /// Names of all models and variants that a fusion combines.
    pub fn fused(&self) -> BTreeSet<String> {
        let variants = self.variant.values();
        let variants = variants.filter_map(|variant| variant.resolved.as_ref());
        let models = self.model.values().chain(variants);
        models.flat_map(Model::sources).cloned().collect()
    }
}

impl MatrixEntry {
    /// Whether a combination has all names of the entry.
    pub fn matches(&self, cell: &Selected) -> bool {
        let same = |wanted: &Option<String>, name: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == name)
        };
        same(&self.dataset, &cell.dataset)
            && same(&self.scenario, &cell.scenario)
            && same(&self.model, &cell.model)
    }
}
