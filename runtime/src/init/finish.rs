//! Steps about the process itself.

use std::ffi::CString;
use std::os::fd::AsFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::prctl::set_no_new_privs;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout, execveat, sethostname};

use super::stage::Stage;
use crate::failure::{Failure, during};
use crate::net;
use crate::process::{capabilities, limits, seccomp, user};
use crate::rootfs::path;
use crate::sys::{close, keyring, signal};

/// What the worker held is not pid 1's: only these two, until exec.
pub(super) fn close_descriptors(stage: &mut Stage<'_>) -> Result<(), Failure> {
    close::close_all_but(&[stage.sync.as_fd(), stage.reaper]).map_err(during("close descriptors"))
}

/// 0 to 2 are still the supervisor's.
pub(super) fn cut_standard(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let null = path::open(stage.root()?, Path::new("/dev/null"), OFlag::O_RDWR)
        .map_err(during("open `/dev/null`"))?;
    dup2_stdin(&null)
        .and_then(|()| dup2_stdout(&null))
        .and_then(|()| dup2_stderr(&null))
        .map_err(during("replace standard input and output"))
}

/// The keys of whoever started the supervisor stay outside.
pub(super) fn take_keyring(_: &mut Stage<'_>) -> Result<(), Failure> {
    match keyring::join_new_session_keyring() {
        // Without keyrings there is nothing to inherit.
        Ok(()) | Err(Errno::ENOSYS) => Ok(()),
        Err(errno) => Err(during("join a session keyring")(errno)),
    }
}

pub(super) fn set_hostname(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let name = stage.plan.hostname.as_str();
    sethostname(name).map_err(during(format!("set host name `{name}`")))
}

pub(super) fn bring_loopback_up(_: &mut Stage<'_>) -> Result<(), Failure> {
    net::bring_loopback_up().map_err(during("set link `lo` up"))
}

pub(super) fn set_limits(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let process = &stage.plan.process;
    umask(Mode::from_bits_truncate(process.umask));
    limits::apply(&process.rlimits).map_err(during("set resource limits"))
}

pub(super) fn reset_signals(_: &mut Stage<'_>) -> Result<(), Failure> {
    signal::reset().map_err(during("clear the signal mask"))
}

pub(super) fn drop_capabilities(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let process = &stage.plan.process;
    let sets = process.capabilities;
    capabilities::apply_bounding(sets).map_err(during("lower the bounding set"))?;
    user::become_user(process.uid, process.gid, &process.groups)
        .map_err(during(format!("become user {}", process.uid)))?;
    capabilities::apply(sets).map_err(during("set capabilities"))?;
    if process.no_new_privileges {
        set_no_new_privs().map_err(during("set no_new_privs"))?;
    }
    Ok(())
}

pub(super) fn filter_system_calls(stage: &mut Stage<'_>) -> Result<(), Failure> {
    // A plan has no rule with a listener.
    seccomp::load(stage.plan.seccomp(), stage.filter).map(drop)
}

pub(super) fn exec_reaper(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let process = &stage.plan.process;
    close::close_all_on_exec().map_err(during("mark descriptors"))?;
    let empty = CString::default();
    execveat(stage.reaper, &empty, &process.args, &process.env, AtFlags::AT_EMPTY_PATH)
        .map_err(during("execute the reaper"))
        .map(|never| match never {})
}
