//! Which devices an instance may use: none but Docker's default list.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::folder::Folder;
use super::group::Group;
use super::hierarchy::Controller;
use super::{Error, device_program};
use crate::sys::bpf;

/// Number of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceNumber {
    /// Its driver.
    pub major: u32,
    /// Which of the driver's.
    pub minor: u32,
}

impl fmt::Display for DeviceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

/// One allowed device or range of devices; `None` is any number.
pub(super) struct Rule {
    pub(super) kind: char,
    pub(super) major: Option<u32>,
    pub(super) minor: Option<u32>,
    pub(super) access: &'static str,
}

const fn character(major: u32, minor: Option<u32>) -> Rule {
    Rule { kind: 'c', major: Some(major), minor, access: "rwm" }
}

/// Docker's list: nodes may be made (the capability for it is missing anyway), and null, zero, full, random, urandom,
/// tty, console, ptmx and pts used.
pub(super) const ALLOWED: [Rule; 11] = [
    Rule { kind: 'c', major: None, minor: None, access: "m" },
    Rule { kind: 'b', major: None, minor: None, access: "m" },
    character(1, Some(3)),
    character(1, Some(5)),
    character(1, Some(7)),
    character(1, Some(8)),
    character(1, Some(9)),
    character(5, Some(0)),
    character(5, Some(1)),
    character(5, Some(2)),
    character(136, None),
];

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |n: Option<u32>| n.map_or("*".to_owned(), |n| n.to_string());
        write!(f, "{} {}:{} {}", self.kind, number(self.major), number(self.minor), self.access)
    }
}

/// How the list is enforced on this host.
#[derive(Debug)]
pub(super) enum Filter {
    /// By the files of the version 1 controller.
    Files,
    /// By a program on the version 2 hierarchy, loaded once.
    Program(OwnedFd),
}

impl Filter {
    /// Chooses for the hierarchies of this group.
    pub(super) fn choose(group: &Group) -> Result<Self, Error> {
        if group.with(Controller::Devices).is_some() {
            return Ok(Self::Files);
        }
        let program = bpf::load_device_program(&device_program::assemble(&ALLOWED), c"Apache-2.0");
        program.map(Self::Program).map_err(|errno| Error::kernel("load", "the device program", errno))
    }

    /// The program, where it is one.
    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Files => None,
            Self::Program(program) => Some(program.as_fd()),
        }
    }

    /// Sets the list on a group. May be repeated.
    pub(super) fn restrict(&self, group: &Group) -> Result<(), Error> {
        match (self, group.with(Controller::Devices), group.unified()) {
            (Self::Files, Some(part), _) => restrict_by_files(&part.folder),
            (Self::Program(program), _, Some(folder)) => restrict_by_program(folder, program),
            _ => Err(Error::NoController("devices")),
        }
    }
}

fn restrict_by_files(folder: &Folder) -> Result<(), Error> {
    // A group that is restricted already may have children, and then the kernel refuses a second `a`.
    if folder.read("devices.list")?.starts_with("a ") {
        folder.write("devices.deny", "a")?;
    }
    ALLOWED.iter().try_for_each(|rule| folder.write("devices.allow", &rule.to_string()))
}

fn restrict_by_program(folder: &Folder, program: &OwnedFd) -> Result<(), Error> {
    let failed = |errno| Error::kernel("attach the device program to", folder.path_of(""), errno);
    if bpf::count_device_programs(folder.as_fd()).map_err(failed)? > 0 {
        return Ok(());
    }
    bpf::attach_device_program(folder.as_fd(), program.as_fd()).map_err(failed)
}
