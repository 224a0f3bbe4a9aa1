//! A session as the supervisor holds it: its instances, terminals and execs, and where it stands in its life.
//!
//! ```text
//!            worker done             EndSession, deadline        2 s or all ended
//! Starting ---------------> Running ----------------------> HangUp -------------> Cleaning --> Gone
//!     |                                                                            ^    |
//!     +---- worker failed: StartFailed --------------------------------------------+    v (a step failed)
//!                                                                                  +-- Waiting
//! ```

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use super::clock::Moment;
use super::kept::Kept;
use super::layers::LayerSet;
use super::name::{ExecNumber, InstanceIndex, SessionNumber, TerminalNumber};
use super::protocol::{
    EndReason, ExitStatus, InstanceState, Machine, Network, Refusal, RefusalKind, SessionState, TerminalState,
};
use crate::sys::pidfd;

/// A call that is answered later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Waiter {
    /// The connection that asked.
    pub(crate) connection: u64,
    /// The number under which it did.
    pub(crate) call: u64,
}

/// A process outside the supervisor's own, and a child of it that only it waits for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Process {
    /// Valid until the supervisor has waited for it.
    pub(crate) pid: i32,
    pidfd: Kept,
}

impl Process {
    /// A process by both its names.
    pub(crate) fn new(pid: i32, pidfd: Kept) -> Self {
        Self { pid, pidfd }
    }

    /// Sends a signal; one that has ended already is fine.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), Errno> {
        match pidfd::send_signal(self.pidfd.as_fd(), signal) {
            Err(Errno::ESRCH) => Ok(()),
            sent => sent,
        }
    }

    /// A duplicate of its pidfd.
    pub(crate) fn pidfd(&self) -> std::io::Result<OwnedFd> {
        self.pidfd.duplicate()
    }
}

/// Where a session stands.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Stage {
    /// A worker makes it.
    Starting {
        /// Who asked for it.
        waiter: Waiter,
    },
    /// Its instances may be used.
    Running,
    /// It is on its way out.
    Ending(Ending),
    /// Nothing is left of it but this.
    Gone(EndReason),
}

/// The way out.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ending {
    /// Why.
    pub(crate) reason: EndReason,
    /// What is going on.
    pub(crate) phase: Phase,
    /// Who waits for it, with the refusal they get in place of `Done`, if any.
    pub(crate) waiters: Vec<Waiter>,
    /// What a start failed with; the answer to who asked for it.
    pub(crate) failed_start: Option<FailedStart>,
    /// Whether the end is to be told by an event: nobody asked for it, or the asker was told that it failed.
    pub(crate) announce: bool,
    /// Rounds of cleaning that failed.
    pub(crate) failures: u32,
}

/// The answer to a start that failed, given once nothing is left of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FailedStart {
    /// Who asked.
    pub(crate) waiter: Waiter,
    /// What is answered.
    pub(crate) refusal: Refusal,
}

/// Phases of the way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Phase {
    /// Signals were sent; who is left at this moment is killed.
    HangUp {
        /// The end of the grace.
        until: Moment,
    },
    /// A worker kills, waits, removes.
    Cleaning,
    /// A round failed; the next one starts then.
    Waiting {
        /// When.
        until: Moment,
    },
}

/// A session.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Session {
    /// Its number.
    pub(crate) number: SessionNumber,
    /// Wall-clock milliseconds since 1970; set by serve.
    pub(crate) deadline_unix_ms: u64,
    /// Where it stands.
    pub(crate) stage: Stage,
    /// Its user namespace; dropped before its files are removed.
    pub(crate) userns: Option<Kept>,
    /// What its instances are plugged into, and the network namespace that is it, once it is made.
    #[serde(default)]
    pub(crate) network: Option<Network>,
    #[serde(default)]
    pub(crate) switch: Option<Kept>,
    /// Each has an index of its own.
    pub(crate) instances: Vec<Instance>,
    /// Those not forgotten.
    pub(crate) terminals: BTreeMap<TerminalNumber, Terminal>,
    /// Those that run.
    pub(crate) execs: BTreeMap<ExecNumber, Exec>,
    /// It came from an earlier supervisor: nobody asks for its tombstone.
    pub(crate) leftover: bool,
    /// Set for a build, which is no session to anybody but its client.
    #[serde(default)]
    pub(crate) build: Option<Build>,
}

