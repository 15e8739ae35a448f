//! Titles and prompts.
