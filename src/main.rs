//! The `allround` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    allround::cmd::main()
}
