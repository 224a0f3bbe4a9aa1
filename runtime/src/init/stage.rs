//! The list of steps and what they share.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};

use super::sync::ChildEnd;
use super::{cgroup, etc, finish, root};
use crate::failure::{Failure, StepError};
use crate::process::seccomp::Filter;
use crate::spec::Plan;
use crate::supervisor::name::Hostname;
use crate::supervisor::protocol::Login;

/// Whom a machine is for: what is written into its `/etc`.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// Its host name.
    pub hostname: &'a Hostname,
    /// Who terminals start as; `learner` is made if the image lacks it.
    pub login: Login,
}

/// What the steps work on. The working directory of the process is the new root at the beginning.
#[derive(Debug)]
pub struct Stage<'a> {
    pub(super) plan: &'a Plan,
    pub(super) identity: Option<Identity<'a>>,
    pub(super) filter: Option<&'a Filter>,
    pub(super) reaper: BorrowedFd<'a>,
    pub(super) sync: ChildEnd,
    /// Whether the host has cgroup v2 and nothing else.
    pub(super) unified: bool,
    /// The new root; set by the first step of the root file system.
    root: Option<OwnedFd>,
}

impl<'a> Stage<'a> {
    /// A stage that has not begun.
    pub fn new(
        plan: &'a Plan,
        identity: Option<Identity<'a>>,
        filter: Option<&'a Filter>,
        reaper: BorrowedFd<'a>,
        sync: ChildEnd,
    ) -> Self {
        // Asked while the host's tree is still in sight.
        let unified = statfs("/sys/fs/cgroup").is_ok_and(|at| at.filesystem_type() == CGROUP2_SUPER_MAGIC);
        Self { plan, identity, filter, reaper, sync, unified, root: None }
    }

    /// The new root.
    pub(super) fn root(&self) -> Result<BorrowedFd<'_>, Failure> {
        let missing = || Failure {
            message: "use the root before it is set up".to_owned(),
            errno: nix::errno::Errno::ENOENT,
        };
        self.root.as_ref().map(AsFd::as_fd).ok_or_else(missing)
    }

    pub(super) fn set_root(&mut self, root: OwnedFd) {
        self.root = Some(root);
    }

    /// Runs [`STEPS`]; returns only when one fails, which the worker has been told by then.
    pub fn run(mut self) -> StepError {
        for step in STEPS {
            if let Err(failure) = (step.run)(&mut self) {
                return self.report(StepError::new(step.name, failure));
            }
        }
        let impossible = Failure { message: "go on after exec".to_owned(), errno: nix::errno::Errno::EIO };
        self.report(StepError::new("exec the reaper", impossible))
    }

    fn report(&self, error: StepError) -> StepError {
        // A worker that is gone has closed the socket and needs no report; this process ends in either case.
        let _unheard = self.sync.send_last_failure(&error);
        error
    }
}

/// One step.
pub struct Step {
    /// What it does, as errors say it.
    pub name: &'static str,
    pub(super) run: fn(&mut Stage<'_>) -> Result<(), Failure>,
}

/// The steps in their order. Order matters: see the reasons beside them.
pub const STEPS: &[Step] = &[
    Step { name: "close descriptors", run: finish::close_descriptors },
    Step { name: "take a keyring", run: finish::take_keyring },
    Step { name: "set the host name", run: finish::set_hostname },
    Step { name: "bring the loopback link up", run: finish::bring_loopback_up },
    Step { name: "keep mounts private", run: root::make_private },
    Step { name: "attach the root", run: root::attach_root },
    // proc and sysfs may only be mounted while the old ones are still in sight, so before the change of root.
    Step { name: "mount file systems", run: root::mount_filesystems },
    Step { name: "make devices", run: root::make_devices },
    // Settings before their folder turns read-only.
    Step { name: "set kernel settings", run: root::set_sysctls },
    Step { name: "write names into /etc", run: etc::write_names },
    Step { name: "make the learner", run: etc::make_learner },
    Step { name: "make paths read-only", run: root::make_paths_readonly },
    Step { name: "mask paths", run: root::mask_paths },
    Step { name: "change the root", run: root::change_root },
    // The worker moves this process on cgroup v1 while the steps above run: the namespace must see the final place.
    Step { name: "wait for the cgroup", run: cgroup::wait_for_move },
    Step { name: "take a cgroup namespace", run: cgroup::take_namespace },
    Step { name: "mount the cgroup tree", run: cgroup::mount_tree },
    Step { name: "make the root read-only", run: root::make_root_readonly },
    Step { name: "cut standard input and output", run: finish::cut_standard },
    Step { name: "set limits", run: finish::set_limits },
    Step { name: "reset signals", run: finish::reset_signals },
    // Without no_new_privs only CAP_SYS_ADMIN may load a filter, so before the capabilities are dropped.
    Step { name: "filter system calls", run: finish::filter_system_calls },
    Step { name: "drop capabilities", run: finish::drop_capabilities },
    Step { name: "exec the reaper", run: finish::exec_reaper },
];
