//! What the supervisor holds across a re-exec, in one place.

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::supervisor::clock::Moment;
use crate::supervisor::connection::Connection;
use crate::supervisor::kept::Kept;
use crate::supervisor::name::SessionNumber;
use crate::supervisor::node::NodeFile;
use crate::supervisor::protocol::Request;
use crate::supervisor::session::{Session, Waiter};

/// Everything that a new program takes over.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct State {
    /// What root decided.
    pub(crate) node: NodeFile,
    /// Where that stands, for a new guardian.
    pub(crate) node_file: PathBuf,
    /// The program's own path, as it was when it was first started.
    pub(crate) program: PathBuf,
    /// Changes whenever sessions were lost.
    pub(crate) epoch: u64,
    /// Where clients connect.
    pub(crate) listener: Kept,
    /// Held by supervisor and guardian: there is no other on this run directory.
    pub(crate) lock: Kept,
    /// Who watches this process.
    pub(crate) guardian: Option<Guardian>,
    /// serve's listening sockets by the names it gave.
    pub(crate) listeners: BTreeMap<String, Kept>,
    /// Clients by number.
    pub(crate) connections: BTreeMap<u64, Connection>,
    /// The number given last.
    pub(crate) last_connection: u64,
    /// Sessions, tombstones included.
    pub(crate) sessions: BTreeMap<SessionNumber, Session>,
    /// The node's gateway. Made for the first session that goes out.
    #[serde(default)]
    pub(crate) gateway: Option<Gateway>,
    /// Requests that wait for a free worker, oldest first.
    pub(crate) waiting: VecDeque<Waiting>,
    /// Who asked for the re-exec that wrote this down.
    pub(crate) reexec_waiter: Option<Waiter>,
}

impl State {
    /// Notes what an earlier supervisor left: it is cleaned up like a session that ends, and then forgotten.
    pub(crate) fn take_in_leftovers(&mut self, numbers: &[SessionNumber]) {
        let now = Moment::now();
        let left = numbers.iter().map(|number| (*number, Session::left_over(*number, now)));
        self.sessions.extend(left);
    }
}

/// The way between sessions and host.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Gateway {
    /// The addresses that it was made with; root may have named others since.
    pub(crate) network: Ipv4Addr,
    /// Its network namespace.
    pub(crate) namespace: Kept,
    /// The socket that its table on the host lives by.
    pub(crate) table: Kept,
}

/// The guardian as the supervisor knows it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Guardian {
    /// Its process id.
    pub(crate) pid: i32,
    /// Readable once it has ended.
    pub(crate) pidfd: Kept,
    /// Whether this supervisor started it in place of one that ended: it gives way to one that an operator starts.
    pub(crate) is_stand_in: bool,
}

/// A request that waits for a free worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Waiting {
    /// Who asked.
    pub(crate) waiter: Waiter,
    /// What.
    pub(crate) request: Request,
    /// With which descriptors.
    pub(crate) descriptors: Vec<Kept>,
}
