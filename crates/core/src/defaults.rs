//! Defaults and presets of the settings that both programs share.

use std::sync::LazyLock;

use crate::{models, source};

/// Defaults and presets of every section except figures and tables, as commented TOML.
pub static DEFAULTS: LazyLock<String> = LazyLock::new(|| {
    let shared = [
        include_str!("config/defaults.toml"),
        models::train::DEFAULTS,
        models::llm_method::DEFAULTS,
    ];
    let kinds = models::KINDS.iter().map(|kind| kind.defaults);
    shared
        .into_iter()
        .chain(source::DEFAULTS)
        .chain(kinds)
        .collect::<Vec<_>>()
        .join("\n")
});
