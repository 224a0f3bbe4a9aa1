//! Freezing, thawing and signalling whole groups.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc::SIGKILL;
use nix::unistd::Pid;

use super::file::{exists, read, write};
use super::{ContainerGroup, With};
use crate::cgroup::Error;
use crate::sys::pidfd;

/// Between two looks at a group that freezes, and how often.
const PAUSE: Duration = Duration::from_micros(500);
const TRIES: u32 = 4000;
/// A version 1 group can get stuck half-way while processes come and go: thawing it now and then helps.
const TRIES_BEFORE_THAW: u32 = 50;

impl ContainerGroup {
    /// Freezes or thaws every process; returns when all stand still.
    ///
    /// # Errors
    /// When the kernel refuses, or a process does not stop.
    pub fn set_frozen(&self, frozen: bool) -> Result<(), Error> {
        match self.with("freezer") {
            None => Err(Error::NoController("freezer")),
            Some(With::First(folder)) if frozen => freeze_v1(folder),
            Some(With::First(folder)) => write(folder, "freezer.state", "THAWED"),
            Some(With::Second(folder)) => set_v2(folder, frozen),
        }
    }

    /// Whether it is frozen, or about to be.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn is_frozen(&self) -> Result<bool, Error> {
        match self.with("freezer") {
            None => Ok(false),
            Some(With::First(folder)) => Ok(read(folder, "freezer.state")?.trim() != "THAWED"),
            Some(With::Second(folder)) if exists(folder, "cgroup.freeze") => {
                Ok(read(folder, "cgroup.freeze")?.trim() == "1")
            }
            Some(With::Second(_)) => Ok(false),
        }
    }

    /// Sends a signal to every process in the groups and below.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn signal(&self, signal: i32) -> Result<(), Error> {
        if let (SIGKILL, Some(part)) = (signal, self.parts.iter().find(|part| part.root.is_unified()))
            && self.parts.len() == 1
            && exists(&part.path, "cgroup.kill")
        {
            return write(&part.path, "cgroup.kill", "1");
        }
        let was_frozen = self.is_frozen()?;
        // What is frozen can neither fork nor end, so that no id is used again under our hands. Without a freezer the
        // descriptors of the processes have to do.
        let freezes = !was_frozen && self.set_frozen(true).is_ok();
        let sent = self.processes().and_then(|pids| pids.into_iter().try_for_each(|pid| send(pid, signal)));
        if freezes || was_frozen && signal == SIGKILL {
            self.set_frozen(false)?;
        }
        sent
    }
}

fn send(pid: i32, signal: i32) -> Result<(), Error> {
    let sent = pidfd::open(Pid::from_raw(pid))
        .and_then(|process| pidfd::send_number(std::os::fd::AsFd::as_fd(&process), signal));
    match sent {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(Error::kernel("signal process", pid.to_string(), errno)),
    }
}

fn freeze_v1(folder: &Path) -> Result<(), Error> {
    for attempt in 0..TRIES {
        if attempt % TRIES_BEFORE_THAW == TRIES_BEFORE_THAW - 1 {
            write(folder, "freezer.state", "THAWED")?;
        }
        write(folder, "freezer.state", "FROZEN")?;
        if read(folder, "freezer.state")?.trim() == "FROZEN" {
            return Ok(());
        }
        sleep(PAUSE);
    }
    write(folder, "freezer.state", "THAWED")?;
    Err(Error::Said("unable to freeze".to_owned()))
}

fn set_v2(folder: &Path, frozen: bool) -> Result<(), Error> {
    let number = if frozen { "1" } else { "0" };
    write(folder, "cgroup.freeze", number)?;
    for _ in 0..TRIES {
        let events = read(folder, "cgroup.events")?;
        let state = events.lines().find_map(|line| line.strip_prefix("frozen "));
        if state.is_none_or(|state| state == number) {
            return Ok(());
        }
        sleep(PAUSE);
    }
    Err(Error::Said(format!(
        "timeout waiting for the cgroup to become {}",
        if frozen { "frozen" } else { "thawed" }
    )))
}
