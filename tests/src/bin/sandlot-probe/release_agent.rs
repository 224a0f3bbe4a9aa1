//! The program that a version 1 control group starts on the host: reached through the tree as it is mounted, or through a
//! mount of one's own (CVE-2022-0492).

use std::fs;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::outcome::Outcome;

/// Hierarchies to ask for; the last one is new and without a controller, which hosts of version 2 have as well.
const HIERARCHIES: [&str; 4] = ["memory", "pids", "rdma", "none,name=sandlot-probe"];
const PLACE: &str = "/tmp/sandlot-probe-cgroup";

/// Opens a `release_agent` for writing, and writes nothing.
pub(crate) fn reach(_: &[String]) -> Outcome {
    let entries = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
    let folders = entries.map(|entry| entry.path()).filter(|path| path.is_dir());
    let mut attempts: Vec<Outcome> = folders.map(|folder| open_agent(&folder)).collect();
    attempts.extend(HIERARCHIES.map(through_own_mount));
    Outcome::any(attempts)
}

fn open_agent(folder: &Path) -> Outcome {
    let path: PathBuf = folder.join("release_agent");
    Outcome::of(&path.display().to_string(), fs::File::options().write(true).open(&path))
}

fn through_own_mount(hierarchy: &str) -> Outcome {
    if let Err(error) = fs::create_dir_all(PLACE) {
        return Outcome::unprepared("make a folder", error);
    }
    let mounted = mount(Some("cgroup"), PLACE, Some("cgroup"), MsFlags::empty(), Some(hierarchy));
    let outcome = match mounted {
        Ok(()) => open_agent(Path::new(PLACE)),
        Err(errno) => Outcome::Refused(format!("mount {hierarchy}: {errno}")),
    };
    if mounted.is_ok() {
        let _ends_with_the_namespace = umount2(PLACE, MntFlags::MNT_DETACH);
    }
    let _left_in_tmp = fs::remove_dir(PLACE);
    outcome
}
