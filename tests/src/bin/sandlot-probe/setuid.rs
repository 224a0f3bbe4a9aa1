//! A program that is root for everyone: made inside, run outside.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use nix::unistd::geteuid;

use crate::outcome::{Outcome, argument};

/// Copies this program to a path and makes the copy setuid; only who looks from outside can say what that is worth.
pub(crate) fn make(arguments: &[String]) -> Outcome {
    let path: String = match argument(arguments, 0) {
        Ok(path) => path,
        Err(outcome) => return outcome,
    };
    let made = fs::copy("/proc/self/exe", &path)
        .and_then(|_| fs::set_permissions(&path, fs::Permissions::from_mode(0o4755)));
    Outcome::of("make a setuid program", made)
}

/// Whether this process has root's rights here.
pub(crate) fn is_root(_: &[String]) -> Outcome {
    match geteuid() {
        uid if uid.is_root() => Outcome::Succeeded("effective user 0".to_owned()),
        uid => Outcome::Refused(format!("effective user {uid}")),
    }
}
