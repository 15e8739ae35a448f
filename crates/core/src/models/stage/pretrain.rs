//! Settings of the stage `pretrain`.

use serde::{Deserialize, Serialize};

use crate::config::Encoder;
use crate::models::Recformer;

/// Settings of `pretrain`: needs `prepared`, and further data sets by [`pretrained_role`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainPretrain {
    /// The model; its fine-tuning does not count.
    pub model: Recformer,
    /// The text encoder that it starts from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<Encoder>,
    /// The cell's seed.
    pub seed: u64,
}

/// Role of the data set at `place` among those that `pretrain` reads.
pub fn pretrained_role(place: usize) -> String {
    match place {
        0 => "prepared".to_owned(),
        place => format!("prepared{place}"),
    }
}
