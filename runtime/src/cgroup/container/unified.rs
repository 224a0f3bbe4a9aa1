//! Files of version 2 as the spec names them (config-linux.md, "Unified").

use std::collections::HashMap;

use nix::libc::{ENOENT, EPERM};

use super::file::{read, write};
use super::{ContainerGroup, Part};
use crate::cgroup::Error;

type Files = HashMap<String, String>;

/// Before anything is set: version 1 has no such files.
pub(super) fn check(group: &ContainerGroup, files: Option<&Files>) -> Result<(), Error> {
    let asked = files.is_some_and(|files| !files.is_empty());
    if asked && group.parts.iter().any(|part| !part.root.is_unified()) {
        let text = "invalid configuration: cannot use unified on cgroup v1";
        return Err(Error::Said(text.to_owned()));
    }
    Ok(())
}

pub(super) fn set(group: &ContainerGroup, files: Option<&Files>) -> Result<(), Error> {
    let Some(part) = group.parts.iter().find(|part| part.root.is_unified()) else { return Ok(()) };
    let mut files: Vec<_> = files.into_iter().flatten().collect();
    files.sort();
    files.into_iter().try_for_each(|(file, value)| set_one(part, file, value))
}

fn set_one(part: &Part, file: &str, value: &str) -> Result<(), Error> {
    if file.contains('/') {
        return Err(Error::Said(format!("unified resource {file:?} must be a file name (no slashes)")));
    }
    let Some((controller, _)) = file.split_once('.') else {
        return Err(Error::Said(format!(
            "unified resource {file:?} must be in the form CONTROLLER.PARAMETER"
        )));
    };
    // Several lines are several values of the same file.
    value.lines().try_for_each(|line| match write(&part.path, file, line) {
        Err(error) if matches!(error.errno(), Some(ENOENT | EPERM)) => {
            let enabled = read(&part.path, "cgroup.controllers")?;
            if enabled.split_whitespace().any(|one| one == controller) || controller == "cgroup" {
                return Err(Error::Said(format!("unified resource {file:?} can't be set: {error}")));
            }
            let text =
                format!("unified resource {file:?} can't be set: controller {controller:?} not available");
            Err(Error::Said(text))
        }
        result => result,
    })
}
