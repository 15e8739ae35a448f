//! Columns of tabular sources: the column of each setting, and columns that may have been
//! overlooked.
//!
//! Checks of settings and readers share these rules, so that both accept the same files.

/// Value of a column setting that uses a column with the usual name, if there is one.
pub const AUTO: &str = "auto";

/// Content of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// User ids.
    User,
    /// Item ids.
    Item,
    /// Times.
    Time,
    /// Ratings.
    Rating,
    /// Titles of items.
    Title,
    /// Descriptions of items.
    Description,
    /// Categories of items.
    Category,
    /// The items before this one.
    History,
}

impl Role {
    /// The word for it in messages.
    pub fn word(self) -> &'static str {
        match self {
            Role::User => "user id",
            Role::Item => "item id",
            Role::Time => "time",
            Role::Rating => "rating",
            Role::Title => "title",
            Role::Description => "description",
            Role::Category => "category",
            Role::History => "history",
        }
    }

    /// Names that [`AUTO`] accepts, the preferred one first.
    fn usual(self) -> &'static [&'static str] {
        match self {
            Role::Time => &["timestamp"],
            Role::Rating => &["rating"],
            Role::Title => &["title", "movie_title", "movie_name", "item_name", "name"],
            Role::Description => &["description"],
            Role::Category => &["categories", "category", "class", "genre", "genres"],
            // A file must have ids, and a history changes the meaning of a row. Both need a name
            // and are never guessed.
            Role::User | Role::Item | Role::History => &[],
        }
    }

    /// Words in a name that suggest the role, and words that contradict it, separated by blanks.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Role::User => (
                "user users uid userid reviewer reviewerid customer visitor",
                "name",
            ),
            Role::Item => (
                "item items iid itemid movie movieid product productid asin book isbn track song artist business video news",
                "name title list user",
            ),
            Role::Time => (
                "time times timestamp timestamps date datetime ts unix epoch timestep when created",
                "list zone timezone by",
            ),
            Role::Rating => (
                "rating ratings rate stars star score scores overall label click clicked like liked vote",
                "list count average avg number num",
            ),
            Role::Title => (
                "title titles name names headline",
                "user brand store author artist seller category id file",
            ),
            Role::Description => ("description descriptions abstract plot", "id"),
            Role::Category => ("category categories genre genres class", "id"),
            Role::History => ("history histories", ""),
        }
    }

    /// Whether a column with this name seems to have this content.
    pub fn looks_like(self, name: &str) -> bool {
        let (suggest, contradict) = self.words();
        let words = words(name);
        let has = |list: &str| {
            list.split_ascii_whitespace()
                .any(|word| words.iter().any(|own| own == word))
        };
        let is_list = self == Role::History && name.ends_with("_list");
        (has(suggest) || is_list) && !has(contradict)
    }
}

/// The words of a name: `unixReviewTime` and `review_time` both contain `time`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for letter in name.chars() {
        if !letter.is_alphabetic() || (letter.is_uppercase() && was_lower) {
            words.push(String::new());
        }
        if let (true, Some(word)) = (letter.is_alphabetic(), words.last_mut()) {
            word.extend(letter.to_lowercase());
        }
        was_lower = letter.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// A setting that names a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named<'a> {
    /// The setting.
    pub key: &'static str,
    /// Content of the column.
    pub role: Role,
    /// The setting's value: a name, empty or [`AUTO`].
    pub value: &'a str,
}

impl<'a> Named<'a> {
    /// The setting `key` with its value.
    pub fn new(key: &'static str, role: Role, value: &'a str) -> Self {
        Named { key, role, value }
    }

    /// Whether it names a column that one certain file must have.
    pub fn is_certain(&self) -> bool {
        !self.value.is_empty() && self.value != AUTO
    }
}

/// The column of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// This column, from 0.
    At(usize),
    /// No column: the setting is empty, or `auto` found none.
    None,
    /// The header does not have the column of the setting.
    Missing,
    /// Two columns have this name.
    Twice(usize),
}

