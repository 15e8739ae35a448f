//! Notes of a cell: what its stages reported, and facts on its data.

use super::*;

impl RowSource<'_> {
    /// Notes and counts of the stages of a cell. A stage that was lost and could not be made again
    /// has none.
    pub(super) fn notes(
        &self,
        cell: &Cell,
        outcomes: &[Option<Outcome>],
    ) -> Result<String, DataError> {
        let nodes = &self.plan.graph.nodes;
        let mut notes = Notes::default();
        for id in cell.stages(&self.plan.graph) {
            let settings = &nodes[id].stage.settings;
            let exists = outcomes[id].as_ref().is_some_and(Outcome::is_good);
            if !exists || !Self::has_notes(settings) {
                continue;
            }
            for event in history::read(&self.folder(&nodes[id]).join(EVENTS))? {
                match event {
                    Event::Remark { text } => notes.add(text, settings.kind().as_str()),
                    Event::Counted(counted) if counted.count > 0 => {
                        notes.add(
                            format!("{} {}", counted.count, counted.what),
                            settings.kind().as_str(),
                        );
                    }
                    _ => {}
                }
            }
        }
        if outcomes[cell.prepared]
            .as_ref()
            .is_some_and(Outcome::is_good)
        {
            for text in self.notes_on_data(cell)? {
                notes.add(text, nodes[cell.prepared].stage.settings.kind().as_str());
            }
        }
        Ok(notes.text())
    }

    /// Whether the notes of a stage belong to the numbers of a cell that uses it.
    fn has_notes(settings: &Settings) -> bool {
        match settings {
            // Its counts are in data.csv, and `notes_on_data` adds those that concern the numbers.
            Settings::Prepare(_) => false,
            Settings::Candidates(_)
            | Settings::Contrast(_)
            | Settings::Pretrain(_)
            | Settings::Backbone(_)
            | Settings::EncodeText(_)
            | Settings::PretrainLm(_)
            | Settings::Align(_)
            | Settings::Project(_)
            | Settings::Tune(_)
            | Settings::Represent(_)
            | Settings::Evaluate(_) => true,
        }
    }

    /// Whether the model of a cell reads texts, itself or in a model that it combines.
    fn reads_texts(&self, cell: &Cell) -> bool {
        let stages = cell.stages(&self.plan.graph).into_iter();
        let mut settings = stages.map(|id| &self.plan.graph.nodes[id].stage.settings);
        settings.any(|settings| match settings {
            Settings::Evaluate(evaluate) => evaluate.ranking.reads_texts(),
            Settings::Backbone(backbone) => {
                let model = &backbone.model;
                model.encoder().is_some() || model.texts().is_some()
            }
            Settings::Prepare(_)
            | Settings::Candidates(_)
            | Settings::Contrast(_)
            | Settings::Pretrain(_)
            | Settings::EncodeText(_)
            | Settings::PretrainLm(_)
            | Settings::Align(_)
            | Settings::Project(_)
            | Settings::Tune(_)
            | Settings::Represent(_) => false,
        })
    }

    /// Notes on the data that concern a cell's numbers: users without a history, and for models
    /// that read texts, items without a record.
    fn notes_on_data(&self, cell: &Cell) -> Result<Vec<String>, DataError> {
        let prepared = self.prepared(cell.prepared)?;
        let mut notes = match self.reads_texts(cell) {
            true => prepared.facts.notes(),
            false => Vec::new(),
        };
        if cell.measures.iter().any(|it| it.part == Part::Test) {
            let counts = self.counts(cell)?;
            if counts.without_history > 0 {
                let note = results::without_history(counts.without_history, counts.slice_users);
                notes.push(note);
            }
        }
        Ok(notes)
    }
}

/// Notes of stages. Equal ones are written once, with the kinds of all their stages.
#[derive(Default)]
struct Notes(Vec<(String, Vec<&'static str>)>);

impl Notes {
    fn add(&mut self, text: String, kind: &'static str) {
        match self.0.iter_mut().find(|(other, _)| *other == text) {
            Some((_, kinds)) if kinds.contains(&kind) => {}
            Some((_, kinds)) => kinds.push(kind),
            None => self.0.push((text, vec![kind])),
        }
    }

    fn text(&self) -> String {
        let notes = self.0.iter();
        let notes = notes.map(|(text, kinds)| format!("{}: {text}", kinds.join(", ")));
        notes.collect::<Vec<_>>().join("; ")
    }
}
