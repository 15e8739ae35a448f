//! "Did you mean": the known name that is nearest to a misspelt one.

/// The nearest known name, when one is near enough to be meant.
///
/// ```
/// use layered_toml::suggest::nearest;
///
/// assert_eq!(nearest("dropuot", ["dropout", "epochs"]), Some("dropout"));
/// assert_eq!(nearest("temperature", ["dropout", "epochs"]), None);
/// ```
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = fold(written);
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&folded, &fold(name)), name))
        .filter(|(distance, name)| *distance <= 1 + name.chars().count() / 4)
        .min()
        .map(|(_, name)| name)
}

/// A hint: the nearest name, or a list of all names. `what` is their plural: `fields`.
pub fn hint<'a>(
    written: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
    what: &str,
) -> String {
    if let Some(name) = nearest(written, known.clone()) {
        return format!("did you mean `{name}`?");
    }
    let known: Vec<&str> = known.into_iter().collect();
    match known.as_slice() {
        [] => format!("there are no {what} here"),
        known => format!("the {what} are {}", list(known)),
    }
}

/// Names in backticks: "`a`, `b` and `c`".
pub fn list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Names in backticks: "`a`, `b` or `c`".
pub fn either(names: &[&str]) -> String {
    list(names).replace("` and `", "` or `")
}

/// The name in lower case with `_` for `-`: people mix these up.
pub fn fold(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_is_recognised_and_another_word_is_not() {
        let known = ["dropout", "epochs", "lr"];
        assert_eq!(nearest("dropuot", known), Some("dropout"));
        assert_eq!(nearest("Epoch", known), Some("epochs"));
        assert_eq!(nearest("temperature", known), None);
        assert_eq!(
            hint("temperature", known, "fields"),
            "the fields are `dropout`, `epochs` and `lr`"
        );
    }
}
