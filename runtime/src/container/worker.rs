//! The first step of every worker: it gives up what it was not given.

use std::os::fd::BorrowedFd;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_dumpable;

use crate::failure::{Failure, StepError, during};
use crate::sys::close::close_all_but;

/// Closes every descriptor but 0 to 2 and those in `keep`, becomes undumpable, so that nothing inside a container that
/// is joined may look into this process, and takes a mount namespace of its own.
///
/// # Errors
/// With what the kernel refused.
pub fn isolate(keep: &[BorrowedFd<'_>]) -> Result<(), StepError> {
    isolate_process(keep).map_err(|failure| StepError::new("isolate the worker", failure))
}

fn isolate_process(keep: &[BorrowedFd<'_>]) -> Result<(), Failure> {
    set_dumpable(false).map_err(during("become undumpable"))?;
    close_all_but(keep).map_err(during("close descriptors"))?;
    unshare(CloneFlags::CLONE_NEWNS).map_err(during("unshare the mount namespace"))?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_PRIVATE | MsFlags::MS_REC, none).map_err(during("make mounts private"))
}
