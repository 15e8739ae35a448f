//! `[model.NAME.fusion]`: models of the same experiment, combined without training.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Group, Kind, Problem};

/// The kind, with its defaults and presets.
pub const KIND: Kind = Kind {
    name: "fusion",
    group: Group::Untrained,
    hue: None,
    defaults: r#"
# The mean of the training counts: a value from the training data alone, which is not tuned.
[default.model.fusion]
pivot = 0.0
"#,
};

/// Models of the same experiment, combined without training. Each of them scores the same
/// candidates of the same users, and a rule makes one score of theirs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fusion {
    /// Names of the models or variants. `popularity_gate` needs two: the first is for popular
    /// items, the second for rare ones.
    pub models: Vec<String>,
    /// How their scores are combined.
    pub by: FusionRule,
    /// For `popularity_gate`: the number of training interactions at which both models have the
    /// same weight. 0 is the mean number of an item. Choose it before the test, by validation.
    #[schemars(range(min = 0.0))]
    pub pivot: f64,
}

/// How the scores of several models are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FusionRule {
    /// By the mean of the ranks that a candidate has in the models.
    MeanRank,
    /// Scores are standardised for each user (mean 0, standard deviation 1). The first model has
    /// the weight c / (c + `pivot`) for a candidate with c training interactions, the second has
    /// the rest.
    PopularityGate,
}

impl Fusion {
    /// Settings that contradict each other.
    pub fn problems(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        let count = self.models.len();
        let named = if count == 1 {
            "1 is named"
        } else {
            &format!("{count} are named")
        };
        match self.by {
            FusionRule::MeanRank => {
                if count < 2 {
                    found.push(
                        Problem::at(
                            "models",
                            format!("a fusion needs at least two models, and {named}"),
                        )
                        .label("expected at least two names")
                        .hint("name the models to combine: `models = [\"a\", \"b\"]`"),
                    );
                }
                if self.pivot > 0.0 {
                    let message = "`pivot` has no effect: ranks are averaged without weights";
                    found.push(
                        Problem::at("pivot", message)
                            .label("only for `popularity_gate`")
                            .related("by", "not a gate")
                            .hint("remove `pivot`, or write `by = \"popularity_gate\"`"),
                    );
                }
            }
            FusionRule::PopularityGate => {
                if count != 2 {
                    let message = format!("`popularity_gate` combines two models, and {named}");
                    found.push(
                        Problem::at("models", message)
                            .label("expected two names")
                            .hint("name the model for popular items first, then the one for rare items; `by = \"mean_rank\"` combines any number"),
                    );
                }
            }
        }
        found
    }
}
