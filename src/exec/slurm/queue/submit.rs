//! The part of a queue that submits: classes of jobs, arrays, scripts and records.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{Job, Observe, Queue};
use crate::exec::StageEvent;
use crate::exec::slurm::arrays::{self, Array, Open};
use crate::exec::slurm::batch::{self, Folder, Header, Line, Submission, Submitted};
use crate::exec::slurm::client::{self, SlurmError, Task};
use crate::exec::slurm::script::{self, Class};
use crate::plan::NodeId;
use crate::store::Holder;
use allround_core::fs::{self, FsError};
use allround_core::program::Program;

impl Queue<'_> {
    /// How many stages may be in the queue.
    pub(super) fn capacity(&self) -> usize {
        usize::try_from(self.slurm.settings.queued).unwrap_or(usize::MAX)
    }

    /// Submits stages that are neither in the store nor in the queue, as many as fit there.
    pub(super) fn submit(&mut self, observe: Observe<'_>) -> anyhow::Result<()> {
        let free = self.capacity().saturating_sub(self.jobs.len());
        let waiting = self.open().filter(|id| !self.jobs.contains_key(id));
        let ids: Vec<NodeId> = waiting.take(free).collect();
        if ids.is_empty() {
            return Ok(());
        }
        if self.most == 0 {
            // 0 means that Slurm has no arrays.
            let limit = self.patiently(client::limits)?.array.max(1);
            self.most = self.slurm.settings.array.min(limit);
        }
        let mut classes: BTreeMap<Class, usize> = BTreeMap::new();
        let opens: Vec<Open> = ids
            .iter()
            .map(|&id| self.to_submit(id, &mut classes))
            .collect();
        let classes: Vec<Class> = {
            let mut pairs: Vec<_> = classes.into_iter().collect();
            pairs.sort_by_key(|(_, number)| *number);
            pairs.into_iter().map(|(class, _)| class).collect()
        };
        fs::create_dir_all(&self.work.options.logs.join("slurm"))?;
        let mut jobs = Vec::new();
        for array in arrays::arrange(&opens, self.most) {
            let class = classes[array.class];
            let job = self.submit_array(&array, class, &jobs)?;
            jobs.push(job);
            let (folder, _) = self.current.clone().expect("an array was submitted");
            for &(index, id) in &array.tasks {
                let task = Task { job, index };
                observe(id, &StageEvent::Queued(task.to_string()));
                let job = Job {
                    task,
                    folder: folder.clone(),
                    is_own: true,
                    is_started: false,
                    ended: None,
                };
                self.jobs.insert(id, job);
            }
        }
        Ok(())
    }

    fn class(&self, id: NodeId) -> Class {
        let stage = &self.work.graph.nodes[id].stage;
        let compute = stage.compute.as_ref();
        Class {
            kind: stage.settings.kind(),
            threads: compute.map_or(1, |compute| compute.threads),
            computes: batch::computes(stage),
            alone: self.work.options.alone.contains(&id),
        }
    }

    fn to_submit(&self, id: NodeId, classes: &mut BTreeMap<Class, usize>) -> Open {
        let next = classes.len();
        let class = *classes.entry(self.class(id)).or_insert(next);
        let needs = self.work.graph.nodes[id].needs.values().copied();
        let (mut here, mut queued) = (Vec::new(), Vec::new());
        for need in needs.filter(|&need| self.pool.outcomes[need].is_none()) {
            match self.jobs.get(&need) {
                Some(job) => queued.push(job.task),
                None => here.push(need),
            }
        }
        Open {
            id,
            class,
            needs: here,
            queued,
        }
    }

    /// Writes the files of an array and submits it. Returns its job id.
    fn submit_array(&mut self, array: &Array, class: Class, jobs: &[u64]) -> anyhow::Result<u64> {
        let (folder, number) = match self.current.take() {
            Some(current) => current,
            None => (self.new_submission()?, 0),
        };
        let name = format!("{number:04}");
        let lines: Vec<Line> = array.tasks.iter().map(|&task| self.line(task)).collect();
        let batch = folder.write(&name, &self.header(), &lines)?;
        let options = class.options(&self.slurm.settings, &self.work.options.logs);
        let text = script::text(
            &options,
            &self.slurm.settings.setup,
            &self.program(),
            &batch,
        );
        let path = folder.file(&name, "sh");
        fs::write_atomic(&path, text.as_bytes())?;
        let numbers: Vec<u32> = array.tasks.iter().map(|(index, _)| *index).collect();
        let at_once = self.slurm.settings.at_once;
        let ranges = format!("{}%{at_once}", arrays::ranges(&numbers));
        let dependency = arrays::dependency(&array.after, jobs);
        let own: Vec<_> = array
            .after
            .iter()
            .copied()
            .filter(|it| !it.is_queued())
            .collect();
        let fallback = arrays::dependency(&own, jobs);
        self.current = Some((folder.clone(), number + 1));
        let job = self.patiently(|| match client::submit(&path, &ranges, &dependency) {
            // A job that it waits for has ended meanwhile and is forgotten.
            Err(SlurmError::Refused { message, .. })
                if message.to_lowercase().contains("dependency") && fallback != dependency =>
            {
                client::submit(&path, &ranges, &fallback)
            }
            other => other,
        })?;
        let tasks = lines.iter();
        let tasks = tasks.map(|line| (line.index, batch::kind(&line.stage).to_string(), line.key));
        folder.record(&Submitted {
            array: name,
            job,
            tasks: tasks.collect(),
        })?;
        Ok(job)
    }

    fn new_submission(&mut self) -> Result<Folder, FsError> {
        let submission = Submission {
            executor: self.slurm.name.clone(),
            results: self.slurm.results.clone(),
            submitted: jiff::Zoned::now().strftime("%Y-%m-%d %H:%M").to_string(),
            host: Holder::this().host,
        };
        let folder = Folder::create(self.work.store, &submission)?;
        self.own.push(folder.clone());
        Ok(folder)
    }

    fn program(&self) -> PathBuf {
        let given = self.slurm.settings.program.as_ref().map(PathBuf::from);
        given.unwrap_or_else(|| std::env::current_exe().unwrap_or_else(|_| "allround".into()))
    }

    fn header(&self) -> Header {
        let options = self.work.options;
        Header {
            program: Program::this().to_string(),
            store: self.work.store.root().to_owned(),
            worker: options.worker.clone(),
            base: options.base.clone(),
            logs: options.logs.clone(),
            device: options.device.clone(),
            retries: options.retries,
            timeout_s: options.timeout.map(|timeout| timeout.as_secs_f64()),
            checkpoint_every: options.checkpoint_every,
            checkpoint_minutes: options.checkpoint_minutes,
        }
    }

    fn line(&self, (index, id): (u32, NodeId)) -> Line {
        let nodes = &self.work.graph.nodes;
        let kind = |need: NodeId| batch::kind(&nodes[need].stage).to_string();
        let kinds = nodes[id].needs.iter();
        Line {
            index,
            key: nodes[id].key,
            stage: nodes[id].stage.clone(),
            kinds: kinds
                .map(|(role, &need)| (role.clone(), kind(need)))
                .collect(),
            threads: self.class(id).threads,
        }
    }
}
