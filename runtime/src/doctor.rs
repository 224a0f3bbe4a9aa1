//! What this host has and lacks for a node, and what to do about it.
//!
//! Checks look at the kernel's own numbers or try the thing itself, in a child with mounts of its own, and leave
//! nothing behind. They want root and a process of one thread. Only what makes a start impossible is a failure.

mod forward_chains;
mod forwarding;
mod ids;
mod kernel;
mod netfilter;
mod numbers;
mod programs;
mod storage;
mod trial;

use std::path::PathBuf;

use serde::Serialize;

use crate::disk::Wish;

/// The node that the host is asked for.
#[derive(Debug, Clone)]
pub struct Node {
    /// Sessions at once.
    pub sessions: u32,
    /// The state directory; it need not exist, but the folder above it must.
    pub state_dir: PathBuf,
    /// First host id.
    pub uid_base: u32,
    /// How files are to be limited.
    pub disk: Wish,
    /// Name of the link by which sessions go out, if any do.
    pub way_out: Option<String>,
    /// Whether the host is changed for it.
    pub configures_host: bool,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Nothing to do.
    Ok,
    /// It works, but less well, or not for as many sessions.
    Warn,
    /// A node cannot start.
    Fail,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// How it ended.
    pub status: Status,
    /// What was found.
    pub finding: String,
    /// What to do, where there is something to do.
    pub advice: Option<String>,
}

impl Check {
    fn ok(name: &'static str, finding: impl Into<String>) -> Self {
        Self { name, status: Status::Ok, finding: finding.into(), advice: None }
    }

    fn warn(name: &'static str, finding: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, status: Status::Warn, finding: finding.into(), advice: Some(advice.into()) }
    }

    fn fail(name: &'static str, finding: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, status: Status::Fail, finding: finding.into(), advice: Some(advice.into()) }
    }
}

/// All checks, in the order in which they are told.
const CHECKS: [fn(&Node) -> Vec<Check>; 10] = [
    kernel::check,
    kernel::control_groups,
    kernel::namespaces,
    storage::check,
    netfilter::check,
    forwarding::check,
    forward_chains::check,
    numbers::check,
    ids::check,
    programs::check,
];

/// Looks at everything.
pub fn examine(node: &Node) -> Vec<Check> {
    CHECKS.iter().flat_map(|check| check(node)).collect()
}

/// The worst status of a list.
pub fn worst(checks: &[Check]) -> Status {
    checks.iter().map(|check| check.status).max().unwrap_or(Status::Ok)
}