/// The column of `header` for `setting` and `role`.
pub fn column(header: &[String], role: Role, setting: &str) -> Column {
    let named = |name: &str| {
        let mut places = (0..header.len()).filter(|&at| header[at] == name);
        (places.next(), places.next())
    };
    if setting == AUTO {
        let found = role.usual().iter().map(|&name| named(name));
        return match found.into_iter().find(|(first, _)| first.is_some()) {
            Some((Some(at), Some(_))) => Column::Twice(at),
            Some((Some(at), None)) => Column::At(at),
            Some((None, _)) | None => Column::None,
        };
    }
    match named(setting) {
        _ if setting.is_empty() => Column::None,
        (Some(at), Some(_)) => Column::Twice(at),
        (Some(at), None) => Column::At(at),
        (None, _) => Column::Missing,
    }
}

/// Columns that look like `role`, except those in `used`.
pub fn alike(header: &[String], role: Role, used: &[usize]) -> Vec<usize> {
    (0..header.len())
        .filter(|at| !used.contains(at) && role.looks_like(&header[*at]))
        .collect()
}

/// Whether these cells name columns: at least two suggest a role, none has a digit, and no two are
/// equal.
pub fn is_header<T: AsRef<str>>(cells: &[T]) -> bool {
    const ROLES: [Role; 4] = [Role::User, Role::Item, Role::Time, Role::Rating];
    let names: Vec<&str> = cells
        .iter()
        .map(|cell| cell.as_ref().trim().split(':').next().unwrap_or_default())
        .collect();
    let is_name = |name: &&&str| ROLES.iter().any(|role| role.looks_like(name));
    let has_digit = |name: &&str| name.bytes().any(|byte| byte.is_ascii_digit());
    let is_repeated = |at: usize| names[..at].contains(&names[at]);
    names.iter().filter(is_name).count() >= 2
        && !names.iter().any(has_digit)
        && !(0..names.len()).any(is_repeated)
}

/// The settings that describe the form of a table, for hints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableKeys {
    /// Setting of the delimiter.
    pub delimiter: &'static str,
    /// Setting of whether line 1 names the columns.
    pub header: &'static str,
}

/// The columns of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Names of the columns; their numbers from 1 where the file has no header.
    pub names: Vec<String>,
    /// The cells of line 1, where the file has no header.
    pub first: Option<Vec<String>>,
    /// The settings that describe the form of the file; `None` if there are none.
    pub keys: Option<TableKeys>,
}

impl Header {
    /// The columns of a file with these names in line 1.
    pub fn named(names: Vec<String>) -> Self {
        Header {
            names,
            ..Header::default()
        }
    }

    /// The columns of a file without a header, with these cells in line 1.
    pub fn numbered(first: Vec<String>) -> Self {
        Header {
            names: (1..=first.len()).map(|n| n.to_string()).collect(),
            first: Some(first),
            keys: None,
        }
    }

    /// The column for `setting` and `role`.
    pub fn column(&self, role: Role, setting: &str) -> Column {
        column(&self.names, role, setting)
    }

    /// Advice for a setting `key` with a column for `role` that does not exist.
    pub fn missing(&self, role: Role, key: &str) -> String {
        let names = &self.names;
        if let Some(first) = &self.first {
            return format!(
                "without a header, columns are numbers from 1 to {}, such as `{key} = \"1\"`; line 1 holds {}",
                names.len(),
                listed(first)
            );
        }
        if let [cell] = &names[..]
            && let Some(hint) = other_delimiter(cell, self.keys)
        {
            return hint;
        }
        if let Some(keys) = self.keys
            && self.is_like_a_record()
        {
            return format!(
                "line 1 looks like a record: for a file without a header set `{} = false` and number the columns, such as `{key} = \"1\"`; otherwise name one of {}",
                keys.header,
                listed(names)
            );
        }
        match alike(names, role, &[]).first() {
            Some(&at) => format!(
                "is it `{key} = \"{}\"`? The columns are {}",
                names[at],
                listed(names)
            ),
            None => format!("the columns are {}", listed(names)),
        }
    }

