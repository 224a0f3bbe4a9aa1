//! The command line: parse, call, print.

pub mod log;
mod serve;

use clap::{Parser, Subcommand};

use crate::config::options::Options;

/// Linux machines in browser terminals
#[derive(Debug, Parser)]
#[command(name = "sandlot", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the site and the API
    Serve(Box<Options>),
    /// Print the version
    Version,
}

/// Runs what the command line says.
///
/// # Errors
/// What the command failed with.
pub fn run() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Serve(options) => serve::run(*options),
        Command::Version => print_line(&format!("sandlot {}", env!("CARGO_PKG_VERSION"))),
    }
}

/// One line on stdout, at once.
pub(crate) fn print_line(line: &str) -> anyhow::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
