//! Workers: short-lived copies of the supervisor that set one thing up, report, and never come back.
//!
//! ```text
//! supervisor                               worker (single-threaded copy)
//!   | clone -------------------------------> | dies with the supervisor; not dumpable; closes what it was not given
//!   | <-------- Userns + [user namespace]    |
//!   | <-------- Instance {pid} + [pidfd]     |  what was made is known before the next step,
//!   | <-------- Process {pid} + [pidfd, ..]  |  so that the supervisor can undo it
//!   | <-------- Done, or Refused             | exits; what it has made becomes a child of the supervisor
//! ```

use std::collections::BTreeSet;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::CloneFlags;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getpid, getppid};
use serde::{Deserialize, Serialize};

use super::clock::Moment;
use super::codec;
use super::ground::Ground;
use super::job::Job;
use super::name::{DiffId, ExecNumber, InstanceIndex, SessionNumber, TerminalNumber};
use super::oom_score;
use super::protocol::{PathStat, Refusal, Reply};
use super::session::{Process, Waiter};
use super::socket::Socket;
use crate::sys::clone::{self, Cloned};
use crate::sys::{close, pidfd, signal};

/// What a worker tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Report {
    /// The session's user namespace. Descriptors: \[it\].
    Userns,
    /// The session's switch. Descriptors: \[its network namespace\].
    Switch,
    /// Pid 1 of an instance runs. Descriptors: \[pidfd\].
    Instance {
        /// Which.
        index: InstanceIndex,
        /// Its id in the supervisor's pid namespace.
        pid: i32,
    },
    /// A program runs in an instance. Descriptors: \[pidfd, then what is handed to serve\].
    Process {
        /// Its id in the supervisor's pid namespace.
        pid: i32,
    },
    /// What was to be opened or made. Descriptors: \[it\].
    Opened,
    /// Layers that stand unpacked.
    Layers(Vec<DiffId>),
    /// What is at a path inside.
    PathStat(PathStat),
    /// It is done. The last report.
    Done,
    /// It could not be done. The last report.
    Refused(Refusal),
}

/// What a worker's end means to the supervisor.
#[derive(Debug)]
pub(crate) enum Task {
    /// It starts a session.
    Start { session: SessionNumber },
    /// It starts an instance again.
    Reboot { session: SessionNumber, instance: InstanceIndex, waiter: Waiter },
    /// It starts one more instance.
    Add { session: SessionNumber, instance: InstanceIndex, waiter: Waiter },
    /// It removes an instance, for who asked, or since it could not be started.
    Remove { session: SessionNumber, instance: InstanceIndex, waiter: Waiter, failed: Option<Refusal> },
    /// It opens a terminal.
    Terminal { session: SessionNumber, terminal: TerminalNumber, waiter: Waiter },
    /// It starts an exec.
    Exec { session: SessionNumber, exec: ExecNumber, waiter: Waiter },
    /// It unpacks or removes a layer.
    Layer { layer: DiffId, removes: bool, waiter: Waiter },
    /// It removes what is left of a session.
    Clean { session: SessionNumber },
    /// It reads or writes files of an instance.
    Archive { session: SessionNumber, waiter: Waiter },
    /// Its result is the answer, and that is all.
    Plain { waiter: Waiter },
    /// What it opens goes to who asked.
    HandOver { waiter: Waiter, reply: Reply },
    /// It makes a disk ahead.
    Disk { bytes: u64, number: u32 },
    /// It makes a switch ahead.
    SwitchAhead,
    /// It makes the gateway.
    Gateway { network: Ipv4Addr },
    /// It removes the groups of ended execs; the kernel's counts of their instances fall with them.
    Sweep { instances: BTreeSet<(SessionNumber, InstanceIndex)> },
    /// It has become the program on disk, which looks whether it can resume.
    Check,
}

impl Task {
    /// The session of which an instance is started again, added or removed.
    pub(crate) fn changed(&self) -> Option<SessionNumber> {
        match self {
            Self::Reboot { session, .. } | Self::Add { session, .. } | Self::Remove { session, .. } => {
                Some(*session)
            }
            _ => None,
        }
    }

    /// The session whose files are read or written.
    pub(crate) fn archived(&self) -> Option<SessionNumber> {
        match self {
            Self::Archive { session, .. } => Some(*session),
            _ => None,
        }
    }
}

