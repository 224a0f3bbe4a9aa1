//! serve's listening sockets, kept for the next serve.

use std::os::fd::OwnedFd;

use nix::sys::socket::{getsockopt, sockopt};

use super::{Handled, Outcome, Supervisor, refuse};
use crate::supervisor::kept::Kept;
use crate::supervisor::protocol::{RefusalKind, Reply};

/// Listening sockets that are kept, at most.
const MAX_LISTENERS: usize = 16;
/// Bytes of a name.
const MAX_NAME_BYTES: usize = 100;

impl Supervisor {
    pub(super) fn keep_listener(&mut self, name: String, given: Option<OwnedFd>) -> Handled {
        let socket = given.ok_or_else(|| refuse(RefusalKind::Invalid, "keep a listener: no descriptor"))?;
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            return Err(refuse(RefusalKind::Invalid, "keep a listener: its name must have 1 to 100 bytes"));
        }
        // Nothing but a listening socket may be parked here.
        if !getsockopt(&socket, sockopt::AcceptConn).unwrap_or(false) {
            return Err(refuse(
                RefusalKind::Invalid,
                "keep a listener: the descriptor is no listening socket",
            ));
        }
        let known = self.state.listeners.contains_key(&name);
        if !known && self.state.listeners.len() >= MAX_LISTENERS {
            return Err(refuse(
                RefusalKind::Full,
                format!("keep a listener: {MAX_LISTENERS} are kept already"),
            ));
        }
        self.state.listeners.insert(name, socket.into());
        Outcome::DONE
    }

    pub(super) fn take_listener(&mut self, name: &str) -> Handled {
        let kept = self.state.listeners.get(name).map(Kept::duplicate);
        match kept {
            Some(Ok(socket)) => Ok(Outcome::Now(Reply::Listener, vec![socket])),
            Some(Err(error)) => Err(refuse(RefusalKind::Failed, format!("take a listener: {error}"))),
            None => Err(refuse(RefusalKind::Unknown, "take a listener: none is kept under this name")),
        }
    }
}
