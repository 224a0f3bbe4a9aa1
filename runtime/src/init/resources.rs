//! What is made for a container before its first process starts, and what that process is given.

use std::fmt::Debug;
use std::os::fd::{BorrowedFd, OwnedFd};

use nix::unistd::Pid;

use crate::cgroup::{self, Seat};
use crate::process::seccomp::Filter;
use crate::rootfs::cgroup_tree::View;
use crate::supervisor::name::Hostname;
use crate::supervisor::protocol::Login;

/// The cgroup that a container's process is put into.
pub trait Group: Debug {
    /// For CLONE_INTO_CGROUP, where version 2 is mounted.
    fn clone_into_fd(&self) -> Option<BorrowedFd<'_>>;

    /// Where the process moves itself in, where version 1 is mounted.
    ///
    /// # Errors
    /// When the kernel refuses to open one.
    fn seats(&self) -> Result<Vec<Seat>, cgroup::Error> {
        Ok(Vec::new())
    }

    /// Moves a process in that was put there neither by the clone nor by itself.
    ///
    /// # Errors
    /// When the kernel refuses.
    fn admit(&self, _pid: Pid) -> Result<(), cgroup::Error> {
        Ok(())
    }
}

impl Group for cgroup::Leaf {
    fn clone_into_fd(&self) -> Option<BorrowedFd<'_>> {
        self.clone_into_fd()
    }

    fn seats(&self) -> Result<Vec<Seat>, cgroup::Error> {
        self.seats()
    }
}

/// Whom a machine is for: what is written into its `/etc`.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// Its host name.
    pub hostname: &'a Hostname,
    /// Who terminals start as; `learner` is made if the image lacks it.
    pub login: Login,
    /// Its address, where others know it.
    pub address: Option<std::net::Ipv4Addr>,
    /// Content of its `/etc/resolv.conf`; none where it reaches no name server.
    pub resolv: Option<&'a str>,
}

/// What is executed in the end.
#[derive(Debug, Clone, Copy)]
pub enum Program<'a> {
    /// The plan's first argument, looked up inside.
    Named,
    /// This static program, in a file that nothing inside can write, with the plan's arguments.
    Held(BorrowedFd<'a>),
}

/// What hooks are told on their standard input.
pub trait HookState: Debug {
    /// The state document (runtime.md, "State") with this status and process id.
    fn document(&self, status: &str, pid: Pid) -> Vec<u8>;
}

/// What was made for a container before its first process starts.
#[derive(Debug, Clone, Copy)]
pub struct Resources<'a> {
    /// A user namespace that is there already; instances of a session share theirs.
    pub userns: Option<BorrowedFd<'a>>,
    /// Root of its file system, in this process's mount namespace; none for a process that joins.
    pub rootfs: Option<BorrowedFd<'a>>,
    /// Its cgroup; without one it stays in this process's.
    pub group: Option<&'a dyn Group>,
    /// What is executed.
    pub program: Program<'a>,
    /// The plan's compiled system call filter.
    pub filter: Option<&'a Filter>,
    /// What is written into its `/etc`, for a machine.
    pub identity: Option<Identity<'a>>,
    /// Sources of the plan's binds, by the number of the mount; those that are missing are opened inside.
    pub sources: &'a [Option<OwnedFd>],
    /// What a mount of type cgroup shows.
    pub cgroup_view: &'a View,
    /// A connected socket that takes the terminal.
    pub console: Option<BorrowedFd<'a>>,
    /// The pipe that holds the process back before exec until somebody writes to it.
    pub fifo: Option<BorrowedFd<'a>>,
    /// How many descriptors from 3 on the program inherits.
    pub preserved: u32,
    /// Whether it gets a session keyring of its own.
    pub new_keyring: bool,
    /// Whether the root is changed by pivot_root; otherwise by moving the mount, for roots that cannot be pivoted.
    pub pivot: bool,
    /// Whether further groups may be set: not in a user namespace that an ordinary user has made alone.
    pub sets_groups: bool,
    /// For the hooks inside.
    pub hook_state: Option<&'a dyn HookState>,
}

impl Resources<'_> {
    /// Nothing but what every container needs.
    pub const fn bare() -> Self {
        Self {
            userns: None,
            rootfs: None,
            group: None,
            program: Program::Named,
            filter: None,
            identity: None,
            sources: &[],
            cgroup_view: &View::Hidden,
            console: None,
            fifo: None,
            preserved: 0,
            new_keyring: true,
            pivot: true,
            sets_groups: true,
            hook_state: None,
        }
    }
}
