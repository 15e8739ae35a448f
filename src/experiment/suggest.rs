//! "Did you mean": the nearest of the names that would have been right.

/// The nearest known name, when one is near enough to be meant.
pub(super) fn nearest<'a>(
    written: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let folded = fold(written);
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&folded, &fold(name)), name))
        .filter(|(distance, name)| *distance <= 1 + name.chars().count() / 4)
        .min()
        .map(|(_, name)| name)
}

/// A hint: the nearest name, or else all there are.
pub(super) fn hint<'a>(
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

/// The way to write a source that has another name than one may expect.
pub(super) fn source(written: &str) -> Option<String> {
    let form = fold(written);
    let json = |form: &str| {
        format!(
            "write `source.json = {{ form = \"{form}\", interactions = \"...\", items = \"...\" }}`"
        )
    };
    match form.as_str() {
        "yelp" | "goodreads" | "steam" => Some(json(&form)),
        "jsonl" | "ndjson" | "json_lines" | "json_list" | "python" => {
            Some("write `source.json = { interactions = \"...\", user = \"...\", item = \"...\" }`".to_owned())
        }
        "amazon_2014" | "amazon2014" | "amazon_2018" | "amazon2018" | "amazon_2023" | "amazon2023" => Some(
            "write `source.amazon = { reviews = \"...\", metadata = \"...\" }`; the form is told from the files".to_owned(),
        ),
        "ml_100k" | "ml_1m" | "ml_10m" | "ml_20m" | "ml_latest" => {
            Some("write `source.movielens = { folder = \"...\" }`; the form is told from the files".to_owned())
        }
        "recbole" | "unisrec" => Some("write `source.atomic = { inter = \"...\" }`".to_owned()),
        "parquet" | "arrow" | "feather" | "pickle" | "excel" | "hdf5" => Some(
            "convert the file to CSV, for example with pandas (`to_csv(..., index=False)`), and write `source.csv`".to_owned(),
        ),
        _ => None,
    }
}

/// Names in backticks: "`a`, `b` and `c`".
pub(super) fn list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Writing that people mix up is the same: `-` and `_`, upper and lower case.
fn fold(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
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
