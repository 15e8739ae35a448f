//! Stages as job arrays: which stages share an array, and which arrays an array waits for.
//!
//! Stages are alike if their jobs have the same options. Such stages of one level of the graph
//! share arrays: a call of `sbatch` submits hundreds of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::client::Task;
use crate::plan::NodeId;

/// Most children of one parent in a group whose arrays repeat the numbers of their parents.
const MOST_CHILDREN: usize = 4;

/// Most tasks that an array waits for one by one.
const MOST_SINGLE: usize = 3;

/// A stage to submit.
#[derive(Clone, Debug)]
pub struct Open {
    /// The stage.
    pub id: NodeId,
    /// Stages of one class have the same job options.
    pub class: usize,
    /// Stages to submit that it needs; each is before it in the list.
    pub needs: Vec<NodeId>,
    /// Tasks in the queue that it needs.
    pub queued: Vec<Task>,
}

/// A job array to submit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Array {
    /// The class of its stages.
    pub class: usize,
    /// Its stages with their numbers in the array, ascending.
    pub tasks: Vec<(u32, NodeId)>,
    /// What it waits for.
    pub after: Vec<After>,
}

/// An array that another waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The array at this position of the arrangement.
    New(usize),
    /// An array in the queue.
    Queued(u64),
}

/// How an array waits for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Each task waits for the success of the task with its number.
    Corresponding(Source),
    /// All tasks wait for the success of one task.
    Task(Source, u32),
    /// All tasks wait for the end of the whole array. A task then looks for what it needs in the
    /// store: the failure of one task does not concern all tasks of the array.
    Whole(Source),
}

impl After {
    /// Whether it waits for an array that was in the queue before.
    pub fn is_queued(self) -> bool {
        match self {
            After::Corresponding(source) | After::Task(source, _) | After::Whole(source) => {
                matches!(source, Source::Queued(_))
            }
        }
    }
}

/// The arrays for `stages`, of at most `most` tasks. An array only waits for arrays before it.
pub fn arrange(stages: &[Open], most: u32) -> Vec<Array> {
    let mut levels: HashMap<NodeId, usize> = HashMap::new();
    let mut groups: BTreeMap<(usize, usize), Vec<&Open>> = BTreeMap::new();
    for stage in stages {
        let below = stage.needs.iter().filter_map(|need| levels.get(need));
        let level = below.max().map_or(0, |level| level + 1);
        levels.insert(stage.id, level);
        groups.entry((level, stage.class)).or_default().push(stage);
    }
    let mut arrangement = Arrangement {
        levels,
        places: HashMap::new(),
        arrays: Vec::new(),
    };
    for ((_, class), group) in groups {
        for members in arrangement.split(&group, most) {
            arrangement.add(class, members);
        }
    }
    arrangement.arrays
}

struct Arrangement {
    levels: HashMap<NodeId, usize>,
    places: HashMap<NodeId, (usize, u32)>,
    arrays: Vec<Array>,
}

