//! Mounts: seeing those of others, making new ones, undoing read-only ones.

use std::fs;

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::outcome::{Outcome, argument};

/// Looks for a mount that mentions a text.
pub(crate) fn see(arguments: &[String]) -> Outcome {
    let text: String = match argument(arguments, 0) {
        Ok(text) => text,
        Err(outcome) => return outcome,
    };
    let table = match fs::read_to_string("/proc/self/mountinfo") {
        Ok(table) => table,
        Err(error) => return Outcome::unprepared("read the mount table", error),
    };
    match table.lines().find(|line| line.contains(&text)) {
        Some(line) => Outcome::Succeeded(line.to_owned()),
        None => Outcome::Refused(format!("not among {} mounts", table.lines().count())),
    }
}

/// Mounts a file system of memory and takes it away again.
pub(crate) fn new_filesystem(_: &[String]) -> Outcome {
    let none = None::<&str>;
    let mounted = mount(Some("none"), "/tmp", Some("tmpfs"), MsFlags::empty(), none);
    if mounted.is_ok() {
        // The mount namespace ends with this container if it stays.
        let _stays = umount2("/tmp", MntFlags::MNT_DETACH);
    }
    let opened = sandlot_runtime::sys::mount::fsopen(c"tmpfs");
    Outcome::any([Outcome::of("mount", mounted), Outcome::of("fsopen", opened)])
}

/// Makes a read-only mount writable, and read-only again.
pub(crate) fn writable_again(arguments: &[String]) -> Outcome {
    let path: String = match argument(arguments, 0) {
        Ok(path) => path,
        Err(outcome) => return outcome,
    };
    let none = None::<&str>;
    let again =
        |flags| mount(none, path.as_str(), none, MsFlags::MS_REMOUNT | MsFlags::MS_BIND | flags, none);
    let kept = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let remounted = again(kept);
    if remounted.is_ok() {
        let _stays_writable = again(kept | MsFlags::MS_RDONLY);
    }
    Outcome::of("remount", remounted)
}
