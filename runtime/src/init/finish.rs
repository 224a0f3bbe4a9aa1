//! Steps about the process itself.

use std::ffi::CString;

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::prctl::set_no_new_privs;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{execveat, sethostname};

use std::os::fd::AsFd;

use super::stage::Stage;
use crate::failure::{Failure, during};
use crate::process::{capabilities, limits, seccomp, user};
use crate::sys::{close, keyring, link, signal};

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
    let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)
        .map_err(during("open a socket"))?;
    link::bring_loopback_up(socket.as_fd()).map_err(during("set link `lo` up"))
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
    seccomp::load(stage.plan.seccomp(), stage.filter)
}

pub(super) fn exec_reaper(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let process = &stage.plan.process;
    close::close_all_on_exec().map_err(during("mark descriptors"))?;
    let empty = CString::default();
    execveat(stage.reaper, &empty, &process.args, &process.env, AtFlags::AT_EMPTY_PATH)
        .map_err(during("execute the reaper"))
        .map(|never| match never {})
}
