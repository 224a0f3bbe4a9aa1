//! The `sandlot` command.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    match sandlot_server::cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => sandlot_server::cli::fail(&error),
    }
}
