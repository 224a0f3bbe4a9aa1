//! Clients: connecting, one message at a time, answers and events.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use super::{Supervisor, refuse};
use crate::supervisor::codec;
use crate::supervisor::connection::{Connection, Dropped};
use crate::supervisor::log;
use crate::supervisor::poller::{Ready, Token};
use crate::supervisor::protocol::{Call, Event, FromSupervisor, Refusal, RefusalKind, Reply};
use crate::supervisor::session::Waiter;
use crate::supervisor::socket::{Packet, Socket};

/// Connections of serve at once, at most: it needs one, and the next serve another.
const MAX_OF_SERVE: usize = 24;
/// Connections of root at once, at most: commands of the operator and the guardian. Counted apart, so that serve
/// cannot lock the operator out.
const MAX_OF_ROOT: usize = 32;

impl Supervisor {
    /// Takes one connection. One too many, or of a stranger, is closed at once.
    pub(super) fn accept(&mut self) {
        let accepted = Socket::accept(self.state.listener.as_fd()).and_then(Connection::new);
        match accepted {
            Ok(connection) => self.admit(connection),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => log::warn(format_args!("accept a client: {error}")),
        }
    }

    fn admit(&mut self, connection: Connection) {
        let uid = connection.uid;
        if uid != 0 && uid != self.state.node.serve_uid {
            return log::warn(format_args!("client of uid {uid}: only root and serve may connect"));
        }
        let most = if uid == 0 { MAX_OF_ROOT } else { MAX_OF_SERVE };
        if self.state.connections.values().filter(|connection| connection.uid == uid).count() >= most {
            return log::warn(format_args!("client of uid {uid}: {most} are connected already"));
        }
        self.state.last_connection += 1;
        let number = self.state.last_connection;
        match self.poller.add(connection.as_fd(), Token::Connection(number)) {
            Ok(()) => drop(self.state.connections.insert(number, connection)),
            Err(errno) => log::warn(format_args!("watch a client: {errno}")),
        }
    }

    /// Takes at most one message from a client, and gives it what waits.
    pub(super) fn on_client(&mut self, number: u64, event: Ready) {
        let Some(connection) = self.state.connections.get_mut(&number) else { return };
        if event.writable
            && let Err(reason) = connection.flush()
        {
            return self.drop_client(number, &reason);
        }
        let may_read = connection.wants_read() && self.reexec.is_none();
        if event.hung_up && !may_read {
            return self.drop_client(number, &Dropped::Closed(io::ErrorKind::UnexpectedEof.into()));
        }
        if event.readable && may_read {
            match connection.receive() {
                Ok(Some(packet)) => self.on_packet(number, packet),
                Ok(None) => {}
                Err(reason) => self.drop_client(number, &reason),
            }
        }
        self.update_interest(number);
    }

    fn on_packet(&mut self, number: u64, packet: Packet) {
        match codec::decode::<Call>(&packet.bytes) {
            Ok(call) => self.on_call(number, call, packet.descriptors),
            Err(error) => self.on_nonsense(number, &error.to_string()),
        }
    }

    /// Refuses a message whose number is not known under the number 0, which no client uses.
    fn on_nonsense(&mut self, number: u64, error: &str) {
        let Some(connection) = self.state.connections.get_mut(&number) else { return };
        let mut text = error.to_owned();
        text.truncate(text.floor_char_boundary(200));
        let refusal = refuse(RefusalKind::Invalid, text);
        let said = connection.fault().and_then(|()| {
            connection.send(&FromSupervisor::Reply { id: 0, result: Err(refusal) }, Vec::new())
        });
        if let Err(reason) = said {
            self.drop_client(number, &reason);
        }
    }

    fn on_call(&mut self, number: u64, call: Call, descriptors: Vec<OwnedFd>) {
        let Some(connection) = self.state.connections.get_mut(&number) else { return };
        connection.begin_call();
        let waiter = Waiter { connection: number, call: call.id };
        self.handle(waiter, call.request, descriptors);
    }

    /// Answers a call. A client that has gone is nobody's loss.
    pub(super) fn answer(&mut self, waiter: Waiter, result: Result<(Reply, Vec<OwnedFd>), Refusal>) {
        let Some(connection) = self.state.connections.get_mut(&waiter.connection) else { return };
        let (result, descriptors) = match result {
            Ok((reply, descriptors)) => (Ok(reply), descriptors),
            Err(refusal) => (Err(refusal), Vec::new()),
        };
        let message = FromSupervisor::Reply { id: waiter.call, result };
        match connection.answer(&message, descriptors) {
            Ok(()) => self.update_interest(waiter.connection),
            Err(reason) => self.drop_client(waiter.connection, &reason),
        }
    }

    /// Tells every greeted client; of a build only its own.
    pub(super) fn tell(&mut self, event: Event) {
        let listener = self.listener_of(&event);
        let message = FromSupervisor::Event { event };
        let greeted = self.state.connections.iter().filter(|(_, connection)| connection.greeted);
        let hears = |number: &u64| listener.is_none_or(|listener| listener == *number);
        let numbers: Vec<u64> = greeted.map(|(number, _)| *number).filter(hears).collect();
        for number in numbers {
            let Some(connection) = self.state.connections.get_mut(&number) else { continue };
            match connection.send(&message, Vec::new()) {
                Ok(()) => self.update_interest(number),
                Err(reason) => self.drop_client(number, &reason),
            }
        }
    }

    fn drop_client(&mut self, number: u64, reason: &Dropped) {
        let Some(connection) = self.state.connections.remove(&number) else { return };
        let quiet = matches!(reason, Dropped::Closed(error) if error.kind() == io::ErrorKind::UnexpectedEof);
        if !quiet {
            log::warn(format_args!("client {number} of uid {}: {reason}", connection.uid));
        }
        self.state.waiting.retain(|waiting| waiting.waiter.connection != number);
        self.end_builds_of(number);
        let state = &self.state;
        let alone = state.connections.is_empty() && state.listeners.is_empty();
        if state.node.temporary && alone && state.sessions.values().all(|session| session.build.is_some()) {
            self.begin_down(None);
        }
    }

    /// Waits for what the connection can take: nothing is read from one that has asked enough.
    fn update_interest(&mut self, number: u64) {
        let Some(connection) = self.state.connections.get(&number) else { return };
        let read = connection.wants_read() && self.reexec.is_none();
        let changed =
            self.poller.change(connection.as_fd(), Token::Connection(number), read, connection.wants_write());
        if let Err(errno) = changed {
            self.drop_client(number, &Dropped::Closed(errno.into()));
        }
    }

    /// As [`Supervisor::update_interest`], for all: a re-exec has begun or was given up.
    pub(super) fn update_interests(&mut self) {
        let numbers: Vec<u64> = self.state.connections.keys().copied().collect();
        for number in numbers {
            self.update_interest(number);
        }
    }
}
