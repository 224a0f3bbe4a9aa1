//! Resource limits.

use nix::errno::Errno;
use nix::sys::resource::{getrlimit, setrlimit};

use crate::spec::Rlimit;

/// Sets the limits. What lies above this process's own hard limit is cut to it: a node may be limited itself.
///
/// # Errors
/// What the kernel gives.
pub fn apply(limits: &[Rlimit]) -> Result<(), Errno> {
    for limit in limits {
        let (_, most) = getrlimit(limit.resource)?;
        setrlimit(limit.resource, limit.soft.min(most), limit.hard.min(most))?;
    }
    Ok(())
}
