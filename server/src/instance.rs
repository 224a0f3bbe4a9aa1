//! Instances of sessions on whatever backend runs them: the node's supervisor, or plain local processes.
//!
//! The one place where the two differ. Both speak in the supervisor's own words (numbers, limits, commands, events).

pub mod container;
pub(crate) mod cpu_time;
pub mod exec;
pub mod gate;
pub mod images;
pub mod listening;
pub mod local;
mod sock_diag;

use std::net::IpAddr;
use std::os::fd::OwnedFd;

use sandlot_runtime::ring::Ring;
use sandlot_runtime::supervisor::name::{ExecNumber, InstanceIndex, SessionNumber, TerminalNumber};
use sandlot_runtime::supervisor::node::TlsFiles;
use sandlot_runtime::supervisor::protocol::{
    Command, EndReason, Machine, Network, RefusalKind, Request, SessionState, SocketFamily, Winsize,
};

use self::container::Containers;
use self::local::Local;
use crate::clock::UnixMillis;
use crate::error::{Error, ErrorKind, Result};
use crate::supervisor::CallError;

/// What runs the instances.
#[derive(Debug, Clone)]
pub enum Backend {
    /// Containers.
    Container(Containers),
    /// Plain processes.
    Local(Local),
}

/// Descriptors of an open terminal.
#[derive(Debug)]
pub struct TerminalEnds {
    /// The ptmx.
    pub ptmx: OwnedFd,
    /// The output ring.
    pub ring: Ring,
}

/// Descriptors of a running exec.
#[derive(Debug)]
pub struct ExecEnds {
    /// Write end.
    pub stdin: OwnedFd,
    /// Read end.
    pub stdout: OwnedFd,
    /// Read end.
    pub stderr: OwnedFd,
}

/// What tells of listening sockets in an instance.
#[derive(Debug)]
pub struct InstanceWatch {
    /// A sock_diag(7) socket in its network.
    pub sockets: OwnedFd,
    /// Its cpu time: `cpuacct.usage` in nanoseconds, or `cpu.stat` with `usage_usec`.
    pub cpu_time: OwnedFd,
}

/// A terminal to open.
#[derive(Debug, Clone)]
pub struct NewTerminal {
    /// Where.
    pub instance: InstanceIndex,
    /// A number not used before in the session.
    pub terminal: TerminalNumber,
    /// What runs in it; an empty argv is the login shell.
    pub command: Command,
    /// Size before the program starts.
    pub size: Winsize,
}

impl Backend {
    /// Starts all instances of a session.
    ///
    /// # Errors
    /// When the backend refuses or is away; nothing is left then.
    pub async fn start(
        &self,
        session: SessionNumber,
        deadline: UnixMillis,
        machines: Vec<Machine>,
        network: Network,
    ) -> Result<()> {
        match self {
            Self::Container(containers) => containers.start(session, deadline, machines, network).await,
            Self::Local(local) => local.start(session, &machines),
        }
    }

    /// Ends a session; nothing of it is left afterwards. May be repeated.
    ///
    /// # Errors
    /// When the backend is away.
    pub async fn end(&self, session: SessionNumber, reason: EndReason) -> Result<()> {
        match self {
            Self::Container(containers) => containers.done(Request::EndSession { session, reason }).await,
            Self::Local(local) => local.end(session).await,
        }
    }

    /// The end of a session is recorded.
    ///
    /// # Errors
    /// When the backend is away.
    pub async fn forget(&self, session: SessionNumber) -> Result<()> {
        match self {
            Self::Container(containers) => containers.done(Request::ForgetSession { session }).await,
            Self::Local(local) => {
                local.forget(session);
                Ok(())
            }
        }
    }

    /// Moves the time at which the backend ends the session by itself.
    ///
    /// # Errors
    /// When the backend refuses or is away.
    pub async fn set_deadline(&self, session: SessionNumber, deadline: UnixMillis) -> Result<()> {
        match self {
            Self::Container(containers) => {
                containers.done(Request::SetDeadline { session, deadline_unix_ms: deadline.0 }).await
            }
            Self::Local(_) => Ok(()),
        }
    }

