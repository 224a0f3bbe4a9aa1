//! Device nodes of a spec, and those that every container has (config-linux.md, "Default Devices").

use std::path::PathBuf;

use nix::libc::dev_t;
use nix::sys::stat::{SFlag, makedev};
use oci_spec::runtime::{LinuxDevice, LinuxDeviceType};

use super::error::SpecError;
use super::mount::inside;

/// A node to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DevicePlan {
    /// Where, absolute inside the container.
    pub path: PathBuf,
    /// Character device, block device or pipe.
    pub kind: SFlag,
    /// Its number; 0 for a pipe.
    pub number: dev_t,
    /// Permission bits.
    pub mode: u32,
    /// Owner inside.
    pub uid: u32,
    /// Group inside.
    pub gid: u32,
}

const DEFAULT: [(&str, u64, u64); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];

/// The default nodes, but for those that the spec gives itself, then the spec's.
pub(super) fn plans(devices: &Option<Vec<LinuxDevice>>) -> Result<Vec<DevicePlan>, SpecError> {
    let given = devices.iter().flatten().map(DevicePlan::try_from).collect::<Result<Vec<_>, _>>()?;
    let own =
        DEFAULT.iter().filter(|(path, ..)| !given.iter().any(|device| device.path.as_os_str() == *path));
    let mut all: Vec<DevicePlan> = own.map(|(path, major, minor)| character(path, *major, *minor)).collect();
    all.extend(given);
    Ok(all)
}

fn character(path: &str, major: u64, minor: u64) -> DevicePlan {
    DevicePlan {
        path: path.into(),
        kind: SFlag::S_IFCHR,
        number: makedev(major, minor),
        mode: 0o666,
        uid: 0,
        gid: 0,
    }
}

impl TryFrom<&LinuxDevice> for DevicePlan {
    type Error = SpecError;

    fn try_from(device: &LinuxDevice) -> Result<Self, SpecError> {
        let kind = match device.typ() {
            LinuxDeviceType::C | LinuxDeviceType::U => SFlag::S_IFCHR,
            LinuxDeviceType::B => SFlag::S_IFBLK,
            LinuxDeviceType::P => SFlag::S_IFIFO,
            LinuxDeviceType::A => {
                return Err(SpecError::invalid("linux.devices.type", "a", "must be c, b, u or p"));
            }
        };
        let number = |number: i64| {
            let rule = "is not a device number";
            u64::try_from(number).map_err(|_| SpecError::invalid("linux.devices.major", number, rule))
        };
        let is_pipe = kind == SFlag::S_IFIFO;
        Ok(Self {
            path: inside("linux.devices.path", device.path())?,
            kind,
            number: if is_pipe { 0 } else { makedev(number(device.major())?, number(device.minor())?) },
            mode: device.file_mode().unwrap_or(0o666) & 0o7777,
            uid: device.uid().unwrap_or(0),
            gid: device.gid().unwrap_or(0),
        })
    }
}
