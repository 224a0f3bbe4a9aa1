//! Steps about the process itself.

use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::sched::{CloneFlags, CpuSet, sched_setaffinity};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Pid, sethostname, setsid};

use super::Program;
use super::stage::Stage;
use crate::failure::{Failure, during};
use crate::net;
use crate::process::limits;
use crate::sys::{close, keyring, scheduling, signal, uts};

/// What the worker held is not this process's: only what the steps need, until exec, and what the program inherits.
pub(super) fn close_descriptors(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let resources = stage.resources;
    let mut keep = vec![stage.sync()?.as_fd()];
    keep.extend(resources.sources.iter().flatten().map(AsFd::as_fd));
    keep.extend(stage.seats.iter().map(AsFd::as_fd));
    keep.extend([resources.console, resources.fifo].into_iter().flatten());
    if let Program::Held(file) = resources.program {
        keep.push(file);
    }
    let first = 3 + resources.preserved;
    close::close_from(first, &keep).map_err(during("close descriptors"))?;
    // Once the filter is in force this may not be allowed; what is opened later is marked from its beginning.
    close::close_on_exec_from(first).map_err(during("mark descriptors"))
}

/// Away from the terminal and the job control of whoever started the runtime.
pub(super) fn start_session(_: &mut Stage<'_>) -> Result<(), Failure> {
    setsid().map(drop).map_err(during("start a process session"))
}

/// The keys of whoever started the runtime stay outside.
pub(super) fn take_keyring(stage: &mut Stage<'_>) -> Result<(), Failure> {
    if !stage.resources.new_keyring {
        return Ok(());
    }
    match keyring::join_new_session_keyring() {
        // Without keyrings there is nothing to inherit.
        Ok(()) | Err(Errno::ENOSYS) => Ok(()),
        Err(errno) => Err(during("join a session keyring")(errno)),
    }
}

pub(super) fn set_names(stage: &mut Stage<'_>) -> Result<(), Failure> {
    if let Some(name) = stage.plan.hostname() {
        sethostname(name).map_err(during(format!("set host name `{name}`")))?;
    }
    if let Some(name) = &stage.plan.domainname {
        uts::set_domain_name(name).map_err(during(format!("set domain name `{name}`")))?;
    }
    Ok(())
}

pub(super) fn bring_loopback_up(stage: &mut Stage<'_>) -> Result<(), Failure> {
    if !stage.plan.namespaces().is_new(CloneFlags::CLONE_NEWNET) {
        return Ok(());
    }
    net::bring_loopback_up().map_err(during("set link `lo` up"))
}

pub(super) fn set_limits(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let process = &stage.plan.process;
    umask(Mode::from_bits_truncate(process.umask));
    limits::apply(&process.rlimits).map_err(during("set resource limits"))
}

pub(super) fn set_initial_cpus(stage: &mut Stage<'_>) -> Result<(), Failure> {
    set_cpus(stage.plan.process().scheduling.initial_cpus.as_ref())
}

pub(super) fn set_scheduler(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let wanted = &stage.plan.process().scheduling;
    if let Some(domain) = stage.plan.personality {
        scheduling::set_personality(domain).map_err(during("set the execution domain"))?;
    }
    if let Some(scheduler) = &wanted.scheduler {
        scheduling::set_scheduler(scheduler).map_err(during("set the scheduler"))?;
    }
    if let Some(priority) = &wanted.io_priority {
        scheduling::set_io_priority(priority.class, priority.level).map_err(during("set the io priority"))?;
    }
    set_cpus(wanted.final_cpus.as_ref())
}

fn set_cpus(wanted: Option<&crate::spec::CpuSet>) -> Result<(), Failure> {
    let Some(wanted) = wanted else { return Ok(()) };
    let mut set = CpuSet::new();
    // More processors than the set has room for do not exist on this host.
    wanted.0.iter().try_for_each(|cpu| set.set(*cpu)).map_err(during("name the processors"))?;
    sched_setaffinity(Pid::from_raw(0), &set).map_err(during("set the processors"))
}

pub(super) fn reset_signals(_: &mut Stage<'_>) -> Result<(), Failure> {
    signal::reset().map_err(during("clear the signal mask"))
}

/// A container that is only created tells its worker so, which is not needed any more, and waits.
pub(super) fn wait_for_start(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let Some(fifo) = stage.resources.fifo else { return Ok(()) };
    stage.sync = None;
    let mut byte = [0];
    loop {
        match nix::unistd::read(fifo, &mut byte) {
            Ok(1) => return Ok(()),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(during("wait for the start")(errno)),
        }
    }
}
