//! Settings in sentences.

use std::collections::BTreeMap;

use allround_core::config::protocol::{
    Candidates, FavouriteGenre, GenreAnswer, Protocol, Rules, Seen, Ties,
};
use allround_core::config::scenario::{
    CandidatesOf, FewShotUsers, ItemShare, Scenario, ShareOf, UnseenItems,
};

/// `num_blocks = 1, dropout = 0.1`.
pub fn settings(set: &BTreeMap<String, serde_json::Value>) -> String {
    set.iter()
        .map(|(key, value)| format!("{key} = {value}"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// How a protocol measures.
pub fn protocol(protocol: &Protocol) -> String {
    let against = match &protocol.candidates {
        Candidates::Full {
            seen: Seen::Exclude,
        } => "every item of the catalogue but those of the user's history".to_owned(),
        Candidates::Full { seen: Seen::Keep } => {
            "every item of the catalogue, those of the user's history among them".to_owned()
        }
        Candidates::File(file) => format!("the negatives that the file {} gives", file.path),
        Candidates::FavouriteGenre(question) => return genre(question, protocol),
        Candidates::Uniform { n } => format!("{n} items drawn uniformly"),
        Candidates::Popularity { n } => {
            format!("{n} items drawn in proportion to their training counts")
        }
    };
    let drawn = match (&protocol.candidates, protocol.candidates_seed) {
        (Candidates::Full { .. } | Candidates::File(_) | Candidates::FavouriteGenre(_), _) => {
            String::new()
        }
        (_, 0) => " They are drawn once for each seed and used by every model.".to_owned(),
        (_, seed) => {
            format!(" They are drawn once, with seed {seed}, and used by every model and seed.")
        }
    };
    let rules = match (&protocol.candidates, protocol.rules) {
        (Candidates::Full { .. } | Candidates::FavouriteGenre(_), _) => "",
        (Candidates::File(_), Rules::Published) => {
            "They are taken as they are: repeats, items of the user and the target itself are counted in the remarks."
        }
        (_, Rules::Strict) => {
            "No candidate repeats, and none is an item that the user has in training, validation or test."
        }
        (_, Rules::Published) => {
            "As in the A-LLMRec code, only training items are excluded: the validation item, the target and repeats may be drawn."
        }
    };
    let users = match (protocol.max_users, protocol.users_per_slice) {
        (0, _) => "Every user with a target is measured.".to_owned(),
        (users, 0) => {
            format!("At most {users} users with a target are measured, drawn at random.")
        }
        (users, least) => format!(
            "At most {users} users with a target are measured, drawn at random, and for cold and warm items at least {least} where there are as many."
        ),
    };
    let ties = match protocol.ties {
        Ties::Half => "plus half of those that score the same",
        Ties::TargetFirst => "whatever scores the same",
        Ties::TargetLast => "plus those that score the same",
    };
    let rules = match rules {
        "" => String::new(),
        rules => format!(" {rules}"),
    };
    format!(
        "Each user's target is ranked against {against}.{drawn}{rules} {users} The rank is 1, plus the candidates that score higher, {ties}."
    )
}

/// How the question about the favourite genre measures.
fn genre(question: &FavouriteGenre, protocol: &Protocol) -> String {
    let read = match question.answer {
        GenreAnswer::Likelihood => {
            "Genres are ranked by the mean log-likelihood of their names' tokens."
        }
        GenreAnswer::Text => {
            "The answer is generated greedily, and valid if it names exactly one genre."
        }
    };
    let users = match protocol.max_users {
        0 => "Every user with a target is measured.".to_owned(),
        users => format!("At most {users} users are measured, drawn at random."),
    };
    format!(
        "The target is not an item but the user's favourite genre: that which most of the training items have, of equal ones the most recent. {read} Hit@1 is the accuracy. {users} Nothing is trained for the question."
    )
}

/// Whom a scenario trains and measures.
pub fn scenario(scenario: &Scenario) -> String {
    match scenario {
        Scenario::Overall {} => "All users with a test target.".to_owned(),
        Scenario::ColdItems(share) => share_of(share, "least"),
        Scenario::WarmItems(share) => share_of(share, "most"),
        Scenario::RepeatTargets {} => "Users whose target is in their history.".to_owned(),
        Scenario::NewTargets {} => "Users whose target is not in their history.".to_owned(),
        Scenario::ColdUsers { length, users } => {
            let sample = if *users == 0 {
                String::new()
            } else {
                format!(" ({users} of them, sampled)")
            };
            format!("Users with exactly {length} interactions{sample}, left out of training.")
        }
        Scenario::ShuffledHistories { training } => {
            let also = if *training {
                ", in training too"
            } else {
                "; models trained on histories in time order"
            };
            format!("Users with a test target, their histories in random order{also}.")
        }
        Scenario::FewShot {
            users,
            evaluate,
            backbone,
        } => {
            let whom = match evaluate {
                FewShotUsers::All => "everyone is measured",
                FewShotUsers::Training => "the same users are measured",
                FewShotUsers::Others => "everyone else is measured",
            };
            let also = if *backbone {
                ", the CF model too"
            } else {
                ", but the CF model on all"
            };
            format!("Trained on {users} users{also}; {whom}.")
        }
        Scenario::CrossDomain { target, unseen } => {
            let rows = match unseen {
                UnseenItems::Untrained => "keep their initial embeddings",
                UnseenItems::Reindexed => "use the rows of the source's items in turn",
            };
            format!("Trained on the data set, measured on {target}, whose unseen items {rows}.")
        }
    }
}

fn share_of(share: &ItemShare, which: &str) -> String {
    let of = match share.by {
        ShareOf::Items => "of items",
        ShareOf::Interactions => "of interactions",
    };
    let candidates = match share.candidates {
        CandidatesOf::All => "",
        CandidatesOf::Class => " Candidates are of these items alone.",
    };
    format!(
        "Users whose target is among the {:.0} % {of} that are {which} popular.{candidates}",
        share.share * 100.0
    )
}
