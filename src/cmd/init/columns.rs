//! Which column of a data file holds what.

use std::path::Path;

use crate::cli::Init;
use crate::cmd::advise;
use allround_core::source::columns::{self, AUTO, Column, Role};
use allround_core::source::preview::{Preview, preview};
use allround_core::source::{AtomicSource, CsvSource, RepeatedUsers, Source};

/// The recognised columns of one file.
pub(super) struct File {
    /// Path as given on the command line.
    path: String,
    preview: Preview,
    used: Vec<usize>,
    /// Role and place of each recognised column.
    pub(super) found: Vec<(Role, usize)>,
}

/// A source of tables with a header line.
pub(super) enum Tabular {
    Csv(CsvSource),
    Atomic(AtomicSource),
}

impl Tabular {
    /// The source as in an experiment.
    pub(super) fn source(&self) -> Source {
        match self {
            Tabular::Csv(source) => Source::Csv(source.clone()),
            Tabular::Atomic(source) => Source::Atomic(source.clone()),
        }
    }
}

/// A source with its recognised columns.
pub(super) struct Recognised {
    pub(super) source: Tabular,
    /// The file of interactions, then the file of items if there is one.
    pub(super) files: Vec<File>,
}

impl File {
    fn open(path: &Path) -> anyhow::Result<File> {
        let file = File {
            path: path.display().to_string(),
            preview: preview(path)?,
            used: Vec::new(),
            found: Vec::new(),
        };
        file.refuse_record()?;
        Ok(file)
    }

    /// Refuses a first line that holds values and not names.
    fn refuse_record(&self) -> anyhow::Result<()> {
        let header = &self.preview.header;
        let is_number = |name: &String| name.trim().parse::<f64>().is_ok();
        if !header.iter().any(is_number) {
            return Ok(());
        }
        Err(advise(
            format!(
                "`{}`: line 1 is a record, not a header: {}",
                self.path,
                columns::listed(header)
            ),
            "add a header line such as `user,item,timestamp`; or write the file by hand with `header = false` and column \
             numbers (docs/SPEC.md, `source.csv`; `source.sequences` reads lines without names)",
        ))
    }

    /// Takes the column of a role: `given`, else one of a usual name, else the first that looks
    /// like it.
    fn take(&mut self, role: Role, given: Option<&str>) -> anyhow::Result<Option<String>> {
        let header = &self.preview.header;
        let place = match given {
            Some(name) => Some(self.named(name)?),
            None => match columns::column(header, role, AUTO) {
                Column::At(at) if self.holds(role, at) => Some(at),
                _ => columns::alike(header, role, &self.used)
                    .into_iter()
                    .find(|&at| self.holds(role, at)),
            },
        };
        let place = place.filter(|at| !self.used.contains(at));
        self.used.extend(place);
        self.found.extend(place.map(|at| (role, at)));
        Ok(place.map(|at| self.preview.header[at].clone()))
    }

    fn named(&self, name: &str) -> anyhow::Result<usize> {
        let header = &self.preview.header;
        let place = header.iter().position(|column| column == name);
        place.ok_or_else(|| {
            advise(
                format!("`{}` has no column `{name}`", self.path),
                format!("the columns are {}", columns::listed(header)),
            )
        })
    }

    /// Whether the cells of a column are what the role needs.
    fn holds(&self, role: Role, at: usize) -> bool {
        match role {
            Role::Time => self.preview.times[at],
            Role::Rating => self.preview.numbers[at],
            Role::User
            | Role::Item
            | Role::Title
            | Role::Description
            | Role::Category
            | Role::History => true,
        }
    }

    fn required(&mut self, role: Role, flag: &str, given: Option<&str>) -> anyhow::Result<String> {
        self.take(role, given)?.ok_or_else(|| {
            advise(
                format!("`{}`: no column looks like a {}", self.path, role.word()),
                format!(
                    "the columns are {}; name the right one with `--{flag} COLUMN`",
                    columns::listed(&self.preview.header)
                ),
            )
        })
    }

    /// The file itself and the columns that are not used, each with the reason if there is one.
    pub(super) fn unused(&self) -> Vec<String> {
        let header = self.preview.header.iter().enumerate();
        let unused = header.filter(|(at, _)| !self.used.contains(at));
        let text = |(at, name): (usize, &String)| {
            let needs = match () {
                () if Role::Time.looks_like(name) && !self.preview.times[at] => {
                    " (looks like a time, but not all cells are numbers or ISO 8601 dates)"
                }
                () if Role::Rating.looks_like(name) && !self.preview.numbers[at] => {
                    " (looks like a rating, but not all cells are numbers)"
                }
                () => "",
            };
            format!("`{name}`{needs}")
        };
        unused.map(text).collect()
    }

    /// The first value of a column.
    pub(super) fn example(&self, at: usize) -> &str {
        &self.preview.examples[at]
    }

    /// The name of a column.
    pub(super) fn name(&self, at: usize) -> &str {
        &self.preview.header[at]
    }

