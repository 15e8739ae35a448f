//! The `allround` command.

fn main() {}
