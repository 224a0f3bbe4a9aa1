//! RUN.

use super::{Command, Mount};
use crate::build::dockerfile::flags::Flags;
use crate::build::dockerfile::source::{Heredoc, Statement};
use crate::build::dockerfile::{Error, Result};

/// A command to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What runs.
    pub command: Command,
    /// Documents for it.
    pub heredocs: Vec<Heredoc>,
    /// What is mounted meanwhile, as its flag says: variables in it are replaced at its turn.
    pub mounts: Vec<String>,
    /// Its network.
    pub network: Network,
}

/// The network of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Network {
    /// As the whole build.
    #[default]
    Default,
    /// Loopback only.
    None,
    /// The host's, where the build may.
    Host,
}

impl Run {
    pub(super) fn parse(rest: &str, flags: &mut Flags, statement: &Statement) -> Result<Self> {
        let line = statement.line;
        let network = match flags.value("network")?.as_deref() {
            None | Some("default") => Network::Default,
            Some("none") => Network::None,
            Some("host") => Network::Host,
            Some(other) => {
                let cause = format!("--network={other}: must be default, none or host");
                return Err(Error::at(line, cause));
            }
        };
        let mounts = flags.values("mount")?;
        for mount in mounts.iter().filter(|mount| !mount.contains('$')) {
            Mount::parse(mount).map_err(|cause| Error::at(line, cause))?;
        }
        if rest.is_empty() {
            return Err(Error::at(line, "RUN needs a command"));
        }
        let command = Command::parse(rest);
        if command == Command::Exec(Vec::new()) {
            return Err(Error::at(line, "RUN needs a command"));
        }
        Ok(Self { command, heredocs: statement.heredocs.clone(), mounts, network })
    }

    /// The text for the shell: with documents, all of it as a shell reads it. `None` for the exec form.
    pub fn script(&self) -> Option<String> {
        let Command::Shell(text) = &self.command else { return None };
        let mut script = text.clone();
        for document in &self.heredocs {
            script.push('\n');
            script.push_str(&document.content);
            script.push_str(&document.name);
        }
        if !self.heredocs.is_empty() {
            script.push('\n');
        }
        Some(script)
    }

    /// The document that is the whole command (`RUN <<EOF`).
    pub fn only_document(&self) -> Option<&Heredoc> {
        match (&self.command, self.heredocs.as_slice()) {
            (Command::Shell(text), [document])
                if text.starts_with("<<") && text.split_whitespace().count() == 1 =>
            {
                Some(document)
            }
            _ => None,
        }
    }
}
