//! Writes the results folder during a run, after finished cells. The order of rows does not depend
//! on the order in which cells end.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::planned::Planned;
use super::rows::{RowSource, StageRows};
use crate::analysis::StandIns;
use crate::analysis::stand_ins::lm_params;
use crate::exec::Outcome;
use crate::plan::NodeId;
use crate::results::{
    self, CellRow, CellStageRow, DataRow, Machine, MetricRow, StageRow, Statistics, Status,
    TrialRow,
};
use crate::store::Store;
use allround_core::fs::{self, FsError};
use allround_core::program::Program;

/// Writes the results folder during a run.
pub(crate) struct ResultsWriter<'a> {
    /// The resolved spec as text.
    spec: &'a str,
    source: RowSource<'a>,
    /// Rows of `trials.csv`.
    trials: Vec<TrialRow>,
    results: PathBuf,
    outcomes: Vec<Option<Outcome>>,
    /// All stages of each cell, in graph order.
    stages: Vec<Vec<NodeId>>,
    /// The cells that use each stage.
    waiting: Vec<Vec<usize>>,
    cells: Vec<Option<CellRows>>,
    /// Rows of each stage that a finished cell uses. They are read once, also if cells share it.
    stage_rows: Vec<Option<StageRows>>,
    written: Option<Written>,
    /// Whether the folder has earlier numbers and this run has none yet. No file is changed then.
    keeps_earlier: bool,
}

/// When the files were last written, and how long it took.
struct Written {
    at: Instant,
    duration: Duration,
}

/// Whether a results folder has a number. A file that cannot be read has none.
pub(crate) fn has_numbers(results: &Path) -> bool {
    let rows: Result<Vec<MetricRow>, _> = results::read(&results.join("metrics.csv"));
    rows.is_ok_and(|rows| rows.iter().any(is_measured))
}

/// Writes `trials.csv`, or removes it where there are no trials.
pub(crate) fn write_trials(results: &Path, trials: &[TrialRow]) -> Result<(), FsError> {
    let path = results.join("trials.csv");
    match (trials.is_empty(), path.exists()) {
        (true, true) => fs::remove_file(&path),
        (true, false) => Ok(()),
        (false, _) => results::write(&path, &trials.iter().collect::<Vec<_>>()),
    }
}

fn is_measured(row: &MetricRow) -> bool {
    row.status == Status::Ok
}

#[derive(Default)]
struct CellRows {
    metrics: Vec<MetricRow>,
    cell: CellRow,
    stages: Vec<CellStageRow>,
    /// Counts of the data; `None` if the data could not be made.
    data: Option<DataRow>,
}

