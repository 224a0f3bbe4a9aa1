//! Machines and the programs in them, as they are asked for.

use serde::{Deserialize, Serialize};

use crate::supervisor::name::{DiffId, Hostname, InstanceIndex};

/// One instance of a session as it is to be started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Its place in the session.
    pub index: InstanceIndex,
    /// Host name, also in /etc/hosts.
    pub hostname: Hostname,
    /// Unpacked layers from the lowest to the highest, 1 to [`MAX_LAYERS`](super::MAX_LAYERS).
    pub layers: Vec<DiffId>,
    /// Limits, each at most the node's ceiling.
    pub limits: Limits,
    /// Who a terminal or exec without a user runs as.
    pub login: Login,
    /// Set no_new_privs on every process, which also disables sudo and file capabilities.
    pub no_new_privileges: bool,
    /// Allow new user namespaces from inside.
    pub user_namespaces: bool,
    /// Give root inside CAP_NET_ADMIN, which holds in the instance's own network namespace only.
    #[serde(default)]
    pub net_admin: bool,
}

/// Limits of one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Memory in bytes, kernel memory included.
    pub memory_bytes: u64,
    /// Swap in bytes beside the memory.
    pub swap_bytes: u64,
    /// Thousandths of one cpu.
    pub cpu_millis: u32,
    /// Processes and threads.
    pub pids: u32,
    /// Bytes of files the instance may write.
    pub disk_bytes: u64,
    /// Bytes per second read from, and as many written to, the disk; `None` is no limit.
    pub io_bytes_per_second: Option<u64>,
}

/// The user that terminals start as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Login {
    /// uid 0 of the session.
    Root,
    /// `learner`, uid 1000, in group sudo where the image has it; made at start if the image lacks it.
    Learner,
}

/// A program to run inside an instance.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// Program and arguments; the program is looked up in the PATH of the environment.
    pub argv: Vec<String>,
    /// Variables added to the default ones, or in place of one of them.
    pub env: Vec<(String, String)>,
    /// Working directory inside; `None` is the user's home, or `/`.
    pub cwd: Option<String>,
    /// User name or number, looked up inside; `None` is the instance's [`Login`].
    pub user: Option<String>,
    /// What else is in the environment.
    #[serde(default)]
    pub defaults: Defaults,
}

/// The variables that a program gets without asking.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Defaults {
    /// A person's: PATH, HOME, USER, LOGNAME, SHELL, LANG, TERM, COLORTERM and HOSTNAME.
    #[default]
    Person,
    /// Those of a step of a Dockerfile: PATH, HOME and HOSTNAME.
    Step,
}

/// Size of a terminal, in the kernel's order; each from 1 to 1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Winsize {
    /// Lines.
    pub rows: u16,
    /// Columns.
    pub cols: u16,
}