/// What a build is beside a session.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Build {
    /// The connection that it belongs to and ends with.
    pub(crate) connection: u64,
    /// Layers that are mounted beside its own.
    pub(crate) mounted: Vec<LayerSet>,
    /// Caches that it uses.
    pub(crate) caches: Vec<CacheUse>,
}

/// A cache in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CacheUse {
    /// Whose it is.
    pub(crate) scope: String,
    /// Its name.
    pub(crate) id: String,
    /// Which of the folders of that name.
    pub(crate) slot: u32,
    /// Whether nobody else may use it meanwhile.
    pub(crate) is_locked: bool,
}

/// An instance.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Instance {
    /// What was asked for, but for the layers.
    pub(crate) machine: Machine,
    /// Its layers.
    pub(crate) layers: LayerSet,
    /// Pid 1, while it runs.
    pub(crate) process: Option<Process>,
    /// How pid 1 ended.
    pub(crate) ended: Option<ExitStatus>,
    /// A worker starts it, starts it again or removes it: nothing else may be done with it.
    #[serde(alias = "rebooting")]
    pub(crate) changing: bool,
    /// Kills at its memory limit since its start, as far as they were read.
    pub(crate) oom_kills: u64,
    /// The kernel's count at the last reading. On version 1 it falls when the group of an exec goes.
    pub(crate) oom_count: u64,
}

/// A terminal.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Terminal {
    /// Where it is.
    pub(crate) instance: InstanceIndex,
    /// Its session leader, while it runs. `None` beside no `ended`: a worker opens it.
    pub(crate) process: Option<Process>,
    /// How its leader ended.
    pub(crate) ended: Option<ExitStatus>,
    /// Until it is hung up.
    pub(crate) ptmx: Option<Kept>,
    /// Its output ring.
    pub(crate) ring: Option<Kept>,
}

/// An exec.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Exec {
    /// Where it is.
    pub(crate) instance: InstanceIndex,
    /// Its program. `None`: a worker starts it.
    pub(crate) process: Option<Process>,
}

/// What a process that ended was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Pid 1 of an instance.
    Instance(InstanceIndex),
    /// The leader of a terminal.
    Terminal(TerminalNumber),
    /// The program of an exec.
    Exec(ExecNumber),
}

impl Session {
    /// A session that a worker is about to make.
    pub(crate) fn starting(number: SessionNumber, deadline_unix_ms: u64, waiter: Waiter) -> Self {
        Self {
            number,
            deadline_unix_ms,
            stage: Stage::Starting { waiter },
            userns: None,
            network: None,
            switch: None,
            instances: Vec::new(),
            terminals: BTreeMap::new(),
            execs: BTreeMap::new(),
            leftover: false,
            build: None,
        }
    }

    /// What an earlier supervisor left of a session.
    pub(crate) fn left_over(number: SessionNumber, now: Moment) -> Self {
        let ending = Ending {
            reason: EndReason::SupervisorLost,
            phase: Phase::Waiting { until: now },
            waiters: Vec::new(),
            failed_start: None,
            announce: false,
            failures: 0,
        };
        let waiter = Waiter { connection: 0, call: 0 };
        Self { stage: Stage::Ending(ending), leftover: true, ..Self::starting(number, 0, waiter) }
    }

    /// Duplicates of its user namespace and, where it has one, its switch.
    pub(crate) fn namespaces(&self) -> Result<(OwnedFd, Option<OwnedFd>), Refusal> {
        let failed = |why: &dyn std::fmt::Display| Refusal {
            kind: RefusalKind::Failed,
            message: format!("session {}: its namespaces: {why}", self.number),
            step: None,
        };
        let userns = self.userns.as_ref().ok_or_else(|| failed(&"there are none"))?;
        let userns = userns.duplicate().map_err(|error| failed(&error))?;
        let switch = self.switch.as_ref().map(Kept::duplicate).transpose();
        Ok((userns, switch.map_err(|error| failed(&error))?))
    }