    /// Ends an instance's processes and starts it again over the same files.
    ///
    /// # Errors
    /// When the backend refuses or is away.
    pub async fn reboot(&self, session: SessionNumber, instance: InstanceIndex) -> Result<()> {
        match self {
            Self::Container(containers) => {
                containers.done(Request::RebootInstance { session, instance }).await
            }
            Self::Local(local) => local.reboot(session, instance),
        }
    }

    /// Starts one more instance.
    ///
    /// # Errors
    /// When the backend refuses or is away; nothing of it is left then.
    pub async fn add_instance(&self, session: SessionNumber, machine: Machine) -> Result<()> {
        match self {
            Self::Container(containers) => containers.done(Request::AddInstance { session, machine }).await,
            Self::Local(local) => local.add(session, machine.index),
        }
    }

    /// Ends an instance; nothing of it is left afterwards. May be repeated.
    ///
    /// # Errors
    /// When the backend refuses or is away.
    pub async fn remove_instance(&self, session: SessionNumber, instance: InstanceIndex) -> Result<()> {
        match self {
            Self::Container(containers) => {
                containers.done(Request::RemoveInstance { session, instance }).await
            }
            Self::Local(local) => local.remove(session, instance),
        }
    }

    /// Whether instances have networks of their own.
    pub fn has_networks(&self) -> bool {
        matches!(self, Self::Container(_))
    }

    /// The sockets, UDP and TCP, on which the session's instances ask for names; `None` where they have no network.
    ///
    /// # Errors
    /// When the backend refuses or is away.
    pub async fn open_name_server(&self, session: SessionNumber) -> Result<Option<[OwnedFd; 2]>> {
        match self {
            Self::Container(containers) => containers.open_name_server(session).await.map(Some),
            Self::Local(_) => Ok(None),
        }
    }

    /// Lets the session reach addresses of a group of names for so many seconds.
    ///
    /// # Errors
    /// When the backend refuses or is away.
    pub async fn permit(
        &self,
        session: SessionNumber,
        group: u8,
        addresses: Vec<(IpAddr, u32)>,
    ) -> Result<()> {
        match self {
            Self::Container(containers) => {
                containers.done(Request::Permit { session, group, addresses }).await
            }
            Self::Local(_) => Ok(()),
        }
    }

    /// Opens a terminal.
    ///
    /// # Errors
    /// When the backend refuses or is away.
    pub async fn open_terminal(&self, session: SessionNumber, new: NewTerminal) -> Result<TerminalEnds> {
        match self {
            Self::Container(containers) => containers.open_terminal(session, new).await,
            Self::Local(local) => local.open_terminal(session, &new),
        }
    }

    /// Descriptors of a terminal that an earlier serve opened.
    ///
    /// # Errors
    /// When the backend refuses or is away.
    pub async fn take_terminal(
        &self,
        session: SessionNumber,
        terminal: TerminalNumber,
    ) -> Result<TerminalEnds> {
        match self {
            Self::Container(containers) => {
                containers.terminal_ends(Request::TakeTerminal { session, terminal }).await
            }
            Self::Local(_) => Err(Error::not_found("terminal")),
        }
    }

    /// Closes a terminal; its end is still told as an event.
    ///
    /// # Errors
    /// When the backend refuses or is away.
    pub async fn hang_up(&self, session: SessionNumber, terminal: TerminalNumber) -> Result<()> {
        match self {
            Self::Container(containers) => {
                containers.done(Request::HangUpTerminal { session, terminal }).await
            }
            Self::Local(local) => local.hang_up(session, terminal),
        }
    }

    /// The end of a terminal is recorded.
    ///
    /// # Errors
    /// When the backend is away.
    pub async fn forget_terminal(&self, session: SessionNumber, terminal: TerminalNumber) -> Result<()> {
        match self {
            Self::Container(containers) => {
                containers.done(Request::ForgetTerminal { session, terminal }).await
            }
            Self::Local(_) => Ok(()),
        }
    }

