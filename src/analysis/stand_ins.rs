//! Stand-ins: made-up data, a profile, fewer users, random weights, a tiny language model.
//!
//! They are found here only. Every table, figure and file marks their numbers.

use std::collections::BTreeMap;

use crate::experiment::Spec;
use crate::results::{CellRow, CellStageRow, DataRow, Results, StageRow};
use allround_core::config::Llm;

/// A language model with fewer parameters is a stand-in. The smallest one that papers use
/// (OPT-125M) has six times as many.
pub const FEWEST_PARAMS: u64 = 20_000_000;

/// The published A-LLMRec code measures at most 10,000 users. A protocol that draws fewer is a
/// stand-in.
pub const PUBLISHED_USERS: u64 = 10_000;

/// Why the language model of a model is a stand-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LmStandIn {
    /// Its weights are random: only its costs are meaningful.
    RandomWeights,
    /// It has fewer than [`FEWEST_PARAMS`] parameters.
    Tiny,
}

impl LmStandIn {
    /// The mark after the names of models in tables.
    pub fn symbol(self) -> char {
        match self {
            LmStandIn::RandomWeights => '†',
            LmStandIn::Tiny => '‡',
        }
    }

    /// The text for figures and CSV files.
    pub fn short(self) -> &'static str {
        match self {
            LmStandIn::RandomWeights => "random weights",
            LmStandIn::Tiny => "tiny language model",
        }
    }

    /// The text for notes below tables, with the symbol.
    pub fn note(self) -> &'static str {
        match self {
            LmStandIn::RandomWeights => {
                "† Its language model has random weights: its costs are meaningful, its rankings are not."
            }
            LmStandIn::Tiny => {
                "‡ Its language model is a stand-in with fewer than 20 million parameters: the numbers are not those of the method with a full-size model."
            }
        }
    }
}

/// The stand-ins of a results folder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StandIns {
    /// Stand-ins for all numbers, each as a short text and as a sentence.
    facts: Vec<(String, String)>,
    /// Models whose language model is a stand-in.
    models: BTreeMap<String, LmStandIn>,
}

impl StandIns {
    /// The stand-ins of an experiment. `counts` are rows of `data.csv`; `params` are the known
    /// sizes of the models' language models ([`lm_params`]).
    pub fn new(spec: &Spec, counts: &[&DataRow], params: &BTreeMap<String, u64>) -> StandIns {
        let names = spec.named_models();
        let of_llm = |name: &String, llm: &Llm| match llm {
            Llm::Random(_) => Some(LmStandIn::RandomWeights),
            Llm::Small(_) => Some(LmStandIn::Tiny),
            Llm::Pretrained(_) => params
                .get(name)
                .filter(|&&params| params < FEWEST_PARAMS)
                .map(|_| LmStandIn::Tiny),
        };
        let of_model = |name: &String| {
            let methods = spec.llm_methods(name).into_iter();
            let llms = methods.filter_map(|method| spec.llm.get(method.llm()));
            // Of the models in a fusion, the least meaningful one counts.
            let found = llms.filter_map(|llm| of_llm(name, llm)).min()?;
            Some((name.clone(), found))
        };
        StandIns {
            facts: [profile(spec), limit(spec), made_up(spec)]
                .into_iter()
                .flatten()
                .chain(fewer_users(spec, counts))
                .collect(),
            models: names.filter_map(of_model).collect(),
        }
    }

    /// The stand-ins of a results folder.
    pub fn of(results: &Results) -> StandIns {
        let cells: Vec<&CellRow> = results.cells.values().collect();
        let params = lm_params(&results.spec, &cells, &results.cell_stages, &results.stages);
        StandIns::new(
            &results.spec,
            &results.counts.iter().collect::<Vec<_>>(),
            &params,
        )
    }

    /// A title followed by the stand-ins of all numbers in brackets, if any.
    pub fn title(&self, title: &str) -> String {
        match self.short(None) {
            short if short.is_empty() => title.to_owned(),
            short => format!("{title} ({short})"),
        }
    }

    /// The stand-ins of all numbers in sentences; `None` where there are none.
    pub fn sentence(&self) -> Option<String> {
        let sentences: Vec<&str> = self.facts.iter().map(|(_, it)| it.as_str()).collect();
        (!sentences.is_empty()).then(|| sentences.join(" "))
    }

    /// The stand-ins of all numbers and of a model, in a few words; empty where there are none.
    pub fn short(&self, model: Option<&str>) -> String {
        let of_model = model.and_then(|name| self.of_model(name));
        let all = self.facts.iter().map(|(short, _)| short.as_str());
        let all: Vec<&str> = all.chain(of_model.map(LmStandIn::short)).collect();
        all.join(", ")
    }

