//! Rules of a format that types and defaults cannot express.

use crate::shape::TextFormat;
use crate::written::Value;

/// Rules that types and defaults cannot express. Each is optional.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Title of the JSON schema.
    pub title: &'static str,
    /// Forms of strings.
    pub texts: Vec<TextFormat>,
    /// The field with the version of the format.
    pub version: Option<VersionRule>,
    /// Fields without a default whose absence has its own message.
    pub required: Vec<RequiredField>,
    /// Named sets of values of which one can be chosen.
    pub profiles: Option<ProfileRule>,
    /// Named changes to named tables.
    pub variants: Option<VariantRule>,
    /// Display names of named tables.
    pub labels: Option<LabelRule>,
    /// What to write instead of an unknown kind (the second argument) of an enum (the first).
    pub kind_hint: fn(&str, &str) -> Option<String>,
    /// What to do about an empty file.
    pub empty_file_hint: &'static str,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            title: "Settings",
            texts: Vec::new(),
            version: None,
            required: Vec::new(),
            profiles: None,
            variants: None,
            labels: None,
            kind_hint: |_, _| None,
            empty_file_hint: "write at least one setting",
        }
    }
}

/// The version of a format. A file of another version is refused before anything else.
#[derive(Clone, Debug)]
pub struct VersionRule {
    /// The field of the version.
    pub field: &'static str,
    /// The version that this program reads.
    pub number: i64,
    /// Name of the program.
    pub program: &'static str,
}

/// A field of the file as a whole that has no default.
#[derive(Clone, Debug)]
pub struct RequiredField {
    /// The field.
    pub field: &'static str,
    /// A value with which the checks continue when the field is missing.
    pub stand_in: Value,
    /// What to write.
    pub hint: &'static str,
}

/// The fields of the file for profiles.
#[derive(Clone, Debug)]
pub struct ProfileRule {
    /// The field that names the chosen profile; empty for none.
    pub chosen: &'static str,
    /// The field that holds the profiles by name.
    pub all: &'static str,
    /// What is wrong with a name, where something is.
    pub fault_of_name: fn(&str) -> Option<NameFault>,
}

/// Why a name is refused.
#[derive(Clone, Debug)]
pub struct NameFault {
    /// What is wrong, in words that follow the name.
    pub words: String,
    /// What was expected, in words that follow "expected".
    pub expected: String,
    /// What to do.
    pub hint: String,
}

/// The fields of the file for variants.
#[derive(Clone, Debug)]
pub struct VariantRule {
    /// The field with the variants by name.
    pub section: &'static str,
    /// The field with the tables that are varied, each named after its kind.
    pub base: &'static str,
    /// The field of a variant that names a table of `base`.
    pub of: &'static str,
    /// The field of a variant with dotted keys of that table and their values.
    pub set: &'static str,
    /// The field of a variant that receives the resolved table.
    pub resolved: &'static str,
}

/// Where labels are written and where they are collected.
#[derive(Clone, Debug)]
pub struct LabelRule {
    /// The key of a label in a named table.
    pub key: &'static str,
    /// The field of the resolved file with the labels by section and name; types skip it in their
    /// schema.
    pub collected: &'static str,
    /// The fields whose named tables may have a label.
    pub sections: &'static [&'static str],
    /// What a label is, for the reference and for editors.
    pub doc: &'static str,
}