    /// Runs a program.
    ///
    /// # Errors
    /// When the backend refuses or is away.
    pub async fn exec(
        &self,
        session: SessionNumber,
        instance: InstanceIndex,
        exec: ExecNumber,
        command: Command,
    ) -> Result<ExecEnds> {
        match self {
            Self::Container(containers) => containers.exec(session, instance, exec, command).await,
            Self::Local(local) => local.exec(session, instance, exec, &command),
        }
    }

    /// Kills every process of an exec; its end is still told as an event.
    ///
    /// # Errors
    /// When the backend refuses or is away.
    pub async fn kill_exec(&self, session: SessionNumber, exec: ExecNumber) -> Result<()> {
        match self {
            Self::Container(containers) => containers.done(Request::KillExec { session, exec }).await,
            Self::Local(local) => {
                local.kill_exec(session, exec);
                Ok(())
            }
        }
    }

    /// TCP sockets in an instance's own network, not connected and not blocking; at most 64.
    ///
    /// # Errors
    /// When the backend refuses or is away.
    pub async fn open_sockets(
        &self,
        session: SessionNumber,
        instance: InstanceIndex,
        family: SocketFamily,
        count: u8,
    ) -> Result<Vec<OwnedFd>> {
        match self {
            Self::Container(containers) => containers.open_sockets(session, instance, family, count).await,
            Self::Local(_) => local::open_sockets(family, count),
        }
    }

    /// What tells of listening sockets in an instance; `None` where the backend cannot tell.
    ///
    /// # Errors
    /// When the backend refuses or is away.
    pub async fn watch_instance(
        &self,
        session: SessionNumber,
        instance: InstanceIndex,
    ) -> Result<Option<InstanceWatch>> {
        match self {
            Self::Container(containers) => containers.watch_instance(session, instance).await.map(Some),
            Self::Local(_) => Ok(None),
        }
    }

    /// A file with the cpu time of all sessions, `cpuacct.usage` or `cpu.stat`; `None` where the backend cannot tell.
    ///
    /// # Errors
    /// When the backend refuses or is away.
    pub async fn watch_node(&self) -> Result<Option<OwnedFd>> {
        match self {
            Self::Container(containers) => containers.watch_node().await.map(Some),
            Self::Local(_) => Ok(None),
        }
    }

    /// The certificate and the key of the site, opened with a power that serve has not; `None` where it needs none.
    ///
    /// # Errors
    /// When the backend refuses, was told of other files, or is away.
    pub async fn open_tls_files(&self, files: &TlsFiles) -> Result<Option<[OwnedFd; 2]>> {
        match self {
            Self::Container(containers) => containers.open_tls_files(files).await.map(Some),
            Self::Local(_) => Ok(None),
        }
    }

    /// Every session that the backend holds.
    ///
    /// # Errors
    /// When the backend is away.
    pub async fn sessions(&self) -> Result<Vec<SessionState>> {
        match self {
            Self::Container(containers) => containers.sessions().await,
            Self::Local(_) => Ok(Vec::new()),
        }
    }

    /// Number of the connection to the backend; another one means that things may have changed meanwhile.
    pub fn connection(&self) -> Option<u64> {
        match self {
            Self::Container(containers) => containers.connection(),
            Self::Local(_) => Some(1),
        }
    }

    /// Why nothing can be started now; `None` when it can.
    pub fn away(&self) -> Option<String> {
        match self {
            Self::Container(containers) => containers.away(),
            Self::Local(_) => None,
        }
    }
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        let CallError::Refused(refusal) = &error else {
            let sentence = "The node's supervisor is away; it comes back by itself. Try again in a moment.";
            return Self::new(ErrorKind::Unavailable, sentence)
                .retry_after(std::time::Duration::from_secs(1))
                .with_cause(error);
        };
        let kind = match refusal.kind {
            RefusalKind::Invalid => ErrorKind::Invalid,
            RefusalKind::Unknown => ErrorKind::NotFound,
            RefusalKind::Exists | RefusalKind::Busy => ErrorKind::Conflict,
            RefusalKind::Full => ErrorKind::Full,
            RefusalKind::Denied => ErrorKind::Internal,
            RefusalKind::Failed => ErrorKind::StartFailed,
        };
        let sentence = format!("The node refused: {}.", refusal.message);
        Self::new(kind, sentence).with_cause(error)
    }
}
