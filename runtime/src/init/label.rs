//! Steps about the label of a security module, AppArmor or SELinux.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, openat2};

use super::stage::Stage;
use crate::failure::{Failure, during};
use crate::rootfs::{path, target};

/// What the next program is labelled by: file below `/proc/self/attr`, and what is written there.
fn wanted(stage: &Stage<'_>) -> Option<(&'static str, String)> {
    let process = stage.plan.process();
    match (&process.apparmor_profile, &process.selinux_label) {
        (Some(profile), _) => Some(("apparmor/exec", format!("exec {profile}"))),
        (None, Some(label)) => Some(("exec", label.clone())),
        (None, None) => None,
    }
}

/// Before the mounts of the container are made, so that no false `/proc` can stand in the way (CVE-2025-52881).
pub(super) fn open_on_host(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let Some((file, text)) = wanted(stage) else { return Ok(()) };
    let path = format!("/proc/thread-self/attr/{file}");
    let how = OpenHow::new().flags(OFlag::O_WRONLY | OFlag::O_CLOEXEC);
    let file = openat2(AT_FDCWD, path.as_str(), how).map_err(during(format!("open `{path}`")))?;
    check(file.as_fd())?;
    stage.label = Some((file, text));
    Ok(())
}

/// For a process that joins: the container's own `/proc`, looked at.
pub(super) fn open_inside(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let Some((file, text)) = wanted(stage) else { return Ok(()) };
    let inside = format!("/proc/thread-self/attr/{file}");
    let file = path::open(stage.root()?, Path::new(&inside), OFlag::O_WRONLY)
        .map_err(during(format!("open `{inside}`")))?;
    check(file.as_fd())?;
    stage.label = Some((file, text));
    Ok(())
}

fn check(file: BorrowedFd<'_>) -> Result<(), Failure> {
    match target::is_proc(file) {
        Ok(true) => Ok(()),
        Ok(false) => Err(during("check that `/proc` is real")(Errno::EXDEV)),
        Err(errno) => Err(during("look at `/proc`")(errno)),
    }
}

/// Right before exec, so that nothing else is labelled.
pub(super) fn write(stage: &Stage<'_>) -> Result<(), Failure> {
    let Some((file, text)) = &stage.label else { return Ok(()) };
    nix::unistd::write(file, text.as_bytes())
        .map(drop)
        .map_err(during(format!("set the security label `{text}`")))
}
