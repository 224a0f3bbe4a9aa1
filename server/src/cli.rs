//! The command line: parse, call, print.

mod connect;
mod doctor;
mod down;
pub(crate) mod first_images;
mod image;
pub mod log;
pub(crate) mod node_file;
mod serve;
mod supervisor;

use clap::{Parser, Subcommand};

use crate::config::Config;
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
    /// Be the guardian of this node's supervisor, as its systemd unit does
    Supervisor(Box<Options>),
    /// End all sessions, then the supervisor
    Down(Box<Options>),
    /// Say what this host has and lacks for a node, and what to do about it
    Doctor {
        /// For how many sessions [default: that of the configuration]
        #[arg(long, value_name = "N")]
        sessions: Option<u32>,
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        options: Box<Options>,
    },
    /// Reach a TCP port of a session's machine at an address of this computer
    Connect(connect::ConnectArguments),
    /// Work on the node's images
    #[command(subcommand)]
    Image(Box<image::ImageCommand>),
    /// Run containers from OCI bundles, with the command line of runc
    #[command(disable_help_flag = true)]
    Oci {
        /// As `sandlot oci --help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
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
        Command::Supervisor(options) => match supervisor::become_guardian(&Config::load(*options)?)? {},
        Command::Down(options) => down::down(&Config::load(*options)?, &mut std::io::stdout()),
        Command::Doctor { sessions, json, options } => examine(*options, sessions, json),
        Command::Connect(arguments) => connect::run(&arguments),
        Command::Image(command) => image::run(*command, &mut std::io::stdout()),
        Command::Oci { arguments } => std::process::exit(oci(arguments)),
        Command::Version => print_line(&format!("sandlot {}", env!("CARGO_PKG_VERSION"))),
    }
}

/// The runtime's own command line, as `sandlot-oci` has it.
fn oci(arguments: Vec<std::ffi::OsString>) -> i32 {
    sandlot_runtime::cli::run(std::iter::once("sandlot-oci".into()).chain(arguments))
}

fn examine(options: Options, sessions: Option<u32>, json: bool) -> anyhow::Result<()> {
    let can_start = doctor::examine(&Config::load(options)?, sessions, json, &mut std::io::stdout())?;
    anyhow::ensure!(can_start, "a node cannot start here: see what failed above");
    Ok(())
}

/// Says what went wrong, with its causes.
pub fn fail(error: &anyhow::Error) -> std::process::ExitCode {
    use std::io::Write;
    // Nobody may be listening; the status tells as well.
    writeln!(std::io::stderr(), "Error: {}", with_causes(error)).ok();
    std::process::ExitCode::FAILURE
}

/// Some errors tell their cause themselves, and have it as a cause as well.
fn with_causes(error: &anyhow::Error) -> String {
    error.chain().skip(1).map(ToString::to_string).fold(error.to_string(), |text, cause| {
        if text.contains(&cause) { text } else { format!("{text}: {cause}") }
    })
}

/// One line on stdout, at once.
pub(crate) fn print_line(line: &str) -> anyhow::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let inner = std::io::Error::other("pipe");
        let error = anyhow::Error::from(inner).context("write `x`: pipe").context("export");
        assert_eq!(with_causes(&error), "export: write `x`: pipe");
    }
}
