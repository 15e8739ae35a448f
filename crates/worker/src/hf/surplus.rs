//! Weights of a file that its `config.json` leaves no place for.

/// Most names that an error lists.
const TOLD: usize = 8;
/// Ends of names that published files hold next to the weights: tables that are computed, and a
/// version.
const COMPUTED: [&str; 5] = [
    "position_ids",
    "token_type_ids",
    "rotary_emb.inv_freq",
    "masked_bias",
    "decoder.version",
];

/// The names that begin as the model's own do and that it has not `taken`, in words for an error;
/// `None` without any. Heads, poolers and other models in the same file begin otherwise.
pub fn surplus<'a>(
    names: impl IntoIterator<Item = &'a str>,
    own: &[&str],
    taken: impl Fn(&str) -> bool,
) -> Option<String> {
    let is_own = |name: &str| own.iter().any(|front| name.starts_with(front));
    let is_computed = |name: &str| COMPUTED.iter().any(|end| name.ends_with(end));
    let left: Vec<&str> = names
        .into_iter()
        .filter(|name| is_own(name) && !is_computed(name) && !taken(name))
        .collect();
    (!left.is_empty()).then(|| listed(&left))
}

/// Names for an error, the first of them and how many more there are.
pub fn listed(names: &[&str]) -> String {
    let shown = names.iter().take(TOLD).map(|name| format!("`{name}`"));
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if names.len() > TOLD {
        text.push_str(&format!(" and {} more", names.len() - TOLD));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_models_own_weights_are_surplus_and_no_tables_that_are_computed() {
        let names = [
            "bert.encoder.layer.0.w",
            "bert.encoder.layer.1.w",
            "bert.embeddings.position_ids",
            "bert.pooler.dense.weight",
            "cls.predictions.bias",
        ];
        let own = ["bert.embeddings.", "bert.encoder."];
        let taken = |name: &str| name == "bert.encoder.layer.0.w";
        let told = surplus(names, &own, taken);
        assert_eq!(told.as_deref(), Some("`bert.encoder.layer.1.w`"));
        assert_eq!(surplus(names, &own, |_| true), None);
    }

    #[test]
    fn a_long_list_ends_with_its_number() {
        let told = listed(&["w"; 11]);
        assert!(told.ends_with("`w` and 3 more"), "{told}");
    }
}
