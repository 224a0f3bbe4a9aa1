//! What the command line does outside while a container's process sets itself up inside.

use std::cell::RefCell;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use nix::errno::Errno;
use nix::unistd::Pid;
use oci_spec::runtime::{LinuxSeccomp, SECCOMP_FD_NAME};
use serde_json::json;

use super::maps;
use super::proc;
use super::record::Record;
use crate::container::Attendant;
use crate::failure::{Failure, during};
use crate::init::HookState;
use crate::process::hook;
use crate::process::seccomp::listener;
use crate::spec::Plan;

/// Hooks and slow file systems may take their time; whoever called us has a limit of their own.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// Attends to the first process of a container.
#[derive(Debug)]
pub(super) struct Creation<'a> {
    pub(super) plan: &'a Plan,
    pub(super) record: &'a RefCell<Record>,
    /// Warnings, said once all is done.
    pub(super) warnings: &'a RefCell<Vec<String>>,
    pub(super) maps: maps::Writer,
}

impl Attendant for Creation<'_> {
    fn patience(&self) -> Duration {
        PATIENCE
    }

    fn write_maps(&self, entrance: Pid) -> Result<(), Failure> {
        let namespaces = self.plan.namespaces();
        self.maps.write(entrance, &namespaces.uid_map, &namespaces.gid_map)
    }

    fn admitted(&self, pid: Pid) -> Result<(), Failure> {
        adjust_oom_score(self.plan, pid, self.warnings)?;
        let mut record = self.record.borrow_mut();
        record.pid = pid.as_raw();
        record.start_time = proc::start_time(pid.as_raw()).unwrap_or(0);
        record.save().map_err(said)
    }

    fn run_hooks(&self, pid: Pid) -> Result<(), Failure> {
        let state = self.record.borrow().document("creating", pid);
        hook::run_all("createRuntime", &self.plan.hooks().create_runtime, &state)
    }

    fn take_listener(&self, pid: Pid, listener: OwnedFd) -> Result<(), Failure> {
        hand_listener_on(self.plan.seccomp(), &self.record.borrow(), pid, &listener)
    }
}

/// Attends to a process that joins a container.
#[derive(Debug)]
pub(super) struct Joining<'a> {
    pub(super) plan: &'a Plan,
    pub(super) record: &'a Record,
    pub(super) warnings: &'a RefCell<Vec<String>>,
}

impl Attendant for Joining<'_> {
    fn patience(&self) -> Duration {
        PATIENCE
    }

    fn admitted(&self, pid: Pid) -> Result<(), Failure> {
        adjust_oom_score(self.plan, pid, self.warnings)
    }

    fn take_listener(&self, pid: Pid, listener: OwnedFd) -> Result<(), Failure> {
        hand_listener_on(self.plan.seccomp(), self.record, pid, &listener)
    }
}

fn said(error: super::Error) -> Failure {
    Failure { message: error.to_string(), errno: Errno::UnknownErrno }
}

/// Only CAP_SYS_RESOURCE may lower it; without, the container runs as it is.
fn adjust_oom_score(plan: &Plan, pid: Pid, warnings: &RefCell<Vec<String>>) -> Result<(), Failure> {
    let Some(score) = plan.process().oom_score_adj else { return Ok(()) };
    let path = PathBuf::from(format!("/proc/{pid}/oom_score_adj"));
    match fs::write(&path, score.to_string()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            let text = format!("process.oomScoreAdj {score} is not set: this needs CAP_SYS_RESOURCE");
            warnings.borrow_mut().push(text);
            Ok(())
        }
        Err(error) => {
            let errno = Errno::from_raw(error.raw_os_error().unwrap_or(Errno::EIO as i32));
            Err(during(format!("write {score} to {}", path.display()))(errno))
        }
    }
}

fn hand_listener_on(
    profile: Option<&LinuxSeccomp>,
    record: &Record,
    pid: Pid,
    listener: &OwnedFd,
) -> Result<(), Failure> {
    let failed = |why: String| Failure {
        message: format!("hand the filter's notifications on: {why}"),
        errno: Errno::UnknownErrno,
    };
    let path = profile.and_then(|profile| profile.listener_path().as_deref());
    let path = path.ok_or_else(|| failed("linux.seccomp.listenerPath is not set".to_owned()))?;
    let state = json!({
        "ociVersion": record.oci_version,
        "fds": [SECCOMP_FD_NAME],
        "pid": pid.as_raw(),
        "metadata": profile.and_then(|profile| profile.listener_metadata().clone()).unwrap_or_default(),
        "state": record.state("creating", record.pid),
    });
    let state = serde_json::from_value(state).map_err(|error| failed(error.to_string()))?;
    listener::send(path, &state, listener.as_fd())
}
