//! Plain TCP connections to ports, for the owner.

use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::Sessions;
use crate::auth::access::Owner;
use crate::error::{Error, ErrorKind, Result};
use crate::id::InstanceName;
use crate::instance::gate::ConnectError;
use crate::instance::gate::pass::Pass;

/// A connection to a port.
#[derive(Debug)]
pub struct RawPort {
    /// The connection.
    pub stream: TcpStream,
    /// Cancelled when the instance ends; then the connection must be dropped.
    pub shut: CancellationToken,
    /// Room for it.
    pub pass: Pass,
}

impl Sessions {
    /// Connects to a TCP port of the owner's session, whoever else may reach it.
    ///
    /// # Errors
    /// When nothing listens there, or the instance does not run.
    pub async fn connect_port(&self, owner: &Owner, instance: InstanceName, port: u16) -> Result<RawPort> {
        let ports = self.ports_of(owner, instance)?;
        let pass = ports.gate().pass(port)?;
        let shut = ports.gate().shut_signal();
        let stream = ports.gate().connect(port, ports.families(port)).await?;
        Ok(RawPort { stream, shut, pass })
    }
}

impl From<ConnectError> for Error {
    fn from(error: ConnectError) -> Self {
        let (kind, sentence) = match error {
            ConnectError::Shut => (ErrorKind::Conflict, "The machine does not run."),
            ConnectError::Refused => (ErrorKind::Conflict, "Nothing listens on this port."),
            ConnectError::Busy => {
                (ErrorKind::Full, "The ports of this machine have as many connections as they may.")
            }
            ConnectError::Io(_) => (ErrorKind::Unavailable, "The port cannot be reached. Try again."),
            ConnectError::Backend(error) => return error,
        };
        Self::new(kind, sentence).with_cause(error)
    }
}
