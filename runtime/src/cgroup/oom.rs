//! Being told when the kernel kills a process at an instance's memory limit.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::PollFlags;
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::Error;
use super::folder::Folder;
use super::group::Group;
use super::hierarchy::Controller;

/// A descriptor to wait on. Which events it polls as depends on the version.
#[derive(Debug)]
pub struct OomNotice(Source);

#[derive(Debug)]
enum Source {
    /// The group's `memory.oom_control` writes here.
    Eventfd(EventFd),
    /// `memory.events` itself.
    Events(File),
}

impl OomNotice {
    /// What to poll [`AsFd::as_fd`] for.
    pub fn poll_flags(&self) -> PollFlags {
        match self.0 {
            Source::Eventfd(_) => PollFlags::POLLIN,
            Source::Events(_) => PollFlags::POLLPRI,
        }
    }

    /// Makes the descriptor quiet until the next event. The event may also be the end of the group, or on version 2
    /// another one than a kill: the count of [`super::Instance::oom_kills`] decides.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn acknowledge(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Source::Eventfd(eventfd) => match eventfd.read() {
                Ok(_) | Err(Errno::EAGAIN) => Ok(()),
                Err(errno) => Err(errno.into()),
            },
            Source::Events(file) => {
                file.rewind()?;
                file.read(&mut [0; 512]).map(|_| ())
            }
        }
    }
}

impl AsFd for OomNotice {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            Source::Eventfd(eventfd) => eventfd.as_fd(),
            Source::Events(file) => file.as_fd(),
        }
    }
}

pub(super) fn notice(group: &Group) -> Result<OomNotice, Error> {
    let part = group.with(Controller::Memory).ok_or(Error::NoController("memory"))?;
    notice_in(&part.folder, part.unified)
}

/// For the group of this folder.
pub(super) fn notice_in(folder: &Folder, unified: bool) -> Result<OomNotice, Error> {
    let source = if unified { events(folder)? } else { eventfd(folder)? };
    Ok(OomNotice(source))
}

fn events(folder: &Folder) -> Result<Source, Error> {
    // The kernel reports changes since the last read.
    let mut file = folder.file("memory.events", OFlag::O_RDONLY)?;
    file.read(&mut [0; 512])
        .map_err(|source| Error::kernel("read", folder.path_of("memory.events"), source))?;
    Ok(Source::Events(file))
}

fn eventfd(folder: &Folder) -> Result<Source, Error> {
    let eventfd = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
        .map_err(|errno| Error::kernel("create", "an eventfd", errno))?;
    let control = folder.file("memory.oom_control", OFlag::O_RDONLY)?;
    let line = format!("{} {}", eventfd.as_fd().as_raw_fd(), control.as_raw_fd());
    folder.write("cgroup.event_control", &line)?;
    Ok(Source::Eventfd(eventfd))
}
