//! Tree-structured Parzen estimators (Bergstra et al. 2011): one for each setting, of the crate
//! `tpe`.

use std::fmt;

use rand::Rng;
use tpe::{TpeOptimizer, histogram_estimator, parzen_estimator, range};

use super::space::{Parameter, draw};
use super::{Settings, Tried};

/// The estimators.
pub(super) struct Parzen(Vec<Option<TpeOptimizer>>);

impl fmt::Debug for Parzen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Parzen")
            .field(&self.0.len())
            .finish()
    }
}

impl Parzen {
    /// Estimators without observations. A setting with one value has none.
    pub(super) fn new(parameters: &[Parameter]) -> Self {
        let estimator = |parameter: &Parameter| {
            let (start, end) = parameter.coordinates();
            let kind = match parameter.is_categorical() {
                true => histogram_estimator(),
                false => parzen_estimator(),
            };
            let range = range(start, end).ok()?;
            Some(TpeOptimizer::new(kind, range))
        };
        Parzen(parameters.iter().map(estimator).collect())
    }

    /// Settings that are likely among good trials, and unlikely among others.
    pub(super) fn propose(&mut self, parameters: &[Parameter], rng: &mut impl Rng) -> Settings {
        let mut set = draw(parameters, rng);
        for (parameter, estimator) in parameters.iter().zip(&mut self.0) {
            // An estimator without an answer leaves the random value.
            let proposed = estimator.as_mut().and_then(|it| it.ask(rng).ok());
            if let Some(coordinate) = proposed {
                set.insert(parameter.key.clone(), parameter.value(coordinate));
            }
        }
        set
    }

    /// Adds a trial. Estimators minimize; a failed trial is worse than any other.
    pub(super) fn record(&mut self, parameters: &[Parameter], tried: &Tried) {
        let loss = tried.value.map_or(f64::INFINITY, |value| -value);
        for (parameter, estimator) in parameters.iter().zip(&mut self.0) {
            let (start, end) = parameter.coordinates();
            let value = tried.proposed.set.get(&parameter.key);
            if let (Some(estimator), Some(value)) = (estimator, value) {
                let coordinate = parameter.coordinate(value).clamp(start, end.next_down());
                // The coordinate is in the range, and the loss is a number.
                drop(estimator.tell(coordinate, loss));
            }
        }
    }
}
