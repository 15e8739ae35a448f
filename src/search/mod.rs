//! Chooses the settings of trials: numbers in, settings out. Nothing here trains or reads files.
//!
//! A [`Driver`] proposes trials, and their values are recorded in it. What it proposes next depends on
//! these values and a seed alone. So a replay of known values continues an interrupted search.

mod halving;
mod parzen;
mod space;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use allround_core::seed::{self, Stream};
use serde_json::Value;

use crate::experiment::config::Search;
use crate::experiment::config::search::Method;
use halving::Halving;
use parzen::Parzen;
pub use space::Parameter;
use space::{combinations, draw};

/// Values by dotted key.
pub type Settings = BTreeMap<String, Value>;

/// Draws in search of settings that were not tried.
const DRAWS: usize = 200;

/// A trial that is to be measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposed {
    /// Its number, from 1.
    pub number: usize,
    /// The settings that it tries.
    pub set: Settings,
    /// In successive halving, the setting that bounds its training, and the value.
    pub resource: Option<(String, u64)>,
}

impl Proposed {
    /// All settings of the trial: those that it tries, and the bound of its training.
    pub fn whole_set(&self) -> Settings {
        let mut set = self.set.clone();
        let resource = self.resource.iter();
        set.extend(resource.map(|(key, value)| (key.clone(), Value::from(*value))));
        set
    }

    fn level(&self) -> u64 {
        self.resource.as_ref().map_or(0, |(_, value)| *value)
    }
}

/// A trial that was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Tried {
    /// The trial.
    pub proposed: Proposed,
    /// Its value; `None` if it failed.
    pub value: Option<f64>,
}

/// How the next trials are chosen.
#[derive(Debug)]
enum Chooser {
    /// A list from the beginning.
    List,
    Parzen(Parzen),
    Halving(Halving),
}

/// One search on one data set.
#[derive(Debug)]
pub struct Driver {
    search: Search,
    parameters: Vec<Parameter>,
    rng: rand_chacha::ChaCha8Rng,
    chooser: Chooser,
    /// Settings that will be proposed.
    queue: VecDeque<(Settings, Option<(String, u64)>)>,
    proposed: usize,
    tried: Vec<Tried>,
    seconds: f64,
    /// Cells of a trial.
    cells: usize,
}

impl Driver {
    /// A search with these parameters. `full` is the model's own value of the resource of
    /// successive halving, and `cells` the number of cells of a trial.
    pub fn new(search: &Search, parameters: Vec<Parameter>, full: u64, cells: usize) -> Driver {
        let mut driver = Driver {
            search: search.clone(),
            parameters,
            rng: seed::stream(search.draw_seed, Stream::Search, 0),
            chooser: Chooser::List,
            queue: VecDeque::new(),
            proposed: 0,
            tried: Vec::new(),
            seconds: 0.0,
            cells,
        };
        driver.queue = match &search.method {
            Method::Grid {} => {
                let all = combinations(&driver.parameters).into_iter();
                all.map(|set| (set, None)).collect()
            }
            Method::Random { trials } => driver.drawn(*trials, None),
            Method::Tpe { startup, trials } => {
                driver.chooser = Chooser::Parzen(Parzen::new(&driver.parameters));
                driver.drawn(*startup.min(trials), None)
            }
            Method::Halving {
                trials,
                resource,
                least,
                factor,
            } => {
                let halving = Halving::new(resource, (*least, full), *factor);
                let first = halving.resource();
                driver.chooser = Chooser::Halving(halving);
                driver.drawn(*trials, Some(first))
            }
        };
        driver
    }

    /// Different random settings; fewer than `n` if there are no more.
    fn drawn(
        &mut self,
        n: usize,
        resource: Option<(String, u64)>,
    ) -> VecDeque<(Settings, Option<(String, u64)>)> {
        let mut seen = BTreeSet::new();
        let mut drawn = VecDeque::new();
        for _ in 0..n {
            let mut draws = (0..DRAWS).map(|_| draw(&self.parameters, &mut self.rng));
            let Some(new) = draws.find(|set| seen.insert(text(set))) else {
                break;
            };
            drawn.push_back((new, resource.clone()));
        }
        drawn
    }

    /// The next trials; none when the search is over. All earlier trials must have been recorded.
    pub fn propose(&mut self) -> Vec<Proposed> {
        let budget = self.search.budget;
        let is_timed = budget.minutes > 0.0;
        if is_timed && self.seconds >= budget.minutes * 60.0 {
            return Vec::new();
        }
        if self.queue.is_empty() {
            self.refill();
        }
        let is_stepwise = is_timed || matches!(self.chooser, Chooser::Parzen(_));
        let most = if is_stepwise {
            self.search.at_once
        } else {
            self.queue.len()
        };
        let left = match budget.cells {
            0 => usize::MAX,
            cells => (cells / self.cells.max(1)).saturating_sub(self.proposed),
        };
        let n = most.min(left).min(self.queue.len());
        let next: Vec<_> = self.queue.drain(..n).collect();
        let numbered = next.into_iter().map(|(set, resource)| {
            self.proposed += 1;
            Proposed {
                number: self.proposed,
                set,
                resource,
            }
        });
        numbered.collect()
    }

    /// Chooses further trials from the values so far.
    fn refill(&mut self) {
        match &mut self.chooser {
            Chooser::List => {}
            Chooser::Halving(halving) => {
                self.queue = halving.promoted(&self.tried).into();
            }
            Chooser::Parzen(parzen) => {
                let Method::Tpe { trials, .. } = self.search.method else {
                    return;
                };
                let mut seen: BTreeSet<String> =
                    self.tried.iter().map(|it| text(&it.proposed.set)).collect();
                let n = trials
                    .saturating_sub(self.proposed)
                    .min(self.search.at_once);
                for _ in 0..n {
                    let mut draws = (0..DRAWS).map(|at| match at {
                        // Estimators of a small space return to what they know.
                        at if at < DRAWS / 2 => parzen.propose(&self.parameters, &mut self.rng),
                        _ => draw(&self.parameters, &mut self.rng),
                    });
                    let Some(new) = draws.find(|set| seen.insert(text(set))) else {
                        break;
                    };
                    self.queue.push_back((new, None));
                }
            }
        }
    }

    /// Records a trial. `seconds` is what it took beyond the stages of earlier trials.
    pub fn record(&mut self, tried: Tried, seconds: f64) {
        self.seconds += seconds;
        if let Chooser::Parzen(parzen) = &mut self.chooser {
            parzen.record(&self.parameters, &tried);
        }
        self.tried.push(tried);
    }

    /// The trials so far.
    pub fn tried(&self) -> &[Tried] {
        &self.tried
    }

    /// The best trial: of those with the longest training, the first with the highest value.
    pub fn best(&self) -> Option<&Tried> {
        let measured = self.tried.iter().filter(|it| it.value.is_some());
        let level = measured.clone().map(|it| it.proposed.level()).max()?;
        let mut best: Option<&Tried> = None;
        for tried in measured.filter(|it| it.proposed.level() == level) {
            if best.is_none_or(|best| tried.value > best.value) {
                best = Some(tried);
            }
        }
        best
    }
}

/// The settings as text: equal settings have equal texts.
fn text(set: &Settings) -> String {
    serde_json::to_string(set).expect("settings are JSON")
}
