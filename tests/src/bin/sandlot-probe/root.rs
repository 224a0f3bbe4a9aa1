//! The way out of a root directory that was only changed, not pivoted: a second chroot while the working directory stays
//! outside of it.

use std::fs;
use std::path::Path;

use nix::unistd::{chdir, chroot};

use crate::outcome::{Outcome, argument};

/// Climbs out and looks for a path of the host.
pub(crate) fn leave(arguments: &[String]) -> Outcome {
    let path: String = match argument(arguments, 0) {
        Ok(path) => path,
        Err(outcome) => return outcome,
    };
    let inner = "/tmp/sandlot-probe-root";
    if let Err(error) = fs::create_dir_all(inner) {
        return Outcome::unprepared("make a folder", error);
    }
    if let Err(errno) = chdir("/").and_then(|()| chroot(inner)) {
        return Outcome::Refused(format!("chroot: {errno}"));
    }
    for _ in 0..64 {
        if chdir("..").is_err() {
            break;
        }
    }
    let climbed = chroot(".").and_then(|()| chdir("/"));
    let found = Path::new(&path).exists();
    // Inside, the folder stands at its own path; outside, it is another one that is not there.
    let _left_in_tmp = fs::remove_dir(inner);
    match climbed {
        Ok(()) if found => Outcome::Succeeded(format!("{path} is in sight")),
        Ok(()) => Outcome::Refused(format!("{path} is not in sight from the topmost folder")),
        Err(errno) => Outcome::Refused(format!("chroot `.`: {errno}")),
    }
}