/// A worker as the supervisor sees it.
#[derive(Debug)]
pub(crate) struct Worker {
    /// Its process id; valid until the supervisor has waited for it.
    pub(crate) pid: i32,
    pidfd: OwnedFd,
    /// Where its reports come from.
    pub(crate) socket: Socket,
    /// What it is for.
    pub(crate) task: Task,
    /// When it is killed.
    pub(crate) until: Moment,
    /// Whether it was killed for that.
    pub(crate) is_late: bool,
    /// The program it has started for a terminal or an exec; known to the session once the worker is through.
    pub(crate) process: Option<Process>,
    /// What goes to serve with the reply.
    pub(crate) descriptors: Vec<OwnedFd>,
    /// Layers it has found, if it was to look for some.
    pub(crate) layers: Option<Vec<DiffId>>,
    /// What it has found at a path, if it was to look.
    pub(crate) found: Option<PathStat>,
}

impl Worker {
    /// Makes a copy of this process that does `job`. `given` are the descriptors it needs, in the job's own order.
    pub(crate) fn start(ground: &Ground, task: Task, job: Job, given: &[OwnedFd]) -> Result<Self, Errno> {
        let (socket, far) =
            Socket::pair().map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))?;
        let parent = getpid();
        let until = Moment::now().after(job.time());
        match clone::clone(CloneFlags::empty(), None)? {
            Cloned::Parent(pid, pidfd) => Ok(Self {
                pid: pid.as_raw(),
                pidfd,
                socket,
                task,
                until,
                is_late: false,
                process: None,
                descriptors: Vec::new(),
                layers: None,
                found: None,
            }),
            Cloned::Child => work(parent, ground, job, given, far),
        }
    }

    /// Kills it.
    pub(crate) fn kill(&self) -> Result<(), Errno> {
        match pidfd::send_signal(self.pidfd.as_fd(), Signal::SIGKILL) {
            Err(Errno::ESRCH) => Ok(()),
            sent => sent,
        }
    }
}

/// The worker's whole life. A panic must not unwind into the supervisor's loop, of which this is a copy.
fn work(parent: Pid, ground: &Ground, job: Job, given: &[OwnedFd], far: Socket) -> ! {
    let reporter = Reporter(far);
    let life = std::panic::AssertUnwindSafe(|| {
        let kept: Vec<BorrowedFd<'_>> = given.iter().map(AsFd::as_fd).collect();
        let result = settle_in(parent, ground, &kept, &reporter)
            .map_err(|errno| Refusal::failed("settle a worker in", errno))
            .and_then(|()| job.run(ground, &kept, &reporter));
        let last = result.map_or_else(Report::Refused, |()| Report::Done);
        i32::from(reporter.send(&last, &[]).is_err())
    });
    let code = std::panic::catch_unwind(life).unwrap_or(101);
    clone::exit_now(code)
}

/// The first steps of every worker: die with the supervisor, be opaque, own only what was given.
fn settle_in(
    parent: Pid,
    ground: &Ground,
    given: &[BorrowedFd<'_>],
    reporter: &Reporter,
) -> Result<(), Errno> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    if getppid() != parent {
        return Err(Errno::ESRCH);
    }
    prctl::set_dumpable(false)?;
    let own = ground.descriptors();
    let keep: Vec<_> = given.iter().copied().chain(own).chain([reporter.0.as_fd()]).collect();
    close::close_all_but(&keep)?;
    // Raising the score needs no permission; where /proc says otherwise the score was never lowered.
    if let Err(error) = oom_score::restore() {
        super::log::warn(format_args!("restore the score for memory: {error}"));
    }
    signal::reset()
}

/// The worker's end of its socket.
#[derive(Debug)]
pub(crate) struct Reporter(Socket);

impl AsFd for Reporter {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Reporter {
    /// Sends a report; waits while the supervisor is busy.
    pub(crate) fn send(&self, report: &Report, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let bytes = codec::encode(report).map_err(io::Error::other)?;
        loop {
            match self.0.try_send(&bytes, descriptors) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    poll(&mut [PollFd::new(self.0.as_fd(), PollFlags::POLLOUT)], PollTimeout::NONE)?;
                }
                sent => return sent,
            }
        }
    }
}
