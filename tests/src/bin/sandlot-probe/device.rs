//! Devices of the host.

use std::collections::BTreeSet;
use std::fs;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};

use crate::outcome::{Outcome, argument};

/// Where a node of one's own may be tried: the root file system and each kind of memory file system.
const FOLDERS: [&str; 4] = ["/", "/tmp", "/dev", "/dev/shm"];

/// Makes a device node and opens it for reading.
pub(crate) fn make_and_open(arguments: &[String]) -> Outcome {
    let (kind, major, minor) = match parse(arguments) {
        Ok(parsed) => parsed,
        Err(outcome) => return outcome,
    };
    let attempts = FOLDERS.iter().map(|folder| {
        let path = format!("{}/sandlot-probe-device", folder.trim_end_matches('/'));
        let made = mknod(path.as_str(), kind, Mode::S_IRUSR, makedev(major, minor));
        if let Err(errno) = made {
            return Outcome::Refused(format!("mknod {path}: {errno}"));
        }
        let opened =
            open(path.as_str(), OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC, Mode::empty());
        let _left = fs::remove_file(&path);
        Outcome::of(&format!("open {path}"), opened)
    });
    Outcome::any(attempts)
}

fn parse(arguments: &[String]) -> Result<(SFlag, u64, u64), Outcome> {
    let kind: String = argument(arguments, 0)?;
    let kind = if kind == "block" { SFlag::S_IFBLK } else { SFlag::S_IFCHR };
    Ok((kind, argument(arguments, 1)?, argument(arguments, 2)?))
}

/// Looks into /dev for more than the names given.
pub(crate) fn see_others(allowed: &[String]) -> Outcome {
    let names = match fs::read_dir("/dev") {
        Ok(folder) => folder.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()),
        Err(error) => return Outcome::unprepared("read /dev", error),
    };
    let names: BTreeSet<String> = names.collect();
    let others: Vec<&String> = names.iter().filter(|name| !allowed.contains(name)).collect();
    match others.is_empty() {
        true => Outcome::Refused(format!("only the {} that belong there", names.len())),
        false => Outcome::Succeeded(format!("{others:?}")),
    }
}
