//! CTRL: SASRec with a linear layer on its states, after a stage that aligns it with texts.
//!
//! Paper: Li et al. 2023, CTRL: Connect Collaborative and Language Model for CTR Prediction. Code:
//! pre_train/ctrl/model_ctrl.py in ghdtjr/A-LLMRec at e216bbc, whose names the weights have. The
//! first stage is in `methods/contrast.rs`.

use allround_core::models::ctrl::Ctrl as Config;
use tch::Device;

use super::Sizes;
use super::sasrec::Sasrec;

/// A fresh network. The caller has seeded LibTorch's generator.
pub fn new(config: &Config, sizes: Sizes, device: Device) -> Sasrec {
    Sasrec::new(&config.network(), sizes, device).with_final_layer()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Histories;
    use crate::models::{Backbone, Scorer, weights};
    use crate::testing;
    use allround_core::models::Model;

    #[test]
    fn scores_are_those_of_sasrecs_states_after_a_linear_layer() {
        let Model::Ctrl(config) = testing::model("ctrl") else {
            unreachable!("its name is its kind")
        };
        let sizes = Sizes {
            users: 1,
            items: 12,
        };
        tch::manual_seed(4);
        let net = new(&config, sizes, Device::Cpu);
        let plain = Sasrec::new(&config.network(), sizes, Device::Cpu);
        let all = net.weights().into_iter().collect();
        weights::fill(&plain.weights(), &all).unwrap();
        let [weight, bias] = ["weight", "bias"].map(|part| &all[&format!("final_layer.{part}")]);
        let histories = Histories::from_rows(&[&[1, 2, 3], &[], &[7]]);
        let states = plain.user_states(&histories).linear(weight, Some(bias));
        let expected = states.mm(&plain.item_table().tr());
        assert!(
            net.score_all(&histories)
                .allclose(&expected, 1e-5, 1e-6, false)
        );
        let tokens = plain
            .token_states(&histories, false)
            .linear(weight, Some(bias));
        let found = net.token_states(&histories, false);
        assert!(found.allclose(&tokens, 1e-5, 1e-6, false));
        let names: Vec<String> = net.weights().into_iter().map(|(name, _)| name).collect();
        assert!(names.contains(&"item_emb.weight".to_owned()));
    }
}