    /// Whether requests may use its instances.
    pub(crate) fn is_running(&self) -> bool {
        matches!(self.stage, Stage::Running)
    }

    /// The instance at this index.
    pub(crate) fn instance(&self, index: InstanceIndex) -> Option<&Instance> {
        self.instances.iter().find(|instance| instance.machine.index == index)
    }

    /// As [`Session::instance`].
    pub(crate) fn instance_mut(&mut self, index: InstanceIndex) -> Option<&mut Instance> {
        self.instances.iter_mut().find(|instance| instance.machine.index == index)
    }

    /// Terminals and execs that count against the session's bound.
    pub(crate) fn processes(&self) -> usize {
        self.terminals.len() + self.execs.len()
    }

    /// The part of the session that a process is.
    pub(crate) fn part_of(&self, pid: i32) -> Option<Part> {
        let is = |process: &Option<Process>| process.as_ref().is_some_and(|process| process.pid == pid);
        let instance = self.instances.iter().find(|instance| is(&instance.process));
        let terminal = self.terminals.iter().find(|(_, terminal)| is(&terminal.process));
        let exec = self.execs.iter().find(|(_, exec)| is(&exec.process));
        (instance.map(|found| Part::Instance(found.machine.index)))
            .or(terminal.map(|(number, _)| Part::Terminal(*number)))
            .or(exec.map(|(number, _)| Part::Exec(*number)))
    }

    /// Whether a process of the session is known to run.
    pub(crate) fn has_processes(&self) -> bool {
        self.instances.iter().any(|instance| instance.process.is_some())
            || self.terminals.values().any(|terminal| terminal.process.is_some())
            || self.execs.values().any(|exec| exec.process.is_some())
    }

    /// Asks everything in it to end: SIGHUP to terminals, SIGTERM to the rest. Returns what could not be told.
    pub(crate) fn ask_to_end(&self) -> Vec<Errno> {
        let terminals = self.terminals.values().flat_map(|terminal| &terminal.process);
        let execs = self.execs.values().flat_map(|exec| &exec.process);
        let instances = self.instances.iter().flat_map(|instance| &instance.process);
        let hung_up =
            terminals.flat_map(|process| [process.signal(Signal::SIGHUP), process.signal(Signal::SIGCONT)]);
        let asked = execs.chain(instances).map(|process| process.signal(Signal::SIGTERM));
        hung_up.chain(asked).filter_map(Result::err).collect()
    }

    /// Kills pid 1 of each instance, and with it everything inside. Returns what could not be killed.
    pub(crate) fn kill(&self) -> Vec<Errno> {
        let instances = self.instances.iter().flat_map(|instance| &instance.process);
        instances.filter_map(|process| process.signal(Signal::SIGKILL).err()).collect()
    }

    /// Drops every descriptor that keeps something of it alive in the kernel, processes' apart.
    pub(crate) fn drop_descriptors(&mut self) {
        (self.userns, self.switch) = (None, None);
        for terminal in self.terminals.values_mut() {
            (terminal.ptmx, terminal.ring) = (None, None);
        }
    }

    /// As the protocol tells it.
    pub(crate) fn state(&self) -> SessionState {
        let ended = match &self.stage {
            Stage::Starting { .. } | Stage::Running => None,
            Stage::Ending(ending) => Some(ending.reason),
            Stage::Gone(reason) => Some(*reason),
        };
        let instances = self.instances.iter();
        let opened = self.terminals.iter().filter(|(_, terminal)| terminal.ring.is_some());
        SessionState {
            session: self.number,
            deadline_unix_ms: self.deadline_unix_ms,
            ended,
            gone: matches!(self.stage, Stage::Gone(_)),
            instances: instances
                .map(|instance| InstanceState { instance: instance.machine.index, ended: instance.ended })
                .collect(),
            terminals: opened
                .map(|(number, terminal)| TerminalState {
                    terminal: *number,
                    instance: terminal.instance,
                    ended: terminal.ended,
                })
                .collect(),
        }
    }
}
