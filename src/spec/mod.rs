//! The experiment file: TOML as written, checked like a compiler checks code, resolved against every default.

pub mod config;

pub use config::Spec;
