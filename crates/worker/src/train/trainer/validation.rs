//! Validation: when it is due, which weights are the best, and whether training ends.

use std::collections::BTreeMap;

use allround_core::event::{self, Event};
use allround_core::metric::Metric;
use allround_core::models::train::Stop;

use super::{Trainer, Validate};
use crate::models::weights;
use crate::torch_ext::timer::{Elapsed, Timer};
use crate::train::checkpoint::Exact;
use crate::train::error::TrainError;
use crate::train::running::Running;
use crate::train::task::Task;

/// What decides which weights are kept.
struct Rule {
    metric: Metric,
    /// Validations without an improvement before training ends; `None`: it does not end early.
    patience: Option<u32>,
}

impl<T: Task> Trainer<'_, T> {
    /// Validates after an epoch where `train.stop` says so, and decides whether training ends.
    pub(super) fn after_epoch(
        &mut self,
        epoch: u32,
        validate: &mut Validate,
        observe: &mut dyn FnMut(Event),
    ) -> Result<BTreeMap<Metric, f64>, TrainError> {
        let (every, rule) = match &self.plan.train.stop {
            Stop::Fixed { validate_every } => (*validate_every, None),
            Stop::Early {
                metric,
                patience,
                every,
                ..
            } => {
                let second = self.task.second_phase();
                let second = second.filter(|_| self.progress.is_second_phase);
                let (metric, patience) = (*metric, Some(second.unwrap_or(*patience)));
                (*every, Some(Rule { metric, patience }))
            }
        };
        if every == 0 || !epoch.is_multiple_of(every) {
            return Ok(BTreeMap::new());
        }
        let (metrics, _) = self.validate(epoch, validate, observe)?;
        if let Some(rule) = rule {
            self.compare_with_best(&metrics, &rule);
            self.begin_second_phase()?;
        }
        Ok(metrics)
    }

    /// Validates where enough samples were seen since the last time; before the first step and
    /// after the last one, too. Whether training ends early.
    pub(super) fn validate_if_due(
        &mut self,
        running: &mut Running,
        epoch: u32,
        validate: &mut Validate,
        observe: &mut dyn FnMut(Event),
    ) -> Result<bool, TrainError> {
        let Some(rule) = self.plan.validation else {
            return Ok(false);
        };
        let samples = self.progress.examples;
        let is_due = match self.progress.validated {
            None => true,
            Some(last) if self.is_after_last_step() => last < samples,
            Some(last) => last / rule.every < samples / rule.every,
        };
        if !is_due {
            return Ok(false);
        }
        running.pause();
        let (metrics, elapsed) = self.validate(epoch, validate, observe)?;
        self.progress.validated = Some(samples);
        self.compare_with_best(
            &metrics,
            &Rule {
                metric: rule.metric,
                patience: (rule.patience > 0).then_some(rule.patience),
            },
        );
        let epoch = if samples == 0 { 0 } else { epoch };
        self.report(
            Event::Validation(event::Validation {
                epoch,
                samples,
                metrics,
                wall_s: elapsed.wall_s,
            }),
            observe,
        );
        running.resume();
        Ok(self.progress.ended)
    }

    fn is_after_last_step(&self) -> bool {
        self.epoch_steps > 0 && self.progress.steps >= self.steps_in_all()
    }

    fn validate(
        &mut self,
        epoch: u32,
        validate: &mut Validate,
        observe: &mut dyn FnMut(Event),
    ) -> Result<(BTreeMap<Metric, f64>, Elapsed), TrainError> {
        self.optimizer.settle();
        let timer = Timer::begin(self.device());
        let guard = tch::no_grad_guard();
        let metrics =
            validate(observe).map_err(|source| TrainError::Validation { epoch, source })?;
        drop(guard);
        let elapsed = timer.end();
        self.progress.validate += elapsed;
        Ok((metrics, elapsed))
    }

    fn compare_with_best(&mut self, metrics: &BTreeMap<Metric, f64>, rule: &Rule) {
        let value = metrics.get(&rule.metric).copied().unwrap_or(0.0);
        if self.progress.best.is_none_or(|best| value > best.0) {
            self.progress.best = Some(Exact(value));
            self.progress.best_samples = self.progress.examples;
            self.progress.stale = 0;
            let weights = self.task.weights().into_iter();
            self.best = weights
                .map(|(name, weight)| (name, weight.detach().copy()))
                .collect();
        } else {
            self.progress.stale += 1;
            let is_over = |patience| self.progress.stale >= patience;
            self.progress.ended |= rule.patience.is_some_and(is_over);
        }
    }

    /// Where early stopping has ended the first of two phases, continues from the best weights.
    /// The optimizer and the learning rate continue as they are.
    fn begin_second_phase(&mut self) -> Result<(), TrainError> {
        let is_first = !self.progress.is_second_phase && self.task.second_phase().is_some();
        if !is_first || !self.progress.ended || self.is_last(self.progress.epoch) {
            return Ok(());
        }
        self.progress.ended = false;
        self.progress.is_second_phase = true;
        self.progress.stale = 0;
        self.restore_best()
    }

    /// Fills the task with the best weights, where some were kept.
    pub(super) fn restore_best(&self) -> Result<(), TrainError> {
        if self.best.is_empty() {
            return Ok(());
        }
        let best = super::copies(&self.best).into_iter().collect();
        Ok(weights::fill(&self.task.weights(), &best)?)
    }

    /// Which weights a training that was validated by samples keeps, in words.
    pub(super) fn kept(&self) -> Option<String> {
        let rule = self.plan.validation?;
        let best = self.progress.best?.0;
        let (kept, all) = (self.progress.best_samples, self.progress.examples);
        Some(format!(
            "weights after {kept} of {all} samples, the best in validation ({} {best:.4})",
            rule.metric
        ))
    }
}