impl<'a> ResultsWriter<'a> {
    /// Opens the writer of a results folder and writes `spec.toml`, unless the folder has earlier
    /// numbers.
    pub(crate) fn open(
        planned: &'a Planned,
        store: &'a Store,
        results: &'a Path,
    ) -> Result<ResultsWriter<'a>, FsError> {
        let plan = &planned.plan;
        let stages: Vec<Vec<NodeId>> = plan
            .cells
            .iter()
            .map(|cell| cell.stages(&plan.graph))
            .collect();
        let mut waiting = vec![Vec::new(); plan.graph.nodes.len()];
        for (at, stages) in stages.iter().enumerate() {
            stages.iter().for_each(|&id| waiting[id].push(at));
        }
        let writer = ResultsWriter {
            spec: planned.checked.resolved_toml(),
            source: RowSource::new(planned, store, results),
            trials: planned.trials(),
            results: results.to_owned(),
            outcomes: vec![None; plan.graph.nodes.len()],
            stages,
            waiting,
            cells: plan.cells.iter().map(|_| None).collect(),
            stage_rows: plan.graph.nodes.iter().map(|_| None).collect(),
            written: None,
            keeps_earlier: has_numbers(results),
        };
        if !writer.keeps_earlier {
            writer.write_spec()?;
        }
        Ok(writer)
    }

    fn write_spec(&self) -> Result<(), FsError> {
        fs::write_if_changed(&self.results.join("spec.toml"), self.spec.as_bytes())
    }

    /// Whether the folder was not changed, since no cell of this run has a number.
    pub(crate) fn keeps_earlier(&self) -> bool {
        self.keeps_earlier
    }

    /// Records how a stage ended. Writes the files if that finishes a cell.
    pub(crate) fn record_outcome(&mut self, id: NodeId, outcome: &Outcome) -> anyhow::Result<()> {
        self.outcomes[id] = Some(outcome.clone());
        let mut is_changed = false;
        for at in self.waiting[id].clone() {
            is_changed |= self.finish_cell(at)?;
        }
        // Writing takes at most a tenth of the time, also with a thousand cells.
        let is_due = self
            .written
            .as_ref()
            .is_none_or(|last| last.at.elapsed() > 10 * last.duration);
        // Cached stages follow one another at once. The files are not written for each of them, as
        // that would first remove the rows of later cells.
        if is_changed && is_due && !self.keeps_earlier && *outcome != Outcome::Cached {
            self.write()?;
        }
        Ok(())
    }

    /// Makes a cell's rows once all its stages have an outcome, so that repaired artefacts are read
    /// too. Existing ranks count even if an earlier stage failed, as long as the data exist.
    fn finish_cell(&mut self, at: usize) -> anyhow::Result<bool> {
        let (cell, stages) = (&self.source.plan.cells[at], &self.stages[at]);
        let outcome = |id: NodeId| self.outcomes[id].as_ref();
        let is_over = |outcome: Option<&Outcome>| {
            outcome.is_some_and(|outcome| *outcome != Outcome::Interrupted)
        };
        let has_ended = stages.iter().all(|&id| outcome(id).is_some());
        let is_whole = cell
            .roots()
            .chain([cell.prepared])
            .all(|id| is_over(outcome(id)));
        if self.cells[at].is_some() || !has_ended || !is_whole {
            return Ok(false);
        }
        let lost = match outcome(cell.prepared) {
            Some(Outcome::Failed(_)) => Some(Outcome::Blocked(cell.prepared)),
            Some(Outcome::Blocked(culprit)) => Some(Outcome::Blocked(*culprit)),
            _ => None,
        };
        let mut measured = Vec::new();
        for measure in &cell.measures {
            if let Some(ended) = outcome(measure.evaluate) {
                // Ranks in the store cannot be used without their data.
                let ended = lost.as_ref().filter(|_| ended.is_good()).unwrap_or(ended);
                let found = self.source.measure(cell, measure, ended, &self.outcomes)?;
                measured.push(found);
            }
        }
        let mut rows = CellRows {
            cell: self.source.cell(cell, &measured, &self.outcomes)?,
            stages: self.source.cell_stages(cell),
            metrics: measured.into_iter().flat_map(|it| it.rows).collect(),
            data: None,
        };
        for &id in stages {
            let ended = outcome(id).filter(|ended| ended.is_good());
            if let (Some(ended), None) = (ended, &self.stage_rows[id]) {
                self.stage_rows[id] = Some(self.source.stage(id, *ended == Outcome::Cached)?);
            }
        }
        if outcome(cell.prepared).is_some_and(Outcome::is_good) {
            rows.data = Some(self.source.counts(cell)?);
        }
        if self.keeps_earlier && rows.metrics.iter().any(is_measured) {
            self.keeps_earlier = false;
            self.write_spec()?;
        }
        self.cells[at] = Some(rows);
        Ok(true)
    }

    fn write(&mut self) -> Result<(), FsError> {
        let start = Instant::now();
        let counts = self.counts();
        let stages = self.stage_rows.iter().flatten();
        let phases = stages.clone().flat_map(|rows| &rows.phases).cloned();
        let phases: Vec<_> = phases.collect();
        let epochs: Vec<_> = stages.flat_map(|rows| &rows.epochs).collect();
        let cell_stages: Vec<CellStageRow> = self.rows(|cell| &cell.stages).cloned().collect();
        let cells = self.cells(&counts, &cell_stages, &phases);
        let file = |name: &str| self.results.join(name);
        let metrics: Vec<&MetricRow> = self.rows(|cell| &cell.metrics).collect();
        results::write(&file("metrics.csv"), &metrics)?;
        results::write(&file("cells.csv"), &Vec::from_iter(&cells))?;
        results::write(&file("stages.csv"), &Vec::from_iter(&phases))?;
        results::write(&file("cell_stages.csv"), &Vec::from_iter(&cell_stages))?;
        results::write(&file("epochs.csv"), &epochs)?;
        results::write(&file("data.csv"), &counts)?;
        write_trials(&self.results, &self.trials)?;
        self.written = Some(Written {
            at: Instant::now(),
            duration: start.elapsed(),
        });
        Ok(())
    }

    fn rows<'b, T: 'b>(
        &'b self,
        of: impl Fn(&'b CellRows) -> &'b Vec<T>,
    ) -> impl Iterator<Item = &'b T> {
        self.cells.iter().flatten().flat_map(of)
    }

    /// Rows of `cells.csv`, with their stand-ins.
    fn cells(
        &self,
        counts: &[&DataRow],
        cell_stages: &[CellStageRow],
        phases: &[StageRow],
    ) -> Vec<CellRow> {
        let cells: Vec<&CellRow> = self.cells.iter().flatten().map(|rows| &rows.cell).collect();
        let spec = self.source.spec;
        let params = lm_params(spec, &cells, cell_stages, phases);
        let stand_ins = StandIns::new(spec, counts, &params);
        let row = |cell: &&CellRow| CellRow {
            stand_in: stand_ins.short(Some(&cell.name)),
            ..(*cell).clone()
        };
        cells.iter().map(row).collect()
    }

    /// Counts of every data set and scenario, once for each prepared data set.
    fn counts(&self) -> Vec<&DataRow> {
        let mut seen = HashSet::new();
        let cells = self.source.plan.cells.iter().zip(&self.cells);
        let rows = cells.filter_map(|(cell, rows)| Some((cell, rows.as_ref()?.data.as_ref()?)));
        rows.filter(|(cell, row)| {
            seen.insert((cell.prepared, row.dataset.as_str(), cell.scenario.as_str()))
        })
        .map(|(_, row)| row)
        .collect()
    }

    /// Removes ranks, answers and scores of cells that the experiment no longer has, or that no
    /// longer have numbers.
    fn drop_old_files(&self) -> Result<(), FsError> {
        let plan = self.source.plan;
        let measured = plan
            .cells
            .iter()
            .flat_map(|cell| cell.measures.iter().map(move |measure| (cell, measure)));
        let is_good = |id: usize| self.outcomes[id].as_ref().is_some_and(Outcome::is_good);
        let wanted: HashSet<PathBuf> = measured
            .filter(|(_, measure)| is_good(measure.evaluate))
            .flat_map(|(cell, measure)| {
                let (cell, protocol) = (cell.name.as_str(), measure.protocol.as_str());
                let split = measure.part.name();
                let keeps = self.source.spec.protocol[&measure.name].keep_scores;
                let scores = results::scores::path(&self.results, cell, protocol, split);
                [
                    results::ranks::path(&self.results, cell, protocol, split),
                    results::texts::path(&self.results, cell, protocol, split),
                ]
                .into_iter()
                .chain(keeps.then_some(scores))
            })
            .collect();
        for folder in ["ranks", "answers", "scores"] {
            for path in fs::list(&self.results.join(folder))? {
                if !wanted.contains(&path) {
                    fs::remove_file(&path)?;
                }
            }
        }
        Ok(())
    }

    /// Writes all files, unless this would replace earlier numbers by failures. Called once, after
    /// the last stage.
    pub(crate) fn finish_run(&mut self) -> anyhow::Result<()> {
        if self.keeps_earlier {
            return Ok(());
        }
        self.write()?;
        self.drop_old_files()?;
        // All ranks exist, so earlier statistics are not needed.
        Statistics::remove(&self.results)?;
        self.write_machine()?;
        Ok(())
    }

    /// Writes `machine.toml`. If all stages came from the store, the machine that made them is
    /// kept.
    fn write_machine(&self) -> Result<(), FsError> {
        let made_any = self.outcomes.contains(&Some(Outcome::Made));
        let digest = self.source.digest();
        if !made_any && self.results.join("machine.toml").exists() {
            let mut machine = Machine::load(&self.results)?;
            machine.experiment.digest = digest;
            return machine.save(&self.results);
        }
        let is_good = |id: &NodeId| self.outcomes[*id].as_ref().is_some_and(Outcome::is_good);
        let (mut starts, mut makers) = (Vec::new(), Vec::new());
        for id in (0..self.outcomes.len()).filter(is_good) {
            starts.extend(self.source.start(id)?);
            makers.extend(self.source.made_by(id));
        }
        Machine::here(digest, starts.iter(), makers).save(&self.results)
    }

    /// Cells without measured users, by reason.
    pub(crate) fn unmeasured(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut found: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for rows in self.cells.iter().flatten() {
            let cell = &rows.cell;
            if cell.status == Status::Empty {
                found.entry(&cell.error).or_default().insert(&cell.cell);
            }
        }
        found
    }

    /// Workers of other builds than this program, with the number of stages that each made in this
    /// run.
    pub(crate) fn other_workers(&self) -> BTreeMap<String, usize> {
        let own = Program::this().to_string();
        let mut others = BTreeMap::new();
        for id in 0..self.outcomes.len() {
            if self.outcomes[id] != Some(Outcome::Made) {
                continue;
            }
            let made_by = self.source.made_by(id);
            if let Some(made_by) = made_by.filter(|made_by| *made_by != own) {
                *others.entry(made_by).or_default() += 1;
            }
        }
        others
    }

    /// Cells with rows.
    pub(crate) fn finished(&self) -> usize {
        self.cells.iter().flatten().count()
    }

    /// Cells without some of their numbers.
    pub(crate) fn failed(&self) -> usize {
        let cells = self.cells.iter().flatten();
        cells.filter(|rows| rows.cell.status != Status::Ok).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment;

    const SPEC: &str = "spec_version = 1\nname = \"small\"\nseeds = [1]\n\
        [dataset.toys.source.synthetic]\nusers = 20\n[model.gru4rec.gru4rec]\n";

    /// The files in `results` after a run in which every stage ended with `outcome`, and whether
    /// earlier results were kept.
    fn after(results: &Path, outcome: &Outcome) -> (String, bool) {
        let store = Store::at(&results.join("store"));
        let checked = experiment::load_text("small.toml", SPEC, results, &[]).unwrap();
        let planned = super::super::planned::planned(checked, &store).unwrap();
        let mut writer = ResultsWriter::open(&planned, &store, results).unwrap();
        for id in 0..planned.plan.graph.nodes.len() {
            writer.record_outcome(id, outcome).unwrap();
        }
        writer.finish_run().unwrap();
        let text = |file: &str| fs::read_to_string(&results.join(file)).unwrap_or_default();
        let files = [
            "metrics.csv",
            "cells.csv",
            "spec.toml",
            "ranks/small.csv.gz",
        ];
        (files.map(text).concat(), writer.keeps_earlier())
    }

    #[test]
    fn a_run_without_numbers_does_not_change_earlier_numbers() {
        let failed = Outcome::Failed("the file is empty".to_owned());
        for outcome in [failed.clone(), Outcome::Interrupted] {
            let folder = tempfile::tempdir().unwrap();
            let results = folder.path();
            let row = MetricRow::default();
            crate::results::write(&results.join("metrics.csv"), &[&row]).unwrap();
            fs::write_atomic(&results.join("spec.toml"), b"earlier").unwrap();
            fs::create_dir_all(&results.join("ranks")).unwrap();
            fs::write_atomic(&results.join("ranks/small.csv.gz"), b"ranks").unwrap();
            let (text, is_kept) = after(results, &outcome);
            assert!(is_kept && text.contains(",ok\n") && text.ends_with("earlierranks"));
        }
        let folder = tempfile::tempdir().unwrap();
        let (first, is_kept) = after(folder.path(), &failed);
        let (second, _) = after(folder.path(), &failed);
        assert!(!is_kept && first.contains("the file is empty"), "{first}");
        assert_eq!(first, second);
    }
}