impl Arrangement {
    /// The arrays of a group, as numbered stages. Where few stages need the same one, they get the
    /// numbers of the stages that they need last.
    fn split<'s>(&self, group: &[&'s Open], most: u32) -> Vec<Vec<(u32, &'s Open)>> {
        let mut children: HashMap<(usize, u32), Vec<&'s Open>> = HashMap::new();
        for stage in group {
            if let Some(place) = self.last_need(stage) {
                children.entry(place).or_default().push(stage);
            }
        }
        let mut arrays: BTreeMap<(usize, usize), Vec<(u32, &'s Open)>> = BTreeMap::new();
        let mut others = Vec::new();
        for stage in group {
            let parent = self.last_need(stage);
            let parent = parent.map(|place| (place, &children[&place]));
            // One parent of all gives no numbers.
            match parent.filter(|(_, all)| all.len() <= MOST_CHILDREN && children.len() > 1) {
                Some((place, all)) => {
                    let rank = all.iter().position(|other| other.id == stage.id);
                    let array = arrays.entry((place.0, rank.unwrap_or(0))).or_default();
                    array.push((place.1, *stage));
                }
                None => others.push(*stage),
            }
        }
        let size = usize::try_from(most).unwrap_or(usize::MAX).max(1);
        let chunks = others.chunks(size);
        let numbered = |chunk: &[&'s Open]| (0..).zip(chunk.iter().copied()).collect();
        let mut all: Vec<Vec<(u32, &'s Open)>> = arrays.into_values().collect();
        for array in &mut all {
            array.sort_by_key(|(index, _)| *index);
        }
        all.extend(chunks.map(numbered));
        all
    }

    /// Array and number of the stage of the highest level that a stage needs.
    fn last_need(&self, stage: &Open) -> Option<(usize, u32)> {
        let needs = stage.needs.iter();
        let last = needs.max_by_key(|&&need| (self.levels.get(&need), need))?;
        self.places.get(last).copied()
    }

    fn add(&mut self, class: usize, members: Vec<(u32, &Open)>) {
        let at = self.arrays.len();
        let after = self.after(&members);
        for (index, stage) in &members {
            self.places.insert(stage.id, (at, *index));
        }
        let tasks = members.into_iter().map(|(index, stage)| (index, stage.id));
        let tasks = tasks.collect();
        self.arrays.push(Array {
            class,
            tasks,
            after,
        });
    }

    fn after(&self, members: &[(u32, &Open)]) -> Vec<After> {
        // The tasks of each source that each member needs.
        let mut needed: BTreeMap<Source, Vec<BTreeSet<u32>>> = BTreeMap::new();
        for (at, (_, stage)) in members.iter().enumerate() {
            let new = stage.needs.iter().filter_map(|need| self.places.get(need));
            let new = new.map(|&(array, index)| (Source::New(array), index));
            let queued = stage.queued.iter();
            let queued = queued.map(|task| (Source::Queued(task.job), task.index));
            for (source, index) in new.chain(queued) {
                let sets = needed.entry(source).or_default();
                sets.resize(members.len(), BTreeSet::new());
                sets[at].insert(index);
            }
        }
        let mut after = Vec::new();
        for (source, sets) in needed {
            let own = |at: usize| BTreeSet::from([members[at].0]);
            let first = &sets[0];
            if (0..members.len()).all(|at| sets[at] == own(at)) {
                after.push(After::Corresponding(source));
            } else if sets.iter().all(|set| set == first) && first.len() <= MOST_SINGLE {
                after.extend(first.iter().map(|&index| After::Task(source, index)));
            } else {
                after.push(After::Whole(source));
            }
        }
        after
    }
}

/// `sbatch --dependency`, given the job of each new array; empty without dependencies.
pub fn dependency(after: &[After], jobs: &[u64]) -> String {
    let job = |source: Source| match source {
        Source::New(at) => jobs[at],
        Source::Queued(job) => job,
    };
    let parts = after.iter().map(|after| match *after {
        After::Corresponding(source) => format!("aftercorr:{}", job(source)),
        After::Task(source, index) => format!("afterok:{}_{index}", job(source)),
        After::Whole(source) => format!("afterany:{}", job(source)),
    });
    parts.collect::<Vec<_>>().join(",")
}

/// Numbers in Slurm's syntax: `0-3,7`.
pub fn ranges(numbers: &[u32]) -> String {
    let mut parts: Vec<(u32, u32)> = Vec::new();
    for &number in numbers {
        match parts.last_mut() {
            Some((_, end)) if *end + 1 == number => *end = number,
            _ => parts.push((number, number)),
        }
    }
    let part = |(start, end): (u32, u32)| match start == end {
        true => start.to_string(),
        false => format!("{start}-{end}"),
    };
    parts.into_iter().map(part).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(id: NodeId, class: usize, needs: &[NodeId]) -> Open {
        Open {
            id,
            class,
            needs: needs.to_vec(),
            queued: Vec::new(),
        }
    }

    #[test]
    fn cells_of_one_data_set_share_arrays_and_each_waits_for_its_own_training() {
        // 0 prepares, 1 draws candidates; then trainings 2, 4, 6 with evaluations 3, 5, 7.
        let stages = [
            open(0, 0, &[]),
            open(1, 1, &[0]),
            open(2, 2, &[0]),
            open(3, 3, &[0, 1, 2]),
            open(4, 2, &[0]),
            open(5, 3, &[0, 1, 4]),
            open(6, 2, &[0]),
            open(7, 3, &[0, 1, 6]),
        ];
        let arrays = arrange(&stages, 500);
        let tasks: Vec<_> = arrays.iter().map(|array| array.tasks.clone()).collect();
        assert_eq!(
            tasks,
            [
                vec![(0, 0)],
                vec![(0, 1)],
                vec![(0, 2), (1, 4), (2, 6)],
                vec![(0, 3), (1, 5), (2, 7)],
            ]
        );
        let after = |at: usize| dependency(&arrays[at].after, &[10, 11, 12, 13]);
        assert_eq!(after(0), "");
        assert_eq!(after(2), "afterok:10_0");
        assert_eq!(after(3), "afterok:10_0,afterok:11_0,aftercorr:12");
    }

    #[test]
    fn tasks_that_need_different_ones_of_an_array_wait_for_its_end() {
        // Two lists of candidates; 8 trainings with one evaluation each, of list 0 or 1 in turn.
        let mut stages = vec![open(0, 0, &[]), open(1, 0, &[])];
        stages.extend((2..10).map(|id| open(id, 1, &[])));
        stages.extend((10..18).map(|id| open(id, 2, &[id % 2, id - 8])));
        let arrays = arrange(&stages, 500);
        let after = dependency(&arrays[2].after, &[5, 6, 7]);
        assert_eq!(
            (arrays.len(), after.as_str()),
            (3, "afterany:5,aftercorr:6")
        );
    }

    #[test]
    fn children_of_a_stage_with_many_are_numbered_anew() {
        let mut stages = vec![open(0, 0, &[]), open(1, 0, &[]), open(2, 1, &[1])];
        stages.extend((3..9).map(|id| open(id, 1, &[0])));
        let arrays = arrange(&stages, 4);
        let tasks: Vec<_> = arrays.iter().map(|array| array.tasks.len()).collect();
        assert_eq!(tasks, [2, 1, 4, 2]);
        let after = |at: usize| dependency(&arrays[at].after, &[5, 6, 7, 8]);
        assert_eq!(
            (after(1), after(2)),
            ("aftercorr:5".into(), "afterok:5_0".into())
        );
    }

    #[test]
    fn a_task_waits_for_one_that_is_in_the_queue() {
        let mut stage = open(3, 0, &[]);
        stage.queued = vec![Task { job: 77, index: 4 }];
        let arrays = arrange(&[stage], 500);
        assert_eq!(dependency(&arrays[0].after, &[]), "afterok:77_4");
    }

    #[test]
    fn calls_grow_with_the_size_of_arrays_and_not_with_cells() {
        // 10,000 cells of five stages: training, alignment, projection, two evaluations.
        let mut stages = vec![open(0, 0, &[]), open(1, 1, &[0])];
        for cell in 0..10_000 {
            let id = 2 + cell * 5;
            stages.push(open(id, 2, &[0]));
            stages.push(open(id + 1, 3, &[0, id]));
            stages.push(open(id + 2, 4, &[0, id, id + 1]));
            stages.push(open(id + 3, 5, &[0, 1, id + 2]));
            stages.push(open(id + 4, 5, &[0, 1, id + 2]));
        }
        let arrays = arrange(&stages, 500);
        assert_eq!(arrays.len(), 2 + 5 * 20);
        assert!(arrays.iter().all(|array| array.tasks.len() <= 500));
    }

    #[test]
    fn ranges_are_short() {
        assert_eq!(ranges(&[0, 1, 2, 3, 7, 9, 10]), "0-3,7,9-10");
    }
}
