//! The kinds of stages, by name.

use std::fmt;

/// A kind of stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StageKind {
    /// See [`super::Settings::Prepare`].
    Prepare,
    /// See [`super::Settings::Candidates`].
    Candidates,
    /// See [`super::Settings::Contrast`].
    Contrast,
    /// See [`super::Settings::Pretrain`].
    Pretrain,
    /// See [`super::Settings::Backbone`].
    Backbone,
    /// See [`super::Settings::EncodeText`].
    EncodeText,
    /// See [`super::Settings::PretrainLm`].
    PretrainLm,
    /// See [`super::Settings::Align`].
    Align,
    /// See [`super::Settings::Project`].
    Project,
    /// See [`super::Settings::Tune`].
    Tune,
    /// See [`super::Settings::Represent`].
    Represent,
    /// See [`super::Settings::Evaluate`].
    Evaluate,
}

impl StageKind {
    /// Every kind.
    pub const ALL: [StageKind; 12] = [
        StageKind::Prepare,
        StageKind::Candidates,
        StageKind::Contrast,
        StageKind::Pretrain,
        StageKind::Backbone,
        StageKind::EncodeText,
        StageKind::PretrainLm,
        StageKind::Align,
        StageKind::Project,
        StageKind::Tune,
        StageKind::Represent,
        StageKind::Evaluate,
    ];

    /// The name in the store, in results and in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            StageKind::Prepare => "prepare",
            StageKind::Candidates => "candidates",
            StageKind::Contrast => "contrast",
            StageKind::Pretrain => "pretrain",
            StageKind::Backbone => "backbone",
            StageKind::EncodeText => "encode-text",
            StageKind::PretrainLm => "pretrain-lm",
            StageKind::Align => "align",
            StageKind::Project => "project",
            StageKind::Tune => "tune",
            StageKind::Represent => "represent",
            StageKind::Evaluate => "evaluate",
        }
    }

    /// The kind with this name.
    pub fn named(name: &str) -> Option<StageKind> {
        StageKind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }

    /// Whether the stage belongs to a model, so that its cost and its failure are those of the
    /// model. Data and candidates are prepared for all models.
    pub fn is_of_a_model(self) -> bool {
        match self {
            StageKind::Prepare | StageKind::Candidates => false,
            StageKind::Contrast
            | StageKind::Pretrain
            | StageKind::Backbone
            | StageKind::EncodeText
            | StageKind::PretrainLm
            | StageKind::Align
            | StageKind::Project
            | StageKind::Tune
            | StageKind::Represent
            | StageKind::Evaluate => true,
        }
    }

    /// Whether the command itself reads the artefact: data sets and ranks. Workers read the others.
    pub fn is_read_by_command(self) -> bool {
        match self {
            StageKind::Prepare | StageKind::Evaluate => true,
            StageKind::Candidates
            | StageKind::Contrast
            | StageKind::Pretrain
            | StageKind::Backbone
            | StageKind::EncodeText
            | StageKind::PretrainLm
            | StageKind::Align
            | StageKind::Project
            | StageKind::Tune
            | StageKind::Represent => false,
        }
    }
}

impl fmt::Display for StageKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
