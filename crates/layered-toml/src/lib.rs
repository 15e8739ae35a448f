//! Settings in TOML, read in layers and checked like a compiler checks code.
//!
//! An application describes its settings once, as types with `serde` and `schemars`, and writes its
//! defaults as TOML. This crate then does the rest:
//!
//! - **Layers.** A value comes from the first of these that has it: `--set path.to.key=value`
//!   flags, a variant, a profile, the file, a preset, the defaults.
//! - **Checks.** Unknown fields, wrong types, values out of range and missing fields are found in
//!   one pass. Each fault has line and column, the expected value and a suggestion.
//! - **Kinds.** An enum is a table named after its kind: `[shape.circle]` with the fields of
//!   `circle`. In named tables the name may be the kind: `[part.circle]` is `[part.circle.circle]`.
//! - **Origins.** The resolved file states where each value comes from.
//! - **Documents.** [`Format::json_schema`] is for editors, [`Format::markdown`] for readers.
//!
//! # Example
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use layered_toml::{Format, Rules};
//! use schemars::JsonSchema;
//! use serde::Deserialize;
//!
//! /// A bakery's day.
//! #[derive(Deserialize, JsonSchema)]
//! struct Day {
//!     /// Ovens in use.
//!     #[schemars(range(min = 1, max = 8))]
//!     ovens: u32,
//!     /// What is baked, by name.
//!     bake: BTreeMap<String, Dough>,
//! }
//!
//! /// A dough.
//! #[derive(Deserialize, JsonSchema)]
//! #[serde(rename_all = "snake_case")]
//! enum Dough {
//!     /// Bread.
//!     Bread {
//!         /// Grams of flour.
//!         flour: u32,
//!         /// Hours of rest.
//!         rest: f64,
//!     },
//!     /// Cake.
//!     Cake {
//!         /// Eggs.
//!         eggs: u32,
//!     },
//! }
//!
//! let defaults = "
//! ovens = 2
//! [default.dough.bread]
//! rest = 1
//! ";
//! let format = Format::of::<Day>("defaults.toml", defaults, Rules::default())?;
//!
//! let file = "
//! [bake.bread]
//! flour = 500
//! [bake.sunday.cake]
//! eggs = 4
//! ";
//! let flags = ["ovens=3".to_owned()];
//! let mut reading = format.read("monday.toml", file, &flags)?;
//! let day: Day = reading.value()?;
//! assert_eq!(day.ovens, 3);
//! assert!(matches!(day.bake["bread"], Dough::Bread { flour: 500, .. }));
//!
//! let resolved = reading.finish()?;
//! assert_eq!(resolved.origins["ovens"].to_string(), "--set 1");
//! assert_eq!(resolved.origins["bake.bread.bread.rest"].to_string(), "default");
//!
//! // All faults at once.
//! let wrong = format.read("monday.toml", "ovens = 9\n[bake.bread]\nflower = 500\n", &[])?;
//! let faults = wrong.finish().unwrap_err();
//! assert_eq!(
//!     faults.lines(),
//!     "monday.toml:1:9: `ovens` must be a whole number from 1 to 8, found `9`\n\
//!      monday.toml:2:1: missing field `flour` in `bake.bread`\n\
//!      monday.toml:3:1: unknown field `flower` in `bake.bread`\n"
//! );
//! # Ok::<(), layered_toml::Faults>(())
//! ```
//!
//! # Defaults
//!
//! The defaults are one TOML text:
//!
//! - Its fields are those of the file as a whole. Named tables (`[bake.NAME]`) among them hold only
//!   in a file that has no table of the section.
//! - `[default.TABLE]` has the defaults of a table by the name of its type in snake case,
//!   `[default.ENUM.KIND]` those of a kind.
//! - `[preset.NAME.KIND]` has settings of a kind under a name. A file chooses them with
//!   `preset = "NAME"` in the kind's table. An enum has presets if `[default.ENUM]` has
//!   `preset = "NAME"`, the default choice.
//!
//! # Rules
//!
//! What types cannot express is in [`Rules`]: forms of strings, a version, profiles, variants,
//! labels. An application adds its own checks to [`Reading::faults`], with places from
//! [`Reading::tree`], before [`Reading::finish`].

#![warn(missing_docs)]

// Modules in import order: a module uses only modules above it.
pub mod suggest;

pub mod place;

mod path;

pub mod fault;
pub mod written;

pub mod shape;

mod defaults;
mod elsewhere;
mod rules;
mod values;

pub mod resolved;

mod format;
mod resolve;
mod structure;

pub mod flags;

mod labels;
mod short;

mod profile;

pub mod variant;

mod audit;
mod reading;
mod schema;

pub mod markdown;

pub use fault::{Fault, FaultLine, Faults};
pub use format::Format;
pub use reading::Reading;
pub use resolved::{Origin, Resolved};
pub use rules::{
    LabelRule, NameFault, ProfileRule, RequiredField, Rules, VariantRule, VersionRule,
};
pub use shape::TextFormat;
