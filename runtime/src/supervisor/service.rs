//! The supervisor's one thread: a loop that waits for descriptors and moments, and never for anything else.
//!
//! Each turn takes at most one message from each client, so that none of them can starve the others, the workers, the
//! signals or the deadlines. One aspect of the work a file: clients, requests, workers, children, endings, timers.

mod archives;
mod builds;
mod children;
mod clients;
mod disks;
mod ending;
mod execs;
mod gateway;
mod guards;
mod instances;
mod layer_requests;
mod listeners;
mod memory;
mod networks;
mod reexec;
mod requests;
mod sessions;
mod starting;
mod state;
mod switches;
mod terminals;
mod timers;
mod tls_files;
mod workers;

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::clock::Moment;
use super::ground::Ground;
use super::job::Spent;
use super::layers::LayerSets;
use super::log;
use super::name::{InstanceIndex, SessionNumber};
use super::poller::{Poller, Ready, Token};
use super::protocol::{ExitStatus, Refusal, RefusalKind, Reply, Request};
use super::session::Waiter;
use super::worker::Worker;
use crate::cgroup::OomNotice;
pub(crate) use state::{Guardian, State};

/// A turn of the loop waits no longer than this, so that a step of the wall clock is noticed.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The supervisor.
#[derive(Debug)]
pub(crate) struct Supervisor {
    /// What goes along in a re-exec.
    state: State,
    /// What the workers build on.
    ground: Ground,
    poller: Poller,
    signals: SignalFd,
    /// Those that have not yet been waited for, by their numbers.
    workers: BTreeMap<u64, Worker>,
    last_worker: u64,
    /// Workers that are through but not yet waited for.
    leaving: BTreeSet<i32>,
    /// Ends of children that no worker had reported yet, and when; empty when no worker runs.
    early_ends: BTreeMap<i32, (ExitStatus, Moment)>,
    layer_sets: LayerSets,
    disks: disks::Disks,
    switches: switches::Switches,
    gateway: gateway::Making,
    /// Ended execs whose groups are still there.
    spent: Vec<Spent>,
    notices: BTreeMap<(SessionNumber, InstanceIndex), OomNotice>,
    /// When the kills of an instance are counted again.
    recounts: BTreeMap<(SessionNumber, InstanceIndex), Moment>,
    /// A re-exec that was asked for.
    reexec: Option<reexec::Reexec>,
    /// Who asked for the end of the node, once somebody did.
    down: Option<Vec<Waiter>>,
}

/// What comes of a request.
pub(crate) enum Outcome {
    /// The answer.
    Now(Reply, Vec<OwnedFd>),
    /// It is answered when a worker or an end is through.
    Later,
    /// No worker is free: it is taken up again when one is.
    Again(Request, Vec<OwnedFd>),
}

/// What a handler gives.
pub(crate) type Handled = Result<Outcome, Refusal>;

impl Outcome {
    /// The plain answer.
    pub(crate) const DONE: Handled = Ok(Self::Now(Reply::Done, Vec::new()));
}

/// A refusal without a step.
pub(crate) fn refuse(kind: RefusalKind, message: impl Into<String>) -> Refusal {
    Refusal { kind, message: message.into(), step: None }
}

impl Supervisor {
    /// Takes up the state, fresh or from before a re-exec.
    pub(crate) fn new(state: State, ground: Ground) -> Result<Self, Errno> {
        let mask = SigSet::from_iter([Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT]);
        mask.thread_block()?;
        let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        let mut supervisor = Self {
            state,
            ground,
            poller: Poller::new()?,
            signals,
            workers: BTreeMap::new(),
            last_worker: 0,
            leaving: BTreeSet::new(),
            early_ends: BTreeMap::new(),
            layer_sets: LayerSets::default(),
            disks: disks::Disks::default(),
            switches: switches::Switches::default(),
            gateway: gateway::Making::default(),
            spent: Vec::new(),
            notices: BTreeMap::new(),
            recounts: BTreeMap::new(),
            reexec: None,
            down: None,
        };
        supervisor.watch_everything()?;
        // Their mounts went with the program that had them.
        supervisor.drop_disks();
        Ok(supervisor)
    }

    fn watch_everything(&mut self) -> Result<(), Errno> {
        self.poller.add(self.state.listener.as_fd(), Token::Listener)?;
        self.poller.add(self.signals.as_fd(), Token::Signals)?;
        if let Some(guardian) = &self.state.guardian {
            self.poller.add(guardian.pidfd.as_fd(), Token::Guardian)?;
        }
        for (number, connection) in &self.state.connections {
            self.poller.add(connection.as_fd(), Token::Connection(*number))?;
        }
        self.share_layers();
        self.watch_memory_of_all();
        Ok(())
    }

    /// Runs until the node is down.
    pub(crate) fn run(mut self) -> Result<(), Errno> {
        // Children may have ended while the program was being replaced.
        self.reap();
        self.answer_reexec();
        while !self.is_down() {
            let ready = self.poller.wait(self.longest_wait())?;
            for event in ready {
                self.serve(event);
            }
            self.on_time();
            self.take_up_waiting();
            self.make_disk_ahead();
            self.make_switch_ahead();
            self.replace_if_due();
        }
        self.drop_disks();
        self.leave();
        Ok(())
    }

    fn serve(&mut self, event: Ready) {
        match event.token {
            Token::Listener => self.accept(),
            Token::Signals => self.on_signals(),
            Token::Guardian => self.on_guardian_end(),
            Token::Connection(number) => self.on_client(number, event),
            Token::Worker(number) => self.on_worker(number),
            Token::OutOfMemory(session, instance) => self.on_out_of_memory(session, instance),
        }
    }

    fn on_signals(&mut self) {
        while let Ok(Some(signal)) = self.signals.read_signal() {
            match i32::try_from(signal.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok()) {
                Some(Signal::SIGCHLD) => self.reap(),
                Some(Signal::SIGHUP) => self.ask_for_reexec(None),
                Some(signal) => {
                    log::info(format_args!("{signal}: ending all sessions"));
                    self.begin_down(None);
                }
                None => {}
            }
        }
    }
}