    /// Whether line 1 contains numbers, or no usual name of a column.
    fn is_like_a_record(&self) -> bool {
        const USUAL: [Role; 5] = [
            Role::User,
            Role::Item,
            Role::Time,
            Role::Rating,
            Role::Title,
        ];
        let is_number = |name: &String| name.trim().parse::<f64>().is_ok();
        let is_usual = |name: &String| USUAL.iter().any(|role| role.looks_like(name));
        self.names.iter().any(is_number) || !self.names.iter().any(is_usual)
    }
}

/// Advice for a header that was read as one cell, if it contains another delimiter.
fn other_delimiter(cell: &str, keys: Option<TableKeys>) -> Option<String> {
    if cell.contains("::") {
        return Some(
            "`::` separates the cells: read the file as `source.sequences` with `delimiter = \"::\"` and `form = \"ratings\"`, `\"times\"` or `\"pairs\"`"
                .to_owned(),
        );
    }
    let known = [
        ('\t', "tabs", "\\t"),
        (';', "semicolons", ";"),
        ('|', "bars", "|"),
        (',', "commas", ","),
    ];
    let (_, what, written) = known
        .into_iter()
        .find(|(delimiter, _, _)| cell.contains(*delimiter))?;
    Some(match keys {
        Some(keys) => format!(
            "line 1 is one cell with {what} in it: set `{} = \"{written}\"`",
            keys.delimiter
        ),
        None => format!(
            "line 1 is one cell with {what} in it, and tabs separate the cells of such a file: read it as `source.csv` with `delimiter = \"{written}\"`"
        ),
    })
}

/// At most 40 of `names`, in backticks.
pub fn listed<T: AsRef<str>>(names: &[T]) -> String {
    const MOST: usize = 40;
    let shown: Vec<&str> = names.iter().take(MOST).map(AsRef::as_ref).collect();
    let more = match names.len() {
        n if n > MOST => format!(" and {} more", n - MOST),
        _ => String::new(),
    };
    format!("`{}`{more}", shown.join("`, `"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn a_setting_means_the_usual_column_no_column_or_the_one_it_names() {
        let names = header(&["user", "name", "title", "at", "at"]);
        assert_eq!(column(&names, Role::Title, AUTO), Column::At(2));
        assert_eq!(column(&names, Role::Title, ""), Column::None);
        assert_eq!(column(&names, Role::Title, "name"), Column::At(1));
        assert_eq!(column(&names, Role::Time, AUTO), Column::None);
        assert_eq!(column(&names, Role::Time, "when"), Column::Missing);
        assert_eq!(column(&names, Role::Time, "at"), Column::Twice(3));
        // Ids are never guessed.
        assert_eq!(column(&names, Role::User, AUTO), Column::None);
    }

    #[test]
    fn names_of_real_files_look_like_what_they_hold() {
        let alike = [
            (Role::Time, "unixReviewTime"),
            (Role::Time, "date"),
            (Role::Time, "review_date"),
            (Role::Rating, "stars"),
            (Role::Rating, "label"),
            (Role::Title, "movie_name"),
            (Role::Title, "bookTitle"),
            (Role::User, "reviewerID"),
            (Role::Item, "parent_asin"),
            (Role::History, "item_id_list"),
            (Role::History, "history"),
        ];
        for (role, name) in alike {
            assert!(role.looks_like(name), "{name}");
        }
        let unlike = [
            (Role::Time, "runtime"),
            (Role::Title, "user_name"),
            (Role::Item, "item_id_list"),
            (Role::Rating, "rating_number"),
        ];
        for (role, name) in unlike {
            assert!(!role.looks_like(name), "{name}");
        }
    }

    #[test]
    fn a_line_of_names_is_a_header_and_a_line_of_ids_is_none() {
        assert!(is_header(&["user_id", "item_id"]));
        assert!(is_header(&[
            "user_id:token",
            "item_id:token",
            "rating:float"
        ]));
        assert!(is_header(&["userId", "movieId", "x"]));
        assert!(!is_header(&["user1", "item1"]));
        assert!(!is_header(&["alice", "book"]));
        assert!(!is_header(&["user", "user"]));
    }
}
