//! The container backend: every call is one request to the node's supervisor.

use std::os::fd::OwnedFd;

use sandlot_runtime::ring::Ring;
use sandlot_runtime::supervisor::name::{DiffId, ExecNumber, InstanceIndex, SessionNumber};
use sandlot_runtime::supervisor::node::TlsFiles;
use sandlot_runtime::supervisor::protocol::{
    Command, Facts, Machine, Network, Reply, Request, SessionState, SocketFamily,
};

use super::{ExecEnds, InstanceWatch, NewTerminal, TerminalEnds};
use crate::clock::UnixMillis;
use crate::error::{Error, ErrorKind, Result};
use crate::supervisor::Link;

/// The instances of the node's supervisor.
#[derive(Debug, Clone)]
pub struct Containers {
    link: Link,
}

impl Containers {
    /// Over this link.
    pub fn new(link: Link) -> Self {
        Self { link }
    }

    pub(super) fn away(&self) -> Option<String> {
        (!self.link.is_up()).then(|| "The node's supervisor is away; it comes back by itself.".to_owned())
    }

    pub(super) fn connection(&self) -> Option<u64> {
        self.link.connection()
    }

    /// A request whose answer is that it is done.
    pub(super) async fn done(&self, request: Request) -> Result<()> {
        match self.link.call(request).await? {
            (Reply::Done, _) => Ok(()),
            _ => Err(wrong_reply()),
        }
    }

    pub(super) async fn start(
        &self,
        session: SessionNumber,
        deadline: UnixMillis,
        instances: Vec<Machine>,
        network: Network,
    ) -> Result<()> {
        let (deadline_unix_ms, network) = (deadline.0, Some(network));
        self.done(Request::StartSession { session, deadline_unix_ms, instances, network }).await
    }

    pub(super) async fn open_terminal(
        &self,
        session: SessionNumber,
        new: NewTerminal,
    ) -> Result<TerminalEnds> {
        let NewTerminal { instance, terminal, command, size } = new;
        self.terminal_ends(Request::OpenTerminal { session, instance, terminal, command, size }).await
    }

    /// A request whose answer is a terminal.
    pub(super) async fn terminal_ends(&self, request: Request) -> Result<TerminalEnds> {
        let (reply, descriptors) = self.link.call(request).await?;
        let ends: std::result::Result<[OwnedFd; 2], _> = descriptors.try_into();
        match (reply, ends) {
            (Reply::Terminal, Ok([ptmx, ring])) => {
                Ok(TerminalEnds { ptmx, ring: Ring::open(ring).map_err(Error::internal)? })
            }
            _ => Err(wrong_reply()),
        }
    }

    pub(super) async fn exec(
        &self,
        session: SessionNumber,
        instance: InstanceIndex,
        exec: ExecNumber,
        command: Command,
    ) -> Result<ExecEnds> {
        let (reply, descriptors) = self.link.call(Request::Exec { session, instance, exec, command }).await?;
        let ends: std::result::Result<[OwnedFd; 3], _> = descriptors.try_into();
        match (reply, ends) {
            (Reply::Exec, Ok([stdin, stdout, stderr])) => Ok(ExecEnds { stdin, stdout, stderr }),
            _ => Err(wrong_reply()),
        }
    }

    pub(super) async fn open_name_server(&self, session: SessionNumber) -> Result<[OwnedFd; 2]> {
        match self.link.call(Request::OpenNameServer { session }).await? {
            (Reply::Sockets, sockets) => sockets.try_into().map_err(|_| wrong_reply()),
            _ => Err(wrong_reply()),
        }
    }

    pub(super) async fn open_sockets(
        &self,
        session: SessionNumber,
        instance: InstanceIndex,
        family: SocketFamily,
        count: u8,
    ) -> Result<Vec<OwnedFd>> {
        match self.link.call(Request::OpenSockets { session, instance, family, count }).await? {
            (Reply::Sockets, sockets) => Ok(sockets),
            _ => Err(wrong_reply()),
        }
    }

    pub(super) async fn watch_instance(
        &self,
        session: SessionNumber,
        instance: InstanceIndex,
    ) -> Result<InstanceWatch> {
        let (reply, descriptors) = self.link.call(Request::WatchInstance { session, instance }).await?;
        let ends: std::result::Result<[OwnedFd; 2], _> = descriptors.try_into();
        match (reply, ends) {
            (Reply::Watch, Ok([sockets, cpu_time])) => Ok(InstanceWatch { sockets, cpu_time }),
            _ => Err(wrong_reply()),
        }
    }

    pub(super) async fn watch_node(&self) -> Result<OwnedFd> {
        match self.link.call(Request::WatchNode).await? {
            (Reply::Watch, mut descriptors) => descriptors.pop().ok_or_else(wrong_reply),
            _ => Err(wrong_reply()),
        }
    }

    pub(super) async fn open_tls_files(&self, files: &TlsFiles) -> Result<[OwnedFd; 2]> {
        let (reply, descriptors) = self.link.call(Request::TlsFiles).await?;
        match (reply, descriptors.try_into()) {
            (Reply::TlsFiles(opened), Ok(descriptors)) if opened == *files => Ok(descriptors),
            (Reply::TlsFiles(_), Ok(_)) => {
                let sentence =
                    "The node's supervisor was started with another tls-cert or tls-key: start it anew.";
                Err(Error::new(ErrorKind::Conflict, sentence))
            }
            _ => Err(wrong_reply()),
        }
    }

    pub(super) async fn sessions(&self) -> Result<Vec<SessionState>> {
        let mut all: Vec<SessionState> = Vec::new();
        loop {
            let after = all.last().map(|session| session.session);
            match self.link.call(Request::Sessions { after }).await? {
                (Reply::Sessions { sessions, more }, _) => {
                    let last = !more || sessions.is_empty();
                    all.extend(sessions);
                    if last {
                        return Ok(all);
                    }
                }
                _ => return Err(wrong_reply()),
            }
        }
    }

    /// Which of these layers stand unpacked.
    ///
    /// # Errors
    /// When the supervisor refuses or is away.
    pub async fn have_layers(&self, layers: Vec<DiffId>) -> Result<Vec<DiffId>> {
        match self.link.call(Request::HaveLayers { layers }).await? {
            (Reply::Layers { layers }, _) => Ok(layers),
            _ => Err(wrong_reply()),
        }
    }

    /// What the node can do and how full it is.
    ///
    /// # Errors
    /// When the supervisor refuses or is away.
    pub async fn facts(&self) -> Result<Facts> {
        match self.link.call(Request::Facts).await? {
            (Reply::Facts(facts), _) => Ok(facts),
            _ => Err(wrong_reply()),
        }
    }
}

fn wrong_reply() -> Error {
    Error::new(ErrorKind::Internal, "The node's supervisor gave an answer that serve does not understand.")
}
