//! Which devices a container may use (config-linux.md, "Allowed Device list").
//!
//! Rules are read as version 1 of the controller would: a rule for all devices sets the default and forgets what came
//! before, any other adds an exception to it or takes one back. The result is written to the files of version 1, or becomes
//! a program for version 2.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::path::Path;

use nix::errno::Errno;
use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceCgroupBuilder, LinuxDeviceType};

use super::file::{read, write};
use super::{ContainerGroup, With};
use crate::cgroup::Error;
use crate::cgroup::device_program::{self, Access, Exception};
use crate::cgroup::folder::Folder;
use crate::sys::bpf;

/// What every container may use: pseudo devices, its terminals, and making nodes, which is of no use without more.
pub fn default_device_rules() -> Vec<LinuxDeviceCgroup> {
    let rule = |typ, major: Option<i64>, minor: Option<i64>, access: &str| {
        let mut rule = LinuxDeviceCgroupBuilder::default().allow(true).typ(typ).access(access.to_owned());
        if let Some(major) = major {
            rule = rule.major(major);
        }
        if let Some(minor) = minor {
            rule = rule.minor(minor);
        }
        rule.build().ok()
    };
    let character = |major, minor| rule(LinuxDeviceType::C, Some(major), minor, "rwm");
    let devices = [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2)];
    let nodes = [rule(LinuxDeviceType::C, None, None, "m"), rule(LinuxDeviceType::B, None, None, "m")];
    let devices = devices.into_iter().map(|(major, minor)| character(major, Some(minor)));
    nodes.into_iter().chain(devices).chain([character(136, None)]).flatten().collect()
}

/// What the rules come to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Verdict {
    /// Whether what is no exception is allowed.
    allows: bool,
    /// By kind, major and minor; no number is any.
    exceptions: BTreeMap<(char, Option<u32>, Option<u32>), Access>,
}

impl Verdict {
    fn of(rules: &[LinuxDeviceCgroup]) -> Result<Self, Error> {
        let mut verdict = Self::default();
        rules.iter().try_for_each(|rule| verdict.add(rule))?;
        Ok(verdict)
    }

    fn add(&mut self, rule: &LinuxDeviceCgroup) -> Result<(), Error> {
        let kind = match rule.typ().unwrap_or(LinuxDeviceType::A) {
            LinuxDeviceType::A => {
                *self = Self { allows: rule.allow(), exceptions: BTreeMap::new() };
                return Ok(());
            }
            LinuxDeviceType::B => 'b',
            LinuxDeviceType::C | LinuxDeviceType::U => 'c',
            LinuxDeviceType::P => return Err(Error::Said("a device rule for a pipe is none".to_owned())),
        };
        let number = |given: Option<i64>| match given {
            None | Some(-1) => Ok(None),
            Some(number) => u32::try_from(number)
                .map(Some)
                .map_err(|_| Error::Said(format!("a device rule for number {number} is none"))),
        };
        let key = (kind, number(rule.major())?, number(rule.minor())?);
        let access = Access::read(rule.access().as_deref().unwrap_or("rwm"));
        let known = self.exceptions.entry(key).or_default();
        *known = if rule.allow() == self.allows { known.without(access) } else { known.with(access) };
        if known.is_empty() {
            self.exceptions.remove(&key);
        }
        Ok(())
    }
}

pub(super) fn set(group: &ContainerGroup, rules: &[LinuxDeviceCgroup]) -> Result<(), Error> {
    let verdict = Verdict::of(rules)?;
    match group.with("devices") {
        Some(With::First(folder)) => set_v1(folder, &verdict),
        Some(With::Second(folder)) => set_v2(folder, &verdict),
        None => Err(Error::NoController("devices")),
    }
}

fn set_v1(folder: &Path, verdict: &Verdict) -> Result<(), Error> {
    let (default, exception) = match verdict.allows {
        true => ("devices.allow", "devices.deny"),
        false => ("devices.deny", "devices.allow"),
    };
    // A group that is restricted already may have children, and then the kernel refuses another default.
    let is_fresh = read(folder, "devices.list")?.starts_with("a ");
    if is_fresh != verdict.allows || is_fresh {
        match write(folder, default, "a") {
            Err(error) if error.errno() == Some(Errno::EINVAL as i32) && !is_fresh => {}
            result => result?,
        }
    }
    verdict.exceptions.iter().try_for_each(|((kind, major, minor), access)| {
        let number = |number: &Option<u32>| number.map_or("*".to_owned(), |number| number.to_string());
        write(folder, exception, &format!("{kind} {}:{} {access}", number(major), number(minor)))
    })
}

fn set_v2(folder: &Path, verdict: &Verdict) -> Result<(), Error> {
    let exceptions: Vec<Exception> = verdict
        .exceptions
        .iter()
        .map(|((kind, major, minor), access)| Exception {
            kind: *kind,
            major: *major,
            minor: *minor,
            access: *access,
        })
        .collect();
    let program = device_program::assemble_exceptions(verdict.allows, &exceptions);
    let failed = |operation: &'static str| {
        let object = folder.display().to_string();
        move |errno: Errno| Error::kernel(operation, object, errno)
    };
    let program =
        bpf::load_device_program(&program, c"Apache-2.0").map_err(failed("load the device program for"))?;
    let folder_fd = Folder::open_root(&folder.to_string_lossy())?;
    bpf::attach_device_program(folder_fd.as_fd(), program.as_fd())
        .map_err(failed("attach the device program to"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> LinuxDeviceCgroup {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn later_rules_decide() {
        let rules = [
            rule(r#"{"allow": true, "type": "c", "major": 10, "minor": 1, "access": "r"}"#),
            rule(r#"{"allow": false, "access": "rwm"}"#),
            rule(r#"{"allow": true, "type": "c", "major": 1, "minor": 3, "access": "r"}"#),
            rule(r#"{"allow": true, "type": "c", "major": 1, "minor": 3, "access": "w"}"#),
            rule(r#"{"allow": false, "type": "c", "major": 1, "minor": 3, "access": "ma"}"#),
        ];
        let verdict = Verdict::of(&rules).unwrap();
        let shown: Vec<String> =
            verdict.exceptions.iter().map(|(key, access)| format!("{key:?} {access}")).collect();
        assert_eq!((verdict.allows, shown), (false, vec!["('c', Some(1), Some(3)) rw".to_owned()]));
        assert_eq!(Verdict::of(&default_device_rules()).unwrap().exceptions.len(), 11);
    }
}