    /// The path as given on the command line.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    fn delimiter(&self) -> String {
        self.preview.delimiter.to_string()
    }

    /// The column of the item id in a file of items.
    fn item_id(&mut self, item: &str) -> anyhow::Result<String> {
        let has = |name: &str| self.preview.header.iter().any(|column| column == name);
        let given = [item, "id"].into_iter().find(|name| has(name));
        let looks_like = !columns::alike(&self.preview.header, Role::Item, &[]).is_empty();
        match given {
            Some(name) if name == item || !looks_like => {
                Ok(self.take(Role::Item, Some(name))?.unwrap_or_default())
            }
            _ => self.required(Role::Item, "item", None),
        }
    }
}

impl Recognised {
    /// The path of the interactions as written in the experiment.
    pub(super) fn interactions(&self) -> &str {
        match &self.source {
            Tabular::Csv(source) => &source.interactions,
            Tabular::Atomic(source) => &source.inter,
        }
    }

    /// Whether a column of titles was found.
    pub(super) fn has_titles(&self) -> bool {
        let mut found = self.files.iter().flat_map(|file| &file.found);
        found.any(|(role, _)| *role == Role::Title)
    }

    /// A line per file: which columns were recognised, and which are left.
    pub(super) fn lines(&self) -> Vec<String> {
        let line = |file: &File| {
            let found = file.found.iter();
            let found = found.map(|&(role, at)| format!("{} `{}`", role.word(), file.name(at)));
            let found = Vec::from_iter(found).join(", ");
            match file.unused().as_slice() {
                [] => format!("{}: {found}", file.path),
                unused => format!("{}: {found}; not used: {}", file.path, unused.join(", ")),
            }
        };
        self.files.iter().map(line).collect()
    }
}

/// Recognises the columns of the files; `path` gives a path as the experiment should have it.
pub(super) fn recognise(
    arguments: &Init,
    path: impl Fn(&Path) -> anyhow::Result<String>,
) -> anyhow::Result<Recognised> {
    let mut data = File::open(&arguments.data)?;
    let user = data.required(Role::User, "user", arguments.user.as_deref())?;
    let item = data.required(Role::Item, "item", arguments.item.as_deref())?;
    let history = data.take(Role::History, None)?.unwrap_or_default();
    let timestamp = data.take(Role::Time, None)?.unwrap_or_default();
    let rating = data.take(Role::Rating, None)?.unwrap_or_default();
    let mut items = match &arguments.items {
        Some(items) => Some(File::open(items)?),
        None => None,
    };
    let items_item = match &mut items {
        Some(items) => items.item_id(&item)?,
        None => item.clone(),
    };
    let of_texts = items.as_mut().unwrap_or(&mut data);
    let mut text = |role| anyhow::Ok(of_texts.take(role, None)?.unwrap_or_default());
    let names = Names {
        user,
        item,
        items_item,
        history,
        timestamp,
        rating,
        title: text(Role::Title)?,
        description: text(Role::Description)?,
        category: text(Role::Category)?,
    };
    let has_texts = [&names.title, &names.description, &names.category]
        .iter()
        .any(|name| !name.is_empty());
    let interactions = path(&arguments.data)?;
    let items_path = match &arguments.items {
        Some(items) => path(items)?,
        // Titles among the interactions: the same file is the file of items, too.
        None if has_texts => interactions.clone(),
        None => String::new(),
    };
    let paths = [interactions, items_path];
    let source = match data.preview.is_atomic {
        true => Tabular::Atomic(names.atomic(paths)),
        false => {
            let delimiter = data.delimiter();
            let own = items.as_ref().map(File::delimiter);
            let own = own.filter(|own| *own != delimiter).unwrap_or_default();
            Tabular::Csv(names.csv(paths, [delimiter, own]))
        }
    };
    let files = std::iter::once(data).chain(items).collect();
    Ok(Recognised { source, files })
}

/// Names of columns; empty where there is none.
struct Names {
    user: String,
    item: String,
    /// The item id in the file of items.
    items_item: String,
    history: String,
    timestamp: String,
    rating: String,
    title: String,
    description: String,
    category: String,
}

impl Names {
    fn atomic(self, [inter, item]: [String; 2]) -> AtomicSource {
        AtomicSource {
            inter,
            valid: String::new(),
            test: String::new(),
            item,
            item_index: String::new(),
            user: self.user,
            item_id: self.item,
            timestamp: self.timestamp,
            rating: self.rating,
            title: self.title,
            description: self.description,
            category: self.category,
            repeated_users: RepeatedUsers::Refuse,
        }
    }

    fn csv(
        self,
        [interactions, items]: [String; 2],
        [delimiter, items_delimiter]: [String; 2],
    ) -> CsvSource {
        let is_other = self.items_item != self.item;
        CsvSource {
            interactions,
            valid: String::new(),
            test: String::new(),
            items,
            delimiter,
            header: true,
            items_delimiter,
            items_header: true,
            items_item: Some(self.items_item)
                .filter(|_| is_other)
                .unwrap_or_default(),
            user: self.user,
            item: self.item,
            timestamp: self.timestamp,
            rating: self.rating,
            history: self.history,
            repeated_users: RepeatedUsers::Refuse,
            title: self.title,
            description: self.description,
            category: self.category,
        }
    }
}