    /// Why the language model of a model is a stand-in; `None` where it is not, or where the model
    /// uses none.
    pub fn of_model(&self, name: &str) -> Option<LmStandIn> {
        self.models.get(name).copied()
    }

    /// A model's display name with the symbol that [`LmStandIn::note`] explains.
    pub fn marked(&self, model: &str, name: &str) -> String {
        match self.of_model(model) {
            Some(found) => format!("{name} {}", found.symbol()),
            None => name.to_owned(),
        }
    }

    /// The notes that explain the symbols of these models.
    pub fn notes<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Vec<&'static str> {
        let mut found: Vec<LmStandIn> = names
            .into_iter()
            .filter_map(|name| self.of_model(name))
            .collect();
        found.sort();
        found.dedup();
        found.into_iter().map(LmStandIn::note).collect()
    }

    /// Models whose language model has random weights. They are not ranked and not tested.
    pub fn unranked(&self) -> Vec<String> {
        let random = self
            .models
            .iter()
            .filter(|(_, found)| **found == LmStandIn::RandomWeights);
        random.map(|(name, _)| name.clone()).collect()
    }
}

/// Parameters of the language model of each model that uses one: those of the largest model among
/// its stages.
pub fn lm_params(
    spec: &Spec,
    cells: &[&CellRow],
    cell_stages: &[CellStageRow],
    stages: &[StageRow],
) -> BTreeMap<String, u64> {
    let mut largest: BTreeMap<&str, u64> = BTreeMap::new();
    for stage in stages {
        let params = largest.entry(&stage.key).or_default();
        *params = stage.params.unwrap_or_default().max(*params);
    }
    let mut of_cells: BTreeMap<&str, u64> = BTreeMap::new();
    for used in cell_stages {
        let params = of_cells.entry(&used.cell).or_default();
        let of_stage = largest.get(used.key.as_str()).copied().unwrap_or_default();
        *params = of_stage.max(*params);
    }
    let uses_llm = |name: &str| !spec.llm_methods(name).is_empty();
    let mut found = BTreeMap::new();
    for cell in cells.iter().filter(|cell| uses_llm(&cell.name)) {
        if let Some(&params) = of_cells
            .get(cell.cell.as_str())
            .filter(|&&params| params > 0)
        {
            let largest = found.entry(cell.name.clone()).or_insert(params);
            *largest = params.max(*largest);
        }
    }
    found
}

fn profile(spec: &Spec) -> Option<(String, String)> {
    let profile = &spec.profile;
    (!profile.is_empty()).then(|| {
        (
            format!("profile {profile}"),
            format!(
                "Made with the profile {profile}, which changes data or models: these are not the results of the experiment itself."
            ),
        )
    })
}

fn limit(spec: &Spec) -> Option<(String, String)> {
    let users = format!("limited to {} users", spec.run.limit);
    (spec.run.limit > 0).then(|| {
        let sentence =
            format!("The run was {users} of each data set: a test of the program, not a result.");
        (users, sentence)
    })
}

fn made_up(spec: &Spec) -> Option<(String, String)> {
    let made_up: Vec<&str> = (spec.dataset.iter())
        .filter(|(_, dataset)| dataset.source.generated().is_some())
        .map(|(name, _)| name.as_str())
        .collect();
    (!made_up.is_empty()).then(|| {
        let names = made_up.join(", ");
        let short = match made_up.len() == spec.dataset.len() {
            true => "made-up data".to_owned(),
            false => format!("made-up data in {names}"),
        };
        let sentence = format!(
            "The program generated the data ({names}): numbers on them show that it works, not which method is better."
        );
        (short, sentence)
    })
}

/// Protocols that draw fewer users than the published A-LLMRec code, where the data have more.
fn fewer_users(spec: &Spec, counts: &[&DataRow]) -> Vec<(String, String)> {
    let most = counts.iter().map(|row| row.measured_users).max();
    let fewer = spec.protocol.iter().filter(|(_, protocol)| {
        let drawn = protocol.max_users;
        drawn > 0 && drawn < PUBLISHED_USERS && most.is_some_and(|users| users > drawn)
    });
    let fact = |(name, protocol): (&String, &allround_core::config::Protocol)| {
        let drawn = protocol.max_users;
        let sentence = format!(
            "Protocol {name} measures at most {drawn} users of each data set, drawn at random."
        );
        let short = match spec.protocol.len() {
            1 => format!("at most {drawn} users"),
            _ => format!("at most {drawn} users in {name}"),
        };
        (short, sentence)
    };
    fewer.map(fact).collect()
}
