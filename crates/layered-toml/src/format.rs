//! A format: the types, defaults and rules of an application's files.

use std::collections::BTreeMap;

use crate::defaults::Defaults;
use crate::place::Sources;
use crate::rules::Rules;
use crate::shape::Table;

/// What the files of an application may hold.
#[derive(Debug)]
pub struct Format {
    pub(crate) root: Table,
    pub(crate) defaults: Defaults,
    pub(crate) rules: Rules,
}

impl Format {
    /// Names of the presets of a kind, by the name of its enum in snake case.
    pub fn presets(&self, kinds: &str, kind: &str) -> Vec<&str> {
        let table = Table {
            name: vec![kinds.to_owned(), kind.to_owned()],
            doc: String::new(),
            fields: BTreeMap::new(),
        };
        self.defaults.presets(&table)
    }

    /// The kinds of a field with named tables, such as `model` of `[model.NAME.KIND]`.
    pub fn kinds(&self, section: &str) -> Vec<&str> {
        let kinds = self.root.named_kinds(section).into_iter();
        kinds
            .flat_map(|kinds| kinds.kinds.keys().map(String::as_str))
            .collect()
    }

    pub(crate) fn sources(&self, name: &str, text: &str) -> Sources {
        Sources::new(self.defaults.source.clone(), name, text)
    }
}
